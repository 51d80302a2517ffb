//! Writes of an app: each is a row and an operation, or several of both.

use std::collections::BTreeMap;

use clarity_client::engine::store::{RowState, StoredEntity};
use clarity_client::engine::{Event, Import, ImportSample, Role, Write};
use clarity_client::model::{Counter, EntityKey, Fields, Seq, ServerTime, Version};
use clarity_sim::vfs::{Disk, MemoryVfs};
use serde_json::{Value, json};

use super::machine::Machine;
use super::sweep::{Step, Workload};

/// The first millisecond of March 2024.
pub(super) const MARCH: i64 = 1_709_251_200_000;
const HOUR_MS: i64 = 3_600_000;

/// A sample, 30 hours after the one before.
pub(super) fn sample(number: i64) -> (EntityKey, Fields) {
    let time = MARCH + number * 30 * HOUR_MS;
    let id = format!("{:08x}-{:04x}-8000-8000-{number:012x}", time >> 16, time & 0xffff);
    let fields = json!({
        "metric": "steps", "source": "watch", "start_ms": time, "value": number % 97,
    });
    (EntityKey::new("HealthMetric", id).unwrap(), fields_of(fields))
}

pub(super) fn note(number: i64) -> EntityKey {
    EntityKey::new("Note", format!("note-{number:03}")).unwrap()
}

pub(super) fn goal(number: i64) -> EntityKey {
    EntityKey::new("Goal", format!("goal-{number:03}")).unwrap()
}

pub(super) fn fields_of(value: Value) -> Fields {
    serde_json::from_value(value).unwrap()
}

/// A row as the server told it.
pub(super) fn row_of(fields: Fields) -> StoredEntity {
    StoredEntity {
        fields,
        version: Version(1),
        seq: Seq(9),
        updated_at: ServerTime(1),
        state: RowState::Clean,
        import_id: None,
    }
}

pub(super) fn create(key: EntityKey, fields: Value) -> Write {
    Write::Create { key, fields: fields_of(fields), parents: Vec::new() }
}

pub(super) fn update(key: EntityKey, field: &str, value: Value) -> Write {
    let changes = BTreeMap::from([(field.to_owned(), Some(value))]);
    Write::Update { key, changes, seen: None }
}

/// One write is one step.
pub(super) fn written(write: Write) -> Step {
    Step::new(move |machine| {
        machine.handle(Role::Write, vec![Event::Write(write.clone())]).map(|_| ())
    })
}

/// A store that was made and never used.
pub(super) fn made(vfs: &MemoryVfs) -> Disk {
    let disk = Disk::new(vfs, 1);
    Machine::new(&disk).store().unwrap();
    disk
}

/// Every kind of write, each acknowledged by itself: small and large ones, one of many samples, two
/// that are one, and one that takes another back.
pub(super) fn enqueue(vfs: &MemoryVfs) -> Workload {
    let import = Import {
        import_id: 7,
        samples: (0..4)
            .map(|number| {
                let (key, fields) = sample(number);
                ImportSample { sibling: sample(number + 100).0, key, fields, external: None }
            })
            .collect(),
        ..Import::default()
    };
    let batch = vec![
        create(note(3), json!({"title": "third", "tags": ["new"]})),
        update(goal(1), "progress", json!(2)),
    ];
    let child = Write::Create {
        key: note(2),
        fields: fields_of(json!({"title": "of the goal", "text": "long ".repeat(900)})),
        parents: vec![Counter(2)],
    };
    let steps = vec![
        written(create(note(1), json!({"title": "first", "text": "one\ntwo\nthree\n"}))),
        written(create(goal(1), json!({"title": "steps", "progress": 1}))),
        written(child),
        written(update(note(1), "text", json!("one\ntwo and a half\nthree\n"))),
        written(Write::Import(import)),
        written(Write::Batch { atomic: true, writes: batch }),
        written(Write::Delete { key: note(1), seen: None }),
        written(update(note(2), "title", json!("taken back"))),
        written(Write::RollbackEntity { key: note(2) }),
    ];
    Workload { steps, ..Workload::of(&made(vfs)) }
}
