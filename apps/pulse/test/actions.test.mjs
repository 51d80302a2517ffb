// Each thing that a state of the sync offers to a person does what it says.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { flaws } from "./axe.mjs";
import { Bench, DESKTOP, PHONE } from "./bench.mjs";

const DAY = 86_400_000;
const EXPORT = await readFile(
  new URL("../../../crates/clarity-health/data/ipyhealth/export.zip", import.meta.url),
);

/** @type {Bench} */
let bench;
before(async () => {
  bench = await Bench.start();
});
after(() => bench.stop());

/** What the status of the details offers about a state. */
const offered = (page, state, name) =>
  page.locator(`clarity-sync-details [data-state="${state}"]`).getByRole("button", { name });

/** Shows that the browser's own offer to install the app is taken, and that a browser that makes none
 * has its way told. */
test("installing", async () => {
  const device = await bench.device({ viewport: PHONE });
  const page = await device.open();
  await device.enter("installer", true);
  await device.untilChip("Up to date");
  await device.context.setOffline(true);
  await device.quick("weight 70");
  await device.untilChip("Data at risk");
  const install = offered(page, "not-persistent", "Install the app");
  await page.locator("clarity-sync-status").getByRole("button").click();
  await install.click();
  await page.getByText("Open the menu of your browser").waitFor();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Dismiss" }).click();

  await page.evaluate(() => {
    const offer = new Event("beforeinstallprompt", { cancelable: true });
    offer.prompt = async () => (globalThis.asked = true);
    dispatchEvent(offer);
  });
  await page.locator("clarity-sync-status").getByRole("button").click();
  await install.click();
  await page.waitForFunction(() => globalThis.asked);
  assert.deepEqual(device.complaints, []);
  await device.close();
});

/** Shows that whoever answers in the server's place is opened in a tab of its own, where a person can
 * sign in, and that the app goes on when the server answers again. */
test("a network that wants a sign-in", async () => {
  const device = await bench.device();
  const page = await device.open();
  await device.enter("in a hotel", true);
  await device.untilChip("Up to date");
  const portal = { contentType: "text/html", body: "<h1>Welcome to the hotel</h1>" };
  await device.context.route("**/v1/**", (route) => route.fulfill(portal));
  await device.quick("weight 70");
  await device.untilChip("Wi-Fi sign-in");
  await device.go("sync");
  const opened = device.context.waitForEvent("page");
  await offered(page, "captive-portal", "Open sign-in page").click();
  await (await opened).getByRole("heading", { name: "Welcome to the hotel" }).waitFor();
  await device.context.unroute("**/v1/**");
  await device.go("account");
  await page.getByRole("button", { name: "Sync now" }).click();
  await device.untilChip("Up to date");
  await device.close();
});

/** Shows that a source whose files were not imported for long is named, with the way to the import. */
test("a source that was not read for long", async () => {
  const device = await bench.device();
  const page = await device.open("import");
  const file = { name: "export.zip", mimeType: "application/zip", buffer: EXPORT };
  await page.getByLabel("Choose a file").setInputFiles(file);
  await page.getByRole("heading", { name: "export.zip is imported" }).waitFor();
  await page.clock.setFixedTime(Date.now() + 9 * DAY);
  await page.reload();
  await device.go("sync");
  await page.getByRole("heading", { name: "Apple Health last read 9 days ago" }).waitFor();
  await offered(page, "source-stale", "Import").click();
  await page.getByRole("heading", { name: "Import", exact: true }).waitFor();
  assert.deepEqual(device.complaints, []);
  await device.close();
});

/** Shows that a browser in which only one tab can have the store lets a person choose which one. */
test("one tab at a time", async () => {
  const device = await bench.device({ serviceWorkers: "block" });
  await device.context.addInitScript(() => delete Navigator.prototype.locks);
  await device.context.route("**/assets/worker-*.js", async (route) => {
    const response = await route.fetch();
    const body = `delete WorkerNavigator.prototype.locks;${await response.text()}`;
    await route.fulfill({ response, body });
  });
  const first = await device.open();
  await device.quick("weight 70");
  const second = await device.context.newPage();
  await second.goto(`${bench.address}/#/today`);
  await second.getByRole("heading", { name: "Pulse is open in another tab" }).waitFor();
  assert.deepEqual(await flaws(second), []);
  await device.quick("weight 71");
  await second.getByRole("button", { name: "Use here" }).click();
  await second.getByRole("link", { name: /Weight 71 kg/ }).waitFor();
  await first.getByRole("heading", { name: "Pulse is open in another tab" }).waitFor();
  await first.getByRole("button", { name: "Use here" }).click();
  await first.getByRole("link", { name: /Weight 71 kg/ }).waitFor();
  await second.getByRole("button", { name: "Use here" }).waitFor();
  assert.deepEqual(device.complaints, []);
  await device.close();
});

/** Writes over the middle of the store's files while no page has them open. */
async function damage(page) {
  await page.goto(`${bench.address}/icon.svg`);
  await page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    const ours = await root.getDirectoryHandle("clarity-sync");
    const files = await (await ours.getDirectoryHandle("default")).getDirectoryHandle(".opaque");
    for await (const handle of files.values()) {
      const { size } = await handle.getFile();
      if (size < 100_000) continue;
      const writing = await handle.createWritable({ keepExistingData: true });
      for (let position = 8_192; position < size; position += 4_096) {
        await writing.write({ type: "write", position, data: new Uint8Array(2_000).fill(7) });
      }
      await writing.close();
    }
  });
}

const storesOf = (page) => page.evaluate(async () => {
  const root = await navigator.storage.getDirectory();
  const names = [];
  for await (const name of (await root.getDirectoryHandle("clarity-sync")).keys()) names.push(name);
  return names.length;
});

/** Shows that damaged data can be saved as it is and set aside, that what the server has comes back,
 * and that nothing of it stays when the person signs out. */
test("damaged data", async () => {
  const device = await bench.device({ viewport: DESKTOP });
  const page = await device.open();
  await device.enter("damaged", true);
  await device.quick("weight 70");
  await device.untilChip("Up to date");
  await damage(page);
  await page.goto(`${bench.address}/#/today`);
  await page.getByText("Nothing has been deleted").waitFor();
  assert.deepEqual(await flaws(page), []);
  await device.picture("repair");
  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: "Save the files" }).click();
  assert.match((await saved).suggestedFilename(), /^clarity-pulse-damaged-\d+\.bin$/);
  await page.getByRole("button", { name: "Begin with an empty store…" }).click();
  await page.getByRole("button", { name: "Set the damaged data aside" }).click();
  await page.getByText("Nothing here yet").waitFor();
  await device.enter("damaged", false);
  await page.getByRole("link", { name: /Weight 70 kg/ }).waitFor();
  await device.untilChip("Up to date");
  assert.equal(await storesOf(page), 2);
  await device.go("account");
  await page.getByRole("button", { name: "Sign out…" }).click();
  await page.getByRole("button", { name: "Sign out and remove" }).click();
  await page.getByText("Signed out.").waitFor();
  assert.equal(await storesOf(page), 1);
  await device.close();
});
