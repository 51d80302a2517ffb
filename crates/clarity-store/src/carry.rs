//! Rows that still lie where an older schema put them.
//!
//! When a type gets a table of its own, when a column changes its kind, and when fields are carried
//! forward, rows are brought from one table into another, some at a time. Until the last one is
//! there, everything reads both tables as one, and a row is brought before it is changed. So each
//! row is carried forward exactly once, and reading never waits for it.

use std::collections::BTreeMap;

use clarity_model::{EntityKey, EntityType, Fields, Schema};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Type, Value as SqlValue};
use rusqlite::{Connection, params};
use serde_json::Value;

use crate::entity::{StoredEntity, bind_entity, bind_key, read_keyed_entity};
use crate::error::StoreError;
use crate::layout::{ColumnLayout, Layouts, TypeLayout};
use crate::transaction::StoreTransaction;
use crate::value::{ExtraWriter, IdValue, column_value, read_column, read_fields, row_limit};

/// The SQL function that carries a row forward: the type, the number of the wanted column or -1
/// for `extra`, the row's state, its `extra`, and its columns.
const FUNCTION: &str = "clarity_carried";
/// The columns of every entity table that are brought as they are.
const TAIL: &str = "version, seq, updated_at, state, accessed_at, import_id, profile_id";
/// How many rows are read before they are written.
const ROWS_AT_ONCE: usize = 200;

/// Where rows of a type lie that have not been brought yet.
#[derive(Debug)]
pub(crate) struct Unbrought {
    pub(crate) layout: Box<TypeLayout>,
    /// The version of the schema that these rows are of.
    pub(crate) since: u32,
}

impl Unbrought {
    /// Both tables as one, for the FROM of a query.
    pub(crate) fn both(
        &self,
        schema: &Schema,
        entity_type: &EntityType,
        table: &str,
        columns: &[ColumnLayout],
    ) -> String {
        let Self { layout, since } = self;
        let arguments: String =
            layout.columns.iter().map(|column| format!(", \"{}\"", column.name)).collect();
        let carried =
            |which: &str| format!("{FUNCTION}('{entity_type}', {which}, state, extra{arguments})");
        let stays = |column: &ColumnLayout| {
            layout.column(&column.name) == Some(column.kind)
                && !schema.touches(*since, entity_type, &column.name)
        };
        let (mut here, mut there) = (String::new(), String::new());
        for (at, column) in columns.iter().enumerate() {
            let name = format!("\"{}\"", column.name);
            let value = if stays(column) { name.clone() } else { carried(&at.to_string()) };
            here.push_str(&format!("{name}, "));
            there.push_str(&format!("{value}, "));
        }
        let extra = carried("-1");
        let only =
            if layout.generic { format!(" WHERE type = '{entity_type}'") } else { String::new() };
        format!(
            "(SELECT id, {here}extra, {TAIL} FROM {table} \
             UNION ALL SELECT id, {there}{extra}, {TAIL} FROM {}{only})",
            layout.table
        )
    }
}

/// How rows of one type are carried.
struct Carried {
    entity_type: EntityType,
    from: Vec<ColumnLayout>,
    to: Vec<ColumnLayout>,
    since: u32,
}

/// Lets SQL carry rows forward that have not been brought yet.
pub(crate) fn register(connection: &Connection, layouts: &Layouts) -> Result<(), StoreError> {
    let Some(schema) = layouts.stored.clone() else { return Ok(()) };
    let mut types = BTreeMap::new();
    for (entity_type, layout) in &layouts.types {
        let Some(Unbrought { layout: source, since }) = &layout.unbrought else { continue };
        let carried = Carried {
            entity_type: entity_type.clone(),
            from: source.columns.clone(),
            to: layout.columns.clone(),
            since: *since,
        };
        types.insert(entity_type.as_str().to_owned(), carried);
    }
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function(FUNCTION, -1, flags, move |context| {
        let carried = types.get(context.get_raw(0).as_str().unwrap_or_default());
        let unknown = || rusqlite::Error::InvalidFunctionParameterType(0, Type::Text);
        let failed = |error: StoreError| rusqlite::Error::UserFunctionError(Box::new(error));
        carry(&schema, carried.ok_or_else(unknown)?, context).map_err(failed)
    })?;
    Ok(())
}

fn carry(
    schema: &Schema,
    carried: &Carried,
    context: &Context<'_>,
) -> Result<SqlValue, StoreError> {
    let which: i64 = context.get(1)?;
    let state: i64 = context.get(2)?;
    let mut fields = read_fields(context.get_raw(3), "entity", "extra")?;
    for (at, column) in carried.from.iter().enumerate() {
        if let Some(value) = read_column(column.kind, context.get_raw(at + 4))? {
            fields.insert(column.name.clone(), value);
        }
    }
    let mut fields = Fields(fields);
    if state < 2 {
        fields = schema.carried_fields(carried.since, &carried.entity_type, fields);
    }
    let placed =
        |column: &ColumnLayout, value: &Value| column_value(column.kind, value).map(SqlValue::from);
    if let Some(column) = usize::try_from(which).ok().and_then(|at| carried.to.get(at)) {
        let value = fields.get(&column.name).and_then(|value| placed(column, value));
        return Ok(value.unwrap_or(SqlValue::Null));
    }
    let mut extra = ExtraWriter::default();
    for (name, value) in fields.iter() {
        let column = carried.to.iter().find(|column| column.name == *name);
        if column.is_none_or(|column| placed(column, value).is_none()) {
            extra.push(name, value)?;
        }
    }
    let text = extra.finish().map(String::from_utf8).transpose();
    let not_json = |_| StoreError::NotJson { table: "entity", column: "extra" };
    Ok(text.map_err(not_json)?.map_or(SqlValue::Null, SqlValue::Text))
}

/// A row with what an entity does not tell.
struct WholeRow {
    key: EntityKey,
    entity: StoredEntity,
    accessed_at: Option<i64>,
    profile_id: i64,
}

/// Brings at most `limit` rows of a type, or one by its id; says how many.
pub(crate) fn bring(
    connection: &Connection,
    layouts: &Layouts,
    entity_type: &EntityType,
    only: Option<&EntityKey>,
    limit: usize,
) -> Result<usize, StoreError> {
    let layout = layouts.of(entity_type);
    let (Some(unbrought), Some(schema)) = (&layout.unbrought, &layouts.stored) else {
        return Ok(0);
    };
    let source = &unbrought.layout;
    let of_type = if source.generic { "type = ?1" } else { "?1 IS NOT NULL" };
    let of_id = if only.is_some() { "id = ?2" } else { "?2 IS NULL" };
    let sql = format!(
        "SELECT {}, accessed_at, profile_id FROM {} WHERE {of_type} AND {of_id} \
         ORDER BY id LIMIT ?3",
        source.select_columns, source.table
    );
    let id = only.map(|key| IdValue::of(&key.id));
    let mut brought = 0;
    while brought < limit {
        let wanted = (limit - brought).min(ROWS_AT_ONCE);
        let mut select = connection.prepare_cached(&sql)?;
        let mut found = Vec::with_capacity(wanted);
        let mut rows = select.query(params![entity_type.as_str(), id, row_limit(wanted)])?;
        while let Some(row) = rows.next()? {
            let (key, entity) = read_keyed_entity(entity_type, source, row)?;
            let at = source.columns.len() + 7;
            let (accessed_at, profile_id) = (row.get(at)?, row.get(at + 1)?);
            found.push(WholeRow { key, entity, accessed_at, profile_id });
        }
        drop(rows);
        let count = found.len();
        for mut row in found {
            if row.entity.state.is_visible() {
                let fields = std::mem::take(&mut row.entity.fields);
                row.entity.fields = schema.carried_fields(unbrought.since, entity_type, fields);
            }
            put(connection, layout, source, &row)?;
        }
        brought += count;
        if count < wanted {
            break;
        }
    }
    Ok(brought)
}

fn put(
    connection: &Connection,
    layout: &TypeLayout,
    source: &TypeLayout,
    row: &WholeRow,
) -> Result<(), StoreError> {
    let mut insert = connection.prepare_cached(&layout.insert)?;
    bind_entity(&mut insert, layout, &row.key, &row.entity)?;
    insert.raw_execute()?;
    if row.accessed_at.is_some() || row.profile_id != 0 {
        let sql =
            format!("UPDATE {} SET accessed_at = ?2, profile_id = ?3 WHERE id = ?1", layout.table);
        let id = IdValue::of(&row.key.id);
        connection.prepare_cached(&sql)?.execute(params![id, row.accessed_at, row.profile_id])?;
    }
    let mut delete = connection.prepare_cached(&source.delete)?;
    bind_key(&mut delete, source, &row.key)?;
    delete.raw_execute()?;
    Ok(())
}

impl StoreTransaction<'_> {
    /// Brings a row into the table of its type, before it is changed.
    pub(crate) fn bring(&mut self, key: &EntityKey) -> Result<(), StoreError> {
        let layouts = &self.shared.layouts;
        if layouts.of(&key.entity_type).unbrought.is_none() {
            return Ok(());
        }
        if self.shared.connection.is_autocommit() {
            return Err(StoreError::RolledBack);
        }
        bring(&self.shared.connection, layouts, &key.entity_type, Some(key), 1)?;
        Ok(())
    }
}
