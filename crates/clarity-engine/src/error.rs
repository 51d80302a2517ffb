//! Errors of the engine.

use clarity_model::{Counter, InvalidEntity, limits};
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
    /// There is no such operation in the queue.
    #[error("operation {0} is not waiting on this device")]
    NoSuchOperation(Counter),
    /// The operation was sent; it can no longer be taken back before its answer.
    #[error("operation {0} was already sent; wait for its answer, then change the entity again")]
    AlreadySent(Counter),
    /// The operation has not failed.
    #[error("operation {0} has not failed; only failed operations can be retried or discarded")]
    NotFailed(Counter),
    /// Other operations wait for this one.
    #[error("other operations depend on operation {0}; take those back first")]
    HasDependents(Counter),
    /// There is no such conflict, or it is settled.
    #[error("there is no such conflict; it may have been settled meanwhile")]
    NoSuchConflict,
    /// A side of the conflict moved since it was read.
    #[error("the entity changed again since the conflict was read; look at it again")]
    ConflictMoved,
    /// The entity has an open conflict that must be settled first.
    #[error("a resolution names the field \"{0}\", which is not in conflict")]
    NotInConflict(String),
    /// An atomic batch is too large for one request.
    #[error(
        "an atomic batch holds at most {} operations and 1 MiB; make several batches",
        limits::ATOMIC_BATCH_OPERATIONS_MAX
    )]
    TooLarge,
    /// An atomic batch changes one entity twice.
    #[error("an atomic batch changes each entity once; join the two changes")]
    TwiceInBatch,
    /// Batches do not nest, and hold only creates, updates and deletes.
    #[error("a batch holds creates, updates and deletes only")]
    NotInBatch,
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
