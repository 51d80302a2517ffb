//! How ids, fields and other values are laid into columns, and read back exactly as they were.
//!
//! The rule for fields: a value goes into its column only if it reads back identical; every other
//! value, and an explicit `null`, goes into `extra`. So `load(store(x)) = x` for all JSON.

use std::collections::BTreeMap;

use clarity_model::{Column, EntityId, EntityKey, EntityType, Epoch, Fields, Incarnation};
use rusqlite::types::{ToSql, ToSqlOutput, Value as SqlValue, ValueRef};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Number, Value};
use uuid::Uuid;

use crate::error::StoreError;

/// An entity's id as it lies in a column.
pub(crate) enum IdValue<'a> {
    /// The text is exactly the canonical form of a UUID.
    Uuid(Uuid),
    /// Any other text.
    Text(&'a str),
}

impl<'a> IdValue<'a> {
    pub(crate) fn of(id: &'a EntityId) -> Self {
        let text = id.as_str();
        let canonical = text.len() == 36 && !text.bytes().any(|byte| byte.is_ascii_uppercase());
        match Uuid::try_parse(text) {
            Ok(uuid) if canonical => Self::Uuid(uuid),
            _ => Self::Text(text),
        }
    }
}

impl ToSql for IdValue<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Uuid(uuid) => ValueRef::Blob(uuid.as_bytes()),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

/// Reads an entity's id.
pub(crate) fn read_id(value: ValueRef<'_>, table: &'static str) -> Result<EntityId, StoreError> {
    let invalid = || StoreError::InvalidValue { table, column: "id" };
    match value {
        ValueRef::Blob(bytes) => {
            let uuid = Uuid::from_slice(bytes).map_err(|_| invalid())?;
            let mut buffer = Uuid::encode_buffer();
            EntityId::new(uuid.hyphenated().encode_lower(&mut buffer)).map_err(|_| invalid())
        }
        ValueRef::Text(bytes) => {
            let text = std::str::from_utf8(bytes).map_err(|_| invalid())?;
            EntityId::new(text).map_err(|_| invalid())
        }
        _ => Err(invalid()),
    }
}

/// Reads an entity's type.
pub(crate) fn read_type(
    value: ValueRef<'_>,
    table: &'static str,
) -> Result<EntityType, StoreError> {
    let invalid = || StoreError::InvalidValue { table, column: "type" };
    EntityType::new(value.as_str().map_err(|_| invalid())?).map_err(|_| invalid())
}

/// Reads an entity's key from two neighbouring columns.
pub(crate) fn read_key(
    row: &rusqlite::Row<'_>,
    first: usize,
    table: &'static str,
) -> Result<EntityKey, StoreError> {
    Ok(EntityKey {
        entity_type: read_type(row.get_ref(first)?, table)?,
        id: read_id(row.get_ref(first + 1)?, table)?,
    })
}

/// A field's value as it lies in its column.
#[derive(Debug)]
pub(crate) enum ColumnValue<'a> {
    Integer(i64),
    Real(f64),
    Text(&'a str),
    Json(String),
}

impl ToSql for ColumnValue<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Integer(value) => ValueRef::Integer(*value),
            Self::Real(value) => ValueRef::Real(*value),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Json(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

impl From<ColumnValue<'_>> for SqlValue {
    fn from(value: ColumnValue<'_>) -> Self {
        match value {
            ColumnValue::Integer(value) => Self::Integer(value),
            ColumnValue::Real(value) => Self::Real(value),
            ColumnValue::Text(text) => Self::Text(text.to_owned()),
            ColumnValue::Json(text) => Self::Text(text),
        }
    }
}

/// The value for a column of this kind, or nothing when it would not read back identical.
pub(crate) fn column_value(kind: Column, value: &Value) -> Option<ColumnValue<'_>> {
    match (kind, value) {
        (Column::Integer, Value::Number(number)) => integer(number),
        (Column::Number, Value::Number(number)) => integer(number).or_else(|| real(number)),
        (Column::Text, Value::String(text)) => Some(ColumnValue::Text(text)),
        (Column::Boolean, Value::Bool(flag)) => Some(ColumnValue::Integer(i64::from(*flag))),
        (Column::Json, Value::Array(_) | Value::Object(_)) => {
            serde_json::to_string(value).ok().map(ColumnValue::Json)
        }
        _ => None,
    }
}

fn integer(number: &Number) -> Option<ColumnValue<'static>> {
    let value = number.as_i64()?;
    (Number::from(value) == *number).then_some(ColumnValue::Integer(value))
}

/// -0.0 compares equal to 0.0, and SQLite keeps it apart in some kinds of column only. No other
/// float compares equal to a different one.
fn real(number: &Number) -> Option<ColumnValue<'static>> {
    let value = number.is_f64().then(|| number.as_f64()).flatten()?;
    let identical = Number::from_f64(value).is_some_and(|same| same == *number);
    let negative_zero = value == 0.0 && value.is_sign_negative();
    (identical && !negative_zero).then_some(ColumnValue::Real(value))
}

/// Reads what [`column_value`] wrote; `None` for NULL.
pub(crate) fn read_column(kind: Column, value: ValueRef<'_>) -> Result<Option<Value>, StoreError> {
    let invalid = StoreError::InvalidValue { table: "entity", column: "field" };
    Ok(Some(match (kind, value) {
        (_, ValueRef::Null) => return Ok(None),
        (Column::Integer | Column::Number, ValueRef::Integer(value)) => Value::from(value),
        (Column::Number, ValueRef::Real(value)) => {
            Value::Number(Number::from_f64(value).ok_or(invalid)?)
        }
        (Column::Text, ValueRef::Text(_)) => {
            Value::String(value.as_str().map_err(|_| invalid)?.to_owned())
        }
        (Column::Boolean, ValueRef::Integer(value @ (0 | 1))) => Value::Bool(value == 1),
        (Column::Json, ValueRef::Text(bytes)) => {
            serde_json::from_slice(bytes).map_err(|_| invalid)?
        }
        _ => return Err(invalid),
    }))
}

/// Collects the fields that go into `extra` as one JSON object.
#[derive(Default)]
pub(crate) struct ExtraWriter {
    buffer: Vec<u8>,
}

impl ExtraWriter {
    /// Adds a field. Fields come in the order of their names.
    pub(crate) fn push(&mut self, name: &str, value: &Value) -> Result<(), StoreError> {
        let not_json = |_| StoreError::NotJson { table: "entity", column: "extra" };
        self.buffer.push(if self.buffer.is_empty() { b'{' } else { b',' });
        serde_json::to_writer(&mut self.buffer, name).map_err(not_json)?;
        self.buffer.push(b':');
        serde_json::to_writer(&mut self.buffer, value).map_err(not_json)
    }

    /// The object, or nothing when no field was added.
    pub(crate) fn finish(mut self) -> Option<Vec<u8>> {
        if self.buffer.is_empty() {
            return None;
        }
        self.buffer.push(b'}');
        Some(self.buffer)
    }
}

/// JSON bytes that are bound as TEXT.
pub(crate) struct TextBytes<'a>(pub(crate) Option<&'a [u8]>);

impl ToSql for TextBytes<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(self.0.map_or(ValueRef::Null, ValueRef::Text)))
    }
}

/// Reads an object of fields; NULL is no fields.
pub(crate) fn read_fields(
    value: ValueRef<'_>,
    table: &'static str,
    column: &'static str,
) -> Result<BTreeMap<String, Value>, StoreError> {
    match value {
        ValueRef::Null => Ok(BTreeMap::new()),
        _ => read_json(value, table, column),
    }
}

/// Fields as the text of a column; no fields are NULL.
pub(crate) fn fields_text(fields: &Fields) -> Option<String> {
    (!fields.is_empty()).then(|| fields.to_canonical_json())
}

/// Writes any value as JSON.
pub(crate) fn json_text<T: Serialize + ?Sized>(
    value: &T,
    table: &'static str,
    column: &'static str,
) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::NotJson { table, column })
}

/// Reads any value from JSON. What the parser says is not passed on: it may quote the value.
pub(crate) fn read_json<T: DeserializeOwned>(
    value: ValueRef<'_>,
    table: &'static str,
    column: &'static str,
) -> Result<T, StoreError> {
    let invalid = StoreError::InvalidValue { table, column };
    match value {
        ValueRef::Text(bytes) => serde_json::from_slice(bytes).map_err(|_| invalid),
        _ => Err(invalid),
    }
}

/// Reads JSON that may be NULL.
pub(crate) fn read_optional_json<T: DeserializeOwned>(
    value: ValueRef<'_>,
    table: &'static str,
    column: &'static str,
) -> Result<Option<T>, StoreError> {
    match value {
        ValueRef::Null => Ok(None),
        _ => read_json(value, table, column).map(Some),
    }
}

/// An unsigned number as SQLite keeps it: the same bits, signed.
pub(crate) const fn signed(value: u64) -> i64 {
    value.cast_signed()
}

/// Reads what [`signed`] wrote.
pub(crate) fn read_unsigned(row: &rusqlite::Row<'_>, column: usize) -> Result<u64, StoreError> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

/// Reads an unsigned number that may be NULL.
pub(crate) fn read_optional_unsigned(
    row: &rusqlite::Row<'_>,
    column: usize,
) -> Result<Option<u64>, StoreError> {
    Ok(row.get::<_, Option<i64>>(column)?.map(i64::cast_unsigned))
}

/// A limit or offset as SQLite takes it; what is too large to count means no limit.
pub(crate) fn row_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// The 16 bytes of an incarnation.
pub(crate) fn incarnation_bytes(incarnation: Incarnation) -> [u8; 16] {
    incarnation.0.to_be_bytes()
}

/// The 16 bytes of an epoch.
pub(crate) fn epoch_bytes(epoch: Epoch) -> [u8; 16] {
    epoch.0.to_be_bytes()
}

/// Reads 128 bits.
pub(crate) fn read_u128(
    bytes: &[u8],
    table: &'static str,
    column: &'static str,
) -> Result<u128, StoreError> {
    let bytes: [u8; 16] =
        bytes.try_into().map_err(|_| StoreError::InvalidValue { table, column })?;
    Ok(u128::from_be_bytes(bytes))
}
