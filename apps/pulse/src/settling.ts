// Settling a conflict as a person chose it, and taking that back.

import { SyncError } from "@clarity/sync";
import type { ConflictInfo, EntityKey, ResolutionCall } from "@clarity/sync";
import { resolution } from "@clarity/sync-elements";
import { wordsOf } from "./failures.js";
import { store } from "./store.js";
import { words } from "./strings.js";
import { toast } from "./toast.js";
import { keyOf } from "./writing.js";

/** Whether it was settled. Where a side moved meanwhile it is not, and the person is told. */
export async function settle(conflict: ConflictInfo, choice: ResolutionCall): Promise<boolean> {
  try {
    await store().resolve(conflict, choice);
  } catch (error) {
    const hasMoved = error instanceof SyncError && error.kind === "state";
    toast(hasMoved ? words.conflicts.moved : wordsOf(error), undefined, true);
    return false;
  }
  const left = (await store().status()).conflicts;
  const said = left > 0 ? words.conflicts.settledLeft(left) : words.conflicts.settled;
  toast(said, { label: words.undo, run: () => undoSettling(keyOf(conflict)) });
  return true;
}

/** Brings back the values that were not chosen; this device's, where neither side was. */
async function undoSettling(key: EntityKey): Promise<void> {
  const lost = resolution.lostLast(await store().history({ key }));
  if (!lost) return;
  await store().undo(lost.history);
  toast(words.undone);
}
