//! Quick start: a store, an entity, a change, and where the sync stands. There is no network in it.

use std::collections::BTreeMap;
use std::error::Error;

use clarity_client::{Client, ClientOptions, EntityType, Fields};

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let client = Client::open(ClientOptions::new(directory.path().join("health.db")))?;

    // Durable when the call returns, and seen by every read from then on.
    let key = client.new_key(&EntityType::new("Note")?)?;
    client.create(&key, Fields::from([("text", "slept well".into())]))?;

    // A form shows a note; what it saw goes back with the change, so that the person cannot
    // overwrite something that arrived meanwhile.
    let note = client.get(&key)?.ok_or("the note is there")?;
    let changes = BTreeMap::from([("text".to_owned(), Some("slept very well".into()))]);
    client.update(&key, changes, Some(note.read_version()))?;

    let note = client.get(&key)?.ok_or("the note is there")?;
    assert_eq!(note.fields["text"], "slept very well");
    assert!(note.pending, "it waits to be sent");

    let status = client.status()?;
    assert_eq!(status.waiting, 2);
    println!("{} changes wait for a sync; nothing is lost meanwhile", status.waiting);
    Ok(())
}
