//! Daily roll-ups: count, sum, minimum and maximum by kind, source and day.
//!
//! A write of a row marks its day, and the day that it left, in the same transaction. The sums are
//! made again when somebody asks for the day, or when there is time. A row counts when its kind is
//! text, its time an integer and its value a number; a row without a source counts for the source
//! that has no name.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use clarity_model::{EntityKey, EntityType};
use rusqlite::params;
use rusqlite::types::ValueRef;
use serde_json::Value;

use crate::entity::{StoredEntity, bind_key};
use crate::error::StoreError;
use crate::layout::RollupLayout;
use crate::transaction::StoreTransaction;
use crate::value::{read_type, row_limit};

pub(crate) const MILLISECONDS_IN_DAY: i64 = 86_400_000;

/// The sums of one day of one source.
#[derive(Debug, Clone, PartialEq)]
pub struct DayRollup {
    /// The day: its number since 1970-01-01 UTC.
    pub day: i64,
    /// The source; empty for rows that name none.
    pub source: String,
    /// How many values.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl DayRollup {
    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}

/// The days that a transaction has changed, by type and kind.
///
/// A day that is marked needlessly only costs time, so a savepoint that fails takes no mark back.
#[derive(Debug, Default)]
pub(crate) struct DirtyDays {
    days: BTreeMap<EntityType, BTreeMap<String, BTreeSet<i64>>>,
}

impl DirtyDays {
    pub(crate) fn mark(&mut self, entity_type: &EntityType, kind: &str, time_ms: i64) {
        let day = time_ms.div_euclid(MILLISECONDS_IN_DAY);
        // Looked up by reference: a bulk load marks the same few days over and over.
        if let Some(days) = self.days.get_mut(entity_type).and_then(|kinds| kinds.get_mut(kind)) {
            days.insert(day);
            return;
        }
        let kinds = self.days.entry(entity_type.clone()).or_default();
        kinds.entry(kind.to_owned()).or_default().insert(day);
    }
}

impl StoreTransaction<'_> {
    /// The sums of the days in a range (`end` is not part of it), by day and source.
    ///
    /// # Errors
    /// When they cannot be read or made anew.
    pub fn rollups(
        &mut self,
        entity_type: &EntityType,
        kind: &str,
        source: Option<&str>,
        days: Range<i64>,
    ) -> Result<Vec<DayRollup>, StoreError> {
        let layouts = &self.shared.layouts;
        let Some(rollup) = &layouts.of(entity_type).rollup else { return Ok(Vec::new()) };
        if self.writable {
            self.flush_dirty_days()?;
        }
        let dirty: BTreeSet<i64> = self
            .read_all(
                "SELECT day FROM rollup_dirty
                 WHERE type = ?1 AND kind = ?2 AND day >= ?3 AND day < ?4",
                params![entity_type.as_str(), kind, days.start, days.end],
                |row| Ok(row.get(0)?),
            )?
            .into_iter()
            .collect();
        let mut found = self.read_all(
            "SELECT day, source, count, sum, min, max FROM rollup
             WHERE type = ?1 AND kind = ?2 AND day >= ?3 AND day < ?4",
            params![entity_type.as_str(), kind, days.start, days.end],
            |row| read_rollup(row.get(0)?, row, 1),
        )?;
        if !dirty.is_empty() {
            found.retain(|rollup| !dirty.contains(&rollup.day));
            for day in dirty {
                let sums = self.sum_day(entity_type, rollup, kind, day)?;
                if self.writable {
                    self.keep_day(entity_type, kind, day, &sums)?;
                }
                found.extend(sums);
            }
            found.sort_by(|one, other| (one.day, &one.source).cmp(&(other.day, &other.source)));
        }
        found.retain(|rollup| source.is_none_or(|source| source == rollup.source));
        Ok(found)
    }

    /// Whether there are days whose sums must be made anew when they are read.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn has_dirty_days(&self) -> Result<bool, StoreError> {
        Ok(self.read_one("SELECT 1 FROM rollup_dirty LIMIT 1", [], |_| Ok(()))?.is_some())
    }

    /// Makes the sums of at most so many changed days anew, for when there is time; says how many
    /// it made. Zero means that none is left.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn refresh_rollups(&mut self, limit: usize) -> Result<usize, StoreError> {
        self.flush_dirty_days()?;
        let dirty = self.read_all(
            "SELECT type, kind, day FROM rollup_dirty LIMIT ?1",
            [row_limit(limit)],
            |row| {
                let entity_type = read_type(row.get_ref(0)?, "rollup_dirty")?;
                Ok((entity_type, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
            },
        )?;
        for (entity_type, kind, day) in &dirty {
            let layouts = &self.shared.layouts;
            let sums = match &layouts.of(entity_type).rollup {
                Some(rollup) => self.sum_day(entity_type, rollup, kind, *day)?,
                None => Vec::new(),
            };
            self.keep_day(entity_type, kind, *day, &sums)?;
        }
        Ok(dirty.len())
    }

    /// Marks the day of a row as it is stored now.
    pub(crate) fn mark_row_dirty(&mut self, key: &EntityKey) -> Result<(), StoreError> {
        let layout = self.shared.layouts.of(&key.entity_type);
        let Some(rollup) = &layout.rollup else { return Ok(()) };
        let mut statement = self.prepared(&rollup.day_of_row)?;
        bind_key(&mut statement, layout, key)?;
        let mut rows = statement.raw_query();
        if let Some(row) = rows.next()?
            && let (ValueRef::Text(kind), ValueRef::Integer(time_ms)) =
                (row.get_ref(0)?, row.get_ref(1)?)
            && let Ok(kind) = std::str::from_utf8(kind)
        {
            self.dirty.mark(&key.entity_type, kind, time_ms);
        }
        Ok(())
    }

    /// Marks the day of a row that is about to be stored.
    pub(crate) fn mark_fields_dirty(&mut self, key: &EntityKey, entity: &StoredEntity) {
        let Some(rollup) = &self.shared.layouts.of(&key.entity_type).rollup else { return };
        let kind = entity.fields.get(&rollup.declaration.kind).and_then(Value::as_str);
        let time_ms = entity.fields.get(&rollup.declaration.time_ms).and_then(Value::as_i64);
        if let (true, Some(kind), Some(time_ms)) = (entity.state.is_visible(), kind, time_ms) {
            self.dirty.mark(&key.entity_type, kind, time_ms);
        }
    }

    /// Writes the marks.
    pub(crate) fn flush_dirty_days(&mut self) -> Result<(), StoreError> {
        for (entity_type, kinds) in &self.dirty.days {
            for (kind, days) in kinds {
                for day in days {
                    self.execute(
                        "INSERT OR IGNORE INTO rollup_dirty (type, kind, day) VALUES (?1, ?2, ?3)",
                        params![entity_type.as_str(), kind, day],
                    )?;
                }
            }
        }
        // Within a savepoint what was written may still be undone, so the marks are kept.
        if self.savepoint_depth == 0 {
            self.dirty = DirtyDays::default();
        }
        Ok(())
    }

    /// The sums of one day, from the rows that are here and from those that were evicted.
    fn sum_day(
        &self,
        entity_type: &EntityType,
        rollup: &RollupLayout,
        kind: &str,
        day: i64,
    ) -> Result<Vec<DayRollup>, StoreError> {
        let start = day.saturating_mul(MILLISECONDS_IN_DAY);
        let end = start.saturating_add(MILLISECONDS_IN_DAY);
        let mut sums =
            self.read_all(&rollup.sums, params![kind, start, end], |row| read_rollup(day, row, 0))?;
        for evicted in self.evicted_sums(entity_type, kind, day)? {
            match sums.iter_mut().find(|here| here.source == evicted.source) {
                Some(here) => here.add(&evicted),
                None => sums.push(evicted),
            }
        }
        sums.sort_by(|one, other| one.source.cmp(&other.source));
        Ok(sums)
    }

    fn keep_day(
        &self,
        entity_type: &EntityType,
        kind: &str,
        day: i64,
        sums: &[DayRollup],
    ) -> Result<(), StoreError> {
        let which = params![entity_type.as_str(), kind, day];
        self.execute("DELETE FROM rollup WHERE type = ?1 AND kind = ?2 AND day = ?3", which)?;
        for sum in sums {
            self.execute(
                "INSERT INTO rollup (type, kind, day, source, count, sum, min, max)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    entity_type.as_str(),
                    kind,
                    day,
                    sum.source,
                    sum.count.cast_signed(),
                    sum.sum,
                    sum.min,
                    sum.max
                ],
            )?;
        }
        self.execute("DELETE FROM rollup_dirty WHERE type = ?1 AND kind = ?2 AND day = ?3", which)?;
        Ok(())
    }
}

pub(crate) fn read_rollup(
    day: i64,
    row: &rusqlite::Row<'_>,
    first: usize,
) -> Result<DayRollup, StoreError> {
    Ok(DayRollup {
        day,
        source: row.get(first)?,
        count: row.get::<_, i64>(first + 1)?.cast_unsigned(),
        // Infinities of both signs have no sum; SQLite has NULL for it.
        sum: row.get::<_, Option<f64>>(first + 2)?.unwrap_or(f64::NAN),
        min: row.get(first + 3)?,
        max: row.get(first + 4)?,
    })
}
