// What a phone and the server said to each other, in words that fit a line.

import { fieldName } from "../entries.js";
import { words } from "./words.js";

interface Change {
  readonly field: string;
}
interface Operation {
  readonly counter: number;
  readonly kind: string;
  readonly type: string;
  readonly covers?: readonly number[];
  readonly changes?: readonly Change[];
}
interface Answer {
  readonly counter: number;
  readonly outcome: string;
  readonly version?: number;
}
interface Push {
  readonly operations?: readonly Operation[];
}
interface Answered {
  readonly answers?: readonly Answer[];
  readonly rows?: readonly { readonly type: string; readonly version: number }[];
}

/** What the body of a request and that of its answer say: what became of each change, and what came. */
export function saidIn(path: string, asked: RequestInit["body"], answered: string): string[] {
  const answer = read<Answered>(answered) ?? {};
  if (path === "/v1/push") {
    const { operations = [] } = read<Push>(textOf(asked)) ?? {};
    return operations.map((operation) => outcomeOf(operation, answer.answers ?? []));
  }
  return (answer.rows ?? []).map(({ type, version }) => words.said.row(nameOf(type), version));
}

function outcomeOf(operation: Operation, answers: readonly Answer[]): string {
  const answer = answers.find(({ counter }) => counter === operation.counter);
  const fields = (operation.changes ?? []).map(({ field }) => fieldName(field).toLowerCase());
  const what = words.said.change(operation.kind, nameOf(operation.type), fields);
  const covered = (operation.covers ?? []).length;
  const together = covered > 0 ? words.said.covers(covered + 1) : "";
  return `${what}${together}: ${words.said.outcome(answer?.outcome, answer?.version)}`;
}

const nameOf = (type: string): string => words.types[type] ?? type;

function textOf(body: RequestInit["body"]): string {
  if (typeof body === "string") return body;
  return body instanceof Uint8Array ? new TextDecoder().decode(body) : "";
}

function read<T>(json: string): T | undefined {
  try {
    return JSON.parse(json) as T;
  } catch {
    return undefined;
  }
}
