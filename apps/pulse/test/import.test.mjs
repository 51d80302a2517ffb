// Files of other apps, imported in the app, with a real server.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { flaws } from "./axe.mjs";
import { Bench, NARROW, PHONE, untilEqual } from "./bench.mjs";

const EXPORT = await readFile(
  new URL("../../../crates/clarity-health/data/ipyhealth/export.zip", import.meta.url),
);
/** How many records are in it. */
const RECORDS = 1862;
const zip = (buffer, name = "export.zip") => ({ name, mimeType: "application/zip", buffer });

/** @type {Bench} */
let bench;
before(async () => {
  bench = await Bench.start();
});
after(() => bench.stop());

/** Has the app import a file, and waits for how it ended. */
async function importIt(page, file, heading) {
  await page.getByLabel("Choose a file").setInputFiles(file);
  await page.getByRole("heading", { name: heading }).waitFor();
}
/** The figures that the screen shows. */
const figures = async (page) =>
  page.locator("pulse-import dl").evaluate((list) =>
    Object.fromEntries(
      [...list.querySelectorAll("dt")].map((term) => [
        term.textContent,
        Number(term.nextElementSibling.textContent.replaceAll(",", "")),
      ]),
    ),
  );

/** Shows that a real export is imported as the program does it, reaches the server once, is not made
 * twice, and that an undo deletes what it says. */
test("a real export, twice, and its undo", async () => {
  const device = await bench.device({ viewport: PHONE });
  const page = await device.open("import");
  await device.enter("importer", true);
  await device.go("import");
  await importIt(page, zip(EXPORT), "export.zip is imported");
  const first = await figures(page);
  assert.ok(first.New > 1000, JSON.stringify(first));
  await device.picture("import-done-phone");
  await device.untilChip("Up to date");

  const terminal = bench.commandLine("terminal");
  await terminal("login", "--name", "importer", "--server", bench.address);
  const untilCounted = (wanted) =>
    untilEqual(async () => {
      await terminal("sync");
      return (await terminal("list", "HealthMetric", "--limit", "100000")).length;
    }, wanted);
  await untilCounted(RECORDS);

  await importIt(page, zip(EXPORT, "again.zip"), "again.zip is imported");
  const second = await figures(page);
  assert.deepEqual([second.New, second.Changed], [undefined, undefined]);
  assert.equal(second["Here already"], first.New);
  await page.getByText("Everything in the file was here already.").waitFor();
  // One file is one import, however often it was chosen.
  await page.getByRole("button", { name: /^Undo: Apple Health, / }).click();
  const sure = page.getByRole("button", { name: /^Delete [\d,]+ entries$/ });
  const told = Number((await sure.innerText()).replace(/\D/g, ""));
  assert.ok(told >= first.New, `${told} would be deleted`);
  await device.picture("import-undo-phone");
  await sure.click();
  await page.getByText(`${told.toLocaleString("en-GB")} entries deleted.`).waitFor();
  await untilCounted(0);
  assert.deepEqual(device.complaints, []);
  await device.close();
});

/** Shows that files that cannot be imported are refused in words, and change nothing. */
test("files that are no export", async () => {
  const device = await bench.device({ viewport: NARROW });
  const page = await device.open("import");
  const page404 = Buffer.from("<!doctype html><html><body>Not found</body></html>");
  const refused = [
    ["cut.zip", EXPORT.subarray(0, 20_000)],
    ["page.zip", page404],
    ["empty.zip", Buffer.alloc(0)],
    ["noise.xml", Buffer.from("\u0000\u0001 nothing that is known")],
  ];
  for (const [name, content] of refused) {
    await importIt(page, zip(Buffer.from(content), name), `${name} is not imported`);
    const why = await page.locator("pulse-import .error").innerText();
    assert.ok(why.length > 20, why);
    await page.getByText("Nothing that was here before has changed.").waitFor();
    assert.deepEqual(await flaws(page), [], name);
  }
  const tooWide = await page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    return scrollWidth - clientWidth;
  });
  assert.ok(tooWide <= 0, `${tooWide} pixels too wide`);
  await device.go("timeline");
  await page.getByText("Nothing here yet.").waitFor();
  await device.close();
});

/** Shows that an import whose reading the browser ends says so, what stays, and what to do, and that
 * doing so completes it. */
test("an import that the browser ends, and done again", async () => {
  const device = await bench.device({ serviceWorkers: "block" });
  const page = await device.open("import");
  const reader = page.waitForEvent("worker", (worker) => worker.url().includes("import-worker"));
  await device.context.route("**/clarity_web_import*.wasm", async (route) => {
    await (await reader).evaluate(() => {
      const say = globalThis.postMessage;
      let parts = 0;
      globalThis.postMessage = (message) => {
        if (message.kind === "part") parts += 1;
        if (parts === 2) globalThis.close();
        else say(message);
      };
    });
    await route.continue();
  }, { times: 1 });
  await importIt(page, zip(EXPORT), "export.zip is not imported");
  await page.getByText("The browser stopped the reading of the file").waitFor();
  const stays = await page.getByText("had been saved and stay; import the file again").innerText();
  const saved = Number(/^([\d,]+) records/.exec(stays)[1].replaceAll(",", ""));
  assert.ok(saved > 0, stays);
  await device.picture("import-ended");
  await importIt(page, zip(EXPORT, "again.zip"), "again.zip is imported");
  assert.equal((await figures(page))["Here already"], saved);
  assert.deepEqual(device.complaints, []);
  await device.close();
});

/** Shows that a cancelled import says what stays, and that importing again completes it. */
test("an import is cancelled, and done again", async () => {
  // What the reader is made of does not arrive before the person has cancelled.
  const device = await bench.device({ serviceWorkers: "block" });
  let arrive;
  const cancelled = new Promise((resolve) => (arrive = resolve));
  await device.context.route("**/clarity_web_import*.wasm", async (route) => {
    await cancelled;
    await route.continue().catch(() => {});
  });
  const page = await device.open("import");
  await page.getByLabel("Choose a file").setInputFiles(zip(EXPORT));
  await page.getByRole("button", { name: "Cancel" }).click();
  arrive();
  await page.getByText("The import of export.zip was cancelled.").waitFor();
  await importIt(page, zip(EXPORT, "again.zip"), "again.zip is imported");
  const again = await figures(page);
  assert.ok((again.New ?? 0) + (again["Here already"] ?? 0) > 1000, JSON.stringify(again));
  await device.picture("import-done-desktop");
  await device.close();
});
