// Files of what is on this device, made here.

import { css, html } from "lit";
import type { TemplateResult } from "lit";
import { download } from "../download.js";
import { exportAll, exportReadings } from "../exporting.js";
import type { Exported } from "../exporting.js";
import { icon } from "../icons.js";
import { Screen } from "../screen.js";
import { words } from "../strings.js";
import { ui } from "../ui.js";
import { attempt } from "../writing.js";

interface Way {
  readonly title: string;
  readonly body: string;
  readonly file: string;
  readonly type: string;
  readonly make: (tell: (count: number) => void) => Promise<Exported>;
}

const WAYS: readonly Way[] = [
  {
    title: words.export.all,
    body: words.export.allBody,
    file: "clarity-pulse.jsonl",
    type: "application/jsonl",
    make: exportAll,
  },
  {
    title: words.export.csv,
    body: words.export.csvBody,
    file: "clarity-pulse-readings.csv",
    type: "text/csv",
    make: exportReadings,
  },
];

class Export extends Screen {
  static override styles = [ui, css`.card, p { max-width: 44rem; }`];
  static override properties = {
    ...Screen.properties,
    says: { state: true },
    working: { state: true },
  };
  declare private says: string;
  declare private working: boolean;

  constructor() {
    super();
    this.says = "";
    this.working = false;
  }

  override render(): TemplateResult {
    return html`<h1 tabindex="-1">${words.export.title}</h1>
      <p>${words.export.body}</p>
      ${WAYS.map((way) => html`<section class="card"><h2>${way.title}</h2>
        <p class="muted">${way.body}</p>
        <button ?disabled=${this.working} @click=${() => this.#make(way)}
          aria-label="${words.export.save}: ${way.title}">${icon("export")}${words.export.save}</button>
      </section>`)}
      <p role="status">${this.says}</p>`;
  }

  async #make(way: Way): Promise<void> {
    this.working = true;
    await attempt(async () => {
      const { parts, count } = await way.make((read) => (this.says = words.export.making(read)));
      download(way.file, way.type, parts);
      this.says = words.export.made(count);
    });
    this.working = false;
  }
}

customElements.define("pulse-export", Export);
