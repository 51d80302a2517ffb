// A value of the store that a component shows, live for as long as the component is on the page.

import type { ClaritySync } from "@clarity/sync";
import type { ReactiveController, ReactiveControllerHost } from "lit";
import { wordsOf } from "./failures.js";
import { store } from "./store.js";

type Start<T> = (sync: ClaritySync, options: { signal: AbortSignal }) => AsyncIterable<T> | null;

export class Watch<T> implements ReactiveController {
  /** The latest value; nothing before the first. */
  value: T | undefined;
  /** Why there is none, in words. */
  error: string | undefined;
  readonly #host: ReactiveControllerHost;
  readonly #start: Start<T>;
  readonly #onValue: ((value: T) => void) | undefined;
  #abort: AbortController | undefined;

  constructor(host: ReactiveControllerHost, start: Start<T>, onValue?: (value: T) => void) {
    this.#host = host;
    this.#start = start;
    this.#onValue = onValue;
    host.addController(this);
  }

  hostConnected(): void {
    void this.#follow();
  }

  hostDisconnected(): void {
    this.#abort?.abort();
  }

  /** Begins anew, when what is watched is another thing, or more of the same. */
  restart({ more = false } = {}): void {
    this.#abort?.abort();
    if (!more) this.value = undefined;
    void this.#follow();
  }

  async #follow(): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    try {
      for await (const value of this.#start(store(), abort) ?? []) {
        if (abort.signal.aborted) return;
        this.value = value;
        this.error = undefined;
        this.#onValue?.(value);
        this.#host.requestUpdate();
      }
    } catch (error) {
      if (abort.signal.aborted) return;
      this.error = wordsOf(error);
      this.#host.requestUpdate();
    }
  }
}
