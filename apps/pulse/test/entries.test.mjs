// Entries: what the form and the lists do with them.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Bench } from "./bench.mjs";

/** @type {Bench} */
let bench;
before(async () => {
  bench = await Bench.start();
});
after(() => bench.stop());

/** Presses a button twice before the page could answer. */
const twice = (button) => button.evaluate((pressed) => {
  pressed.click();
  pressed.click();
});

/** Shows that a time that was chosen stays while the form says what is wrong, that what was typed
 * for one kind is not in the form of another one, and that what is tapped twice is added once. */
test("a form", async () => {
  const device = await bench.device();
  const page = await device.open("add/BodyMass");
  const when = page.getByLabel("When");
  const began = await when.inputValue();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Write a number").waitFor();
  await when.fill("2026-01-02T08:15");
  await page.clock.setFixedTime(Date.now() + 3_600_000);
  await page.getByLabel(/^Weight/).fill("heavy");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Write a number").waitFor();
  await page.getByLabel(/^Weight/).fill("9999");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Must be between").waitFor();
  assert.equal(await when.inputValue(), "2026-01-02T08:15");

  await page.getByRole("link", { name: "Heart rate" }).click();
  await page.getByRole("heading", { name: "Heart rate" }).waitFor();
  assert.equal(await page.getByLabel(/^Heart rate/).inputValue(), "");
  assert.equal(await page.locator("pulse-form .error").count(), 0);
  assert.notEqual(await when.inputValue(), began);

  await page.getByLabel(/^Heart rate/).fill("64");
  await twice(page.getByRole("button", { name: "Save" }));
  await page.locator("pulse-toasts").getByText("Saved on this device.").waitFor();
  await page.getByLabel("Quick add").fill("weight 70");
  await twice(page.locator("pulse-quick-add").getByRole("button", { name: "Add" }));
  await page.getByRole("link", { name: /Weight 70 kg/ }).waitFor();
  await device.go("timeline");
  await page.getByText("2 entries shown").waitFor();
  assert.deepEqual(device.complaints, []);
  await device.close();
});

/** Shows that both values of a blood pressure are deleted and brought back together, and that today
 * shows no two values that were not measured together. */
test("a blood pressure", async () => {
  const device = await bench.device();
  const page = await device.open();
  await device.enter("blood pressure", true);
  await device.quick("bp 120/80");
  await device.quick("bp 130/90");
  await device.go("timeline");
  const row = (values) => page.getByRole("link", { name: new RegExp(`Blood pressure ${values}`) });
  await row("120/80").waitFor();
  await row("130/90").click();
  await page.getByText("Diastolic pressure").waitFor();
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("heading", { name: "This entry is not here" }).waitFor();
  await device.go("timeline");
  await page.getByText("2 entries shown").waitFor();
  await page.getByRole("button", { name: "Undo" }).click();
  await page.getByText("4 entries shown").waitFor();
  await row("120/80").waitFor();

  await row("130/90").click();
  await page.getByRole("button", { name: "Edit" }).click();
  await page.getByLabel("When").fill("2026-01-02T08:15");
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator("p.value").getByText("130 mmHg").waitFor();
  await device.go("today");
  await row("120/80").waitFor();
  await device.untilChip("Up to date");
  assert.deepEqual(device.complaints, []);
  await device.close();
});

/** Shows that each goal can be opened, however many there are. */
test("many goals", async () => {
  const device = await bench.device();
  const page = await device.open();
  for (let goal = 1; goal <= 12; goal += 1) {
    await device.go("add/Goal");
    await page.getByLabel("What you want to reach").fill(`Goal number ${goal}`);
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("button", { name: "Dismiss" }).click();
  }
  const goals = page.getByRole("link", { name: /Goal number/ });
  await device.go("today");
  await page.getByRole("button", { name: "Show more" }).click();
  await page.getByRole("button", { name: "Show more" }).waitFor({ state: "detached" });
  assert.equal(await goals.count(), 12);
  await goals.last().click();
  await page.getByRole("button", { name: "Edit" }).waitFor();
  assert.deepEqual(device.complaints, []);
  await device.close();
});
