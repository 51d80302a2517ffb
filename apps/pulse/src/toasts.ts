// Shows notices, and reads them to whoever listens. The region is there before its text.

import { LitElement, css, html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { remedyOf, wordsOf } from "./failures.js";
import { words } from "./strings.js";
import { onToast } from "./toast.js";
import type { Action, Toast } from "./toast.js";
import { ui } from "./ui.js";

/** How long a notice is shown that does not stay. */
const SHOWN_MS = 10_000;

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
        .toast { margin: 0; }
      }
    `,
  ];
  static override properties = { toast: { state: true } };
  declare private toast: Toast | undefined;
  #timer = 0;
  #gone: AbortController | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#gone = new AbortController();
    onToast((toast) => this.#show(toast), this.#gone.signal);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#gone?.abort();
    clearTimeout(this.#timer);
  }

  #show(toast: Toast): void {
    this.toast = toast;
    clearTimeout(this.#timer);
    if (!toast.stays) this.#timer = window.setTimeout(() => (this.toast = undefined), SHOWN_MS);
  }

  override render(): TemplateResult {
    const { toast } = this;
    return html`<div role="status">${toast
      ? html`<div class="toast"><span class="wrap">${toast.message}</span><span class="row">
          ${toast.action
            ? html`<button class="action" @click=${() => this.#run(toast.action!)}>${toast.action.label}</button>`
            : nothing}
          <button @click=${() => (this.toast = undefined)}>${words.dismiss}</button></span></div>`
      : nothing}</div>`;
  }

  async #run(action: Action): Promise<void> {
    this.toast = undefined;
    try {
      await action.run();
    } catch (error) {
      this.#show({ message: wordsOf(error), action: remedyOf(error), stays: true });
    }
  }
}

customElements.define("pulse-toasts", Toasts);
