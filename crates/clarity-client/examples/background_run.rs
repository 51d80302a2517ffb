//! An app that stays in sync by itself: a run in the background, and somebody who watches; and the
//! short windows of systems that let nothing run.

#[path = "shared/backend.rs"]
mod backend;

use std::error::Error;
use std::sync::Arc;

use clarity_client::engine::store::EndedAs;
use clarity_client::{BACKGROUND_TIME, BackgroundEnd, BackgroundWork};
use clarity_client::{Client, ClientOptions, EntityType, Fields, OperationStatus, Write};
use tokio::sync::oneshot;

use backend::Backend;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let client = Client::open(ClientOptions::new(directory.path().join("health.db")))?;
    let mut changes = client.watch();

    let (stop, stopped) = oneshot::channel::<()>();
    let backend = Backend::default();
    let background = tokio::spawn({
        let (client, backend) = (client.clone(), Arc::new(backend.clone()));
        async move { client.run(backend, async { drop(stopped.await) }).await }
    });

    // An asynchronous task awaits its writes; it is durable when the future is ready.
    let key = client.new_key(&EntityType::new("Note")?)?;
    let fields = Fields::from([("text", "written while syncing".into())]);
    let write = Write::Create { key: key.clone(), fields, parents: Vec::new() };
    let operation = client.submit(write)?.await?.operations[0];

    // Whoever watches hears of every change, and of the end of each operation.
    loop {
        let change = changes.recv().await?;
        if change.ended.contains(&(operation, EndedAs::Applied)) {
            break;
        }
    }
    assert_eq!(client.operation(operation).state()?, Some(OperationStatus::Completed));
    assert!(client.get(&key)?.is_some_and(|note| !note.pending));

    drop(stop);
    background.await??;

    // A system that wakes an app for half a minute gets one call, which ends in time and may be
    // cut off anywhere; and so does a silent push, whose bytes may be anything.
    client.create(&client.new_key(&EntityType::new("Note")?)?, Fields::new())?;
    let report = client.sync_within(Arc::new(backend.clone()), &BackgroundWork::default()).await?;
    assert_eq!((report.sent, report.unfinished), (1, false));
    let push = br#"{"aps":{"content-available":1},"sync":{"type":"full"}}"#;
    let end = client.handle_push(Arc::new(backend), push, BACKGROUND_TIME).await;
    assert_eq!(end, BackgroundEnd::NoData);
    println!("the notes were sent in the background");
    Ok(())
}
