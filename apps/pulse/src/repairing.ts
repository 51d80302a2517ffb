// A store whose file is damaged: it is set aside as it is, and an empty one takes its place.

import { download } from "./download.js";

const KEY = "pulse.store";
const FIRST = "default";
/** Where the engine has the stores of this origin. */
const FOLDER = "clarity-sync";
const BLOCK_BYTES = 4096;

/** The name of the store that is in use. */
export function storeName(): string {
  try {
    return localStorage.getItem(KEY) ?? FIRST;
  } catch {
    return FIRST;
  }
}

/** Sets the store aside, and begins with an empty one when the page is loaded again. */
export function beginAnew(): void {
  localStorage.setItem(KEY, `${FIRST}-${Date.now()}`);
  location.reload();
}

/** Hands the person the files of the store as they are, for whoever can read what is left. */
export async function saveFiles(): Promise<void> {
  const folder = await (await stores()).getDirectoryHandle(storeName());
  for (const [index, file] of (await filesIn(folder)).entries()) {
    download(`clarity-pulse-damaged-${index + 1}.bin`, "application/octet-stream", [file]);
  }
}

/** Removes what was set aside: whoever signs out leaves nothing on the device. */
export async function removeSetAside(): Promise<void> {
  const folder = await stores();
  for await (const name of folder.keys()) {
    const isOurs = name === FIRST || name.startsWith(`${FIRST}-`);
    if (isOurs && name !== storeName()) await folder.removeEntry(name, { recursive: true });
  }
}

async function stores(): Promise<FileSystemDirectoryHandle> {
  const root = await navigator.storage.getDirectory();
  return root.getDirectoryHandle(FOLDER, { create: true });
}

/** Those that hold something: the engine's files begin with a block of its own. */
async function filesIn(folder: FileSystemDirectoryHandle): Promise<File[]> {
  const found: File[] = [];
  for await (const handle of folder.values()) {
    if (handle instanceof FileSystemDirectoryHandle) found.push(...(await filesIn(handle)));
    else if (handle instanceof FileSystemFileHandle) found.push(await handle.getFile());
  }
  return found.filter(({ size }) => size > BLOCK_BYTES);
}
