//! Offline and online again: the tests that the architecture was first described with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use clarity_client::engine::{Event, Pause, Stalled};
use clarity_client::model::{EntityKey, Version};
use clarity_client::{
    Client, ClientOptions, Failure, FailureClass, Flow, HttpTransport, Refreshed, Request,
    Response, SyncEnd, Transport, TransportFuture,
};
use serde_json::json;
use tokio::sync::oneshot;

use super::{Device, Hub, note};

fn health_data() -> EntityKey {
    EntityKey::new("HealthData", "123").unwrap()
}

/// A network that can be taken away.
struct Network {
    inner: Arc<HttpTransport>,
    is_offline: AtomicBool,
    requests: AtomicUsize,
}

impl Network {
    fn offline(device: &Device) -> Arc<Self> {
        let inner = Arc::clone(&device.transport);
        let (is_offline, requests) = (AtomicBool::new(true), AtomicUsize::new(0));
        Arc::new(Self { inner, is_offline, requests })
    }
}

impl Transport for Network {
    fn send(
        &self,
        request: Request,
        token: Option<String>,
    ) -> TransportFuture<'_, Result<Response, Failure>> {
        if self.is_offline.load(Ordering::SeqCst) {
            let failure = Failure::new(FailureClass::Offline, "there is no network");
            return Box::pin(std::future::ready(Err(failure)));
        }
        self.requests.fetch_add(1, Ordering::SeqCst);
        self.inner.send(request, token)
    }

    fn refresh(&self, token: Option<String>) -> TransportFuture<'_, Refreshed> {
        self.inner.refresh(token)
    }
}

/// Shows that an operation made without a network queues, and that nothing is being processed.
#[tokio::test]
async fn an_offline_operation_queues() {
    let hub = Hub::start();
    let device = hub.sign_up("anna").await;
    let network = Network::offline(&device);
    device.create(&health_data(), json!({"value": 100}));
    let report = device.client.sync(Arc::clone(&network), Duration::ZERO, |_| {}).await.unwrap();
    let status = report.status;
    assert_eq!((status.waiting, status.in_flight, status.flow), (1, 0, Flow::Offline));
    assert_eq!(network.requests.load(Ordering::SeqCst), 0);
    assert!(device.client.get(&health_data()).unwrap().unwrap().pending);
}

/// Shows that the queue drains when the network comes back, with nobody's help.
#[tokio::test]
async fn reconnecting_drains_the_queue() {
    let hub = Hub::start();
    let device = hub.sign_up("anna").await;
    let network = Network::offline(&device);
    device.create(&health_data(), json!({"value": 100}));
    let (stop, stopped) = oneshot::channel::<()>();
    let run = device.client.run(Arc::clone(&network), async { drop(stopped.await) });
    let reconnect = async {
        device.watch(|client| client.status().unwrap().flow == Flow::Offline).await;
        network.is_offline.store(false, Ordering::SeqCst);
        device.client.notify(Event::NetworkChanged { online: true }).unwrap();
        device.watch(|client| client.status().unwrap().waiting == 0).await;
        drop(stop);
    };
    let (ran, ()) = tokio::join!(run, reconnect);
    ran.unwrap();
    assert!(network.requests.load(Ordering::SeqCst) > 0);
    assert!(!device.client.get(&health_data()).unwrap().unwrap().pending);
}

/// Shows that changes of both sides merge by the field's policy, and that the merged entity is
/// version 3 on every device.
#[tokio::test]
async fn a_conflict_merges_and_ends_at_version_3() {
    let hub = Hub::start();
    let (here, there) = (hub.sign_up("anna").await, hub.sign_in("anna").await);
    let goal = EntityKey::new("Goal", "123").unwrap();
    here.create(&goal, json!({"progress": 100}));
    here.sync_all().await;
    there.sync_all().await;
    there.update(&goal, json!({"progress": 200}));
    there.sync_all().await;
    here.update(&goal, json!({"progress": 150}));
    here.sync_all().await;
    there.sync_all().await;
    for device in [&here, &there] {
        assert_eq!(device.field(&goal, "progress"), Some(json!(250)), "both differences");
        let entity = device.client.get(&goal).unwrap().unwrap();
        assert_eq!((entity.version, entity.pending), (Version(3), false));
        assert_eq!(device.client.conflicts(None, 10).unwrap().len(), 0);
    }
}

/// Shows that a true conflict over real sockets waits for a person with both versions, and that the
/// choice reaches the other device.
#[tokio::test]
async fn a_true_conflict_waits_for_a_person() {
    let hub = Hub::start();
    let (here, there) = (hub.sign_up("anna").await, hub.sign_in("anna").await);
    here.create(&note("n"), json!({"title": "a"}));
    here.sync_all().await;
    there.sync_all().await;
    here.update(&note("n"), json!({"title": "here"}));
    there.update(&note("n"), json!({"title": "there"}));
    here.sync_all().await;
    let report = there.sync().await;
    assert_eq!((report.end, report.status.conflicts), (SyncEnd::Done, 1));
    let conflict = there.client.conflicts(None, 10).unwrap().remove(0);
    let sides = (conflict.fields[0].local.clone(), conflict.fields[0].server.clone());
    assert_eq!(sides, (Some(json!("there")), Some(json!("here"))));
    there.client.resolve(&conflict, clarity_client::Resolution::KeepMine).unwrap();
    there.sync_all().await;
    here.sync_all().await;
    assert_eq!(here.field(&note("n"), "title"), Some(json!("there")));
}

/// Shows that a server which is down is named as the reason, that nothing is lost, and that
/// everything arrives at the next server under that store.
#[tokio::test]
async fn a_server_that_is_down_loses_nothing() {
    let hub = Hub::start();
    let device = hub.sign_up("anna").await;
    device.create(&note("before"), json!({}));
    device.sync_all().await;
    hub.stop().await;
    device.create(&note("after"), json!({"title": "kept"}));
    let report = device.try_sync().await;
    let SyncEnd::OutOfPatience(Stalled { why, next_attempt, .. }) = report.end else {
        panic!("{:?}", report.end);
    };
    assert_eq!((why, report.status.waiting), (Pause::ServerUnreachable, 1));
    assert!(next_attempt.is_some(), "it is tried again by itself");
    assert_eq!(device.field(&note("after"), "title"), Some(json!("kept")));
}

/// Shows that two clients of one store can both write while one of them drains, that each operation
/// reaches the server once, and that both see everything.
#[tokio::test]
async fn two_clients_of_one_store_write_while_one_drains() {
    let hub = Hub::start();
    let device = hub.sign_up("anna").await;
    let path = device._directory.path().join("store.db");
    let second = Client::open(ClientOptions::new(path)).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let transport = Arc::clone(&device.transport);
    let run = device.client.run(transport, async { drop(stopped.await) });
    let writes = async {
        for n in 0..20 {
            device.create(&note(&format!("first{n}")), json!({}));
            second.create(&note(&format!("second{n}")), Default::default()).unwrap();
            tokio::task::yield_now().await;
        }
        device.watch(|client| client.status().unwrap().waiting == 0).await;
        drop(stop);
    };
    let (ran, ()) = tokio::join!(run, writes);
    ran.unwrap();
    let other = hub.sign_in("anna").await;
    other.sync_all().await;
    assert_eq!(other.client.counts().unwrap().values().sum::<u64>(), 40);
    for n in 0..20 {
        let made = other.client.get(&note(&format!("second{n}"))).unwrap().unwrap();
        assert_eq!(made.version, Version(1), "once");
    }
}
