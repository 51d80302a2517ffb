//! Everything in a store as rows of JSON, and back: for an export that gives the same store again.
//!
//! Entities travel as entities. Of the other tables each row travels as it is, whatever a version
//! of this program keeps there; what belongs to one device or follows from the rest stays behind.

use clarity_model::{Counter, EntityType, Incarnation, LocalTime};
use rusqlite::types::{Value as SqlValue, ValueRef};
use serde_json::{Map, Value, json};

use crate::entity::{StoredEntity, read_keyed_entity};
use crate::error::StoreError;
use crate::operation::OperationState;
use crate::schema_sql::LATEST_VERSION;
use crate::transaction::StoreTransaction;
use crate::value::{incarnation_bytes, signed};

/// The version of the tables that this program reads and writes.
pub const TABLES_VERSION: u32 = LATEST_VERSION;

/// Tables that an export leaves behind: what a device is and how it signs in, what follows from the
/// schema, and what is computed from the rest.
const LEFT_BEHIND: [&str; 11] = [
    "credential",
    "declared_column",
    "declared_type",
    "entity_generic",
    "meta",
    "pull_stage",
    "queue_count",
    "rollup",
    "rollup_dirty",
    "schema_file",
    "schema_work",
];
/// How bytes are written, which JSON cannot say.
const BYTES: &str = "bytes";
/// How many rows one look at what was restored takes.
const ROWS_CHECKED: usize = 1_000;

/// One row of a table, by the names of its columns.
pub type PortableRow = Map<String, Value>;

impl StoreTransaction<'_> {
    /// The tables whose rows an export carries as they are, in the order of their names.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn portable_tables(&self) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table'
                   AND substr(name, 1, 7) NOT IN ('entity_', 'sqlite_') ORDER BY name";
        let names: Vec<String> = self.read_all(sql, [], |row| Ok(row.get(0)?))?;
        Ok(names.into_iter().filter(|name| !LEFT_BEHIND.contains(&name.as_str())).collect())
    }

    /// Shows every row of a table of [`StoreTransaction::portable_tables`], one at a time.
    ///
    /// # Errors
    /// When it cannot be read, or `each` fails.
    pub fn each_portable_row<E: From<StoreError>>(
        &self,
        table: &str,
        each: &mut dyn FnMut(&PortableRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let columns = self.columns_of(table)?;
        let names: Vec<String> = columns.iter().map(|name| format!("\"{name}\"")).collect();
        let names = names.join(", ");
        let sql = format!("SELECT {names} FROM \"{table}\" ORDER BY {names}");
        let mut statement = self.prepared(&sql)?;
        let mut rows = statement.query([]).map_err(StoreError::from)?;
        while let Some(row) = rows.next().map_err(StoreError::from)? {
            let mut portable = PortableRow::new();
            for (at, name) in columns.iter().enumerate() {
                let value = row.get_ref(at).map_err(StoreError::from)?;
                portable.insert(name.clone(), to_json(value)?);
            }
            each(&portable)?;
        }
        Ok(())
    }

    fn columns_of(&self, table: &str) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT name FROM pragma_table_info(?1) ORDER BY cid";
        self.read_all(sql, [table], |row| Ok(row.get(0)?))
    }

    /// Shows the visible entities of a type with this value in a declared column, in the order of
    /// another one, one at a time; none when the type does not declare both.
    ///
    /// # Errors
    /// When they cannot be read, or `each` fails.
    pub fn each_entity_where<E: From<StoreError>>(
        &self,
        entity_type: &EntityType,
        (column, value): (&str, &str),
        order: &str,
        each: &mut dyn FnMut(&clarity_model::EntityKey, &StoredEntity) -> Result<(), E>,
    ) -> Result<(), E> {
        let layout = self.shared.layouts.of(entity_type);
        if layout.column(column).is_none() || layout.column(order).is_none() {
            return Ok(());
        }
        let sql = format!(
            "SELECT {} FROM {} WHERE \"{column}\" = ?1 AND state < 2 ORDER BY \"{order}\", id",
            layout.select_columns, layout.from
        );
        let mut statement = self.prepared(&sql)?;
        let mut rows = statement.query([value]).map_err(StoreError::from)?;
        while let Some(row) = rows.next().map_err(StoreError::from)? {
            let (key, entity) = read_keyed_entity(entity_type, layout, row)?;
            each(&key, &entity)?;
        }
        Ok(())
    }

    /// The different texts in a declared column of a type, in order; none when it is not declared.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn column_values(
        &self,
        entity_type: &EntityType,
        column: &str,
    ) -> Result<Vec<String>, StoreError> {
        let layout = self.shared.layouts.of(entity_type);
        if layout.column(column).is_none() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT DISTINCT \"{column}\" FROM {} WHERE typeof(\"{column}\") = 'text'
             AND state < 2 ORDER BY 1",
            layout.from
        );
        self.read_all(&sql, [], |row| Ok(row.get(0)?))
    }

    /// Whether this store has, or is a descendant of, this life.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn has_lived_as(&self, incarnation: Incarnation) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM incarnation WHERE incarnation = ?1";
        Ok(self.read_one(sql, [incarnation_bytes(incarnation)], |_| Ok(()))?.is_some())
    }

    /// Whether nothing was ever written here.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn is_untouched(&self) -> Result<bool, StoreError> {
        Ok(self.next_counter()? == Counter(1) && self.entity_types()?.is_empty())
    }

    /// Empties the tables whose rows an export carries, before a restore.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn clear_portable(&mut self) -> Result<(), StoreError> {
        for table in self.portable_tables()? {
            self.execute(&format!("DELETE FROM \"{table}\""), [])?;
        }
        Ok(())
    }

    /// Puts a row back into its table.
    ///
    /// # Errors
    /// [`StoreError::NotPortable`] for a table or a column that there is not, or a value that does
    /// not fit.
    pub fn restore_row(&mut self, table: &str, row: &PortableRow) -> Result<(), StoreError> {
        if !self.portable_tables()?.iter().any(|name| name == table) {
            return Err(StoreError::NotPortable);
        }
        let (columns, values) = self.portable_values(table, row)?;
        let marks: Vec<String> = (1..=values.len()).map(|number| format!("?{number}")).collect();
        let sql = format!(
            "INSERT OR REPLACE INTO \"{table}\" ({}) VALUES ({})",
            columns.join(", "),
            marks.join(", ")
        );
        self.execute(&sql, rusqlite::params_from_iter(values)).map_err(not_portable)?;
        Ok(())
    }

    /// Adds a value that lost, from an export, unless the same is there; whether it was added.
    ///
    /// # Errors
    /// As [`StoreTransaction::restore_row`].
    pub fn merge_history_row(&mut self, row: &PortableRow) -> Result<bool, StoreError> {
        let mut row = row.clone();
        row.remove("id");
        // Operations are numbered by each device for itself.
        for name in ["counter", "undone_by"] {
            row.insert(name.to_owned(), Value::Null);
        }
        let (columns, values) = self.portable_values("history", &row)?;
        let marks: Vec<String> = (1..=values.len()).map(|number| format!("?{number}")).collect();
        let same = columns
            .iter()
            .zip(&marks)
            .filter(|(column, _)| !matches!(column.as_str(), "\"counter\"" | "\"undone_by\""));
        let same: Vec<String> = same.map(|(column, mark)| format!("{column} IS {mark}")).collect();
        let sql = format!(
            "INSERT INTO history ({}) SELECT {}
             WHERE NOT EXISTS (SELECT 1 FROM history WHERE {})",
            columns.join(", "),
            marks.join(", "),
            same.join(" AND ")
        );
        let added = self.execute(&sql, rusqlite::params_from_iter(values)).map_err(not_portable)?;
        Ok(added == 1)
    }

    fn portable_values(
        &self,
        table: &str,
        row: &PortableRow,
    ) -> Result<(Vec<String>, Vec<SqlValue>), StoreError> {
        let known = self.columns_of(table)?;
        let mut columns = Vec::new();
        let mut values = Vec::new();
        for (name, value) in row {
            if !known.iter().any(|column| column == name) {
                return Err(StoreError::NotPortable);
            }
            columns.push(format!("\"{name}\""));
            values.push(from_json(value)?);
        }
        if columns.is_empty() {
            return Err(StoreError::NotPortable);
        }
        Ok((columns, values))
    }

    /// Ends a restore: this store begins a new life, belongs to the account that the export came
    /// from, and counts on from where that one was. What was restored is read back once.
    ///
    /// # Errors
    /// [`StoreError::NotPortable`] when something restored has a form that this program never
    /// writes.
    pub fn finish_restore(
        &mut self,
        incarnation: Incarnation,
        account: Option<&str>,
        next_counter: Counter,
        now: LocalTime,
    ) -> Result<(), StoreError> {
        self.new_incarnation(incarnation, now).map_err(not_portable)?;
        self.execute("UPDATE meta SET account_id = coalesce(account_id, ?1)", [account])?;
        let highest = self.read_one("SELECT max(counter) FROM operation", [], |row| {
            Ok(row.get::<_, Option<i64>>(0)?)
        })?;
        if highest.flatten().is_some_and(|highest| highest >= signed(next_counter.0)) {
            return Err(StoreError::NotPortable);
        }
        self.queue = crate::counts::QueueDelta::default();
        self.execute(
            "UPDATE queue_count SET next_counter = ?1,
                 ready = (SELECT count(*) FROM operation WHERE state = 0),
                 blocked = (SELECT count(*) FROM operation WHERE state = 1),
                 in_flight = (SELECT count(*) FROM operation WHERE state = 2),
                 set_aside = (SELECT count(*) FROM operation WHERE state = 3),
                 failed = (SELECT count(*) FROM operation WHERE state = 4),
                 conflicted = (SELECT count(*) FROM operation WHERE state = 5)",
            [signed(next_counter.0)],
        )?;
        self.check_restored()
    }

    /// Reads back what was restored: a row that cannot be read now could not be read later.
    fn check_restored(&self) -> Result<(), StoreError> {
        let invalid = |_| StoreError::NotPortable;
        let mut counted = 0;
        for state in OperationState::ALL {
            let mut after = Counter(0);
            loop {
                let page = self.operations_in_state(state, after, ROWS_CHECKED).map_err(invalid)?;
                let Some(last) = page.last() else { break };
                after = last.counter;
                for operation in &page {
                    counted += 1;
                    self.confirmed(&operation.key).map_err(invalid)?;
                    self.ended(operation.counter).map_err(invalid)?;
                }
            }
        }
        let all =
            self.read_one("SELECT count(*) FROM operation", [], |row| Ok(row.get::<_, i64>(0)?))?;
        if all != Some(counted) {
            return Err(StoreError::NotPortable);
        }
        let (mut conflict, mut history) = (0, 0);
        while let Some(last) = self.conflicts(conflict, ROWS_CHECKED).map_err(invalid)?.last() {
            conflict = last.id;
        }
        while let Some(last) = self.history(history, ROWS_CHECKED).map_err(invalid)?.last() {
            history = last.id;
        }
        self.imports().map_err(invalid)?;
        self.sources().map_err(invalid)?;
        self.cursor_parts().map_err(invalid)?;
        Ok(())
    }
}

/// What SQLite refuses of a row is a row that nobody wrote.
fn not_portable(error: StoreError) -> StoreError {
    match error {
        StoreError::Sqlite(_) => StoreError::NotPortable,
        other => other,
    }
}

fn to_json(value: ValueRef<'_>) -> Result<Value, StoreError> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned().into(),
        ValueRef::Blob(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            json!({ BYTES: hex })
        }
    })
}

fn from_json(value: &Value) -> Result<SqlValue, StoreError> {
    Ok(match value {
        Value::Null => SqlValue::Null,
        Value::String(text) => SqlValue::Text(text.clone()),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => SqlValue::Integer(integer),
            (None, Some(real)) if number.is_f64() => SqlValue::Real(real),
            _ => return Err(StoreError::NotPortable),
        },
        Value::Object(object) => {
            let hex = object.get(BYTES).and_then(Value::as_str).ok_or(StoreError::NotPortable)?;
            SqlValue::Blob(from_hex(hex).ok_or(StoreError::NotPortable)?)
        }
        Value::Bool(_) | Value::Array(_) => return Err(StoreError::NotPortable),
    })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    let pairs = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16));
    pairs.collect::<Result<_, _>>().ok()
}
