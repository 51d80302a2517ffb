import { environmentOf } from "./environment.js";
import type { Environment } from "./environment.js";
import { SyncError } from "./errors.js";
import { importFile, type Importing, type ImportResult } from "./import.js";
import { Link, ownWorker } from "./link.js";
import type {
  Absence,
  Account,
  Answers,
  BulkReport,
  Call,
  ConflictInfo,
  Entity,
  EntityExplanation,
  EntityKey,
  Eviction,
  Explanation,
  FailedOperation,
  FailureReason,
  Finding,
  Found,
  HistoryEntry,
  JsonValue,
  KnownImport,
  Loss,
  Metrics,
  NetworkPolicy,
  OperationOutcome,
  Page,
  Preview,
  Priority,
  QuerySpec,
  QueuedChange,
  ResolutionCall,
  Rollup,
  Scope,
  ScopeStatus,
  Status,
  Storage,
  StorageSettings,
  SupportBundle,
  SyncProgress,
  SyncReport,
  UndoneCounts,
  WantedCall,
  WriteCall,
  Written,
} from "./types.js";
import type { OpenOptions, Reading, Updating } from "./options.js";
import { watched } from "./watch.js";

type Kind = Call["call"];
type Arguments<K extends Kind> = Omit<Extract<Call, { call: K }>, "call">;

/**
 * A store of this origin, shared by all its tabs. Every tab reads, writes and sees what changes; one
 * of them, whichever it is, has the store open and synchronises it.
 *
 * A write is durable when its promise is fulfilled: it survives the end of the tab, of the browser
 * and of the power. It reaches the server when there is a way. Promises are rejected with
 * {@link SyncError}.
 */
export class ClaritySync {
  readonly #link: Link;
  /** What this browser gives, to be shown where it is less than usual. */
  readonly environment: Environment;
  readonly #unheard = new Set<number>();
  #writes = 0;
  readonly #toFront = (): void => {
    if (document.visibilityState === "visible") this.#tell({ call: "foreground" });
  };

  /** Not every browser tells workers of the network; pages are told by all. */
  readonly #toNetwork = ({ type }: Event): void =>
    this.#tell({ call: "set_online", online: type === "online" });

  private constructor(link: Link, environment: Environment) {
    this.#link = link;
    this.environment = environment;
    document.addEventListener("visibilitychange", this.#toFront);
    addEventListener("online", this.#toNetwork);
    addEventListener("offline", this.#toNetwork);
  }

  /**
   * Opens the store, or makes it when there is none. It works before anybody has signed in, and
   * with no network.
   *
   * @throws SyncError `unsupported` where the browser lacks what it takes; those of the store.
   */
  static async open(options: OpenOptions = {}): Promise<ClaritySync> {
    const environment = await environmentOf(options.allowMemory ?? false);
    const inMemory = environment.storage === "memory";
    const { store = "default", startWorker = ownWorker } = options;
    const link = new Link({ store, inMemory, startWorker });
    const sync = new ClaritySync(link, environment);
    try {
      await sync.status();
    } catch (error) {
      sync.close();
      throw error;
    }
    return sync;
  }

  /** Ends this tab's part of it. Other tabs go on. */
  close(): void {
    document.removeEventListener("visibilitychange", this.#toFront);
    removeEventListener("online", this.#toNetwork);
    removeEventListener("offline", this.#toNetwork);
    this.#link.close();
  }

  /** Whether this tab is the one that has the store open and synchronises it. */
  get leads(): boolean {
    return this.#link.leads;
  }

  /** Any call of the engine by its name, as its types say. The methods below are made of it. */
  call<K extends Kind>(call: K, args: Arguments<K>, options?: Reading): Promise<Answers[K]> {
    return this.#link.call(JSON.stringify({ call, ...args }), options?.signal) as Promise<Answers[K]>;
  }

  /**
   * Any call that reads, now and again each time that its answer is another one. Whoever is slow
   * misses what lay between, never the last answer.
   */
  watch<K extends Kind>(
    call: K,
    args: Arguments<K>,
    options?: Reading,
  ): AsyncGenerator<Answers[K], void, undefined> {
    return watched(this.#link, { call, ...args }, options?.signal);
  }

  /** A write that is made once, however often another worker has to be asked for it. */
  write(write: WriteCall, options?: Reading): Promise<Written> {
    return this.#writeOnce(JSON.stringify(write), options);
  }

  async #writeOnce(write: string, options?: Reading): Promise<Written> {
    const number = this.#writes++;
    this.#unheard.add(number);
    const heard_below = Math.min(...this.#unheard);
    try {
      const once = JSON.stringify({ writer: this.#link.page, number, heard_below });
      const call = `{"call":"write","once":${once},"write":${write}}`;
      return (await this.#link.call(call, options?.signal)) as Written;
    } finally {
      this.#unheard.delete(number);
    }
  }

  // Entities.

  /** A key with a new id. */
  newKey(entity_type: string): Promise<EntityKey> {
    return this.call("new_key", { entity_type });
  }

  /** Makes an entity. */
  create(
    key: EntityKey,
    fields: Record<string, JsonValue>,
    options?: Reading,
  ): Promise<Written> {
    return this.write({ write: "create", key, fields }, options);
  }

  /** Changes fields of an entity. */
  update(
    key: EntityKey,
    set: Record<string, JsonValue>,
    options: Updating = {},
  ): Promise<Written> {
    const { seen, remove = [] } = options;
    const write = { write: "update" as const, key, set, remove: [...remove] };
    return this.write(seen === undefined ? write : { ...write, seen }, options);
  }

  /** Deletes an entity. */
  delete(key: EntityKey, options: Updating = {}): Promise<Written> {
    const { seen } = options;
    const write = { write: "delete" as const, key };
    return this.write(seen === undefined ? write : { ...write, seen }, options);
  }

  /** Several creates, updates and deletes: they stand or fall together here; if `atomic`, also at
   * the server. */
  batch(writes: WriteCall[], atomic = false, options?: Reading): Promise<Written> {
    return this.write({ write: "batch", atomic, writes }, options);
  }

  /** What some writes would do, one after the other. Nothing of it stays. */
  preview(writes: WriteCall[]): Promise<Preview> {
    return this.call("preview", { writes });
  }

  /** One entity, with the local changes that wait; nothing when there is none. */
  get(key: EntityKey): Promise<Entity | null> {
    return this.call("get", { key });
  }

  /** One entity, fetched from the server when it was given up on this device for space. */
  getOrFetch(key: EntityKey, options?: Reading): Promise<Found<Entity | null>> {
    return this.call("get_or_fetch", { key }, options);
  }

  /** One page of the entities that a query finds: `after` is the `next` of the page before. */
  query(entity_type: string, query: QuerySpec = {}, after?: string): Promise<Page> {
    const args = { entity_type, query };
    return this.call("query", after === undefined ? args : { ...args, after });
  }

  /** Entities, after what was given up was fetched as far as it may belong to the answer. */
  queryOrFetch(
    entity_type: string,
    query: QuerySpec = {},
    options?: Reading,
  ): Promise<Found<Entity[]>> {
    return this.call("query_or_fetch", { entity_type, query }, options);
  }

  /** How many entities a query finds, whatever its limit. */
  count(entity_type: string, query: QuerySpec = {}): Promise<number> {
    return this.call("count", { entity_type, query });
  }

  /** The types that have entities here, with how many. */
  counts(): Promise<Answers["counts"]> {
    return this.call("counts", {});
  }

  /** Sums by day, month or year: what a chart shows. */
  rollups(query: Arguments<"rollups">): Promise<Rollup[]> {
    return this.call("rollups", query);
  }

  /** Watches one entity. */
  watchEntity(key: EntityKey, options?: Reading): AsyncGenerator<Entity | null, void, undefined> {
    return this.watch("get", { key }, options);
  }

  /** Watches the first page of what a query finds. */
  watchQuery(
    entity_type: string,
    query: QuerySpec = {},
    options?: Reading,
  ): AsyncGenerator<Page, void, undefined> {
    return this.watch("query", { entity_type, query }, options);
  }

  // The sync.

  /** Where the sync stands. */
  status(): Promise<Status> {
    return this.call("status", {});
  }

  /** How far the current run of the sync is. */
  progress(): Promise<SyncProgress> {
    return this.call("progress", {});
  }

  /** What the sync counts about itself. */
  metrics(): Promise<Metrics> {
    return this.call("metrics", {});
  }

  /** Watches where the sync stands. */
  watchStatus(options?: Reading): AsyncGenerator<Status, void, undefined> {
    return this.watch("status", {}, options);
  }

  /** Watches how far the sync is. */
  watchProgress(options?: Reading): AsyncGenerator<SyncProgress, void, undefined> {
    return this.watch("progress", {}, options);
  }

  /** Watches what the sync counts about itself. */
  watchMetrics(options?: Reading): AsyncGenerator<Metrics, void, undefined> {
    return this.watch("metrics", {}, options);
  }

  /** Synchronises now, and waits until nothing is left to do, somebody must act, or it has kept
   * failing for longer than `patience_ms` (30 s). */
  syncNow(patience_ms?: number, options?: Reading): Promise<SyncReport> {
    return this.call("sync_now", patience_ms === undefined ? {} : { patience_ms }, options);
  }

  /** Pauses synchronisation until a time (milliseconds since 1970 UTC), or until it is resumed. */
  async pauseSync(until?: number): Promise<void> {
    await this.call("pause_sync", until === undefined ? {} : { until });
  }

  /** Resumes synchronisation. */
  async resumeSync(): Promise<void> {
    await this.call("resume_sync", {});
  }

  /** Says whether the network costs by volume. */
  async setMetered(metered: boolean): Promise<void> {
    await this.call("set_metered", { metered });
  }

  /** Chooses over which networks this device synchronises by itself. */
  async setNetworkPolicy(policy: NetworkPolicy): Promise<void> {
    await this.call("set_network_policy", { policy });
  }

  /** What this device follows, and how far it has come with it. */
  scope(): Promise<ScopeStatus> {
    return this.call("scope", {});
  }

  /** Follows another part of the account from now on. */
  setScope(scope: Scope): Promise<Written> {
    return this.write({ write: "set_scope", scope });
  }

  /** Wants things from the server, apart from what the device follows. */
  want(wanted: WantedCall[]): Promise<Written> {
    return this.write({ write: "want", wanted });
  }

  /** Operations that wait or are on their way, in order. */
  queue(options: { after?: number; limit?: number } = {}): Promise<QueuedChange[]> {
    return this.call("queue", options);
  }

  /** Watches the first of those. */
  watchQueue(
    limit?: number,
    options?: Reading,
  ): AsyncGenerator<QueuedChange[], void, undefined> {
    return this.watch("queue", limit === undefined ? {} : { limit }, options);
  }

  /** What became of an operation; nothing while it is to be sent or on its way. */
  outcome(operation: number): Promise<OperationOutcome | null> {
    return this.call("outcome", { operation });
  }

  /** What is known of an entity and of what waits for it, and why. */
  explain(key: EntityKey): Promise<EntityExplanation | null> {
    return this.call("explain", { key });
  }

  /** Why an operation is not at the server. */
  whyNotSynced(operation: number): Promise<Explanation | null> {
    return this.call("why_not_synced", { operation });
  }

  // What waits for a person.

  /** The open conflicts, oldest first. */
  conflicts(options: { after?: number; limit?: number } = {}): Promise<ConflictInfo[]> {
    return this.call("conflicts", options);
  }

  /** Watches the first of those. */
  watchConflicts(
    limit?: number,
    options?: Reading,
  ): AsyncGenerator<ConflictInfo[], void, undefined> {
    return this.watch("conflicts", limit === undefined ? {} : { limit }, options);
  }

  /** One open conflict; nothing when it is settled. */
  conflict(conflict: number): Promise<ConflictInfo | null> {
    return this.call("conflict", { conflict });
  }

  /** Settles a conflict as the person chose it. Refused when a side moved since it was read. */
  resolve(conflict: ConflictInfo, resolution: ResolutionCall): Promise<Written> {
    const { conflict: name, mark } = conflict;
    return this.write({ write: "resolve", conflict: name, mark, resolution });
  }

  /** Operations that failed and wait for a person. */
  failed(options: { after?: number; limit?: number } = {}): Promise<FailedOperation[]> {
    return this.call("failed", options);
  }

  /** Watches the first of those. */
  watchFailed(
    limit?: number,
    options?: Reading,
  ): AsyncGenerator<FailedOperation[], void, undefined> {
    return this.watch("failed", limit === undefined ? {} : { limit }, options);
  }

  /** Sends a failed operation again. */
  retry(operation: number): Promise<Written> {
    return this.write({ write: "retry", operation });
  }

  /** Changes what a failed operation wants and sends it again. */
  editAndRetry(
    operation: number,
    set: Record<string, JsonValue>,
    remove: readonly string[] = [],
  ): Promise<Written> {
    return this.write({ write: "edit_and_retry", operation, set, remove: [...remove] });
  }

  /** Gives up a failed operation. What it wanted stays in the history. */
  discard(operation: number, with_dependents = false): Promise<Written> {
    return this.write({ write: "discard", operation, with_dependents });
  }

  /** What {@link discard} would lose. */
  previewDiscard(operation: number, with_dependents = false): Promise<Preview> {
    return this.preview([{ write: "discard", operation, with_dependents }]);
  }

  /** Sends all failed operations again, or those with one reason. */
  retryAll(reason?: FailureReason): Promise<BulkReport> {
    return this.call("retry_all", reason === undefined ? {} : { reason });
  }

  /** Gives up all failed operations with one reason. */
  discardAll(reason: FailureReason): Promise<BulkReport> {
    return this.call("discard_all", { reason });
  }

  /** Takes back one operation, while later ones of the entity stay. */
  rollback(operation: number): Promise<Written> {
    return this.write({ write: "rollback", operation });
  }

  /** Takes back everything that waits for an entity. */
  rollbackEntity(key: EntityKey): Promise<Written> {
    return this.write({ write: "rollback_entity", key });
  }

  /** Values that lost in the last 30 days, oldest first: of one entity, or of all. */
  history(
    options: { key?: EntityKey; after?: number; limit?: number } = {},
  ): Promise<HistoryEntry[]> {
    return this.call("history", options);
  }

  /** Brings back what lost. */
  undo(history: number): Promise<Written> {
    return this.write({ write: "undo", history });
  }

  // Space.

  /** What the store takes, what is in it and why it may not go, and what was given up. */
  storage(): Promise<Storage> {
    return this.call("storage", {});
  }

  /** How much is kept on the device. */
  storageSettings(): Promise<StorageSettings> {
    return this.call("storage_settings", {});
  }

  /** Sets how much is kept on the device. */
  async setStorage(settings: StorageSettings): Promise<void> {
    await this.call("set_storage", { settings });
  }

  /** Gives an entity a priority of its own, or takes it back. */
  async storeForOffline(key: EntityKey, priority: Priority | null): Promise<void> {
    await this.call("store_for_offline", priority === null ? { key } : { key, priority });
  }

  /** When and why an entity that is not found was given up. */
  absence(key: EntityKey): Promise<Absence | null> {
    return this.call("absence", { key });
  }

  /** The latest evictions, the newest first. */
  evictions(limit?: number): Promise<Eviction[]> {
    return this.call("evictions", limit === undefined ? {} : { limit });
  }

  /** Asks the browser never to delete the store by itself, and says whether it never will. Call it
   * after the person has saved something: some browsers ask them. */
  async persist(): Promise<boolean> {
    return (await navigator.storage.persisted()) || navigator.storage.persist();
  }

  /** Whether the browser never deletes the store by itself. */
  isPersistent(): Promise<boolean> {
    return navigator.storage.persisted();
  }

  // Files.

  /**
   * Imports an Apple Health export (zip or XML), FHIR R4 JSON or a table. What is here already is
   * not changed, so importing again completes an import that was ended in the midst.
   */
  import(file: File, options: Importing = {}): Promise<ImportResult> {
    return importFile(file, this, (part) => this.#writeOnce(part), options);
  }

  /** The imports of this device, the latest first. */
  imports(): Promise<KnownImport[]> {
    return this.call("imports", {});
  }

  /** What {@link undoImport} would delete, and what it would keep. */
  previewUndoImport(name: string): Promise<UndoneCounts> {
    return this.call("preview_undo_import", { import: name });
  }

  /** Deletes what an import brought and nobody changed since, on every device. */
  undoImport(name: string): Promise<UndoneCounts> {
    return this.call("undo_import", { import: name });
  }

  // The account.

  /** Whom the store belongs to; nothing before the first sign-in. */
  account(): Promise<Account | null> {
    return this.call("account", {});
  }

  /** Watches whom the store belongs to. */
  watchAccount(options?: Reading): AsyncGenerator<Account | null, void, undefined> {
    return this.watch("account", {}, options);
  }

  /** Makes an account and signs in. `server` is this page's own origin if absent. */
  signUp(
    name: string,
    password: string,
    device_name: string,
    server = location.origin,
  ): Promise<Account | null> {
    return this.call("sign_up", { server, name, password, device_name });
  }

  /** Signs in, also again after the server asked for it: everything that waits is kept. */
  signIn(
    name: string,
    password: string,
    device_name: string,
    server = location.origin,
  ): Promise<Account | null> {
    return this.call("sign_in", { server, name, password, device_name });
  }

  /** What signing out would lose: show it, and offer to synchronise first. */
  wouldBeLost(): Promise<Loss> {
    return this.call("would_be_lost", {});
  }

  /**
   * Signs out and erases the store, for all tabs. Refused when anything was changed since `seen`.
   * This object goes on with an empty store that belongs to nobody.
   */
  async signOut(seen: Loss, must_revoke = false): Promise<void> {
    await this.call("sign_out", { seen: seen.seen, must_revoke });
  }

  // Help.

  /** Examines the store. An empty answer is a good one. */
  examine(): Promise<Finding[]> {
    return this.call("examine", {});
  }

  /** What a person can hand to somebody who helps; nothing in it says whose it is. */
  supportBundle(): Promise<SupportBundle> {
    return this.call("support_bundle", {});
  }

  #tell(call: Extract<Call, { call: "foreground" | "set_online" }>): void {
    // Whether it is heard does not matter.
    this.#link.call(JSON.stringify(call)).catch((error: unknown) => {
      if (!(error instanceof SyncError)) throw error;
    });
  }
}
