//! Carries what can be read of a damaged store into a new one.

use std::collections::{BTreeMap, BTreeSet};

use clarity_model::{Column, EntityType, FieldChange, FieldSchema, Fields, Schema, TypeSchema};
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params, params_from_iter};
use serde::de::IgnoredAny;

use super::TableReport;
use super::scan::{Row, Table, distinct, read_all};
use crate::error::StoreError;
use crate::inbox::EndedAs;
use crate::layout::Layouts;
use crate::operation::OperationError;
use crate::schema_sql::ENTITY_TAIL_SQL;
use crate::synchronise::synchronise;
use crate::value::{read_column, read_id, read_type};

/// Tables that are not carried over row by row: what the new store has of its own, and what is
/// computed or read again.
const OWN_TABLES: [&str; 12] = [
    "meta",
    "schema_file",
    "schema_work",
    "declared_type",
    "declared_column",
    "incarnation",
    "queue_count",
    "operation",
    "pull_stage",
    "cursor_part",
    "rollup",
    "rollup_dirty",
];

/// The tables that together say what was given up of months of samples.
const MONTH_TABLES: [&str; 3] = ["evicted_month", "evicted_digest", "evicted_rollup"];

/// Columns of the fixed tables that hold any JSON.
const JSON_COLUMNS: [&str; 4] = ["detail", "report", "scope", "value"];

/// What is being carried from where to where.
pub(super) struct Copy<'a> {
    pub(super) source: &'a Connection,
    pub(super) target: &'a Connection,
    pub(super) tables: BTreeMap<String, TableReport>,
    /// The types that were met.
    types: BTreeSet<String>,
    /// The largest number of an operation, or of anything that is counted.
    pub(super) highest: i64,
}

/// Where the largest number is not known.
const HIGHEST_EXPECTED: i64 = 1_000_000;
/// The largest number that is taken for one of an operation: many more can follow.
const NUMBER_MAX: i64 = i64::MAX / 2;

/// One column of a table.
pub(super) struct ColumnInfo {
    pub(super) name: String,
    sql_type: String,
    key: i64,
}

impl<'a> Copy<'a> {
    pub(super) fn new(source: &'a Connection, target: &'a Connection) -> Self {
        let next = source.query_row("SELECT next_counter FROM queue_count", [], |row| row.get(0));
        let highest = next.unwrap_or(HIGHEST_EXPECTED).clamp(1, NUMBER_MAX);
        Self { source, target, tables: BTreeMap::new(), types: BTreeSet::new(), highest }
    }

    /// Gives the new store the tables and columns that the damaged one has.
    pub(super) fn layout(&mut self, version: u32) -> Result<(), StoreError> {
        let mut kinds = BTreeMap::new();
        let declared = Table {
            name: "declared_column".to_owned(),
            columns: ["type", "field", "kind"].map(str::to_owned).to_vec(),
            key: "type".to_owned(),
            only: None,
            highest: self.highest,
            one_by_one: false,
        };
        self.read("declared_column", &declared, |row| {
            let mut texts = row.iter().filter_map(|value| match value {
                SqlValue::Text(text) => Some(text.clone()),
                _ => None,
            });
            if let (Some(a), Some(b), Some(kind)) = (texts.next(), texts.next(), texts.next()) {
                kinds.insert((a, b), kind);
            }
        });
        let mut types: BTreeMap<EntityType, TypeSchema> = BTreeMap::new();
        for table in table_names(self.source).unwrap_or_default() {
            // A type's table has one of two names.
            let name = table.strip_prefix("entity_").filter(|name| *name != "generic");
            let Some(name) = name.map(|name| name.strip_suffix(".1").unwrap_or(name)) else {
                continue;
            };
            let Ok(entity_type) = EntityType::new(name) else { continue };
            let declared: &mut TypeSchema = types.entry(entity_type).or_default();
            for column in columns_of(self.source, &table).unwrap_or_default() {
                let tail = ENTITY_TAIL_SQL.split(',').any(|part| {
                    part.trim().split(' ').next().is_some_and(|known| known == column.name)
                });
                if column.name == "id" || tail {
                    continue;
                }
                let known = kinds.get(&(name.to_owned(), column.name.clone()));
                let kind = kind_of(known.map(String::as_str), &column.sql_type);
                let field = FieldSchema { column: Some(kind), ..FieldSchema::default() };
                declared.fields.insert(column.name, field);
            }
            self.types.insert(name.to_owned());
        }
        // A version that never leads: tables and columns are added, and nothing else changes.
        let version = version.saturating_sub(1);
        let migrations = Vec::new();
        let found = Schema { format: 1, name: String::new(), version, types, migrations };
        synchronise(self.target, &found)
    }

    /// The row that says what the store is, but for its lives. Returns whether it could be read.
    pub(super) fn identity(&mut self) -> Result<bool, StoreError> {
        let found = self.source.query_row(
            "SELECT account_id, device_id, profile_id, created_at FROM meta",
            [],
            |row| {
                let account: Option<String> = row.get(0)?;
                let device: Option<String> = row.get(1)?;
                Ok((account, device, row.get::<_, i64>(2)?, row.get::<_, i64>(3)?))
            },
        );
        let Ok((account, device, profile, created)) = found else { return Ok(false) };
        self.target.execute(
            "UPDATE meta SET account_id = ?1, device_id = ?2, profile_id = ?3, created_at = ?4",
            params![account, device, profile, created],
        )?;
        Ok(true)
    }

    /// The queue. What was never sent belongs to the new life; what was sent keeps its own.
    pub(super) fn operations(&mut self) -> Result<(), StoreError> {
        let lives = self.lives()?;
        let columns = self.shared_columns("operation", "operation")?;
        let at = |name: &str| columns.iter().position(|column| column == name);
        let places =
            (at("incarnation"), at("first_sent_at"), at("state"), at("request"), at("error"));
        let (Some(life), Some(sent), Some(state), Some(request), Some(error)) = places else {
            self.tables.entry("operation".to_owned()).or_default().complete = false;
            return Ok(());
        };
        let table = Table {
            name: "operation".to_owned(),
            columns: columns.iter().map(|column| quoted(column)).collect(),
            key: "counter".to_owned(),
            only: None,
            highest: self.highest,
            one_by_one: true,
        };
        self.rows("operation", &table, &columns, |row| {
            let known = match &row[life] {
                SqlValue::Integer(number) => lives.get(number).copied(),
                _ => None,
            };
            let unsent = row[sent] == SqlValue::Null;
            row[life] = SqlValue::Integer(if unsent { 1 } else { known.unwrap_or(1) });
            row[request] = SqlValue::Null;
            let said = match &row[error] {
                SqlValue::Text(text) => serde_json::from_str::<OperationError>(text).is_ok(),
                _ => false,
            };
            if !said {
                // What was last said of it is no reason to lose it.
                row[error] = SqlValue::Null;
            }
            if row[state] == SqlValue::Integer(2) {
                row[state] = SqlValue::Integer(0);
            }
            true
        })?;
        // Under a life that could not be read, an operation can never be sent again.
        self.target.execute(
            "UPDATE operation SET frozen = NULL
             WHERE incarnation = 1 AND first_sent_at IS NOT NULL",
            [],
        )?;
        Ok(())
    }

    /// The lives of the store, by their old local numbers.
    fn lives(&mut self) -> Result<BTreeMap<i64, i64>, StoreError> {
        let table = Table {
            name: "incarnation".to_owned(),
            columns: ["local", "incarnation", "made_at"].map(str::to_owned).to_vec(),
            key: "local".to_owned(),
            only: None,
            highest: self.highest,
            one_by_one: false,
        };
        let mut found = Vec::new();
        self.read("incarnation", &table, |row| found.push(row));
        let mut lives = BTreeMap::new();
        for row in found {
            let (SqlValue::Integer(local), SqlValue::Blob(bytes)) = (&row[0], &row[1]) else {
                continue;
            };
            let known: Option<i64> = self
                .target
                .query_row("SELECT local FROM incarnation WHERE incarnation = ?1", [bytes], |row| {
                    row.get(0)
                })
                .optional()?;
            if known.is_some() || bytes.len() != 16 {
                continue;
            }
            self.target.execute(
                "INSERT INTO incarnation (incarnation, made_at) VALUES (?1, ?2)",
                params![bytes, row[2]],
            )?;
            lives.insert(*local, self.target.last_insert_rowid());
        }
        Ok(lives)
    }

    /// Everything else, table by table.
    pub(super) fn others(&mut self) -> Result<(), StoreError> {
        let mut types = std::mem::take(&mut self.types);
        for name in ["operation", "entity_generic", "confirmed", "conflict"] {
            let table = Table {
                name: name.to_owned(),
                columns: vec!["type".to_owned()],
                key: if matches!(name, "operation" | "conflict") { "rowid" } else { "type" }.into(),
                only: None,
                highest: self.highest,
                one_by_one: false,
            };
            types.extend(distinct(self.source, &table, 0).unwrap_or_default());
        }
        for name in table_names(self.target)? {
            if OWN_TABLES.contains(&name.as_str()) {
                continue;
            }
            for there in self.tables_for(&name)? {
                self.other(&name, &there, &types)?;
            }
        }
        self.parts()?;
        self.markers()
    }

    /// What was given up of months is known as a whole or not at all: a digest without its sums, or
    /// the reverse, would count twice what is read again.
    fn markers(&mut self) -> Result<(), StoreError> {
        let is_whole = |name: &&str| self.tables.get(*name).is_some_and(|table| table.complete);
        if MONTH_TABLES.iter().all(is_whole) {
            return Ok(());
        }
        for name in MONTH_TABLES {
            self.target.execute(&format!("DELETE FROM {name}"), [])?;
        }
        Ok(())
    }

    /// One table, which may have another name in the damaged store.
    fn other(
        &mut self,
        name: &str,
        there: &str,
        types: &BTreeSet<String>,
    ) -> Result<(), StoreError> {
        let columns = self.shared_columns(name, there)?;
        let keys = key_columns(self.target, name)?;
        let (only, key) = match keys.as_slice() {
            [first, second, ..] if first == "type" => (Some(first.clone()), second.clone()),
            [first, ..] => (None, first.clone()),
            [] => (None, "rowid".to_owned()),
        };
        let table = Table {
            name: quoted(there),
            columns: columns.iter().map(|column| quoted(column)).collect(),
            key: if key == "rowid" { key } else { quoted(&key) },
            only: None,
            highest: self.highest,
            one_by_one: false,
        };
        match only {
            None => self.rows(name, &table, &columns, |_| true)?,
            Some(column) => {
                for entity_type in types {
                    let only = Some((quoted(&column), entity_type.clone()));
                    let part = Table { only, ..table.clone() };
                    self.rows(name, &part, &columns, |_| true)?;
                }
            }
        }
        Ok(())
    }

    /// What the device follows, to be read again from its beginning.
    fn parts(&mut self) -> Result<(), StoreError> {
        let columns = self.shared_columns("cursor_part", "cursor_part")?;
        let table = Table {
            name: "cursor_part".to_owned(),
            columns: columns.iter().map(|column| quoted(column)).collect(),
            key: "part".to_owned(),
            only: None,
            highest: self.highest,
            one_by_one: false,
        };
        self.rows("cursor_part", &table, &columns, |_| true)?;
        self.target.execute("UPDATE cursor_part SET cursor = NULL, caught_up = 0", [])?;
        Ok(())
    }

    /// Counts the queue anew, and has all roll-ups computed again.
    pub(super) fn finish(&mut self) -> Result<(), StoreError> {
        let next: Option<i64> = self
            .source
            .query_row("SELECT next_counter FROM queue_count", [], |row| row.get(0))
            .unwrap_or(None);
        self.target.execute(
            "UPDATE queue_count SET
                 next_counter = max(?1, 1 + (SELECT coalesce(max(counter), 0) FROM operation),
                                    1 + (SELECT coalesce(max(counter), 0) FROM ended)),
                 ready = (SELECT count(*) FROM operation WHERE state = 0),
                 blocked = (SELECT count(*) FROM operation WHERE state = 1),
                 in_flight = 0,
                 set_aside = (SELECT count(*) FROM operation WHERE state = 3),
                 failed = (SELECT count(*) FROM operation WHERE state = 4),
                 conflicted = (SELECT count(*) FROM operation WHERE state = 5)",
            [next.filter(|next| (1..NUMBER_MAX).contains(next)).unwrap_or(1)],
        )?;
        let layouts = Layouts::load(self.target)?;
        for (entity_type, layout) in &layouts.types {
            if let Some(rollup) = &layout.rollup {
                self.target.execute(&rollup.mark_all, [entity_type.as_str()])?;
            }
        }
        Ok(())
    }

    fn shared_columns(&self, table: &str, there: &str) -> Result<Vec<String>, StoreError> {
        let there: BTreeSet<String> = columns_of(self.source, there)
            .unwrap_or_default()
            .into_iter()
            .map(|column| column.name)
            .collect();
        let here = columns_of(self.target, table)?.into_iter().map(|column| column.name);
        Ok(here.filter(|column| there.contains(column)).collect())
    }

    /// Carries the rows of a table that can be read and make sense.
    pub(super) fn rows(
        &mut self,
        name: &str,
        table: &Table,
        columns: &[String],
        mut mend: impl FnMut(&mut Row) -> bool,
    ) -> Result<(), StoreError> {
        if columns.is_empty() {
            // An older store lacks tables; one whose definitions are lost lacks all of them.
            let complete = !table_names(self.source).unwrap_or_default().is_empty();
            let report = TableReport { complete, ..TableReport::default() };
            self.tables.entry(name.to_owned()).or_default().add(report);
            return Ok(());
        }
        let marks: Vec<String> = (1..=columns.len()).map(|number| format!("?{number}")).collect();
        let sql = format!(
            // Not OR IGNORE, which passes over a row that lacks a value without a word.
            "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT DO NOTHING",
            quoted(name),
            table.columns.join(", "),
            marks.join(", ")
        );
        let mut insert = self.target.prepare(&sql)?;
        let layouts = Layouts::load(self.target)?;
        let mut failure = None;
        let mut saved = 0;
        let found = read_all(self.source, table, |mut row| {
            if failure.is_some() || !is_sound(&layouts, name, columns, &row) || !mend(&mut row) {
                return false;
            }
            match insert.execute(params_from_iter(row.iter())) {
                Ok(inserted) => saved += inserted as u64,
                Err(error) if is_about_the_row(&error) => return false,
                Err(error) => failure = Some(error),
            }
            true
        });
        let (complete, unreadable) =
            found.map_or((false, 0), |found| (found.complete, found.unusable));
        let complete = complete && unreadable == 0;
        let report = TableReport { saved, unreadable, complete };
        self.tables.entry(name.to_owned()).or_default().add(report);
        failure.map_or(Ok(()), |error| Err(error.into()))
    }

    fn read(&mut self, name: &str, table: &Table, mut each: impl FnMut(Row)) {
        let found = read_all(self.source, table, |row| {
            each(row);
            true
        });
        if !found.is_ok_and(|found| found.complete) {
            self.tables.entry(name.to_owned()).or_default().complete = false;
        }
    }
}

/// Whether ids, types and values in a row have their form, so that the row can be read later.
fn is_sound(layouts: &Layouts, table: &str, columns: &[String], row: &Row) -> bool {
    let entity_type = table.strip_prefix("entity_").and_then(|name| EntityType::new(name).ok());
    let declared = entity_type.and_then(|entity_type| layouts.types.get(&entity_type));
    columns.iter().zip(row).all(|(column, value)| {
        if let Some(kind) = declared.and_then(|layout| layout.column(column)) {
            return read_column(kind, value.into()).is_ok();
        }
        if let (SqlValue::Integer(number), Some(numbers)) = (value, numbers_of(table, column)) {
            return numbers.contains(number);
        }
        match (column.as_str(), value) {
            ("type", value) => read_type(value.into(), "salvage").is_ok(),
            ("id" | "entity", value @ (SqlValue::Text(_) | SqlValue::Blob(_))) => {
                read_id(value.into(), "salvage").is_ok()
            }
            ("changes", SqlValue::Text(text)) => {
                serde_json::from_str::<Vec<FieldChange>>(text).is_ok()
            }
            ("outcome", SqlValue::Text(word)) => EndedAs::from_word(word).is_ok(),
            ("extra" | "fields", SqlValue::Text(text)) => {
                serde_json::from_str::<Fields>(text).is_ok()
            }
            (name, SqlValue::Text(text)) if JSON_COLUMNS.contains(&name) => {
                serde_json::from_str::<IgnoredAny>(text).is_ok()
            }
            _ => true,
        }
    })
}

/// The numbers that a column can have where not all can be read.
fn numbers_of(table: &str, column: &str) -> Option<std::ops::RangeInclusive<i64>> {
    let last = match (table, column) {
        ("operation" | "ended", "counter") => return Some(1..=NUMBER_MAX),
        ("operation", "kind") => 2,
        ("operation", "state") => 5,
        ("operation", "attempts" | "rounds" | "schema") => i64::from(u32::MAX),
        ("kept", "priority") => 3,
        (_, "state") => 3,
        (_, "reason") => 1,
        _ => return None,
    };
    Some(0..=last)
}

/// Whether an error says that the row makes no sense, rather than that the disk is full.
fn is_about_the_row(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig)
    )
}

fn kind_of(word: Option<&str>, sql_type: &str) -> Column {
    match (word, sql_type) {
        (Some("boolean"), "INTEGER") => Column::Boolean,
        (Some("json"), "TEXT") => Column::Json,
        (_, "INTEGER") => Column::Integer,
        (_, "TEXT") => Column::Text,
        _ => Column::Number,
    }
}

pub(super) fn table_names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'
         ORDER BY name",
    )?;
    let mut rows = statement.query([])?;
    let mut names = Vec::new();
    // A damaged page ends the list; what was read counts.
    while let Ok(Some(row)) = rows.next() {
        names.push(row.get(0)?);
    }
    Ok(names)
}

pub(super) fn columns_of(
    connection: &Connection,
    table: &str,
) -> rusqlite::Result<Vec<ColumnInfo>> {
    let mut statement = connection.prepare("SELECT name, type, pk FROM pragma_table_info(?1)")?;
    let columns = statement.query_map([table], |row| {
        Ok(ColumnInfo { name: row.get(0)?, sql_type: row.get(1)?, key: row.get(2)? })
    })?;
    columns.collect()
}

fn key_columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut keys: Vec<ColumnInfo> = columns_of(connection, table)?;
    keys.retain(|column| column.key > 0);
    keys.sort_by_key(|column| column.key);
    Ok(keys.into_iter().map(|column| column.name).collect())
}

pub(super) fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}
