import type { ClaritySync, FailedOperation, FailureReason, Preview } from "@clarity/sync";
import { css, html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { SyncElement } from "./element.js";
import { stateIcon } from "./icons.js";
import type { Names } from "./describe.js";

/**
 * What could not be sent, why, and what a person can do about it.
 *
 * @fires clarity-fix With the operation: the app opens its form and calls `editAndRetry`.
 */
export class ClarityFailedOperations extends SyncElement {
  static override properties = {
    ...SyncElement.properties,
    sync: { attribute: false },
    failed: { attribute: false },
    asked: { attribute: false },
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

  /** The store, whose failed operations are watched. */
  sync: ClaritySync | undefined;
  /** The failed operations, without a store. */
  failed: readonly FailedOperation[] = [];
  /** The operation that is about to be discarded, with what that would lose. */
  asked: { readonly operation: number; readonly preview: Preview } | null = null;

  protected override watchAll(signal: AbortSignal): void {
    if (this.sync === undefined) return;
    this.follow(this.sync.watchFailed(1000, { signal }), signal, (failed) => {
      this.failed = failed;
      if (!failed.some(({ operation }) => operation === this.asked?.operation)) this.asked = null;
    });
  }

  async #ask({ operation, dependents }: FailedOperation): Promise<void> {
    const { sync } = this;
    if (!this.tell("clarity-discard", { operation }) || sync === undefined) return;
    const preview = await this.attempt(() => {
      return sync.previewDiscard(operation, dependents.length > 0);
    });
    if (preview === undefined) return;
    this.asked = { operation, preview };
    await this.updateComplete;
    this.renderRoot.querySelector<HTMLElement>(".ask")?.focus();
  }

  async #discard({ operation, dependents }: FailedOperation): Promise<void> {
    this.asked = null;
    await this.attempt(async () => this.sync?.discard(operation, dependents.length > 0));
    this.renderRoot.querySelector<HTMLElement>("h2")?.focus();
  }

  override render(): TemplateResult {
    const { words, failed } = this;
    return html`<section class="stack">
      <h2 tabindex="-1">${words.text("failed.title")}</h2>
      ${failed.length === 0 ? html`<p class="soft">${words.text("failed.empty")}</p>` : nothing}
      ${this.#bulks()}
      <ul class="stack">
        ${failed.map((operation) => this.#one(operation))}
      </ul>
      ${this.problem === null
        ? nothing
        : html`<p class="problem" role="alert">${this.problem}</p>`}
    </section>`;
  }

  /** What can be done for all that failed for one reason. */
  #bulks(): TemplateResult[] {
    const counts = new Map<FailureReason, number>();
    for (const { reason } of this.failed) counts.set(reason, (counts.get(reason) ?? 0) + 1);
    const several = [...counts].filter(([, count]) => count > 1);
    return several.map(([reason, count]) => {
      const message = this.failed.find((each) => each.reason === reason)?.message ?? "";
      const retry = (): Promise<unknown> => this.attempt(async () => this.sync?.retryAll(reason));
      return html`<div class="row">
        <span>${this.words.text("failed.bulk", { count })}: ${this.names.message(message)}</span>
        <button @click=${retry}>${this.words.text("failed.retry-all", { count })}</button>
      </div>`;
    });
  }

  #one(failed: FailedOperation): TemplateResult {
    const { words, names } = this;
    const { asked } = this;
    const entity = names.entity(failed);
    const name = words.text(`change.${failed.kind}`, { entity });
    const fix = (): boolean => this.tell("clarity-fix", { operation: failed });
    const retry = (): Promise<unknown> =>
      this.attempt(async () => this.sync?.retry(failed.operation));
    return html`<li class="card stack">
      <h3><span class="red">${stateIcon("failed")}</span>${name}</h3>
      <p>${this.names.message(failed.message)}</p>
      ${failed.failed_at === null
        ? nothing
        : html`<p class="small soft">
            ${words.text("failed.when", { ago: words.ago(failed.failed_at, this.time) })}
          </p>`}
      ${asked?.operation === failed.operation
        ? this.#question(failed, asked.preview)
        : html`<div class="row" role="group" aria-label=${name}>
            <button class="main" @click=${fix}>${words.text("failed.fix")}</button>
            <button @click=${retry}>${words.text("failed.retry")}</button>
            <button @click=${() => this.#ask(failed)}>${words.text("failed.discard")}</button>
          </div>`}
      <details>
        <summary class="small">${words.text("failed.details")}</summary>
        <p class="small">${words.text("failed.code", { code: failed.code })}</p>
      </details>
    </li>`;
  }

  #question(failed: FailedOperation, preview: Preview): TemplateResult {
    const { words } = this;
    return html`<div class="stack ask" tabindex="-1" role="group">
      <p>${lossOf(preview, this.names)}</p>
      <p class="small soft">${words.text("failed.lose.undo")}</p>
      <div class="row">
        <button @click=${() => this.#discard(failed)}>
          ${words.text("failed.discard.sure")}
        </button>
        <button class="main" @click=${() => (this.asked = null)}>
          ${words.text("failed.keep")}
        </button>
      </div>
    </div>`;
  }
}

/** As much of a value as fits into a sentence: a long text would put the question out of sight. */
const SHOWN_MAX = 200;
const cut = (value: string): string =>
  value.length <= SHOWN_MAX ? value : `${[...value].slice(0, SHOWN_MAX).join("").trimEnd()}…`;

/** What a preview says would be lost, in words. */
export function lossOf(preview: Preview, names: Names): string {
  const { words } = names;
  const losses = preview.entities.flatMap((entity) => {
    if (entity.shown_before && !entity.shown_after) {
      return [words.text("failed.lose.entity", { entity: names.entity(entity) })];
    }
    return entity.fields.map(({ field, before, after }) =>
      words.text("failed.lose.field", {
        field: names.field(entity.type, field),
        before: cut(names.value(entity.type, field, before)),
        after: cut(names.value(entity.type, field, after)),
      }),
    );
  });
  const along = preview.ends.filter(({ goes_along }) => goes_along).length;
  const lost =
    losses.length === 0
      ? words.text("failed.lose.nothing")
      : words.text("failed.lose", { list: words.list(losses) });
  return along === 0 ? lost : `${lost} ${words.text("failed.lose.with", { count: along })}`;
}
