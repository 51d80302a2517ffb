// The lab: two phones of one page, with stores of their own, and a network that is broken on purpose.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { flaws } from "./axe.mjs";
import { Bench, DESKTOP, NARROW, PHONE } from "./bench.mjs";

/** @type {Bench} */
let bench;
before(async () => {
  bench = await Bench.start();
});
after(() => bench.stop());

/** A browser with the lab set up. */
class Lab {
  static async open(options) {
    const lab = new Lab();
    lab.device = await bench.device(options);
    lab.page = await lab.device.open("", "/lab.html");
    await lab.page.getByRole("button", { name: "Set up both phones" }).click();
    [lab.a, lab.b] = ["Phone A", "Phone B"].map((name) => new Phone(lab.page, name));
    for (const phone of [lab.a, lab.b]) await phone.until("Up to date");
    return lab;
  }

  network(name) {
    return this.page.getByRole("radio", { name: new RegExp(`^${name}`) }).check();
  }

  /** Waits for a line of the server's log that says all of this. */
  logged(...words) {
    const lines = this.page.getByRole("log").locator("> ol > li");
    return words.reduce((found, hasText) => found.filter({ hasText }), lines).first().waitFor();
  }

  async close() {
    assert.deepEqual(this.device.complaints, []);
    await this.device.close();
  }
}

class Phone {
  constructor(page, name) {
    this.name = name;
    this.place = page.getByRole("article", { name });
  }

  airplane() {
    return this.place.getByRole("switch", { name: `Airplane mode, ${this.name}` }).click();
  }

  /** Waits until its sync says so. */
  until(words) {
    return this.place.locator("clarity-sync-status").getByText(words).first().waitFor();
  }

  field(label) {
    return this.place.getByLabel(label, { exact: true });
  }

  async edit(label, value) {
    await this.field(label).fill(value);
    await this.field(label).press("Enter");
  }

  button(name) {
    return this.place.getByRole("button", { name });
  }

  says(words) {
    return this.place.getByText(words, { exact: true }).waitFor();
  }
}

const TARGET = "Target, steps a day";

/** Waits until a field has a value: it may come from the other phone. */
const has = (phone, label, value) =>
  phone.field(label).evaluate((input, wanted) => new Promise((resolve) => {
    const look = () => (input.value === wanted ? resolve() : requestAnimationFrame(look));
    look();
  }), value);

/** Shows that an address opens the lab with a conflict that waits, which a person settles; and that
 * the same address later finds the phones as they were left. */
test("begins with a conflict", async () => {
  const device = await bench.device();
  const page = await device.open("conflict", "/lab.html");
  const [a, b] = ["Phone A", "Phone B"].map((name) => new Phone(page, name));
  await b.until("1 to review");
  await has(a, TARGET, "9000");
  await has(b, TARGET, "12000");
  await b.button(/Goal/).click();
  await b.button("Keep my version").click();
  for (const phone of [a, b]) {
    await has(phone, TARGET, "12000");
    await phone.until("Up to date");
  }
  await page.reload();
  await has(b, TARGET, "12000");
  await b.until("Up to date");
  assert.deepEqual(device.complaints, []);
  await device.close();
});

/** Shows that undo of a value of one's own, saved in place of both, brings back what this phone had
 * and not what the server had. */
test("a value of one's own, taken back", async () => {
  const device = await bench.device();
  const page = await device.open("conflict", "/lab.html");
  const [a, b] = ["Phone A", "Phone B"].map((name) => new Phone(page, name));
  await b.until("1 to review");
  await b.button(/Goal/).click();
  await b.place.getByRole("radio", { name: "Edit…" }).check();
  await b.place.getByLabel(/your own value$/).fill("10000");
  await b.place.getByLabel(/your own value$/).press("Tab");
  await b.button("Save merged").click();
  for (const phone of [a, b]) await has(phone, TARGET, "10000");
  await b.button("Undo").click();
  await b.says("Taken back.");
  for (const phone of [b, a]) {
    await has(phone, TARGET, "12000");
    await phone.until("Up to date");
  }
  assert.deepEqual(device.complaints, []);
  await device.close();
});

/** Shows that what both phones change without a network is queued, merges where it can, and waits
 * for a person where it cannot; and that both have the same in the end. */
test("a merge and a conflict", async () => {
  const lab = await Lab.open();
  const { a, b } = lab;
  for (const phone of [a, b]) {
    await phone.airplane();
    await phone.until("Offline");
  }
  await a.edit(TARGET, "9000");
  await a.button("Walk 500 steps").click();
  await a.says("Waiting to be sent: 2");
  await b.edit(TARGET, "12000");
  await b.button("Walk 500 steps").click();
  await b.button("Walk 500 steps").click();
  await b.says("Waiting to be sent: 3");
  assert.equal(await b.field(TARGET).inputValue(), "12000");

  await a.airplane();
  await a.until("Up to date");
  await b.airplane();
  await b.until("1 to review");
  // Whichever of its requests is answered first tells of the other phone's target.
  await lab.logged("Phone B", /: conflict|told of the goal/);
  await lab.device.picture("lab-conflict");
  await b.button(/Goal/).click();
  await b.button("Keep my version").click();
  for (const phone of [a, b]) {
    await has(phone, TARGET, "12000");
    await phone.says("Walked so far: 1,500 steps");
    await phone.until("Up to date");
  }
  await lab.close();
});

/** Shows that an entry whose answers are lost is at the server, is sent again, and is there once. */
test("lost answers", async () => {
  const lab = await Lab.open();
  const { a, b } = lab;
  await lab.network("Lost answers");
  await a.button("Add a reading").click();
  await lab.logged("Phone A", "/v1/push", "create reading: applied", "the answer was lost");
  await a.says("Waiting to be sent: 1");
  await lab.network("Good");
  for (const phone of [a, b]) {
    await phone.says("1 reading on this phone");
    await phone.until("Up to date");
    await phone.says("Waiting to be sent: 0");
  }
  await lab.close();
});

/** Shows that each broken network is told apart in words, that nothing is lost by it, and that an
 * unsent change is there after a reload. */
test("broken networks", async () => {
  const lab = await Lab.open();
  const { a, b } = lab;
  await lab.network("Captive portal");
  await a.edit("Title", "Walk far");
  await a.until("Wi-Fi sign-in");
  await lab.logged("Phone A", "sign-in page");
  await lab.network("Offline");
  await a.until("Can’t reach server");
  await lab.network("Errors");
  await lab.logged("Phone A", "a gateway answered 502");
  await a.says("Waiting to be sent: 1");
  await b.airplane();
  await b.field("Text").fill("Slept well.\nWoke up late.\n");
  await b.button("Save text of the note").click();
  await b.says("Waiting to be sent: 1");
  await lab.page.reload();
  for (const phone of [a, b]) {
    await has(phone, "Title", "Walk far");
    await has(phone, "Text", "Slept well.\nWoke up late.\n");
    await phone.until("Up to date");
  }
  await lab.close();
});

/** Shows that a second tab does not take the network from the first, and that starting over gives
 * both phones a new account. */
test("one tab, and a new start", async () => {
  const lab = await Lab.open();
  await lab.a.button("Add a reading").click();
  await lab.b.says("1 reading on this phone");
  const other = await lab.device.context.newPage();
  await other.goto(lab.page.url());
  await other.getByRole("alert").getByText("The lab is open in another tab").waitFor();
  await other.close();
  await lab.a.airplane();
  await lab.page.getByRole("button", { name: "Start over" }).click();
  for (const phone of [lab.a, lab.b]) {
    await phone.says("0 readings on this phone");
    await phone.until("Up to date");
  }
  await lab.close();
});

/** Shows that axe finds nothing, light and dark, and that nothing is wider than a narrow phone. */
test("the lab is for everybody", async () => {
  const lab = await Lab.open();
  const { page } = lab;
  await lab.a.airplane();
  await lab.a.until("Offline");
  await lab.b.button("Add a reading").click();
  await lab.logged("Phone B", "/v1/push");
  const found = [];
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const [size, viewport] of [["desktop", DESKTOP], ["phone", PHONE]]) {
      await page.setViewportSize(viewport);
      await lab.device.picture(`lab-${size}-${scheme}`);
      // On the wide screen the pointer still rests on the switch.
      found.push(...(await flaws(page)));
    }
  }
  await page.setViewportSize(NARROW);
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.deepEqual(found, []);
  assert.ok(width <= NARROW.width, `${width} wide`);
  await lab.device.picture("lab-narrow");
  await lab.close();
});
