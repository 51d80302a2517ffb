//! The small tables: what the store is, cursors, imports, ids, named values and sums.

use clarity_model::{EntityKey, Epoch, Incarnation, LocalTime, Seq, ServerTime};
use clarity_store::{Credentials, CursorPart, ImportRecord, Meta, StoreError, StoreTransaction};
use serde_json::json;

use crate::support::{BIRTH, Place, entity_type, key, sample, update};

/// Shows what a new store is, and that each part of it is kept.
#[test]
fn meta_is_kept() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    let born = Meta {
        incarnation: BIRTH.incarnation,
        epoch: None,
        account_id: None,
        device_id: None,
        profile_id: 0,
        created_at: BIRTH.now,
        schema_version: 7,
        durable_through: Seq(0),
    };
    assert_eq!(transaction.meta().unwrap(), born);
    transaction.set_epoch(Some(Epoch(u128::MAX))).unwrap();
    transaction.set_durable_through(Seq(88)).unwrap();
    transaction.bind_account("account-1", "device-1").unwrap();
    transaction.bind_account("account-1", "device-2").unwrap();
    let other = transaction.bind_account("account-2", "device-1");
    assert!(matches!(other, Err(StoreError::OtherAccount)));
    let before = transaction.insert_operation(&update(&sample(1))).unwrap();
    transaction.new_incarnation(Incarnation(77), LocalTime(9)).unwrap();
    let after = transaction.insert_operation(&update(&sample(1))).unwrap();
    transaction.commit().unwrap();
    drop(store);

    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    let changed = Meta {
        incarnation: Incarnation(77),
        epoch: Some(Epoch(u128::MAX)),
        account_id: Some("account-1".to_owned()),
        device_id: Some("device-2".to_owned()),
        durable_through: Seq(88),
        ..born
    };
    assert_eq!(transaction.meta().unwrap(), changed);
    let incarnation = |counter| transaction.operation(counter).unwrap().unwrap().incarnation;
    assert_eq!((incarnation(before), incarnation(after)), (BIRTH.incarnation, Incarnation(77)));
    transaction.set_epoch(None).unwrap();
    assert_eq!(transaction.meta().unwrap().epoch, None);
}

/// Shows that credentials are kept, that forgetting the tokens keeps the name, and that a new
/// sign-in replaces them.
#[test]
fn credentials_are_kept() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    assert_eq!(transaction.credentials().unwrap(), None);
    let full = Credentials {
        server: "https://example.org".to_owned(),
        name: "ada".to_owned(),
        access_token: Some("a".to_owned()),
        access_expires_at: Some(LocalTime(5)),
        refresh_token: Some("r".to_owned()),
    };
    transaction.put_credentials(&full).unwrap();
    assert_eq!(transaction.credentials().unwrap().as_ref(), Some(&full));
    transaction.clear_tokens().unwrap();
    let bare = Credentials {
        access_token: None,
        access_expires_at: None,
        refresh_token: None,
        ..full.clone()
    };
    assert_eq!(transaction.credentials().unwrap(), Some(bare));
    transaction.put_credentials(&full).unwrap();
    assert_eq!(transaction.credentials().unwrap(), Some(full));
}

/// Shows that cursor parts and staged pages are kept by part, and go together.
#[test]
fn cursors_and_staged_pages() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    let part = |part: u32| CursorPart {
        part,
        scope: "all".to_owned(),
        cursor: None,
        caught_up: false,
        pulled_at: None,
    };
    transaction.put_cursor_part(&part(2)).unwrap();
    transaction.put_cursor_part(&part(1)).unwrap();
    let moved = CursorPart {
        cursor: Some("opaque".to_owned()),
        caught_up: true,
        pulled_at: Some(ServerTime(5)),
        ..part(1)
    };
    transaction.put_cursor_part(&moved).unwrap();
    assert_eq!(transaction.cursor_parts().unwrap(), [moved, part(2)]);
    assert_eq!(transaction.stage_page(1, b"first").unwrap(), 1);
    assert_eq!(transaction.stage_page(1, b"").unwrap(), 2);
    assert_eq!(transaction.stage_page(2, b"other").unwrap(), 1);
    assert_eq!(transaction.staged_pages(1).unwrap(), [b"first".to_vec(), Vec::new()]);
    assert_eq!(transaction.clear_stage(1).unwrap(), 2);
    assert!(transaction.staged_pages(1).unwrap().is_empty());
    assert!(transaction.remove_cursor_part(2).unwrap());
    assert!(!transaction.remove_cursor_part(2).unwrap());
    assert!(transaction.staged_pages(2).unwrap().is_empty());
}

fn begun(import_id: i64, source: &str) -> ImportRecord {
    let (started_at, source) = (LocalTime(1), source.to_owned());
    ImportRecord { import_id, source, started_at, finished_at: None, report: None }
}

/// Shows that an import is kept from its start to its report.
#[test]
fn imports_are_kept() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    let id = 7;
    transaction.put_import(&begun(id, "apple_health")).unwrap();
    let begun = transaction.import(id).unwrap().unwrap();
    assert_eq!((begun.source.as_str(), begun.finished_at), ("apple_health", None));
    assert!(transaction.finish_import(id, LocalTime(9), &json!({"rows": 3})).unwrap());
    let done = transaction.import(id).unwrap().unwrap();
    assert_eq!((done.finished_at, done.report), (Some(LocalTime(9)), Some(json!({"rows": 3}))));
    assert!(!transaction.finish_import(id + 1, LocalTime(9), &json!({})).unwrap());
    assert_eq!(transaction.import(id + 1).unwrap(), None);
}

/// Shows that ids are found in both directions, by type.
#[test]
fn ids_map_both_ways() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    let (local, server) = (sample(1), key("Sample", "server-9"));
    let put = |transaction: &mut StoreTransaction<'_>, from: &EntityKey, to: &EntityKey| {
        transaction.put_id_map(&from.entity_type, &from.id, &to.id).unwrap();
    };
    assert!(!transaction.has_given_ids().unwrap());
    put(&mut transaction, &local, &server);
    assert_eq!(transaction.server_id_of(&local).unwrap(), Some(server.id.clone()));
    assert_eq!(transaction.present_key(&local).unwrap(), server);
    assert_eq!(transaction.local_ids_of(&server).unwrap(), vec![local.id.clone()]);
    let other = EntityKey { entity_type: entity_type("Other"), ..server.clone() };
    assert_eq!(transaction.local_ids_of(&other).unwrap(), []);
    // A second name, a longer way, and the way back.
    put(&mut transaction, &sample(2), &server);
    put(&mut transaction, &server, &sample(3));
    assert_eq!(transaction.present_key(&local).unwrap(), sample(3));
    assert_eq!(transaction.present_key(&server).unwrap(), sample(3));
    assert_eq!(transaction.local_ids_of(&sample(3)).unwrap().len(), 3);
    put(&mut transaction, &sample(3), &local);
    assert_eq!(transaction.present_key(&server).unwrap(), local);
    assert_eq!(transaction.present_key(&local).unwrap(), local);
}

/// Shows that named values and sums are kept, and that a value of another form is an error that
/// does not quote it.
#[test]
fn named_values_and_sums() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    assert_eq!(transaction.state::<u32>("retry").unwrap(), None);
    transaction.put_state("retry", &vec![1, 2]).unwrap();
    transaction.put_state("retry", &vec!["secret-value"]).unwrap();
    assert_eq!(transaction.state::<Vec<String>>("retry").unwrap().unwrap(), ["secret-value"]);
    let error = transaction.state::<u32>("retry").unwrap_err();
    assert!(matches!(error, StoreError::InvalidValue { table: "state", column: "value" }));
    assert!(!format!("{error} {error:?}").contains("secret-value"));
    assert!(transaction.remove_state("retry").unwrap());
    assert!(!transaction.remove_state("retry").unwrap());

    assert_eq!(transaction.metric("sent").unwrap(), 0);
    transaction.add_metric("sent", 5).unwrap();
    transaction.add_metric("sent", -2).unwrap();
    transaction.add_metric("other", 1).unwrap();
    assert_eq!(transaction.metric("sent").unwrap(), 3);
    let all: Vec<(String, i64)> = transaction.metrics().unwrap().into_iter().collect();
    assert_eq!(all, [("other".to_owned(), 1), ("sent".to_owned(), 3)]);
}
