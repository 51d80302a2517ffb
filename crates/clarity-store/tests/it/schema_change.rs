//! Schema files change; nothing that is stored is lost or altered by it.

use std::sync::Arc;

use clarity_model::Schema;
use clarity_store::{Comparison, ListOptions, Query, Store, StoreErrorKind, StoredEntity};
use serde_json::{Value, json};

use crate::support::{BIRTH, Place, entity_type, key, parse, stored};

fn with_columns(version: u32, columns: &Value, indexes: &Value) -> Arc<Schema> {
    let mut fields = serde_json::Map::new();
    for (name, kind) in columns.as_object().unwrap() {
        fields.insert(name.clone(), json!({"column": kind}));
    }
    let declared = json!({"fields": fields, "indexes": indexes});
    parse(&json!({"format": 1, "name": "t", "version": version, "types": {"Thing": declared}}))
}

fn open(place: &Place, schema: &Arc<Schema>) -> Store {
    Store::open(&place.options(), Arc::clone(schema), BIRTH).unwrap()
}

fn rows() -> Vec<(String, Value)> {
    let values = [
        json!(1),
        json!(1.0),
        json!(-0.0),
        json!(u64::MAX),
        json!("1"),
        json!(true),
        json!(null),
        json!([1, {"a": null}]),
        json!({}),
    ];
    let one = values.iter().enumerate().map(|(at, value)| {
        (format!("row-{at}"), json!({"alpha": value, "beta": at, "other": "x"}))
    });
    one.chain([("empty".to_owned(), json!({})), ("many".to_owned(), json!({"beta": "many"}))])
        .collect()
}

fn write(store: &mut Store) {
    let mut transaction = store.begin().unwrap();
    for (id, row) in rows() {
        transaction.put_entity(&key("Thing", &id), &stored(row)).unwrap();
    }
    transaction.commit().unwrap();
}

fn check(store: &mut Store) {
    let transaction = store.begin().unwrap();
    for (id, row) in rows() {
        let read = transaction.entity(&key("Thing", &id)).unwrap().unwrap();
        assert_eq!(read.fields.to_canonical_json(), row.to_string());
        assert_eq!(read, StoredEntity { fields: read.fields.clone(), ..stored(json!({})) });
    }
    let all = transaction.list_entities(&entity_type("Thing"), &ListOptions::default()).unwrap();
    assert_eq!(all.len(), rows().len());
    let query = Query {
        filters: vec![("beta".to_owned(), Comparison::Equal, json!(4))],
        ..Query::default()
    };
    let found = transaction.query_entities(&entity_type("Thing"), &query).unwrap();
    assert_eq!(found.len(), 1);
}

/// Shows that every row reads back the same, and is found the same, while its type is undeclared,
/// declared without columns, given columns, given columns of another kind, and opened by an older
/// program again.
#[test]
fn rows_survive_every_change_of_schema() {
    let undeclared = parse(&json!({"format": 1, "name": "t", "version": 1, "types": {}}));
    let bare = with_columns(2, &json!({}), &json!([]));
    let (alpha, both) = (json!({"alpha": "number"}), json!({"alpha": "number", "beta": "integer"}));
    let changed = json!({"alpha": "json", "beta": "text"});
    let steps = [
        undeclared.clone(),
        bare.clone(),
        with_columns(3, &alpha, &json!([["alpha"]])),
        with_columns(4, &both, &json!([["beta", "alpha"]])),
        with_columns(5, &changed, &json!([["beta"]])),
        bare,
        undeclared,
        with_columns(6, &both, &json!([])),
    ];
    for first in 0..steps.len() {
        let place = Place::new();
        write(&mut open(&place, &steps[first]));
        for schema in &steps[first..] {
            let mut store = open(&place, schema);
            check(&mut store);
            write(&mut store);
            check(&mut store);
            assert!(store.damages(5).unwrap().is_empty());
        }
    }
}

/// Shows that a value that fits moves into its new column, where an index finds it.
#[test]
fn values_are_promoted() {
    let place = Place::new();
    write(&mut open(&place, &with_columns(1, &json!({}), &json!([]))));
    drop(open(&place, &with_columns(2, &json!({"beta": "integer"}), &json!([["beta"]]))));
    let outside = crate::raw::open(&place.options());
    let count = |sql: &str| outside.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM entity_Thing WHERE beta IS NOT NULL"), 9);
    let left = "SELECT count(*) FROM entity_Thing WHERE json_type(extra, '$.beta') IS NOT NULL";
    assert_eq!(count(left), 1);
}

/// Shows that a store that is open when another process adds a column reads and writes it.
#[test]
fn an_open_store_notices_new_columns() {
    let place = Place::new();
    let old = with_columns(1, &json!({}), &json!([]));
    let mut before = open(&place, &old);
    let mut reader = Store::open_reader(&place.options(), old).unwrap();
    write(&mut before);
    let mut after = open(&place, &with_columns(2, &json!({"beta": "integer"}), &json!([])));
    check(&mut before);
    write(&mut before);
    check(&mut after);
    let snapshot = reader.snapshot().unwrap();
    let read = snapshot.entity(&key("Thing", "row-4")).unwrap().unwrap();
    assert_eq!(read.fields.get("beta"), Some(&json!(4)));
}

/// Shows that rows that were there before a roll-up was declared are in its sums.
#[test]
fn a_new_rollup_counts_old_rows() {
    let place = Place::new();
    let rollup = json!({"kind": "k", "source": "s", "time_ms": "t", "value": "v"});
    let fields = json!({
        "k": {"column": "text"}, "s": {"column": "text"}, "t": {"column": "integer"},
        "v": {"column": "number"}
    });
    let schema = |version: u32, declared: Value| {
        parse(&json!({"format": 1, "name": "t", "version": version, "types": declared}))
    };
    let plain = schema(2, json!({"Thing": {"fields": fields}}));
    let summed = schema(3, json!({"Thing": {"fields": fields, "rollup": rollup}}));
    for before in [schema(1, json!({})), plain] {
        let place_before = Place::new();
        let mut store = open(&place_before, &before);
        let mut transaction = store.begin().unwrap();
        for (id, time) in [("a", -1), ("b", 0), ("c", 86_400_000)] {
            let row = json!({"k": "steps", "s": "watch", "t": time, "v": 2});
            transaction.put_entity(&key("Thing", id), &stored(row)).unwrap();
        }
        transaction.commit().unwrap();
        drop(store);
        let mut store = open(&place_before, &summed);
        let mut transaction = store.begin().unwrap();
        let sums = transaction.rollups(&entity_type("Thing"), "steps", None, -5..5).unwrap();
        assert_eq!(sums.iter().map(|sum| sum.day).collect::<Vec<_>>(), [-1, 0, 1]);
    }
    drop(place);
}

/// Shows that a schema that cannot be laid out is refused before a file is made.
#[test]
fn impossible_schemas_are_refused() {
    for types in [
        json!({"Note": {}, "note": {}}),
        json!({"Generic": {}}),
        json!({"Note": {"fields": {"seq": {"column": "integer"}}}}),
        json!({"Note": {
            "fields": {"k": {"column": "integer"}, "s": {"column": "text"},
                "t": {"column": "integer"}, "v": {"column": "number"}},
            "rollup": {"kind": "k", "source": "s", "time_ms": "t", "value": "v"}
        }}),
    ] {
        let place = Place::new();
        let schema: Schema =
            serde_json::from_value(json!({"format": 1, "name": "t", "version": 1, "types": types}))
                .unwrap();
        let refused = Store::open(&place.options(), Arc::new(schema), BIRTH).map(|_| ());
        assert_eq!(refused.unwrap_err().kind(), StoreErrorKind::Configuration);
        assert!(!place.path().exists());
    }
}
