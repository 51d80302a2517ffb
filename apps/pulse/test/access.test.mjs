// A device that the server does not know any more: it asks for a sign-in, goes on and loses
// nothing.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Bench, untilEqual } from "./bench.mjs";

/** @type {Bench} */
let bench;
before(async () => {
  bench = await Bench.start();
});
after(() => bench.stop());

/** The weights that a device of the account reads from the server. */
async function weightsOf(device) {
  await device("sync");
  const read = await device("list", "ManualReading");
  return read.map(({ fields }) => fields.value).sort();
}

/** Adds an entry while the server knows nobody, and has it arrive after a sign-in. */
async function goOn(device, { name, chip, other }) {
  const { page } = device;
  await device.untilChip(chip);
  await device.quick("weight 71");
  await page.reload();
  await page.getByRole("link", { name: /Weight 71 kg/ }).waitFor();
  await device.untilChip(chip);
  await device.enterAgain(name);
  await device.untilChip("Up to date");
  await untilEqual(() => weightsOf(other), [70, 71]);
  await device.go("timeline");
  // Each is waited for as the only one of its kind.
  await page.getByRole("link", { name: /71 kg/ }).waitFor();
  await page.getByRole("link", { name: /70 kg/ }).waitFor();
  assert.deepEqual(device.complaints, []);
  await device.close();
}

/** Shows that a device whose access was taken keeps what is added, over a reload too, and that it
 * arrives once when the person has signed in again. */
test("access that was taken away", async () => {
  const name = "taken away";
  const device = await bench.device();
  const page = await device.open();
  await device.enter(name, true);
  await device.quick("weight 70");
  await device.untilChip("Up to date");
  await device.go("account");
  const id = await page.getByRole("definition").last().innerText();
  const other = bench.commandLine("taken-away");
  await other("login", "--name", name, "--server", bench.address);
  await other("devices", "--revoke", id);
  await goOn(device, { name, chip: "Access removed", other });
});

/** Shows that a server that was restored from a time before a device signed in has it asked to sign
 * in, and that what was added meanwhile arrives once. */
test("a server that knows nothing of the sign-in", async () => {
  const name = "restored";
  const other = bench.commandLine("restored");
  await other("sign-up", "--name", name, "--server", bench.address);
  const reading = ["metric=BodyMass", "value=70", "unit=kg", `start_ms=${Date.now() - 3_600_000}`];
  await other("add", "ManualReading", ...reading);
  await other("sync");
  const restore = await bench.backUp();
  const device = await bench.device();
  const page = await device.open();
  await device.enter(name, false);
  await page.getByRole("link", { name: /Weight 70 kg/ }).waitFor();
  await device.untilChip("Up to date");
  await restore();
  await goOn(device, { name, chip: "Sign in to sync", other });
});
