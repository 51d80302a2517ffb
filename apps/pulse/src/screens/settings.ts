// The look, the keyboard, the network and the space, of this device.

import type { Status, Storage } from "@clarity/sync";
import { css, html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { shownBytes } from "../bytes.js";
import { install } from "../installing.js";
import { Screen } from "../screen.js";
import { hasShortcuts, switchShortcuts } from "../shortcuts.js";
import { store } from "../store.js";
import { words } from "../strings.js";
import { THEMES, chooseTheme, chosenTheme } from "../theme.js";
import { toast } from "../toast.js";
import { ui } from "../ui.js";
import { Watch } from "../watch.js";
import { exactWhen } from "../when.js";
import { attempt } from "../writing.js";

const HOUR = 3_600_000;
const MB = 1_000_000;
const BUDGETS = [50 * MB, 100 * MB, 250 * MB, 500 * MB, 1_000 * MB, 4_000 * MB];

class Settings extends Screen {
  static override styles = [ui, css`.card { max-width: 44rem; } select { max-width: 16rem; } .check + .row { margin-top: 0.5rem; }`];
  static override properties = { ...Screen.properties, persistent: { state: true } };
  declare private persistent: boolean | undefined;

  readonly #status = new Watch<Status>(this, (sync, options) => sync.watchStatus(options));
  readonly #storage = new Watch<Storage>(this, (sync, options) =>
    sync.watch("storage", {}, options),
  );

  override connectedCallback(): void {
    super.connectedCallback();
    void attempt(async () => (this.persistent = await store().isPersistent()));
  }

  override render(): TemplateResult {
    return html`<h1 tabindex="-1">${words.settings.title}</h1>
      ${this.#look()} ${this.#keyboard()} ${this.#network()} ${this.#space()}`;
  }

  #look(): TemplateResult {
    const chosen = chosenTheme();
    return html`<fieldset class="card"><legend class="hidden">${words.settings.look}</legend>
      <h2 aria-hidden="true">${words.settings.look}</h2>
      ${THEMES.map((theme) => html`<label class="check"><input type="radio" name="theme"
        .checked=${theme === chosen} @change=${() => chooseTheme(theme)} />
        ${words.settings.themes[theme]}</label>`)}
    </fieldset>`;
  }

  #keyboard(): TemplateResult {
    const change = (event: Event): void => switchShortcuts((event.target as HTMLInputElement).checked);
    const s = words.settings;
    return html`<section class="card"><h2>${s.keyboard}</h2>
      <label class="check"><input type="checkbox" aria-describedby="keys" .checked=${hasShortcuts()}
        @change=${change} />${s.shortcuts}</label>
      <p id="keys" class="muted">${s.shortcutsBody}</p>
    </section>`;
  }

  #network(): TemplateResult {
    const status = this.#status.value;
    const network = status?.network;
    const pause = status?.stalled?.why === "user_paused" ? status.stalled : undefined;
    const s = words.settings;
    return html`<section class="card"><h2>${s.network}</h2>
      <label class="check"><input type="checkbox" .checked=${network?.policy === "unmetered_only"}
        @change=${this.#setPolicy} />${s.metered}</label>
      <label class="check"><input type="checkbox" .checked=${network?.metered === true}
        @change=${this.#setMetered} />${s.meteredNow}</label>
      ${pause
        ? html`<p>${pause.next_attempt === null ? s.paused : s.pausedUntil(exactWhen(pause.next_attempt))}</p>
            <button @click=${() => attempt(() => store().resumeSync())}>${s.resume}</button>`
        : html`<div class="row">
            <button @click=${() => attempt(() => store().pauseSync(Date.now() + HOUR))}>${s.pauseHour}</button>
            <button @click=${() => attempt(() => store().pauseSync())}>${s.pause}</button></div>`}
    </section>`;
  }

  readonly #setPolicy = (event: Event): void => {
    const { checked } = event.target as HTMLInputElement;
    void attempt(() => store().setNetworkPolicy(checked ? "unmetered_only" : "any"));
  };

  readonly #setMetered = (event: Event): void => {
    const { checked } = event.target as HTMLInputElement;
    void attempt(() => store().setMetered(checked));
  };

  #space(): TemplateResult {
    const storage = this.#storage.value;
    const s = words.settings;
    if (!storage) return html`<section class="card"><h2>${s.storage}</h2><p>${words.loading}</p></section>`;
    const { budget_bytes } = storage.settings;
    const budgets = [...new Set([...BUDGETS, budget_bytes])].sort((a, b) => a - b);
    // What is in use: the room that deleted entries left in the file is used again first.
    const used = storage.live_bytes + storage.log_bytes;
    return html`<section class="card"><h2>${s.storage}</h2>
      <p>${s.used(shownBytes(used), shownBytes(budget_bytes))}</p>
      ${storage.over_budget ? html`<p class="muted">${s.overBudget}</p>` : nothing}
      <div class="field"><label for="budget">${s.budget}</label>
        <select id="budget" @change=${this.#setBudget}>
          ${budgets.map((bytes) => html`<option value=${bytes} ?selected=${bytes === budget_bytes}>
            ${shownBytes(bytes)}</option>`)}
        </select></div>
      <p>${this.persistent ? s.persistent : s.notPersistent}</p>
      ${this.persistent === false ? html`<p><button @click=${this.#persist}>${s.allow}</button></p>` : nothing}
      ${storage.types.length > 0 ? this.#types(storage) : nothing}
    </section>`;
  }

  #types(storage: Storage): TemplateResult {
    const s = words.settings;
    // Not every browser's store can tell how much room each kind takes.
    const isSized = storage.types.some(({ bytes }) => bytes !== null);
    const size = (bytes: number | null): string => bytes === null ? words.nothing : shownBytes(bytes);
    return html`<div class="scroll" tabindex="0" role="region" aria-label=${s.byType}><table>
      <thead><tr><th scope="col">${s.type}</th><th scope="col" class="number">${s.entries}</th>
        ${isSized ? html`<th scope="col" class="number">${s.size}</th>` : nothing}<th scope="col" class="number">${s.givenUp}</th></tr></thead>
      <tbody>${storage.types.map((type) => html`<tr>
        <th scope="row">${words.types[type.type] ?? type.type}</th>
        <td class="number" data-label=${s.entries}>${type.entities.toLocaleString()}</td>
        ${isSized ? html`<td class="number" data-label=${s.size}>${size(type.bytes)}</td>` : nothing}
        <td class="number" data-label=${s.givenUp}>${type.evicted.toLocaleString()}</td></tr>`)}</tbody>
    </table></div>`;
  }

  readonly #setBudget = (event: Event): void => {
    const budget_bytes = Number((event.target as HTMLSelectElement).value);
    void attempt(async () => {
      const settings = await store().storageSettings();
      await store().setStorage({ ...settings, budget_bytes });
      toast(words.settings.saved);
    });
  };

  readonly #persist = (): void => {
    void attempt(async () => {
      this.persistent = await store().persist();
      if (!this.persistent) toast(words.settings.refused, { label: words.install.ask, run: install });
    });
  };
}

customElements.define("pulse-settings", Settings);
