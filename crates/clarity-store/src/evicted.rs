//! What this device gave up for space and still knows of: markers, and what the daily roll-ups
//! would lose with it.
//!
//! A single entity leaves a marker of its own. Samples leave one for their whole month; whether a
//! sample is one of them, its id tells (see [`Month::of_id`]) together with a digest. The sums of
//! a day are those of the rows that are here plus those of the rows that are not, so that giving
//! up a row changes no sum.

use std::collections::BTreeSet;
use std::ops::Range;

use clarity_model::{EntityKey, EntityType, Fields, ServerTime, Version};
use rusqlite::params;
use serde::Serialize;
use serde_json::Value;

use crate::digest;
use crate::entity::StoredEntity;
use crate::error::StoreError;
use crate::month::Month;
use crate::rollup::{DayRollup, MILLISECONDS_IN_DAY};
use crate::transaction::StoreTransaction;
use crate::value::{IdValue, read_key, read_type, read_unsigned, row_limit, signed};

/// Why something was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum EvictionReason {
    /// The store was larger than its budget.
    Budget = 0,
    /// Nobody had asked for it for longer than the age that was set.
    Age = 1,
}

impl EvictionReason {
    pub(crate) fn read(number: i64) -> Result<Self, StoreError> {
        Ok(match number {
            0 => Self::Budget,
            1 => Self::Age,
            _ => return Err(StoreError::InvalidValue { table: "eviction", column: "reason" }),
        })
    }
}

/// The marker of a single entity that was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvictedEntity {
    /// The newest version that was heard of.
    pub version: Version,
    /// When it was given up, by the server's clock.
    pub evicted_at: ServerTime,
    /// Why.
    pub reason: EvictionReason,
}

/// The marker of a month of which samples were given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct EvictedMonth {
    /// The type of the samples.
    #[serde(rename = "type")]
    pub entity_type: EntityType,
    /// The month.
    pub month: Month,
    /// How many samples of it are not here.
    pub count: u64,
    /// The earliest of their own times, in milliseconds since 1970 UTC.
    pub from_ms: i64,
    /// One more than the latest of their own times.
    pub to_ms: i64,
    /// Whether one of them was changed or deleted since: the roll-ups of the month may not hold
    /// until it was fetched.
    pub stale: bool,
    /// Whether some of them were given up since the whole month was last wanted.
    #[serde(skip)]
    pub evicted_since: bool,
    /// When the first of them was given up, by the server's clock.
    pub evicted_at: ServerTime,
    /// Why.
    pub reason: EvictionReason,
}

/// What a row adds to the daily roll-ups.
#[derive(PartialEq)]
pub(crate) struct Contribution {
    pub(crate) kind: String,
    pub(crate) time_ms: i64,
    pub(crate) source: String,
    pub(crate) value: f64,
}

impl StoreTransaction<'_> {
    /// What fields of a type add to the daily roll-ups, by the rule of [`crate::rollup`].
    pub(crate) fn contribution(
        &self,
        entity_type: &EntityType,
        fields: &Fields,
    ) -> Option<Contribution> {
        let layout = self.shared.layouts.of(entity_type);
        let declared = &layout.rollup.as_ref()?.declaration;
        let value = fields.get(&declared.value).and_then(Value::as_f64)?;
        Some(Contribution {
            kind: fields.get(&declared.kind).and_then(Value::as_str)?.to_owned(),
            time_ms: fields.get(&declared.time_ms).and_then(Value::as_i64)?,
            source: fields
                .get(&declared.source)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            value,
        })
    }

    /// The marker of a single entity.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn evicted_entity(&self, key: &EntityKey) -> Result<Option<EvictedEntity>, StoreError> {
        let sql = "SELECT version, evicted_at, reason FROM evicted_entity
                   WHERE type = ?1 AND id = ?2";
        let parameters = params![key.entity_type.as_str(), IdValue::of(&key.id)];
        self.read_one(sql, parameters, |row| {
            Ok(EvictedEntity {
                version: Version(read_unsigned(row, 0)?),
                evicted_at: ServerTime(row.get(1)?),
                reason: EvictionReason::read(row.get(2)?)?,
            })
        })
    }

    /// Adds the marker of a single entity that has these fields, or replaces it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_evicted_entity(
        &mut self,
        key: &EntityKey,
        marker: &EvictedEntity,
        fields: &Fields,
    ) -> Result<(), StoreError> {
        let adds = self.contribution(&key.entity_type, fields);
        self.remove_evicted_entity(key)?;
        let day = adds.as_ref();
        self.execute(
            "INSERT INTO evicted_entity
                 (type, id, version, evicted_at, reason, kind, time_ms, source, value)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                key.entity_type.as_str(),
                IdValue::of(&key.id),
                signed(marker.version.0),
                marker.evicted_at.0,
                marker.reason as i64,
                day.map(|day| &day.kind),
                day.map(|day| day.time_ms),
                day.map(|day| &day.source),
                day.map(|day| day.value),
            ],
        )?;
        if let Some(adds) = adds {
            self.dirty.mark(&key.entity_type, &adds.kind, adds.time_ms);
        }
        Ok(())
    }

    /// Removes the marker of a single entity; false when there is none.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn remove_evicted_entity(&mut self, key: &EntityKey) -> Result<bool, StoreError> {
        let (entity_type, id) = (key.entity_type.as_str(), IdValue::of(&key.id));
        let sql = "SELECT kind, time_ms FROM evicted_entity WHERE type = ?1 AND id = ?2";
        let there = self.read_one(sql, params![entity_type, id], |row| {
            Ok((row.get::<_, Option<String>>(0)?, row.get::<_, Option<i64>>(1)?))
        })?;
        let Some(day) = there else { return Ok(false) };
        if let (Some(kind), Some(time_ms)) = day {
            self.dirty.mark(&key.entity_type, &kind, time_ms);
        }
        self.execute(
            "DELETE FROM evicted_entity WHERE type = ?1 AND id = ?2",
            params![entity_type, id],
        )?;
        Ok(true)
    }

    /// Single entities that were given up, at most so many, in the order of their keys; all types
    /// when none is named.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn evicted_entities(
        &self,
        entity_type: Option<&EntityType>,
        limit: usize,
    ) -> Result<Vec<EntityKey>, StoreError> {
        let sql = "SELECT type, id FROM evicted_entity WHERE ?1 IS NULL OR type = ?1
                   ORDER BY type, id LIMIT ?2";
        let named = entity_type.map(EntityType::as_str);
        self.read_all(sql, params![named, row_limit(limit)], |row| {
            read_key(row, 0, "evicted_entity")
        })
    }

    /// How many single entities of each type were given up.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn count_evicted_entities(&self) -> Result<Vec<(EntityType, u64)>, StoreError> {
        let sql = "SELECT type, count(*) FROM evicted_entity GROUP BY type ORDER BY type";
        self.read_all(sql, [], |row| {
            Ok((read_type(row.get_ref(0)?, "evicted_entity")?, read_unsigned(row, 1)?))
        })
    }

    /// The types of which something was given up, in order.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn evicted_types(&self) -> Result<Vec<EntityType>, StoreError> {
        let sql = "SELECT type FROM evicted_entity UNION SELECT type FROM evicted_month ORDER BY 1";
        self.read_all(sql, [], |row| read_type(row.get_ref(0)?, "evicted_entity"))
    }

    /// Forgets that things of a type were given up, at most so many months and single entities:
    /// all of them, or those whose own times all lie before one, in milliseconds since 1970 UTC.
    /// Says how many; fewer than `limit` when none is left.
    ///
    /// # Errors
    /// When they cannot be read or written.
    pub fn forget_evicted(
        &mut self,
        entity_type: &EntityType,
        before_ms: Option<i64>,
        limit: usize,
    ) -> Result<usize, StoreError> {
        let months = self.evicted_months(Some(entity_type))?.into_iter();
        let outside = months.filter(|one| before_ms.is_none_or(|before| one.to_ms <= before));
        let mut forgotten = 0;
        for marker in outside.take(limit) {
            self.forget_evicted_month(entity_type, marker.month)?;
            forgotten += 1;
        }
        let single = self.read_all(
            "SELECT type, id FROM evicted_entity
             WHERE type = ?1 AND (?2 IS NULL OR time_ms < ?2) ORDER BY id LIMIT ?3",
            params![entity_type.as_str(), before_ms, row_limit(limit - forgotten)],
            |row| read_key(row, 0, "evicted_entity"),
        )?;
        for key in &single {
            self.remove_evicted_entity(key)?;
        }
        Ok(forgotten + single.len())
    }

    /// The months of which samples were given up, in order; all types when none is named.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn evicted_months(
        &self,
        entity_type: Option<&EntityType>,
    ) -> Result<Vec<EvictedMonth>, StoreError> {
        let sql =
            "SELECT type, month, count, from_ms, to_ms, stale, evicted_since, evicted_at, reason
                   FROM evicted_month WHERE ?1 IS NULL OR type = ?1 ORDER BY type, month";
        self.read_all(sql, [entity_type.map(EntityType::as_str)], read_month)
    }

    /// The marker of a month of which samples were given up.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn evicted_month(
        &self,
        entity_type: &EntityType,
        month: Month,
    ) -> Result<Option<EvictedMonth>, StoreError> {
        let sql =
            "SELECT type, month, count, from_ms, to_ms, stale, evicted_since, evicted_at, reason
                   FROM evicted_month WHERE type = ?1 AND month = ?2";
        self.read_one(sql, params![entity_type.as_str(), month.0], read_month)
    }

    /// The evicted month that an entity would be in, if it is a sample of one. It costs nothing
    /// while nothing was evicted.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn evicted_month_of(&self, key: &EntityKey) -> Result<Option<Month>, StoreError> {
        if self.digests.borrow().months.is_none() {
            let sql = "SELECT type, month FROM evicted_month";
            let months: BTreeSet<(EntityType, Month)> = self
                .read_all(sql, [], |row| {
                    Ok((read_type(row.get_ref(0)?, "evicted_month")?, Month(row.get(1)?)))
                })?
                .into_iter()
                .collect();
            self.digests.borrow_mut().months = Some(months);
        }
        let digests = self.digests.borrow();
        let Some(months) = digests.months.as_ref().filter(|months| !months.is_empty()) else {
            return Ok(None);
        };
        let month = Month::of_key(key);
        Ok(month.filter(|month| months.contains(&(key.entity_type.clone(), *month))))
    }

    /// Whether exactly this sample was given up with its month.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn is_evicted_sample(&self, key: &EntityKey, fields: &Fields) -> Result<bool, StoreError> {
        let Some(month) = self.evicted_month_of(key)? else { return Ok(false) };
        self.digest_holds(&key.entity_type, month, digest::hash(&key.id, fields))
    }

    /// Counts a sample as one of those that are not here, without its ever having been here.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add_evicted_sample(
        &mut self,
        key: &EntityKey,
        month: Month,
        fields: &Fields,
        time_ms: Option<i64>,
    ) -> Result<(), StoreError> {
        self.digest_add(&key.entity_type, month, digest::hash(&key.id, fields))?;
        self.widen_month(&key.entity_type, month, 1, time_ms)?;
        self.keep_month_evicted(&key.entity_type, month)?;
        if let Some(adds) = self.contribution(&key.entity_type, fields) {
            self.add_to_evicted_day(&key.entity_type, month, &adds)?;
            self.dirty.mark(&key.entity_type, &adds.kind, adds.time_ms);
        }
        Ok(())
    }

    /// A row is about to change or to go. If it was one of those that were given up, and the
    /// largest or the smallest of its day, nobody knows which of the others is that now.
    pub(crate) fn leave_evicted_day(
        &mut self,
        key: &EntityKey,
        becomes: Option<&StoredEntity>,
    ) -> Result<(), StoreError> {
        let Some(month) = self.evicted_month_of(key)? else { return Ok(()) };
        let visible = |row: &&StoredEntity| row.state.is_visible();
        let contribution = |row: &StoredEntity| self.contribution(&key.entity_type, &row.fields);
        let row = self.entity(key)?;
        let adds = row.as_ref().filter(visible).and_then(contribution);
        let Some(adds) = adds else { return Ok(()) };
        let stays = becomes.filter(visible).and_then(contribution);
        if stays.is_some_and(|stays| stays == adds) {
            return Ok(());
        }
        let day = adds.time_ms.div_euclid(MILLISECONDS_IN_DAY);
        self.execute(
            "UPDATE evicted_month SET stale = 1 WHERE type = ?1 AND month = ?5 AND EXISTS
                 (SELECT 1 FROM evicted_rollup AS day WHERE day.type = ?1 AND day.kind = ?2
                      AND day.day = ?3 AND day.source = ?4 AND day.month = ?5
                      AND (day.min = ?6 OR day.max = ?6))",
            params![key.entity_type.as_str(), adds.kind, day, adds.source, month.0, adds.value],
        )?;
        Ok(())
    }

    /// Takes a sample that is about to be stored out of those that are not here, if it is exactly
    /// one of them.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn take_evicted_sample(
        &mut self,
        key: &EntityKey,
        month: Month,
        fields: &Fields,
    ) -> Result<bool, StoreError> {
        if !self.digest_remove(&key.entity_type, month, digest::hash(&key.id, fields))? {
            return Ok(false);
        }
        self.execute(
            "UPDATE evicted_month SET count = max(count - 1, 0) WHERE type = ?1 AND month = ?2",
            params![key.entity_type.as_str(), month.0],
        )?;
        if let Some(adds) = self.contribution(&key.entity_type, fields) {
            let day = adds.time_ms.div_euclid(MILLISECONDS_IN_DAY);
            let which = params![key.entity_type.as_str(), adds.kind, day, adds.source, month.0];
            self.execute(
                "DELETE FROM evicted_rollup WHERE type = ?1 AND kind = ?2 AND day = ?3
                     AND source = ?4 AND month = ?5 AND count <= 1",
                which,
            )?;
            self.execute(
                "UPDATE evicted_rollup SET count = count - 1, sum = sum - ?6
                 WHERE type = ?1 AND kind = ?2 AND day = ?3 AND source = ?4 AND month = ?5",
                params![key.entity_type.as_str(), adds.kind, day, adds.source, month.0, adds.value],
            )?;
            self.dirty.mark(&key.entity_type, &adds.kind, adds.time_ms);
        }
        Ok(true)
    }

    /// Notes that a sample of an evicted month was changed or deleted since; a time widens the
    /// range of times of those that are not here.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn mark_month_stale(
        &mut self,
        entity_type: &EntityType,
        month: Month,
        time_ms: Option<i64>,
    ) -> Result<(), StoreError> {
        self.widen_month(entity_type, month, 0, time_ms)?;
        self.execute(
            "UPDATE evicted_month SET stale = 1 WHERE type = ?1 AND month = ?2",
            params![entity_type.as_str(), month.0],
        )?;
        Ok(())
    }

    /// Notes that not everything of an evicted month is in the answer that is being read.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep_month_evicted(
        &mut self,
        entity_type: &EntityType,
        month: Month,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE evicted_month SET evicted_since = 1 WHERE type = ?1 AND month = ?2",
            params![entity_type.as_str(), month.0],
        )?;
        Ok(())
    }

    /// Everything in a stretch of time is wanted: what is given up from now on is not part of the
    /// answer.
    pub(crate) fn begin_to_want(
        &mut self,
        entity_type: &EntityType,
        from_ms: Option<i64>,
        to_ms: Option<i64>,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE evicted_month SET evicted_since = 0
             WHERE type = ?1 AND from_ms >= coalesce(?2, from_ms) AND to_ms <= coalesce(?3, to_ms)",
            params![entity_type.as_str(), from_ms, to_ms],
        )?;
        Ok(())
    }

    /// Everything of a month is here again: its marker goes. False when there is none.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn forget_evicted_month(
        &mut self,
        entity_type: &EntityType,
        month: Month,
    ) -> Result<bool, StoreError> {
        self.digest_forget(entity_type, month)?;
        let days = self.read_all(
            "SELECT kind, day FROM evicted_rollup WHERE type = ?1 AND month = ?2",
            params![entity_type.as_str(), month.0],
            |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)),
        )?;
        for (kind, day) in days {
            self.dirty.mark(entity_type, &kind, day.saturating_mul(MILLISECONDS_IN_DAY));
        }
        self.execute(
            "DELETE FROM evicted_rollup WHERE type = ?1 AND month = ?2",
            params![entity_type.as_str(), month.0],
        )?;
        if let Some(months) = &mut self.digests.get_mut().months {
            months.remove(&(entity_type.clone(), month));
        }
        let removed = self.execute(
            "DELETE FROM evicted_month WHERE type = ?1 AND month = ?2",
            params![entity_type.as_str(), month.0],
        )?;
        Ok(removed == 1)
    }

    pub(crate) fn widen_month(
        &mut self,
        entity_type: &EntityType,
        month: Month,
        more: u64,
        time_ms: Option<i64>,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE evicted_month SET count = count + ?3,
                 from_ms = min(from_ms, coalesce(?4, from_ms)),
                 to_ms = max(to_ms, coalesce(?4 + 1, to_ms))
             WHERE type = ?1 AND month = ?2",
            params![entity_type.as_str(), month.0, signed(more), time_ms],
        )?;
        Ok(())
    }

    pub(crate) fn add_to_evicted_day(
        &mut self,
        entity_type: &EntityType,
        month: Month,
        adds: &Contribution,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO evicted_rollup (type, kind, day, source, month, count, sum, min, max)
             VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?6, ?6)
             ON CONFLICT (type, kind, day, source, month) DO UPDATE SET count = count + 1,
                 sum = sum + excluded.sum, min = min(min, excluded.min),
                 max = max(max, excluded.max)",
            params![
                entity_type.as_str(),
                adds.kind,
                adds.time_ms.div_euclid(MILLISECONDS_IN_DAY),
                adds.source,
                month.0,
                adds.value
            ],
        )?;
        Ok(())
    }

    /// The sums of what is not here, of one day.
    pub(crate) fn evicted_sums(
        &self,
        entity_type: &EntityType,
        kind: &str,
        day: i64,
    ) -> Result<Vec<DayRollup>, StoreError> {
        let start = day.saturating_mul(MILLISECONDS_IN_DAY);
        let time: Range<i64> = start..start.saturating_add(MILLISECONDS_IN_DAY);
        self.read_all(
            "SELECT source, count, sum, min, max FROM evicted_rollup
             WHERE type = ?1 AND kind = ?2 AND day = ?3
             UNION ALL
             SELECT source, count(*), total(value), min(value), max(value) FROM evicted_entity
             WHERE type = ?1 AND kind = ?2 AND time_ms >= ?4 AND time_ms < ?5 GROUP BY source",
            params![entity_type.as_str(), kind, day, time.start, time.end],
            |row| crate::rollup::read_rollup(day, row, 0),
        )
    }
}

fn read_month(row: &rusqlite::Row<'_>) -> Result<EvictedMonth, StoreError> {
    Ok(EvictedMonth {
        entity_type: read_type(row.get_ref(0)?, "evicted_month")?,
        month: Month(row.get(1)?),
        count: read_unsigned(row, 2)?,
        from_ms: row.get(3)?,
        to_ms: row.get(4)?,
        stale: row.get(5)?,
        evicted_since: row.get(6)?,
        evicted_at: ServerTime(row.get(7)?),
        reason: EvictionReason::read(row.get(8)?)?,
    })
}
