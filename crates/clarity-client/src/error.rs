//! Errors of the SDK.

use clarity_engine::protocol::{Failure, FailureClass};
use clarity_engine::store::{StoreError, StoreErrorKind};
use clarity_engine::{EngineError, WriteError};

#[cfg(not(target_arch = "wasm32"))]
use crate::keys::KeyError;

/// What kind of error it is, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum ErrorKind {
    /// What was asked for breaks a rule; the message says which.
    Invalid,
    /// There is no such entity, operation or conflict.
    NotFound,
    /// It cannot be done in the present state.
    State,
    /// A person must sign in.
    AuthRequired,
    /// The name or the password is wrong.
    WrongCredentials,
    /// The server could not be reached, or did not answer as one of ours.
    Unreachable,
    /// The device's storage is full.
    StorageFull,
    /// The store is damaged: see [`Client::recover`](crate::Client::recover).
    Damaged,
    /// The key of an encrypted store is missing, is another one, or is one too many.
    Key,
    /// The store is foreign, newer, or cannot be read or written.
    Store,
    /// Another process uses the store.
    Busy,
    /// An import could not be read.
    Import,
    /// The client was closed.
    Closed,
}

/// Why a call failed. Nothing of it was stored, unless it says so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// A local write was refused.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine could not go on.
    #[error(transparent)]
    Engine(EngineError),
    /// The server could not be reached or refused.
    #[error(transparent)]
    Server(#[from] Failure),
    /// The name or the password is wrong.
    #[error("the name or the password is wrong; nothing was changed")]
    WrongCredentials,
    /// The store belongs to another account.
    #[error("this store belongs to another account; use another store for this account")]
    OtherAccount,
    /// There is no such import.
    #[error("there is no such import on this device; list them with their numbers")]
    NoSuchImport,
    /// A source of health data gives nothing now, for this reason.
    #[error("{0}")]
    Source(String),
    /// A source of health data does not keep to its contract.
    #[error("the source breaks its contract: {0}; nothing of this page was stored")]
    SourceContract(&'static str),
    /// An export could not be written.
    #[error("the export could not be written: {0}; nothing else was changed")]
    ExportFile(#[source] std::io::Error),
    /// An export is not whole, or is not one that this version can take in.
    #[error("the export cannot be taken in: {0}; nothing of it was stored")]
    ExportRefused(&'static str),
    /// The queue is not as the person saw it.
    #[error("something was changed or sent meanwhile; look again at what would be lost")]
    Moved,
    /// A folder of accounts cannot be used.
    #[error("{} cannot be used: {reason}", path.display())]
    Folder {
        /// The folder or file.
        path: std::path::PathBuf,
        /// The system's words.
        reason: String,
    },
    /// An import could not be read.
    #[error(transparent)]
    Import(#[from] clarity_health::HealthError),
    /// Another process drains this store.
    #[error("another process is synchronising this store; stop it first")]
    AlreadyDraining,
    /// Another process holds the right to drain this store, and nothing moves.
    #[error(
        "another process holds the synchronising of this store and does nothing; end that one, \
         such as a stopped `watch`, and try again; what waits is kept"
    )]
    HeldElsewhere,
    /// The key of the store cannot be had or kept.
    #[cfg(not(target_arch = "wasm32"))]
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The server's address is not one.
    #[error("\"{0}\" is not an address; it has the form http://host:port or https://host")]
    Address(String),
    /// A continuation cannot be read, or belongs to another query.
    #[error("this continuation is not one of this query; begin with the first page")]
    Continuation,
    /// The client was closed, or its thread ended.
    #[error("the store was closed")]
    Closed,
    /// The operating system gave no random bits.
    #[error("the operating system gives no random numbers")]
    NoEntropy,
}

impl From<EngineError> for ClientError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Store(error) => Self::Store(error),
            other => Self::Engine(other),
        }
    }
}

impl ClientError {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Write(error) => of_write(error),
            Self::Store(error) => of_store(error),
            Self::OtherAccount | Self::Moved => ErrorKind::State,
            Self::Address(_) | Self::Continuation => ErrorKind::Invalid,
            Self::Engine(_) | Self::NoEntropy | Self::Folder { .. } => ErrorKind::Store,
            Self::Server(failure) if failure.class == FailureClass::Auth => ErrorKind::AuthRequired,
            Self::Server(_) => ErrorKind::Unreachable,
            Self::WrongCredentials => ErrorKind::WrongCredentials,
            Self::ExportFile(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                ErrorKind::StorageFull
            }
            Self::ExportFile(_) => ErrorKind::Store,
            Self::Import(_)
            | Self::Source(_)
            | Self::SourceContract(_)
            | Self::ExportRefused(_) => ErrorKind::Import,
            Self::NoSuchImport => ErrorKind::NotFound,
            #[cfg(not(target_arch = "wasm32"))]
            Self::Key(KeyError::StoreExists | KeyError::SamePlace) => ErrorKind::State,
            #[cfg(not(target_arch = "wasm32"))]
            Self::Key(_) => ErrorKind::Key,
            Self::AlreadyDraining | Self::HeldElsewhere => ErrorKind::Busy,
            Self::Closed => ErrorKind::Closed,
        }
    }
}

fn of_write(error: &WriteError) -> ErrorKind {
    match error {
        WriteError::Store(error) => of_store(error),
        WriteError::InBatch { reason, .. } => of_write(reason),
        WriteError::StorageFull => ErrorKind::StorageFull,
        WriteError::NotFound
        | WriteError::NoSuchOperation(_)
        | WriteError::NoSuchHistory
        | WriteError::NoSuchConflict => ErrorKind::NotFound,
        WriteError::Exists
        | WriteError::Away
        | WriteError::AlreadySent(_)
        | WriteError::TakenBackAlready(_)
        | WriteError::MayHaveArrived(_)
        | WriteError::NotFailed(_)
        | WriteError::NothingToRollBack
        | WriteError::NothingToUndo(_)
        | WriteError::UndoneAlready(_)
        | WriteError::HasDependents(_)
        | WriteError::TooManyUnheard
        | WriteError::ConflictMoved => ErrorKind::State,
        _ => ErrorKind::Invalid,
    }
}

fn of_store(error: &StoreError) -> ErrorKind {
    match error {
        StoreError::Full => ErrorKind::StorageFull,
        StoreError::Busy => ErrorKind::Busy,
        StoreError::NoTimeField(_) => ErrorKind::Invalid,
        _ => match error.kind() {
            StoreErrorKind::Damaged => ErrorKind::Damaged,
            StoreErrorKind::Key => ErrorKind::Key,
            _ => ErrorKind::Store,
        },
    }
}
