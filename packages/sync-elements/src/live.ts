import type { ClaritySync, Status } from "@clarity/sync";
import type { PropertyDeclarations } from "lit";
import { SyncElement } from "./element.js";
import type { Action, Facts } from "./states.js";
import { SteadyFlow } from "./steady.js";
import { viewOf } from "./views.js";
import type { SyncView } from "./views.js";

const FACTS_EVERY_MS = 60_000;

/** An element that shows where the sync stands: that of a store, or what it is given. */
export abstract class LiveElement extends SyncElement {
  static override properties: PropertyDeclarations = {
    ...SyncElement.properties,
    sync: { attribute: false },
    status: { attribute: false },
    facts: { attribute: false },
    found: { state: true },
  };

  /** The store, which the element watches. */
  sync: ClaritySync | undefined;
  /** Where the sync stands, without a store. */
  status: Status | null = null;
  /** What the app knows besides; it goes before what the element finds out. */
  facts: Facts = {};
  /** What the element found out by itself. */
  protected found: Facts = {};
  readonly #steady = new SteadyFlow<Status>((status) => {
    this.status = status;
  });

  protected get view(): SyncView {
    return viewOf(this.status, { ...this.found, ...this.facts }, this.words, this.time);
  }

  protected override get tick_ms(): number {
    return 1_000;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#steady.stop();
  }

  protected override watchAll(signal: AbortSignal): void {
    const { sync } = this;
    if (sync === undefined) return;
    this.follow(sync.watchStatus({ signal }), signal, (status) => {
      const facts = { ...this.found, ...this.facts };
      const { flow } = viewOf(status, facts, this.words, this.time);
      this.#steady.offer(flow.name, status, waitingMeanwhile(status));
    });
    this.follow(sync.watchAccount({ signal }), signal, (account) => {
      this.found = { ...this.found, signedIn: account !== null };
    });
    // Nobody asked for it: it may not take away what is said of that which somebody did ask for.
    const look = (): void => void this.#lookAtSpace(sync).catch(() => {});
    look();
    const timer = setInterval(look, FACTS_EVERY_MS);
    signal.addEventListener("abort", () => clearInterval(timer));
  }

  async #lookAtSpace(sync: ClaritySync): Promise<void> {
    if (sync.environment.storage === "memory") return;
    const persistent = await sync.isPersistent();
    const { quota, usage = 0 } = await navigator.storage.estimate();
    const space = quota === undefined ? {} : spaceOf(quota, usage);
    this.found = { ...this.found, ...space, persistent };
  }

  /** Does what a state offers: tells the app, and does by itself what it can. */
  protected async act(action: Action): Promise<void> {
    const { sync } = this;
    if (!this.tell("clarity-action", { action }) || sync === undefined) return;
    await this.attempt(async () => {
      if (action === "sync-now") await sync.syncNow();
      if (action === "pause") await sync.pauseSync(Date.now() + 3_600_000);
      if (action === "resume") await sync.resumeSync();
      if (action === "allow-storage") {
        const persistent = await sync.persist();
        this.found = { ...this.found, persistent };
        if (!persistent) this.problem = this.words.text("action.allow-storage.refused");
      }
    });
  }
}

/** What takes the place of "up to date" at once: a change that waits must never be called that, not
 * even until it is sure that what goes on lasts. */
function waitingMeanwhile(status: Status): { name: "pending"; value: Status } | undefined {
  return status.waiting === 0 ? undefined : { name: "pending", value: { ...status, flow: "pending" } };
}

function spaceOf(quotaBytes: number, usage: number): Facts {
  return { space: { quotaBytes, freeBytes: Math.max(0, quotaBytes - usage) } };
}
