import type { Pause, Status } from "@clarity/sync";

/** What an app knows besides the engine. All of it is optional: what is not known shows nothing. */
export interface Facts {
  /** Whether somebody has signed in; absent if not known. */
  readonly signedIn?: boolean;
  /** How much the browser still gives to this origin. */
  readonly space?: { readonly freeBytes: number; readonly quotaBytes: number };
  /** Whether the browser never deletes the store by itself. */
  readonly persistent?: boolean;
  /** How far the device's clock is from the server's, ahead being positive. */
  readonly clockOffsetMs?: number;
  /** Whether another tab has the store, in a browser that cannot share it. */
  readonly openElsewhere?: boolean;
  /** Sources that were not read for longer than the app finds good. */
  readonly staleSources?: readonly StaleSource[];
  /** Whether a new version of the app waits for a reload. */
  readonly updateReady?: boolean;
}

/** A source that was not read for long. */
export interface StaleSource {
  readonly name: string;
  readonly lastReadAt: number;
}

/** The states that are shown, most urgent first. The number is the one in the specification. */
export type StateName =
  | "damaged"
  | "storage-full"
  | "auth-required"
  | "access-removed"
  | "upgrade-required"
  | "failed"
  | "conflicts"
  | "storage-low"
  | "not-persistent"
  | "captive-portal"
  | "server-unreachable"
  | "clock-wrong"
  | "paused"
  | "offline"
  | "first-sync"
  | "syncing"
  | "pending"
  | "open-elsewhere"
  | "source-stale"
  | "update-ready"
  | "synced"
  | "local"
  | "starting";

/** A colour, by what it means. */
export type Tone = "grey" | "orange" | "yellow" | "green" | "red" | "violet";

/** Where a state is shown: as the flow, as what needs attention, or in the details only. */
export type Part = "flow" | "attention" | "note";

/** What a person can do about a state. */
export type Action =
  | "save-copy"
  | "repair"
  | "manage-storage"
  | "sign-in"
  | "export-unsent"
  | "erase-device"
  | "update-app"
  | "review-failed"
  | "review-conflicts"
  | "allow-storage"
  | "install-app"
  | "open-portal"
  | "sync-now"
  | "pause"
  | "resume"
  | "use-here"
  | "import"
  | "reload";

/** What is always so of a state. */
export interface StateTraits {
  /** Its number; of none when the specification does not count it. */
  readonly number: number | null;
  readonly part: Part;
  readonly tone: Tone;
  /** Whether it takes the place of the flow's words and interrupts what is being read out. */
  readonly urgent: boolean;
  readonly actions: readonly Action[];
}

function attention(
  number: number,
  tone: Tone,
  actions: readonly Action[],
  urgent = false,
): StateTraits {
  return { number, part: "attention", tone, urgent, actions };
}

function flow(number: number | null, tone: Tone, actions: readonly Action[]): StateTraits {
  return { number, part: "flow", tone, urgent: false, actions };
}

function note(number: number, tone: Tone, actions: readonly Action[]): StateTraits {
  return { number, part: "note", tone, urgent: false, actions };
}

/** The states in the order of their urgency. Each has its icon by its own name. */
export const STATES: Readonly<Record<StateName, StateTraits>> = {
  damaged: attention(1, "red", ["save-copy", "repair"], true),
  "storage-full": attention(2, "red", ["manage-storage"], true),
  "auth-required": attention(3, "red", ["sign-in"], true),
  "access-removed": attention(4, "red", ["export-unsent", "erase-device"], true),
  "upgrade-required": attention(5, "red", ["update-app"]),
  failed: attention(6, "red", ["review-failed"]),
  conflicts: attention(7, "violet", ["review-conflicts"]),
  "storage-low": attention(8, "yellow", ["manage-storage"]),
  "not-persistent": attention(9, "yellow", ["allow-storage", "install-app"]),
  "captive-portal": flow(10, "grey", ["open-portal"]),
  "server-unreachable": flow(11, "grey", ["sync-now"]),
  "clock-wrong": attention(12, "yellow", []),
  paused: flow(13, "grey", ["resume"]),
  offline: flow(14, "grey", []),
  "first-sync": flow(15, "orange", ["pause"]),
  syncing: flow(16, "orange", ["pause"]),
  pending: flow(17, "yellow", ["sync-now"]),
  "open-elsewhere": flow(18, "grey", ["use-here"]),
  "source-stale": note(19, "yellow", ["import"]),
  "update-ready": note(20, "grey", ["reload"]),
  synced: flow(21, "green", ["sync-now", "pause"]),
  local: flow(null, "grey", ["sign-in"]),
  starting: flow(null, "grey", []),
};

/** Less free space than this, or than a tenth of what the browser gives, is low. */
const SPACE_LOW_BYTES = 50_000_000;
const SPACE_LOW_PART = 0.1;
/** A clock that is off by less does not mislead anybody. */
const CLOCK_WRONG_MS = 5 * 60_000;

/** The states that hold now, most urgent first; exactly one of them is the flow. */
export function activeStates(status: Status | null, facts: Facts): StateName[] {
  const holds = new Set<StateName>([flowOf(status, facts)]);
  for (const attention of status?.attention ?? []) {
    const name = ATTENTION[attention];
    // What is only set aside is tried again by itself; nobody has to look at it.
    if (name !== undefined && (name !== "failed" || status?.failed !== 0)) holds.add(name);
  }
  const { space, clockOffsetMs = 0, persistent, staleSources = [], updateReady } = facts;
  if (space !== undefined && isLow(space) && !holds.has("storage-full")) holds.add("storage-low");
  if (persistent === false && unsent(status) > 0) holds.add("not-persistent");
  if (Math.abs(clockOffsetMs) >= CLOCK_WRONG_MS) holds.add("clock-wrong");
  if (staleSources.length > 0) holds.add("source-stale");
  if (updateReady === true) holds.add("update-ready");
  return (Object.keys(STATES) as StateName[]).filter((name) => holds.has(name));
}

/** How many changes are on this device only. */
export function unsent(status: Status | null): number {
  return status === null ? 0 : status.waiting + status.failed + status.conflicts;
}

const ATTENTION: Partial<Record<Status["attention"][number], StateName>> = {
  damaged: "damaged",
  storage_full: "storage-full",
  auth_required: "auth-required",
  access_removed: "access-removed",
  upgrade_required: "upgrade-required",
  failed: "failed",
  conflicts: "conflicts",
};

const PAUSED: Partial<Record<Pause, StateName>> = {
  captive_portal: "captive-portal",
  server_unreachable: "server-unreachable",
  config: "server-unreachable",
  user_paused: "paused",
  metered: "paused",
  offline: "offline",
};

function flowOf(status: Status | null, facts: Facts): StateName {
  if (facts.openElsewhere === true) return "open-elsewhere";
  if (status === null) return "starting";
  // Without an account nothing is ever sent, whatever the network does.
  if (facts.signedIn === false && status.last_pull === null) return "local";
  const paused = status.stalled === null ? undefined : PAUSED[status.stalled.why];
  // A try without a network finds no server: it is the network that is missing, as far as is known.
  if (paused === "server-unreachable" && status.network.online === false) return "offline";
  if (paused !== undefined) return paused;
  if (status.flow === "offline") return "offline";
  if (status.catching_up && status.last_pull === null) return "first-sync";
  if (status.flow === "syncing") return "syncing";
  // The engine says so only after the server has acknowledged everything.
  return status.flow === "synced" && status.last_pull !== null ? "synced" : "pending";
}

function isLow(space: { freeBytes: number; quotaBytes: number }): boolean {
  return space.freeBytes < SPACE_LOW_BYTES || space.freeBytes < space.quotaBytes * SPACE_LOW_PART;
}
