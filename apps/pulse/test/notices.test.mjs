// Notices: what just happened, and that there is a new version of the app.

import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { flaws } from "./axe.mjs";
import { APP, Bench, PHONE } from "./bench.mjs";

/** @type {Bench} */
let bench;
/** The built app, in a folder of its own where it can become another version. */
let app;
before(async () => {
  app = await mkdtemp(join(tmpdir(), "clarity-pulse-app-"));
  await cp(APP, app, { recursive: true, filter: (name) => !/\.(br|gz)$/.test(name) });
  bench = await Bench.start({ app });
});
after(async () => {
  await bench.stop();
  await rm(app, { recursive: true });
});

const notices = (page) => page.locator("pulse-toasts .toast");

/** Shows that several notices are seen at once and put away one by one, each with its own undo, that
 * one which is said again is there once, and that only what is new is read out. */
test("several notices", async () => {
  const device = await bench.device({ viewport: PHONE });
  const page = await device.open();
  await device.quick("weight 70");
  await device.quick("weight 71");
  for (const weight of ["70", "71"]) {
    await device.go("timeline");
    await page.getByRole("link", { name: new RegExp(`${weight} kg`) }).click();
    await page.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("heading", { name: "This entry is not here" }).waitFor();
  }
  await device.go("today");
  for (const line of ["weight 72", "weight 72"]) {
    await page.getByLabel("Quick add").fill(line);
    await page.getByLabel("Quick add").press("Enter");
    await page.waitForFunction(() => !sessionStorage.getItem("pulse.draft.quick"));
  }
  await page.getByText("Saved on this device.").last().waitFor();
  assert.equal(await notices(page).count(), 3);
  assert.deepEqual(await flaws(page), []);
  await device.picture("notices");
  const region = page.locator("pulse-toasts [role=status]");
  assert.equal(await region.getAttribute("aria-atomic"), "false");
  await device.dismiss("Saved on this device.");
  assert.equal(await notices(page).count(), 2);
  await page.getByRole("button", { name: "Undo" }).first().click();
  await notices(page).getByText("Undone.").waitFor();
  await page.getByRole("button", { name: "Undo" }).click();
  await device.go("timeline");
  for (const weight of ["70", "71"]) {
    await page.getByRole("link", { name: new RegExp(`${weight} kg`) }).waitFor();
  }
  assert.deepEqual(device.complaints, []);
  await device.close();
});

/** Shows that a new version waits for the person, that it is then the one that runs, and that what
 * is typed is there again. */
test("a new version", async () => {
  const device = await bench.device();
  const page = await device.open("add/Note");
  await page.evaluate(() => navigator.serviceWorker.ready);
  await page.reload();
  await page.getByLabel("Text", { exact: true }).fill("in the midst of it");

  const index = join(app, "index.html");
  const newer = (await readFile(index, "utf8")).replace("<head>", '<head><meta name="version" content="2" />');
  await writeFile(index, newer);
  const worker = join(app, "sw.js");
  const files = await readFile(worker, "utf8");
  const revised = files.replace(/(url:"index\.html",revision:")[^"]*|(revision:")[^"]*(",url:"index\.html")/,
    (_, before, first, end) => (before ? `${before}2` : `${first}2${end}`));
  assert.notEqual(revised, files);
  await writeFile(worker, revised);
  await bench.restartServer();

  await page.evaluate(async () => (await navigator.serviceWorker.ready).update());
  await notices(page).getByText("A new version is ready.").waitFor();
  const isNew = () => page.locator('meta[name="version"]').count();
  assert.equal(await isNew(), 0);
  await device.go("sync");
  await page.getByRole("heading", { name: "A new version is ready" }).waitFor();
  await device.go("add/Note");
  await page.getByRole("button", { name: "Reload now" }).click();
  await page.locator('meta[name="version"]').waitFor({ state: "attached" });
  await page.getByText("What you had typed is here again.").waitFor();
  assert.equal(await page.getByLabel("Text", { exact: true }).inputValue(), "in the midst of it");
  assert.equal(await notices(page).count(), 0);
  assert.deepEqual(device.complaints, []);
  await device.close();
});
