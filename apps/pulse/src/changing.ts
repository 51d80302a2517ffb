// A value of the app's own that changes, for components that show it.

import type { ReactiveControllerHost } from "lit";

export class Changing<T> {
  readonly #shown = new Set<() => void>();
  #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  become(next: T): void {
    this.#value = next;
    for (const update of this.#shown) update();
  }

  /** Is live for as long as the host is on the page. */
  liveIn(host: ReactiveControllerHost): Pick<this, "value"> {
    const update = (): void => host.requestUpdate();
    host.addController({
      hostConnected: () => this.#shown.add(update),
      hostDisconnected: () => this.#shown.delete(update),
    });
    return this;
  }
}
