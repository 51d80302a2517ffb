// A choice that belongs to this browser and not to the person's data.

export class Kept {
  readonly #key: string;
  /** The choice since the page was opened: a browser may be told to keep nothing. */
  #chosen: string | null = null;

  constructor(name: string) {
    this.#key = `pulse.${name}`;
  }

  get value(): string | null {
    return this.#chosen ?? unlessBlocked(() => localStorage.getItem(this.#key));
  }

  choose(value: string): void {
    this.#chosen = value;
    unlessBlocked(() => localStorage.setItem(this.#key, value));
  }
}

/** What a browser that blocks its storage answers with an error: a choice is not worth more. */
function unlessBlocked<T>(run: () => T): T | null {
  try {
    return run();
  } catch {
    return null;
  }
}
