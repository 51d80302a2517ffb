// An account with more in it than a device may hold.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Bench, PHONE, untilEqual } from "./bench.mjs";

const NAME = "little space";
/** Together more than the least that a device can be told to hold, which is 50 MB. */
const NOTES = 700;
const TEXT = "long ".repeat(18_000);
const DAY_MS = 86_400_000;

/** @type {Bench} */
let bench;
let other;
before(async () => {
  bench = await Bench.start();
  other = bench.commandLine("other");
  const lines = Array.from({ length: NOTES }, (_, index) => {
    const fields = { title: `day ${index}`, text: TEXT, at_ms: Date.now() - (index + 1) * DAY_MS };
    return JSON.stringify({ do: "create", type: "Note", fields });
  });
  const file = join(bench.folder, "notes.jsonl");
  await writeFile(file, lines.join("\n"));
  await other("sign-up", "--name", NAME, "--server", bench.address);
  await other("batch", file);
  await other("sync");
});
after(() => bench.stop());

/** The figures of a type in the settings: entries, and those that are only at the server. */
async function figures(page, type) {
  const header = page.getByRole("rowheader", { name: type, exact: true });
  const cells = page.getByRole("row").filter({ has: header }).getByRole("cell");
  const [entries, away] = await cells.allInnerTexts();
  return [entries, away].map((text) => Number(text.replaceAll(",", "")));
}

/** Shows that a device with little space says how much it has and what is only at the server, gives
 * up nothing that was not sent, and deletes nothing anywhere by it. */
test("more than the space that is given", async () => {
  const device = await bench.device({ viewport: PHONE });
  const page = await device.open("settings");
  await page.getByLabel("Space for data on this device").selectOption(String(50_000_000));
  await page.getByText("Saved.", { exact: true }).waitFor();
  await device.enter(NAME, false);
  await device.untilChip("Up to date");
  await device.go("settings");
  await page.getByText(/ of 50(\.0)? MB used$/).waitFor();
  await page.waitForFunction(() => {
    const { shadowRoot } = document.querySelector("pulse-app");
    const words = shadowRoot.querySelector("pulse-settings").shadowRoot.textContent;
    const [, used] = /([\d.]+) MB of 50(?:\.0)? MB used/.exec(words) ?? [];
    return Number(used) <= 50;
  });
  const [here, away] = await figures(page, "Note");
  assert.ok(away > 0, `${away} only at the server`);
  assert.equal(here + away, NOTES);
  await device.picture("space-phone");

  await device.context.setOffline(true);
  await device.quick("weight 70");
  await device.quick("weight 71");
  await page.reload();
  await device.untilChip("Offline · 2");
  await page.getByRole("link", { name: /Weight 71 kg/ }).waitFor();
  await device.context.setOffline(false);
  await device.untilChip("Up to date");
  await untilEqual(async () => {
    await other("sync");
    return (await other("list", "ManualReading")).map(({ fields }) => fields.value).sort();
  }, [70, 71]);
  assert.equal((await other("list", "Note", "--count"))[0].count, NOTES);
  assert.deepEqual(device.complaints, []);
  await device.close();
});
