// Adding: what it is, then its form. The kind is in the address, so that a shortcut leads to it.

import { css, html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { keyed } from "lit/directives/keyed.js";
import { dropDraft } from "../drafts.js";
import { KINDS } from "../kinds.js";
import type { Made } from "../kinds.js";
import { go, link } from "../router.js";
import { Screen } from "../screen.js";
import { words } from "../strings.js";
import { toast } from "../toast.js";
import { ui } from "../ui.js";
import { add, attempt } from "../writing.js";
import "../form.js";

const draftName = (kind: string): string => `add/${kind}`;

class Add extends Screen {
  static override styles = [
    ui,
    css`
      nav { display: flex; flex-wrap: wrap; gap: 0.5rem; margin-bottom: 1.25rem; }
      nav a.button[aria-current] {
        background: var(--accent); color: var(--on-accent); border-color: var(--accent);
      }
      .card { max-width: 34rem; }
    `,
  ];

  override render(): TemplateResult {
    const [chosen = "BodyMass"] = this.params;
    const kind = KINDS.find(({ id }) => id === chosen) ?? KINDS[0]!;
    return html`<h1 tabindex="-1">${words.add.title}</h1>
      <nav aria-label=${words.add.kind}>
        ${KINDS.map(({ id, label }) => html`<a class="button" href=${link("add", id)}
          aria-current=${id === kind.id ? "page" : nothing}>${label}</a>`)}
      </nav>
      <div class="card">
        <h2>${kind.label}</h2>
        ${keyed(kind.id, html`<pulse-form .kind=${kind.id}
          .draft=${draftName(kind.id)} .made=${this.#adds(kind.id)}></pulse-form>`)}
      </div>`;
  }

  #adds(kind: string): (made: readonly Made[]) => Promise<void> {
    return async (made) => {
      await attempt(async () => {
        await add(made);
        dropDraft(draftName(kind));
        toast(words.add.saved);
        go("today");
      });
    };
  }
}

customElements.define("pulse-add", Add);
