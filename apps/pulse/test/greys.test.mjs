// What a person sees who sees no colours, or who needs large text on a narrow phone.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Bench, NARROW, untilEqual } from "./bench.mjs";

/** @type {Bench} */
let bench;
/** Without a network, with an entry in conflict, one that waits and one at the server.
 * @type {import("./bench.mjs").Device} */
let device;
before(async () => {
  bench = await Bench.start();
  const name = "greys";
  const other = bench.commandLine(name);
  await other("sign-up", "--name", name, "--server", bench.address);
  const add = (value, hours) => {
    const at = `start_ms=${Date.now() - hours * 3_600_000}`;
    return other("add", "ManualReading", "metric=BodyMass", "unit=kg", `value=${value}`, at);
  };
  const [{ id }] = await add(80, 2);
  await add(79, 3);
  await other("sync");
  device = await bench.device({ viewport: NARROW });
  const page = await device.open();
  await device.enter(name, false);
  await device.untilChip("Up to date");
  await device.context.setOffline(true);
  await device.go(`entry/ManualReading/${id}`);
  await page.getByRole("button", { name: "Edit" }).click();
  await page.getByLabel(/^Weight/).fill("81");
  await page.getByRole("button", { name: "Save" }).click();
  await device.dismiss("Saved on this device.");
  await other("edit", `ManualReading/${id}`, "value=82");
  await other("sync");
  await device.context.setOffline(false);
  await device.untilChip("1 to review");
  await device.context.setOffline(true);
  await device.quick("weight 78");
  await device.untilChip("Offline ·");
});
after(() => bench.stop());

/** Shows that entries in different states differ in an icon and in words, and so do the states of
 * the sync beside each other. */
test("states differ without colours", async () => {
  const { page } = device;
  await page.evaluate(() => (document.documentElement.style.filter = "grayscale(1)"));
  await device.go("timeline");
  const badges = page.locator("pulse-timeline .badge");
  await untilEqual(async () => (await badges.allInnerTexts()).map((text) => text.trim()).sort(), [
    "Two versions",
    "Waiting",
  ]);
  const states = page.locator("clarity-sync-status button .state");
  const drawn = async (place) => [
    (await place.innerText()).trim(),
    await place.locator("svg").first().evaluate((icon) => icon.innerHTML),
  ];
  for (const places of [badges, states]) {
    const seen = await Promise.all((await places.all()).map(drawn));
    assert.ok(seen.length >= 2, `${seen.length} states`);
    for (const part of [0, 1]) {
      const different = new Set(seen.map((each) => each[part]));
      assert.equal(different.size, seen.length, JSON.stringify([...different]));
    }
  }
  await device.picture("greys-timeline");
  await page.evaluate(() => (document.documentElement.style.filter = ""));
});

/** Shows that no screen needs scrolling to the side with text twice as large, 320 pixels wide, and
 * that most of the height is the screen's. */
test("text twice as large on a narrow phone", async () => {
  const { page } = device;
  await page.evaluate(() => (document.documentElement.style.fontSize = "200%"));
  const screens = ["today", "add", "add/BloodPressure", "add/Note", "timeline", "trends", "more",
    "conflicts", "sync", "account", "import", "export", "settings", "diagnostics"];
  await device.go("conflicts");
  const conflict = page.getByRole("link", { name: /Differs in: Value/ });
  screens.push((await conflict.getAttribute("href")).replace("#/", ""));
  const found = [];
  for (const screen of screens) {
    await device.go(screen);
    await page.locator("main").getByText("Loading…").first().waitFor({ state: "detached" });
    const width = await page.evaluate(() => {
      const main = document.querySelector("pulse-app").shadowRoot.querySelector("main");
      return Math.max(document.documentElement.scrollWidth, main.scrollWidth);
    });
    if (width > NARROW.width) found.push(`${screen}: ${width} wide`);
    const { height } = await page.locator("#main").boundingBox();
    if (height < NARROW.height / 2) found.push(`${screen}: ${height} high`);
    await device.picture(`large-${screen.replaceAll("/", "-")}`);
  }
  assert.deepEqual(found, []);
  assert.deepEqual(device.complaints, []);
});
