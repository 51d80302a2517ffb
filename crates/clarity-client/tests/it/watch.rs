//! Watching: the value first, then what really is another one.

use std::collections::BTreeMap;
use std::sync::Arc;

use clarity_client::model::{EntityKey, EntityType};
use clarity_client::{Client, ClientOptions, Fields, Flow, Live, Query, Write};
use futures_util::FutureExt;
use serde_json::json;
use tokio::sync::oneshot;

use crate::backend::Backend;

fn client() -> (tempfile::TempDir, Client) {
    let directory = tempfile::tempdir().unwrap();
    let client = Client::open(ClientOptions::new(directory.path().join("store.db"))).unwrap();
    (directory, client)
}

fn note(id: &str) -> EntityKey {
    EntityKey::new("Note", id).unwrap()
}

fn titled(title: &str) -> Fields {
    Fields::from([("title", json!(title))])
}

fn rename(client: &Client, id: &str, title: &str) {
    let changes = BTreeMap::from([("title".to_owned(), Some(json!(title)))]);
    client.update(&note(id), changes, None).unwrap();
}

/// What is given next; there must be something.
async fn given<T>(live: &mut Live<T>) -> T {
    live.next().await.expect("the client is open").unwrap()
}

fn title_of(entity: Option<clarity_client::Entity>) -> Option<String> {
    Some(entity?.fields.get("title")?.as_str()?.to_owned())
}

/// Makes a write and waits until everybody who watches was told of it.
async fn write_and_hear(client: &Client, write: impl FnOnce()) {
    let mut heard = client.watch();
    write();
    heard.recv().await.unwrap();
}

/// Shows that an entity that is watched comes as it is, then as it changes, gone when deleted, and
/// that writes which change nothing of it give nothing.
#[tokio::test]
async fn an_entity_comes_now_and_when_it_changes() {
    let (_directory, client) = client();
    let mut live = client.watch_entity(&note("n"));
    assert_eq!(given(&mut live).await, None);
    client.create(&note("n"), titled("a")).unwrap();
    assert_eq!(title_of(given(&mut live).await).as_deref(), Some("a"));
    write_and_hear(&client, || drop(client.create(&note("other"), titled("x")).unwrap())).await;
    assert!(live.next().now_or_never().is_none(), "another entity is no change of this one");
    // A change and its way back in one batch: the entity was written, and is as it was.
    let there_and_back = ["b", "a"].map(|title| Write::Update {
        key: note("n"),
        changes: BTreeMap::from([("title".to_owned(), Some(json!(title)))]),
        seen: None,
    });
    let batch = Write::Batch { atomic: false, writes: there_and_back.to_vec() };
    write_and_hear(&client, || drop(client.write(batch).unwrap())).await;
    assert!(live.next().now_or_never().is_none(), "it is as it was given");
    rename(&client, "n", "c");
    assert_eq!(title_of(given(&mut live).await).as_deref(), Some("c"));
    client.delete(&note("n"), None).unwrap();
    assert_eq!(given(&mut live).await, None);
}

/// Shows that whoever is slow gets the last state, once, however much lay between, and that a call
/// that was given up loses nothing.
#[tokio::test]
async fn slow_watchers_get_the_last_state_once() {
    let (_directory, client) = client();
    let mut live = client.watch_query(&EntityType::new("Note").unwrap(), &Query::default());
    assert_eq!(given(&mut live).await.len(), 0);
    assert!(live.next().now_or_never().is_none());
    // More than the channel between them holds.
    for number in 0..1_500 {
        let fields = titled("a");
        let key = note(&format!("n{number}"));
        drop(client.submit(Write::Create { key, fields, parents: Vec::new() }).unwrap());
    }
    write_and_hear(&client, || drop(client.create(&note("last"), titled("z")).unwrap())).await;
    while given(&mut live).await.len() < 1_000 {}
    write_and_hear(&client, || rename(&client, "n0", "b")).await;
    let found = given(&mut live).await;
    let renamed = found.iter().find(|there| there.key == note("n0"));
    assert_eq!(renamed.map(|there| &there.fields), Some(&titled("b")));
    assert!(live.next().now_or_never().is_none(), "nothing is given twice");
}

/// Shows that what another process writes is given as well, in any order with this one's writes.
#[tokio::test]
async fn changes_of_another_process_are_given() {
    let (directory, client) = client();
    let mut live = client.watch_entity(&note("n"));
    let mut status = client.watch_status();
    assert_eq!(given(&mut live).await, None);
    assert_eq!(given(&mut status).await.waiting, 0);
    // Another connection with its own thread: nothing but the file is common.
    let other = Client::open(ClientOptions::new(directory.path().join("store.db"))).unwrap();
    other.create(&note("n"), titled("theirs")).unwrap();
    assert_eq!(title_of(given(&mut live).await).as_deref(), Some("theirs"));
    assert_eq!(given(&mut status).await.waiting, 1);
    rename(&client, "n", "ours");
    assert_eq!(title_of(given(&mut live).await).as_deref(), Some("ours"));
    rename(&other, "n", "theirs again");
    assert_eq!(title_of(given(&mut live).await).as_deref(), Some("theirs again"));
    // What changes when to send is no write of an entity, and is told all the same.
    while given(&mut status).await.waiting < 3 {}
    other.pause_sync(None).unwrap();
    assert!(given(&mut status).await.stalled.is_some());
    client.resume_sync().unwrap();
    assert!(given(&mut status).await.stalled.is_none());
}

/// Shows that watching ends when the store is closed, and does not keep it open.
#[tokio::test]
async fn watching_ends_with_the_client() {
    let (_directory, client) = client();
    let mut live = client.watch_entity(&note("n"));
    let mut unread = client.watch_status();
    given(&mut live).await;
    drop(client);
    assert!(live.next().await.is_none());
    assert!(live.next().await.is_none(), "and stays ended");
    assert!(unread.next().await.is_none());
}

/// Shows that a sync is seen from its beginning to its end, each state once.
#[tokio::test]
async fn a_sync_is_seen_to_its_end() {
    let (_directory, client) = client();
    client.create(&note("n"), titled("a")).unwrap();
    let mut live = client.watch_status();
    let first = given(&mut live).await;
    assert_eq!((first.flow, first.waiting), (Flow::Pending, 1));
    let (stop, stopped) = oneshot::channel::<()>();
    let run = client.run(Arc::new(Backend::default()), async { drop(stopped.await) });
    let watch = async {
        let mut last = first;
        loop {
            let status = given(&mut live).await;
            assert_ne!(status, last, "only what differs is given");
            last = status;
            if last.flow == Flow::Synced {
                break;
            }
        }
        assert_eq!(last.waiting, 0);
        drop(stop);
    };
    let (ran, ()) = tokio::join!(run, watch);
    ran.unwrap();
}
