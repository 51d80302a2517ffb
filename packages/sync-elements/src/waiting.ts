import type { ClaritySync, QueuedChange } from "@clarity/sync";
import { css, html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { SyncElement } from "./element.js";
import { stateIcon } from "./icons.js";

const SHOWN_MAX = 100;

/**
 * What waits to be sent, in the order in which it goes.
 *
 * @fires clarity-open-entity With the key, to show the entity.
 */
export class ClarityWaitingChanges extends SyncElement {
  static override properties = {
    ...SyncElement.properties,
    sync: { attribute: false },
    queue: { attribute: false },
    whys: { state: true },
  };
  static override styles = [
    SyncElement.styles,
    css`
      h3 {
        display: flex;
        gap: 0.5rem;
        align-items: center;
      }
    `,
  ];

  /** The store, whose queue is watched. */
  sync: ClaritySync | undefined;
  /** What waits, without a store. */
  queue: readonly QueuedChange[] = [];
  /** Why operations wait, as far as it was asked. */
  protected whys: ReadonlyMap<number, string> = new Map();

  protected override watchAll(signal: AbortSignal): void {
    if (this.sync === undefined) return;
    this.follow(this.sync.watchQueue(SHOWN_MAX, { signal }), signal, (queue) => {
      this.queue = queue;
      this.whys = new Map();
    });
  }

  async #ask(operation: number): Promise<void> {
    const why = await this.attempt(async () => this.sync?.whyNotSynced(operation));
    if (why === undefined || why === null) return;
    this.whys = new Map(this.whys).set(operation, `${why.message}; ${why.next}`);
  }

  override render(): TemplateResult {
    const { words, queue } = this;
    return html`<section class="stack">
      <h2 tabindex="-1">${words.text("waiting.title")}</h2>
      ${queue.length === 0
        ? html`<p class="soft">${words.text("waiting.empty")}</p>`
        : html`<ol class="stack">
            ${queue.map((change) => this.#one(change))}
          </ol>`}
      ${queue.length < SHOWN_MAX
        ? nothing
        : html`<p class="soft small">${words.text("waiting.more", { count: SHOWN_MAX })}</p>`}
      ${this.problem === null
        ? nothing
        : html`<p class="problem" role="alert">${this.problem}</p>`}
    </section>`;
  }

  #one(change: QueuedChange): TemplateResult {
    const { words, names, time } = this;
    const isSending = change.status === "in_progress";
    const name = words.text(`change.${change.kind}`, { entity: names.entity(change) });
    const facts = [words.ago(change.made_at, time)];
    if (change.kind === "update") {
      facts.push(words.list(change.fields.map((field) => names.field(change.type, field))));
    }
    if (isSending) facts.push(words.text("waiting.sending"));
    if (change.attempts > 0) {
      facts.push(words.text("waiting.attempts", { count: change.attempts }));
    }
    const next = change.next_attempt_at;
    if (!isSending && next !== null && next > time) {
      facts.push(words.text("waiting.next", { wait: words.lasting(next - time + 999) }));
    }
    const why = this.whys.get(change.operation);
    const open = (): boolean => {
      return this.tell("clarity-open-entity", { key: { type: change.type, id: change.id } });
    };
    const undo = (): Promise<unknown> =>
      this.attempt(async () => this.sync?.rollback(change.operation));
    return html`<li class="card stack">
      <h3>
        <span class=${isSending ? "orange" : "yellow"}>
          ${stateIcon(isSending ? "syncing" : "pending")}
        </span>
        ${name}
      </h3>
      <p class="small soft">${facts.join(" · ")}</p>
      ${why === undefined ? nothing : html`<p class="small" role="status">${why}</p>`}
      <div class="row" role="group" aria-label=${name}>
        <button @click=${open}>${words.text("waiting.open")}</button>
        <button @click=${undo}>${words.text("waiting.undo")}</button>
        <button @click=${() => this.#ask(change.operation)}>${words.text("waiting.why")}</button>
      </div>
    </li>`;
  }
}
