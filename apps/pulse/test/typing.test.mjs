// What is being typed, and where a person is on a screen, while other things happen.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Bench } from "./bench.mjs";

/** @type {Bench} */
let bench;
before(async () => {
  bench = await Bench.start();
});
after(() => bench.stop());

/** What is kept of what was typed. */
const drafts = (page) =>
  page.evaluate(() => Object.keys(sessionStorage).filter((key) => key.startsWith("pulse.draft.")));

/** What has the focus, however deep. */
const focused = (page) => page.evaluate(() => {
  let element = document.activeElement;
  while (element.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return `${element.localName} ${element.textContent.trim().slice(0, 20)}`.trim();
});

/** Shows that what was typed for a new entry is there after a reload and after another screen, until
 * it is saved or the person begins again. */
test("a new entry", async () => {
  const device = await bench.device();
  const page = await device.open("add/Note");
  const text = page.getByLabel("Text", { exact: true });
  await text.fill("slept well");
  await page.getByLabel("Tags").fill("sleep");
  await page.reload();
  await page.getByText("What you had typed is here again.").waitFor();
  assert.equal(await text.inputValue(), "slept well");
  assert.equal(await page.getByLabel("Tags").inputValue(), "sleep");
  await device.go("today");
  await page.getByLabel("Quick add").fill("weight 7");
  await device.go("add/Note");
  await text.fill("slept badly");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("link", { name: /slept badly/ }).waitFor();
  assert.equal(await page.getByLabel("Quick add").inputValue(), "weight 7");
  await page.getByLabel("Quick add").fill("weight 70");
  await page.getByLabel("Quick add").press("Enter");
  await page.getByRole("link", { name: /Weight 70 kg/ }).waitFor();
  assert.deepEqual(await drafts(page), []);

  await device.go("add/Note");
  await text.fill("nothing of worth");
  await page.reload();
  await page.getByRole("button", { name: "Start over" }).click();
  await page.getByText("What you had typed is here again.").waitFor({ state: "detached" });
  assert.equal(await text.inputValue(), "");
  assert.deepEqual(await drafts(page), []);
  assert.deepEqual(device.complaints, []);
  await device.close();
});

/** Shows that the form of an entry that was being edited is open again after a reload, that what
 * changed elsewhere meanwhile is merged with it, and that a sign-out leaves nothing of it. */
test("an entry that is edited", async () => {
  const { device, page, id, other } = await bench.deviceWithNote("typing");
  await page.getByRole("button", { name: "Edit" }).click();
  await page.getByLabel("Text", { exact: true }).fill("Slept very well");
  assert.equal(await focused(page), "textarea");
  await other("edit", `Note/${id}`, "title=Monday");
  await other("sync");
  await page.reload();
  await page.getByRole("heading", { name: "Edit note" }).waitFor();
  assert.equal(await page.getByLabel("Text", { exact: true }).inputValue(), "Slept very well");
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator("p.value").getByText("Monday").waitFor();
  await page.getByText("Slept very well").waitFor();
  assert.deepEqual(await drafts(page), []);

  await page.getByRole("button", { name: "Edit" }).click();
  await page.getByLabel("Text", { exact: true }).fill("private");
  assert.equal((await drafts(page)).length, 1);
  await device.untilChip("Up to date");
  await device.go("account");
  await page.getByRole("button", { name: "Sign out…" }).click();
  await page.getByRole("button", { name: "Sign out and remove" }).click();
  await page.getByText("Signed out.").waitFor();
  await page.waitForFunction(() => !Object.keys(sessionStorage).some((key) => key.startsWith("pulse.draft.")));
  await device.close();
});

/** Shows that the focus goes to the heading of another screen or entry, and stays where it is when
 * something is chosen on a screen or comes in from another device. */
test("the focus", async () => {
  const device = await bench.device();
  const page = await device.open();
  await device.quick("weight 70");
  await device.quick("weight 71");
  await device.go("timeline");
  await page.getByRole("link", { name: /70 kg/ }).press("Enter");
  await page.getByRole("button", { name: "Edit" }).waitFor();
  assert.equal(await focused(page), "h1 Weight");
  await page.getByRole("button", { name: "Edit" }).press("Enter");
  await page.getByRole("heading", { name: "Edit weight" }).waitFor();
  assert.equal(await focused(page), "h1 Edit weight");

  await device.go("timeline");
  const choice = page.locator("pulse-timeline select");
  await choice.focus();
  await choice.selectOption("Notes");
  await page.getByText("Nothing here yet.").waitFor();
  assert.match(await focused(page), /^select/);
  await choice.selectOption("Everything");
  await page.getByText("2 entries shown").waitFor();

  const other = await device.context.newPage();
  await other.goto(`${bench.address}/#/today`);
  await other.getByLabel("Quick add").fill("weight 72");
  await other.getByLabel("Quick add").press("Enter");
  await page.getByText("3 entries shown").waitFor();
  assert.match(await focused(page), /^select/);
  assert.deepEqual(device.complaints, []);
  await device.close();
});
