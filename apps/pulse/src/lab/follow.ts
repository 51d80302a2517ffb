// Values of a phone's store in a component, for as long as it is shown.

import type { ClaritySync } from "@clarity/sync";
import type { ReactiveController, ReactiveControllerHost } from "lit";

type Start<T> = (sync: ClaritySync, options: { signal: AbortSignal }) => AsyncGenerator<T, void, undefined>;
interface Host extends ReactiveControllerHost {
  readonly sync: ClaritySync;
}

/** Keeps what is watched in `value`. */
export class Follow<T> implements ReactiveController {
  value: T | undefined;
  readonly #host: Host;
  readonly #start: Start<T>;
  #ended: AbortController | undefined;

  constructor(host: Host, start: Start<T>) {
    this.#host = host;
    this.#start = start;
    host.addController(this);
  }

  hostDisconnected(): void {
    this.#ended?.abort();
    this.#ended = undefined;
  }

  /** Begins before the first rendering, when the host has its store. */
  hostUpdate(): void {
    if (this.#ended) return;
    this.#ended = new AbortController();
    void this.#run(this.#ended.signal);
  }

  async #run(signal: AbortSignal): Promise<void> {
    for await (const value of this.#start(this.#host.sync, { signal })) {
      if (signal.aborted) return;
      this.value = value;
      this.#host.requestUpdate();
    }
  }
}
