//! Nothing that is somebody's own is logged, by anybody: the SDK, the server, and the libraries
//! under them, with every level heard.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use clarity_client::health::{CsvOptions, HealthFile};
use clarity_client::model::EntityKey;
use clarity_client::rest::{RestBackend, RestTransport};
use clarity_client::{EntityType, SyncEnd, Wanted};
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::{Device, Hub, PASSWORD, PATIENCE};

/// Every planted text has this word in it, in one spelling or another.
const CANARY: &str = "canary";
/// A planted value.
const VALUE: u64 = 8_675_309;

/// Everything that is logged, with every field of it.
#[derive(Default)]
struct Log(Mutex<String>);

struct Recorder<'a>(&'a mut String);

impl Visit for Recorder<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

impl Subscriber for &'static Log {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut log = self.0.lock().unwrap();
        let _ = write!(log, "\n{}", span.metadata().target());
        span.record(&mut Recorder(&mut log));
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, values: &Record<'_>) {
        values.record(&mut Recorder(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut log = self.0.lock().unwrap();
        let _ = write!(log, "\n{}", event.metadata().target());
        event.record(&mut Recorder(&mut log));
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(Log::default)
}

fn key(id: &str) -> EntityKey {
    EntityKey::new("Goal", id).unwrap()
}

/// A device that writes, imports and fetches by the protocol of the server.
async fn by_protocol(hub: &Hub) {
    let first = hub.sign_up("canary-name").await;
    let second = hub.sign_in("canary-name").await;
    first.create(&key("canary-id"), json!({"title": "canary title", "target": VALUE}));
    first.create(&EntityKey::new("CanaryType", "canary-two").unwrap(), json!({"canary_field": 1}));
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("canary-table.csv");
    std::fs::write(&table, format!("start,weight,note\n2024-01-01T08:00:00Z,{VALUE},canary\n"))
        .unwrap();
    let mut file = HealthFile::open(&table, &CsvOptions::default()).unwrap();
    first.client.import_health(&mut file, |_| {}).unwrap();
    let broken = folder.path().join("canary-broken.json");
    std::fs::write(&broken, "{\"resourceType\": \"canary").unwrap();
    if let Ok(mut file) = HealthFile::open(&broken, &CsvOptions::default()) {
        // Whether it is an error or a report is not what this is about.
        let _ = first.client.import_health(&mut file, |_| {});
    }
    first.sync_all().await;
    second.sync_all().await;
    // Both change one field: a conflict, with both values on their way.
    first.update(&key("canary-id"), json!({"title": "canary of the first"}));
    second.update(&key("canary-id"), json!({"title": "canary of the second"}));
    first.sync_all().await;
    let report = second.sync().await;
    assert_eq!(report.status.conflicts, 1);
    let run = second.client.run(Arc::clone(&second.transport), std::future::pending());
    let wanted = Wanted::Key(key("canary-unknown"));
    tokio::select! {
        ended = run => panic!("it ended: {ended:?}"),
        fetched = second.client.fetch(wanted) => drop(fetched.unwrap()),
    }
    // A token that nobody knows, and a server that is not there.
    let refused = second.transport.sign_in("canary-name", "canary-wrong", "canary", {
        second.client.meta().unwrap().incarnation
    });
    assert!(refused.await.is_err());
}

/// A device that sends each change by itself, whose ids are part of the addresses.
async fn by_rest(hub: &Hub) {
    let device = Device::new(&hub.address);
    device.sign_in("canary-name").await;
    let types = [EntityType::new("Goal").unwrap()];
    let backend = RestBackend::clarity(&hub.address, types).unwrap();
    let transport = Arc::new(RestTransport::new(backend).unwrap());
    device.create(&key("canary-rest"), json!({"title": "canary by rest"}));
    for title in ["canary again", "canary at last"] {
        let report = device.client.sync(Arc::clone(&transport), PATIENCE, |_| {}).await.unwrap();
        assert_eq!(report.end, SyncEnd::Done);
        device.update(&key("canary-rest"), json!({"title": title}));
    }
}

/// Shows promise I17 for the logs of a device and a server over real connections, of everything
/// that they and the libraries under them log at any level: of names, passwords, ids, values,
/// files, and tokens, none is in them.
#[tokio::test]
async fn nothing_is_logged_by_anybody() {
    tracing::subscriber::set_global_default(log()).unwrap();
    let hub = Hub::start();
    by_protocol(&hub).await;
    by_rest(&hub).await;
    let address = hub.address.clone();
    hub.stop().await;
    let alone = Device::new(&address);
    alone.create(&key("canary-alone"), json!({"title": "canary"}));
    let patience = Duration::ZERO;
    let report = alone.client.sync(Arc::clone(&alone.transport), patience, |_| {}).await.unwrap();
    assert_ne!(report.end, SyncEnd::Done);

    let logged = log().0.lock().unwrap().clone();
    for heard in ["clarity_server", "hyper"] {
        assert!(logged.contains(heard), "{heard} is heard");
    }
    let leaks = |word: &str| {
        let lines = logged.lines().filter(|line| line.to_lowercase().contains(word));
        lines.map(|line| line.chars().take(300).collect::<String>()).collect::<Vec<_>>()
    };
    for planted in [CANARY, &VALUE.to_string(), PASSWORD, "bearer"] {
        let found = leaks(planted);
        assert!(found.is_empty(), "{planted}: {found:#?}");
    }
}
