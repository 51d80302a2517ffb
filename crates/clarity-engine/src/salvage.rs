//! A store that was filled from a damaged one: what was lost between its rows and its operations is
//! put right, and everything is read again before anything is sent.

use clarity_model::{Counter, EntityKey, FieldChange, Kind};
use clarity_protocol::WireOperation;
use clarity_store::{
    ConfirmedEntity, Ended, EndedAs, ListOptions, NewOperation, OperationError, OperationState,
    QueuedOperation, RowState, StoreError, StoredEntity,
};
use serde::{Deserialize, Serialize};

use crate::conflict::differences;
use crate::context::Context;
use crate::schedule::{Pause, Schedule};
use crate::{identity, lane, lifecycle, view};

/// How many operations or rows are looked at together.
const PAGE: usize = 1_000;

/// What was put right in a store that was filled from a damaged one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PutRight {
    /// Operations that wait as they did.
    pub kept: u64,
    /// Operations that were made anew from rows whose own operation was lost.
    pub rebuilt: u64,
    /// Operations that now wait for a person: sent, but their bytes are lost; without their values;
    /// of a batch that is no longer whole; or of an account that is no longer known.
    pub for_a_person: u64,
    /// Deletions whose operation was lost with what they were about: the entity comes back.
    pub deletions_lost: u64,
}

/// Nothing is sent from a damaged store until it is recovered, or turns out to be sound.
pub(crate) fn note_damage(context: &mut Context<'_, '_>, schedule: &mut Schedule, damaged: bool) {
    if damaged {
        let message = "the store is damaged; recover it to go on";
        schedule.pause(Pause::Damaged, context.now, message);
    } else {
        schedule.pauses.remove(&Pause::Damaged);
    }
    context.noted.status = true;
}

/// Puts a salvaged store right.
pub(crate) fn put_right(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    account_known: bool,
) -> Result<PutRight, StoreError> {
    lifecycle::stopped(context, schedule)?;
    schedule.suspects.clear();
    schedule.pauses.remove(&Pause::Damaged);
    identity::reset(context, schedule)?;
    let mut done = PutRight::default();
    let mut after = Counter(0);
    loop {
        let page = context.tx.operations(after, PAGE)?;
        let Some(last) = page.last() else { break };
        after = last.counter;
        for operation in page {
            let lane = context.tx.lane(&operation.key)?;
            if lane.first().is_some_and(|first| first.counter == operation.counter) {
                one_lane(context, &operation.key, lane, account_known, &mut done)?;
            }
        }
    }
    rows(context, account_known, &mut done)?;
    context.tx.remove_orphaned_confirmed()?;
    close_empty_conflicts(context)?;
    let counts = context.tx.queue_counts()?;
    done.kept = counts.total().saturating_sub(done.rebuilt + done.for_a_person);
    context.noted.status = true;
    Ok(done)
}

fn one_lane(
    context: &mut Context<'_, '_>,
    key: &EntityKey,
    lane: Vec<QueuedOperation>,
    account_known: bool,
    done: &mut PutRight,
) -> Result<(), StoreError> {
    let row = context.tx.entity(key)?;
    let confirmed = context.tx.confirmed(key)?;
    let made_here = lane.first().is_some_and(|first| first.kind == Kind::Create);
    if let (None, false, Some(row)) = (&confirmed, made_here, &row) {
        if row.version.0 == 0 && lane.iter().all(|operation| operation.first_sent_at.is_none()) {
            return as_one_create(context, key, &lane, account_known, done);
        }
        // Until it is read again, what was there before the changes stands in for it.
        context.tx.put_confirmed(key, &before_changes(row, &lane))?;
    }
    for operation in lane {
        let trouble = if account_known {
            trouble(context, &operation, row.as_ref())?
        } else if operation.state == OperationState::Failed {
            None
        } else {
            Some(Trouble::AccountUnknown)
        };
        if let Some(trouble) = trouble {
            fail(context, &operation, trouble)?;
            done.for_a_person += 1;
        }
    }
    let lane_now = context.tx.lane(key)?;
    view::materialise_create(context, &lane_now, row.as_ref())?;
    if let Some(failed) = lane_now.iter().find(|other| other.state == OperationState::Failed) {
        lane::block_after(context, key, failed.counter)?;
    }
    view::refold(context, key)?;
    lane::unblock(context, key)
}

/// Why an operation can no longer go by itself.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    AccountUnknown,
    MayHaveArrived,
    ValuesLost,
    BatchTorn,
}

impl Trouble {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::AccountUnknown => (
                "account_unknown",
                "the store was damaged and no longer says whose it is; sign in to the account \
                 that it belonged to, then try again",
            ),
            Self::MayHaveArrived => (
                "may_have_arrived",
                "this change may have arrived before the store was damaged; compare the entity, \
                 then try again or discard",
            ),
            Self::ValuesLost => (
                "values_lost",
                "the values of this change were on a damaged part of the store; write them again \
                 and discard this",
            ),
            Self::BatchTorn => (
                "batch_torn",
                "another change of the same batch was lost when the store was damaged; look at \
                 both, then try again or discard",
            ),
        }
    }
}

fn trouble(
    context: &mut Context<'_, '_>,
    operation: &QueuedOperation,
    row: Option<&StoredEntity>,
) -> Result<Option<Trouble>, StoreError> {
    if operation.state == OperationState::Failed {
        return Ok(None);
    }
    if operation.first_sent_at.is_some() {
        let carrier = operation.carrier.unwrap_or(operation.counter);
        let Some(bytes) = context.tx.frozen(carrier)? else {
            return Ok(Some(Trouble::MayHaveArrived));
        };
        if operation.changes.is_none() && carrier == operation.counter && row.is_none() {
            let sent: Option<WireOperation> = serde_json::from_slice(&bytes).ok();
            let sent = sent.map(|sent| sent.carried(context.tx.schema()));
            let fields = sent.and_then(|sent| sent.fields).unwrap_or_default();
            let changes: Vec<FieldChange> = differences(None, Some(&fields));
            context.tx.set_operation_changes(operation.counter, &changes)?;
        }
        let known = context.tx.conflict_of(&operation.key)?.is_some();
        if operation.state == OperationState::Conflicted && !known {
            // The server answers its bytes again as it did before.
            context.tx.set_operation_state(operation.counter, OperationState::Ready)?;
        }
        return Ok(None);
    }
    if operation.kind == Kind::Create && operation.changes.is_none() && row.is_none() {
        context.tx.set_operation_changes(operation.counter, &[])?;
        return Ok(Some(Trouble::ValuesLost));
    }
    Ok(is_torn(context, operation)?.then_some(Trouble::BatchTorn))
}

/// Whether a member of the operation's atomic batch is missing. Members have numbers without gaps.
fn is_torn(context: &Context<'_, '_>, operation: &QueuedOperation) -> Result<bool, StoreError> {
    let Some(batch) = operation.batch else { return Ok(false) };
    let members = context.tx.operations_of_batch(batch)?;
    let last = members.last().map_or(batch, |last| last.counter);
    let mut number = batch;
    while number <= last.next() {
        let is_lost = number < context.tx.next_counter()?
            && context.tx.operation(number)?.is_none()
            && context.tx.ended(number)?.is_none();
        if is_lost {
            return Ok(true);
        }
        number = number.next();
    }
    Ok(false)
}

fn fail(
    context: &mut Context<'_, '_>,
    operation: &QueuedOperation,
    trouble: Trouble,
) -> Result<(), StoreError> {
    let (code, message) = trouble.words();
    let error =
        OperationError { code: code.to_owned(), message: message.to_owned(), at: context.now };
    context.tx.note_attempt(operation.counter, operation.attempts, None, Some(&error))?;
    context.tx.set_operation_state(operation.counter, OperationState::Failed)?;
    Ok(())
}

/// What an entity was before its waiting changes, as far as they say it.
fn before_changes(row: &StoredEntity, lane: &[QueuedOperation]) -> ConfirmedEntity {
    let mut fields = row.fields.clone();
    for operation in lane.iter().rev() {
        for change in operation.changes.iter().flatten() {
            fields.put(&change.field, change.old.clone());
        }
    }
    ConfirmedEntity {
        fields,
        deleted: false,
        version: row.version,
        seq: row.seq,
        updated_at: row.updated_at,
    }
}

/// Edits of an entity that the server never heard of, without their create: the row is all of them.
fn as_one_create(
    context: &mut Context<'_, '_>,
    key: &EntityKey,
    lane: &[QueuedOperation],
    account_known: bool,
    done: &mut PutRight,
) -> Result<(), StoreError> {
    let create = requeue(context, key, Kind::Create, None, false, account_known)?;
    for operation in lane {
        context.tx.remove_operation(operation.counter)?;
        context.tx.forget_parent(operation.counter)?;
        let ended = Ended {
            outcome: EndedAs::Resolved,
            at: context.now,
            version: None,
            resolved_by: Some(create),
        };
        context.tx.record_ended(operation.counter, &ended)?;
    }
    done.rebuilt += 1;
    Ok(())
}

/// Rows that show a local change whose operation was lost: they make it anew.
fn rows(
    context: &mut Context<'_, '_>,
    account_known: bool,
    done: &mut PutRight,
) -> Result<(), StoreError> {
    for entity_type in context.tx.entity_types()? {
        let mut options = ListOptions { after: None, limit: PAGE, include_deleted: true };
        loop {
            let page = context.tx.list_entities(&entity_type, &options)?;
            let Some((last, _)) = page.last() else { break };
            options.after = Some(last.id.clone());
            for (key, row) in page {
                let waits = row.state.is_pending();
                if waits && context.tx.lane_is_empty(&key)? {
                    one_row(context, &key, &row, account_known, done)?;
                }
            }
        }
    }
    Ok(())
}

fn one_row(
    context: &mut Context<'_, '_>,
    key: &EntityKey,
    row: &StoredEntity,
    account_known: bool,
    done: &mut PutRight,
) -> Result<(), StoreError> {
    let confirmed = context.tx.confirmed(key)?;
    let live = confirmed.as_ref().filter(|confirmed| !confirmed.deleted);
    let (kind, changes) = match (row.state, live) {
        (RowState::PendingDelete, None) => {
            done.deletions_lost += 1;
            context.tx.remove_entity(key)?;
            return Ok(());
        }
        (RowState::PendingDelete, Some(there)) => {
            let seen = there.fields.iter().map(|(field, value)| FieldChange {
                field: field.clone(),
                old: Some(value.clone()),
                new: None,
            });
            (Kind::Delete, Some(seen.collect()))
        }
        (_, Some(there)) => {
            let changes = differences(Some(&there.fields), Some(&row.fields));
            if changes.is_empty() {
                return view::refold(context, key);
            }
            (Kind::Update, Some(changes))
        }
        (_, None) => (Kind::Create, None),
    };
    let undelete = kind == Kind::Create && confirmed.is_some();
    requeue(context, key, kind, changes, undelete, account_known)?;
    done.rebuilt += 1;
    Ok(())
}

fn requeue(
    context: &mut Context<'_, '_>,
    key: &EntityKey,
    kind: Kind,
    changes: Option<Vec<FieldChange>>,
    undelete: bool,
    account_known: bool,
) -> Result<Counter, StoreError> {
    let counter = context.tx.insert_operation(&NewOperation {
        kind,
        key: key.clone(),
        changes,
        undelete,
        batch: None,
        parents: Vec::new(),
        schema: context.tx.schema().version,
        made_at: context.now,
        state: OperationState::Ready,
    })?;
    if !account_known && let Some(operation) = context.tx.operation(counter)? {
        fail(context, &operation, Trouble::AccountUnknown)?;
    }
    Ok(counter)
}

fn close_empty_conflicts(context: &mut Context<'_, '_>) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let page = context.tx.conflicts(after, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.id;
        for conflict in page {
            if context.tx.lane_is_empty(&conflict.key)? {
                context.tx.remove_conflict(conflict.id)?;
            }
        }
    }
}
