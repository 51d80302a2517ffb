// Files of other apps, read here, and what was imported before.

import type { KnownImport, UndoneCounts } from "@clarity/sync";
import { css, html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { wordsOf } from "../failures.js";
import { icon } from "../icons.js";
import { cancelImport, latestImport, startImport } from "../importing.js";
import type { Import } from "../importing.js";
import { link } from "../router.js";
import { Screen } from "../screen.js";
import { store } from "../store.js";
import { words } from "../strings.js";
import { toast } from "../toast.js";
import { ui } from "../ui.js";
import { exactWhen } from "../when.js";
import { attempt } from "../writing.js";

const says = words.import;
const sum = (counts: Record<string, number>): number =>
  Object.values(counts).reduce((all, count) => all + count, 0);

/** What undoing an import would do, while it is asked about. */
interface Doubt {
  readonly name: string;
  readonly counts: UndoneCounts;
}

class ImportScreen extends Screen {
  static override styles = [
    ui,
    css`
      .card, p { max-width: 44rem; }
      .drop { border: 2px dashed var(--control-line); }
      .drop.over { border-color: var(--accent); background: var(--raised); }
      progress { width: 100%; height: 0.75rem; accent-color: var(--accent); }
      dl { grid-template-columns: 1fr auto; }
      dd { text-align: end; }
      li { padding: 0.75rem 0; }
      [role="alert"] { margin-top: 0.75rem; scroll-margin-bottom: 6rem; }
    `,
  ];
  static override properties = {
    ...Screen.properties,
    known: { state: true },
    doubt: { state: true },
    isOver: { state: true },
    working: { state: true },
  };
  declare private known: readonly KnownImport[] | string | undefined;
  declare private doubt: Doubt | undefined;
  declare private isOver: boolean;
  declare private working: boolean;
  readonly #latest = latestImport.liveIn(this);
  #shown: Import["is"] | undefined;

  constructor() {
    super();
    this.isOver = false;
    this.working = false;
  }

  override willUpdate(): void {
    const { is } = this.#latest.value;
    // The list is another one when the first look is taken, and when an import began or ended.
    if (is !== this.#shown) void this.#read();
    this.#shown = is;
  }

  override render(): TemplateResult {
    const latest = this.#latest.value;
    return html`<h1 tabindex="-1">${says.title}</h1>
      <p>${says.body}</p>
      ${latest.is === "running" ? this.#running(latest) : this.#choose()}
      <div role="status">${outcome(latest)}</div>
      ${this.#list()}`;
  }

  #choose(): TemplateResult {
    return html`<section class="card drop ${this.isOver ? "over" : ""}"
      @dragover=${this.#over} @dragleave=${() => (this.isOver = false)} @drop=${this.#drop}>
      <label for="file">${says.choose}</label>
      <p class="muted" id="kinds">${says.kinds}</p>
      <input id="file" type="file" accept=".zip,.xml,.json,.ndjson,.csv,.tsv"
        aria-describedby="kinds" @change=${this.#chosen}>
    </section>`;
  }

  #running({ file, progress }: Import & { is: "running" }): TemplateResult {
    const isSaving = progress?.phase === "saving";
    const [done, total] = isSaving
      ? [progress.saved, progress.records]
      : [progress?.bytes ?? 0, progress?.bytesTotal ?? 0];
    const step = isSaving ? says.saving : says.reading;
    return html`<section class="card" aria-labelledby="step">
      <h2 id="step">${step}</h2>
      <p class="wrap">${file}</p>
      <progress aria-labelledby="step" max=${total || 1} value=${total ? done : nothing}></progress>
      <p class="number muted">${isSaving
        ? says.saved(done, total)
        : says.read(done, total, progress?.records ?? 0)}</p>
      <button @click=${cancelImport}>${words.cancel}</button>
      <p class="small muted">${says.goOn}</p>
    </section>`;
  }

  #list(): TemplateResult | typeof nothing {
    if (typeof this.known === "string") return html`<p class="error">${this.known}</p>`;
    if (!this.known?.length) return nothing;
    return html`<h2>${says.before}</h2>
      <ul class="list card">${this.known.map((each) => this.#one(each))}</ul>`;
  }

  #one(each: KnownImport): TemplateResult {
    const source = says.sources[each.source] ?? each.source;
    const when = exactWhen(each.started_at);
    return html`<li>
      <div class="row spread">
        <div class="wrap"><strong>${source}</strong><br>
          <span class="small muted">${when}${each.finished_at === null ? ` · ${says.broken}` : ""}</span>
        </div>
        <button class="danger" aria-label="${says.undo}: ${source}, ${when}"
          ?disabled=${this.working || this.#latest.value.is === "running"}
          @click=${() => this.#preview(each.import)}>${says.undo}</button>
      </div>
      ${this.doubt?.name === each.import ? this.#ask(this.doubt) : nothing}
    </li>`;
  }

  #ask({ name, counts }: Doubt): TemplateResult {
    const [deleted, kept] = [sum(counts.deleted), sum(counts.kept) + sum(counts.given_up)];
    return html`<div role="alert">
      <p>${says.wouldDelete(deleted)} ${kept > 0 ? says.wouldKeep(kept) : ""}</p>
      <div class="row">
        <button class="danger" ?disabled=${this.working} @click=${() => this.#undo(name)}>
          ${says.undoNow(deleted)}</button>
        <button ?disabled=${this.working} @click=${() => (this.doubt = undefined)}>
          ${words.cancel}</button>
      </div>
    </div>`;
  }

  readonly #over = (event: DragEvent): void => {
    event.preventDefault();
    this.isOver = true;
  };

  readonly #drop = (event: DragEvent): void => {
    event.preventDefault();
    this.isOver = false;
    const file = event.dataTransfer?.files[0];
    if (file) void startImport(file);
  };

  readonly #chosen = (event: Event): void => {
    const file = (event.target as HTMLInputElement).files?.[0];
    if (file) void startImport(file);
  };

  async #read(): Promise<void> {
    try {
      this.known = await store().imports();
    } catch (error) {
      this.known = wordsOf(error);
    }
  }

  async #preview(name: string): Promise<void> {
    this.working = true;
    await attempt(async () => {
      this.doubt = { name, counts: await store().previewUndoImport(name) };
      await this.updateComplete;
      this.renderRoot.querySelector("[role=alert]")?.scrollIntoView({ block: "nearest" });
    });
    this.working = false;
  }

  async #undo(name: string): Promise<void> {
    this.working = true;
    await attempt(async () => {
      const counts = await store().undoImport(name);
      this.doubt = undefined;
      toast(says.undone(sum(counts.deleted)));
    });
    this.working = false;
    await this.#read();
  }
}

/** How the latest import ended. */
function outcome(latest: Import): TemplateResult | typeof nothing {
  if (latest.is === "none") return nothing;
  if (latest.is === "running") {
    const isSaving = latest.progress?.phase === "saving";
    return html`<span class="hidden">${isSaving ? says.saving : says.reading}</span>`;
  }
  if (latest.is === "stopped") {
    return html`<p>${says.stopped(latest.file)} ${says.stays(latest.saved)}</p>`;
  }
  if (latest.is === "failed") {
    return html`<section class="card"><h2>${says.failed(latest.file)}</h2>
      <p class="error">${latest.why}</p><p>${latest.saved > 0
        ? says.stays(latest.saved)
        : says.nothingLost}</p></section>`;
  }
  const { result } = latest;
  const rows: readonly (readonly [string, number])[] = [
    [says.new, result.new],
    [says.changed, result.changed],
    [says.duplicate, result.duplicate],
    [says.deleted, result.deleted],
    [says.damaged, result.damaged],
    ...Object.entries(result.skipped).map(([why, count]) => [says.leftOut(why), count] as const),
  ];
  return html`<section class="card">
    <h2 class="wrap">${icon("check")} ${says.imported(latest.file)}</h2>
    ${result.complete ? nothing : html`<p class="error">${says.incomplete}</p>`}
    ${result.subjects > 1 ? html`<p class="doubt">${says.subjects(result.subjects)}</p>` : nothing}
    <dl>${rows.filter(([, count]) => count > 0).map(([what, count]) => html`<dt>${what}</dt>
      <dd class="number">${count.toLocaleString()}</dd>`)}</dl>
    ${result.new + result.changed === 0 ? html`<p>${says.nothingNew}</p>` : nothing}
    <a class="button" href=${link("timeline")}>${icon("timeline")}${words.nav.timeline}</a>
  </section>`;
}

customElements.define("pulse-import", ImportScreen);
