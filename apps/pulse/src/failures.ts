// What went wrong, in words that say what to do. The engine's own are for those who build with it.

import { SyncError } from "@clarity/sync";
import type { SyncErrorKind } from "@clarity/sync";
import { shownBytes } from "./bytes.js";
import { go } from "./router.js";
import { words } from "./strings.js";

const says = words.failures;

/** One thing that a person can do about it. */
export interface Remedy {
  readonly label: string;
  readonly run: () => void;
}

/** What the engine, the server and the importer say, and what a person is told in its place. The
 * numbers in it are sizes. */
const SAID: readonly (readonly [RegExp, (...sizes: string[]) => string])[] = [
  [/has (\d+) bytes of JSON; the limit is (\d+)/, says.tooLong],
  [/cannot be reached|connection to it broke/, () => says.unreachable],
  [/network may need a sign-in|sent the request somewhere else/, () => says.captive],
  [/HTTP 429/, () => says.tooOften],
  [/HTTP \d{3}/, () => says.server],
  [/A name is 1 to \d+ bytes/i, () => says.name],
  [/belongs to another account/, () => says.otherAccount],
  [/nothing that can be imported|not an Apple Health export/, () => says.notImportable],
  [/times in the table have no zone/, () => says.zone],
  [/dates such as .* two ways/, () => says.dates],
  [/column of the table says when/, () => says.whenColumn],
  [/column of the table says what/, () => says.whatColumn],
];

/** What a person is told about each kind of failure whose words are not in the list. */
const KINDS: Readonly<Partial<Record<SyncErrorKind, string>>> = {
  auth_required: says.signIn,
  busy: says.busy,
  closed: says.closed,
  damaged: says.damaged,
  not_found: says.gone,
  storage_full: says.full,
  store: says.store,
  worker: says.closed,
  wrong_credentials: says.credentials,
};

/** What went wrong, in a sentence. */
export function wordsOf(error: unknown): string {
  if (!(error instanceof SyncError)) return says.unexpected;
  return KINDS[error.kind] ?? sentenceOf(error.message);
}

/** A message of the engine, as a person is told it. */
export function sentenceOf(message: string): string {
  for (const [pattern, say] of SAID) {
    const found = pattern.exec(message);
    if (found) return say(...found.slice(1).map((size) => shownBytes(Number(size))));
  }
  // What the engine keeps are entities, what a person keeps are entries.
  const meant = message.replaceAll(/\bentity\b/g, "entry").replaceAll(/\bentities\b/g, "entries");
  const begun = meant.charAt(0).toUpperCase() + meant.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

/** Where a person can do something about it. */
export function remedyOf(error: unknown): Remedy | undefined {
  const place = error instanceof SyncError ? PLACES[error.kind] : "diagnostics";
  return place && { label: words.nav[place], run: () => go(place) };
}

const PLACES: Readonly<Partial<Record<SyncErrorKind, keyof typeof words.nav>>> = {
  auth_required: "account",
  damaged: "repair",
  storage_full: "settings",
};
