// All entries, the newest first, by day.

import type { Account, ConflictInfo, Entity, Page } from "@clarity/sync";
import { css, html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { TIMED, whenOf } from "../entries.js";
import { entryRow, entryRowStyles, inAnyOf, rowsOf } from "../entry-row.js";
import type { Row } from "../entry-row.js";
import { wordsOf } from "../failures.js";
import { ALL_METRICS } from "../metrics.js";
import { link, replace } from "../router.js";
import { Screen } from "../screen.js";
import { words } from "../strings.js";
import { Reader } from "../timeline.js";
import type { Filter } from "../timeline.js";
import { ui } from "../ui.js";
import { Watch } from "../watch.js";
import { dayName, midnight } from "../when.js";
import { attempt } from "../writing.js";

const PAGE = 50;

class Timeline extends Screen {
  static override styles = [
    ui,
    entryRowStyles,
    css`
      .head { margin-bottom: 1rem; }
      .head h1 { margin: 0; }
      .head label { margin: 0; min-width: 0; display: flex; flex-wrap: wrap; gap: 0.5rem; align-items: center; font-weight: 400; }
      .head select { flex: 1 1 9rem; width: auto; min-width: 0; }
      section h2 { margin: 1.25rem 0 0.5rem; font-size: 1rem; color: var(--muted); }
      .field { margin-bottom: 0.5rem; }
      [role="status"]:empty { margin: 0; }
      .card { padding: 0.25rem 1rem; }
    `,
  ];
  static override properties = {
    ...Screen.properties,
    entities: { state: true },
    ended: { state: true },
    error: { state: true },
    working: { state: true },
    searched: { state: true },
    searching: { state: true },
  };
  declare private entities: readonly Entity[] | undefined;
  declare private ended: boolean;
  declare private error: string | undefined;
  /** Whether more is being read. */
  declare private working: boolean;
  /** The words that are looked for. They stay out of the address, which others may see. */
  declare private searched: readonly string[];
  /** Whether what is shown is not yet what was found. */
  declare private searching: boolean;
  #reader: Reader | undefined;
  #reading = 0;

  constructor() {
    super();
    this.ended = false;
    this.working = false;
    this.searched = [];
    this.searching = false;
    // What is on the first pages of each type says that something changed.
    for (const [type, order_by] of Object.entries(TIMED)) {
      new Watch<Page>(
        this,
        (sync, options) => sync.watchQuery(type, { order_by, descending: true, limit: PAGE }, options),
        () => void this.#read(Math.max(PAGE, this.entities?.length ?? 0)),
      );
    }
  }

  readonly #account = new Watch<Account | null>(this, (sync, options) => sync.watchAccount(options));
  readonly #conflicts = new Watch<ConflictInfo[]>(this, (sync, options) =>
    sync.watchConflicts(500, options),
  );

  override willUpdate(changed: Map<string, unknown>): void {
    if (!changed.has("params") || this.#reading === 0) return;
    void this.#read(PAGE);
  }

  get #filter(): Filter {
    const [by = "", value = ""] = this.params;
    const words = this.searched;
    if (by === "metric") return { metric: value, words };
    if (by === "type") return { type: value, words };
    return { words };
  }

  async #read(count: number): Promise<void> {
    const reading = ++this.#reading;
    this.#reader?.stop();
    const reader = new Reader(this.#filter);
    this.#reader = reader;
    try {
      const entities = await reader.take(count);
      if (reading !== this.#reading) return;
      this.searching = false;
      this.entities = entities;
      this.ended = entities.length < count;
      this.error = undefined;
    } catch (error) {
      this.error = wordsOf(error);
    }
  }

  readonly #more = async (): Promise<void> => {
    if (this.working) return;
    const reading = this.#reading;
    this.working = true;
    await attempt(async () => {
      const more = await this.#reader!.take(PAGE);
      if (reading !== this.#reading) return;
      this.entities = [...(this.entities ?? []), ...more];
      this.ended = more.length < PAGE;
    });
    this.working = false;
  };

  override render(): TemplateResult {
    return html`<div class="row spread head">
        <h1 tabindex="-1">${words.timeline.title}</h1>
        <label>${words.timeline.show} ${this.#choice()}</label>
      </div>
      <div class="field"><label for="search">${words.timeline.search}</label>
        <input id="search" type="search" autocomplete="off" @input=${this.#search} /></div>
      <p role="status" class="muted">${this.searching ? words.timeline.searching : nothing}</p>
      ${this.error ? html`<p class="error">${this.error}</p>` : nothing}
      ${this.entities === undefined ? html`<p class="muted">${words.loading}</p>` : this.#days()}`;
  }

  #choice(): TemplateResult {
    const chosen = this.params.join("/");
    const option = (value: string, label: string): TemplateResult =>
      html`<option value=${value} ?selected=${value === chosen}>${label}</option>`;
    return html`<select @change=${this.#choose}>
      ${option("", words.timeline.all)} ${option("type/Note", words.timeline.notes)}
      ${ALL_METRICS.map(({ id, label }) => option(`metric/${id}`, label))}
    </select>`;
  }

  readonly #choose = (event: Event): void => {
    const { value } = event.target as HTMLSelectElement;
    replace("timeline", ...(value === "" ? [] : value.split("/")));
  };

  readonly #search = (event: Event): void => {
    const { value } = event.target as HTMLInputElement;
    this.searched = value.toLocaleLowerCase().split(/\s+/).filter((word) => word !== "");
    this.searching = true;
    void this.#read(PAGE);
  };

  #days(): TemplateResult {
    const entities = this.entities ?? [];
    if (entities.length === 0 && this.searched.length > 0) {
      return html`<div class="card"><p>${words.timeline.found}</p></div>`;
    }
    if (entities.length === 0) {
      return html`<div class="card"><p>${words.timeline.empty}</p>
        <p><a class="button primary" href=${link("add")}>${words.timeline.emptyAdd}</a></p></div>`;
    }
    const days = Map.groupBy(rowsOf(entities), ({ entity }) => midnight(whenOf(entity)));
    const isOpen = inAnyOf(this.#conflicts.value);
    const hasOpen = ({ entity, other }: Row): boolean => isOpen(entity) || (other !== undefined && isOpen(other));
    const hasAccount = Boolean(this.#account.value);
    return html`${[...days].map(([day, rows]) => html`<section>
        <h2>${dayName(day)}</h2>
        <ul class="list card">${rows.map((row) => html`<li>${entryRow(row, { hasAccount, inConflict: hasOpen(row) })}</li>`)}</ul>
      </section>`)}
      <p class="muted small">${words.timeline.count(entities.length)}</p>
      ${this.ended ? nothing : html`<button ?disabled=${this.working} @click=${this.#more}>${words.more}</button>`}`;
  }
}

customElements.define("pulse-timeline", Timeline);
