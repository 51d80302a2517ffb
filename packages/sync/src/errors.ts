import type { CallError, ErrorKind } from "./types.js";

/** What kind of error it is, for programs: one of the engine's, or of the browser's. */
export type SyncErrorKind =
  | ErrorKind
  /** This browser lacks what a store needs, and a store in memory was not allowed. */
  | "unsupported"
  /** Another tab has the store open and this browser gives no way to share it. */
  | "open_elsewhere"
  /** The worker with the store cannot be started. */
  | "worker";

/** Why a call failed. Nothing of it was stored, unless the words say so. */
export class SyncError extends Error {
  override readonly name = "SyncError";

  constructor(
    readonly kind: SyncErrorKind,
    message: string,
  ) {
    super(message);
  }

  /** The error that the engine answered with. */
  static of(error: CallError): SyncError {
    return new SyncError(error.kind, error.message);
  }
}
