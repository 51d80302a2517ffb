// Shows notices, and reads them to whoever listens. The region is there before its text.

import { LitElement, css, html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { remedyOf, wordsOf } from "./failures.js";
import { words } from "./strings.js";
import { onToast } from "./toast.js";
import type { Action, Toast } from "./toast.js";
import { ui } from "./ui.js";

/** How long a notice is shown that does not stay. */
const SHOWN_MS = 10_000;
/** How many are shown at once: more would cover what they are about. */
const SHOWN_MAX = 3;

/** What is said once more takes the place of what said it before, unless each has its own undo. */
const isRepeated = (before: Toast, now: Toast): boolean =>
  before.message === now.message && (now.stays || now.action === undefined);

class Toasts extends LitElement {
  static override styles = [
    ui,
    css`
      /* On a phone it has a place of its own in the frame, above the bar at the bottom. */
      :host { position: sticky; z-index: 6; bottom: 0; pointer-events: none; }
      .toast { margin: 0.5rem 1rem; }
      .toast {
        pointer-events: auto; display: flex; gap: 0.5rem 1rem; flex-wrap: wrap;
        align-items: center; justify-content: space-between;
        background: var(--ink); color: var(--page); border-radius: var(--radius);
        padding: 0.5rem 0.5rem 0.5rem 1rem; box-shadow: 0 6px 24px #0006;
      }
      .toast button { background: transparent; border-color: transparent; color: inherit; padding-inline: 0.8rem; }
      .toast button:hover { text-decoration: underline; }
      .toast .action { border-color: currentColor; }
      .toast :focus-visible { outline-color: currentColor; }
      @media (min-width: 900px) {
        :host { position: fixed; inset: auto 1.5rem 1.5rem auto; width: 26rem; }
        .toast { margin: 0.5rem 0 0; }
      }
    `,
  ];
  static override properties = { toasts: { state: true } };
  /** Those that are shown, the newest last. */
  declare private toasts: readonly Toast[];
  readonly #timers = new Map<Toast, number>();
  #gone: AbortController | undefined;

  constructor() {
    super();
    this.toasts = [];
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#gone = new AbortController();
    onToast((toast) => this.#show(toast), this.#gone.signal);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#gone?.abort();
    for (const toast of this.toasts) this.#hide(toast);
  }

  #show(toast: Toast): void {
    for (const shown of this.toasts) if (isRepeated(shown, toast)) this.#hide(shown);
    const first = this.toasts.find(({ stays }) => !stays) ?? this.toasts[0];
    if (first && this.toasts.length >= SHOWN_MAX) this.#hide(first);
    this.toasts = [...this.toasts, toast];
    if (toast.stays) return;
    this.#timers.set(toast, window.setTimeout(() => this.#hide(toast), SHOWN_MS));
  }

  #hide(toast: Toast): void {
    clearTimeout(this.#timers.get(toast));
    this.#timers.delete(toast);
    this.toasts = this.toasts.filter((shown) => shown !== toast);
  }

  /** The region is there from the start, and only what is new in it is read. */
  override render(): TemplateResult {
    return html`<div role="status" aria-atomic="false">
      ${repeat(this.toasts, (toast) => toast, (toast, index) => this.#one(toast, index))}</div>`;
  }

  #one(toast: Toast, index: number): TemplateResult {
    const { message, action } = toast;
    const id = `said-${index}`;
    return html`<div class="toast"><span id=${id} class="wrap">${message}</span><span class="row">
      ${action
        ? html`<button class="action" aria-describedby=${id}
            @click=${() => this.#run(toast, action)}>${action.label}</button>`
        : nothing}
      <button aria-describedby=${id} @click=${() => this.#hide(toast)}>
        ${words.dismiss}</button></span></div>`;
  }

  async #run(toast: Toast, action: Action): Promise<void> {
    this.#hide(toast);
    try {
      await action.run();
    } catch (error) {
      this.#show({ message: wordsOf(error), action: remedyOf(error), stays: true });
    }
  }
}

customElements.define("pulse-toasts", Toasts);
