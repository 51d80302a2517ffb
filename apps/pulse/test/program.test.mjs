// The app inside the program `clarity`: one file to copy, and a person opens its address.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { after, before, test } from "node:test";
import { APP, Bench } from "./bench.mjs";

/** @type {Bench} */
let bench;
before(async () => {
  bench = await Bench.start({ appFromFolder: false });
});
after(() => bench.stop());

/** Shows that each file that was built is served from inside the program, unchanged, as its kind,
 * and under the policy that lets in no script of another's. */
test("every file of the app", async () => {
  const entries = await readdir(APP, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && !/\.(br|gz)$/.test(entry.name));
  assert.ok(files.length > 5, `${files.length} files`);
  for (const { parentPath, name } of files) {
    const path = join(parentPath, name);
    const headers = { "accept-encoding": "br, gzip" };
    const answer = await fetch(`${bench.address}/${relative(APP, path)}`, { headers });
    assert.equal(answer.status, 200, path);
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), await readFile(path), path);
    assert.notEqual(answer.headers.get("content-type"), "application/octet-stream", path);
    assert.match(answer.headers.get("content-security-policy"), /script-src 'self' 'wasm-uns/);
    if (/\.(js|css|wasm)$/.test(name)) {
      assert.equal(answer.headers.get("content-encoding"), "br", path);
    }
  }
});

/** Shows that the app starts from inside the program and asks nobody else for anything. */
test("a first start", async () => {
  const asked = [];
  const device = await bench.device();
  device.context.on("request", (request) => asked.push(new URL(request.url()).origin));
  await device.open();
  await device.enter("from inside", true);
  await device.quick("weight 71");
  await device.go("timeline");
  await device.page.getByRole("link", { name: /Weight/ }).waitFor();
  assert.deepEqual([...new Set(asked)].filter((origin) => origin.startsWith("http")), [
    bench.address,
  ]);
});
