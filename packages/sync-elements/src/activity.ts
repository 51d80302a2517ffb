import type { ClaritySync, HistoryEntry } from "@clarity/sync";
import { css, html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { ActivityLog, eventText } from "./activity-log.js";
import type { ActivityEvent } from "./activity-log.js";
import { SyncElement } from "./element.js";

/** What the sync did since the app was opened, and values that lost and can be brought back. */
export class ClarityActivity extends SyncElement {
  static override properties = {
    ...SyncElement.properties,
    sync: { attribute: false },
    events: { attribute: false },
    history: { attribute: false },
    said: { state: true },
  };
  static override styles = [
    SyncElement.styles,
    css`
      time {
        flex: none;
      }
      .event {
        display: flex;
        flex-wrap: wrap;
        gap: 0 0.75rem;
        padding-block: 0.35rem;
        border-block-end: 1px solid var(--_line);
        overflow-wrap: anywhere;
      }
    `,
  ];

  /** The store. */
  sync: ClaritySync | undefined;
  /** What happened, newest first, without a store. */
  events: readonly ActivityEvent[] = [];
  /** The values that lost, oldest first, without a store. */
  history: readonly HistoryEntry[] = [];
  protected said = "";

  protected override watchAll(signal: AbortSignal): void {
    const { sync } = this;
    if (sync === undefined) return;
    const log = ActivityLog.of(sync);
    this.follow(sync.watchStatus({ signal }), signal, (status) => {
      log.observe(status, Date.now());
      this.events = log.events;
    });
    this.follow(sync.watch("history", { limit: 200 }, { signal }), signal, (history) => {
      this.history = history;
    });
  }

  async #restore(entry: HistoryEntry): Promise<void> {
    const done = await this.attempt(async () => this.sync?.undo(entry.history));
    if (done !== undefined) this.said = this.words.text("activity.undone");
  }

  /** Saves the events: they hold no value, name or id. */
  #save(): void {
    const lines = this.events.map((event) => {
      return `${new Date(event.at).toISOString()} ${eventText(event, this.words)}`;
    });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines.join("\n")], { type: "text/plain" }));
    link.download = "sync-activity.txt";
    link.click();
    URL.revokeObjectURL(link.href);
  }

  override render(): TemplateResult {
    const { words, events } = this;
    return html`<section class="stack">
      <h2 tabindex="-1">${words.text("activity.title")}</h2>
      ${events.length === 0
        ? html`<p class="soft">${words.text("activity.empty")}</p>`
        : html`<div role="log" aria-live="off" aria-label=${words.text("activity.log")}>
              <ol>
                ${events.map((event) => this.#event(event))}
              </ol>
            </div>
            <div>
              <button @click=${() => this.#save()}>${words.text("activity.save")}</button>
            </div>`}
      <h3>${words.text("activity.history")}</h3>
      ${this.history.length === 0
        ? html`<p class="soft">${words.text("activity.history.empty")}</p>`
        : html`<ul class="stack">
            ${[...this.history].reverse().map((entry) => this.#entry(entry))}
          </ul>`}
      <p role="status">${this.said}</p>
      ${this.problem === null
        ? nothing
        : html`<p class="problem" role="alert">${this.problem}</p>`}
    </section>`;
  }

  #event(event: ActivityEvent): TemplateResult {
    const { words, time } = this;
    return html`<li class="event">
      <time class="soft" datetime=${new Date(event.at).toISOString()}
        >${words.clock(event.at, time)}</time
      >
      <span>${eventText(event, words)}</span>
    </li>`;
  }

  #entry(entry: HistoryEntry): TemplateResult {
    const { words, names, time } = this;
    const values = Object.entries(entry.fields).map(([field, value]) => {
      return `${names.field(entry.type, field)}: ${names.value(entry.type, field, value)}`;
    });
    const cause = words.text(`activity.cause.${entry.cause}`);
    const isDone = entry.undone_by !== null;
    return html`<li class="card stack">
      <strong>${names.entity(entry)}</strong>
      ${values.length === 0 ? nothing : html`<p>${values.join(" · ")}</p>`}
      <p class="small soft">${cause} · ${words.ago(entry.at, time)}</p>
      ${entry.obstacle === null ? nothing : html`<p class="small">${entry.obstacle}</p>`}
      ${isDone || entry.obstacle !== null
        ? nothing
        : html`<div>
            <button
              aria-label="${words.text("activity.restore")}: ${names.entity(entry)}"
              @click=${() => this.#restore(entry)}
            >
              ${words.text("activity.restore")}
            </button>
          </div>`}
    </li>`;
  }
}
