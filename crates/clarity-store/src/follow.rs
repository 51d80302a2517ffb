//! What is left to do after the schema has changed, some rows at a time.
//!
//! The change itself is one short transaction, whatever the size of the store. What it leaves, one
//! row of `schema_work` for each type, is done in as many transactions as it takes: rows are
//! brought from an older table, fields move out of `extra` into new columns, indexes are made, one
//! by one, and the sums of days begin. A crash leaves each of them done or not, and the next
//! opening, by whichever process, goes on.

use std::sync::Arc;

use clarity_model::{EntityId, EntityType, Schema, TypeSchema};
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, OptionalExtension, params};

use crate::carry::bring;
use crate::error::StoreError;
use crate::layout::{Layouts, TypeLayout};
use crate::store::Store;
use crate::synchronise::Table;
use crate::value::{
    ExtraWriter, IdValue, TextBytes, column_value, json_text, read_fields, read_id, row_limit,
};

/// How many rows are read before they are written.
const ROWS_AT_ONCE: usize = 200;

/// The work on one type.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// The raw name of the table that rows are brought from.
    pub(crate) source: Option<String>,
    /// The new columns that are filled from `extra`.
    pub(crate) fill: Vec<String>,
    /// The last row that was looked at to fill them.
    pub(crate) after: Option<EntityId>,
}

/// Does some of what is left, at most so many rows; says whether something is left. The caller
/// holds a write transaction.
pub(crate) fn advance(
    connection: &Connection,
    program: &Schema,
    rows: usize,
) -> Result<bool, StoreError> {
    let mut left = rows;
    loop {
        let layouts = Layouts::load(connection)?;
        let Some((entity_type, layout, work)) = layouts.next_work() else { return Ok(false) };
        if left == 0 {
            return Ok(true);
        }
        let done = if work.source.is_some() {
            bring(connection, &layouts, entity_type, None, left)?
        } else {
            fill(connection, entity_type, layout, work, left)?
        };
        if done == left {
            return Ok(true);
        }
        left -= done;
        match &work.source {
            Some(source) => leave_source(connection, entity_type, source)?,
            None => {
                let stored = layouts.stored.as_ref().and_then(|one| one.types.get(entity_type));
                let declared = stored.unwrap_or_else(|| program.type_schema(entity_type));
                if finish(connection, entity_type, layout, declared, rows)? {
                    return Ok(true);
                }
            }
        }
    }
}

/// The last row has been brought.
fn leave_source(
    connection: &Connection,
    entity_type: &EntityType,
    source: &str,
) -> Result<(), StoreError> {
    if source != "entity_generic" {
        connection.execute_batch(&format!("DROP TABLE \"{source}\""))?;
    }
    let sql = "UPDATE schema_work SET source = NULL, columns = NULL WHERE type = ?1";
    connection.execute(sql, [entity_type.as_str()])?;
    Ok(())
}

/// Moves fields from `extra` into new columns where they fit; says how many rows it looked at.
fn fill(
    connection: &Connection,
    entity_type: &EntityType,
    layout: &TypeLayout,
    work: &Work,
    limit: usize,
) -> Result<usize, StoreError> {
    let sql = format!("SELECT id, extra FROM {} WHERE id > ?1 ORDER BY id LIMIT ?2", layout.table);
    let mut select = connection.prepare_cached(&sql)?;
    let filler = Filler::new(layout, &work.fill);
    let (mut after, mut seen) = (work.after.clone(), 0);
    while seen < limit {
        let wanted = (limit - seen).min(ROWS_AT_ONCE);
        // The empty text comes before every id.
        let from = after.as_ref().map_or(IdValue::Text(""), IdValue::of);
        let found: Vec<(SqlValue, SqlValue)> = select
            .query_map(params![from, row_limit(wanted)], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        for (id, extra) in &found {
            filler.fill(connection, id, extra)?;
        }
        if let Some((last, _)) = found.last() {
            after = Some(read_id(last.into(), "entity")?);
        }
        seen += found.len();
        if found.len() < wanted {
            break;
        }
    }
    connection.execute(
        "UPDATE schema_work SET after = ?2 WHERE type = ?1",
        params![entity_type.as_str(), after.as_ref().map(EntityId::as_str)],
    )?;
    Ok(seen)
}

/// Fills the new columns of one row.
struct Filler<'a> {
    columns: Vec<&'a crate::layout::ColumnLayout>,
    update: String,
}

impl<'a> Filler<'a> {
    fn new(layout: &'a TypeLayout, fill: &[String]) -> Self {
        let columns = layout.columns.iter().filter(|column| fill.contains(&column.name));
        let columns: Vec<_> = columns.collect();
        let assignments: String = columns
            .iter()
            .zip(3..)
            .map(|(column, at)| format!(", \"{0}\" = coalesce(?{at}, \"{0}\")", column.name))
            .collect();
        let update = format!("UPDATE {} SET extra = ?2{assignments} WHERE id = ?1", layout.table);
        Self { columns, update }
    }

    fn fill(
        &self,
        connection: &Connection,
        id: &SqlValue,
        extra: &SqlValue,
    ) -> Result<(), StoreError> {
        if self.columns.is_empty() || *extra == SqlValue::Null {
            return Ok(());
        }
        let fields = read_fields(extra.into(), "entity", "extra")?;
        let values: Vec<_> = self
            .columns
            .iter()
            .map(|column| column_value(column.kind, fields.get(&column.name)?))
            .collect();
        if values.iter().all(Option::is_none) {
            return Ok(());
        }
        let placed = |name: &String| {
            let at = self.columns.iter().position(|column| column.name == *name);
            at.is_some_and(|at| values[at].is_some())
        };
        let mut rest = ExtraWriter::default();
        for (name, value) in fields.iter().filter(|(name, _)| !placed(name)) {
            rest.push(name, value)?;
        }
        let mut update = connection.prepare_cached(&self.update)?;
        update.raw_bind_parameter(1, id)?;
        update.raw_bind_parameter(2, TextBytes(rest.finish().as_deref()))?;
        for (value, at) in values.iter().zip(3..) {
            update.raw_bind_parameter(at, value.as_ref())?;
        }
        update.raw_execute()?;
        Ok(())
    }
}

/// Makes what follows from the rows: indexes and the sums of days. Of a large table one index at a
/// time; returns whether there are more.
fn finish(
    connection: &Connection,
    entity_type: &EntityType,
    layout: &TypeLayout,
    declared: &TypeSchema,
    rows: usize,
) -> Result<bool, StoreError> {
    let table = Table { connection, entity_type, name: layout.name.clone() };
    let some = format!("SELECT count(*) FROM (SELECT 1 FROM {} LIMIT ?1)", layout.table);
    let count: i64 =
        connection.query_row(&some, [row_limit(rows.saturating_add(1))], |row| row.get(0))?;
    let at_once = if count > row_limit(rows) { 1 } else { usize::MAX };
    if table.index(declared, at_once)? {
        return Ok(true);
    }
    let stored = layout.rollup.as_ref().map(|rollup| &rollup.declaration);
    if stored != declared.rollup.as_ref() {
        table.begin_rollups(declared.rollup.as_ref())?;
    }
    connection.execute("DELETE FROM schema_work WHERE type = ?1", [entity_type.as_str()])?;
    Ok(false)
}

/// The schema that the file follows, if it follows one.
pub(crate) fn stored_schema(connection: &Connection) -> Result<Option<Arc<Schema>>, StoreError> {
    let json: Option<String> =
        connection.query_row("SELECT json FROM schema_file", [], |row| row.get(0)).optional()?;
    let invalid = |_| StoreError::InvalidValue { table: "schema_file", column: "json" };
    json.map(|json| serde_json::from_str(&json).map(Arc::new).map_err(invalid)).transpose()
}

/// Whether a program with this schema may use the file: it must know every step that was taken,
/// and those that both know must be the same.
pub(crate) fn check_stored(connection: &Connection, schema: &Schema) -> Result<(), StoreError> {
    let Some(stored) = stored_schema(connection)? else { return Ok(()) };
    if stored.steps_version() > schema.version {
        let (found, known) = (stored.version, schema.version);
        return Err(StoreError::NewerSchema { found, known });
    }
    let checked = if schema.version >= stored.version {
        schema.check_continues(&stored)
    } else {
        stored.check_continues(schema)
    };
    checked.map_err(|error| StoreError::SchemaHistory { problem: error.to_string() })
}

/// Notes what is left to do for a type.
pub(crate) fn add_work(
    connection: &Connection,
    entity_type: &EntityType,
    source: Option<&TypeLayout>,
    since: u32,
    fill: &[String],
) -> Result<(), StoreError> {
    let columns = source.map(|source| {
        let columns = source.columns.iter();
        let columns: Vec<_> =
            columns.map(|column| (&column.name, crate::layout::column_word(column.kind))).collect();
        json_text(&columns, "schema_work", "columns")
    });
    connection.execute(
        "INSERT OR REPLACE INTO schema_work (type, source, columns, since, fill, after)
         VALUES (?1, ?2, ?3, ?4, ?5, NULL)",
        params![
            entity_type.as_str(),
            source.map(|source| &source.name),
            columns.transpose()?,
            since,
            json_text(fill, "schema_work", "fill")?
        ],
    )?;
    Ok(())
}

impl Store {
    /// Whether the schema has changed and something of it is left to do: see
    /// [`Store::follow_schema`].
    #[must_use]
    pub fn has_schema_work(&self) -> bool {
        self.layouts().next_work().is_some()
    }

    /// Does some of what a change of the schema has left, at most so many rows, in one transaction;
    /// says whether something is left. Everything can be read and written meanwhile, and any
    /// process may go on with it at any time.
    ///
    /// # Errors
    /// When the file cannot be written; then nothing was done.
    pub fn follow_schema(&mut self, rows: usize) -> Result<bool, StoreError> {
        let schema = Arc::clone(self.schema());
        let transaction = self.begin()?;
        let more = advance(&transaction.shared.connection, &schema, rows)?;
        transaction.commit()?;
        self.reload()?;
        Ok(more)
    }
}
