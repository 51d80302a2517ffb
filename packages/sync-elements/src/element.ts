import { LitElement } from "lit";
import type { CSSResultGroup, PropertyDeclarations, PropertyValues } from "lit";
import { Names } from "./describe.js";
import type { Describer } from "./describe.js";
import { shared, tokens } from "./theme.js";
import { Words } from "./words.js";

const connected = new Set<SyncElement>();
let commonWords = new Words(globalThis.navigator?.language ?? "en");
let commonDescriber: Describer = {};

/** Sets the language of all elements, now and from now on. */
export function setWords(words: Words): void {
  commonWords = words;
  for (const element of connected) element.requestUpdate();
}

/** Sets how all elements name entities and write values, now and from now on. */
export function setDescriber(describer: Describer): void {
  commonDescriber = describer;
  for (const element of connected) element.requestUpdate();
}

/** What all elements have. */
export abstract class SyncElement extends LitElement {
  static override properties: PropertyDeclarations = {
    now: { type: Number },
    problem: { state: true },
  };
  static override styles: CSSResultGroup = [tokens, shared];

  /** The time to show, in milliseconds since 1970 UTC; the clock's if absent. */
  now: number | undefined;
  /** What went wrong with the last thing that a person asked for. */
  protected problem: string | null = null;
  #tick: ReturnType<typeof setInterval> | undefined;
  #watching: AbortController | null = null;

  get words(): Words {
    return commonWords;
  }

  get names(): Names {
    return new Names(commonWords, commonDescriber);
  }

  protected get time(): number {
    return this.now ?? Date.now();
  }

  /** How often times are written anew. */
  protected get tick_ms(): number {
    return 30_000;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    connected.add(this);
    this.#tick = setInterval(() => this.requestUpdate(), this.tick_ms);
    // Before the first update `willUpdate` starts it, when all properties are there.
    if (this.hasUpdated) this.rewatch();
  }

  override willUpdate(changed: PropertyValues): void {
    super.willUpdate(changed);
    if (changed.has("sync")) this.rewatch();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    connected.delete(this);
    clearInterval(this.#tick);
    this.#watching?.abort();
  }

  /** Starts what is watched while the element is in a page. */
  protected watchAll(_signal: AbortSignal): void {
    // Elements without anything to watch exist.
  }

  /** Ends what is watched and starts it anew: for another `sync`. */
  protected rewatch(): void {
    this.#watching?.abort();
    this.#watching = new AbortController();
    if (this.isConnected) this.watchAll(this.#watching.signal);
  }

  /** Takes each value until the signal ends it; what goes wrong is shown. */
  protected follow<T>(
    values: AsyncIterable<T>,
    signal: AbortSignal,
    take: (value: T) => void,
  ): void {
    const run = async (): Promise<void> => {
      for await (const value of values) {
        if (signal.aborted) return;
        take(value);
      }
    };
    run().catch((error: unknown) => {
      if (!signal.aborted) this.problem = this.names.problem(error);
    });
  }

  /** Does what a person asked for; what goes wrong is shown. */
  protected async attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
    this.problem = null;
    try {
      return await work();
    } catch (error) {
      this.problem = this.names.problem(error);
      return undefined;
    }
  }

  /** Tells the app; says whether the element should go on by itself. */
  protected tell(type: string, detail: unknown = null): boolean {
    const options = { detail, bubbles: true, composed: true, cancelable: true };
    return this.dispatchEvent(new CustomEvent(type, options));
  }
}
