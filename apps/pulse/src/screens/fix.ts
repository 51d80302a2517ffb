// A change that could not be sent: why, its values to put right, and a way to give it up.

import type { Entity, FailedOperation, Fields, JsonValue, Preview } from "@clarity/sync";
import { lossOf } from "@clarity/sync-elements";
import { html } from "lit";
import type { TemplateResult } from "lit";
import { dropDraft } from "../drafts.js";
import { keepUnshown, kindOf, optionalFields, typedOf } from "../editing.js";
import { names } from "../elements.js";
import { OWN_TYPES, nameOf } from "../entries.js";
import { sentenceOf } from "../failures.js";
import type { Made } from "../kinds.js";
import { link, replace } from "../router.js";
import { Screen } from "../screen.js";
import { store } from "../store.js";
import { words } from "../strings.js";
import { toast } from "../toast.js";
import { Watch } from "../watch.js";
import { attempt, differing, keyOf } from "../writing.js";
import "../form.js";

class Fix extends Screen {
  static override properties = {
    ...Screen.properties,
    asked: { state: true },
    working: { state: true },
  };
  /** What giving it up would lose, while that is asked. */
  declare private asked: Preview | undefined;
  declare private working: boolean;
  /** The entry as the change wants it, the same for as long as the form is open. */
  #wanted: Entity | undefined;

  readonly #failed = new Watch<FailedOperation[]>(
    this,
    (sync, options) => sync.watchFailed(1000, options),
    () => this.#entity.restart({ more: true }),
  );
  readonly #entity = new Watch<Entity | null>(this, (sync, options) => {
    const failed = this.#operation;
    return failed ? sync.watchEntity(keyOf(failed), options) : null;
  });

  constructor() {
    super();
    this.working = false;
  }

  override willUpdate(changed: Map<string, unknown>): void {
    if (!changed.has("params") || changed.get("params") === undefined) return;
    this.asked = undefined;
    this.#wanted = undefined;
    this.#entity.restart();
  }

  get #draft(): string {
    return `fix/${this.params[0]}`;
  }

  get #operation(): FailedOperation | undefined {
    return this.#failed.value?.find(({ operation }) => String(operation) === this.params[0]);
  }

  override render(): TemplateResult {
    const error = this.#failed.error ?? this.#entity.error;
    if (error) return html`<p class="error">${error}</p>`;
    if (this.#failed.value === undefined) return html`<p class="muted">${words.loading}</p>`;
    const failed = this.#operation;
    if (!failed) return this.#gone();
    if (this.#entity.value === undefined) return html`<p class="muted">${words.loading}</p>`;
    this.#wanted ??= wantedBy(failed, this.#entity.value);
    const { type, fields } = this.#wanted;
    return html`<h1 tabindex="-1">${words.fix.title(nameOf(type, fields))}</h1>
      <div class="card">
        <p role="note"><strong>${words.fix.why}</strong> ${sentenceOf(failed.message)}</p>
        ${this.asked ? this.#question(failed, this.asked) : this.#ways(failed, this.#wanted)}
      </div>`;
  }

  #gone(): TemplateResult {
    return html`<h1 tabindex="-1">${words.fix.gone}</h1><p>${words.fix.goneBody}</p>
      <p><a class="button" href=${link("sync")}>${words.nav.sync}</a></p>`;
  }

  /** The form, where there are values to put right. */
  #ways(failed: FailedOperation, wanted: Entity): TemplateResult {
    const others = html`
      <button type="button" @click=${() => history.back()}>${words.cancel}</button>
      <button type="button" class="danger" @click=${() => this.#ask(failed)}>${words.fix.discard}</button>`;
    if (failed.kind === "delete" || !OWN_TYPES.includes(failed.type)) {
      return html`<div class="row">
        <button class="primary" ?disabled=${this.working}
          @click=${() => this.#end(() => store().retry(failed.operation), words.fix.sent)}>${words.fix.retry}</button>
        ${others}</div>`;
    }
    return html`<pulse-form .kind=${kindOf(wanted)} .typed=${typedOf(wanted)} .edited=${wanted.id}
      .draft=${this.#draft} .made=${this.#send}>${others}</pulse-form>`;
  }

  #question(failed: FailedOperation, preview: Preview): TemplateResult {
    const discard = (): Promise<void> =>
      this.#end(() => store().discard(failed.operation, failed.dependents.length > 0), words.fix.discarded);
    return html`<div role="group" tabindex="-1" class="ask">
      <p>${lossOf(preview, names())}</p>
      <div class="row">
        <button class="primary" @click=${() => (this.asked = undefined)}>${words.fix.keep}</button>
        <button class="danger" ?disabled=${this.working} @click=${discard}>${words.fix.sure}</button>
      </div></div>`;
  }

  async #ask({ operation, dependents }: FailedOperation): Promise<void> {
    await attempt(async () => {
      this.asked = await store().previewDiscard(operation, dependents.length > 0);
    });
    await this.updateComplete;
    this.renderRoot.querySelector<HTMLElement>(".ask")?.focus();
  }

  readonly #send = async ([made]: readonly Made[]): Promise<void> => {
    const [failed, seen] = [this.#operation, this.#wanted];
    if (!failed || !seen || !made) return;
    const { set, remove } = differing(seen, keepUnshown(seen, made.fields), optionalFields(seen.type));
    const isSame = Object.keys(set).length === 0 && remove.length === 0;
    const { operation } = failed;
    await this.#end(
      () => (isSame ? store().retry(operation) : store().editAndRetry(operation, set, remove)),
      words.fix.sent,
    );
  };

  async #end(run: () => Promise<unknown>, said: string): Promise<void> {
    this.working = true;
    if (await attempt(run)) {
      dropDraft(this.#draft);
      toast(said);
      replace("sync");
    }
    this.working = false;
  }
}

/** The entry as it would be if the change had been taken. */
function wantedBy(failed: FailedOperation, entity: Entity | null): Entity {
  const fields: Record<string, JsonValue> = { ...(entity?.fields as Record<string, JsonValue>) };
  for (const { field, local } of failed.differences) {
    if (local === undefined) delete fields[field];
    else fields[field] = local;
  }
  const blank = { updated_at: failed.made_at } as Entity;
  return { ...blank, ...entity, type: failed.type, id: failed.id, fields: fields as Fields };
}

customElements.define("pulse-fix", Fix);
