// What a person's choices become.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ActivityLog, exampleStatus, lossOf, Names, resolution, Words } from "../dist/index.js";

const NOW = Date.UTC(2026, 10, 3, 9, 14);
const conflict = (fields, other = {}) => ({
  conflict: 1,
  type: "Weight",
  id: "a",
  fields,
  deleted_by: null,
  local_changed_at: NOW,
  server_changed_at: NOW - 1,
  mark: { server_version: 1, last_operation: 1 },
  ...other,
});
const two = conflict([
  { field: "kilograms", base: 78, local: 79, server: 77 },
  { field: "note", base: "a", local: "b" },
]);
const local = { side: "local" };
const server = { side: "server" };

/** Shows that one side of everything is that side, and everything else names each field. */
test("choices become a resolution", () => {
  const of = (...choices) => {
    const map = new Map(choices.map((choice, index) => [two.fields[index].field, choice]));
    return resolution.resolutionOf(two, map);
  };
  assert.deepEqual(of(local, local), { choose: "keep_mine" });
  assert.deepEqual(of(server, server), { choose: "use_server" });
  assert.deepEqual(of(local, server), {
    choose: "merged",
    set: { kilograms: 79 },
    remove: ["note"],
  });
  assert.deepEqual(of({ side: "edit", value: 78.5 }, local), {
    choose: "merged",
    set: { kilograms: 78.5, note: "b" },
    remove: [],
  });
  assert.throws(() => of(local), /note is not decided/u);
});

/** Shows that after a side moved those choices stay that still mean the same value. */
test("choices are carried over", () => {
  const moved = conflict([{ field: "kilograms", base: 78, local: 79, server: 70 }, two.fields[1]]);
  const keep = (choice) => {
    const choices = new Map([["kilograms", choice], ["note", local]]);
    return [...resolution.carried(two, choices, moved).keys()];
  };
  assert.deepEqual(keep(local), ["kilograms", "note"]);
  assert.deepEqual(keep(server), ["note"]);
});

/** Shows that lists are united and texts put one below the other, and numbers are neither. */
test("both versions", () => {
  assert.deepEqual(resolution.both({ local: ["a", "b"], server: ["b", "c"] }), ["a", "b", "c"]);
  assert.equal(resolution.both({ local: ["a"], server: ["b", "a"] }), undefined);
  assert.equal(resolution.both({ local: "a", server: "b" }), "a\nb");
  assert.equal(resolution.both({ local: 1, server: 2 }), undefined);
});

/** Shows which part of a text is marked as changed, also where characters repeat. */
test("the changed part of a text", () => {
  assert.deepEqual(resolution.changedPart("after a run", "after the run"), ["after ", "the", " run"]);
  assert.deepEqual(resolution.changedPart("aa", "aaa"), ["aa", "a", ""]);
  assert.deepEqual(resolution.changedPart("same", "same"), ["same", "", ""]);
});

/** Shows that what a discard would lose is told field by field, with what goes along, and that a long
 * text does not put the question out of sight. */
test("a loss in words", () => {
  const fields = [{ field: "diastolic", before: 80, after: null }];
  const preview = {
    ends: [{ goes_along: false }, { goes_along: true }],
    queues: [],
    entities: [{ type: "BloodPressure", id: "a", shown_before: true, shown_after: true, fields }],
  };
  assert.equal(
    lossOf(preview, new Names(new Words("en-GB"))),
    "You will lose: Diastolic 80 → —. 1 change that needs it goes with it.",
  );
  fields[0] = { field: "note", before: "😀 long ".repeat(1_000), after: null };
  const said = lossOf(preview, new Names(new Words("en-GB")));
  assert.match(said, /^You will lose: Note (😀 long )+😀 \w+… → —\./u);
  assert.ok(said.length < 400, said);
});

/** Shows that the log has one event for each run that did something, and each new problem. */
test("the log of what happened", () => {
  const log = new ActivityLog();
  const { progress } = exampleStatus(NOW);
  const observe = (other, at = NOW) => log.observe(exampleStatus(NOW, other), at);
  observe({});
  const run = { ...progress, run: 2, began_at: NOW, pushed: 3, push_total: 3 };
  observe({ progress: { ...run, over: false } });
  observe({ progress: run }, NOW + 2_000);
  observe({ progress: run, conflicts: 1 }, NOW + 3_000);
  observe({ progress: run, conflicts: 1 }, NOW + 4_000);
  observe({ progress: { ...progress, run: 3 } }, NOW + 5_000);
  assert.deepEqual(log.events, [
    { at: NOW + 3_000, kind: "conflicts", count: 1 },
    { at: NOW + 2_000, kind: "synced", sent: 3, received: 0, duration_ms: 2_000 },
  ]);
});
