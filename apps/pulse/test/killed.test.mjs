// What holds when the worker with the store, or the tab that has it, ends in the midst of
// something; what was saved is checked by another device.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { Bench, untilEqual } from "./bench.mjs";

const EXPORT = await readFile(
  new URL("../../../crates/clarity-health/data/ipyhealth/export.zip", import.meta.url),
);
/** How many records are in it. */
const RECORDS = 1862;

/** @type {Bench} */
let bench;
before(async () => {
  bench = await Bench.start();
});
after(() => bench.stop());

/** A signed-in device, and what another one reads of the account. */
async function signedIn(name, options) {
  const device = await bench.device(options);
  const page = await device.open();
  await device.enter(name, true);
  const other = bench.commandLine(name.replaceAll(" ", "-"));
  await other("login", "--name", name, "--server", bench.address);
  const read = async (type) => {
    await other("sync");
    return other("list", type, "--limit", "100000");
  };
  const notes = async () => (await read("Note")).map(({ fields }) => fields.text).sort();
  return { device, page, read, notes };
}

const isStoreWorker = (worker) => /\/worker-/.test(worker.url());
/** The worker with the store, among those of a page. */
function storeWorker(page) {
  return page.workers().find(isStoreWorker);
}

/** Ends the worker with the store where it is. */
async function killWorker(page) {
  const worker = storeWorker(page);
  const ended = worker.waitForEvent("close");
  // It has no time left to answer.
  worker.evaluate(() => globalThis.close()).catch(() => {});
  await ended;
}

/** Adds notes, one after the other, without a pause. */
async function addNotes(page, texts, afterEach = () => {}) {
  const field = page.getByLabel("Quick add");
  for (const text of texts) {
    await field.fill(`note ${text}`);
    await field.press("Enter");
    await page.getByText("Saved on this device.", { exact: true }).waitFor();
    await afterEach(text);
    await page.getByRole("button", { name: "Dismiss" }).click();
  }
}

/** The notes that the timeline shows. */
async function shownNotes(device) {
  await device.go("timeline/type/Note");
  const rows = device.page.locator("pulse-timeline .entry .value");
  await rows.first().waitFor();
  return (await rows.allInnerTexts()).map((text) => text.trim()).sort();
}

/** Shows that each entry that was called saved is there, once, when the worker with the store is
 * killed right then, while it sends; and that the page goes on with no reload. */
test("the worker is killed right after an entry was saved", async () => {
  const { device, page, notes } = await signedIn("killed after");
  const texts = ["one", "two", "three", "four"];
  await addNotes(page, texts, () => killWorker(page));
  await addNotes(page, ["five"]);
  const expected = [...texts, "five"].sort();
  assert.deepEqual(await shownNotes(device), expected);
  await device.untilChip("Up to date");
  await untilEqual(notes, expected);
  assert.deepEqual(device.complaints, []);
  await device.close();
});

/** Shows that what is on its way to the server when the worker is killed arrives once: the server
 * has taken it, and the answer is lost with the worker. */
test("the worker is killed during a sync", async () => {
  const { device, page, notes } = await signedIn("killed in sync");
  const texts = Array.from({ length: 5 }, (_, index) => `note ${index}`);
  const lost = [];
  await device.context.route("**/v1/push**", async (route) => {
    if (lost.length >= 3) return route.continue();
    const answer = await route.fetch();
    lost.push(answer.status());
    await killWorker(page);
    await route.abort().catch(() => {});
  });
  await addNotes(page, texts);
  await device.untilChip("Up to date");
  assert.deepEqual(lost, [200, 200, 200]);
  await untilEqual(notes, texts);
  assert.deepEqual(await shownNotes(device), texts);
  assert.deepEqual(device.complaints, []);
  await device.close();
});

/** Has a worker end in place of saying what it has imported. */
async function endAtImport(worker) {
  await worker.evaluate(() => {
    const { postMessage } = globalThis;
    globalThis.postMessage = (message) => {
      const isImport = message.kind === "answer" && /"imported":\{"new"/.test(message.answer);
      if (isImport) globalThis.close();
      else postMessage(message);
    };
  });
  return { ended: worker.waitForEvent("close") };
}

/** Shows that an import goes on to its end when the worker with the store is killed in its midst,
 * twice, that nothing of it is there twice, and that an entry that was saved before is there. */
test("the worker is killed during an import", async () => {
  const options = { serviceWorkers: "block" };
  const { device, page, read, notes } = await signedIn("killed in import", options);
  await addNotes(page, ["before"]);
  await device.go("import");
  const first = await endAtImport(storeWorker(page));
  const second = page.waitForEvent("worker", isStoreWorker).then(endAtImport);
  // The second one has no engine before it is known how it ends.
  await page.route("**/clarity_web_bg*.wasm", async (route) => {
    await second;
    await route.continue();
  });
  const file = { name: "export.zip", mimeType: "application/zip", buffer: EXPORT };
  await page.getByLabel("Choose a file").setInputFiles(file);
  await first.ended;
  await (await second).ended;
  await page.getByRole("heading", { name: "export.zip is imported" }).waitFor();
  await device.untilChip("Up to date");
  await untilEqual(async () => (await read("HealthMetric")).length, RECORDS);
  assert.deepEqual(await notes(), ["before"]);
  assert.deepEqual(device.complaints, []);
  await device.close();
});

/** Shows that what one tab saves is there, once, when the tab that has the store is closed or
 * crashes meanwhile, and that the tab which is left takes over and sends it. */
test("the leading tab ends while another one saves", async () => {
  const { device, notes } = await signedIn("leading tab");
  const expected = [];
  for (const [how, end] of Object.entries({
    closed: (leader) => leader.close(),
    crashed: (leader) => crash(leader),
  })) {
    const leader = device.page;
    const page = await device.open();
    assert.equal(await leads(leader), true);
    const texts = Array.from({ length: 12 }, (_, index) => `${how} ${index}`);
    let ended;
    await addNotes(page, texts, (text) => {
      if (text.endsWith(" 3")) ended = end(leader);
    });
    await ended;
    expected.push(...texts);
    assert.deepEqual(await shownNotes(device), expected.toSorted());
    await device.untilChip("Up to date");
    await untilEqual(notes, expected.toSorted());
  }
  assert.deepEqual(device.complaints, []);
  await device.close();
});

/** Whether a page's own worker has the store: only that one has the files open. */
async function leads(page) {
  await page.evaluate(() => (location.hash = "#/diagnostics"));
  await page.getByText(/tab has the data open/).waitFor();
  return page.getByText("This tab has the data open").isVisible();
}

/** Has the process of a page crash. */
async function crash(page) {
  const crashed = page.waitForEvent("crash");
  const session = await page.context().newCDPSession(page);
  session.send("Page.crash").catch(() => {});
  await crashed;
}
