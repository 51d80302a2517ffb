// The entries that were changed in two places and wait for a person, the oldest first.

import type { ConflictInfo, Entity } from "@clarity/sync";
import { css, html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { TIMED, fieldName, nameOf, whenOf } from "../entries.js";
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

  static override properties = { ...Screen.properties, entities: { state: true } };
  /** By conflict, the entry: only it tells what the versions agree in, such as what was measured. */
  declare private entities: ReadonlyMap<number, Entity>;

  readonly #conflicts = new Watch<ConflictInfo[]>(this, (sync, options) =>
    sync.watchConflicts(500, options),
    (conflicts) => void this.#learn(conflicts),
  );

  constructor() {
    super();
    this.entities = new Map();
  }

  async #learn(conflicts: readonly ConflictInfo[]): Promise<void> {
    await attempt(async () => {
      const learnt = conflicts.map(async ({ conflict, type, id }) => {
        const entity = await store().get({ type, id });
        return entity ? [[conflict, entity] as const] : [];
      });
      this.entities = new Map((await Promise.all(learnt)).flat());
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
      <ul class="list card">${conflicts.map((conflict) => this.#one(conflict, this.entities.get(conflict.conflict)))}</ul>`;
  }

  #one(conflict: ConflictInfo, entity: Entity | undefined): TemplateResult {
    return html`<li>
      <a href=${link("conflicts", String(conflict.conflict))}>
        ${icon("conflicts")} <strong>${nameOfConflict(conflict, entity)}</strong> ${entryTime(entity)}<br />
        ${reason(conflict)}<br />
        <span class="small muted">${words.conflicts.when(
          exactWhen(conflict.local_changed_at),
          exactWhen(conflict.server_changed_at),
        )}</span></a></li>`;
  }
}

/** What it is about: as the entry says, or the differing fields where it was deleted here. */
function nameOfConflict({ type, fields }: ConflictInfo, entity: Entity | undefined): string {
  const differing = fields.find(({ field }) => field === "metric");
  const metric = entity?.fields["metric"] ?? differing?.local ?? differing?.base ?? null;
  return nameOf(type, { metric });
}

/** When it happened, where an entry says so: many have the same name. */
export function entryTime(entity: Entity | null | undefined): TemplateResult | typeof nothing {
  if (!entity || !TIMED[entity.type]) return nothing;
  return html`<bdi class="muted">${exactWhen(whenOf(entity))}</bdi>`;
}

export function reason({ deleted_by, fields }: ConflictInfo): string {
  if (deleted_by === "this_device") return words.conflicts.deletedHere;
  if (deleted_by === "server") return words.conflicts.deletedThere;
  return words.conflicts.fields(fields.map(({ field }) => fieldName(field)).join(", "));
}

customElements.define("pulse-conflicts", Conflicts);
