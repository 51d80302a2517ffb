//! Makes the tables of a file follow the schema file.
//!
//! New columns are added to the table that is there. Where a column changes its kind, and where
//! fields are carried forward, a second table is made and rows are brought into it. An older schema
//! leaves the newer tables alone. All of it runs in the caller's transaction, so a crash leaves the
//! file as it was; of a large table it leaves the rows for later (see [`crate::follow`]).

use std::collections::BTreeSet;

use clarity_model::{Column, EntityType, RESERVED_COLUMNS, RollupSchema, Schema, TypeSchema};
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::StoreError;
use crate::follow::{add_work, advance};
use crate::layout::{ColumnLayout, Layouts, TypeLayout, column_sql_type, column_word, table_name};
use crate::schema_sql::ENTITY_TAIL_SQL;
use crate::value::json_text;

/// So many rows are brought up to date together with the change of the schema itself: a small store
/// is done when it opens, and a large one opens as fast.
const ROWS_AT_OPENING: usize = 1_000;

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
    // Nothing, unless another process changed the schema a moment ago.
    while advance(connection, schema, usize::MAX)? {}
    let stored_version: Option<u32> =
        connection.query_row("SELECT version FROM schema_file", [], |row| row.get(0)).optional()?;
    let leads = stored_version.is_none_or(|stored| schema.version >= stored);
    let since = stored_version.unwrap_or(schema.version);
    let layouts = Layouts::load(connection)?;
    if leads {
        connection.execute(
            "INSERT INTO schema_file (one, version, json) VALUES (1, ?1, ?2)
             ON CONFLICT (one) DO UPDATE SET version = excluded.version, json = excluded.json",
            params![schema.version, json_text(schema, "schema_file", "json")?],
        )?;
        // Pages that wait to be shown say what the older schema said; they are read again.
        if !schema.carried_types(since).is_empty() {
            connection.execute("DELETE FROM pull_stage", [])?;
        }
    }
    for (entity_type, declared) in &schema.types {
        let layout = layouts.types.get(entity_type);
        let name = table_name(entity_type, layout.map_or(0, |layout| layout.part));
        let table = Table { connection, entity_type, name };
        match layout {
            None => table.begin(declared, layouts.generic(), since)?,
            Some(layout) if leads && is_other(schema, since, entity_type, layout, declared) => {
                table.replace(layout, declared, since)?;
            }
            Some(layout) => table.widen(layout, declared, leads, since)?,
        }
    }
    advance(connection, schema, ROWS_AT_OPENING)?;
    Ok(())
}

/// Whether the rows of a type must be written anew: fields are carried forward, or a column has
/// another kind.
fn is_other(
    schema: &Schema,
    since: u32,
    entity_type: &EntityType,
    layout: &TypeLayout,
    declared: &TypeSchema,
) -> bool {
    let mut columns = declared_columns(declared).into_iter();
    schema.carries(since, entity_type)
        || columns.any(|one| layout.column(&one.name).is_some_and(|kind| kind != one.kind))
}

fn declared_columns(declared: &TypeSchema) -> Vec<ColumnLayout> {
    let columns = declared.fields.iter().filter_map(|(name, field)| {
        field.column.map(|kind| ColumnLayout { name: name.clone(), kind })
    });
    columns.collect()
}

/// The table of one type.
pub(crate) struct Table<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) entity_type: &'a EntityType,
    pub(crate) name: String,
}

impl Table<'_> {
    /// Makes the first table of a type; its rows are brought out of the generic one.
    fn begin(
        &self,
        declared: &TypeSchema,
        generic: &TypeLayout,
        since: u32,
    ) -> Result<(), StoreError> {
        self.create(declared)?;
        const SOME: &str = "SELECT 1 FROM entity_generic WHERE type = ?1 LIMIT 1";
        let name = self.entity_type.as_str();
        let some: Option<i64> =
            self.connection.query_row(SOME, [name], |row| row.get(0)).optional()?;
        if some.is_none() {
            return self.record_type(declared.rollup.as_ref(), 0);
        }
        // Sums begin with the last row.
        self.record_type(None, 0)?;
        add_work(self.connection, self.entity_type, Some(generic), since, &[])
    }

    /// Makes another table in the place of the present one; its rows are brought out of that.
    fn replace(
        &self,
        layout: &TypeLayout,
        declared: &TypeSchema,
        since: u32,
    ) -> Result<(), StoreError> {
        let part = 1 - layout.part.min(1);
        let next = Table { name: table_name(self.entity_type, part), ..*self };
        const FORGET: &str = "DELETE FROM declared_column WHERE type = ?1";
        self.connection.execute(FORGET, [self.entity_type.as_str()])?;
        next.create(declared)?;
        // The same sums go on where they are of the same columns, which no step changes.
        let rollup = layout.rollup.as_ref().map(|rollup| &rollup.declaration);
        let rollup = rollup.filter(|rollup| {
            let columns = declared_columns(declared);
            let same = |name: &String| {
                let kind = columns.iter().find(|column| column.name == *name).map(|one| one.kind);
                kind.is_some() && kind == layout.column(name)
            };
            declared.rollup.as_ref() == Some(*rollup)
                && [&rollup.kind, &rollup.source, &rollup.time_ms, &rollup.value]
                    .into_iter()
                    .all(same)
        });
        next.record_type(rollup, part)?;
        add_work(self.connection, self.entity_type, Some(layout), since, &[])
    }

    /// Adds new columns to the table that is there.
    fn widen(
        &self,
        layout: &TypeLayout,
        declared: &TypeSchema,
        leads: bool,
        since: u32,
    ) -> Result<(), StoreError> {
        let columns = declared_columns(declared).into_iter();
        let new: Vec<ColumnLayout> =
            columns.filter(|column| layout.column(&column.name).is_none()).collect();
        for column in &new {
            self.connection.execute_batch(&format!(
                "ALTER TABLE \"{}\" ADD COLUMN \"{}\" {}",
                self.name,
                column.name,
                column_sql_type(column.kind)
            ))?;
            self.record_column(column)?;
        }
        let stored = layout.rollup.as_ref().map(|rollup| &rollup.declaration);
        let sums_change = leads && stored != declared.rollup.as_ref();
        if sums_change {
            // Sums of another kind begin once the columns are filled.
            self.record_type(None, layout.part)?;
        }
        if leads {
            self.drop_stale_indexes(declared)?;
        }
        if new.is_empty() && !sums_change && !self.lacks_index(declared)? {
            return Ok(());
        }
        let new: Vec<String> = new.into_iter().map(|column| column.name).collect();
        add_work(self.connection, self.entity_type, None, since, &new)
    }

    /// Makes the empty table with its indexes.
    fn create(&self, declared: &TypeSchema) -> Result<(), StoreError> {
        let columns = declared_columns(declared);
        let declarations: String = columns
            .iter()
            .map(|column| format!("    \"{}\" {},\n", column.name, column_sql_type(column.kind)))
            .collect();
        self.connection.execute_batch(&format!(
            "CREATE TABLE \"{}\" (\n    id ANY PRIMARY KEY,\n{declarations}    \
             {ENTITY_TAIL_SQL}\n) STRICT, WITHOUT ROWID",
            self.name
        ))?;
        for column in &columns {
            self.record_column(column)?;
        }
        self.index(declared, usize::MAX)?;
        Ok(())
    }

    fn record_type(&self, rollup: Option<&RollupSchema>, part: u8) -> Result<(), StoreError> {
        let rollup =
            rollup.map(|rollup| json_text(rollup, "declared_type", "rollup")).transpose()?;
        self.connection.execute(
            "INSERT INTO declared_type (type, rollup, part) VALUES (?1, ?2, ?3)
             ON CONFLICT (type) DO UPDATE SET rollup = excluded.rollup, part = excluded.part",
            params![self.entity_type.as_str(), rollup, part],
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

    /// Begins other sums of days: every day that has rows is to be summed.
    pub(crate) fn begin_rollups(&self, rollup: Option<&RollupSchema>) -> Result<(), StoreError> {
        let entity_type = self.entity_type.as_str();
        let text = rollup.map(|rollup| json_text(rollup, "declared_type", "rollup")).transpose()?;
        self.connection.execute(
            "UPDATE declared_type SET rollup = ?2 WHERE type = ?1",
            params![entity_type, text],
        )?;
        // The sums of what was evicted are of the old kind until it is fetched.
        let stale = "UPDATE evicted_month SET stale = 1 WHERE type = ?1";
        self.connection.execute(stale, [entity_type])?;
        self.connection.execute("DELETE FROM rollup WHERE type = ?1", [entity_type])?;
        let layouts = Layouts::load(self.connection)?;
        let Some(rollup) = &layouts.of(self.entity_type).rollup else { return Ok(()) };
        self.connection.execute(&rollup.mark_all, [entity_type])?;
        // What was evicted is in no row.
        self.connection.execute(
            "INSERT OR IGNORE INTO rollup_dirty (type, kind, day)
             SELECT type, kind, day FROM evicted_rollup WHERE type = ?1
             UNION
             SELECT type, kind, (time_ms - ((time_ms % 86400000) + 86400000) % 86400000)
                 / 86400000
             FROM evicted_entity WHERE type = ?1 AND kind IS NOT NULL",
            [entity_type],
        )?;
        Ok(())
    }

    fn indexes(&self) -> Result<BTreeSet<String>, StoreError> {
        let mut statement = self.connection.prepare(
            "SELECT name FROM sqlite_schema
             WHERE type = 'index' AND tbl_name = ?1 AND sql IS NOT NULL",
        )?;
        let names =
            statement.query_map([&self.name], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(names)
    }

    /// The indexes that are declared, and one for roll-ups where no other serves them, by their
    /// names.
    fn wanted_indexes(&self, declared: &TypeSchema) -> Vec<(String, Vec<String>)> {
        let mut wanted: Vec<Vec<String>> = declared.indexes.clone();
        if let Some(rollup) = &declared.rollup {
            let serving = [rollup.kind.clone(), rollup.time_ms.clone()];
            if !wanted.iter().any(|fields| fields.starts_with(&serving)) {
                wanted.push(serving.to_vec());
            }
        }
        // Commas and brackets are in no type's or field's name, so the name is unambiguous.
        let named = |fields: Vec<String>| (format!("{}({})", self.name, fields.join(",")), fields);
        wanted.into_iter().map(named).collect()
    }

    fn lacks_index(&self, declared: &TypeSchema) -> Result<bool, StoreError> {
        let existing = self.indexes()?;
        Ok(self.wanted_indexes(declared).iter().any(|(name, _)| !existing.contains(name)))
    }

    /// Makes indexes that are missing, at most so many; says whether there are more.
    pub(crate) fn index(&self, declared: &TypeSchema, limit: usize) -> Result<bool, StoreError> {
        let mut existing = self.indexes()?;
        let mut made = 0;
        for (name, fields) in self.wanted_indexes(declared) {
            if existing.contains(&name) {
                continue;
            }
            if made == limit {
                return Ok(true);
            }
            let columns: Vec<String> = fields.iter().map(|field| format!("\"{field}\"")).collect();
            let columns = columns.join(", ");
            let statement = format!("CREATE INDEX \"{name}\" ON \"{}\" ({columns})", self.name);
            self.connection.execute_batch(&statement)?;
            existing.insert(name);
            made += 1;
        }
        Ok(false)
    }

    fn drop_stale_indexes(&self, declared: &TypeSchema) -> Result<(), StoreError> {
        let wanted = self.wanted_indexes(declared);
        let wanted: BTreeSet<String> = wanted.into_iter().map(|(name, _)| name).collect();
        for stale in self.indexes()?.difference(&wanted) {
            self.connection.execute_batch(&format!("DROP INDEX \"{stale}\""))?;
        }
        Ok(())
    }
}
