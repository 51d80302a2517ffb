// One metric over time: a chart, its summary in words, and a table.

import { css, html, nothing } from "lit";
import type { TemplateResult } from "lit";
import type { Line } from "../chart.js";
import { PRESSURE } from "../kinds.js";
import { ALL_METRICS, metricOf, shownValue } from "../metrics.js";
import type { Metric } from "../metrics.js";
import { go, link, replace } from "../router.js";
import { Screen } from "../screen.js";
import { store } from "../store.js";
import { words } from "../strings.js";
import { RANGES, Sums, measured, periodOf } from "../trend.js";
import type { Range, Sum } from "../trend.js";
import { ui } from "../ui.js";
import { periodName } from "../when.js";
import { attempt } from "../writing.js";
import "../chart.js";

class Trends extends Screen {
  static override styles = [
    ui,
    css`
      .choices { align-items: end; margin-bottom: 1rem; }
      .choices .field { margin: 0; flex: 1 1 12rem; max-width: 20rem; }
      @media (max-width: 600px) { .choices .field { max-width: none; } }
      .ranges { display: flex; flex-wrap: wrap; gap: 0.4rem; }
      .ranges button { padding-inline: min(0.9rem, 2.2vw); font-weight: 500; }
      .ranges button[aria-pressed="true"] {
        background: var(--accent); color: var(--on-accent); border-color: var(--accent);
      }
      figure { margin: 0; }
      figcaption { margin-bottom: 0.75rem; }
      summary { cursor: pointer; min-height: 44px; padding: 0.6rem 0; color: var(--accent); font-weight: 600; }
    `,
  ];
  static override properties = { ...Screen.properties, known: { state: true } };
  /** The metrics that have values. */
  declare private known: ReadonlySet<string> | undefined;

  readonly #sums = [0, 1].map((index) => new Sums(this, () => this.#asked(index)));

  override connectedCallback(): void {
    super.connectedCallback();
    void attempt(async () => {
      this.known = await measured(store(), ALL_METRICS.map(({ id }) => id));
    });
  }

  override willUpdate(changed: Map<string, unknown>): void {
    if (changed.has("params") || changed.has("known")) {
      for (const sums of this.#sums) sums.restart();
    }
  }

  get #kind(): string {
    return this.params[0] ?? this.#choices[0]?.id ?? "";
  }

  get #range(): Range {
    return RANGES.find((range) => range === this.params[1]) ?? "M";
  }

  get #metrics(): Metric[] {
    if (this.#kind === "") return [];
    if (this.#kind !== PRESSURE) return [metricOf(this.#kind)];
    return [metricOf("BloodPressureSystolic"), metricOf("BloodPressureDiastolic")];
  }

  #asked(index: number): { kind: string; range: Range } | undefined {
    const metric = this.#metrics[index];
    return metric ? { kind: metric.id, range: this.#range } : undefined;
  }

  /** What can be chosen: the metrics with values, a blood pressure as one. */
  get #choices(): { id: string; label: string }[] {
    const known = ALL_METRICS.filter(({ id }) => this.known?.has(id));
    const isPressure = (id: string): boolean => id.startsWith(PRESSURE);
    const others = known.filter(({ id }) => !isPressure(id)).map(({ id, label }) => ({ id, label }));
    if (!known.some(({ id }) => isPressure(id))) return others;
    return [...others, { id: PRESSURE, label: words.trends.bloodPressure }];
  }

  override render(): TemplateResult {
    return html`<h1 tabindex="-1">${words.trends.title}</h1>
      ${this.known === undefined ? html`<p class="muted">${words.loading}</p>` : this.#content()}`;
  }

  #content(): TemplateResult {
    if (this.#choices.length === 0) {
      return html`<div class="card"><p>${words.trends.empty}</p>
        <a class="button primary" href=${link("add")}>${words.today.add}</a></div>`;
    }
    return html`${this.#chooser()}<div class="card">${this.#figure()}</div>`;
  }

  #chooser(): TemplateResult {
    const choose = (event: Event): void => go("trends", (event.target as HTMLSelectElement).value, this.#range);
    return html`<div class="row choices">
      <div class="field"><label for="what">${words.trends.choose}</label>
        <select id="what" @change=${choose}>${this.#choices.map(({ id, label }) => html`
          <option value=${id} ?selected=${id === this.#kind}>${label}</option>`)}</select></div>
      <div class="ranges" role="group" aria-label=${words.trends.range}>
        ${RANGES.map((range) => html`<button aria-pressed=${range === this.#range}
          @click=${() => replace("trends", this.#kind, range)}>${words.trends.ranges[range]}</button>`)}
      </div></div>`;
  }

  #figure(): TemplateResult {
    const metrics = this.#metrics;
    const asked = this.#sums.slice(0, metrics.length);
    const error = asked.find((sums) => sums.error)?.error;
    if (error) return html`<p class="error">${error}</p>`;
    const all = asked.map(({ value }) => value);
    if (all.some((sums) => sums === undefined)) return html`<p class="muted">${words.loading}</p>`;
    const lines = metrics.map((metric, index) => lineOf(metric, all[index] ?? []));
    if (lines.every(({ sums }) => sums.length === 0)) return html`<p>${words.trends.noData}</p>`;
    return html`<figure>
        <figcaption>${metrics.map((metric, index) => html`<div>${summary(metric, all[index] ?? [], this.#range)}</div>`)}</figcaption>
        <pulse-chart .lines=${lines} .monthly=${periodOf(this.#range) === "month"}></pulse-chart>
        <p class="small muted">${words.trends.utc[periodOf(this.#range)]}</p>
      </figure>
      <details><summary>${words.trends.table}</summary>${metrics.map((metric, index) =>
        this.#table(metric, all[index] ?? []))}</details>`;
  }

  #table(metric: Metric, sums: readonly Sum[]): TemplateResult {
    const t = words.trends;
    const shown = (value: number): string => shownValue(metric, value);
    const isMonth = periodOf(this.#range) === "month";
    const head = metric.adds ? [t.sum, t.values] : [t.mean, t.least, t.most, t.values];
    const row = ({ sum, count, min, max }: Sum): string[] => [
      ...(metric.adds ? [shown(sum)] : [shown(sum / count), shown(min), shown(max)]),
      count.toLocaleString(),
    ];
    return html`<div class="scroll" tabindex="0" role="region" aria-label=${metric.label}><table>
      ${this.#metrics.length > 1 ? html`<caption>${metric.label}</caption>` : nothing}
      <thead><tr><th scope="col">${t.period[periodOf(this.#range)]}</th>
        ${head.map((name) => html`<th scope="col" class="number">${name}</th>`)}</tr></thead>
      <tbody>${[...sums].reverse().map((sum) => html`<tr><th scope="row">${periodName(sum.at, isMonth)}</th>
        ${row(sum).map((value, index) => html`<td class="number" data-label=${head[index]!}><bdi>${value}</bdi></td>`)}</tr>`)}</tbody>
    </table></div>`;
  }
}

function lineOf(metric: Metric, sums: readonly Sum[]): Line {
  const { label, factor, adds } = metric;
  return { label, sums, factor, adds, shown: (value) => shownValue(metric, value) };
}

function summary(metric: Metric, sums: readonly Sum[], range: Range): string {
  if (sums.length === 0) return `${metric.label}: ${words.trends.noData}`;
  const total = sums.reduce((all, { sum }) => all + sum, 0);
  const count = sums.reduce((all, sum) => all + sum.count, 0);
  const shown = (value: number): string => shownValue(metric, value);
  if (metric.adds) {
    const period = words.trends.period[periodOf(range)];
    return words.trends.summarySum(metric.label, shown(total), shown(total / sums.length), period, count);
  }
  const [least, most] = [Math.min(...sums.map(({ min }) => min)), Math.max(...sums.map(({ max }) => max))];
  return words.trends.summaryMean(metric.label, shown(total / count), shown(least), shown(most), count);
}

customElements.define("pulse-trends", Trends);
