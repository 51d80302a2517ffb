// What the app knows that the engine does not, for the elements that show the sync.

import type { Facts } from "@clarity/sync-elements";
import { Changing } from "./changing.js";
import { store } from "./store.js";
import { words } from "./strings.js";

/** A source that was not read for longer has newer data somewhere else. */
const STALE_MS = 7 * 86_400_000;

const known = new Changing<Facts>({});
/** What is known. */
export const facts: Pick<Changing<Facts>, "liveIn"> = known;

/** Takes note of what is so from now on. */
export function learn(more: Facts): void {
  known.become({ ...known.value, ...more });
}

/** Looks at how long ago files of each source were imported. */
export async function lookAtSources(): Promise<void> {
  const lastReads = new Map<string, number>();
  for (const { source, finished_at } of await store().imports()) {
    if (finished_at !== null) lastReads.set(source, Math.max(finished_at, lastReads.get(source) ?? 0));
  }
  const staleSources = [...lastReads]
    .filter(([, lastReadAt]) => Date.now() - lastReadAt > STALE_MS)
    .map(([source, lastReadAt]) => ({ name: words.import.sources[source] ?? source, lastReadAt }));
  learn({ staleSources });
}
