// A phone of the lab as a person sees it: where its sync stands, what is on it, what waits, and what
// it asks to be decided.

import type {
  ClaritySync,
  ConflictInfo,
  Entity,
  EntityExplanation,
  EntityKey,
  Fields,
  QueuedChange,
} from "@clarity/sync";
import type { ClaritySyncDetails } from "@clarity/sync-elements";
import { LitElement, css, html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { BY_HAND } from "../kinds.js";
import { fieldName } from "../entries.js";
import { ui } from "../ui.js";
import "../elements.js";
import { Follow } from "./follow.js";
import { GOAL, NOTE, READING } from "./phone.js";
import type { Phone } from "./phone.js";
import { words } from "./words.js";

const STEP = 500;

/** What was typed and not saved, with the entity as it was when the typing began. */
interface Draft {
  readonly typed: string;
  readonly seen: Fields;
}

class PhoneView extends LitElement {
  static override styles = [
    ui,
    css`
      article {
        border: 2px solid var(--control-line); border-radius: 28px; background: var(--page);
        padding: 1rem; min-width: 0;
      }
      header { display: flex; flex-wrap: wrap; gap: 0.5rem 1rem; justify-content: space-between; align-items: center; }
      header h2 { margin: 0; font-size: 1.25rem; }
      [role="switch"] { gap: 0.6rem; border-radius: 22px; }
      .track {
        width: 2.4rem; height: 1.4rem; border-radius: 0.7rem; border: 2px solid currentColor;
        padding: 1px; display: inline-flex;
      }
      .track::before {
        content: ""; width: 1rem; height: 100%; border-radius: 50%; background: currentColor;
      }
      [aria-checked="true"], [aria-checked="true"]:hover { background: var(--accent); color: var(--on-accent); border-color: var(--accent); }
      [aria-checked="true"] .track { justify-content: flex-end; }
      .state { margin: 0.75rem 0; }
      h3 { margin: 0 0 0.25rem; font-size: 1.05rem; }
      form { display: flex; gap: 0.5rem; align-items: flex-end; margin: 0.6rem 0 0; }
      form .field { flex: 1; min-width: 0; margin: 0; }
      textarea { min-height: 6rem; }
      .walked { margin: 0.75rem 0 0; }
      ol { margin: 0; padding-left: 1.4rem; }
      h3:last-child, p:last-child, .card:last-child { margin-bottom: 0; }
      .error:empty { display: none; }
    `,
  ];
  static override properties = {
    phone: { attribute: false },
    airplane: { type: Boolean },
    drafts: { state: true },
    error: { state: true },
    hasDetails: { state: true },
  };
  declare phone: Phone;
  declare airplane: boolean;
  declare private drafts: Readonly<Record<string, Draft>>;
  declare private error: string;
  declare private hasDetails: boolean;
  readonly #goal = new Follow<Entity | null>(this, (sync, options) => sync.watchEntity(GOAL, options));
  readonly #note = new Follow<Entity | null>(this, (sync, options) => sync.watchEntity(NOTE, options));
  readonly #ofGoal = new Follow<EntityExplanation | null>(this, (sync, options) =>
    sync.watch("explain", { key: GOAL }, options));
  readonly #ofNote = new Follow<EntityExplanation | null>(this, (sync, options) =>
    sync.watch("explain", { key: NOTE }, options));
  readonly #readings = new Follow<number>(this, (sync, options) =>
    sync.watch("count", { entity_type: READING, query: {} }, options));
  readonly #conflicts = new Follow<ConflictInfo[]>(this, (sync, options) => sync.watchConflicts(1, options));
  /** Whether there is or was something to decide: what was decided can be taken back there. */
  #mustDecide = false;
  readonly #queue = new Follow<QueuedChange[]>(this, (sync, options) => sync.watchQueue(20, options));

  constructor() {
    super();
    this.airplane = false;
    this.drafts = {};
    this.error = "";
    this.hasDetails = false;
  }

  get sync(): ClaritySync {
    return this.phone.sync;
  }

  override willUpdate(): void {
    this.#mustDecide ||= (this.#conflicts.value ?? []).length > 0;
  }

  override render(): TemplateResult {
    const name = words.phones[this.phone.side];
    return html`<article aria-labelledby="name">
      <header><h2 id="name">${name}</h2>
        <button role="switch" aria-checked=${this.airplane} aria-label="${words.airplane}, ${name}"
          @click=${this.#fly}>${words.airplane}<span class="track" aria-hidden="true"></span></button>
      </header>
      <div class="row state">
        <clarity-sync-status .sync=${this.sync} @clarity-open-details=${this.#showDetails}></clarity-sync-status>
        <button @click=${this.#syncNow}>${words.syncNow}</button>
      </div>
      <p class="error" role="alert">${this.error}</p>
      <div class="card" ?hidden=${!this.#mustDecide}>
        <clarity-conflict-inbox .sync=${this.sync}></clarity-conflict-inbox></div>
      ${this.#goalCard()} ${this.#noteCard()}
      <div class="card row spread"><span role="status">${words.readings(this.#readings.value ?? 0)}</span>
        <button @click=${this.#addReading}>${words.addReading}</button></div>
      ${this.#waiting()}
      ${this.hasDetails
        ? html`<clarity-sync-details .sync=${this.sync} @clarity-close=${() => (this.hasDetails = false)}>
          </clarity-sync-details>`
        : nothing}
    </article>`;
  }

  #goalCard(): TemplateResult | typeof nothing {
    const goal = this.#goal.value;
    if (!goal) return nothing;
    const walked = Number(goal.fields["progress"] ?? 0);
    return html`<div role="group" class="card" aria-label=${words.goal}>
      <h3>${words.goal}</h3>${this.#stands(this.#ofGoal.value)}
      ${this.#field(GOAL, goal, "title")} ${this.#field(GOAL, goal, "target")}
      <p class="row spread walked"><span role="status">${words.walked(walked)}</span>
        <button @click=${() => this.#change(GOAL, { progress: walked + STEP }, goal.fields)}>${words.walk}</button></p>
    </div>`;
  }

  #noteCard(): TemplateResult | typeof nothing {
    const note = this.#note.value;
    if (!note) return nothing;
    return html`<div role="group" class="card" aria-label=${words.note}>
      <h3>${words.note}</h3>${this.#stands(this.#ofNote.value)} ${this.#field(NOTE, note, "text")}
    </div>`;
  }

  /** On which version of the server the local changes lie: that they are put on a newer one is seen
   * here. */
  #stands(known: EntityExplanation | null | undefined): TemplateResult | typeof nothing {
    if (!known) return nothing;
    return html`<p class="small muted stands">${words.stands(known.confirmed_version, known.waiting.length)}</p>`;
  }

  #field(key: EntityKey, entity: Entity, field: string): TemplateResult {
    const name = `${key.type}-${field}`;
    const draft = this.drafts[name];
    const label = words.fields[field] ?? field;
    const live = String(entity.fields[field] ?? "");
    const type = (event: Event): void => {
      const { value } = event.target as HTMLInputElement;
      this.drafts = { ...this.drafts, [name]: { typed: value, seen: draft?.seen ?? entity.fields } };
    };
    const value = draft?.typed ?? live;
    return html`<form @submit=${(event: Event) => this.#save(event, key, field)}>
      <div class="field"><label for=${name}>${label}</label>
        ${field === "text"
          ? html`<textarea id=${name} .value=${value} @input=${type}></textarea>`
          : html`<input id=${name} required .value=${value} @input=${type}
              type=${field === "target" ? "number" : "text"} min="1" />`}</div>
      <button ?disabled=${draft === undefined || draft.typed === live}
        aria-label=${words.saveField(label, key.type)}>${words.save}</button>
    </form>`;
  }

  async #save(event: Event, key: EntityKey, field: string): Promise<void> {
    event.preventDefault();
    const name = `${key.type}-${field}`;
    const draft = this.drafts[name];
    if (draft === undefined) return;
    const value = field === "target" ? Number(draft.typed) : draft.typed;
    await this.#change(key, { [field]: value }, draft.seen);
    const { [name]: _, ...others } = this.drafts;
    this.drafts = others;
  }

  async #change(key: EntityKey, set: Fields, seen: Fields): Promise<void> {
    await this.#attempt(() => this.sync.update(key, set, { seen }));
  }

  readonly #addReading = async (): Promise<void> => {
    const value = 60 + Math.floor(Math.random() * 20);
    const fields = { metric: "HeartRate", value, unit: "/min", start_ms: Date.now(), source: BY_HAND };
    await this.#attempt(async () => this.sync.create(await this.sync.newKey(READING), fields));
  };

  readonly #syncNow = (): Promise<void> => this.#attempt(() => this.sync.syncNow(1_000));

  async #attempt(work: () => Promise<unknown>): Promise<void> {
    this.error = "";
    try {
      await work();
    } catch (error) {
      this.error = error instanceof Error ? error.message : String(error);
    }
  }

  #waiting(): TemplateResult {
    const queue = this.#queue.value ?? [];
    return html`<div class="card">
      <h3><span role="status">${words.waiting(queue.length)}</span></h3>
      ${queue.length === 0 ? nothing : html`<ol>${queue.map((change) => this.#queued(change))}</ol>`}
    </div>`;
  }

  #queued({ kind, type, fields, status }: QueuedChange): TemplateResult {
    const named = kind === "update" ? fields.map((field) => fieldName(field).toLowerCase()) : [];
    const what = words.said.change(kind, words.types[type] ?? type, named);
    return html`<li>${what}: ${words.queued[status] ?? status}</li>`;
  }

  readonly #fly = (): void => {
    this.dispatchEvent(new CustomEvent("lab-fly", { detail: !this.airplane }));
  };

  readonly #showDetails = async (): Promise<void> => {
    this.hasDetails = true;
    await this.updateComplete;
    const details = this.renderRoot.querySelector<ClaritySyncDetails>("clarity-sync-details");
    await details?.updateComplete;
    details?.show();
  };
}

customElements.define("pulse-lab-phone", PhoneView);
