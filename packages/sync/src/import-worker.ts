// Reads a file that a person chose, in a worker and with a module of its own.

import init, { read_file } from "./importer/clarity_web_import.js";
import { partsOf } from "./parts.js";
import type { Parts } from "./parts.js";
import type { FileRead } from "./types.js";

/** To the worker: a file, then which part is wanted. */
export type ToImporter =
  | { readonly kind: "file"; readonly file: File; readonly inMemory: boolean }
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
  if (data.kind === "file") void read(data.file, data.inMemory);
  else scope.postMessage({ kind: "part", write: parts?.get(data.index) ?? "" });
};

async function read(file: File, inMemory: boolean): Promise<void> {
  try {
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
