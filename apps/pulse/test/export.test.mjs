// Files of what is on a device, and a device that is made again from them.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { Bench } from "./bench.mjs";

/** @type {Bench} */
let bench;
before(async () => {
  bench = await Bench.start();
});
after(() => bench.stop());

/** The file that a way of the export makes. */
async function made(device, way) {
  await device.go("export");
  const download = device.page.waitForEvent("download");
  await device.page.getByRole("button", { name: `Make the file: ${way}` }).click();
  return readFile(await (await download).path(), "utf8");
}
const table = (device) => made(device, "Readings, as a table (CSV)");
const everything = async (device) =>
  (await made(device, "Everything, as JSON Lines")).trim().split("\n").map((line) => JSON.parse(line));

/** What was measured and when, by a table whose cells have no commas in them. */
const measured = (csv) => {
  const [headings, ...lines] = csv.trim().split("\r\n").map((line) => line.split(","));
  const columns = ["start", "metric", "value", "unit"].map((heading) => headings.indexOf(heading));
  return lines.map((cells) => columns.map((column) => cells[column])).sort();
};

/** Shows that the readings of a device that is made again from the file of another one are the same
 * to the last digit, that a second import adds nothing, and that the file with everything has each
 * entry once. */
test("exported, and imported on an empty device", async () => {
  const device = await bench.device();
  const page = await device.open();
  for (const line of ["weight 78,25", "bp 120/80 p62", "temp 36.6", "hr 64"]) await device.quick(line);
  await device.quick("note slept, “well”; =1+1");
  const before = await table(device);
  const all = await everything(device);
  assert.equal(all.length, new Set(all.map(({ id }) => id)).size);
  assert.deepEqual(all.filter(({ type }) => type === "Note").map(({ fields }) => fields.text), [
    "slept, “well”; =1+1",
  ]);
  assert.equal(all.filter(({ type }) => type === "ManualReading").length, 6);
  assert.equal(measured(before).length, 6);
  await device.close();

  const anew = await bench.device();
  const there = await anew.open("import");
  const file = (name) => ({ name, mimeType: "text/csv", buffer: Buffer.from(before) });
  for (const name of ["readings.csv", "again.csv"]) {
    await anew.go("import");
    await there.getByLabel("Choose a file").setInputFiles(file(name));
    await there.getByRole("heading", { name: `${name} is imported` }).waitFor();
    assert.deepEqual(measured(await table(anew)), measured(before), name);
  }
  assert.deepEqual(anew.complaints, []);
  await anew.close();
});
