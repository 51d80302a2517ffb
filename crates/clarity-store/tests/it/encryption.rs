//! Encrypted stores: what is on the disk, and who may open what.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clarity_store::{OpenOptions, Store, StoreError, StoreErrorKind, StoreKey};

use crate::support::{BIRTH, Place};

/// All files in the folder of a store, by name.
pub(crate) fn files(place: &Place) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(place.directory.path()).unwrap().map(|entry| entry.unwrap().path());
    // The index of the log is made anew from the log, and locks hold nothing.
    let kept = entries.filter(|path| {
        let name = path.to_string_lossy();
        !name.ends_with("-shm") && !name.ends_with(".use") && !name.ends_with(".lock")
    });
    // A log of no length is as good as none.
    let read = kept.map(|path| (path.clone(), fs::read(&path).unwrap()));
    read.filter(|(path, bytes)| !(bytes.is_empty() && path.ends_with("store.db-wal"))).collect()
}

fn key(byte: u8) -> StoreKey {
    StoreKey::new([byte; StoreKey::BYTES])
}

fn with(path: &Path, key: Option<StoreKey>) -> OpenOptions {
    OpenOptions { key, ..OpenOptions::new(path) }
}

/// Opens a file in each way, and checks that all say the same and change nothing.
#[track_caller]
fn refused(place: &Place, key: Option<StoreKey>) -> StoreError {
    let before = files(place);
    let options = with(&place.path(), key);
    let error = Store::open(&options, Arc::clone(&place.schema), BIRTH).map(|_| ()).unwrap_err();
    let reader = Store::open_reader(&options, Arc::clone(&place.schema)).map(|_| ()).unwrap_err();
    let begun = clarity_store::Salvage::begin(&options, &place.schema, BIRTH, true);
    let recovery = begun.map(|_| ()).unwrap_err();
    let change = Store::set_key(&options, Some(&self::key(9))).map(|_| ()).unwrap_err();
    for other in [reader, recovery, change] {
        assert_eq!(other.to_string(), error.to_string());
    }
    assert!(files(place) == before, "something was changed");
    error
}

/// Shows that a program that was built without encryption says so, about a store that is encrypted
/// and about one that was to be, and makes and changes nothing.
#[cfg(not(feature = "encryption"))]
#[test]
fn a_program_without_encryption_says_so() {
    let place = Place::new();
    let new = with(&place.path(), Some(key(1)));
    let error = Store::open(&new, Arc::clone(&place.schema), BIRTH).map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::EncryptionUnavailable));
    assert!(!place.path().exists());
    let mut bytes = vec![0xa7; 8_192];
    bytes[..16].copy_from_slice(b"SQLite format 3\0");
    bytes[16..24].copy_from_slice(&[16, 0, 2, 2, 80, 64, 32, 32]);
    fs::write(place.path(), &bytes).unwrap();
    assert_eq!(Store::is_encrypted(&place.path()).unwrap(), Some(true));
    for key in [None, Some(key(1))] {
        let error = refused(&place, key);
        assert_eq!(error.kind(), StoreErrorKind::Configuration);
        assert!(error.to_string().contains("built without encryption"), "{error}");
    }
}

#[cfg(feature = "encryption")]
mod available {
    use clarity_store::{Credentials, Journal, StoredEntity};
    use serde_json::json;

    use super::*;
    use crate::support::{change, sample, stored, update};

    const CANARY: &str = "canary-170-over-110";

    fn write(store: &mut Store, numbers: std::ops::Range<u128>) {
        let mut transaction = store.begin().unwrap();
        let tokens = Credentials { access_token: Some(CANARY.into()), ..Credentials::default() };
        transaction.put_credentials(&tokens).unwrap();
        for number in numbers {
            let row = json!({"metric": CANARY, "value": number as f64, "note": CANARY});
            transaction.put_entity(&sample(number), &stored(row)).unwrap();
            let mut operation = update(&sample(number));
            operation.changes = Some(vec![change("note", Some(json!(CANARY)), None)]);
            transaction.insert_operation(&operation).unwrap();
        }
        transaction.commit().unwrap();
    }

    /// Which kinds of files in the folder hold the canary, or the name of a table.
    fn readable(place: &Place) -> Vec<String> {
        let holds = |bytes: &[u8], text: &str| {
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        };
        let entries = fs::read_dir(place.directory.path()).unwrap();
        let mut found: Vec<String> = entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                let bytes = fs::read(path).unwrap();
                holds(&bytes, CANARY) || holds(&bytes, "queue_count")
            })
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        found.sort();
        found
    }

    fn open(place: &Place, key: Option<StoreKey>, journal: Journal) -> Store {
        let options = OpenOptions { journal, ..with(&place.path(), key) };
        Store::open(&options, Arc::clone(&place.schema), BIRTH).unwrap()
    }

    /// Shows that nothing of what was written can be read in any file of an encrypted store, while
    /// it is open with a log or in the middle of a transaction with a journal, and after it was
    /// closed; and that the same look finds it in a store that is not encrypted.
    #[test]
    fn no_value_is_readable_on_the_disk() {
        for (key, expected) in [(Some(key(1)), false), (None, true)] {
            let names = |names: &[&str]| -> Vec<String> {
                let names = names.iter().filter(|_| expected);
                names.map(|name| (*name).to_owned()).collect()
            };
            let place = Place::new();
            let mut store = open(&place, key.clone(), Journal::Wal);
            write(&mut store, 0..400);
            let seen = readable(&place);
            assert!(fs::metadata(place.directory.path().join("store.db-wal")).unwrap().len() > 0);
            assert_eq!(seen.contains(&"store.db-wal".to_owned()), expected, "{seen:?}");
            assert!(expected || seen.is_empty(), "{seen:?}");
            drop(store);
            assert_eq!(readable(&place), names(&["store.db"]));

            let mut store = open(&place, key.clone(), Journal::Truncate);
            let mut transaction = store.begin().unwrap();
            for number in 0..400 {
                let row = StoredEntity { version: clarity_model::Version(9), ..stored(json!({})) };
                transaction.put_entity(&sample(number), &row).unwrap();
            }
            let journal = place.directory.path().join("store.db-journal");
            assert!(fs::metadata(&journal).unwrap().len() > 20_000, "it is in use");
            assert_eq!(readable(&place), names(&["store.db", "store.db-journal"]));
        }
    }

    /// Shows that with another key, or without one, an encrypted store is refused by what is wrong
    /// with the key; that a key for a store that is not encrypted is one too many; and that nothing
    /// is changed, whether the store was closed or left with its log by a kill.
    #[test]
    fn a_key_must_fit() {
        let place = Place::new();
        write(&mut open(&place, Some(key(1)), Journal::Wal), 0..100);
        let running = Place::new();
        let mut store = open(&running, Some(key(1)), Journal::Wal);
        write(&mut store, 0..100);
        let killed = Place::new();
        for (path, bytes) in files(&running) {
            fs::write(killed.directory.path().join(path.file_name().unwrap()), bytes).unwrap();
        }
        for place in [&place, &killed] {
            assert_eq!(Store::is_encrypted(&place.path()).unwrap(), Some(true));
            assert!(matches!(refused(place, None), StoreError::KeyRequired));
            let error = refused(place, Some(key(2)));
            assert!(matches!(error, StoreError::WrongKey), "{error}");
            assert_eq!(error.kind(), StoreErrorKind::Key);
            let mut store = open(place, Some(key(1)), Journal::Wal);
            assert_eq!(store.begin().unwrap().queue_counts().unwrap().total(), 100);
        }
        let plain = Place::new();
        write(&mut open(&plain, None, Journal::Wal), 0..100);
        assert_eq!(Store::is_encrypted(&plain.path()).unwrap(), Some(false));
        assert!(matches!(refused(&plain, Some(key(1))), StoreError::NotEncrypted));
        assert_eq!(Store::is_encrypted(&plain.directory.path().join("none")).unwrap(), None);
    }

    /// Shows that damage in an encrypted store is called damage and no wrong key: in its first
    /// page, with the rest of it sound, and in the part that says that it is encrypted.
    #[test]
    fn damage_is_no_wrong_key() {
        for (at, kind) in [(60, "page"), (2_000, "page"), (3, "start")] {
            let place = Place::new();
            write(&mut open(&place, Some(key(1)), Journal::Wal), 0..100);
            let mut bytes = fs::read(place.path()).unwrap();
            bytes[at] ^= 1;
            fs::write(place.path(), bytes).unwrap();
            let options = with(&place.path(), Some(key(1)));
            let opened = Store::open(&options, Arc::clone(&place.schema), BIRTH);
            let error = opened.map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Damaged, "{kind} {at}: {error}");
        }
    }

    /// Shows that the first stores of a process may be opened on many threads at once.
    #[test]
    fn many_threads_open_their_first_store() {
        let places: Vec<Place> = (0..8).map(|_| Place::new()).collect();
        let together = std::sync::Barrier::new(places.len());
        std::thread::scope(|scope| {
            for place in &places {
                scope.spawn(|| {
                    together.wait();
                    drop(open(place, Some(key(1)), Journal::Wal));
                });
            }
        });
    }

    /// Shows that the store's own tests hold with a key: transactions, queries, the queue, changes
    /// of the schema, full disks, recovery from damage. Left out are those that are about files
    /// without a key.
    #[test]
    fn the_promises_of_the_store_hold_with_a_key() {
        let mut tests = std::process::Command::new(std::env::current_exe().unwrap());
        for name in ["encryption::", "files::", "golden::", "rekey::"] {
            tests.args(["--skip", name]);
        }
        let ran = tests.env("CLARITY_TEST_ENCRYPTED", "1").output().unwrap();
        let told = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success(), "{told}");
        let passed = told.lines().filter(|line| line.ends_with("... ok")).count();
        assert!(passed > 60, "{told}");
    }

    /// Shows that several connections read and write an encrypted store at the same time, each with
    /// the key.
    #[test]
    fn connections_share_an_encrypted_store() {
        let place = Place::new();
        let mut first = open(&place, Some(key(1)), Journal::Wal);
        let mut second = open(&place, Some(key(1)), Journal::Wal);
        let options = with(&place.path(), Some(key(1)));
        let mut reader = Store::open_reader(&options, Arc::clone(&place.schema)).unwrap();
        write(&mut first, 0..10);
        write(&mut second, 10..20);
        assert_eq!(reader.snapshot().unwrap().queue_counts().unwrap().total(), 20);
        assert!(first.damages(5).unwrap().is_empty());
        assert!(first.begin().unwrap().live_bytes().unwrap() > 100_000);
    }
}
