import type {
  ConflictField,
  ConflictInfo,
  HistoryEntry,
  JsonValue,
  ResolutionCall,
} from "@clarity/sync";

/** What a person chose for one field. */
export type Choice =
  | { readonly side: "local" | "server" | "both" }
  | { readonly side: "edit"; readonly value: JsonValue };

/** What a person chose, by field. */
export type Choices = ReadonlyMap<string, Choice>;

/** What both versions together are: the union of lists, or both texts; nothing where there is no
 * such thing. */
export function both({ local, server }: ConflictField): JsonValue | undefined {
  if (Array.isArray(local) && Array.isArray(server)) {
    const known = new Set(local.map((item) => JSON.stringify(item)));
    const added = server.filter((item) => !known.has(JSON.stringify(item)));
    // Where one side has all of the other's, that side is both.
    if (added.length === 0 || local.length + added.length === server.length) return undefined;
    return [...local, ...added];
  }
  if (typeof local !== "string" || typeof server !== "string") return undefined;
  return local === "" || server === "" ? undefined : `${local}\n${server}`;
}

/** What a field becomes; `undefined` is: it is not there any more. */
export function chosen(field: ConflictField, choice: Choice): JsonValue | undefined {
  switch (choice.side) {
    case "local":
      return field.local;
    case "server":
      return field.server;
    case "both":
      return both(field);
    case "edit":
      return choice.value;
  }
}

/** How many fields are not decided yet. */
export function undecided(conflict: ConflictInfo, choices: Choices): number {
  return conflict.fields.filter(({ field }) => !choices.has(field)).length;
}

/** The same choice for each field. */
export function all(conflict: ConflictInfo, side: "local" | "server"): Map<string, Choice> {
  return new Map(conflict.fields.map(({ field }) => [field, { side }]));
}

/** What to settle a conflict with, once each field is decided. */
export function resolutionOf(conflict: ConflictInfo, choices: Choices): ResolutionCall {
  const set: Record<string, JsonValue> = {};
  const remove: string[] = [];
  for (const field of conflict.fields) {
    const choice = choices.get(field.field);
    if (choice === undefined) throw new Error(`the field ${field.field} is not decided`);
    const value = chosen(field, choice);
    if (value === undefined) remove.push(field.field);
    else set[field.field] = value;
  }
  const isAll = (side: string): boolean =>
    conflict.fields.every(({ field }) => choices.get(field)?.side === side);
  if (isAll("local")) return { choose: "keep_mine" };
  if (isAll("server")) return { choose: "use_server" };
  return { choose: "merged", set, remove };
}

/** The choices that still mean the same after a side moved. */
export function carried(before: ConflictInfo, choices: Choices, after: ConflictInfo): Choices {
  const same = (a: JsonValue | undefined, b: JsonValue | undefined): boolean =>
    JSON.stringify(a) === JSON.stringify(b);
  const kept = [...choices].filter(([name, choice]) => {
    const [old, now] = [before, after].map(({ fields }) =>
      fields.find(({ field }) => field === name),
    );
    if (old === undefined || now === undefined) return false;
    if (choice.side === "edit") return true;
    return same(chosen(old, choice), chosen(now, choice));
  });
  return new Map(kept);
}

/** The choices that a person most likely wants: those of the newer side. */
export function suggested(conflict: ConflictInfo): "local" | "server" {
  return conflict.local_changed_at >= conflict.server_changed_at ? "local" : "server";
}

/** Whether a choice that was made for one conflict means something for another. */
export function isSimilar(one: ConflictInfo, other: ConflictInfo): boolean {
  const names = ({ fields }: ConflictInfo): string => fields.map(({ field }) => field).join("\n");
  return (
    one.conflict !== other.conflict &&
    one.type === other.type &&
    one.deleted_by === other.deleted_by &&
    names(one) === names(other)
  );
}

/** Whether choices can be made for another conflict: edited values cannot. */
export function isRule(choices: Choices): boolean {
  return [...choices.values()].every(({ side }) => side === "local" || side === "server");
}

/** What two texts have in common at their ends, and what lies between in the second. */
export function changedPart(before: string, after: string): [string, string, string] {
  const [old, now] = [[...before], [...after]];
  let start = 0;
  while (start < Math.min(old.length, now.length) && old[start] === now[start]) start += 1;
  let end = 0;
  const room = Math.min(old.length, now.length) - start;
  while (end < room && old[old.length - 1 - end] === now[now.length - 1 - end]) end += 1;
  const middle = now.slice(start, now.length - end).join("");
  return [now.slice(0, start).join(""), middle, end === 0 ? "" : now.slice(-end).join("")];
}

/** What undo of the choice that was made last brings back, as the entity's history has it: the side
 * that was not chosen; where neither was, both lost at one time, and this device's comes first. */
export function lostLast(history: readonly HistoryEntry[]): HistoryEntry | undefined {
  const lost = history.filter(({ cause, undone_by }) => cause === "resolved" && undone_by === null);
  return lost.find(({ at }) => at === lost.at(-1)?.at);
}
