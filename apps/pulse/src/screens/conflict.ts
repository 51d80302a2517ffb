// One conflict: both versions beside what was before, field by field, and the result of the choice.

import type { ConflictField, ConflictInfo, Entity, Fields, JsonValue, ResolutionCall } from "@clarity/sync";
import { css, html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { fieldName, nameOf, number, shownField, text, valueOf } from "../entries.js";
import { metricOf, readNumber, storedValue } from "../metrics.js";
import { link, replace } from "../router.js";
import { Screen } from "../screen.js";
import { settle } from "../settling.js";
import { words } from "../strings.js";
import { ui } from "../ui.js";
import { Watch } from "../watch.js";
import { exactWhen } from "../when.js";
import { entryTime, reason } from "./conflicts.js";

type Side = "mine" | "server" | "own";

class Conflict extends Screen {
  static override styles = [
    ui,
    css`
      td label { font-weight: 400; margin: 0; }
      td label.check { align-items: flex-start; padding-block: 0.5rem; }
      @media (min-width: 701px) {
        .choices th[scope="row"], .choices td:first-of-type { padding-top: 0.95rem; }
      }
      .own { display: flex; flex-wrap: wrap; gap: 0.5rem 0.75rem; align-items: center; }
      .own input[type="text"] { flex: 1 1 6rem; min-width: min(6rem, 100%); max-width: 14rem; }
      .bar { margin-top: 1rem; }
      [role="alert"] { font-weight: 600; color: var(--violet); }
      p:empty { margin: 0; }
      @media (max-width: 700px) {
        thead { display: none; }
        table, tbody, tr, th, td { display: block; border: 0; }
        tbody tr > * { border: 0; }
        tr { border-top: 1px solid var(--line); padding: 0.5rem 0; }
        tbody tr:first-child { border-top: 0; padding-top: 0; }
        td::before { content: attr(data-label); display: block; font-size: 0.85rem; color: var(--muted); }
      }
    `,
  ];
  static override properties = {
    ...Screen.properties,
    chosen: { state: true },
    own: { state: true },
    moved: { state: true },
    working: { state: true },
  };
  /** Which side was chosen, by field. */
  declare private chosen: Readonly<Record<string, Side>>;
  /** What was typed in place of both sides, by field. */
  declare private own: Readonly<Record<string, string>>;
  /** Whether a side changed after the person had seen it. */
  declare private moved: boolean;
  declare private working: boolean;
  /** The sides that the person sees. */
  #seen: ConflictInfo | undefined;

  readonly #conflict = new Watch<ConflictInfo | null>(this, (sync, options) =>
    sync.watch("conflict", { conflict: Number(this.params[0]) }, options),
    (conflict) => this.#taken(conflict),
  );
  readonly #entity = new Watch<Entity | null>(this, (sync, options) => {
    const conflict = this.#conflict.value;
    return conflict ? sync.watchEntity({ type: conflict.type, id: conflict.id }, options) : null;
  });

  constructor() {
    super();
    this.chosen = {};
    this.own = {};
    this.moved = false;
    this.working = false;
  }

  override willUpdate(changed: Map<string, unknown>): void {
    if (!changed.has("params") || changed.get("params") === undefined) return;
    this.chosen = {};
    this.own = {};
    this.moved = false;
    this.#seen = undefined;
    this.#conflict.restart();
  }

  /** A choice was made between sides that were seen: when one of them moves, it is asked again. */
  #taken(conflict: ConflictInfo | null): void {
    const seen = this.#seen;
    if (conflict && seen && JSON.stringify(seen.mark) !== JSON.stringify(conflict.mark)) {
      this.chosen = {};
      this.moved = true;
    }
    this.#seen = conflict ?? undefined;
    this.#entity.restart();
  }

  override render(): TemplateResult {
    const conflict = this.#conflict.value;
    if (this.#conflict.error) return html`<p class="error">${this.#conflict.error}</p>`;
    if (conflict === undefined) return html`<p class="muted">${words.loading}</p>`;
    if (conflict === null) return this.#gone();
    const fields = this.#context(conflict);
    return html`<h1 tabindex="-1">${nameOf(conflict.type, fields)}
        ${conflict.type === "ManualReading" ? nothing : html`<bdi class="muted">${valueOf(conflict.type, fields)}</bdi>`}</h1>
      <p>${entryTime(this.#entity.value)}</p>
      <p>${reason(conflict)}</p>
      <p role="alert">${this.moved ? words.conflicts.moved : nothing}</p>
      <div class="card">${this.#table(conflict, fields)}
        ${conflict.deleted_by === null ? this.#result(conflict, fields) : nothing}
        ${this.#buttons(conflict)}</div>`;
  }

  #gone(): TemplateResult {
    return html`<h1 tabindex="-1">${words.conflicts.gone}</h1><p>${words.conflicts.goneBody}</p>
      <p><a class="button" href=${link("conflicts")}>${words.nav.conflicts}</a></p>`;
  }

  /** The fields that say in which words the others are shown. */
  #context(conflict: ConflictInfo): Fields {
    const differing = conflict.fields.map(({ field, local, base }) => [field, local ?? base ?? null]);
    return { ...Object.fromEntries(differing), ...this.#entity.value?.fields };
  }

  #table(conflict: ConflictInfo, fields: Fields): TemplateResult {
    const c = words.conflicts;
    return html`<table class=${conflict.deleted_by === null ? "choices" : nothing}>
      <thead><tr><th scope="col">${c.field}</th><th scope="col">${c.before}</th>
        <th scope="col">${c.mine}<br /><bdi class="small muted">${exactWhen(conflict.local_changed_at)}</bdi></th>
        <th scope="col">${c.server}<br /><bdi class="small muted">${exactWhen(conflict.server_changed_at)}</bdi></th>
        ${conflict.deleted_by === null ? html`<th scope="col">${c.own}</th>` : nothing}</tr></thead>
      <tbody>${conflict.fields.map((field) => this.#row(conflict, field, fields))}</tbody>
    </table>`;
  }

  #row(conflict: ConflictInfo, field: ConflictField, fields: Fields): TemplateResult {
    const c = words.conflicts;
    const shown = (value: JsonValue | undefined): string =>
      value === undefined ? c.absent : shownField(field.field, value, fields);
    const sides = [["mine", c.mine, field.local], ["server", c.server, field.server]] as const;
    const isDeleted = conflict.deleted_by !== null;
    return html`<tr><th scope="row">${fieldName(field.field)}</th>
      <td data-label=${c.before}><bdi>${shown(field.base)}</bdi></td>
      ${sides.map(([side, label, value]) => html`<td data-label=${label}>${isDeleted
        ? html`<bdi>${shown(value)}</bdi>`
        : html`<label class="check">${this.#radio(field, side, label)}<bdi>${shown(value)}</bdi></label>`}</td>`)}
      ${isDeleted ? nothing : html`<td data-label=${c.own}>${this.#other(field, fields)}</td>`}</tr>`;
  }

  #radio({ field }: ConflictField, side: Side, label: string): TemplateResult {
    return html`<input type="radio" name=${field} .checked=${this.chosen[field] === side}
      aria-label="${words.conflicts.choose(fieldName(field))}: ${label}"
      @change=${() => (this.chosen = { ...this.chosen, [field]: side })} />`;
  }

  /** A value that is neither; only where it is a number or a text. */
  #other(field: ConflictField, fields: Fields): TemplateResult | typeof nothing {
    const example = field.local ?? field.server ?? field.base;
    if (typeof example !== "number" && typeof example !== "string") return nothing;
    if (field.field.endsWith("_ms")) return nothing;
    const of = this.#metric(field, fields);
    const type = (event: Event): void => {
      this.own = { ...this.own, [field.field]: (event.target as HTMLInputElement).value };
      this.chosen = { ...this.chosen, [field.field]: "own" };
    };
    return html`<div class="own">${this.#radio(field, "own", words.conflicts.own)}
      <input type="text" .value=${this.own[field.field] ?? ""} @input=${type}
        aria-label="${fieldName(field.field)}: ${words.conflicts.own}" />
      ${typeof example === "number" ? of.shown : nothing}</div>`;
  }

  #metric(field: ConflictField, fields: Fields): ReturnType<typeof metricOf> {
    const isMeasured = field.field === "value" || field.field === "target";
    return isMeasured ? metricOf(text(fields["metric"]), text(fields["unit"])) : metricOf("");
  }

  /** The value that was chosen for a field; nothing while none is. */
  #choice(field: ConflictField, fields: Fields): { value: JsonValue | undefined } | undefined {
    switch (this.chosen[field.field]) {
      case "mine":
        return { value: field.local };
      case "server":
        return { value: field.server };
      case "own": {
        const typed = this.own[field.field] ?? "";
        const example = field.local ?? field.server ?? field.base;
        if (typeof example !== "number") return typed.trim() === "" ? undefined : { value: typed };
        const of = this.#metric(field, fields);
        const shown = number(readNumber(of, typed));
        return shown === undefined || shown < of.min || shown > of.max
          ? undefined
          : { value: storedValue(of, shown) };
      }
      default:
        return undefined;
    }
  }

  #result(conflict: ConflictInfo, fields: Fields): TemplateResult {
    const choices = conflict.fields.map((field) => [field.field, this.#choice(field, fields)] as const);
    if (choices.some(([, choice]) => !choice)) {
      return html`<p class="muted bar" role="status">${words.conflicts.undecided}</p>`;
    }
    const said = choices.map(([field, choice]) =>
      `${fieldName(field)}: ${choice?.value === undefined ? words.conflicts.absent : shownField(field, choice.value, fields)}`);
    return html`<p class="bar" role="status"><strong>${words.conflicts.result}</strong> ${said.join(" · ")}</p>`;
  }

  #buttons(conflict: ConflictInfo): TemplateResult {
    const c = words.conflicts;
    const later = html`<a class="button" href=${link("conflicts")}>${c.later}</a>`;
    const settleAs = (choice: ResolutionCall) => () => this.#settle(conflict, choice);
    const [mine, server] = [settleAs({ choose: "keep_mine" }), settleAs({ choose: "use_server" })];
    if (conflict.deleted_by !== null) {
      const isServer = conflict.deleted_by === "server";
      return html`<div class="row bar">
        <button ?disabled=${this.working} @click=${isServer ? mine : server}>${c.keepEntry}</button>
        <button class="danger" ?disabled=${this.working} @click=${isServer ? server : mine}>${c.deleteIt}</button>
        ${later}</div>`;
    }
    const merged = this.#merged(conflict);
    return html`<div class="row bar">
      <button ?disabled=${this.working} @click=${mine}>${c.keepMine}</button>
      <button ?disabled=${this.working} @click=${server}>${c.useServer}</button>
      <button class="primary" ?disabled=${this.working || !merged}
        @click=${() => merged && this.#settle(conflict, merged)}>${c.save}</button>
      ${later}</div>`;
  }

  #merged(conflict: ConflictInfo): ResolutionCall | undefined {
    const set: Record<string, JsonValue> = {};
    const remove: string[] = [];
    for (const field of conflict.fields) {
      const choice = this.#choice(field, this.#context(conflict));
      if (!choice) return undefined;
      if (choice.value === undefined) remove.push(field.field);
      else set[field.field] = choice.value;
    }
    return { choose: "merged", set, remove };
  }

  async #settle(conflict: ConflictInfo, choice: ResolutionCall): Promise<void> {
    this.working = true;
    if (await settle(conflict, choice)) replace("conflicts");
    this.working = false;
  }
}

customElements.define("pulse-conflict", Conflict);
