//! A server on a temporary file, with a clock and randomness of its own.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use clarity_model::{
    Counter, EntityKey, Epoch, Fields, Incarnation, Kind, LocalTime, Outcome, Schema, ServerTime,
    Version,
};
use clarity_protocol::{
    FetchRequest, FetchResponse, OperationAnswer, PullRequest, PullResponse, PushRequest,
    PushResponse, SchemaStamp, Scope, WireOperation,
};
use clarity_server::{
    AccountId, Core, DeviceId, DumpedEntity, EntropyError, Environment, RequestError, SqliteOptions,
};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A clock that moves by a second whenever it is read, and numbers that only look random.
#[derive(Debug)]
pub(crate) struct TestEnvironment {
    now_ms: AtomicI64,
    random: AtomicU64,
}

impl TestEnvironment {
    pub(crate) fn new(seed: u64) -> Self {
        Self { now_ms: AtomicI64::new(1_000_000), random: AtomicU64::new(seed) }
    }

    pub(crate) fn advance_ms(&self, milliseconds: i64) {
        self.now_ms.fetch_add(milliseconds, Ordering::SeqCst);
    }
}

impl Environment for TestEnvironment {
    fn now(&self) -> ServerTime {
        ServerTime(self.now_ms.fetch_add(1_000, Ordering::SeqCst))
    }

    fn fill_random(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        for chunk in bytes.chunks_mut(8) {
            let number = self.random.fetch_add(1, Ordering::SeqCst);
            let hash = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mixed = (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            chunk.copy_from_slice(&(mixed ^ (mixed >> 32)).to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

pub(crate) const SCHEMA: &str = r#"{
  "format": 1, "name": "test", "version": 1,
  "types": {
    "Sample": {
      "policy": "server_wins",
      "edit_against_delete": "delete_wins",
      "fields": { "at_ms": { "column": "integer" } },
      "window": { "time_ms": "at_ms" }
    },
    "Preference": { "policy": "client_wins", "edit_against_delete": "edit_wins" },
    "Note": {
      "policy": "merge",
      "fields": {
        "title": { "policy": "manual" },
        "text": { "merge": "text" },
        "tags": { "merge": "set" },
        "count": { "merge": "counter" },
        "best": { "merge": "max" },
        "least": { "merge": "min" },
        "last": { "merge": "latest" },
        "lines": { "merge": "append" },
        "server": { "policy": "server_wins" },
        "client": { "policy": "client_wins" }
      }
    }
  }
}"#;

pub(crate) fn schema() -> Arc<Schema> {
    Arc::new(Schema::from_json(SCHEMA).unwrap())
}

/// A server with one account.
pub(crate) struct Server {
    pub(crate) core: Core,
    pub(crate) account: AccountId,
    pub(crate) directory: TempDir,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::new_with(schema())
    }

    /// The same with a schema of the test's own.
    pub(crate) fn new_with(schema: Arc<Schema>) -> Self {
        let directory = TempDir::new().unwrap();
        let options = SqliteOptions::new(directory.path().join("server.db"));
        let core = Core::open_sqlite(&options, schema, Arc::new(TestEnvironment::new(1))).unwrap();
        let account = core.ensure_account("someone").unwrap();
        Self { core, account, directory }
    }

    pub(crate) fn push(&self, request: &PushRequest) -> Result<PushResponse, RequestError> {
        self.core.push(self.account, DeviceId(1), request)
    }

    pub(crate) fn pull(&self, request: &PullRequest) -> Result<PullResponse, RequestError> {
        let typed = self.core.pull(self.account, DeviceId(1), request)?;
        // The bytes that travel say the same as the values, whatever the test asks.
        let json = self.core.pull_json(self.account, DeviceId(1), request)?;
        let mut parsed: PullResponse = serde_json::from_slice(&json).unwrap();
        parsed.at = typed.at;
        assert_eq!(parsed, typed);
        Ok(typed)
    }

    pub(crate) fn fetch(&self, request: &FetchRequest) -> Result<FetchResponse, RequestError> {
        let typed = self.core.fetch(self.account, request)?;
        let json = self.core.fetch_json(self.account, request)?;
        let mut parsed: FetchResponse = serde_json::from_slice(&json).unwrap();
        parsed.at = typed.at;
        assert_eq!(parsed, typed);
        Ok(typed)
    }

    /// All entities, deleted ones included, in log order.
    pub(crate) fn entities(&self) -> Vec<DumpedEntity> {
        let mut all = Vec::new();
        self.core
            .dump_entities(self.account, |entity| {
                all.push(entity);
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        all
    }

    pub(crate) fn entity(&self, entity_type: &str, id: &str) -> Option<DumpedEntity> {
        let key = EntityKey::new(entity_type, id).unwrap();
        self.entities().into_iter().find(|entity| entity.key == key)
    }

    pub(crate) fn receipts(&self) -> Vec<clarity_server::DumpedReceipt> {
        let mut all = Vec::new();
        self.core
            .dump_receipts(self.account, |receipt| {
                all.push(receipt);
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        all
    }
}

/// A store that counts its operations.
pub(crate) struct Client {
    pub(crate) incarnation: Incarnation,
    pub(crate) next: Cell<u64>,
    pub(crate) settled_below: Counter,
    pub(crate) epoch: Option<Epoch>,
}

impl Client {
    pub(crate) fn new(number: u128) -> Self {
        Self {
            incarnation: Incarnation(number),
            next: Cell::new(1),
            settled_below: Counter(1),
            epoch: None,
        }
    }

    fn operation(&self, kind: Kind, key: (&str, &str), base: u64) -> WireOperation {
        let id = Counter(self.next.replace(self.next.get() + 1));
        WireOperation {
            id,
            covers: Vec::new(),
            batch: None,
            kind,
            key: EntityKey::new(key.0, key.1).unwrap(),
            base: Version(base),
            fields: None,
            changes: Vec::new(),
            schema: 1,
            at: LocalTime(5),
        }
    }

    pub(crate) fn create(&self, key: (&str, &str), base: u64, fields: Value) -> WireOperation {
        let fields = Some(fields_of(fields));
        WireOperation { fields, ..self.operation(Kind::Create, key, base) }
    }

    /// `changes` is an array of `{field, old, new}`.
    pub(crate) fn update(&self, key: (&str, &str), base: u64, changes: Value) -> WireOperation {
        let changes = serde_json::from_value(changes).unwrap();
        WireOperation { changes, ..self.operation(Kind::Update, key, base) }
    }

    pub(crate) fn delete(&self, key: (&str, &str), base: u64) -> WireOperation {
        self.operation(Kind::Delete, key, base)
    }

    pub(crate) fn request(&self, operations: &[WireOperation]) -> PushRequest {
        self.raw_request(operations.iter().map(raw).collect())
    }

    pub(crate) fn raw_request(&self, operations: Vec<Box<RawValue>>) -> PushRequest {
        PushRequest {
            incarnation: self.incarnation,
            epoch: self.epoch,
            settled_below: self.settled_below,
            schema: SchemaStamp { version: 1, hash: String::new(), steps: 0 },
            heard: None,
            foreign_bases: Vec::new(),
            contribution: None,
            operations,
        }
    }

    /// Pushes operations and returns their answers.
    pub(crate) fn push(
        &self,
        server: &Server,
        operations: &[WireOperation],
    ) -> Vec<OperationAnswer> {
        server.push(&self.request(operations)).unwrap().answers
    }

    /// Pushes one operation and returns its answer.
    pub(crate) fn push_one(&self, server: &Server, operation: &WireOperation) -> OperationAnswer {
        self.push(server, std::slice::from_ref(operation)).remove(0)
    }

    pub(crate) fn pull_request(&self) -> PullRequest {
        PullRequest {
            incarnation: self.incarnation,
            settled_below: self.settled_below,
            schema: None,
            scope: Scope::default(),
            cursor: None,
            heard: None,
            lost_epoch: None,
            from_head: false,
            rows_max: None,
        }
    }
}

pub(crate) fn raw(operation: &WireOperation) -> Box<RawValue> {
    raw_text(&serde_json::to_string(operation).unwrap())
}

pub(crate) fn raw_text(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

pub(crate) fn fields_of(fields: Value) -> Fields {
    serde_json::from_value(fields).unwrap()
}

/// The fields of a told entity as JSON; `null` when it is told as deleted.
pub(crate) fn told(answer: &OperationAnswer) -> Value {
    let entity = answer.entity.as_ref().expect("the answer tells the entity");
    entity.fields.as_ref().map_or(Value::Null, |fields| json!(fields))
}

/// Asserts how an operation ended and at which version.
#[track_caller]
pub(crate) fn assert_outcome(answer: &OperationAnswer, outcome: Outcome, version: Option<u64>) {
    assert_eq!((answer.outcome, answer.version), (outcome, version.map(Version)), "{answer:?}");
}
