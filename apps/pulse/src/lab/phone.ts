// One phone of the lab: a store of its own, and the worker behind the network that can be broken.

import { ClaritySync } from "@clarity/sync";
import type { EntityKey } from "@clarity/sync";
import type { Conditions, Exchange, Report, Told } from "./network.js";

export const GOAL: EntityKey = { type: "Goal", id: "lab-goal" };
export const NOTE: EntityKey = { type: "Note", id: "lab-note" };
export const READING = "ManualReading";

export type Side = "a" | "b";

export class Phone {
  readonly sync: ClaritySync;
  readonly #line: Line;

  private constructor(
    readonly side: Side,
    sync: ClaritySync,
    line: Line,
  ) {
    this.sync = sync;
    this.#line = line;
  }

  static async open(side: Side, hear: (exchange: Exchange) => void): Promise<Phone> {
    const line = new Line(hear);
    const sync = await ClaritySync.open({ store: `lab-${side}`, startWorker: () => line.worker() });
    return new Phone(side, sync, line);
  }

  /** Changes how the network is for this phone. */
  setConditions(conditions: Conditions): void {
    this.#line.tell(conditions);
  }

  /** Erases what is on it. What was not sent is lost, which the person was told. */
  async erase(): Promise<void> {
    if ((await this.sync.account()) === null) return;
    await this.sync.signOut(await this.sync.wouldBeLost());
  }
}

/** The way to the worker, whichever it is: a store begins another one when one ends. */
class Line {
  readonly #hear: (exchange: Exchange) => void;
  #conditions: Conditions = { airplane: false, network: "good" };
  #worker: Worker | undefined;

  constructor(hear: (exchange: Exchange) => void) {
    this.#hear = hear;
  }

  worker(): Worker {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    worker.addEventListener("message", ({ data }: MessageEvent<Report | { kind: string }>) => {
      if ("exchange" in data) this.#hear(data.exchange);
    });
    this.#worker = worker;
    this.tell(this.#conditions);
    return worker;
  }

  tell(conditions: Conditions): void {
    this.#conditions = conditions;
    this.#worker?.postMessage({ lab: conditions } satisfies Told);
  }
}
