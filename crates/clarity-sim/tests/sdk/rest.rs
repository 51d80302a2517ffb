//! The REST transport against the real server in the mode in which it makes the ids, with a network
//! that loses answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use clarity_client::engine::STALE_ROUNDS_MAX;
use clarity_client::model::{EntityKey, EntityType, Schema};
use clarity_client::rest::{RestBackend, RestTransport};
use clarity_client::{Client, ClientOptions, Counter, Fields, Resolution, SyncEnd, SyncReport};
use clarity_server::RestIds;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::{Hub, PASSWORD, PATIENCE};

const SCHEMA: &str = r#"{
    "format": 1, "name": "plans", "version": 1, "types": {
        "Plan": { "fields": { "title": { "column": "text" } } },
        "Step": { "fields": {
            "plan": { "column": "text", "references": { "type": "Plan" } },
            "title": { "column": "text" }
        } }
    }
}"#;

/// A way to the server on which answers can be lost after the server has done what was asked.
struct Network {
    address: String,
    loses: Arc<AtomicBool>,
    lost: Arc<Notify>,
}

impl Network {
    async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (loses, lost) = (Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
        let server = server.trim_start_matches("http://").to_owned();
        let (loses_here, lost_here) = (Arc::clone(&loses), Arc::clone(&lost));
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(&server).await.unwrap();
                let (loses, lost) = (Arc::clone(&loses_here), Arc::clone(&lost_here));
                tokio::spawn(carry(near, far, loses, lost));
            }
        });
        Self { address, loses, lost }
    }
}

async fn carry(near: TcpStream, far: TcpStream, loses: Arc<AtomicBool>, lost: Arc<Notify>) {
    let (mut near_read, mut near_write) = near.into_split();
    let (mut far_read, mut far_write) = far.into_split();
    let there = async move {
        // Either side may hang up at any time.
        let _ = tokio::io::copy(&mut near_read, &mut far_write).await;
    };
    let back = async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = far_read.read(&mut buffer).await {
            if loses.load(Ordering::SeqCst) {
                lost.notify_waiters();
                return;
            }
            if near_write.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = there => {}
        () = back => {}
    }
}

/// A device that knows nothing but REST.
struct RestDevice {
    client: Client,
    transport: Arc<RestTransport>,
    _directory: TempDir,
}

impl RestDevice {
    /// A device of an account that exists.
    async fn sign_in(hub: &Hub, network: &Network, name: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let mut options = ClientOptions::new(directory.path().join("store.db"));
        options.schema = Some(Arc::new(Schema::from_json(SCHEMA).unwrap()));
        let client = Client::open(options).unwrap();
        let types = ["Plan", "Step"].map(|name| EntityType::new(name).unwrap());
        let backend = RestBackend::clarity(&network.address, types).unwrap();
        let transport = Arc::new(RestTransport::new(backend).unwrap());
        let http = clarity_client::HttpTransport::new(&hub.address).unwrap();
        let incarnation = client.meta().unwrap().incarnation;
        let tokens = http.sign_in(name, PASSWORD, "rest", incarnation).await.unwrap();
        client.signed_in(&network.address, name, tokens).unwrap();
        Self { client, transport, _directory: directory }
    }

    async fn sync(&self) -> SyncReport {
        self.client.sync(Arc::clone(&self.transport), PATIENCE, |_| {}).await.unwrap()
    }

    async fn sync_all(&self) {
        let report = self.sync().await;
        assert_eq!((report.end, report.status.waiting), (SyncEnd::Done, 0));
    }

    /// Tries until the network has lost an answer, and is closed in the middle of it.
    async fn sync_in_vain(&self, network: &Network) {
        network.loses.store(true, Ordering::SeqCst);
        let lost = network.lost.notified();
        tokio::select! {
            ended = self.sync() => panic!("it ended without an answer: {:?}", ended.end),
            () = lost => {}
        }
        network.loses.store(false, Ordering::SeqCst);
    }

    fn create(&self, key: &EntityKey, fields: Value) {
        let fields: Fields = serde_json::from_value(fields).unwrap();
        self.client.create(key, fields).unwrap();
    }

    fn update(&self, key: &EntityKey, changes: Value) {
        self.client.update(key, serde_json::from_value(changes).unwrap(), None).unwrap();
    }

    fn seen(&self, key: &EntityKey) -> Option<Value> {
        self.client.get(key).unwrap().map(|entity| json!(entity.fields))
    }

    fn ids(&self, entity_type: &str) -> Vec<String> {
        let entity_type = EntityType::new(entity_type).unwrap();
        let listed = self.client.list(&entity_type, None, 100).unwrap();
        listed.into_iter().map(|entity| entity.key.id.as_str().to_owned()).collect()
    }
}

async fn hub() -> (Hub, Network) {
    let hub = Hub::start_with(|config| {
        config.rest_ids = RestIds::Server;
        config.schema = Arc::new(Schema::from_json(SCHEMA).unwrap());
    });
    hub.sign_up("someone").await;
    let network = Network::to(&hub.address).await;
    (hub, network)
}

fn plan(id: &str) -> EntityKey {
    EntityKey::new("Plan", id).unwrap()
}

fn step(id: &str) -> EntityKey {
    EntityKey::new("Step", id).unwrap()
}

/// Shows that what was made offline arrives once, under the ids of the server, with its references
/// and everything that was done to it meanwhile, whichever answers are lost.
#[tokio::test]
async fn offline_work_arrives_under_the_ids_of_the_server() {
    let (hub, network) = hub().await;
    let phone = RestDevice::sign_in(&hub, &network, "someone").await;
    phone.create(&plan("p"), json!({ "title": "a" }));
    phone.create(&step("s"), json!({ "plan": "p", "title": "p" }));
    phone.create(&plan("short"), json!({ "title": "x" }));
    phone.create(&step("of-short"), json!({ "plan": "short" }));
    phone.update(&plan("p"), json!({ "title": "b" }));
    phone.client.delete(&plan("short"), None).unwrap();
    for _ in 0..3 {
        phone.sync_in_vain(&network).await;
    }
    phone.sync_all().await;
    phone.sync_in_vain(&network).await;
    phone.sync_all().await;

    let p = phone.client.present_key(&plan("p")).unwrap();
    assert_ne!(p, plan("p"));
    assert_eq!(phone.seen(&plan("p")), Some(json!({ "title": "b" })));
    let expected = json!({ "plan": p.id.as_str(), "title": "p" });
    assert_eq!(phone.seen(&step("s")), Some(expected.clone()));
    assert_eq!(phone.seen(&plan("short")), None);
    assert_eq!((phone.ids("Plan").len(), phone.ids("Step").len()), (1, 2));

    // Edits and deletes by the old keys, with answers lost in between.
    phone.update(&plan("p"), json!({ "title": "c" }));
    phone.client.delete(&step("of-short"), None).unwrap();
    phone.sync_in_vain(&network).await;
    phone.sync_all().await;

    let laptop = RestDevice::sign_in(&hub, &network, "someone").await;
    laptop.sync_all().await;
    assert_eq!(laptop.ids("Plan"), [p.id.as_str()]);
    assert_eq!(laptop.seen(&p), Some(json!({ "title": "c" })));
    let s = phone.client.present_key(&step("s")).unwrap();
    assert_eq!(laptop.ids("Step"), [s.id.as_str()]);
    assert_eq!(laptop.seen(&s), Some(expected));
    assert!(phone.client.failed(Counter(0), 10).unwrap().is_empty());
    hub.stop().await;
}

/// Shows that two devices that edit different fields converge through 409, and that a true
/// conflict waits with both versions and is settled on either.
#[tokio::test]
async fn devices_merge_through_409() {
    let (hub, network) = hub().await;
    let phone = RestDevice::sign_in(&hub, &network, "someone").await;
    phone.create(&plan("p"), json!({ "title": "a" }));
    phone.sync_all().await;
    let p = phone.client.present_key(&plan("p")).unwrap();
    let laptop = RestDevice::sign_in(&hub, &network, "someone").await;
    laptop.sync_all().await;
    phone.update(&plan("p"), json!({ "one": 1 }));
    laptop.update(&p, json!({ "two": 2 }));
    phone.sync_all().await;
    laptop.sync_all().await;
    phone.sync_all().await;
    let both = Some(json!({ "title": "a", "one": 1, "two": 2 }));
    assert_eq!((phone.seen(&plan("p")), laptop.seen(&p)), (both.clone(), both));

    phone.update(&plan("p"), json!({ "title": "b" }));
    laptop.update(&p, json!({ "title": "c" }));
    phone.sync_all().await;
    laptop.sync().await;
    let conflict = laptop.client.conflicts(None, 10).unwrap().remove(0);
    assert_eq!(conflict.fields[0].server, Some(json!("b")));
    laptop.client.resolve(&conflict, Resolution::KeepMine).unwrap();
    laptop.sync_all().await;
    phone.sync_all().await;
    assert_eq!(phone.seen(&plan("p")).unwrap()["title"], json!("c"));
    hub.stop().await;
}

/// Shows the rounds of merging, the inbox after the third, and the end by a resolution: each answer
/// is taken in by the engine before the next change of the other device.
#[tokio::test]
async fn an_entity_that_never_rests_waits_for_a_person() {
    let (hub, network) = hub().await;
    let phone = RestDevice::sign_in(&hub, &network, "someone").await;
    phone.create(&plan("p"), json!({ "title": "a" }));
    phone.sync_all().await;
    let p = phone.client.present_key(&plan("p")).unwrap();
    let other = Restless {
        inner: RestTransport::clone(&phone.transport),
        laptop: RestDevice::sign_in(&hub, &network, "someone").await,
        key: p.clone(),
        pushes: AtomicUsize::new(0),
    };
    other.laptop.sync_all().await;
    phone.update(&plan("p"), json!({ "title": "mine" }));
    let other = Arc::new(other);
    phone.client.sync(Arc::clone(&other), PATIENCE, |_| {}).await.unwrap();
    let pushes = other.pushes.load(Ordering::SeqCst);
    assert_eq!(pushes, STALE_ROUNDS_MAX as usize + 1);
    let conflict = phone.client.conflicts(None, 10).unwrap().remove(0);
    assert_eq!(phone.seen(&p).unwrap()["title"], json!("mine"));
    phone.client.resolve(&conflict, Resolution::KeepMine).unwrap();
    phone.sync_all().await;
    let expected = json!({ "title": "mine", "count": pushes });
    assert_eq!(phone.seen(&p), Some(expected));
    hub.stop().await;
}

/// A world in which somebody else changes the entity before each push.
struct Restless {
    inner: RestTransport,
    laptop: RestDevice,
    key: EntityKey,
    pushes: AtomicUsize,
}

impl clarity_client::Transport for Restless {
    fn send(
        &self,
        request: clarity_client::Request,
        token: Option<String>,
    ) -> clarity_client::TransportFuture<
        '_,
        Result<clarity_client::Response, clarity_client::Failure>,
    > {
        Box::pin(async move {
            if matches!(request, clarity_client::Request::Push(_)) {
                let count = self.pushes.fetch_add(1, Ordering::SeqCst) + 1;
                self.laptop.update(&self.key, json!({ "count": count }));
                self.laptop.sync_all().await;
            }
            self.inner.send(request, token).await
        })
    }

    fn refresh(
        &self,
        token: Option<String>,
    ) -> clarity_client::TransportFuture<'_, clarity_client::Refreshed> {
        self.inner.refresh(token)
    }
}
