//! By which field the records of each type have a time of their own.

use std::collections::{BTreeMap, BTreeSet};

use clarity_model::{EntityType, Schema};
use rusqlite::{Connection, OptionalExtension, params};

use super::SqliteStorage;
use crate::storage::StorageError;

/// The entry of `meta` with the field of each type.
const WINDOWS: &str = "windows";

impl SqliteStorage {
    /// Brings the stored times of all records in line with the schema's windows. Types whose window
    /// is the one that the file was written with cost nothing; one of another field is gone through
    /// once. A crash leaves the old times or the new ones.
    ///
    /// # Errors
    /// When the database fails; then nothing has changed.
    pub fn settle_windows(&self, schema: &Schema) -> Result<(), StorageError> {
        let wanted: BTreeMap<EntityType, String> = schema
            .types
            .iter()
            .filter_map(|(name, declared)| {
                Some((name.clone(), declared.window.as_ref()?.time_ms.clone()))
            })
            .collect();
        self.transaction(|connection| {
            let known = known(connection)?;
            if known == wanted {
                return Ok(());
            }
            let types: BTreeSet<&EntityType> = known.keys().chain(wanted.keys()).collect();
            for entity_type in types {
                if known.get(entity_type) != wanted.get(entity_type) {
                    put_times(connection, entity_type, wanted.get(entity_type))?;
                }
            }
            let text = serde_json::to_vec(&wanted).map_err(|_| StorageError::Value("windows"))?;
            connection.execute(
                "INSERT INTO meta(name, value) VALUES (?1, ?2)
                 ON CONFLICT DO UPDATE SET value = excluded.value",
                params![WINDOWS, text],
            )?;
            Ok(())
        })
    }
}

fn known(connection: &Connection) -> Result<BTreeMap<EntityType, String>, StorageError> {
    let mut select = connection.prepare("SELECT value FROM meta WHERE name = ?1")?;
    let text: Option<Vec<u8>> = select.query_row([WINDOWS], |row| row.get(0)).optional()?;
    match text {
        Some(text) => serde_json::from_slice(&text).map_err(|_| StorageError::Value("windows")),
        None => Ok(BTreeMap::new()),
    }
}

/// Sets the time of every record of a type that has fields, as the model's `TypeSchema::time_ms`
/// reads it: a whole number of 64 bits is one, and nothing else is.
fn put_times(
    connection: &Connection,
    entity_type: &EntityType,
    field: Option<&String>,
) -> Result<(), StorageError> {
    // A column's name is lower-case letters, digits and underscores.
    let path = field.map(|field| format!("$.\"{field}\""));
    connection.execute(
        "UPDATE entity SET time_ms = CASE
           WHEN json_type(fields, ?2) = 'integer' AND typeof(json_extract(fields, ?2)) = 'integer'
           THEN json_extract(fields, ?2) END
         WHERE type = ?1 AND fields IS NOT NULL",
        params![entity_type.as_str(), path],
    )?;
    Ok(())
}
