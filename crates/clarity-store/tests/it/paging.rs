//! Pages of a query: joined without a gap, by an index, and by time.

use std::collections::BTreeSet;

use clarity_model::{EntityType, Schema};
use clarity_store::{
    Comparison, Position, Query, QueryPage, RowState, StoreError, StoreTransaction,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{BIRTH, Place, entity_type, key, stored};

fn page(
    tx: &StoreTransaction<'_>,
    of: &EntityType,
    query: &Query,
) -> (Vec<String>, Option<Position>) {
    let QueryPage { rows, next } = tx.query_page(of, query).unwrap();
    (rows.into_iter().map(|(key, _)| key.id.as_str().to_owned()).collect(), next)
}

/// Rows whose field is there, missing, equal to others, or of a kind that no column takes.
fn value() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        4 => (0..4_i64).prop_map(|number| Some(json!(number))),
        2 => (0..4_u8).prop_map(|number| Some(json!(f64::from(number) / 2.0))),
        1 => Just(Some(json!("text"))),
        1 => Just(Some(Value::Null)),
        2 => Just(None),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Shows that pages of any size join to what one query gives, in either direction, by columns
    /// and by undeclared fields, whatever the values are.
    #[test]
    fn pages_join_to_the_whole(
        values in proptest::collection::vec(value(), 0..14),
        limit in 1..5_usize,
        descending in any::<bool>(),
        field in prop::sample::select(vec!["value", "undeclared", "id"]),
        name in prop::sample::select(vec!["Sample", "Undeclared"]),
    ) {
        let place = Place::new();
        let mut store = place.open();
        let mut transaction = store.begin().unwrap();
        for (number, value) in values.iter().enumerate() {
            let id = if number % 2 == 0 {
                uuid::Uuid::from_u128(number as u128).to_string()
            } else {
                format!("id-{number}")
            };
            let row = value.as_ref().map_or(json!({}), |value| json!({ field: value }));
            transaction.put_entity(&key(name, &id), &stored(row)).unwrap();
        }
        let of_type = entity_type(name);
        let order_by = (field != "id").then(|| (field.to_owned(), descending));
        let mut query = Query { order_by, ..Query::default() };
        let (whole, end) = page(&transaction, &of_type, &query);
        prop_assert!(whole.len() == values.len() && end.is_none());
        query.limit = limit;
        let mut joined = Vec::new();
        loop {
            let (ids, next) = page(&transaction, &of_type, &query);
            prop_assert!(ids.len() == limit || next.is_none());
            joined.extend(ids);
            // A place survives being written down.
            let Some(next) = next else { break };
            let text = serde_json::to_string(&next).unwrap();
            query.after = Some(serde_json::from_str(&text).unwrap());
        }
        prop_assert_eq!(joined, whole);
    }
}

/// A metric, one that its column does not take, or none.
fn metric() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        6 => prop::sample::select(vec!["heart_rate", "steps", "weight"])
            .prop_map(|metric| Some(json!(metric))),
        1 => Just(Some(json!(7))),
        1 => Just(None),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Shows that what is merged from the groups of an index is what sorting everything gives, and
    /// that its pages join, whatever the groups are and whichever rows are equal or deleted.
    #[test]
    fn merged_groups_are_in_order(
        rows in prop::collection::vec((metric(), value(), any::<bool>()), 0..24),
        limit in 1..6_usize,
        descending in any::<bool>(),
        in_time in any::<bool>(),
    ) {
        let place = Place::new();
        let mut store = place.open();
        let mut tx = store.begin().unwrap();
        for (number, (metric, start, by_name)) in rows.iter().enumerate() {
            let id = if *by_name {
                format!("id-{number}")
            } else {
                uuid::Uuid::from_u128(number as u128 * 7 % 24).to_string()
            };
            let mut row = serde_json::Map::new();
            row.extend(metric.clone().map(|metric| ("metric".to_owned(), metric)));
            row.extend(start.clone().map(|start| ("start_ms".to_owned(), start)));
            let mut row = stored(Value::Object(row));
            if number % 5 == 4 {
                row.state = RowState::Deleted;
            }
            tx.put_entity(&key("Sample", &id), &row).unwrap();
        }
        let of_type = entity_type("Sample");
        let order_by = Some(("start_ms".to_owned(), descending));
        let time_ms = in_time.then_some(1..3);
        let mut query = Query { order_by, time_ms, ..Query::default() };
        // What leaves some out is not merged: SQLite sorts it.
        let sorted = Query { offset: 1, ..query.clone() };
        let plan = tx.query_plan(&of_type, &sorted).unwrap();
        prop_assert!(plan.iter().any(|step| step.contains("TEMP B-TREE")), "{:?}", plan);
        let (rest, _) = page(&tx, &of_type, &sorted);
        query.limit = limit;
        let mut joined = Vec::new();
        loop {
            let (ids, next) = page(&tx, &of_type, &query);
            joined.extend(ids);
            let Some(next) = next else { break };
            query.after = Some(next);
        }
        prop_assert_eq!(joined.get(1..).unwrap_or_default(), rest);
        prop_assert_eq!(joined.len() as u64, tx.count_found(&of_type, &query).unwrap());
    }
}

/// Shows that an order over all groups of an index reads each by the index and sorts nothing, and
/// that a type with too many groups is still read.
#[test]
fn an_order_over_groups_uses_their_index() {
    let place = Place::new();
    let mut store = place.open();
    let mut tx = store.begin().unwrap();
    let of_type = entity_type("Sample");
    let put = |tx: &mut StoreTransaction<'_>, number: u32| {
        let row = json!({"metric": format!("metric {number}"), "start_ms": number});
        tx.put_entity(&key("Sample", &format!("n{number:03}")), &stored(row)).unwrap();
    };
    (0..100).for_each(|number| put(&mut tx, number));
    let order_by = Some(("start_ms".to_owned(), true));
    let mut query = Query { order_by, limit: 3, ..Query::default() };
    let (ids, next) = page(&tx, &of_type, &query);
    assert_eq!(ids, ["n099", "n098", "n097"]);
    query.after = next;
    for step in tx.query_plan(&of_type, &query).unwrap() {
        assert!(step.contains("SEARCH") && step.contains("Sample(metric,start_ms)"), "{step}");
    }
    (100..200).for_each(|number| put(&mut tx, number));
    query.after = None;
    assert_eq!(page(&tx, &of_type, &query).0, ["n199", "n198", "n197"]);
    let plan = tx.query_plan(&of_type, &query).unwrap();
    assert!(plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:?}");
}

/// Shows that what is written between two pages neither repeats nor hides an entity that nobody
/// touched.
#[test]
fn pages_are_stable_while_others_write() {
    let place = Place::new();
    let mut store = place.open();
    let mut tx = store.begin().unwrap();
    let put = |tx: &mut StoreTransaction<'_>, id: &str, at: i64| {
        tx.put_entity(&key("Sample", id), &stored(json!({"start_ms": at}))).unwrap();
    };
    for number in 0..20 {
        put(&mut tx, &format!("n{number:02}"), number * 10);
    }
    let of_type = entity_type("Sample");
    let order_by = Some(("start_ms".to_owned(), true));
    let mut query = Query { order_by, limit: 4, ..Query::default() };
    let mut seen = Vec::new();
    for round in 0.. {
        let (ids, next) = page(&tx, &of_type, &query);
        seen.extend(ids);
        // Newer ones come, one that was seen goes, and so does one that was not.
        put(&mut tx, &format!("new{round}"), 1_000 + round);
        tx.remove_entity(&key("Sample", &seen[0])).unwrap();
        tx.remove_entity(&key("Sample", "n01")).unwrap();
        let Some(next) = next else { break };
        query.after = Some(next);
    }
    let expected: Vec<String> =
        (0..20).rev().filter(|n| *n != 1).map(|n| format!("n{n:02}")).collect();
    assert_eq!(seen, expected);
}

/// Shows that a range of time is taken by the field that the type declares, that it is counted
/// likewise, and that a type without such a field says so.
#[test]
fn a_range_of_time_is_the_types_own() {
    let place = Place::new();
    let mut store = place.open();
    let mut tx = store.begin().unwrap();
    for (id, at) in [("a", json!(10)), ("b", json!(20)), ("c", json!(30)), ("d", json!("noon"))] {
        tx.put_entity(&key("Sample", id), &stored(json!({"start_ms": at}))).unwrap();
    }
    let of_type = entity_type("Sample");
    let query = Query { time_ms: Some(10..30), limit: 1, ..Query::default() };
    assert_eq!(page(&tx, &of_type, &query).0, ["a"]);
    assert_eq!(tx.count_found(&of_type, &query).unwrap(), 2);
    assert_eq!(tx.count_found(&of_type, &Query::default()).unwrap(), 4);
    let refused = tx.query_page(&entity_type("Empty"), &query).unwrap_err();
    assert!(matches!(refused, StoreError::NoTimeField(_)));
}

/// Shows that every index that the shipped schema declares is used by the queries that it is for,
/// also from a place on, and that nothing is sorted for them.
#[test]
fn declared_queries_use_their_index() {
    let place = Place { schema: Schema::shipped().unwrap().into(), ..Place::new() };
    let mut store =
        clarity_store::Store::open(&place.options(), place.schema.clone(), BIRTH).unwrap();
    let tx = store.begin().unwrap();
    let position = |value: Value| -> Position {
        serde_json::from_value(json!({"value": value, "id": "some"})).unwrap()
    };
    let mut used = BTreeSet::new();
    for (of_type, declared) in &place.schema.types {
        for index in &declared.indexes {
            let (last, equal) = index.split_last().unwrap();
            let filter = |field: &String| (field.clone(), Comparison::Equal, json!("x"));
            let in_time = declared.time_field() == Some(last.as_str());
            for (descending, after) in
                [(false, None), (true, None), (false, Some(json!(5))), (true, Some(json!(5)))]
            {
                let query = Query {
                    filters: equal.iter().map(filter).collect(),
                    time_ms: in_time.then_some(0..1_000),
                    order_by: Some((last.clone(), descending)),
                    after: after.map(position),
                    ..Query::default()
                };
                let plan = tx.query_plan(of_type, &query).unwrap();
                let name = format!("USING INDEX entity_{of_type}({})", index.join(","));
                for step in &plan {
                    assert!(step.contains(&name), "{of_type}: {plan:?}");
                }
                used.insert(name);
            }
        }
    }
    assert_eq!(used.len(), 7, "every declared index was tried: {used:?}");
    let unindexed = Query { order_by: Some(("title".to_owned(), false)), ..Query::default() };
    let plan = tx.query_plan(&entity_type("Note"), &unindexed).unwrap();
    assert!(plan.iter().any(|step| step.contains("TEMP B-TREE")), "the alarm rings: {plan:?}");
}
