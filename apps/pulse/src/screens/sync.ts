// Where the sync stands, what waits, what was refused, and what happened.

import { css, html } from "lit";
import type { TemplateResult } from "lit";
import { facts } from "../facts.js";
import { link } from "../router.js";
import { Screen } from "../screen.js";
import { store } from "../store.js";
import { words } from "../strings.js";
import { APP_ACTIONS, act, fix, openConflict, openEntity } from "../sync-actions.js";
import { ui } from "../ui.js";

class Sync extends Screen {
  static override styles = [ui, css`p { margin-top: 1rem; }`];

  readonly #facts = facts.liveIn(this);

  override render(): TemplateResult {
    return html`<h1 tabindex="-1">${words.nav.sync}</h1>
      <clarity-sync-details inline .sync=${store()} .facts=${this.#facts.value}
        .appActions=${APP_ACTIONS}
        @clarity-action=${act} @clarity-open-entity=${openEntity}
        @clarity-fix=${fix} @clarity-open-conflict=${openConflict}></clarity-sync-details>
      <p><a href=${link("diagnostics")}>${words.nav.diagnostics}</a></p>`;
  }
}

customElements.define("pulse-sync", Sync);
