//! Entities that follow the schema: what was kept under an older version is carried forward when a
//! newer one is loaded, before anybody is answered.
//!
//! Versions and positions stay as they are: every device carries its own rows forward by the same
//! steps, and both have the same again.

use std::collections::BTreeMap;

use clarity_model::{EntityType, Fields, Schema, Version};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::SqliteStorage;
use super::transaction::parse_fields;
use crate::storage::StorageError;

/// The entry of `meta` with the schema and how far the entities follow it.
const SCHEMA: &str = "schema";
/// How many entities are carried forward in one transaction.
const ROWS_AT_ONCE: i64 = 2_000;

/// Which schema the entities follow.
#[derive(Serialize, Deserialize)]
struct Followed {
    schema: Schema,
    /// The version that entities after `place` still follow.
    since: u32,
    /// Account and position of the last entity that was looked at; absent when all follow.
    place: Option<(i64, i64)>,
}

impl SqliteStorage {
    /// Carries all entities forward to a schema, a bounded number in each transaction. A crash
    /// leaves each of them as it was or as it becomes, and the next start goes on.
    ///
    /// # Errors
    /// [`StorageError::OlderSchema`] and [`StorageError::SchemaHistory`] for a schema that cannot
    /// be followed; nothing has changed then. When the database fails.
    pub fn follow_schema(&self, schema: &Schema) -> Result<(), StorageError> {
        loop {
            let done = self.transaction(|connection| {
                let Some(followed) = read(connection)? else {
                    let (schema, since) = (schema.clone(), schema.version);
                    write(connection, &Followed { schema, since, place: None })?;
                    return Ok(true);
                };
                check(schema, &followed.schema)?;
                step(connection, schema, followed)
            })?;
            if done {
                return Ok(());
            }
        }
    }
}

fn check(schema: &Schema, followed: &Schema) -> Result<(), StorageError> {
    if schema.version < followed.version {
        let (found, known) = (followed.version, schema.version);
        return Err(StorageError::OlderSchema { found, known });
    }
    schema
        .check_continues(followed)
        .map_err(|error| StorageError::SchemaHistory { problem: error.to_string() })
}

/// One transaction's work; returns whether it was the last.
fn step(
    connection: &Connection,
    schema: &Schema,
    followed: Followed,
) -> Result<bool, StorageError> {
    match followed.place {
        // What was interrupted is ended first, also when a newer schema has come since.
        Some(place) => {
            let place = carry(connection, &followed, place)?;
            write(connection, &Followed { place, ..followed })?;
            Ok(false)
        }
        None if followed.schema == *schema => Ok(true),
        None => {
            let since = followed.schema.version;
            let none = schema.carried_types(since).is_empty();
            let place = (!none).then_some((i64::MIN, 0));
            write(connection, &Followed { schema: schema.clone(), since, place })?;
            Ok(none)
        }
    }
}

fn read(connection: &Connection) -> Result<Option<Followed>, StorageError> {
    let mut select = connection.prepare("SELECT value FROM meta WHERE name = ?1")?;
    let text: Option<Vec<u8>> = select.query_row([SCHEMA], |row| row.get(0)).optional()?;
    let read = |text: Vec<u8>| {
        serde_json::from_slice(&text).map_err(|_| StorageError::Value("the schema"))
    };
    text.map(read).transpose()
}

fn write(connection: &Connection, followed: &Followed) -> Result<(), StorageError> {
    let text = serde_json::to_vec(followed).map_err(|_| StorageError::Value("the schema"))?;
    connection.execute(
        "INSERT INTO meta(name, value) VALUES (?1, ?2)
         ON CONFLICT DO UPDATE SET value = excluded.value",
        params![SCHEMA, text],
    )?;
    Ok(())
}

/// One entity as it is kept.
struct Kept {
    place: (i64, i64),
    entity_type: String,
    field_versions: Option<String>,
    fields: Option<String>,
}

/// Carries the next entities forward; returns the last of them, or nothing when there are no more.
fn carry(
    connection: &Connection,
    followed: &Followed,
    after: (i64, i64),
) -> Result<Option<(i64, i64)>, StorageError> {
    let mut select = connection.prepare_cached(
        "SELECT account, seq, type, field_versions, fields FROM entity
         WHERE (account, seq) > (?1, ?2) ORDER BY account, seq LIMIT ?3",
    )?;
    let rows = select.query_map(params![after.0, after.1, ROWS_AT_ONCE], |row| {
        Ok(Kept {
            place: (row.get(0)?, row.get(1)?),
            entity_type: row.get(2)?,
            field_versions: row.get(3)?,
            fields: row.get(4)?,
        })
    })?;
    let rows: Vec<Kept> = rows.collect::<Result<_, _>>()?;
    let mut update = connection.prepare_cached(
        "UPDATE entity SET field_versions = ?3, fields = ?4 WHERE account = ?1 AND seq = ?2",
    )?;
    let last = rows.last().map(|row| row.place);
    for Kept { place, entity_type, field_versions, fields } in rows {
        let of = EntityType::new(&entity_type).map_err(|_| StorageError::Value("a type"))?;
        let (Some(text), true) = (fields, followed.schema.carries(followed.since, &of)) else {
            continue;
        };
        let fields = parse_fields(Some(&text))?;
        let fields: Fields = followed.schema.carried_fields(followed.since, &of, fields);
        let versions =
            field_versions.map(|text| carried_versions(followed, &of, &text)).transpose()?;
        update.execute(params![place.0, place.1, versions, fields.to_canonical_json()])?;
    }
    Ok(last)
}

/// The versions that last wrote each field, under the fields' new names.
fn carried_versions(
    followed: &Followed,
    of: &EntityType,
    text: &str,
) -> Result<String, StorageError> {
    let invalid = |_| StorageError::Value("versions of fields");
    let versions: BTreeMap<String, Version> = serde_json::from_str(text).map_err(invalid)?;
    let carried: BTreeMap<String, Version> = versions
        .into_iter()
        .map(|(name, version)| (followed.schema.carried_name(followed.since, of, &name), version))
        .collect();
    serde_json::to_string(&carried).map_err(invalid)
}
