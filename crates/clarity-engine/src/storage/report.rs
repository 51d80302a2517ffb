//! What the store holds, what protects it, and what was given up, for people.

use clarity_model::{EntityKey, EntityType, Priority, ServerTime};
use clarity_store::{
    EvictedMonth, Eviction, EvictionReason, StoreError, StoreTransaction, WishState,
};
use serde::Serialize;

use super::{StorageSettings, limit};

/// How many evictions a report names.
const EVICTIONS_SHOWN: usize = 100;

/// What the store holds and what was given up.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct StorageReport {
    /// How much is kept.
    pub settings: StorageSettings,
    /// What is in use of the main file, in bytes.
    pub live_bytes: u64,
    /// Whether that is more than the budget leaves to it: what is left is protected.
    pub over_budget: bool,
    /// Whether the hard limit is reached, so that no new change is taken.
    pub full: bool,
    /// Each type that is here or was given up.
    pub types: Vec<TypeStorage>,
    /// What may not be given up, and why.
    pub protected: Vec<Protected>,
    /// How many entities were ever given up on this device.
    pub evicted_total: u64,
    /// How many bytes that gave back.
    pub evicted_bytes_total: u64,
    /// The months of which samples are not here.
    pub months: Vec<EvictedMonth>,
    /// The latest evictions, the newest first.
    pub evictions: Vec<Eviction>,
}

/// What is here of a type, and what is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct TypeStorage {
    /// The type.
    #[serde(rename = "type")]
    pub entity_type: EntityType,
    /// Its priority.
    pub priority: Priority,
    /// Entities that are here.
    pub entities: u64,
    /// The bytes of its table and indexes; nothing when this build cannot tell, or when it shares
    /// its table with others.
    pub bytes: Option<u64>,
    /// Entities that were given up and not fetched since.
    pub evicted: u64,
}

/// Protection something may not be given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum Protection {
    /// Changes that wait or are on their way.
    Unsynced,
    /// Changes that were refused.
    Failed,
    /// Changes that are tried again later.
    SetAside,
    /// Changes in the conflict inbox.
    Conflict,
    /// Entities that the server has acknowledged and this device has not read back yet.
    NotReadBack,
    /// Entities of a critical type or with that priority.
    Critical,
}

/// How much may not be given up for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Protected {
    /// Protection.
    pub why: Protection,
    /// How many changes or entities.
    pub count: u64,
}

/// What is known of an entity that is not on this device although the server may have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Absence {
    /// When it was given up, by the server's clock.
    pub evicted_at: ServerTime,
    /// Protection.
    pub reason: EvictionReason,
    /// Whether it certainly was: of samples only months are remembered.
    pub certain: bool,
    /// Whether it is being fetched.
    pub wanted: bool,
    /// Protection the server does not give it, when it was asked.
    pub refused: Option<String>,
}

/// What is known of an entity that is not on this device.
pub(crate) fn absence(
    tx: &StoreTransaction<'_>,
    key: &EntityKey,
) -> Result<Option<Absence>, StoreError> {
    let (evicted_at, reason, certain) = if let Some(marker) = tx.evicted_entity(key)? {
        (marker.evicted_at, marker.reason, true)
    } else {
        let Some(month) = tx.evicted_month_of(key)? else { return Ok(None) };
        let Some(marker) = tx.evicted_month(&key.entity_type, month)? else { return Ok(None) };
        (marker.evicted_at, marker.reason, false)
    };
    let wish = tx.key_wanted(key)?;
    Ok(Some(Absence {
        evicted_at,
        reason,
        certain,
        wanted: wish == Some(WishState::Waiting),
        refused: match wish {
            Some(WishState::Refused(why)) => Some(why),
            _ => None,
        },
    }))
}

pub(crate) fn report(tx: &StoreTransaction<'_>) -> Result<StorageReport, StoreError> {
    let settings = StorageSettings::of(tx)?;
    let live_bytes = tx.live_bytes()?;
    let months = tx.evicted_months(None)?;
    let types = types(tx, &months)?;
    let metric = |name: &str| Ok::<_, StoreError>(tx.metric(name)?.cast_unsigned());
    Ok(StorageReport {
        settings,
        live_bytes,
        over_budget: live_bytes > settings.file_bytes(),
        full: limit::is_full(tx)?,
        protected: protected(tx, &types)?,
        types,
        evicted_total: metric("evictions")?,
        evicted_bytes_total: metric("evicted_bytes")?,
        months,
        evictions: tx.evictions(EVICTIONS_SHOWN)?,
    })
}

fn types(
    tx: &StoreTransaction<'_>,
    months: &[EvictedMonth],
) -> Result<Vec<TypeStorage>, StoreError> {
    let single = tx.count_evicted_entities()?;
    let mut names = tx.entity_types()?;
    names.extend(single.iter().map(|(entity_type, _)| entity_type.clone()));
    names.extend(months.iter().map(|marker| marker.entity_type.clone()));
    names.sort();
    names.dedup();
    let mut types = Vec::with_capacity(names.len());
    for entity_type in names {
        let alone = single.iter().filter(|(name, _)| *name == entity_type).map(|(_, count)| count);
        let in_months = months.iter().filter(|marker| marker.entity_type == entity_type);
        let evicted = alone.sum::<u64>() + in_months.map(|marker| marker.count).sum::<u64>();
        types.push(TypeStorage {
            priority: tx.schema().type_schema(&entity_type).priority,
            entities: tx.count_entities(&entity_type)?,
            bytes: tx.table_bytes(&entity_type)?,
            evicted,
            entity_type,
        });
    }
    Ok(types)
}

fn protected(
    tx: &StoreTransaction<'_>,
    types: &[TypeStorage],
) -> Result<Vec<Protected>, StoreError> {
    let counts = tx.queue_counts()?;
    let critical = types.iter().filter(|one| one.priority == Priority::Critical);
    let critical = critical.map(|one| one.entities).sum::<u64>() + tx.count_kept_critical()?;
    let mut unread = 0;
    for one in types {
        unread += tx.count_unread(&one.entity_type)?;
    }
    let all = [
        (Protection::Unsynced, counts.ready + counts.blocked + counts.in_flight),
        (Protection::Failed, counts.failed),
        (Protection::SetAside, counts.set_aside),
        (Protection::Conflict, counts.conflicted),
        (Protection::NotReadBack, unread),
        (Protection::Critical, critical),
    ];
    let some = all.into_iter().filter(|(_, count)| *count > 0);
    Ok(some.map(|(why, count)| Protected { why, count }).collect())
}
