// What a store is opened with, and what its calls take besides what they say.

import type { JsonValue } from "./types.js";

/** How a store is opened. */
export interface OpenOptions {
  /** The name of the store among those of this origin: one for each account. `default` if absent. */
  readonly store?: string;
  /**
   * Whether a store in memory will do where this browser keeps no files for pages. What is in it is
   * gone with the page, unless it was synchronised; {@link ClaritySync.environment} says so.
   */
  readonly allowMemory?: boolean;
  /**
   * Starts a worker that runs `@clarity/sync/worker`, where a page wants something else in it as
   * well, such as a `fetch` that goes another way. It is called again each time that a worker ended.
   */
  readonly startWorker?: () => Worker;
}

/** What every call takes. */
export interface Reading {
  /** Ends the waiting. A write that was on its way may be made all the same. */
  readonly signal?: AbortSignal;
}

/** What an update and a delete take. */
export interface Updating extends Reading {
  /**
   * The fields as the person saw them when they began, so that a form that was opened before a
   * change came in does not overwrite what nobody saw. Absent: the latest values are written over.
   */
  readonly seen?: Record<string, JsonValue>;
  /** Fields to remove. */
  readonly remove?: readonly string[];
}
