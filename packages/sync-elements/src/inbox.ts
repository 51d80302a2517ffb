import type { ClaritySync, ConflictInfo } from "@clarity/sync";
import { css, html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { SyncElement } from "./element.js";
import { stateIcon } from "./icons.js";
import { isSimilar, lostLast } from "./resolution.js";
import type { ClarityConflictResolver, ResolveDetail } from "./resolver.js";

/**
 * All conflicts, oldest first, and the resolver of the one that is open.
 *
 * @fires clarity-open-conflict Before one is opened here; whoever prevents it shows it elsewhere.
 */
export class ClarityConflictInbox extends SyncElement {
  static override properties = {
    ...SyncElement.properties,
    sync: { attribute: false },
    conflicts: { attribute: false },
    open: { type: Number },
    kind: { state: true },
    said: { state: true },
    undoable: { state: true },
  };
  static override styles = [
    SyncElement.styles,
    css`
      .entry {
        display: flex;
        gap: 0.75rem;
        align-items: center;
        inline-size: 100%;
        text-align: start;
      }
      .entry span {
        overflow-wrap: anywhere;
        min-inline-size: 0;
      }
      .kinds {
        max-inline-size: 100%;
      }
    `,
  ];

  /** The store, whose conflicts are watched. */
  sync: ClaritySync | undefined;
  /** The conflicts, without a store. */
  conflicts: readonly ConflictInfo[] = [];
  /** The conflict that is open; none if absent. */
  open: number | undefined;
  protected kind = "";
  protected said = "";
  /** The conflicts that were settled last and can be taken back. */
  protected undoable: readonly ConflictInfo[] = [];

  protected override watchAll(signal: AbortSignal): void {
    if (this.sync === undefined) return;
    this.follow(this.sync.watchConflicts(1000, { signal }), signal, (conflicts) => {
      this.conflicts = conflicts;
    });
  }

  get #shown(): readonly ConflictInfo[] {
    const isOfKind = ({ type }: ConflictInfo): boolean => this.kind === "" || type === this.kind;
    return this.conflicts.filter(isOfKind);
  }

  #openOne(conflict: ConflictInfo): void {
    if (!this.tell("clarity-open-conflict", { conflict })) return;
    this.open = conflict.conflict;
    this.#focus();
  }

  /** Moves the focus to what is open now, or to the list's heading. */
  #focus(): void {
    void this.updateComplete.then(async () => {
      const resolver = this.renderRoot.querySelector<ClarityConflictResolver>(
        "clarity-conflict-resolver",
      );
      await resolver?.updateComplete;
      if (resolver === null) this.renderRoot.querySelector("h2")?.focus();
      else resolver.focusHeading();
    });
  }

  #move(event: CustomEvent<{ direction: "next" | "previous" }>): void {
    const shown = this.#shown;
    const at = shown.findIndex(({ conflict }) => conflict === this.open);
    const step = event.detail.direction === "next" ? 1 : shown.length - 1;
    this.open = shown[(at + step) % shown.length]?.conflict;
    this.#focus();
  }

  #resolved(event: CustomEvent<ResolveDetail>): void {
    const { conflict, similar } = event.detail;
    const done = new Set([conflict, ...similar].map((each) => each.conflict));
    const at = this.#shown.findIndex((each) => each.conflict === conflict.conflict);
    const isLeft = (each: ConflictInfo): boolean => !done.has(each.conflict);
    const following = [...this.#shown.slice(at + 1), ...this.#shown.slice(0, Math.max(0, at))];
    this.open = following.find(isLeft)?.conflict;
    this.conflicts = this.conflicts.filter(isLeft);
    this.undoable = [conflict, ...similar];
    this.said = this.words.text("inbox.saved", { count: this.conflicts.length });
    this.#focus();
  }

  /** Brings back what lost in the decision that was made last. */
  async undo(): Promise<void> {
    const { sync, undoable } = this;
    this.undoable = [];
    if (sync === undefined || undoable.length === 0) {
      this.said = this.words.text("inbox.undo.nothing");
      return;
    }
    const done = await this.attempt(async () => {
      for (const { type, id } of undoable) {
        const lost = lostLast(await sync.history({ key: { type, id } }));
        if (lost !== undefined) await sync.undo(lost.history);
      }
      return true;
    });
    if (done === true) this.said = this.words.text("inbox.undone");
  }

  override render(): TemplateResult {
    const { words } = this;
    const shown = this.#shown;
    const at = shown.findIndex(({ conflict }) => conflict === this.open);
    const conflict = shown[at];
    return html`<section class="stack">
      ${conflict === undefined ? this.#list(shown) : this.#resolver(conflict, at, shown.length)}
      <div class="row">
        <span role="status">${this.said}</span>
        ${this.undoable.length === 0
          ? nothing
          : html`<button @click=${() => this.undo()}>${words.text("inbox.undo")}</button>`}
      </div>
      ${this.problem === null
        ? nothing
        : html`<p class="problem" role="alert">${this.problem}</p>`}
    </section>`;
  }

  #resolver(conflict: ConflictInfo, at: number, count: number): TemplateResult {
    return html`<clarity-conflict-resolver
      .sync=${this.sync}
      .conflict=${conflict}
      .similar=${this.conflicts.filter((other) => isSimilar(conflict, other))}
      .position=${at + 1}
      .count=${count}
      .now=${this.now}
      @clarity-move=${this.#move}
      @clarity-resolved=${this.#resolved}
      @clarity-undo=${() => this.undo()}
      @clarity-decide-later=${() => {
        this.open = undefined;
        this.#focus();
      }}
    ></clarity-conflict-resolver>`;
  }

  #list(shown: readonly ConflictInfo[]): TemplateResult {
    const { words, names } = this;
    const kinds = [...new Set(this.conflicts.map(({ type }) => type))].sort();
    const choose = (event: Event): void => {
      this.kind = (event.target as HTMLSelectElement).value;
    };
    return html`
      <h2 tabindex="-1">${words.text("inbox.title")}</h2>
      ${kinds.length < 2
        ? nothing
        : html`<label class="row">
            ${words.text("inbox.kinds")}
            <select class="kinds" @change=${choose}>
              <option value="">${words.text("inbox.all")}</option>
              ${kinds.map((kind) => html`<option value=${kind}>${names.type(kind)}</option>`)}
            </select>
          </label>`}
      ${shown.length === 0
        ? html`<p class="soft">${words.text("inbox.empty")}</p>`
        : html`<ul class="stack">
            ${shown.map((conflict) => this.#entry(conflict))}
          </ul>`}
    `;
  }

  #entry(conflict: ConflictInfo): TemplateResult {
    const { words } = this;
    const reason =
      conflict.deleted_by === null
        ? words.text("inbox.reason.values", { count: conflict.fields.length })
        : words.text("inbox.reason.deleted");
    return html`<li>
      <button class="entry" @click=${() => this.#openOne(conflict)}>
        <span class="violet">${stateIcon("conflicts")}</span>
        <span>
          <strong>${this.names.entity(conflict)}</strong><br />
          <span class="small soft">${reason} · ${words.ago(conflict.opened_at, this.time)}</span>
        </span>
      </button>
    </li>`;
  }
}
