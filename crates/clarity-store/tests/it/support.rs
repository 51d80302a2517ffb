//! What the tests share: a store in a temporary directory, and short ways to make values.

use std::path::PathBuf;
use std::sync::Arc;

use clarity_model::{
    Counter, EntityKey, EntityType, FieldChange, Fields, Incarnation, Kind, LocalTime, Schema, Seq,
    ServerTime, Version,
};
use clarity_store::{
    Birth, NewOperation, OpenOptions, OperationState, RowState, Store, StoreError, StoreKey,
    StoredEntity,
};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const BIRTH: Birth =
    Birth { incarnation: Incarnation(0xfeed), now: LocalTime(1_700_000_000_000) };

/// A schema with one column of each kind, an index and a roll-up.
pub(crate) fn schema() -> Arc<Schema> {
    let text = json!({
        "format": 1, "name": "test", "version": 7,
        "types": {
            "Sample": {
                "fields": {
                    "metric": {"column": "text"}, "source": {"column": "text"},
                    "start_ms": {"column": "integer"}, "value": {"column": "number"},
                    "flag": {"column": "boolean"}, "details": {"column": "json"},
                    "loose": {}
                },
                "indexes": [["metric", "start_ms"]],
                "rollup": {
                    "kind": "metric", "source": "source", "time_ms": "start_ms", "value": "value"
                }
            },
            "Empty": {}
        }
    });
    parse(&text)
}

pub(crate) fn parse(schema: &Value) -> Arc<Schema> {
    Arc::new(Schema::from_json(&schema.to_string()).unwrap())
}

/// A store in a directory of its own, which goes when the test ends.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
    pub(crate) schema: Arc<Schema>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { directory: TempDir::new().unwrap(), schema: schema() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("store.db")
    }

    pub(crate) fn options(&self) -> OpenOptions {
        OpenOptions { key: test_key(), ..OpenOptions::new(self.path()) }
    }

    pub(crate) fn try_open(&self) -> Result<Store, StoreError> {
        Store::open(&self.options(), Arc::clone(&self.schema), BIRTH)
    }

    pub(crate) fn open(&self) -> Store {
        self.try_open().unwrap()
    }
}

/// The key of every store of these tests, when they run with encryption:
/// `CLARITY_TEST_ENCRYPTED=1 cargo test --features encryption`.
pub(crate) fn test_key() -> Option<StoreKey> {
    let wanted = std::env::var_os("CLARITY_TEST_ENCRYPTED").is_some_and(|wanted| wanted == "1");
    wanted.then(|| StoreKey::new([0x5a; StoreKey::BYTES]))
}

pub(crate) fn entity_type(name: &str) -> EntityType {
    EntityType::new(name).unwrap()
}

pub(crate) fn key(entity_type: &str, id: &str) -> EntityKey {
    EntityKey::new(entity_type, id).unwrap()
}

/// The key of a declared type with a UUID made from a number.
pub(crate) fn sample(number: u128) -> EntityKey {
    key("Sample", &uuid::Uuid::from_u128(number).to_string())
}

pub(crate) fn fields(value: Value) -> Fields {
    serde_json::from_value(value).unwrap()
}

/// A clean entity with these fields.
pub(crate) fn stored(value: Value) -> StoredEntity {
    StoredEntity {
        fields: fields(value),
        version: Version(3),
        seq: Seq(41),
        updated_at: ServerTime(1_700_000_000_123),
        state: RowState::Clean,
        import_id: None,
    }
}

/// A ready update of one field.
pub(crate) fn update(key: &EntityKey) -> NewOperation {
    NewOperation {
        kind: Kind::Update,
        key: key.clone(),
        changes: Some(vec![change("text", Some(json!("old")), Some(json!("new")))]),
        undelete: false,
        batch: None,
        parents: Vec::new(),
        schema: 7,
        made_at: LocalTime(1_700_000_000_500),
        state: OperationState::Ready,
    }
}

pub(crate) fn change(field: &str, old: Option<Value>, new: Option<Value>) -> FieldChange {
    FieldChange { field: field.to_owned(), old, new }
}

pub(crate) fn counters(operations: &[clarity_store::QueuedOperation]) -> Vec<u64> {
    operations.iter().map(|operation| operation.counter.0).collect()
}

pub(crate) fn numbers(counters: &[Counter]) -> Vec<u64> {
    counters.iter().map(|counter| counter.0).collect()
}
