import type { ClaritySync, Storage } from "@clarity/sync";
import { css, html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { SyncElement } from "./element.js";

const MEGABYTE = 1_000_000;
const BUDGETS = [50, 100, 200, 500, 1_000, 2_000, 5_000].map((size) => size * MEGABYTE);

/** What is stored on this device, how much of it, and what may not be given up. */
export class ClarityStorage extends SyncElement {
  static override properties = {
    ...SyncElement.properties,
    sync: { attribute: false },
    storage: { attribute: false },
    persistent: { attribute: false },
  };
  static override styles = [
    SyncElement.styles,
    css`
      .meter {
        block-size: 0.75rem;
        border: 1px solid var(--_edge);
        border-radius: 1rem;
        background: var(--_sunken);
        overflow: hidden;
      }
      .meter div {
        block-size: 100%;
        background: var(--_accent);
      }
      .meter.over div {
        background: var(--_red);
      }
      table {
        inline-size: 100%;
        border-collapse: collapse;
      }
      th,
      td {
        text-align: start;
        padding: 0.35rem 0.5rem 0.35rem 0;
        border-block-end: 1px solid var(--_line);
        overflow-wrap: anywhere;
      }
      td {
        font-variant-numeric: tabular-nums;
      }
      caption {
        text-align: start;
        font-weight: 600;
      }
      @media (forced-colors: active) {
        .meter div {
          background: Highlight;
          forced-color-adjust: none;
        }
      }
    `,
  ];

  /** The store. */
  sync: ClaritySync | undefined;
  /** What it takes, without a store. */
  storage: Storage | null = null;
  /** Whether the browser never deletes it by itself; absent if not known. */
  persistent: boolean | undefined;

  protected override watchAll(signal: AbortSignal): void {
    const { sync } = this;
    if (sync === undefined) return;
    this.follow(sync.watch("storage", {}, { signal }), signal, (storage) => {
      this.storage = storage;
    });
    if (sync.environment.storage !== "files") return;
    void this.attempt(async () => {
      this.persistent = await sync.isPersistent();
    });
  }

  async #setBudget(storage: Storage, budget_bytes: number): Promise<void> {
    const settings = { ...storage.settings, budget_bytes };
    if (!this.tell("clarity-set-storage", { settings })) return;
    await this.attempt(async () => this.sync?.setStorage(settings));
  }

  async #persist(): Promise<void> {
    this.persistent = await this.attempt(async () => this.sync?.persist());
  }

  override render(): TemplateResult {
    const { words, storage } = this;
    return html`<section class="stack">
      <h2 tabindex="-1">${words.text("storage.title")}</h2>
      ${storage === null
        ? html`<p class="soft">${words.text("storage.unknown")}</p>`
        : this.#all(storage)}
      ${this.#persistence()}
      ${this.problem === null
        ? nothing
        : html`<p class="problem" role="alert">${this.problem}</p>`}
    </section>`;
  }

  #all(storage: Storage): TemplateResult {
    const { words } = this;
    const used = storage.live_bytes + storage.log_bytes;
    const budget = storage.settings.budget_bytes;
    const text = words.text("storage.used", {
      used: words.bytes(used),
      budget: words.bytes(budget),
    });
    const part = Math.min(1, used / Math.max(1, budget));
    return html`
      <p>${text}</p>
      <div
        class="meter ${storage.over_budget ? "over" : ""}"
        role="meter"
        aria-label=${words.text("storage.title")}
        aria-valuemin="0"
        aria-valuemax="100"
        aria-valuenow=${Math.floor(part * 100)}
        aria-valuetext=${text}
      >
        <div .style=${`inline-size: ${part * 100}%`}></div>
      </div>
      ${storage.full ? html`<p class="problem">${words.text("storage.full")}</p>` : nothing}
      ${storage.over_budget ? html`<p>${words.text("storage.over")}</p>` : nothing}
      ${this.#budget(storage)} ${this.#types(storage)} ${this.#protected(storage)}
      ${storage.evicted_total === 0
        ? nothing
        : html`<p class="soft">
            ${words.text("storage.gone", { count: storage.evicted_total })}
          </p>`}
    `;
  }

  #budget(storage: Storage): TemplateResult {
    const { words } = this;
    const budget = storage.settings.budget_bytes;
    const sizes = [...new Set([...BUDGETS, budget])].sort((one, other) => one - other);
    const choose = (event: Event): Promise<void> =>
      this.#setBudget(storage, Number((event.target as HTMLSelectElement).value));
    return html`<label class="row">
      ${words.text("storage.budget")}
      <select @change=${choose}>
        ${sizes.map(
          (size) =>
            html`<option value=${size} .selected=${size === budget}>${words.bytes(size)}</option>`,
        )}
      </select>
    </label>`;
  }

  #types({ types }: Storage): TemplateResult | symbol {
    const { words, names } = this;
    if (types.length === 0) return nothing;
    return html`<table>
      <caption>
        ${words.text("storage.types")}
      </caption>
      <thead>
        <tr>
          <th scope="col">${words.text("storage.type")}</th>
          <th scope="col">${words.text("storage.entries")}</th>
          <th scope="col">${words.text("storage.size")}</th>
          <th scope="col">${words.text("storage.away")}</th>
        </tr>
      </thead>
      <tbody>
        ${types.map(
          ({ type, entities, bytes, evicted }) => html`<tr>
            <th scope="row">${names.type(type)}</th>
            <td>${words.number(entities)}</td>
            <td>${bytes === null ? words.text("value.none") : words.bytes(bytes)}</td>
            <td>${words.number(evicted)}</td>
          </tr>`,
        )}
      </tbody>
    </table>`;
  }

  #protected(storage: Storage): TemplateResult | symbol {
    const { words } = this;
    const kept = storage.protected.filter(({ count }) => count > 0);
    if (kept.length === 0) return nothing;
    return html`<h3>${words.text("storage.keeps")}</h3>
      <ul>
        ${kept.map(
          ({ why, count }) => html`<li>${words.text(`storage.protected.${why}`, { count })}</li>`,
        )}
      </ul>`;
  }

  #persistence(): TemplateResult | symbol {
    const { words, persistent } = this;
    if (persistent === undefined) return nothing;
    if (persistent) return html`<p class="soft">${words.text("storage.persistent")}</p>`;
    return html`<div class="row">
      <span>${words.text("storage.not-persistent")}</span>
      <button @click=${() => this.#persist()}>${words.text("action.allow-storage")}</button>
    </div>`;
  }
}
