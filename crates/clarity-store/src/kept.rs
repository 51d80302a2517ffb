//! Entities with a priority of their own, and when things were last asked for.

use clarity_model::{EntityKey, EntityType, Priority, ServerTime};
use rusqlite::params;

use crate::entity::bind_key;
use crate::error::StoreError;
use crate::month::Month;
use crate::transaction::StoreTransaction;
use crate::value::{IdValue, read_key, read_unsigned, row_limit};

/// Accesses of an entity that follow each other this closely are recorded as one, in milliseconds:
/// an hour.
pub const ACCESS_GRAIN_MS: i64 = 60 * 60 * 1_000;

pub(crate) fn priority_number(priority: Priority) -> i64 {
    match priority {
        Priority::Low => 0,
        Priority::Normal => 1,
        Priority::High => 2,
        Priority::Critical => 3,
    }
}

fn read_priority(number: i64) -> Result<Priority, StoreError> {
    Ok(match number {
        0 => Priority::Low,
        1 => Priority::Normal,
        2 => Priority::High,
        3 => Priority::Critical,
        _ => return Err(StoreError::InvalidValue { table: "kept", column: "priority" }),
    })
}

impl StoreTransaction<'_> {
    /// Gives an entity, which need not be here, a priority of its own; nothing gives it that of
    /// its type again.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_kept(
        &mut self,
        key: &EntityKey,
        priority: Option<Priority>,
    ) -> Result<(), StoreError> {
        let (entity_type, id) = (key.entity_type.as_str(), IdValue::of(&key.id));
        match priority {
            Some(priority) => self.execute(
                "INSERT OR REPLACE INTO kept (type, id, priority) VALUES (?1, ?2, ?3)",
                params![entity_type, id, priority_number(priority)],
            )?,
            None => self.execute(
                "DELETE FROM kept WHERE type = ?1 AND id = ?2",
                params![entity_type, id],
            )?,
        };
        Ok(())
    }

    /// The priority of its own that an entity was given.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn kept(&self, key: &EntityKey) -> Result<Option<Priority>, StoreError> {
        let sql = "SELECT priority FROM kept WHERE type = ?1 AND id = ?2";
        let parameters = params![key.entity_type.as_str(), IdValue::of(&key.id)];
        self.read_one(sql, parameters, |row| read_priority(row.get(0)?))
    }

    /// Entities with a priority of their own, at most so many, in the order of their keys.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn all_kept(&self, limit: usize) -> Result<Vec<(EntityKey, Priority)>, StoreError> {
        let sql = "SELECT type, id, priority FROM kept ORDER BY type, id LIMIT ?1";
        self.read_all(sql, [row_limit(limit)], |row| {
            Ok((read_key(row, 0, "kept")?, read_priority(row.get(2)?)?))
        })
    }

    /// How many entities have the priority `critical` of their own.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn count_kept_critical(&self) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM kept WHERE priority = 3";
        Ok(self.read_one(sql, [], |row| read_unsigned(row, 0))?.unwrap_or_default())
    }

    /// Notes that the app asked for these entities, unless it did so within `grain_ms` before: see
    /// [`ACCESS_GRAIN_MS`].
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn touch(
        &mut self,
        keys: &[EntityKey],
        at: ServerTime,
        grain_ms: i64,
    ) -> Result<(), StoreError> {
        for key in keys {
            self.bring(key)?;
            let layout = self.shared.layouts.of(&key.entity_type);
            let mut statement = self.prepared(&layout.touch)?;
            let next = bind_key(&mut statement, layout, key)?;
            statement.raw_bind_parameter(next, at.0)?;
            statement.raw_bind_parameter(next + 1, at.0.saturating_sub(grain_ms))?;
            statement.raw_execute()?;
        }
        Ok(())
    }

    /// Notes that samples of a month were asked for or arrived.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn touch_month(
        &mut self,
        entity_type: &EntityType,
        month: Month,
        at: ServerTime,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO month_access (type, month, accessed_at) VALUES (?1, ?2, ?3)
             ON CONFLICT (type, month) DO UPDATE SET accessed_at = excluded.accessed_at
             WHERE accessed_at < excluded.accessed_at",
            params![entity_type.as_str(), month.0, at.0],
        )?;
        Ok(())
    }

    /// When samples of a month were last asked for or arrived.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn month_accessed(
        &self,
        entity_type: &EntityType,
        month: Month,
    ) -> Result<Option<ServerTime>, StoreError> {
        let sql = "SELECT accessed_at FROM month_access WHERE type = ?1 AND month = ?2";
        let parameters = params![entity_type.as_str(), month.0];
        self.read_one(sql, parameters, |row| Ok(ServerTime(row.get(0)?)))
    }
}
