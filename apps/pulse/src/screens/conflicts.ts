// The entries that were changed in two places and wait for a person, the oldest first.

import type { ConflictInfo } from "@clarity/sync";
import { css, html } from "lit";
import type { TemplateResult } from "lit";
import { fieldName, nameOf } from "../entries.js";
import { icon } from "../icons.js";
import { link } from "../router.js";
import { Screen } from "../screen.js";
import { words } from "../strings.js";
import { ui } from "../ui.js";
import { Watch } from "../watch.js";
import { exactWhen } from "../when.js";

class Conflicts extends Screen {
  static override styles = [
    ui,
    css`
      .list a { display: block; padding: 0.75rem 0; color: var(--ink); text-decoration: none; }
      .list a:hover strong { color: var(--accent); }
      .list .icon { color: var(--violet); }
    `,
  ];

  readonly #conflicts = new Watch<ConflictInfo[]>(this, (sync, options) =>
    sync.watchConflicts(500, options),
  );

  override render(): TemplateResult {
    return html`<h1 tabindex="-1">${words.conflicts.title}</h1>${this.#content()}`;
  }

  #content(): TemplateResult {
    const conflicts = this.#conflicts.value;
    if (this.#conflicts.error) return html`<p class="error">${this.#conflicts.error}</p>`;
    if (!conflicts) return html`<p class="muted">${words.loading}</p>`;
    if (conflicts.length === 0) {
      return html`<div class="card"><h2>${words.conflicts.none}</h2>
        <p class="muted">${words.conflicts.noneBody}</p></div>`;
    }
    return html`<p>${words.conflicts.body}</p>
      <ul class="list card">${conflicts.map((conflict) => html`<li>
        <a href=${link("conflicts", String(conflict.conflict))}>
          ${icon("fork")} <strong>${nameOfConflict(conflict)}</strong><br />
          ${reason(conflict)}<br />
          <span class="small muted">${words.conflicts.when(
            exactWhen(conflict.local_changed_at),
            exactWhen(conflict.server_changed_at),
          )}</span></a></li>`)}</ul>`;
  }
}

/** What it is about, as far as the differing fields tell. */
export function nameOfConflict({ type, fields }: ConflictInfo): string {
  const metric = fields.find(({ field }) => field === "metric");
  return nameOf(type, { metric: metric?.local ?? metric?.base ?? null });
}

export function reason({ deleted_by, fields }: ConflictInfo): string {
  if (deleted_by === "this_device") return words.conflicts.deletedHere;
  if (deleted_by === "server") return words.conflicts.deletedThere;
  return words.conflicts.fields(fields.map(({ field }) => fieldName(field)).join(", "));
}

customElements.define("pulse-conflicts", Conflicts);
