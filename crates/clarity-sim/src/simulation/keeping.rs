//! Devices that keep little: what they gave up must be known, and only what the server has may go
//! (promise I10).

use std::collections::BTreeMap;

use clarity_engine::protocol::model::{EntityKey, Version};
use clarity_engine::{Engine, StorageSettings};
use clarity_store::{Month, RowState, StoreError, StoreTransaction, StoredEntity};

use super::dice::Dice;
use super::stage::{Violation, ensure};

/// Largest difference between what a device holds at first and what it may keep, in bytes.
const ROOM_MAX: i64 = 60_000;

/// How much a device keeps where space is short: some everything, some nothing that may go, some a
/// little.
pub(crate) fn draw_settings(dice: &mut Dice, live_bytes: u64) -> Option<StorageSettings> {
    let file_bytes = match dice.index(10) {
        0..4 => return None,
        4..7 => 0,
        _ => live_bytes.saturating_add_signed(dice.between(0, ROOM_MAX)),
    };
    // A third is for the log.
    let budget_bytes = file_bytes / 2 * 3;
    Some(StorageSettings { budget_bytes, ..StorageSettings::default() })
}

/// What the device gave up and knows of.
#[derive(Debug, Default)]
pub(crate) struct GivenUp {
    entities: BTreeMap<EntityKey, Version>,
    months: Vec<(String, Month)>,
}

impl GivenUp {
    pub(crate) fn of(transaction: &StoreTransaction<'_>) -> Result<Self, StoreError> {
        let mut entities = BTreeMap::new();
        for key in transaction.evicted_entities(None, usize::MAX)? {
            let marker = transaction.evicted_entity(&key)?;
            entities.extend(marker.map(|marker| (key, marker.version)));
        }
        let months = transaction.evicted_months(None)?.into_iter();
        let months = months.map(|marker| (marker.entity_type.as_str().to_owned(), marker.month));
        Ok(Self { entities, months: months.collect() })
    }

    /// Whether this version of an entity, which is not on the device, was given up.
    pub(crate) fn has(&self, key: &EntityKey, version: Version) -> bool {
        let alone = self.entities.get(key) == Some(&version);
        let month = Month::of_key(key);
        let with_others = self.months.iter().any(|(entity_type, there)| {
            key.entity_type.as_str() == entity_type && month == Some(*there)
        });
        alone || with_others
    }

    /// The entities with a marker of their own.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &EntityKey> {
        self.entities.keys()
    }
}

/// A row that a transaction takes away was of nothing that the server had, or is known to have
/// been given up.
pub(crate) fn vanished(
    transaction: &StoreTransaction<'_>,
    engine: &Engine,
    key: &EntityKey,
    before: &StoredEntity,
) -> Result<Result<(), Violation>, StoreError> {
    let unknown = before.version == Version(0) && before.state != RowState::Clean;
    let known = unknown || engine.absence(transaction, key)?.is_some();
    let waits = !transaction.lane(key)?.is_empty();
    let critical = key.entity_type.as_str() == "UserPreference";
    // What is not followed goes without a word, by the days of the server.
    let scope = engine.scope(transaction)?.scope;
    let followed =
        scope.follows(key.entity_type.as_str()) && !scope.windows.contains_key(&key.entity_type);
    let known = known || !followed;
    Ok(ensure(known && !waits && (unknown || !critical), "I10", || {
        format!("{key} ({:?}) was taken off the device", before.state)
    }))
}
