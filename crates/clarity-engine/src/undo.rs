//! Undo: what lost is brought back by a normal operation on top of what is there now.

use std::collections::BTreeMap;

use clarity_model::{Effect, Fields, Kind, merge_field};
use clarity_store::{EndedAs, HistoryRecord, StoreTransaction};

use crate::context::Context;
use crate::error::WriteError;
use crate::event::{Write, Written};
use crate::history::{HistoryCause, HistoryId, Lost};
use crate::write;

/// Brings back what lost.
pub(crate) fn undo(
    context: &mut Context<'_, '_>,
    history: HistoryId,
) -> Result<Written, WriteError> {
    let record = context.tx.history_entry(history.0)?.ok_or(WriteError::NoSuchHistory)?;
    let wanted = plan(context.tx, &record)?;
    let queued = write::apply_single(context, wanted, None)?;
    let operation = queued.ok_or(WriteError::NothingToUndo(IS_THERE))?;
    context.tx.mark_undone(history.0, operation)?;
    Ok(Written { operations: vec![operation], ..Written::default() })
}

const IS_THERE: &str = "the entity has these values";
const IS_GONE: &str = "the entity is not there any more; bring it back first";

/// The write that brings a value back as things stand, or why there is none.
pub(crate) fn plan(tx: &StoreTransaction<'_>, record: &HistoryRecord) -> Result<Write, WriteError> {
    if let Some(operation) = record.undone_by {
        let ended = tx.ended(operation)?.map(|ended| ended.outcome);
        // A person may have taken the undo back in turn.
        if !matches!(ended, Some(EndedAs::Cancelled | EndedAs::Rejected)) {
            return Err(WriteError::UndoneAlready(operation));
        }
    }
    let lost = Lost::read(tx.schema(), record).ok_or(WriteError::NoSuchHistory)?;
    let key = record.entry.key.clone();
    let row = tx.entity(&key)?.filter(|row| row.state.is_visible());
    match (lost.kind, row) {
        (Some(Kind::Create), None) => {
            Ok(Write::Create { key, fields: lost.fields, parents: Vec::new() })
        }
        (Some(Kind::Delete), Some(_)) => Ok(Write::Delete { key, seen: None }),
        (Some(Kind::Delete), None) => Err(WriteError::NothingToUndo("the entity is deleted")),
        (Some(Kind::Create), Some(row)) if row.fields == lost.fields => {
            Err(WriteError::NothingToUndo(IS_THERE))
        }
        (_, Some(_)) if HistoryCause::is_deletion(&record.entry.cause) => {
            Err(WriteError::NothingToUndo("the entity was made again meanwhile"))
        }
        (_, Some(row)) => {
            let changes = changes(tx, record, &lost, &row.fields);
            if changes.is_empty() {
                return Err(WriteError::NothingToUndo(IS_THERE));
            }
            Ok(Write::Update { key, changes, seen: None })
        }
        (_, None) => Err(WriteError::NothingToUndo(IS_GONE)),
    }
}

/// The lost values on top of what is there: added to it where the field's rule can hold both, in
/// its place where it cannot.
fn changes(
    tx: &StoreTransaction<'_>,
    record: &HistoryRecord,
    lost: &Lost,
    current: &Fields,
) -> BTreeMap<String, Option<serde_json::Value>> {
    let schema = tx.schema().type_schema(&record.entry.key.entity_type);
    let wanted = lost.fields.iter().map(|(name, value)| (name, Some(value)));
    let wanted = wanted.chain(lost.removed.iter().map(|name| (name, None)));
    let mut changes = BTreeMap::new();
    for (name, wanted) in wanted {
        let there = current.get(name);
        let value = if lost.kind.is_some() {
            let merged = merge_field(schema.rule(name), lost.seen.get(name), wanted, there);
            match merged.effect {
                Effect::Conflict | Effect::Superseded => wanted.cloned(),
                Effect::Unchanged | Effect::Applied | Effect::Merged => merged.value,
            }
        } else {
            wanted.cloned()
        };
        if value.as_ref() != there {
            changes.insert(name.clone(), value);
        }
    }
    changes
}
