// Each element in each state, with no engine behind it.

import "../dist/define.js";
import {
  english,
  examples,
  pseudo,
  setDescriber,
  setWords,
  STATES,
  Words,
} from "../dist/index.js";
import * as data from "./data.js";

const at = (id) => document.getElementById(id);
const now = Date.UTC(2026, 10, 3, 9, 14);
const show = (id, properties) => Object.assign(at(id), { now, ...properties });

setDescriber(data.describer);
setWords(new Words("en-GB"));

const all = examples(now);
for (const { name, status, facts } of all) {
  const item = document.createElement("li");
  const chip = document.createElement("clarity-sync-status");
  Object.assign(chip, { now, status, facts, silent: true });
  const title = document.createElement("p");
  title.textContent = name;
  item.append(title, chip);
  at("states").append(item);
  at("state").append(new Option(name));
}

const choose = (name) => {
  const { status, facts } = all.find((example) => example.name === name);
  for (const id of ["live", "details", "dialog"]) show(id, { status, facts });
};
at("state").addEventListener("change", ({ target }) => choose(target.value));
at("state").value = "synced";
choose("synced");
at("live").addEventListener("clarity-open-details", () => at("dialog").show());

const [values, , , deleted] = data.conflicts(now);
const account = {
  server: "https://example.org",
  name: "somebody",
  account_id: "account",
  device_id: "0198-52f1",
  signed_in: true,
};
const appActions = Object.values(STATES).flatMap(({ actions }) => actions);
show("details", { account, appActions });
show("dialog", { account, appActions });
show("known", { progress: data.progress });
show("unknown", { label: "Reading file", value: 0 });
show("inbox", { conflicts: data.conflicts(now) });
show("no-conflicts", {});
show("resolver", { conflict: values, position: 1, count: 3 });
show("deleted", { conflict: deleted, position: 3, count: 3 });
show("failed", { failed: data.failed(now), asked: { operation: 12, preview: data.preview } });
show("no-failed", {});
show("waiting", { queue: data.queue(now) });
show("storage", { storage: data.storage(false), persistent: true });
show("storage-full", { storage: data.storage(true), persistent: false });
show("activity", { events: data.events(now), history: data.history(now) });

at("switches").addEventListener("change", () => {
  const chosen = Object.fromEntries(new FormData(at("switches")));
  document.documentElement.style.colorScheme = chosen.scheme;
  document.documentElement.dir = chosen.direction;
  setWords(new Words("en-GB", chosen.words === "pseudo" ? pseudo : english));
});
