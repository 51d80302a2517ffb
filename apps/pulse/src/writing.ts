// Writes that a person makes. Each is on this device when it is answered.

import type { Entity, EntityKey, Fields, JsonValue, WriteCall } from "@clarity/sync";
import { remedyOf, wordsOf } from "./failures.js";
import type { Made } from "./kinds.js";
import { keepForGood, store } from "./store.js";
import { words } from "./strings.js";
import { toast } from "./toast.js";

/** Makes entities that stand or fall together, here and at the server. */
export async function add(made: readonly Made[]): Promise<EntityKey[]> {
  const keys = await Promise.all(made.map(({ type }) => store().newKey(type)));
  const writes = keys.map((key, index): WriteCall => {
    const fields = made[index]?.fields ?? {};
    return { write: "create", key, fields };
  });
  await store().batch(writes, writes.length > 1);
  keepForGood();
  return keys;
}

/** Changes what differs from what the person saw when they began. */
export async function change(seen: Entity, wanted: Fields, asked: readonly string[]): Promise<void> {
  const { set, remove } = differing(seen, wanted, asked);
  if (Object.keys(set).length === 0 && remove.length === 0) return;
  await store().update(keyOf(seen), set, { seen: seen.fields, remove });
}

/** What makes the wanted fields of those that were seen. Of `asked`, what is not wanted is removed. */
export function differing(
  seen: Entity,
  wanted: Fields,
  asked: readonly string[],
): { set: Record<string, JsonValue>; remove: string[] } {
  const set: Record<string, JsonValue> = {};
  for (const [field, value] of Object.entries(wanted)) {
    if (value !== undefined && !same(value, seen.fields[field])) set[field] = value;
  }
  return { set, remove: asked.filter((field) => !(field in wanted) && field in seen.fields) };
}

const same = (one: unknown, other: unknown): boolean =>
  JSON.stringify(one) === JSON.stringify(other);

export const keyOf = ({ type, id }: EntityKey): EntityKey => ({ type, id });

/** Deletes what belongs together, here and at the server, and offers to take it back. */
export async function remove(entities: readonly Entity[]): Promise<void> {
  const writes = entities.map(
    (entity): WriteCall => ({ write: "delete", key: keyOf(entity), seen: entity.fields }),
  );
  await store().batch(writes, writes.length > 1);
  const keys = entities.map(keyOf);
  toast(words.entry.deleted, { label: words.undo, run: () => undoDelete(keys) });
}

/** Brings back what was deleted last of these entities. */
export async function undoDelete(keys: readonly EntityKey[]): Promise<void> {
  for (const key of keys) {
    const entries = await store().history({ key });
    const last = entries.filter((entry) => entry.cause === "deleted").at(-1);
    if (last) await store().undo(last.history);
  }
  toast(words.undone);
}

/** Runs what a person asked for; what goes wrong is said. */
export async function attempt(run: () => Promise<unknown> | unknown): Promise<boolean> {
  try {
    await run();
    return true;
  } catch (error) {
    toast(wordsOf(error), remedyOf(error), true);
    return false;
  }
}
