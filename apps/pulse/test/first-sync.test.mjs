// An account with years of data, signed in to on a new device: the app is in use from the start.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { Bench, PHONE, PROGRAM, untilEqual } from "./bench.mjs";

const run = promisify(execFile);
const RECORDS = 36_000;
const NAME = "first sync";

/** @type {Bench} */
let bench;
let other;
before(async () => {
  bench = await Bench.start();
  other = bench.commandLine("other");
  const file = join(bench.folder, "export.zip");
  await run(PROGRAM, ["generate-export", "--records", String(RECORDS), file]);
  await other("sign-up", "--name", NAME, "--server", bench.address);
  await other("import", file);
  await other("sync");
});
after(() => bench.stop());

/** How many entries of a type the settings say that this device has. */
async function entries(page, type) {
  const header = page.getByRole("rowheader", { name: type, exact: true });
  const row = page.getByRole("row").filter({ has: header });
  return Number((await row.getByRole("cell").first().innerText()).replaceAll(",", ""));
}

/** Shows that while an account's 36,000 records arrive, a person sees how far that is, adds an
 * entry and looks at what is there; and that in the end both devices have everything. */
test("an entry is added while 36,000 records arrive", async () => {
  const device = await bench.device({ viewport: PHONE });
  let pulls = 0;
  let look;
  const looked = new Promise((resolve) => (look = resolve));
  await device.context.route("**/v1/pull", async (route) => {
    pulls += 1;
    // However fast it is: the last of it comes after the person has looked.
    if (pulls > 4) await looked;
    await route.continue();
  });
  const page = await device.open();
  await device.enter(NAME, false);
  await device.untilChip(/Setting up/);
  await device.quick("note written meanwhile");
  await page.getByRole("link", { name: /written meanwhile/ }).waitFor();
  await device.go("timeline");
  await page.getByRole("link", { name: /written meanwhile/ }).waitFor();
  await page.getByText(/entr(y|ies) shown/).waitFor();
  await device.untilChip(/Setting up/);
  await device.picture("first-sync-phone");
  look();

  await device.untilChip("Up to date");
  await page.getByRole("link", { name: /written meanwhile/ }).waitFor();
  await page.getByText("50 entries shown").waitFor();
  assert.ok(pulls > 4, `${pulls} pulls`);
  await device.go("settings");
  await untilEqual(() => entries(page, "Measurement"), RECORDS);
  await untilEqual(async () => {
    await other("sync");
    return (await other("list", "Note")).map(({ fields }) => fields.text);
  }, ["written meanwhile"]);
  assert.deepEqual(device.complaints, []);
  await device.close();
});
