// Every screen, in the sizes and looks that people have, for everybody to use.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { flaws } from "./axe.mjs";
import { Bench, DESKTOP, NARROW, PHONE } from "./bench.mjs";

const DAY = 86_400_000;

/** @type {Bench} */
let bench;
before(async () => {
  bench = await Bench.start();
});
after(() => bench.stop());

/** Adds a reading of an earlier day. */
async function addOn(device, { kind, fields, daysAgo }) {
  await device.go(`add/${kind}`);
  const at = new Date(Date.now() - daysAgo * DAY).toISOString().slice(0, 16);
  for (const [name, value] of Object.entries({ ...fields, when: at })) {
    await device.page.locator(`pulse-form [name=${name}]`).fill(value);
  }
  await device.page.getByRole("button", { name: "Save" }).click();
  await device.page.getByRole("button", { name: "Dismiss" }).click();
}

/** A device with entries of a week. */
async function withEntries() {
  const device = await bench.device();
  await device.open();
  const weights = ["79.4", "79.1", "79.3", "78.8", "78.5", "78.6", "78.2"];
  for (const [index, value] of weights.entries()) {
    await addOn(device, { kind: "BodyMass", fields: { value }, daysAgo: 7 - index });
  }
  for (const [systolic, diastolic, daysAgo] of [["128", "84", 4], ["121", "79", 2], ["118", "77", 1]]) {
    await addOn(device, { kind: "BloodPressure", fields: { systolic, diastolic, pulse: "64" }, daysAgo });
  }
  for (const [value, daysAgo] of [["9120", 3], ["4300", 2], ["11250", 1]]) {
    await addOn(device, { kind: "StepCount", fields: { value }, daysAgo });
  }
  const note = { text: "Slept well after the long walk by the river.", title: "A good night", tags: "sleep, walk" };
  await addOn(device, { kind: "Note", fields: note, daysAgo: 1 });
  await device.go("add/Goal");
  await device.page.locator("pulse-form [name=title]").fill("Walk more");
  await device.page.locator("pulse-form [name=metric]").selectOption("StepCount");
  await device.page.locator("pulse-form [name=target]").fill("10000");
  await device.page.getByRole("button", { name: "Save" }).click();
  await device.page.getByRole("button", { name: "Dismiss" }).click();
  return device;
}

/** Shows that axe finds nothing on any screen, light and dark, and that nothing is wider than a
 * narrow phone. */
test("every screen is for everybody", async () => {
  const device = await withEntries();
  const { page } = device;
  await device.go("timeline");
  const entry = await page.getByRole("link", { name: /Weight/ }).first().getAttribute("href");
  const screens = {
    today: "today",
    add: "add",
    "add-blood-pressure": "add/BloodPressure",
    "add-note": "add/Note",
    timeline: "timeline",
    entry: entry.replace("#/", ""),
    trends: "trends/BodyMass/W",
    "trends-pressure": "trends/BloodPressure/W",
    "trends-steps": "trends/StepCount/M",
    more: "more",
    conflicts: "conflicts",
    sync: "sync",
    account: "account",
    import: "import",
    export: "export",
    settings: "settings",
    diagnostics: "diagnostics",
    missing: "no-such-screen",
  };
  const found = [];
  for (const [name, route] of Object.entries(screens)) {
    await device.go(route);
    await page.getByText("Loading…").first().waitFor({ state: "detached" });
    for (const scheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme: scheme });
      for (const [size, viewport] of [["desktop", DESKTOP], ["phone", PHONE]]) {
        await page.setViewportSize(viewport);
        await device.picture(`${name}-${size}-${scheme}`);
      }
      for (const flaw of await flaws(page)) found.push(`${name} ${scheme}: ${flaw}`);
    }
    await page.setViewportSize(NARROW);
    const width = await page.evaluate(() => {
      const main = document.querySelector("pulse-app").shadowRoot.querySelector("main");
      return Math.max(document.documentElement.scrollWidth, main.scrollWidth);
    });
    if (width > NARROW.width) found.push(`${name}: ${width} wide on a screen of ${NARROW.width}`);
  }
  assert.deepEqual(found, []);
  assert.deepEqual(device.complaints, []);
  await device.close();
});

/** Shows that the details of the sync open beside a wide screen, which stays in use, and over all
 * of a phone; that Escape gives the focus back; and that what they offer leads to its screen. */
test("the details of the sync open over any screen", async () => {
  const device = await bench.device();
  const page = await device.open();
  const chip = page.getByRole("button", { name: /^Sync status/ });
  const details = page.getByRole("dialog", { name: "Sync" });
  const title = details.getByRole("heading", { name: "Sync", exact: true });
  const focused = (locator) => locator.evaluate((element) => element.matches(":focus"));
  for (const [size, viewport, isModal] of [["desktop", DESKTOP, false], ["phone", PHONE, true]]) {
    await page.setViewportSize(viewport);
    await chip.click();
    await title.waitFor();
    assert.equal(await focused(title), true, `${size}: the heading has the focus`);
    assert.equal(await details.evaluate((dialog) => dialog.matches(":modal")), isModal, size);
    assert.deepEqual(await flaws(page), [], size);
    await device.picture(`details-${size}`);
    if (!isModal) {
      const [main, panel] = await Promise.all([page.locator("#main").boundingBox(), details.boundingBox()]);
      assert.ok(main.x + main.width <= panel.x, "they are beside each other");
      await page.getByLabel("Quick add").fill("beside it");
      await title.focus();
    }
    await page.keyboard.press("Escape");
    await details.waitFor({ state: "detached" });
    assert.equal(await focused(chip), true, `${size}: the focus is back`);
  }
  await chip.click();
  await details.getByRole("button", { name: "Sign in" }).click();
  const account = page.getByRole("heading", { name: "Account", level: 1 });
  await account.waitFor();
  await details.waitFor({ state: "detached" });
  assert.equal(await focused(account), true, "the new screen's heading has the focus");
  assert.deepEqual(device.complaints, []);
  await device.close();
});
