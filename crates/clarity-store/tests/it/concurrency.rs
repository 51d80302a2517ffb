//! Several connections and several threads on one file.

use std::collections::BTreeSet;
use std::thread;

use clarity_store::{DrainLock, OpenOptions, Store, StoreError};
use serde_json::json;

use crate::support::{BIRTH, Place, sample, stored, update};

/// Shows that two connections that both enqueue get counters that are dense and unique, that
/// each notices the other, and not itself.
#[test]
fn two_connections_share_the_counters() {
    let place = Place::new();
    let mut stores = [place.open(), place.open()];
    let mut seen = Vec::new();
    for round in 0..20 {
        let [one, other] = &mut stores;
        let (writer, watcher) = if round % 3 == 0 { (one, other) } else { (other, one) };
        let (before_writer, before_watcher) =
            (writer.data_version().unwrap(), watcher.data_version().unwrap());
        let mut transaction = writer.begin().unwrap();
        seen.push(transaction.insert_operation(&update(&sample(round))).unwrap().0);
        transaction.commit().unwrap();
        assert_eq!(writer.data_version().unwrap(), before_writer);
        assert_ne!(watcher.data_version().unwrap(), before_watcher);
    }
    assert_eq!(seen, (1..=20).collect::<Vec<_>>());
    let counts = stores[0].begin().unwrap().queue_counts().unwrap();
    assert_eq!(counts.ready, 20);
}

/// Shows that threads that open the same new file at once make one store, and that all that they
/// write is there.
#[test]
fn threads_make_one_store() {
    let place = Place::new();
    let (options, schema) = (place.options(), &place.schema);
    let counters: Vec<u64> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (options, schema) = (&options, schema.clone());
                scope.spawn(move || {
                    let mut store = Store::open(options, schema, BIRTH).unwrap();
                    let mut counters = Vec::new();
                    for _ in 0..25 {
                        let mut transaction = store.begin().unwrap();
                        let operation = update(&sample(1));
                        counters.push(transaction.insert_operation(&operation).unwrap().0);
                        transaction.commit().unwrap();
                    }
                    counters
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let unique: BTreeSet<u64> = counters.into_iter().collect();
    assert_eq!(unique, (1..=100).collect());
    assert_eq!(place.open().begin().unwrap().queue_counts().unwrap().ready, 100);
}

/// Shows that a second writer who will not wait is told so, and can write afterwards.
#[test]
fn a_second_writer_is_told_to_wait() {
    let place = Place::new();
    let mut store = place.open();
    let impatient = OpenOptions { busy_timeout_ms: 0, ..place.options() };
    let mut other = Store::open(&impatient, place.schema.clone(), BIRTH).unwrap();
    let mut transaction = store.begin().unwrap();
    transaction.put_entity(&sample(1), &stored(json!({}))).unwrap();
    assert!(matches!(other.begin().map(|_| ()), Err(StoreError::Busy)));
    transaction.commit().unwrap();
    assert!(other.begin().unwrap().entity(&sample(1)).unwrap().is_some());
}

/// Shows that the right to send is held by one at a time and comes free when it is let go.
#[test]
fn one_drains_at_a_time() {
    let place = Place::new();
    let held = DrainLock::try_acquire(&place.path()).unwrap();
    assert!(held.is_some());
    assert!(DrainLock::try_acquire(&place.path()).unwrap().is_none());
    drop(held);
    assert!(DrainLock::try_acquire(&place.path()).unwrap().is_some());
    let nowhere = place.directory.path().join("missing").join("store.db");
    assert!(matches!(DrainLock::try_acquire(&nowhere), Err(StoreError::Io { .. })));
}

/// Shows that a store and a reader can be handed to another thread, as a driver does.
#[test]
fn stores_move_between_threads() {
    let place = Place::new();
    let store = place.open();
    let reader = Store::open_reader(&place.options(), place.schema.clone()).unwrap();
    let (mut store, mut reader) = thread::spawn(move || (store, reader)).join().unwrap();
    assert_eq!(store.begin().unwrap().queue_counts().unwrap().total(), 0);
    assert_eq!(reader.snapshot().unwrap().queue_counts().unwrap().total(), 0);
}
