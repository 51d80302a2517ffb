import type { ClaritySync, SyncProgress } from "@clarity/sync";
import { css, html, nothing } from "lit";
import type { PropertyValues, TemplateResult } from "lit";
import { ProgressSteps } from "./announcer.js";
import { SyncElement } from "./element.js";

interface Current {
  readonly done: number;
  readonly total: number;
  readonly part: number | null;
  readonly isOver: boolean;
  readonly label: string;
}

/** How far something is: the sync of a store, or any `value` of a `total`. */
export class ClaritySyncProgress extends SyncElement {
  static override properties = {
    ...SyncElement.properties,
    sync: { attribute: false },
    progress: { attribute: false },
    label: { type: String },
    value: { type: Number },
    total: { type: Number },
    spoken: { state: true },
  };
  static override styles = [
    SyncElement.styles,
    css`
      .head {
        display: flex;
        flex-wrap: wrap;
        justify-content: space-between;
        gap: 0 1rem;
        margin-block-end: 0.35rem;
      }
      [role="progressbar"] {
        block-size: 0.625rem;
        border: 1px solid var(--_edge);
        border-radius: 1rem;
        background: var(--_sunken);
        overflow: hidden;
      }
      .bar {
        block-size: 100%;
        background: var(--_orange);
        forced-color-adjust: none;
      }
      .unknown .bar {
        inline-size: 30%;
        animation: pass 1.6s ease-in-out infinite alternate;
      }
      @keyframes pass {
        to {
          margin-inline-start: 70%;
        }
      }
      @media (prefers-reduced-motion: reduce) {
        .unknown .bar {
          animation: none;
          inline-size: 100%;
          opacity: 0.4;
        }
      }
      @media (forced-colors: active) {
        .bar {
          background: Highlight;
        }
      }
    `,
  ];

  /** The store, whose sync is watched. */
  sync: ClaritySync | undefined;
  /** How far a sync is, without a store. */
  progress: SyncProgress | null = null;
  /** What it is; the current operation of the sync if absent. */
  label: string | undefined;
  /** How much is done, where it is not a sync. */
  value: number | undefined;
  /** How much there is; absent while it is not known. */
  total: number | undefined;
  protected spoken = "";
  readonly #steps = new ProgressSteps();
  #run: unknown = null;
  #part = 0;

  protected override watchAll(signal: AbortSignal): void {
    if (this.sync === undefined) return;
    this.follow(this.sync.watchProgress({ signal }), signal, (progress) => {
      this.progress = progress;
    });
  }

  override willUpdate(changed: PropertyValues): void {
    super.willUpdate(changed);
    const step = this.#steps.advance(this.#current.part, this.#current.isOver);
    if (step === null) return;
    const label = this.#current.label;
    this.spoken =
      typeof step === "number"
        ? this.words.text("progress.spoken.part", { label, part: this.words.percent(step) })
        : this.words.text(`progress.spoken.${step}`, { label });
  }

  get #current(): Current {
    const done = this.value ?? this.progress?.completed ?? 0;
    const total = this.total ?? (this.value === undefined ? this.progress?.total : 0) ?? 0;
    // Before the first run there is a progress, but nothing moves.
    const { run = 0, over = true } = this.progress ?? {};
    const isIdle = this.value === undefined && (run === 0 || over);
    const isOver = isIdle || (this.value !== undefined && total > 0 && done >= total);
    const said = this.progress?.operation || this.words.text("progress.label");
    // The engine says it as a part of a sentence.
    const label = this.label ?? said.charAt(0).toUpperCase() + said.slice(1);
    return { done, total, part: this.#steadyPart(done, total), isOver, label };
  }

  /** A total that grows must not move the bar back. */
  #steadyPart(done: number, total: number): number | null {
    const run = this.progress?.run ?? this.label ?? null;
    if (run !== this.#run) {
      this.#run = run;
      this.#part = 0;
    }
    if (total === 0) return null;
    this.#part = Math.max(this.#part, Math.min(1, done / total));
    return this.#part;
  }

  override render(): TemplateResult {
    const { done, total, part, isOver, label } = this.#current;
    const isHeld = part !== null && total > 0 && part > done / total + 0.001;
    const value =
      part === null
        ? this.words.text("progress.unknown")
        : isHeld
          ? this.words.text("progress.finishing")
          : this.words.text("progress.value", { done, count: total });
    const moved = (this.progress?.bytes_received ?? 0) + (this.progress?.bytes_sent ?? 0);
    const bytes = moved === 0 ? "" : ` · ${this.words.bytes(moved)}`;
    // Set as a property: a page's policy may let no style run that is written inline.
    const width = part === null ? "" : `inline-size: ${part * 100}%`;
    return html`
      ${isOver
        ? nothing
        : html`<div class="head">
              <span>${label}</span>
              <span class="soft">${value}${bytes}</span>
            </div>
            <div
              role="progressbar"
              class=${part === null ? "unknown" : ""}
              aria-label=${label}
              aria-valuemin=${part === null ? nothing : 0}
              aria-valuemax=${part === null ? nothing : 100}
              aria-valuenow=${part === null ? nothing : Math.floor(part * 100)}
              aria-valuetext=${value}
            >
              <div class="bar" .style=${width}></div>
            </div>`}
      <div class="unseen" role="status">${this.spoken}</div>
    `;
  }
}
