// The elements of `@clarity/sync-elements`, with this app's words for entities, fields and values.

import type { Fields } from "@clarity/sync";
import { Names, Words, setDescriber } from "@clarity/sync-elements";
import type { Describer } from "@clarity/sync-elements";
import "@clarity/sync-elements/define";
import { fieldName, nameOf, shownField, valueOf } from "./entries.js";
import { sentenceOf, wordsOf } from "./failures.js";
import { words } from "./strings.js";

/** What decides on a treatment is not chosen for anybody. */
const CRITICAL = new Set(["ManualReading", "HealthMetric"]);

const describer: Describer = {
  type: (type) => words.types[type] ?? type,
  entity: ({ type }, fields: Fields | null) =>
    fields ? `${nameOf(type, fields)} ${valueOf(type, fields)}`.trim() : (words.types[type] ?? type),
  field: (_, field) => fieldName(field),
  value: (_, field, value) => shownField(field, value),
  problem: wordsOf,
  message: sentenceOf,
  isCritical: (type) => CRITICAL.has(type),
};

setDescriber(describer);

/** The same words for what a screen says itself. */
export const names = (): Names => new Names(new Words(document.documentElement.lang || "en"), describer);
