// The app with nothing but a keyboard.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Bench, untilEqual } from "./bench.mjs";

/** @type {Bench} */
let bench;
before(async () => {
  bench = await Bench.start();
});
after(() => bench.stop());

/** More than the stops of any screen. */
const STOPS_MAX = 120;

/** Goes with Tab, as a person does, until this has the focus. */
async function tabTo(page, locator) {
  await locator.waitFor();
  for (let stop = 0; stop < STOPS_MAX; stop += 1) {
    if (await locator.evaluate((element) => element.matches(":focus-visible"))) return;
    await page.keyboard.press("Tab");
  }
  assert.fail(`${locator} is not reached with Tab`);
}

const hasFocus = (locator) => locator.evaluate((element) => element.matches(":focus"));
const heading = (page, name) => page.getByRole("heading", { name, level: 1 }).waitFor();

async function press(page, locator) {
  await tabTo(page, locator);
  await page.keyboard.press("Enter");
}

/** Changes the one weight that a device has. */
async function edit(page, value) {
  await press(page, page.getByRole("link", { name: "Timeline", exact: true }));
  await press(page, page.getByRole("link", { name: /Weight/ }));
  await press(page, page.getByRole("button", { name: "Edit" }));
  const field = page.getByLabel(/^Weight/);
  await tabTo(page, field);
  await page.keyboard.press("ControlOrMeta+A");
  await page.keyboard.type(value);
  await page.keyboard.press("Enter");
  await page.locator("p.value").getByText(`${value} kg`).waitFor();
}

/** Shows that a person adds and edits an entry, settles a conflict with a value of their own and
 * takes that back, without a click. */
test("nothing but a keyboard", async () => {
  const name = "keyboard";
  const other = bench.commandLine(name);
  await other("sign-up", "--name", name, "--server", bench.address);
  const device = await bench.device();
  const page = await device.open();
  await device.enter(name, false);
  await page.reload();
  await tabTo(page, page.getByLabel("Quick add"));
  await page.keyboard.type("weight 80");
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: /Weight 80 kg/ }).waitFor();
  await device.untilChip("Up to date");

  await other("sync");
  const [{ id }] = await other("list", "ManualReading");
  await device.context.setOffline(true);
  await edit(page, "81");
  await other("edit", `ManualReading/${id}`, "value=82");
  await other("sync");
  await device.context.setOffline(false);
  await device.untilChip("1 to review");

  await press(page, page.getByRole("link", { name: "Conflicts", exact: true }).first());
  await press(page, page.getByRole("link", { name: /Differs in: Value/ }));
  const own = page.getByRole("textbox", { name: "Value: Other value" });
  await tabTo(page, own);
  await page.keyboard.type("81.5");
  await page.getByText("Result Value: 81.5 kg").waitFor();
  await press(page, page.getByRole("button", { name: "Save merged" }));
  await page.getByText("Nothing to review").waitFor();
  const atServer = async () => {
    await other("sync");
    const [shown] = await other("show", `ManualReading/${id}`);
    return shown.fields.value;
  };
  await untilEqual(atServer, 81.5);

  await press(page, page.getByRole("button", { name: "Undo" }));
  await page.locator("pulse-toasts").getByText("Undone.").waitFor();
  await untilEqual(atServer, 81);
  assert.deepEqual(device.complaints, []);
  await device.close();
});

/** Shows that single keys lead to screens and fields, mean nothing where a person types, and can be
 * switched off for good. */
test("single keys", async () => {
  const device = await bench.device();
  const page = await device.open();
  const quick = page.getByLabel("Quick add");
  const search = page.getByLabel("Search");
  const keys = async (...pressed) => {
    for (const key of pressed) await page.keyboard.press(key);
  };
  await keys("g", "r");
  await heading(page, "Trends");
  await keys("n");
  await untilEqual(() => hasFocus(quick), true);
  await keys("n", "/", "g", "s");
  assert.equal(await quick.inputValue(), "n/gs");
  await heading(page, "Today");
  await page.reload();
  await heading(page, "Today");
  await keys("/");
  await untilEqual(() => hasFocus(search), true);
  await keys("g", "t");
  assert.equal(await search.inputValue(), "gt");
  await heading(page, "Timeline");
  await press(page, page.getByRole("link", { name: "Settings", exact: true }));
  await heading(page, "Settings");
  await keys("g", "Shift+S");
  await heading(page, "Sync");
  await keys("g", "x", "r");
  await heading(page, "Sync");

  await press(page, page.getByRole("link", { name: "Settings", exact: true }));
  const choice = page.getByRole("checkbox", { name: "Single keys as shortcuts" });
  await tabTo(page, choice);
  await keys("Space");
  await page.reload();
  await heading(page, "Settings");
  assert.equal(await choice.isChecked(), false);
  await keys("n", "/", "g", "r");
  // Whatever a key had led to would be there before the answer to another one.
  await tabTo(page, choice);
  await heading(page, "Settings");
  await keys("Space", "g", "r");
  await heading(page, "Trends");
  assert.deepEqual(device.complaints, []);
  await device.close();
});
