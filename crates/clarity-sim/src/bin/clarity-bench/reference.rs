//! The reference R: the same columns, indexes, ids, order, page size and durability with plain
//! rusqlite and nothing else. Its source is fixed: figures of different versions compare to it.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

use crate::record::Record;

const TABLES: &str = r#"
    CREATE TABLE reading (
        id BLOB NOT NULL PRIMARY KEY,
        end_ms INTEGER, metric TEXT, note TEXT, source TEXT, start_ms INTEGER, unit TEXT,
        value ANY, extra TEXT, version INTEGER NOT NULL, seq INTEGER NOT NULL,
        updated_at INTEGER NOT NULL, state INTEGER NOT NULL, accessed_at INTEGER,
        import_id INTEGER, profile_id INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX reading_by_time ON reading (metric, start_ms);
    CREATE TABLE operation (
        counter INTEGER PRIMARY KEY, kind INTEGER NOT NULL, type TEXT NOT NULL, id BLOB NOT NULL,
        made_at INTEGER NOT NULL, state INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX operation_by_lane ON operation (type, id, counter);
"#;

pub(crate) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(TABLES)?;
    Ok(connection)
}

fn insert(connection: &Connection, record: &Record, operation: bool) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO reading (id, end_ms, metric, note, source, start_ms, unit, value,
                 version, seq, updated_at, state)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1, 1, 0, 0)",
        )?
        .execute(params![
            record.id,
            record.end_ms,
            record.metric,
            record.note,
            record.source,
            record.start_ms,
            record.unit,
            record.value
        ])?;
    if operation {
        connection
            .prepare_cached(
                "INSERT INTO operation (kind, type, id, made_at, state)
                 VALUES (0, 'Reading', ?1, ?2, 0)",
            )?
            .execute(params![record.id, record.start_ms])?;
    }
    Ok(())
}

/// Row and outbox row, one durable transaction for each `batch` records.
pub(crate) fn write(
    path: &Path,
    records: &[Record],
    batch: usize,
    operation: bool,
) -> rusqlite::Result<Duration> {
    let mut connection = open(path)?;
    let started = Instant::now();
    for batch in records.chunks(batch) {
        let transaction =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        for record in batch {
            insert(&transaction, record, operation)?;
        }
        transaction.commit()?;
    }
    Ok(started.elapsed())
}
