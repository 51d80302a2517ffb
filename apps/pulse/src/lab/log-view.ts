// What the server was asked and answered, and what the network kept from it.

import { LitElement, css, html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { ui } from "../ui.js";
import type { Exchange } from "./network.js";
import type { Side } from "./phone.js";
import { words } from "./words.js";

export interface Line extends Exchange {
  readonly side: Side;
}

const time = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
/** Most changes of one request that are named. */
const SAID_MAX = 5;

class LogView extends LitElement {
  static override styles = [
    ui,
    css`
      .head { display: flex; flex-wrap: wrap; gap: 0.5rem; justify-content: space-between; align-items: center; }
      .head h2 { margin: 0; }
      .log { margin: 0.75rem 0 0; max-height: 26rem; overflow-y: auto; }
      .log:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
      ol { list-style: none; margin: 0; padding: 0; }
      ol > li { border-top: 1px solid var(--line); padding: 0.45rem 0.25rem; overflow-wrap: anywhere; }
      .line { display: flex; flex-wrap: wrap; gap: 0.1rem 0.6rem; }
      .from { font-weight: 700; }
      .status { font-variant-numeric: tabular-nums; font-weight: 700; }
      .stopped { color: var(--orange); font-weight: 600; }
      .conflict { color: var(--violet); font-weight: 600; }
      ul { margin: 0.15rem 0 0; padding-left: 1.2rem; }
    `,
  ];
  static override properties = { lines: { attribute: false } };
  declare lines: readonly Line[];

  constructor() {
    super();
    this.lines = [];
  }

  override render(): TemplateResult {
    return html`<section class="card" aria-labelledby="title">
      <div class="head"><h2 id="title">${words.log.title}</h2>
        <button ?disabled=${this.lines.length === 0}
          @click=${() => this.dispatchEvent(new CustomEvent("lab-clear"))}>${words.log.clear}</button></div>
      ${this.lines.length === 0
        ? html`<p class="muted">${words.log.empty}</p>`
        : html`<div class="log" tabindex="0" role="log" aria-live="off" aria-labelledby="title">
            <ol>${this.lines.map((line) => this.#line(line))}</ol></div>`}
    </section>`;
  }

  #line(line: Line): TemplateResult {
    const { at, method, path, side, status, stopped, said } = line;
    return html`<li><div class="line">
        <span class="muted number">${time.format(at)}</span>
        <span class="from">${words.phones[side]}</span>
        <span>${method} ${path}</span>
        ${status === null ? nothing : html`<span class="status">${status}</span>`}
        ${stopped === null ? nothing : html`<span class="stopped">${words.log.stopped[stopped]}</span>`}
      </div>
      ${said.length === 0 ? nothing : html`<ul class="small">${this.#said(said)}</ul>`}</li>`;
  }

  #said(said: readonly string[]): TemplateResult[] {
    const lines = said.slice(0, SAID_MAX).map((words) =>
      html`<li class=${words.includes(": conflict") ? "conflict" : ""}>${words}</li>`);
    const more = said.length - SAID_MAX;
    return more > 0 ? [...lines, html`<li>${words.log.more(more)}</li>`] : lines;
  }
}

customElements.define("pulse-lab-log", LogView);
