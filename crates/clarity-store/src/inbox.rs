//! What became of operations that did not simply apply: endings, conflicts, values that lost.

use clarity_model::{Counter, EntityKey, LocalTime, Version};
use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::StoreError;
use crate::transaction::StoreTransaction;
use crate::value::{
    IdValue, json_text, read_json, read_key, read_optional_unsigned, read_unsigned, row_limit,
    signed,
};

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum EndedAs {
    /// As it was.
    Applied,
    /// Together with changes of others.
    Merged,
    /// Another value won; the loser is in the history.
    Superseded,
    /// A later operation settled it.
    Resolved,
    /// The server refused it and a person gave it up.
    Rejected,
    /// A person took it back before it was sent, or before the server refused it.
    Cancelled,
}

impl EndedAs {
    const WORDS: [(Self, &'static str); 6] = [
        (Self::Applied, "applied"),
        (Self::Merged, "merged"),
        (Self::Superseded, "superseded"),
        (Self::Resolved, "resolved"),
        (Self::Rejected, "rejected"),
        (Self::Cancelled, "cancelled"),
    ];

    /// The ending as one lower-case word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::WORDS[self as usize].1
    }

    pub(crate) fn from_word(word: &str) -> Result<Self, StoreError> {
        let found = Self::WORDS.into_iter().find(|(_, known)| *known == word);
        found
            .map(|(ended, _)| ended)
            .ok_or(StoreError::InvalidValue { table: "ended", column: "outcome" })
    }
}

/// The end of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// How it ended.
    pub outcome: EndedAs,
    /// When, by this device's clock.
    pub at: LocalTime,
    /// The version that it led to.
    pub version: Option<Version>,
    /// The operation that settled it.
    pub resolved_by: Option<Counter>,
}

/// A conflict in the inbox. `Debug` hides what it is about.
#[derive(Clone, PartialEq)]
pub struct ConflictRecord {
    /// Its number.
    pub id: i64,
    /// The entity.
    pub key: EntityKey,
    /// The first operation in conflict.
    pub counter: Counter,
    /// When it was opened.
    pub opened_at: LocalTime,
    /// What the engine keeps about it.
    pub detail: Value,
    /// The version of the schema file that the fields in it are of.
    pub schema: u32,
}

impl std::fmt::Debug for ConflictRecord {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ConflictRecord")
            .field("id", &self.id)
            .field("type", &self.key.entity_type)
            .field("counter", &self.counter)
            .field("opened_at", &self.opened_at)
            .finish_non_exhaustive()
    }
}

/// A value that lost, to keep. `Debug` hides what it is about.
#[derive(Clone, PartialEq)]
pub struct NewHistory {
    /// When it lost.
    pub at: LocalTime,
    /// The entity.
    pub key: EntityKey,
    /// The operation that it came from, if any.
    pub counter: Option<Counter>,
    /// Why it lost, as one word.
    pub cause: String,
    /// What the engine keeps about it.
    pub detail: Value,
    /// About when it may go, by this device's clock.
    pub expires_at: LocalTime,
}

impl std::fmt::Debug for NewHistory {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("NewHistory")
            .field("at", &self.at)
            .field("type", &self.key.entity_type)
            .field("counter", &self.counter)
            .field("cause", &self.cause)
            .finish_non_exhaustive()
    }
}

/// A value that lost, as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryRecord {
    /// Its number; later ones are larger.
    pub id: i64,
    /// The rest.
    pub entry: NewHistory,
    /// The operation that brought it back, if one did.
    pub undone_by: Option<Counter>,
    /// The version of the schema file that the fields in it are of.
    pub schema: u32,
}

impl StoreTransaction<'_> {
    /// Keeps how an operation ended, for all that did not simply apply.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn record_ended(&mut self, counter: Counter, ended: &Ended) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR REPLACE INTO ended (counter, outcome, at, version, resolved_by)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                signed(counter.0),
                ended.outcome.as_str(),
                ended.at.0,
                ended.version.map(|version| signed(version.0)),
                ended.resolved_by.map(|counter| signed(counter.0)),
            ],
        )?;
        Ok(())
    }

    /// How an operation ended; nothing for one that waits or that simply applied.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn ended(&self, counter: Counter) -> Result<Option<Ended>, StoreError> {
        self.read_one(
            "SELECT outcome, at, version, resolved_by FROM ended WHERE counter = ?1",
            [signed(counter.0)],
            |row| {
                Ok(Ended {
                    outcome: EndedAs::from_word(row.get_ref(0)?.as_str().unwrap_or_default())?,
                    at: LocalTime(row.get(1)?),
                    version: read_optional_unsigned(row, 2)?.map(Version),
                    resolved_by: read_optional_unsigned(row, 3)?.map(Counter),
                })
            },
        )
    }

    /// Forgets how operations below a counter ended, the oldest `limit` of them; says how many.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn prune_ended(&mut self, below: Counter, limit: usize) -> Result<usize, StoreError> {
        self.execute(
            "DELETE FROM ended WHERE counter IN (
                 SELECT counter FROM ended WHERE counter < ?1 ORDER BY counter LIMIT ?2)",
            [signed(below.0), row_limit(limit)],
        )
    }

    /// Opens a conflict, or brings the one of the entity up to date; the number stays.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_conflict(
        &mut self,
        key: &EntityKey,
        counter: Counter,
        opened_at: LocalTime,
        detail: &Value,
    ) -> Result<i64, StoreError> {
        let id = self.read_one(
            "INSERT INTO conflict (type, entity, counter, opened_at, detail, schema)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (type, entity) DO UPDATE SET counter = excluded.counter,
                 opened_at = excluded.opened_at, detail = excluded.detail,
                 schema = excluded.schema
             RETURNING id",
            params![
                key.entity_type.as_str(),
                IdValue::of(&key.id),
                signed(counter.0),
                opened_at.0,
                json_text(detail, "conflict", "detail")?,
                self.schema().version,
            ],
            |row| Ok(row.get(0)?),
        )?;
        id.ok_or(StoreError::InvalidValue { table: "conflict", column: "id" })
    }

    /// One conflict.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn conflict(&self, id: i64) -> Result<Option<ConflictRecord>, StoreError> {
        self.read_one(
            "SELECT id, type, entity, counter, opened_at, detail, schema FROM conflict WHERE id = ?1",
            [id],
            read_conflict,
        )
    }

    /// The conflict of an entity.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn conflict_of(&self, key: &EntityKey) -> Result<Option<ConflictRecord>, StoreError> {
        self.read_one(
            "SELECT id, type, entity, counter, opened_at, detail, schema FROM conflict
             WHERE type = ?1 AND entity = ?2",
            params![key.entity_type.as_str(), IdValue::of(&key.id)],
            read_conflict,
        )
    }

    /// The conflicts after a number, in the order in which they were opened; begin at 0.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn conflicts(&self, after: i64, limit: usize) -> Result<Vec<ConflictRecord>, StoreError> {
        self.read_all(
            "SELECT id, type, entity, counter, opened_at, detail, schema FROM conflict
             WHERE id > ?1 ORDER BY id LIMIT ?2",
            [after, row_limit(limit)],
            read_conflict,
        )
    }

    /// Closes a conflict; false when there is none with this number.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn remove_conflict(&mut self, id: i64) -> Result<bool, StoreError> {
        Ok(self.execute("DELETE FROM conflict WHERE id = ?1", [id])? == 1)
    }

    /// How many conflicts are open.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn count_conflicts(&self) -> Result<u64, StoreError> {
        let count =
            self.read_one("SELECT count(*) FROM conflict", [], |row| read_unsigned(row, 0))?;
        Ok(count.unwrap_or_default())
    }

    /// Keeps a value that lost; says its number.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add_history(&mut self, entry: &NewHistory) -> Result<i64, StoreError> {
        self.execute(
            "INSERT INTO history (at, type, entity, counter, cause, detail, expires_at, schema)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                entry.at.0,
                entry.key.entity_type.as_str(),
                IdValue::of(&entry.key.id),
                entry.counter.map(|counter| signed(counter.0)),
                entry.cause,
                json_text(&entry.detail, "history", "detail")?,
                entry.expires_at.0,
                self.schema().version,
            ],
        )?;
        Ok(self.shared.connection.last_insert_rowid())
    }

    /// One value that lost.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn history_entry(&self, id: i64) -> Result<Option<HistoryRecord>, StoreError> {
        self.read_one(
            "SELECT id, at, type, entity, counter, cause, detail, expires_at, undone_by, schema
             FROM history WHERE id = ?1",
            [id],
            read_history,
        )
    }

    /// The values of an entity that lost, after a number, oldest first; begin at 0.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn history_of(
        &self,
        key: &EntityKey,
        after: i64,
        limit: usize,
    ) -> Result<Vec<HistoryRecord>, StoreError> {
        self.read_all(
            "SELECT id, at, type, entity, counter, cause, detail, expires_at, undone_by, schema
             FROM history INDEXED BY history_by_entity
             WHERE type = ?1 AND entity = ?2 AND id > ?3 ORDER BY id LIMIT ?4",
            params![key.entity_type.as_str(), IdValue::of(&key.id), after, row_limit(limit)],
            read_history,
        )
    }

    /// The values that lost, after a number, oldest first; begin at 0.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn history(&self, after: i64, limit: usize) -> Result<Vec<HistoryRecord>, StoreError> {
        self.read_all(
            "SELECT id, at, type, entity, counter, cause, detail, expires_at, undone_by, schema
             FROM history WHERE id > ?1 ORDER BY id LIMIT ?2",
            [after, row_limit(limit)],
            read_history,
        )
    }

    /// The number of the newest value that lost; zero when there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn newest_history(&self) -> Result<i64, StoreError> {
        let newest = self
            .read_one("SELECT max(id) FROM history", [], |row| Ok(row.get::<_, Option<i64>>(0)?))?;
        Ok(newest.flatten().unwrap_or_default())
    }

    /// Notes which operation brought a value back; false when there is no such value.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn mark_undone(&mut self, id: i64, undone_by: Counter) -> Result<bool, StoreError> {
        let changed = self.execute(
            "UPDATE history SET undone_by = ?2 WHERE id = ?1",
            [id, signed(undone_by.0)],
        )?;
        Ok(changed == 1)
    }

    /// Forgets the values up to a number, the oldest `limit` of them; says how many.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn prune_history(&mut self, through: i64, limit: usize) -> Result<usize, StoreError> {
        self.execute(
            "DELETE FROM history WHERE id IN (
                 SELECT id FROM history WHERE id <= ?1 ORDER BY id LIMIT ?2)",
            [through, row_limit(limit)],
        )
    }
}

fn read_conflict(row: &Row<'_>) -> Result<ConflictRecord, StoreError> {
    Ok(ConflictRecord {
        id: row.get(0)?,
        key: read_key(row, 1, "conflict")?,
        counter: Counter(read_unsigned(row, 3)?),
        opened_at: LocalTime(row.get(4)?),
        detail: read_json(row.get_ref(5)?, "conflict", "detail")?,
        schema: row.get(6)?,
    })
}

fn read_history(row: &Row<'_>) -> Result<HistoryRecord, StoreError> {
    Ok(HistoryRecord {
        id: row.get(0)?,
        entry: NewHistory {
            at: LocalTime(row.get(1)?),
            key: read_key(row, 2, "history")?,
            counter: read_optional_unsigned(row, 4)?.map(Counter),
            cause: row.get(5)?,
            detail: read_json(row.get_ref(6)?, "history", "detail")?,
            expires_at: LocalTime(row.get(7)?),
        },
        undone_by: read_optional_unsigned(row, 8)?.map(Counter),
        schema: row.get(9)?,
    })
}
