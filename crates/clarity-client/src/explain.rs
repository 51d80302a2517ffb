//! Why something is not at the server.

use std::sync::PoisonError;

use clarity_engine::protocol::model::{Counter, EntityKey};
use clarity_engine::{EntityExplanation, Explanation};

use crate::client::Client;
use crate::error::ClientError;
use crate::platform::is_drained;

/// Who keeps a store in sync at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum SyncedBy {
    /// This client.
    ThisClient,
    /// Another client, of this process or another one.
    Another,
    /// Nobody: what is written waits.
    Nobody,
}

impl Client {
    /// Why an operation of this device is not at the server, since when, who must act, and what
    /// happens next; nothing for one that was never made.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn why_not_synced(&self, operation: Counter) -> Result<Option<Explanation>, ClientError> {
        let running = self.synced_by()? != SyncedBy::Nobody;
        self.read(|tx| Ok(self.engine().why_not_synced(tx, operation, running)?))
    }

    /// What the server has of an entity, what waits for it and why, and what it depends on;
    /// nothing when this device knows nothing of it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn explain(&self, key: &EntityKey) -> Result<Option<EntityExplanation>, ClientError> {
        let running = self.synced_by()? != SyncedBy::Nobody;
        self.read(|tx| Ok(self.engine().explain(tx, key, running)?))
    }

    /// Who keeps the store in sync at the moment.
    ///
    /// # Errors
    /// When the file of the lock cannot be read.
    pub fn synced_by(&self) -> Result<SyncedBy, ClientError> {
        let own = self.effects().lock().unwrap_or_else(PoisonError::into_inner).is_none();
        Ok(match (is_drained(self.path(), own)?, own) {
            (true, true) => SyncedBy::ThisClient,
            (true, false) => SyncedBy::Another,
            (false, _) => SyncedBy::Nobody,
        })
    }
}
