// Both phones signed in to one account that is the lab's own.

import { GOAL, NOTE, Phone } from "./phone.js";
import type { Side } from "./phone.js";
import type { Exchange } from "./network.js";
import { words } from "./words.js";

export type Phones = readonly [Phone, Phone];

/** Steps a day. */
const TARGET = 8_000;

/** Opens both, with whatever is on them. */
export async function openPhones(hear: (side: Side, exchange: Exchange) => void): Promise<Phones> {
  return [
    await Phone.open("a", (exchange) => hear("a", exchange)),
    await Phone.open("b", (exchange) => hear("b", exchange)),
  ];
}

/** Whether both belong to one account, as after a reload. */
export async function areSetUp([a, b]: Phones): Promise<boolean> {
  const [first, second] = await Promise.all([a.sync.account(), b.sync.account()]);
  return first !== null && first.account_id === second?.account_id;
}

/** Erases both and signs them in to a new account, with a goal and a note on it. */
export async function setUp([a, b]: Phones): Promise<void> {
  await a.erase();
  await b.erase();
  const name = `lab-${crypto.randomUUID()}`;
  const password = crypto.randomUUID();
  await a.sync.signUp(name, password, words.phones.a);
  await b.sync.signIn(name, password, words.phones.b);
  await a.sync.create(GOAL, { title: words.seed.goal, target: TARGET, progress: 0 });
  await a.sync.create(NOTE, { text: words.seed.note });
  await a.sync.syncNow();
  await b.sync.syncNow();
}

/** Lets both set another target, each having seen the first: the second who says so is asked. */
export async function setUpConflict(phones: Phones): Promise<void> {
  const [a, b] = phones;
  await setUp(phones);
  const seen = { target: TARGET };
  await a.sync.update(GOAL, { target: 9_000 }, { seen });
  await a.sync.syncNow();
  await b.sync.syncNow();
  await b.sync.update(GOAL, { target: 12_000 }, { seen });
}
