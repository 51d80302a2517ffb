//! A server that is restored from a backup gets back from its devices what it had lost, over real
//! sockets.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use clarity_client::model::{EntityKey, EntityType, Fields, Version};
use clarity_client::{
    Failure, Flow, HttpTransport, Refreshed, Request, Response, SyncEnd, Transport, TransportFuture,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::{Device, Hub, PATIENCE, note};

/// A server whose folder is copied and put back while it is stopped, as an operator does it.
struct Operator {
    directory: TempDir,
    listen: SocketAddr,
    hub: Option<Hub>,
}

impl Operator {
    fn start() -> Self {
        let listen = ([127, 0, 0, 1], 0).into();
        let mut operator = Self { directory: TempDir::new().unwrap(), listen, hub: None };
        operator.run(false);
        operator
    }

    fn run(&mut self, restored: bool) {
        let (data, listen) = (self.directory.path().join("data"), self.listen);
        let hub = Hub::start_with(|config| {
            (config.data_dir, config.listen, config.restored) = (data, listen, restored);
        });
        self.listen = hub.address.trim_start_matches("http://").parse().unwrap();
        self.hub = Some(hub);
    }

    fn hub(&self) -> &Hub {
        self.hub.as_ref().unwrap()
    }

    async fn stop(&mut self) {
        self.hub.take().unwrap().stop().await;
    }

    async fn back_up(&mut self) {
        self.stop().await;
        copy(&self.directory.path().join("data"), &self.directory.path().join("backup"));
        self.run(false);
    }

    async fn restore(&mut self) {
        self.stop().await;
        let data = self.directory.path().join("data");
        fs::remove_dir_all(&data).unwrap();
        copy(&self.directory.path().join("backup"), &data);
        self.run(true);
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// A network that stops before the first thing that is written, tells of it, and goes on when it is
/// told to.
struct StopsBeforeWriting {
    inner: Arc<HttpTransport>,
    first: Mutex<Option<(oneshot::Sender<()>, oneshot::Receiver<()>)>>,
}

impl Transport for StopsBeforeWriting {
    fn send(
        &self,
        request: Request,
        token: Option<String>,
    ) -> TransportFuture<'_, Result<Response, Failure>> {
        let is_push = matches!(request, Request::Push(_));
        let first = if is_push { self.first.lock().unwrap().take() } else { None };
        Box::pin(async move {
            if let Some((tell, go_on)) = first {
                tell.send(()).unwrap();
                go_on.await.unwrap();
            }
            self.inner.send(request, token).await
        })
    }

    fn refresh(&self, token: Option<String>) -> TransportFuture<'_, Refreshed> {
        self.inner.refresh(token)
    }
}

fn goal() -> EntityKey {
    EntityKey::new("Goal", "steps").unwrap()
}

/// What a device shows of the notes and goals.
fn shown(device: &Device) -> BTreeMap<EntityKey, (Version, Fields)> {
    let mut all = BTreeMap::new();
    for entity_type in ["Note", "Goal"] {
        let entity_type = EntityType::new(entity_type).unwrap();
        for entity in device.client.list(&entity_type, None, 100).unwrap() {
            assert!(!entity.pending, "{}", entity.key);
            all.insert(entity.key, (entity.version, entity.fields));
        }
    }
    all
}

/// Two devices of an account, each with something that the server lost when it was restored. The
/// second does not know what the first did last, and has something that was never sent.
async fn lost(operator: &mut Operator) -> (Device, Device) {
    let a = operator.hub().sign_up("anna").await;
    let b = operator.hub().sign_in("anna").await;
    for id in ["kept", "changed", "doomed", "doomed before"] {
        a.create(&note(id), json!({"title": id}));
    }
    a.create(&goal(), json!({"progress": 10}));
    a.sync_all().await;
    b.sync_all().await;
    operator.back_up().await;
    a.create(&note("by a"), json!({"title": "by a"}));
    a.client.delete(&note("doomed before"), None).unwrap();
    a.update(&goal(), json!({"progress": 15}));
    a.sync_all().await;
    b.sync_all().await;
    b.create(&note("by b"), json!({"title": "by b"}));
    b.update(&note("changed"), json!({"title": "changed by b"}));
    b.update(&note("doomed"), json!({"title": "doomed, by b"}));
    b.update(&goal(), json!({"progress": 18}));
    b.sync_all().await;
    a.sync_all().await;
    a.client.delete(&note("doomed"), None).unwrap();
    a.sync_all().await;
    b.create(&note("never sent"), json!({"title": "never sent"}));
    b.update(&goal(), json!({"progress": 20}));
    operator.restore().await;
    (a, b)
}

/// Shows promise I13 end to end, whichever device comes first: what the server lost is at the
/// server again, so that a device which is new gets it; what was deleted stays so, although one
/// device had not heard of it; what was counted counts once; and what waited is sent.
#[tokio::test]
async fn devices_give_a_restored_server_what_it_had_lost() {
    for a_is_first in [true, false] {
        let mut operator = Operator::start();
        let (a, b) = lost(&mut operator).await;
        let in_turn = if a_is_first { [&a, &b, &a] } else { [&b, &a, &b] };
        for device in in_turn {
            device.sync_all().await;
        }
        let fresh = operator.hub().sign_in("anna").await;
        fresh.sync_all().await;
        let there = shown(&fresh);
        let notes = ["by a", "by b", "changed", "kept", "never sent"].map(note);
        assert!(there.keys().eq([goal()].iter().chain(&notes)), "{:?}", there.keys());
        assert_eq!(there[&note("changed")].1.get("title"), Some(&json!("changed by b")));
        assert_eq!(there[&goal()].1.get("progress"), Some(&json!(20)));
        for device in [&a, &b] {
            assert_eq!(shown(device), there);
            let status = device.client.status().unwrap();
            assert_eq!((status.flow, status.conflicts, status.failed), (Flow::Synced, 0, 0));
        }
    }
}

/// Shows that a device which knows that the server was restored, and has something that the server
/// lost, says that it waits and is not in sync, until the server has it; and that it shows all of
/// it meanwhile.
#[tokio::test]
async fn a_device_is_not_in_sync_while_the_server_lacks_what_it_has() {
    let mut operator = Operator::start();
    let (a, _b) = lost(&mut operator).await;
    let before = shown(&a);
    let (tell, writes) = oneshot::channel();
    let (go_on, told) = oneshot::channel();
    let (inner, first) = (Arc::clone(&a.transport), Mutex::new(Some((tell, told))));
    let network = StopsBeforeWriting { inner, first };
    let look = async {
        writes.await.unwrap();
        let status = a.client.status().unwrap();
        // Five notes, two of which are deleted, and a goal.
        assert_eq!((status.waiting, status.idle), (6, false));
        assert_ne!(status.flow, Flow::Synced);
        assert_eq!(shown(&a), before);
        go_on.send(()).unwrap();
    };
    let sync = a.client.sync(Arc::new(network), PATIENCE, |_| {});
    let (ended, ()) = tokio::join!(sync, look);
    assert_eq!(ended.unwrap().end, SyncEnd::Done);
    assert_eq!(a.client.status().unwrap().flow, Flow::Synced);
    assert_eq!(shown(&a), before);
}
