//! The database file: opened again, restored, foreign, newer, dumped.

use std::sync::Arc;

use clarity_protocol::{PullRequest, PushRequest};
use clarity_server::{
    Core, DeviceId, ENTITIES_FILE, RECEIPTS_FILE, RequestError, SqliteOptions, StorageError,
    dump_database,
};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{Client, Server, TestEnvironment, schema};

fn open(options: &SqliteOptions, seed: u64) -> Result<Core, StorageError> {
    Core::open_sqlite(options, schema(), Arc::new(TestEnvironment::new(seed)))
}

/// Shows that epoch, account, entities and receipts are there after opening the file again.
#[test]
fn reopened() {
    let (server, a) = (Server::new(), Client::new(1));
    let create = a.create(("Note", "n"), 0, json!({"at": 1}));
    let first = a.push_one(&server, &create);
    let cursor = server.pull(&a.pull_request()).unwrap().cursor;
    let Server { core, account, directory } = server;
    let epoch = core.epoch();
    drop(core);
    let core = open(&SqliteOptions::new(directory.path().join("server.db")), 99).unwrap();
    assert_eq!(core.epoch(), epoch);
    assert_eq!(core.ensure_account("someone").unwrap(), account);
    let server = Server { core, account, directory };
    assert_eq!(a.push_one(&server, &create).version, first.version);
    let mut request = a.pull_request();
    request.cursor = Some(cursor);
    assert!(server.pull(&request).unwrap().rows.is_empty());
}

/// Shows that a server whose file was set back to an earlier copy refuses cursors from the lost
/// history, even when new changes took the same positions; older cursors stay good.
#[test]
fn set_back_to_a_copy() {
    let (server, a) = (Server::new(), Client::new(1));
    a.push_one(&server, &a.create(("Note", "kept"), 0, json!({})));
    let kept = server.pull(&a.pull_request()).unwrap().cursor;
    let Server { core, account, directory } = server;
    drop(core);
    let path = directory.path().join("server.db");
    assert!(!directory.path().join("server.db-wal").exists());
    let copy = directory.path().join("copy.db");
    std::fs::copy(&path, &copy).unwrap();
    let core = open(&SqliteOptions::new(&path), 2).unwrap();
    let server = Server { core, account, directory };
    a.push_one(&server, &a.create(("Note", "lost"), 0, json!({})));
    let lost = server.pull(&a.pull_request()).unwrap().cursor;

    let restored = open(&SqliteOptions::new(&copy), 3).unwrap();
    let mut request = a.pull_request();
    request.cursor = Some(lost.clone());
    let beyond = restored.pull(account, DeviceId(1), &request);
    assert!(matches!(beyond, Err(RequestError::CursorRefused)));
    let b = Client::new(2);
    let create = b.create(("Note", "other"), 0, json!({}));
    restored.push(account, DeviceId(1), &b.request(&[create])).unwrap();
    let same_position = restored.pull(account, DeviceId(1), &request);
    assert!(matches!(same_position, Err(RequestError::CursorRefused)));
    request.cursor = Some(kept);
    assert_eq!(restored.pull(account, DeviceId(1), &request).unwrap().rows.len(), 1);
}

/// Shows that a server whose file was set back to an earlier copy refuses who has heard of a
/// position that it lost, also when what that device has read is from before the copy, and that
/// nothing of the refused push takes effect; who has heard of earlier ones goes on.
#[test]
fn set_back_behind_what_was_acknowledged() {
    let (server, a) = (Server::new(), Client::new(1));
    let push = |server: &Server, heard, id: &str| {
        let operations = [a.create(("Note", id), 0, json!({}))];
        server.push(&PushRequest { heard, ..a.request(&operations) })
    };
    let kept = push(&server, None, "kept").unwrap().head;
    let cursor = Some(server.pull(&a.pull_request()).unwrap().cursor);
    let copy = server.directory.path().join("copy.db");
    server.core.storage().back_up(&copy).unwrap();
    let lost = push(&server, kept, "lost").unwrap().head;
    assert!(lost.unwrap().seq > kept.unwrap().seq);
    let repeated = server.push(&a.request(&[])).unwrap();
    assert_eq!(repeated.head, lost);

    let core = open(&SqliteOptions::new(&copy), 3).unwrap();
    let restored = Server { core, ..server };
    for id in ["beyond its head", "at the same position"] {
        assert!(matches!(push(&restored, lost, id), Err(RequestError::CursorRefused)));
        let pull = PullRequest { heard: lost, cursor: cursor.clone(), ..a.pull_request() };
        assert!(matches!(restored.pull(&pull), Err(RequestError::CursorRefused)));
        push(&restored, kept, &format!("not {id}")).unwrap();
    }
    let rows = restored.pull(&PullRequest { heard: kept, ..a.pull_request() }).unwrap().rows;
    let ids: Vec<_> = rows.iter().map(|row| row.key.id.as_str()).collect();
    assert_eq!(ids, ["kept", "not beyond its head", "not at the same position"]);
}

/// Shows that opening a file as restored starts a new epoch and keeps the data.
#[test]
fn restored_starts_a_new_epoch() {
    let (server, a) = (Server::new(), Client::new(1));
    a.push_one(&server, &a.create(("Note", "n"), 0, json!({})));
    let cursor = server.pull(&a.pull_request()).unwrap().cursor;
    let Server { core, account, directory } = server;
    drop(core);
    let path = directory.path().join("server.db");
    let options = SqliteOptions { restored: true, ..SqliteOptions::new(path) };
    let core = open(&options, 5).unwrap();
    let mut request = a.pull_request();
    assert_eq!(core.pull(account, DeviceId(1), &request).unwrap().rows.len(), 1);
    request.cursor = Some(cursor);
    assert!(core.pull(account, DeviceId(1), &request).is_err());
}

/// Shows that a backup of a database in use holds what was there, opens as restored, and is never
/// written over a file that exists.
#[test]
fn backed_up() {
    let (server, a) = (Server::new(), Client::new(1));
    a.push_one(&server, &a.create(("Note", "n"), 0, json!({"at": 1})));
    let copy = server.directory.path().join("copy.db");
    server.core.storage().back_up(&copy).unwrap();
    assert!(matches!(server.core.storage().back_up(&copy), Err(StorageError::Io)));
    a.push_one(&server, &a.create(("Note", "later"), 0, json!({})));
    let options = SqliteOptions { restored: true, ..SqliteOptions::new(&copy) };
    let core = open(&options, 9).unwrap();
    assert_ne!(core.epoch(), server.core.epoch());
    let page = core.pull(server.account, DeviceId(1), &Client::new(2).pull_request()).unwrap();
    assert_eq!(page.rows.len(), 1);
    assert_eq!(json!(page.rows[0].fields), json!({"at": 1}));
}

/// Shows that exclusive mode, with one connection, reads and writes the same file.
#[test]
fn exclusive_mode() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("server.db");
    let options = SqliteOptions { exclusive: true, ..SqliteOptions::new(&path) };
    for round in 1..3 {
        let core = open(&options, round).unwrap();
        let account = core.ensure_account("someone").unwrap();
        let a = Client::new(u128::from(round));
        let create = a.create(("Note", &format!("n{round}")), 0, json!({}));
        core.push(account, DeviceId(1), &a.request(&[create])).unwrap();
        let page = core.pull(account, DeviceId(1), &a.pull_request()).unwrap();
        assert_eq!(page.rows.len() as u64, round);
    }
}

/// Shows that files of other programs and of newer versions are refused in words and left alone.
#[test]
fn foreign_and_newer_files() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("other.db");
    std::fs::write(&path, "not a database, certainly not one of ours".repeat(100)).unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(open(&SqliteOptions::new(&path), 1), Err(StorageError::Damaged)));
    assert_eq!(std::fs::read(&path).unwrap(), before);

    let path = directory.path().join("foreign.db");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch("CREATE TABLE theirs(x)").unwrap();
    assert!(matches!(open(&SqliteOptions::new(&path), 1), Err(StorageError::Foreign)));

    let path = directory.path().join("newer.db");
    drop(open(&SqliteOptions::new(&path), 1).unwrap());
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA user_version = 99").unwrap();
    let error = open(&SqliteOptions::new(&path), 1).unwrap_err();
    assert!(matches!(error, StorageError::Newer { found: 99, known: 4 }));
    assert!(error.to_string().contains("newer"));
}

/// Shows a dump of a database that is in use: canonical lines, deleted entities without fields.
#[test]
fn dumped() {
    let (server, a) = (Server::new(), Client::new(1));
    let create = a.create(("Note", "n"), 0, json!({"b": 1, "a": 2}));
    let gone = a.create(("Note", "gone"), 0, json!({"secret": 1}));
    let delete = a.delete(("Note", "gone"), 1);
    a.push(&server, &[create, gone, delete]);
    let out = server.directory.path().join("dump");
    dump_database(&server.directory.path().join("server.db"), &out).unwrap();
    let entities = std::fs::read_to_string(out.join(ENTITIES_FILE)).unwrap();
    let lines: Vec<&str> = entities.lines().collect();
    assert_eq!(lines.len(), 2);
    let from_fields = lines[0].split_once("\"fields\":").unwrap().1;
    assert!(from_fields.starts_with(r#"{"a":2,"b":1},"id":"n","seq":1,"type":"Note""#));
    assert!(lines[1].contains(r#""deleted":true,"id":"gone""#));
    assert!(!entities.contains("secret"));
    let receipts = std::fs::read_to_string(out.join(RECEIPTS_FILE)).unwrap();
    assert_eq!(receipts.lines().count(), 3);
    assert!(receipts.lines().next().unwrap().contains(r#""counter":1,"incarnation":"0000"#));
}

/// Shows every table and index of the database; whoever changes one adds a migration.
#[test]
fn tables() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("server.db");
    drop(open(&SqliteOptions::new(&path), 1).unwrap());
    let connection = rusqlite::Connection::open(&path).unwrap();
    let version: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    let mut select = connection
        .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type DESC, name")
        .unwrap();
    let rows = select.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let sql: Vec<String> = rows.map(Result::unwrap).collect();
    insta::assert_snapshot!(format!("format {version}\n\n{}", sql.join(";\n\n")));
}

/// Shows that a database of each released format opens, with its accounts, entities, receipts and
/// cursors.
#[test]
fn databases_of_released_formats() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/server-1.db");
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("server.db");
    std::fs::copy(golden, &path).unwrap();
    let core = open(&SqliteOptions::new(&path), 50).unwrap();
    assert_eq!(core.epoch().to_string(), "4663ededd347326ce7d565949b56b1ea");
    let account = core.ensure_account("someone").unwrap();
    let server = Server { core, account, directory };
    let note = server.entity("Note", "n").unwrap();
    assert_eq!((note.version.0, json!(note.fields)), (2, json!({"title": "two", "count": 1})));
    assert!(server.entity("Note", "gone").unwrap().deleted);
    let a = golden_history();
    let again = a.1.iter().map(|operation| a.0.push_one(&server, operation).version.unwrap().0);
    assert_eq!(again.collect::<Vec<_>>(), [1, 2, 1, 2]);
    let mut request = a.0.pull_request();
    request.cursor = Some(serde_json::from_str(include_str!("../golden/cursor-1.json")).unwrap());
    assert_eq!(server.pull(&request).unwrap().rows.len(), 1);
}

/// The operations whose effects the database of format 1 holds.
fn golden_history() -> (Client, [clarity_protocol::WireOperation; 4]) {
    let a = Client::new(1);
    let operations = [
        a.create(("Note", "n"), 0, json!({"title": "one", "count": 1})),
        a.update(("Note", "n"), 1, json!([{"field": "title", "old": "one", "new": "two"}])),
        a.create(("Note", "gone"), 0, json!({"title": "x"})),
        a.delete(("Note", "gone"), 1),
    ];
    (a, operations)
}

/// Shows that the history of the kept database still gives that database's contents, and writes it
/// anew when asked to, for a new format.
#[test]
fn golden_database_can_be_made() {
    let server = Server::new();
    let (a, operations) = golden_history();
    a.push(&server, &operations[..3]);
    let cursor = server.pull(&a.pull_request()).unwrap().cursor;
    a.push(&server, &operations[3..]);
    assert_eq!(server.entities().len(), 2);
    let Server { core, directory, .. } = server;
    drop(core);
    if let Some(target) = std::env::var_os("CLARITY_GOLDEN_DIRECTORY") {
        let target = std::path::PathBuf::from(target);
        std::fs::copy(directory.path().join("server.db"), target.join("server-1.db")).unwrap();
        let cursor = serde_json::to_string(&cursor).unwrap();
        std::fs::write(target.join("cursor-1.json"), cursor + "\n").unwrap();
    }
}
