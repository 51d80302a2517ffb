// Times, as a person reads and writes them.

const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short" });
const longDay = new Intl.DateTimeFormat(undefined, { dateStyle: "full" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const relativeDay = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** When the day of a time began here. */
export const midnight = (ms: number): number => new Date(ms).setHours(0, 0, 0, 0);

/** The time today, the day otherwise. */
export function shortWhen(ms: number): string {
  const today = midnight(Date.now());
  if (midnight(ms) === today) return time.format(ms);
  if (new Date(ms).getFullYear() === new Date().getFullYear()) return day.format(ms);
  return new Date(ms).toLocaleDateString(undefined, { dateStyle: "medium" });
}

export const timeOf = (ms: number): string => time.format(ms);
export const exactWhen = (ms: number): string => exact.format(ms);

/** The heading of a day. */
export function dayName(ms: number): string {
  const days = Math.round((midnight(ms) - midnight(Date.now())) / DAY);
  const name = longDay.format(ms);
  if (days !== 0 && days !== -1) return name;
  const word = relativeDay.format(days, "day");
  return `${word.charAt(0).toUpperCase()}${word.slice(1)}, ${name}`;
}

/** A day or a month in UTC, as the store sums them up. */
export function periodName(ms: number, isMonth: boolean): string {
  const format = isMonth ? { month: "long", year: "numeric" } as const : { dateStyle: "medium" } as const;
  return new Date(ms).toLocaleDateString(undefined, { ...format, timeZone: "UTC" });
}

/** How long ago. */
export function ago(ms: number): string {
  const past = ms - Date.now();
  if (Math.abs(past) < MINUTE) return relative.format(0, "minute");
  if (Math.abs(past) < HOUR) return relative.format(Math.round(past / MINUTE), "minute");
  if (Math.abs(past) < DAY) return relative.format(Math.round(past / HOUR), "hour");
  return relative.format(Math.round(past / DAY), "day");
}

/** As a field for date and time takes it: local, to the minute. */
export function toInput(ms: number): string {
  const local = new Date(ms - new Date(ms).getTimezoneOffset() * MINUTE);
  return local.toISOString().slice(0, 16);
}

/** What such a field holds; nothing when it is empty. */
export function fromInput(text: string): number | undefined {
  const ms = new Date(text).getTime();
  return Number.isNaN(ms) ? undefined : ms;
}
