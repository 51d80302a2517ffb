//! Errors of the engine.

use clarity_model::{Counter, EntityType, InvalidEntity, limits};
use clarity_store::StoreError;

/// Why a write was refused. Nothing of it was stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The entity breaks a limit.
    #[error(transparent)]
    Invalid(#[from] InvalidEntity),
    /// There is an entity with this id.
    #[error("an entity with this id exists already; update it instead")]
    Exists,
    /// There is no such entity, or it was deleted.
    #[error("there is no such entity on this device")]
    NotFound,
    /// The entity, or one of the month that it may be of, was given up on this device for space.
    #[error(
        "this was moved off the device to save space; it is fetched when there is a connection, \
         try again then"
    )]
    Away,
    /// The disk is nearly full, or the store as large as it may be.
    #[error(
        "there is no room for new changes; free some space on the disk or send what waits, and \
         try again"
    )]
    StorageFull,
    /// A writer has not heard of too many of its writes.
    #[error(
        "{} earlier writes were not heard of; wait for their answers, then try again",
        crate::once::UNHEARD_MAX
    )]
    TooManyUnheard,
    /// There is no such operation in the queue.
    #[error("operation {0} is not waiting on this device")]
    NoSuchOperation(Counter),
    /// The operation was sent; it cannot get another number before its answer.
    #[error("operation {0} was already sent; wait for its answer, then try again")]
    AlreadySent(Counter),
    /// The operation has not failed.
    #[error("operation {0} has not failed; only failed operations can be retried or discarded")]
    NotFailed(Counter),
    /// Other operations wait for this one.
    #[error("other operations depend on operation {0}; take those back first")]
    HasDependents(Counter),
    /// The operation is being taken back already.
    #[error("operation {0} is being taken back already; its inverse waits for its answer")]
    TakenBackAlready(Counter),
    /// Nothing of the entity waits or is on its way.
    #[error("nothing of this entity waits or is on its way; there is nothing to take back")]
    NothingToRollBack,
    /// The server may have the operation: it cannot be changed any more.
    #[error(
        "operation {0} may have arrived at the server and cannot be edited before its answer; \
         change the entity instead"
    )]
    MayHaveArrived(Counter),
    /// A delete has nothing that could be edited.
    #[error("operation {0} deletes its entity, there is nothing to edit; retry or discard it")]
    NotEditable(Counter),
    /// An edit leaves nothing of a failed operation.
    #[error("the edit leaves nothing of operation {0}; discard it instead")]
    NothingLeft(Counter),
    /// There is no such entry in the history, or it is too old.
    #[error("there is no such entry in the history; entries are kept for 30 days")]
    NoSuchHistory,
    /// What lost was brought back already.
    #[error("this was undone already, by operation {0}")]
    UndoneAlready(Counter),
    /// There is nothing to bring back as things stand.
    #[error("there is nothing to undo: {0}")]
    NothingToUndo(&'static str),
    /// There is no such conflict, or it is settled.
    #[error("there is no such conflict; it may have been settled meanwhile")]
    NoSuchConflict,
    /// A side of the conflict moved since it was read.
    #[error("the entity changed again since the conflict was read; look at it again")]
    ConflictMoved,
    /// The entity has an open conflict that must be settled first.
    #[error("a resolution names the field \"{0}\", which is not in conflict")]
    NotInConflict(String),
    /// No deletions of the source wait for a person.
    #[error("no deletions of this source wait to be confirmed or refused")]
    NothingHeld,
    /// An atomic batch is too large for one request.
    #[error(
        "an atomic batch holds at most {} operations and 1 MiB; make several batches",
        limits::ATOMIC_BATCH_OPERATIONS_MAX
    )]
    TooLarge,
    /// An atomic batch changes one entity twice.
    #[error("an atomic batch changes each entity once; join the two changes")]
    TwiceInBatch,
    /// A preview would show more entities than one can look through.
    #[error("this changes more than 1,000 entities, too many to preview; look at a part of it")]
    PreviewTooLarge,
    /// One write of a batch was refused, and so the batch.
    #[error("write {position} of the batch: {reason}")]
    InBatch {
        /// Which, counted from zero.
        position: usize,
        /// Why.
        reason: Box<WriteError>,
    },
    /// Batches do not nest, and hold only creates, updates and deletes.
    #[error("a batch holds creates, updates and deletes only")]
    NotInBatch,
    /// Records of the type have no time of their own that a window could be measured by.
    #[error("records of type {0} have no time of their own; follow all of them or none")]
    NoWindow(EntityType),
    /// As many things are wanted from the server as can be.
    #[error(
        "this device waits for {} entities or {} stretches of time from the server already; \
         try again when some have come",
        crate::WANTED_KEYS_MAX,
        crate::WANTED_RANGES_MAX
    )]
    TooMuchWanted,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a call of the engine failed as a whole. The transaction must be rolled back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something that the engine itself stored cannot be read.
    #[error("the store holds something this version cannot read: {0}")]
    Unreadable(&'static str),
}
