//! What a person at a terminal, a support page or a check asks a store about itself.

use clarity_engine::protocol::model::Counter;
use clarity_engine::store::{Ended, OperationState, QueuedOperation, StoreSize};

use crate::client::Client;
use crate::error::ClientError;

/// What is known of one operation of this device.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum KnownOperation {
    /// It is in the queue.
    Queued(Box<QueuedOperation>),
    /// It ended in another way than as it was written.
    Ended(Ended),
    /// It ended as it was written, or so long ago that no more is recorded.
    Settled,
}

impl KnownOperation {
    /// Whether the operation waits for nothing and nobody any more.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        !matches!(self, Self::Queued(_))
    }

    /// Whether the operation is set aside for a person: failed or in conflict.
    #[must_use]
    pub fn waits_for_a_person(&self) -> bool {
        match self {
            Self::Queued(operation) => {
                matches!(operation.state, OperationState::Failed | OperationState::Conflicted)
            }
            _ => false,
        }
    }
}

impl Client {
    /// Whether what this store writes is encrypted; in a browser it never is.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn is_encrypted(&self) -> Result<bool, ClientError> {
        Ok(crate::platform::is_encrypted(self.path())?)
    }

    /// The number of the newest operation that this store made; zero before the first. They are
    /// numbered from 1 without gaps.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn newest_operation(&self) -> Result<Counter, ClientError> {
        self.read(|tx| Ok(Counter(tx.next_counter()?.0.saturating_sub(1))))
    }

    /// Shows every operation that this store ever made, in order, as one consistent view.
    ///
    /// # Errors
    /// When the store cannot be read, or `each` fails.
    pub fn each_operation(
        &self,
        mut each: impl FnMut(Counter, &KnownOperation) -> Result<(), ClientError>,
    ) -> Result<(), ClientError> {
        self.read(|tx| {
            for number in 1..tx.next_counter()?.0 {
                let counter = Counter(number);
                let known = match (tx.operation(counter)?, tx.ended(counter)?) {
                    (Some(operation), _) => KnownOperation::Queued(Box::new(operation)),
                    (None, Some(ended)) => KnownOperation::Ended(ended),
                    (None, None) => KnownOperation::Settled,
                };
                each(counter, &known)?;
            }
            Ok(())
        })
    }

    /// Looks for damage in the whole store: up to `limit` findings, without values; none is good.
    /// Takes time in proportion to the size of the store, and writes wait for it.
    ///
    /// # Errors
    /// When the store cannot be read at all.
    pub fn damages(&self, limit: u32) -> Result<Vec<String>, ClientError> {
        self.worker().run(move |device| Ok(device.store().damages(limit)?))?
    }

    /// How large the store is.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn size(&self) -> Result<StoreSize, ClientError> {
        self.worker().run(|device| Ok(device.store().size()?))?
    }

    /// Bounds the size of the store's file, for this client: a write beyond it fails with
    /// [`ErrorKind::StorageFull`](crate::ErrorKind::StorageFull) and changes nothing.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn set_size_limit(&self, bytes: u64) -> Result<(), ClientError> {
        self.worker().run(move |device| Ok(device.store().set_size_limit(bytes)?))?
    }
}
