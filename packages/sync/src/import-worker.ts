// Reads a file that a person chose, in a worker and with a module of its own.

import init, { read_file } from "./importer/clarity_web_import.js";
import { partsOf } from "./parts.js";
import type { Parts } from "./parts.js";
import type { FileRead } from "./types.js";

/** To the worker: a file, then which part is wanted. */
export type ToImporter =
  | { readonly kind: "file"; readonly file: File; readonly inMemory: boolean; readonly lock: string }
  | { readonly kind: "part"; readonly index: number };

/** How far the reading is, as the module says it. */
export interface ReadingProgress {
  readonly bytes_read: number;
  readonly bytes_total: number;
  readonly samples: number;
}

/** What was read. */
export interface Summary {
  readonly import: string;
  readonly subjects: number;
  readonly read: FileRead;
}

export type FromImporter =
  /** It holds its lock, so that its end will be seen. */
  | { readonly kind: "alive" }
  | { readonly kind: "progress"; readonly now: ReadingProgress }
  | { readonly kind: "read"; readonly summary: Summary; readonly parts: number }
  | { readonly kind: "part"; readonly write: string }
  | { readonly kind: "failed"; readonly message: string };

interface Scope {
  postMessage(message: FromImporter): void;
  onmessage: ((event: MessageEvent<ToImporter>) => void) | null;
}
const scope = globalThis as unknown as Scope;

let parts: Parts | null = null;

scope.onmessage = ({ data }) => {
  if (data.kind === "file") void read(data);
  else scope.postMessage({ kind: "part", write: parts?.get(data.index) ?? "" });
};

/** Takes a lock, and holds it for as long as this worker lives. */
async function hold(lock: string): Promise<void> {
  if (!("locks" in navigator)) return;
  await new Promise<void>((taken) => {
    void navigator.locks.request(lock, () => {
      taken();
      return new Promise<never>(() => {});
    });
  });
  scope.postMessage({ kind: "alive" });
}

async function read({ file, inMemory, lock }: ToImporter & { kind: "file" }): Promise<void> {
  try {
    // Reading keeps the worker busy to its end: whatever is to be seen of it is said before.
    await hold(lock);
    await init({ module_or_path: new URL("./importer/clarity_web_import_bg.wasm", import.meta.url) });
    const place = await partsOf(inMemory);
    parts = place;
    const said = read_file(
      file,
      (write: string) => place.put(write),
      (now: string) =>
        scope.postMessage({ kind: "progress", now: JSON.parse(now) as ReadingProgress }),
    );
    const summary = JSON.parse(said) as Summary;
    scope.postMessage({ kind: "read", summary, parts: place.count });
  } catch (error) {
    scope.postMessage({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  }
}
