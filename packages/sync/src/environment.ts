import { SyncError } from "./errors.js";

/** What this browser gives to a store. */
export interface Environment {
  /** Where the data is: in files of this origin, or in memory, gone with the page. */
  readonly storage: "files" | "memory";
  /** Whether all tabs share the store; otherwise only one can have it open. */
  readonly tabs: "shared" | "single";
  /** What a person should know, in words; nothing when all is as usual. */
  readonly notice: string | null;
}

/** Finds out what this browser gives. */
export async function environmentOf(allowMemory: boolean): Promise<Environment> {
  const files = await keepsFiles();
  if (!files && !allowMemory) {
    throw new SyncError(
      "unsupported",
      "this browser keeps no files for this page (a private window, an old version, or no secure " +
        "connection); use another browser or window",
    );
  }
  if (!files) {
    const notice = "This browser keeps nothing for this page: unsent entries are lost with the tab.";
    return { storage: "memory", tabs: "single", notice };
  }
  if (!("locks" in navigator) || !("BroadcastChannel" in globalThis)) {
    const notice = "This browser can have the app open in one tab at a time only.";
    return { storage: "files", tabs: "single", notice };
  }
  return { storage: "files", tabs: "shared", notice: null };
}

async function keepsFiles(): Promise<boolean> {
  if (!globalThis.isSecureContext || typeof navigator.storage?.getDirectory !== "function") {
    return false;
  }
  try {
    await navigator.storage.getDirectory();
    return "FileSystemFileHandle" in globalThis;
  } catch {
    // Private windows of some browsers have the function and refuse it.
    return false;
  }
}
