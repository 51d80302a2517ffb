//! Tests of the disks in memory; here the store that they use.

mod determinism;
mod disks;
#[cfg(feature = "encryption")]
mod encryption;
mod equality;
mod everywhere;
mod faults;
mod power_loss;

use std::sync::atomic::{AtomicU64, Ordering};

use clarity_sim::vfs::{Disk, DiskImage, MemoryVfs};
use rusqlite::Connection;

/// A VFS for one test.
fn new_vfs() -> MemoryVfs {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::SeqCst);
    MemoryVfs::register(&format!("test-{count}"), count).unwrap()
}

/// How a store keeps its transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeping {
    WalFull,
    WalNormal,
    TruncateFull,
    DeleteExtra,
}

impl Keeping {
    fn pragmas(self) -> &'static str {
        match self {
            Self::WalFull => "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL",
            Self::WalNormal => "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL",
            Self::TruncateFull => "PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = FULL",
            Self::DeleteExtra => "PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA",
        }
    }
}

/// Opens the store of a disk. Checkpoints come often, so that they meet faults too.
fn open(disk: &Disk, keeping: Keeping) -> rusqlite::Result<Connection> {
    let connection = disk.open("store.db")?;
    connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE")?;
    connection.execute_batch(keeping.pragmas())?;
    connection.execute_batch("PRAGMA wal_autocheckpoint = 24")?;
    Ok(connection)
}

/// An empty store, closed.
fn template(vfs: &MemoryVfs) -> DiskImage {
    let disk = Disk::new(vfs, 0);
    let connection = disk.open("store.db").unwrap();
    connection
        .execute_batch(
            "CREATE TABLE row(id INTEGER PRIMARY KEY, body TEXT NOT NULL);
             CREATE INDEX row_by_body ON row(body);
             CREATE TABLE outbox(id INTEGER PRIMARY KEY, operation TEXT NOT NULL);",
        )
        .unwrap();
    drop(connection);
    disk.clone_image()
}

/// Writes one row with its outbox row, and changes an older row, in one transaction.
fn write(connection: &mut Connection, id: i64) -> rusqlite::Result<()> {
    let body = format!("{:0>200}", id * 7919);
    let transaction = connection.transaction()?;
    transaction.prepare_cached("INSERT INTO row VALUES (?1, ?2)")?.execute((id, &body))?;
    transaction
        .prepare_cached("UPDATE row SET body = body || '.' WHERE id = ?1")?
        .execute([id / 2])?;
    transaction.prepare_cached("INSERT INTO outbox VALUES (?1, ?2)")?.execute((id, &body))?;
    transaction.commit()
}

/// Opens the store and writes transactions up to number `last`, until an error; returns how many
/// were acknowledged, and the error.
fn write_until_error(disk: &Disk, keeping: Keeping, last: i64) -> (i64, Option<rusqlite::Error>) {
    let mut acknowledged = 0;
    let outcome = open(disk, keeping).and_then(|mut connection| {
        for id in 1..=last {
            write(&mut connection, id)?;
            acknowledged = id;
        }
        Ok(())
    });
    (acknowledged, outcome.err())
}

/// Opens the store, asserts that it is sound, that rows and outbox go together and have no gap,
/// and returns how many there are.
fn count_sound_rows(disk: &Disk, keeping: Keeping) -> i64 {
    let connection = open(disk, keeping).unwrap();
    let verdict: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    let count_of = |table: &str| {
        let sql =
            format!("SELECT count(*), coalesce(max(id), 0), coalesce(min(id), 1) FROM {table}");
        let counts = connection
            .query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap();
        let (count, newest, oldest): (i64, i64, i64) = counts;
        assert_eq!((count, 1), (newest, oldest), "{table} has a gap");
        count
    };
    let rows = count_of("row");
    assert_eq!(rows, count_of("outbox"), "rows and outbox differ");
    rows
}

/// All that a database holds, as text.
fn dump(connection: &Connection) -> String {
    let mut tables = connection
        .prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name")
        .unwrap();
    let schema = tables
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
        .unwrap()
        .collect::<rusqlite::Result<Vec<_>>>()
        .unwrap();
    let mut text = String::new();
    for (name, sql) in schema {
        text.push_str(&format!("{sql};\n"));
        if !sql.starts_with("CREATE TABLE") {
            continue;
        }
        let mut all = connection.prepare(&format!("SELECT * FROM {name} ORDER BY 1")).unwrap();
        let columns = all.column_count();
        let mut rows = all.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values: Vec<String> =
                (0..columns).map(|at| format!("{:?}", row.get_ref(at).unwrap())).collect();
            text.push_str(&format!("{name}: {}\n", values.join(", ")));
        }
    }
    text
}
