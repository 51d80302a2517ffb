// What a person measures, in the names and units that the store keeps, and how it is shown.

export interface Metric {
  /** The name in the store's field `metric`. */
  readonly id: string;
  readonly label: string;
  /** The unit in the store. */
  readonly unit: string;
  /** The unit that is shown, and by what the stored value is multiplied for it. */
  readonly shown: string;
  readonly factor: number;
  readonly decimals: number;
  /** What is certainly a slip of the keys, in the shown unit. */
  readonly min: number;
  readonly max: number;
  /** Whether a day's values are added up: steps, not heartbeats. */
  readonly adds: boolean;
  /** What begins it in the field for quick entries. */
  readonly words: readonly string[];
}

const metric = (
  id: string,
  label: string,
  [unit, shown, factor]: readonly [string, string, number],
  decimals: number,
  [min, max]: readonly [number, number],
  words: readonly string[] = [],
  adds = false,
): Metric => ({ id, label, unit, shown, factor, decimals, min, max, adds, words });

const BPM = ["count/min", "bpm", 1] as const;
const PERCENT = ["1", "%", 100] as const;
const MMHG = ["mmHg", "mmHg", 1] as const;

/** Those that a person can add, in the order in which they are offered. */
export const METRICS: readonly Metric[] = [
  metric("BodyMass", "Weight", ["kg", "kg", 1], 1, [1, 500], ["weight", "kg", "w"]),
  metric("HeartRate", "Heart rate", BPM, 0, [20, 300], ["hr", "heart", "pulse", "bpm"]),
  metric("StepCount", "Steps", ["count", "steps", 1], 0, [0, 200_000], ["steps"], true),
  metric("BloodGlucose", "Blood glucose", ["mmol/L", "mmol/L", 1], 1, [0.5, 60], ["glucose"]),
  metric("BodyTemperature", "Temperature", ["degC", "°C", 1], 1, [25, 45], ["temp", "temperature"]),
  metric("OxygenSaturation", "Blood oxygen", PERCENT, 0, [50, 100], ["spo2", "oxygen"]),
];

export const SYSTOLIC = metric("BloodPressureSystolic", "Systolic pressure", MMHG, 0, [40, 300]);
export const DIASTOLIC = metric("BloodPressureDiastolic", "Diastolic pressure", MMHG, 0, [20, 200]);

const OTHERS: readonly Metric[] = [
  SYSTOLIC,
  DIASTOLIC,
  metric("RestingHeartRate", "Resting heart rate", BPM, 0, [20, 300]),
  metric("HeartRateVariabilitySDNN", "Heart rate variability", ["ms", "ms", 1], 0, [0, 500]),
  metric("ActiveEnergyBurned", "Active energy", ["kcal", "kcal", 1], 0, [0, 20_000], [], true),
  metric("BasalEnergyBurned", "Resting energy", ["kcal", "kcal", 1], 0, [0, 20_000], [], true),
  metric("AppleExerciseTime", "Exercise", ["min", "min", 1], 0, [0, 1440], [], true),
  metric("DistanceWalkingRunning", "Distance", ["m", "km", 0.001], 2, [0, 500], [], true),
  metric("Height", "Height", ["m", "cm", 100], 0, [20, 280]),
  metric("BodyMassIndex", "Body mass index", ["count", "", 1], 1, [5, 100]),
  metric("BodyFatPercentage", "Body fat", PERCENT, 1, [1, 80]),
  metric("RespiratoryRate", "Respiratory rate", ["count/min", "/min", 1], 0, [2, 100]),
  metric("VO2Max", "VO₂ max", ["mL/min·kg", "mL/min·kg", 1], 1, [5, 100]),
];

const KNOWN = new Map([...METRICS, ...OTHERS].map((known) => [known.id, known]));

/** All that have a name of their own here. */
export const ALL_METRICS: readonly Metric[] = [...KNOWN.values()];

/** The metric of this name; for one that is not known here, one that shows what is stored. */
export function metricOf(id: string, unit = ""): Metric {
  const known = KNOWN.get(id);
  // Another unit than the store's own is one that nothing could be made of: shown as it is.
  if (known && (unit === "" || unit === known.unit)) return known;
  const label = known?.label ?? id.replace(/([a-z])([A-Z])/g, "$1 $2");
  return metric(id, label, [unit, unit, 1], 2, [-Infinity, Infinity]);
}

/** A number as this person's language writes it. */
export function shownNumber(of: Metric, value: number): string {
  const shown = value * of.factor;
  // A little is not nothing.
  const isLittle = shown !== 0 && Math.abs(shown) < 0.5 / 10 ** of.decimals;
  const digits = isLittle ? { maximumSignificantDigits: 1 } : { maximumFractionDigits: of.decimals };
  return shown.toLocaleString(undefined, digits);
}

export function shownValue(of: Metric, value: number): string {
  return `${shownNumber(of, value)} ${of.shown}`.trim();
}

/** Thousands, each apart from the next by the same sign. */
const GROUPED = /^[+-]?\d{1,3}(?:([.,'’ \u00a0\u202f])\d{3}(?:\1\d{3})*)$/;

/** A number as a person writes it, with a comma or a point; nothing when it is none. What has no
 * decimals has no fraction either: the sign in "10,500" can only stand between thousands. */
export function readNumber(of: Metric, text: string): number | undefined {
  const written = text.trim();
  const isGrouped = of.decimals === 0 && GROUPED.test(written);
  const plain = isGrouped ? written.replace(/[^\d+-]/g, "") : written.replace(",", ".");
  if (!/^[+-]?\d+(\.\d+)?$/.test(plain)) return undefined;
  const read = Number(plain);
  return of.decimals > 0 || Number.isInteger(read) ? read : undefined;
}

/** The stored value of a shown one, without the dust of the multiplication. */
export function storedValue(of: Metric, shown: number): number {
  return Number((shown / of.factor).toPrecision(12));
}
