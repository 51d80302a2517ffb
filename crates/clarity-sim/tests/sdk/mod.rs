//! The SDK against the real server, over real sockets on this machine.

mod accounts;
mod answers;
mod damage;
mod impostor;
mod inbox;
mod offline;
mod rest;
mod restored;
mod schema;
mod secrecy;
mod storage;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use clarity_client::engine::protocol::Tokens;
use clarity_client::model::{EntityKey, Schema, ServerTime};
use clarity_client::{Client, ClientOptions, Fields, HttpTransport, SyncEnd, SyncReport};
use clarity_server::{Config, EntropyError, Environment, Server, SystemEnvironment};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longer than any test takes; none waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(120);
const PASSWORD: &str = "correct horse battery";

/// The server's clock: the real one, moved forward by the test.
#[derive(Debug, Default)]
struct Clock {
    ahead_ms: AtomicI64,
}

impl Environment for Clock {
    fn now(&self) -> ServerTime {
        ServerTime(SystemEnvironment.now().0 + self.ahead_ms.load(Ordering::SeqCst))
    }

    fn fill_random(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        SystemEnvironment.fill_random(bytes)
    }
}

/// A server of its own for one test.
struct Hub {
    address: String,
    clock: Arc<Clock>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
    _directory: TempDir,
}

impl Hub {
    fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// Starts a server with other settings.
    fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let directory = TempDir::new().unwrap();
        let schema = Arc::new(Schema::shipped().unwrap());
        let clock = Arc::new(Clock::default());
        let mut config = Config::new(directory.path(), schema);
        config.listen = ([127, 0, 0, 1], 0).into();
        config.auth.open_sign_up = true;
        config.auth.password_cost = clarity_server::auth::PasswordCost::Trivial;
        config.environment = clock.clone();
        change(&mut config);
        let bound = Server::bind(config).unwrap();
        let address = format!("http://{}", bound.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(bound.serve(async { drop(stopped.await) }));
        Self { address, clock, stop, serving, _directory: directory }
    }

    async fn stop(self) {
        drop(self.stop);
        self.serving.await.unwrap().unwrap();
    }

    /// A new device of a new account.
    async fn sign_up(&self, name: &str) -> Device {
        let device = Device::new(&self.address);
        let incarnation = device.client.meta().unwrap().incarnation;
        let tokens = device.transport.sign_up(name, PASSWORD, "first", incarnation).await.unwrap();
        device.take(name, tokens);
        device
    }

    /// A new device of an account that exists.
    async fn sign_in(&self, name: &str) -> Device {
        let device = Device::new(&self.address);
        device.sign_in(name).await;
        device
    }
}

/// A device with a store of its own.
struct Device {
    client: Client,
    transport: Arc<HttpTransport>,
    _directory: TempDir,
}

impl Device {
    fn new(address: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let client = Client::open(ClientOptions::new(directory.path().join("store.db"))).unwrap();
        let transport = Arc::new(HttpTransport::new(address).unwrap());
        Self { client, transport, _directory: directory }
    }

    async fn sign_in(&self, name: &str) {
        let incarnation = self.client.meta().unwrap().incarnation;
        let tokens = self.transport.sign_in(name, PASSWORD, "next", incarnation).await.unwrap();
        self.take(name, tokens);
    }

    fn take(&self, name: &str, tokens: Tokens) {
        self.client.signed_in(self.transport.address(), name, tokens).unwrap();
    }

    fn create(&self, key: &EntityKey, value: Value) {
        let fields: Fields = serde_json::from_value(value).unwrap();
        self.client.create(key, fields).unwrap();
    }

    fn update(&self, key: &EntityKey, changes: Value) {
        let changes = serde_json::from_value(changes).unwrap();
        self.client.update(key, changes, None).unwrap();
    }

    fn field(&self, key: &EntityKey, name: &str) -> Option<Value> {
        self.client.get(key).unwrap()?.fields.get(name).cloned()
    }

    async fn sync(&self) -> SyncReport {
        self.client.sync(Arc::clone(&self.transport), PATIENCE, |_| {}).await.unwrap()
    }

    /// Syncs until nothing is left to do.
    async fn sync_all(&self) {
        let report = self.sync().await;
        assert_eq!((report.end, report.status.waiting), (SyncEnd::Done, 0));
    }

    /// Tries once and does not wait for better times.
    async fn try_sync(&self) -> SyncReport {
        self.client.sync(Arc::clone(&self.transport), Duration::ZERO, |_| {}).await.unwrap()
    }

    /// Waits until the client says that `until` holds.
    async fn watch(&self, until: impl Fn(&Client) -> bool) {
        let mut changes = self.client.watch();
        while !until(&self.client) {
            changes.recv().await.unwrap();
        }
    }
}

fn note(id: &str) -> EntityKey {
    EntityKey::new("Note", id).unwrap()
}
