//! Finding entities by their fields.
//!
//! A comparison holds only between values of one kind: numbers with numbers, texts with texts. On
//! a declared column it uses the column, and so its index; on any other field it reads `extra`. A
//! value that does not fit the column it is declared for is found only by a comparison with a
//! value that does not fit either.

use std::ops::Range;

use clarity_model::{Column, EntityId, EntityKey, EntityType};
use rusqlite::types::{Value as SqlValue, ValueRef};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::entity::{StoredEntity, read_keyed_entity};
use crate::error::StoreError;
use crate::layout::TypeLayout;
use crate::merged::Group;
use crate::transaction::StoreTransaction;
use crate::value::{IdValue, json_text, read_unsigned, row_limit};

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

/// A place in the order of a query: after it the next page begins, whatever was written meanwhile.
/// `Debug` hides it, because it holds a value.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// The value of the field that the query orders by, as it is compared; null when there is none
    /// or the query orders by id.
    value: Value,
    /// The entity's id.
    id: EntityId,
}

impl std::fmt::Debug for Position {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Position").finish_non_exhaustive()
    }
}

/// Which entities to find. Deleted ones are never found.
#[derive(Clone, PartialEq)]
pub struct Query {
    /// All of these hold.
    pub filters: Vec<(String, Comparison, Value)>,
    /// Only entities whose own time lies in this range, in milliseconds since 1970 UTC; the end is
    /// not part of it. The time is in the field that the type declares for it.
    pub time_ms: Option<Range<i64>>,
    /// The field to order by, and whether the largest comes first; by id when absent. Entities
    /// with equal values are in the order of their ids, in the same direction.
    pub order_by: Option<(String, bool)>,
    /// Begin after this place, which an earlier page of the same query gave.
    pub after: Option<Position>,
    /// At most so many.
    pub limit: usize,
    /// Leave out so many at the start. With [`Query::after`] it means nothing.
    pub offset: usize,
}

impl Default for Query {
    /// The first thousand in the order of their ids.
    fn default() -> Self {
        let (filters, limit) = (Vec::new(), 1_000);
        Self { filters, time_ms: None, order_by: None, after: None, limit, offset: 0 }
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
            .field("time_ms", &self.time_ms.is_some())
            .field("order_by", &self.order_by)
            .field("after", &self.after)
            .field("limit", &self.limit)
            .field("offset", &self.offset)
            .finish()
    }
}

/// What a query found.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryPage {
    /// The entities, in the order of the query.
    pub rows: Vec<(EntityKey, StoredEntity)>,
    /// Where the next page begins; nothing when there are no more.
    pub next: Option<Position>,
}

/// A row that was found, with the value that it was ordered by.
pub(crate) struct Found {
    pub(crate) key: EntityKey,
    pub(crate) stored: StoredEntity,
    pub(crate) value: Value,
}

impl Found {
    /// Its place in the order.
    pub(crate) fn position(&self) -> Position {
        Position { value: self.value.clone(), id: self.key.id.clone() }
    }
}

/// Which part of the order a statement reads: SQLite puts what has no value before everything.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Whole,
    WithoutValue,
    WithValue,
}

impl StoreTransaction<'_> {
    /// The entities of a type that a query finds.
    ///
    /// # Errors
    /// When they cannot be read; [`StoreError::NoTimeField`] for a range of time of a type that
    /// declares no time.
    pub fn query_entities(
        &self,
        entity_type: &EntityType,
        query: &Query,
    ) -> Result<Vec<(EntityKey, StoredEntity)>, StoreError> {
        Ok(self.query_page(entity_type, query)?.rows)
    }

    /// The entities of a type that a query finds, with the place where the next page begins. A
    /// later page begins exactly after the last entity of the earlier one: what was written
    /// meanwhile neither repeats nor hides another entity.
    ///
    /// # Errors
    /// As [`StoreTransaction::query_entities`].
    pub fn query_page(
        &self,
        entity_type: &EntityType,
        query: &Query,
    ) -> Result<QueryPage, StoreError> {
        // One more than wanted tells whether there is a next page.
        let wanted = query.limit.saturating_add(1);
        let mut found = match self.groups(entity_type, query)? {
            Some(groups) => self.merged(entity_type, query, groups, wanted)?,
            None => self.found(entity_type, query, None, wanted)?,
        };
        let more = found.len() > query.limit;
        found.truncate(query.limit);
        let next = found.last().filter(|_| more).map(Found::position);
        Ok(QueryPage { rows: found.into_iter().map(|row| (row.key, row.stored)).collect(), next })
    }

    /// The first rows of a query, at most so many; of one group alone where there is one.
    pub(crate) fn found(
        &self,
        entity_type: &EntityType,
        query: &Query,
        group: Option<&Group>,
        wanted: usize,
    ) -> Result<Vec<Found>, StoreError> {
        let layout = self.shared.layouts.of(entity_type);
        let mut found = Vec::new();
        for part in parts(query) {
            let limit = wanted - found.len();
            let Select { sql, parameters } =
                self.select(entity_type, query, (part, group), limit)?;
            let value_at = layout.columns.len() + 7;
            found.extend(self.read_all(&sql, rusqlite::params_from_iter(parameters), |row| {
                let value = read_value(row.get_ref(value_at)?);
                let (key, stored) = read_keyed_entity(entity_type, layout, row)?;
                Ok(Found { key, stored, value })
            })?);
            if found.len() >= wanted {
                break;
            }
        }
        Ok(found)
    }

    /// How many entities a query finds, whatever its limit, offset and place. It takes time in
    /// proportion to their number.
    ///
    /// # Errors
    /// As [`StoreTransaction::query_entities`].
    pub fn count_found(&self, entity_type: &EntityType, query: &Query) -> Result<u64, StoreError> {
        let layout = self.shared.layouts.of(entity_type);
        let mut builder = Builder { layout, parameters: Vec::new() };
        let conditions = self.conditions(entity_type, query, &mut builder)?.join(" AND ");
        let sql = format!("SELECT count(*) FROM {} WHERE {conditions}", layout.from);
        let parameters = rusqlite::params_from_iter(builder.parameters);
        let count = self.read_one(&sql, parameters, |row| read_unsigned(row, 0))?;
        Ok(count.unwrap_or_default())
    }

    /// How SQLite goes about a query, a step a line: whether it uses an index of the schema.
    ///
    /// # Errors
    /// As [`StoreTransaction::query_entities`].
    pub fn query_plan(
        &self,
        entity_type: &EntityType,
        query: &Query,
    ) -> Result<Vec<String>, StoreError> {
        let groups = self.groups(entity_type, query)?;
        // They are all read alike; the last is that of rows without a value.
        let group = groups.as_ref().and_then(|groups| groups.first());
        let mut plan = Vec::new();
        for part in parts(query) {
            let Select { sql, parameters } =
                self.select(entity_type, query, (part, group), query.limit)?;
            let sql = format!("EXPLAIN QUERY PLAN {sql}");
            let parameters = rusqlite::params_from_iter(parameters);
            plan.extend(self.read_all(&sql, parameters, |row| Ok(row.get::<_, String>(3)?))?);
        }
        Ok(plan)
    }

    /// What holds for every entity that a query finds.
    fn conditions(
        &self,
        entity_type: &EntityType,
        query: &Query,
        builder: &mut Builder<'_>,
    ) -> Result<Vec<String>, StoreError> {
        let mut conditions = vec!["state < 2".to_owned()];
        if builder.layout.generic {
            let parameter = builder.bind(SqlValue::Text(entity_type.as_str().to_owned()));
            conditions.push(format!("type = {parameter}"));
        }
        for (field, comparison, value) in &query.filters {
            conditions.push(builder.condition(field, *comparison, value)?);
        }
        if let Some(Range { start, end }) = query.time_ms {
            let declared = self.schema().type_schema(entity_type).time_field();
            let field = declared.filter(|field| builder.layout.column(field).is_some());
            let field = field.ok_or_else(|| StoreError::NoTimeField(entity_type.clone()))?;
            let start = builder.bind(SqlValue::Integer(start));
            let end = builder.bind(SqlValue::Integer(end));
            let time = builder.expression(field)?;
            conditions.push(format!("{time} >= {start} AND {time} < {end}"));
        }
        Ok(conditions)
    }

    /// The statement for one part of the order, of one group alone where there is one.
    fn select(
        &self,
        entity_type: &EntityType,
        query: &Query,
        (part, group): (Part, Option<&Group>),
        limit: usize,
    ) -> Result<Select, StoreError> {
        let layout = self.shared.layouts.of(entity_type);
        let mut builder = Builder { layout, parameters: Vec::new() };
        let mut conditions = self.conditions(entity_type, query, &mut builder)?;
        if let Some(Group { column, value }) = group {
            conditions.push(match value {
                SqlValue::Null => format!("\"{column}\" IS NULL"),
                value => format!("\"{column}\" = {}", builder.bind(value.clone())),
            });
        }
        let (expression, descending) = match &query.order_by {
            Some((field, descending)) => (builder.expression(field)?, *descending),
            None => ("NULL".to_owned(), false),
        };
        let (direction, beyond) = if descending { ("DESC", "<") } else { ("ASC", ">") };
        match part {
            Part::Whole => {}
            Part::WithoutValue => conditions.push(format!("{expression} IS NULL")),
            Part::WithValue => conditions.push(format!("{expression} IS NOT NULL")),
        }
        // In a part that the place is not in, everything comes after it.
        let place = query.after.as_ref().filter(|place| match part {
            Part::Whole => true,
            Part::WithoutValue => place.value.is_null(),
            Part::WithValue => !place.value.is_null(),
        });
        if let Some(Position { value, id }) = place {
            let id = builder.bind(id_value(id));
            conditions.push(if part == Part::WithValue {
                let value = builder.bind(sql_value(value)?);
                format!("({expression}, id) {beyond} ({value}, {id})")
            } else {
                format!("id {beyond} {id}")
            });
        }
        let order = match query.order_by {
            Some(_) => format!("{expression} {direction}, id {direction}"),
            None => "id".to_owned(),
        };
        let limit = builder.bind(SqlValue::Integer(row_limit(limit)));
        let offset = if query.after.is_some() { 0 } else { query.offset };
        let offset = builder.bind(SqlValue::Integer(row_limit(offset)));
        let sql = format!(
            "SELECT {}, {expression} FROM {} WHERE {} \
             ORDER BY {order} LIMIT {limit} OFFSET {offset}",
            layout.select_columns,
            layout.from,
            conditions.join(" AND ")
        );
        Ok(Select { sql, parameters: builder.parameters })
    }
}

/// The parts of the order that a query reads, one after the other. From a place on they are read
/// apart, so that each can use an index.
fn parts(query: &Query) -> Vec<Part> {
    let (Some((_, descending)), Some(place)) = (&query.order_by, &query.after) else {
        return vec![Part::Whole];
    };
    match (descending, place.value.is_null()) {
        (false, true) => vec![Part::WithoutValue, Part::WithValue],
        (false, false) => vec![Part::WithValue],
        (true, false) => vec![Part::WithValue, Part::WithoutValue],
        (true, true) => vec![Part::WithoutValue],
    }
}

struct Select {
    sql: String,
    parameters: Vec<SqlValue>,
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
            Some(_) if self.layout.is_filling(field) => {
                Ok(format!("coalesce(\"{field}\", json_extract(extra, {}))", self.path(field)?))
            }
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
        let mut in_column = String::new();
        if self.layout.column(field).is_some_and(|kind| comparable(kind, value)) {
            in_column = format!("\"{field}\" {sql} {}", self.bind(compared.clone()));
            if !self.layout.is_filling(field) {
                return Ok(in_column);
            }
            // A row that was not looked at yet has it in `extra`.
            in_column.push_str(" OR ");
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
            "({in_column}json_type(extra, {path}) IN ({kinds}) \
             AND json_extract(extra, {path}) {sql} {parameter})"
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

/// A value of a column or of `json_extract`, as it is compared.
fn read_value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Integer(integer) => Value::from(integer),
        ValueRef::Real(real) => Value::from(real),
        ValueRef::Text(text) => Value::from(String::from_utf8_lossy(text)),
        ValueRef::Null | ValueRef::Blob(_) => Value::Null,
    }
}

fn id_value(id: &EntityId) -> SqlValue {
    match IdValue::of(id) {
        IdValue::Uuid(uuid) => SqlValue::Blob(uuid.as_bytes().to_vec()),
        IdValue::Text(text) => SqlValue::Text(text.to_owned()),
    }
}
