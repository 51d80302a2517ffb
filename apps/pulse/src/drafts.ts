// What is typed and not saved yet. It outlives a reload, in this tab only: the browser drops it with
// the tab, and the app when it was saved and when the person signs out.

import type { Entity } from "@clarity/sync";
import type { Typed } from "./kinds.js";

const PREFIX = "pulse.draft.";

export interface Draft {
  /** The fields that the person changed. */
  readonly typed: Typed;
  /** The entry as it was when editing began, if one is edited. */
  readonly seen?: Entity;
}

/** Keeps it by its name, which says of which form it is. */
export function keepDraft(name: string, draft: Draft): void {
  unlessBlocked(() => sessionStorage.setItem(PREFIX + name, JSON.stringify(draft)));
}

export function draftOf(name: string): Draft | undefined {
  const kept = unlessBlocked(() => sessionStorage.getItem(PREFIX + name));
  return kept ? (JSON.parse(kept) as Draft) : undefined;
}

export function dropDraft(name: string): void {
  unlessBlocked(() => sessionStorage.removeItem(PREFIX + name));
}

export function dropAllDrafts(): void {
  unlessBlocked(() => {
    const ours = Object.keys(sessionStorage).filter((key) => key.startsWith(PREFIX));
    for (const key of ours) sessionStorage.removeItem(key);
  });
}

/** A browser that blocks its storage, or has no room, keeps no drafts; typing goes on. */
function unlessBlocked<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch {
    return undefined;
  }
}
