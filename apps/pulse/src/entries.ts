// What an entity is to a person: a name, a value, a time.

import type { Entity, Fields, JsonValue } from "@clarity/sync";
import { BY_HAND } from "./kinds.js";
import { metricOf, shownNumber, shownValue } from "./metrics.js";
import { words } from "./strings.js";
import { exactWhen } from "./when.js";

/** The types that a timeline shows, with the field of their time. */
export const TIMED: Readonly<Record<string, string>> = {
  ManualReading: "start_ms",
  Note: "at_ms",
  HealthMetric: "start_ms",
  Workout: "start_ms",
};

/** Those that a person writes, and may change. */
export const OWN_TYPES: readonly string[] = ["ManualReading", "Note", "Goal"];

export const text = (value: JsonValue | undefined): string =>
  typeof value === "string" ? value : "";
export const number = (value: JsonValue | undefined): number | undefined =>
  typeof value === "number" ? value : undefined;
export const list = (value: JsonValue | undefined): string[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];

/** When it happened, in milliseconds since 1970; when the server took it, if it does not say. */
export function whenOf(entity: Entity): number {
  const field = TIMED[entity.type];
  const own = field === undefined ? undefined : number(entity.fields[field]);
  return own ?? entity.updated_at;
}

export function nameOf(type: string, fields: Fields): string {
  if (typeof fields["metric"] === "string" && type !== "Goal") {
    return metricOf(fields["metric"]).label;
  }
  if (type === "Workout" && text(fields["activity"])) return text(fields["activity"]);
  return words.types[type] ?? type;
}

export function valueOf(type: string, fields: Fields): string {
  const value = number(fields["value"]);
  if (value !== undefined) {
    return shownValue(metricOf(text(fields["metric"]), text(fields["unit"])), value);
  }
  if (type === "Goal") return goalValue(fields);
  if (type === "Workout") {
    const seconds = number(fields["duration_s"]);
    return seconds === undefined ? "" : shownField("duration_s", seconds);
  }
  return text(fields["title"]) || text(fields["text"]) || text(fields["category"]);
}

function goalValue(fields: Fields): string {
  const target = number(fields["target"]);
  const title = text(fields["title"]);
  if (target === undefined) return title;
  const metric = metricOf(text(fields["metric"]), text(fields["unit"]));
  return `${title}: ${shownValue(metric, target)}`;
}

/** A field's value on its own. */
export function shownField(field: string, value: JsonValue | undefined, fields: Fields = {}): string {
  if (value === undefined || value === null) return words.nothing;
  if (typeof value === "number") {
    if (field.endsWith("_ms")) return exactWhen(value);
    if (field === "value" || field === "target") {
      return shownValue(metricOf(text(fields["metric"]), text(fields["unit"])), value);
    }
    if (field === "duration_s") return `${Math.round(value / 60)} min`;
    if (field === "distance_m") return `${(value / 1000).toLocaleString()} km`;
    if (field === "energy_kcal") return `${Math.round(value)} kcal`;
    return value.toLocaleString();
  }
  if (Array.isArray(value)) return list(value).join(", ") || words.nothing;
  if (typeof value === "object") return JSON.stringify(value);
  if (field === "metric" && typeof value === "string") return metricOf(value).label;
  return String(value);
}

/** Who measured it, where that is worth saying. */
export function sourceOf(fields: Fields): string {
  const source = text(fields["source"]);
  return source === BY_HAND ? "" : source;
}

/** What a search looks through. */
export function searchedText({ type, fields }: Entity): string {
  const metric = text(fields["metric"]);
  const parts = [
    nameOf(type, fields),
    metric.startsWith("BloodPressure") ? words.trends.bloodPressure : "",
    valueOf(type, fields),
    ...["title", "text", "note", "source"].map((field) => text(fields[field])),
    ...list(fields["tags"]),
  ];
  return parts.join("\n").toLocaleLowerCase();
}

export const fieldName = (field: string): string => words.fields[field] ?? field;

/** Both values of a blood pressure. */
export function pressure(systolic: number, diastolic: number): string {
  const of = metricOf("BloodPressureSystolic");
  return `${shownNumber(of, systolic)}/${shownNumber(of, diastolic)} ${of.shown}`;
}
