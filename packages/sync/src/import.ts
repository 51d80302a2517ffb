// Import of a file: one worker reads it, and the worker with the store takes it in, part by part.

import type { ClaritySync } from "./client.js";
import { SyncError } from "./errors.js";
import type { FromImporter, ToImporter } from "./import-worker.js";
import { removeLeftParts } from "./parts.js";
import type { Imported, ImportOutcome, Written } from "./types.js";

/** How far an import is. */
export interface ImportProgress {
  /** Reading comes first; nothing is saved before the file has been read. */
  readonly phase: "reading" | "saving";
  /** Unpacked bytes that were read, and in all. */
  readonly bytes: number;
  readonly bytesTotal: number;
  /** Records that were read so far, or, while saving, that were read in all. */
  readonly records: number;
  /** Records that are dealt with: saved, here already, or left out. */
  readonly saved: number;
}

/** What an import did. */
export interface ImportResult extends ImportOutcome {
  /** Its number on this device, by which it can be undone. */
  readonly import: string;
  /** People that the data is about, as far as the file says; more than one is a reason to ask. */
  readonly subjects: number;
}

/** What an import takes. */
export interface Importing {
  /** Ends it. What was saved until then stays, and importing again goes on from there. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ImportProgress) => void;
}

const NOTHING: Imported = {
  new: 0, changed: 0, duplicate: 0, deleted_before: 0, away: 0, invalid: 0, deleted: 0,
};

const ENDED =
  "the browser stopped the reading of the file, perhaps for lack of memory; close other tabs and " +
  "import the file again";

/** Imports a file; see `ClaritySync.import`. `write` makes a write that is given in JSON. */
export async function importFile(
  file: File,
  sync: ClaritySync,
  write: (part: string) => Promise<Written>,
  { signal, onProgress }: Importing,
): Promise<ImportResult> {
  signal?.throwIfAborted();
  const inMemory = sync.environment.storage === "memory";
  const reader = new Reader(signal);
  try {
    let bytes = { bytes: 0, bytesTotal: file.size };
    reader.read(file, inMemory);
    const { summary, parts } = await reader.summary((now) => {
      bytes = { bytes: now.bytes_read, bytesTotal: now.bytes_total };
      onProgress?.({ phase: "reading", ...bytes, records: now.samples, saved: 0 });
    });
    const imported = { ...NOTHING };
    const records = summary.read.read;
    for (let index = 0; index < parts; index += 1) {
      const part = await reader.part(index);
      const written = await write(part.write);
      signal?.throwIfAborted();
      for (const what of Object.keys(NOTHING) as (keyof Imported)[]) {
        imported[what] += written.imported[what];
      }
      const { deleted: _, ...samples } = imported;
      const saved = Object.values(samples).reduce((sum, count) => sum + count, 0);
      onProgress?.({ phase: "saving", ...bytes, records, saved });
    }
    const { import: name, read } = summary;
    const outcome = await sync.call("finish_import", { import: name, read, imported });
    return { ...outcome, import: name, subjects: summary.subjects };
  } finally {
    reader.end();
    if (!inMemory) await removeLeftParts();
  }
}

type Said<K> = Extract<FromImporter, { kind: K }>;

/** The worker that reads. */
class Reader {
  readonly #worker: Worker;
  readonly #signal: AbortSignal | undefined;
  readonly #lock = `clarity-sync:import:${crypto.randomUUID()}`;
  readonly #over = new AbortController();
  /** Why nothing more will be said. */
  #failed: SyncError | undefined;
  #onFailure: ((error: SyncError) => void) | undefined;

  constructor(signal: AbortSignal | undefined) {
    this.#worker = new Worker(new URL("./import-worker.js", import.meta.url), { type: "module" });
    this.#signal = signal;
    this.#worker.onerror = () => {
      this.#fail(new SyncError("worker", "the importer cannot be loaded; reload and import again"));
    };
  }

  /** Begins to read a file. */
  read(file: File, inMemory: boolean): void {
    this.#send({ kind: "file", file, inMemory, lock: this.#lock });
  }

  /** What was read, when all of it was. */
  summary(onProgress: (now: Said<"progress">["now"]) => void): Promise<Said<"read">> {
    return this.#until("read", onProgress);
  }

  part(index: number): Promise<Said<"part">> {
    this.#send({ kind: "part", index });
    return this.#until("part");
  }

  end(): void {
    this.#over.abort();
    this.#worker.terminate();
  }

  #send(message: ToImporter): void {
    this.#worker.postMessage(message);
  }

  /** Waits until it says this, or fails. */
  #until<K extends "read" | "part">(
    kind: K,
    onProgress?: (now: Said<"progress">["now"]) => void,
  ): Promise<Said<K>> {
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(this.#signal?.reason as Error);
      if (this.#signal?.aborted) return abort();
      if (this.#failed) return reject(this.#failed);
      this.#onFailure = reject;
      this.#signal?.addEventListener("abort", abort, { once: true });
      this.#worker.onmessage = ({ data }: MessageEvent<FromImporter>) => {
        if (data.kind === "alive") return this.#watchOver();
        if (data.kind === "progress") return onProgress?.(data.now);
        if (data.kind !== kind && data.kind !== "failed") return;
        this.#signal?.removeEventListener("abort", abort);
        if (data.kind === "failed") reject(new SyncError("import", data.message));
        else resolve(data as Said<K>);
      };
    });
  }

  /** Sees the worker's end by its lock: a browser that takes a worker's memory says nothing. */
  #watchOver(): void {
    const { signal } = this.#over;
    navigator.locks
      .request(this.#lock, { signal }, () => this.#fail(new SyncError("import", ENDED)))
      .catch(() => {
        // The import is over.
      });
  }

  #fail(error: SyncError): void {
    this.#failed = error;
    this.#onFailure?.(error);
  }
}
