//! Reads and writes of one store, with no network at all.

use std::collections::BTreeMap;

use clarity_client::engine::store::{Birth, OpenOptions, Store};
use clarity_client::model::{Counter, EntityKey, Incarnation, Kind, LocalTime, Schema};
use clarity_client::{
    Client, ClientError, ClientOptions, ErrorKind, Fields, OperationStatus, Write,
};
use serde_json::json;

fn key(id: &str) -> EntityKey {
    EntityKey::new("Note", id).unwrap()
}

fn title(title: &str) -> Fields {
    Fields::from([("title", title.into())])
}

/// A client over a new store, with the directory that holds it.
fn client() -> (tempfile::TempDir, Client) {
    let directory = tempfile::tempdir().unwrap();
    let client = Client::open(ClientOptions::new(directory.path().join("store.db"))).unwrap();
    (directory, client)
}

/// Shows promise I1 as far as a process can: what was written is there after the store was closed.
#[test]
fn a_write_is_there_after_the_store_was_closed() {
    let (directory, client) = client();
    client.create(&key("n"), title("a")).unwrap();
    drop(client);
    let client = Client::open(ClientOptions::new(directory.path().join("store.db"))).unwrap();
    let note = client.get(&key("n")).unwrap().unwrap();
    assert_eq!((note.fields, note.pending), (title("a"), true));
    assert_eq!(client.status().unwrap().waiting, 1);
}

/// Shows that blocking calls may be made from anywhere, also inside an asynchronous task.
#[tokio::test]
async fn blocking_calls_work_inside_a_task() {
    let (_directory, client) = client();
    client.create(&key("n"), title("a")).unwrap();
    assert_eq!(client.get(&key("n")).unwrap().unwrap().fields, title("a"));
}

/// Shows that a write whose caller lost interest is made all the same, and disturbs nobody.
#[tokio::test]
async fn an_abandoned_write_is_still_made() {
    let (_directory, client) = client();
    let create = |id| Write::Create { key: key(id), fields: title("a"), parents: Vec::new() };
    drop(client.submit(create("abandoned")).unwrap());
    client.submit(create("awaited")).unwrap().await.unwrap();
    assert!(client.get(&key("abandoned")).unwrap().is_some());
}

/// Shows that one refused write among many that share a commit fails alone.
#[test]
fn a_refused_write_does_not_disturb_its_neighbours() {
    let (_directory, client) = client();
    client.create(&key("taken"), title("a")).unwrap();
    let create = |id: &str| {
        client.submit(Write::Create { key: key(id), fields: title("b"), parents: Vec::new() })
    };
    let ids = ["one", "taken", "two"];
    let futures: Vec<_> = ids.iter().map(|id| create(id).unwrap()).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let results: Vec<_> = futures.into_iter().map(|f| runtime.block_on(f)).collect();
    assert!(results[0].is_ok() && results[2].is_ok());
    assert_eq!(results[1].as_ref().unwrap_err().kind(), ErrorKind::State);
}

/// Shows that 16 writers at once make every one of their writes, each durable when it returns.
#[test]
fn sixteen_writers_share_commits_and_lose_nothing() {
    let (directory, client) = client();
    std::thread::scope(|scope| {
        for writer in 0..16 {
            let client = &client;
            scope.spawn(move || {
                for n in 0..25 {
                    client.create(&key(&format!("{writer}-{n}")), title("a")).unwrap();
                }
            });
        }
    });
    let reader = Client::open(ClientOptions::new(directory.path().join("store.db"))).unwrap();
    assert_eq!(reader.counts().unwrap().values().sum::<u64>(), 400);
    assert_eq!(reader.newest_operation().unwrap(), Counter(400));
}

/// Shows that writes which wait for the disk at the same time share its next commit, whatever their
/// number.
#[test]
fn waiting_writes_share_a_commit() {
    let (directory, client) = client();
    let mut changes = client.watch();
    let options = OpenOptions::new(directory.path().join("store.db"));
    let birth = Birth { incarnation: Incarnation(1), now: LocalTime(0) };
    let schema = std::sync::Arc::new(Schema::shipped().unwrap());
    let mut other = Store::open(&options, schema, birth).unwrap();
    let busy = other.begin().unwrap();
    let create = |n: u32| Write::Create {
        key: key(&format!("n{n}")),
        fields: title("a"),
        parents: Vec::new(),
    };
    let writes: Vec<_> = (0..64).map(|n| client.submit(create(n)).unwrap()).collect();
    drop(busy);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for write in writes {
        runtime.block_on(write).unwrap();
    }
    let mut commits = 0;
    while changes.try_recv().is_ok() {
        commits += 1;
    }
    assert!(commits <= 2, "the first, and one for all that came while it waited: {commits}");
}

/// Shows that two clients of one file see each other's writes, and that their operations never
/// share a number.
#[test]
fn two_clients_of_one_store_see_each_other() {
    let (directory, one) = client();
    let two = Client::open(ClientOptions::new(directory.path().join("store.db"))).unwrap();
    let first = one.create(&key("one"), title("a")).unwrap().operations[0];
    let second = two.create(&key("two"), title("b")).unwrap().operations[0];
    assert_ne!(first, second);
    assert!(one.get(&key("two")).unwrap().is_some());
    assert!(two.get(&key("one")).unwrap().is_some());
}

/// Shows that a form which was opened before a change cannot overwrite what its user never saw.
#[test]
fn an_update_names_what_its_writer_saw() {
    let (_directory, client) = client();
    client.create(&key("n"), title("a")).unwrap();
    let form = client.get(&key("n")).unwrap().unwrap().read_version();
    let rename = |to: &str| BTreeMap::from([("title".to_owned(), Some(json!(to)))]);
    client.update(&key("n"), rename("b"), None).unwrap();
    client.update(&key("n"), rename("c"), Some(form)).unwrap();
    let conflict = client.conflicts(None, 10).unwrap().remove(0);
    assert_eq!(conflict.fields[0].base, Some(json!("a")));
}

/// Shows what the queue tells of its operations, without a single value.
#[test]
fn the_queue_tells_of_its_operations() {
    let (_directory, client) = client();
    client.create(&key("n"), title("a secret")).unwrap();
    client.delete(&key("n"), None).unwrap();
    let queue = client.queue(Counter(0), 10).unwrap();
    let kinds: Vec<_> = queue.iter().map(|change| (change.kind, change.status)).collect();
    let pending = OperationStatus::Pending;
    assert_eq!(kinds, [(Kind::Create, pending), (Kind::Delete, pending)]);
    assert_eq!(client.operation(Counter(2)).state().unwrap(), Some(pending));
    assert_eq!(client.operation(Counter(3)).state().unwrap(), None);
    assert!(!format!("{queue:?}").contains("secret"));
}

/// Shows that errors say of what kind they are, and that their words hold no value.
#[test]
fn errors_have_a_kind_and_words_without_values() {
    let (directory, client) = client();
    let missing = client.delete(&key("missing"), None).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    let large = client.create(&key("n"), title(&"secret".repeat(50_000))).unwrap_err();
    assert_eq!(large.kind(), ErrorKind::Invalid);
    assert!(!large.to_string().contains("secret") && !format!("{large:?}").contains("secret"));
    let foreign = directory.path().join("foreign.txt");
    std::fs::write(&foreign, "not a database, but somebody's notes").unwrap();
    let error = Client::open(ClientOptions::new(&foreign)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(std::fs::read_to_string(&foreign).unwrap().starts_with("not a database"));
}

/// Shows that a full disk refuses the write with its own kind, and everything before it is kept.
#[test]
fn a_full_store_refuses_and_keeps() {
    let (_directory, client) = client();
    client.create(&key("kept"), title("a")).unwrap();
    client.set_size_limit(client.size().unwrap().bytes).unwrap();
    let text = Fields::from([("text", "x".repeat(200_000).into())]);
    let refused = (0..20).find_map(|n| client.create(&key(&format!("{n}")), text.clone()).err());
    assert_eq!(refused.map(|error: ClientError| error.kind()), Some(ErrorKind::StorageFull));
    assert!(client.get(&key("kept")).unwrap().is_some());
    client.set_size_limit(1 << 40).unwrap();
    client.create(&key("again"), title("b")).unwrap();
}
