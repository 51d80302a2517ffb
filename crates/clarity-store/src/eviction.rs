//! Giving up rows that the server has: finding them, and taking them out.
//!
//! Only a clean row whose newest version came with a pull can go; which of them goes first, the
//! engine decides.

use clarity_model::{EntityKey, EntityType, Priority, ServerTime, Version};
use rusqlite::params;
use serde::Serialize;

use crate::digest;
use crate::entity::{RowState, bind_key, read_keyed_entity};
use crate::error::StoreError;
use crate::evicted::{EvictedEntity, EvictionReason};
use crate::kept::priority_number;
use crate::layout::TypeLayout;
use crate::month::Month;
use crate::transaction::StoreTransaction;
use crate::value::{read_key, read_type, read_unsigned, row_limit, signed};

/// How many evictions are remembered for people.
const EVICTIONS_KEPT: i64 = 1_000;
/// Slices of one eviction are remembered as one, in milliseconds.
const SAME_EVICTION_MS: i64 = 60 * 60 * 1_000;

/// What is given up at once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unit {
    /// The samples of a type and a month.
    Month(EntityType, Month),
    /// One entity.
    Entity(EntityKey),
}

/// Something that could be given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// When it was last used, by the server's clock.
    pub used: ServerTime,
    /// What it is.
    pub unit: Unit,
}

/// An eviction, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Eviction {
    /// When, by the server's clock.
    pub at: ServerTime,
    /// Why.
    pub reason: EvictionReason,
    /// The type.
    #[serde(rename = "type")]
    pub entity_type: EntityType,
    /// The month; nothing for single entities.
    pub month: Option<Month>,
    /// How many entities.
    pub count: u64,
    /// How many bytes of the file they took.
    pub bytes: u64,
}

/// A row that may go: clean, and read back from the server.
const EVICTABLE: &str = "state = 0 AND seq <> 0";

impl StoreTransaction<'_> {
    /// The size of everything in the store without its unused pages, in bytes, with what this
    /// transaction has changed.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn live_bytes(&self) -> Result<u64, StoreError> {
        let pragma = |name: &str| {
            let sql = format!("PRAGMA {name}");
            let value = self.read_one(&sql, [], |row| read_unsigned(row, 0))?;
            Ok::<_, StoreError>(value.unwrap_or_default())
        };
        let pages = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
        Ok(pages.saturating_mul(self.shared.page_bytes))
    }

    /// Entities of a type that may go, the least recently used first, at most `limit`, and only
    /// those used before `before`. With `samples` only those that are in no month; without a type
    /// those of all undeclared types.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn evictable_entities(
        &self,
        entity_type: Option<&EntityType>,
        samples: bool,
        floor: ServerTime,
        before: ServerTime,
        limit: usize,
    ) -> Result<Vec<Candidate>, StoreError> {
        let layout = match entity_type {
            Some(entity_type) => self.shared.layouts.of(entity_type),
            None => self.shared.layouts.generic(),
        };
        // What is being brought from one table into another is not given up meanwhile.
        if layout.unbrought.is_some() {
            return Ok(Vec::new());
        }
        let name = if layout.generic { "type" } else { "?4" };
        let texts_only = if samples { " AND id < x''" } else { "" };
        let sql = format!(
            "SELECT {name}, id, max(coalesce(accessed_at, 0), updated_at, ?1) AS used
             FROM {table} AS row WHERE {EVICTABLE}{texts_only} AND used < ?2 AND NOT EXISTS
                 (SELECT 1 FROM kept WHERE kept.type = {kept} AND kept.id = row.id)
             ORDER BY used, 1, 2 LIMIT ?3",
            table = layout.table,
            kept = if layout.generic { "row.type" } else { "?4" },
        );
        let named = entity_type.map(EntityType::as_str).unwrap_or_default();
        let all = params![floor.0, before.0, row_limit(limit), named];
        let read = |row: &rusqlite::Row<'_>| {
            let used = ServerTime(row.get(2)?);
            Ok(Candidate { used, unit: Unit::Entity(read_key(row, 0, "entity")?) })
        };
        if layout.generic {
            return self.read_all(&sql, params![floor.0, before.0, row_limit(limit)], read);
        }
        self.read_all(&sql, all, read)
    }

    /// Entities that may go and have this priority of their own; their times of last use come
    /// with them.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn evictable_kept(
        &self,
        priority: Priority,
        floor: ServerTime,
        before: ServerTime,
    ) -> Result<Vec<Candidate>, StoreError> {
        let keys = self.read_all(
            "SELECT type, id FROM kept WHERE priority = ?1",
            [priority_number(priority)],
            |row| read_key(row, 0, "kept"),
        )?;
        let mut found = Vec::new();
        for key in keys {
            let layout = self.shared.layouts.of(&key.entity_type);
            let sql = format!(
                "SELECT max(coalesce(accessed_at, 0), updated_at, ?{}) FROM {} WHERE {} \
                 AND {EVICTABLE}",
                layout.key_parameters() + 1,
                layout.table,
                layout.key_condition(),
            );
            let mut statement = self.prepared(&sql)?;
            let next = bind_key(&mut statement, layout, &key)?;
            statement.raw_bind_parameter(next, floor.0)?;
            let mut rows = statement.raw_query();
            if let Some(row) = rows.next()? {
                let used = ServerTime(row.get(0)?);
                if used < before {
                    found.push(Candidate { used, unit: Unit::Entity(key) });
                }
            }
        }
        Ok(found)
    }

    /// The months of a type that have samples that may go, in order. `time_ms` is the field with
    /// a sample's own time.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn evictable_months(
        &self,
        entity_type: &EntityType,
        time_ms: &str,
    ) -> Result<Vec<Month>, StoreError> {
        let layout = self.shared.layouts.of(entity_type);
        if layout.column(time_ms).is_none() || layout.unbrought.is_some() {
            return Ok(Vec::new());
        }
        // From month to month by the key, so that the rows of one are not all walked.
        let next = format!("SELECT min(id) FROM {} WHERE id >= ?1", layout.table);
        let any = format!("SELECT 1 FROM {} LIMIT 1", sample_condition(layout, time_ms));
        let mut months = Vec::new();
        let mut from = Vec::new();
        loop {
            let first = self.read_one(&next, [&from], |row| match row.get_ref(0)? {
                rusqlite::types::ValueRef::Blob(bytes) => Ok(<[u8; 16]>::try_from(bytes).ok()),
                _ => Ok(None),
            })?;
            let Some(first) = first.flatten() else { return Ok(months) };
            let month = Month::of_uuid(&first);
            let (begin, end) = month.ids();
            let bounds = params![begin, end, entity_type.as_str()];
            if self.read_one(&any, bounds, |_| Ok(()))?.is_some() {
                months.push(month);
            }
            from = end;
        }
    }

    /// Gives up one entity and leaves a marker; false, and nothing changed, when it may not go.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn evict_entity(
        &mut self,
        key: &EntityKey,
        reason: EvictionReason,
        at: ServerTime,
    ) -> Result<bool, StoreError> {
        let Some(row) = self.entity(key)? else { return Ok(false) };
        if row.state != RowState::Clean || row.seq.0 == 0 || row.version == Version(0) {
            return Ok(false);
        }
        // Not as other removals: what the row adds to its day stays, with the marker.
        self.delete_row(key)?;
        let marker = EvictedEntity { version: row.version, evicted_at: at, reason };
        self.put_evicted_entity(key, &marker, &row.fields)?;
        Ok(true)
    }

    /// Gives up at most `limit` samples of a month and leaves its marker. Says which they were.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn evict_samples(
        &mut self,
        entity_type: &EntityType,
        month: Month,
        time_ms: &str,
        limit: usize,
        (reason, at): (EvictionReason, ServerTime),
    ) -> Result<Vec<EntityKey>, StoreError> {
        let layout = self.shared.layouts.of(entity_type);
        let sql = format!(
            "SELECT {} FROM {} ORDER BY id LIMIT ?4",
            layout.select_columns,
            sample_condition(layout, time_ms)
        );
        let (begin, end) = month.ids();
        let bounds = params![begin, end, entity_type.as_str(), row_limit(limit)];
        let rows =
            self.read_all(&sql, bounds, |row| read_keyed_entity(entity_type, layout, row))?;
        let (mut keys, mut hashes) = (Vec::with_capacity(rows.len()), Vec::new());
        let (mut from_ms, mut to_ms) = (i64::MAX, i64::MIN);
        for (key, row) in rows {
            if let Some(adds) = self.contribution(entity_type, &row.fields) {
                self.add_to_evicted_day(entity_type, month, &adds)?;
            }
            if let Some(time) = row.fields.get(time_ms).and_then(serde_json::Value::as_i64) {
                from_ms = from_ms.min(time);
                to_ms = to_ms.max(time.saturating_add(1));
            }
            hashes.push(digest::hash(&key.id, &row.fields));
            self.delete_row(&key)?;
            keys.push(key);
        }
        if keys.is_empty() {
            return Ok(keys);
        }
        self.digest_append(entity_type, month, &hashes)?;
        self.execute(
            "INSERT INTO evicted_month
                 (type, month, count, from_ms, to_ms, stale, evicted_since, evicted_at, reason)
             VALUES (?1, ?2, ?3, ?4, ?5, 0, 1, ?6, ?7)
             ON CONFLICT (type, month) DO UPDATE SET count = count + excluded.count,
                 evicted_since = 1,
                 from_ms = min(from_ms, excluded.from_ms), to_ms = max(to_ms, excluded.to_ms)",
            params![
                entity_type.as_str(),
                month.0,
                signed(keys.len() as u64),
                from_ms,
                to_ms,
                at.0,
                reason as i64
            ],
        )?;
        if let Some(months) = &mut self.digests.get_mut().months {
            months.insert((entity_type.clone(), month));
        }
        Ok(keys)
    }

    fn delete_row(&mut self, key: &EntityKey) -> Result<(), StoreError> {
        self.bring(key)?;
        let layout = self.shared.layouts.of(&key.entity_type);
        let mut statement = self.prepared(&layout.delete)?;
        bind_key(&mut statement, layout, key)?;
        statement.raw_execute()?;
        Ok(())
    }

    /// How many clean rows of a type were acknowledged and not read back yet.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn count_unread(&self, entity_type: &EntityType) -> Result<u64, StoreError> {
        let layout = self.shared.layouts.of(entity_type);
        let of_type = if layout.generic { "type = ?1" } else { "?1 IS NOT NULL" };
        let sql = format!(
            "SELECT count(*) FROM {} WHERE {of_type} AND state = 0 AND seq = 0",
            layout.from
        );
        let count = self.read_one(&sql, [entity_type.as_str()], |row| read_unsigned(row, 0))?;
        Ok(count.unwrap_or_default())
    }

    /// The bytes of a type's table and indexes in the file; nothing when it shares its table with
    /// others or when this build of SQLite cannot tell. It reads the whole file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn table_bytes(&self, entity_type: &EntityType) -> Result<Option<u64>, StoreError> {
        const MODULE: &str = "SELECT 1 FROM pragma_module_list WHERE name = 'dbstat'";
        let can_tell = self.read_one(MODULE, [], |_| Ok(()))?.is_some();
        let layout = self.shared.layouts.of(entity_type);
        if layout.generic || !can_tell {
            return Ok(None);
        }
        self.read_one(
            "SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE aggregate = TRUE AND name IN
                 (SELECT name FROM sqlite_schema WHERE tbl_name = ?1)",
            [&layout.name],
            |row| read_unsigned(row, 0),
        )
    }

    /// Remembers an eviction; slices of the same one become one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn record_eviction(&mut self, eviction: &Eviction) -> Result<(), StoreError> {
        let Eviction { at, reason, entity_type, month, count, bytes } = eviction;
        let joined = self.execute(
            "UPDATE eviction SET at = ?1, count = count + ?5, bytes = bytes + ?6
             WHERE id = (SELECT max(id) FROM eviction WHERE type = ?3 AND month IS ?4
                             AND reason = ?2 AND at > ?1 - ?7)",
            params![
                at.0,
                *reason as i64,
                entity_type.as_str(),
                month.map(|month| month.0),
                signed(*count),
                signed(*bytes),
                SAME_EVICTION_MS
            ],
        )?;
        if joined == 1 {
            return Ok(());
        }
        self.execute(
            "INSERT INTO eviction (at, reason, type, month, count, bytes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                at.0,
                *reason as i64,
                entity_type.as_str(),
                month.map(|month| month.0),
                signed(*count),
                signed(*bytes)
            ],
        )?;
        self.execute(
            "DELETE FROM eviction WHERE id <= (SELECT max(id) FROM eviction) - ?1",
            [EVICTIONS_KEPT],
        )?;
        Ok(())
    }

    /// The latest evictions, the newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn evictions(&self, limit: usize) -> Result<Vec<Eviction>, StoreError> {
        let sql = "SELECT at, reason, type, month, count, bytes FROM eviction
                   ORDER BY id DESC LIMIT ?1";
        self.read_all(sql, [row_limit(limit)], |row| {
            Ok(Eviction {
                at: ServerTime(row.get(0)?),
                reason: EvictionReason::read(row.get(1)?)?,
                entity_type: read_type(row.get_ref(2)?, "eviction")?,
                month: row.get::<_, Option<i64>>(3)?.map(Month),
                count: read_unsigned(row, 4)?,
                bytes: read_unsigned(row, 5)?,
            })
        })
    }
}

/// Where the samples of a month that may go are: from the first id, before the second, and without
/// those that have a priority of their own.
fn sample_condition(layout: &TypeLayout, time_ms: &str) -> String {
    format!(
        "{} AS row WHERE id >= ?1 AND id < ?2 AND {EVICTABLE} AND \"{time_ms}\" IS NOT NULL
             AND NOT EXISTS (SELECT 1 FROM kept WHERE kept.type = ?3 AND kept.id = row.id)",
        layout.table
    )
}
