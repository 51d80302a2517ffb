// Entries typed in one line: "bp 120/80 p62", "78,2 kg", "hr 64", "note slept well".

import { PRESSURE, NOTE, readForm } from "./kinds.js";
import type { Made, Typed } from "./kinds.js";
import { METRICS } from "./metrics.js";
import { words } from "./strings.js";
import { toInput } from "./when.js";

const BP = /^(?:bp|rr|blood pressure)?\s*(\d{2,3})\s*\/\s*(\d{2,3})(?:\s*(?:p|pulse|hr)\s*(\d{2,3}))?$/i;
const NUMBER = String.raw`[+-]?\d[\d.,'’]*`;
/** A number, and what stands after it. */
const MEASURE = new RegExp(`^(${NUMBER})\\s*(.*)$`);

/** What a line makes, or what is wrong with it, in words. */
export type Line = { readonly made: readonly Made[] } | { readonly wrong: string };

/** What a line makes. */
export function readLine(line: string, now: number): Line {
  const form = formOf(line.trim());
  if ("wrong" in form) return form;
  const read = readForm(form.kind, { ...form.typed, when: toInput(now) });
  if ("made" in read) return read;
  return { wrong: Object.values(read.wrong)[0] ?? words.today.quickUnknown };
}

type Understood = { readonly kind: string; readonly typed: Typed } | { readonly wrong: string };

function formOf(line: string): Understood {
  const note = /^note[:\s]\s*(.+)$/is.exec(line);
  if (note) return { kind: NOTE, typed: { text: note[1] ?? "" } };
  const pressure = BP.exec(line);
  if (pressure) {
    const [, systolic = "", diastolic = "", pulse = ""] = pressure;
    return { kind: PRESSURE, typed: { systolic, diastolic, pulse } };
  }
  for (const { id, label, shown, words: names } of METRICS) {
    const named = [...names, shown.toLowerCase()].map(escaped).join("|");
    const after = new RegExp(`^(${NUMBER})\\s*(?:${named})$`, "i").exec(line);
    if (after) return { kind: id, typed: { value: after[1] ?? "" } };
    const before = new RegExp(`^(?:${named})\\s+(.+)$`, "i").exec(line);
    const measure = MEASURE.exec(before?.[1] ?? "");
    if (!measure) continue;
    const [, value = "", unit = ""] = measure;
    // Another unit is not another way to write the same number: 172 lb are not 172 kg.
    if (unit !== "" && !isUnit(unit, shown)) {
      return { wrong: words.today.quickUnit(label, shown, unit) };
    }
    return { kind: id, typed: { value } };
  }
  return { wrong: words.today.quickUnknown };
}

/** Whether it is this unit, however it is spelled: "C" is written for "°C". */
const isUnit = (written: string, unit: string): boolean =>
  [unit, unit.replace("°", "")].some((known) => known.toLowerCase() === written.toLowerCase());

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
