//! Files that are not a store of this version: a clear error, and not a byte changed.

use std::fs;
use std::path::Path;

use clarity_store::{OpenOptions, Store, StoreError, StoreErrorKind};
use rusqlite::Connection;
use serde_json::json;

use crate::support::{BIRTH, Place, sample, schema, stored};

/// Opens the file for writing and for reading, and checks that neither changes it.
fn refused(path: &Path) -> StoreError {
    let before = fs::read(path).unwrap();
    let options = OpenOptions::new(path);
    let error = Store::open(&options, schema(), BIRTH).map(|_| ()).unwrap_err();
    let reading = Store::open_reader(&options, schema()).map(|_| ()).unwrap_err();
    assert_eq!(reading.kind(), error.kind());
    assert!(fs::read(path).unwrap() == before, "the file was changed");
    error
}

fn filled(place: &Place) {
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    for number in 0..300 {
        transaction.put_entity(&sample(number), &stored(json!({"value": number}))).unwrap();
    }
    transaction.commit().unwrap();
}

/// Shows that a store of a later format is refused with both numbers, whichever journal it has
/// and even with a log that was not yet moved into it, whether open elsewhere or left by a kill.
#[test]
fn a_newer_store_is_refused() {
    let place = Place::new();
    filled(&place);
    let newer = Connection::open(place.path()).unwrap();
    newer.pragma_update(None, "user_version", 42).unwrap();
    let log = place.directory.path().join("store.db-wal");
    let before = fs::read(&log).unwrap();
    assert!(!before.is_empty());
    // Left behind as by a kill: nobody has the file open, and its log was not yet moved into it.
    let killed = Place::new();
    let killed_log = killed.directory.path().join("store.db-wal");
    fs::copy(place.path(), killed.path()).unwrap();
    fs::copy(&log, &killed_log).unwrap();
    let error = refused(&killed.path());
    assert!(matches!(error, StoreError::NewerStore { found: 42, known: 3 }));
    assert!(fs::read(&killed_log).unwrap() == before, "the log was changed");
    let error = refused(&place.path());
    assert!(matches!(error, StoreError::NewerStore { found: 42, known: 3 }));
    assert!(error.to_string().contains("update the program"));
    assert!(fs::read(&log).unwrap() == before, "the log was changed");
    drop(newer);
    assert!(matches!(refused(&place.path()), StoreError::NewerStore { found: 42, known: 3 }));
}

/// Shows that a database of another program is refused, with and without an application id.
#[test]
fn a_foreign_database_is_refused() {
    let place = Place::new();
    let foreign = Connection::open(place.path()).unwrap();
    foreign.execute_batch("CREATE TABLE their_own (value TEXT)").unwrap();
    drop(foreign);
    assert!(matches!(refused(&place.path()), StoreError::NotAStore));
    let foreign = Connection::open(place.path()).unwrap();
    foreign.pragma_update(None, "application_id", 7).unwrap();
    foreign.pragma_update(None, "user_version", 42).unwrap();
    drop(foreign);
    assert!(matches!(refused(&place.path()), StoreError::NotAStore));
}

/// Shows that a file that is cut short is refused, wherever it was cut. (SQLite takes a file of a
/// single byte for an empty one.)
#[test]
fn a_truncated_store_is_refused() {
    let place = Place::new();
    filled(&place);
    let whole = fs::read(place.path()).unwrap();
    for length in [2, 50, 100, 512, 4_096, 5_000, whole.len() / 2, whole.len() - 4_096] {
        fs::write(place.path(), &whole[..length]).unwrap();
        let error = refused(&place.path());
        assert_eq!(error.kind(), StoreErrorKind::Damaged, "cut to {length}: {error}");
        assert!(error.to_string().contains("moves it aside"));
    }
}

/// Shows that a text file is refused.
#[test]
fn a_text_file_is_refused() {
    let place = Place::new();
    for text in ["hello".to_owned(), "a longer text\n".repeat(1_000)] {
        fs::write(place.path(), &text).unwrap();
        assert_eq!(refused(&place.path()).kind(), StoreErrorKind::Damaged);
    }
}

/// Shows that damage in the middle of a file is found when it is looked for.
#[test]
fn damage_is_found() {
    let place = Place::new();
    filled(&place);
    assert!(place.open().damages(5).unwrap().is_empty());
    let mut bytes = fs::read(place.path()).unwrap();
    let last = bytes.len() - 4_096;
    bytes[last..].fill(0xee);
    fs::write(place.path(), &bytes).unwrap();
    let store = place.open();
    let findings = store.damages(5);
    assert!(findings.is_err() || !findings.unwrap().is_empty());
}

/// Shows that a place where no file can be is an error of the file system, and that a reader
/// makes no file.
#[test]
fn a_missing_place_is_an_error() {
    let place = Place::new();
    let nowhere = OpenOptions::new(place.directory.path().join("missing").join("store.db"));
    let error = Store::open(&nowhere, schema(), BIRTH).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Io);
    let error = Store::open_reader(&place.options(), schema()).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Io);
    assert!(!place.path().exists());
}

/// Shows that a crash after the file was made and before the tables were leaves a file that
/// becomes a store.
#[test]
fn an_empty_file_becomes_a_store() {
    let place = Place::new();
    fs::write(place.path(), b"").unwrap();
    filled(&place);
    let begun = Place::new();
    let connection = Connection::open(begun.path()).unwrap();
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
    drop(connection);
    assert!(fs::metadata(begun.path()).unwrap().len() > 0);
    filled(&begun);
}

/// Shows that a store that was erased, and whose file was not removed because the program died
/// then, becomes a new one with nothing in it.
#[test]
fn an_erased_store_becomes_a_new_one() {
    let place = Place::new();
    filled(&place);
    let mut store = place.open();
    store.begin().unwrap().erase().unwrap();
    drop(store);
    assert!(place.open().begin().unwrap().entity(&sample(0)).unwrap().is_none());
    filled(&place);
}

/// Shows that nobody but the owner may read a store and its journals.
#[cfg(unix)]
#[test]
fn a_store_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let mut store = place.open();
    store.begin().unwrap().put_state("some", &1).unwrap();
    for name in ["store.db", "store.db-wal", "store.db-shm"] {
        let permissions = fs::metadata(place.directory.path().join(name)).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, 0o600, "{name}");
    }
}
