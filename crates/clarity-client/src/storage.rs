//! How much is kept on the device, what was given up for space, and getting it back.

use std::ops::Range;

use clarity_engine::protocol::model::{Entity, EntityKey, EntityType, Priority};
use clarity_engine::store::{Comparison, Eviction, Query};
use clarity_engine::{Absence, Event, StorageReport, StorageSettings, Wanted};
use serde::Serialize;

use crate::client::Client;
use crate::error::ClientError;
use crate::fetch::Fetched;
use crate::reads::{Rollup, RollupQuery};

/// Most single entities that one access to a type fetches.
const ENTITIES_FETCHED_MAX: usize = 1_000;
const DAY_MS: i64 = 86_400_000;

/// What the store takes on the disk, what is in it, and what was given up.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Storage {
    /// The main file, in bytes.
    pub file_bytes: u64,
    /// The part of it that holds nothing, in bytes.
    pub unused_bytes: u64,
    /// The log beside it, in bytes.
    pub log_bytes: u64,
    /// What is in it.
    #[serde(flatten)]
    pub report: StorageReport,
}

/// What was found, and what may be missing because it was given up for space.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Found<T> {
    /// What is on the device.
    pub found: T,
    /// What was asked for and is not on this device, with the reason; nothing when all is here.
    pub missing: Option<Missing>,
}

/// Something that was asked for is not on this device.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Missing {
    /// How many months and single entities.
    pub parts: usize,
    /// Why they could not be fetched, in words.
    pub why: String,
}

impl Client {
    /// What the store takes on the disk, what is in it and why it may not go, and what was given
    /// up. It takes time in proportion to the store.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn storage(&self) -> Result<Storage, ClientError> {
        let size = self.worker().run(|device| device.store().size())??;
        let report = self.read(|tx| Ok(self.engine().storage(tx)?))?;
        Ok(Storage {
            file_bytes: size.bytes,
            unused_bytes: size.free_bytes,
            log_bytes: size.log_bytes,
            report,
        })
    }

    /// How much is kept on the device.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn storage_settings(&self) -> Result<StorageSettings, ClientError> {
        self.read(|tx| Ok(StorageSettings::of(tx)?))
    }

    /// Sets how much is kept on the device, durably. What has to go goes while the store is kept
    /// in sync, in slices between which others write.
    ///
    /// # Errors
    /// When the client is closed or the store cannot be written.
    pub fn set_storage(&self, settings: StorageSettings) -> Result<(), ClientError> {
        self.worker().run(move |device| {
            let engine = device.engine().clone();
            let mut transaction = device.store().begin()?;
            engine.set_storage(&mut transaction, &settings)?;
            Ok::<(), ClientError>(transaction.commit()?)
        })??;
        self.notify(Event::Timer)
    }

    /// Gives an entity a priority of its own: what is lower goes first, and `critical` never. One
    /// that is not here is fetched when there is a way.
    ///
    /// # Errors
    /// When the client is closed or the store cannot be written.
    pub fn store_for_offline(
        &self,
        key: &EntityKey,
        priority: Priority,
    ) -> Result<(), ClientError> {
        self.keep(key, Some(priority))?;
        if priority > Priority::Normal && self.get(key)?.is_none() {
            self.want(vec![Wanted::Key(key.clone())])?;
        }
        Ok(())
    }

    /// Takes back [`Client::store_for_offline`]: the entity has the priority of its type again.
    ///
    /// # Errors
    /// When the client is closed or the store cannot be written.
    pub fn forget_offline_priority(&self, key: &EntityKey) -> Result<(), ClientError> {
        self.keep(key, None)
    }

    /// The priority of its own that an entity was given.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn offline_priority(&self, key: &EntityKey) -> Result<Option<Priority>, ClientError> {
        self.read(|tx| Ok(tx.kept(&tx.present_key(key)?)?))
    }

    /// The entities that were given a priority of their own, at most `limit`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn offline_priorities(
        &self,
        limit: usize,
    ) -> Result<Vec<(EntityKey, Priority)>, ClientError> {
        self.read(|tx| Ok(tx.all_kept(limit)?))
    }

    fn keep(&self, key: &EntityKey, priority: Option<Priority>) -> Result<(), ClientError> {
        let key = key.clone();
        self.worker().run(move |device| {
            let engine = device.engine().clone();
            let mut transaction = device.store().begin()?;
            engine.keep(&mut transaction, &key, priority)?;
            Ok(transaction.commit()?)
        })?
    }

    /// The latest evictions, the newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn evictions(&self, limit: usize) -> Result<Vec<Eviction>, ClientError> {
        self.read(|tx| Ok(tx.evictions(limit)?))
    }

    /// What is known of an entity that [`Client::get`] does not find: when and why it was given
    /// up, and whether it is being fetched. Nothing for one that never was.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn absence(&self, key: &EntityKey) -> Result<Option<Absence>, ClientError> {
        self.read(|tx| Ok(self.engine().absence(tx, &tx.present_key(key)?)?))
    }

    /// One entity, fetched from the server when it was given up on this device. This or another
    /// process must be draining the store: see [`Client::run`].
    ///
    /// # Errors
    /// When the store cannot be read or written. That it cannot be fetched now is no error: then
    /// it is missing, with the reason, stays wanted, and comes when there is a way.
    pub async fn get_or_fetch(
        &self,
        key: &EntityKey,
    ) -> Result<Found<Option<Entity>>, ClientError> {
        if let Some(found) = self.get(key)? {
            return Ok(Found { found: Some(found), missing: None });
        }
        if self.absence(key)?.is_none() {
            return Ok(Found { found: None, missing: None });
        }
        let fetched = self.fetch(Wanted::Key(self.present_key(key)?)).await?;
        let found = self.get(key)?;
        let absence = if found.is_none() { self.absence(key)? } else { None };
        let left = usize::from(absence.is_some_and(|absence| absence.certain));
        Ok(Found { found, missing: missing(&[fetched], left) })
    }

    /// What was given up of a type and may belong to an answer: what a query by the type's own time
    /// or without one has to fetch to be complete.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn away(
        &self,
        entity_type: &EntityType,
        query: &Query,
    ) -> Result<Vec<Wanted>, ClientError> {
        self.read(|tx| {
            let window = tx.schema().type_schema(entity_type).window.as_ref();
            let range = window.map_or((i64::MIN, i64::MAX), |window| range(query, &window.time_ms));
            Ok(self.engine().away(tx, entity_type, range, ENTITIES_FETCHED_MAX)?)
        })
    }

    /// Entities of a type by their fields, after what was given up of it was fetched as far as it
    /// may belong to the answer: the months between the times that the query names, and single
    /// entities, up to a thousand.
    ///
    /// # Errors
    /// As [`Client::query`], and when the store cannot be written.
    pub async fn query_or_fetch(
        &self,
        entity_type: &EntityType,
        query: &Query,
    ) -> Result<Found<Vec<Entity>>, ClientError> {
        let away = self.away(entity_type, query)?;
        let fetched = if away.is_empty() { Vec::new() } else { self.fetch_all(away).await? };
        let found = self.query(entity_type, query)?;
        let left = self.away(entity_type, query)?.len();
        Ok(Found { found, missing: missing(&fetched, left) })
    }

    /// Whether the sums of these days may not hold, because a sample of a month that was given up
    /// was changed or deleted since. The sums of all other days hold, whether their samples are
    /// here or not; looking at them is no use of the samples.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn rollups_may_be_stale(&self, query: &RollupQuery) -> Result<bool, ClientError> {
        Ok(!self.stale_months(&query.entity_type, &query.days)?.is_empty())
    }

    /// The sums of days as [`Client::rollups`] gives them, after the months of which they may not
    /// hold any more were fetched.
    ///
    /// # Errors
    /// As [`Client::rollups`], and when the store cannot be written.
    pub async fn rollups_or_fetch(
        &self,
        query: &RollupQuery,
    ) -> Result<Found<Vec<Rollup>>, ClientError> {
        let stale = self.stale_months(&query.entity_type, &query.days)?;
        let fetched = if stale.is_empty() { Vec::new() } else { self.fetch_all(stale).await? };
        let left = self.stale_months(&query.entity_type, &query.days)?.len();
        Ok(Found { found: self.rollups(query)?, missing: missing(&fetched, left) })
    }

    fn stale_months(
        &self,
        entity_type: &EntityType,
        days: &Range<i64>,
    ) -> Result<Vec<Wanted>, ClientError> {
        let (from, to) = (days.start.saturating_mul(DAY_MS), days.end.saturating_mul(DAY_MS));
        self.read(|tx| {
            let months = tx.evicted_months(Some(entity_type))?.into_iter();
            let stale = months
                .filter(|marker| marker.stale && marker.from_ms < to && from < marker.to_ms)
                .map(|marker| Wanted::Range {
                    entity_type: entity_type.clone(),
                    from_ms: Some(marker.from_ms),
                    to_ms: Some(marker.to_ms),
                });
            Ok(stale.collect())
        })
    }
}

/// What did not come, with the first reason; what came and is not here any more had no room.
fn missing(fetched: &[Fetched], left: usize) -> Option<Missing> {
    let reasons = fetched.iter().filter_map(|one| match one {
        Fetched::NotNow { why, .. } | Fetched::Refused { why } => Some(why.as_str()),
        _ => None,
    });
    let reasons: Vec<&str> = reasons.collect();
    let no_room = "the budget has no room for all of it at once";
    let why = reasons.first().copied().or_else(|| (left > 0).then_some(no_room))?;
    let why = format!("it was moved off this device to save space, and cannot be had now: {why}");
    Some(Missing { parts: reasons.len().max(left), why })
}

/// The stretch of the type's own time that a query names.
fn range(query: &Query, time_ms: &str) -> (i64, i64) {
    let (mut from, mut to) = (i64::MIN, i64::MAX);
    let times = query.filters.iter().filter(|(field, ..)| field == time_ms);
    for (_, comparison, value) in times {
        let Some(time) = value.as_i64() else { continue };
        match comparison {
            Comparison::Equal => (from, to) = (from.max(time), to.min(time.saturating_add(1))),
            Comparison::Less => to = to.min(time),
            Comparison::LessOrEqual => to = to.min(time.saturating_add(1)),
            Comparison::Greater => from = from.max(time.saturating_add(1)),
            Comparison::GreaterOrEqual => from = from.max(time),
        }
    }
    (from, to)
}
