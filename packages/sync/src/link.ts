// The way from a page to the worker that has the store, whichever that is. What was asked and not
// answered is asked again when another worker takes over.

import { SyncError } from "./errors.js";
import type { Begin, FromWorker, OnChannel, ToLeader } from "./messages.js";
import { channelName, pageLock, workerLock } from "./messages.js";
import type { CallError } from "./types.js";

/** How often in a row a worker may end without having led before the page gives up. */
const STARTS_MAX = 5;

type Result = { readonly ok: unknown } | { readonly error: CallError };

interface Asked {
  readonly call: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

interface Watched {
  readonly call: string;
  readonly emit: (result: Result) => void;
}

/** Where a page's store is. */
export interface Place {
  /** The name of the store. */
  readonly store: string;
  /** Whether it is in memory, for this page alone. */
  readonly inMemory: boolean;
  /** Starts a worker. */
  readonly startWorker: () => Worker;
}

/** Starts the worker of this package as it is. */
export const ownWorker = (): Worker =>
  new Worker(new URL("./worker.js", import.meta.url), { type: "module" });

export class Link {
  /** The name of this page among those of the store. */
  readonly page = crypto.randomUUID();
  readonly #place: Place;
  readonly #channel: BroadcastChannel | null;
  readonly #asked = new Map<number, Asked>();
  readonly #watched = new Map<number, Watched>();
  readonly #closed = new AbortController();
  #next = 1;
  #worker: Worker | null = null;
  #workerName = "";
  #leader: string | null = null;
  #starts = 0;
  #failed: SyncError | null = null;

  constructor(place: Place) {
    this.#place = place;
    // Without locks nobody can tell who leads: pages that heard of each other would mistake it.
    const isShared = !place.inMemory && "locks" in navigator;
    this.#channel = isShared ? new BroadcastChannel(channelName(place.store)) : null;
    if (this.#channel) {
      this.#channel.onmessage = (event: MessageEvent<OnChannel>) => this.#hear(event.data);
    }
    if ("locks" in navigator) {
      // Held as long as the page lives: whoever leads sees its end by it.
      void navigator.locks.request(
        pageLock(place.store, this.page),
        () => new Promise<void>((done) => this.#closed.signal.addEventListener("abort", () => done())),
      );
    }
    this.#start();
    this.#channel?.postMessage({ kind: "hello", page: this.page } satisfies ToLeader);
  }

  /** Whether this page's own worker has the store. */
  get leads(): boolean {
    return this.#leader === this.#workerName;
  }

  /** Asks the engine, of whichever worker has it, with a call in JSON. */
  call(call: string, signal?: AbortSignal): Promise<unknown> {
    if (this.#failed) return Promise.reject(this.#failed);
    if (signal?.aborted) return Promise.reject(signal.reason as Error);
    const number = this.#next++;
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#asked.delete(number);
        reject(signal?.reason as Error);
      };
      signal?.addEventListener("abort", abort, { once: true });
      const settled = (): void => signal?.removeEventListener("abort", abort);
      const asked: Asked = {
        call,
        resolve: (value) => (settled(), resolve(value)),
        reject: (error) => (settled(), reject(error)),
      };
      this.#asked.set(number, asked);
      this.#send({ kind: "call", page: this.page, number, call: asked.call });
    });
  }

  /** Has `emit` called with the answer now and each time that it is another one. */
  watch(call: object, emit: (result: Result) => void): () => void {
    const number = this.#next++;
    const watched: Watched = { call: JSON.stringify(call), emit };
    this.#watched.set(number, watched);
    if (this.#failed) emit({ error: this.#failed as unknown as CallError });
    this.#send({ kind: "watch", page: this.page, number, call: watched.call });
    return () => {
      if (this.#watched.delete(number)) {
        this.#send({ kind: "unwatch", page: this.page, number });
      }
    };
  }

  /** Ends this page's part. What was written and acknowledged is kept. */
  close(): void {
    this.#send({ kind: "bye", page: this.page });
    this.#fail(new SyncError("closed", "the store was closed"));
    this.#closed.abort();
    this.#channel?.close();
    this.#worker?.terminate();
    this.#worker = null;
  }

  #send(message: ToLeader): void {
    if (this.#leader === null || this.#closed.signal.aborted) return;
    if (this.leads) this.#worker?.postMessage(message);
    else this.#channel?.postMessage(message);
  }

  #hear(message: FromWorker | OnChannel): void {
    if (this.#closed.signal.aborted) return;
    switch (message.kind) {
      case "leading":
        return this.#follow(message.worker);
      case "answer": {
        if (message.page !== this.page) return;
        const asked = this.#asked.get(message.number);
        this.#asked.delete(message.number);
        const result = JSON.parse(message.answer) as Result;
        if ("ok" in result) asked?.resolve(result.ok);
        else asked?.reject(SyncError.of(result.error));
        return;
      }
      case "value":
        if (message.page !== this.page) return;
        this.#watched.get(message.number)?.emit(JSON.parse(message.answer) as Result);
    }
  }

  /** Another worker has the store: what it cannot know of is asked again. */
  #follow(worker: string): void {
    if (this.#leader === worker) return;
    this.#leader = worker;
    this.#starts = 0;
    for (const [number, { call }] of this.#watched) {
      this.#send({ kind: "watch", page: this.page, number, call });
    }
    for (const [number, { call }] of this.#asked) {
      this.#send({ kind: "call", page: this.page, number, call });
    }
  }

  #start(): void {
    const name = crypto.randomUUID();
    this.#workerName = name;
    this.#starts += 1;
    if (this.#starts > STARTS_MAX) {
      this.#fail(new SyncError("worker", "the worker with the store ends again and again; reload"));
      return;
    }
    const worker = this.#place.startWorker();
    this.#worker = worker;
    worker.onmessage = (event: MessageEvent<FromWorker>) => {
      if (event.data.kind === "alive") this.#watchOver(name);
      else this.#hear(event.data);
    };
    worker.onerror = (event) => {
      // Its script cannot be had or read; anything later ends the worker itself.
      if (event.message) return;
      this.#fail(new SyncError("worker", "the worker with the store cannot be loaded; reload"));
    };
    const { store, inMemory } = this.#place;
    worker.postMessage({ store, worker: name, inMemory } satisfies Begin);
  }

  /** Starts another worker when this one ends: its lock becomes free with it. */
  #watchOver(name: string): void {
    const { signal } = this.#closed;
    navigator.locks
      .request(workerLock(this.#place.store, name), { signal }, () => {
        if (this.#workerName !== name) return;
        this.#worker?.terminate();
        if (this.#leader === name) this.#leader = null;
        this.#start();
      })
      .catch(() => {
        // The page was closed.
      });
  }

  #fail(error: SyncError): void {
    this.#failed = error;
    const failed: CallError = { kind: "closed", message: error.message };
    for (const asked of this.#asked.values()) asked.reject(error);
    for (const watched of this.#watched.values()) watched.emit({ error: failed });
    this.#asked.clear();
    this.#watched.clear();
  }
}
