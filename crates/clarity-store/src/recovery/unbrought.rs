//! A damaged store whose schema had changed a moment before: rows that still lay in an older table
//! go into an older table of the new store, which goes on with them like any other.

use clarity_model::{Column, EntityType};
use rusqlite::types::Value as SqlValue;
use rusqlite::{OptionalExtension, params};

use super::copy::{Copy, columns_of, quoted, table_names};
use super::scan::Table;
use crate::error::StoreError;
use crate::layout::{Layouts, TypeLayout, column_from_word, column_sql_type, table_name};
use crate::schema_sql::ENTITY_TAIL_SQL;
use crate::value::read_column;

/// One row of `schema_work` that names an older table.
struct Left {
    entity_type: EntityType,
    source: String,
    columns: Vec<(String, Column)>,
    since: i64,
}

impl Copy<'_> {
    /// Carries over what still lay in older tables.
    pub(super) fn unbrought(&mut self) -> Result<(), StoreError> {
        for left in self.left()? {
            let layouts = Layouts::load(self.target)?;
            let Some(layout) = layouts.types.get(&left.entity_type) else { continue };
            if left.source != "entity_generic" {
                self.older_table(&left, layout)?;
            }
        }
        Ok(())
    }

    /// The tables that rows were being brought from, as far as that can be read.
    fn left(&self) -> Result<Vec<Left>, StoreError> {
        let read = |row: &rusqlite::Row<'_>| {
            let (entity_type, source): (String, String) = (row.get(0)?, row.get(1)?);
            Ok((entity_type, source, row.get::<_, String>(2)?, row.get(3)?))
        };
        let sql = "SELECT type, source, columns, since FROM schema_work WHERE source IS NOT NULL";
        let Ok(mut statement) = self.source.prepare(sql) else { return Ok(Vec::new()) };
        let found = statement.query_map([], read)?;
        // A damaged page ends the list; what was read counts.
        let found = found.map_while(Result::ok).filter_map(|(name, source, columns, since)| {
            let entity_type = EntityType::new(&name).ok()?;
            let columns: Vec<(String, String)> = serde_json::from_str(&columns).ok()?;
            let known =
                |(name, word): (String, String)| Some((name, column_from_word(&word).ok()?));
            let columns = columns.into_iter().map(known).collect::<Option<_>>()?;
            Some(Left { entity_type, source, columns, since })
        });
        Ok(found.collect())
    }

    /// Makes the older table in the new store, and fills it.
    fn older_table(&mut self, left: &Left, layout: &TypeLayout) -> Result<(), StoreError> {
        let Left { entity_type, source, columns, since } = left;
        let name = table_name(entity_type, 1 - layout.part.min(1));
        let declarations: String = columns
            .iter()
            .map(|(name, kind)| format!("    {} {},\n", quoted(name), column_sql_type(*kind)))
            .collect();
        self.target.execute_batch(&format!(
            "CREATE TABLE {} (\n    id ANY PRIMARY KEY,\n{declarations}    {ENTITY_TAIL_SQL}\n) \
             STRICT, WITHOUT ROWID",
            quoted(&name)
        ))?;
        let there = columns_of(self.source, source).unwrap_or_default();
        let here = columns_of(self.target, &name)?.into_iter().map(|column| column.name);
        let shared: Vec<String> =
            here.filter(|name| there.iter().any(|column| column.name == *name)).collect();
        let table = Table {
            name: quoted(source),
            columns: shared.iter().map(|column| quoted(column)).collect(),
            key: quoted("id"),
            only: None,
            highest: self.highest,
            one_by_one: false,
        };
        let kinds: Vec<Option<Column>> = shared
            .iter()
            .map(|name| columns.iter().find(|(known, _)| known == name).map(|(_, kind)| *kind))
            .collect();
        self.rows(&name, &table, &shared, |row| {
            let sound = |(kind, value): (&Option<Column>, &SqlValue)| {
                kind.is_none_or(|kind| read_column(kind, value.into()).is_ok())
            };
            kinds.iter().zip(row.iter()).all(sound)
        })?;
        let words: Vec<_> =
            columns.iter().map(|(name, kind)| (name, crate::layout::column_word(*kind))).collect();
        let words = crate::value::json_text(&words, "schema_work", "columns")?;
        self.leave(entity_type, &name, &words, *since)
    }

    /// Leaves rows of declared types that lie in the generic table to be brought.
    pub(super) fn undeclared(&mut self) -> Result<(), StoreError> {
        for entity_type in Layouts::load(self.target)?.types.keys() {
            let sql = "SELECT 1 FROM entity_generic WHERE type = ?1 LIMIT 1";
            let name = entity_type.as_str();
            let some: Option<i64> =
                self.target.query_row(sql, [name], |row| row.get(0)).optional()?;
            if some.is_some() {
                let sql = "SELECT since FROM schema_work WHERE type = ?1";
                let since = self.source.query_row(sql, [name], |row| row.get(0));
                let present = "SELECT version FROM schema_file";
                let present = self.target.query_row(present, [], |row| row.get(0));
                self.leave(entity_type, "entity_generic", "[]", since.or(present)?)?;
            }
        }
        Ok(())
    }

    /// Leaves a table to the new store to bring rows from. Sums begin with the last row.
    fn leave(
        &self,
        entity_type: &EntityType,
        source: &str,
        columns: &str,
        since: i64,
    ) -> Result<(), StoreError> {
        self.target.execute(
            "INSERT OR REPLACE INTO schema_work (type, source, columns, since, fill, after)
             VALUES (?1, ?2, ?3, ?4, '[]', NULL)",
            params![entity_type.as_str(), source, columns, since],
        )?;
        let sql = "UPDATE declared_type SET rollup = NULL WHERE type = ?1";
        self.target.execute(sql, [entity_type.as_str()])?;
        Ok(())
    }

    /// The tables of the damaged store whose rows go into a table of the new one: a type's table
    /// has one of two names, and one that rows were being brought from is none of them.
    pub(super) fn tables_for(&self, name: &str) -> Result<Vec<String>, StoreError> {
        let second = format!("{name}.1");
        let there = table_names(self.source).unwrap_or_default();
        let older: Vec<String> = self.left()?.into_iter().map(|left| left.source).collect();
        let mut found: Vec<String> = [name, &second]
            .into_iter()
            .filter(|name| there.iter().any(|table| table == name))
            .map(str::to_owned)
            .filter(|name| name == "entity_generic" || !older.contains(name))
            .collect();
        if found.is_empty() {
            found.push(name.to_owned());
        }
        Ok(found)
    }
}
