//! Which table and which columns hold a type, and the SQL that follows from it.
//!
//! The layout is what the *file* has, not what the schema wishes: an older program that opens a
//! file with more columns than its schema declares reads and writes those columns all the same,
//! so that nothing it does not know is lost (promises I9 and I14).

use std::collections::BTreeMap;

use std::sync::Arc;

use clarity_model::{Column, EntityId, EntityType, RollupSchema, Schema};
use rusqlite::Connection;

use crate::carry::Unbrought;
use crate::error::StoreError;
use crate::follow::{Work, stored_schema};
use crate::value::{read_json, read_optional_json, read_type};

/// One declared column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnLayout {
    pub(crate) name: String,
    pub(crate) kind: Column,
}

/// The SQL for the roll-ups of a type.
#[derive(Debug)]
pub(crate) struct RollupLayout {
    pub(crate) declaration: RollupSchema,
    /// Kind and time of a visible row that would count, by its key.
    pub(crate) day_of_row: String,
    /// Source, count, sum, minimum and maximum of one kind between two times.
    pub(crate) sums: String,
    /// Marks every day of the type as dirty, also those of which everything was given up.
    pub(crate) mark_all: String,
}

/// Where the entities of a type are. The key is bound first: the id, and for the generic table
/// the type as a second parameter.
#[derive(Debug)]
pub(crate) struct TypeLayout {
    pub(crate) generic: bool,
    /// The table's name.
    pub(crate) name: String,
    /// The table's name, quoted.
    pub(crate) table: String,
    /// What is read: the table, or this and the one that rows are brought from, as one.
    pub(crate) from: String,
    /// Where rows lie that have not been brought yet.
    pub(crate) unbrought: Option<Unbrought>,
    /// Which of its two names the table has.
    pub(crate) part: u8,
    /// What is left to do after the schema has changed.
    pub(crate) work: Option<Work>,
    /// The declared columns, in the order of their names.
    pub(crate) columns: Vec<ColumnLayout>,
    pub(crate) rollup: Option<RollupLayout>,
    pub(crate) select: String,
    pub(crate) select_columns: String,
    pub(crate) insert: String,
    pub(crate) upsert: String,
    pub(crate) delete: String,
    pub(crate) set_version: String,
    pub(crate) set_version_same_visibility: String,
    pub(crate) set_seq: String,
    pub(crate) set_id: String,
    pub(crate) touch: String,
    pub(crate) list: String,
    pub(crate) count: String,
}

impl TypeLayout {
    /// How many parameters the key takes.
    pub(crate) fn key_parameters(&self) -> usize {
        if self.generic { 2 } else { 1 }
    }

    /// The kind of a declared column.
    pub(crate) fn column(&self, name: &str) -> Option<Column> {
        self.columns
            .binary_search_by(|column| column.name.as_str().cmp(name))
            .ok()
            .map(|index| self.columns[index].kind)
    }

    /// Whether a column is new and some rows still have its field in `extra`.
    pub(crate) fn is_filling(&self, name: &str) -> bool {
        self.work.as_ref().is_some_and(|work| work.fill.iter().any(|field| field == name))
    }

    /// The condition that a row has the key.
    pub(crate) fn key_condition(&self) -> &'static str {
        key_condition(self.generic)
    }

    fn new(
        generic: bool,
        name: &str,
        columns: Vec<ColumnLayout>,
        rollup: Option<RollupSchema>,
        unbrought: Option<(Unbrought, String)>,
    ) -> Self {
        let table = format!("\"{name}\"");
        let (unbrought, from) = unbrought.unzip();
        let from = from.unwrap_or_else(|| table.clone());
        let key = key_condition(generic);
        let next = if generic { 3 } else { 2 };
        let declared = declared(&columns);
        let select_columns =
            format!("{declared}extra, version, seq, updated_at, state, import_id, id");
        let insert_into = insert_into(generic, &table, &columns);
        let replaced: String = columns
            .iter()
            .map(|column| format!("\"{0}\" = excluded.\"{0}\", ", column.name))
            .collect();
        let set_version = format!(
            "UPDATE {table} SET version = ?{}, seq = ?{}, updated_at = ?{}, state = ?{next} \
             WHERE {key}",
            next + 1,
            next + 2,
            next + 3,
        );
        let of_type = if generic { "type = ?1 AND " } else { "?1 IS NOT NULL AND " };
        let rollup = rollup.map(|rollup| RollupLayout::new((&table, &from), key, rollup));
        Self {
            select: format!("SELECT {select_columns} FROM {from} WHERE {key}"),
            insert: format!("{insert_into} NOTHING"),
            upsert: format!(
                "{insert_into} UPDATE SET {replaced}extra = excluded.extra, \
                 version = excluded.version, seq = excluded.seq, \
                 updated_at = excluded.updated_at, state = excluded.state, \
                 import_id = excluded.import_id"
            ),
            delete: format!("DELETE FROM {table} WHERE {key}"),
            set_version_same_visibility: format!("{set_version} AND (state < 2) = (?{next} < 2)"),
            set_version,
            set_seq: format!("UPDATE {table} SET seq = ?{next} WHERE {key}"),
            set_id: format!("UPDATE {table} SET id = ?{next} WHERE {key}"),
            touch: format!(
                "UPDATE {table} SET accessed_at = ?{next} WHERE {key} \
                 AND (accessed_at IS NULL OR accessed_at <= ?{})",
                next + 1
            ),
            list: format!(
                "SELECT {select_columns} FROM {from} \
                 WHERE {of_type}id > ?2 AND state < ?3 ORDER BY id LIMIT ?4"
            ),
            count: format!("SELECT count(*) FROM {from} WHERE {of_type}state < 2"),
            generic,
            name: name.to_owned(),
            table,
            from,
            unbrought,
            part: 0,
            work: None,
            columns,
            rollup,
            select_columns,
        }
    }
}

fn declared(columns: &[ColumnLayout]) -> String {
    columns.iter().map(|column| format!("\"{}\", ", column.name)).collect()
}

fn insert_into(generic: bool, table: &str, columns: &[ColumnLayout]) -> String {
    let (key, conflict, next) =
        if generic { ("id, type, ", "(type, id)", 3) } else { ("id, ", "(id)", 2) };
    let parameters: Vec<String> =
        (1..next + columns.len() + 6).map(|number| format!("?{number}")).collect();
    format!(
        "INSERT INTO {table} ({key}{}extra, version, seq, updated_at, state, import_id) \
         VALUES ({}) ON CONFLICT {conflict} DO",
        declared(columns),
        parameters.join(", ")
    )
}

fn key_condition(generic: bool) -> &'static str {
    if generic { "id = ?1 AND type = ?2" } else { "id = ?1" }
}

/// The number of the day that a time lies in, also before 1970.
fn day_of(time_ms: &str) -> String {
    format!("({time_ms} - (({time_ms} % 86400000) + 86400000) % 86400000) / 86400000")
}

impl RollupLayout {
    fn new((table, from): (&str, &str), key: &str, declaration: RollupSchema) -> Self {
        let RollupSchema { kind, source, time_ms, value } = &declaration;
        let counts = format!("\"{value}\" IS NOT NULL AND state < 2");
        Self {
            day_of_row: format!("SELECT \"{kind}\", \"{time_ms}\" FROM {table} WHERE {key}"),
            sums: format!(
                "SELECT coalesce(\"{source}\", ''), count(*), total(\"{value}\"), \
                 min(\"{value}\"), max(\"{value}\") FROM {from} \
                 WHERE \"{kind}\" = ?1 AND \"{time_ms}\" >= ?2 AND \"{time_ms}\" < ?3 \
                 AND {counts} GROUP BY 1"
            ),
            mark_all: format!(
                "INSERT OR IGNORE INTO rollup_dirty (type, kind, day) \
                 SELECT DISTINCT ?1, \"{kind}\", \
                 {day_of_row} FROM {table} \
                 WHERE \"{kind}\" IS NOT NULL AND \"{time_ms}\" IS NOT NULL \
                 UNION SELECT type, kind, day FROM evicted_rollup WHERE type = ?1 \
                 UNION SELECT type, kind, {day_of_marker} FROM evicted_entity \
                 WHERE type = ?1 AND kind IS NOT NULL",
                day_of_row = day_of(&format!("\"{time_ms}\"")),
                day_of_marker = day_of("time_ms"),
            ),
            declaration,
        }
    }
}

/// The layouts of all types of a file.
#[derive(Debug)]
pub(crate) struct Layouts {
    pub(crate) types: BTreeMap<EntityType, TypeLayout>,
    generic: TypeLayout,
    /// The schema that the file follows, while there is something left to do for it.
    pub(crate) stored: Option<Arc<Schema>>,
}

impl Layouts {
    /// The layout of a type; undeclared types share one.
    pub(crate) fn of(&self, entity_type: &EntityType) -> &TypeLayout {
        self.types.get(entity_type).unwrap_or(&self.generic)
    }

    /// The layout of undeclared types.
    pub(crate) fn generic(&self) -> &TypeLayout {
        &self.generic
    }

    /// The first type for which something is left to do.
    pub(crate) fn next_work(&self) -> Option<(&EntityType, &TypeLayout, &Work)> {
        let mut types = self.types.iter();
        types.find_map(|(name, layout)| Some((name, layout, layout.work.as_ref()?)))
    }

    /// Reads what the file has.
    pub(crate) fn load(connection: &Connection) -> Result<Self, StoreError> {
        let mut columns: BTreeMap<EntityType, Vec<ColumnLayout>> = BTreeMap::new();
        let mut statement = connection
            .prepare("SELECT type, field, kind FROM declared_column ORDER BY type, field")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let entity_type = read_type(row.get_ref(0)?, "declared_column")?;
            let kind = column_from_word(row.get_ref(2)?.as_str().unwrap_or_default())?;
            columns.entry(entity_type).or_default().push(ColumnLayout { name: row.get(1)?, kind });
        }
        let mut work = load_work(connection)?;
        let stored = if work.is_empty() { None } else { stored_schema(connection)? };
        let mut types = BTreeMap::new();
        let mut statement =
            connection.prepare("SELECT type, rollup, part FROM declared_type ORDER BY type")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let entity_type = read_type(row.get_ref(0)?, "declared_type")?;
            let rollup = read_optional_json(row.get_ref(1)?, "declared_type", "rollup")?;
            let part = row.get(2)?;
            let columns = columns.remove(&entity_type).unwrap_or_default();
            let name = table_name(&entity_type, part);
            let (work, unbrought) = work.remove(&entity_type).unzip();
            let unbrought = unbrought.flatten().zip(stored.as_ref()).map(|(unbrought, stored)| {
                let table = format!("\"{name}\"");
                let from = unbrought.both(stored, &entity_type, &table, &columns);
                (unbrought, from)
            });
            let mut layout = TypeLayout::new(false, &name, columns, rollup, unbrought);
            (layout.part, layout.work) = (part, work);
            types.insert(entity_type, layout);
        }
        let generic = TypeLayout::new(true, "entity_generic", Vec::new(), None, None);
        Ok(Self { types, generic, stored })
    }
}

/// What is left to do for each type, and where rows lie that have not been brought.
fn load_work(
    connection: &Connection,
) -> Result<BTreeMap<EntityType, (Work, Option<Unbrought>)>, StoreError> {
    const TABLE: &str = "schema_work";
    let mut all = BTreeMap::new();
    let mut statement =
        connection.prepare("SELECT type, source, columns, since, fill, after FROM schema_work")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let entity_type = read_type(row.get_ref(0)?, TABLE)?;
        let source: Option<String> = row.get(1)?;
        let columns: Option<Vec<(String, String)>> =
            read_optional_json(row.get_ref(2)?, TABLE, "columns")?;
        let columns = columns.unwrap_or_default().into_iter();
        let columns = columns.map(|(name, word)| {
            Ok::<_, StoreError>(ColumnLayout { name, kind: column_from_word(&word)? })
        });
        let columns: Vec<ColumnLayout> = columns.collect::<Result<_, _>>()?;
        let since = row.get(3)?;
        let unbrought = source.as_ref().map(|name| {
            let generic = name == "entity_generic";
            let layout = Box::new(TypeLayout::new(generic, name, columns, None, None));
            Unbrought { layout, since }
        });
        let after = row.get_ref(5)?.as_str_or_null().ok().flatten();
        let after = after.and_then(|text| EntityId::new(text).ok());
        let fill = read_json(row.get_ref(4)?, TABLE, "fill")?;
        all.insert(entity_type, (Work { source, fill, after }, unbrought));
    }
    Ok(all)
}

/// The name of a declared type's table. A table that takes the place of another needs a second one.
pub(crate) fn table_name(entity_type: &EntityType, part: u8) -> String {
    match part {
        0 => format!("entity_{entity_type}"),
        part => format!("entity_{entity_type}.{part}"),
    }
}

/// The word for a kind of column in `declared_column`.
pub(crate) fn column_word(kind: Column) -> &'static str {
    match kind {
        Column::Integer => "integer",
        Column::Number => "number",
        Column::Text => "text",
        Column::Boolean => "boolean",
        Column::Json => "json",
    }
}

/// The SQL type of a column. ANY keeps integers and floats apart, where INTEGER and REAL would
/// turn one into the other.
pub(crate) fn column_sql_type(kind: Column) -> &'static str {
    match kind {
        Column::Integer | Column::Boolean => "INTEGER",
        Column::Number => "ANY",
        Column::Text | Column::Json => "TEXT",
    }
}

pub(crate) fn column_from_word(word: &str) -> Result<Column, StoreError> {
    Ok(match word {
        "integer" => Column::Integer,
        "number" => Column::Number,
        "text" => Column::Text,
        "boolean" => Column::Boolean,
        "json" => Column::Json,
        _ => return Err(StoreError::InvalidValue { table: "declared_column", column: "kind" }),
    })
}
