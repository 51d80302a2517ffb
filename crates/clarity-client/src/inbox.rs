//! What waits for a person, what lost, and what a person does about both.

use std::collections::BTreeMap;

use clarity_engine::protocol::model::{Counter, EntityKey, LocalTime};
use clarity_engine::store::{OperationState, QueuedOperation, StoreTransaction};
use clarity_engine::{
    ConflictField, FailureReason, HistoryEntry, HistoryId, Preview, Write, WriteError, Written,
};
use serde::Serialize;
use serde_json::Value;

use crate::client::{Client, QueuedChange, queued};
use crate::error::ClientError;
use crate::storing::now;

/// An operation that failed and waits for a person, or is tried again later.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct FailedOperation {
    /// The operation.
    #[serde(flatten)]
    pub change: QueuedChange,
    /// Why, for programs.
    pub reason: FailureReason,
    /// The reason as the server named it.
    pub code: String,
    /// Why, in words.
    pub message: String,
    /// When it failed the last time, by this device's clock.
    pub failed_at: Option<LocalTime>,
    /// What it changes: what its writer saw, what it wants, and what the server has now.
    pub differences: Vec<ConflictField>,
    /// The operations that wait for it and would be lost with it.
    pub dependents: Vec<Counter>,
}

/// What became of many operations at once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct BulkReport {
    /// How many were retried or discarded.
    pub done: u64,
    /// How many could not be.
    pub left: u64,
    /// The first of those, at most [`BulkReport::REASONS_MAX`], with the reason.
    pub reasons: Vec<LeftOperation>,
}

impl BulkReport {
    /// Most operations whose reason is kept.
    pub const REASONS_MAX: usize = 100;
}

/// An operation that could not be retried or discarded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct LeftOperation {
    /// Which.
    pub operation: Counter,
    /// Why, in words.
    pub message: String,
}

/// How many operations one step of a long run takes.
const PAGE: usize = 500;
const FAILED: [OperationState; 2] = [OperationState::Failed, OperationState::SetAside];

impl Client {
    /// Operations that failed and wait for a person, in order, after `after`, at most `limit`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn failed(
        &self,
        after: Counter,
        limit: usize,
    ) -> Result<Vec<FailedOperation>, ClientError> {
        let operations = self.in_states(&FAILED, after, limit)?;
        self.read(|tx| operations.into_iter().map(|one| self.described(tx, one)).collect())
    }

    /// One failed operation; nothing when there is none with this number.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn failed_operation(
        &self,
        operation: Counter,
    ) -> Result<Option<FailedOperation>, ClientError> {
        self.read(|tx| {
            let found = tx.operation(operation)?.filter(|one| FAILED.contains(&one.state));
            found.map(|one| self.described(tx, one)).transpose()
        })
    }

    /// Shows every failed operation in order, or those with one reason, and says how many there
    /// were: for an export. It reads a part at a time.
    ///
    /// # Errors
    /// When the store cannot be read, or `each` fails.
    pub fn each_failed<E: From<ClientError>>(
        &self,
        reason: Option<FailureReason>,
        mut each: impl FnMut(&FailedOperation) -> Result<(), E>,
    ) -> Result<u64, E> {
        let (mut after, mut shown) = (Counter(0), 0);
        loop {
            let page = self.failed(after, PAGE)?;
            let Some(last) = page.last() else { return Ok(shown) };
            after = last.change.operation;
            for failed in page.iter().filter(|one| reason.is_none_or(|why| why == one.reason)) {
                each(failed)?;
                shown += 1;
            }
        }
    }

    fn described(
        &self,
        tx: &StoreTransaction<'_>,
        mut operation: QueuedOperation,
    ) -> Result<FailedOperation, ClientError> {
        let differences = self.engine().differences(tx, &operation)?;
        let dependents = tx.children(operation.counter)?;
        let error = operation.error.take();
        let failed_at = error.as_ref().map(|error| error.at);
        let (code, message) = match error {
            Some(error) => (error.code, error.message),
            None => ("unknown".to_owned(), "the reason was not recorded".to_owned()),
        };
        let mut change = queued(operation);
        change.fields = differences.iter().map(|difference| difference.field.clone()).collect();
        let reason = FailureReason::from_code(&code);
        Ok(FailedOperation { change, reason, code, message, failed_at, differences, dependents })
    }

    /// Sends a failed operation again. It gets a new number, and keeps its place among the
    /// operations of its entity.
    ///
    /// # Errors
    /// As [`Client::write`]; when it has not failed.
    pub fn retry(&self, operation: Counter) -> Result<Written, ClientError> {
        self.write(Write::Retry { operation })
    }

    /// Changes what a failed operation wants, field by field, and sends it again in its place.
    /// Fields that are not named stay as the operation has them; an absent value removes a field.
    ///
    /// # Errors
    /// As [`Client::write`]; when it has not failed, is a delete, or may have arrived.
    pub fn edit_and_retry(
        &self,
        operation: Counter,
        changes: BTreeMap<String, Option<Value>>,
    ) -> Result<Written, ClientError> {
        self.write(Write::EditAndRetry { operation, changes })
    }

    /// Gives up a failed operation. What it wanted is kept in the history, and can be undone.
    ///
    /// # Errors
    /// As [`Client::write`]; when it has not failed, or others depend on it.
    pub fn discard(&self, operation: Counter) -> Result<Written, ClientError> {
        self.write(Write::Discard { operation })
    }

    /// Gives up a failed operation with everything that depends on it.
    ///
    /// # Errors
    /// As [`Client::write`]; when it has not failed.
    pub fn discard_with_dependents(&self, operation: Counter) -> Result<Written, ClientError> {
        self.write(Write::DiscardWithDependents { operation })
    }

    /// Sends all failed operations again, or those with one reason. Each is a write of its own: an
    /// error leaves what was done.
    ///
    /// # Errors
    /// When the client is closed or the store fails.
    pub fn retry_all(&self, reason: Option<FailureReason>) -> Result<BulkReport, ClientError> {
        self.in_bulk(reason, |operation| Write::Retry { operation })
    }

    /// Gives up all failed operations with one reason. Each is a write of its own: an error leaves
    /// what was done. Those that others depend on stay.
    ///
    /// # Errors
    /// When the client is closed or the store fails.
    pub fn discard_all(&self, reason: FailureReason) -> Result<BulkReport, ClientError> {
        self.in_bulk(Some(reason), |operation| Write::Discard { operation })
    }

    fn in_bulk(
        &self,
        reason: Option<FailureReason>,
        write: impl Fn(Counter) -> Write,
    ) -> Result<BulkReport, ClientError> {
        let mut report = BulkReport::default();
        // What is queued meanwhile is not part of it.
        let newest = self.newest_operation()?;
        let mut after = Counter(0);
        loop {
            let mut page = self.in_states(&FAILED, after, PAGE)?;
            page.retain(|operation| operation.counter <= newest);
            let Some(last) = page.last() else { return Ok(report) };
            after = last.counter;
            let wanted = page.iter().filter(|one| reason.is_none_or(|why| why == reason_of(one)));
            let mut waiting = Vec::with_capacity(page.len());
            for operation in wanted {
                let written = self.worker().write(write(operation.counter))?;
                waiting.push((operation.counter, written));
            }
            for (operation, written) in waiting {
                report.note(operation, written.wait())?;
            }
        }
    }

    /// Takes back one operation, while later ones of the entity stay. One that is on its way is
    /// hidden at once, and taken back at the server after its answer.
    ///
    /// # Errors
    /// As [`Client::write`]; when others depend on it, or it has ended.
    pub fn rollback(&self, operation: Counter) -> Result<Written, ClientError> {
        self.write(Write::Rollback { operation })
    }

    /// Takes back everything that waits or is on its way for an entity.
    ///
    /// # Errors
    /// As [`Client::write`]; when nothing waits.
    pub fn rollback_entity(&self, key: &EntityKey) -> Result<Written, ClientError> {
        self.write(Write::RollbackEntity { key: key.clone() })
    }

    /// Brings back what lost, by a normal operation.
    ///
    /// # Errors
    /// As [`Client::write`]; when nothing can be brought back as things stand.
    pub fn undo(&self, history: HistoryId) -> Result<Written, ClientError> {
        self.write(Write::Undo { history })
    }

    /// What a write would do. Nothing of it stays, and nothing is sent.
    ///
    /// # Errors
    /// Why the write would be refused; when the client is closed or the store fails.
    pub fn preview(&self, write: Write) -> Result<Preview, ClientError> {
        self.preview_all(vec![write])
    }

    /// What some writes would do, one after the other.
    ///
    /// # Errors
    /// As [`Client::preview`]; when they would change more than 1,000 entities.
    pub fn preview_all(&self, writes: Vec<Write>) -> Result<Preview, ClientError> {
        self.worker().run(move |device| device.preview(writes, now()))?
    }

    /// Values that lost in the last 30 days, oldest first, after `after`, at most `limit`; of one
    /// entity or of all.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn history(
        &self,
        key: Option<&EntityKey>,
        after: Option<HistoryId>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, ClientError> {
        self.read(|tx| Ok(self.engine().history(tx, key, after, limit)?))
    }

    /// One value that lost; nothing when there is none with this name, or it is too old.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn history_entry(&self, id: HistoryId) -> Result<Option<HistoryEntry>, ClientError> {
        self.read(|tx| Ok(self.engine().history_entry(tx, id)?))
    }
}

fn reason_of(operation: &QueuedOperation) -> FailureReason {
    let code = operation.error.as_ref().map(|error| error.code.as_str());
    code.map_or(FailureReason::Unknown, FailureReason::from_code)
}

impl BulkReport {
    fn note(
        &mut self,
        operation: Counter,
        result: Result<Written, ClientError>,
    ) -> Result<(), ClientError> {
        match result {
            Ok(_) => self.done += 1,
            // It went with another one: they had travelled together, or are one atomic batch.
            Err(ClientError::Write(WriteError::NoSuchOperation(_) | WriteError::NotFailed(_))) => {
                self.done += 1
            }
            Err(ClientError::Write(WriteError::Store(error))) => return Err(error.into()),
            Err(ClientError::Write(refused)) => {
                self.left += 1;
                if self.reasons.len() < Self::REASONS_MAX {
                    let message = refused.to_string();
                    self.reasons.push(LeftOperation { operation, message });
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
