/**
 * A person's data on the device, with or without a network.
 *
 * ```ts
 * const sync = await ClaritySync.open();
 * const key = await sync.newKey("Note");
 * await sync.create(key, { text: "slept well" });
 * for await (const status of sync.watchStatus()) console.log(status.flow);
 * ```
 *
 * @packageDocumentation
 */
export { ClaritySync } from "./client.js";
export type { Environment } from "./environment.js";
export { SyncError } from "./errors.js";
export type { SyncErrorKind } from "./errors.js";
export type { Importing, ImportProgress, ImportResult } from "./import.js";
export type { OpenOptions, Reading, Updating } from "./options.js";
export type * from "./types.js";
