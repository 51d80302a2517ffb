import { css, html, nothing } from "lit";
import type { PropertyValues, TemplateResult } from "lit";
import { Announcer } from "./announcer.js";
import type { Announcement } from "./announcer.js";
import { stateIcon } from "./icons.js";
import { LiveElement } from "./live.js";
import { realTimer } from "./steady.js";
import { spokenChange } from "./views.js";
import type { StateView } from "./views.js";

/** How long a region must be empty for its next text to be a change to those who listen. */
const EMPTY_MS = 100;

/**
 * The dot and the words: whether things move and what wants attention, as a button that opens the
 * details. What changes is read out.
 *
 * @fires clarity-open-details When it is pressed.
 */
export class ClaritySyncStatus extends LiveElement {
  static override properties = {
    ...LiveElement.properties,
    silent: { type: Boolean },
    polite: { state: true },
    alert: { state: true },
  };
  static override styles = [
    LiveElement.styles,
    css`
      :host {
        display: inline-block;
        max-inline-size: 100%;
      }
      button {
        display: inline-flex;
        flex-wrap: wrap;
        gap: 0.15rem 0.9rem;
        align-items: center;
        border-radius: 22px;
        max-inline-size: 100%;
        padding-inline: min(0.9rem, 4vw);
        text-align: start;
      }
      .together {
        display: inline-flex;
        flex-wrap: wrap;
        gap: 0.45rem;
        align-items: center;
      }
      .state {
        display: inline-flex;
        gap: 0.45rem;
        align-items: center;
      }
      .attention,
      .state .icon {
        font-weight: 600;
      }
      .count {
        white-space: nowrap;
      }
      .words {
        overflow-wrap: break-word;
        min-inline-size: 0;
      }
      .orange [data-icon="syncing"] {
        animation: turn 2s linear infinite;
      }
      .badge {
        color: var(--_grey);
      }
      @keyframes turn {
        to {
          rotate: 360deg;
        }
      }
      @media (prefers-reduced-motion: reduce) {
        .orange [data-icon="syncing"] {
          animation: none;
        }
      }
    `,
  ];

  /** Whether another element of the page reads the changes out. */
  silent = false;
  protected polite = "";
  protected alert = "";
  readonly #announcer = new Announcer(
    (announcement) => this.#say(announcement),
    (from, view) => spokenChange(from, view.flow, this.words, this.status),
  );

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#announcer.stop();
  }

  /** Empties the region first: a text that stands there already would not be read out again. */
  #say({ text, urgent }: Announcement): void {
    const show = (said: string): void => {
      if (urgent) this.alert = said;
      else this.polite = said;
    };
    show("");
    realTimer(() => show(text), EMPTY_MS);
  }

  override updated(changed: PropertyValues): void {
    super.updated(changed);
    if (!this.silent) this.#announcer.observe(this.view);
  }

  override render(): TemplateResult {
    const { flow, attention, more, all } = this.view;
    const isReplaced = attention !== null && (attention.number ?? 0) <= 5;
    const update = all.find((state) => state.name === "update-ready");
    return html`
      <button
        aria-haspopup="dialog"
        aria-describedby="description"
        @click=${() => this.tell("clarity-open-details")}
      >
        <span class="unseen">${this.words.text("chip.prefix")} </span>
        ${isReplaced ? nothing : this.#state(flow)}
        ${attention === null
          ? nothing
          : html`<span class="together">${this.#state(attention)}${this.#more(more)}</span>`}
        ${update === undefined ? nothing : this.#badge(update)}
      </button>
      <span id="description" class="unseen">${all.map((state) => `${state.headline}. `)}</span>
      <div class="unseen" role="status">${this.polite}</div>
      <div class="unseen" role="alert">${this.alert}</div>
    `;
  }

  #state(state: StateView): TemplateResult {
    return html`<span class="state ${state.tone} ${state.part}" data-state=${state.name}>
      ${stateIcon(state.name)}<bdi class="words">${state.chip}</bdi>
    </span>`;
  }

  #more(count: number): TemplateResult | typeof nothing {
    if (count === 0) return nothing;
    return html`<span class="small soft count">
      <bdi dir="ltr" aria-hidden="true">+${count}</bdi>
      <span class="unseen">${this.words.text("chip.more", { count })}</span>
    </span>`;
  }

  #badge(state: StateView): TemplateResult {
    return html`<span class="badge state" data-state=${state.name}>
      ${stateIcon(state.name)}<span class="unseen">${state.chip}</span>
    </span>`;
  }
}
