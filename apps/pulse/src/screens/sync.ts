// Where the sync stands, what waits, what was refused, and what happened.

import { css, html } from "lit";
import type { TemplateResult } from "lit";
import { go, link } from "../router.js";
import { Screen } from "../screen.js";
import { store } from "../store.js";
import { words } from "../strings.js";
import { ui } from "../ui.js";

/** What only the app can do about a state: each has a screen. */
const SCREENS: Readonly<Record<string, string>> = {
  "sign-in": "account",
  "manage-storage": "settings",
  "save-copy": "export",
  "export-unsent": "export",
  // Signing in again is offered there as well: what waits is sent then.
  "erase-device": "account",
  "review-conflicts": "conflicts",
};

class Sync extends Screen {
  static override styles = [ui, css`p { margin-top: 1rem; }`];

  override render(): TemplateResult {
    return html`<h1 tabindex="-1">${words.nav.sync}</h1>
      <clarity-sync-details inline .sync=${store()} @clarity-action=${this.#act}
        @clarity-open-entity=${this.#open}></clarity-sync-details>
      <p><a href=${link("diagnostics")}>${words.nav.diagnostics}</a></p>`;
  }

  readonly #act = (event: CustomEvent<{ action: string }>): void => {
    const { action } = event.detail;
    if (action === "reload" || action === "update-app") return location.reload();
    const screen = SCREENS[action];
    if (screen === undefined) return;
    event.preventDefault();
    go(screen);
  };

  readonly #open = (event: CustomEvent<{ key: { type: string; id: string } }>): void => {
    event.preventDefault();
    go("entry", event.detail.key.type, event.detail.key.id);
  };
}

customElements.define("pulse-sync", Sync);
