//! Commit, rollback, savepoints and readers.

use clarity_model::Counter;
use clarity_store::{Journal, OpenOptions, Store, StoreError, StoreErrorKind};
use serde_json::json;

use crate::support::{BIRTH, Place, sample, stored, update};

/// Shows that a transaction that is dropped leaves nothing, and one that is committed everything.
#[test]
fn dropped_is_rolled_back() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    transaction.put_entity(&sample(1), &stored(json!({}))).unwrap();
    transaction.insert_operation(&update(&sample(1))).unwrap();
    drop(transaction);
    let transaction = store.begin().unwrap();
    assert_eq!(transaction.entity(&sample(1)).unwrap(), None);
    assert_eq!(transaction.queue_counts().unwrap().total(), 0);
    transaction.commit().unwrap();
}

/// Shows that a failed savepoint, also a nested one, takes back its rows, counts and counters and
/// nothing else.
#[test]
fn a_failed_savepoint_takes_back_its_part() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    transaction.insert_operation(&update(&sample(1))).unwrap();
    let failed: Result<(), StoreError> = transaction.savepoint(|transaction| {
        transaction.insert_operation(&update(&sample(2)))?;
        transaction.put_entity(&sample(2), &stored(json!({})))?;
        transaction.savepoint(|transaction| {
            transaction.insert_operation(&update(&sample(3))).map(|_| ())
        })?;
        assert_eq!(transaction.queue_counts()?.ready, 3);
        Err(StoreError::Busy)
    });
    assert!(matches!(failed, Err(StoreError::Busy)));
    assert_eq!(transaction.queue_counts().unwrap().ready, 1);
    assert_eq!(transaction.entity(&sample(2)).unwrap(), None);
    assert_eq!(transaction.next_counter().unwrap(), Counter(2));
    transaction.commit().unwrap();
    let transaction = store.begin().unwrap();
    assert_eq!(transaction.queue_counts().unwrap().ready, 1);
    assert_eq!(transaction.next_counter().unwrap(), Counter(2));
}

/// Shows that a reader sees one moment while another connection writes, and cannot write itself.
#[test]
fn a_reader_sees_one_moment() {
    let place = Place::new();
    let mut store = place.open();
    let mut reader = Store::open_reader(&place.options(), place.schema.clone()).unwrap();
    let mut snapshot = reader.snapshot().unwrap();
    assert_eq!(snapshot.entity(&sample(1)).unwrap(), None);
    let mut transaction = store.begin().unwrap();
    transaction.put_entity(&sample(1), &stored(json!({"value": 1}))).unwrap();
    transaction.commit().unwrap();
    assert_eq!(snapshot.entity(&sample(1)).unwrap(), None);
    let refused = snapshot.put_entity(&sample(1), &stored(json!({})));
    assert_eq!(refused.unwrap_err().kind(), StoreErrorKind::Io);
    snapshot.commit().unwrap();
    let snapshot = reader.snapshot().unwrap();
    assert_eq!(snapshot.entity(&sample(1)).unwrap(), Some(stored(json!({"value": 1}))));
}

/// Shows that the store works without a write-ahead log, and kept to one connection.
#[test]
fn other_journals_work() {
    for (journal, exclusive) in
        [(Journal::Truncate, false), (Journal::Truncate, true), (Journal::Wal, true)]
    {
        let place = Place::new();
        let options = OpenOptions { journal, exclusive, ..place.options() };
        for round in 0..3 {
            let mut store = Store::open(&options, place.schema.clone(), BIRTH).unwrap();
            let mut transaction = store.begin().unwrap();
            assert_eq!(transaction.queue_counts().unwrap().ready, round);
            transaction.insert_operation(&update(&sample(1))).unwrap();
            transaction.commit().unwrap();
        }
        assert!(place.open().damages(10).unwrap().is_empty());
    }
}
