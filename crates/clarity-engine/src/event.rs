//! What goes into the engine and what comes out of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use clarity_model::{Counter, EntityKey, EntityType, Fields, LocalTime, ReadVersion};
use clarity_protocol::{
    Failure, FetchRequest, FetchResponse, Hint, PullRequest, PullResponse, PushRequest,
    PushResponse, Scope, Tokens,
};
use clarity_store::{PortableRow, RequestId};
use serde_json::Value;

use crate::conflict::{ConflictId, ConflictMark, Resolution};
use crate::error::WriteError;
use crate::feed::{FeedStep, SourceChange};
use crate::fetch::Wanted;
use crate::history::HistoryId;
use crate::network::NetworkPolicy;
use crate::once::Once;
use crate::restore::ExportedEntity;

/// Something that happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The driver begins to drain this store: requests of an earlier life are forgotten, and what
    /// they carried is sent again under the same ids.
    Started,
    /// The driver has stopped: nothing is on its way any more. Answers that come all the same are
    /// for nobody; what they were about is sent again under the same ids.
    Stopped,
    /// An app writes.
    Write(Write),
    /// A request that an [`Effect::Send`] asked for has ended, one way or another.
    RequestFinished {
        /// The request.
        request: RequestId,
        /// Its answer.
        result: Result<Response, Failure>,
    },
    /// A token refresh that an [`Effect::RefreshToken`] asked for has ended.
    TokenResult {
        /// The round that it was asked in.
        round: u64,
        /// How it ended.
        result: TokenResult,
    },
    /// A person signed in, or new tokens came in another way.
    SignedIn(Tokens),
    /// The platform believes that the network came or went. A hint: only answers are the truth.
    NetworkChanged {
        /// Whether there is a network.
        online: bool,
    },
    /// The platform says whether the network costs by volume. A hint as well.
    NetworkMetered {
        /// Whether it does.
        metered: bool,
    },
    /// A person chooses over which networks this device synchronises by itself.
    NetworkPolicy(NetworkPolicy),
    /// The system gives a short time to work in the background: what waits is sent before it is
    /// read once, and a waiting backoff is cut short.
    BudgetGiven,
    /// The time of an [`Effect::WakeAt`] has come.
    Timer,
    /// A silent push arrived.
    PushReceived(Hint),
    /// The app came to the foreground.
    Foreground,
    /// A person asks to synchronise now: a waiting backoff is cut short, and a metered network is
    /// used all the same, until everything is in step or for 5 minutes.
    SyncNow,
    /// A person pauses synchronisation.
    Pause {
        /// When it goes on by itself; absent for until it is resumed.
        until: Option<LocalTime>,
    },
    /// A person resumes it.
    Resume,
    /// Another process wrote into the store.
    StoreChanged,
    /// Bytes travelled, for the progress and the metrics.
    Travelled {
        /// Bytes that went out.
        sent: u64,
        /// Bytes that came in.
        received: u64,
    },
    /// The app has asked for these entities, and for samples of these months. Collected and told
    /// now and then: losing some is harmless.
    Accessed {
        /// The entities.
        keys: Vec<EntityKey>,
        /// The months.
        months: BTreeSet<(EntityType, clarity_store::Month)>,
    },
    /// Somebody looked how much of the disk is free, in bytes; absent where nobody can tell.
    DiskSpace {
        /// What is free.
        free_bytes: Option<u64>,
    },
    /// A transaction failed because there was no space.
    StoreFull,
    /// A part of the store turned out to be damaged: nothing is sent until it is recovered.
    StoreDamaged,
    /// The store was examined as a whole and is sound.
    StoreSound,
}

/// How a token refresh ended.
#[derive(Debug)]
pub enum TokenResult {
    /// There are new tokens; they are stored before they are used.
    Renewed(Tokens),
    /// The server did not accept the refresh token: only a person can sign in again.
    Refused,
    /// The question got no answer of ours; the old token stays valid.
    Failed(Failure),
}

/// The answer to a request.
#[derive(Debug)]
pub enum Response {
    /// To a push.
    Push(PushResponse),
    /// To a part of a push that travelled in pieces: what was answered ends, and what failed goes
    /// again under the same ids, as after any failure.
    PushInPart {
        /// The answers that there are.
        answered: PushResponse,
        /// What the others failed with.
        rest: Failure,
    },
    /// To a pull.
    Pull(PullResponse),
    /// To a fetch.
    Fetch(FetchResponse),
}

/// What a request asks.
#[derive(Debug)]
pub enum Request {
    /// To apply operations.
    Push(PushRequest),
    /// For the next page of changes.
    Pull(PullRequest),
    /// For entities and stretches of time by name. A backend that has no such thing fails it with
    /// [`clarity_protocol::FailureClass::BadRequest`].
    Fetch(FetchRequest),
}

/// Something to do after the transaction has been committed.
#[derive(Debug)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "there are few, and each is used once and dropped")]
pub enum Effect {
    /// Send a request; whatever happens, say so with [`Event::RequestFinished`].
    Send {
        /// Its id on this device.
        request: RequestId,
        /// What it asks.
        body: Request,
    },
    /// Ask for new tokens once, and say so with [`Event::TokenResult`].
    RefreshToken {
        /// Names this refresh: when a person has signed in meanwhile, its end says nothing.
        round: u64,
    },
    /// Send [`Event::Timer`] at this time. Replaces the time asked for before.
    WakeAt(LocalTime),
    /// Tell whoever watches.
    Publish(Changes),
}

/// What changed in a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// The entities whose view changed; with more than [`Changes::KEYS_MAX`] only their types.
    pub entities: Vec<EntityKey>,
    /// The types with changed entities.
    pub types: Vec<EntityType>,
    /// Operations that ended, with how.
    pub ended: Vec<(Counter, clarity_store::EndedAs)>,
    /// Whether status, queue, conflicts or progress may have changed.
    pub status: bool,
    /// Whether something else was written, such as by another process: anything may have changed.
    pub elsewhere: bool,
}

impl Changes {
    /// Most single entities that one publication names.
    pub const KEYS_MAX: usize = 1_000;

    /// Whether the view of an entity may have changed.
    #[must_use]
    pub fn concerns_entity(&self, key: &EntityKey) -> bool {
        if self.entities.is_empty() {
            return self.concerns_type(&key.entity_type);
        }
        self.elsewhere || self.entities.contains(key)
    }

    /// Whether the view of any entity of a type may have changed.
    #[must_use]
    pub fn concerns_type(&self, entity_type: &EntityType) -> bool {
        self.elsewhere || self.types.contains(entity_type)
    }
}

/// A local write. Its result comes back from the same call, before anything is sent. `Debug` says
/// what kind of write it is and hides the rest (promise I17).
#[derive(Clone)]
#[non_exhaustive]
pub enum Write {
    /// Makes an entity; on one that was deleted it is an undelete.
    Create {
        /// Its key; see [`crate::new_entity_id`].
        key: EntityKey,
        /// Its fields.
        fields: Fields,
        /// Operations that must have been accepted before this one is sent.
        parents: Vec<Counter>,
    },
    /// Changes some fields.
    Update {
        /// The entity.
        key: EntityKey,
        /// The fields with their new values; absent removes the field.
        changes: BTreeMap<String, Option<Value>>,
        /// What the writer saw; absent writes over the latest value, whatever it is.
        seen: Option<ReadVersion>,
    },
    /// Deletes an entity.
    Delete {
        /// The entity.
        key: EntityKey,
        /// What the writer saw; absent deletes the latest, whatever it is.
        seen: Option<ReadVersion>,
    },
    /// Several creates, updates and deletes.
    Batch {
        /// Whether they stand or fall together at the server. Here they always do.
        atomic: bool,
        /// The writes.
        writes: Vec<Write>,
    },
    /// A part of a health source: what is there already changes nothing.
    Import(Import),
    /// Says that an import has ended, and keeps its report.
    FinishImport {
        /// The import.
        import_id: i64,
        /// What it did, without values.
        report: Value,
    },
    /// Takes a part of an export into a store that is in use: what is missing is made, what waited
    /// there is done here, and what is here otherwise stays.
    MergeExport {
        /// The import.
        import_id: i64,
        /// Whether what waited there is still to be done.
        replay: bool,
        /// Entities.
        entities: Vec<(EntityKey, ExportedEntity)>,
        /// Values that lost, as rows.
        history: Vec<PortableRow>,
    },
    /// Deletes entities that an import brought, those that nobody has changed since. What they
    /// held is kept in history.
    UndoImport {
        /// The import.
        import_id: i64,
        /// Which entities; others than the import's are left alone.
        keys: Vec<EntityKey>,
    },
    /// Says something of a health source.
    Source {
        /// The source.
        source: String,
        /// What.
        change: SourceChange,
    },
    /// Takes back an operation that has not been sent.
    Rollback {
        /// The operation.
        operation: Counter,
    },
    /// Takes back everything that waits or is on its way for an entity.
    RollbackEntity {
        /// The entity.
        key: EntityKey,
    },
    /// Sends a failed operation again, as a new one.
    Retry {
        /// The operation.
        operation: Counter,
    },
    /// Changes what a failed operation wants and sends it again, as a new one in the same place.
    EditAndRetry {
        /// The operation.
        operation: Counter,
        /// The fields with their new values; absent removes the field. Fields that are not named
        /// stay as the operation has them.
        changes: BTreeMap<String, Option<Value>>,
    },
    /// Gives up a failed operation; what is lost is kept in history.
    Discard {
        /// The operation.
        operation: Counter,
    },
    /// Gives up a failed operation and everything that depends on it; all of it is kept in history.
    DiscardWithDependents {
        /// The operation.
        operation: Counter,
    },
    /// Brings back what lost: a discarded or superseded change, the other side of a conflict, an
    /// operation that was taken back, a deleted entity.
    Undo {
        /// The entry of the history.
        history: HistoryId,
    },
    /// Settles a conflict.
    Resolve {
        /// The conflict.
        conflict: ConflictId,
        /// What the person saw; if either side moved since, the write is refused.
        mark: ConflictMark,
        /// What the person chose.
        resolution: Resolution,
    },
    /// Follows another part of the account from now on. What is no longer followed goes, but for
    /// what waits to be sent; what is newly followed comes. It queues no operation.
    SetScope {
        /// What to follow; types that are never let go are followed all the same.
        scope: Scope,
    },
    /// A write that may be asked for again, because its answer may be lost: it is made once, and
    /// the answer is the first one. A write that was refused was not made.
    Once {
        /// Which write it is.
        once: Once,
        /// The write.
        write: Box<Write>,
    },
    /// Wants things from the server, apart from what the device follows: they come as soon as there
    /// is a way, also after a restart. It queues no operation.
    Fetch {
        /// What is wanted.
        wanted: Vec<Wanted>,
    },
}

impl fmt::Debug for Write {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, operation) = match self {
            Self::Create { .. } => ("Create", None),
            Self::Update { .. } => ("Update", None),
            Self::Delete { .. } => ("Delete", None),
            Self::Batch { .. } => ("Batch", None),
            Self::Import(_) => ("Import", None),
            Self::FinishImport { .. } => ("FinishImport", None),
            Self::MergeExport { .. } => ("MergeExport", None),
            Self::UndoImport { .. } => ("UndoImport", None),
            Self::Source { .. } => ("Source", None),
            Self::Rollback { operation } => ("Rollback", Some(operation)),
            Self::Retry { operation } => ("Retry", Some(operation)),
            Self::Discard { operation } => ("Discard", Some(operation)),
            Self::RollbackEntity { .. } => ("RollbackEntity", None),
            Self::EditAndRetry { operation, .. } => ("EditAndRetry", Some(operation)),
            Self::DiscardWithDependents { operation } => ("DiscardWithDependents", Some(operation)),
            Self::Undo { .. } => ("Undo", None),
            Self::Resolve { .. } => ("Resolve", None),
            Self::Fetch { .. } => ("Fetch", None),
            Self::SetScope { .. } => ("SetScope", None),
            Self::Once { .. } => ("Once", None),
        };
        match operation {
            Some(operation) => formatter.debug_tuple(name).field(operation).finish(),
            None => formatter.write_str(name),
        }
    }
}

/// A part of a health source, taken in as a whole or not at all.
#[derive(Debug, Clone, Default)]
pub struct Import {
    /// The stable id of what is imported, the same when it is imported again.
    pub import_id: i64,
    /// The samples.
    pub samples: Vec<ImportSample>,
    /// The source, under which its names are kept; absent for one that has none.
    pub source: Option<String>,
    /// What is no longer there.
    pub deletions: Vec<ImportDeletion>,
    /// Where the source's feed stands after this; kept with the samples in one transaction.
    pub step: Option<FeedStep>,
}

/// Something that a source no longer has. `Debug` hides what.
#[derive(Clone, PartialEq, Eq)]
pub enum ImportDeletion {
    /// By the source's own name, with the parts of it.
    External(String),
    /// By the entity that it became.
    Entity(EntityKey),
}

impl fmt::Debug for ImportDeletion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ImportDeletion")
    }
}

/// What a source calls a sample. `Debug` hides the name.
#[derive(Clone, PartialEq, Eq)]
pub struct ExternalName {
    /// Its name for ever.
    pub id: String,
    /// Its version there; one that is not newer changes nothing.
    pub version: Option<i64>,
}

/// One sample of a health source.
#[derive(Clone)]
pub struct ImportSample {
    /// The entity, by what the sample measures, when and with what.
    pub key: EntityKey,
    /// The id to use when this import already holds another value under [`Self::key`].
    pub sibling: EntityKey,
    /// Its fields.
    pub fields: Fields,
    /// What the source calls it, where its names last.
    pub external: Option<ExternalName>,
}

impl fmt::Debug for ImportSample {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ImportSample").field("fields", &self.fields).finish_non_exhaustive()
    }
}

/// What a write did.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Written {
    /// The operations that it queued, in order; none when there was nothing to change.
    pub operations: Vec<Counter>,
    /// For an import: what became of the samples.
    pub imported: Imported,
}

/// What became of imported samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Imported {
    /// Made.
    pub new: u64,
    /// There with another value, now updated.
    pub changed: u64,
    /// There already.
    pub duplicate: u64,
    /// Left out because the person deleted them here.
    pub deleted_before: u64,
    /// Left out because nobody can tell whether it is the same: it was given up on this device for
    /// space and is wanted from the server; importing again when it is here settles it.
    #[serde(default)]
    pub away: u64,
    /// Left out because the entity would be larger than the limit or is otherwise not allowed.
    pub invalid: u64,
    /// Deleted because the source no longer has it, or because the import is undone.
    #[serde(default)]
    pub deleted: u64,
}

impl Imported {
    /// Adds another batch's numbers.
    pub fn add(&mut self, other: Self) {
        self.new += other.new;
        self.changed += other.changed;
        self.duplicate += other.duplicate;
        self.deleted_before += other.deleted_before;
        self.away += other.away;
        self.invalid += other.invalid;
        self.deleted += other.deleted;
    }
}

/// What a call of the engine gave.
#[derive(Debug, Default)]
pub struct Handled {
    /// One result for each [`Event::Write`], in order.
    pub written: Vec<Result<Written, WriteError>>,
    /// What to do after the commit.
    pub effects: Vec<Effect>,
    /// Whether more is to be given up to make room: send [`Event::Timer`] again as soon as nobody
    /// else waits.
    pub more: bool,
}
