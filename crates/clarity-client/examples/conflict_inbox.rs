//! A true conflict waits in the inbox with both versions, until a person chooses.

#[path = "shared/backend.rs"]
mod backend;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use clarity_client::model::EntityKey;
use clarity_client::{Client, ClientOptions, Fields, Resolution};
use serde_json::json;

use backend::Backend;

const PATIENCE: Duration = Duration::from_secs(10);

fn rename(client: &Client, key: &EntityKey, title: &str) -> Result<(), Box<dyn Error>> {
    let seen = client.get(key)?.map(|entity| entity.read_version());
    client.update(key, BTreeMap::from([("title".to_owned(), Some(title.into()))]), seen)?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let open = |name: &str| Client::open(ClientOptions::new(directory.path().join(name)));
    let (phone, laptop) = (open("phone.db")?, open("laptop.db")?);
    let backend = Arc::new(Backend::default());
    let key = EntityKey::new("Note", "checkup")?;
    phone.create(&key, Fields::from([("title", "Checkup".into())]))?;
    phone.sync(Arc::clone(&backend), PATIENCE, |_| {}).await?;
    laptop.sync(Arc::clone(&backend), PATIENCE, |_| {}).await?;

    rename(&phone, &key, "Checkup on Monday")?;
    rename(&laptop, &key, "Checkup at 9:00")?;
    phone.sync(Arc::clone(&backend), PATIENCE, |_| {}).await?;
    laptop.sync(Arc::clone(&backend), PATIENCE, |_| {}).await?;

    // The laptop still shows its own version, and keeps both for the person to choose.
    let conflict = laptop.conflicts(None, 10)?.remove(0);
    let field = &conflict.fields[0];
    assert_eq!(field.base, Some(json!("Checkup")));
    assert_eq!(field.local, Some(json!("Checkup at 9:00")));
    assert_eq!(field.server, Some(json!("Checkup on Monday")));

    let both = Some(json!("Checkup on Monday at 9:00"));
    let choice = Resolution::Merged(BTreeMap::from([("title".to_owned(), both.clone())]));
    laptop.resolve(&conflict, choice)?;
    laptop.sync(Arc::clone(&backend), PATIENCE, |_| {}).await?;
    phone.sync(backend, PATIENCE, |_| {}).await?;
    for device in [&phone, &laptop] {
        let note = device.get(&key)?.ok_or("the note is there")?;
        assert_eq!(note.fields.get("title"), both.as_ref());
        assert_eq!(device.status()?.conflicts, 0);
    }
    println!("both devices show what the person chose");
    Ok(())
}
