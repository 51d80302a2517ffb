//! Queries that no index orders by itself, but that are read in order all the same.
//!
//! A type with the index `(metric, start_ms)` has no order by `start_ms` over all metrics. Sorting
//! for each page would read everything there is; instead each metric is read in the order of the
//! index, as far as it is needed, and what was read is merged.

use std::cmp::Ordering;
use std::collections::VecDeque;

use clarity_model::{Column, EntityKey, EntityType};
use rusqlite::types::Value as SqlValue;
use serde_json::Value;

use crate::error::StoreError;
use crate::layout::TypeLayout;
use crate::query::{Found, Position, Query};
use crate::transaction::StoreTransaction;
use crate::value::IdValue;

/// Most groups that are merged: with more, each page would cost as much as a walk over everything.
const GROUPS_MAX: usize = 128;

/// The rows whose first column of an index has this value, or none.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    pub(crate) column: String,
    pub(crate) value: SqlValue,
}

/// A group that is being read.
struct Arm {
    group: Group,
    read: VecDeque<Found>,
    after: Option<Position>,
    ended: bool,
    /// How many are read next: few at first, because most groups have no share in a page.
    count: usize,
}

impl StoreTransaction<'_> {
    /// The groups whose rows, each in the order of an index, are merged for a query; nothing when
    /// it has to be read as it is.
    pub(crate) fn groups(
        &self,
        entity_type: &EntityType,
        query: &Query,
    ) -> Result<Option<Vec<Group>>, StoreError> {
        let layout = self.shared.layouts.of(entity_type);
        let Some(column) = self.leading_column(entity_type, layout, query) else {
            return Ok(None);
        };
        let mut groups = Vec::new();
        let mut last = None;
        // From value to value by the index, so that the rows of one are not all walked.
        while groups.len() <= GROUPS_MAX {
            let (beyond, parameters) = match last.take() {
                None => (String::new(), Vec::new()),
                Some(value) => (format!(" WHERE \"{column}\" > ?1"), vec![value]),
            };
            let sql = format!("SELECT min(\"{column}\") FROM {}{beyond}", layout.from);
            let parameters = rusqlite::params_from_iter(parameters);
            let next = self.read_one(&sql, parameters, |row| Ok(row.get::<_, SqlValue>(0)?))?;
            let next = next.unwrap_or(SqlValue::Null);
            // In the end those that have no value there.
            let is_last = next == SqlValue::Null;
            groups.push(Group { column: column.clone(), value: next.clone() });
            if is_last {
                return Ok(Some(groups));
            }
            last = Some(next);
        }
        Ok(None)
    }

    /// The column that stands before the one that a query orders by in an index, where no index
    /// begins with that one itself.
    fn leading_column(
        &self,
        entity_type: &EntityType,
        layout: &TypeLayout,
        query: &Query,
    ) -> Option<String> {
        let (field, _) = query.order_by.as_ref()?;
        let declared = self.schema().type_schema(entity_type);
        // What else must hold might hold for few, and each of the others would be looked at.
        let in_order = |_: &_| declared.time_field() == Some(field.as_str());
        let whole = query.filters.is_empty() && query.time_ms.as_ref().is_none_or(in_order);
        let from_start = query.after.is_some() || query.offset == 0;
        // A number may be whole or not, and SQLite alone knows how they compare.
        let kind = layout.column(field)?;
        let comparable = matches!(kind, Column::Integer | Column::Text | Column::Boolean);
        let settled = layout.work.is_none() && !layout.generic;
        if !(whole && from_start && comparable && settled) {
            return None;
        }
        let mut indexes = declared.indexes.iter();
        if indexes.any(|index| index.first() == Some(field)) {
            return None;
        }
        declared.indexes.iter().find_map(|index| match index.as_slice() {
            [leading, second, ..] if second == field && layout.column(leading).is_some() => {
                Some(leading.clone())
            }
            _ => None,
        })
    }

    /// The first rows of a query, at most so many, merged from its groups.
    pub(crate) fn merged(
        &self,
        entity_type: &EntityType,
        query: &Query,
        groups: Vec<Group>,
        wanted: usize,
    ) -> Result<Vec<Found>, StoreError> {
        let descending = query.order_by.as_ref().is_some_and(|(_, descending)| *descending);
        let begun =
            |group| Arm { group, read: VecDeque::new(), after: None, ended: false, count: 1 };
        let mut arms: Vec<Arm> = groups.into_iter().map(begun).collect();
        let mut merged = Vec::new();
        while merged.len() < wanted {
            for arm in &mut arms {
                self.fill(entity_type, query, arm, wanted - merged.len())?;
            }
            let heads = arms.iter_mut().filter(|arm| !arm.read.is_empty());
            let first = heads.min_by(|one, other| {
                let order = compare(&one.read[0], &other.read[0]);
                if descending { order.reverse() } else { order }
            });
            let Some(found) = first.and_then(|arm| arm.read.pop_front()) else { break };
            merged.push(found);
        }
        Ok(merged)
    }

    /// Reads on in a group of which nothing is left.
    fn fill(
        &self,
        entity_type: &EntityType,
        query: &Query,
        arm: &mut Arm,
        wanted: usize,
    ) -> Result<(), StoreError> {
        if arm.ended || !arm.read.is_empty() {
            return Ok(());
        }
        let count = arm.count.min(wanted);
        let after = arm.after.take().or_else(|| query.after.clone());
        let query = Query { after, ..query.clone() };
        let read = self.found(entity_type, &query, Some(&arm.group), count)?;
        arm.ended = read.len() < count;
        arm.after = read.last().map(Found::position);
        arm.count = count * 2;
        arm.read = read.into();
        Ok(())
    }
}

/// How SQLite orders two rows: by the value, and then by the id.
fn compare(one: &Found, other: &Found) -> Ordering {
    let values = match (&one.value, &other.value) {
        (Value::Number(one), Value::Number(other)) => one.as_i64().cmp(&other.as_i64()),
        (Value::String(one), Value::String(other)) => one.cmp(other),
        // What has no value comes before everything.
        (one, other) => (!one.is_null()).cmp(&!other.is_null()),
    };
    values.then_with(|| compare_ids(&one.key, &other.key))
}

/// Texts come before UUIDs, which are bytes.
fn compare_ids(one: &EntityKey, other: &EntityKey) -> Ordering {
    match (IdValue::of(&one.id), IdValue::of(&other.id)) {
        (IdValue::Text(one), IdValue::Text(other)) => one.cmp(other),
        (IdValue::Uuid(one), IdValue::Uuid(other)) => one.as_bytes().cmp(other.as_bytes()),
        (IdValue::Text(_), IdValue::Uuid(_)) => Ordering::Less,
        (IdValue::Uuid(_), IdValue::Text(_)) => Ordering::Greater,
    }
}
