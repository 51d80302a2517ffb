//! Rollback of what is on its way. Nobody can tell yet whether the server will take it, so its
//! bytes stay as they are, and an inverse operation is put behind it at once: it hides the change
//! from the view by the same fold that shows it, waits because its lane has something on its way,
//! and goes out when the answer says that there is something to take back.
//!
//! ```text
//!  on its way ─ rollback ─▶ on its way, inverse behind it
//!                             ├ applied, merged ▶ ended; the inverse goes out
//!                             ├ superseded ▶ ended; the inverse goes if anything is left to do
//!                             ├ conflict, rejected ▶ both end as cancelled; nothing is sent
//!                             └ no answer ▶ the same bytes again
//! ```
//!
//! All of it is in the store, so it goes on after a crash where it was.

use clarity_model::{Counter, EntityKey, FieldChange, Fields, Kind};
use clarity_store::{EndedAs, NewOperation, OperationState, QueuedOperation, StoreError};

use crate::conflict::differences;
use crate::context::Context;
use crate::error::WriteError;
use crate::history::{HistoryCause, Lost, remember};
use crate::view::{self, lane_is_blocked};
use crate::{lane, rollback, write};

/// Whether the server may have an operation, or get it yet, and has not said what became of it.
pub(crate) fn is_on_its_way(operation: &QueuedOperation) -> bool {
    let answered = matches!(operation.state, OperationState::Failed | OperationState::Conflicted);
    operation.first_sent_at.is_some() && !answered
}

/// Puts an inverse behind each of some operations that are on their way together.
pub(crate) fn queue(
    context: &mut Context<'_, '_>,
    sent: &[QueuedOperation],
) -> Result<Vec<Counter>, WriteError> {
    // What stands or falls together is taken back together.
    let is_batch = sent.len() > 1;
    let number = context.tx.next_counter()?;
    let mut inverses = Vec::with_capacity(sent.len());
    for operation in sent {
        inverses.push(queue_one(context, operation, is_batch.then_some(number))?);
    }
    if is_batch {
        write::block_batch_if_held(context, &inverses)?;
    }
    Ok(inverses)
}

fn queue_one(
    context: &mut Context<'_, '_>,
    operation: &QueuedOperation,
    batch: Option<Counter>,
) -> Result<Counter, WriteError> {
    let key = &operation.key;
    if context.tx.inverse_of(operation.counter)?.is_some() {
        return Err(WriteError::TakenBackAlready(operation.counter));
    }
    rollback::materialise(context, key)?;
    let operation = rollback::find(context, operation.counter)?;
    let changes = operation.changes.as_deref().unwrap_or_default();
    let lost = Lost::of_operation(operation.kind, changes);
    remember(context, key, Some(operation.counter), HistoryCause::RolledBack, &lost)?;
    rollback::drop_orphans(context, &operation)?;
    let lane = context.tx.lane(key)?;
    let (shown, wanted) = with_and_without(context, key, &lane, &operation)?;
    let counter = context.tx.insert_operation(&NewOperation {
        kind: match (&shown, &wanted) {
            (Some(_), None) => Kind::Delete,
            (None, Some(_)) => Kind::Create,
            _ => Kind::Update,
        },
        key: key.clone(),
        changes: Some(differences(shown.as_ref(), wanted.as_ref())),
        undelete: shown.is_none() && wanted.is_some(),
        batch,
        parents: Vec::new(),
        schema: context.tx.schema().version,
        made_at: context.now,
        state: if lane_is_blocked(&lane) { OperationState::Blocked } else { OperationState::Ready },
    })?;
    context.tx.add_revert(counter, operation.counter)?;
    view::refold(context, key)?;
    Ok(counter)
}

/// What the lane shows, and what it would show had the operation never been made.
fn with_and_without(
    context: &Context<'_, '_>,
    key: &EntityKey,
    lane: &[QueuedOperation],
    operation: &QueuedOperation,
) -> Result<(Option<Fields>, Option<Fields>), StoreError> {
    let schema = context.type_schema(key);
    let confirmed = context.tx.confirmed(key)?;
    let confirmed = confirmed.as_ref();
    let shown = view::fold_lane(&schema, confirmed, lane, None).view;
    if operation.kind == Kind::Create && confirmed.is_none() {
        return Ok((shown, None));
    }
    let (before, mut behind): (Vec<_>, Vec<_>) = lane
        .iter()
        .filter(|other| other.counter != operation.counter)
        .cloned()
        .partition(|other| other.counter < operation.counter);
    let gone: &[FieldChange] = operation.changes.as_deref().unwrap_or_default();
    rollback::rebase(&schema, &mut behind, gone);
    let rest: Vec<_> = before.into_iter().chain(behind).collect();
    Ok((shown, view::fold_lane(&schema, confirmed, &rest, None).view))
}

/// Operations have become part of the server's state, and confirmed has moved: their inverses go
/// on by themselves, unless nothing is left for them to do.
///
/// `keeps_entity` says that a delete among them lost, so that there is nothing to bring back.
pub(crate) fn settled(
    context: &mut Context<'_, '_>,
    carried: &[Counter],
    keeps_entity: bool,
) -> Result<(), StoreError> {
    for counter in carried {
        let Some(inverse) = context.tx.inverse_of(*counter)? else { continue };
        context.tx.forget_revert(inverse)?;
        let Some(waiting) = context.tx.operation(inverse)? else { continue };
        if keeps_entity || is_idle(context, &waiting)? {
            end_inverse(context, inverse)?;
        }
    }
    Ok(())
}

/// There is nothing to take back: what waited for the inverse need not wait.
pub(crate) fn end_inverse(
    context: &mut Context<'_, '_>,
    inverse: Counter,
) -> Result<(), StoreError> {
    let children = context.tx.children(inverse)?;
    rollback::end(context, inverse, EndedAs::Cancelled)?;
    context.tx.forget_parent(inverse)?;
    lane::free_children(context, &children)
}

/// Whether the entity looks the same with and without an operation.
fn is_idle(context: &Context<'_, '_>, operation: &QueuedOperation) -> Result<bool, StoreError> {
    let schema = context.type_schema(&operation.key);
    let lane = context.tx.lane(&operation.key)?;
    let confirmed = context.tx.confirmed(&operation.key)?;
    let with = view::fold_lane(&schema, confirmed.as_ref(), &lane, None);
    let rest = lane.into_iter().filter(|other| other.counter != operation.counter);
    let rest: Vec<_> = rest.collect();
    let without = view::fold_lane(&schema, confirmed.as_ref(), &rest, None);
    Ok(with.conflict().is_none() && with.view == without.view)
}

/// The server has refused operations, and they are marked so: those that a person took back end
/// for good, with their inverses. Returns the others.
pub(crate) fn withdraw(
    context: &mut Context<'_, '_>,
    key: &EntityKey,
    carried: Vec<Counter>,
) -> Result<Vec<Counter>, StoreError> {
    let mut left = Vec::with_capacity(carried.len());
    for counter in carried {
        if context.tx.inverse_of(counter)?.is_none() {
            left.push(counter);
            continue;
        }
        rollback::materialise(context, key)?;
        if let Some(operation) = context.tx.operation(counter)? {
            rollback::take_out(context, &operation, EndedAs::Cancelled, &[])?;
        }
    }
    // Edits have gone with their create, and an inverse may have travelled with what it undoes.
    let mut waiting = Vec::with_capacity(left.len());
    for counter in left {
        if context.tx.operation(counter)?.is_some() {
            waiting.push(counter);
        }
    }
    Ok(waiting)
}
