// A chart of one or two metrics over time. What it shows is also there as a table beside it.

import { LitElement, css, html, unsafeCSS } from "lit";
import type { TemplateResult } from "lit";
import uPlot from "uplot";
import look from "uplot/dist/uPlot.min.css?inline";
import type { Sum } from "./trend.js";
import { ui } from "./ui.js";
import { periodName } from "./when.js";

/** One metric of a chart, in the unit that is shown. */
export interface Line {
  readonly label: string;
  readonly sums: readonly Sum[];
  readonly factor: number;
  readonly adds: boolean;
  readonly shown: (value: number) => string;
}

const HEIGHT = 280;
const DAY_S = 86_400;
/** The room that a date at the axis takes, and a value, with text of the usual size. */
const MARK_WIDTH = 64;
const VALUE_WIDTH = 68;
const MARK_HEIGHT = 50;
/** As wide as a chart must be for each time that its text is larger than usual. */
const WIDTH_PER_SCALE = 300;

class Chart extends LitElement {
  static override styles = [
    ui,
    unsafeCSS(look),
    css`
      .u-legend { font-size: 0.9rem; text-align: start; }
      .u-legend th, .u-legend td { border: 0; padding: 0.2rem 0.4rem; }
      .plot { min-height: ${HEIGHT}px; overflow: hidden; }
    `,
  ];
  static override properties = { lines: { attribute: false }, monthly: { attribute: false } };
  declare lines: readonly Line[];
  /** Whether each point stands for a month. */
  declare monthly: boolean;
  #plot: uPlot | undefined;
  #width = 0;
  #gone: AbortController | undefined;
  readonly #sizes = new ResizeObserver(([entry]) => this.#resize(entry?.contentRect.width ?? 0));
  readonly #theme = new MutationObserver(() => this.#draw());

  constructor() {
    super();
    this.lines = [];
    this.monthly = false;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#gone = new AbortController();
    this.#sizes.observe(this);
    this.#theme.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", () => this.#draw(), { signal: this.#gone.signal });
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#gone?.abort();
    this.#sizes.disconnect();
    this.#theme.disconnect();
    this.#plot?.destroy();
    this.#plot = undefined;
  }

  override render(): TemplateResult {
    // The table and the words beside it say all that the picture says.
    return html`<div class="plot" aria-hidden="true"></div>`;
  }

  override updated(): void {
    this.#draw();
  }

  #resize(width: number): void {
    if (width === this.#width || width === 0) return;
    this.#width = width;
    this.#draw();
  }

  #draw(): void {
    const place = this.renderRoot.querySelector<HTMLElement>(".plot");
    if (!place || this.#width === 0 || this.lines.length === 0) return;
    this.#plot?.destroy();
    this.#plot = new uPlot(this.#options(), this.#data(), place);
  }

  /** How many times as large as usual text is, as far as the chart has room for it. */
  get #scale(): number {
    const wanted = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
    return Math.max(1, Math.min(wanted, this.#width / WIDTH_PER_SCALE));
  }

  #data(): uPlot.AlignedData {
    const at = [...new Set(this.lines.flatMap(({ sums }) => sums.map((sum) => sum.at)))].sort(
      (a, b) => a - b,
    );
    const columns = this.lines.flatMap(({ sums, factor, adds }) => {
      const known = new Map(sums.map((sum) => [sum.at, sum]));
      const column = (value: (sum: Sum) => number): (number | null)[] =>
        at.map((ms) => {
          const sum = known.get(ms);
          return sum ? value(sum) * factor : null;
        });
      if (adds) return [column(({ sum }) => sum)];
      return [column(({ sum, count }) => sum / count), column(({ min }) => min), column(({ max }) => max)];
    });
    return [at.map((ms) => ms / 1000), ...columns] as uPlot.AlignedData;
  }

  #options(): uPlot.Options {
    const colour = (name: string): string => getComputedStyle(probe(this, name)).color;
    const colours = [colour("--accent"), colour("--violet")];
    const [ink, line, band] = [colour("--muted"), colour("--line"), colour("--band")];
    const series: uPlot.Series[] = [{ value: (_, s) => (s === null ? "—" : periodName(s * 1000, this.monthly)) }];
    const bands: uPlot.Band[] = [];
    this.lines.forEach(({ label, adds, shown, factor }, index) => {
      const stroke = colours[index]!;
      const value = (_: uPlot, raw: number | null): string => raw === null ? "—" : shown(raw / factor);
      if (adds) {
        const paths = uPlot.paths.bars!({ size: [0.6, 48], radius: 0.2 });
        series.push({ label, stroke, fill: stroke, paths, value, points: { show: false } });
        return;
      }
      const at = series.length;
      series.push({ label, stroke, width: 2, value, spanGaps: true, points: { size: 7, fill: stroke } });
      const edge = { stroke: "transparent", width: 0, value, spanGaps: true, points: { show: false } };
      series.push({ ...edge, label: "lowest" }, { ...edge, label: "highest" });
      bands.push({ series: [at + 2, at + 1], fill: band });
    });
    const scale = this.#scale;
    const font = `${13 * scale}px system-ui, sans-serif`;
    const axis: uPlot.Axis = { stroke: ink, font, grid: { stroke: line, width: 1 }, ticks: { stroke: line } };
    return {
      width: this.#width,
      height: HEIGHT,
      scales: { x: { range: ({ data: [at] }) => this.#ends(at[0]!, at.at(-1)!) }, y: { range: this.#height } },
      axes: [
        {
          ...axis,
          size: MARK_HEIGHT * scale,
          splits: (plot, _, from, to) => this.#beginnings(from, to, plot.width / scale),
          values: (_, at) => at.map((seconds) => this.#mark(seconds)),
        },
        { ...axis, size: VALUE_WIDTH * scale },
      ],
      series,
      bands,
      legend: { show: false },
      cursor: { drag: { x: false, y: false } },
    };
  }

  /** Room at both ends, so that a single point is in the middle and no bar is cut. The ends are those
   * of the data: the library itself takes a single point for the beginning of years. */
  #ends(least: number, most: number): [number, number] {
    const room = (this.monthly ? 15 : 0.6) * DAY_S;
    return [least - room, most + room];
  }

  readonly #height = (_: uPlot, least: number, most: number): [number, number] => {
    const from = this.lines.some(({ adds }) => adds) ? 0 : least;
    const room = Math.max((most - from) * 0.15, Math.abs(most) * 0.02, 0.5);
    return [from === 0 ? 0 : from - room, most + room];
  };

  /** Where days or months begin in UTC, as the store has them: as many of them as have room. */
  #beginnings(from: number, to: number, width: number): number[] {
    const first = new Date(from * 1000);
    const [year, month, day] = [first.getUTCFullYear(), first.getUTCMonth(), first.getUTCDate()];
    const of = (index: number): number =>
      (this.monthly ? Date.UTC(year, month + index) : Date.UTC(year, month, day + index)) / 1000;
    const all: number[] = [];
    for (let index = 0; of(index) <= to; index += 1) if (of(index) >= from) all.push(of(index));
    const step = Math.ceil((all.length * MARK_WIDTH) / width);
    // Counted from the newest, which is where a person looks first.
    return all.filter((_, index) => (all.length - 1 - index) % step === 0);
  }

  /** A date in few letters, for the axis. */
  #mark(seconds: number): string {
    const date = new Date(seconds * 1000);
    const format = this.monthly ? { month: "short", year: "numeric" } as const : { day: "numeric", month: "short" } as const;
    return date.toLocaleDateString(undefined, { ...format, timeZone: "UTC" });
  }
}

/** An element with a token's colour as its own, which a canvas can be told. */
function probe(host: Chart, name: string): Element {
  const place = host.renderRoot.querySelector<HTMLElement>(".plot")!;
  place.style.setProperty("color", `var(${name})`);
  return place;
}

customElements.define("pulse-chart", Chart);
