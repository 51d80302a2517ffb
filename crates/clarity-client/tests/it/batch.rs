//! Many writes in a stream.

use std::cell::Cell;

use clarity_client::model::EntityKey;
use clarity_client::{BatchCause, Client, ClientOptions, Counter, ErrorKind, Fields, Write};

fn key(number: u64) -> EntityKey {
    EntityKey::new("HealthMetric", format!("m{number}")).unwrap()
}

fn create(number: u64) -> Write {
    let fields = Fields::from([("metric", "heart_rate".into()), ("value", number.into())]);
    Write::Create { key: key(number), fields, parents: Vec::new() }
}

fn client() -> (tempfile::TempDir, Client) {
    let directory = tempfile::tempdir().unwrap();
    let client = Client::open(ClientOptions::new(directory.path().join("store.db"))).unwrap();
    (directory, client)
}

/// Shows that 100,000 writes are taken from their source a thousand at a time, each part durable
/// before the next is asked for, and that each is an operation of its own.
#[test]
fn a_hundred_thousand_writes_in_bounded_memory() {
    const WRITES: u64 = 100_000;
    let (directory, client) = client();
    let (taken, durable, ahead) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let writes = (0..WRITES).map(|number| {
        taken.set(taken.get() + 1);
        ahead.set(ahead.get().max(taken.get() - durable.get()));
        create(number)
    });
    let done = client.enqueue_batch(writes, |progress| durable.set(progress.durable)).unwrap();
    assert_eq!((done.durable, done.operations), (WRITES, WRITES));
    assert_eq!(done.last_operation, Some(Counter(WRITES)));
    assert!(ahead.get() <= 1_001, "{} were in memory at once", ahead.get());
    drop(client);
    let client = Client::open(ClientOptions::new(directory.path().join("store.db"))).unwrap();
    assert_eq!(client.status().unwrap().waiting, WRITES);
    assert_eq!(client.queue(Counter(0), 2).unwrap()[1].batch, None);
}

/// Shows that large writes make small parts, so that memory is bounded in bytes as well.
#[test]
fn large_writes_make_small_parts() {
    let (_directory, client) = client();
    let writes = (0..12).map(|number| {
        let fields = Fields::from([("note", "x".repeat(200_000).into())]);
        Write::Create { key: key(number), fields, parents: Vec::new() }
    });
    let mut parts = Vec::new();
    client.enqueue_batch(writes, |progress| parts.push(progress.durable)).unwrap();
    assert_eq!(parts, [5, 10, 12]);
}

/// Shows that a refused write ends the batch there: the writes before it are durable, those from it
/// on are not made, and the error says so. After mending it the rest can follow.
#[test]
fn a_refused_write_says_how_much_is_durable() {
    let (directory, client) = client();
    client.create(&key(1_500), Fields::new()).unwrap();
    let error = client.enqueue_batch((0..2_000).map(create), |_| {}).unwrap_err();
    assert_eq!((error.progress.durable, error.progress.operations), (1_500, 1_500));
    let words = error.to_string();
    assert!(words.contains("write 1500") && words.contains("1500 writes are saved"), "{words}");
    assert!(matches!(error.cause, BatchCause::Refused { position: 1_500, .. }), "{words}");
    drop(client);
    let client = Client::open(ClientOptions::new(directory.path().join("store.db"))).unwrap();
    assert!(client.get(&key(1_499)).unwrap().is_some());
    assert!(client.get(&key(1_501)).unwrap().is_none());
    client.enqueue_batch((1_501..2_000).map(create), |_| {}).unwrap();
    assert_eq!(client.status().unwrap().waiting, 2_000);
}

/// Shows that when the source fails, what it gave before is kept, and that a full disk is told as
/// that with what is durable.
#[test]
fn a_failing_source_or_disk_keeps_what_came_before() {
    let (_directory, client) = client();
    let writes = (0..3).map(|number| if number < 2 { Ok(create(number)) } else { Err("torn") });
    let error = client.try_enqueue_batch(writes, |_| {}).unwrap_err();
    assert_eq!(error.to_string(), "torn; the first 2 writes are saved");
    assert!(matches!(error.cause, BatchCause::Source("torn")));
    let bytes = client.size().unwrap().bytes;
    client.set_size_limit(bytes + 1_000_000).unwrap();
    let error = client.enqueue_batch((10..100_000).map(create), |_| {}).unwrap_err();
    let BatchCause::Client(cause) = error.cause else { panic!("{error:?}") };
    assert_eq!(cause.kind(), ErrorKind::StorageFull);
    assert_eq!(client.status().unwrap().waiting, 2 + error.progress.durable);
}
