//! Reads over the one connection that there is.

use std::sync::Arc;

use clarity_engine::protocol::model::Schema;
use clarity_engine::store::{OpenOptions, Store, StoreTransaction};

use super::Worker;
use super::worker::Place;
use crate::error::ClientError;

/// The way to read.
pub(crate) struct Readers {
    place: Arc<Place>,
    options: OpenOptions,
    schema: Arc<Schema>,
}

impl Readers {
    pub(crate) fn open(
        worker: &Worker,
        options: OpenOptions,
        schema: Arc<Schema>,
    ) -> Result<Self, ClientError> {
        Ok(Self { place: Arc::clone(worker.place()), options, schema })
    }

    /// Reads everything as it is at one moment. Reads may be nested: the inner one has a connection
    /// of its own.
    pub(crate) fn read<T>(
        &self,
        part: impl FnOnce(&mut StoreTransaction<'_>) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let result = match self.place.storing() {
            Some(mut storing) => storing.read(part),
            None => {
                let mut reader = Store::open_reader(&self.options, Arc::clone(&self.schema))?;
                part(&mut reader.snapshot()?)
            }
        };
        // What was asked for from within has waited for the end.
        self.place.turn();
        result
    }
}
