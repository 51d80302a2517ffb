// Two devices that change the same thing, and each way to settle it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Bench, PHONE } from "./bench.mjs";

/** @type {Bench} */
let bench;
before(async () => {
  bench = await Bench.start();
});
after(() => bench.stop());

/** Changes the one weight that a device has. */
async function edit(device, value) {
  await device.go("timeline");
  await device.page.getByRole("link", { name: /Weight/ }).click();
  await device.page.getByRole("button", { name: "Edit" }).click();
  await device.page.getByLabel(/^Weight/).fill(value);
  await device.page.getByRole("button", { name: "Save" }).click();
  await device.page.locator("p.value").getByText(`${value} kg`).waitFor();
}

const weight = (device, value) =>
  device.page.getByRole("link", { name: new RegExp(`Weight ${value} kg`) }).waitFor();

/** Two devices of one account, with one weight that each has changed: the second one waits with a
 * conflict, 81 there and 82 at the server. */
async function inConflict(name, options = {}) {
  const [a, b] = [await bench.device(), await bench.device(options)];
  await a.open();
  await b.open();
  await a.enter(name, true);
  await a.quick("weight 80");
  await b.enter(name, false);
  await weight(b, 80);
  await b.context.setOffline(true);
  await edit(b, "81");
  await edit(a, "82");
  await a.untilChip("Up to date");
  await b.context.setOffline(false);
  await b.go("conflicts");
  await b.page.getByRole("link", { name: /^Weight .* Differs in: Value/ }).click();
  await b.page.getByRole("button", { name: "Keep my version" }).waitFor();
  return { a, b };
}

async function settled({ a, b }, value) {
  await b.page.getByText("Nothing to review").waitFor();
  for (const device of [b, a]) {
    await device.go("today");
    await weight(device, value);
    assert.deepEqual(device.complaints, []);
    await device.close();
  }
}

/** Shows that the version of this device reaches the other one. */
test("my version", async () => {
  const both = await inConflict("my version");
  await both.b.page.getByRole("button", { name: "Keep my version" }).click();
  await settled(both, 81);
});

/** Shows that the server's version is taken, and that the choice can be taken back. */
test("the server's version, and undo", async () => {
  const both = await inConflict("server version");
  await both.b.page.getByRole("button", { name: "Use server version" }).click();
  await both.b.page.getByText("Nothing to review").waitFor();
  await both.b.page.getByRole("button", { name: "Undo" }).click();
  await both.b.page.getByText("Undone.").waitFor();
  await both.b.go("today");
  await weight(both.b, 81);
  await both.b.go("conflicts");
  await settled(both, 81);
});

/** Shows that both versions are read as they were written, also on a page from right to left. */
test("values from right to left", async () => {
  const both = await inConflict("right to left");
  const { page } = both.b;
  await page.evaluate(() => (document.documentElement.dir = "rtl"));
  for (const value of ["80 kg", "81 kg", "82 kg"]) await readsInOrder(page, value);
  await both.b.go("timeline");
  await readsInOrder(page, "81 kg");
  await both.b.go("today");
  await readsInOrder(page, "81 kg");
  await page.locator("pulse-today .tile").getByText("Two versions").waitFor();
  await page.evaluate(() => (document.documentElement.dir = ""));
  await both.b.go("conflicts");
  await page.getByRole("link", { name: /Differs in: Value/ }).click();
  await page.getByRole("button", { name: "Keep my version" }).click();
  await settled(both, 81);
});

/** Shows that the number of a value is to the left of its unit. */
async function readsInOrder(page, value) {
  const shown = page.getByText(value, { exact: true }).first();
  const [first, last] = await shown.evaluate((element) => {
    const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    const signs = [];
    while (texts.nextNode()) {
      const { currentNode: node } = texts;
      for (let at = 0; at < node.data.length; at++) {
        if (/\s/.test(node.data[at])) continue;
        const range = document.createRange();
        range.setStart(node, at);
        range.setEnd(node, at + 1);
        signs.push(range.getBoundingClientRect().left);
      }
    }
    return [signs[0], signs.at(-1)];
  });
  assert.ok(first < last, `${value}: the number is at ${first}, the unit ends at ${last}`);
}

/** Shows that a merged version is saved only when each field is decided. */
test("a merged version", async () => {
  const both = await inConflict("merged version");
  const save = both.b.page.getByRole("button", { name: "Save merged" });
  assert.equal(await save.isDisabled(), true);
  await both.b.page.getByRole("radio", { name: "Value: choose a value: Server" }).check();
  await both.b.page.getByText("Result Value: 82 kg").waitFor();
  await save.click();
  await settled(both, 82);
});

/** Shows that a value of one's own can be put in place of both, within the bounds of the form. */
test("a value of one's own", async () => {
  const both = await inConflict("own value");
  const save = both.b.page.getByRole("button", { name: "Save merged" });
  const own = both.b.page.getByRole("textbox", { name: "Value: Other value" });
  await own.fill("8150");
  assert.equal(await save.isDisabled(), true);
  await own.fill("81,5");
  await save.click();
  await settled(both, 81.5);
});

/** Shows that an entry that was deleted on one device and changed on another waits for a person. */
test("deleted here, changed there", async () => {
  const [a, b] = [await bench.device(), await bench.device()];
  await a.open();
  await b.open();
  await a.enter("deleted here", true);
  await a.quick("weight 80");
  await b.enter("deleted here", false);
  await weight(b, 80);
  await b.context.setOffline(true);
  await b.go("timeline");
  await b.page.getByRole("link", { name: /Weight/ }).click();
  await b.page.getByRole("button", { name: "Delete" }).click();
  await b.page.getByRole("heading", { name: "This entry is not here" }).waitFor();
  await edit(a, "82");
  await a.untilChip("Up to date");
  await b.context.setOffline(false);
  await b.go("conflicts");
  await b.page.getByRole("link", { name: /Deleted on this device/ }).click();
  await b.page.getByRole("button", { name: "Keep entry" }).click();
  await settled({ a, b }, 82);
});

/** Shows that a side that changes while both are looked at takes the choice back: the newest is
 * shown, and nothing can be saved until the person has chosen again. */
test("a side that moves meanwhile", async () => {
  const both = await inConflict("moves meanwhile");
  const { page } = both.b;
  const save = page.getByRole("button", { name: "Save merged" });
  const server = page.getByRole("radio", { name: "Value: choose a value: Server" });
  await server.check();
  await page.getByText("Result Value: 82 kg").waitFor();

  const third = await bench.device();
  await third.open();
  await third.enter("moves meanwhile", false);
  await weight(third, 82);
  await edit(third, "83");
  await third.untilChip("Up to date");

  await page.getByRole("alert").getByText("This entry changed again meanwhile.").waitFor();
  await page.getByRole("cell", { name: /83 kg/ }).waitFor();
  assert.equal(await page.getByText("82 kg").count(), 0);
  assert.equal(await server.isChecked(), false);
  assert.equal(await save.isDisabled(), true);
  await server.check();
  await page.getByText("Result Value: 83 kg").waitFor();
  await save.click();
  await settled(both, 83);
  await third.close();
});

/** Shows that a notice on a phone takes a place of its own: whoever decides can press each button
 * while it is there. */
test("a notice beside a decision on a phone", async () => {
  const both = await inConflict("on a phone", { viewport: PHONE, hasTouch: true });
  const { page } = both.b;
  await both.b.go("today");
  await page.getByLabel("Quick add").fill("hr 64");
  await page.getByLabel("Quick add").press("Enter");
  const notice = page.locator("pulse-toasts .toast");
  await notice.waitFor();
  await both.b.go("conflicts");
  await page.getByRole("link", { name: /Differs in: Value/ }).tap();
  for (const name of ["Keep my version", "Use server version"]) {
    await page.getByRole("button", { name }).tap({ trial: true });
  }
  await page.getByRole("link", { name: "Decide later" }).tap({ trial: true });
  await both.b.picture("notice-phone");
  const [main, said, bar] = await Promise.all(
    [page.locator("#main"), notice, page.getByRole("navigation", { name: "Screens" })].map((each) =>
      each.boundingBox()),
  );
  assert.ok(main.y + main.height <= said.y, "it covers the screen");
  assert.ok(said.y + said.height <= bar.y, "it covers the bar");
  await page.getByRole("button", { name: "Keep my version" }).tap();
  await settled(both, 81);
});
