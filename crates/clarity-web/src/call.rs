//! What a page asks its worker for, and what it is answered.

#[cfg(test)]
use std::collections::BTreeMap;
use std::ops::Range;

#[cfg(test)]
use clarity_client::engine::store::Eviction;
#[cfg(test)]
use clarity_client::engine::{Absence, EntityExplanation, Explanation, ScopeStatus};
use clarity_client::engine::{Once, StorageSettings};
#[cfg(test)]
use clarity_client::model::Entity;
use clarity_client::model::{Counter, EntityKey, EntityType, LocalTime, Priority};
#[cfg(test)]
use clarity_client::{
    BulkReport, ConflictInfo, FailedOperation, Finding, HistoryEntry, ImportOutcome, Metrics,
    OperationOutcome, Page, Preview, QueuedChange, Rollup, Status, Storage, SyncProgress,
    SyncReport, Written,
};
use clarity_client::{
    BundlePart, Comparison, ConflictId, FailureReason, FileRead, HistoryId, Imported, Missing,
    NetworkPolicy, Period, Query, WouldBeLost,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::import_call::ImportNumber;
#[cfg(test)]
use crate::import_call::{KnownImport, UndoneCounts};
use crate::write_call::WriteCall;

/// How many entries a list has when the page names no limit.
const LIMIT: usize = 100;

fn default_limit() -> usize {
    LIMIT
}

/// Declares the calls with the type of each one's answer.
macro_rules! calls {
    ($(
        $(#[doc = $doc:literal])*
        $variant:ident = $name:literal {
            $($(#[$attribute:meta])* $field:ident: $type:ty),* $(,)?
        } -> $answer:ty;
    )*) => {
        /// What a page asks its worker for.
        #[derive(Deserialize)]
        #[serde(tag = "call", deny_unknown_fields)]
        #[cfg_attr(test, derive(ts_rs::TS))]
        pub(crate) enum Call {
            $(
                $(#[doc = $doc])*
                #[serde(rename = $name)]
                $variant { $($(#[$attribute])* $field: $type),* },
            )*
        }

        /// The names of the calls with the types of their answers.
        #[cfg(test)]
        pub(crate) fn answers(
            types: &mut crate::typescript::Types,
        ) -> Vec<(&'static str, String)> {
            vec![$(($name, types.name::<$answer>())),*]
        }
    };
}

calls! {
    /// A key with a new id.
    NewKey = "new_key" { entity_type: EntityType } -> EntityKey;
    /// Writes, durably. A write that is asked for again is made once.
    Write = "write" { once: Once, write: WriteCall } -> Written;
    /// What some writes would do, one after the other. Nothing of it stays.
    Preview = "preview" { writes: Vec<WriteCall> } -> Preview;
    /// One entity, with the local changes that wait.
    Get = "get" { key: EntityKey } -> Option<Entity>;
    /// One entity, fetched from the server when it was given up on this device.
    GetOrFetch = "get_or_fetch" { key: EntityKey } -> Found<Option<Entity>>;
    /// Entities of a type, page by page.
    Query = "query" {
        entity_type: EntityType,
        #[serde(default)]
        #[cfg_attr(test, ts(optional, as = "Option<QuerySpec>"))]
        query: QuerySpec,
        /// Where an earlier page of the same query ended.
        #[cfg_attr(test, ts(optional))]
        after: Option<String>,
    } -> Page;
    /// Entities of a type, after what was given up of it was fetched as far as it may belong here.
    QueryOrFetch = "query_or_fetch" {
        entity_type: EntityType,
        #[serde(default)]
        #[cfg_attr(test, ts(optional, as = "Option<QuerySpec>"))]
        query: QuerySpec,
    } -> Found<Vec<Entity>>;
    /// How many entities a query finds, whatever its limit.
    Count = "count" {
        entity_type: EntityType,
        #[serde(default)]
        #[cfg_attr(test, ts(optional, as = "Option<QuerySpec>"))]
        query: QuerySpec,
    } -> u64;
    /// The types that have entities here, with how many.
    Counts = "counts" {} -> BTreeMap<EntityType, u64>;
    /// Sums by day, month or year: what a chart shows.
    Rollups = "rollups" {
        entity_type: EntityType,
        /// Which measure, as in the field that the type declares for it: `heart_rate`, say.
        kind: String,
        /// Only this source.
        #[cfg_attr(test, ts(optional))]
        source: Option<String>,
        /// The first day, as its number since 1970-01-01 UTC.
        from_day: i64,
        /// The day after the last.
        to_day: i64,
        period: Period,
        /// Whether each source has sums of its own.
        #[serde(default)]
        #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
        by_source: bool,
    } -> Vec<Rollup>;
    /// Where the sync stands.
    Status = "status" {} -> Status;
    /// How far the sync is.
    Progress = "progress" {} -> SyncProgress;
    /// What the sync counts about itself.
    Metrics = "metrics" {} -> Metrics;
    /// Synchronises now, and waits until nothing is left to do or something is in the way for
    /// longer than the patience.
    SyncNow = "sync_now" {
        /// In milliseconds; 30 s when absent.
        #[cfg_attr(test, ts(optional))]
        patience_ms: Option<u32>,
    } -> SyncReport;
    /// Pauses synchronisation until a time, or until it is resumed.
    PauseSync = "pause_sync" {
        #[cfg_attr(test, ts(optional))]
        until: Option<LocalTime>,
    } -> ();
    /// Resumes synchronisation.
    ResumeSync = "resume_sync" {} -> ();
    /// Says that the browser believes the network to have come or gone: a hint.
    SetOnline = "set_online" { online: bool } -> ();
    /// Says whether the network costs by volume.
    SetMetered = "set_metered" { metered: bool } -> ();
    /// Chooses over which networks this device synchronises by itself.
    SetNetworkPolicy = "set_network_policy" { policy: NetworkPolicy } -> ();
    /// Says that a page came to the front: what is new is looked for.
    Foreground = "foreground" {} -> ();
    /// Says how much room the browser leaves, in bytes.
    SetFreeBytes = "set_free_bytes" {
        #[cfg_attr(test, ts(optional))]
        free_bytes: Option<u64>,
    } -> ();
    /// The open conflicts, oldest first.
    Conflicts = "conflicts" {
        #[cfg_attr(test, ts(optional))]
        after: Option<ConflictId>,
        #[serde(default = "default_limit")]
        #[cfg_attr(test, ts(optional, as = "Option<usize>"))]
        limit: usize,
    } -> Vec<ConflictInfo>;
    /// One open conflict; nothing when it is settled.
    Conflict = "conflict" { conflict: ConflictId } -> Option<ConflictInfo>;
    /// Operations that failed and wait for a person.
    Failed = "failed" {
        #[cfg_attr(test, ts(optional))]
        after: Option<Counter>,
        #[serde(default = "default_limit")]
        #[cfg_attr(test, ts(optional, as = "Option<usize>"))]
        limit: usize,
    } -> Vec<FailedOperation>;
    /// Sends all failed operations again, or those with one reason.
    RetryAll = "retry_all" {
        #[cfg_attr(test, ts(optional))]
        reason: Option<FailureReason>,
    } -> BulkReport;
    /// Gives up all failed operations with one reason.
    DiscardAll = "discard_all" { reason: FailureReason } -> BulkReport;
    /// Operations that wait or are on their way, in order.
    Queue = "queue" {
        #[cfg_attr(test, ts(optional))]
        after: Option<Counter>,
        #[serde(default = "default_limit")]
        #[cfg_attr(test, ts(optional, as = "Option<usize>"))]
        limit: usize,
    } -> Vec<QueuedChange>;
    /// What became of an operation of this device; nothing while it is to be sent or on its way.
    Outcome = "outcome" { operation: Counter } -> Option<OperationOutcome>;
    /// Values that lost in the last 30 days, oldest first.
    History = "history" {
        /// Of this entity, or of all.
        #[cfg_attr(test, ts(optional))]
        key: Option<EntityKey>,
        #[cfg_attr(test, ts(optional))]
        after: Option<HistoryId>,
        #[serde(default = "default_limit")]
        #[cfg_attr(test, ts(optional, as = "Option<usize>"))]
        limit: usize,
    } -> Vec<HistoryEntry>;
    /// What is known of an entity and of what waits for it.
    Explain = "explain" { key: EntityKey } -> Option<EntityExplanation>;
    /// Why an operation is not at the server.
    WhyNotSynced = "why_not_synced" { operation: Counter } -> Option<Explanation>;
    /// What the store takes, what is in it, and what was given up.
    Storage = "storage" {} -> Storage;
    /// How much is kept on the device.
    StorageSettings = "storage_settings" {} -> StorageSettings;
    /// Sets how much is kept on the device.
    SetStorage = "set_storage" { settings: StorageSettings } -> ();
    /// Gives an entity a priority of its own, or takes it back.
    StoreForOffline = "store_for_offline" {
        key: EntityKey,
        #[cfg_attr(test, ts(optional))]
        priority: Option<Priority>,
    } -> ();
    /// What is known of an entity that is not found: when and why it was given up.
    Absence = "absence" { key: EntityKey } -> Option<Absence>;
    /// The latest evictions, the newest first.
    Evictions = "evictions" {
        #[serde(default = "default_limit")]
        #[cfg_attr(test, ts(optional, as = "Option<usize>"))]
        limit: usize,
    } -> Vec<Eviction>;
    /// What the device follows.
    Scope = "scope" {} -> ScopeStatus;
    /// Whom the store belongs to; nothing before the first sign-in.
    Account = "account" {} -> Option<Account>;
    /// Makes an account and signs in.
    SignUp = "sign_up" {
        server: String,
        name: String,
        password: String,
        device_name: String,
    } -> Account;
    /// Signs in.
    SignIn = "sign_in" {
        server: String,
        name: String,
        password: String,
        device_name: String,
    } -> Account;
    /// What signing out would lose. A person sees it before `sign_out`.
    WouldBeLost = "would_be_lost" {} -> Loss;
    /// Signs out and erases the store. Refused when something was changed since `seen` was read.
    SignOut = "sign_out" {
        /// The number of the loss that the person saw and agreed to.
        seen: u32,
        /// Whether the server must be told; without an answer nothing is done then.
        must_revoke: bool,
    } -> ();
    /// The imports of this device, the latest first.
    Imports = "imports" {} -> Vec<KnownImport>;
    /// Notes that an import has ended whose parts were written, and says what it did.
    FinishImport = "finish_import" {
        import: ImportNumber,
        read: FileRead,
        imported: Imported,
    } -> ImportOutcome;
    /// What an undo of an import would delete, and what it would keep.
    PreviewUndoImport = "preview_undo_import" { import: ImportNumber } -> UndoneCounts;
    /// Deletes what an import brought and nobody has changed since, on every device.
    UndoImport = "undo_import" { import: ImportNumber } -> UndoneCounts;
    /// Examines the store. An empty answer is a good one.
    Examine = "examine" {} -> Vec<Finding>;
    /// What a person can hand to somebody who helps; nothing in it says whose it is.
    SupportBundle = "support_bundle" {} -> SupportBundle;
}

/// Which entities to find. All filters hold.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct QuerySpec {
    /// Fields, how they are compared, and with what.
    #[serde(default)]
    #[cfg_attr(test, ts(optional, as = "Option<Vec<(String, Compare, Value)>>"))]
    pub(crate) filters: Vec<(String, Compare, Value)>,
    /// Only entities whose own time lies from here on, in milliseconds since 1970 UTC.
    #[cfg_attr(test, ts(optional))]
    pub(crate) from_ms: Option<i64>,
    /// Only entities whose own time lies before, likewise.
    #[cfg_attr(test, ts(optional))]
    pub(crate) to_ms: Option<i64>,
    /// The field to order by; by id when absent.
    #[cfg_attr(test, ts(optional))]
    pub(crate) order_by: Option<String>,
    /// Whether the largest comes first.
    #[serde(default)]
    #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
    pub(crate) descending: bool,
    /// At most so many; 100 when absent.
    #[cfg_attr(test, ts(optional))]
    pub(crate) limit: Option<usize>,
    /// Leave out so many at the start.
    #[serde(default)]
    #[cfg_attr(test, ts(optional, as = "Option<usize>"))]
    pub(crate) offset: usize,
}

/// How a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) enum Compare {
    /// It is equal.
    #[serde(rename = "=")]
    Equal,
    /// It is less.
    #[serde(rename = "<")]
    Less,
    /// It is less or equal.
    #[serde(rename = "<=")]
    LessOrEqual,
    /// It is greater.
    #[serde(rename = ">")]
    Greater,
    /// It is greater or equal.
    #[serde(rename = ">=")]
    GreaterOrEqual,
}

impl From<Compare> for Comparison {
    fn from(compare: Compare) -> Self {
        match compare {
            Compare::Equal => Self::Equal,
            Compare::Less => Self::Less,
            Compare::LessOrEqual => Self::LessOrEqual,
            Compare::Greater => Self::Greater,
            Compare::GreaterOrEqual => Self::GreaterOrEqual,
        }
    }
}

impl From<QuerySpec> for Query {
    fn from(spec: QuerySpec) -> Self {
        let filters = spec.filters.into_iter();
        let time_ms = match (spec.from_ms, spec.to_ms) {
            (None, None) => None,
            (from, to) => {
                Some(Range { start: from.unwrap_or(i64::MIN), end: to.unwrap_or(i64::MAX) })
            }
        };
        let descending = spec.descending;
        Self {
            filters: filters.map(|(field, how, value)| (field, how.into(), value)).collect(),
            time_ms,
            order_by: spec.order_by.map(|field| (field, descending)),
            after: None,
            limit: spec.limit.unwrap_or(LIMIT),
            offset: spec.offset,
        }
    }
}

/// What was found, and what may be missing because it was given up for space.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct Found<T> {
    /// What is on the device.
    pub(crate) found: T,
    /// What is not, with the reason; nothing when all is here.
    pub(crate) missing: Option<Missing>,
}

impl<T> From<clarity_client::Found<T>> for Found<T> {
    fn from(found: clarity_client::Found<T>) -> Self {
        Self { found: found.found, missing: found.missing }
    }
}

/// Whom a store belongs to.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct Account {
    /// The server's address.
    pub(crate) server: String,
    /// The name that the person signed in with.
    pub(crate) name: String,
    /// The account's id at the server.
    pub(crate) account_id: Option<String>,
    /// This device's id at the server.
    pub(crate) device_id: Option<String>,
    /// Whether there is a way in without a password.
    pub(crate) signed_in: bool,
}

/// What signing out would lose.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct Loss {
    /// Its number, to hand back.
    pub(crate) seen: u32,
    /// What is only on this device.
    #[serde(flatten)]
    pub(crate) lost: WouldBeLost,
}

/// A support bundle.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct SupportBundle {
    /// What it contains, part by part, to show before it is saved.
    pub(crate) contents: Vec<BundlePart>,
    /// The whole, exactly as it is saved.
    pub(crate) text: String,
}
