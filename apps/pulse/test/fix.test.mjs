// A change that the server refuses, and what a person does about it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Bench, DESKTOP, PHONE, untilEqual } from "./bench.mjs";

/** @type {Bench} */
let bench;
before(async () => {
  bench = await Bench.start();
});
after(() => bench.stop());

/** Less than an entity may have, and more than a third of it. */
const LONG = "long ".repeat(20_000);

/** A device whose change was refused: its text and what another device added meanwhile are more
 * than an entry may have. */
async function refused(name) {
  const { device, page, id, other } = await bench.deviceWithNote(name);
  await device.context.setOffline(true);
  await page.getByRole("button", { name: "Edit" }).click();
  await page.getByLabel("Text").fill(LONG);
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator("pulse-toasts").getByText("Saved on this device.").waitFor();
  await other("edit", `Note/${id}`, `first=${LONG}`, `second=${LONG}`);
  await other("sync");
  await device.go("today");
  await device.context.setOffline(false);
  await device.untilChip("1 change not sent");
  await page.locator("clarity-sync-status").getByRole("button").click();
  await page.getByRole("tab", { name: /Problems/ }).click();
  await page.getByText(/the limit is/).first().waitFor();
  await page.getByRole("button", { name: "Fix" }).click();
  await page.getByRole("heading", { name: "Fix note" }).waitFor();
  await page.getByRole("note").getByText(/the limit is/).waitFor();
  return { device, page, id, other };
}

/** What the server has, as another device gets it. */
async function atServer(other, id) {
  await other("sync");
  const [shown] = await other("show", `Note/${id}`);
  return shown.fields.text;
}

/** Shows that the values that were refused are in a form, and that a corrected one is sent. */
test("put right", async () => {
  const { device, page, id, other } = await refused("put right");
  assert.equal(await page.getByLabel("Text").inputValue(), LONG.trim());
  for (const [size, viewport] of Object.entries({ phone: PHONE, desktop: DESKTOP })) {
    for (const colorScheme of ["light", "dark"]) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme });
      await device.picture(`fix-${size}-${colorScheme}`);
    }
  }
  await page.getByLabel("Text").fill("Slept very well");
  await page.getByRole("button", { name: "Save" }).click();
  await device.untilChip("Up to date");
  await untilEqual(() => atServer(other, id), "Slept very well");
  assert.deepEqual(device.complaints, []);
  await device.close();
});

/** Shows that a change is given up only after a question that says what is lost. */
test("discarded", async () => {
  const { device, page, id, other } = await refused("discarded");
  await page.getByRole("button", { name: "Discard…" }).click();
  await page.getByRole("button", { name: "Keep it" }).waitFor();
  await device.picture("fix-discard");
  await page.getByRole("button", { name: "Keep it" }).click();
  await page.getByLabel("Text").waitFor();
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("heading", { name: "Fix note" }).waitFor({ state: "detached" });
  await device.go("sync");
  await page.getByRole("tab", { name: /Problems/ }).click();
  await page.getByRole("button", { name: "Fix" }).click();
  await page.getByRole("button", { name: "Discard…" }).click();
  await page.getByRole("button", { name: "Discard this change" }).click();
  await device.untilChip("Up to date");
  await untilEqual(() => atServer(other, id), "Slept well");
  assert.deepEqual(device.complaints, []);
  await device.close();
});
