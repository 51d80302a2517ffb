// The entries that were changed in two places and wait for a person, the oldest first.

import type { ConflictInfo, JsonValue } from "@clarity/sync";
import { css, html } from "lit";
import type { TemplateResult } from "lit";
import { fieldName, nameOf } from "../entries.js";
import { icon } from "../icons.js";
import { link } from "../router.js";
import { Screen } from "../screen.js";
import { store } from "../store.js";
import { words } from "../strings.js";
import { ui } from "../ui.js";
import { Watch } from "../watch.js";
import { exactWhen } from "../when.js";
import { attempt } from "../writing.js";

class Conflicts extends Screen {
  static override styles = [
    ui,
    css`
      .list a { display: block; padding: 0.75rem 0; color: var(--ink); text-decoration: none; }
      .list a:hover strong { color: var(--accent); }
      .list .icon { color: var(--violet); }
    `,
  ];

  static override properties = { ...Screen.properties, metrics: { state: true } };
  /** What was measured, by conflict: mostly the versions agree in it, and only the entry tells. */
  declare private metrics: ReadonlyMap<number, JsonValue>;

  readonly #conflicts = new Watch<ConflictInfo[]>(this, (sync, options) =>
    sync.watchConflicts(500, options),
    (conflicts) => void this.#learn(conflicts),
  );

  constructor() {
    super();
    this.metrics = new Map();
  }

  async #learn(conflicts: readonly ConflictInfo[]): Promise<void> {
    await attempt(async () => {
      const learnt = conflicts.map(async ({ conflict, type, id }) => {
        const entity = await store().get({ type, id });
        return [conflict, entity?.fields["metric"] ?? null] as const;
      });
      this.metrics = new Map(await Promise.all(learnt));
    });
  }

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
          ${icon("fork")} <strong>${nameOfConflict(conflict, this.metrics.get(conflict.conflict))}</strong><br />
          ${reason(conflict)}<br />
          <span class="small muted">${words.conflicts.when(
            exactWhen(conflict.local_changed_at),
            exactWhen(conflict.server_changed_at),
          )}</span></a></li>`)}</ul>`;
  }
}

/** What it is about: as the entry says, or the differing fields where it was deleted here. */
function nameOfConflict({ type, fields }: ConflictInfo, metric: JsonValue = null): string {
  const differing = fields.find(({ field }) => field === "metric");
  return nameOf(type, { metric: metric ?? differing?.local ?? differing?.base ?? null });
}

export function reason({ deleted_by, fields }: ConflictInfo): string {
  if (deleted_by === "this_device") return words.conflicts.deletedHere;
  if (deleted_by === "server") return words.conflicts.deletedThere;
  return words.conflicts.fields(fields.map(({ field }) => fieldName(field)).join(", "));
}

customElements.define("pulse-conflicts", Conflicts);
