// The first screen: the latest value of each metric, and a line to add another one.

import type { Account, ConflictInfo, Entity, Page } from "@clarity/sync";
import { css, html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { number, pressure, sourceOf, valueOf, whenOf } from "../entries.js";
import { badges, inAnyOf, rowsOf } from "../entry-row.js";
import { icon } from "../icons.js";
import { PRESSURE } from "../kinds.js";
import { Latest } from "../latest.js";
import { DIASTOLIC, METRICS, SYSTOLIC } from "../metrics.js";
import { link } from "../router.js";
import { Screen } from "../screen.js";
import { words } from "../strings.js";
import { ui } from "../ui.js";
import { shortWhen } from "../when.js";
import { Watch } from "../watch.js";
import "../quick-add.js";

/** Among so many of the latest values, the two of one blood pressure are looked for. */
const PRESSURES = 20;
const GOALS = 10;

interface Tile {
  readonly id: string;
  readonly label: string;
  readonly value: string;
  readonly detail: string;
  /** What is shown: nothing, an entry, or both of a blood pressure. */
  readonly of: readonly Entity[];
  readonly href: string;
}

class Today extends Screen {
  static override styles = [
    ui,
    css`
      .tiles {
        display: grid; gap: 0.75rem; list-style: none; margin: 0 0 1.5rem; padding: 0;
        grid-template-columns: repeat(auto-fill, minmax(min(100%, 10.5rem), 1fr));
      }
      .tile {
        display: flex; flex-direction: column; height: 100%; min-height: 7.25rem;
        background: var(--surface); border: 1px solid var(--line); border-radius: var(--radius);
        padding: 0.85rem 1rem; color: var(--ink); text-decoration: none;
      }
      .tile:hover { border-color: var(--accent); }
      .tile strong { font-size: 1.45rem; line-height: 1.3; overflow-wrap: anywhere; }
      .tile small { font-size: 0.65em; font-weight: 500; }
      .tile .foot { margin-top: auto; display: flex; flex-wrap: wrap; gap: 0.4rem; justify-content: space-between; }
      .tile.empty strong { color: var(--muted); font-weight: 500; font-size: 1.1rem; }
      .notes a { display: block; padding: 0.7rem 0; color: var(--ink); text-decoration: none; }
      .notes a:hover { color: var(--accent); }
    `,
  ];

  readonly #latest = new Map(METRICS.map(({ id }) => [id, new Latest(this, id)]));
  readonly #systolic = new Latest(this, SYSTOLIC.id, PRESSURES);
  readonly #diastolic = new Latest(this, DIASTOLIC.id, PRESSURES);
  readonly #account = new Watch<Account | null>(this, (sync, options) => sync.watchAccount(options));
  readonly #conflicts = new Watch<ConflictInfo[]>(this, (sync, options) =>
    sync.watchConflicts(500, options),
  );
  readonly #notes = new Watch<Page>(this, (sync, options) =>
    sync.watchQuery("Note", { order_by: "at_ms", descending: true, limit: 3 }, options),
  );
  #goalsShown = GOALS;
  readonly #goals = new Watch<Page>(this, (sync, options) =>
    sync.watchQuery("Goal", { limit: this.#goalsShown }, options),
  );

  override render(): TemplateResult {
    const tiles = this.#tiles();
    const isKnown = [...this.#latest.values()].every(({ known }) => known);
    const isEmpty = isKnown && tiles.every(({ value }) => value === "") && !this.#hasMore;
    return html`<h1 tabindex="-1">${words.nav.today}</h1>
      ${isEmpty
        ? html`<div class="card"><h2>${words.today.welcome}</h2>
            <p class="muted">${words.today.welcomeBody}</p>
            <a class="button primary" href=${link("add")}>${icon("add")}${words.today.add}</a></div>`
        : nothing}
      <pulse-quick-add></pulse-quick-add>
      <h2>${words.today.latest}</h2>
      <ul class="tiles">${tiles.map((tile) => html`<li>${this.#tile(tile, isKnown)}</li>`)}</ul>
      ${this.#list(words.today.goals, this.#goals.value, this.#moreGoals)}
      ${this.#list(words.today.notes, this.#notes.value)}`;
  }

  readonly #moreGoals = (): void => {
    this.#goalsShown += 5 * GOALS;
    this.#goals.restart({ more: true });
  };

  get #hasMore(): boolean {
    return [this.#notes, this.#goals].some(({ value }) => (value?.entities.length ?? 0) > 0);
  }

  #tiles(): Tile[] {
    const tiles = METRICS.map(({ id, label }): Tile => {
      const entity = this.#latest.get(id)?.entity;
      if (!entity) return { id, label, value: "", detail: "", of: [], href: link("add", id) };
      return {
        id,
        label,
        value: valueOf(entity.type, entity.fields),
        detail: [shortWhen(whenOf(entity)), sourceOf(entity.fields)].filter((part) => part !== "").join(" · "),
        of: [entity],
        href: link("trends", id),
      };
    });
    tiles.splice(2, 0, this.#pressure());
    return tiles;
  }

  #pressure(): Tile {
    const values = [...this.#systolic.entities, ...this.#diastolic.entities];
    const pairs = rowsOf(values).filter(({ other }) => other !== undefined);
    const { entity: high, other: low } = pairs[0] ?? {};
    const [systolic, diastolic] = [number(high?.fields["value"]), number(low?.fields["value"])];
    const tile = { id: PRESSURE, label: "Blood pressure" };
    if (!high || systolic === undefined || diastolic === undefined) {
      return { ...tile, value: "", detail: "", of: [], href: link("add", PRESSURE) };
    }
    return {
      ...tile,
      value: pressure(systolic, diastolic),
      detail: shortWhen(whenOf(high)),
      of: low ? [high, low] : [high],
      href: link("trends", PRESSURE),
    };
  }

  #tile(tile: Tile, isKnown: boolean): TemplateResult {
    const isOpen = inAnyOf(this.#conflicts.value);
    const isEmpty = tile.value === "";
    const none = isKnown ? words.today.none : words.loading;
    return html`<a class="tile ${isEmpty ? "empty" : ""}" href=${tile.href}>
      <span>${tile.label}</span>
      <strong class="number">${isEmpty ? none : measure(tile.value)}</strong>
      <span class="foot small muted">
        <span><bdi>${isEmpty ? words.today.add : tile.detail}</bdi></span>
        ${badges(tile.of.some(({ pending }) => pending), {
          hasAccount: Boolean(this.#account.value),
          inConflict: tile.of.some(isOpen),
        })}
      </span>
    </a>`;
  }

  #list(title: string, page: Page | undefined, more?: () => void): TemplateResult | typeof nothing {
    if (!page || page.entities.length === 0) return nothing;
    return html`<h2>${title}</h2>
      <ul class="list card notes">
        ${page.entities.map((entity) => html`<li>
          <a href=${link("entry", entity.type, entity.id)} class="wrap">
            <bdi>${valueOf(entity.type, entity.fields)}</bdi>
            <span class="small muted">${entity.type === "Note" ? shortWhen(whenOf(entity)) : nothing}</span>
          </a></li>`)}
      </ul>
      ${more && page.next !== null
        ? html`<p><button @click=${more}>${words.more}</button></p>`
        : nothing}`;
  }
}

/** A number with its unit smaller, in its own direction whatever the page's is. */
function measure(value: string): TemplateResult {
  const [, number = value, unit = ""] = /^([\d.,/\s]*\d)\s(.+)$/.exec(value) ?? [];
  return html`<bdi>${number} <small>${unit}</small></bdi>`;
}

customElements.define("pulse-today", Today);
