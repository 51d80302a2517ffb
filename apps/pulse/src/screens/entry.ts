// One entry: what it says, where it is, what it said before; to edit, delete and bring back.

import type { Account, ConflictInfo, Entity, EntityExplanation, EntityKey, HistoryEntry, Page } from "@clarity/sync";
import { css, html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { draftOf, dropDraft } from "../drafts.js";
import { OWN_TYPES, fieldName, nameOf, shownField, valueOf } from "../entries.js";
import { badges, partnerOf } from "../entry-row.js";
import { keepUnshown, kindOf, optionalFields, typedOf } from "../editing.js";
import { sentenceOf } from "../failures.js";
import type { Made } from "../kinds.js";
import { link, replace } from "../router.js";
import { Screen } from "../screen.js";
import { store } from "../store.js";
import { words } from "../strings.js";
import { toast } from "../toast.js";
import { ui } from "../ui.js";
import { Watch } from "../watch.js";
import { exactWhen } from "../when.js";
import { add, attempt, change, remove } from "../writing.js";
import "../form.js";

/** Fields that are shown in another one's words. */
const WITHIN: readonly string[] = ["unit", "metadata"];

class Entry extends Screen {
  static override styles = [
    ui,
    css`
      .value { font-size: 1.8rem; font-weight: 600; overflow-wrap: anywhere; white-space: pre-wrap; }
      .value.long { font-size: 1.1rem; font-weight: 400; }
      .history li { padding: 0.75rem 0; }
      form, pulse-form { max-width: 34rem; }
    `,
  ];
  static override properties = { ...Screen.properties, editing: { state: true } };
  /** The entry as it was when editing began. */
  declare private editing: Entity | undefined;

  readonly #entity = new Watch<Entity | null>(this, (sync, options) =>
    sync.watchEntity(this.#key, options),
  );
  readonly #history = new Watch<HistoryEntry[]>(this, (sync, options) =>
    sync.watch("history", { key: this.#key }, options),
  );
  readonly #where = new Watch<EntityExplanation | null>(this, (sync, options) =>
    sync.watch("explain", { key: this.#key }, options),
  );
  readonly #account = new Watch<Account | null>(this, (sync, options) => sync.watchAccount(options));
  readonly #conflicts = new Watch<ConflictInfo[]>(this, (sync, options) =>
    sync.watchConflicts(500, options),
  );
  readonly #atTheTime = new Watch<Page>(this, (sync, options) => {
    const at = this.#entity.value?.fields["start_ms"];
    if (typeof at !== "number") return null;
    return sync.watchQuery(this.#key.type, { filters: [["start_ms", "=", at]] }, options);
  });

  get #draft(): string {
    return `entry/${this.params.join("/")}`;
  }

  get #key(): EntityKey {
    const [type = "", id = ""] = this.params;
    return { type, id };
  }

  override willUpdate(changed: Map<string, unknown>): void {
    if (!changed.has("params")) return;
    this.editing = draftOf(this.#draft)?.seen;
    if (changed.get("params") === undefined) return;
    for (const watch of [this.#entity, this.#history, this.#where]) watch.restart();
  }

  #partnerAsked: unknown;
  override updated(): void {
    const at = this.#entity.value?.fields["start_ms"];
    if (at === this.#partnerAsked) return;
    this.#partnerAsked = at;
    this.#atTheTime.restart();
  }

  override render(): TemplateResult {
    const entity = this.#entity.value;
    if (this.#entity.error) return html`<p class="error">${this.#entity.error}</p>`;
    if (entity === undefined) return html`<p class="muted">${words.loading}</p>`;
    if (this.editing) return this.#form(this.editing, entity === null);
    if (entity === null) return this.#gone();
    return html`${this.#shown(entity)} ${this.#whereItIs()} ${this.#past()}`;
  }

  #gone(): TemplateResult {
    return html`<h1 tabindex="-1">${words.entry.gone}</h1>
      <p>${words.entry.goneBody}</p>
      ${this.#past()}
      <p><a class="button" href=${link("timeline")}>${words.nav.timeline}</a></p>`;
  }

  #shown(entity: Entity): TemplateResult {
    const { type, fields } = entity;
    const other = partnerOf(entity, this.#atTheTime.value?.entities ?? []);
    const both = other ? [entity, other] : [entity];
    const conflict = this.#conflicts.value?.find((open) =>
      both.some(({ type, id }) => open.type === type && open.id === id));
    const isOwn = OWN_TYPES.includes(type);
    return html`<h1 tabindex="-1">${nameOf(type, fields)}</h1>
      <div class="card">
        <p class="value ${type === "Note" ? "long" : ""}"><bdi>${valueOf(type, fields)}</bdi></p>
        <p>${badges(entity.pending, {
          hasAccount: Boolean(this.#account.value),
          inConflict: conflict !== undefined,
        })}</p>
        <dl>${this.#fields(entity)}
          ${other
            ? html`<dt>${nameOf(other.type, other.fields)}</dt>
                <dd><a href=${link("entry", other.type, other.id)}><bdi>${valueOf(other.type, other.fields)}</bdi></a></dd>`
            : nothing}
        </dl>
        <div class="row">
          ${conflict
            ? html`<a class="button" href=${link("conflicts", String(conflict.conflict))}>
                ${words.nav.conflicts}</a>`
            : nothing}
          ${isOwn
            ? html`<button @click=${() => this.#edit(entity)}>${words.edit}</button>
                <button class="danger" @click=${() => attempt(() => remove(both))}>${words.remove}</button>`
            : html`<p class="muted">${words.entry.onlyRead}</p>`}
        </div>
      </div>`;
  }

  #fields({ type, fields }: Entity): TemplateResult[] {
    const inHeading = type === "Note" ? (fields["title"] ? "title" : "text") : "value";
    const inName = type === "Goal" ? "" : "metric";
    return Object.keys(fields)
      .filter((field) => ![...WITHIN, inHeading, inName].includes(field))
      .map((field) => html`<dt>${fieldName(field)}</dt>
        <dd><bdi>${shownField(field, fields[field], fields)}</bdi></dd>`);
  }

  #whereItIs(): TemplateResult | typeof nothing {
    const where = this.#where.value;
    if (!where) return nothing;
    return html`<div class="card"><h2>${words.entry.where}</h2>
      ${where.waiting.length === 0 ? html`<p>${sentenceOf(where.message)}</p>` : nothing}
      ${where.waiting.map(({ message, next }) => html`<p>${sentenceOf(message)} ${sentenceOf(next)}</p>`)}
    </div>`;
  }

  #past(): TemplateResult {
    const past = [...(this.#history.value ?? [])].reverse();
    return html`<div class="card"><h2>${words.entry.history}</h2>
      ${past.length === 0
        ? html`<p class="muted">${words.entry.historyEmpty}</p>`
        : html`<ul class="list history">${past.map((entry) => html`<li>${this.#lost(entry)}</li>`)}</ul>`}
    </div>`;
  }

  #lost(entry: HistoryEntry): TemplateResult {
    const current = this.#entity.value?.fields ?? {};
    const context = { ...current, ...entry.fields };
    return html`<div class="row spread">
      <strong>${words.entry.causes[entry.cause]}</strong>
      <bdi class="small muted">${exactWhen(entry.at)}</bdi></div>
      <dl>${Object.entries(entry.fields)
          .filter(([field]) => !WITHIN.includes(field))
          .map(([field, value]) => html`<dt>${fieldName(field)}</dt>
            <dd><bdi>${shownField(field, value, context)}</bdi></dd>`)}
        ${entry.removed.map((field) => html`<dt>${fieldName(field)}</dt>
          <dd>${words.entry.removedField}</dd>`)}</dl>
      ${entry.undone_by !== null
        ? html`<p class="muted small">${words.entry.broughtBack}</p>`
        : entry.obstacle
          ? html`<p class="muted small">${sentenceOf(entry.obstacle)}</p>`
          : html`<button @click=${() => this.#undo(entry)}>${words.entry.bringBack}</button>`}`;
  }

  async #undo(entry: HistoryEntry): Promise<void> {
    if (await attempt(() => store().undo(entry.history))) toast(words.entry.broughtBack);
  }

  /** Begins to edit the entry as it is now, or ends that. */
  #edit(entity: Entity | undefined): void {
    if (!entity) dropDraft(this.#draft);
    this.editing = entity;
    this.focusHeading();
  }

  #form(entity: Entity, isGone: boolean): TemplateResult {
    return html`<h1 tabindex="-1">${words.add.edit(nameOf(entity.type, entity.fields))}</h1>
      <div class="card">
        <p class="doubt" role="alert">${isGone ? words.entry.goneMeanwhile : nothing}</p>
        <pulse-form .kind=${kindOf(entity)} .typed=${typedOf(entity)}
          .edited=${entity.id} .seen=${entity} .draft=${this.#draft} .made=${this.#save}>
          <button type="button" @click=${() => this.#edit(undefined)}>${words.cancel}</button>
        </pulse-form>
      </div>`;
  }

  readonly #save = async ([made]: readonly Made[]): Promise<void> => {
    const seen = this.editing;
    if (!seen || !made) return;
    const wanted = keepUnshown(seen, made.fields);
    const isGone = this.#entity.value === null;
    const draft = this.#draft;
    const isDone = await attempt(async () => {
      if (!isGone) return change(seen, wanted, optionalFields(seen.type));
      const [anew] = await add([{ type: seen.type, fields: wanted }]);
      replace("entry", anew!.type, anew!.id);
    });
    if (!isDone) return;
    dropDraft(draft);
    this.#edit(undefined);
    toast(words.add.saved);
  };
}

customElements.define("pulse-entry", Entry);
