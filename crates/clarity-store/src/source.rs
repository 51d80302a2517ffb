//! Health sources: how far each was read, and what it calls the entities that it brought.

use clarity_model::{EntityKey, LocalTime};
use rusqlite::{Row, params};
use serde_json::Value;

use crate::error::StoreError;
use crate::transaction::StoreTransaction;
use crate::value::{IdValue, json_text, read_json, read_key, read_unsigned, row_limit};

/// A source. `Debug` hides its state.
#[derive(Clone, PartialEq)]
pub struct SourceRecord {
    /// Its name for ever.
    pub source: String,
    /// What people call it.
    pub name: String,
    /// What the engine keeps about it.
    pub state: Value,
    /// When that was last written, by this device's clock.
    pub updated_at: LocalTime,
}

impl std::fmt::Debug for SourceRecord {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SourceRecord")
            .field("source", &self.source)
            .field("updated_at", &self.updated_at)
            .finish_non_exhaustive()
    }
}

/// What a source calls an entity. `Debug` hides the name.
#[derive(Clone, PartialEq)]
pub struct SourceAlias {
    /// The source's own name for it.
    pub external: String,
    /// The entity.
    pub key: EntityKey,
    /// The source's version of it that was imported last.
    pub version: Option<i64>,
    /// The comparison in which it was last seen.
    pub round: i64,
    /// What the source says of it.
    pub state: AliasState,
}

/// What a source last said of something that it has a name for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AliasState {
    /// It has it.
    Linked,
    /// It no longer has it.
    Gone,
    /// It no longer has it, and this device had given it up for space: it is deleted when it is
    /// here again.
    GoneWhenHere,
}

impl AliasState {
    /// Whether the source no longer has it.
    #[must_use]
    pub fn is_gone(self) -> bool {
        self != Self::Linked
    }

    fn column(self) -> i64 {
        match self {
            Self::Linked => 0,
            Self::Gone => 1,
            Self::GoneWhenHere => 2,
        }
    }

    fn of_column(value: i64) -> Self {
        match value {
            0 => Self::Linked,
            2 => Self::GoneWhenHere,
            _ => Self::Gone,
        }
    }
}

impl std::fmt::Debug for SourceAlias {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SourceAlias")
            .field("round", &self.round)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

const SELECT_ALIAS: &str = "SELECT external, type, id, version, round, gone FROM source_alias ";

impl StoreTransaction<'_> {
    /// A source.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn source(&self, source: &str) -> Result<Option<SourceRecord>, StoreError> {
        let sql = "SELECT source, name, state, updated_at FROM source WHERE source = ?1";
        self.read_one(sql, [source], read_source)
    }

    /// All sources, in the order of their names.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn sources(&self) -> Result<Vec<SourceRecord>, StoreError> {
        let sql = "SELECT source, name, state, updated_at FROM source ORDER BY source";
        self.read_all(sql, [], read_source)
    }

    /// Keeps or replaces a source.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_source(&mut self, record: &SourceRecord) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO source (source, name, state, updated_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (source) DO UPDATE SET name = excluded.name, state = excluded.state,
                 updated_at = excluded.updated_at",
            params![
                record.source,
                record.name,
                json_text(&record.state, "source", "state")?,
                record.updated_at.0
            ],
        )?;
        Ok(())
    }

    /// What a source means by one of its names.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn alias(&self, source: &str, external: &str) -> Result<Option<SourceAlias>, StoreError> {
        let sql = format!("{SELECT_ALIAS} WHERE source = ?1 AND external = ?2");
        self.read_one(&sql, [source, external], read_alias)
    }

    /// What a source means by one of its names and by the parts of it, which are named with a `#`
    /// after it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn aliases_under(
        &self,
        source: &str,
        external: &str,
    ) -> Result<Vec<SourceAlias>, StoreError> {
        // `$` is the character after `#`.
        let sql = format!(
            "{SELECT_ALIAS} WHERE source = ?1
             AND (external = ?2 OR (external >= ?2 || '#' AND external < ?2 || '$'))
             ORDER BY external"
        );
        self.read_all(&sql, [source, external], read_alias)
    }

    /// The names that a source has for an entity.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn aliases_of(
        &self,
        source: &str,
        key: &EntityKey,
    ) -> Result<Vec<SourceAlias>, StoreError> {
        let sql = format!(
            "{SELECT_ALIAS} INDEXED BY source_alias_by_entity
             WHERE type = ?1 AND id = ?2 AND source = ?3 ORDER BY external"
        );
        let entity_type = key.entity_type.as_str();
        self.read_all(&sql, params![entity_type, IdValue::of(&key.id), source], read_alias)
    }

    /// What sources no longer have of an entity and is to be deleted now that it is here, each with
    /// the source.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn aliases_gone_when_here(
        &self,
        key: &EntityKey,
    ) -> Result<Vec<(String, SourceAlias)>, StoreError> {
        let sql = "SELECT external, type, id, version, round, gone, source
             FROM source_alias INDEXED BY source_alias_by_entity
             WHERE type = ?1 AND id = ?2 AND gone = 2 ORDER BY source, external";
        let entity_type = key.entity_type.as_str();
        self.read_all(sql, params![entity_type, IdValue::of(&key.id)], |row| {
            Ok((row.get(6)?, read_alias(row)?))
        })
    }

    /// Keeps or replaces what a source means by a name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_alias(&mut self, source: &str, alias: &SourceAlias) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR REPLACE INTO source_alias
                 (source, external, type, id, version, round, gone)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                source,
                alias.external,
                alias.key.entity_type.as_str(),
                IdValue::of(&alias.key.id),
                alias.version,
                alias.round,
                alias.state.column(),
            ],
        )?;
        Ok(())
    }

    /// Forgets a name; false when there was none.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn remove_alias(&mut self, source: &str, external: &str) -> Result<bool, StoreError> {
        let sql = "DELETE FROM source_alias WHERE source = ?1 AND external = ?2";
        Ok(self.execute(sql, [source, external])? == 1)
    }

    /// Names, after one, that were last seen before a comparison and are not gone.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn aliases_before(
        &self,
        source: &str,
        round: i64,
        after: &str,
        limit: usize,
    ) -> Result<Vec<SourceAlias>, StoreError> {
        let sql = format!(
            "{SELECT_ALIAS} WHERE source = ?1 AND external > ?2 AND round < ?3 AND gone = 0
             ORDER BY external LIMIT ?4"
        );
        self.read_all(&sql, params![source, after, round, row_limit(limit)], read_alias)
    }

    /// How many names a source has for what is there.
    ///
    /// # Errors
    /// When they cannot be counted.
    pub fn count_aliases(&self, source: &str) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM source_alias WHERE source = ?1 AND gone = 0";
        let count = self.read_one(sql, [source], |row| read_unsigned(row, 0))?;
        Ok(count.unwrap_or_default())
    }
}

fn read_source(row: &Row<'_>) -> Result<SourceRecord, StoreError> {
    Ok(SourceRecord {
        source: row.get(0)?,
        name: row.get(1)?,
        state: read_json(row.get_ref(2)?, "source", "state")?,
        updated_at: LocalTime(row.get(3)?),
    })
}

fn read_alias(row: &Row<'_>) -> Result<SourceAlias, StoreError> {
    Ok(SourceAlias {
        external: row.get(0)?,
        key: read_key(row, 1, "source_alias")?,
        version: row.get(3)?,
        round: row.get(4)?,
        state: AliasState::of_column(row.get(5)?),
    })
}
