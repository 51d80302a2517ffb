//! Makes the tables of a file follow the schema file.
//!
//! Tables and columns are only ever added; a column whose kind changes is emptied into `extra`,
//! made anew and filled again with what fits. An older schema leaves the newer tables alone. All
//! of it runs in the caller's transaction, so a crash leaves the file as it was.

use std::collections::{BTreeMap, BTreeSet};

use clarity_model::{Column, EntityType, RESERVED_COLUMNS, RollupSchema, Schema, TypeSchema};
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

use crate::error::StoreError;
use crate::layout::{ColumnLayout, Layouts, TypeLayout, column_sql_type, column_word, table_name};
use crate::schema_sql::ENTITY_TAIL_SQL;
use crate::value::{ExtraWriter, TextBytes, column_value, json_text, read_column, read_fields};

/// How many rows are read before they are written.
const ROWS_AT_ONCE: usize = 1_000;

/// Checks that a schema can be laid out, before any file is touched.
pub(crate) fn check_schema(schema: &Schema) -> Result<(), StoreError> {
    let mut tables = BTreeSet::from(["generic".to_owned()]);
    for (entity_type, declared) in &schema.types {
        let fail =
            |problem: String| Err(StoreError::Schema { entity_type: entity_type.clone(), problem });
        if !tables.insert(entity_type.as_str().to_ascii_lowercase()) {
            return fail("its name differs from another only in case, or is reserved".to_owned());
        }
        let columns = declared_columns(declared);
        let own = columns.iter().find(|column| RESERVED_COLUMNS.contains(&column.name.as_str()));
        if let Some(column) = own {
            return fail(format!("the column name \"{}\" is reserved", column.name));
        }
        let kind_of = |name: &String| {
            columns.iter().find(|column| column.name == *name).map(|column| column.kind)
        };
        if let Some(rollup) = &declared.rollup {
            let fits = kind_of(&rollup.kind) == Some(Column::Text)
                && kind_of(&rollup.source) == Some(Column::Text)
                && kind_of(&rollup.time_ms) == Some(Column::Integer)
                && matches!(kind_of(&rollup.value), Some(Column::Integer | Column::Number));
            if !fits {
                return fail(
                    "a roll-up needs a kind and a source of column text, a time of column \
                     integer and a value of column number"
                        .to_owned(),
                );
            }
        }
        if declared.indexes.iter().flatten().any(|field| kind_of(field).is_none()) {
            return fail("an index names a field without a column".to_owned());
        }
    }
    Ok(())
}

/// Whether the file already follows this schema.
pub(crate) fn follows(connection: &Connection, schema: &Schema) -> Result<bool, StoreError> {
    let stored: Option<String> =
        connection.query_row("SELECT json FROM schema_file", [], |row| row.get(0)).optional()?;
    Ok(stored == Some(json_text(schema, "schema_file", "json")?))
}

/// Adds what the file lacks. The caller holds a write transaction.
pub(crate) fn synchronise(connection: &Connection, schema: &Schema) -> Result<(), StoreError> {
    let stored_version: Option<u32> =
        connection.query_row("SELECT version FROM schema_file", [], |row| row.get(0)).optional()?;
    let leads = stored_version.is_none_or(|stored| schema.version >= stored);
    let layouts = Layouts::load(connection)?;
    for (entity_type, declared) in &schema.types {
        let table = Table { connection, entity_type, name: table_name(entity_type) };
        match layouts.types.get(entity_type) {
            None => table.create(declared)?,
            Some(layout) => table.alter(layout, declared, leads)?,
        }
        table.index(declared, leads)?;
    }
    if leads {
        connection.execute(
            "INSERT INTO schema_file (one, version, json) VALUES (1, ?1, ?2)
             ON CONFLICT (one) DO UPDATE SET version = excluded.version, json = excluded.json",
            params![schema.version, json_text(schema, "schema_file", "json")?],
        )?;
    }
    Ok(())
}

fn declared_columns(declared: &TypeSchema) -> Vec<ColumnLayout> {
    let columns = declared.fields.iter().filter_map(|(name, field)| {
        field.column.map(|kind| ColumnLayout { name: name.clone(), kind })
    });
    columns.collect()
}

struct Table<'a> {
    connection: &'a Connection,
    entity_type: &'a EntityType,
    name: String,
}

impl Table<'_> {
    /// Makes the table and moves the type's rows out of the generic one.
    fn create(&self, declared: &TypeSchema) -> Result<(), StoreError> {
        let columns = declared_columns(declared);
        let declarations: String = columns
            .iter()
            .map(|column| format!("    \"{}\" {},\n", column.name, column_sql_type(column.kind)))
            .collect();
        self.connection.execute_batch(&format!(
            "CREATE TABLE {} (\n    id ANY PRIMARY KEY,\n{declarations}    {ENTITY_TAIL_SQL}\n) \
             STRICT, WITHOUT ROWID",
            self.name
        ))?;
        for column in &columns {
            self.record_column(column)?;
        }
        self.record_type(declared.rollup.as_ref())?;
        const MOVED: &str = "id, extra, version, seq, updated_at, state, accessed_at, import_id, \
                             profile_id";
        let moved = self.connection.execute(
            &format!(
                "INSERT INTO {} ({MOVED}) SELECT {MOVED} FROM entity_generic WHERE type = ?1",
                self.name
            ),
            [self.entity_type.as_str()],
        )?;
        if moved > 0 {
            self.connection.execute(
                "DELETE FROM entity_generic WHERE type = ?1",
                [self.entity_type.as_str()],
            )?;
            self.promote(&columns)?;
            self.mark_rollups()?;
        }
        Ok(())
    }

    /// Adds columns, and makes those anew whose kind changed.
    fn alter(
        &self,
        layout: &TypeLayout,
        declared: &TypeSchema,
        leads: bool,
    ) -> Result<(), StoreError> {
        let mut changed = Vec::new();
        for column in declared_columns(declared) {
            match layout.column(&column.name) {
                Some(kind) if kind == column.kind || !leads => continue,
                Some(old) => self.drop_column(&ColumnLayout { kind: old, ..column.clone() })?,
                None => {}
            }
            self.connection.execute_batch(&format!(
                "ALTER TABLE {} ADD COLUMN \"{}\" {}",
                self.name,
                column.name,
                column_sql_type(column.kind)
            ))?;
            self.record_column(&column)?;
            changed.push(column);
        }
        self.promote(&changed)?;
        let stored = layout.rollup.as_ref().map(|rollup| &rollup.declaration);
        let rollup_changed = leads && stored != declared.rollup.as_ref();
        if rollup_changed {
            self.record_type(declared.rollup.as_ref())?;
            // The sums of what was evicted are of the old kind until it is fetched.
            self.connection.execute(
                "UPDATE evicted_month SET stale = 1 WHERE type = ?1",
                [self.entity_type.as_str()],
            )?;
        }
        if rollup_changed || !changed.is_empty() {
            self.connection
                .execute("DELETE FROM rollup WHERE type = ?1", [self.entity_type.as_str()])?;
            self.mark_rollups()?;
        }
        Ok(())
    }

    fn record_type(&self, rollup: Option<&RollupSchema>) -> Result<(), StoreError> {
        let rollup =
            rollup.map(|rollup| json_text(rollup, "declared_type", "rollup")).transpose()?;
        self.connection.execute(
            "INSERT INTO declared_type (type, rollup) VALUES (?1, ?2)
             ON CONFLICT (type) DO UPDATE SET rollup = excluded.rollup",
            params![self.entity_type.as_str(), rollup],
        )?;
        Ok(())
    }

    fn record_column(&self, column: &ColumnLayout) -> Result<(), StoreError> {
        self.connection.execute(
            "INSERT INTO declared_column (type, field, kind) VALUES (?1, ?2, ?3)
             ON CONFLICT (type, field) DO UPDATE SET kind = excluded.kind",
            params![self.entity_type.as_str(), column.name, column_word(column.kind)],
        )?;
        Ok(())
    }

    fn mark_rollups(&self) -> Result<(), StoreError> {
        let layouts = Layouts::load(self.connection)?;
        if let Some(rollup) = &layouts.of(self.entity_type).rollup {
            self.connection.execute(&rollup.mark_all, [self.entity_type.as_str()])?;
            // What was evicted is in no row.
            self.connection.execute(
                "INSERT OR IGNORE INTO rollup_dirty (type, kind, day)
                 SELECT type, kind, day FROM evicted_rollup WHERE type = ?1
                 UNION
                 SELECT type, kind, (time_ms - ((time_ms % 86400000) + 86400000) % 86400000)
                     / 86400000
                 FROM evicted_entity WHERE type = ?1 AND kind IS NOT NULL",
                [self.entity_type.as_str()],
            )?;
        }
        Ok(())
    }

    /// Moves fields from `extra` into new columns where they fit.
    fn promote(&self, columns: &[ColumnLayout]) -> Result<(), StoreError> {
        if columns.is_empty() {
            return Ok(());
        }
        let present: Vec<String> = columns
            .iter()
            .map(|column| format!("json_type(extra, '$.\"{}\"') IS NOT NULL", column.name))
            .collect();
        let assignments: String =
            (3..).zip(columns).map(|(n, column)| format!(", \"{}\" = ?{n}", column.name)).collect();
        let update = format!("UPDATE {} SET extra = ?2{assignments} WHERE id = ?1", self.name);
        let mut update = self.connection.prepare(&update)?;
        let condition = format!("extra IS NOT NULL AND ({})", present.join(" OR "));
        self.each_row("extra", &condition, |id, extra| {
            let fields = read_fields((&extra).into(), "entity", "extra")?;
            let mut rest = ExtraWriter::default();
            let mut promoted = BTreeMap::new();
            for (name, value) in &fields {
                let column = columns.iter().position(|column| column.name == *name);
                let placed =
                    column.and_then(|at| Some((at, column_value(columns[at].kind, value)?)));
                match placed {
                    Some((at, value)) => {
                        promoted.insert(at, value);
                    }
                    None => rest.push(name, value)?,
                }
            }
            if promoted.is_empty() {
                return Ok(());
            }
            update.raw_bind_parameter(1, &id)?;
            update.raw_bind_parameter(2, TextBytes(rest.finish().as_deref()))?;
            for at in 0..columns.len() {
                update.raw_bind_parameter(at + 3, promoted.get(&at))?;
            }
            update.raw_execute()?;
            Ok(())
        })
    }

    /// Moves the values of a column into `extra` and drops it with its indexes.
    fn drop_column(&self, column: &ColumnLayout) -> Result<(), StoreError> {
        let ColumnLayout { name, kind } = column;
        let update = format!("UPDATE {} SET extra = ?2 WHERE id = ?1", self.name);
        let mut update = self.connection.prepare(&update)?;
        let mut read_extra =
            self.connection.prepare(&format!("SELECT extra FROM {} WHERE id = ?1", self.name))?;
        self.each_row(&format!("\"{name}\""), &format!("\"{name}\" IS NOT NULL"), |id, value| {
            let extra: SqlValue = read_extra.query_row([&id], |row| row.get(0))?;
            let mut fields = read_fields((&extra).into(), "entity", "extra")?;
            fields
                .insert(name.clone(), read_column(*kind, (&value).into())?.unwrap_or(Value::Null));
            update.execute(params![id, json_text(&fields, "entity", "extra")?])?;
            Ok(())
        })?;
        for index in self.indexes()? {
            self.connection.execute_batch(&format!("DROP INDEX \"{index}\""))?;
        }
        let statement = format!("ALTER TABLE {} DROP COLUMN \"{name}\"", self.name);
        Ok(self.connection.execute_batch(&statement)?)
    }

    /// Calls `act` with the id and one column of each row that meets the condition, a bounded
    /// number of rows in memory at a time.
    fn each_row(
        &self,
        column: &str,
        condition: &str,
        mut act: impl FnMut(SqlValue, SqlValue) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare(&format!(
            "SELECT id, {column} FROM {} WHERE id > ?1 AND {condition} ORDER BY id \
             LIMIT {ROWS_AT_ONCE}",
            self.name
        ))?;
        // The empty text comes before every id.
        let mut after = SqlValue::Text(String::new());
        loop {
            let rows: Vec<(SqlValue, SqlValue)> = statement
                .query_map([&after], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            after = last.clone();
            for (id, value) in rows {
                act(id, value)?;
            }
        }
    }

    fn indexes(&self) -> Result<BTreeSet<String>, StoreError> {
        let mut statement = self.connection.prepare(
            "SELECT name FROM sqlite_schema
             WHERE type = 'index' AND tbl_name = ?1 AND sql IS NOT NULL",
        )?;
        let names = statement
            .query_map([format!("entity_{}", self.entity_type)], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        Ok(names)
    }

    /// Makes the indexes that are declared, and one for roll-ups where no other serves them.
    fn index(&self, declared: &TypeSchema, leads: bool) -> Result<(), StoreError> {
        let mut wanted: Vec<Vec<&str>> = declared
            .indexes
            .iter()
            .map(|fields| fields.iter().map(String::as_str).collect())
            .collect();
        if let Some(rollup) = &declared.rollup {
            let serving = [rollup.kind.as_str(), rollup.time_ms.as_str()];
            if !wanted.iter().any(|fields| fields.starts_with(&serving)) {
                wanted.push(serving.to_vec());
            }
        }
        let existing = self.indexes()?;
        let mut names = BTreeSet::new();
        for fields in wanted {
            // Commas and brackets are in no type's or field's name, so the name is unambiguous.
            let name = format!("entity_{}({})", self.entity_type, fields.join(","));
            if !existing.contains(&name) && names.insert(name.clone()) {
                let columns: Vec<String> =
                    fields.iter().map(|field| format!("\"{field}\"")).collect();
                let columns = columns.join(", ");
                let statement = format!("CREATE INDEX \"{name}\" ON {} ({columns})", self.name);
                self.connection.execute_batch(&statement)?;
            }
            names.insert(name);
        }
        if leads {
            for stale in existing.difference(&names) {
                self.connection.execute_batch(&format!("DROP INDEX \"{stale}\""))?;
            }
        }
        Ok(())
    }
}
