// A device with no network, or with one that is none, whose app is opened again meanwhile; what it
// sends is checked by another device.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { Bench, untilEqual } from "./bench.mjs";

/** @type {Bench} */
let bench;
before(async () => {
  bench = await Bench.start();
});
after(() => bench.stop());

/** A signed-in device with these weights at the server, whose app starts without a network; and
 * what another device reads. */
async function signedIn(name, weights) {
  const device = await bench.device();
  const page = await device.open();
  await device.enter(name, true);
  for (const weight of weights) await device.quick(`weight ${weight}`);
  await device.untilChip("Up to date");
  await page.evaluate(async () => {
    await navigator.serviceWorker.ready;
  });
  const other = bench.commandLine(name.replaceAll(" ", "-"));
  await other("login", "--name", name, "--server", bench.address);
  const values = async () => {
    await other("sync");
    const read = await other("list", "ManualReading");
    return read.map(({ fields }) => fields.value).sort();
  };
  return { device, page, other, values };
}

async function openWeight(device, value) {
  await device.go("timeline");
  await device.page.getByRole("link", { name: new RegExp(`Weight ${value} kg`) }).click();
}

/** Shows that what is added, edited and deleted with no network is there when the app is opened
 * again, still with none; and that it arrives once, by itself, when the server is back. */
test("opened again with no network", async () => {
  const { device, page, other, values } = await signedIn("opened again", [70, 71]);
  await device.context.setOffline(true);
  await page.reload();
  await device.untilChip("Offline · data from");
  await device.quick("weight 73");
  await openWeight(device, 71);
  await page.getByRole("button", { name: "Edit" }).click();
  await page.getByLabel(/^Weight/).fill("72");
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator("p.value").getByText("72 kg").waitFor();
  await openWeight(device, 70);
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("heading", { name: "This entry is not here" }).waitFor();

  await page.reload();
  await device.untilChip("Offline · 3");
  await device.go("timeline");
  await page.getByRole("link", { name: /72 kg/ }).waitFor();
  await page.getByRole("link", { name: /73 kg/ }).waitFor();
  assert.equal(await page.getByRole("link", { name: /kg/ }).count(), 2);
  assert.deepEqual(await values(), [70, 71]);

  // The network comes back before the server does.
  await bench.stopServer();
  await device.context.setOffline(false);
  await device.untilChip("Can’t reach server");
  await bench.startServer();
  await device.untilChip("Up to date");
  await untilEqual(values, [72, 73]);
  // Each was made once: what came of it has nothing to put right, here or there.
  assert.deepEqual(await other("conflicts"), []);
  assert.deepEqual(await other("failed"), []);
  await page.reload();
  await device.untilChip("Up to date");
  assert.deepEqual(await values(), [72, 73]);
  assert.deepEqual(device.complaints, []);
  await device.close();
});

/** A network that answers everything with a page of its own, in place of the server. */
async function portal() {
  const server = createServer((_, answer) => {
    answer.writeHead(200, { "content-type": "text/html" });
    answer.end("<!doctype html><title>Welcome</title><p>Please sign in to this network.</p>");
  });
  server.listen(Number(new URL(bench.address).port), "127.0.0.1");
  await once(server, "listening");
  return async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
}

/** Shows that a network which answers in place of the server is named as such, loses nothing of what
 * is added meanwhile, and is got over by itself. */
test("a network that wants a sign-in of its own", async () => {
  const { device, page, values } = await signedIn("captive portal", [70]);
  await bench.stopServer();
  const leave = await portal();
  await device.quick("weight 71");
  await device.untilChip("Wi-Fi sign-in");
  await page.locator("clarity-sync-status").getByRole("button").click();
  const details = page.getByRole("dialog", { name: "Sync" });
  await details.getByText("This Wi-Fi needs sign-in").first().waitFor();
  await details.getByText("We got a web page instead of our server.").waitFor();
  await device.picture("captive-portal");
  await page.keyboard.press("Escape");

  // The page of the network is neither taken for an answer nor for the app.
  await page.reload();
  await page.getByRole("link", { name: /Weight 71 kg/ }).waitFor();
  await device.untilChip("Wi-Fi sign-in");

  await leave();
  await bench.startServer();
  await device.untilChip("Up to date");
  await untilEqual(values, [70, 71]);
  assert.deepEqual(device.complaints, []);
  await device.close();
});
