//! A store that gets its first key, another one, or none any more.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use clarity_model::Counter;
use clarity_store::{
    KeyChange, OpenOptions, OperationState, Store, StoreError, StoreErrorKind, StoreKey,
};
use serde_json::json;

use crate::encryption::files;
use crate::raw;
use crate::support::{BIRTH, Place, sample, stored, update};

fn key(byte: u8) -> Option<StoreKey> {
    Some(StoreKey::new([byte; StoreKey::BYTES]))
}

fn with(place: &Place, key: Option<StoreKey>) -> OpenOptions {
    OpenOptions { key, ..OpenOptions::new(place.path()) }
}

fn open(place: &Place, key: Option<StoreKey>) -> Result<Store, StoreError> {
    Store::open(&with(place, key), Arc::clone(&place.schema), BIRTH)
}

/// A store with rows, a queue and a schema of its own, closed.
fn filled(key: Option<StoreKey>) -> Place {
    let place = Place::new();
    let mut store = open(&place, key).unwrap();
    let mut transaction = store.begin().unwrap();
    for number in 1..=300 {
        let row = json!({"metric": "steps", "start_ms": 5, "value": 1.5, "loose": [number as u64]});
        transaction.put_entity(&sample(number), &stored(row)).unwrap();
        transaction.insert_operation(&update(&sample(number))).unwrap();
    }
    transaction.commit().unwrap();
    place
}

fn change(
    place: &Place,
    from: Option<StoreKey>,
    to: Option<StoreKey>,
) -> Result<KeyChange, StoreError> {
    Store::set_key(&with(place, from), to.as_ref())
}

/// The file in which a change of the key makes the copy.
fn unfinished(place: &Place) -> PathBuf {
    place.directory.path().join("store.db.rekey")
}

/// Shows that a store is encrypted, gets another key and is decrypted with everything in it, down
/// to the last row of every table; that only the new key opens it each time, no other file is left,
/// and it can be written as before.
#[test]
fn a_store_changes_its_key_and_nothing_else() {
    let place = filled(None);
    let expected = raw::dump(&with(&place, None));
    assert!(expected.len() > 600);
    for (from, to) in [(None, key(1)), (key(1), key(2)), (key(2), None), (None, None)] {
        let change = change(&place, from.clone(), to.clone()).unwrap();
        let encrypted = (change.was_encrypted, change.is_encrypted);
        assert_eq!(encrypted, (from.is_some(), to.is_some()));
        assert_eq!(Store::is_encrypted(&place.path()).unwrap(), Some(to.is_some()));
        assert_eq!(files(&place).into_keys().collect::<Vec<_>>(), [place.path()]);
        assert!(raw::dump(&with(&place, to.clone())) == expected, "{from:?} {to:?}");
        if from != to {
            assert_eq!(open(&place, from).map(|_| ()).unwrap_err().kind(), StoreErrorKind::Key);
        }
        let mut store = open(&place, to).unwrap();
        assert!(store.damages(5).unwrap().is_empty());
        let mut transaction = store.begin().unwrap();
        let counter = transaction.insert_operation(&update(&sample(1))).unwrap();
        assert_eq!(counter, Counter(301));
        drop(transaction);
    }
}

/// Shows that what an interrupted change left beside the store, however much of it there was, is
/// removed by the next opening or the next change, and that the store is as it was.
#[test]
fn an_interrupted_change_leaves_the_store() {
    let place = filled(None);
    let whole = fs::read(place.path()).unwrap();
    let expected = raw::dump(&with(&place, None));
    for length in [0, 1, 5_000, whole.len() / 2, whole.len()] {
        fs::write(unfinished(&place), &whole[..length]).unwrap();
        fs::write(place.directory.path().join("store.db.rekey-journal"), "left").unwrap();
        drop(open(&place, None).unwrap());
        assert_eq!(files(&place).into_keys().collect::<Vec<_>>(), [place.path()]);
        assert!(raw::dump(&with(&place, None)) == expected);
    }
    fs::write(unfinished(&place), &whole[..5_000]).unwrap();
    change(&place, None, key(1)).unwrap();
    assert!(raw::dump(&with(&place, key(1))) == expected);
    assert!(!unfinished(&place).exists());
}

/// Shows that the log that a kill left is part of what gets the new key.
#[test]
fn a_log_that_was_left_comes_along() {
    let running = Place::new();
    let mut store = open(&running, key(1)).unwrap();
    for number in 1..=40 {
        let mut transaction = store.begin().unwrap();
        transaction.insert_operation(&update(&sample(number))).unwrap();
        transaction.commit().unwrap();
    }
    let killed = Place::new();
    for (path, bytes) in files(&running) {
        fs::write(killed.directory.path().join(path.file_name().unwrap()), bytes).unwrap();
    }
    assert_eq!(files(&killed).len(), 2);
    change(&killed, key(1), key(2)).unwrap();
    let mut store = open(&killed, key(2)).unwrap();
    let transaction = store.begin().unwrap();
    let waiting = transaction.operations_in_state(OperationState::Ready, Counter(0), 100).unwrap();
    assert_eq!(waiting.len(), 40);
}

/// Shows that a store that is open, damaged, foreign or missing gets no other key, and is left as
/// it is.
#[test]
fn what_must_not_change_is_refused() {
    let place = filled(key(1));
    let store = open(&place, key(1)).unwrap();
    assert_eq!(change(&place, key(1), key(2)).unwrap_err().kind(), StoreErrorKind::Busy);
    drop(store);
    let mut bytes = fs::read(place.path()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(place.path(), bytes).unwrap();
    let before = files(&place);
    assert_eq!(change(&place, key(1), None).unwrap_err().kind(), StoreErrorKind::Damaged);
    assert!(files(&place) == before);
    let foreign = Place::new();
    let connection = rusqlite::Connection::open(foreign.path()).unwrap();
    connection.execute_batch("CREATE TABLE theirs (value)").unwrap();
    drop(connection);
    let before = files(&foreign);
    assert_eq!(change(&foreign, None, key(2)).unwrap_err().kind(), StoreErrorKind::NotAStore);
    assert!(files(&foreign) == before);
    assert_eq!(change(&Place::new(), None, key(2)).unwrap_err().kind(), StoreErrorKind::Io);
}

/// Shows that a copy of the store under another name, such as a backup by a link, stays as it is
/// when the old file is overwritten, and that damaged files of earlier recoveries are named.
#[cfg(unix)]
#[test]
fn copies_are_kept_and_named() {
    use std::io::Read;
    let place = filled(None);
    let before = fs::read(place.path()).unwrap();
    let backup = place.directory.path().join("backup");
    fs::hard_link(place.path(), &backup).unwrap();
    let aside = place.directory.path().join("store.db.damaged-1");
    fs::write(&aside, "an earlier one").unwrap();
    assert_eq!(change(&place, None, key(1)).unwrap().older_copies, [aside]);
    // SQLite has moved its log into it and said so at its beginning; the rest is the same.
    assert!(fs::read(&backup).unwrap()[100..] == before[100..]);
    // Without another name it is overwritten: whoever still has it open reads zeros.
    let place = filled(None);
    let mut old = fs::File::open(place.path()).unwrap();
    change(&place, None, key(1)).unwrap();
    let mut bytes = Vec::new();
    old.read_to_end(&mut bytes).unwrap();
    assert!(bytes.len() > 100_000 && bytes.iter().all(|byte| *byte == 0));
}
