//! What this device has of a life of the server's database that ended, and the server has lost.

use clarity_model::{EntityKey, Epoch, Seq};
use rusqlite::params;

use crate::error::StoreError;
use crate::transaction::StoreTransaction;
use crate::value::{IdValue, epoch_bytes, read_key, read_u128, row_limit, signed};

/// Of which rows the server may not have the newest version any more: it came after a position of
/// the log, or was acknowledged and not read back, so that its position is not known.
const LOST: &str = "version <> 0 AND (seq = 0 OR seq > ?1)";

impl StoreTransaction<'_> {
    /// Marks what was confirmed after a position of the log of a life of the server's database that
    /// has ended; without one, all that was. Nothing of it is given up for space meanwhile. What is
    /// marked already stays so for the life that it was marked for.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn mark_lost(&mut self, epoch: Epoch, left_at: Option<Seq>) -> Result<(), StoreError> {
        let after = signed(left_at.unwrap_or(Seq(0)).0);
        let epoch = epoch_bytes(epoch);
        let mark = |key: &str, from: &str, only: &str| {
            let sql = format!(
                "INSERT OR IGNORE INTO lost_entity (type, id, epoch)
                 SELECT {key}, ?2 FROM {from} WHERE {LOST} {only}"
            );
            self.execute(&sql, params![after, epoch]).map(drop)
        };
        mark("type, id", "confirmed", "")?;
        const SETTLED: &str = "AND state IN (0, 2)";
        mark("type, id", "entity_generic", SETTLED)?;
        for (entity_type, layout) in &self.shared.layouts.types {
            mark(&format!("'{entity_type}', id"), &layout.from, SETTLED)?;
        }
        // A row without a position is not given up.
        let hold = |table: &str| {
            let sql = format!("UPDATE {table} SET seq = 0 WHERE {LOST} {SETTLED}");
            self.execute(&sql, [after]).map(drop)
        };
        hold("entity_generic")?;
        for layout in self.shared.layouts.types.values() {
            hold(&layout.table)?;
            let unbrought = layout.unbrought.iter().map(|unbrought| &unbrought.layout);
            for there in unbrought.filter(|there| !there.generic) {
                hold(&there.table)?;
            }
        }
        Ok(())
    }

    /// For which life of the server's database an entity is marked, if it is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn lost_in(&self, key: &EntityKey) -> Result<Option<Epoch>, StoreError> {
        self.read_one(
            "SELECT epoch FROM lost_entity WHERE type = ?1 AND id = ?2",
            params![key.entity_type.as_str(), IdValue::of(&key.id)],
            |row| read_epoch(row.get_ref(0)?),
        )
    }

    /// The first entities that are marked.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn lost_entities(&self, limit: usize) -> Result<Vec<(EntityKey, Epoch)>, StoreError> {
        self.read_all(
            "SELECT type, id, epoch FROM lost_entity ORDER BY type, id LIMIT ?1",
            [row_limit(limit)],
            |row| {
                let key = read_key(row, 0, "lost_entity")?;
                Ok((key, read_epoch(row.get_ref(2)?)?))
            },
        )
    }

    /// How many entities are marked.
    ///
    /// # Errors
    /// When they cannot be counted.
    pub fn count_lost(&self) -> Result<u64, StoreError> {
        let count = self.read_one("SELECT count(*) FROM lost_entity", [], |row| {
            Ok(row.get::<_, i64>(0)?.unsigned_abs())
        })?;
        Ok(count.unwrap_or(0))
    }

    /// Ends the mark of an entity; false when there is none.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn end_lost(&mut self, key: &EntityKey) -> Result<bool, StoreError> {
        let ended = self.execute(
            "DELETE FROM lost_entity WHERE type = ?1 AND id = ?2",
            params![key.entity_type.as_str(), IdValue::of(&key.id)],
        )?;
        Ok(ended == 1)
    }
}

fn read_epoch(value: rusqlite::types::ValueRef<'_>) -> Result<Epoch, StoreError> {
    read_u128(value.as_bytes().unwrap_or(&[]), "lost_entity", "epoch").map(Epoch)
}
