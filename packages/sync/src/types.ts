// Written from the Rust types by a test of the crate `clarity-web`; do not edit.

/** What is known of an entity that is not on this device although the server may have it. */
export type Absence = {
/** When it was given up, by the server's clock. */
evicted_at: ServerTime,
/** Protection. */
reason: EvictionReason,
/** Whether it certainly was: of samples only months are remembered. */
certain: boolean,
/** Whether it is being fetched. */
wanted: boolean,
/** Protection the server does not give it, when it was asked. */
refused: string | null, };

/** Whom a store belongs to. */
export type Account = {
/** The server's address. */
server: string,
/** The name that the person signed in with. */
name: string,
/** The account's id at the server. */
account_id: string | null,
/** This device's id at the server. */
device_id: string | null,
/** Whether there is a way in without a password. */
signed_in: boolean, };

/** What somebody should look at. */
export type Attention = "damaged" | "storage_full" | "auth_required" | "access_removed" | "upgrade_required" | "failed" | "conflicts" | "captive_portal" | "config";

/** What became of many operations at once. */
export type BulkReport = {
/** How many were retried or discarded. */
done: number,
/** How many could not be. */
left: number,
/** The first of those, at most [`BulkReport::REASONS_MAX`], with the reason. */
reasons: Array<LeftOperation>, };

/** One part of a bundle. */
export type BundlePart = {
/** Its name in the bundle. */
name: string,
/** What is in it. */
holds: string,
/** How large it is. */
bytes: number, };

/** What a page asks its worker for. */
export type Call = { "call": "new_key", entity_type: EntityType, } | { "call": "write", once: Once, write: WriteCall, } | { "call": "preview", writes: Array<WriteCall>, } | { "call": "get", key: EntityKey, } | { "call": "get_or_fetch", key: EntityKey, } | { "call": "query", entity_type: EntityType, query?: QuerySpec,
/** Where an earlier page of the same query ended. */
after?: string, } | { "call": "query_or_fetch", entity_type: EntityType, query?: QuerySpec, } | { "call": "count", entity_type: EntityType, query?: QuerySpec, } | { "call": "counts", } | { "call": "rollups", entity_type: EntityType,
/** Which measure, as in the field that the type declares for it: `heart_rate`, say. */
kind: string,
/** Only this source. */
source?: string,
/** The first day, as its number since 1970-01-01 UTC. */
from_day: number,
/** The day after the last. */
to_day: number, period: Period,
/** Whether each source has sums of its own. */
by_source?: boolean, } | { "call": "status", } | { "call": "progress", } | { "call": "metrics", } | { "call": "sync_now",
/** In milliseconds; 30 s when absent. */
patience_ms?: number, } | { "call": "pause_sync", until?: LocalTime, } | { "call": "resume_sync", } | { "call": "set_online", online: boolean, } | { "call": "set_metered", metered: boolean, } | { "call": "set_network_policy", policy: NetworkPolicy, } | { "call": "foreground", } | { "call": "set_free_bytes", free_bytes?: number, } | { "call": "conflicts", after?: ConflictId, limit?: number, } | { "call": "conflict", conflict: ConflictId, } | { "call": "failed", after?: Counter, limit?: number, } | { "call": "retry_all", reason?: FailureReason, } | { "call": "discard_all", reason: FailureReason, } | { "call": "queue", after?: Counter, limit?: number, } | { "call": "outcome", operation: Counter, } | { "call": "history",
/** Of this entity, or of all. */
key?: EntityKey, after?: HistoryId, limit?: number, } | { "call": "explain", key: EntityKey, } | { "call": "why_not_synced", operation: Counter, } | { "call": "storage", } | { "call": "storage_settings", } | { "call": "set_storage", settings: StorageSettings, } | { "call": "store_for_offline", key: EntityKey, priority?: Priority, } | { "call": "absence", key: EntityKey, } | { "call": "evictions", limit?: number, } | { "call": "scope", } | { "call": "account", } | { "call": "sign_up", server: string, name: string, password: string, device_name: string, } | { "call": "sign_in", server: string, name: string, password: string, device_name: string, } | { "call": "would_be_lost", } | { "call": "sign_out",
/** The number of the loss that the person saw and agreed to. */
seen: number,
/** Whether the server must be told; without an answer nothing is done then. */
must_revoke: boolean, } | { "call": "imports", } | { "call": "finish_import", import: ImportNumber, read: FileRead, imported: Imported, } | { "call": "preview_undo_import", import: ImportNumber, } | { "call": "undo_import", import: ImportNumber, } | { "call": "examine", } | { "call": "support_bundle", };

/** Why a call failed. Nothing of it was stored, unless the words say so. */
export type CallError = {
/** What kind of error it is, for programs. */
kind: ErrorKind,
/** What happened and what to do, in words. */
message: string, };

/** What was looked at. */
export type Check = "integrity" | "consistency" | "schema" | "clock" | "disk" | "lock" | "server";

/** How a field is compared. */
export type Compare = "=" | "<" | "<=" | ">" | ">=";

/** One field in conflict. `Debug` hides the values (promise I17). */
export type ConflictField = {
/** The field. */
field: string,
/** What both sides started from; absent when the field was not there. */
base?: JsonValue,
/** What this device has. */
local?: JsonValue,
/** What the server has. */
server?: JsonValue, };

/** The name of a conflict on this device. */
export type ConflictId = number;

/** A conflict as an app shows it. */
export type ConflictInfo = {
/** Its name on this device; in JSON apart from the entity's id. */
conflict: ConflictId,
/** When it was found, by this device's clock. */
opened_at: LocalTime,
/** The fields that differ. */
fields: Array<ConflictField>,
/** Set when one side deleted. */
deleted_by: DeletedBy | null,
/** The version on which the local change was made. */
local_version: Version,
/** When the local change was made. */
local_changed_at: LocalTime,
/** The server's version. */
server_version: Version,
/** When the server's version was accepted. */
server_changed_at: ServerTime,
/** To hand back with the resolution. */
mark: ConflictMark,
/** The type. */
type: EntityType,
/** The id within the type. */
id: EntityId, };

/** Both sides of a conflict as a person saw them. A resolution made on other sides is refused. */
export type ConflictMark = {
/** The server's version. */
server_version: Version,
/** The newest local operation. */
last_operation: Counter, };

/** How often conflicts were settled by a person, by what was chosen. */
export type ConflictsResolved = {
/** The local version. */
keep_mine: number,
/** The server's version. */
use_server: number,
/** Fields of both, or new values. */
merged: number, };

/**
 * Where the next page of a query begins. As a text it can be kept and handed in later, also to
 * another process; what is in it may change with any version.
 *
 * It holds a value of an entity, so it does not belong into logs; `Debug` hides it.
 */
export type Continuation = string;

/** The number of an operation on one device: dense, from 1, never used twice. */
export type Counter = number;

/** Which side deleted what the other side edited. */
export type DeletedBy = "this_device" | "server";

/** Something that a file says was never true. */
export type DeletionCall = { "external": string } | { "entity": EntityKey };

/** How an operation ended. */
export type EndedAs = "applied" | "merged" | "superseded" | "resolved" | "rejected" | "cancelled";

/** An entity as an app reads it. */
export type Entity = {
/** Its fields, with local changes that still wait included. */
fields: Fields,
/** The version that the server last told of; zero before the server knows it. */
version: Version,
/** When the server accepted that version. */
updated_at: ServerTime,
/** Whether local changes still wait to be sent. */
pending: boolean,
/** The type. */
type: EntityType,
/** The id within the type. */
id: EntityId, };

/** What is known of an entity and of everything that waits for it. */
export type EntityExplanation = {
/** Whether an app sees it. */
visible: boolean,
/** The version that the server last told of; zero before it knows the entity. */
confirmed_version: Version,
/** Whether the server has deleted it. */
confirmed_deleted: boolean,
/** Its operations that wait, in order, each with its reason; the first hundred. */
waiting: Array<Explanation>,
/** What is known of it when it was given up on this device for space; absent when it was not. */
evicted: Absence | null,
/** Whether the device follows it: its type, and its time where only the last days are followed. */
followed: boolean,
/** The priority of its own that a person gave it. */
priority: Priority | null,
/** Its open conflict. */
conflict: ConflictId | null,
/** Its operations that were refused. */
failed: Array<Counter>,
/** Operations of other entities that its own wait for. */
waits_for: Array<Counter>,
/** Operations of other entities that wait for its own. */
waited_for_by: Array<Counter>,
/** In words. */
message: string,
/** The type. */
type: EntityType,
/** The id within the type. */
id: EntityId, };

/**
 * The id of an entity within its type.
 *
 * A UUIDv7 made on the device, a UUIDv8 made from content for imported samples, a fixed word
 * for singletons, or whatever a backend assigns. Ids are never logged.
 */
export type EntityId = string;

/** An entity's full name: its type and its id. */
export type EntityKey = {
/** The type. */
type: EntityType,
/** The id within the type. */
id: EntityId, };

/** The type of an entity, such as `Note`: a letter, then letters, digits or underscores. */
export type EntityType = string;

/** What kind of error it is, for programs. */
export type ErrorKind = "invalid" | "not_found" | "state" | "auth_required" | "wrong_credentials" | "unreachable" | "storage_full" | "damaged" | "key" | "store" | "busy" | "import" | "closed";

/** The marker of a month of which samples were given up. */
export type EvictedMonth = {
/** The type of the samples. */
type: EntityType,
/** The month. */
month: Month,
/** How many samples of it are not here. */
count: number,
/** The earliest of their own times, in milliseconds since 1970 UTC. */
from_ms: number,
/** One more than the latest of their own times. */
to_ms: number,
/**
 * Whether one of them was changed or deleted since: the roll-ups of the month may not hold
 * until it was fetched.
 */
stale: boolean,
/** When the first of them was given up, by the server's clock. */
evicted_at: ServerTime,
/** Why. */
reason: EvictionReason, };

/** An eviction, for people. */
export type Eviction = {
/** When, by the server's clock. */
at: ServerTime,
/** Why. */
reason: EvictionReason,
/** The type. */
type: EntityType,
/** The month; nothing for single entities. */
month: Month | null,
/** How many entities. */
count: number,
/** How many bytes of the file they took. */
bytes: number, };

/** Why something was given up. */
export type EvictionReason = "budget" | "age";

/** The answer to: why is this not at the server? */
export type Explanation = {
/** The operation. */
operation: Counter,
/** What it does; absent when it has ended. */
kind: Kind | null,
/** Why. */
why: Why,
/** Since when; absent when it is not known. */
since: LocalTime | null,
/** Who must act. */
who_must_act: WhoActs,
/** When it is tried again by itself, if that is known. */
next_attempt: LocalTime | null,
/** Why, in words. */
message: string,
/** What happens next, in words. */
next: string,
/** Why that which it waits for is not at the server either. */
because: Explanation | null, } & Partial<EntityKey>;

/** What a source calls a sample. */
export type ExternalCall = {
/** Its name for ever. */
id: string,
/** Its version there. */
version?: number, };

/** An operation that failed and waits for a person, or is tried again later. */
export type FailedOperation = {
/** Why, for programs. */
reason: FailureReason,
/** The reason as the server named it. */
code: string,
/** Why, in words. */
message: string,
/** When it failed the last time, by this device's clock. */
failed_at: LocalTime | null,
/** What it changes: what its writer saw, what it wants, and what the server has now. */
differences: Array<ConflictField>,
/** The operations that wait for it and would be lost with it. */
dependents: Array<Counter>,
/** Its number on this device. */
operation: Counter,
/** What it does. */
kind: Kind,
/** The fields that it changes. */
fields: Array<string>,
/** The first operation of its atomic batch, with which it stands or falls. */
batch: Counter | null,
/** When it was made. */
made_at: LocalTime,
/** Where it is. */
status: OperationStatus,
/** Whether it is on its way and being taken back: its inverse waits for its answer. */
taken_back: boolean,
/** How often it failed by itself. */
attempts: number,
/** When it was first sent. */
first_sent_at: LocalTime | null,
/** When it is tried again, if that is known. */
next_attempt_at: LocalTime | null,
/** The type. */
type: EntityType,
/** The id within the type. */
id: EntityId, };

/** Why an operation waits in the inbox of failed operations. */
export type FailureReason = "too_large" | "invalid" | "not_allowed" | "not_found" | "refused" | "server_failure" | "batch_blocked" | "schema_migration" | "may_have_arrived" | "unknown";

/**
 * The named JSON fields of an entity, in the order of their names.
 *
 * Fields that this version of the schema does not know are kept like any other. An absent field
 * and a field that is `null` are different things. `Debug` shows the names and hides the values
 * (promise I17).
 */
export type Fields = { [key in string]: JsonValue };

/** What reading a file came to. */
export type FileRead = {
/** Samples that were read. */
read: number,
/** What was left out, by reason in words. */
skipped: { [key in string]: number },
/** Places that could not be read. */
damaged: number,
/** Whether it was read to its proper end. */
complete: boolean, };

/** What was found, without any value, name or id. */
export type Finding = {
/** What was looked at. */
check: Check,
/** How bad it is. */
severity: Severity,
/** What is so. */
message: string,
/** What to do about it. */
to_do: string, };

/** The one word for where the sync stands. */
export type Flow = "offline" | "syncing" | "pending" | "synced";

/** What was found, and what may be missing because it was given up for space. */
export type Found<T> = {
/** What is on the device. */
found: T,
/** What is not, with the reason; nothing when all is here. */
missing: Missing | null, };

/** Why a value lost. */
export type HistoryCause = "superseded" | "resolved" | "discarded" | "rolled_back" | "deleted" | "withdrawn" | "reconcile" | "import_undone";

/** A value that lost, as an app shows it. `Debug` hides the values (promise I17). */
export type HistoryEntry = {
/** Its name on this device, to undo it by; in JSON apart from the entity's id. */
history: HistoryId,
/** When it lost, by this device's clock. */
at: LocalTime,
/** Why. */
cause: HistoryCause,
/** The operation that it came from, if any. */
operation: Counter | null,
/** The values that lost. */
fields: Fields,
/** Fields whose removal lost. */
removed: Array<string>,
/** The operation that brought it back, if one did. */
undone_by: Counter | null,
/** Why it cannot be undone as things stand, in words; absent when it can. */
obstacle: string | null,
/** The type. */
type: EntityType,
/** The id within the type. */
id: EntityId, };

/** The name of a value that lost, on this device. */
export type HistoryId = number;

/** The number of an import. It has more digits than a number of JavaScript holds. */
export type ImportNumber = string;

/** What an import did with what was read. */
export type ImportOutcome = {
/** Samples that were read. */
read: number,
/** Samples that were not here. */
new: number,
/** Samples that were here with another value. */
changed: number,
/** Samples that were here already. */
duplicate: number,
/** Entities that were deleted because the source says that they were never true. */
deleted: number,
/** What was left out, by reason in words. */
skipped: { [key in string]: number },
/** Places that could not be read. */
damaged: number,
/** Whether the file was read to its proper end. */
complete: boolean, };

/** What became of imported samples. */
export type Imported = {
/** Made. */
new: number,
/** There with another value, now updated. */
changed: number,
/** There already. */
duplicate: number,
/** Left out because the person deleted them here. */
deleted_before: number,
/**
 * Left out because nobody can tell whether it is the same: it was given up on this device for
 * space and is wanted from the server; importing again when it is here settles it.
 */
away: number,
/** Left out because the entity would be larger than the limit or is otherwise not allowed. */
invalid: number,
/** Deleted because the source no longer has it, or because the import is undone. */
deleted: number, };

export type JsonValue = number | string | boolean | Array<JsonValue> | { [key in string]: JsonValue } | null;

/** What kind of change an operation makes. */
export type Kind = "create" | "update" | "delete";

/** An import of this device. */
export type KnownImport = {
/** Its number, by which it can be undone. */
import: ImportNumber,
/** From what kind of source. */
source: string,
/** When it began. */
started_at: LocalTime,
/** When it ended; absent while it runs or when it was broken off. */
finished_at: LocalTime | null,
/** What it did. */
report: JsonValue | null, };

/** An operation that could not be retried or discarded. */
export type LeftOperation = {
/** Which. */
operation: Counter,
/** Why, in words. */
message: string, };

/**
 * Milliseconds since 1970-01-01T00:00:00Z by **this device's** clock.
 *
 * Used for timers and for showing; correctness never depends on it (promise I12).
 */
export type LocalTime = number;

/** What signing out would lose. */
export type Loss = {
/** Its number, to hand back. */
seen: number,
/** Changes that were not sent, or whose answer was not heard, by type. */
unsent: { [key in EntityType]: number },
/** Changes that the server refused and that wait for a person, by type. */
failed: { [key in EntityType]: number },
/** Changes that wait in conflicts, by type. */
conflicts: { [key in EntityType]: number },
/** All of them together. */
total: number, };

/** Sums since the store was made, and how things stand. They hold no value, name or id. */
export type Metrics = {
/** Operations that took effect at the server. */
operations_synced: number,
/** Those of them that were merged with changes of others by their policy. */
operations_merged: number,
/** Those of them whose value lost by its policy; it is in the history. */
operations_superseded: number,
/** How often an operation was refused. */
operations_failed: number,
/** How often an operation was set aside because the server failed on it. */
operations_set_aside: number,
/** Rows that were pulled. */
rows_pulled: number,
/** Runs of the sync that came to their end. */
syncs: number,
/** How often the sync stopped getting through. */
syncs_failed: number,
/** How long a run took on average, in milliseconds; nothing before the first. */
average_sync_ms: number | null,
/** When a request last succeeded. */
last_sync: LocalTime | null,
/** Requests that succeeded. */
requests_succeeded: number,
/** Requests that failed. */
requests_failed: number,
/** Bytes of requests, as far as the transport counts them. */
bytes_sent: number,
/** Bytes of answers, likewise, counted as they are unpacked. */
bytes_received: number,
/** Conflicts that a person settled. */
conflicts_resolved: ConflictsResolved,
/** Entities that were evicted to save space. */
evictions: number,
/** Bytes that eviction gave back. */
evicted_bytes: number,
/** Operations that wait or are on their way. */
waiting: number,
/** Operations that failed and wait for a person. */
failed: number,
/** Open conflicts. */
conflicts: number,
/** When the oldest waiting operation was made. */
oldest_waiting: LocalTime | null, };

/** Something that was asked for is not on this device. */
export type Missing = {
/** How many months and single entities. */
parts: number,
/** Why they could not be fetched, in words. */
why: string, };

/** A calendar month in UTC, counted from January of the year 0. Shown as `2026-03`. */
export type Month = string;

/** Over which networks a device synchronises by itself. */
export type NetworkPolicy = "any" | "unmetered_only";

/** What is believed of the network. */
export type NetworkState = {
/** Whether the platform says that there is one; nothing when it has not said anything. */
online: boolean | null,
/** Whether it costs by volume, as far as the platform said. */
metered: boolean,
/** Over which networks this device synchronises by itself. */
policy: NetworkPolicy, };

/** Which write it is, however often it is asked for. */
export type Once = {
/** Who asks: a name that nobody else uses, such as random bits. */
writer: string,
/** The number of the write among those of the writer. */
number: number,
/** The writer has heard what became of its writes below this number. */
heard_below: number, };

/** What became of an operation. */
export type OperationOutcome = "applied" | "merged" | "superseded" | { "resolved": {
/** That operation, if it is known. */
by: Counter | null, } } | "rejected" | "cancelled" | { "failed": {
/** Why, for programs. */
reason: FailureReason,
/** Why, in words. */
message: string, } } | { "conflict": {
/** The conflict. */
conflict: ConflictId | null, } };

/** Where an operation is. */
export type OperationStatus = "pending" | "blocked" | "in_progress" | "conflict" | "failed" | "set_aside" | "completed" | "cancelled";

/** One page of a query. */
export type Page = {
/** The entities, in the order of the query. */
entities: Array<Entity>,
/** Where the next page begins; nothing when there are no more. */
next: Continuation | null, };

/** Why nothing is sent although something waits. */
export type Pause = "offline" | "server_unreachable" | "captive_portal" | "auth_required" | "access_removed" | "upgrade_required" | "config" | "storage_full" | "damaged" | "user_paused" | "metered" | "backoff";

/** How long the stretches of time are that a chart shows. */
export type Period = "day" | "month" | "year";

/** What some writes would do, without having done it. */
export type Preview = {
/** The operations that would leave the queue. */
ends: Array<PreviewOperation>,
/** The operations that would be put into it. */
queues: Array<PreviewOperation>,
/** The entities that would look otherwise than now. */
entities: Array<PreviewEntity>, };

/** An entity that would look otherwise than now. */
export type PreviewEntity = {
/** Whether it is there now. */
shown_before: boolean,
/** Whether it would be there. */
shown_after: boolean,
/** The fields that would be others. */
fields: Array<PreviewField>,
/** Whether a conflict of it would wait for a person. */
in_conflict: boolean,
/** The type. */
type: EntityType,
/** The id within the type. */
id: EntityId, };

/** A field that would be another. `Debug` hides the values. */
export type PreviewField = {
/** The field. */
field: string,
/** What it is now. */
before: JsonValue | null,
/** What it would be. */
after: JsonValue | null, };

/** An operation that would leave the queue or enter it. `Debug` hides the values. */
export type PreviewOperation = {
/** Its number; of a new one, the number that it would get now. */
operation: Counter,
/** What it does. */
kind: Kind,
/** How it would end; absent for a new one. */
ends_as: EndedAs | null,
/**
 * Whether it would go only because of another one, which it depends on or stands or falls
 * with.
 */
goes_along: boolean,
/** What it changes. */
fields: Array<ConflictField>,
/** The type. */
type: EntityType,
/** The id within the type. */
id: EntityId, };

/** How long data of a type is kept on a device when space is short. */
export type Priority = "low" | "normal" | "high" | "critical";

/**
 * How far the current run of the sync is, or the last one where nothing is under way.
 *
 * Within one run no number ever goes down, and no part is larger than its total; the next run
 * begins with zero.
 */
export type Progress = {
/** Which run it is, from 1; 0 before the first. */
run: number,
/** When it began. */
began_at: LocalTime | null,
/** Whether it is over: nothing was left to do, or whoever synchronised stopped. */
over: boolean,
/** Operations sent and answered. */
pushed: number,
/** Operations to send, as far as is known. */
push_total: number,
/** Positions of the account's log that were read. */
pulled: number,
/** Positions to read, as far as is known. */
pull_total: number,
/** Bytes that went out, as far as the transport counts them. */
bytes_sent: number,
/** Bytes that came in, likewise. */
bytes_received: number, };

/** How much may not be given up for one reason. */
export type Protected = {
/** Protection. */
why: Protection,
/** How many changes or entities. */
count: number, };

/** Protection something may not be given up. */
export type Protection = "unsynced" | "failed" | "set_aside" | "conflict" | "not_read_back" | "critical";

/** Which entities to find. All filters hold. */
export type QuerySpec = {
/** Fields, how they are compared, and with what. */
filters?: Array<[string, Compare, JsonValue]>,
/** Only entities whose own time lies from here on, in milliseconds since 1970 UTC. */
from_ms?: number,
/** Only entities whose own time lies before, likewise. */
to_ms?: number,
/** The field to order by; by id when absent. */
order_by?: string,
/** Whether the largest comes first. */
descending?: boolean,
/** At most so many; 100 when absent. */
limit?: number,
/** Leave out so many at the start. */
offset?: number, };

/** An operation in the queue. */
export type QueuedChange = {
/** Its number on this device. */
operation: Counter,
/** What it does. */
kind: Kind,
/** The fields that it changes. */
fields: Array<string>,
/** The first operation of its atomic batch, with which it stands or falls. */
batch: Counter | null,
/** When it was made. */
made_at: LocalTime,
/** Where it is. */
status: OperationStatus,
/** Whether it is on its way and being taken back: its inverse waits for its answer. */
taken_back: boolean,
/** How often it failed by itself. */
attempts: number,
/** When it was first sent. */
first_sent_at: LocalTime | null,
/** When it is tried again, if that is known. */
next_attempt_at: LocalTime | null,
/** The type. */
type: EntityType,
/** The id within the type. */
id: EntityId, };

/** What a person chose of a conflict. */
export type ResolutionCall = { "choose": "keep_mine" } | { "choose": "use_server" } | { "choose": "merged",
/** The fields with their values. */
set?: { [key in string]: JsonValue },
/** The fields that are not there any more. */
remove?: Array<string>, };

/** The sums of one stretch of time. */
export type Rollup = {
/** The day, month or year, as in `2024-02-29`, `2024-02` or `2024`. */
period: string,
/** The source, where each has sums of its own; empty for entities that name none. */
source?: string,
/** How many values. */
count: number,
/** Their sum. */
sum: number,
/** Their mean. */
mean: number,
/** The smallest. */
min: number,
/** The largest. */
max: number, };

/** One sample of a file. */
export type SampleCall = {
/** Its type. */
entity_type: EntityType,
/** Its id. */
id: EntityId,
/** Its id when another sample of the file has the same id and other content. */
sibling_id: EntityId,
/** Its fields. */
fields: Fields,
/** What the source calls it. */
external?: ExternalCall, };

/** Which part of an account a cursor follows. */
export type Scope = {
/** The types; none means all. */
types?: Array<EntityType>,
/**
 * Of these types only records whose own time is at most so many days before the server's
 * date. A record without a time of its own is always followed.
 */
windows?: { [key in EntityType]: number }, };

/** What a device follows, and how far it has come with it. */
export type ScopeStatus = {
/** The types whose first reading has not ended, in the order in which they are read. */
unread: Array<EntityType>,
/** How many rows of those have come. */
rows_read: number,
/** Whether rows that are no longer followed are still here. */
sweeping: boolean,
/** The types; none means all. */
types?: Array<EntityType>,
/**
 * Of these types only records whose own time is at most so many days before the server's
 * date. A record without a time of its own is always followed.
 */
windows?: { [key in EntityType]: number }, };

/** Milliseconds since 1970-01-01T00:00:00Z by **the server's** clock. */
export type ServerTime = number;

/** How bad it is. */
export type Severity = "note" | "warning" | "damage";

/** Why nothing moves although something waits (promise L3). */
export type Stalled = {
/** The named pause. */
why: Pause,
/** Since when. */
since: LocalTime,
/** Who must act. */
who_must_act: WhoActs,
/** What happened, in words. */
message: string,
/** When it is tried again by itself. */
next_attempt: LocalTime | null, };

/** Where the sync stands. */
export type Status = {
/** One word. */
flow: Flow,
/** What somebody should look at, most urgent first. */
attention: Array<Attention>,
/** Operations that wait or are on their way. */
waiting: number,
/** Operations on their way. */
in_flight: number,
/** Operations that failed and wait for a person. */
failed: number,
/** Operations that are tried again later because the server fails on them. */
set_aside: number,
/** Open conflicts. */
conflicts: number,
/** Entities and stretches of time that are wanted from the server and have not come. */
wanted: number,
/** Why nothing moves. */
stalled: Stalled | null,
/**
 * Whether nothing is on its way and nothing could be sent or read now. Conflicts, failed
 * operations and what waits behind them may remain.
 */
idle: boolean,
/** Whether something is being given up to make room. */
making_room: boolean,
/** Whether a first sync or a large catch-up is under way. */
catching_up: boolean,
/** How far the current run is. */
progress: Progress,
/** When a request last succeeded. */
last_success: LocalTime | null,
/** When a pull last reached the head of the account. */
last_pull: LocalTime | null,
/** When the oldest waiting operation was made. */
oldest_waiting: LocalTime | null,
/** What last went wrong. */
last_error: string | null,
/** When that was. */
last_error_at: LocalTime | null,
/** What the platform says of the network, and which networks may be used. */
network: NetworkState, };

/** What the store takes on the disk, what is in it, and what was given up. */
export type Storage = {
/** The main file, in bytes. */
file_bytes: number,
/** The part of it that holds nothing, in bytes. */
unused_bytes: number,
/** The log beside it, in bytes. */
log_bytes: number,
/** How much is kept. */
settings: StorageSettings,
/** What is in use of the main file, in bytes. */
live_bytes: number,
/** Whether that is more than the budget leaves to it: what is left is protected. */
over_budget: boolean,
/** Whether the hard limit is reached, so that no new change is taken. */
full: boolean,
/** Each type that is here or was given up. */
types: Array<TypeStorage>,
/** What may not be given up, and why. */
protected: Array<Protected>,
/** How many entities were ever given up on this device. */
evicted_total: number,
/** How many bytes that gave back. */
evicted_bytes_total: number,
/** The months of which samples are not here. */
months: Array<EvictedMonth>,
/** The latest evictions, the newest first. */
evictions: Array<Eviction>, };

/** How much is kept on the device. */
export type StorageSettings = {
/**
 * How large the store may be on the disk, with its log and indexes, in bytes. It bounds what
 * the server has as well; changes that it does not have yet are kept whatever they take.
 */
budget_bytes: number,
/**
 * How long after its last use something is kept, in milliseconds of the server's clock;
 * nothing for as long as there is room.
 */
age_ms: number | null,
/** How much of the disk must be left free for new changes to be taken, in bytes. */
free_disk_min_bytes: number,
/**
 * How large the store may be with everything that is not sent yet, in bytes; nothing for as
 * large as the disk lets it.
 */
store_bytes_max: number | null, };

/** A support bundle. */
export type SupportBundle = {
/** What it contains, part by part, to show before it is saved. */
contents: Array<BundlePart>,
/** The whole, exactly as it is saved. */
text: string, };

/** How a call of [`Client::sync`] ended. */
export type SyncEnd = "done" | { "stalled": Stalled } | { "out_of_patience": Stalled };

/**
 * How far the current run of the sync is, or the last one where nothing is under way. Within a run
 * no number goes down; the next run begins with zero.
 */
export type SyncProgress = {
/** Which run it is, from 1; 0 before the first. */
run: number,
/** Whether it is over. */
over: boolean,
/** Changes sent and rows read. */
completed: number,
/** Changes to send and rows to read, as far as is known; never less than `completed`. */
total: number,
/** Bytes that went out, as far as the transport counts them. */
bytes_sent: number,
/** Bytes that came in, likewise. */
bytes_received: number,
/** What goes on, in words. */
operation: string,
/** What last went wrong, in words; it may be long past. */
last_error: string | null, };

/** What a call of [`Client::sync`] did. */
export type SyncReport = {
/** How it ended. */
end: SyncEnd,
/** Where the sync stands now. */
status: Status, };

/** What is here of a type, and what is not. */
export type TypeStorage = {
/** The type. */
type: EntityType,
/** Its priority. */
priority: Priority,
/** Entities that are here. */
entities: number,
/**
 * The bytes of its table and indexes; nothing when this build cannot tell, or when it shares
 * its table with others.
 */
bytes: number | null,
/** Entities that were given up and not fetched since. */
evicted: number, };

/** What an undo of an import deletes or deleted, by type. */
export type UndoneCounts = {
/** What it brought and nobody has changed since: this is deleted. */
deleted: { [key in EntityType]: number },
/** What was changed since: this stays. */
kept: { [key in EntityType]: number },
/** What this device gave up for space, of whatever origin: this stays, too. */
given_up: { [key in EntityType]: number }, };

/**
 * How often the server has accepted a change of an entity, within one [`Epoch`].
 * Zero means that the server has never told us of it.
 */
export type Version = number;

/** Something to have fetched. */
export type WantedCall = { "want": "entity",
/** Which. */
key: EntityKey, } | { "want": "range",
/** The type. */
entity_type: EntityType,
/** From this time on, in milliseconds since 1970 UTC. */
from_ms?: number,
/** Before this time, likewise. */
to_ms?: number, };

/** Who can end a pause. */
export type WhoActs = "nobody" | "person" | "operator";

/** Why an operation has not taken effect at the server, or that it has ended. */
export type Why = { "reason": "ended",
/** How. */
outcome: string, } | { "reason": "next" } | { "reason": "in_flight" } | { "reason": "isolating" } | { "reason": "not_signed_in" } | { "reason": "not_running" } | { "reason": "paused",
/** By what. */
pause: Pause,
/** Whether it is that the connection could not be made secure. */
insecure: boolean,
/** Whether the server itself named the time until which to wait. */
asked_to_wait: boolean, } | { "reason": "conflict",
/** The conflict. */
conflict: ConflictId | null, } | { "reason": "rejected",
/** Why. */
code: FailureReason, } | { "reason": "set_aside",
/** How often. */
failures: number, } | { "reason": "behind_conflict",
/** The earlier one. */
operation: Counter, } | { "reason": "behind_failed",
/** The earlier one. */
operation: Counter, } | { "reason": "behind_set_aside",
/** The earlier one. */
operation: Counter, } | { "reason": "behind_earlier",
/** The earlier one. */
operation: Counter, } | { "reason": "parent",
/** That one. */
operation: Counter, } | { "reason": "batch",
/** The member. */
operation: Counter, } | { "reason": "part_of_resolution",
/** The settlement. */
operation: Counter, };

/** A write. Each is whole or not at all, and durable when it is answered. */
export type WriteCall = { "write": "create",
/** Its key: see the call `new_key`. */
key: EntityKey,
/** Its fields. */
fields: Fields,
/** Operations that must have been accepted before this one is sent. */
parents?: Array<Counter>, } | { "write": "update",
/** The entity. */
key: EntityKey,
/** The fields with their new values. */
set?: { [key in string]: JsonValue },
/** The fields to remove. */
remove?: Array<string>,
/** The fields as the person saw them; without them the latest values are written over. */
seen?: Fields, } | { "write": "delete",
/** The entity. */
key: EntityKey,
/** The fields as the person saw them; without them the latest is deleted. */
seen?: Fields, } | { "write": "batch",
/** Whether they do so at the server, too. */
atomic: boolean,
/** The writes. */
writes: Array<WriteCall>, } | { "write": "resolve",
/** The conflict. */
conflict: ConflictId,
/** Its mark, as it was read: if a side moved since, the write is refused. */
mark: ConflictMark,
/** What the person chose. */
resolution: ResolutionCall, } | { "write": "retry",
/** The operation. */
operation: Counter, } | { "write": "edit_and_retry",
/** The operation. */
operation: Counter,
/** The fields with their new values; fields that are not named stay as they are. */
set?: { [key in string]: JsonValue },
/** The fields to remove. */
remove?: Array<string>, } | { "write": "discard",
/** The operation. */
operation: Counter,
/** Whether everything that depends on it goes with it. */
with_dependents?: boolean, } | { "write": "rollback",
/** The operation. */
operation: Counter, } | { "write": "rollback_entity",
/** The entity. */
key: EntityKey, } | { "write": "undo",
/** The entry of the history. */
history: HistoryId, } | { "write": "set_scope",
/** What to follow. */
scope: Scope, } | { "write": "import",
/** The number of the import: the same for the same file. */
import: ImportNumber,
/** The kind of source. */
source: string,
/** The samples. */
samples: Array<SampleCall>,
/** What was never true. */
deletions: Array<DeletionCall>, } | { "write": "want",
/** What. */
wanted: Array<WantedCall>, };

/** What a write did. */
export type Written = {
/** The operations that it queued, in order; none when there was nothing to change. */
operations: Array<Counter>,
/** For an import: what became of the samples. */
imported: Imported, };

/** What each call is answered. */
export interface Answers {
  new_key: EntityKey;
  write: Written;
  preview: Preview;
  get: Entity | null;
  get_or_fetch: Found<Entity | null>;
  query: Page;
  query_or_fetch: Found<Array<Entity>>;
  count: number;
  counts: { [key in EntityType]: number };
  rollups: Array<Rollup>;
  status: Status;
  progress: SyncProgress;
  metrics: Metrics;
  sync_now: SyncReport;
  pause_sync: null;
  resume_sync: null;
  set_online: null;
  set_metered: null;
  set_network_policy: null;
  foreground: null;
  set_free_bytes: null;
  conflicts: Array<ConflictInfo>;
  conflict: ConflictInfo | null;
  failed: Array<FailedOperation>;
  retry_all: BulkReport;
  discard_all: BulkReport;
  queue: Array<QueuedChange>;
  outcome: OperationOutcome | null;
  history: Array<HistoryEntry>;
  explain: EntityExplanation | null;
  why_not_synced: Explanation | null;
  storage: Storage;
  storage_settings: StorageSettings;
  set_storage: null;
  store_for_offline: null;
  absence: Absence | null;
  evictions: Array<Eviction>;
  scope: ScopeStatus;
  account: Account | null;
  sign_up: Account;
  sign_in: Account;
  would_be_lost: Loss;
  sign_out: null;
  imports: Array<KnownImport>;
  finish_import: ImportOutcome;
  preview_undo_import: UndoneCounts;
  undo_import: UndoneCounts;
  examine: Array<Finding>;
  support_bundle: SupportBundle;
}
