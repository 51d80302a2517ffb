//! The history of the guide to schemas, over real sockets: apps and servers of two versions.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clarity_client::engine::protocol::Tokens;
use clarity_client::engine::{Attention, FailureReason, Pause};
use clarity_client::model::{Counter, EntityKey, Schema};
use clarity_client::{Client, ClientOptions, FailedOperation, HttpTransport, SyncEnd, SyncReport};
use clarity_server::{Config, Server};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Hub, PASSWORD, PATIENCE};

const GUIDE: &str = include_str!("../../../../docs/schema.md");

/// An example of the guide, by its name.
fn example(name: &str) -> &'static str {
    let marker = format!("```json {name}\n");
    let begin = GUIDE.find(&marker).unwrap() + marker.len();
    let length = GUIDE[begin..].find("```").unwrap();
    &GUIDE[begin..begin + length]
}

fn schema(name: &str) -> Arc<Schema> {
    Arc::new(Schema::from_json(example(name)).unwrap())
}

fn weight(name: &str) -> Value {
    serde_json::from_str(example(name)).unwrap()
}

fn key(id: &str) -> EntityKey {
    EntityKey::new("Weight", id).unwrap()
}

/// A server whose data stays when it stops.
struct Operator {
    directory: TempDir,
    hub: Option<Hub>,
    listen: std::net::SocketAddr,
}

impl Operator {
    fn start(name: &str) -> Self {
        let listen = ([127, 0, 0, 1], 0).into();
        let mut operator = Self { directory: TempDir::new().unwrap(), hub: None, listen };
        operator.run(schema(name));
        operator
    }

    fn run(&mut self, schema: Arc<Schema>) {
        let (data, listen) = (self.directory.path().to_owned(), self.listen);
        let hub = Hub::start_with(|config| {
            (config.data_dir, config.listen, config.schema) = (data, listen, schema);
        });
        self.listen = hub.address.trim_start_matches("http://").parse().unwrap();
        self.hub = Some(hub);
    }

    /// Stops the server and starts it with another schema, on the same data and address.
    async fn load(&mut self, schema: Arc<Schema>) {
        self.hub.take().unwrap().stop().await;
        self.run(schema);
    }

    fn address(&self) -> String {
        format!("http://{}", self.listen)
    }
}

/// A device whose app can be upgraded.
struct Phone {
    directory: TempDir,
    client: Option<Client>,
    transport: Arc<HttpTransport>,
}

impl Phone {
    fn new(address: &str, schema: Arc<Schema>) -> Self {
        let transport = Arc::new(HttpTransport::new(address).unwrap());
        let mut phone = Self { directory: TempDir::new().unwrap(), client: None, transport };
        phone.install(schema);
        phone
    }

    fn store(&self) -> PathBuf {
        self.directory.path().join("store.db")
    }

    /// Ends the app and begins it with another schema.
    fn install(&mut self, schema: Arc<Schema>) {
        self.client = None;
        self.client = Some(open(self.store(), schema).unwrap());
    }

    fn client(&self) -> &Client {
        self.client.as_ref().unwrap()
    }

    fn incarnation(&self) -> clarity_client::model::Incarnation {
        self.client().meta().unwrap().incarnation
    }

    fn take(&self, tokens: Tokens) {
        self.client().signed_in(self.transport.address(), "anna", tokens).unwrap();
    }

    fn create(&self, id: &str, fields: Value) {
        self.client().create(&key(id), serde_json::from_value(fields).unwrap()).unwrap();
    }

    fn update(&self, id: &str, changes: Value) {
        self.client().update(&key(id), serde_json::from_value(changes).unwrap(), None).unwrap();
    }

    fn see(&self, id: &str) -> Option<Value> {
        self.client().get(&key(id)).unwrap().map(|entity| json!(entity.fields))
    }

    /// The entities with a change that the schema no longer takes; every failure is one.
    fn failed(&self) -> Vec<EntityKey> {
        let failed = self.client().failed(Counter(0), 100).unwrap();
        let reason = |one: &FailedOperation| one.reason == FailureReason::SchemaMigration;
        assert!(failed.iter().all(reason));
        failed.into_iter().map(|one| one.change.key).collect()
    }

    async fn sync(&self, patience: Duration) -> SyncReport {
        let transport = Arc::clone(&self.transport);
        self.client().sync(transport, patience, |_| {}).await.unwrap()
    }

    async fn sync_all(&self) {
        let report = self.sync(PATIENCE).await;
        assert_eq!((report.end, report.status.waiting), (SyncEnd::Done, 0));
    }

    /// Is sent away as too old or too new, in words that hold these.
    async fn is_sent_away(&self, words: &str) {
        let report = self.sync(Duration::ZERO).await;
        let SyncEnd::OutOfPatience(stalled) = report.end else { panic!("{:?}", report.end) };
        assert_eq!(stalled.why, Pause::UpgradeRequired);
        assert!(stalled.message.contains(words), "{}", stalled.message);
        assert!(report.status.attention.contains(&Attention::UpgradeRequired));
    }
}

fn open(path: PathBuf, schema: Arc<Schema>) -> Result<Client, clarity_client::ClientError> {
    let mut options = ClientOptions::new(path);
    options.schema = Some(schema);
    Client::open(options)
}

/// Shows that what the guide tells is so: a server and two devices go from one version to the next,
/// one device long after the server; nothing is lost, nothing is misread, and what no step takes
/// waits for a person.
#[tokio::test]
async fn the_guide_tells_the_truth() {
    let (first, second) = (schema("schema-1"), schema("schema-2"));
    let mut operator = Operator::start("schema-1");
    let mut one = Phone::new(&operator.address(), Arc::clone(&first));
    let mut other = Phone::new(&operator.address(), Arc::clone(&first));
    let transport = Arc::clone(&one.transport);
    one.take(transport.sign_up("anna", PASSWORD, "one", one.incarnation()).await.unwrap());
    other.take(transport.sign_in("anna", PASSWORD, "other", other.incarnation()).await.unwrap());
    for id in ["a", "b", "c"] {
        one.create(id, weight("weight-1"));
    }
    one.sync_all().await;
    other.sync_all().await;
    other.update("a", json!({"unit": "pounds", "amount": 154}));
    other.update("b", json!({"unit": "stone", "amount": 11}));

    operator.load(Arc::clone(&second)).await;
    other.is_sent_away("update the app").await;
    other.update("c", json!({"note": "written while sent away", "unit": "ounce"}));
    one.is_sent_away("update the app").await;
    assert_eq!(one.see("a"), Some(weight("weight-1")), "what is here stays as it is");

    one.install(Arc::clone(&second));
    assert_eq!(one.see("a"), Some(weight("weight-2")), "with no network");
    one.sync_all().await;
    one.update("a", json!({"place": "gym"}));
    one.sync_all().await;

    other.install(Arc::clone(&second));
    // What was never sent is told at once, and what was sent is left to the server.
    assert_eq!(other.failed(), [key("c")]);
    other.sync_all().await;
    assert_eq!(other.failed(), [key("b"), key("c")]);
    let edited = json!({"amount": 154, "unit": "lb", "comment": "after a run", "place": "gym"});
    assert_eq!(other.see("a"), Some(edited));
    for failed in other.client().failed(Counter(0), 100).unwrap() {
        let changes = serde_json::from_value(json!({"unit": "lb"})).unwrap();
        other.client().edit_and_retry(failed.change.operation, changes).unwrap();
    }
    other.sync_all().await;
    assert_eq!(other.failed(), []);
    one.sync_all().await;
    for id in ["a", "b", "c"] {
        assert_eq!(one.see(id), other.see(id), "{id}");
    }
    let comment = json!("written while sent away");
    assert_eq!(one.see("c").unwrap()["comment"], comment);
    assert_eq!(one.see("b").unwrap()["unit"], json!("lb"));

    one.client = None;
    let refused = open(one.store(), Arc::clone(&first)).unwrap_err();
    assert!(refused.to_string().contains("update the program"), "{refused}");
    operator.hub.take().unwrap().stop().await;
    let mut config = Config::new(operator.directory.path(), first);
    config.listen = ([127, 0, 0, 1], 0).into();
    let refused = Server::bind(config).map(drop).unwrap_err().to_string();
    assert!(refused.contains("load version 2 or a later one"), "{refused}");
}

/// Shows that a device whose app is newer than the server is sent away with words that say who must
/// act, keeps what is written on it, and goes on once the server has the newer schema; and that a
/// version which only adds sends nobody away.
#[tokio::test]
async fn an_app_that_came_before_its_server() {
    let (first, second) = (schema("schema-1"), schema("schema-2"));
    let mut operator = Operator::start("schema-1");
    let mut phone = Phone::new(&operator.address(), Arc::clone(&first));
    let transport = Arc::clone(&phone.transport);
    phone.take(transport.sign_up("anna", PASSWORD, "one", phone.incarnation()).await.unwrap());
    phone.create("a", weight("weight-1"));
    phone.sync_all().await;
    phone.install(Arc::clone(&second));
    phone.update("a", json!({"place": "gym"}));
    phone.is_sent_away("whoever runs the server loads the newer schema").await;
    operator.load(second).await;
    phone.sync_all().await;
    assert_eq!(phone.see("a").unwrap()["place"], json!("gym"));

    let mut third: Value = serde_json::from_str(example("schema-2")).unwrap();
    third["version"] = json!(3);
    third["migrations"].as_array_mut().unwrap().push(json!({"to": 3}));
    third["types"]["Weight"]["fields"]["fat"] = json!({"column": "number"});
    let third = Arc::new(Schema::from_json(&third.to_string()).unwrap());
    let older = Phone::new(&operator.address(), schema("schema-2"));
    older.take(transport.sign_in("anna", PASSWORD, "two", older.incarnation()).await.unwrap());
    phone.install(Arc::clone(&third));
    phone.update("a", json!({"fat": 20}));
    phone.sync_all().await;
    older.sync_all().await;
    assert_eq!(older.see("a").unwrap()["fat"], json!(20));
    operator.load(third).await;
    older.update("a", json!({"place": "pool"}));
    older.sync_all().await;
    phone.sync_all().await;
    assert_eq!(phone.see("a"), older.see("a"));
}
