// The form for one kind of entry, to add and to edit. What is wrong is said beside its field.

import type { Entity } from "@clarity/sync";
import { LitElement, html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { keyed } from "lit/directives/keyed.js";
import { doubtsAbout } from "./doubts.js";
import { draftOf, dropDraft, keepDraft } from "./drafts.js";
import { GOAL, NOTE, PRESSURE, readForm } from "./kinds.js";
import type { Made, Typed, Wrong } from "./kinds.js";
import { METRICS, metricOf } from "./metrics.js";
import type { Metric } from "./metrics.js";
import { words } from "./strings.js";
import { ui } from "./ui.js";
import { toInput } from "./when.js";
import { attempt } from "./writing.js";

interface Field {
  readonly name: string;
  readonly label: string;
  readonly unit?: string;
  readonly type?: "number" | "when" | "lines" | "metric";
}

export class EntryForm extends LitElement {
  static override styles = ui;
  static override properties = {
    kind: { attribute: false },
    typed: { attribute: false },
    made: { attribute: false },
    edited: { attribute: false },
    seen: { attribute: false },
    draft: { attribute: false },
    doubts: { state: true },
    wrong: { state: true },
    working: { state: true },
  };
  /** What it is for: the name of a kind. */
  declare kind: string;
  /** What is in the fields at first. */
  declare typed: Typed;
  /** What is done with what it makes. */
  declare made: (made: readonly Made[]) => Promise<void> | void;
  /** The id of the entry that is edited, if one is. */
  declare edited: string | undefined;
  /** The entry as it was when editing began: it is kept with what is typed. */
  declare seen: Entity | undefined;
  /** The name by which what is typed is kept until it is saved. */
  declare draft: string;
  /** What was typed before the form was left or the page was loaded again. */
  #kept: Typed = {};
  /** What was typed since, and before. */
  #changed: Record<string, string> = {};
  /** Counts how often the person began again, with fields of their own each time. */
  #round = 0;
  declare private wrong: Wrong;
  /** Whether it is being saved: what was tapped twice is saved once. */
  declare private working: boolean;
  /** The time that the form offers, the same for as long as it is open. */
  #began = "";
  /** What was asked about what is in the fields; to save it once more is the answer. */
  declare private doubts: readonly string[];

  constructor() {
    super();
    this.kind = "BodyMass";
    this.draft = "";
    this.typed = {};
    this.wrong = {};
    this.working = false;
    this.doubts = [];
    this.made = () => {};
  }

  override willUpdate(changed: Map<string, unknown>): void {
    if (!changed.has("kind") && !changed.has("draft")) return;
    this.#kept = draftOf(this.draft)?.typed ?? {};
    this.#changed = { ...this.#kept };
    this.#began = toInput(Date.now());
    this.wrong = {};
    this.doubts = [];
  }

  #fields(): readonly Field[] {
    const a = words.add;
    const when: Field = { name: "when", label: a.when, type: "when" };
    const note: Field = { name: "note", label: a.note, type: "lines" };
    const tags: Field = { name: "tags", label: a.tags };
    switch (this.kind) {
      case PRESSURE:
        return [
          { name: "systolic", label: a.systolic, unit: "mmHg", type: "number" },
          { name: "diastolic", label: a.diastolic, unit: "mmHg", type: "number" },
          { name: "pulse", label: a.pulse, unit: "bpm", type: "number" },
          when,
          note,
        ];
      case NOTE:
        return [
          { name: "text", label: a.text, type: "lines" },
          { name: "title", label: a.title_ },
          tags,
          when,
        ];
      case GOAL:
        return [
          { name: "title", label: a.goalTitle },
          { name: "metric", label: a.measured, type: "metric" },
          { name: "target", label: a.target, type: "number" },
          tags,
        ];
      default: {
        const { label, shown } = metricOf(this.kind, this.typed["unit"]);
        return [{ name: "value", label, unit: shown, type: "number" }, when, note];
      }
    }
  }

  override render(): TemplateResult {
    return html`<form novalidate @submit=${this.#submit} @input=${this.#change}
      autocomplete="off">
      ${Object.keys(this.#kept).length > 0 ? this.#back() : nothing}
      ${keyed(this.#round, this.#fields().map((field) => this.#field(field)))}
      <div role="alert">${this.doubts.map((doubt) => html`<p class="doubt">${doubt}</p>`)}</div>
      <div class="row">
        <button class="primary" ?disabled=${this.working}>
          ${this.doubts.length > 0 ? words.doubts.anyway : words.save}</button>
        <slot></slot>
      </div>
    </form>`;
  }

  #back(): TemplateResult {
    return html`<p role="note" class="row spread muted"><span>${words.add.back}</span>
      <button type="button" @click=${this.#startOver}>${words.add.startOver}</button></p>`;
  }

  readonly #startOver = (): void => {
    dropDraft(this.draft);
    this.#kept = {};
    this.#changed = {};
    this.#round += 1;
    this.wrong = {};
    this.doubts = [];
    this.requestUpdate();
  };

  #field(field: Field): TemplateResult {
    const { name, label, unit } = field;
    const wrong = this.wrong[name];
    return html`<div class="field">
      <label for=${name}>${label}${unit ? html` <span class="muted">(${unit})</span>` : nothing}</label>
      ${this.#control(field, wrong !== undefined)}
      ${wrong ? html`<p class="error" id="${name}-wrong">${wrong}</p>` : nothing}
    </div>`;
  }

  #control({ name, type }: Field, invalid: boolean): TemplateResult {
    const value = this.#kept[name] ?? this.typed[name] ?? (type === "when" ? this.#began : "");
    const described = invalid ? `${name}-wrong` : nothing;
    if (type === "lines") {
      return html`<textarea id=${name} name=${name} .value=${value} aria-invalid=${invalid}
        aria-describedby=${described}></textarea>`;
    }
    if (type === "metric") {
      return html`<select id=${name} name=${name}>
        <option value="" ?selected=${value === ""}>${words.add.noMetric}</option>
        ${this.#metrics().map(({ id, label, shown }) => html`<option value=${id} ?selected=${value === id}>
          ${label} (${shown})</option>`)}
      </select>`;
    }
    const kind = type === "when" ? "datetime-local" : "text";
    return html`<input id=${name} name=${name} type=${kind} .value=${value}
      inputmode=${type === "number" ? "decimal" : nothing} aria-invalid=${invalid}
      aria-describedby=${described} />`;
  }

  /** Those that a goal can be measured by, and the one that it is measured by. */
  #metrics(): readonly Metric[] {
    const { metric = "", unit } = this.typed;
    const isOffered = metric === "" || METRICS.some(({ id }) => id === metric);
    return isOffered ? METRICS : [...METRICS, metricOf(metric, unit)];
  }

  readonly #submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    if (this.working) return;
    const form = event.target as HTMLFormElement;
    const typed: Record<string, string> = {};
    for (const [name, value] of new FormData(form)) typed[name] = String(value);
    const read = readForm(this.kind, typed, this.typed);
    this.wrong = "wrong" in read ? read.wrong : {};
    if ("made" in read) return this.#save(read.made);
    this.doubts = [];
    await this.updateComplete;
    form.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
  };

  async #save(made: readonly Made[]): Promise<void> {
    this.working = true;
    try {
      if (this.doubts.length === 0) {
        await attempt(async () => (this.doubts = await doubtsAbout(made, this.edited)));
        if (this.doubts.length > 0) return;
      }
      this.doubts = [];
      await this.made(made);
    } finally {
      this.working = false;
    }
  }

  readonly #change = (event: Event): void => {
    this.doubts = [];
    const { name, value } = event.target as HTMLInputElement;
    this.#changed[name] = value;
    const { seen } = this;
    keepDraft(this.draft, { typed: this.#changed, ...(seen ? { seen } : {}) });
  };
}

customElements.define("pulse-form", EntryForm);
