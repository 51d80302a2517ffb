// The store in a real browser, with a real server.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Bench } from "./bench.mjs";

/** @type {Bench} */
let bench;
before(async () => {
  bench = await Bench.start();
});
after(() => bench.stop());

const create = async (sync, text) => {
  const key = await sync.newKey("Note");
  await sync.create(key, { text });
  return key;
};
const texts = async (sync) => {
  const { entities } = await sync.query("Note", { limit: 1000 });
  return entities.map((entity) => entity.fields.text).sort();
};
/** What an examination of the store finds broken. */
const damages = async (sync) => {
  const findings = await sync.examine();
  return findings.filter((finding) => finding.severity === "damage");
};
const signUp = (sync, name) => sync.signUp(name, "a long enough password", "a browser");
const signIn = (sync, name) => sync.signIn(name, "a long enough password", "another browser");
const edit = (sync, { key, set }) => sync.update(key, set);
const remove = (sync, key) => sync.delete(key);
const get = (sync, key) => sync.get(key);

/** Shows that what is added before anybody signed in is there after a reload, in each tab. */
test("what is added stays", async () => {
  const device = await bench.device();
  const tab = await device.tab();
  assert.equal(await tab.run((sync) => sync.environment.notice), null);
  await tab.run(create, "before");
  await tab.reload();
  assert.deepEqual(await tab.run(texts), ["before"]);
  const other = await device.tab();
  await other.run(create, "in another tab");
  assert.deepEqual(await tab.run(texts), ["before", "in another tab"]);
  assert.deepEqual(await tab.run(damages), []);
  await device.close();
});

/** Shows that two browsers have the same: what was added before the sign-in, what is added, edited
 * and deleted without a network, and what the server hints at while both watch. */
test("two browsers have the same", async () => {
  const [first, second] = [await bench.device(), await bench.device()];
  const [a, b] = [await first.tab(), await second.tab()];
  const kept = await a.run(create, "kept");
  const gone = await a.run(create, "gone");
  await a.run(signUp, "two browsers");
  await b.run(signIn, "two browsers");
  await a.untilSynced();
  await b.until("count", { entity_type: "Note" }, "(count) => count === 2");

  await first.context.setOffline(true);
  await a.run(edit, { key: kept, set: { text: "edited" } });
  await a.run(remove, gone);
  await a.run(create, "made without a network");
  assert.deepEqual(await a.run(texts), ["edited", "made without a network"]);
  assert.equal((await b.run(get, kept)).fields.text, "kept");
  await first.context.setOffline(false);

  await b.until("get", { key: kept }, "(found) => found?.fields.text === 'edited'");
  await b.until("get", { key: gone }, "(found) => found === null");
  await b.until("count", { entity_type: "Note" }, "(count) => count === 2");
  assert.deepEqual(await b.run(texts), await a.run(texts));
  await a.untilSynced();
  const { operations_failed, operations_synced } = await a.run((sync) => sync.metrics());
  assert.equal(operations_failed, 0);
  assert.equal(operations_synced, 5);
  await first.close();
  await second.close();
});

/** Makes notes in rounds of ten at once; it is under way when this returns. */
const createMany = (sync, rounds) => {
  const underWay = Promise.withResolvers();
  const createRound = async (round) => {
    const writes = Array.from({ length: 10 }, (_, index) =>
      sync.create({ type: "Note", id: `note-${round}-${index}` }, { text: String(index) }),
    );
    return (await Promise.all(writes)).map((written) => written.operations.length);
  };
  globalThis.written = (async () => {
    const lengths = [];
    for (let round = 0; round < rounds; round += 1) {
      lengths.push(...(await createRound(round)));
      if (round === 1) underWay.resolve();
    }
    return lengths;
  })();
  return underWay.promise;
};
const waitForMany = async () => {
  const lengths = await globalThis.written;
  return lengths.every((length) => length === 1);
};

/** Shows that writes of one tab are made exactly once when the tab that leads is closed meanwhile. */
test("the leading tab is closed while another one writes", async () => {
  const device = await bench.device();
  const leader = await device.tab();
  const follower = await device.tab();
  assert.equal(await leader.run((sync) => sync.leads), true);
  assert.equal(await follower.run((sync) => sync.leads), false);
  await follower.run(createMany, 20);
  await leader.close();
  assert.equal(await follower.run(waitForMany), true);
  assert.equal(await follower.run((sync) => sync.count("Note")), 200);
  const waiting = await follower.run((sync) => sync.status().then((status) => status.waiting));
  assert.equal(waiting, 200);
  assert.equal(await follower.run((sync) => sync.leads), true);
  assert.deepEqual(await follower.run(damages), []);
  await device.close();
});

/** Shows that writes are made exactly once when the worker with the store is killed meanwhile,
 * again and again. */
test("the worker is killed while its tab writes", async () => {
  const device = await bench.device();
  const tab = await device.tab();
  await tab.run(createMany, 60);
  for (const count of [50, 200, 400]) {
    await tab.until("count", { entity_type: "Note" }, `(found) => found >= ${count}`);
    await tab.killWorker();
  }
  assert.equal(await tab.run(waitForMany), true);
  assert.equal(await tab.run((sync) => sync.count("Note")), 600);
  await tab.run(create, "afterwards");
  assert.equal(await tab.run((sync) => sync.count("Note")), 601);
  assert.deepEqual(await tab.run(damages), []);
  await device.close();
});

/** Shows that a write whose answer is lost with the worker is made once, and is answered as it was
 * the first time, by the next worker. */
test("the worker ends between a commit and its answer", async () => {
  const device = await bench.device();
  const tab = await device.tab();
  const key = { type: "Note", id: "a-note" };
  await tab.endBeforeNextAnswer();
  const made = await tab.run((sync, to) => sync.create(to, { text: "a" }), key);
  assert.deepEqual(made.operations, [1]);
  await tab.endBeforeNextAnswer();
  const edited = await tab.run(edit, { key, set: { text: "b" } });
  assert.deepEqual(edited.operations, [2]);
  const queue = await tab.run((sync) => sync.queue());
  assert.deepEqual(queue.map((change) => change.operation), [1, 2]);
  await device.close();
});

/** Shows that a conflict is seen, kept through a reload, settled by a person and undone. */
test("a conflict waits for a person", async () => {
  const [first, second] = [await bench.device(), await bench.device()];
  const [a, b] = [await first.tab(), await second.tab()];
  await a.run(signUp, "a conflict");
  await b.run(signIn, "a conflict");
  const key = await a.run(async (sync) => {
    const goal = await sync.newKey("Goal");
    await sync.create(goal, { title: "walk" });
    return goal;
  });
  await b.until("get", { key }, "(found) => found !== null");
  await second.context.setOffline(true);
  await b.run(edit, { key, set: { title: "swim" } });
  await a.run(edit, { key, set: { title: "run" } });
  await a.untilSynced();
  await second.context.setOffline(false);
  await b.until("conflicts", {}, "(conflicts) => conflicts.length === 1");
  await b.reload();
  assert.equal((await b.run(get, key)).fields.title, "swim");
  await b.run(async (sync) => {
    const [conflict] = await sync.conflicts();
    await sync.resolve(conflict, { choose: "keep_mine" });
  });
  await a.until("get", { key }, "(found) => found?.fields.title === 'swim'");
  assert.deepEqual(await b.run((sync) => sync.conflicts()), []);
  await first.close();
  await second.close();
});

/** Shows that a browser that keeps no files is told so, and works in memory where that will do. */
test("a browser without files", async () => {
  const device = await bench.device();
  await device.context.addInitScript(() => {
    delete StorageManager.prototype.getDirectory;
  });
  await assert.rejects(device.tab(), /keeps no files for this page/);
  const tab = await device.tab({ allowMemory: true });
  assert.match(await tab.run((sync) => sync.environment.notice), /lost with the tab/);
  await tab.run(create, "in memory");
  assert.deepEqual(await tab.run(texts), ["in memory"]);
  await device.close();
});
