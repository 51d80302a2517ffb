// The worker of a page. Each page has one; the one that holds the leader's lock opens the store and
// answers all pages. The others wait for their turn, without the engine.

import init, { WebStore } from "./engine/clarity_web.js";
import type { Answer, Begin, FromWorker, Leading, OnChannel, ToLeader } from "./messages.js";
import { channelName, leaderLock, pageLock, workerLock } from "./messages.js";
import type { CallError } from "./types.js";

/** What a dedicated worker has of its own. */
interface Scope {
  postMessage(message: FromWorker): void;
  close(): void;
  onmessage: ((event: MessageEvent) => void) | null;
}
const scope = globalThis as unknown as Scope;

/** How often a store is tried to be opened whose files an ended worker has not let go yet. */
const OPENING_TRIES = 50;
const OPENING_PAUSE_MS = 100;
/** How often the browser is asked how much room there is. */
const ROOM_INTERVAL_MS = 30_000;

/** A promise that stays open: a lock is held as long. */
const forEver = (): Promise<never> => new Promise(() => {});

/** Whatever broke inside the engine has left it unusable: the page starts another worker. */
const endIfBroken = (reason: unknown): void => {
  if (reason instanceof WebAssembly.RuntimeError) scope.close();
};
globalThis.addEventListener("error", (event) => endIfBroken((event as ErrorEvent).error));
globalThis.addEventListener("unhandledrejection", (event) =>
  endIfBroken((event as PromiseRejectionEvent).reason),
);

scope.onmessage = (event: MessageEvent<Begin>) => {
  const begin = event.data;
  if (!("locks" in navigator) || begin.inMemory) {
    void new Leader(begin).lead();
    return;
  }
  const own = workerLock(begin.store, begin.worker);
  void navigator.locks.request(own, () => {
    scope.postMessage({ kind: "alive" });
    return forEver();
  });
  void navigator.locks.request(leaderLock(begin.store), async () => {
    await new Leader(begin).lead();
    return forEver();
  });
};

/** Answers every page of the store. */
class Leader {
  readonly #begin: Begin;
  readonly #channel: BroadcastChannel | null;
  #store: WebStore | null = null;
  #failed: CallError | null = null;
  /** The watches of each page, by the page's number. */
  readonly #pages = new Map<string, Map<number, number>>();

  constructor(begin: Begin) {
    this.#begin = begin;
    const isShared = !begin.inMemory && "locks" in navigator;
    this.#channel = isShared ? new BroadcastChannel(channelName(begin.store)) : null;
  }

  async lead(): Promise<void> {
    try {
      this.#store = await open(this.#begin);
    } catch (error) {
      this.#failed = callError(error);
    }
    scope.onmessage = (event: MessageEvent<ToLeader>) => this.#take(event.data, true);
    if (this.#channel) {
      this.#channel.onmessage = (event: MessageEvent<OnChannel>) => {
        const message = event.data;
        if (message.kind !== "answer" && message.kind !== "value" && message.kind !== "leading") {
          this.#take(message, false);
        }
      };
    }
    this.#announce();
    if (this.#store) hear(this.#store);
  }

  #announce(): void {
    const { worker } = this.#begin;
    const leading: Leading = { kind: "leading", worker, failed: this.#failed };
    scope.postMessage(leading);
    this.#channel?.postMessage(leading);
  }

  #take(message: ToLeader, own: boolean): void {
    switch (message.kind) {
      case "hello":
        return this.#announce();
      case "bye":
        return this.#forget(message.page);
      case "unwatch":
        return this.#unwatch(message.page, message.number);
      case "watch":
        this.#page(message.page);
        return this.#watch(message.page, message.number, message.call, own);
      case "call":
        void this.#call(message.page, message.number, message.call, own);
    }
  }

  async #call(page: string, number: number, call: string, own: boolean): Promise<void> {
    const answer = this.#store ? ((await this.#store.call(call)) as string) : this.#refusal();
    this.#tell({ kind: "answer", page, number, answer }, own);
    // The store is erased: the next worker begins with an empty one.
    if (call.startsWith('{"call":"sign_out"') && answer.startsWith('{"ok"')) scope.close();
  }

  #watch(page: string, number: number, call: string, own: boolean): void {
    const tell = (answer: string): void => this.#tell({ kind: "value", page, number, answer }, own);
    if (!this.#store) return tell(this.#refusal());
    this.#unwatch(page, number);
    this.#page(page).set(number, this.#store.watch(call, tell));
  }

  #unwatch(page: string, number: number): void {
    const watches = this.#pages.get(page);
    const watch = watches?.get(number);
    if (watch === undefined) return;
    watches?.delete(number);
    this.#store?.unwatch(watch);
  }

  /** The watches of a page; they end with it, however it ends. */
  #page(page: string): Map<number, number> {
    const known = this.#pages.get(page);
    if (known) return known;
    const watches = new Map<number, number>();
    this.#pages.set(page, watches);
    if ("locks" in navigator) {
      void navigator.locks.request(pageLock(this.#begin.store, page), () => this.#forget(page));
    }
    return watches;
  }

  #forget(page: string): void {
    for (const number of [...(this.#pages.get(page)?.keys() ?? [])]) this.#unwatch(page, number);
    this.#pages.delete(page);
  }

  #tell(answer: Answer, own: boolean): void {
    if (own) scope.postMessage(answer);
    else this.#channel?.postMessage(answer);
  }

  #refusal(): string {
    return JSON.stringify({ error: this.#failed });
  }
}

async function open(begin: Begin): Promise<WebStore> {
  const module_or_path = new URL("./engine/clarity_web_bg.wasm", import.meta.url);
  await init({ module_or_path });
  if (begin.inMemory) return WebStore.open();
  for (let tried = 1; ; tried += 1) {
    try {
      return await WebStore.open(`clarity-sync/${begin.store}`);
    } catch (error) {
      // A worker that has just ended lets its files go a moment later, and no event says when.
      if (callError(error).kind !== "busy" || tried >= OPENING_TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, OPENING_PAUSE_MS));
    }
  }
}

/** Passes on what the browser knows of the network and of its room. */
function hear(store: WebStore): void {
  const call = (message: object): void => void store.call(JSON.stringify(message));
  globalThis.addEventListener("online", () => call({ call: "set_online", online: true }));
  globalThis.addEventListener("offline", () => call({ call: "set_online", online: false }));
  // No event tells of a network that was gone before.
  if (!navigator.onLine) call({ call: "set_online", online: false });
  const look = async (): Promise<void> => {
    const { quota, usage } = await navigator.storage.estimate();
    if (quota === undefined || usage === undefined) return;
    call({ call: "set_free_bytes", free_bytes: Math.max(0, Math.floor(quota - usage)) });
  };
  void look();
  setInterval(() => void look(), ROOM_INTERVAL_MS);
}

function callError(error: unknown): CallError {
  const message = error instanceof Error ? error.message : String(error);
  try {
    const known = JSON.parse(message) as CallError;
    if (typeof known.kind === "string") return known;
  } catch {
    // It is not one of the engine's.
  }
  return { kind: "store", message: `the store cannot be opened: ${message}` };
}
