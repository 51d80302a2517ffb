// What may be a slip of the keys although it is possible. It is asked about before it is saved, and
// never refused.

import type { Entity } from "@clarity/sync";
import { number, text, valueOf, whenOf } from "./entries.js";
import type { Made } from "./kinds.js";
import { metricOf } from "./metrics.js";
import { store } from "./store.js";
import { words } from "./strings.js";

/** By what factor two values of one person, one after the other, seldom differ by more. What is not
 * named here differs as it likes, as steps do. */
const SELDOM: Readonly<Record<string, number>> = {
  BodyMass: 1.1,
  HeartRate: 2.5,
  BloodGlucose: 3,
  BodyTemperature: 1.1,
  OxygenSaturation: 1.15,
  BloodPressureSystolic: 1.5,
  BloodPressureDiastolic: 1.5,
};
const TYPES = ["ManualReading", "HealthMetric"] as const;
/** A clock that is set a little later than another one makes no future. */
const AHEAD_MS = 5 * 60_000;

/** What is to be asked about entries before they are saved, in words. `edited` is the entry that
 * they take the place of: what it said is no measure for what it should say. */
export async function doubtsAbout(made: readonly Made[], edited?: string): Promise<string[]> {
  const isFuture = made.some(({ fields }) => {
    const at = number(fields["start_ms"] ?? fields["at_ms"]);
    return at !== undefined && at > Date.now() + AHEAD_MS;
  });
  const unusual = await Promise.all(made.map((each) => unusualOf(each, edited)));
  return [...(isFuture ? [words.doubts.future] : []), ...unusual.flat()];
}

async function unusualOf({ type, fields }: Made, edited?: string): Promise<string[]> {
  const metric = text(fields["metric"]);
  const factor = SELDOM[metric];
  const value = number(fields["value"]);
  if (type === "Goal" || factor === undefined || value === undefined) return [];
  const latest = await latestOf(metric, edited);
  const before = number(latest?.fields["value"]);
  if (!latest || before === undefined || latest.fields["unit"] !== fields["unit"]) return [];
  if (value <= before * factor && before <= value * factor) return [];
  return [words.doubts.unusual(metricOf(metric).label, valueOf(latest.type, latest.fields))];
}

async function latestOf(metric: string, edited?: string): Promise<Entity | undefined> {
  const pages = await Promise.all(
    TYPES.map((type) =>
      store().query(type, {
        filters: [["metric", "=", metric]],
        order_by: "start_ms",
        descending: true,
        limit: 2,
      }),
    ),
  );
  return pages
    .flatMap(({ entities }) => entities)
    .filter(({ id }) => id !== edited)
    .sort((a, b) => whenOf(b) - whenOf(a))[0];
}
