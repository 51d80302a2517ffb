// What a person is told when something does not work: what to do, never what the engine calls it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Bench } from "./bench.mjs";

const PASSWORD = "a long enough password";

/** @type {Bench} */
let bench;
before(async () => {
  bench = await Bench.start();
});
after(() => bench.stop());

/** Tries to sign in, and waits for what the screen says about it. */
async function tryToEnter(device, { name, password = PASSWORD, says }) {
  const { page } = device;
  await page.getByRole("radio", { name: "I have an account" }).check();
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel(/^Password/).fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").getByText(says).waitFor();
}

/** Shows what is said about a sign-in that does not work. */
test("signing in", async () => {
  await bench.commandLine("other")("sign-up", "--name", "somebody", "--server", bench.address);
  const device = await bench.device();
  await device.open("account");
  const wrong = "The name or the password is wrong. Check both, and try again.";
  await tryToEnter(device, { name: "somebody", password: "another long password", says: wrong });
  const { context } = device;
  const answer = async (with_, says) => {
    await context.route("**/v1/**", (route) => route.fulfill(with_));
    await tryToEnter(device, { name: "somebody", says });
    await context.unroute("**/v1/**");
  };
  await answer({ contentType: "text/html", body: "<h1>Hotel</h1>" }, "This network wants a sign-in.");
  const busy = { status: 503, contentType: "application/json", body: "{}" };
  await answer(busy, "The server cannot answer just now.");
  await bench.stopServer();
  await tryToEnter(device, { name: "somebody", says: "The server cannot be reached." });
  await bench.startServer();
  await device.close();
});

/** Shows what is said about an entry that is too long, and that the form keeps it. */
test("an entry that is too long", async () => {
  const device = await bench.device();
  const page = await device.open("add/Note");
  const text = "long ".repeat(60_000);
  await page.getByLabel("Text", { exact: true }).fill(text);
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("status").getByText(/^This is too long: it has 300 kB, the limit is 262/).waitFor();
  assert.equal(await page.getByLabel("Text", { exact: true }).inputValue(), text);
  assert.deepEqual(device.complaints, []);
  await device.close();
});

/** Shows that what is typed while the entry is deleted in another tab is kept, and can be saved. */
test("an entry that is deleted while it is edited", async () => {
  const device = await bench.device();
  const page = await device.open();
  await device.quick("weight 70");
  await device.go("timeline");
  const entry = await page.getByRole("link", { name: /Weight 70 kg/ }).getAttribute("href");
  await device.go(entry.replace("#/", ""));
  await page.getByRole("button", { name: "Edit" }).click();
  await page.getByLabel(/^Weight/).fill("71");
  const other = await device.context.newPage();
  await other.goto(`${bench.address}/${entry}`);
  await other.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("alert").getByText("This entry was deleted meanwhile.").waitFor();
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator("p.value").getByText("71 kg").waitFor();
  await device.go("timeline");
  await page.getByText("1 entry shown").waitFor();
  assert.deepEqual(device.complaints, []);
  await device.close();
});

/** Shows that doing what is said about a file that cannot be imported has it imported. */
test("files", async () => {
  const device = await bench.device();
  const page = await device.open("import");
  const give = async (name, text, heading) => {
    const file = { name, mimeType: "text/plain", buffer: Buffer.from(text) };
    await page.getByLabel("Choose a file").setInputFiles(file);
    await page.getByRole("heading", { name: `${name} ${heading}` }).waitFor();
    return page.locator("pulse-import [role=status]").innerText();
  };
  assert.match(await give("a.txt", "hello", "is not imported"), /This file cannot be imported\. Choose/);
  assert.match(await give("b.csv", "kg,at\n70,9", "is not imported"), /the heading “start”/);
  assert.match(await give("c.csv", "start,a\n2026-01-02T08:15Z,9", "is not imported"), /heading “metric”/);
  const good = "start,metric,value,unit\n2026-01-02T08:15:00Z,BodyMass,70,kg\n";
  assert.match(await give("d.csv", good, "is imported"), /New\s+1/);
  assert.deepEqual(device.complaints, []);
  await device.close();
});
