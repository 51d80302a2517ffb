//! Connections that only read, as many as there are reads at the same time: no read waits for
//! another one, for a write, or for a sync in progress.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clarity_engine::protocol::model::Schema;
use clarity_engine::store::{OpenOptions, Reader, Store, StoreTransaction};

use super::Worker;
use crate::error::ClientError;

/// How many connections stay open while nobody reads.
const KEPT_MAX: usize = 4;

/// The connections of one client.
pub(crate) struct Readers {
    options: OpenOptions,
    schema: Arc<Schema>,
    idle: Mutex<Vec<Reader>>,
}

impl Readers {
    /// Opens the first connection, so that an obstacle shows at once.
    pub(crate) fn open(
        _worker: &Worker,
        options: OpenOptions,
        schema: Arc<Schema>,
    ) -> Result<Self, ClientError> {
        let first = Store::open_reader(&options, Arc::clone(&schema))?;
        Ok(Self { options, schema, idle: Mutex::new(vec![first]) })
    }

    /// Reads everything as it is at one moment. Reads may be nested.
    pub(crate) fn read<T>(
        &self,
        part: impl FnOnce(&mut StoreTransaction<'_>) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let idle = self.idle().pop();
        let mut reader = match idle {
            Some(reader) => reader,
            None => Store::open_reader(&self.options, Arc::clone(&self.schema))?,
        };
        // A connection that failed, or whose reader panicked, is closed and not used again.
        let result = part(&mut reader.snapshot()?)?;
        let mut idle = self.idle();
        if idle.len() < KEPT_MAX {
            idle.push(reader);
        }
        Ok(result)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Reader>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
