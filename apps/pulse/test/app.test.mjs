// The app as a person uses it, in a real browser, with a real server.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Bench } from "./bench.mjs";

/** @type {Bench} */
let bench;
before(async () => {
  bench = await Bench.start();
});
after(() => bench.stop());

const quiet = (device) => assert.deepEqual(device.complaints, []);

/** Shows that a person adds, edits, deletes and brings back with no account, and finds it all after
 * a reload. */
test("entries without an account", async () => {
  const device = await bench.device();
  const page = await device.open();
  await page.getByText("Nothing here yet").waitFor();
  await device.quick("weight 78,2");
  await page.getByRole("link", { name: /Weight 78.2 kg/ }).waitFor();
  await device.quick("bp 120/80 p62");
  await page.getByRole("link", { name: /Blood pressure 120\/80 mmHg/ }).waitFor();
  await page.getByRole("link", { name: /Heart rate 62 bpm/ }).waitFor();

  await device.go("add/Note");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Write something first").waitFor();
  await page.getByLabel("Text", { exact: true }).fill("slept well");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("link", { name: /slept well/ }).waitFor();

  await device.go("timeline");
  await page.getByRole("link", { name: /Weight/ }).click();
  await page.getByRole("button", { name: "Edit" }).click();
  await page.getByLabel(/^Weight/).fill("77.9");
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator("p.value").getByText("77.9 kg").waitFor();
  await page.reload();
  await page.locator("p.value").getByText("77.9 kg").waitFor();

  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("heading", { name: "This entry is not here" }).waitFor();
  await page.getByRole("button", { name: "Undo" }).click();
  await page.locator("p.value").getByText("77.9 kg").waitFor();
  quiet(device);
  await device.close();
});

/** Shows that what may be a slip of the keys is asked about before it is saved, in the form and in
 * the line, and that the person has the last word. */
test("values that may be slips", async () => {
  const device = await bench.device();
  const page = await device.open();
  await device.quick("weight 78");
  const line = page.getByLabel("Quick add");
  const doubt = page.getByRole("alert").getByText("Weight is quite different from your latest value, 78 kg.");
  await line.fill("weight 87.8");
  await line.press("Enter");
  await doubt.waitFor();
  await page.getByRole("link", { name: /Weight 78 kg/ }).waitFor();
  await line.fill("weight 77.8");
  await doubt.waitFor({ state: "detached" });
  await line.press("Enter");
  await page.getByRole("link", { name: /Weight 77.8 kg/ }).waitFor();
  await line.fill("weight 60");
  await line.press("Enter");
  await page.getByText("“Add” once more saves it as it is.").waitFor();
  await line.press("Enter");
  await page.getByRole("link", { name: /Weight 60 kg/ }).waitFor();

  await device.go("add/Note");
  await page.getByLabel("Text", { exact: true }).fill("written ahead");
  const ahead = new Date(Date.now() + 3 * 86_400_000).toISOString().slice(0, 16);
  await page.getByLabel("When").fill(ahead);
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("alert").getByText("This lies in the future.").waitFor();
  await page.getByLabel("Text", { exact: true }).fill("a plan");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByRole("button", { name: "Save anyway" }).click();
  await page.getByRole("link", { name: /a plan/ }).waitFor();
  await device.go("timeline");
  assert.equal(await page.getByRole("link", { name: /written ahead/ }).count(), 0);
  assert.equal(await page.getByRole("link", { name: /kg/ }).count(), 3);
  quiet(device);
  await device.close();
});

/** Shows that the app starts with the server stopped, that what is added, edited and deleted
 * meanwhile arrives once at the server, and that another device then has the same. */
test("without a server", async () => {
  const device = await bench.device();
  const page = await device.open();
  await device.enter("no server", true);
  await device.quick("weight 70");
  await device.quick("weight 71");
  await device.untilChip("Up to date");
  await page.evaluate(async () => {
    await navigator.serviceWorker.ready;
  });

  await bench.stopServer();
  await page.reload();
  await page.getByRole("link", { name: /Weight 71 kg/ }).waitFor();
  await device.quick("note made without a server");
  await device.go("timeline");
  await page.getByRole("link", { name: /71 kg/ }).click();
  await page.getByRole("button", { name: "Edit" }).click();
  await page.getByLabel(/^Weight/).fill("72");
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator("p.value").getByText("72 kg").waitFor();
  await device.go("timeline");
  await page.getByRole("link", { name: /70 kg/ }).click();
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("heading", { name: "This entry is not here" }).waitFor();
  await page.reload();
  await device.go("timeline");
  await page.getByRole("link", { name: /made without a server/ }).waitFor();
  assert.equal(await page.getByRole("link", { name: /kg/ }).count(), 1);

  await bench.startServer();
  await device.go("account");
  await page.getByRole("button", { name: "Sync now" }).click();
  await device.untilChip("Up to date");

  const other = await bench.device();
  const there = await other.open();
  await other.enter("no server", false);
  await other.go("timeline");
  await there.getByRole("link", { name: /made without a server/ }).waitFor();
  await there.getByRole("link", { name: /72 kg/ }).waitFor();
  assert.equal(await there.getByRole("link", { name: /kg|made/ }).count(), 2);
  quiet(device);
  quiet(other);
  await device.close();
  await other.close();
});
