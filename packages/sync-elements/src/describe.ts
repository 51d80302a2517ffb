import type { EntityKey, Fields, JsonValue } from "@clarity/sync";
import type { Words } from "./words.js";

/** How an app's entities are named and its values are written. All of it is optional. */
export interface Describer {
  /** A type: `Weight`. */
  type?(type: string): string;
  /** An entity: `Weight, 3 Nov, 07:10`. Its fields are null where they are not known. */
  entity?(key: EntityKey, fields: Fields | null): string;
  /** A field of a type. */
  field?(type: string, field: string): string;
  /** A value that is there, with its unit as the person reads it. */
  value?(type: string, field: string, value: JsonValue): string;
  /** What went wrong, in words. */
  problem?(error: unknown): string;
  /** What the engine or the server said about a change, as people say it. */
  message?(said: string): string;
  /** Whether a wrong choice could do harm, so that nothing is chosen beforehand. */
  isCritical?(type: string): boolean;
  /** Reads what a person typed in the place of a value; throws an error whose message is shown. */
  parse?(type: string, field: string, text: string, like: JsonValue): JsonValue;
}

/** An app's describer, completed. */
export class Names {
  constructor(
    readonly words: Words,
    readonly describer: Describer = {},
  ) {}

  type(type: string): string {
    return this.describer.type?.(type) ?? sentence(type);
  }

  entity(key: EntityKey, fields: Fields | null = null): string {
    return this.describer.entity?.({ type: key.type, id: key.id }, fields) ?? this.type(key.type);
  }

  field(type: string, field: string): string {
    return this.describer.field?.(type, field) ?? sentence(field);
  }

  /** A value; a dash for one that is not there. */
  value(type: string, field: string, value: JsonValue | undefined): string {
    if (value === undefined || value === null || value === "") return this.words.text("value.none");
    const described = this.describer.value?.(type, field, value);
    return described ?? this.#plain(value);
  }

  #plain(value: Exclude<JsonValue, null>): string {
    if (typeof value === "string") return value;
    if (typeof value === "number") return this.words.number(value);
    if (typeof value === "boolean") return this.words.text(value ? "value.yes" : "value.no");
    if (Array.isArray(value) && value.every((item) => typeof item === "string")) {
      return this.words.list(value);
    }
    return JSON.stringify(value);
  }

  /** What went wrong: the error's own words where the app has none. */
  problem(error: unknown): string {
    if (this.describer.problem !== undefined) return this.describer.problem(error);
    return error instanceof Error ? error.message : String(error);
  }

  message(said: string): string {
    return this.describer.message?.(said) ?? said;
  }

  isCritical(type: string): boolean {
    return this.describer.isCritical?.(type) ?? false;
  }

  /** Reads what a person typed: a number where one was, otherwise text. */
  parse(type: string, field: string, text: string, like: JsonValue): JsonValue {
    if (this.describer.parse !== undefined) return this.describer.parse(type, field, text, like);
    if (typeof like !== "number") return text;
    const number = Number(text.trim().replace(",", "."));
    if (text.trim() === "" || !Number.isFinite(number)) {
      throw new Error(this.words.text("resolver.number"));
    }
    return number;
  }
}

/** `restingHeart_rate` as people write it. */
function sentence(name: string): string {
  const spaced = name.replace(/([a-z])([A-Z])/gu, "$1 $2").replace(/_/gu, " ").toLowerCase();
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}
