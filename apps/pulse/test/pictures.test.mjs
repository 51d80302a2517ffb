// Every screen with a person's real data from a real server: a picture of each to look at, and what
// must hold in each size and look, in each direction and with words of any length.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { flaws } from "./axe.mjs";
import { Bench, DESKTOP, NARROW, PHONE } from "./bench.mjs";

const EXPORT = fileURLToPath(new URL("../../../crates/clarity-health/data/ipyhealth/export.zip", import.meta.url));
const NAME = "pictures";
/** As wide as a narrow phone, when text is twice as large. */
const ENLARGED = { width: 640, height: 1280 };

/** @type {Bench} */
let bench;
/** A device with an export's data and an entry in conflict. @type {import("./bench.mjs").Device} */
let device;
/** Each screen's address, and its heading. */
let screens;

before(async () => {
  bench = await Bench.start();
  const other = bench.commandLine("other");
  await other("sign-up", "--name", NAME, "--server", bench.address);
  await other("import", EXPORT);
  const weight = ["metric=BodyMass", "unit=kg", "value=78.4", `start_ms=${Date.now() - 3_600_000}`];
  const [{ id }] = await other("add", "ManualReading", ...weight);
  await other("add", "Note", "title=A good night", "text=Slept well.", `at_ms=${Date.now() - 7_200_000}`);
  await other("sync");

  device = await bench.device();
  const page = await device.open();
  await device.enter(NAME, false);
  await page.getByRole("link", { name: /Weight 78.4 kg/ }).waitFor();
  await device.untilChip("Up to date");
  await device.context.setOffline(true);
  await device.go(`entry/ManualReading/${id}`);
  await page.getByRole("button", { name: "Edit" }).click();
  await page.getByLabel(/^Weight/).fill("78.2");
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator("p.value").getByText("78.2 kg").waitFor();
  await page.getByRole("button", { name: "Dismiss" }).click();
  await other("edit", `ManualReading/${id}`, "value=87.2");
  await other("sync");
  await device.context.setOffline(false);
  await device.go("conflicts");
  const waiting = page.getByRole("link", { name: /Differs in: Value/ });
  await waiting.waitFor();
  const conflict = (await waiting.getAttribute("href")).replace("#/", "");
  screens = {
    today: "Today",
    add: "Add",
    "add/BloodPressure": "Add",
    "add/Note": "Add",
    "add/Goal": "Add",
    timeline: "Timeline",
    [`entry/ManualReading/${id}`]: "Weight",
    "trends/HeartRate/All": "Trends",
    "trends/StepCount/All": "Trends",
    more: "More",
    conflicts: "Conflicts",
    [conflict]: "Weight",
    sync: "Sync",
    account: "Account",
    import: "Import",
    export: "Export",
    settings: "Settings",
    diagnostics: "Diagnostics",
  };
});
after(() => bench.stop());

/** Opens each screen in turn, with its table where it has one, and hands on its name. */
async function each(run) {
  const { page } = device;
  for (const [route, heading] of Object.entries(screens)) {
    await device.go(route);
    await page.locator("main h1").getByText(heading).first().waitFor();
    await page.locator("main").getByText("Loading…").first().waitFor({ state: "detached" });
    if (route.startsWith("trends")) {
      const table = page.getByRole("region").getByRole("table").first();
      if (!(await table.isVisible())) await page.locator("main summary").first().click();
      await table.waitFor();
    }
    const [screen, kind] = route.split("/");
    await run(route.startsWith("conflicts/") ? "conflict" : [screen, screen === "entry" ? "" : kind].filter(Boolean).join("-"));
  }
}

/** What of the screen needs scrolling to the side. */
async function tooWide(page) {
  return page.evaluate(() => {
    const main = document.querySelector("pulse-app").shadowRoot.querySelector("main");
    const width = document.documentElement.clientWidth;
    const found = [];
    if (document.documentElement.scrollWidth > width) found.push("page");
    if (main.scrollWidth > main.clientWidth) found.push("main");
    // What is in a part that scrolls by itself may be wider; a table fits all the same.
    const look = (parent) => {
      for (const element of parent.children) {
        if (element.matches(".scroll") && element.scrollWidth > element.clientWidth) {
          found.push(`table: ${element.textContent.trim().slice(0, 40)}`);
        }
        if (element.matches(".scroll, .u-wrap, .skip, svg")) continue;
        const { left, right, width: own } = element.getBoundingClientRect();
        const isHidden = own <= 1 || getComputedStyle(element).visibility === "hidden";
        if (!isHidden && (left < -1 || right > width + 1)) {
          found.push(`${element.localName}.${element.className}: ${element.textContent.trim().slice(0, 40)}`);
        }
        look(element);
        if (element.shadowRoot) look(element.shadowRoot);
      }
    };
    look(document.body);
    return found;
  });
}

/** Makes each text of the page twice as long, once. */
async function lengthen(page) {
  await page.evaluate(() => {
    globalThis.lengthened ??= new WeakSet();
    const change = (parent) => {
      for (const node of parent.childNodes) {
        if (node.nodeType === Node.TEXT_NODE && /\p{L}/u.test(node.data) && !globalThis.lengthened.has(node)) {
          globalThis.lengthened.add(node);
          node.data = `${node.data} ${node.data}`;
        }
        if (node.shadowRoot) change(node.shadowRoot);
        if (!["STYLE", "SCRIPT"].includes(node.nodeName)) change(node);
      }
    };
    change(document.body);
  });
}

/** Shows that axe finds nothing on any screen, light and dark, be it a conflict or an open table. */
test("every screen with real data is for everybody", async () => {
  const { page } = device;
  const found = [];
  await each(async (name) => {
    for (const scheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme: scheme });
      for (const [size, viewport] of [["desktop", DESKTOP], ["phone", PHONE]]) {
        await page.setViewportSize(viewport);
        await device.picture(`real-${name}-${size}-${scheme}`);
        for (const flaw of await flaws(page)) found.push(`${name} ${size} ${scheme}: ${flaw}`);
      }
    }
  });
  await page.emulateMedia({ colorScheme: "light" });
  assert.deepEqual(found, []);
  assert.deepEqual(device.complaints, []);
});

/** Shows that no screen needs scrolling to the side: on a narrow phone, from right to left, with
 * text twice as large, and with words twice as long. */
test("every screen fits", async () => {
  const { page } = device;
  const found = [];
  const check = async (how, viewport) => {
    await page.setViewportSize(viewport);
    await each(async (name) => {
      if (how === "long") await lengthen(page);
      await device.picture(`fits-${name}-${how}`);
      for (const what of await tooWide(page)) found.push(`${name} ${how}: ${what}`);
    });
  };
  const root = (part) => page.evaluate((part) => Object.assign(document.documentElement, part), part);
  await check("narrow", NARROW);
  await root({ dir: "rtl" });
  await check("rtl", NARROW);
  await check("rtl-desktop", DESKTOP);
  const rail = await page.getByRole("navigation", { name: "Screens" }).boundingBox();
  const main = await page.locator("#main").boundingBox();
  assert.equal(rail.x + rail.width, DESKTOP.width, "the rail is where lines begin");
  assert.ok(main.x + main.width <= rail.x, "the screen is beside the rail");
  await root({ dir: "", style: "font-size: 200%" });
  await check("enlarged", ENLARGED);
  await root({ style: "" });
  await check("long", NARROW);
  assert.deepEqual(found, []);
  assert.deepEqual(device.complaints, []);
});

/** Shows that a metric with values of one month only has its bar in the middle of the chart. */
test("a single bar is in the middle", async () => {
  const { page } = device;
  await page.setViewportSize(DESKTOP);
  await device.go("trends/StepCount/All");
  const canvas = page.locator("pulse-chart canvas");
  await canvas.waitFor();
  const bar = () => canvas.evaluate((canvas) => {
    const plot = canvas.parentElement.querySelector(".u-over").getBoundingClientRect();
    const { left, width } = canvas.getBoundingClientRect();
    const scale = canvas.width / width;
    // Just above the axis there is nothing but the grid, a pixel wide, and the bar.
    const y = Math.round((plot.bottom - canvas.getBoundingClientRect().top - 8) * scale);
    const { data } = canvas.getContext("2d").getImageData(0, y, canvas.width, 1);
    const isDrawn = (x) => data[4 * x + 3] === 255;
    const columns = Array.from({ length: canvas.width }, (_, x) => x).filter(
      (x) => [-2, 0, 2].every((by) => isDrawn(x + by)));
    const middle = (columns[0] + columns.at(-1)) / 2 / scale + left;
    return { width: columns.length / scale, off: Math.abs(middle - (plot.left + plot.right) / 2) };
  });
  const { width, off } = await bar();
  assert.ok(width > 20, `${width} wide`);
  assert.ok(off < 2, `${off} off the middle`);
});
