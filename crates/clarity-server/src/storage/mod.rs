//! The seam between what the server does and where it keeps things.
//!
//! Applying and pulling are generic over these traits and know nothing of SQL. Everything is keyed
//! by account first, so that an implementation may spread accounts over machines.

pub mod directory;
pub mod sqlite;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;

use clarity_model::{
    Counter, EntityKey, EntityType, Epoch, Fields, Incarnation, OperationHash, OperationId,
    Outcome, Seq, ServerTime, Version,
};
use clarity_protocol::FetchPosition;

use crate::environment::EntropyError;

/// The number of an account inside one database. Never sent to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub i64);

/// The number of a device inside one database. Never sent to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub i64);

/// Why a storage could not do what was asked. Nothing of the transaction was kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// Somebody else held the database for too long.
    #[error("the database is in use by another process; stop it or try again")]
    Busy,
    /// The disk is full.
    #[error("the disk that holds the database is full; free some space")]
    Full,
    /// The file is not a database, or damaged.
    #[error("the database file is damaged or not a database; restore it from a backup")]
    Damaged,
    /// A file could not be opened, read or written.
    #[error("the database file cannot be opened, read or written; check the directory and disk")]
    Io,
    /// The file belongs to another program.
    #[error("the file is a database of another program; choose another data directory")]
    Foreign,
    /// The file was written by a newer version of this program.
    #[error("the database has format {found}; this program reads up to {known}: use a newer one")]
    Newer {
        /// The format of the file.
        found: u32,
        /// The newest format that this program reads.
        known: u32,
    },
    /// The entities follow a later version of the schema than the one that was loaded.
    #[error(
        "the entities follow version {found} of the schema, and version {known} was loaded, which \
         would misread them; load version {found} or a later one"
    )]
    OlderSchema {
        /// The version that the entities follow.
        found: u32,
        /// The version that was loaded.
        known: u32,
    },
    /// The loaded schema's steps are not those that the entities have taken.
    #[error("the entities were kept with another history of the schema: {problem}")]
    SchemaHistory {
        /// What is wrong and what to do.
        problem: String,
    },
    /// A stored value is not what this program writes.
    #[error("the database holds a value that cannot be read ({0}); restore it from a backup")]
    Value(&'static str),
    /// There were no random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// Anything else that the database engine reported.
    #[error("the database failed (code {code})")]
    Engine {
        /// The engine's own code.
        code: i32,
    },
}

/// What makes a database itself.
#[derive(Clone, Copy)]
pub struct Identity {
    /// The life of the database.
    pub epoch: Epoch,
    /// A secret key, made with the database.
    pub key: [u8; 32],
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Identity").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

/// An entity as the server keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEntity {
    /// How often a change of it was accepted.
    pub version: Version,
    /// The position of its newest change.
    pub seq: Seq,
    /// The version that wrote every field not named in `field_versions`, absent fields included.
    pub written: Version,
    /// The versions that last wrote the fields which were changed since.
    pub field_versions: BTreeMap<String, Version>,
    /// Its fields. A deleted entity keeps its last ones only where an edit may bring it back.
    pub fields: Fields,
    /// Whether it is deleted.
    pub deleted: bool,
    /// When its newest change was accepted.
    pub updated_at: ServerTime,
    /// The operation that made its newest change.
    pub last_change: OperationId,
    /// The first position of the atomic batch that made its newest change.
    pub batch_seq: Option<Seq>,
    /// The record's own time, by which windows are measured, in milliseconds since 1970 UTC; the
    /// last one of a deleted record.
    pub time_ms: Option<i64>,
}

impl StoredEntity {
    /// The version that last wrote, or removed, a field.
    #[must_use]
    pub fn field_version(&self, field: &str) -> Version {
        self.field_versions.get(field).copied().unwrap_or(self.written)
    }
}

/// How another life of the database, as a device names it, lies to this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fork {
    /// The account's last position of that life that is also one of this life; absent when this
    /// database does not descend from that life.
    pub left_at: Option<Seq>,
    /// The account's last position that was given out before this life began.
    pub begun_at: Seq,
}

/// What was last taken over from another life of the database, of one entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenOver {
    /// The version that it had in that life.
    pub version: Version,
    /// The position that it was given in this one.
    pub seq: Seq,
}

/// What became of an operation, kept so that a repeat gets the same answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredReceipt {
    /// How it ended.
    pub outcome: Outcome,
    /// The version of the entity that holds its effect, or that it met.
    pub version: Option<Version>,
    /// The hash of its bytes.
    pub hash: [u8; 16],
    /// The operation that carried it, when it did not travel itself.
    pub carrier: Option<Counter>,
    /// The rest of the answer as JSON: fields, rejection, blocking operation.
    pub detail: Option<String>,
    /// The entity that it named, when it travelled itself and could be read.
    pub key: Option<EntityKey>,
    /// When it was made, of a single change: its receipt goes by its age.
    pub single_at: Option<ServerTime>,
}

/// One writing transaction over one account. It holds the account's lock from its beginning, so
/// positions in the log are given out in commit order.
pub trait AccountTransaction {
    /// The newest position of the account's log, before this transaction's changes.
    ///
    /// # Errors
    /// When the storage fails; so for every method here.
    fn head(&mut self) -> Result<Seq, StorageError>;
    /// Moves the log's head and keeps the random seed of the new positions' marks.
    ///
    /// # Errors
    /// When the storage fails.
    fn advance_head(&mut self, head: Seq, seed: u64) -> Result<(), StorageError>;
    /// As [`AccountSnapshot::log_seed`].
    ///
    /// # Errors
    /// When the storage fails.
    fn log_seed(&mut self, seq: Seq) -> Result<Option<LogSeed>, StorageError>;
    /// An entity, deleted or not.
    ///
    /// # Errors
    /// When the storage fails.
    fn entity(&mut self, key: &EntityKey) -> Result<Option<StoredEntity>, StorageError>;
    /// Keeps a new state of an entity. `replaces` is the position of its present state, if any.
    ///
    /// # Errors
    /// When the storage fails.
    fn put_entity(
        &mut self,
        key: &EntityKey,
        entity: &StoredEntity,
        replaces: Option<Seq>,
    ) -> Result<(), StorageError>;
    /// The receipt of an operation.
    ///
    /// # Errors
    /// When the storage fails.
    fn receipt(&mut self, operation: OperationId) -> Result<Option<StoredReceipt>, StorageError>;
    /// The highest operation of a store that has a receipt; zero without one.
    ///
    /// # Errors
    /// When the storage fails.
    fn newest_receipt(&mut self, incarnation: Incarnation) -> Result<Counter, StorageError>;
    /// Keeps the receipt of an operation that has none.
    ///
    /// # Errors
    /// When the storage fails.
    fn put_receipt(
        &mut self,
        operation: OperationId,
        receipt: &StoredReceipt,
    ) -> Result<(), StorageError>;
    /// Raises the mark below which a store has settled everything, never lowers it, and returns it.
    ///
    /// # Errors
    /// When the storage fails.
    fn raise_settled_mark(
        &mut self,
        incarnation: Incarnation,
        device: DeviceId,
        below: Counter,
    ) -> Result<Counter, StorageError>;
    /// Forgets some of the oldest receipts of a store below `below`, at most the oldest `count_max`
    /// counters.
    ///
    /// # Errors
    /// When the storage fails.
    fn prune_receipts(
        &mut self,
        incarnation: Incarnation,
        below: Counter,
        count_max: u64,
    ) -> Result<(), StorageError>;
    /// How another life of the database lies to this one.
    ///
    /// # Errors
    /// When the storage fails.
    fn fork(&mut self, epoch: Epoch) -> Result<Fork, StorageError>;
    /// What was last taken over from another life of the database of an entity.
    ///
    /// # Errors
    /// When the storage fails.
    fn taken_over(
        &mut self,
        epoch: Epoch,
        key: &EntityKey,
    ) -> Result<Option<TakenOver>, StorageError>;
    /// Keeps what was taken over from another life of the database of an entity.
    ///
    /// # Errors
    /// When the storage fails.
    fn put_taken_over(
        &mut self,
        epoch: Epoch,
        key: &EntityKey,
        taken_over: TakenOver,
    ) -> Result<(), StorageError>;
    /// Forgets some of the receipts of single changes that were made before a time, at most
    /// `count_max`, the oldest first, with everything else that is known of their names.
    ///
    /// # Errors
    /// When the storage fails.
    fn prune_single_receipts(
        &mut self,
        before: ServerTime,
        count_max: u64,
    ) -> Result<(), StorageError>;
}

/// Where the marks of a range of log positions come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSeed(pub u64);

/// An entity in the log, as a scan shows it, without building anything. It has no `Debug`, which
/// would show values.
#[derive(Clone, Copy)]
pub struct ScannedEntity<'a> {
    /// The type.
    pub entity_type: &'a str,
    /// The id.
    pub id: &'a str,
    /// See [`StoredEntity::version`].
    pub version: Version,
    /// See [`StoredEntity::seq`].
    pub seq: Seq,
    /// See [`StoredEntity::updated_at`].
    pub updated_at: ServerTime,
    /// Its fields as canonical JSON.
    pub fields: Option<&'a str>,
    /// Whether it is deleted.
    pub deleted: bool,
    /// See [`StoredEntity::last_change`].
    pub last_change: OperationId,
    /// See [`StoredEntity::batch_seq`].
    pub batch_seq: Option<Seq>,
    /// See [`StoredEntity::time_ms`].
    pub time_ms: Option<i64>,
}

/// What a scan does with each entity, and whether it wants another.
pub type ScanVisitor<'v> =
    dyn FnMut(ScannedEntity<'_>) -> Result<ControlFlow<()>, StorageError> + 'v;

/// What a scan of the receipts does with each.
pub type ReceiptVisitor<'v> =
    dyn FnMut(OperationId, StoredReceipt) -> Result<ControlFlow<()>, StorageError> + 'v;

/// An operation that took effect and whose answer the device may not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsettledReceipt {
    /// The counter that it had on the wire.
    pub id: Counter,
    /// How it ended.
    pub outcome: Outcome,
    /// The version that holds its effect.
    pub version: Version,
    /// The hash of its bytes.
    pub hash: OperationHash,
    /// The entity.
    pub key: EntityKey,
}

/// A stretch of the records' own time, in milliseconds since 1970 UTC. Records without one belong
/// to every stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimeRange {
    /// The first time in it; none for from the beginning.
    pub from_ms: Option<i64>,
    /// The first time after it; none for without end.
    pub to_ms: Option<i64>,
}

/// One consistent view of one account.
pub trait AccountSnapshot {
    /// The newest position of the account's log.
    ///
    /// # Errors
    /// When the storage fails; so for every method here.
    fn head(&mut self) -> Result<Seq, StorageError>;
    /// How another life of the database lies to this one.
    ///
    /// # Errors
    /// When the storage fails.
    fn fork(&mut self, epoch: Epoch) -> Result<Fork, StorageError>;
    /// The seed of the transaction that gave out a position; none beyond the head.
    ///
    /// # Errors
    /// When the storage fails.
    fn log_seed(&mut self, seq: Seq) -> Result<Option<LogSeed>, StorageError>;
    /// An entity, deleted or not.
    ///
    /// # Errors
    /// When the storage fails.
    fn entity(&mut self, key: &EntityKey) -> Result<Option<StoredEntity>, StorageError>;
    /// The operations of a store from a counter on that travelled themselves and are settled.
    ///
    /// # Errors
    /// When the storage fails.
    fn unsettled_receipts(
        &mut self,
        incarnation: Incarnation,
        from: Counter,
    ) -> Result<Vec<UnsettledReceipt>, StorageError>;
    /// Shows the entities whose newest change lies after a position, in log order.
    ///
    /// # Errors
    /// When the storage or the visitor fails.
    fn scan(&mut self, after: Seq, visit: &mut ScanVisitor<'_>) -> Result<(), StorageError>;
    /// Shows one entity, deleted or not, if there is one.
    ///
    /// # Errors
    /// When the storage or the visitor fails.
    fn show(&mut self, key: &EntityKey, visit: &mut ScanVisitor<'_>) -> Result<(), StorageError>;
    /// Shows the entities of a type in a stretch of time, the newest first: by their own time and,
    /// where that is equal, by their newest change; then those without a time, by their newest
    /// change. What it costs follows how many it shows.
    ///
    /// # Errors
    /// When the storage or the visitor fails.
    fn scan_newest(
        &mut self,
        entity_type: &EntityType,
        range: TimeRange,
        after: Option<FetchPosition>,
        visit: &mut ScanVisitor<'_>,
    ) -> Result<(), StorageError>;
    /// Shows every receipt, by store and counter.
    ///
    /// # Errors
    /// When the storage or the visitor fails.
    fn scan_receipts(&mut self, visit: &mut ReceiptVisitor<'_>) -> Result<(), StorageError>;
}

/// A place where accounts are kept.
pub trait Storage: Send + Sync {
    /// Its writing transaction.
    type Transaction<'t>: AccountTransaction;
    /// Its reading transaction.
    type Snapshot<'s>: AccountSnapshot;

    /// What makes this database itself.
    fn identity(&self) -> Identity;

    /// Carries out `work` in one transaction: when this returns `Ok`, everything is durable; when
    /// it returns `Err` or the process dies before, nothing was kept.
    ///
    /// # Errors
    /// Those of `work` and of the storage.
    fn write<R, E: From<StorageError>>(
        &self,
        account: AccountId,
        work: impl FnOnce(&mut Self::Transaction<'_>) -> Result<R, E>,
    ) -> Result<R, E>;

    /// Carries out `work` on one consistent view.
    ///
    /// # Errors
    /// Those of `work` and of the storage.
    fn read<R, E: From<StorageError>>(
        &self,
        account: AccountId,
        work: impl FnOnce(&mut Self::Snapshot<'_>) -> Result<R, E>,
    ) -> Result<R, E>;
}
