// What the tests share: a real server with an app's files, and browsers that open them.

import { spawn } from "node:child_process";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const PROGRAM = process.env.CLARITY_PROGRAM ?? "target/debug/clarity";
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const DIST = new URL("../dist/", import.meta.url);
const PAGE = "<!doctype html><title>a page</title><link rel=icon href=data:>";

/** A server with its data in a folder of its own, and a browser. */
export class Bench {
  static async start() {
    const bench = new Bench();
    bench.folder = await mkdtemp(join(tmpdir(), "clarity-web-"));
    const app = join(bench.folder, "app");
    await cp(DIST, join(app, "sync"), { recursive: true });
    await writeFile(join(app, "index.html"), PAGE);
    bench.address = await bench.#serve(app);
    bench.browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: ["--no-sandbox", "--disable-dev-shm-usage"],
    });
    return bench;
  }

  async #serve(app) {
    const data = join(this.folder, "server");
    this.server = spawn(
      PROGRAM,
      ["serve", "--json", "--open-sign-up", "--listen", "127.0.0.1:0", "--data", data, "--app", app],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    for await (const line of createInterface({ input: this.server.stdout })) {
      const said = JSON.parse(line);
      if (said.listening) return said.listening;
    }
    throw new Error("the server ended before it listened");
  }

  /** A browser's profile of its own: another device. */
  async device() {
    return new Device(await this.browser.newContext(), this.address);
  }

  async stop() {
    await this.browser?.close();
    const ended = new Promise((resolve) => this.server.once("exit", resolve));
    this.server.kill("SIGTERM");
    await ended;
    await rm(this.folder, { recursive: true });
  }
}

/** A device with its tabs. */
export class Device {
  constructor(context, address) {
    this.context = context;
    this.address = address;
  }

  /** A tab with the store open. */
  async tab(options = {}) {
    const page = await this.context.newPage();
    page.on("console", (message) => {
      if (message.type() === "error") console.error(`the page says: ${message.text()}`);
    });
    page.on("pageerror", (error) => console.error(`the page fails: ${error.message}`));
    const tab = new Tab(page, this.address, options);
    await tab.open();
    return tab;
  }

  close() {
    return this.context.close();
  }
}

/** A tab. Functions that are handed in run in the page, with its store as their first argument. */
export class Tab {
  constructor(page, address, options) {
    this.page = page;
    this.address = address;
    this.options = options;
  }

  async open() {
    await this.page.goto(this.address);
    await this.page.evaluate(async (options) => {
      const { ClaritySync } = await import("/sync/index.js");
      globalThis.sync = await ClaritySync.open(options);
    }, this.options);
  }

  async reload() {
    await this.open();
  }

  run(part, argument) {
    const source = `(argument) => (${part})(globalThis.sync, argument)`;
    return this.page.evaluate(`(${source})(${JSON.stringify(argument ?? null)})`);
  }

  /** Ends the worker of this tab where it is. */
  async killWorker() {
    const [worker] = this.page.workers();
    const ended = worker.waitForEvent("close");
    // It has no time left to answer.
    worker.evaluate(() => globalThis.close()).catch(() => {});
    await ended;
  }

  /** Has the worker of this tab end in place of giving its next answer. */
  async endBeforeNextAnswer() {
    const [worker] = this.page.workers();
    await worker.evaluate(() => {
      globalThis.postMessage = (message) => {
        if (message.kind === "answer") globalThis.close();
      };
    });
  }

  /** Waits until a watched call is answered as `wanted` says. */
  until(call, args, wanted) {
    return this.page.evaluate(
      `(async () => {
        const wanted = ${wanted};
        for await (const value of sync.watch(${JSON.stringify(call)}, ${JSON.stringify(args)})) {
          if (wanted(value)) return value;
        }
      })()`,
    );
  }

  /** Waits until the server has acknowledged everything. */
  untilSynced() {
    return this.until("status", {}, "(status) => status.flow === 'synced' && status.idle");
  }

  close() {
    return this.page.close();
  }
}
