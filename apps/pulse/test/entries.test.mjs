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
  await page.getByText("Saved on this device.").waitFor();
  await page.getByLabel("Quick add").fill("weight 70");
  await twice(page.locator("pulse-quick-add").getByRole("button", { name: "Add" }));
  await page.getByRole("link", { name: /Weight 70 kg/ }).waitFor();
  await device.go("timeline");
  await page.getByText("2 entries shown").waitFor();
  assert.deepEqual(device.complaints, []);
  await device.close();
});
