//! A database in memory is the database that it would be in a file.

use std::collections::BTreeSet;

use clarity_sim::vfs::{CrashMode, Disk, Fault};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::{Batch, Connection};

use super::{dump, new_vfs};

/// Statements with a cache of few pages, so that pages are written before their transaction ends,
/// in several journal segments, and read back; with savepoints rolled back over them, and more
/// pages going into the journal after that.
const SCRIPT: &str = "
    PRAGMA cache_size = 4;
    PRAGMA wal_autocheckpoint = 20;
    CREATE TABLE sample(id INTEGER PRIMARY KEY, body BLOB, note TEXT);
    CREATE INDEX sample_by_note ON sample(note);
    CREATE TABLE copy(id INTEGER PRIMARY KEY, body BLOB);
    CREATE TABLE other(id INTEGER PRIMARY KEY, body BLOB);
    BEGIN;
    WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 400)
        INSERT INTO sample SELECT i, zeroblob(i * 13 % 900), 'note ' || (i * 37 % 101) FROM n;
    INSERT INTO other SELECT id, zeroblob(500) FROM sample WHERE id % 4 = 0;
    COMMIT;
    BEGIN;
    UPDATE sample SET note = note || ' changed' WHERE id % 3 = 0;
    SAVEPOINT first;
    INSERT INTO copy SELECT id, body FROM sample;
    SAVEPOINT second;
    DELETE FROM sample WHERE id % 2 = 0;
    UPDATE copy SET body = zeroblob(1200);
    ROLLBACK TO second;
    UPDATE copy SET body = zeroblob(700) WHERE id % 5 = 0;
    RELEASE second;
    UPDATE sample SET note = note || ' again' WHERE id % 4 = 0;
    ROLLBACK TO first;
    UPDATE other SET body = zeroblob(499);
    INSERT INTO copy SELECT id + 1000, body FROM sample WHERE id % 2 = 1;
    UPDATE sample SET note = note || ' more' WHERE id % 7 = 0;
    RELEASE first;
    COMMIT;
    BEGIN;
    DELETE FROM copy;
    UPDATE sample SET body = zeroblob(10);
    ROLLBACK;
    DELETE FROM sample WHERE id > 350;
    VACUUM;
    PRAGMA user_version = 7;
    UPDATE sample SET note = 'last' WHERE id = 9;
";

const MODES: [&str; 5] = [
    "PRAGMA journal_mode = WAL",
    "PRAGMA journal_mode = TRUNCATE",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA journal_mode = PERSIST",
    "PRAGMA page_size = 1024; PRAGMA journal_mode = WAL",
];

fn run(connection: &Connection, mode: &str) {
    connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE").unwrap();
    connection.execute_batch(mode).unwrap();
    connection.execute_batch(SCRIPT).unwrap();
}

fn expected(mode: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let connection = Connection::open(directory.path().join("store.db")).unwrap();
    run(&connection, mode);
    dump(&connection)
}

/// Shows that normal use gives what a file gives, in each journal mode: while open, after a close,
/// and after the process was killed, when all must be read back from the journal as stored.
#[test]
fn normal_use_equals_a_file() {
    let vfs = new_vfs();
    for mode in MODES {
        let expected = expected(mode);
        let disk = Disk::new(&vfs, 1);
        let connection = disk.open("store.db").unwrap();
        run(&connection, mode);
        assert_eq!(dump(&connection), expected, "{mode}, open");

        let killed = Disk::from_image(&vfs, &disk.clone_image(), 2);
        let reopened = killed.open("store.db").unwrap();
        reopened.execute_batch("PRAGMA locking_mode = EXCLUSIVE").unwrap();
        assert_eq!(dump(&reopened), expected, "{mode}, killed");

        drop(connection);
        assert_eq!(disk.open_handles(), 0);
        let reopened = disk.open("store.db").unwrap();
        reopened.execute_batch("PRAGMA locking_mode = EXCLUSIVE").unwrap();
        assert_eq!(dump(&reopened), expected, "{mode}, closed");
    }
}

/// What the database holds at each moment of the script at which no transaction is open.
fn committed_states(mode: &str) -> BTreeSet<String> {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(mode).unwrap();
    let mut states = BTreeSet::from([dump(&connection)]);
    let mut batch = Batch::new(&connection, SCRIPT);
    while let Some(mut statement) = batch.next().unwrap() {
        let mut rows = statement.raw_query();
        while rows.next().unwrap().is_some() {}
        drop(rows);
        if connection.is_autocommit() {
            states.insert(dump(&connection));
        }
    }
    states
}

/// Shows that a database whose big transactions are spilled over several journal segments is, after
/// a stop anywhere, in a state between two transactions: what the journals store, checksums
/// included, is what SQLite recovers by.
#[test]
fn spilled_transactions_recover() {
    let vfs = new_vfs();
    for (number, mode) in MODES.into_iter().enumerate() {
        let whole = Disk::new(&vfs, 1);
        run(&whole.open("store.db").unwrap(), mode);
        let states = committed_states(mode);
        let mut random = ChaCha8Rng::seed_from_u64(number as u64);
        let points = whole.operations();
        assert!(points > 500, "{mode}: only {points} operations");
        for point in (0..points).step_by(points as usize / 70) {
            let disk = Disk::new(&vfs, 1);
            disk.fail_at(point, Fault::Crash);
            if let Ok(connection) = disk.open("store.db") {
                let _ = connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE");
                let _ = connection.execute_batch(mode);
                let _ = connection.execute_batch(SCRIPT);
            }
            let stopped = disk.clone_image();
            disk.crash(CrashMode::Mixed, &mut random);
            // What was written in order is what must make sense as it is; what was torn, too.
            for disk in [disk, Disk::from_image(&vfs, &stopped, 1)] {
                let connection = disk.open("store.db").unwrap();
                connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE").unwrap();
                let verdict: String =
                    connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
                assert_eq!(verdict, "ok", "{mode}, stopped at {point}");
                assert!(states.contains(&dump(&connection)), "{mode}, stopped at {point}");
            }
        }
    }
}
