import type { Pause, Status } from "@clarity/sync";
import type { Facts, StateName } from "./states.js";

/** Something that puts the elements into one state: for a gallery and for tests. */
export interface Example {
  readonly name: StateName;
  readonly status: Status | null;
  readonly facts: Facts;
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** A status in which all is well at `now`, with some of it otherwise. */
export function exampleStatus(now: number, other: Partial<Status> = {}): Status {
  return {
    flow: "synced",
    attention: [],
    waiting: 0,
    in_flight: 0,
    failed: 0,
    set_aside: 0,
    conflicts: 0,
    wanted: 0,
    stalled: null,
    idle: true,
    making_room: false,
    catching_up: false,
    progress: exampleProgress(),
    last_success: now - 2 * MINUTE_MS,
    last_pull: now - 2 * MINUTE_MS,
    oldest_waiting: null,
    last_error: null,
    last_error_at: null,
    network: { online: true, metered: false, policy: "any" },
    ...other,
  };
}

function exampleProgress(other: Partial<Status["progress"]> = {}): Status["progress"] {
  return {
    run: 1,
    began_at: null,
    over: true,
    pushed: 0,
    push_total: 0,
    pulled: 0,
    pull_total: 0,
    bytes_sent: 0,
    bytes_received: 0,
    ...other,
  };
}

/** One example of each state of the specification, in its order. */
export function examples(now: number): Example[] {
  const waiting = (count: number, age_ms = 5 * MINUTE_MS): Partial<Status> => ({
    flow: "pending",
    waiting: count,
    oldest_waiting: now - age_ms,
  });
  const stalled = (why: Pause, next_attempt: number | null = null): Partial<Status> => ({
    stalled: { why, since: now - MINUTE_MS, who_must_act: "nobody", message: "", next_attempt },
  });
  const held = (attention: Status["attention"][number], why: Pause, count: number) =>
    exampleStatus(now, { ...waiting(count), ...stalled(why), attention: [attention] });
  const well = exampleStatus(now);
  const example = (name: StateName, status: Status | null, facts: Facts = {}): Example => ({
    name,
    status,
    facts: { signedIn: true, persistent: true, ...facts },
  });
  const of = (name: StateName, ...others: Partial<Status>[]): Example =>
    example(name, exampleStatus(now, Object.assign({}, ...others) as Partial<Status>));
  const setting_up = exampleProgress({
    over: false,
    began_at: now - MINUTE_MS,
    pulled: 12_400,
    pull_total: 36_100,
  });
  const sending = exampleProgress({ over: false, pushed: 12, push_total: 40 });
  return [
    example("damaged", held("damaged", "damaged", 4)),
    example("storage-full", held("storage_full", "storage_full", 2)),
    example("auth-required", held("auth_required", "auth_required", 3)),
    example("access-removed", held("access_removed", "access_removed", 3)),
    example("upgrade-required", held("upgrade_required", "upgrade_required", 1)),
    of("failed", { flow: "pending", attention: ["failed"], failed: 1 }),
    of("conflicts", { flow: "pending", attention: ["conflicts"], conflicts: 2 }),
    example("storage-low", well, { space: { freeBytes: 48_000_000, quotaBytes: 4_000_000_000 } }),
    example("not-persistent", exampleStatus(now, waiting(5)), { persistent: false }),
    of("captive-portal", { flow: "offline" }, waiting(3), stalled("captive_portal"), {
      flow: "offline",
      attention: ["captive_portal"],
    }),
    of("server-unreachable", waiting(3), stalled("server_unreachable", now + 40_000), {
      flow: "offline",
    }),
    example("clock-wrong", well, { clockOffsetMs: 3 * 3_600_000 }),
    of("paused", waiting(2), stalled("user_paused", now + 60 * MINUTE_MS)),
    of("offline", waiting(3), stalled("offline"), { flow: "offline" }),
    of("first-sync", { catching_up: true, last_pull: null, progress: setting_up }, {
      flow: "syncing",
    }),
    of("syncing", waiting(28), { flow: "syncing", in_flight: 28, progress: sending }),
    of("pending", waiting(3, 2 * DAY_MS), stalled("backoff", now + 12_000)),
    example("open-elsewhere", null, { openElsewhere: true }),
    example("source-stale", well, {
      staleSources: [{ name: "Apple Health", lastReadAt: now - 9 * DAY_MS }],
    }),
    example("update-ready", well, { updateReady: true }),
    example("synced", well),
  ];
}
