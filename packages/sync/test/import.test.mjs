// Import of files in a real browser, with a real server, beside the program's own import.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { Bench } from "./bench.mjs";

const PROGRAM = process.env.CLARITY_PROGRAM ?? "target/debug/clarity";
const DATA = new URL("../../../crates/clarity-health/data/", import.meta.url);
const EXPORT = await readFile(new URL("ipyhealth/export.zip", DATA));
const run = promisify(execFile);

/** @type {Bench} */
let bench;
let folder;
before(async () => {
  bench = await Bench.start();
  folder = await mkdtemp(join(tmpdir(), "clarity-import-"));
});
after(async () => {
  await bench.stop();
  await rm(folder, { recursive: true });
});

/** Has the page hold a file. */
async function hold(tab, bytes, name = "export.zip") {
  const path = join(folder, name);
  await writeFile(path, bytes);
  await tab.page.evaluate(() => {
    document.body.innerHTML = "<input type=file>";
  });
  await tab.page.setInputFiles("input", path);
}
const importIt = (sync) => sync.import(document.querySelector("input").files[0]);
/** The ids of everything, by type. */
const ids = async (sync) => {
  const all = {};
  for (const type of Object.keys(await sync.counts())) {
    all[type] = [];
    for (let after; ; ) {
      const { entities, next } = await sync.query(type, { limit: 1000 }, after);
      all[type].push(...entities.map(({ id }) => id));
      if (!next) break;
      after = next;
    }
    all[type].sort();
  }
  return all;
};
const counts = ({ read, new: made, changed, duplicate, deleted, skipped, damaged }) =>
  ({ read, new: made, changed, duplicate, deleted, skipped, damaged });

/** What the program makes of the same file. */
async function native() {
  const [path, data] = [join(folder, "native.zip"), join(folder, "native")];
  await writeFile(path, EXPORT);
  const { stdout } = await run(PROGRAM, ["device", "--json", "--store", data, "import", path]);
  return JSON.parse(stdout.trim().split("\n").at(-1));
}

/** Shows that a file is imported as the program does it, arrives at the server with the same ids,
 * and changes nothing the second time. */
test("an export is imported twice", async () => {
  const [first, second] = [await bench.device(), await bench.device()];
  const [tab, other] = [await first.tab(), await second.tab()];
  const expected = counts(await native());
  await hold(tab, EXPORT);
  const report = await tab.run(async (sync) => {
    const seen = [];
    const file = document.querySelector("input").files[0];
    const result = await sync.import(file, { onProgress: (now) => seen.push(now) });
    return { result, phases: [...new Set(seen.map(({ phase }) => phase))], last: seen.at(-1) };
  });
  assert.deepEqual(counts(report.result), expected);
  assert.ok(report.result.new > 1000);
  assert.deepEqual(report.phases, ["reading", "saving"]);
  assert.equal(report.last.saved, report.result.read);
  const again = await tab.run(importIt);
  assert.deepEqual([again.new, again.changed, again.duplicate], [0, 0, report.result.read]);
  const known = await tab.run((sync) => sync.imports());
  assert.deepEqual(known.map((each) => each.import), [report.result.import]);

  await tab.run((sync) => sync.signUp("imports", "a long enough password", "a browser"));
  await tab.untilSynced();
  await other.run((sync) => sync.signIn("imports", "a long enough password", "another browser"));
  await other.untilSynced();
  assert.deepEqual(await other.run(ids), await tab.run(ids));
  await first.close();
  await second.close();
});

/** Starts an import; it is saving when this returns. */
const begin = (sync) =>
  new Promise((resolve, reject) => {
    globalThis.stop = new AbortController();
    const file = document.querySelector("input").files[0];
    const onProgress = ({ phase }) => phase === "saving" && resolve();
    globalThis.imported = sync.import(file, { signal: globalThis.stop.signal, onProgress });
    globalThis.imported.catch(reject);
  });

/** Shows that an import that is cancelled, or that ends with its page, keeps what was saved, and
 * that importing again completes it; and that one goes on when the worker with the store is killed. */
test("an import that was ended is completed", async () => {
  const whole = await bench.device();
  const reference = await whole.tab();
  await hold(reference, EXPORT);
  const expected = await reference.run(importIt);
  const everything = await reference.run(ids);
  await whole.close();

  const endings = {
    cancel: (tab) =>
      tab.run(() => {
        globalThis.stop.abort();
        return globalThis.imported.then(() => "done", (error) => error.name);
      }),
    reload: (tab) => tab.reload(),
    kill: (tab) => tab.killWorker(),
  };
  for (const [name, end] of Object.entries(endings)) {
    const device = await bench.device();
    const tab = await device.tab();
    await hold(tab, EXPORT);
    await tab.run(begin);
    const said = await end(tab);
    if (name === "cancel") assert.equal(said, "AbortError");
    await hold(tab, EXPORT);
    const again = await tab.run(importIt);
    assert.equal(again.new + again.duplicate, expected.read, name);
    assert.ok(again.duplicate > 0, `${name}: what was saved was kept`);
    assert.deepEqual(await tab.run(ids), everything, name);
    await device.close();
  }
});

/** Has the reader of the next import end without a word, in place of saying this for the nth time. */
async function endReader(tab, kind, nth) {
  const reader = tab.page.waitForEvent("worker", (worker) => worker.url().includes("import-worker"));
  await tab.page.context().route("**/clarity_web_import_bg.wasm", async (route) => {
    await (await reader).evaluate(([kind, nth]) => {
      const say = globalThis.postMessage;
      let said = 0;
      globalThis.postMessage = (message) => {
        if (message.kind === kind) said += 1;
        if (said === nth) globalThis.close();
        else say(message);
      };
    }, [kind, nth]);
    await route.continue();
  }, { times: 1 });
}

/** Shows that an import whose reader is ended by the browser says so and does not wait for ever, be
 * it while reading or while saving; that what was saved stays, and that importing again completes
 * it. */
test("an import whose reader ends", async () => {
  const imported = (sync) => {
    const file = document.querySelector("input").files[0];
    let saved = 0;
    const onProgress = (now) => (saved = now.saved);
    return sync.import(file, { onProgress }).then(
      () => "imported",
      ({ kind, message }) => ({ kind, message, saved }),
    );
  };
  for (const [kind, nth] of [["progress", 1], ["read", 1], ["part", 1], ["part", 2]]) {
    const device = await bench.device();
    const tab = await device.tab();
    await hold(tab, EXPORT);
    await endReader(tab, kind, nth);
    const { saved, ...said } = await tab.run(imported);
    assert.equal(said.kind, "import");
    assert.match(said.message, /stopped the reading.*import the file again/);
    assert.equal(saved > 0, nth > 1, kind);
    const again = await tab.run(importIt);
    assert.equal(again.new + again.duplicate, again.read, kind);
    assert.equal(again.duplicate, saved, kind);
    await device.close();
  }
});

/** Shows that a file that is none is refused in words, and nothing of it is stored. */
test("a file that cannot be imported is refused in words", async () => {
  const device = await bench.device();
  const tab = await device.tab();
  const refused = (sync) =>
    sync.import(document.querySelector("input").files[0]).then(
      () => "imported",
      ({ kind, message }) => `${kind}: ${message}`,
    );
  const files = {
    "cut.zip": [EXPORT.subarray(0, EXPORT.length / 2), /^import: the zip is cut off/],
    "page.html": [Buffer.from("<!doctype html><p>Sign in</p>"), /^import: this is not an Apple/],
    "empty.zip": [Buffer.alloc(0), /^import: the file is empty/],
    "words.txt": [Buffer.from("hello"), /^import: this is nothing that can be imported/],
  };
  for (const [name, [bytes, words]] of Object.entries(files)) {
    await hold(tab, bytes, name);
    assert.match(await tab.run(refused), words, name);
  }
  assert.deepEqual(await tab.run((sync) => sync.counts()), {});
  assert.deepEqual(await tab.run((sync) => sync.imports()), []);
  await device.close();
});

/** Shows that an undo takes back what an import brought. */
test("an import is taken back", async () => {
  const device = await bench.device();
  const tab = await device.tab();
  await hold(tab, EXPORT);
  const { import: name, read } = await tab.run(importIt);
  const sum = (counted) => Object.values(counted).reduce((total, count) => total + count, 0);
  const preview = await tab.run((sync, of) => sync.previewUndoImport(of), name);
  const undone = await tab.run((sync, of) => sync.undoImport(of), name);
  assert.equal(sum(preview.deleted), read);
  assert.deepEqual(undone.deleted, preview.deleted);
  assert.deepEqual(await tab.run(ids).then((all) => Object.values(all).flat()), []);
  await device.close();
});
