//! A handle of one operation: where it is, what became of it, to look at, to await or to follow.

use clarity_engine::protocol::model::Counter;
use clarity_engine::store::{EndedAs, OperationState, StoreTransaction};
use clarity_engine::{ConflictId, FailureReason, WriteError};
use serde::Serialize;
use tokio::sync::broadcast;

use crate::client::{Client, OperationStatus, status_of};
use crate::error::ClientError;
use crate::watch::Live;

/// A handle of an operation of this device. It holds nothing but the number, so that one made after
/// a restart, or for an operation of another process, is as good as the first.
#[derive(Debug, Clone)]
pub struct OperationHandle {
    client: Client,
    operation: Counter,
}

/// What became of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum OperationOutcome {
    /// It is part of the server's state as it was written. Also said of operations that ended so
    /// long ago that no more is recorded.
    Applied,
    /// It is part of the server's state together with changes of others.
    Merged,
    /// Another value won; the losing one is in the history.
    Superseded,
    /// A later operation took its place: a retry, or the resolution of a conflict.
    Resolved {
        /// That operation, if it is known.
        by: Option<Counter>,
    },
    /// The server refused it and a person gave it up.
    Rejected,
    /// A person took it back, or it had no effect left that could be sent.
    Cancelled,
    /// The server refused it, and it waits for a person. Not its end: it may be awaited again.
    Failed {
        /// Why, for programs.
        reason: FailureReason,
        /// Why, in words.
        message: String,
    },
    /// It waits in the conflict inbox. Not its end: it may be awaited again.
    Conflict {
        /// The conflict.
        conflict: Option<ConflictId>,
    },
}

impl Client {
    /// A handle of an operation of this store.
    #[must_use]
    pub fn operation(&self, operation: Counter) -> OperationHandle {
        OperationHandle { client: self.clone(), operation }
    }
}

impl OperationHandle {
    /// The operation's number.
    #[must_use]
    pub fn operation(&self) -> Counter {
        self.operation
    }

    /// Where it is; nothing for one that this store never made.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn state(&self) -> Result<Option<OperationStatus>, ClientError> {
        self.client.read(|tx| state(tx, self.operation))
    }

    /// What became of it, if anything did yet; nothing while it is to be sent, on its way or tried
    /// again by itself.
    ///
    /// # Errors
    /// When the store cannot be read; [`WriteError::NoSuchOperation`] for one that this store
    /// never made.
    pub fn outcome_now(&self) -> Result<Option<OperationOutcome>, ClientError> {
        self.client.read(|tx| outcome(tx, self.operation))
    }

    /// Waits until something has become of it: until it has ended, or needs a person. It sends
    /// nothing by itself: something must synchronise the store, in this process or another one.
    /// Dropping the future changes nothing.
    ///
    /// # Errors
    /// As [`OperationHandle::outcome_now`].
    pub async fn outcome(&self) -> Result<OperationOutcome, ClientError> {
        // From here on nothing is missed, also of what other processes write.
        let mut changes = self.client.watch();
        loop {
            if let Some(outcome) = self.outcome_now()? {
                return Ok(outcome);
            }
            if let Err(broadcast::error::RecvError::Closed) = changes.recv().await {
                return Err(ClientError::Closed);
            }
        }
    }

    /// Follows its states: the present one, and then each that differs from the one before. States
    /// that pass between two looks are left out.
    #[must_use]
    pub fn states(&self) -> Live<Option<OperationStatus>> {
        let operation = self.operation;
        let read = move |client: &Client| client.operation(operation).state();
        self.client.live(Box::new(|changes| changes.status), Box::new(read))
    }
}

fn state(
    tx: &StoreTransaction<'_>,
    operation: Counter,
) -> Result<Option<OperationStatus>, ClientError> {
    if let Some(waiting) = tx.operation(operation)? {
        return Ok(Some(status_of(waiting.state)));
    }
    if operation >= tx.next_counter()? || operation == Counter(0) {
        return Ok(None);
    }
    Ok(Some(match tx.ended(operation)?.map(|ended| ended.outcome) {
        Some(EndedAs::Resolved | EndedAs::Rejected | EndedAs::Cancelled) => {
            OperationStatus::Cancelled
        }
        _ => OperationStatus::Completed,
    }))
}

fn outcome(
    tx: &StoreTransaction<'_>,
    operation: Counter,
) -> Result<Option<OperationOutcome>, ClientError> {
    let Some(waiting) = tx.operation(operation)? else {
        if operation >= tx.next_counter()? || operation == Counter(0) {
            return Err(WriteError::NoSuchOperation(operation).into());
        }
        let ended = tx.ended(operation)?;
        return Ok(Some(match ended.map(|ended| (ended.outcome, ended.resolved_by)) {
            None | Some((EndedAs::Applied, _)) => OperationOutcome::Applied,
            Some((EndedAs::Merged, _)) => OperationOutcome::Merged,
            Some((EndedAs::Superseded, _)) => OperationOutcome::Superseded,
            Some((EndedAs::Resolved, by)) => OperationOutcome::Resolved { by },
            Some((EndedAs::Rejected, _)) => OperationOutcome::Rejected,
            Some((EndedAs::Cancelled, _)) => OperationOutcome::Cancelled,
        }));
    };
    Ok(match waiting.state {
        OperationState::Failed => {
            let error = waiting.error;
            let code = error.as_ref().map_or("unknown", |error| error.code.as_str());
            let reason = FailureReason::from_code(code);
            let message = error.map(|error| error.message).unwrap_or_default();
            Some(OperationOutcome::Failed { reason, message })
        }
        OperationState::Conflicted => {
            let conflict = tx.conflict_of(&waiting.key)?.map(|record| ConflictId(record.id));
            Some(OperationOutcome::Conflict { conflict })
        }
        _ => None,
    })
}
