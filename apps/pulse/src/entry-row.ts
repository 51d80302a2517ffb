// One entry in a list.

import type { ConflictInfo, Entity } from "@clarity/sync";
import { css, html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { nameOf, number, pressure, sourceOf, text, valueOf, whenOf } from "./entries.js";
import { icon } from "./icons.js";
import { DIASTOLIC, SYSTOLIC } from "./metrics.js";
import { link } from "./router.js";
import { words } from "./strings.js";
import { timeOf } from "./when.js";

export const entryRowStyles = css`
  .entry {
    display: grid; grid-template-columns: 4.2rem 1fr auto; gap: 0.25rem 0.75rem;
    align-items: baseline; padding: 0.65rem 0; color: var(--ink); text-decoration: none;
    min-height: 44px;
  }
  .entry:hover .what { color: var(--accent); }
  .entry .detail { display: block; }
  .entry .value { font-weight: 600; text-align: end; overflow-wrap: anywhere; }
  .entry.long { grid-template-columns: 4.2rem 1fr; }
  .entry.long .value { font-weight: 400; text-align: start; grid-column: 2; }
  .list > li { container-type: inline-size; }
  @container (max-width: 18rem) {
    .entry, .entry.long { grid-template-columns: 1fr auto; }
    .entry .time { grid-column: 1 / -1; }
    .entry.long .value { grid-column: 1 / -1; }
  }
  @container (max-width: 11rem) {
    .entry { grid-template-columns: 1fr; }
    .entry .value { text-align: start; }
  }
`;

/** An entry, or both values of a blood pressure. */
export interface Row {
  readonly entity: Entity;
  readonly other?: Entity;
}

/** Has both values of a blood pressure in one row, where the first of them is. */
export function rowsOf(entities: readonly Entity[]): Row[] {
  const partners = partnersOf(entities);
  const shown = new Set<Entity>();
  return entities.flatMap((entity): Row[] => {
    const other = partners.get(entity);
    if (!other) return [{ entity }];
    if (shown.has(other)) return [];
    shown.add(entity);
    const isSystolic = entity.fields["metric"] === SYSTOLIC.id;
    return [isSystolic ? { entity, other } : { entity: other, other: entity }];
  });
}

/** The other value of the same blood pressure, if it is among these. */
export function partnerOf({ type, id }: Entity, among: readonly Entity[]): Entity | undefined {
  const is = (one: Entity | undefined): boolean => one?.type === type && one.id === id;
  const row = rowsOf(among).find(({ entity, other }) => is(entity) || is(other));
  return is(row?.entity) ? row?.other : row?.entity;
}

/** The two values of each blood pressure: measured at the same time by the same source. Where
 * several were, each is in one pair only, and in the same one however a list is ordered. */
function partnersOf(entities: readonly Entity[]): Map<Entity, Entity> {
  const measured = ({ type, fields }: Entity): string =>
    JSON.stringify([type, fields["start_ms"], fields["source"]]);
  const values = (metric: string): Entity[] =>
    entities
      .filter(({ fields }) => fields["metric"] === metric && number(fields["start_ms"]) !== undefined)
      .sort((one, other) => (one.id < other.id ? -1 : 1));
  const waiting = new Map<string, Entity[]>();
  for (const diastolic of values(DIASTOLIC.id)) {
    const together = waiting.get(measured(diastolic));
    if (together) together.push(diastolic);
    else waiting.set(measured(diastolic), [diastolic]);
  }
  const partners = new Map<Entity, Entity>();
  for (const systolic of values(SYSTOLIC.id)) {
    const diastolic = waiting.get(measured(systolic))?.shift();
    if (!diastolic) continue;
    partners.set(systolic, diastolic).set(diastolic, systolic);
  }
  return partners;
}

/** What badges say: only somebody with an account has anything that waits. */
export interface Marks {
  readonly hasAccount: boolean;
  readonly inConflict: boolean;
}

/** Tells whether an entity is in one of these conflicts. */
export function inAnyOf(conflicts: readonly ConflictInfo[] = []): (entity: Entity) => boolean {
  const open = new Set(conflicts.map(({ type, id }) => `${type}/${id}`));
  return ({ type, id }) => open.has(`${type}/${id}`);
}

export function entryRow({ entity, other }: Row, marks: Marks): TemplateResult {
  const { type, id, fields } = entity;
  const isLong = type === "Note";
  const name = other ? "Blood pressure" : nameOf(type, fields);
  const value = other
    ? pressure(number(fields["value"]) ?? 0, number(other.fields["value"]) ?? 0)
    : valueOf(type, fields);
  const detail = text(fields["note"]) || sourceOf(fields);
  return html`<a class="entry ${isLong ? "long" : ""}" href=${link("entry", type, id)}>
    <span class="time muted number">${timeOf(whenOf(entity))}</span>
    <span class="what wrap">${name}
      ${detail ? html`<span class="detail small muted">${detail}</span>` : nothing}
      ${badges(entity.pending || other?.pending === true, marks)}</span>
    <span class="value number"><bdi>${value}</bdi></span>
  </a>`;
}

export function badges(pending: boolean, { hasAccount, inConflict }: Marks): TemplateResult | typeof nothing {
  if (inConflict) {
    return html`<span class="badge conflict">${icon("conflicts")}${words.badges.conflict}</span>`;
  }
  if (!pending || !hasAccount) return nothing;
  return html`<span class="badge waiting">${icon("clock")}${words.badges.waiting}</span>`;
}
