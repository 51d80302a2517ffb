//! Looking into a store past everything that this crate does, with SQLite alone.
//!
//! The form of an encrypted store is written down here once more, on its own: a store that this
//! opens is one that every later version must open.

use clarity_store::{OpenOptions, StoreKey};
use rusqlite::{Connection, OpenFlags};

/// Opens a file with the key of the options, if there is one.
pub(crate) fn open(options: &OpenOptions) -> Connection {
    open_with(options, OpenFlags::default())
}

/// Opens a file for reading, tolerant of damage.
pub(crate) fn open_damaged(options: &OpenOptions) -> Connection {
    let connection = open_with(options, OpenFlags::SQLITE_OPEN_READ_ONLY);
    if options.key.is_some() {
        connection.execute_batch("BEGIN").unwrap();
        if connection.query_row("PRAGMA user_version", [], |_| Ok(())).is_ok() {
            connection.execute_batch("PRAGMA cipher_plaintext_header_size = 4016").unwrap();
        }
    }
    connection.execute_batch("PRAGMA writable_schema = ON; PRAGMA cell_size_check = ON").unwrap();
    connection
}

fn open_with(options: &OpenOptions, flags: OpenFlags) -> Connection {
    let connection = Connection::open_with_flags(&options.path, flags).unwrap();
    if let Some(key) = &options.key {
        connection.execute_batch("PRAGMA cipher_log_level = NONE").unwrap();
        connection.execute_batch(&specification(key)).unwrap();
        connection.execute_batch("PRAGMA cipher_plaintext_header_size = 32").unwrap();
    }
    connection
}

fn specification(key: &StoreKey) -> String {
    let context = "Clarity Sync 2026-11 salt of an encrypted store";
    let bytes: Vec<u8> = (0..32)
        .map(|at| u8::from_str_radix(&key.to_hex()[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    let salt: String = blake3::derive_key(context, &bytes)[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("PRAGMA key = \"x'{}{salt}'\"", *key.to_hex())
}

/// Everything in a file: definitions and rows, table by table.
#[cfg(feature = "encryption")]
pub(crate) fn dump(options: &OpenOptions) -> Vec<String> {
    let connection = open(options);
    let names = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    let lines = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        let columns = statement.column_count();
        let line = |row: &rusqlite::Row<'_>| {
            let values = (0..columns).map(|column| format!("{:?}", row.get_ref(column).unwrap()));
            Ok(values.collect::<Vec<_>>().join(" "))
        };
        statement.query_map([], line).unwrap().map(Result::unwrap).collect()
    };
    let mut all = lines("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name");
    let mut statement = connection.prepare(names).unwrap();
    let tables: Vec<String> =
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    for table in tables {
        let mut rows = lines(&format!("SELECT * FROM \"{table}\""));
        rows.sort();
        all.push(format!("{table}: {}", rows.len()));
        all.extend(rows);
    }
    for name in ["application_id", "user_version", "auto_vacuum"] {
        all.extend(lines(&format!("PRAGMA {name}")));
    }
    all
}
