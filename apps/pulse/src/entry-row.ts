// One entry in a list.

import type { Entity } from "@clarity/sync";
import { css, html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { nameOf, number, pressure, sourceOf, text, valueOf, whenOf } from "./entries.js";
import { icon } from "./icons.js";
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
  .entry .value { font-weight: 600; text-align: end; overflow-wrap: anywhere; }
  .entry.long { grid-template-columns: 4.2rem 1fr; }
  .entry.long .value { font-weight: 400; text-align: start; grid-column: 2; }
  @media (max-width: 340px) {
    .entry, .entry.long { grid-template-columns: 1fr auto; }
    .entry .time { grid-column: 1 / -1; }
    .entry.long .value { grid-column: 1 / -1; }
  }
`;

/** An entry, or both values of a blood pressure. */
export interface Row {
  readonly entity: Entity;
  readonly other?: Entity;
}

/** Has both values of a blood pressure in one row. */
export function rowsOf(entities: readonly Entity[]): Row[] {
  const rows: Row[] = [];
  const taken = new Set<Entity>();
  for (const entity of entities) {
    if (taken.has(entity)) continue;
    const other = partnerOf(entity, entities);
    if (!other || taken.has(other)) {
      rows.push({ entity });
      continue;
    }
    taken.add(other);
    const isSystolic = entity.fields["metric"] === "BloodPressureSystolic";
    rows.push(isSystolic ? { entity, other } : { entity: other, other: entity });
  }
  return rows;
}

const PARTNERS: Readonly<Record<string, string>> = {
  BloodPressureSystolic: "BloodPressureDiastolic",
  BloodPressureDiastolic: "BloodPressureSystolic",
};

/** The other value of the same blood pressure. */
export function partnerOf(entity: Entity, among: readonly Entity[]): Entity | undefined {
  const wanted = PARTNERS[text(entity.fields["metric"])];
  if (wanted === undefined) return undefined;
  return among.find(
    ({ type, fields }) =>
      type === entity.type &&
      fields["metric"] === wanted &&
      fields["start_ms"] === entity.fields["start_ms"] &&
      fields["source"] === entity.fields["source"],
  );
}

/** What badges say: only somebody with an account has anything that waits. */
export interface Marks {
  readonly hasAccount: boolean;
  readonly inConflict: boolean;
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
      ${detail ? html`<span class="small muted">${detail}</span>` : nothing}
      ${badges(entity.pending || other?.pending === true, marks)}</span>
    <span class="value number">${value}</span>
  </a>`;
}

export function badges(pending: boolean, { hasAccount, inConflict }: Marks): TemplateResult | typeof nothing {
  if (inConflict) {
    return html`<span class="badge conflict">${icon("fork")}${words.badges.conflict}</span>`;
  }
  if (!pending || !hasAccount) return nothing;
  return html`<span class="badge waiting">${icon("clock")}${words.badges.waiting}</span>`;
}
