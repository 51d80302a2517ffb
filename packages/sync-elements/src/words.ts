import { english } from "./english.js";

/** A text with `{names}` to fill in, or one for each plural category of `{count}`. */
export type Text =
  | string
  | ({ readonly other: string } & Partial<Record<Intl.LDMLPluralRule, string>>);

/** The name of a text. */
export type TextKey = keyof typeof english;

/** All texts in one language. */
export type Catalogue = Readonly<Record<TextKey, Text>>;

/** What is filled in. A number is written as the language writes numbers. */
export type Values = Readonly<Record<string, string | number>>;

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const BYTE_UNITS = ["byte", "kilobyte", "megabyte", "gigabyte"] as const;

/** The words, numbers and times of one language. */
export class Words {
  readonly #plural: Intl.PluralRules;
  readonly #number: Intl.NumberFormat;
  readonly #percent: Intl.NumberFormat;
  readonly #relative: Intl.RelativeTimeFormat;
  readonly #time: Intl.DateTimeFormat;
  readonly #dateTime: Intl.DateTimeFormat;

  /**
   * @param locale Which rules numbers, times and plurals follow, as in `en-GB`.
   * @param catalogue The texts; English if absent.
   */
  constructor(
    readonly locale: string,
    readonly catalogue: Catalogue = english,
  ) {
    this.#plural = new Intl.PluralRules(locale);
    this.#number = new Intl.NumberFormat(locale);
    this.#percent = new Intl.NumberFormat(locale, { style: "percent" });
    this.#relative = new Intl.RelativeTimeFormat(locale, { numeric: "always", style: "short" });
    this.#time = new Intl.DateTimeFormat(locale, { timeStyle: "short" });
    this.#dateTime = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
  }

  /** A text, with the values filled in; `count` chooses the plural. */
  text(key: TextKey, values: Values = {}): string {
    const text = this.catalogue[key];
    const form = typeof text === "string" ? text : this.#form(text, values["count"]);
    return form.replace(/\{(\w+)\}/gu, (hole, name: string) => {
      const value = values[name];
      if (value === undefined) return hole;
      return typeof value === "number" ? this.number(value) : value;
    });
  }

  #form(text: Exclude<Text, string>, count: string | number | undefined): string {
    const category = typeof count === "number" ? this.#plural.select(count) : "other";
    return text[category] ?? text.other;
  }

  /** A number. */
  number(value: number): string {
    return this.#number.format(value);
  }

  /** A part of one, in percent. It is rounded down: 100 % is all of it. */
  percent(part: number): string {
    return this.#percent.format(Math.floor(part * 100) / 100);
  }

  /** A number of bytes, in the unit in which it is easily read. */
  bytes(value: number): string {
    let unit = 0;
    let left = value;
    while (left >= 1000 && unit < BYTE_UNITS.length - 1) {
      left /= 1000;
      unit += 1;
    }
    return new Intl.NumberFormat(this.locale, {
      style: "unit",
      unit: BYTE_UNITS[unit] ?? "byte",
      unitDisplay: unit === 0 ? "long" : "short",
      maximumFractionDigits: left < 10 && unit > 1 ? 1 : 0,
    }).format(left);
  }

  /** How long ago something was: `2 min. ago`, and `just now` below a minute. */
  ago(at: number, now: number): string {
    const passed = now - at;
    if (passed < MINUTE_MS) return this.text("time.now");
    if (passed < HOUR_MS) return this.#relative.format(-Math.floor(passed / MINUTE_MS), "minute");
    if (passed < DAY_MS) return this.#relative.format(-Math.floor(passed / HOUR_MS), "hour");
    return this.#relative.format(-Math.floor(passed / DAY_MS), "day");
  }

  /** How long something lasts, in its largest unit: `12 sec`, `2 days`. */
  lasting(duration_ms: number): string {
    const [unit, size] =
      duration_ms < MINUTE_MS
        ? (["second", 1000] as const)
        : duration_ms < HOUR_MS
          ? (["minute", MINUTE_MS] as const)
          : duration_ms < DAY_MS
            ? (["hour", HOUR_MS] as const)
            : (["day", DAY_MS] as const);
    const format = { style: "unit", unit, unitDisplay: "short" } as const;
    return new Intl.NumberFormat(this.locale, format).format(Math.floor(duration_ms / size));
  }

  /** The time of the day; with the date unless it is the day of `now`. */
  clock(at: number, now: number): string {
    const isToday = new Date(at).toDateString() === new Date(now).toDateString();
    return isToday ? this.#time.format(at) : this.#dateTime.format(at);
  }

  /** The date and the time. */
  dateTime(at: number): string {
    return this.#dateTime.format(at);
  }

  /** Texts one after the other, as the language lists them. */
  list(texts: readonly string[]): string {
    return new Intl.ListFormat(this.locale, { type: "conjunction" }).format(texts);
  }
}
