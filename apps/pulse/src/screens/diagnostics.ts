// What the engine knows about itself, for whoever wants to know why.

import type { Explanation, Finding, Metrics, QueuedChange, Status, Storage, SupportBundle } from "@clarity/sync";
import { css, html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { shownBytes } from "../bytes.js";
import { KINDS, NAMES, STATUSES, VALUES } from "../diagnostic-names.js";
import { download } from "../download.js";
import { fieldName } from "../entries.js";
import { sentenceOf } from "../failures.js";
import { Screen } from "../screen.js";
import { store } from "../store.js";
import { words } from "../strings.js";
import { ui } from "../ui.js";
import { Watch } from "../watch.js";
import { exactWhen } from "../when.js";
import { attempt } from "../writing.js";

const QUEUE_SHOWN = 50;

class Diagnostics extends Screen {
  static override styles = [
    ui,
    css`@container (min-width: 14rem) { dl { grid-template-columns: min(18rem, 45%) 1fr; } }
      .list li { padding: 0.6rem 0; }`,
  ];
  static override properties = {
    ...Screen.properties,
    findings: { state: true },
    bundle: { state: true },
    why: { state: true },
    examining: { state: true },
  };
  declare private findings: readonly Finding[] | undefined;
  declare private bundle: SupportBundle | undefined;
  declare private why: Explanation | undefined;
  declare private examining: boolean;

  readonly #status = new Watch<Status>(this, (sync, options) => sync.watchStatus(options));
  readonly #metrics = new Watch<Metrics>(this, (sync, options) => sync.watchMetrics(options));
  readonly #storage = new Watch<Storage>(this, (sync, options) => sync.watch("storage", {}, options));
  readonly #queue = new Watch<QueuedChange[]>(this, (sync, options) =>
    sync.watchQueue(QUEUE_SHOWN, options),
  );

  override render(): TemplateResult {
    const d = words.diagnostics;
    return html`<h1 tabindex="-1">${d.title}</h1>
      ${this.#syncing()} ${this.#waiting()}
      <section class="card"><h2>${d.examine}</h2>
        <button ?disabled=${this.examining} @click=${this.#examine}>${d.examineRun}</button>
        <div role="status">${this.#found()}</div></section>
      <section class="card"><h2>${d.bundle}</h2><p class="muted">${d.bundleBody}</p>${this.#report()}</section>
      <section class="card"><h2>${d.metrics}</h2>${pairs(this.#metrics.value)}</section>
      <section class="card"><h2>${d.storage}</h2>${this.#space()}</section>
      <section class="card"><h2>${d.environment}</h2>
        <p>${store().leads ? d.leads : d.follows}</p>${pairs({ ...store().environment })}</section>
      <section class="card"><h2>${d.lab}</h2><p>${d.labBody}</p>
        <p><a class="button" href="/lab.html">${d.labOpen}</a></p></section>`;
  }

  #syncing(): TemplateResult {
    const status = this.#status.value;
    if (!status) return html`<p class="muted">${words.loading}</p>`;
    const { progress: _, network, stalled, attention, ...plain } = status;
    return html`<section class="card"><h2>${words.diagnostics.sync}</h2>
      ${stalled ? html`<p><strong>${sentenceOf(stalled.message)}</strong></p>` : nothing}
      ${pairs({ ...plain, attention, ...network })}</section>`;
  }

  #waiting(): TemplateResult {
    const d = words.diagnostics;
    const queue = this.#queue.value ?? [];
    return html`<section class="card"><h2>${d.queue}</h2>
      ${queue.length === 0 ? html`<p class="muted">${d.queueEmpty}</p>` : nothing}
      <ul class="list">${queue.map((change) => html`<li>
        <div class="row spread"><span class="wrap">${KINDS[change.kind] ?? change.kind}: ${words.types[change.type] ?? change.type}
          <span class="muted small">${change.fields.map(fieldName).join(", ")} · ${STATUSES[change.status] ?? change.status} · ${exactWhen(change.made_at)}</span></span>
          <button @click=${() => this.#ask(change)} aria-label="${d.why} #${change.operation}">${d.why}</button></div>
        <div role="status">${this.why?.operation === change.operation
          ? html`<p>${this.why.message} ${this.why.next}</p>`
          : nothing}</div></li>`)}</ul></section>`;
  }

  async #ask(change: QueuedChange): Promise<void> {
    await attempt(async () => {
      this.why = (await store().whyNotSynced(change.operation)) ?? undefined;
    });
  }

  readonly #examine = async (): Promise<void> => {
    this.examining = true;
    await attempt(async () => (this.findings = await store().examine()));
    this.examining = false;
  };

  #found(): TemplateResult | typeof nothing {
    if (!this.findings) return nothing;
    if (this.findings.length === 0) return html`<p>${words.diagnostics.examineGood}</p>`;
    return html`<ul class="list">${this.findings.map((finding) => html`<li>
      <strong>${finding.severity}: ${finding.message}</strong><br />${finding.to_do}</li>`)}</ul>`;
  }

  #report(): TemplateResult {
    const d = words.diagnostics;
    const { bundle } = this;
    if (!bundle) {
      const make = (): Promise<boolean> =>
        attempt(async () => (this.bundle = await store().supportBundle()));
      return html`<button @click=${make}>${d.bundleMake}</button>`;
    }
    const save = (): void => download("clarity-pulse-report.txt", "text/plain", [bundle.text]);
    return html`<ul class="list">${bundle.contents.map((part) => html`<li>
        <strong>${part.name}</strong>: ${part.holds} <span class="muted">(${shownBytes(part.bytes)})</span></li>`)}</ul>
      <button class="primary" @click=${save}>${d.bundleSave}</button>`;
  }

  #space(): TemplateResult {
    const storage = this.#storage.value;
    if (!storage) return html`<p class="muted">${words.loading}</p>`;
    const { settings: _, types: __, protected: held, months, evictions: ___, ...plain } = storage;
    const kept = Object.fromEntries(held.map(({ why, count }) => [`protected_${why}`, count]));
    return pairs({ ...plain, ...kept, months_given_up: months.length });
  }
}

/** Names and values; those that the app does not know yet are shown as the engine calls them. */
function pairs(values: object | undefined): TemplateResult {
  if (!values) return html`<p class="muted">${words.loading}</p>`;
  return html`<dl>${Object.entries(values).map(([name, value]) => html`
    <dt>${named(name)}</dt><dd class="number"><bdi>${shown(name, value)}</bdi></dd>`)}</dl>`;
}

const named = (name: string): string => NAMES[name] ?? name.replaceAll("_", " ");

const TIMES = new Set(["last_success", "last_pull", "last_sync", "oldest_waiting", "last_error_at"]);

const said = (name: string, value: string): string =>
  name === "last_error" ? sentenceOf(value) : value;

function shown(name: string, value: unknown): string {
  const d = words.diagnostics;
  if (value === null || value === undefined || value === "") {
    return TIMES.has(name) && name !== "oldest_waiting" ? d.never : words.nothing;
  }
  if (typeof value === "boolean") return value ? d.yes : d.no;
  if (Array.isArray(value)) return value.map((part) => shown(name, part)).join(", ") || words.nothing;
  if (typeof value === "object") {
    return Object.entries(value).map(([key, part]) => `${named(key)}: ${part}`).join(", ");
  }
  if (typeof value !== "number") return VALUES[name]?.[String(value)] ?? said(name, String(value));
  if (TIMES.has(name)) return exactWhen(value);
  if (name.endsWith("_ms")) return `${value.toLocaleString()} ms`;
  return name.includes("bytes") ? shownBytes(value) : value.toLocaleString();
}

customElements.define("pulse-diagnostics", Diagnostics);
