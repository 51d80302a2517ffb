// What the tests share: a real server with the built app, and browsers that open it.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createInterface } from "node:readline";
import { isDeepStrictEqual, promisify } from "node:util";
import { chromium } from "playwright-core";

const run = promisify(execFile);
const PASSWORD = "a long enough password";
export const PROGRAM = process.env.CLARITY_PROGRAM ?? "target/debug/clarity";
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
export const APP = fileURLToPath(new URL("../dist", import.meta.url));
/** Where pictures of the screens go; none are taken without. */
const PICTURES = process.env.PULSE_PICTURES;

export const PHONE = { width: 390, height: 844 };
export const NARROW = { width: 320, height: 640 };
export const DESKTOP = { width: 1280, height: 860 };

/** Asks until the answer is the one that is wanted: what a browser sends arrives while another device
 * asks for it. */
export async function untilEqual(ask, wanted) {
  let found;
  for (const started = Date.now(); Date.now() - started < 60_000; ) {
    found = await ask();
    if (isDeepStrictEqual(found, wanted)) return;
  }
  assert.deepEqual(found, wanted);
}

/** A server with its data in a folder of its own, and a browser. */
export class Bench {
  static async start({ appFromFolder = true, app = APP } = {}) {
    const bench = new Bench();
    bench.app = appFromFolder ? ["--app", app] : [];
    bench.folder = await mkdtemp(join(tmpdir(), "clarity-pulse-"));
    await bench.startServer("127.0.0.1:0");
    bench.browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: ["--no-sandbox", "--disable-dev-shm-usage"],
    });
    return bench;
  }

  /** Starts it, again at the same address after it was stopped. */
  async startServer(listen = new URL(this.address).host, ...more) {
    const data = join(this.folder, "server");
    this.server = spawn(
      PROGRAM,
      ["serve", "--json", "--open-sign-up", "--listen", listen, "--data", data, ...this.app, ...more],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    for await (const line of createInterface({ input: this.server.stdout })) {
      const said = JSON.parse(line);
      if (!said.listening) continue;
      this.address = said.listening;
      return;
    }
    throw new Error("the server ended before it listened");
  }

  async stopServer() {
    const ended = new Promise((resolve) => this.server.once("exit", resolve));
    this.server.kill("SIGTERM");
    await ended;
  }

  /** Has the server look at the files of the app anew. */
  async restartServer() {
    await this.stopServer();
    await this.startServer();
  }

  /** Keeps the server's data as they are now; the answer has it run with these again, as after a
   * backup was restored. */
  async backUp() {
    const { host } = new URL(this.address);
    const [data, copy] = [join(this.folder, "server"), join(this.folder, "backup")];
    await this.stopServer();
    await cp(data, copy, { recursive: true });
    await this.startServer(host);
    return async () => {
      await this.stopServer();
      await rm(data, { recursive: true });
      await cp(copy, data, { recursive: true });
      await this.startServer(host, "--restored");
    };
  }

  /** The program as another device, with a store of its own: it answers what a command says. */
  commandLine(name) {
    const folder = join(this.folder, name);
    const environment = { ...process.env, CLARITY_STORE: folder, CLARITY_PASSWORD: PASSWORD };
    return async (...command) => {
      const { stdout } = await run(PROGRAM, ["device", "--json", ...command], { env: environment });
      return stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
    };
  }

  /** A browser's profile of its own: another device. */
  async device(options = {}) {
    const { viewport = DESKTOP, ...others } = options;
    const context = await this.browser.newContext({ viewport, locale: "en-GB", ...others });
    return new Device(context, this.address);
  }

  /** A device that is signed in and shows a note that another one made: both, and the note's id. */
  async deviceWithNote(name) {
    const other = this.commandLine(name);
    await other("sign-up", "--name", name, "--server", this.address);
    const [{ id }] = await other("add", "Note", "text=Slept well", "title=Night", `at_ms=${Date.now()}`);
    await other("sync");
    const device = await this.device();
    const page = await device.open();
    await device.enter(name, false);
    await device.untilChip("Up to date");
    await device.go(`entry/Note/${id}`);
    return { device, page, id, other };
  }

  async stop() {
    await this.browser?.close();
    if (this.server.exitCode === null) await this.stopServer();
    await rm(this.folder, { recursive: true });
  }
}

/** A device with one page of the app. */
export class Device {
  /** What the pages complained about. */
  complaints = [];

  constructor(context, address) {
    this.context = context;
    this.address = address;
  }

  async open(route = "today", path = "/") {
    this.page = await this.context.newPage();
    this.page.on("console", (message) => {
      if (message.type() !== "error") return;
      // What cannot be reached is said by the browser itself; the app must cope with it.
      if (/ERR_(INTERNET_DISCONNECTED|CONNECTION_REFUSED)|status of 401/.test(message.text())) return;
      this.complaints.push(message.text());
    });
    this.page.on("pageerror", (error) => this.complaints.push(String(error)));
    await this.page.goto(`${this.address}${path}#/${route}`);
    await this.heading();
    return this.page;
  }

  /** Waits for the screen to be there, and says its heading. */
  async heading() {
    const heading = this.page.locator("main h1");
    await heading.waitFor();
    return heading.innerText();
  }

  async go(route) {
    await this.page.evaluate((hash) => (location.hash = hash), `#/${route}`);
    await this.heading();
  }

  /** Types a line into the field for quick entries, and waits until it is saved. */
  async quick(line) {
    await this.go("today");
    const field = this.page.getByLabel("Quick add");
    await field.fill(line);
    await field.press("Enter");
    await this.dismiss("Saved on this device.");
  }

  /** Makes an account, or signs in. */
  async enter(name, isNew) {
    await this.go("account");
    await this.page.getByRole("radio", { name: isNew ? "I am new here" : "I have an account" }).check();
    await this.page.getByLabel("Name", { exact: true }).fill(name);
    await this.page.getByLabel(/^Password/).fill(PASSWORD);
    await this.page.getByRole("button", { name: isNew ? "Create account" : "Sign in" }).click();
    await this.dismiss(`Signed in as ${name}.`);
  }

  /** Signs in again, where the app asks for it. */
  async enterAgain(name) {
    await this.go("account");
    await this.page.getByRole("heading", { name: "Please sign in again" }).waitFor();
    await this.page.getByLabel(/^Password/).fill(PASSWORD);
    await this.page.getByRole("button", { name: "Sign in", exact: true }).click();
    await this.dismiss(`Signed in as ${name}.`);
  }

  /** Waits for a notice, and puts it away. */
  async dismiss(said) {
    const notice = this.page.locator("pulse-toasts .toast").filter({ hasText: said });
    await notice.getByRole("button", { name: "Dismiss" }).click();
    await notice.waitFor({ state: "detached" });
  }

  /** Waits until the bar says so. */
  async untilChip(words) {
    await this.page.locator("clarity-sync-status").getByText(words).first().waitFor();
  }

  /** Takes a picture for a person to look at, and one of what a phone shows by scrolling. */
  async picture(name) {
    if (!PICTURES) return;
    await mkdir(PICTURES, { recursive: true });
    const take = (of) => this.page.screenshot({ path: join(PICTURES, `${of}.png`), fullPage: true });
    await take(name);
    const below = await this.page.evaluate(() => {
      const main = document.querySelector("pulse-app")?.shadowRoot.querySelector("main");
      return main ? main.scrollHeight - main.clientHeight : 0;
    });
    if (below <= 0) return;
    const viewport = this.page.viewportSize();
    await this.page.setViewportSize({ ...viewport, height: viewport.height + below });
    await take(`${name}-whole`);
    await this.page.setViewportSize(viewport);
  }

  close() {
    return this.context.close();
  }
}
