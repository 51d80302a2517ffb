//! Many writes in a stream, kept in durable parts: memory does not grow with their number.

use std::convert::Infallible;
use std::fmt;

use clarity_engine::protocol::model::{Counter, limits};
use clarity_engine::{Write, WriteError};
use serde::Serialize;

use crate::client::Client;
use crate::error::ClientError;

/// Most writes that share one transaction.
const PART_WRITES_MAX: usize = 1_000;
/// About how many bytes of fields share one transaction.
const PART_BYTES_MAX: usize = limits::PUSH_BYTES_MAX;

/// How far a batch has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct BatchProgress {
    /// The first so many writes are durable: they survive a crash and a power loss.
    pub durable: u64,
    /// How many operations they have queued: fewer where there was nothing to change.
    pub operations: u64,
    /// The first of those operations.
    pub first_operation: Option<Counter>,
    /// The last of them. Writes of others may lie between.
    pub last_operation: Option<Counter>,
}

/// Why a batch ended early. What was durable before stays: see [`BatchError::progress`].
#[derive(Debug)]
pub struct BatchError<E = Infallible> {
    /// What is durable all the same: exactly the writes before the one that failed.
    pub progress: BatchProgress,
    /// Why.
    pub cause: BatchCause<E>,
}

/// Why a batch ended early.
#[derive(Debug)]
#[non_exhaustive]
pub enum BatchCause<E = Infallible> {
    /// A write was refused.
    Refused {
        /// Which, counted from zero.
        position: u64,
        /// Why.
        reason: Box<WriteError>,
    },
    /// The source of the writes failed.
    Source(E),
    /// The client was closed or the store failed.
    Client(Box<ClientError>),
}

impl<E: fmt::Display> fmt::Display for BatchError<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            BatchCause::Refused { position, reason } => {
                write!(formatter, "write {position} was refused: {reason}")?;
            }
            BatchCause::Source(error) => write!(formatter, "{error}")?,
            BatchCause::Client(error) => write!(formatter, "{error}")?,
        }
        write!(formatter, "; the first {} writes are saved", self.progress.durable)
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for BatchError<E> {}

impl Client {
    /// Writes creates, updates and deletes from an iterator, in durable parts, each write an
    /// operation of its own that the server settles by itself. Memory is bounded by one part,
    /// whatever the number of writes; `progress` is called when a part is durable. It blocks the
    /// thread while it writes.
    ///
    /// # Errors
    /// At the first write that is refused, or when the store fails. The writes before it are
    /// durable, those from it on are not made; the error says how many.
    pub fn enqueue_batch(
        &self,
        writes: impl IntoIterator<Item = Write>,
        progress: impl FnMut(BatchProgress),
    ) -> Result<BatchProgress, BatchError> {
        self.try_enqueue_batch(writes.into_iter().map(Ok), progress)
    }

    /// As [`Client::enqueue_batch`], from a source that may fail itself, such as a file.
    ///
    /// # Errors
    /// As [`Client::enqueue_batch`]; and at the first error of the source.
    pub fn try_enqueue_batch<E>(
        &self,
        writes: impl IntoIterator<Item = Result<Write, E>>,
        progress: impl FnMut(BatchProgress),
    ) -> Result<BatchProgress, BatchError<E>> {
        let mut batch = Batch { client: self, done: BatchProgress::default(), progress };
        let mut part = Part::default();
        for write in writes {
            let write = match write {
                Ok(write) => write,
                Err(error) => {
                    batch.put(&mut part)?;
                    return Err(batch.failed(BatchCause::Source(error)));
                }
            };
            let bytes = bytes_of(&write);
            if part.is_full_with(bytes) {
                batch.put(&mut part)?;
            }
            part.bytes += bytes;
            part.writes.push(write);
        }
        batch.put(&mut part)?;
        Ok(batch.done)
    }
}

/// Writes that share a transaction.
#[derive(Default)]
struct Part {
    writes: Vec<Write>,
    bytes: usize,
}

impl Part {
    fn is_full_with(&self, bytes: usize) -> bool {
        let full = self.writes.len() >= PART_WRITES_MAX || self.bytes + bytes > PART_BYTES_MAX;
        full && !self.writes.is_empty()
    }
}

fn bytes_of(write: &Write) -> usize {
    match write {
        Write::Create { fields, .. } => fields.to_canonical_json().len(),
        Write::Update { changes, .. } => {
            serde_json::to_string(changes).map_or(0, |text| text.len())
        }
        _ => 0,
    }
}

struct Batch<'c, P> {
    client: &'c Client,
    done: BatchProgress,
    progress: P,
}

impl<P: FnMut(BatchProgress)> Batch<'_, P> {
    fn failed<E>(&self, cause: BatchCause<E>) -> BatchError<E> {
        BatchError { progress: self.done, cause }
    }

    /// Makes a part durable. If a write of it is refused, those before it are.
    fn put<E>(&mut self, part: &mut Part) -> Result<(), BatchError<E>> {
        let mut writes = std::mem::take(part).writes;
        let mut refused = None;
        while !writes.is_empty() {
            match self.client.write(Write::Batch { atomic: false, writes: writes.clone() }) {
                Ok(written) => {
                    self.done.durable += writes.len() as u64;
                    self.done.operations += written.operations.len() as u64;
                    let first = written.operations.first().copied();
                    self.done.first_operation = self.done.first_operation.or(first);
                    let last = written.operations.last().copied();
                    self.done.last_operation = last.or(self.done.last_operation);
                    (self.progress)(self.done);
                    break;
                }
                Err(ClientError::Write(WriteError::InBatch { position, reason })) => {
                    writes.truncate(position);
                    refused = Some(reason);
                }
                Err(error) => return Err(self.failed(BatchCause::Client(Box::new(error)))),
            }
        }
        match refused {
            None => Ok(()),
            Some(reason) => {
                let position = self.done.durable;
                Err(self.failed(BatchCause::Refused { position, reason }))
            }
        }
    }
}
