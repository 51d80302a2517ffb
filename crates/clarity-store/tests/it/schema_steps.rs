//! Schemas whose steps carry what is stored forward, on tables too large for one transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use clarity_model::{Fields, Incarnation, Schema};
use clarity_store::{
    Birth, Comparison, ConfirmedEntity, ListOptions, OlderOperations, Query, RowState, Salvage,
    Store, StoreErrorKind, StoreTransaction, StoredEntity,
};
use serde_json::{Value, json};

use crate::support::{BIRTH, Place, entity_type, fields, key, parse, stored};

/// More rows than are brought up to date while a store opens.
const ROWS: usize = 2_500;
/// So many at a time then.
const SLICE: usize = 400;

fn open(place: &Place, schema: &Arc<Schema>) -> Store {
    Store::open(&place.options(), Arc::clone(schema), BIRTH).unwrap()
}

/// The fields that all versions declare: a roll-up that no step touches.
fn schema(version: u32, more: &Value, migrations: &Value) -> Arc<Schema> {
    let mut columns = json!({
        "metric": {"column": "text"}, "source": {"column": "text"},
        "at": {"column": "integer"}, "value": {"column": "number"}
    });
    columns.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    parse(&json!({
        "format": 1, "name": "t", "version": version, "migrations": migrations,
        "types": {"Thing": {
            "fields": columns, "indexes": [["metric", "at"]],
            "rollup": {"kind": "metric", "source": "source", "time_ms": "at", "value": "value"}
        }}
    }))
}

fn first() -> Arc<Schema> {
    schema(1, &json!({"unit": {"column": "text"}, "number": {"column": "integer"}}), &json!([]))
}

fn steps() -> Value {
    json!([
        {"rename_field": {"type": "Thing", "from": "unit", "to": "measure"}},
        {"map_values": {"type": "Thing", "field": "measure", "values": [
            {"from": "kilo", "to": "kg"}, {"from": null, "to": "none"}
        ]}},
        {"default": {"type": "Thing", "field": "mark", "value": 7}}
    ])
}

/// The same with every kind of step, and a column of another kind.
fn second() -> Arc<Schema> {
    let more = json!({
        "measure": {"column": "text"}, "mark": {"column": "integer"}, "number": {"column": "text"}
    });
    schema(2, &more, &json!([{"to": 2, "steps": steps()}]))
}

fn row(number: usize) -> Value {
    let units = [json!("kilo"), json!("kg"), json!(null), json!(12), json!("stone")];
    let mut row = json!({
        "metric": "steps", "source": if number.is_multiple_of(2) { "a" } else { "b" },
        "at": number * 1_000, "value": number % 7, "unit": units[number % 5],
        "number": number, "other": {"deep": [number]},
    });
    if number.is_multiple_of(11) {
        row["measure"] = json!("undeclared before");
    }
    if number.is_multiple_of(13) {
        row.as_object_mut().unwrap().remove("unit");
        row["mark"] = json!("there already");
    }
    row
}

/// What a store should hold, by id.
type Expected = BTreeMap<String, Fields>;

fn id(number: usize) -> String {
    format!("row-{number:05}")
}

fn written(store: &mut Store) -> Expected {
    let mut transaction = store.begin().unwrap();
    let mut expected = Expected::new();
    for number in 0..ROWS {
        transaction.put_entity(&key("Thing", &id(number)), &stored(row(number))).unwrap();
        expected.insert(id(number), fields(row(number)));
    }
    transaction.commit().unwrap();
    expected
}

fn carried(expected: Expected, schema: &Schema, since: u32) -> Expected {
    let thing = entity_type("Thing");
    let carry = |fields| schema.carried_fields(since, &thing, fields);
    expected.into_iter().map(|(id, fields)| (id, carry(fields))).collect()
}

fn all(transaction: &StoreTransaction<'_>) -> Expected {
    let mut found = Expected::new();
    let mut after = None;
    loop {
        let options = ListOptions { after: after.take(), limit: 999, ..ListOptions::default() };
        let page = transaction.list_entities(&entity_type("Thing"), &options).unwrap();
        let Some((last, _)) = page.last() else { return found };
        after = Some(last.id.clone());
        found.extend(page.into_iter().map(|(key, row)| (key.id.as_str().to_owned(), row.fields)));
    }
}

/// Everything that can be asked is as it should be.
#[track_caller]
fn check(transaction: &mut StoreTransaction<'_>, expected: &Expected, field: &str) {
    assert_eq!(&all(transaction), expected);
    let thing = entity_type("Thing");
    assert_eq!(transaction.count_entities(&thing).unwrap(), expected.len() as u64);
    assert_eq!(transaction.entity_types().unwrap(), std::slice::from_ref(&thing));
    let texts = |text: &str| {
        let is = |fields: &&Fields| fields.get(field).and_then(Value::as_str) == Some(text);
        expected.values().filter(is).count() as u64
    };
    for text in ["kg", "kilo", "none", "undeclared before"] {
        let filters = vec![(field.to_owned(), Comparison::Equal, json!(text))];
        let query = Query { filters, ..Query::default() };
        assert_eq!(transaction.count_found(&thing, &query).unwrap(), texts(text), "{text}");
    }
    let order_by = Some((field.to_owned(), true));
    let mut query = Query { order_by, limit: 1_000, ..Query::default() };
    let mut seen = Vec::new();
    loop {
        let page = transaction.query_page(&thing, &query).unwrap();
        seen.extend(page.rows.into_iter().map(|(key, _)| key.id.as_str().to_owned()));
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), expected.len());
    seen.sort();
    assert!(seen.iter().eq(expected.keys()), "an order pages through each once");
    for number in [0, 1, 2, ROWS / 2, ROWS - 1] {
        let one = transaction.entity(&key("Thing", &id(number))).unwrap();
        assert_eq!(one.map(|row| row.fields).as_ref(), expected.get(&id(number)));
    }
}

/// Writes of every kind on rows that may not have been brought yet.
fn disturb(store: &mut Store, expected: &mut Expected, round: usize) {
    let mut transaction = store.begin().unwrap();
    let at = |n: usize| (round * 37 + n * 101) % ROWS;
    for n in 0..20 {
        let (id, key) = (id(at(n)), key("Thing", &id(at(n))));
        let there = transaction.entity(&key).unwrap();
        match n % 4 {
            0 => {
                let fields = fields(json!({"measure": "kilo", "number": "text", "n": n}));
                let row = StoredEntity { fields: fields.clone(), ..stored(json!({})) };
                transaction.put_entity(&key, &row).unwrap();
                expected.insert(id, fields);
            }
            1 => {
                let was = transaction.remove_entity(&key).unwrap();
                assert_eq!(was, expected.remove(&id).is_some());
            }
            2 => {
                let new = transaction.insert_entity(&key, &stored(json!({"measure": 1}))).unwrap();
                assert_eq!(new, there.is_none());
                if new {
                    expected.insert(id, fields(json!({"measure": 1})));
                }
            }
            _ => {
                let Some(row) = there else { continue };
                let (version, seq) = (row.version.next(), row.seq.next());
                let moved = transaction
                    .set_entity_version(&key, version, seq, row.updated_at, RowState::Clean)
                    .unwrap();
                assert!(moved);
            }
        }
    }
    transaction.commit().unwrap();
}

/// The file is what it would be if it had been made at once: nothing is left over.
fn check_file(place: &Place) {
    let outside = crate::raw::open(&place.options());
    let count = |sql: &str| outside.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM schema_work"), 0);
    let tables = "SELECT count(*) FROM sqlite_schema
                  WHERE type = 'table' AND name LIKE 'entity\\_Thing%' ESCAPE '\\'";
    assert_eq!(count(tables), 1);
    assert_eq!(count("SELECT count(*) FROM entity_generic"), 0);
}

fn sums(transaction: &mut StoreTransaction<'_>) -> Vec<clarity_store::DayRollup> {
    transaction.rollups(&entity_type("Thing"), "steps", None, 0..10).unwrap()
}

/// Shows that a change of the schema on a large table is many short transactions, and that rows,
/// queries, pages, counts and sums are right, and writes of every kind work, before, between and
/// after them: for carried fields, for a type that gets a table, and for a new column.
#[test]
fn everything_works_while_rows_are_brought() {
    let undeclared = parse(&json!({"format": 1, "name": "t", "version": 1, "types": {}}));
    let wider = schema(
        2,
        &json!({"unit": {"column": "text"}, "number": {"column": "integer"},
            "mark": {"column": "integer"}, "measure": {"column": "text"}}),
        &json!([]),
    );
    let cases = [(first(), second(), "measure"), (undeclared, first(), "unit")];
    for (before, after, field) in cases.into_iter().chain([(first(), wider, "measure")]) {
        let place = Place::new();
        let mut store = open(&place, &before);
        let expected = written(&mut store);
        let mut transaction = store.begin().unwrap();
        let sums_before = sums(&mut transaction);
        transaction.commit().unwrap();
        drop(store);
        let mut expected = carried(expected, &after, before.version);
        let mut store = open(&place, &after);
        let mut reader = Store::open_reader(&place.options(), Arc::clone(&after)).unwrap();
        assert!(store.has_schema_work());
        check(&mut store.begin().unwrap(), &expected, field);
        check(&mut reader.snapshot().unwrap(), &expected, field);
        let mut transaction = store.begin().unwrap();
        let sums_now = sums(&mut transaction);
        assert!(sums_now == sums_before || before.types.is_empty());
        transaction.commit().unwrap();
        for round in 0.. {
            disturb(&mut store, &mut expected, round);
            check(&mut store.begin().unwrap(), &expected, field);
            if !store.follow_schema(SLICE).unwrap() {
                break;
            }
            check(&mut reader.snapshot().unwrap(), &expected, field);
            // Another process goes on where this one was.
            store = open(&place, &after);
        }
        check(&mut store.begin().unwrap(), &expected, field);
        check(&mut reader.snapshot().unwrap(), &expected, field);
        assert!(!store.has_schema_work());
        let fresh = Place::new();
        let mut same = open(&fresh, &after);
        let mut transaction = same.begin().unwrap();
        for (id, fields) in &expected {
            let row = StoredEntity { fields: fields.clone(), ..stored(json!({})) };
            transaction.put_entity(&key("Thing", id), &row).unwrap();
        }
        let sums_expected = sums(&mut transaction);
        transaction.commit().unwrap();
        assert_eq!(sums(&mut store.begin().unwrap()), sums_expected);
        assert!(store.damages(5).unwrap().is_empty());
        drop((store, reader));
        check_file(&place);
    }
}

/// Shows that a store of which rows are still to be brought takes the next version: what is left
/// is finished first, and nothing is carried forward twice.
#[test]
fn the_next_version_comes_before_the_last_row() {
    let again = json!([{"map_values": {"type": "Thing", "field": "measure", "values": [
        {"from": "kg", "to": "kilo"}, {"from": "stone", "to": "kg"}
    ]}}]);
    let more = json!({"measure": {"column": "text"}, "mark": {"column": "integer"}});
    let migrations = json!([{"to": 2, "steps": steps()}, {"to": 3, "steps": again}]);
    let third = schema(3, &more, &migrations);
    let place = Place::new();
    let expected = written(&mut open(&place, &first()));
    let mut expected = carried(expected, &second(), 1);
    let mut store = open(&place, &second());
    assert!(store.has_schema_work());
    disturb(&mut store, &mut expected, 1);
    drop(store);
    let expected = carried(expected, &third, 2);
    let mut store = open(&place, &third);
    check(&mut store.begin().unwrap(), &expected, "measure");
    while store.follow_schema(SLICE).unwrap() {}
    check(&mut store.begin().unwrap(), &expected, "measure");
    check_file(&place);
}

/// Shows that an older program is refused in words when steps were taken that it does not know, and
/// that nothing changes; that it may go on when they were only additions; and that steps which were
/// taken may not change afterwards.
#[test]
fn older_programs_and_other_histories() {
    let place = Place::new();
    drop(open(&place, &first()));
    let mut old = open(&place, &first());
    let wider = schema(2, &json!({"mark": {"column": "integer"}}), &json!([]));
    drop(open(&place, &wider));
    old.begin().unwrap().commit().unwrap();
    let mut expected = open(&place, &wider);
    let mut transaction = expected.begin().unwrap();
    transaction.put_entity(&key("Thing", "one"), &stored(json!({"unit": "kilo"}))).unwrap();
    transaction.commit().unwrap();
    drop(expected);
    let more = json!({"measure": {"column": "text"}, "mark": {"column": "integer"}});
    let third = schema(3, &more, &json!([{"to": 3, "steps": steps()}]));
    drop(open(&place, &third));
    let refused = old.begin().map(drop).unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::NewerStore);
    drop(old);
    let before = std::fs::read(place.path()).unwrap();
    for older in [first(), wider] {
        let refused = Store::open(&place.options(), Arc::clone(&older), BIRTH).map(drop);
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind(), StoreErrorKind::NewerStore);
        assert!(refused.to_string().ends_with("update the program"), "{refused}");
        let refused = Store::open_reader(&place.options(), older).map(drop);
        assert_eq!(refused.unwrap_err().kind(), StoreErrorKind::NewerStore);
    }
    let changed = schema(4, &more, &json!([{"to": 4, "steps": steps()}]));
    let refused = Store::open(&place.options(), changed, BIRTH).map(drop).unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Configuration);
    assert!(std::fs::read(place.path()).unwrap() == before, "the file is as it was");
    let read = open(&place, &third).begin().unwrap().entity(&key("Thing", "one")).unwrap().unwrap();
    assert_eq!(read.fields, fields(json!({"measure": "kg", "mark": 7})));
}

/// Shows that what the server told, operations, conflicts and history are carried forward when they
/// are read, each from the version that it was stored with, and that stored operations stay as they
/// were made.
#[test]
fn what_is_not_a_row_is_carried_when_it_is_read() {
    let place = Place::new();
    let mut store = open(&place, &first());
    let mut transaction = store.begin().unwrap();
    let one = key("Thing", "one");
    let confirmed = |row: Value| ConfirmedEntity {
        fields: fields(row),
        deleted: false,
        version: clarity_model::Version(1),
        seq: clarity_model::Seq(1),
        updated_at: clarity_model::ServerTime(1),
    };
    transaction.put_confirmed(&one, &confirmed(json!({"unit": "kilo"}))).unwrap();
    let operation = clarity_store::NewOperation {
        changes: Some(vec![crate::support::change("unit", Some(json!("kilo")), None)]),
        schema: 1,
        ..crate::support::update(&one)
    };
    let counter = transaction.insert_operation(&operation).unwrap();
    transaction.commit().unwrap();
    drop(store);
    let mut store = open(&place, &second());
    let mut transaction = store.begin().unwrap();
    let expected = json!({"measure": "kg", "mark": 7});
    let read = transaction.confirmed(&one).unwrap().unwrap();
    assert_eq!(read.fields, fields(expected));
    let read = transaction.operation(counter).unwrap().unwrap();
    let changes = vec![crate::support::change("measure", Some(json!("kg")), None)];
    assert_eq!((read.changes, read.schema), (Some(changes), 2));
    assert_eq!(
        transaction.older_operations(clarity_model::Counter(0), 10).unwrap(),
        Some(OlderOperations { operations: vec![(counter, 1)], last: counter })
    );
    // What is written now is of the present.
    transaction.put_confirmed(&one, &confirmed(json!({"measure": "kilo"}))).unwrap();
    let read = transaction.confirmed(&one).unwrap().unwrap();
    assert_eq!(read.fields, fields(json!({"measure": "kilo"})));
    transaction.commit().unwrap();
    let outside = crate::raw::open(&place.options());
    let stored: String =
        outside.query_row("SELECT changes FROM operation", [], |row| row.get(0)).unwrap();
    assert_eq!(stored, r#"[{"field":"unit","old":"kilo"}]"#);
}

/// Shows that a store which is recovered while rows are still to be brought has all of them, each
/// carried forward once: those of a type whose fields were carried and those of one that gets a
/// table.
#[test]
fn a_store_recovered_meanwhile_has_every_row() {
    let undeclared = parse(&json!({"format": 1, "name": "t", "version": 1, "types": {}}));
    for (before, after, field) in [(first(), second(), "measure"), (undeclared, first(), "unit")] {
        let place = Place::new();
        let expected = written(&mut open(&place, &before));
        let mut expected = carried(expected, &after, before.version);
        let mut store = open(&place, &after);
        disturb(&mut store, &mut expected, 3);
        assert!(store.has_schema_work());
        drop(store);
        let birth = Birth { incarnation: Incarnation(0xbeef), ..BIRTH };
        let begun = Salvage::begin(&place.options(), &after, birth, true).unwrap();
        let salvaged = begun.unwrap().finish().unwrap();
        assert!(salvaged.tables.values().all(|table| table.unreadable == 0), "{salvaged:?}");
        let mut store = open(&place, &after);
        check(&mut store.begin().unwrap(), &expected, field);
        while store.follow_schema(SLICE).unwrap() {}
        check(&mut store.begin().unwrap(), &expected, field);
        assert!(store.damages(5).unwrap().is_empty());
        drop(store);
        check_file(&place);
    }
}
