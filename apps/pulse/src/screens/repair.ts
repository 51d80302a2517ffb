// What a person can do about damaged data. It is shown with and without an open store.

import { css, html } from "lit";
import type { TemplateResult } from "lit";
import { beginAnew, saveFiles } from "../repairing.js";
import { Screen } from "../screen.js";
import { words } from "../strings.js";
import { ui } from "../ui.js";
import { attempt } from "../writing.js";

class Repair extends Screen {
  static override styles = [ui, css`.card, p { max-width: 44rem; }`];
  static override properties = { ...Screen.properties, isAsked: { state: true } };
  /** Whether the person is asked once more whether to begin anew. */
  declare private isAsked: boolean;

  constructor() {
    super();
    this.isAsked = false;
  }

  override render(): TemplateResult {
    const r = words.repair;
    return html`<h1 tabindex="-1">${r.title}</h1>
      <p role="alert">${r.body}</p>
      <section class="card"><h2>${r.again}</h2><p>${r.againBody}</p>
        <button class="primary" @click=${() => location.reload()}>${r.again}</button></section>
      <section class="card"><h2>${r.copy}</h2><p>${r.copyBody}</p>
        <button @click=${() => attempt(saveFiles)}>${r.copy}</button></section>
      <section class="card"><h2>${r.anew}</h2><p>${r.anewBody}</p>${this.#anew()}</section>`;
  }

  #anew(): TemplateResult {
    const ask = (isAsked: boolean) => (): void => void (this.isAsked = isAsked);
    if (!this.isAsked) return html`<button @click=${ask(true)}>${words.repair.anew}…</button>`;
    return html`<div class="row">
      <button class="danger" @click=${() => attempt(beginAnew)}>${words.repair.anewSure}</button>
      <button @click=${ask(false)}>${words.cancel}</button></div>`;
  }
}

customElements.define("pulse-repair", Repair);
