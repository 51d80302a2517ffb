//! Your own backend behind the SDK: two devices and a server that lives in this process.
//!
//! `shared/backend.rs` is the whole server. It keeps `Transport`'s contract: an operation takes
//! effect at most once, and `Ok` is only ever said for what has really been done.

#[path = "shared/backend.rs"]
mod backend;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use clarity_client::{Client, ClientOptions, EntityType, Fields, SyncEnd};

use backend::Backend;

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let open = |name: &str| Client::open(ClientOptions::new(directory.path().join(name)));
    let (phone, laptop) = (open("phone.db")?, open("laptop.db")?);
    let backend = Arc::new(Backend::default());

    // The phone has no network: the write is kept, and the sync says why it waits.
    backend.set_offline(true);
    let key = phone.new_key(&EntityType::new("Note")?)?;
    phone.create(&key, Fields::from([("text", "from the phone".into())]))?;
    let report = phone.sync(Arc::clone(&backend), Duration::ZERO, |_| {}).await?;
    assert!(matches!(report.end, SyncEnd::OutOfPatience(_)));
    assert_eq!(report.status.waiting, 1);

    // The network is back.
    backend.set_offline(false);
    let report = phone.sync(Arc::clone(&backend), PATIENCE, |_| {}).await?;
    assert_eq!((report.end, report.status.waiting), (SyncEnd::Done, 0));

    laptop.sync(backend, PATIENCE, |_| {}).await?;
    let note = laptop.get(&key)?.ok_or("the note arrived")?;
    assert_eq!(note.fields["text"], "from the phone");
    println!("the note arrived as version {}", note.version.0);
    Ok(())
}
