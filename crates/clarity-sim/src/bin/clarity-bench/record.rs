//! The records that are written: seeded, so that every run writes the same.

use clarity_client::model::EntityKey;
use clarity_client::{EntityId, EntityType, Fields};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::json;

/// The schema of the measured store: one declared type with the columns of a reading.
pub(crate) const SCHEMA: &str = r#"{
  "format": 1, "name": "bench", "version": 1,
  "types": { "Reading": {
    "policy": "server_wins", "edit_against_delete": "delete_wins",
    "fields": {
      "metric": { "column": "text" }, "start_ms": { "column": "integer" },
      "end_ms": { "column": "integer" }, "value": { "column": "number" },
      "unit": { "column": "text" }, "source": { "column": "text" },
      "note": { "column": "text" }
    },
    "indexes": [["metric", "start_ms"]]
  } }
}"#;

/// One record, in the form that the reference writes and in the form that the engine takes.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) id: [u8; 16],
    pub(crate) metric: &'static str,
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) source: &'static str,
    pub(crate) note: String,
}

/// A seeded stream of records: 292 bytes of JSON each, random ids, 100 random characters.
pub(crate) fn records(seed: u64, count: usize) -> Vec<Record> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|index| record(&mut random, index)).collect()
}

fn record(random: &mut ChaCha8Rng, index: usize) -> Record {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ";
    let mut id = [0; 16];
    random.fill_bytes(&mut id);
    let start_ms = 1_600_000_000_000 + i64::try_from(index).unwrap_or(0) * 60_000;
    let mut letter = || {
        let place = usize::try_from(random.next_u32()).unwrap_or(0) % LETTERS.len();
        char::from(LETTERS[place])
    };
    let note = (0..100).map(|_| letter()).collect();
    let tenths = 400 + random.next_u32() % 1_000;
    Record {
        id,
        metric: "HeartRate",
        start_ms,
        end_ms: start_ms + 5_000,
        value: f64::from(tenths) / 10.0 + 0.05,
        unit: "count/min",
        source: "Apple Watch",
        note,
    }
}

impl Record {
    pub(crate) fn key(&self) -> EntityKey {
        let uuid = uuid::Uuid::from_bytes(self.id).hyphenated().to_string();
        EntityKey { entity_type: reading(), id: EntityId::new(uuid).expect("a UUID is an id") }
    }

    pub(crate) fn fields(&self) -> Fields {
        Fields::from([
            ("metric", json!(self.metric)),
            ("start_ms", json!(self.start_ms)),
            ("end_ms", json!(self.end_ms)),
            ("value", json!(self.value)),
            ("unit", json!(self.unit)),
            ("source", json!(self.source)),
            ("note", json!(self.note)),
        ])
    }

    /// The size that ratios of bytes refer to: id and fields as compact JSON.
    pub(crate) fn json_bytes(&self) -> usize {
        self.fields().to_canonical_json().len() + r#""id":"","#.len() + 36
    }
}

/// The measured type.
pub(crate) fn reading() -> EntityType {
    EntityType::new("Reading").expect("a valid name")
}
