// What is made of what a person types, and of what is written out.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { runnerImport } from "vite";

const load = async (name) => {
  const path = fileURLToPath(new URL(`../src/${name}.ts`, import.meta.url));
  return (await runnerImport(path, { configFile: false, logLevel: "error" })).module;
};
const { metricOf, readNumber, shownValue } = await load("metrics");
const { readLine } = await load("quick");
const { readForm } = await load("kinds");
const { keepUnshown, kindOf, typedOf } = await load("editing");
const { partnerOf, rowsOf } = await load("entry-row");
const { cells } = await load("exporting");
const { routeOf } = await load("router");

const read = (metric, text) => readNumber(metricOf(metric), text);
const NOW = Date.UTC(2026, 0, 1);
/** Shows that a little of something is not shown as nothing of it. */
test("small values", () => {
  const shown = (metric, value) => shownValue(metricOf(metric), value);
  assert.equal(shown("ActiveEnergyBurned", 0.246), "0.2 kcal");
  assert.equal(shown("ActiveEnergyBurned", 0.6), "1 kcal");
  assert.equal(shown("ActiveEnergyBurned", 0), "0 kcal");
  assert.equal(shown("DistanceWalkingRunning", 3.4), "0.003 km");
  assert.equal(shown("DistanceWalkingRunning", 12), "0.01 km");
});

/** What a line makes: the metric and its stored value. */
const quick = (line) => readLine(line, NOW).made?.map(({ fields }) => [fields.metric, fields.value]);

/** Shows that a comma is a comma where there are decimals, and stands between thousands where
 * there are none. */
test("numbers", () => {
  assert.equal(read("BodyMass", "78,2"), 78.2);
  assert.equal(read("BodyMass", " 78.2 "), 78.2);
  assert.equal(read("BodyMass", "1,078.2"), undefined);
  for (const written of ["10500", "10,500", "10.500", "10 500", "10'500", "10\u202f500"]) {
    assert.equal(read("StepCount", written), 10_500, written);
  }
  assert.equal(read("StepCount", "1,234,567"), 1_234_567);
  assert.equal(read("StepCount", "1,234.567"), undefined);
  assert.equal(read("StepCount", "10,5"), undefined);
  assert.equal(read("StepCount", "many"), undefined);
});

/** Shows what a line is understood as. */
test("a line", () => {
  assert.deepEqual(quick("weight 78,2"), [["BodyMass", 78.2]]);
  assert.deepEqual(quick("weight 78.2 KG"), [["BodyMass", 78.2]]);
  assert.deepEqual(quick("78.2kg"), [["BodyMass", 78.2]]);
  assert.deepEqual(quick("steps 10,500"), [["StepCount", 10_500]]);
  assert.deepEqual(quick("10,500 steps"), [["StepCount", 10_500]]);
  assert.deepEqual(quick("spo2 97%"), [["OxygenSaturation", 0.97]]);
  assert.deepEqual(quick("temp 37.2 C"), [["BodyTemperature", 37.2]]);
  assert.deepEqual(quick("bp 120/80 p62"), [
    ["BloodPressureSystolic", 120],
    ["BloodPressureDiastolic", 80],
    ["HeartRate", 62],
  ]);
});

/** Shows that what cannot be meant is not stored as something else, and that it is said why. */
test("a line that is refused", () => {
  const wrong = (line) => readLine(line, NOW).wrong;
  assert.equal(wrong("weight 172 lb"), "Weight is written in kg here; “lb” is not understood.");
  assert.match(wrong("weight 78.2.5"), /Write a number/);
  assert.match(wrong("weight 78.2 5"), /not understood/);
  assert.match(wrong("steps 10,5"), /whole number/);
  assert.match(wrong("hr 6200"), /between 20 bpm and 300 bpm/);
  assert.match(wrong("bp 80/120"), /larger one/);
  assert.match(wrong("something else"), /Begin with what it is/);
});

/** What is stored of an entry after its form was saved with these changes. */
function edited(type, fields, changes = {}) {
  const seen = { type, id: "a", fields, updated_at: NOW };
  const before = typedOf(seen);
  const read = readForm(kindOf(seen), { ...before, ...changes }, before);
  assert.ok("made" in read, JSON.stringify(read));
  return keepUnshown(seen, read.made[0].fields);
}

/** Shows that an entry that is edited keeps what was not changed as it was: a unit that is not this
 * app's, a fraction that nobody types, and digits that no form shows. */
test("an edited entry", () => {
  const reading = (fields) => ({ start_ms: NOW + 12_345, source: "a scale", ...fields });
  const pounds = reading({ metric: "BodyMass", value: 172, unit: "lb" });
  assert.deepEqual(edited("ManualReading", pounds), pounds);
  assert.deepEqual(edited("ManualReading", pounds, { value: "700" }), { ...pounds, value: 700 });
  const bare = reading({ metric: "Cups", value: 3 });
  assert.deepEqual(edited("ManualReading", bare, { value: "4" }), { ...bare, value: 4 });
  const exact = reading({ metric: "OxygenSaturation", value: 0.97512345678901, unit: "1" });
  const noted = { ...exact, note: "at rest" };
  assert.deepEqual(edited("ManualReading", exact, { note: "at rest" }), noted);
  const shown = reading({ metric: "OxygenSaturation", value: 0.97, unit: "1" });
  assert.deepEqual(edited("ManualReading", shown, { value: "98" }), { ...shown, value: 0.98 });
});

/** Shows the same of a goal, and that another metric brings its own unit. */
test("an edited goal", () => {
  const pounds = { title: "Less", metric: "BodyMass", target: 160, unit: "lb" };
  assert.deepEqual(edited("Goal", pounds, { title: "Fewer" }), { ...pounds, title: "Fewer" });
  const books = { title: "Read", target: 12, unit: "books" };
  assert.deepEqual(edited("Goal", books), books);
  const steps = { title: "Less", metric: "StepCount", target: 10_000, unit: "count" };
  assert.deepEqual(edited("Goal", pounds, { metric: "StepCount", target: "10,000" }), steps);
  const before = typedOf({ type: "Goal", fields: pounds, updated_at: NOW });
  const percent = readForm("Goal", { ...before, metric: "OxygenSaturation" }, before);
  assert.match(percent.wrong.target, /between 50 % and 100 %/);
});

/** Shows that a list has both values of a blood pressure in one row, and only values that were
 * measured together; each once, whatever the order. */
test("blood pressures", () => {
  let id = 0;
  const half = (kind, value, start_ms, source = "by hand", type = "ManualReading") =>
    ({ type, id: `a${++id}`, fields: { metric: `BloodPressure${kind}`, value, start_ms, source } });
  const pair = (high, low, ...others) => [half("Systolic", high, ...others), half("Diastolic", low, ...others)];
  const twiceInAMinute = [...pair(120, 80, NOW), ...pair(130, 90, NOW)];
  const alone = [
    half("Diastolic", 70, NOW, "a cuff"),
    half("Systolic", 140, NOW + 1),
    half("Systolic", 150, undefined),
    half("Diastolic", 95, undefined),
    half("Diastolic", 71, NOW, "by hand", "HealthMetric"),
  ];
  const all = [...twiceInAMinute, ...alone];
  const shown = (list) => rowsOf(list)
    .map(({ entity, other }) => [entity, other].map((one) => one?.fields.value))
    .sort((one, next) => one[0] - next[0]);
  const expected = [[70, undefined], [71, undefined], [95, undefined], [120, 80], [130, 90],
    [140, undefined], [150, undefined]];
  assert.deepEqual(shown(all), expected);
  assert.deepEqual(shown([...all].reverse()), expected);
  const [first, second] = [twiceInAMinute.slice(0, 2), twiceInAMinute.slice(2)];
  for (const [high, low] of [first, second]) {
    assert.equal(partnerOf(high, all), low);
    assert.equal(partnerOf(low, all), high);
  }
  assert.equal(partnerOf(alone[0], all), undefined);
});

/** Shows that no cell of a table is a formula. */
test("cells", () => {
  assert.equal(cells(["-2.5", "-1e-7", "3"]), "-2.5,-1e-7,3");
  for (const formula of ["-2+3+cmd|' /C calc'!A0", "=1", "+1", "@a", "-.5", "-", "\t=1"]) {
    assert.equal(cells([formula]), `'${formula}`);
  }
  assert.equal(cells(['=a("b",1)']), `"'=a(""b"",1)"`);
});

/** Shows that each address names a screen, be it one that is not there. */
test("addresses", () => {
  assert.deepEqual(routeOf(""), { screen: "today", params: [] });
  assert.deepEqual(routeOf("#/entry/Note/a%2Fb"), { screen: "entry", params: ["Note", "a/b"] });
  assert.deepEqual(routeOf("#/%"), { screen: "%", params: [] });
});
