//! A backend that speaks REST, makes the ids of what is created, and answers 409 for what is stale.
//!
//! `shared/rest_server.rs` is the whole backend. A plan and a step that names it are made without a
//! network. When they arrive, the backend gives both other ids; everything here follows, and the
//! old keys still lead to the same entities.

#[path = "shared/rest_server.rs"]
mod rest_server;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use clarity_client::rest::{Endpoint, Feed, RestBackend, RestTransport, Versions};
use clarity_client::{Client, ClientOptions, EntityType, Fields, Schema, SyncEnd};
use serde_json::json;

use rest_server::RestServer;

const PATIENCE: Duration = Duration::from_secs(10);

/// A step names its plan, so the plan is sent first, and the step arrives with the plan's new id.
const SCHEMA: &str = r#"{
    "format": 1, "name": "plans", "version": 1, "types": {
        "Plan": { "fields": { "title": { "column": "text" } } },
        "Step": { "fields": {
            "plan": { "column": "text", "references": { "type": "Plan" } },
            "title": { "column": "text" }
        } }
    }
}"#;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let server = RestServer::start()?;
    let feed = || Feed::since("since", "change").limit("limit", 100);
    let (plan, step) = (EntityType::new("Plan")?, EntityType::new("Step")?);
    let backend = RestBackend::new(&server.address)?
        .with(plan.clone(), Endpoint::new("/plans").read_by(feed()))
        .with(step.clone(), Endpoint::new("/steps").read_by(feed()))
        .versions(Versions::ETag { listed_in: "version".to_owned() });
    let transport = Arc::new(RestTransport::new(backend)?);

    let directory = tempfile::tempdir()?;
    let mut options = ClientOptions::new(directory.path().join("phone.db"));
    options.schema = Some(Arc::new(Schema::from_json(SCHEMA)?));
    let phone = Client::open(options)?;

    let (plan, step) = (phone.new_key(&plan)?, phone.new_key(&step)?);
    phone.create(&plan, Fields::from([("title", "Get fit".into())]))?;
    let fields = [("title", "Run".into()), ("plan", plan.id.as_str().into())];
    phone.create(&step, Fields::from(fields))?;
    let report = phone.sync(Arc::clone(&transport), PATIENCE, |_| {}).await?;
    assert_eq!((report.end, report.status.waiting), (SyncEnd::Done, 0));

    // The key that the app has still leads to the entity, which names the one that it has now.
    let now = phone.get(&plan)?.ok_or("the plan is there")?.key;
    assert_ne!(now, plan);
    let arrived = phone.get(&step)?.ok_or("the step is there")?;
    assert_eq!(arrived.fields["plan"], json!(now.id.as_str()));

    // Somebody else edits the plan meanwhile: both edits are kept.
    server.change(&format!("/plans/{}", now.id), &json!({ "place": "the park" }));
    phone.update(&plan, BTreeMap::from([("title".to_owned(), Some("Get fitter".into()))]), None)?;
    phone.sync(transport, PATIENCE, |_| {}).await?;
    let item = server.item(&format!("/plans/{}", now.id)).ok_or("the plan is there")?;
    assert_eq!((&item["title"], &item["place"]), (&json!("Get fitter"), &json!("the park")));
    println!("the plan is now {} of the backend", now.id);
    Ok(())
}
