//! A device whose store was damaged: what a person wrote reaches the server all the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clarity_client::engine::store::OpenOptions;
use clarity_client::model::EntityKey;
use clarity_client::{Client, ClientOptions, ErrorKind, HttpTransport, Recovery, SyncEnd};
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

use super::{Device, Hub, PATIENCE, note};

const PAGE: usize = 4_096;
const NOTES: u64 = 200;

/// The page where a table or an index begins.
fn root(store: &Path, name: &str) -> usize {
    let connection = Connection::open(store).unwrap();
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
    let page: i64 = connection.query_row(sql, [name], |row| row.get(0)).unwrap();
    usize::try_from(page).unwrap() - 1
}

fn spoil(store: &Path, pages: &[usize]) {
    let mut bytes = fs::read(store).unwrap();
    for page in pages {
        bytes[page * PAGE..(page + 1) * PAGE].fill(0x5a);
    }
    fs::write(store, bytes).unwrap();
}

/// A closed store of a signed-in device: half of its notes are on the server, then all were
/// edited, and one was deleted.
async fn written(hub: &Hub, folder: &TempDir) -> PathBuf {
    let path = folder.path().join("store.db");
    let client = Client::open(ClientOptions::new(&path)).unwrap();
    let transport = Arc::new(HttpTransport::new(&hub.address).unwrap());
    let device = Device { client, transport, _directory: TempDir::new().unwrap() };
    device.sign_in("anna").await;
    for number in 0..NOTES / 2 {
        device.create(&key(number), json!({"title": "first", "at_ms": number}));
    }
    device.sync_all().await;
    for number in NOTES / 2..NOTES {
        device.create(&key(number), json!({"title": "first", "at_ms": number}));
    }
    for number in 0..NOTES - 1 {
        device.update(&key(number), json!({"title": format!("second {number}")}));
    }
    device.client.delete(&key(0), None).unwrap();
    path
}

fn key(number: u64) -> EntityKey {
    note(&format!("note-{number}"))
}

fn recover(path: &Path) -> Recovery {
    Client::recover(&ClientOptions::new(path), false).unwrap().unwrap()
}

/// Shows that, whichever part of a store is damaged, everything that a person wrote is on the
/// server and on another device after the next sync, each once: with the definitions gone, the
/// whole queue gone, what the server confirmed gone, or the indexes gone.
#[tokio::test]
async fn what_was_written_survives_damage() {
    for part in ["header", "operation", "confirmed", "operation_by_lane", "cursor_part"] {
        let hub = Hub::start();
        let first = hub.sign_up("anna").await;
        let folder = TempDir::new().unwrap();
        let path = written(&hub, &folder).await;
        if part == "header" {
            let mut bytes = fs::read(&path).unwrap();
            bytes[..100].fill(0);
            fs::write(&path, bytes).unwrap();
        } else {
            spoil(&path, &[root(&path, part)]);
        }
        let damaged = fs::read(&path).unwrap();
        let recovery = recover(&path);
        assert!(fs::read(&recovery.salvaged.moved_to).unwrap() == damaged, "{part}");
        if part == "operation" {
            assert_eq!(recovery.operations.kept, 0, "{recovery:?}");
            assert!(recovery.operations.rebuilt > 0, "{recovery:?}");
        }
        let client = Client::open(ClientOptions::new(&path)).unwrap();
        assert_eq!(client.last_recovery().unwrap(), Some(recovery));
        let transport = Arc::new(HttpTransport::new(&hub.address).unwrap());
        let report = client.sync(transport, PATIENCE, |_| {}).await.unwrap();
        assert_eq!((report.end, report.status.waiting), (SyncEnd::Done, 0), "{part}");
        assert_eq!((report.status.failed, report.status.conflicts), (0, 0), "{part}");
        first.sync_all().await;
        for number in 1..NOTES - 1 {
            let title = first.field(&key(number), "title");
            assert_eq!(title, Some(json!(format!("second {number}"))), "{part}");
        }
        assert_eq!(first.field(&key(NOTES - 1), "title"), Some(json!("first")));
        assert!(first.client.get(&key(0)).unwrap().is_none(), "{part}");
        hub.stop().await;
    }
}

/// Shows that damage that is met while a store is in use stops the sync by name, fails reads and
/// writes in words, and is still known when the store is opened again.
#[tokio::test]
async fn damage_that_is_met_has_a_name() {
    let hub = Hub::start();
    let _first = hub.sign_up("anna").await;
    let folder = TempDir::new().unwrap();
    let path = written(&hub, &folder).await;
    spoil(&path, &[root(&path, "entity_Note")]);
    let options = ClientOptions { store: OpenOptions::new(&path), ..ClientOptions::new(&path) };
    let client = Client::open(options).unwrap();
    let error = client.get(&key(3)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(error.to_string().contains("recovering saves"), "{error}");
    let status = client.status().unwrap();
    assert_eq!(status.attention.first(), Some(&clarity_client::engine::Attention::Damaged));
    assert_eq!(status.stalled.unwrap().why, clarity_client::engine::Pause::Damaged);
    let transport = Arc::new(HttpTransport::new(&hub.address).unwrap());
    let report = client.sync(transport, PATIENCE, |_| {}).await.unwrap();
    assert!(matches!(report.end, SyncEnd::Stalled(_)));
    drop(client);
    let again = Client::open(ClientOptions::new(&path)).map(|_| ()).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Damaged);
    hub.stop().await;
}
