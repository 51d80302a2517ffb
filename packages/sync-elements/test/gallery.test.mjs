// The elements in a real browser, on the page that shows each in each state.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { examples, STATES } from "../dist/index.js";
import { serve } from "../gallery/serve.mjs";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const NAMES = examples(0).map(({ name }) => name);
let server;
let browser;
before(async () => {
  server = await serve();
  const args = ["--no-sandbox", "--disable-dev-shm-usage"];
  browser = await chromium.launch({ executablePath: CHROMIUM, args });
});
after(async () => {
  await browser?.close();
  server?.close();
});

/** The gallery, in a window of its own. What fails in the page fails the test. */
const gallery = async (options, run) => {
  const context = await browser.newContext({ locale: "en-GB", ...options });
  const page = await context.newPage();
  const failures = [];
  page.on("pageerror", (error) => failures.push(error.message));
  if (options.withClock) await page.clock.install();
  await page.goto(server.address);
  await page.waitForFunction(() => document.querySelector("#activity")?.shadowRoot?.childElementCount);
  await run(page);
  assert.deepEqual(failures, []);
  await context.close();
};

/** Shows that each of the 21 states is shown with its words and an icon of its own, in the chip or
 * the details, so that no two look the same without colours, and that each is read out. */
test("each state is seen and heard", async () => {
  await gallery({ withClock: true }, async (page) => {
    const [seen, shapes] = [new Set(), new Set()];
    for (const name of NAMES) {
      // From a state in which nothing else is the same.
      await page.selectOption("#state", name === "synced" ? "offline" : "synced");
      await page.clock.runFor(5_000);
      await page.selectOption("#state", name);
      await page.clock.runFor(5_000);
      const shown = await page.evaluate((name) => {
        const details = document.querySelector("#details").shadowRoot;
        const chip = document.querySelector("#live").shadowRoot;
        const item = details.querySelector(`[data-state="${name}"]`);
        return {
          headline: item.querySelector("h3").textContent.trim(),
          shape: item.querySelector(`[data-icon="${name}"] path`).getAttribute("d"),
          chip: chip.querySelector(`[data-state="${name}"]`)?.textContent.trim() ?? null,
          polite: chip.querySelector("[role=status]").textContent,
          alert: chip.querySelector("[role=alert]").textContent,
        };
      }, name);
      assert.match(shown.headline, /\w/u, name);
      if (name !== "source-stale") assert.match(shown.chip, /\w/u, name);
      const isUrgent = STATES[name].number <= 4;
      assert.match(isUrgent ? shown.alert : shown.polite, /\w/u, `${name} is read out`);
      seen.add(shown.headline);
      shapes.add(shown.shape);
    }
    assert.equal(seen.size, 21);
    assert.equal(shapes.size, 21);
  });
});

/** Shows that what begins a second time is read out a second time, although its text is the one
 * that stands there. */
test("the same is read out again", async () => {
  await gallery({ withClock: true }, async (page) => {
    const choose = async (name) => {
      await page.selectOption("#state", name);
      await page.clock.runFor(5_000);
    };
    // The flow is the same in both, so that only the conflicts are told of from here on.
    for (const name of ["pending", "conflicts", "pending"]) await choose(name);
    const before = await page.evaluate(() => {
      const region = document.querySelector("#live").shadowRoot.querySelector("[role=status]");
      globalThis.stood = [];
      const note = () => globalThis.stood.push(region.textContent);
      new MutationObserver(note).observe(region, { childList: true, characterData: true, subtree: true });
      return region.textContent;
    });
    await choose("conflicts");
    assert.match(before, /\w/u);
    assert.deepEqual(await page.evaluate(() => globalThis.stood), ["", before]);
  });
});

/** Shows that a button is there only for what the element or the app does. */
test("no button is dead", async () => {
  await gallery({}, async (page) => {
    await page.selectOption("#state", "not-persistent");
    const buttons = (actions) =>
      page.evaluate(async (actions) => {
        const details = document.querySelector("#details");
        details.appActions = actions;
        await details.updateComplete;
        const state = details.shadowRoot.querySelector("[data-state=not-persistent]");
        return [...state.querySelectorAll("button")].map((button) => button.textContent.trim());
      }, actions);
    assert.deepEqual(await buttons([]), ["Allow storage"]);
    assert.deepEqual(await buttons(["install-app"]), ["Allow storage", "Install the app"]);
  });
});

/** Shows that two states that are rendered without any colour differ pixel by pixel. */
test("states differ in greyscale", async () => {
  await gallery({}, async (page) => {
    await page.addStyleTag({ content: "html { filter: grayscale(1) }" });
    const images = new Map();
    for (const [index, name] of NAMES.entries()) {
      if (name === "source-stale") continue;
      const chip = page.locator("#states clarity-sync-status").nth(index);
      const image = (await chip.screenshot({ animations: "disabled" })).toString("base64");
      assert.equal(images.get(image), undefined, `${name} looks like ${images.get(image)}`);
      images.set(image, name);
    }
    assert.equal(images.size, 20);
  });
});

/** Shows that axe finds nothing, in light and dark, with long words and from right to left. */
test("axe finds nothing", async () => {
  const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  for (const colorScheme of ["light", "dark"]) {
    await gallery({ colorScheme, reducedMotion: "reduce" }, async (page) => {
      await page.evaluate(axe);
      const look = async () => {
        const { violations } = await page.evaluate(() => axe.run());
        const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((n) => n.html)}`);
        assert.deepEqual(found, [], colorScheme);
      };
      await look();
      for (const tab of ["Waiting", "Problems", "Activity", "Device"]) {
        await page.locator("#details").getByRole("tab", { name: tab }).click();
        await look();
      }
      await page.selectOption("[name=direction]", "rtl");
      await page.selectOption("[name=words]", "pseudo");
      await page.locator("#inbox").locator("button.entry").first().click();
      await look();
    });
  }
});

/** Shows that a narrow window, long words and large text need no scrolling to the side, in both
 * directions, and that what is pressed is large enough. */
test("it fits a narrow window", async () => {
  await gallery({ viewport: { width: 320, height: 640 } }, async (page) => {
    const check = async (what) => {
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.equal(width, 320, what);
    };
    await check("as it is");
    await page.selectOption("[name=words]", "pseudo");
    await check("with long words");
    await page.selectOption("[name=direction]", "rtl");
    await check("from right to left");
    const small = await page.evaluate(() => {
      const elements = [...document.querySelectorAll("main *")].filter((each) => each.shadowRoot);
      const targets = elements.flatMap((each) => [
        ...each.shadowRoot.querySelectorAll("button, select, summary, label"),
      ]);
      const sizes = targets.map((each) => [each.getBoundingClientRect(), each.outerHTML]);
      return sizes.filter(([{ width, height }]) => width > 0 && height < 44).map(([, text]) => text);
    });
    assert.deepEqual(small, []);
  });
  await gallery({ viewport: { width: 640, height: 640 } }, async (page) => {
    await page.addStyleTag({ content: "html { font-size: 200% }" });
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.equal(width, 640, "with text twice as large");
  });
});

/** Shows that no word of the elements comes from anywhere but the catalogue. */
test("every word is translated", async () => {
  await gallery({}, async (page) => {
    await page.selectOption("[name=words]", "pseudo");
    const buttons = await page.evaluate(() => {
      const elements = [...document.querySelectorAll("main *")].filter((each) => each.shadowRoot);
      const parts = elements.flatMap((each) => [
        ...each.shadowRoot.querySelectorAll("button, h2, summary, th[scope=col], caption"),
      ]);
      return parts.map((part) => part.textContent.trim());
    });
    assert.ok(buttons.length > 50);
    const data = /^(‹|›|.*(Weight|Blood pressure), \d Nov)/su;
    assert.deepEqual(buttons.filter((text) => !text.includes("[") && !data.test(text)), []);
  });
});

/** Shows that a conflict is opened, decided field by field, left, gone through and saved with the
 * keyboard alone, and that the details are opened and closed with the focus where it was. */
test("the keyboard is enough", async () => {
  await gallery({ viewport: { width: 1000, height: 700 } }, async (page) => {
    await page.evaluate(() => {
      globalThis.resolved = [];
      document.addEventListener("clarity-resolve", ({ detail }) => {
        globalThis.resolved.push(Object.fromEntries(detail.choices));
      });
    });
    const press = async (...keys) => {
      for (const key of keys) await page.keyboard.press(key);
    };
    const heading = () =>
      page.evaluate(() => {
        let at = document.activeElement;
        while (at.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
        return at.textContent.replace(/\s+/gu, " ").trim();
      });
    const inbox = page.locator("#inbox");
    await inbox.locator("button.entry").first().focus();
    await press("Enter");
    await inbox.getByRole("table").waitFor();
    assert.equal(await heading(), "Weight, 3 Nov 2026, 07:10");
    // Past the two buttons to the first field: mine, then by the arrows the server's, then both.
    await press("Tab", "Tab", "Tab", "m", "ArrowRight", "Tab", "b", "Tab", "s", "Control+Enter");
    assert.deepEqual(await page.evaluate(() => globalThis.resolved), [
      { kilograms: { side: "server" }, note: { side: "both" }, tags: { side: "server" } },
    ]);
    // Critical: nothing is chosen beforehand, and nothing can be saved before it is.
    await press("j");
    await inbox.getByText("2 fields to decide").waitFor();
    assert.equal(await heading(), "Blood pressure, 2 Nov 2026");
    await press("Control+Enter");
    assert.equal(await page.evaluate(() => globalThis.resolved.length), 1);
    await press("m", "Control+Enter");
    assert.deepEqual(await page.evaluate(() => globalThis.resolved[1]), {
      systolic: { side: "local" },
      diastolic: { side: "local" },
    });
    for (const width of [1000, 600]) {
      await page.setViewportSize({ width, height: 700 });
      await page.locator("#live").getByRole("button").focus();
      await press("Enter");
      assert.equal(await heading(), "Sync");
      await press("Escape");
      assert.match(await heading(), /Sync status: .*Up to date/u, "the focus is back");
    }
  });
});

/** Shows that a progress is there while something moves, and neither before the first run nor after
 * the last. */
test("progress is shown while something moves", async () => {
  await gallery({}, async (page) => {
    const bars = (progress) =>
      page.evaluate(async (progress) => {
        const element = document.querySelector("#known");
        Object.assign(element, { progress: { ...element.progress, ...progress } });
        await element.updateComplete;
        return element.shadowRoot.querySelectorAll("[role=progressbar]").length;
      }, progress);
    assert.equal(await bars({}), 1);
    assert.equal(await bars({ over: true }), 0);
    assert.equal(await bars({ run: 0, over: false, completed: 0, total: 0 }), 0);
  });
});
