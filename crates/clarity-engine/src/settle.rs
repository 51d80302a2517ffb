//! Acknowledgement: what the server said of each operation, taken in before the view is folded
//! again, so that nothing is applied twice and nothing shows twice.

use std::collections::BTreeSet;

use clarity_model::{
    Counter, EntityKey, Fields, Kind, Outcome, RejectReason, Rejection, Seq, ServerTime, Version,
};
use clarity_protocol::{FieldOutcome, OperationAnswer, PushResponse, WireEntity, WireOperation};
use clarity_store::{
    ConfirmedEntity, Ended, EndedAs, OperationError, OperationState, QueuedOperation, RowState,
    StoreError,
};

use crate::context::Context;
use crate::history::{HistoryCause, Lost, remember};
use crate::push::unreadable_frozen;
use crate::{ids, lane, revert, stale, view};

/// The position of a version that an answer told of and no page has shown yet. Until one does,
/// the server may name it in short, so the row has to stay.
const NOT_READ_BACK: Seq = Seq(0);

/// Takes in the answers of a push.
pub(crate) fn answers(
    context: &mut Context<'_, '_>,
    response: PushResponse,
) -> Result<(), StoreError> {
    let stale = stale::told(context, &response.answers)?;
    for answer in response.answers {
        if !stale.contains_key(&answer.id) {
            answer_one(context, answer, response.at)?;
        }
    }
    stale::send_again(context, &stale)
}

fn answer_one(
    context: &mut Context<'_, '_>,
    answer: OperationAnswer,
    at: ServerTime,
) -> Result<(), StoreError> {
    // A pull may have settled it already, and an answer may arrive twice.
    let Some(mut operation) = sent(context, answer.id)? else { return Ok(()) };
    if let Some(id) = answer.entity_id.as_ref().filter(|_| answer.outcome.is_settled())
        && ids::was_create(context, &operation)?
    {
        operation.key = ids::given(context, &operation.key, id)?;
    }
    match answer.outcome {
        Outcome::Applied | Outcome::Merged | Outcome::Superseded => {
            settled(context, &operation, answer, at)
        }
        Outcome::Conflict | Outcome::Stale => conflict(context, &operation, answer),
        Outcome::Rejected => {
            let rejection = answer.rejection.unwrap_or_else(unexplained);
            failed(context, &operation, rejection.code.as_str(), &rejection.message)
        }
        Outcome::Blocked => {
            let message = "another change of the same batch could not be made; \
                           nothing of the batch was";
            failed(context, &operation, "batch_blocked", message)
        }
        Outcome::OpIdReused => crate::identity::renumber(context, &operation),
        Outcome::Reidentify => {
            let message = "this change may have arrived long ago; compare the entity, \
                           then try again or discard";
            failed(context, &operation, "may_have_arrived", message)
        }
    }
}

/// An operation that an answer names, if it was sent and still waits for one.
pub(crate) fn sent(
    context: &Context<'_, '_>,
    id: Counter,
) -> Result<Option<QueuedOperation>, StoreError> {
    let operation = context.tx.operation(id)?;
    Ok(operation.filter(|one| one.first_sent_at.is_some() && one.carrier == Some(id)))
}

/// What was sent, in the words of the present schema. The bytes stay as they are.
fn sent_as(context: &Context<'_, '_>, frozen: &[u8]) -> Result<WireOperation, StoreError> {
    let wire: WireOperation = serde_json::from_slice(frozen).map_err(|_| unreadable_frozen())?;
    Ok(wire.carried(context.tx.schema()))
}

fn unexplained() -> Rejection {
    Rejection {
        code: RejectReason::Unknown,
        message: "the server refused the change without a reason".to_owned(),
    }
}

/// The change is part of the server's state, as far as the policy lets it.
fn settled(
    context: &mut Context<'_, '_>,
    operation: &QueuedOperation,
    answer: OperationAnswer,
    at: ServerTime,
) -> Result<(), StoreError> {
    let key = &operation.key;
    let lane = context.tx.lane(key)?;
    let carried = context.tx.carried_by(answer.id)?;
    let version = answer.version.unwrap_or_default();
    let alone = lane.iter().all(|other| carried.contains(&other.counter));
    let row = context.tx.entity(key)?;
    let moves = row.as_ref().is_none_or(|row| version >= row.version);
    if alone && moves && answer.entity.is_none() && answer.outcome == Outcome::Applied {
        let state = row_state_after(context, key, row.as_ref().map(|row| row.state))?;
        remove_carried(context, operation, &carried, &answer)?;
        if let (Some(state), Some(row)) = (state, row) {
            let moved = version > row.version;
            let updated_at = if moved { at } else { row.updated_at };
            let seq = if moved { NOT_READ_BACK } else { row.seq };
            context.tx.set_entity_version(key, version, seq, updated_at, state)?;
            context.tx.remove_confirmed(key)?;
            context.noted.entity(key);
            return news(context, operation);
        }
        view::refold(context, key)?;
        return news(context, operation);
    }
    view::materialise_create(context, &lane, row.as_ref())?;
    let confirmed = after(context, operation, &answer, at)?;
    keep_losses(context, operation, &answer)?;
    remove_carried(context, operation, &carried, &answer)?;
    if let Some(confirmed) = confirmed {
        put_newer_confirmed(context, key, confirmed)?;
    }
    revert::settled(context, &carried, keeps_entity(operation, answer.outcome))?;
    lane::unblock(context, key)?;
    view::refold(context, key)?;
    news(context, operation)
}

/// What is known of ids and references once an operation is part of the server's state.
fn news(context: &mut Context<'_, '_>, operation: &QueuedOperation) -> Result<(), StoreError> {
    if operation.kind == Kind::Create {
        ids::kept(context, &operation.key)?;
    }
    ids::correct(context, &operation.key)
}

/// Whether an accepted operation is a delete that lost to an edit.
pub(crate) fn keeps_entity(operation: &QueuedOperation, outcome: Outcome) -> bool {
    operation.kind == Kind::Delete && outcome == Outcome::Superseded
}

/// The state of a row whose only operations were just accepted as written: what it shows is what
/// the server has. Nothing when that is not so.
fn row_state_after(
    context: &Context<'_, '_>,
    key: &EntityKey,
    state: Option<RowState>,
) -> Result<Option<RowState>, StoreError> {
    // An entity that the fold did not let through (a superseded create, say) needs the long way.
    if context.tx.conflict_of(key)?.is_some() {
        return Ok(None);
    }
    Ok(match state {
        Some(RowState::Pending) => Some(RowState::Clean),
        Some(RowState::PendingDelete) => Some(RowState::Deleted),
        _ => None,
    })
}

/// What the server has after an accepted operation: what it said, or the operation on its base.
fn after(
    context: &Context<'_, '_>,
    operation: &QueuedOperation,
    answer: &OperationAnswer,
    at: ServerTime,
) -> Result<Option<ConfirmedEntity>, StoreError> {
    let before = context.tx.confirmed(&operation.key)?;
    if let Some(entity) = &answer.entity {
        return Ok(Some(told(entity.clone(), before.as_ref())));
    }
    let Some(frozen) = context.tx.frozen(answer.id)? else { return Ok(before) };
    let wire = sent_as(context, &frozen)?;
    let version = answer.version.unwrap_or_default();
    let moved = before.as_ref().is_none_or(|before| version > before.version);
    if !moved {
        return Ok(before);
    }
    let mut fields = match wire.fields {
        Some(fields) => fields,
        None => before.map(|before| before.fields).unwrap_or_default(),
    };
    for change in wire.changes {
        fields.put(&change.field, change.new);
    }
    let deleted = wire.kind == Kind::Delete;
    let seq = NOT_READ_BACK;
    Ok(Some(ConfirmedEntity { fields, deleted, version, seq, updated_at: at }))
}

/// An entity as the server told it; of a deleted one the last known fields stay.
pub(crate) fn told(entity: WireEntity, before: Option<&ConfirmedEntity>) -> ConfirmedEntity {
    let same = before.filter(|before| before.version == entity.version);
    let seq = same.map_or(NOT_READ_BACK, |before| before.seq);
    let deleted = entity.fields.is_none();
    let last = || before.map(|before| before.fields.clone()).unwrap_or_default();
    ConfirmedEntity {
        fields: entity.fields.unwrap_or_else(last),
        deleted,
        version: entity.version,
        seq,
        updated_at: entity.updated_at,
    }
}

/// Moves confirmed forward, never back.
pub(crate) fn put_newer_confirmed(
    context: &mut Context<'_, '_>,
    key: &EntityKey,
    confirmed: ConfirmedEntity,
) -> Result<(), StoreError> {
    let known = context.tx.confirmed(key)?.map(|known| known.version).unwrap_or(Version(0));
    if confirmed.version > known {
        context.tx.put_confirmed(key, &confirmed)?;
    }
    Ok(())
}

/// Takes accepted operations out of the queue and frees those that waited for them.
pub(crate) fn remove_carried(
    context: &mut Context<'_, '_>,
    operation: &QueuedOperation,
    carried: &[Counter],
    answer: &OperationAnswer,
) -> Result<(), StoreError> {
    let outcome = match answer.outcome {
        Outcome::Merged => EndedAs::Merged,
        Outcome::Superseded => EndedAs::Superseded,
        _ => EndedAs::Applied,
    };
    let mut children = Vec::new();
    for counter in carried {
        children.extend(context.tx.children(*counter)?);
        let known = context.tx.ended(*counter)?;
        let member = context.tx.operation(*counter)?;
        // Emptied by a resolution that carried it: it ended in that one.
        let resolved = *counter != operation.counter
            && member.is_some_and(|member| member.changes.is_some_and(|c| c.is_empty()));
        context.tx.remove_operation(*counter)?;
        context.tx.forget_parent(*counter)?;
        let resolved_by = resolved.then_some(operation.counter);
        let outcome = if resolved { EndedAs::Resolved } else { outcome };
        if outcome != EndedAs::Applied || known.is_some() {
            // What the fold had already decided against stays decided.
            let outcome = match known {
                Some(known) if outcome == EndedAs::Applied => known.outcome,
                _ => outcome,
            };
            let version = answer.version;
            let ended = Ended { outcome, at: context.now, version, resolved_by };
            context.tx.record_ended(*counter, &ended)?;
            context.noted.ended(*counter, outcome);
        } else {
            context.noted.ended(*counter, EndedAs::Applied);
        }
    }
    let settled = i64::try_from(carried.len()).unwrap_or(0);
    context.tx.add_metric("operations_settled", settled)?;
    match outcome {
        EndedAs::Merged => context.tx.add_metric("operations_merged", settled)?,
        EndedAs::Superseded => context.tx.add_metric("operations_superseded", settled)?,
        _ => {}
    }
    lane::free_children(context, &children)
}

/// Keeps the local values that the server's policy let lose.
pub(crate) fn keep_losses(
    context: &mut Context<'_, '_>,
    operation: &QueuedOperation,
    answer: &OperationAnswer,
) -> Result<(), StoreError> {
    if answer.outcome != Outcome::Superseded {
        return Ok(());
    }
    let Some(frozen) = context.tx.frozen(answer.id)? else { return Ok(()) };
    let sent: WireOperation = serde_json::from_slice(&frozen).map_err(|_| unreadable_frozen())?;
    let schema = context.tx.schema();
    // A server that answered before its schema took steps names fields as they were sent.
    let superseded = answer.fields.iter().filter(|(_, one)| **one == FieldOutcome::Superseded);
    let superseded: BTreeSet<String> = superseded
        .flat_map(|(name, _)| {
            let now = schema.carried_name(sent.schema, &sent.key.entity_type, name);
            [name.clone(), now]
        })
        .collect();
    let wire = sent.carried(schema);
    let lost_field = |field: &str| answer.fields.is_empty() || superseded.contains(field);
    let mut lost = Lost::of_operation(wire.kind, &wire.changes);
    let sent: Fields = wire.fields.unwrap_or_default();
    for (name, value) in sent.0 {
        lost.fields.put(&name, Some(value));
    }
    lost.fields.0.retain(|name, _| lost_field(name));
    lost.removed.retain(|name| lost_field(name));
    lost.seen.0.retain(|name, _| lost_field(name));
    remember(context, &operation.key, Some(operation.counter), HistoryCause::Superseded, &lost)
}

/// Both sides changed the same thing: the operation waits in the inbox with the newest of both.
fn conflict(
    context: &mut Context<'_, '_>,
    operation: &QueuedOperation,
    answer: OperationAnswer,
) -> Result<(), StoreError> {
    let key = &operation.key;
    let lane = context.tx.lane(key)?;
    let row = context.tx.entity(key)?;
    view::materialise_create(context, &lane, row.as_ref())?;
    let carried = context.tx.carried_by(answer.id)?;
    if let Some(entity) = answer.entity {
        let before = context.tx.confirmed(key)?;
        put_newer_confirmed(context, key, told(entity, before.as_ref()))?;
    }
    for counter in &carried {
        context.tx.set_operation_state(*counter, OperationState::Conflicted)?;
    }
    if !revert::withdraw(context, key, carried)?.is_empty() {
        lane::block_after(context, key, operation.counter)?;
    }
    view::refold(context, key)
}

/// The operation can never succeed as it is: into the inbox with its reason. Only its lane stops.
pub(crate) fn failed(
    context: &mut Context<'_, '_>,
    operation: &QueuedOperation,
    code: &str,
    message: &str,
) -> Result<(), StoreError> {
    let error =
        OperationError { code: code.to_owned(), message: message.to_owned(), at: context.now };
    let carried = context.tx.carried_by(operation.counter)?;
    for counter in &carried {
        context.tx.note_attempt(*counter, operation.attempts, None, Some(&error))?;
        context.tx.set_operation_state(*counter, OperationState::Failed)?;
    }
    if revert::withdraw(context, &operation.key, carried)?.is_empty() {
        return Ok(());
    }
    lane::block_after(context, &operation.key, operation.counter)?;
    context.tx.add_metric("operations_failed", 1)?;
    context.noted.entity(&operation.key);
    context.noted.status = true;
    Ok(())
}
