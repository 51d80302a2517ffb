// Every word of the lab that neither the engine nor the elements say.

import type { Exchange, Network } from "./network.js";

const joined = (parts: readonly string[]): string => parts.join(", ");

export const words = {
  title: "Lab",
  intro:
    "Two phones of one person, each with its own store in this browser, and the real server. " +
    "Put both into airplane mode, change the same thing on both, and bring them back.",
  begin: "Set up both phones",
  beginConflict: "Set them up with a conflict",
  beginBody: "This makes a demo account of its own on this server; your own data is not touched.",
  beginning: "Setting up both phones…",
  elsewhere: "The lab is open in another tab. Close it there, then reload this page.",
  failed: "The phones could not be set up",
  again: "Try again",
  startOver: "Start over",
  startOverBody: "Both phones are erased and begin with a new account.",
  app: "CLARITY Pulse",
  phones: { a: "Phone A", b: "Phone B" },
  airplane: "Airplane mode",
  syncNow: "Sync now",
  goal: "Goal",
  note: "Note",
  fields: { title: "Title", target: "Target, steps a day", text: "Text" } as Record<string, string>,
  save: "Save",
  saveField: (field: string, entity: string) => `Save ${field.toLowerCase()} of the ${entity.toLowerCase()}`,
  walked: (steps: number) => `Walked so far: ${steps.toLocaleString()} steps`,
  walk: "Walk 500 steps",
  readings: (count: number) => (count === 1 ? "1 reading on this phone" : `${count} readings on this phone`),
  addReading: "Add a reading",
  stands: (version: number, waiting: number) =>
    `Version ${version} of the server` +
    (waiting === 0 ? "" : waiting === 1 ? " with 1 change on top" : ` with ${waiting} changes on top`),
  waiting: (count: number) => `Waiting to be sent: ${count}`,
  queued: {
    pending: "waits",
    blocked: "waits for another",
    in_progress: "on its way",
    conflict: "in conflict",
    failed: "not sent",
    set_aside: "set aside",
    completed: "done",
    cancelled: "cancelled",
  } as Record<string, string>,
  network: {
    title: "Network",
    names: {
      good: "Good",
      slow: "Slow",
      offline: "Offline",
      portal: "Captive portal",
      errors: "Errors",
      lost: "Lost answers",
    } satisfies Record<Network, string>,
    meanings: {
      good: "Everything gets through.",
      slow: "Three seconds for each request and its answer.",
      offline: "Nothing reaches the server, though the phones have a signal.",
      portal: "A Wi-Fi that answers everything with its own sign-in page.",
      errors: "A gateway answers 502 in the server's place.",
      lost: "The server gets and does everything, and no answer comes back.",
    } satisfies Record<Network, string>,
  },
  log: {
    title: "The server's log",
    empty: "Nothing yet.",
    clear: "Clear",
    more: (count: number) => `and ${count} more`,
    stopped: {
      airplane: "the phone was in airplane mode",
      offline: "nothing came through",
      portal: "the Wi-Fi answered with its sign-in page",
      errors: "a gateway answered 502",
      lost: "the answer was lost on its way back",
    } satisfies Record<NonNullable<Exchange["stopped"]>, string>,
  },
  types: { Goal: "goal", Note: "note", ManualReading: "reading" } as Record<string, string>,
  said: {
    change: (kind: string, type: string, fields: readonly string[]) =>
      `${kind} ${type}${fields.length > 0 ? ` (${joined(fields)})` : ""}`,
    covers: (count: number) => `, ${count} changes in one`,
    outcome: (outcome: string | undefined, version: number | undefined) =>
      `${(outcome ?? "no outcome").replaceAll("_", " ")}${version === undefined ? "" : `, version ${version}`}`,
    row: (type: string, version: number) => `told of the ${type}, version ${version}`,
  },
  seed: { goal: "Walk more", note: "Slept well.\nWoke up early.\n" },
} as const;
