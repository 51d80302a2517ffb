// On a phone: everything that is not in the bar at the bottom.

import { css, html } from "lit";
import type { TemplateResult } from "lit";
import { icon } from "../icons.js";
import { MORE } from "../places.js";
import { link } from "../router.js";
import { Screen } from "../screen.js";
import { words } from "../strings.js";
import { ui } from "../ui.js";

class More extends Screen {
  static override styles = [
    ui,
    css`
      a { display: flex; gap: 0.9rem; align-items: center; padding: 0.8rem 0; min-height: 52px;
        color: var(--ink); text-decoration: none; }
    `,
  ];

  override render(): TemplateResult {
    return html`<h1 tabindex="-1">${words.nav.more}</h1>
      <ul class="list card">
        ${MORE.map((place) => html`<li>
          <a href=${link(place)}>${icon(place)}<span>${words.nav[place]}</span></a></li>`)}
      </ul>`;
  }
}

customElements.define("pulse-more", More);
