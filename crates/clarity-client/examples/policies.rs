//! Two devices change one goal while neither sees the other: each field has its policy.

#[path = "shared/backend.rs"]
mod backend;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use clarity_client::model::EntityKey;
use clarity_client::{Client, ClientOptions, Fields};
use serde_json::{Value, json};

use backend::Backend;

const PATIENCE: Duration = Duration::from_secs(10);

fn change(client: &Client, key: &EntityKey, changes: Value) -> Result<(), Box<dyn Error>> {
    let changes: BTreeMap<String, Option<Value>> = serde_json::from_value(changes)?;
    let seen = client.get(key)?.map(|entity| entity.read_version());
    client.update(key, changes, seen)?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let open = |name: &str| Client::open(ClientOptions::new(directory.path().join(name)));
    let (phone, laptop) = (open("phone.db")?, open("laptop.db")?);
    let backend = Arc::new(Backend::default());

    let key = EntityKey::new("Goal", "steps")?;
    let fields: Fields = serde_json::from_value(json!({
        "title": "10,000 steps", "progress": 100, "best": 9_000, "tags": ["walk"], "unit": "steps"
    }))?;
    phone.create(&key, fields)?;
    phone.sync(Arc::clone(&backend), PATIENCE, |_| {}).await?;
    laptop.sync(Arc::clone(&backend), PATIENCE, |_| {}).await?;

    change(&phone, &key, json!({"progress": 150, "best": 9_500, "tags": ["walk", "phone"]}))?;
    change(&laptop, &key, json!({"progress": 130, "best": 9_200, "tags": ["laptop"]}))?;
    change(&laptop, &key, json!({"title": "Ten thousand steps"}))?;
    for device in [&phone, &laptop, &phone] {
        device.sync(Arc::clone(&backend), PATIENCE, |_| {}).await?;
    }

    for device in [&phone, &laptop] {
        let goal = device.get(&key)?.ok_or("the goal is there")?.fields;
        assert_eq!(goal["progress"], json!(180), "a counter adds both differences");
        assert_eq!(goal["best"], json!(9_500), "a maximum keeps the larger");
        assert_eq!(goal["title"], json!("Ten thousand steps"), "only one device changed it");
        let tags = goal["tags"].as_array().ok_or("tags are a list")?;
        assert!(tags.contains(&json!("phone")) && tags.contains(&json!("laptop")));
        assert!(!tags.contains(&json!("walk")), "the laptop removed it");
        assert_eq!(device.status()?.conflicts, 0);
    }
    println!("both devices agree, and nobody was asked anything");
    Ok(())
}
