// What is read out, and what is not shown at once. Time is passed in.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Announcer,
  examples,
  exampleStatus,
  ProgressSteps,
  spokenChange,
  SteadyFlow,
  viewOf,
  Words,
} from "../dist/index.js";

const NOW = Date.UTC(2026, 10, 3, 9, 14);
const words = new Words("en-GB");

/** A clock that a test moves. */
class Clock {
  now = 0;
  waiting = new Set();
  timer = (then, delay_ms) => {
    const entry = { then, at: this.now + delay_ms };
    this.waiting.add(entry);
    return () => this.waiting.delete(entry);
  };
  pass(ms) {
    this.now += ms;
    for (const entry of [...this.waiting].filter(({ at }) => at <= this.now)) {
      this.waiting.delete(entry);
      entry.then();
    }
  }
}

const announcing = () => {
  const clock = new Clock();
  const said = [];
  let status = null;
  const announcer = new Announcer(
    ({ text, urgent }) => said.push(urgent ? `! ${text}` : text),
    (from, view) => spokenChange(from, view.flow, words, status),
    clock.timer,
  );
  const observe = (other, facts = { signedIn: true }) => {
    status = exampleStatus(NOW, other);
    announcer.observe(viewOf(status, facts, words, NOW));
  };
  return { clock, said, observe };
};
const offline = {
  flow: "offline",
  waiting: 3,
  stalled: { why: "offline", since: NOW, who_must_act: "nobody", message: "", next_attempt: null },
};

/** Shows that what is so at the beginning is not read out, and each change is, once and in words
 * that say from where. */
test("transitions are read out", () => {
  const { clock, said, observe } = announcing();
  observe({});
  clock.pass(10_000);
  assert.deepEqual(said, []);
  observe(offline);
  clock.pass(1_999);
  assert.deepEqual(said, []);
  clock.pass(1);
  assert.deepEqual(said, ["Offline. Changes are saved on this device."]);
  observe({ ...offline, waiting: 4 });
  clock.pass(10_000);
  assert.equal(said.length, 1);
  const progress = { ...exampleStatus(NOW).progress, push_total: 3 };
  observe({ flow: "syncing", waiting: 3, progress });
  clock.pass(2_000);
  observe({});
  clock.pass(2_000);
  assert.deepEqual(said.slice(1), ["Back online, syncing 3 changes.", "Up to date."]);
});

/** Shows that what passes within two seconds is not read out. */
test("what passes is not read out", () => {
  const { clock, said, observe } = announcing();
  observe({});
  observe(offline);
  clock.pass(1_500);
  observe({});
  clock.pass(10_000);
  assert.deepEqual(said, []);
});

/** Shows that exactly the first four states interrupt, also when they hold from the beginning. */
test("only what is urgent interrupts", () => {
  for (const [index, { status, facts }] of examples(NOW).entries()) {
    const { clock, said, observe } = announcing();
    observe(status ?? {}, facts);
    clock.pass(2_000);
    assert.equal(said.filter((text) => text.startsWith("! ")).length, index < 4 ? 1 : 0);
    assert.equal(said.length, index < 4 ? 1 : 0);
  }
});

/** Shows that what begins together is read out together, for a second text would take the place of
 * the first; and that what is urgent has a text of its own. */
test("what begins together is read out together", () => {
  const { clock, said, observe } = announcing();
  observe({});
  const failed = { ...offline, attention: ["failed", "conflicts"], failed: 1, conflicts: 2 };
  observe(failed);
  clock.pass(2_000);
  const [text, ...others] = said;
  assert.deepEqual(others, []);
  for (const name of ["failed", "conflicts", "offline"]) {
    const view = viewOf(exampleStatus(NOW, failed), { signedIn: true }, words, NOW);
    assert.ok(text.includes(view.all.find((state) => state.name === name).spoken), text);
  }
  observe({ ...failed, attention: ["auth_required", ...failed.attention] });
  observe({ attention: ["auth_required", "conflicts"], conflicts: 2 });
  clock.pass(2_000);
  assert.equal(said.length, 3);
  assert.match(said[1], /^! /);
  assert.doesNotMatch(said[2], /^! /);
});

/** Shows when a flow takes the place of another one: after a second or three, and not at all when
 * it has passed by then. */
test("flows do not flap", () => {
  const clock = new Clock();
  const shown = [];
  const flow = new SteadyFlow((value) => shown.push(value), clock.timer);
  flow.offer("synced", "synced 1");
  flow.offer("offline", "offline 1");
  clock.pass(2_000);
  flow.offer("offline", "offline 2");
  clock.pass(999);
  assert.deepEqual(shown, ["synced 1"]);
  clock.pass(1);
  assert.deepEqual(shown, ["synced 1", "offline 2"]);
  flow.offer("syncing", "syncing 1");
  clock.pass(500);
  flow.offer("offline", "offline 3");
  clock.pass(10_000);
  assert.deepEqual(shown.slice(2), ["offline 3"]);
  flow.offer("synced", "synced 2");
  clock.pass(1_000);
  flow.offer("syncing", "syncing 2");
  clock.pass(900);
  flow.offer("synced", "synced 3");
  clock.pass(10_000);
  assert.deepEqual(shown.slice(3), ["synced 2", "synced 3"]);
});

/** Shows that what waits takes the place of "up to date" at once, whatever must last to be shown. */
test("what waits is never called up to date", () => {
  const clock = new Clock();
  const shown = [];
  const flow = new SteadyFlow((value) => shown.push(value), clock.timer);
  const waiting = { name: "pending", value: "waiting" };
  for (const [name, lasting_ms] of [["syncing", 1_000], ["offline", 3_000]]) {
    flow.offer("synced", "synced");
    flow.offer(name, name, waiting);
    assert.deepEqual(shown.splice(0), ["synced", "waiting"]);
    flow.offer(name, name, waiting);
    clock.pass(lasting_ms - 1);
    assert.deepEqual(shown, []);
    clock.pass(1);
    assert.deepEqual(shown.splice(0), [name]);
    clock.pass(10_000);
    flow.offer("synced", "synced");
    clock.pass(10_000);
    assert.deepEqual(shown.splice(0), ["synced"]);
  }
});

/** Shows that a progress is read out at its start, its quarters and its end. */
test("progress is read out by quarters", () => {
  const steps = new ProgressSteps();
  const parts = [null, 0.1, 0.25, 0.3, 0.8, 0.9];
  const said = parts.map((part) => steps.advance(part, false));
  assert.deepEqual(said, ["start", null, 0.25, null, 0.75, null]);
  assert.equal(steps.advance(1, true), "end");
  assert.equal(steps.advance(1, true), null);
});
