//! Taking operations out of the queue: rollback of what nobody heard of, and giving up.
//!
//! What comes behind an operation was written on top of it. When it goes, the others stay: where a
//! field would now look as if somebody else had changed it, they continue from what lay under the
//! operation that is gone.

use std::collections::BTreeSet;

use clarity_model::{Counter, Effect, EntityKey, FieldChange, Kind, TypeSchema, merge_field};
use clarity_store::{Ended, EndedAs, OperationState, QueuedOperation, StoreError};

use crate::context::Context;
use crate::error::WriteError;
use crate::event::Written;
use crate::history::{HistoryCause, Lost, remember};
use crate::{lane, revert, view};

/// Takes back one operation, while later ones of the entity stay. One that was never sent, or that
/// the server has refused, just goes; one that is on its way is hidden from the view at once, and
/// taken back at the server once its answer is there.
pub(crate) fn rollback(
    context: &mut Context<'_, '_>,
    counter: Counter,
) -> Result<Written, WriteError> {
    let operation = find(context, counter)?;
    let members = together(context, &operation)?;
    for member in &members {
        check_dependents(context, member, &members)?;
    }
    let (sent, unsent): (Vec<_>, Vec<_>) = members.into_iter().partition(revert::is_on_its_way);
    give_up(context, &unsent, HistoryCause::RolledBack)?;
    let operations = revert::queue(context, &sent)?;
    Ok(Written { operations, ..Written::default() })
}

/// Takes back everything that waits or is on its way for an entity, the newest first: the view is
/// what the server has.
pub(crate) fn rollback_entity(
    context: &mut Context<'_, '_>,
    key: &EntityKey,
) -> Result<Written, WriteError> {
    let lane = context.tx.lane(key)?;
    let made = lane.iter().find(|one| one.kind == Kind::Create && revert::is_on_its_way(one));
    if let Some(made) = made
        && context.tx.confirmed(key)?.is_none()
        && context.tx.inverse_of(made.counter)?.is_none()
    {
        // All else goes with it.
        return rollback(context, made.counter);
    }
    let mut written = Written::default();
    let mut is_idle = true;
    for operation in lane.into_iter().rev() {
        let counter = operation.counter;
        // It may have gone with a later one.
        let Some(operation) = context.tx.operation(counter)? else { continue };
        let is_taken_back =
            context.tx.reverts(counter)?.is_some() || context.tx.inverse_of(counter)?.is_some();
        if is_taken_back || view::is_absorbed(&operation) {
            continue;
        }
        is_idle = false;
        written.operations.extend(rollback(context, counter)?.operations);
    }
    if is_idle { Err(WriteError::NothingToRollBack) } else { Ok(written) }
}

/// Takes operations out of the queue that a person gives up. What they wanted is kept in history.
pub(crate) fn give_up(
    context: &mut Context<'_, '_>,
    members: &[QueuedOperation],
    cause: HistoryCause,
) -> Result<(), StoreError> {
    for member in members {
        materialise(context, &member.key)?;
        let Some(stored) = context.tx.operation(member.counter)? else { continue };
        let lost = Lost::of_operation(stored.kind, stored.changes.as_deref().unwrap_or_default());
        remember(context, &stored.key, Some(stored.counter), cause, &lost)?;
        let outcome = match cause {
            HistoryCause::Discarded => EndedAs::Rejected,
            _ => EndedAs::Cancelled,
        };
        take_out(context, &stored, outcome, members)?;
    }
    Ok(())
}

/// Takes an operation out of the queue, and with it what means nothing without it. Its lane carries
/// its changes: see [`materialise`].
pub(crate) fn take_out(
    context: &mut Context<'_, '_>,
    operation: &QueuedOperation,
    outcome: EndedAs,
    members: &[QueuedOperation],
) -> Result<(), StoreError> {
    let counter = operation.counter;
    // What a resolution took over goes with it: it wants nothing any more.
    for carried in context.tx.carried_by(counter)? {
        let there = context.tx.operation(carried)?;
        let is_empty = |o: &QueuedOperation| o.changes.as_ref().is_some_and(Vec::is_empty);
        if carried != counter && there.as_ref().is_some_and(is_empty) {
            end(context, carried, outcome)?;
        }
    }
    let inverse = context.tx.inverse_of(counter)?;
    end(context, counter, outcome)?;
    if let Some(inverse) = inverse {
        revert::end_inverse(context, inverse)?;
    }
    let gone = operation.changes.as_deref().unwrap_or_default();
    rebase_behind(context, operation, gone)?;
    drop_dependents(context, counter, members)?;
    drop_orphans(context, operation)?;
    lane::unblock(context, &operation.key)?;
    view::refold(context, &operation.key)
}

/// Writes the changes of a create that refers to its row into the operation itself.
pub(crate) fn materialise(
    context: &mut Context<'_, '_>,
    key: &EntityKey,
) -> Result<(), StoreError> {
    let lane = context.tx.lane(key)?;
    let row = context.tx.entity(key)?;
    view::materialise_create(context, &lane, row.as_ref())
}

/// Ends an operation that no answer ends.
pub(crate) fn end(
    context: &mut Context<'_, '_>,
    counter: Counter,
    outcome: EndedAs,
) -> Result<(), StoreError> {
    context.tx.forget_revert(counter)?;
    if !context.tx.remove_operation(counter)? {
        return Ok(());
    }
    let ended = Ended { outcome, at: context.now, version: None, resolved_by: None };
    context.tx.record_ended(counter, &ended)?;
    context.noted.ended(counter, outcome);
    Ok(())
}

/// Lets what comes behind an operation in its lane continue from what lies there now. A shift says
/// for a field what lay there (`new`) and what lies there from now on (`old`).
pub(crate) fn rebase_behind(
    context: &mut Context<'_, '_>,
    operation: &QueuedOperation,
    shifts: &[FieldChange],
) -> Result<(), StoreError> {
    let lane = context.tx.lane(&operation.key)?.into_iter();
    let mut behind: Vec<_> = lane
        .filter(|other| other.counter > operation.counter && other.first_sent_at.is_none())
        .collect();
    let schema = context.type_schema(&operation.key);
    for counter in rebase(&schema, &mut behind, shifts) {
        let moved = behind.iter().find(|other| other.counter == counter);
        if let Some(changes) = moved.and_then(|moved| moved.changes.as_ref()) {
            context.tx.set_operation_changes(counter, changes)?;
        }
    }
    Ok(())
}

/// As [`rebase_behind`], on operations in memory; says which it moved.
pub(crate) fn rebase(
    schema: &TypeSchema,
    behind: &mut [QueuedOperation],
    shifts: &[FieldChange],
) -> BTreeSet<Counter> {
    let mut moved = BTreeSet::new();
    for shift in shifts {
        for operation in behind.iter_mut() {
            let (counter, is_delete) = (operation.counter, operation.kind == Kind::Delete);
            let Some(changes) = &mut operation.changes else { continue };
            if is_delete {
                if rebase_delete(changes, shift) {
                    moved.insert(counter);
                }
                break;
            }
            let Some(change) = changes.iter_mut().find(|change| change.field == shift.field) else {
                continue;
            };
            let (old, new, under) = (&change.old, change.new.as_ref(), shift.old.as_ref());
            if *old == shift.new {
                let rule = schema.rule(&change.field);
                let merged = merge_field(rule, old.as_ref(), new, under);
                if matches!(merged.effect, Effect::Conflict | Effect::Superseded) {
                    change.old = shift.old.clone();
                    moved.insert(counter);
                }
            }
            break;
        }
    }
    moved
}

/// A delete lists all that its writer saw.
fn rebase_delete(changes: &mut Vec<FieldChange>, shift: &FieldChange) -> bool {
    let at = changes.iter().position(|change| change.field == shift.field);
    if at.and_then(|at| changes[at].old.as_ref()) != shift.new.as_ref() {
        return false;
    }
    changes.retain(|change| change.field != shift.field);
    if shift.old.is_some() {
        let (field, old) = (shift.field.clone(), shift.old.clone());
        changes.push(FieldChange { field, old, new: None });
    }
    true
}

/// Without its create, later edits of an entity that the server never heard of have nothing to
/// change: they go with it.
pub(crate) fn drop_orphans(
    context: &mut Context<'_, '_>,
    member: &QueuedOperation,
) -> Result<(), StoreError> {
    if member.kind != Kind::Create || view::confirmed_of_lane(context, &member.key)?.is_some() {
        return Ok(());
    }
    let mut torn = Vec::new();
    for orphan in context.tx.lane(&member.key)? {
        if orphan.counter == member.counter || revert::is_on_its_way(&orphan) {
            continue;
        }
        torn.extend(orphan.batch);
        let changes = orphan.changes.clone().unwrap_or_default();
        let lost = Lost::of_operation(orphan.kind, &changes);
        let counter = Some(orphan.counter);
        remember(context, &orphan.key, counter, HistoryCause::RolledBack, &lost)?;
        end(context, orphan.counter, EndedAs::Cancelled)?;
        drop_dependents(context, orphan.counter, &[])?;
    }
    // An atomic batch that has lost a member can never be whole again.
    for batch in torn {
        let rest = context.tx.operations_of_batch(batch)?;
        give_up(context, &rest, HistoryCause::RolledBack)?;
    }
    Ok(())
}

/// What depends on an operation that will never be accepted can never be sent: it goes with it.
fn drop_dependents(
    context: &mut Context<'_, '_>,
    parent: Counter,
    members: &[QueuedOperation],
) -> Result<(), StoreError> {
    for child in context.tx.children(parent)? {
        let is_member = members.iter().any(|member| member.counter == child);
        let Some(operation) = context.tx.operation(child)?.filter(|_| !is_member) else { continue };
        if operation.first_sent_at.is_none() {
            let dependents = together(context, &operation)?;
            give_up(context, &dependents, HistoryCause::RolledBack)?;
        }
    }
    context.tx.forget_parent(parent)?;
    Ok(())
}

pub(crate) fn find(
    context: &Context<'_, '_>,
    counter: Counter,
) -> Result<QueuedOperation, WriteError> {
    context.tx.operation(counter)?.ok_or(WriteError::NoSuchOperation(counter))
}

/// The operation, or its whole atomic batch.
pub(crate) fn together(
    context: &Context<'_, '_>,
    operation: &QueuedOperation,
) -> Result<Vec<QueuedOperation>, StoreError> {
    match operation.batch {
        Some(batch) => context.tx.operations_of_batch(batch),
        None => Ok(vec![operation.clone()]),
    }
}

/// Refuses when operations other than `members` wait for this one.
pub(crate) fn check_dependents(
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

/// Whether an operation waits for a person, or is tried later and apart.
pub(crate) fn failed(
    context: &Context<'_, '_>,
    counter: Counter,
) -> Result<QueuedOperation, WriteError> {
    let operation = find(context, counter)?;
    match operation.state {
        OperationState::Failed | OperationState::SetAside => Ok(operation),
        _ => Err(WriteError::NotFailed(counter)),
    }
}
