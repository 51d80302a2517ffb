// An entry as its form has it.

import type { Entity, Fields } from "@clarity/sync";
import { list, number, text } from "./entries.js";
import { GOAL, NOTE } from "./kinds.js";
import type { Typed } from "./kinds.js";
import { metricOf } from "./metrics.js";
import { toInput } from "./when.js";

/** The kind of form that an entry is edited with. */
export function kindOf({ type, fields }: Entity): string {
  if (type === "Note") return NOTE;
  return type === "Goal" ? GOAL : text(fields["metric"]);
}

/** What is in the form at first. */
export function typedOf({ fields, type, updated_at }: Entity): Typed {
  const of = metricOf(text(fields["metric"]), text(fields["unit"]));
  const shown = (field: string): string => {
    const value = number(fields[field]);
    return value === undefined ? "" : String(Number((value * of.factor).toPrecision(12)));
  };
  return {
    when: toInput(number(fields[type === "Note" ? "at_ms" : "start_ms"]) ?? updated_at),
    value: shown("value"),
    target: shown("target"),
    note: text(fields["note"]),
    text: text(fields["text"]),
    title: text(fields["title"]),
    metric: text(fields["metric"]),
    unit: text(fields["unit"]),
    tags: list(fields["tags"]).join(", "),
  };
}

/** How many digits of a number are never lost on the way to the form and back. */
const DIGITS = 11;

/** What a form made, with what it does not show as it was: the source, a reading's unit, the seconds
 * of a time that was left alone, and the last digits of such a number. */
export function keepUnshown(seen: Entity, made: Fields): Fields {
  const kept: Fields = { ...made };
  for (const field of ["start_ms", "at_ms"]) {
    const [before, after] = [number(seen.fields[field]), number(made[field])];
    if (before === undefined || after === undefined) continue;
    if (toInput(before) === toInput(after)) kept[field] = before;
  }
  for (const field of ["value", "target"]) {
    const [before, after] = [number(seen.fields[field]), number(made[field])];
    if (before === undefined || after === undefined) continue;
    if (before.toPrecision(DIGITS) === after.toPrecision(DIGITS)) kept[field] = before;
  }
  if (seen.type === "ManualReading") {
    // A number was changed in the unit that it was shown in.
    delete kept["unit"];
    if (seen.fields["unit"] !== undefined) kept["unit"] = seen.fields["unit"];
  }
  if (text(seen.fields["source"])) kept["source"] = text(seen.fields["source"]);
  return kept;
}

/** Fields that a form removes when they are emptied. */
export function optionalFields(type: string): readonly string[] {
  switch (type) {
    case "Note":
      return ["title", "tags"];
    case "Goal":
      return ["target", "metric", "unit", "tags"];
    default:
      return ["note"];
  }
}
