//! Why an operation failed, as an app tells it apart.

use clarity_model::{Fields, RejectReason};
use clarity_store::{QueuedOperation, RowState, StoreError, StoreTransaction};
use serde::{Deserialize, Serialize};

use crate::Engine;
use crate::conflict::ConflictField;

/// Why an operation waits in the inbox of failed operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum FailureReason {
    /// The entity, the operation or a field name is larger than its limit.
    TooLarge,
    /// A value, a name or a nesting depth is not allowed.
    Invalid,
    /// This account or device may not make this change.
    NotAllowed,
    /// It changes an entity that the server does not have.
    NotFound,
    /// The backend refused it with words of its own.
    Refused,
    /// The server failed on it repeatedly while it accepted others; it is tried again later.
    ServerFailure,
    /// Another change of the same atomic batch could not be made.
    BatchBlocked,
    /// The app has changed since, and no longer takes a value of the change.
    SchemaMigration,
    /// It may have arrived long ago: the server has forgotten its number.
    MayHaveArrived,
    /// A reason that this version does not know; the message says more.
    Unknown,
}

impl FailureReason {
    /// All reasons.
    pub const ALL: [Self; 10] = [
        Self::TooLarge,
        Self::Invalid,
        Self::NotAllowed,
        Self::NotFound,
        Self::Refused,
        Self::ServerFailure,
        Self::BatchBlocked,
        Self::SchemaMigration,
        Self::MayHaveArrived,
        Self::Unknown,
    ];

    /// The reason as one lower-case word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => RejectReason::TooLarge.as_str(),
            Self::Invalid => RejectReason::Invalid.as_str(),
            Self::NotAllowed => RejectReason::NotAllowed.as_str(),
            Self::NotFound => RejectReason::NotFound.as_str(),
            Self::Refused => RejectReason::Refused.as_str(),
            Self::ServerFailure => RejectReason::ServerFailure.as_str(),
            Self::BatchBlocked => "batch_blocked",
            Self::SchemaMigration => RejectReason::SchemaMigration.as_str(),
            Self::MayHaveArrived => "may_have_arrived",
            Self::Unknown => RejectReason::Unknown.as_str(),
        }
    }

    /// The reason of a stored code; [`FailureReason::Unknown`] for one that this version does not
    /// know.
    #[must_use]
    pub fn from_code(code: &str) -> Self {
        Self::ALL.into_iter().find(|reason| reason.as_str() == code).unwrap_or(Self::Unknown)
    }

    /// What a person can do about it.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::TooLarge => "make the change smaller and retry, or discard it",
            Self::Invalid => "correct the values and retry, or discard it",
            Self::NotAllowed => "ask whoever runs the server for the right, then retry",
            Self::NotFound => "make the entity again, or discard the change",
            Self::Refused => "do what the message says, then retry",
            Self::ServerFailure => "nothing: it is tried again by itself; or edit the entity later",
            Self::BatchBlocked => "settle the change of the batch that failed, then retry",
            Self::SchemaMigration => "choose another value and retry, or discard it",
            Self::MayHaveArrived => "compare the entity; discard if the change is there, or retry",
            Self::Unknown => "read the message; retry or discard",
        }
    }
}

impl Engine {
    /// What an operation changes, field by field: what its writer saw, what it wants, and what the
    /// server has now as far as this device knows.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn differences(
        &self,
        tx: &StoreTransaction<'_>,
        operation: &QueuedOperation,
    ) -> Result<Vec<ConflictField>, StoreError> {
        differences(tx, operation)
    }
}

/// What an operation changes, field by field: what its writer saw, what it wants, and what the
/// server has now as far as this device knows.
pub(crate) fn differences(
    tx: &StoreTransaction<'_>,
    operation: &QueuedOperation,
) -> Result<Vec<ConflictField>, StoreError> {
    let row = tx.entity(&operation.key)?;
    let confirmed = tx.confirmed(&operation.key)?;
    let server: Option<Fields> = match (confirmed, &row) {
        (Some(there), _) => (!there.deleted).then_some(there.fields),
        (None, Some(row)) if row.state == RowState::Clean => Some(row.fields.clone()),
        (None, _) => None,
    };
    let of_server = |name: &str| server.as_ref().and_then(|fields| fields.get(name)).cloned();
    Ok(match &operation.changes {
        Some(changes) => changes
            .iter()
            .map(|change| ConflictField {
                field: change.field.clone(),
                base: change.old.clone(),
                local: change.new.clone(),
                server: of_server(&change.field),
            })
            .collect(),
        // A create that refers to its row.
        None => row
            .iter()
            .flat_map(|row| row.fields.iter())
            .map(|(name, value)| ConflictField {
                field: name.clone(),
                base: None,
                local: Some(value.clone()),
                server: of_server(name),
            })
            .collect(),
    })
}
