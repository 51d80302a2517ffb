//! Rows: states, lists, queries, and the confirmed side beside them.

use clarity_model::{EntityId, Seq, ServerTime, Version};
use clarity_store::{
    Comparison, ConfirmedEntity, ListOptions, Query, RowState, Store, StoreTransaction,
    StoredEntity,
};
use serde_json::{Value, json};

use crate::support::{Place, entity_type, fields, key, sample, stored, update};

/// Shows the life of an edited row: the view changes, the confirmed side is kept beside it, and
/// the acknowledgement moves the version without touching a field.
#[test]
fn a_row_with_pending_and_confirmed() {
    let place = Place::new();
    let mut store = place.open();
    for name in ["Sample", "Undeclared"] {
        let mut transaction = store.begin().unwrap();
        let key = key(name, "one");
        let clean = stored(json!({"metric": "weight", "value": 70}));
        transaction.put_entity(&key, &clean).unwrap();
        let confirmed = ConfirmedEntity {
            fields: clean.fields.clone(),
            deleted: false,
            version: clean.version,
            seq: clean.seq,
            updated_at: clean.updated_at,
        };
        transaction.put_confirmed(&key, &confirmed).unwrap();
        let edited = StoredEntity {
            fields: fields(json!({"metric": "weight", "value": 71.5, "note": "after lunch"})),
            state: RowState::Pending,
            ..clean
        };
        transaction.put_entity(&key, &edited).unwrap();
        transaction.insert_operation(&update(&key)).unwrap();
        transaction.commit().unwrap();

        let mut transaction = store.begin().unwrap();
        assert_eq!(transaction.entity(&key).unwrap().unwrap(), edited);
        assert_eq!(transaction.confirmed(&key).unwrap().unwrap(), confirmed);
        let deleted = ConfirmedEntity { deleted: true, version: Version(9), ..confirmed };
        transaction.put_confirmed(&key, &deleted).unwrap();
        assert_eq!(transaction.confirmed(&key).unwrap().unwrap(), deleted);
        assert!(transaction.remove_confirmed(&key).unwrap());
        assert!(!transaction.remove_confirmed(&key).unwrap());

        let (version, seq, at) = (Version(4), Seq(42), ServerTime(1_800_000_000_000));
        let state = RowState::Clean;
        assert!(transaction.set_entity_version(&key, version, seq, at, state).unwrap());
        let settled = StoredEntity { version, seq, updated_at: at, state, ..edited };
        assert_eq!(transaction.entity(&key).unwrap().unwrap(), settled);
        assert!(transaction.set_entity_seq(&key, Seq(50)).unwrap());
        assert_eq!(transaction.entity(&key).unwrap().unwrap().seq, Seq(50));
        let missing = crate::support::key(name, "two");
        assert!(!transaction.set_entity_version(&missing, version, seq, at, state).unwrap());
        assert!(!transaction.set_entity_seq(&missing, seq).unwrap());
        transaction.commit().unwrap();
    }
}

/// Shows that a deleted row is a stub: without fields, listed only on request, and removable.
#[test]
fn deleted_rows_are_stubs() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    for name in ["Sample", "Undeclared"] {
        let gone = key(name, "gone");
        let deleted = StoredEntity { state: RowState::Deleted, ..stored(json!({"value": 1})) };
        transaction.put_entity(&gone, &deleted).unwrap();
        transaction.put_entity(&key(name, "here"), &stored(json!({"value": 2}))).unwrap();
        let read = transaction.entity(&gone).unwrap().unwrap();
        assert_eq!(read, StoredEntity { fields: fields(json!({})), ..deleted });
        let of_type = entity_type(name);
        assert_eq!(transaction.count_entities(&of_type).unwrap(), 1);
        let all = ListOptions { include_deleted: true, ..ListOptions::default() };
        assert_eq!(transaction.list_entities(&of_type, &all).unwrap().len(), 2);
        let visible = transaction.list_entities(&of_type, &ListOptions::default()).unwrap();
        assert_eq!(visible.len(), 1);
        assert_eq!(visible[0].0.id.as_str(), "here");
        assert!(transaction.remove_entity(&gone).unwrap());
        assert!(!transaction.remove_entity(&gone).unwrap());
        assert_eq!(transaction.entity(&gone).unwrap(), None);
    }
    assert_eq!(transaction.entity_types().unwrap(), ["Sample", "Undeclared"].map(entity_type));
}

/// Shows that a list can be read in pieces, and that each entity comes once and in order.
#[test]
fn lists_go_on_where_they_stopped() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    for name in ["Sample", "Undeclared", "Zebra"] {
        let ids = (0..5).map(|number| uuid::Uuid::from_u128(number << 100).to_string());
        let words = ["a", "b", "c"].map(str::to_owned);
        for id in ids.chain(words) {
            transaction.put_entity(&key(name, &id), &stored(json!({}))).unwrap();
        }
        let of_type = entity_type(name);
        let whole = transaction.list_entities(&of_type, &ListOptions::default()).unwrap();
        let whole: Vec<EntityId> = whole.into_iter().map(|(key, _)| key.id).collect();
        assert_eq!(whole.len(), 8);
        assert_eq!(whole[0].as_str(), "a");
        let mut pieces = Vec::new();
        loop {
            let after = pieces.last().cloned();
            let options = ListOptions { after, limit: 3, include_deleted: false };
            let piece = transaction.list_entities(&of_type, &options).unwrap();
            if piece.is_empty() {
                break;
            }
            pieces.extend(piece.into_iter().map(|(key, _)| key.id));
        }
        assert_eq!(pieces, whole);
    }
}

fn found(
    transaction: &StoreTransaction<'_>,
    name: &str,
    filters: &[(&str, Comparison, Value)],
    order_by: Option<(&str, bool)>,
) -> Vec<String> {
    let query = Query {
        filters: filters
            .iter()
            .map(|(field, comparison, value)| ((*field).to_owned(), *comparison, value.clone()))
            .collect(),
        order_by: order_by.map(|(field, descending)| (field.to_owned(), descending)),
        ..Query::default()
    };
    let found = transaction.query_entities(&entity_type(name), &query).unwrap();
    found.into_iter().map(|(key, _)| key.id.as_str().to_owned()).collect()
}

fn with_rows(store: &mut Store) -> StoreTransaction<'_> {
    let mut transaction = store.begin().unwrap();
    for name in ["Sample", "Undeclared"] {
        for (id, row) in [
            ("a", json!({"metric": "weight", "start_ms": 10, "value": 70, "x\"y": true})),
            ("b", json!({"metric": "weight", "start_ms": 20, "value": 71.5, "tags": ["p", "q"]})),
            ("c", json!({"metric": "steps", "start_ms": 15, "value": 4_000, "loose": null})),
            ("d", json!({"metric": "steps", "start_ms": 25, "value": "many", "loose": "m"})),
        ] {
            transaction.put_entity(&key(name, id), &stored(row)).unwrap();
        }
        let deleted = StoredEntity { state: RowState::Deleted, ..stored(json!({})) };
        transaction.put_entity(&key(name, "e"), &deleted).unwrap();
    }
    transaction
}

/// Shows that a query means the same on columns and on undeclared fields.
#[test]
fn queries_find_by_column_and_by_field() {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};
    let place = Place::new();
    let mut store = place.open();
    let transaction = with_rows(&mut store);
    for name in ["Sample", "Undeclared"] {
        let found = |filters: &[_], order| found(&transaction, name, filters, order);
        assert_eq!(found(&[], None), ["a", "b", "c", "d"]);
        assert_eq!(found(&[("metric", Equal, json!("weight"))], None), ["a", "b"]);
        assert_eq!(found(&[("start_ms", Greater, json!(15))], None), ["b", "d"]);
        assert_eq!(found(&[("start_ms", GreaterOrEqual, json!(14.5))], None), ["b", "c", "d"]);
        let between = [("start_ms", Greater, json!(10)), ("start_ms", Less, json!(25))];
        assert_eq!(found(&between, Some(("start_ms", true))), ["b", "c"]);
        assert_eq!(found(&[("value", LessOrEqual, json!(71.5))], None), ["a", "b"]);
        // A text in a column of numbers is found by texts only.
        assert_eq!(found(&[("value", Greater, json!(0))], None), ["a", "b", "c"]);
        assert_eq!(found(&[("value", Equal, json!("many"))], None), ["d"]);
        assert_eq!(found(&[("x\"y", Equal, json!(true))], None), ["a"]);
        assert_eq!(found(&[("tags", Equal, json!(["p", "q"]))], None), ["b"]);
        assert_eq!(found(&[("loose", Equal, json!(null))], None), ["c"]);
        assert_eq!(found(&[("loose", GreaterOrEqual, json!("a"))], None), ["d"]);
        assert_eq!(found(&[("loose", Greater, json!(null))], None), Vec::<String>::new());
        assert_eq!(found(&[("nothing", Equal, json!(1))], None), Vec::<String>::new());
        assert_eq!(found(&[], Some(("start_ms", false))), ["a", "c", "b", "d"]);
        assert_eq!(found(&[], Some(("start_ms", true))), ["d", "b", "c", "a"]);
    }
    let query = Query { limit: 2, offset: 1, ..Query::default() };
    let page = transaction.query_entities(&entity_type("Sample"), &query).unwrap();
    assert_eq!(page.iter().map(|(key, _)| key.id.as_str()).collect::<Vec<_>>(), ["b", "c"]);
}

/// Shows that noting an access changes nothing that can be read, for rows that are there or not.
#[test]
fn touching_changes_no_content() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    let (one, two, generic) = (sample(1), sample(2), key("Undeclared", "x"));
    let entity = stored(json!({"value": 1}));
    transaction.put_entity(&one, &entity).unwrap();
    transaction.put_entity(&generic, &entity).unwrap();
    transaction.touch(&[one.clone(), two.clone(), generic.clone()], ServerTime(5), 0).unwrap();
    assert_eq!(transaction.entity(&one).unwrap().as_ref(), Some(&entity));
    assert_eq!(transaction.entity(&generic).unwrap().as_ref(), Some(&entity));
    assert_eq!(transaction.entity(&two).unwrap(), None);
}
