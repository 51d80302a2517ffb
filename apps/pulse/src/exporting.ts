// What is on this device, as files. Pages are read one after the other, so that memory stays flat
// but for the file itself.

import type { Entity, Fields } from "@clarity/sync";
import { number, text } from "./entries.js";
import { store } from "./store.js";

const PAGE = 1000;

/** The parts of a file, and how many entries are in it. */
export interface Exported {
  readonly parts: string[];
  readonly count: number;
}
type Tell = (count: number) => void;

/** Every entry with its fields, one JSON object a line. */
export async function exportAll(tell: Tell): Promise<Exported> {
  const types = Object.keys(await store().counts()).sort();
  return gather(types, tell, ({ type, id, fields }) => `${JSON.stringify({ type, id, fields })}\n`);
}

/** By these words an import knows what is in them. */
const COLUMNS = ["start", "end", "metric", "value", "unit", "source", "note"];

/** Every number that was measured, as a table. */
export async function exportReadings(tell: Tell): Promise<Exported> {
  const line = ({ fields }: Entity): string | undefined => {
    const [start, end, value] = ["start_ms", "end_ms", "value"].map((field) => number(fields[field]));
    if (start === undefined || value === undefined) return undefined;
    return `${cells([moment(start), moment(end), ...rest(fields, value)])}\r\n`;
  };
  const made = await gather(["ManualReading", "HealthMetric"], tell, line);
  return { parts: [`${cells(COLUMNS)}\r\n`, ...made.parts], count: made.count };
}

const moment = (at: number | undefined): string =>
  at === undefined ? "" : new Date(at).toISOString();

const rest = (fields: Fields, value: number): string[] => {
  const [metric, unit, source, note] = ["metric", "unit", "source", "note"].map((field) =>
    text(fields[field]),
  );
  return [metric!, String(value), unit!, source!, note!];
};

/** A line of cells. One that begins like a formula is not run by a spreadsheet when it has a quote
 * before it; only a number, and nothing but a number, goes without. */
export function cells(values: readonly string[]): string {
  const cell = (value: string): string => {
    const isNumber = /^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/.test(value);
    const safe = /^[=+@\t\r-]/.test(value) && !isNumber ? `'${value}` : value;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return values.map(cell).join(",");
}

async function gather(
  types: readonly string[],
  tell: Tell,
  line: (entity: Entity) => string | undefined,
): Promise<Exported> {
  const parts: string[] = [];
  let count = 0;
  for (const type of types) {
    let after: string | undefined;
    do {
      const page = await store().query(type, { limit: PAGE }, after);
      const lines = page.entities.map(line).filter((made) => made !== undefined);
      parts.push(lines.join(""));
      count += lines.length;
      tell(count);
      after = page.next ?? undefined;
    } while (after !== undefined);
  }
  return { parts, count };
}
