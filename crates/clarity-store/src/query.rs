//! Finding entities by their fields.
//!
//! A comparison holds only between values of one kind: numbers with numbers, texts with texts. On
//! a declared column it uses the column, and so its index; on any other field it reads `extra`. A
//! value that does not fit the column it is declared for is found only by a comparison with a
//! value that does not fit either.

use clarity_model::{Column, EntityKey, EntityType};
use rusqlite::types::Value as SqlValue;
use serde_json::Value;

use crate::entity::{StoredEntity, read_keyed_entity};
use crate::error::StoreError;
use crate::layout::TypeLayout;
use crate::transaction::StoreTransaction;
use crate::value::{json_text, row_limit};

/// How a field is compared with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// The same.
    Equal,
    /// Before the value.
    Less,
    /// Before the value or the same.
    LessOrEqual,
    /// After the value.
    Greater,
    /// After the value or the same.
    GreaterOrEqual,
}

impl Comparison {
    fn sql(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    fn admits_equal(self) -> bool {
        matches!(self, Self::Equal | Self::LessOrEqual | Self::GreaterOrEqual)
    }
}

/// Which entities to find. Deleted ones are never found.
#[derive(Clone, PartialEq)]
pub struct Query {
    /// All of these hold.
    pub filters: Vec<(String, Comparison, Value)>,
    /// The field to order by, and whether the largest comes first; by id when absent. Entities
    /// with equal values are in the order of their ids, in the same direction.
    pub order_by: Option<(String, bool)>,
    /// At most so many.
    pub limit: usize,
    /// Leave out so many at the start.
    pub offset: usize,
}

impl Default for Query {
    /// The first thousand in the order of their ids.
    fn default() -> Self {
        Self { filters: Vec::new(), order_by: None, limit: 1_000, offset: 0 }
    }
}

impl std::fmt::Debug for Query {
    /// Hides the values that fields are compared with.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let filters: Vec<_> =
            self.filters.iter().map(|(field, comparison, _)| (field, comparison)).collect();
        formatter
            .debug_struct("Query")
            .field("filters", &filters)
            .field("order_by", &self.order_by)
            .field("limit", &self.limit)
            .field("offset", &self.offset)
            .finish()
    }
}

impl StoreTransaction<'_> {
    /// The entities of a type that a query finds.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn query_entities(
        &self,
        entity_type: &EntityType,
        query: &Query,
    ) -> Result<Vec<(EntityKey, StoredEntity)>, StoreError> {
        let layout = self.shared.layouts.of(entity_type);
        let mut builder = Builder { layout, parameters: Vec::new() };
        let mut conditions = vec!["state < 2".to_owned()];
        if layout.generic {
            let parameter = builder.bind(SqlValue::Text(entity_type.as_str().to_owned()));
            conditions.push(format!("type = {parameter}"));
        }
        for (field, comparison, value) in &query.filters {
            conditions.push(builder.condition(field, *comparison, value)?);
        }
        let order = match &query.order_by {
            Some((field, descending)) => {
                let direction = if *descending { "DESC" } else { "ASC" };
                format!("{} {direction}, id {direction}", builder.expression(field)?)
            }
            None => "id".to_owned(),
        };
        let limit = builder.bind(SqlValue::Integer(row_limit(query.limit)));
        let offset = builder.bind(SqlValue::Integer(row_limit(query.offset)));
        let sql = format!(
            "SELECT {} FROM {} WHERE {} ORDER BY {order} LIMIT {limit} OFFSET {offset}",
            layout.select_columns,
            layout.table,
            conditions.join(" AND ")
        );
        self.read_all(&sql, rusqlite::params_from_iter(builder.parameters), |row| {
            read_keyed_entity(entity_type, layout, row)
        })
    }
}

struct Builder<'a> {
    layout: &'a TypeLayout,
    parameters: Vec<SqlValue>,
}

impl Builder<'_> {
    fn bind(&mut self, value: SqlValue) -> String {
        self.parameters.push(value);
        format!("?{}", self.parameters.len())
    }

    fn path(&mut self, field: &str) -> Result<String, StoreError> {
        let path = format!("$.{}", json_text(field, "entity", "extra")?);
        Ok(self.bind(SqlValue::Text(path)))
    }

    fn expression(&mut self, field: &str) -> Result<String, StoreError> {
        match self.layout.column(field) {
            Some(_) => Ok(format!("\"{field}\"")),
            None => Ok(format!("json_extract(extra, {})", self.path(field)?)),
        }
    }

    fn condition(
        &mut self,
        field: &str,
        comparison: Comparison,
        value: &Value,
    ) -> Result<String, StoreError> {
        let compared = sql_value(value)?;
        let sql = comparison.sql();
        if self.layout.column(field).is_some_and(|kind| comparable(kind, value)) {
            return Ok(format!("\"{field}\" {sql} {}", self.bind(compared)));
        }
        let path = self.path(field)?;
        let kinds = match value {
            Value::Null if comparison.admits_equal() => {
                return Ok(format!("json_type(extra, {path}) = 'null'"));
            }
            Value::Null => return Ok("0".to_owned()),
            Value::Bool(_) => "'true', 'false'",
            Value::Number(_) => "'integer', 'real'",
            Value::String(_) => "'text'",
            Value::Array(_) => "'array'",
            Value::Object(_) => "'object'",
        };
        let parameter = self.bind(compared);
        Ok(format!(
            "json_type(extra, {path}) IN ({kinds}) \
             AND json_extract(extra, {path}) {sql} {parameter}"
        ))
    }
}

/// Whether values in a column of this kind can be compared with this one.
fn comparable(kind: Column, value: &Value) -> bool {
    match kind {
        Column::Integer | Column::Number => value.is_number(),
        Column::Text => value.is_string(),
        Column::Boolean => value.is_boolean(),
        Column::Json => value.is_array() || value.is_object(),
    }
}

fn sql_value(value: &Value) -> Result<SqlValue, StoreError> {
    Ok(match value {
        Value::Null => SqlValue::Null,
        Value::Bool(flag) => SqlValue::Integer(i64::from(*flag)),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => SqlValue::Integer(integer),
            None => number.as_f64().map_or(SqlValue::Null, SqlValue::Real),
        },
        Value::String(text) => SqlValue::Text(text.clone()),
        Value::Array(_) | Value::Object(_) => SqlValue::Text(json_text(value, "entity", "extra")?),
    })
}
