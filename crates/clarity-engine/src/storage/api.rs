//! What an app asks of the storage of a device.

use clarity_model::{EntityKey, EntityType, Priority};
use clarity_store::{StoreError, StoreTransaction, Unit};

use super::{Absence, StorageReport, StorageSettings, arrive, evict, report};
use crate::{Engine, Wanted};

impl Engine {
    /// Sets how much is kept on the device. It takes effect with the next event.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn set_storage(
        &self,
        tx: &mut StoreTransaction<'_>,
        settings: &StorageSettings,
    ) -> Result<(), StoreError> {
        super::set(tx, settings)
    }

    /// Gives an entity, here or not, a priority of its own instead of its type's; nothing takes it
    /// back.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn keep(
        &self,
        tx: &mut StoreTransaction<'_>,
        key: &EntityKey,
        priority: Option<Priority>,
    ) -> Result<(), StoreError> {
        super::keep(tx, key, priority)
    }

    /// What the store holds and what was given up. It takes time in proportion to the store.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn storage(&self, tx: &StoreTransaction<'_>) -> Result<StorageReport, StoreError> {
        report::report(tx)
    }

    /// What would be given up first, in the order in which it would go, at most `limit`: months of
    /// samples and single entities, of these not more than [`super::EVICTION_SLICE_ROWS`] a type.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn next_to_go(
        &self,
        tx: &StoreTransaction<'_>,
        limit: usize,
    ) -> Result<Vec<Unit>, StoreError> {
        evict::next_to_go(tx, limit)
    }

    /// What is known of an entity that is not on this device; nothing for one that is, and for one
    /// that was never given up.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn absence(
        &self,
        tx: &StoreTransaction<'_>,
        key: &EntityKey,
    ) -> Result<Option<Absence>, StoreError> {
        let key = tx.present_key(key)?;
        if tx.entity(&key)?.is_some() {
            return Ok(None);
        }
        report::absence(tx, &key)
    }

    /// What was given up of a type and may lie in a stretch of its own time, in milliseconds since
    /// 1970 UTC, as wishes for a fetch: months by their times, and at most so many single entities,
    /// whose times are not known any more.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn away(
        &self,
        tx: &StoreTransaction<'_>,
        entity_type: &EntityType,
        range_ms: (i64, i64),
        entities_max: usize,
    ) -> Result<Vec<Wanted>, StoreError> {
        arrive::away(tx, entity_type, range_ms, entities_max)
    }

    /// How large the main file and the log of the store may be by its budget, in bytes.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn space(&self, tx: &StoreTransaction<'_>) -> Result<(u64, u64), StoreError> {
        let settings = StorageSettings::of(tx)?;
        Ok((settings.file_bytes(), settings.log_bytes()))
    }
}
