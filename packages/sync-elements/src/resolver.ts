import type { ClaritySync, ConflictField, ConflictInfo, Fields, JsonValue } from "@clarity/sync";
import { html, nothing } from "lit";
import type { PropertyValues, TemplateResult } from "lit";
import { SyncElement } from "./element.js";
import { stateIcon } from "./icons.js";
import { keyOf } from "./resolver-keys.js";
import { resolverStyles } from "./resolver-styles.js";
import * as resolution from "./resolution.js";
import type { Choice, Choices } from "./resolution.js";
import type { TextKey } from "./words.js";

/** What is handed to the app with `clarity-resolve`. */
export interface ResolveDetail {
  readonly conflict: ConflictInfo;
  readonly choices: Choices;
  /** The others for which the same is to be done. */
  readonly similar: readonly ConflictInfo[];
}

/**
 * One conflict: what was before, both versions, and what a person makes of them.
 *
 * @fires clarity-resolve Before it is settled; whoever prevents it settles it.
 * @fires clarity-resolved When it is settled.
 * @fires clarity-decide-later When the person leaves it open.
 * @fires clarity-move With the direction, to go to the next or previous one.
 * @fires clarity-undo When the person wants the last decision back.
 */
export class ClarityConflictResolver extends SyncElement {
  static override properties = {
    ...SyncElement.properties,
    sync: { attribute: false },
    conflict: { attribute: false },
    similar: { attribute: false },
    position: { type: Number },
    count: { type: Number },
    noShortcuts: { type: Boolean, attribute: "no-shortcuts" },
    choices: { state: true },
    fields: { state: true },
    applied: { state: true },
    hasMoved: { state: true },
    helps: { state: true },
  };
  static override styles = [SyncElement.styles, resolverStyles];

  /** The store; without one, only events are fired. */
  sync: ClaritySync | undefined;
  /** What is to be settled. */
  conflict: ConflictInfo | null = null;
  /** Others for which the same could be done. */
  similar: readonly ConflictInfo[] = [];
  /** Which of `count` it is, from 1. */
  position = 1;
  /** How many there are. */
  count = 1;
  /** Whether single keys do nothing. */
  noShortcuts = false;
  protected choices: Choices = new Map();
  protected fields: Fields | null = null;
  /** The numbers of the similar ones for which the same is done; null: none. */
  protected applied: ReadonlySet<number> | null = null;
  protected hasMoved = false;
  protected helps = false;
  /** The conflict with whose marks the person has chosen. */
  #seen: ConflictInfo | null = null;

  /** Moves the focus to the heading, so that what comes is read from its start. */
  focusHeading(): void {
    this.renderRoot.querySelector("h2")?.focus();
  }

  protected override watchAll(signal: AbortSignal): void {
    const { sync, conflict } = this;
    if (sync === undefined || conflict === null) return;
    const asked = { conflict: conflict.conflict };
    this.follow(sync.watch("conflict", asked, { signal }), signal, (latest) => {
      if (latest !== null) this.conflict = latest;
    });
    const key = { type: conflict.type, id: conflict.id };
    this.follow(sync.watchEntity(key, { signal }), signal, (entity) => {
      this.fields = entity?.fields ?? null;
    });
  }

  override willUpdate(changed: PropertyValues): void {
    const { conflict } = this;
    super.willUpdate(changed);
    if (!changed.has("conflict") || conflict === null) return;
    const seen = this.#seen;
    this.#seen = conflict;
    if (seen === null || seen.conflict !== conflict.conflict) {
      this.choices = this.#beforehand(conflict);
      this.applied = null;
      this.hasMoved = false;
      this.problem = null;
      this.fields = null;
      this.rewatch();
    } else if (JSON.stringify(seen.mark) !== JSON.stringify(conflict.mark)) {
      this.choices = resolution.carried(seen, this.choices, conflict);
      this.hasMoved = true;
    }
  }

  #beforehand(conflict: ConflictInfo): Choices {
    if (conflict.deleted_by !== null || this.names.isCritical(conflict.type)) return new Map();
    return resolution.all(conflict, resolution.suggested(conflict));
  }

  #choose(field: string, choice: Choice): void {
    this.choices = new Map(this.choices).set(field, choice);
  }

  /** Takes one side of everything. */
  #chooseAll(side: "local" | "server"): void {
    if (this.conflict !== null) this.choices = resolution.all(this.conflict, side);
  }

  async #save(choices: Choices): Promise<void> {
    const { conflict, sync } = this;
    if (conflict === null || resolution.undecided(conflict, choices) > 0) return;
    const similar = this.similar.filter((other) => this.applied?.has(other.conflict));
    const detail: ResolveDetail = { conflict, choices, similar };
    if (!this.tell("clarity-resolve", detail) || sync === undefined) return;
    const done = await this.attempt(async () => {
      for (const each of [conflict, ...similar]) {
        await sync.resolve(each, resolution.resolutionOf(each, choices));
      }
      return true;
    });
    if (done === true) this.tell("clarity-resolved", detail);
  }

  #onKey(event: KeyboardEvent): void {
    const key = keyOf(event, !this.noShortcuts);
    const { conflict } = this;
    if (key === null || conflict === null) return;
    event.preventDefault();
    const at = event.composedPath().find((node) => (node as HTMLElement).dataset?.["field"]);
    const name = (at as HTMLElement | undefined)?.dataset["field"];
    const field = conflict.fields.find((each) => each.field === name);
    if (key === "save") void this.#save(this.choices);
    else if (key === "undo") this.tell("clarity-undo");
    else if (key === "next" || key === "previous") this.tell("clarity-move", { direction: key });
    else if (key === "help") this.helps = !this.helps;
    else if (key === "local" || key === "server") {
      if (field === undefined) this.#chooseAll(key);
      else this.#chooseByKey(field, key);
    } else if (field !== undefined) this.#chooseOther(field, key);
  }

  #chooseOther(field: ConflictField, side: "both" | "edit"): void {
    if (side === "both" && resolution.both(field) !== undefined) this.#chooseByKey(field, side);
    if (side !== "edit" || !isEditable(field)) return;
    this.#edit(field);
    this.#focusOn(`#edit-${CSS.escape(field.field)}`);
  }

  /** The focus goes along, so that the arrows go on from there. */
  #chooseByKey({ field }: ConflictField, side: "local" | "server" | "both"): void {
    this.#choose(field, { side });
    this.#focusOn(`input[name="${CSS.escape(field)}"][value="${side}"]`);
  }

  #focusOn(selector: string): void {
    void this.updateComplete.then(() => {
      this.renderRoot.querySelector<HTMLElement>(selector)?.focus();
    });
  }

  #edit(field: ConflictField): void {
    const before = this.choices.get(field.field);
    const value = before === undefined ? field.local : resolution.chosen(field, before);
    this.#choose(field.field, { side: "edit", value: value ?? field.server ?? "" });
  }

  override render(): TemplateResult | typeof nothing {
    const { conflict, words } = this;
    if (conflict === null) return nothing;
    const isDeleted = conflict.deleted_by !== null;
    return html`
      <div class="stack" role="group" aria-labelledby="heading" @keydown=${this.#onKey}>
        <div class="head row">
          <h2 id="heading" tabindex="-1">
            <span class="violet">${stateIcon("conflicts")}</span>
            ${this.names.entity(conflict, this.fields)}
          </h2>
          <span class="row">
            <span class="soft">
              ${words.text("resolver.position", { position: this.position, count: this.count })}
            </span>
            ${this.#moveButton("previous", "‹")} ${this.#moveButton("next", "›")}
          </span>
        </div>
        <p class="soft small">${this.#when(conflict)}</p>
        ${this.hasMoved
          ? html`<p class="card" role="status">${words.text("resolver.moved")}</p>`
          : nothing}
        ${isDeleted ? this.#deleted(conflict) : this.#table(conflict)} ${this.#unchanged(conflict)}
        ${isDeleted ? nothing : this.#result(conflict)} ${this.#others(conflict)}
        ${this.problem === null
          ? nothing
          : html`<p class="problem" role="alert">${this.problem}</p>`}
        ${isDeleted ? this.#deletedButtons(conflict) : this.#buttons(conflict)} ${this.#help()}
      </div>
    `;
  }

  #moveButton(direction: "next" | "previous", sign: string): TemplateResult {
    return html`<button
      class="move"
      aria-label=${this.words.text(`resolver.${direction}`)}
      ?disabled=${this.count < 2}
      @click=${() => this.tell("clarity-move", { direction })}
    >
      <span aria-hidden="true">${sign}</span>
    </button>`;
  }

  #when({ local_changed_at, server_changed_at }: ConflictInfo): string {
    return this.words.text("resolver.when", {
      here: this.words.clock(local_changed_at, this.time),
      there: this.words.clock(server_changed_at, this.time),
    });
  }

  #table(conflict: ConflictInfo): TemplateResult {
    const { words } = this;
    return html`<div role="table" aria-labelledby="heading" class="table">
      <div role="row" class="line titles">
        <span role="columnheader">${words.text("resolver.field")}</span>
        <span role="columnheader">${words.text("resolver.before")}</span>
        <span role="columnheader">${words.text("resolver.versions")}</span>
      </div>
      ${conflict.fields.map((field) => this.#line(conflict, field))}
    </div>`;
  }

  #line(conflict: ConflictInfo, field: ConflictField): TemplateResult {
    const { words, names } = this;
    const name = names.field(conflict.type, field.field);
    const choice = this.choices.get(field.field);
    return html`<div role="row" class="line" data-field=${field.field}>
      <span role="rowheader" class="name">${name}</span>
      <span role="cell" class="before">
        <span class="label small soft">${words.text("resolver.before")}</span>
        ${names.value(conflict.type, field.field, field.base)}
      </span>
      <span role="cell">
        <span
          role="radiogroup"
          class="versions"
          aria-label=${words.text("resolver.choose", { field: name })}
        >
          ${this.#option(conflict, field, "local")} ${this.#option(conflict, field, "server")}
          ${resolution.both(field) === undefined
            ? nothing
            : this.#option(conflict, field, "both")}
          ${isEditable(field) ? this.#option(conflict, field, "edit") : nothing}
        </span>
        ${choice?.side === "edit" ? this.#input(conflict, field, choice.value) : nothing}
      </span>
    </div>`;
  }

  #option(conflict: ConflictInfo, field: ConflictField, side: Choice["side"]): TemplateResult {
    const { words, names } = this;
    const isSuggested =
      (side === "local" || side === "server") &&
      !names.isCritical(conflict.type) &&
      resolution.suggested(conflict) === side;
    const choose = (): void =>
      side === "edit" ? this.#edit(field) : this.#choose(field.field, { side });
    return html`<label class="option">
      <input
        type="radio"
        name=${field.field}
        value=${side}
        .checked=${this.choices.get(field.field)?.side === side}
        @change=${choose}
      />
      <span>
        <span class="small soft"
          >${words.text(`side.${side}`)}${isSuggested
            ? ` · ${words.text("resolver.suggested")}`
            : nothing}</span
        >
        <span class="value">${side === "edit" ? nothing : this.#value(conflict, field, side)}</span>
      </span>
    </label>`;
  }

  #value(
    conflict: ConflictInfo,
    field: ConflictField,
    side: "local" | "server" | "both",
  ): TemplateResult {
    const value = resolution.chosen(field, { side });
    const text = this.names.value(conflict.type, field.field, value);
    if (typeof value === "string" && typeof field.base === "string" && side !== "both") {
      const [start, middle, end] = resolution.changedPart(field.base, text);
      return html`${start}${middle === "" ? nothing : html`<mark>${middle}</mark>`}${end}`;
    }
    return html`${text}${this.#difference(field.base, value)}`;
  }

  #difference(base: JsonValue | undefined, value: JsonValue | undefined): TemplateResult | symbol {
    if (typeof base !== "number" || typeof value !== "number" || base === value) return nothing;
    const difference = Number((value - base).toPrecision(6));
    const text = this.words.number(Math.abs(difference));
    const key: TextKey = difference > 0 ? "resolver.more" : "resolver.less";
    return html` <span class="small soft">${this.words.text(key, { difference: text })}</span>`;
  }

  #input(conflict: ConflictInfo, field: ConflictField, value: JsonValue): TemplateResult {
    const like = field.local ?? field.server ?? "";
    const take = (event: Event): void => {
      const input = event.target as HTMLInputElement;
      try {
        const read = this.names.parse(conflict.type, field.field, input.value, like);
        input.setCustomValidity("");
        this.problem = null;
        this.#choose(field.field, { side: "edit", value: read });
      } catch (error) {
        input.setCustomValidity((error as Error).message);
        this.problem = (error as Error).message;
      }
    };
    return html`<input
      class="edit"
      id="edit-${field.field}"
      aria-label=${this.words.text("resolver.edit-field", {
        field: this.names.field(conflict.type, field.field),
      })}
      .value=${String(value)}
      inputmode=${typeof like === "number" ? "decimal" : "text"}
      @change=${take}
    />`;
  }

  #deleted(conflict: ConflictInfo): TemplateResult {
    const { words } = this;
    const here = conflict.deleted_by === "this_device";
    const key = here ? "resolver.deleted.here" : "resolver.deleted.there";
    const kept = here ? "server" : "local";
    return html`<div class="card stack">
      <p>${words.text(key)}</p>
      <dl>
        ${conflict.fields
          .filter((field) => field[kept] !== undefined)
          .map(
            (field) => html`<div class="pair">
              <dt class="soft">${this.names.field(conflict.type, field.field)}</dt>
              <dd>${this.names.value(conflict.type, field.field, field[kept])}</dd>
            </div>`,
          )}
      </dl>
      <p class="small soft">${words.text("resolver.deleted.lost")}</p>
    </div>`;
  }

  #unchanged(conflict: ConflictInfo): TemplateResult | symbol {
    const differing = new Set(conflict.fields.map(({ field }) => field));
    const same = Object.entries(this.fields ?? {}).filter(([name]) => !differing.has(name));
    if (same.length === 0) return nothing;
    return html`<details>
      <summary>${this.words.text("resolver.unchanged", { count: same.length })}</summary>
      <dl>
        ${same.map(
          ([name, value]) => html`<div class="pair">
            <dt class="soft">${this.names.field(conflict.type, name)}</dt>
            <dd>${this.names.value(conflict.type, name, value)}</dd>
          </div>`,
        )}
      </dl>
    </details>`;
  }

  #result(conflict: ConflictInfo): TemplateResult {
    const left = resolution.undecided(conflict, this.choices);
    const values = conflict.fields.flatMap((field) => {
      const choice = this.choices.get(field.field);
      if (choice === undefined) return [];
      const value = resolution.chosen(field, choice);
      const name = this.names.field(conflict.type, field.field);
      return [`${name} ${this.names.value(conflict.type, field.field, value)}`];
    });
    return html`<p class="result" aria-live="polite">
      <strong>${this.words.text("resolver.result")}</strong> ${values.join(" · ")}
      ${left > 0
        ? html`<span class="soft">${this.words.text("resolver.left", { count: left })}</span>`
        : nothing}
    </p>`;
  }

  #others(conflict: ConflictInfo): TemplateResult | symbol {
    const { words, similar, applied } = this;
    const isPossible = conflict.deleted_by !== null || resolution.isRule(this.choices);
    if (similar.length === 0 || !isPossible) return nothing;
    const toggle = (event: Event): void => {
      const isOn = (event.target as HTMLInputElement).checked;
      this.applied = isOn ? new Set(similar.map((other) => other.conflict)) : null;
    };
    return html`<div class="stack">
      <label class="option plain">
        <input type="checkbox" .checked=${applied !== null} @change=${toggle} />
        <span>${words.text("resolver.similar", { count: similar.length })}</span>
      </label>
      ${applied === null
        ? nothing
        : html`<ul class="stack" aria-label=${words.text("resolver.similar.preview")}>
            ${similar.slice(0, SHOWN_MAX).map((other) => this.#other(other, applied))}
          </ul>`}
    </div>`;
  }

  #other(other: ConflictInfo, applied: ReadonlySet<number>): TemplateResult {
    const toggle = (event: Event): void => {
      const next = new Set(applied);
      if ((event.target as HTMLInputElement).checked) next.add(other.conflict);
      else next.delete(other.conflict);
      this.applied = next;
    };
    const changes = other.fields.map((field) => {
      const choice = this.choices.get(field.field);
      const value = (each: JsonValue | undefined): string =>
        this.names.value(other.type, field.field, each);
      const after = choice === undefined ? undefined : resolution.chosen(field, choice);
      return `${value(field.base)} → ${value(after)}`;
    });
    return html`<li>
      <label class="option plain">
        <input type="checkbox" .checked=${applied.has(other.conflict)} @change=${toggle} />
        <span>${this.names.entity(other)}: ${changes.join(" · ")}</span>
      </label>
    </li>`;
  }

  #buttons(conflict: ConflictInfo): TemplateResult {
    const { words } = this;
    const isOpen = resolution.undecided(conflict, this.choices) > 0;
    const take = (side: "local" | "server") => (): void => {
      this.#chooseAll(side);
      void this.#save(this.choices);
    };
    return html`<div class="bar row">
      <button @click=${take("local")}>${words.text("resolver.keep-mine")}</button>
      <button @click=${take("server")}>${words.text("resolver.use-server")}</button>
      <button class="main" ?disabled=${isOpen} @click=${() => this.#save(this.choices)}>
        ${words.text("resolver.save")}
      </button>
      ${this.#laterButton()}
    </div>`;
  }

  #deletedButtons(conflict: ConflictInfo): TemplateResult {
    const { words } = this;
    const here = conflict.deleted_by === "this_device";
    const take = (side: "local" | "server") => (): void => {
      this.#chooseAll(side);
      void this.#save(this.choices);
    };
    return html`<div class="bar row">
      <button class="main" @click=${take(here ? "server" : "local")}>
        ${words.text("resolver.deleted.keep")}
      </button>
      <button @click=${take(here ? "local" : "server")}>
        ${words.text("resolver.deleted.delete")}
      </button>
      ${this.#laterButton()}
    </div>`;
  }

  #laterButton(): TemplateResult {
    return html`<button class="later" @click=${() => this.tell("clarity-decide-later")}>
      ${this.words.text("resolver.later")}
    </button>`;
  }

  #help(): TemplateResult | symbol {
    if (this.noShortcuts) return nothing;
    return html`<details
      .open=${this.helps}
      @toggle=${(event: Event) => (this.helps = (event.target as HTMLDetailsElement).open)}
    >
      <summary class="small soft">${this.words.text("resolver.keys")}</summary>
      <p class="small soft">${this.words.text("resolver.keys.list")}</p>
    </details>`;
  }
}

const SHOWN_MAX = 200;

/** Whether what is there can be typed. */
function isEditable({ local, server }: ConflictField): boolean {
  return [local, server].some((value) => typeof value === "string" || typeof value === "number");
}
