// What a person can add: which fields a form has for it, and which entities it makes.

import type { Fields } from "@clarity/sync";
import { DIASTOLIC, METRICS, SYSTOLIC, metricOf, readNumber, storedValue } from "./metrics.js";
import type { Metric } from "./metrics.js";
import { words } from "./strings.js";
import { fromInput } from "./when.js";

export const PRESSURE = "BloodPressure";
export const NOTE = "Note";
export const GOAL = "Goal";
/** What the store's field `source` says of readings that were written here. */
export const BY_HAND = "by hand";

export interface Kind {
  readonly id: string;
  readonly label: string;
}

export const KINDS: readonly Kind[] = [
  ...METRICS.slice(0, 2).map(({ id, label }) => ({ id, label })),
  { id: PRESSURE, label: "Blood pressure" },
  ...METRICS.slice(2).map(({ id, label }) => ({ id, label })),
  { id: NOTE, label: "Note" },
  { id: GOAL, label: "Goal" },
];

/** The fields of a form, as they were typed. */
export type Typed = Readonly<Record<string, string>>;
/** What is wrong, by field. */
export type Wrong = Readonly<Record<string, string>>;
/** An entity that a form makes. */
export interface Made {
  readonly type: string;
  readonly fields: Fields;
}
export type Reading = { readonly made: readonly Made[] } | { readonly wrong: Wrong };

/** What a form of a kind makes of what was typed, and of what was in the form at first. */
export function readForm(kind: string, typed: Typed, before: Typed = {}): Reading {
  const form = new Form(typed, before);
  const of = metricOf(kind, before["unit"]);
  const made = makers[kind]?.(form) ?? readings(form, [[of, "value", true]]);
  return Object.keys(form.wrong).length > 0 ? { wrong: form.wrong } : { made };
}

class Form {
  readonly wrong: Record<string, string> = {};
  constructor(
    readonly typed: Typed,
    readonly before: Typed,
  ) {}

  text(field: string): string {
    return (this.typed[field] ?? "").trim();
  }

  when(): number {
    const ms = fromInput(this.text("when"));
    if (ms === undefined) this.wrong["when"] = words.add.errors.when;
    return ms ?? 0;
  }

  /** The stored value of a metric's number. */
  value(field: string, of: Metric, left = this.before[field] ?? ""): number {
    // What was left alone is as right as it was: a source may have fractions where people have none.
    if (left !== "" && left === this.text(field)) return storedValue(of, Number(left));
    const shown = readNumber(of, this.text(field));
    const { number, whole } = words.add.errors;
    if (shown === undefined) this.wrong[field] = of.decimals === 0 ? whole : number;
    else if (shown < of.min || shown > of.max) {
      const bound = (limit: number): string => `${limit.toLocaleString()} ${of.shown}`.trim();
      this.wrong[field] = words.add.errors.range(bound(of.min), bound(of.max));
    }
    return storedValue(of, shown ?? 0);
  }
}

type Asked = readonly [of: Metric, field: string, required: boolean];

function readings(form: Form, asked: readonly Asked[]): Made[] {
  const start_ms = form.when();
  const note = form.text("note");
  return asked
    .filter(([, field, required]) => required || form.text(field) !== "")
    .map(([of, field]) => ({
      type: "ManualReading",
      fields: {
        metric: of.id,
        start_ms,
        value: form.value(field, of),
        unit: of.unit,
        source: BY_HAND,
        ...(note ? { note } : {}),
      },
    }));
}

function pressure(form: Form): Made[] {
  const made = readings(form, [
    [SYSTOLIC, "systolic", true],
    [DIASTOLIC, "diastolic", true],
    [metricOf("HeartRate"), "pulse", false],
  ]);
  const [systolic, diastolic] = made.map(({ fields }) => fields["value"] as number);
  if (Object.keys(form.wrong).length === 0 && (systolic ?? 0) <= (diastolic ?? 0)) {
    form.wrong["systolic"] = words.add.errors.order;
  }
  return made;
}

function note(form: Form): Made[] {
  const at_ms = form.when();
  const text = form.text("text");
  if (!text) form.wrong["text"] = words.add.errors.text;
  return [{ type: "Note", fields: { text, at_ms, ...optional(form) } }];
}

function goal(form: Form): Made[] {
  const title = form.text("title");
  if (!title) form.wrong["title"] = words.add.errors.text;
  const metric = form.text("metric");
  const isSame = metric === (form.before["metric"] ?? "");
  const of = metricOf(metric, isSame ? form.before["unit"] : "");
  const left = isSame ? undefined : "";
  const target = form.text("target") ? { target: form.value("target", of, left) } : {};
  const measured = {
    ...(metric ? { metric } : {}),
    ...(of.unit ? { unit: of.unit } : {}),
  };
  return [{ type: "Goal", fields: { title, ...target, ...measured, ...tags(form) } }];
}

function optional(form: Form): Fields {
  const title = form.text("title");
  return { ...(title ? { title } : {}), ...tags(form) };
}

function tags(form: Form): Fields {
  const named = form.text("tags").split(",").map((tag) => tag.trim()).filter((tag) => tag !== "");
  return named.length > 0 ? { tags: [...new Set(named)] } : {};
}

const makers: Record<string, (form: Form) => Made[]> = {
  [PRESSURE]: pressure,
  [NOTE]: note,
  [GOAL]: goal,
};
