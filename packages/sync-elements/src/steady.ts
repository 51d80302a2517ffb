import type { StateName } from "./states.js";

/** Calls `then` after a time, and says how to have it not called. */
export type Timer = (then: () => void, delay_ms: number) => () => void;

/** The timer of the platform. */
export const realTimer: Timer = (then, delay_ms) => {
  const timeout = setTimeout(then, delay_ms);
  return () => clearTimeout(timeout);
};

const SYNCING_AFTER_MS = 1_000;
const AWAY_AFTER_MS = 3_000;
const BACK_AFTER_MS = 1_000;

/** How long a flow must last before it is shown in the place of another one. */
export function patience(from: StateName | null, to: StateName): number {
  if (from === null || from === "starting" || from === to) return 0;
  const isAway = (name: StateName): boolean => name === "offline" || name === "server-unreachable";
  if (isAway(to)) return isAway(from) ? 0 : AWAY_AFTER_MS;
  if (isAway(from)) return BACK_AFTER_MS;
  return to === "syncing" ? SYNCING_AFTER_MS : 0;
}

/** A flow and what is shown for it. */
export interface Offered<T> {
  readonly name: StateName;
  readonly value: T;
}

/** Keeps what is shown from flapping with the network. */
export class SteadyFlow<T> {
  #shown: Offered<T> | null = null;
  #next: Offered<T> | null = null;
  #cancel: (() => void) | null = null;

  /** @param show Called with what is to be shown. */
  constructor(
    readonly show: (value: T) => void,
    readonly timer: Timer = realTimer,
  ) {}

  /**
   * Takes what holds now.
   *
   * @param meanwhile What is shown in the place of "synced" until this one has lasted.
   */
  offer(name: StateName, value: T, meanwhile?: Offered<T>): void {
    const delay_ms = patience(this.#shown?.name ?? null, name);
    if (delay_ms === 0) {
      this.stop();
      this.#show({ name, value });
      return;
    }
    if (meanwhile !== undefined && this.#shown?.name === "synced") this.#show(meanwhile);
    // The time runs from when this flow began, however often it is told of meanwhile.
    if (this.#next?.name !== name) {
      this.stop();
      this.#cancel = this.timer(() => this.#settle(), delay_ms);
    }
    this.#next = { name, value };
  }

  #settle(): void {
    const next = this.#next;
    this.#next = null;
    this.#cancel = null;
    if (next !== null) this.#show(next);
  }

  #show(offered: Offered<T>): void {
    this.#shown = offered;
    this.show(offered.value);
  }

  /** Forgets what was to be shown later. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#next = null;
  }
}
