//! A backend that merges nothing: it answers that the entity has moved on, with what it has now.
//! The device merges and sends again, a few times; what moves on faster than that is for a person.

use std::collections::{BTreeMap, BTreeSet};

use clarity_model::{Counter, Outcome};
use clarity_protocol::OperationAnswer;
use clarity_store::{OperationState, QueuedOperation, StoreError};

use crate::context::Context;
use crate::error::WriteError;
use crate::inbox::{self, RenewedBatch};
use crate::settle::{put_newer_confirmed, sent, told as entity_told};
use crate::{ids, revert};

/// How often a change is merged and sent again to a backend that answers that the entity has moved
/// on; then it waits in the inbox.
pub const STALE_ROUNDS_MAX: u32 = 3;

/// Takes in what stale operations have met. Gives what is to be sent again of each, and of the
/// others of their atomic batches, which fell with them.
pub(crate) fn told(
    context: &mut Context<'_, '_>,
    answers: &[OperationAnswer],
) -> Result<BTreeMap<Counter, Vec<Counter>>, StoreError> {
    let mut again = BTreeSet::new();
    let mut batches = BTreeSet::new();
    for answer in answers.iter().filter(|answer| answer.outcome == Outcome::Stale) {
        let Some(mut operation) = sent(context, answer.id)? else { continue };
        let Some(entity) = &answer.entity else { continue };
        if rounds(context, &operation)? >= STALE_ROUNDS_MAX {
            continue;
        }
        if let Some(id) = &answer.entity_id {
            // What it wanted to make is there under another id.
            operation.key = ids::given(context, &operation.key, id)?;
        }
        let before = context.tx.confirmed(&operation.key)?;
        let confirmed = entity_told(entity.clone(), before.as_ref());
        put_newer_confirmed(context, &operation.key, confirmed)?;
        if is_alone(context, &operation)? {
            again.insert(operation.counter);
            batches.extend(operation.batch);
        }
    }
    for answer in answers.iter().filter(|answer| answer.outcome == Outcome::Blocked) {
        let batch = sent(context, answer.id)?.and_then(|operation| operation.batch);
        if batch.is_some_and(|batch| batches.contains(&batch)) {
            again.insert(answer.id);
        }
    }
    let mut left = BTreeMap::new();
    for counter in again {
        let Some(operation) = context.tx.operation(counter)? else { continue };
        let carried = context.tx.carried_by(counter)?;
        for other in &carried {
            context.tx.set_operation_state(*other, OperationState::Blocked)?;
        }
        // What a person has taken back meanwhile is not sent again.
        left.insert(counter, revert::withdraw(context, &operation.key, carried)?);
    }
    Ok(left)
}

/// Whether nothing else of its lane is on its way, as it may be where two entities turned out to
/// be one.
fn is_alone(context: &Context<'_, '_>, operation: &QueuedOperation) -> Result<bool, StoreError> {
    let lane = context.tx.lane(&operation.key)?;
    let mut others = lane.iter().filter(|other| other.carrier != Some(operation.counter));
    Ok(!others.any(|other| other.state == OperationState::InFlight))
}

/// How many rounds an operation, or one that travelled with it, has behind it.
fn rounds(context: &Context<'_, '_>, operation: &QueuedOperation) -> Result<u32, StoreError> {
    let mut most = operation.rounds;
    for counter in context.tx.carried_by(operation.counter)? {
        most = most.max(context.tx.operation(counter)?.map_or(0, |one| one.rounds));
    }
    Ok(most)
}

/// Queues what stale operations wanted as new ones: the old ones have their answer. The fold lays
/// them on what the server has now, and decides by the policies whether they can go.
pub(crate) fn send_again(
    context: &mut Context<'_, '_>,
    stale: &BTreeMap<Counter, Vec<Counter>>,
) -> Result<(), StoreError> {
    let mut batches: BTreeMap<Option<Counter>, RenewedBatch> = BTreeMap::new();
    for carried in stale.values() {
        let [earliest, ..] = carried[..] else { continue };
        let Some(first) = context.tx.operation(earliest)? else { continue };
        let mut rounds = 0;
        for counter in carried {
            rounds = rounds.max(context.tx.operation(*counter)?.map_or(0, |one| one.rounds));
        }
        let (key, number) = (first.key.clone(), first.batch);
        let lane = context.tx.lane(&key)?;
        let newest = carried.last().copied().unwrap_or(earliest);
        let travelled = |one: &&QueuedOperation| (earliest..=newest).contains(&one.counter);
        let travelled = lane.iter().filter(travelled).count();
        let batch = batches.entry(number).or_insert_with(|| RenewedBatch::new(number));
        let renewed = inbox::renew(context, &first, batch).map_err(of_store)?;
        for counter in renewed.into_iter().take(travelled) {
            context.tx.set_operation_rounds(counter, rounds + 1)?;
        }
        context.tx.add_metric("conflicts_merged", 1)?;
        ids::correct(context, &key)?;
    }
    Ok(())
}

fn of_store(error: WriteError) -> StoreError {
    match error {
        WriteError::Store(error) => error,
        // Nothing of the lane is on its way, which is all else that could be refused.
        _ => StoreError::InvalidValue { table: "operation", column: "state" },
    }
}
