// The lab: two phones of one person beside each other, the network that can be broken, and what
// reaches the server.

import { LitElement, css, html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { wordsOf } from "../failures.js";
import { ui } from "../ui.js";
import "./log-view.js";
import type { Line } from "./log-view.js";
import { NETWORKS } from "./network.js";
import type { Exchange, Network } from "./network.js";
import type { Phone, Side } from "./phone.js";
import "./phone-view.js";
import { areSetUp, openPhones, setUp, setUpConflict } from "./setup.js";
import type { Phones } from "./setup.js";
import { words } from "./words.js";

/** Most lines of the log that are kept. */
const LINES_MAX = 200;
/** Of the address: two phones that are not set up yet begin with a conflict. */
const WITH_CONFLICT = "#/conflict";
/** Held by the tab that has the lab open: its network is this page's. */
const LOCK = "clarity-lab";

class Lab extends LitElement {
  static override styles = [
    ui,
    css`
      main { padding: 1.25rem 1rem 3rem; max-width: 110rem; margin: 0 auto; }
      .top { display: flex; flex-wrap: wrap; gap: 0.5rem 1.5rem; align-items: center; justify-content: space-between; }
      .top h1 { margin: 0; }
      .intro { max-width: 46rem; }
      .places { display: grid; gap: 1rem; grid-template-columns: minmax(0, 1fr); align-items: start; }
      @media (min-width: 800px) {
        .places { grid-template-columns: repeat(2, minmax(0, 1fr)); }
        .between { grid-column: 1 / -1; grid-row: 1; display: grid; gap: 1rem; grid-template-columns: minmax(0, 1fr) minmax(0, 2fr); }
      }
      @media (min-width: 1200px) {
        .places { grid-template-columns: minmax(0, 1fr) minmax(0, 1fr) minmax(0, 1fr); }
        .between { grid-column: 2; grid-row: auto; display: block; }
      }
      label { display: flex; gap: 0.75rem; align-items: flex-start; min-height: 44px; padding: 0.4rem 0; font-weight: 400; margin: 0; }
      label input { margin-top: 0.3rem; }
      label strong { display: block; }
    `,
  ];
  static override properties = {
    state: { state: true },
    error: { state: true },
    network: { state: true },
    airplane: { state: true },
    lines: { state: true },
  };
  declare private state: "opening" | "elsewhere" | "empty" | "working" | "ready" | "failed";
  declare private error: string;
  declare private network: Network;
  declare private airplane: Readonly<Record<Side, boolean>>;
  declare private lines: readonly Line[];
  #phones: Phones | undefined;

  constructor() {
    super();
    this.state = "opening";
    this.error = "";
    this.network = "good";
    this.airplane = { a: false, b: false };
    this.lines = [];
    void navigator.locks.request(LOCK, { ifAvailable: true }, async (lock) => {
      if (lock === null) {
        this.state = "elsewhere";
        return;
      }
      await this.#open();
      await new Promise(() => {});
    });
  }

  async #open(): Promise<void> {
    try {
      this.#phones ??= await openPhones((side, exchange) => this.#hear(side, exchange));
      this.state = (await areSetUp(this.#phones)) ? "ready" : "empty";
      // A reload brings the good network back, which the phones may still wait for.
      this.#setNetwork("good");
      if (this.state === "empty" && location.hash === WITH_CONFLICT) await this.#beginConflict();
    } catch (error) {
      this.#fail(error);
    }
  }

  readonly #begin = (): Promise<void> => this.#beginBy(setUp);

  readonly #beginConflict = (): Promise<void> => this.#beginBy(setUpConflict);

  async #beginBy(setUp: (phones: Phones) => Promise<void>): Promise<void> {
    const phones = this.#phones;
    if (!phones) return this.#open();
    this.state = "working";
    this.airplane = { a: false, b: false };
    this.#setNetwork("good");
    try {
      await setUp(phones);
      this.lines = [];
      this.state = "ready";
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.error = wordsOf(error);
    this.state = "failed";
  }

  #hear(side: Side, exchange: Exchange): void {
    this.lines = [{ side, ...exchange }, ...this.lines].slice(0, LINES_MAX);
  }

  #setNetwork(network: Network): void {
    this.network = network;
    this.#tell();
    // As when a person looks at a phone whose network has come back: it does not wait any longer.
    for (const { sync } of this.#phones ?? []) void sync.call("foreground", {});
  }

  #fly(side: Side, airplane: boolean): void {
    this.airplane = { ...this.airplane, [side]: airplane };
    this.#tell();
  }

  #tell(): void {
    for (const phone of this.#phones ?? []) {
      phone.setConditions({ airplane: this.airplane[phone.side], network: this.network });
    }
  }

  override render(): TemplateResult {
    return html`<main>
      <div class="top"><h1>${words.title}</h1>
        <span class="row">${this.state === "ready"
          ? html`<button title=${words.startOverBody} @click=${this.#begin}>${words.startOver}</button>`
          : nothing}<a class="button" href="/">${words.app}</a></span></div>
      <p class="intro">${words.intro}</p>
      ${this.#body()}</main>`;
  }

  #body(): TemplateResult {
    switch (this.state) {
      case "opening":
      case "working":
        return html`<p class="muted" role="status">${words.beginning}</p>`;
      case "elsewhere":
        return html`<p class="card" role="alert">${words.elsewhere}</p>`;
      case "failed":
        return html`<div class="card" role="alert"><h2>${words.failed}</h2><p>${this.error}</p>
          <button class="primary" @click=${this.#begin}>${words.again}</button></div>`;
      case "empty":
        return html`<div class="card"><p>${words.beginBody}</p>
          <p class="row"><button class="primary" @click=${this.#begin}>${words.begin}</button>
            <button @click=${this.#beginConflict}>${words.beginConflict}</button></p></div>`;
      case "ready":
        return this.#places(this.#phones!);
    }
  }

  #places([a, b]: Phones): TemplateResult {
    const phone = (each: Phone): TemplateResult => html`<pulse-lab-phone .phone=${each}
      .airplane=${this.airplane[each.side]}
      @lab-fly=${(event: CustomEvent<boolean>) => this.#fly(each.side, event.detail)}></pulse-lab-phone>`;
    return html`<div class="places">${phone(a)}
      <div class="between">
        <div class="card" role="radiogroup" aria-labelledby="network"><h2 id="network">${words.network.title}</h2>
          ${NETWORKS.map((network) => this.#choice(network))}</div>
        <pulse-lab-log .lines=${this.lines} @lab-clear=${() => (this.lines = [])}></pulse-lab-log>
      </div>
      ${phone(b)}</div>`;
  }

  #choice(network: Network): TemplateResult {
    return html`<label><input type="radio" name="network" .checked=${this.network === network}
        @change=${() => this.#setNetwork(network)} />
      <span><strong>${words.network.names[network]}</strong>
        <span class="muted small">${words.network.meanings[network]}</span></span></label>`;
  }
}

customElements.define("pulse-lab", Lab);
