// The states: which hold, and in which words.

import assert from "node:assert/strict";
import { test } from "node:test";
import { english, examples, exampleStatus, pseudo, STATES, viewOf, Words } from "../dist/index.js";

const NOW = Date.UTC(2026, 10, 3, 9, 14);
const HOUR_MS = 3_600_000;
const words = new Words("en-GB");
const view = (status, facts = { signedIn: true }) => viewOf(status, facts, words, NOW);
const viewWith = (other, facts) => view(exampleStatus(NOW, other), facts);
const stalled = (why, next_attempt = null) => ({
  why,
  since: NOW,
  who_must_act: "nobody",
  message: "",
  next_attempt,
});

/** Shows that each of the 21 states of the specification is reached, says something in each place
 * and leaves no hole in its words, in every catalogue. */
test("each state has its words", () => {
  const all = examples(NOW);
  assert.deepEqual(all.map(({ name }) => STATES[name].number), Array.from({ length: 21 }, (_, i) => i + 1));
  for (const catalogue of [english, pseudo]) {
    const spoken = new Map();
    for (const { name, status, facts } of all) {
      const shown = viewOf(status, facts, new Words("en-GB", catalogue), NOW);
      const state = shown.all.find((each) => each.name === name);
      assert.ok(state, `${name} holds`);
      if (state.part === "flow") assert.equal(shown.flow, state);
      if (state.part === "attention") assert.equal(shown.attention, state);
      for (const text of [state.chip, state.headline, state.body, state.spoken]) {
        assert.match(text, /\w/u, name);
        assert.doesNotMatch(text, /[{}]|undefined|NaN/u, name);
      }
      assert.equal(spoken.get(state.spoken), undefined, `${name} sounds like another state`);
      spoken.set(state.spoken, name);
    }
    assert.equal(spoken.size, 21);
  }
});

/** Shows the words of the specification, one line for each state. */
test("the words are those of the specification", () => {
  const chips = examples(NOW).map(({ name, status, facts }) => {
    const state = view(status, facts).all.find((each) => each.name === name);
    return `${state.tone}: ${state.chip} | ${state.headline} | ${state.body}`;
  });
  assert.deepEqual(chips, [
    "red: Repair needed | The local database needs repair | Nothing has been deleted. 4 changes were not yet uploaded.",
    "red: Storage full | No space left on this device | New entries can’t be saved until space is free.",
    "red: Sign in to sync | Please sign in again | 3 changes are safe on this device and will upload after sign-in.",
    "red: Access removed | This device was removed from your account | 3 changes were not uploaded. They are still on this device.",
    "red: Update needed | Update to keep syncing | You can keep adding entries.",
    "red: 1 change not sent | 1 change could not be uploaded | It stays on this device until you decide what to do.",
    "violet: 2 to review | 2 entries were changed in two places | Both versions are kept until you choose.",
    "yellow: Storage low | 48 MB left for this app | Free some space, so that new entries can be saved.",
    "yellow: Data at risk | The browser may delete offline data | Install the app or allow storage to keep 5 unsent changes safe.",
    "grey: Wi-Fi sign-in | This Wi-Fi needs sign-in | We got a web page instead of our server.",
    "grey: Can’t reach server | Can’t reach the server | Trying again in 40 secs. 3 changes saved here.",
    "yellow: Check clock | This device’s clock is about 3 hrs off | The order of changes is still kept.",
    "grey: Paused | Sync is paused | Until 10:14.",
    "grey: Offline · 3 | You’re offline | 3 changes saved on this device. They’ll upload when you’re back online.",
    "orange: Setting up 34% | Getting your data | 12,400 of 36,100 records, about 2 mins. You can use the app meanwhile.",
    "orange: Syncing 12/40 | Uploading 40 changes | 12 of 40",
    "yellow: 3 waiting · oldest 2 days | 3 changes waiting | Saved on this device. The oldest is 2 days old. Next try in 12 secs.",
    "grey: Open elsewhere | Syncing in another tab | This browser can have the app open in one tab at a time.",
    "yellow: Source not read | Apple Health last read 9 days ago | Import it again, or reconnect it.",
    "grey: New version | A new version is ready | Unsaved form text is kept.",
    "green: Up to date | Up to date · 2 min ago | Last checked 3 Nov 2026, 09:12.",
  ]);
});

/** Shows that nothing claims to be up to date while offline, before the server has acknowledged a
 * pull, or while anything is on this device only. */
test("up to date means what the server said", () => {
  const offline = viewWith({ flow: "offline", stalled: stalled("offline") });
  assert.equal(offline.flow.name, "offline");
  assert.equal(offline.flow.chip, "Offline · data from 09:12");
  assert.equal(viewWith({ last_pull: null }).flow.name, "pending");
  assert.equal(viewWith({ last_pull: null }).flow.chip, "Checking");
  assert.equal(viewWith({ flow: "pending", conflicts: 1 }).flow.chip, "Waiting for you");
  assert.equal(viewWith({ flow: "pending", waiting: 1 }).flow.chip, "1 waiting");
});

/** Shows that a server is not called unreachable by a device that has no network. */
test("a try without a network", () => {
  const network = (online) => ({ online, metered: false, policy: "any" });
  const tried = (online) =>
    viewWith({ flow: "offline", stalled: stalled("server_unreachable"), network: network(online) });
  assert.equal(tried(false).flow.name, "offline");
  assert.equal(tried(true).flow.name, "server-unreachable");
  assert.equal(tried(null).flow.name, "server-unreachable");
});

/** Shows that “last checked” is when a pull ended, not when one began or a request succeeded. */
test("the time is that of the last whole pull", () => {
  const shown = viewWith({ last_success: NOW, last_pull: NOW - 3 * HOUR_MS });
  assert.equal(shown.flow.headline, "Up to date · 3 hr ago");
});

/** Shows that what waits for long is called out, and after a week in red. */
test("age escalates", () => {
  const waiting = (age_ms) =>
    viewWith({ flow: "pending", waiting: 2, oldest_waiting: NOW - age_ms }).flow;
  assert.deepEqual([waiting(HOUR_MS).tone, waiting(HOUR_MS).chip], ["yellow", "2 waiting"]);
  assert.deepEqual(waiting(25 * HOUR_MS).chip, "2 waiting · oldest 1 day");
  assert.deepEqual([waiting(8 * 24 * HOUR_MS).tone, waiting(25 * HOUR_MS).tone], ["red", "yellow"]);
});

/** Shows that an operation that is tried again by itself is not called failed. */
test("what is tried again has not failed", () => {
  const shown = viewWith({ flow: "pending", attention: ["failed"], set_aside: 1, waiting: 1 });
  assert.equal(shown.attention, null);
  assert.equal(shown.flow.chip, "1 waiting");
});

/** Shows that the most urgent attention comes first and the others are counted. */
test("attention is ordered", () => {
  const shown = viewWith(
    { flow: "pending", attention: ["conflicts", "auth_required"], conflicts: 1 },
    { signedIn: true, clockOffsetMs: -HOUR_MS },
  );
  assert.equal(shown.attention.name, "auth-required");
  assert.equal(shown.more, 2);
  assert.deepEqual(shown.all.map(({ name }) => name), [
    "auth-required",
    "conflicts",
    "clock-wrong",
    "pending",
  ]);
});

/** Shows what is said before anybody has signed in, and before the store is open. */
test("before the first sync", () => {
  assert.equal(viewWith({ last_pull: null }, { signedIn: false }).flow.name, "local");
  assert.equal(view(null).flow.name, "starting");
  const unknown = viewWith({ flow: "syncing", catching_up: true, last_pull: null }).flow;
  assert.deepEqual([unknown.name, unknown.chip], ["first-sync", "Setting up"]);
});

/** Shows that a language with more plural forms than English gets each of them, and its numbers. */
test("plurals follow the language", () => {
  const polish = new Words("pl", {
    ...english,
    "pending.headline": {
      one: "{count} zmiana czeka",
      few: "{count} zmiany czekają",
      many: "{count} zmian czeka",
      other: "{count} zmiany czeka",
    },
  });
  const said = [1, 3, 12, 22, 40_000].map((count) => polish.text("pending.headline", { count }));
  assert.deepEqual(said, [
    "1 zmiana czeka",
    "3 zmiany czekają",
    "12 zmian czeka",
    "22 zmiany czekają",
    "40\u00a0000 zmian czeka",
  ]);
});
