// One line to add what is measured often, with what it will make shown while it is typed.

import { LitElement, css, html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { doubtsAbout } from "./doubts.js";
import { draftOf, dropDraft, keepDraft } from "./drafts.js";
import { nameOf, valueOf } from "./entries.js";
import type { Made } from "./kinds.js";
import { readLine } from "./quick.js";
import { words } from "./strings.js";
import { toast } from "./toast.js";
import { ui } from "./ui.js";
import { add, attempt } from "./writing.js";

const DRAFT = "quick";

class QuickAdd extends LitElement {
  static override styles = [
    ui,
    css`
      form { margin-bottom: 1.5rem; }
      .line { display: flex; flex-wrap: wrap; gap: 0.5rem; }
      .line input { flex: 1 1 7rem; width: auto; min-width: 0; }
      p { margin: 0.35rem 0 0; min-height: 1.4em; }
    `,
  ];
  static override properties = {
    line: { state: true },
    refused: { state: true },
    working: { state: true },
    doubts: { state: true },
  };
  declare private line: string;
  /** Why it was not added, in words. */
  declare private refused: string | undefined;
  /** Whether it is being added: what was tapped twice is added once. */
  declare private working: boolean;
  /** What was asked about the line; to add it once more is the answer. */
  declare private doubts: readonly string[];

  constructor() {
    super();
    this.line = draftOf(DRAFT)?.typed["line"] ?? "";
    this.refused = undefined;
    this.working = false;
    this.doubts = [];
  }

  override focus(): void {
    this.renderRoot.querySelector("input")?.focus();
  }

  override render(): TemplateResult {
    return html`<form class="card" @submit=${this.#submit} autocomplete="off">
      <label for="line">${words.today.quick}</label>
      <div class="line">
        <input id="line" .value=${this.line} @input=${this.#input} enterkeyhint="done"
          aria-describedby="says" aria-invalid=${this.refused ? "true" : nothing} />
        <button class="primary" ?disabled=${this.working}>${words.today.add}</button>
      </div>
      <p id="says" class="small ${this.refused ? "error" : "muted"}">${this.#says()}</p>
      <div role="alert">${this.#asks()}</div>
    </form>`;
  }

  #says(): string {
    if (this.refused) return this.refused;
    const read = readLine(this.line, Date.now());
    if ("wrong" in read) return words.today.quickHint;
    const parts = read.made.map(({ type, fields }) => `${nameOf(type, fields)} ${valueOf(type, fields)}`);
    return words.today.quickWill(parts.join(", "));
  }

  #asks(): TemplateResult[] {
    if (this.doubts.length === 0) return [];
    return [...this.doubts, words.doubts.again].map((said) => html`<p class="small doubt">${said}</p>`);
  }

  readonly #input = (event: InputEvent): void => {
    this.line = (event.target as HTMLInputElement).value;
    keepDraft(DRAFT, { typed: { line: this.line } });
    this.refused = undefined;
    this.doubts = [];
  };

  readonly #submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    if (this.working) return;
    const { line } = this;
    const read = readLine(line, Date.now());
    this.refused = "wrong" in read ? read.wrong : undefined;
    if ("wrong" in read) return;
    this.working = true;
    const isDone = await attempt(() => this.#add(read.made));
    this.working = false;
    if (!isDone || this.doubts.length > 0) return;
    // What was typed meanwhile stays.
    if (this.line === line) {
      this.line = "";
      dropDraft(DRAFT);
    }
    toast(words.add.saved);
  };

  /** Adds what was read, unless there is something to ask about it that was not asked yet. */
  async #add(made: readonly Made[]): Promise<void> {
    if (this.doubts.length === 0) {
      this.doubts = await doubtsAbout(made);
      if (this.doubts.length > 0) return;
    }
    await add(made);
    this.doubts = [];
  }
}

customElements.define("pulse-quick-add", QuickAdd);
