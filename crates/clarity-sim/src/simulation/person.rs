//! The person who looks at conflicts and failed changes.

use std::collections::BTreeMap;

use clarity_engine::protocol::model::{Counter, Kind};
use clarity_engine::{Resolution, Write};
use clarity_store::OperationState;
use serde_json::json;

use super::device::Device;
use super::model::Waiting;
use super::stage::Stage;

/// Something that waits for a person, settled one way or another; none when nothing waits.
pub(crate) fn settle_something(stage: &mut Stage, device: &Device) -> Option<Write> {
    if !device.conflicts.is_empty() && stage.dice.chance(600) {
        return resolve(stage, device);
    }
    let failed = device.model.in_state(OperationState::Failed);
    if let Some(operation) = stage.dice.pick(&failed).copied() {
        return Some(settle_failed(stage, device, operation));
    }
    let aside = device.model.in_state(OperationState::SetAside);
    if let Some(operation) = stage.dice.pick(&aside).copied() {
        return Some(Write::Retry { operation });
    }
    resolve(stage, device)
}

/// Tries a failed operation again, or gives it up; what waits for it has to go first.
fn settle_failed(stage: &mut Stage, device: &Device, operation: Counter) -> Write {
    if stage.dice.chance(300) {
        return Write::Retry { operation };
    }
    let is_delete = |waiting: &Waiting| waiting.kind == Kind::Delete;
    let deletes = device.model.queue.get(&operation).is_some_and(is_delete);
    if !deletes && stage.dice.chance(300) {
        let title = Some(json!(format!("edited {}", stage.dice.index(1_000))));
        let changes = [("title".to_owned(), title)].into_iter().collect();
        return Write::EditAndRetry { operation, changes };
    }
    if stage.dice.chance(200) {
        return Write::DiscardWithDependents { operation };
    }
    let mut operation = operation;
    let queue = &device.model.queue;
    // Of what waits for it, the newest is what nothing else waits for.
    loop {
        let batch = queue.get(&operation).and_then(|waiting| waiting.batch);
        let is_mate = |other: &Counter| {
            batch.is_some() && queue.get(other).is_some_and(|mate| mate.batch == batch)
        };
        let child = queue.iter().rev().find(|(counter, waiting)| {
            !is_mate(counter)
                && waiting.parents.iter().any(|parent| *parent == operation || is_mate(parent))
        });
        match child {
            Some((counter, _)) => operation = *counter,
            None => break,
        }
    }
    let state = queue.get(&operation).map(|waiting| waiting.state);
    if state == Some(OperationState::Failed) {
        Write::Discard { operation }
    } else {
        Write::Rollback { operation }
    }
}

fn resolve(stage: &mut Stage, device: &Device) -> Option<Write> {
    let conflict = stage.dice.pick(&device.conflicts)?;
    let resolution = match stage.dice.index(3) {
        0 => Resolution::KeepMine,
        1 => Resolution::UseServer,
        _ => {
            let fields = conflict.fields.iter();
            let values: BTreeMap<_, _> = fields
                .map(|field| {
                    let both = json!(format!(
                        "{} and {}",
                        field.local.clone().unwrap_or_default(),
                        field.server.clone().unwrap_or_default()
                    ));
                    // Only titles and texts can hold words.
                    let worded = matches!(field.field.as_str(), "title" | "text");
                    (field.field.clone(), if worded { Some(both) } else { field.local.clone() })
                })
                .collect();
            Resolution::Merged(values)
        }
    };
    Some(Write::Resolve { conflict: conflict.id, mark: conflict.mark, resolution })
}
