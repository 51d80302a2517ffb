//! What the server last told of an entity, kept apart only while local operations wait.

use clarity_model::{EntityKey, Fields, Seq, ServerTime, Version};
use rusqlite::params;

use crate::error::StoreError;
use crate::transaction::StoreTransaction;
use crate::value::{IdValue, fields_text, read_fields, read_unsigned, signed};

/// What the server last told of an entity. `Debug` hides the values of its fields.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfirmedEntity {
    /// Its fields; the last known ones when it is deleted.
    pub fields: Fields,
    /// Whether the server has deleted it.
    pub deleted: bool,
    /// Its version.
    pub version: Version,
    /// The position of that version in the account's log.
    pub seq: Seq,
    /// When the server accepted that version.
    pub updated_at: ServerTime,
}

impl StoreTransaction<'_> {
    /// What the server last told of an entity with waiting operations.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn confirmed(&self, key: &EntityKey) -> Result<Option<ConfirmedEntity>, StoreError> {
        self.read_one(
            "SELECT fields, deleted, version, seq, updated_at, schema FROM confirmed
             WHERE type = ?1 AND id = ?2",
            params![key.entity_type.as_str(), IdValue::of(&key.id)],
            |row| {
                let fields = Fields(read_fields(row.get_ref(0)?, "confirmed", "fields")?);
                // Of a deleted entity nothing may be known.
                let (since, known) = (row.get(5)?, !fields.is_empty() || !row.get(1)?);
                Ok(ConfirmedEntity {
                    fields: match known {
                        true => self.schema().carried_fields(since, &key.entity_type, fields),
                        false => fields,
                    },
                    deleted: row.get(1)?,
                    version: Version(read_unsigned(row, 2)?),
                    seq: Seq(read_unsigned(row, 3)?),
                    updated_at: ServerTime(row.get(4)?),
                })
            },
        )
    }

    /// Keeps or replaces what the server last told of an entity.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_confirmed(
        &mut self,
        key: &EntityKey,
        confirmed: &ConfirmedEntity,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO confirmed (type, id, fields, deleted, version, seq, updated_at, schema)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (type, id) DO UPDATE SET fields = excluded.fields,
                 deleted = excluded.deleted, version = excluded.version, seq = excluded.seq,
                 updated_at = excluded.updated_at, schema = excluded.schema",
            params![
                key.entity_type.as_str(),
                IdValue::of(&key.id),
                fields_text(&confirmed.fields),
                confirmed.deleted,
                signed(confirmed.version.0),
                signed(confirmed.seq.0),
                confirmed.updated_at.0,
                self.schema().version,
            ],
        )?;
        Ok(())
    }

    /// Forgets it, once nothing waits any more; false when there was nothing.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn remove_confirmed(&mut self, key: &EntityKey) -> Result<bool, StoreError> {
        let removed = self.execute(
            "DELETE FROM confirmed WHERE type = ?1 AND id = ?2",
            params![key.entity_type.as_str(), IdValue::of(&key.id)],
        )?;
        Ok(removed == 1)
    }
}
