//! What this device wants to have fetched: entities by their keys, and stretches of time by type.
//!
//! A wish is kept until it is answered, so that it survives the end of the process. One that the
//! server will not answer is kept with the reason until it is wished for again or forgotten.

use clarity_model::{EntityKey, EntityType};
use rusqlite::{Row, params};

use crate::error::StoreError;
use crate::operation::RequestId;
use crate::transaction::StoreTransaction;
use crate::value::{IdValue, read_id, read_type, read_unsigned, row_limit, signed};

/// A stretch of time of one type that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedRange {
    /// Its number on this device.
    pub number: i64,
    /// The type.
    pub entity_type: EntityType,
    /// From this time on, in milliseconds since 1970 UTC; nothing for from the beginning.
    pub from_ms: Option<i64>,
    /// Before this time, in milliseconds since 1970 UTC; nothing for without end.
    pub to_ms: Option<i64>,
    /// What is smaller goes first; 0 is what somebody asked for by name.
    pub rank: i64,
    /// Where the last answer broke off: the engine's own text.
    pub after: Option<String>,
    /// How many rows of it have come.
    pub rows: u64,
    /// Why the server will not give it.
    pub refused: Option<String>,
}

/// Where a wish stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WishState {
    /// It waits, or is on its way.
    Waiting,
    /// The server will not give it, with the reason in words.
    Refused(String),
}

const RANGE_COLUMNS: &str = "number, type, from_ms, to_ms, rank, after, rows, refused";

impl StoreTransaction<'_> {
    /// Wants an entity. One that is on its way already is asked for once more, because the answer
    /// may be of before.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn want_key(&mut self, key: &EntityKey) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO wanted_key (type, id) VALUES (?1, ?2)
             ON CONFLICT (type, id) DO UPDATE SET request = NULL, refused = NULL",
            params![key.entity_type.as_str(), IdValue::of(&key.id)],
        )?;
        Ok(())
    }

    /// Wants a stretch of time; its number says which. The same stretch is wanted once, with the
    /// smaller rank; one that was refused begins anew. What is asked for by name, with rank 0, and
    /// what is wanted otherwise are apart: each is read from its own beginning.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn want_range(
        &mut self,
        entity_type: &EntityType,
        from_ms: Option<i64>,
        to_ms: Option<i64>,
        rank: i64,
    ) -> Result<i64, StoreError> {
        let known = self.range_wanted(entity_type, from_ms, to_ms, rank == 0)?;
        if let Some(known) = known {
            self.execute(
                "UPDATE wanted_range SET rank = min(rank, ?2), refused = NULL WHERE number = ?1",
                params![known.number, rank],
            )?;
            return Ok(known.number);
        }
        self.begin_to_want(entity_type, from_ms, to_ms)?;
        self.execute(
            "INSERT INTO wanted_range (type, from_ms, to_ms, rank, rows)
             VALUES (?1, ?2, ?3, ?4, 0)",
            params![entity_type.as_str(), from_ms, to_ms, rank],
        )?;
        Ok(self.shared.connection.last_insert_rowid())
    }

    /// How many entities and stretches of time are wanted, those that were refused included.
    ///
    /// # Errors
    /// When they cannot be counted.
    pub fn count_wanted(&self) -> Result<(u64, u64), StoreError> {
        let sql = "SELECT (SELECT count(*) FROM wanted_key), (SELECT count(*) FROM wanted_range)";
        let counts =
            self.read_one(sql, [], |row| Ok((read_unsigned(row, 0)?, read_unsigned(row, 1)?)))?;
        Ok(counts.unwrap_or_default())
    }

    /// Entities that are wanted and not on their way, in the order in which they were wanted.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn wanted_keys(&self, limit: usize) -> Result<Vec<EntityKey>, StoreError> {
        self.read_all(
            "SELECT type, id FROM wanted_key WHERE request IS NULL AND refused IS NULL
             ORDER BY number LIMIT ?1",
            [row_limit(limit)],
            read_key,
        )
    }

    /// The entities that a request asked for.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn keys_asked_by(&self, request: RequestId) -> Result<Vec<EntityKey>, StoreError> {
        self.read_all(
            "SELECT type, id FROM wanted_key WHERE request = ?1 ORDER BY number",
            [signed(request.0)],
            read_key,
        )
    }

    /// Whether an entity is wanted, and how that stands.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn key_wanted(&self, key: &EntityKey) -> Result<Option<WishState>, StoreError> {
        self.read_one(
            "SELECT refused FROM wanted_key WHERE type = ?1 AND id = ?2",
            params![key.entity_type.as_str(), IdValue::of(&key.id)],
            |row| {
                Ok(row.get::<_, Option<String>>(0)?.map_or(WishState::Waiting, WishState::Refused))
            },
        )
    }

    /// The wanted stretches of time, those that go first at the front; refused ones at the end.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn wanted_ranges(&self) -> Result<Vec<WantedRange>, StoreError> {
        let sql = format!(
            "SELECT {RANGE_COLUMNS} FROM wanted_range ORDER BY refused IS NOT NULL, rank, number"
        );
        self.read_all(&sql, [], read_range)
    }

    /// The stretch of time that a request asked for.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn range_asked_by(&self, request: RequestId) -> Result<Option<WantedRange>, StoreError> {
        let sql = format!("SELECT {RANGE_COLUMNS} FROM wanted_range WHERE request = ?1");
        self.read_one(&sql, [signed(request.0)], read_range)
    }

    /// The wish for exactly this stretch of time, by name or otherwise.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn range_wanted(
        &self,
        entity_type: &EntityType,
        from_ms: Option<i64>,
        to_ms: Option<i64>,
        by_name: bool,
    ) -> Result<Option<WantedRange>, StoreError> {
        let sql = format!(
            "SELECT {RANGE_COLUMNS} FROM wanted_range
             WHERE type = ?1 AND from_ms IS ?2 AND to_ms IS ?3 AND (rank = 0) = ?4"
        );
        self.read_one(&sql, params![entity_type.as_str(), from_ms, to_ms, by_name], read_range)
    }

    /// Notes that a request asks for these.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn ask_for(
        &mut self,
        request: RequestId,
        keys: &[EntityKey],
        range: Option<i64>,
    ) -> Result<(), StoreError> {
        let request = signed(request.0);
        for key in keys {
            self.execute(
                "UPDATE wanted_key SET request = ?3 WHERE type = ?1 AND id = ?2",
                params![key.entity_type.as_str(), IdValue::of(&key.id), request],
            )?;
        }
        if let Some(range) = range {
            self.execute(
                "UPDATE wanted_range SET request = ?2 WHERE number = ?1",
                params![range, request],
            )?;
        }
        Ok(())
    }

    /// Forgets the wish for an entity that a request has answered, unless it was wanted once more
    /// since; false when it was.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn end_wanted_key(
        &mut self,
        key: &EntityKey,
        request: RequestId,
    ) -> Result<bool, StoreError> {
        let ended = self.execute(
            "DELETE FROM wanted_key WHERE type = ?1 AND id = ?2 AND request = ?3",
            params![key.entity_type.as_str(), IdValue::of(&key.id), signed(request.0)],
        )?;
        Ok(ended == 1)
    }

    /// Notes how far a wanted stretch of time has come.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn advance_wanted_range(
        &mut self,
        number: i64,
        after: &str,
        rows: u64,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE wanted_range SET after = ?2, rows = rows + ?3 WHERE number = ?1",
            params![number, after, signed(rows)],
        )?;
        Ok(())
    }

    /// Forgets the wish for a stretch of time; false when there is none.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn end_wanted_range(&mut self, number: i64) -> Result<bool, StoreError> {
        Ok(self.execute("DELETE FROM wanted_range WHERE number = ?1", [number])? == 1)
    }

    /// Notes why the server will not give what a request asked for.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn refuse_wanted(&mut self, request: RequestId, why: &str) -> Result<(), StoreError> {
        for table in ["wanted_key", "wanted_range"] {
            self.execute(
                &format!("UPDATE {table} SET refused = ?2, request = NULL WHERE request = ?1"),
                params![signed(request.0), why],
            )?;
        }
        Ok(())
    }

    /// Lets what a request asked for and did not get wait again; without a request, everything.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn release_wanted(&mut self, request: Option<RequestId>) -> Result<(), StoreError> {
        let request = request.map(|request| signed(request.0));
        for table in ["wanted_key", "wanted_range"] {
            self.execute(
                &format!(
                    "UPDATE {table} SET request = NULL
                     WHERE request IS NOT NULL AND request = coalesce(?1, request)"
                ),
                [request],
            )?;
        }
        Ok(())
    }

    /// Forgets what was refused.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn forget_refused_wishes(&mut self) -> Result<(), StoreError> {
        for table in ["wanted_key", "wanted_range"] {
            self.execute(&format!("DELETE FROM {table} WHERE refused IS NOT NULL"), [])?;
        }
        Ok(())
    }
}

fn read_key(row: &Row<'_>) -> Result<EntityKey, StoreError> {
    Ok(EntityKey {
        entity_type: read_type(row.get_ref(0)?, "wanted_key")?,
        id: read_id(row.get_ref(1)?, "wanted_key")?,
    })
}

fn read_range(row: &Row<'_>) -> Result<WantedRange, StoreError> {
    Ok(WantedRange {
        number: row.get(0)?,
        entity_type: read_type(row.get_ref(1)?, "wanted_range")?,
        from_ms: row.get(2)?,
        to_ms: row.get(3)?,
        rank: row.get(4)?,
        after: row.get(5)?,
        rows: read_unsigned(row, 6)?,
        refused: row.get(7)?,
    })
}
