//! Damaged stores: everything that can still be read is in the new one, and no damaged file is
//! ever changed or deleted.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use clarity_model::{Counter, FieldChange, Incarnation, LocalTime, ServerTime};
use clarity_store::{
    Birth, Credentials, EvictionReason, NewHistory, OpenOptions, OperationState, RequestId,
    RowState, Salvage, Salvaged, Store, StoreError, StoreErrorKind, StoredEntity,
};
use proptest::prelude::*;
use rusqlite::Connection;
use serde_json::json;

use crate::raw;
use crate::support::{BIRTH, Place, sample, stored, test_key, update};

const PAGE: usize = 4_096;
const OPERATIONS: u64 = 300;
const SENT: u64 = 60;

const REBIRTH: Birth =
    Birth { incarnation: Incarnation(0xbeef), now: LocalTime(1_700_000_009_000) };

/// A store with a long queue of which a part was sent, clean rows and everything else.
static FILLED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let place = Place::new();
    fill(&mut place.open());
    fs::read(place.path()).unwrap()
});

fn fill(store: &mut Store) {
    let mut transaction = store.begin().unwrap();
    transaction.bind_account("account", "device").unwrap();
    let tokens = Credentials { server: "s".into(), name: "n".into(), ..Credentials::default() };
    transaction.put_credentials(&tokens).unwrap();
    for number in 0..600_u64 {
        let row = json!({"metric": "steps", "source": "watch", "start_ms": number, "value": 1});
        transaction.put_entity(&sample(u128::from(number + 1) << 96), &stored(row)).unwrap();
    }
    transaction.commit().unwrap();
    let mut transaction = store.begin().unwrap();
    for number in 1..=OPERATIONS {
        let key = sample(u128::from(number) << 96);
        let counter = transaction.insert_operation(&update(&key)).unwrap();
        let row = transaction.entity(&key).unwrap().unwrap();
        transaction.put_entity(&key, &StoredEntity { state: RowState::Pending, ..row }).unwrap();
        if number <= SENT {
            let bytes = format!("{{\"id\":{number},\"text\":\"{}\"}}", "x".repeat(300));
            let at = LocalTime(5);
            transaction.freeze(counter, &[], bytes.as_bytes(), RequestId(1), at).unwrap();
        }
        let entry = NewHistory {
            at: LocalTime(1),
            key,
            counter: Some(counter),
            cause: "superseded".to_owned(),
            detail: json!({"fields": {"text": "lost"}}),
            expires_at: LocalTime(2),
        };
        transaction.add_history(&entry).unwrap();
    }
    transaction.commit().unwrap();
}

fn damaged(bytes: &[u8]) -> Place {
    let place = Place::new();
    fs::write(place.path(), bytes).unwrap();
    place
}

/// What can be mended: the whole header, or the part of it that an encrypted store shows.
fn header_bytes() -> usize {
    if test_key().is_some() { 32 } else { 100 }
}

fn salvage(place: &Place) -> Result<Option<Salvaged>, StoreError> {
    let begun = Salvage::begin(&place.options(), &place.schema, REBIRTH, false)?;
    begun.map(Salvage::finish).transpose()
}

/// The operations that SQLite can read one by one and that still have their form.
fn readable(path: &Path) -> Vec<u64> {
    const SOUND: &str = "
        SELECT type = 'Sample' AND typeof(id) = 'blob' AND length(id) = 16
           AND json_valid(changes) AND typeof(incarnation) || typeof(kind) || typeof(undelete)
               || typeof(schema) || typeof(made_at) || typeof(state) || typeof(attempts)
               = 'integerintegerintegerintegerintegerintegerinteger'
           AND typeof(coalesce(batch, first_sent_at, last_attempt_at, next_attempt_at, 0))
               = 'integer' AND typeof(coalesce(last_attempt_at, 0)) = 'integer'
           AND typeof(coalesce(next_attempt_at, 0)) = 'integer'
           AND typeof(coalesce(first_sent_at, 0)) = 'integer'
           AND typeof(coalesce(carrier, 0)) = 'integer'
           AND typeof(coalesce(request, 0)) = 'integer'
           AND typeof(coalesce(frozen, x'')) = 'blob' AND error IS NULL
           AND typeof(rounds) = 'integer'
           AND state BETWEEN 0 AND 5 AND kind BETWEEN 0 AND 2
           AND max(attempts, rounds, schema) < 4294967296 AND min(attempts, rounds, schema) >= 0,
           changes
        FROM operation WHERE counter = ?1";
    let connection = raw::open_damaged(&OpenOptions { key: test_key(), ..OpenOptions::new(path) });
    let Ok(mut statement) = connection.prepare(SOUND) else { return Vec::new() };
    let mut is_sound = |counter: &u64| {
        let found: rusqlite::Result<(Option<bool>, String)> =
            statement.query_row([counter.cast_signed()], |row| Ok((row.get(0)?, row.get(1)?)));
        let has_form = |text: &str| serde_json::from_str::<Vec<FieldChange>>(text).is_ok();
        found.is_ok_and(|(sound, changes)| sound == Some(true) && has_form(&changes))
    };
    (1..=OPERATIONS).filter(|counter| is_sound(counter)).collect()
}

fn kept(place: &Place) -> Vec<u64> {
    let mut store = place.open();
    let transaction = store.begin().unwrap();
    let all = transaction.operations(Counter(0), 10_000).unwrap();
    all.iter().map(|operation| operation.counter.0).collect()
}

fn aside(salvaged: &Salvaged) -> Vec<u8> {
    fs::read(&salvaged.moved_to).unwrap()
}

/// Shows that a sound store is left alone, and that one which is recovered all the same has
/// everything: its account, its credentials, its rows, its history, and its queue, of which what
/// was sent keeps its life and its bytes and what was not sent has the new one.
#[test]
fn a_recovered_store_has_everything() {
    let place = damaged(&FILLED);
    assert!(salvage(&place).unwrap().is_none());
    assert!(fs::read(place.path()).unwrap() == *FILLED);
    let begun = Salvage::begin(&place.options(), &place.schema, REBIRTH, true).unwrap().unwrap();
    let salvaged = begun.finish().unwrap();
    assert!(salvaged.is_complete(), "{salvaged:?}");
    assert!(aside(&salvaged) == *FILLED);
    let mut store = place.open();
    assert!(store.damages(5).unwrap().is_empty());
    let transaction = store.begin().unwrap();
    let meta = transaction.meta().unwrap();
    assert_eq!(meta.account_id.as_deref(), Some("account"));
    assert_eq!((meta.incarnation, meta.epoch), (REBIRTH.incarnation, None));
    assert_eq!(transaction.credentials().unwrap().unwrap().name, "n");
    assert_eq!(transaction.history(0, 10_000).unwrap().len() as u64, OPERATIONS);
    assert_eq!(transaction.count_entities(&sample(1).entity_type).unwrap(), 600);
    let counts = transaction.queue_counts().unwrap();
    assert_eq!((counts.total(), counts.in_flight), (OPERATIONS, 0));
    assert_eq!(transaction.next_counter().unwrap(), Counter(OPERATIONS + 1));
    for operation in transaction.operations(Counter(0), 10_000).unwrap() {
        let sent = operation.counter.0 <= SENT;
        let life = if sent { BIRTH.incarnation } else { REBIRTH.incarnation };
        assert_eq!(operation.incarnation, life);
        assert_eq!(transaction.frozen(operation.counter).unwrap().is_some(), sent);
        assert_eq!(operation.state, OperationState::Ready);
    }
}

/// Shows that a store whose first page has lost its header, all zeros or all ones, is read as if
/// nothing had happened.
#[test]
fn a_lost_header_is_mended_in_a_copy() {
    for byte in [0, 0xff] {
        let mut bytes = FILLED.clone();
        bytes[..header_bytes()].fill(byte);
        let place = damaged(&bytes);
        assert_eq!(place.try_open().map(|_| ()).unwrap_err().kind(), StoreErrorKind::Damaged);
        let salvaged = salvage(&place).unwrap().unwrap();
        assert!(salvaged.header_mended && salvaged.is_complete(), "{salvaged:?}");
        assert!(aside(&salvaged) == bytes);
        assert_eq!(kept(&place).len() as u64, OPERATIONS);
    }
}

/// Shows that an operation whose values are JSON and yet make no sense, with numbers that it cannot
/// have, or without a value that it must have, is counted as one that makes no sense and does not
/// stop the others from being recovered and read.
#[test]
fn a_garbled_operation_stops_no_other() {
    let place = damaged(&FILLED);
    if test_key().is_some() {
        // What is inside an encrypted file cannot be garbled from outside.
        return;
    }
    let connection = raw::open(&place.options());
    const MAY_LACK: &str = "
        PRAGMA writable_schema = ON;
        UPDATE sqlite_schema SET sql = replace(sql, 'made_at INTEGER NOT NULL', 'made_at INTEGER')
        WHERE name = 'operation';
        PRAGMA writable_schema = RESET";
    connection.execute_batch(MAY_LACK).unwrap();
    let garbled = [
        "changes = replace(changes, 'field', 'fielx')",
        "kind = 7",
        "attempts = 1 << 40",
        "state = 9",
        "made_at = NULL",
        "counter = -1",
        "counter = 9223372036854775807",
        "error = '{}'",
    ];
    for (counter, change) in (1..).zip(garbled) {
        let sql = format!("UPDATE operation SET {change} WHERE counter = {counter}");
        assert_eq!(connection.execute(&sql, []).unwrap(), 1);
    }
    drop(connection);
    let begun = Salvage::begin(&place.options(), &place.schema, REBIRTH, true).unwrap().unwrap();
    let salvaged = begun.finish().unwrap();
    assert!(!salvaged.is_complete());
    assert_eq!(salvaged.tables["operation"].unreadable, 7);
    assert_eq!(kept(&place), (8..=OPERATIONS).collect::<Vec<u64>>());
}

/// Shows that a store that was cut short gives what is left of it, wherever it was cut.
#[test]
fn a_truncated_store_gives_what_is_left() {
    for length in [0, 1, 99, 100, PAGE, 5_000, FILLED.len() / 2, FILLED.len() - PAGE] {
        let place = damaged(&FILLED[..length]);
        let expected = if length < 100 { Vec::new() } else { readable(&place.path()) };
        match salvage(&place).unwrap() {
            Some(salvaged) => {
                assert!(aside(&salvaged) == FILLED[..length]);
                assert_eq!(kept(&place), expected, "cut to {length}");
                assert!(!salvaged.is_complete());
            }
            // An empty file is a store that was never made.
            None => assert!(length < 100, "cut to {length}"),
        }
    }
}

/// Shows that with a damaged index nothing is lost.
#[test]
fn a_damaged_index_loses_nothing() {
    for index in ["operation_by_lane", "operation_by_state", "history_by_entity"] {
        let place = damaged(&FILLED);
        let connection = raw::open(&place.options());
        let sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
        let root: i64 = connection.query_row(sql, [index], |row| row.get(0)).unwrap();
        drop(connection);
        let mut bytes = fs::read(place.path()).unwrap();
        let start = (usize::try_from(root).unwrap() - 1) * PAGE;
        bytes[start..start + PAGE].fill(0x5a);
        fs::write(place.path(), &bytes).unwrap();
        let salvaged = salvage(&place).unwrap().unwrap();
        assert!(salvaged.is_complete(), "{index}: {salvaged:?}");
        assert!(aside(&salvaged) == bytes);
        assert!(place.open().damages(5).unwrap().is_empty());
        assert_eq!(kept(&place).len() as u64, OPERATIONS);
    }
}

/// A store and its log as a kill leaves them.
fn killed() -> (Place, PathBuf) {
    let running = Place::new();
    let mut store = running.open();
    for number in 1..=40 {
        let mut transaction = store.begin().unwrap();
        transaction.insert_operation(&update(&sample(number))).unwrap();
        transaction.commit().unwrap();
    }
    let place = Place::new();
    let log = |place: &Place| place.directory.path().join("store.db-wal");
    fs::copy(running.path(), place.path()).unwrap();
    fs::copy(log(&running), log(&place)).unwrap();
    let log = log(&place);
    (place, log)
}

/// Shows that damage in a log that a kill left is not taken for its end: the store is not opened,
/// and recovering it gives every later write.
#[test]
fn a_damaged_log_is_not_cut_short() {
    let (place, log) = killed();
    let mut bytes = fs::read(&log).unwrap();
    // Within a page that later commits hold anew.
    let middle = 32 + (bytes.len() - 32) / (PAGE + 24) / 2 * (PAGE + 24) + 2_000;
    bytes[middle] ^= 0xff;
    fs::write(&log, &bytes).unwrap();
    let error = place.try_open().map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Damaged, "{error}");
    assert!(fs::read(&log).unwrap() == bytes, "the log was changed");
    let salvaged = salvage(&place).unwrap().unwrap();
    assert!(salvaged.log_mended, "{salvaged:?}");
    assert_eq!(kept(&place), (1..=40).collect::<Vec<u64>>());
    let mut log_aside = salvaged.moved_to.into_os_string();
    log_aside.push("-wal");
    assert!(fs::read(log_aside).unwrap() == bytes);
}

/// Shows that a log whose own header is damaged, which SQLite takes for an empty one, is not taken
/// for that: the store is not opened, and recovering it gives every write; but that such a log is
/// no damage when the file holds all of it already.
#[test]
fn a_log_without_a_header_is_not_empty() {
    for (at, length) in [(0, 4), (8, 4), (16, 8), (24, 8), (0, 32)] {
        let (place, log) = killed();
        let mut bytes = fs::read(&log).unwrap();
        bytes[at..at + length].fill(0xa5);
        fs::write(&log, &bytes).unwrap();
        let error = place.try_open().map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Damaged, "{at}: {error}");
        let salvaged = salvage(&place).unwrap().unwrap();
        assert!(salvaged.log_mended && salvaged.is_complete(), "{at}: {salvaged:?}");
        assert_eq!(kept(&place), (1..=40).collect::<Vec<u64>>(), "{at}");
    }
    let (place, log) = killed();
    let bytes = fs::read(&log).unwrap();
    let connection = raw::open(&place.options());
    connection.query_row("PRAGMA wal_checkpoint", [], |_| Ok(())).unwrap();
    fs::copy(place.path(), place.directory.path().join("copy")).unwrap();
    drop(connection);
    fs::rename(place.directory.path().join("copy"), place.path()).unwrap();
    fs::write(&log, [&[0; 32], &bytes[32..]].concat()).unwrap();
    assert_eq!(kept(&place), (1..=40).collect::<Vec<u64>>());
}

/// Shows that what was given up of months is recovered as a whole or not at all, so that nothing
/// that is read again counts twice.
#[test]
fn markers_of_months_stand_or_fall_together() {
    for part in ["evicted_digest", "evicted_rollup", "evicted_month", "history"] {
        let place = Place::new();
        let mut store = place.open();
        let of_type = sample(1).entity_type;
        let mut transaction = store.begin().unwrap();
        for number in 1..=50_u64 {
            let row = json!({"metric": "steps", "source": "w", "start_ms": number, "value": 1});
            transaction.put_entity(&sample(u128::from(number) << 96), &stored(row)).unwrap();
        }
        let why = (EvictionReason::Budget, ServerTime(1));
        for month in transaction.evictable_months(&of_type, "start_ms").unwrap() {
            transaction.evict_samples(&of_type, month, "start_ms", 100, why).unwrap();
        }
        transaction.commit().unwrap();
        drop(store);
        let connection = raw::open(&place.options());
        let sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
        let root: i64 = connection.query_row(sql, [part], |row| row.get(0)).unwrap();
        drop(connection);
        let mut bytes = fs::read(place.path()).unwrap();
        let start = (usize::try_from(root).unwrap() - 1) * PAGE;
        bytes[start..start + PAGE].fill(0x5a);
        fs::write(place.path(), &bytes).unwrap();
        assert!(salvage(&place).unwrap().is_some());
        let mut store = place.open();
        let mut transaction = store.begin().unwrap();
        let months = transaction.evicted_months(None).unwrap();
        let count: u64 = months.iter().map(|marker| marker.count).sum();
        let days = transaction.rollups(&of_type, "steps", None, 0..9).unwrap();
        let summed: u64 = days.iter().map(|day| day.count).sum();
        let expected = if part == "history" { (50, 50) } else { (0, 0) };
        assert_eq!((count, summed), expected, "{part}");
    }
}

/// Shows that what a power loss leaves at the end of a log, a commit that was never acknowledged,
/// is no damage.
#[test]
fn a_torn_end_of_a_log_is_no_damage() {
    let (place, log) = killed();
    let bytes = fs::read(&log).unwrap();
    for cut in [1, 24, 2_000, PAGE + 24, 3 * PAGE] {
        let mut torn = bytes.clone();
        let length = torn.len();
        torn[length - cut..].fill(0);
        fs::write(&log, &torn).unwrap();
        assert!(!kept(&place).is_empty());
        fs::write(&log, &bytes).unwrap();
    }
}

/// Shows that a log beside an empty file, which SQLite would delete, is damage.
#[test]
fn a_log_without_its_file_is_kept() {
    let (place, log) = killed();
    fs::write(place.path(), b"").unwrap();
    let before = fs::read(&log).unwrap();
    assert_eq!(place.try_open().map(|_| ()).unwrap_err().kind(), StoreErrorKind::Damaged);
    assert!(fs::read(&log).unwrap() == before);
}

/// Shows that a store is not recovered while somebody has it open, nor a foreign or newer one.
#[test]
fn what_must_not_be_recovered_is_refused() {
    let place = damaged(&FILLED);
    let open = place.open();
    assert_eq!(salvage(&place).unwrap_err().kind(), StoreErrorKind::Busy);
    drop(open);
    let newer = raw::open(&place.options());
    newer.pragma_update(None, "user_version", 42).unwrap();
    drop(newer);
    assert_eq!(salvage(&place).unwrap_err().kind(), StoreErrorKind::NewerStore);
    let foreign = Place::new();
    let connection = Connection::open(foreign.path()).unwrap();
    // A server's database has a table of the same name as one of a store.
    let theirs = "PRAGMA page_size = 1024; CREATE TABLE theirs (value); CREATE TABLE meta (value)";
    connection.execute_batch(theirs).unwrap();
    drop(connection);
    let theirs = OpenOptions::new(foreign.path());
    let begun = Salvage::begin(&theirs, &place.schema, REBIRTH, false);
    assert_eq!(begun.map(|_| ()).unwrap_err().kind(), StoreErrorKind::NotAStore);
    let nowhere = OpenOptions::new(place.directory.path().join("missing.db"));
    let begun = Salvage::begin(&nowhere, &place.schema, REBIRTH, false);
    assert_eq!(begun.map(|_| ()).unwrap_err().kind(), StoreErrorKind::Io);
}

/// Shows that an unfinished salvage leaves the damaged store as it is, and the next one begins
/// anew.
#[test]
fn an_unfinished_salvage_changes_nothing() {
    let mut bytes = FILLED.clone();
    bytes[..header_bytes()].fill(0);
    let place = damaged(&bytes);
    drop(Salvage::begin(&place.options(), &place.schema, REBIRTH, false).unwrap().unwrap());
    assert!(fs::read(place.path()).unwrap() == bytes);
    let beside = fs::read_dir(place.directory.path()).unwrap().count();
    assert_eq!(beside, 2, "the store, and who uses it: what was filled takes no space any more");
    assert_eq!(place.try_open().map(|_| ()).unwrap_err().kind(), StoreErrorKind::Damaged);
    assert!(salvage(&place).unwrap().unwrap().is_complete());
    assert_eq!(kept(&place).len() as u64, OPERATIONS);
}

/// Damage to one place of a file. A misplaced page was written where another one belongs.
#[derive(Debug, Clone)]
enum Damage {
    Zeros { page: usize },
    Noise { at: usize, length: usize, seed: u8 },
    Flip { at: usize, bit: u8 },
    Misplaced { page: usize, over: usize },
}

impl Damage {
    fn any() -> impl Strategy<Value = Self> {
        let at = 0..FILLED.len();
        let page = 0..FILLED.len() / PAGE;
        prop_oneof![
            page.clone().prop_map(|page| Self::Zeros { page }),
            (at.clone(), 1..2 * PAGE, any::<u8>()).prop_map(|(at, length, seed)| Self::Noise {
                at,
                length,
                seed
            }),
            (at, 0..8_u8).prop_map(|(at, bit)| Self::Flip { at, bit }),
            (page.clone(), page).prop_map(|(page, over)| Self::Misplaced { page, over }),
        ]
    }

    fn hit(&self, bytes: &mut [u8]) {
        match *self {
            Self::Zeros { page } => bytes[page * PAGE..(page + 1) * PAGE].fill(0),
            Self::Noise { at, length, seed } => {
                let mut state = u32::from(seed) + 1;
                for byte in bytes.iter_mut().skip(at).take(length) {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    *byte = state.to_be_bytes()[0];
                }
            }
            Self::Flip { at, bit } => bytes[at] ^= 1 << bit,
            Self::Misplaced { page, over } => {
                bytes.copy_within(page * PAGE..(page + 1) * PAGE, over * PAGE);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Shows that, wherever a file is damaged, nothing panics, the damaged file is kept to the
    /// byte, and every operation that SQLite can still read is in the new store.
    #[test]
    fn every_readable_operation_is_kept(damages in prop::collection::vec(Damage::any(), 1..5)) {
        let mut bytes = FILLED.clone();
        for damage in &damages {
            damage.hit(&mut bytes);
        }
        let place = damaged(&bytes);
        let expected = readable(&place.path());
        match salvage(&place) {
            Ok(Some(salvaged)) => {
                prop_assert!(aside(&salvaged) == bytes);
                let kept = kept(&place);
                for counter in expected {
                    prop_assert!(kept.contains(&counter), "operation {counter} was lost");
                }
                prop_assert!(place.open().damages(5).unwrap().is_empty());
            }
            Ok(None) => prop_assert!(fs::read(place.path()).unwrap() == bytes),
            Err(error) => {
                prop_assert!(fs::read(place.path()).unwrap() == bytes);
                prop_assert_eq!(error.kind(), StoreErrorKind::NewerStore);
            }
        }
    }
}
