// What was read from a file and is not yet in the store: in a file of the page's own, so that memory
// stays flat however large the export is; in memory where there are no files.

/** The folder of such files. */
const FOLDER = "clarity-sync-import";

/** Parts of text, in the order in which they were put. */
export interface Parts {
  put(text: string): void;
  get(index: number): string;
  readonly count: number;
}

interface Handle {
  read(buffer: Uint8Array, options: { at: number }): number;
  write(buffer: Uint8Array, options: { at: number }): number;
}

/** Parts in a file that goes with this worker, or in memory. */
export async function partsOf(inMemory: boolean): Promise<Parts> {
  if (inMemory) return new InMemory();
  const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle(FOLDER, {
    create: true,
  });
  await removeLeft(folder);
  const file = await folder.getFileHandle(crypto.randomUUID(), { create: true });
  const open = file as unknown as { createSyncAccessHandle(): Promise<Handle> };
  return new InFile(await open.createSyncAccessHandle());
}

/** Removes what ended workers have left; what another one has open stays. */
export async function removeLeftParts(): Promise<void> {
  try {
    const root = await navigator.storage.getDirectory();
    await removeLeft(await root.getDirectoryHandle(FOLDER));
  } catch {
    // There is none, or no files at all.
  }
}

async function removeLeft(folder: FileSystemDirectoryHandle): Promise<void> {
  const names = (folder as unknown as { keys(): AsyncIterable<string> }).keys();
  for await (const name of names) {
    // Another tab that imports has its own open.
    await folder.removeEntry(name).catch(() => undefined);
  }
}

class InMemory implements Parts {
  readonly #parts: string[] = [];

  put(text: string): void {
    this.#parts.push(text);
  }

  get(index: number): string {
    return this.#parts[index] ?? "";
  }

  get count(): number {
    return this.#parts.length;
  }
}

class InFile implements Parts {
  readonly #handle: Handle;
  /** Where each part ends. */
  readonly #ends: number[] = [];

  constructor(handle: Handle) {
    this.#handle = handle;
  }

  put(text: string): void {
    const bytes = new TextEncoder().encode(text);
    const at = this.#ends.at(-1) ?? 0;
    if (this.#handle.write(bytes, { at }) < bytes.length) {
      throw new Error("there is no room for what is in the file; free some space and try again");
    }
    this.#ends.push(at + bytes.length);
  }

  get(index: number): string {
    const at = this.#ends[index - 1] ?? 0;
    const bytes = new Uint8Array((this.#ends[index] ?? at) - at);
    this.#handle.read(bytes, { at });
    return new TextDecoder().decode(bytes);
  }

  get count(): number {
    return this.#ends.length;
  }
}
