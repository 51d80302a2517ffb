//! Failed operations: retry, edit and retry, discard.

use std::collections::BTreeMap;

use clarity_model::{Counter, FieldChange, Fields, Kind};
use clarity_store::{Ended, EndedAs, NewOperation, OperationState, QueuedOperation, StoreError};
use serde_json::Value;

use crate::context::Context;
use crate::error::WriteError;
use crate::event::Written;
use crate::history::HistoryCause;
use crate::rollback::{self, check_dependents, failed, give_up, together};
use crate::{ids, lane, revert, view};

/// Gives up a failed operation. What it wanted is kept in history for 30 days. What depends on it
/// goes with it if that is wanted; otherwise nothing may depend on it.
pub(crate) fn discard(
    context: &mut Context<'_, '_>,
    counter: Counter,
    with_dependents: bool,
) -> Result<Written, WriteError> {
    let operation = failed(context, counter)?;
    let members = together(context, &operation)?;
    for member in members.iter().filter(|_| !with_dependents) {
        check_dependents(context, member, &members)?;
    }
    give_up(context, &members, HistoryCause::Discarded)?;
    Ok(Written::default())
}

/// Changes what a failed operation wants, and sends it again in its place. The fields that are not
/// named stay as they are.
pub(crate) fn edit_and_retry(
    context: &mut Context<'_, '_>,
    counter: Counter,
    wanted: BTreeMap<String, Option<Value>>,
) -> Result<Written, WriteError> {
    let operation = failed(context, counter)?;
    if operation.state == OperationState::SetAside {
        return Err(WriteError::MayHaveArrived(counter));
    }
    if operation.kind == Kind::Delete {
        return Err(WriteError::NotEditable(counter));
    }
    rollback::materialise(context, &operation.key)?;
    let operation = rollback::find(context, counter)?;
    let under = under(context, &operation)?;
    let mut changes = operation.changes.clone().unwrap_or_default();
    let mut shifts = Vec::with_capacity(wanted.len());
    for (field, new) in wanted {
        let old = under.get(&field).cloned();
        let at = changes.iter().position(|change| change.field == field);
        let was = at.map_or_else(|| old.clone(), |at| changes[at].new.clone());
        match at {
            Some(at) => changes[at].new = new.clone(),
            None => changes.push(FieldChange { field: field.clone(), old, new: new.clone() }),
        }
        shifts.push(FieldChange { field, old: new, new: was });
    }
    for parent in ids::meet_changes(context, &operation.key, operation.batch, &mut changes)? {
        if context.tx.operation(parent)?.is_some() {
            context.tx.add_parent(counter, parent)?;
        }
    }
    changes.retain(|change| change.old != change.new);
    changes.sort_by(|one, other| one.field.cmp(&other.field));
    if changes.is_empty() && operation.kind == Kind::Update {
        return Err(WriteError::NothingLeft(counter));
    }
    context.tx.set_operation_changes(counter, &changes)?;
    rollback::rebase_behind(context, &operation, &shifts)?;
    let written = retry(context, counter)?;
    if let Some(row) = context.tx.entity(&operation.key)? {
        clarity_model::validate_fields(&row.fields)?;
    }
    Ok(written)
}

/// What lies under an operation: the server's side with the operations before it in its lane.
fn under(context: &Context<'_, '_>, operation: &QueuedOperation) -> Result<Fields, StoreError> {
    let lane = context.tx.lane(&operation.key)?.into_iter();
    let before: Vec<_> = lane.filter(|other| other.counter < operation.counter).collect();
    let confirmed = context.tx.confirmed(&operation.key)?;
    let schema = context.type_schema(&operation.key);
    let folded = view::fold_lane(&schema, confirmed.as_ref(), &before, None);
    Ok(folded.view.unwrap_or_default())
}

/// Sends a failed operation again, as a new one: the old id has its answer for ever. One that was
/// set aside has no answer yet, and goes again under the id that it has.
pub(crate) fn retry(
    context: &mut Context<'_, '_>,
    counter: Counter,
) -> Result<Written, WriteError> {
    let operation = failed(context, counter)?;
    let members = together(context, &operation)?;
    let mut operations = Vec::new();
    let mut batch = RenewedBatch::new(operation.batch);
    for member in members {
        if let Some(inverse) = context.tx.inverse_of(member.counter)? {
            // Who tries it again wants it after all.
            revert::end_inverse(context, inverse)?;
            view::refold(context, &member.key)?;
        }
        if member.state == OperationState::SetAside {
            context.tx.set_operation_state(member.counter, OperationState::Ready)?;
            lane::unblock(context, &member.key)?;
            operations.push(member.counter);
        } else if let Some(first) = earliest_together(context, &member)? {
            operations.extend(renew(context, &first, &mut batch)?);
        }
    }
    context.noted.status = true;
    Ok(Written { operations, ..Written::default() })
}

/// The first of the operations that travelled as one with this one and failed with it; nothing when
/// it has been renewed with another one already.
fn earliest_together(
    context: &Context<'_, '_>,
    operation: &QueuedOperation,
) -> Result<Option<QueuedOperation>, WriteError> {
    let carrier = operation.carrier.unwrap_or(operation.counter);
    let mut first = context.tx.operation(operation.counter)?;
    for counter in context.tx.carried_by(carrier)? {
        let earlier = first.as_ref().is_some_and(|first| counter < first.counter);
        if earlier {
            first = context.tx.operation(counter)?;
        }
    }
    Ok(first)
}

/// The atomic batch that is tried again gets a new number. Another batch that has a member behind
/// it keeps its own: its other members are not renewed.
pub(crate) struct RenewedBatch {
    from: Option<Counter>,
    to: Option<Counter>,
}

impl RenewedBatch {
    pub(crate) fn new(from: Option<Counter>) -> Self {
        Self { from, to: None }
    }

    fn of(&mut self, batch: Counter, next: Counter) -> Counter {
        if self.from == Some(batch) { *self.to.get_or_insert(next) } else { batch }
    }
}

/// Gives the operations of a lane, from a given one on, new numbers in the same order, so that the
/// renewed operation keeps its place.
pub(crate) fn renew(
    context: &mut Context<'_, '_>,
    first: &QueuedOperation,
    renewed_batch: &mut RenewedBatch,
) -> Result<Vec<Counter>, WriteError> {
    let lane = context.tx.lane(&first.key)?;
    let row = context.tx.entity(&first.key)?;
    view::materialise_create(context, &lane, row.as_ref())?;
    let lane = context.tx.lane(&first.key)?;
    let mut renewed = Vec::new();
    for operation in lane.into_iter().filter(|operation| operation.counter >= first.counter) {
        if operation.state == OperationState::InFlight {
            return Err(WriteError::AlreadySent(operation.counter));
        }
        renewed.push(renew_one(context, operation, renewed_batch)?);
    }
    lane::unblock(context, &first.key)?;
    let lane = context.tx.lane(&first.key)?;
    lane::unblock_batches(context, &lane)?;
    view::refold(context, &first.key)?;
    Ok(renewed)
}

fn renew_one(
    context: &mut Context<'_, '_>,
    operation: QueuedOperation,
    renewed_batch: &mut RenewedBatch,
) -> Result<Counter, WriteError> {
    let next = context.tx.next_counter()?;
    let batch = operation.batch.map(|batch| renewed_batch.of(batch, next));
    let parents = context.tx.parents(operation.counter)?;
    let children = context.tx.children(operation.counter)?;
    let counter = context.tx.insert_operation(&NewOperation {
        kind: operation.kind,
        key: operation.key.clone(),
        changes: operation.changes,
        undelete: operation.undelete,
        batch,
        parents,
        schema: operation.schema,
        made_at: operation.made_at,
        state: OperationState::Blocked,
    })?;
    for child in children {
        context.tx.add_parent(child, counter)?;
    }
    context.tx.renumber_revert(operation.counter, counter)?;
    let ended = Ended {
        outcome: EndedAs::Resolved,
        at: context.now,
        version: None,
        resolved_by: Some(counter),
    };
    context.tx.remove_operation(operation.counter)?;
    context.tx.forget_parent(operation.counter)?;
    context.tx.record_ended(operation.counter, &ended)?;
    context.noted.ended(operation.counter, EndedAs::Resolved);
    Ok(counter)
}
