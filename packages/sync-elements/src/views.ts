import type { Progress, Status } from "@clarity/sync";
import { activeStates, STATES, unsent } from "./states.js";
import type { Facts, StateName, StateTraits, Tone } from "./states.js";
import type { Words } from "./words.js";

/** A state in words. */
export interface StateView extends Omit<StateTraits, "tone"> {
  readonly name: StateName;
  readonly tone: Tone;
  /** Two or three words. */
  readonly chip: string;
  readonly headline: string;
  readonly body: string;
  /** What is read out when it begins. */
  readonly spoken: string;
}

/** Everything that holds now, in words. */
export interface SyncView {
  /** Whether things move. */
  readonly flow: StateView;
  /** What somebody should look at first, if anything. */
  readonly attention: StateView | null;
  /** How many more states want attention. */
  readonly more: number;
  /** All states that hold, most urgent first. */
  readonly all: readonly StateView[];
}

/** What a text about a state is made of. */
interface Moment {
  readonly status: Status | null;
  readonly facts: Facts;
  readonly words: Words;
  readonly now: number;
}

type Texts = Pick<StateView, "chip" | "headline" | "body" | "spoken">;

const DAY_MS = 24 * 3_600_000;
const OLD_MS = DAY_MS;
const VERY_OLD_MS = 7 * DAY_MS;

/** Where the sync stands, in words; `status` is null before there is one. */
export function viewOf(status: Status | null, facts: Facts, words: Words, now: number): SyncView {
  const moment = { status, facts, words, now };
  const all = activeStates(status, facts).map((name) => stateView(name, moment));
  const flow = all.find((state) => state.part === "flow") ?? stateView("starting", moment);
  const attentions = all.filter((state) => state.part === "attention");
  return { flow, attention: attentions[0] ?? null, more: Math.max(0, attentions.length - 1), all };
}

function stateView(name: StateName, moment: Moment): StateView {
  const texts = (TEXTS[name] ?? plain)(moment, name);
  const traits = STATES[name];
  const { status, now } = moment;
  const isVeryOld = name === "pending" && age(status, now) > VERY_OLD_MS;
  return { ...traits, ...texts, name, tone: isVeryOld ? "red" : traits.tone };
}

/** A state whose words are always the same but for numbers. */
function plain({ status, facts, words }: Moment, name: StateName): Texts {
  const values = {
    count: countOf(name, status),
    free: words.bytes(facts.space?.freeBytes ?? 0),
    offset: words.lasting(Math.abs(facts.clockOffsetMs ?? 0)),
  };
  return {
    chip: words.text(`${name as "damaged"}.chip`, values),
    headline: words.text(`${name as "damaged"}.headline`, values),
    body: words.text(`${name as "damaged"}.body`, values),
    spoken: words.text(`${name as "damaged"}.spoken`, values),
  };
}

/** How many changes a state is about: those that go by themselves, or all that are here only. */
function countOf(name: StateName, status: Status | null): number {
  if (status === null) return 0;
  if (name === "failed") return status.failed;
  const goes = name === "offline" || name === "server-unreachable" || name === "auth-required";
  return goes ? status.waiting : unsent(status);
}

const TEXTS: Partial<Record<StateName, (moment: Moment, name: StateName) => Texts>> = {
  conflicts: ({ status, words }) => {
    const values = { count: status?.conflicts ?? 0 };
    return {
      chip: words.text("conflicts.chip", values),
      headline: words.text("conflicts.headline", values),
      body: words.text("conflicts.body"),
      spoken: words.text("conflicts.spoken", values),
    };
  },
  "server-unreachable": (moment, name) => {
    const { status, words } = moment;
    const values = { count: countOf(name, status), next: nextTry(moment, "next.again") };
    return { ...plain(moment, name), body: words.text("server-unreachable.body", values) };
  },
  paused: (moment, name) => {
    const { status, words, now } = moment;
    const until = status?.stalled?.next_attempt ?? null;
    const body =
      status?.stalled?.why === "metered"
        ? words.text("paused.metered")
        : until === null
          ? words.text("paused.body")
          : words.text("paused.until", { until: words.clock(until, now) });
    return { ...plain(moment, name), body };
  },
  offline: (moment, name) => {
    const { status, words, now } = moment;
    const texts = plain(moment, name);
    if (countOf(name, status) > 0) return texts;
    const at = status?.last_pull ?? null;
    const chip =
      at === null
        ? words.text("offline.chip.never")
        : words.text("offline.chip.empty", { at: words.clock(at, now) });
    return { ...texts, chip, body: words.text("offline.body.empty") };
  },
  "first-sync": firstSync,
  syncing,
  pending,
  "source-stale": ({ facts, words, now }) => {
    const [first] = facts.staleSources ?? [];
    const values = { source: first?.name ?? "", ago: words.ago(first?.lastReadAt ?? now, now) };
    return {
      chip: words.text("source-stale.chip"),
      headline: words.text("source-stale.headline", values),
      body: words.text("source-stale.body"),
      spoken: words.text("source-stale.spoken", values),
    };
  },
  synced: ({ status, words, now }) => {
    const at = status?.last_pull ?? now;
    return {
      chip: words.text("synced.chip"),
      headline: words.text("synced.headline", { ago: words.ago(at, now) }),
      body: words.text("synced.body", { at: words.dateTime(at) }),
      spoken: words.text("synced.spoken"),
    };
  },
};

function firstSync({ status, words, now }: Moment): Texts {
  const headline = words.text("first-sync.headline");
  const spoken = words.text("first-sync.spoken");
  const progress = status?.progress;
  if (progress === undefined || progress.pull_total === 0) {
    const chip = words.text("first-sync.chip.unknown");
    return { chip, headline, spoken, body: words.text("first-sync.body.unknown") };
  }
  const { pulled: done, pull_total: total } = progress;
  const left_ms = timeLeft(progress, now);
  const body =
    left_ms === null
      ? words.text("first-sync.body", { done, total })
      : words.text("first-sync.body.eta", { done, total, eta: words.lasting(left_ms) });
  const chip = words.text("first-sync.chip", { part: words.percent(done / total) });
  return { chip, headline, spoken, body };
}

const ETA_AFTER_MS = 5_000;
const ETA_AFTER_PART = 0.05;

/** How long a download still takes, rounded up to whole minutes from the first on; null while too
 * little is done to tell. */
function timeLeft({ began_at, pulled, pull_total }: Progress, now: number): number | null {
  if (began_at === null || pulled >= pull_total) return null;
  const passed = now - began_at;
  if (passed < ETA_AFTER_MS || pulled < pull_total * ETA_AFTER_PART) return null;
  const left_ms = (passed / pulled) * (pull_total - pulled);
  const step_ms = left_ms < 60_000 ? 10_000 : 60_000;
  return Math.ceil(left_ms / step_ms) * step_ms;
}

function syncing({ status, words }: Moment): Texts {
  const { pushed = 0, push_total = 0, pulled = 0, pull_total = 0 } = status?.progress ?? {};
  const isUp = push_total > pushed;
  const [done, total] = isUp || pull_total === 0 ? [pushed, push_total] : [pulled, pull_total];
  if (total === 0) {
    const chip = words.text("syncing.chip.unknown");
    const headline = words.text("syncing.headline");
    return { chip, headline, body: "", spoken: words.text("syncing.spoken") };
  }
  const isSending = total === push_total && (isUp || pull_total === 0);
  const headline = isSending ? "syncing.headline.up" : "syncing.headline.down";
  const left = total - done;
  return {
    chip: words.text("syncing.chip", { done, total }),
    headline: words.text(headline, { count: total }),
    body: words.text("syncing.body", { done, total }),
    spoken:
      isSending && left > 0
        ? words.text("syncing.spoken.up", { count: left })
        : words.text("syncing.spoken"),
  };
}

function pending(moment: Moment): Texts {
  const { status, words, now } = moment;
  const count = status?.waiting ?? 0;
  if (count === 0) {
    const kind = unsent(status) > 0 ? "held" : "checking";
    return {
      chip: words.text(`pending.chip.${kind}`),
      headline: words.text(`pending.headline.${kind}`),
      body: words.text(`pending.body.${kind}`),
      spoken: words.text(`pending.spoken.${kind}`),
    };
  }
  const old_ms = age(status, now);
  const values = { count, age: words.lasting(old_ms), next: nextTry(moment, "next.at") };
  const isOld = old_ms > OLD_MS;
  const body = isOld ? "pending.body.old" : "pending.body.next";
  return {
    chip: words.text(isOld ? "pending.chip.old" : "pending.chip", values),
    headline: words.text("pending.headline", values),
    body: words.text(body, values).trim(),
    spoken: words.text("pending.spoken", values),
  };
}

function age(status: Status | null, now: number): number {
  const oldest = status?.oldest_waiting ?? null;
  return oldest === null ? 0 : now - oldest;
}

function nextTry({ status, words, now }: Moment, key: "next.at" | "next.again"): string {
  const at = status?.stalled?.next_attempt ?? null;
  if (at === null || at <= now) return words.text("next.soon");
  return words.text(key, { wait: words.lasting(at - now + 999) });
}

/** What is read out when one flow follows another. */
export function spokenChange(
  from: StateName | null,
  view: StateView,
  words: Words,
  status: Status | null,
): string {
  const wasAway = from === "offline" || from === "server-unreachable" || from === "captive-portal";
  if (view.name !== "syncing" || !wasAway) return view.spoken;
  const { pushed = 0, push_total = 0 } = status?.progress ?? {};
  const count = push_total - pushed;
  return count > 0
    ? words.text("syncing.spoken.back.up", { count })
    : words.text("syncing.spoken.back");
}
