// The sums that a chart shows: of a metric, by day or month, from the store's roll-ups.

import type { ClaritySync, Period, Rollup } from "@clarity/sync";
import type { ReactiveControllerHost } from "lit";
import { Watch } from "./watch.js";

export type Range = "W" | "M" | "6M" | "Y" | "All";
export const RANGES: readonly Range[] = ["W", "M", "6M", "Y", "All"];

const DAYS: Readonly<Record<Range, number>> = { W: 7, M: 31, "6M": 183, Y: 366, All: 36_525 };
const DAY_MS = 86_400_000;
/** Types with numbers: those of the person and those of sources. */
const TYPES = ["ManualReading", "HealthMetric"] as const;

/** One stretch of time of one metric. */
export interface Sum {
  readonly period: string;
  /** Its beginning, in milliseconds since 1970 UTC. */
  readonly at: number;
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
}

export const periodOf = (range: Range): Period => (range === "All" || range === "Y" ? "month" : "day");

/** The days of a range that ends with today: the first, and the day after the last. */
export function daysOf(range: Range): { from_day: number; to_day: number } {
  const to_day = Math.floor(Date.now() / DAY_MS) + 1;
  return { from_day: to_day - DAYS[range], to_day };
}

/** Adds up what the types have, and puts it in the order of time. */
export function merged(parts: readonly (readonly Rollup[])[]): Sum[] {
  const sums = new Map<string, Sum>();
  for (const rollup of parts.flat()) {
    const known = sums.get(rollup.period);
    sums.set(rollup.period, {
      period: rollup.period,
      at: beginning(rollup.period),
      count: (known?.count ?? 0) + rollup.count,
      sum: (known?.sum ?? 0) + rollup.sum,
      min: Math.min(known?.min ?? Infinity, rollup.min),
      max: Math.max(known?.max ?? -Infinity, rollup.max),
    });
  }
  return [...sums.values()].sort((a, b) => a.at - b.at);
}

const beginning = (period: string): number => {
  const [year = 1970, month = 1, day = 1] = period.split("-").map(Number);
  return Date.UTC(year, month - 1, day);
};

/** What is asked of the store for a chart. */
export interface Asked {
  readonly kind: string;
  readonly range: Range;
}

/** The sums of what `asked` says, live, for as long as its host is on the page. */
export class Sums {
  readonly #watches: readonly Watch<Rollup[]>[];

  constructor(host: ReactiveControllerHost, asked: () => Asked | undefined) {
    this.#watches = TYPES.map(
      (entity_type) =>
        new Watch<Rollup[]>(host, (sync, options) => {
          const now = asked();
          if (!now) return null;
          const period = periodOf(now.range);
          const query = { entity_type, kind: now.kind, ...daysOf(now.range), period };
          return sync.watch("rollups", query, options);
        }),
    );
  }

  /** Begins anew, when something else is asked. */
  restart(): void {
    for (const watch of this.#watches) watch.restart();
  }

  /** Nothing until all is known. */
  get value(): Sum[] | undefined {
    const parts = this.#watches.map(({ value }) => value);
    if (parts.some((part) => part === undefined)) return undefined;
    return merged(parts.map((part) => part ?? []));
  }

  get error(): string | undefined {
    return this.#watches.find(({ error }) => error !== undefined)?.error;
  }
}

/** Which metrics have any value. */
export async function measured(sync: ClaritySync, metrics: readonly string[]): Promise<Set<string>> {
  const found = await Promise.all(
    metrics.flatMap((kind) =>
      TYPES.map(async (entity_type) => {
        const query = { entity_type, kind, ...daysOf("All"), period: "year" as const };
        return (await sync.rollups(query)).length > 0 ? [kind] : [];
      }),
    ),
  );
  return new Set(found.flat());
}
