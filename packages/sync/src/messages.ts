// What pages and workers of one store say to each other. Calls and answers are JSON of the engine,
// so that they are read once, where they are needed.

import type { CallError } from "./types.js";

/** How a worker is begun. */
export interface Begin {
  /** The name of the store. */
  readonly store: string;
  /** The name of the worker. */
  readonly worker: string;
  /** Whether the store is in memory, for this page alone. */
  readonly inMemory: boolean;
}

/** From a page to the worker that has the store. */
export type ToLeader =
  | { readonly kind: "call"; readonly page: string; readonly number: number; readonly call: string }
  | { readonly kind: "watch"; readonly page: string; readonly number: number; readonly call: string }
  | { readonly kind: "unwatch"; readonly page: string; readonly number: number }
  /** A page wants to know who has the store. */
  | { readonly kind: "hello"; readonly page: string }
  /** A page ends. */
  | { readonly kind: "bye"; readonly page: string };

/** From the worker that has the store to one page. */
export type Answer = {
  readonly page: string;
  readonly number: number;
  readonly answer: string;
} & ({ readonly kind: "answer" } | { readonly kind: "value" });

/** From the worker that has the store to everybody. */
export interface Leading {
  readonly kind: "leading";
  readonly worker: string;
  /** Why the store could not be opened; every call is answered with it. */
  readonly failed: CallError | null;
}

/** From a worker to its own page alone: it holds its lock, so that its end will be seen. */
export interface Alive {
  readonly kind: "alive";
}

export type FromWorker = Answer | Leading | Alive;
export type OnChannel = ToLeader | Answer | Leading;

export const channelName = (store: string): string => `clarity-sync:${store}`;
export const leaderLock = (store: string): string => `clarity-sync:${store}:leader`;
export const pageLock = (store: string, page: string): string =>
  `clarity-sync:${store}:page:${page}`;
export const workerLock = (store: string, worker: string): string =>
  `clarity-sync:${store}:worker:${worker}`;
