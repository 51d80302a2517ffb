//! Failed operations: retry, discard, and the rollback of what was not sent.

use clarity_model::{Counter, EntityKey, Kind};
use clarity_store::{Ended, EndedAs, NewOperation, OperationState, QueuedOperation};

use crate::context::Context;
use crate::error::WriteError;
use crate::event::Written;
use crate::history::{Cause, Lost, remember};
use crate::lane;
use crate::view;

/// Takes back one operation that was never sent, while later ones of the entity stay.
pub(crate) fn rollback(
    context: &mut Context<'_, '_>,
    counter: Counter,
) -> Result<Written, WriteError> {
    let operation = find(context, counter)?;
    let members = together(context, &operation)?;
    for member in &members {
        if member.first_sent_at.is_some() && member.state != OperationState::Failed {
            return Err(WriteError::AlreadySent(member.counter));
        }
        check_dependents(context, member, &members)?;
    }
    give_up(context, &members, Cause::RolledBack)?;
    Ok(Written::default())
}

/// Gives up a failed operation. What it wanted is kept in history for 30 days.
pub(crate) fn discard(
    context: &mut Context<'_, '_>,
    counter: Counter,
) -> Result<Written, WriteError> {
    let operation = failed(context, counter)?;
    let members = together(context, &operation)?;
    for member in &members {
        check_dependents(context, member, &members)?;
    }
    give_up(context, &members, Cause::Discarded)?;
    Ok(Written::default())
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

fn give_up(
    context: &mut Context<'_, '_>,
    members: &[QueuedOperation],
    cause: Cause,
) -> Result<(), WriteError> {
    for member in members {
        let lane = context.tx.lane(&member.key)?;
        let row = context.tx.entity(&member.key)?;
        view::materialise_create(context, &lane, row.as_ref())?;
        let Some(stored) = context.tx.operation(member.counter)? else { continue };
        let changes = stored.changes.unwrap_or_default();
        remember(context, &member.key, Some(member.counter), cause, &Lost::of_changes(&changes))?;
        let outcome = match cause {
            Cause::Discarded => EndedAs::Rejected,
            _ => EndedAs::Cancelled,
        };
        // What a resolution took over goes with it: it wants nothing any more.
        for counter in context.tx.carried_by(member.counter)? {
            let carried = context.tx.operation(counter)?;
            let is_empty = |o: &QueuedOperation| o.changes.as_ref().is_some_and(Vec::is_empty);
            if counter != member.counter && carried.as_ref().is_some_and(is_empty) {
                end(context, counter, outcome)?;
            }
        }
        end(context, member.counter, outcome)?;
        drop_dependents(context, member.counter, members)?;
        drop_orphans(context, member)?;
        lane::unblock(context, &member.key)?;
        view::refold(context, &member.key)?;
    }
    Ok(())
}

fn end(
    context: &mut Context<'_, '_>,
    counter: Counter,
    outcome: EndedAs,
) -> Result<(), WriteError> {
    context.tx.remove_operation(counter)?;
    let ended = Ended { outcome, at: context.now, version: None, resolved_by: None };
    context.tx.record_ended(counter, &ended)?;
    context.noted.ended(counter, outcome);
    Ok(())
}

/// Without its create, later edits of an entity that the server never heard of have nothing to
/// change: they go with it.
fn drop_orphans(context: &mut Context<'_, '_>, member: &QueuedOperation) -> Result<(), WriteError> {
    if member.kind != Kind::Create || view::confirmed_of_lane(context, &member.key)?.is_some() {
        return Ok(());
    }
    let mut torn = Vec::new();
    for orphan in context.tx.lane(&member.key)? {
        if orphan.state == OperationState::InFlight {
            continue;
        }
        torn.extend(orphan.batch);
        let changes = orphan.changes.clone().unwrap_or_default();
        let lost = Lost::of_changes(&changes);
        remember(context, &orphan.key, Some(orphan.counter), Cause::RolledBack, &lost)?;
        end(context, orphan.counter, EndedAs::Cancelled)?;
        drop_dependents(context, orphan.counter, &[])?;
    }
    // An atomic batch that has lost a member can never be whole again.
    for batch in torn {
        let rest = context.tx.operations_of_batch(batch)?;
        give_up(context, &rest, Cause::RolledBack)?;
    }
    Ok(())
}

/// What depends on an operation that will never be accepted can never be sent: it goes with it.
fn drop_dependents(
    context: &mut Context<'_, '_>,
    parent: Counter,
    members: &[QueuedOperation],
) -> Result<(), WriteError> {
    for child in context.tx.children(parent)? {
        let is_member = members.iter().any(|member| member.counter == child);
        let Some(operation) = context.tx.operation(child)?.filter(|_| !is_member) else { continue };
        if operation.first_sent_at.is_none() {
            let dependents = together(context, &operation)?;
            give_up(context, &dependents, Cause::RolledBack)?;
        }
    }
    context.tx.forget_parent(parent)?;
    Ok(())
}

fn find(context: &Context<'_, '_>, counter: Counter) -> Result<QueuedOperation, WriteError> {
    context.tx.operation(counter)?.ok_or(WriteError::NoSuchOperation(counter))
}

fn failed(context: &Context<'_, '_>, counter: Counter) -> Result<QueuedOperation, WriteError> {
    let operation = find(context, counter)?;
    match operation.state {
        OperationState::Failed | OperationState::SetAside => Ok(operation),
        _ => Err(WriteError::NotFailed(counter)),
    }
}

/// The operation, or its whole atomic batch.
fn together(
    context: &Context<'_, '_>,
    operation: &QueuedOperation,
) -> Result<Vec<QueuedOperation>, WriteError> {
    match operation.batch {
        Some(batch) => Ok(context.tx.operations_of_batch(batch)?),
        None => Ok(vec![operation.clone()]),
    }
}

fn check_dependents(
    context: &Context<'_, '_>,
    operation: &QueuedOperation,
    members: &[QueuedOperation],
) -> Result<(), WriteError> {
    let outside = context.tx.children(operation.counter)?;
    let is_member = |child: &Counter| members.iter().any(|member| member.counter == *child);
    if outside.iter().all(is_member) {
        Ok(())
    } else {
        Err(WriteError::HasDependents(operation.counter))
    }
}

/// The entities of some operations, each once.
pub(crate) fn keys_of(operations: &[QueuedOperation]) -> std::collections::BTreeSet<EntityKey> {
    operations.iter().map(|operation| operation.key.clone()).collect()
}
