//! Lanes: which operations of an entity may go, and which wait for what.

use std::collections::BTreeSet;

use clarity_model::{Counter, EntityKey};
use clarity_store::{OperationState, QueuedOperation, RequestId, StoreError};

use crate::context::Context;
use crate::view::is_absorbed;

/// Stops the operations of a lane behind one that cannot go on, and with them the atomic batches
/// that they belong to, each with what comes behind it in its other lanes.
pub(crate) fn block_after(
    context: &mut Context<'_, '_>,
    key: &EntityKey,
    counter: Counter,
) -> Result<(), StoreError> {
    let mut lanes = vec![(key.clone(), counter)];
    while let Some((key, counter)) = lanes.pop() {
        let lane = context.tx.lane(&key)?.into_iter();
        let stopped = lane.filter(|one| one.counter > counter && is_ready(one));
        let batches: Vec<Counter> = stopped.filter_map(|operation| operation.batch).collect();
        context.tx.set_lane_state(&key, counter, OperationState::Ready, OperationState::Blocked)?;
        for batch in batches {
            for mate in context.tx.operations_of_batch(batch)?.into_iter().filter(is_ready) {
                lanes.push((mate.key, Counter(mate.counter.0.saturating_sub(1))));
            }
        }
    }
    Ok(())
}

/// Stops the members of an atomic batch, one of which waits for a person, each with what comes
/// behind it in its lane.
pub(crate) fn block_batch(context: &mut Context<'_, '_>, batch: Counter) -> Result<(), StoreError> {
    for mate in context.tx.operations_of_batch(batch)?.into_iter().filter(is_ready) {
        block_after(context, &mate.key, Counter(mate.counter.0.saturating_sub(1)))?;
    }
    Ok(())
}

/// Takes the operations of a request out of flight, to be sent again with the same bytes. Where
/// only part of an atomic batch was answered, and what was answered waits for a person, the rest
/// waits with it.
pub(crate) fn release(context: &mut Context<'_, '_>, request: RequestId) -> Result<(), StoreError> {
    let unheard = context.tx.operations_of_request(request)?;
    context.tx.release(request)?;
    hold_torn_batches(context, &unheard)
}

/// Takes everything out of flight, as [`release`] does: no answer will come any more.
pub(crate) fn release_all(context: &mut Context<'_, '_>) -> Result<(), StoreError> {
    let in_flight = OperationState::InFlight;
    let unheard = context.tx.operations_in_state(in_flight, Counter(0), usize::MAX)?;
    context.tx.release_all_in_flight()?;
    hold_torn_batches(context, &unheard)
}

fn hold_torn_batches(
    context: &mut Context<'_, '_>,
    released: &[QueuedOperation],
) -> Result<(), StoreError> {
    let batches: BTreeSet<Counter> =
        released.iter().filter_map(|operation| operation.batch).collect();
    for batch in batches {
        let held = context.tx.operations_of_batch(batch)?.into_iter().any(|mate| {
            matches!(
                mate.state,
                OperationState::Failed | OperationState::Conflicted | OperationState::Blocked
            ) && !is_absorbed(&mate)
        });
        if held {
            block_batch(context, batch)?;
        }
    }
    Ok(())
}

fn is_ready(operation: &QueuedOperation) -> bool {
    operation.state == OperationState::Ready
}

/// Lets the operations of a lane go as far as nothing holds them.
pub(crate) fn unblock(context: &mut Context<'_, '_>, key: &EntityKey) -> Result<(), StoreError> {
    for operation in context.tx.lane(key)? {
        match operation.state {
            // It may be what the rest of its batch has waited for.
            OperationState::Ready if operation.batch.is_some() => {
                unblock_one(context, &operation)?;
            }
            OperationState::Ready | OperationState::InFlight => {}
            OperationState::Blocked if is_absorbed(&operation) => {}
            OperationState::Blocked => {
                if !context.tx.parents(operation.counter)?.is_empty() {
                    return Ok(());
                }
                if !unblock_one(context, &operation)? {
                    return Ok(());
                }
            }
            OperationState::Failed | OperationState::Conflicted | OperationState::SetAside => {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Lets the atomic batches go that have a member in a lane, where it was what held them.
pub(crate) fn unblock_batches(
    context: &mut Context<'_, '_>,
    lane: &[QueuedOperation],
) -> Result<(), StoreError> {
    for batch in lane.iter().filter_map(|operation| operation.batch) {
        for mate in context.tx.operations_of_batch(batch)? {
            unblock(context, &mate.key)?;
        }
    }
    Ok(())
}

/// Frees one operation; a member of an atomic batch only when all members can go. Returns whether
/// it is free.
fn unblock_one(
    context: &mut Context<'_, '_>,
    operation: &QueuedOperation,
) -> Result<bool, StoreError> {
    let Some(batch) = operation.batch else {
        context.tx.set_operation_state(operation.counter, OperationState::Ready)?;
        return Ok(true);
    };
    let members = context.tx.operations_of_batch(batch)?;
    // What a resolution has taken over is part of the batch no more: the resolution is.
    let members: Vec<_> = members.into_iter().filter(|member| !is_absorbed(member)).collect();
    for member in &members {
        let waits = !matches!(member.state, OperationState::Ready | OperationState::Blocked);
        if waits || !context.tx.parents(member.counter)?.is_empty() || is_held(context, member)? {
            return Ok(false);
        }
    }
    for member in &members {
        context.tx.set_operation_state(member.counter, OperationState::Ready)?;
    }
    Ok(true)
}

/// Whether something before an operation in its lane holds it.
fn is_held(context: &Context<'_, '_>, operation: &QueuedOperation) -> Result<bool, StoreError> {
    let lane = context.tx.lane(&operation.key)?;
    let before = lane.iter().take_while(|other| other.counter < operation.counter);
    let mut before = before.filter(|other| !is_absorbed(other));
    Ok(before.any(|other| !matches!(other.state, OperationState::Ready | OperationState::InFlight)))
}

/// Frees the operations that waited only for this one, which has been accepted and removed.
pub(crate) fn free_children(
    context: &mut Context<'_, '_>,
    children: &[Counter],
) -> Result<(), StoreError> {
    for child in children {
        if let Some(operation) = context.tx.operation(*child)? {
            unblock(context, &operation.key)?;
        }
    }
    Ok(())
}
