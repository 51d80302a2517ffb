//! The planted bugs that tamper with what travels: mistakes that a server or a transport could
//! make, made where it would make them.

use std::collections::BTreeMap;

use clarity_engine::protocol::model::{Counter, EntityKey, Fields, Kind, Outcome, Version};
use clarity_engine::protocol::{
    OperationAnswer, PullResponse, PushRequest, Row, WireOperation, decode,
};
use clarity_server::DumpedEntity;
use serde_json::value::to_raw_value;

use super::dice::Dice;
use super::network::plain_answer;
use super::plant::Plant;
use super::stage::Stage;
use super::workload::ORIGIN;

/// What becomes of a page on its way out.
pub(crate) fn page(stage: &mut Stage, bytes: Vec<u8>) -> Vec<u8> {
    let tampers = [
        Plant::PageWithoutRow,
        Plant::PageWithoutDeletes,
        Plant::SilentRestore,
        Plant::StaleRow,
        Plant::UnknownFieldsDropped,
    ];
    let Some(plant) = stage.plant.filter(|plant| tampers.contains(plant)) else { return bytes };
    let Ok(mut page) = decode::<PullResponse>(&bytes) else { return bytes };
    match plant {
        Plant::PageWithoutRow if stage.dice.chance(300) => {
            page.rows.pop();
        }
        Plant::PageWithoutDeletes => page.rows.retain(|row| !row.deleted),
        Plant::SilentRestore => page.restored = None,
        Plant::StaleRow => page.rows.iter_mut().for_each(|row| make_stale(&mut stage.dice, row)),
        Plant::UnknownFieldsDropped => {
            for fields in page.rows.iter_mut().filter_map(|row| row.fields.as_mut()) {
                fields.remove(ORIGIN);
            }
        }
        _ => {}
    }
    serde_json::to_vec(&page).unwrap_or(bytes)
}

/// The fields of an older version under a newer number.
fn make_stale(dice: &mut Dice, row: &mut Row) {
    if let Some(fields) = row.fields.as_mut().filter(|_| row.version > Version(1))
        && dice.chance(300)
    {
        fields.remove("title");
    }
}

/// What becomes of a push on its way in. Says what is answered of what the server never sees.
pub(crate) fn push(
    stage: &mut Stage,
    request: &mut PushRequest,
    entities: &BTreeMap<EntityKey, DumpedEntity>,
) -> Vec<OperationAnswer> {
    match stage.plant {
        Some(Plant::MergeWithoutBase) => each(request, |operation| {
            let there = entities.get(&operation.key).filter(|there| !there.deleted);
            let Some(there) = there.filter(|_| operation.kind == Kind::Update) else { return };
            operation.base = there.version;
            overwrite(operation, &there.fields);
        }),
        Some(Plant::SettledTooFar) if stage.dice.chance(200) => {
            let last = operations(request).last().map_or(Counter(0), |one| one.id);
            request.settled_below = Counter(last.0 + 1);
        }
        Some(Plant::TornBatch) => return tear(request),
        _ => {}
    }
    Vec::new()
}

fn operations(request: &PushRequest) -> Vec<WireOperation> {
    let raw = request.operations.iter();
    raw.filter_map(|raw| serde_json::from_str(raw.get()).ok()).collect()
}

fn each(request: &mut PushRequest, change: impl Fn(&mut WireOperation)) {
    for raw in &mut request.operations {
        let Ok(mut operation) = serde_json::from_str::<WireOperation>(raw.get()) else { continue };
        change(&mut operation);
        if let Ok(changed) = to_raw_value(&operation) {
            *raw = changed;
        }
    }
}

/// As if the writer had seen what is there now.
fn overwrite(operation: &mut WireOperation, there: &Fields) {
    for change in &mut operation.changes {
        change.old = there.get(&change.field).cloned();
    }
}

/// The last operation of each batch gets lost, and is answered like the others.
fn tear(request: &mut PushRequest) -> Vec<OperationAnswer> {
    let mut last: BTreeMap<Counter, Counter> = BTreeMap::new();
    let all = operations(request);
    for operation in &all {
        last.extend(operation.batch.map(|batch| (batch, operation.id)));
    }
    let lost: Vec<Counter> = last.into_values().collect();
    request.operations.retain(|raw| {
        let operation = serde_json::from_str::<WireOperation>(raw.get());
        operation.map_or(true, |operation| !lost.contains(&operation.id))
    });
    let applied = |operation: &WireOperation| OperationAnswer {
        version: Some(Version(operation.base.0 + 1)),
        ..plain_answer(operation.id, Outcome::Applied)
    };
    all.iter().filter(|one| lost.contains(&one.id)).map(applied).collect()
}

/// What the backend refuses is told as if it had been done.
pub(crate) fn refusals_as_done(forbidden: &mut [Option<OperationAnswer>], all: &[WireOperation]) {
    for (answer, operation) in forbidden.iter_mut().zip(all) {
        if answer.is_some() {
            *answer = Some(OperationAnswer {
                version: Some(Version(operation.base.0 + 1)),
                ..plain_answer(operation.id, Outcome::Applied)
            });
        }
    }
}
