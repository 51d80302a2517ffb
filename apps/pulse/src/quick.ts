// Entries typed in one line: "bp 120/80 p62", "78,2 kg", "hr 64", "note slept well".

import { PRESSURE, NOTE, readForm } from "./kinds.js";
import type { Made, Typed } from "./kinds.js";
import { METRICS } from "./metrics.js";
import { toInput } from "./when.js";

const NUMBER = String.raw`[+-]?\d+(?:[.,]\d+)?`;
const BP = /^(?:bp|rr|blood pressure)?\s*(\d{2,3})\s*\/\s*(\d{2,3})(?:\s*(?:p|pulse|hr)\s*(\d{2,3}))?$/i;

/** What a line makes; nothing when it is not understood, or cannot be right. */
export function readLine(line: string, now: number): readonly Made[] | undefined {
  const [kind, typed] = formOf(line.trim()) ?? [];
  if (kind === undefined || typed === undefined) return undefined;
  const read = readForm(kind, { ...typed, when: toInput(now) });
  return "made" in read ? read.made : undefined;
}

function formOf(line: string): [kind: string, typed: Typed] | undefined {
  const note = /^note[:\s]\s*(.+)$/is.exec(line);
  if (note) return [NOTE, { text: note[1] ?? "" }];
  const pressure = BP.exec(line);
  if (pressure) {
    const [, systolic = "", diastolic = "", pulse = ""] = pressure;
    return [PRESSURE, { systolic, diastolic, pulse }];
  }
  for (const { id, shown, words } of METRICS) {
    const named = [...words, shown.toLowerCase()].map(escaped).join("|");
    const before = new RegExp(`^(?:${named})\\s+(${NUMBER})(?:\\s*\\S{1,7})?$`, "i").exec(line);
    const after = new RegExp(`^(${NUMBER})\\s*(?:${named})$`, "i").exec(line);
    const value = before?.[1] ?? after?.[1];
    if (value !== undefined) return [id, { value }];
  }
  return undefined;
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
