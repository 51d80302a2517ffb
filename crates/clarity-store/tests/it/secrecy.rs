//! `Debug` and errors show no value, token or note (promise I17).

use clarity_model::LocalTime;
use clarity_store::{
    Comparison, ConfirmedEntity, Credentials, NewHistory, Query, StoreError, StoredEntity,
};
use serde_json::json;

use crate::support::{Place, change, sample, stored, update};

const SECRET: &str = "hunter2-and-170-over-110";

/// Shows that nothing that the store hands out prints a secret.
#[test]
fn debug_hides_values() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    let entity: StoredEntity = stored(json!({"note": SECRET, "value": SECRET}));
    let credentials = Credentials {
        server: SECRET.to_owned(),
        name: SECRET.to_owned(),
        access_token: Some(SECRET.to_owned()),
        access_expires_at: None,
        refresh_token: Some(SECRET.to_owned()),
    };
    let confirmed = ConfirmedEntity {
        fields: entity.fields.clone(),
        deleted: false,
        version: entity.version,
        seq: entity.seq,
        updated_at: entity.updated_at,
    };
    let mut operation = update(&sample(1));
    operation.changes = Some(vec![change("note", Some(json!(SECRET)), Some(json!(SECRET)))]);
    let counter = transaction.insert_operation(&operation).unwrap();
    let conflict =
        transaction.put_conflict(&sample(1), counter, LocalTime(1), &json!([SECRET])).unwrap();
    let history = NewHistory {
        at: LocalTime(1),
        key: sample(1),
        counter: None,
        cause: "superseded".to_owned(),
        detail: json!(SECRET),
        expires_at: LocalTime(2),
    };
    let history_id = transaction.add_history(&history).unwrap();
    let import = 7;
    let record = clarity_store::ImportRecord {
        import_id: import,
        source: SECRET.to_owned(),
        started_at: LocalTime(1),
        finished_at: None,
        report: None,
    };
    transaction.put_import(&record).unwrap();
    transaction.finish_import(import, LocalTime(2), &json!(SECRET)).unwrap();
    let query = Query {
        filters: vec![("note".to_owned(), Comparison::Equal, json!(SECRET))],
        ..Query::default()
    };
    let shown = [
        format!("{entity:?}"),
        format!("{credentials:?}"),
        format!("{confirmed:?}"),
        format!("{operation:?}"),
        format!("{:?}", transaction.operation(counter).unwrap()),
        format!("{:?}", transaction.conflict(conflict).unwrap()),
        format!("{:?}", transaction.history_entry(history_id).unwrap()),
        format!("{:?}", transaction.import(import).unwrap()),
        format!("{query:?}"),
    ];
    for text in shown {
        assert!(!text.contains(SECRET), "{text}");
    }
}

/// Shows that a row that somebody has damaged is reported without its content.
#[test]
fn errors_hide_values() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    transaction.put_entity(&sample(1), &stored(json!({"note": "x"}))).unwrap();
    transaction.insert_operation(&update(&sample(1))).unwrap();
    transaction.commit().unwrap();
    let outside = crate::raw::open(&place.options());
    for damage in [
        "UPDATE entity_Sample SET extra = ?1",
        "UPDATE entity_Sample SET extra = json_array(?1)",
        "UPDATE entity_Sample SET extra = NULL, value = ?1",
        "UPDATE entity_Sample SET value = NULL, details = ?1",
        "UPDATE operation SET changes = ?1",
        "UPDATE operation SET changes = json_array(?1)",
        "UPDATE operation SET changes = NULL, error = json_object('code', 5, 'x', ?1)",
    ] {
        outside.execute(damage, [SECRET]).unwrap();
        let transaction = store.begin().unwrap();
        let error = match transaction.entity(&sample(1)) {
            Err(error) => error,
            Ok(_) => transaction.lane(&sample(1)).unwrap_err(),
        };
        assert!(matches!(error, StoreError::InvalidValue { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains(SECRET));
        drop(transaction);
        if damage.contains("details") {
            outside.execute("UPDATE entity_Sample SET details = NULL", []).unwrap();
        }
    }
}
