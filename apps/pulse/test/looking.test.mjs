// Finding an entry, and words and places for what the app knows of itself.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { flaws } from "./axe.mjs";
import { Bench, NARROW } from "./bench.mjs";

/** @type {Bench} */
let bench;
before(async () => {
  bench = await Bench.start();
});
after(() => bench.stop());

/** Shows that an entry is found by what it is, its value, text or tags, among those of one kind too,
 * and one that is added while it is looked for; the words stay out of the address. */
test("searching the timeline", async () => {
  const device = await bench.device();
  const page = await device.open();
  for (const line of ["weight 70", "hr 64", "bp 120/80", "note slept well by the river"]) {
    await device.quick(line);
  }
  await device.go("timeline");
  await page.getByText("5 entries shown").waitFor();
  const search = page.getByRole("searchbox", { name: "Search" });
  const finds = async (typed, count, name) => {
    await search.fill(typed);
    await page.getByText(count).waitFor();
    await page.getByRole("link", { name }).waitFor();
  };
  await finds("RIVER slept", "1 entry shown", /river/);
  await finds("70 kg", "1 entry shown", /Weight/);
  await finds("blood pressure", "2 entries shown", /120\/80/);
  assert.deepEqual(await flaws(page), []);
  await search.fill("nowhere");
  await page.getByText("Nothing found.").waitFor();
  assert.ok(!page.url().includes("nowhere"));
  const other = await device.context.newPage();
  await other.goto(`${bench.address}/#/today`);
  await other.getByLabel("Quick add").fill("note nowhere else");
  await other.getByLabel("Quick add").press("Enter");
  await page.getByRole("link", { name: /nowhere else/ }).waitFor();
  await page.locator("pulse-timeline select").selectOption("Weight");
  await page.getByText("Nothing found.").waitFor();
  await search.fill("");
  await page.getByText("1 entry shown").waitFor();
  assert.deepEqual(device.complaints, []);
  await device.close();
});

/** Shows that diagnostics are named as people say it, and that the lab can be reached from there. */
test("diagnostics", async () => {
  const device = await bench.device();
  const page = await device.open();
  await device.quick("weight 70");
  await device.go("diagnostics");
  await page.getByText("Edited: Reading").or(page.getByText("Added: Reading")).waitFor();
  await page.getByText("Sync by itself").waitFor();
  const terms = await page.locator("pulse-diagnostics dt").allInnerTexts();
  assert.deepEqual(terms.filter((term) => !/^[A-Z]/.test(term)), []);
  await page.getByRole("link", { name: "Open the lab" }).click();
  await page.waitForURL("**/lab.html");
  await page.getByRole("heading", { level: 1 }).waitFor();
  await device.close();
});

/** Shows that the words of the chip are read in their own order on a page from right to left, and
 * that the screen of the sync makes the page of a phone no longer than the screen. */
test("a page from right to left", async () => {
  const device = await bench.device({ viewport: NARROW });
  const page = await device.open();
  await device.enter("right to left", true);
  await device.untilChip("Up to date");
  await page.evaluate(() => (document.documentElement.dir = "rtl"));
  await device.context.setOffline(true);
  await device.quick("weight 70");
  await device.untilChip("Offline · 1");
  const chip = page.locator("clarity-sync-status bdi.words").filter({ hasText: "Offline" });
  const isInOrder = await chip.evaluate((words) => {
    const [range, text] = [document.createRange(), words.firstChild.nextSibling ?? words.firstChild];
    const left = (at) => {
      range.setStart(text, at);
      range.setEnd(text, at + 1);
      return range.getBoundingClientRect().left;
    };
    return left(text.data.indexOf("O")) < left(text.data.indexOf("1"));
  });
  assert.ok(isInOrder, "the count stands after the words");
  await device.go("sync");
  await page.getByRole("heading", { name: "You’re offline" }).waitFor();
  const { height, shown } = await page.evaluate(() => ({
    height: document.documentElement.scrollHeight,
    shown: innerHeight,
  }));
  assert.equal(height, shown);
  await device.close();
});
