//! What is checked at every step of a device.

use std::collections::BTreeMap;

use clarity_engine::protocol::model::{
    Confirmed, Counter, EntityKey, FieldChange, Fields, FoldOperation, Kind, Outcome, Version, fold,
};
use clarity_engine::{Event, Flow, Response, Status, WhoActs};
use clarity_store::{
    ConfirmedEntity, EndedAs, OperationState, RowState, StoreError, StoreTransaction, StoredEntity,
};

use super::device::{Deeds, Device};
use super::model::{Change, Model, Waiting};
use super::stage::{Violation, ensure};

/// What a device has of the server's state of one entity.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Replica {
    pub(crate) version: Version,
    /// None when it is deleted.
    pub(crate) fields: Option<Fields>,
}

impl Replica {
    /// None when the server has not told of it.
    pub(crate) fn of(row: StoredEntity, confirmed: Option<ConfirmedEntity>) -> Option<Self> {
        match (confirmed, row.state) {
            // A delete of what the server never had leaves a stub without a version.
            (None, RowState::Deleted) if row.version == Version(0) => None,
            (Some(there), _) => {
                let fields = (!there.deleted).then_some(there.fields);
                Some(Self { version: there.version, fields })
            }
            (None, RowState::Clean) => {
                Some(Self { version: row.version, fields: Some(row.fields) })
            }
            (None, RowState::Deleted) => Some(Self { version: row.version, fields: None }),
            (None, RowState::Pending | RowState::PendingDelete) => None,
        }
    }
}

/// Notes which operations an answer or a page says to be part of the server's state.
pub(crate) fn note_named(model: &mut Model, events: &[Event]) {
    model.reused.clear();
    for event in events {
        let Event::RequestFinished { result: Ok(response), .. } = event else { continue };
        match response {
            Response::Push(push) | Response::PushInPart { answered: push, .. } => {
                let settled = push.answers.iter().filter(|answer| answer.outcome.is_settled());
                model.named.extend(settled.map(|answer| answer.id));
                let reused = push.answers.iter().filter(|one| one.outcome == Outcome::OpIdReused);
                model.reused.extend(reused.map(|answer| answer.id));
            }
            Response::Fetch(answer) => {
                let operations = answer.rows.iter().flat_map(|row| &row.operations);
                model.named.extend(operations.map(|operation| operation.id));
            }
            Response::Pull(page) => {
                let operations = page.rows.iter().flat_map(|row| &row.operations);
                model.named.extend(operations.map(|operation| operation.id));
            }
        }
    }
}

/// Promises I2 and I8: the view of an entity is the server's state with the waiting operations on
/// top, folded here once more.
pub(crate) fn view_is_fold(
    transaction: &StoreTransaction<'_>,
    key: &EntityKey,
    row: Option<&StoredEntity>,
) -> Result<Result<(), Violation>, StoreError> {
    let lane = transaction.lane(key)?;
    let confirmed = transaction.confirmed(key)?;
    if lane.is_empty() {
        let clean = row.is_none_or(|row| matches!(row.state, RowState::Clean | RowState::Deleted));
        return Ok(ensure(clean && confirmed.is_none(), "I2", || {
            format!("{key} says that something waits, and nothing is in the queue")
        }));
    }
    let Some(row) = row else {
        let words = || format!("{key} has operations in the queue and no row");
        return Ok(ensure(false, "I2", words));
    };
    let operations: Vec<FoldOperation> = lane
        .iter()
        .map(|operation| FoldOperation {
            counter: operation.counter,
            kind: operation.kind,
            changes: operation.changes.clone().unwrap_or_else(|| creation(&row.fields)),
            undelete: operation.undelete,
        })
        .collect();
    let base = match &confirmed {
        None => Confirmed::Absent,
        Some(there) if there.deleted => Confirmed::Deleted(&there.fields),
        Some(there) => Confirmed::Live(&there.fields),
    };
    let schema = transaction.schema().type_schema(&key.entity_type);
    let view = fold(schema, base, &operations).view;
    let shown = (row.state == RowState::Pending).then(|| row.fields.clone());
    let pending = row.state.is_pending();
    Ok(ensure(pending && view == shown, "I8", || {
        let (view, shown) = (text(view.as_ref()), text(shown.as_ref()));
        format!("{key} shows {shown} ({:?}); its operations make {view}", row.state)
    }))
}

fn creation(fields: &Fields) -> Vec<FieldChange> {
    let pairs = fields.iter();
    let changes = pairs.map(|(field, value)| FieldChange {
        field: field.clone(),
        old: None,
        new: Some(value.clone()),
    });
    changes.collect()
}

/// Fields in words. The values of a simulation are nobody's secret.
pub(crate) fn text(fields: Option<&Fields>) -> String {
    fields.map_or_else(|| "nothing".to_owned(), Fields::to_canonical_json)
}

/// Checks what a transaction is about to do.
pub(crate) fn change(
    device: usize,
    model: &Model,
    change: &Change,
    deeds: Deeds,
) -> Result<(), Violation> {
    let mut ended = BTreeMap::new();
    for (counter, outcome) in &change.ended {
        ensure(ended.insert(*counter, *outcome).is_none(), "I4", || {
            format!("device {device}: operation {counter} ended twice in one step")
        })?;
        ensure(!change.queue.contains_key(counter), "I4", || {
            format!("device {device}: operation {counter} ended and is still in the queue")
        })?;
    }
    for (counter, before) in &model.queue {
        if !change.queue.contains_key(counter) {
            let outcome = ended.get(counter).copied();
            departure(device, model, *counter, before, outcome, deeds)?;
        }
    }
    for counter in change.queue.keys() {
        let fate = model.fates.get(counter);
        ensure(fate.is_none_or(|fate| fate.ended.is_none()), "I4", || {
            format!("device {device}: operation {counter} is back in the queue after its end")
        })?;
    }
    for (counter, waiting) in &change.queue {
        let forgotten = waiting.reason.as_deref() == Some("may_have_arrived");
        let may = model.may_have_arrived || model.may_go_back;
        ensure(may || !forgotten, "I3", || {
            format!("device {device}: the server has forgotten the waiting operation {counter}")
        })?;
    }
    for (key, row) in &change.rows {
        let (Some(before), Some(after)) = (model.rows.get(key), row) else { continue };
        ensure(model.may_go_back || after.version >= before.version, "I7", || {
            let (before, after) = (before.version, after.version);
            format!("device {device}: {key} went back from version {before} to {after}")
        })?;
    }
    Ok(())
}

/// Promise I4: an operation leaves the queue only when an answer named it, or a person said so.
fn departure(
    device: usize,
    model: &Model,
    counter: Counter,
    before: &Waiting,
    outcome: Option<EndedAs>,
    deeds: Deeds,
) -> Result<(), Violation> {
    let carrier = before.carrier.unwrap_or(counter);
    let answered = before.sent && model.named.contains(&carrier);
    let taken_over = before.carrier.is_some_and(|carrier| model.named.contains(&carrier));
    let allowed = match outcome {
        Some(EndedAs::Applied | EndedAs::Merged | EndedAs::Superseded) => answered,
        Some(EndedAs::Resolved) => deeds.resolves || deeds.retries || taken_over,
        Some(EndedAs::Rejected) => deeds.discards,
        Some(EndedAs::Cancelled) => {
            let withdrawn = before.taken_back && deeds.answered;
            let sent = before.sent && !model.reused.contains(&carrier);
            let withdrawn = withdrawn || deeds.answered && goes_with_its_create(model, before);
            deeds.takes_back || deeds.discards || withdrawn || !sent
        }
        None => false,
    };
    ensure(allowed, "I4", || {
        format!(
            "device {device}: operation {counter} ({:?} of {}, {:?}, sent: {}) left the queue as \
             {outcome:?}, and nothing named it",
            before.kind, before.key, before.state, before.sent
        )
    })
}

/// What differs between what must be there and what is.
pub(crate) fn difference(
    model: &Model,
    queue: &BTreeMap<Counter, Waiting>,
    rows: &BTreeMap<EntityKey, StoredEntity>,
) -> String {
    for (counter, expected) in &model.queue {
        match queue.get(counter) {
            None => return format!("operation {counter} of {} is lost", expected.key),
            Some(found) if found != expected => {
                return format!("operation {counter} is {found:?} and was {expected:?}");
            }
            Some(_) => {}
        }
    }
    if let Some(counter) = queue.keys().find(|counter| !model.queue.contains_key(counter)) {
        return format!("operation {counter} is there and was never kept");
    }
    for (key, expected) in &model.rows {
        match rows.get(key) {
            None => return format!("the row of {key} is lost"),
            Some(found) if found != expected => {
                let (found, was) = (text(Some(&found.fields)), text(Some(&expected.fields)));
                return format!("the row of {key} is {found} and was {was}");
            }
            Some(_) => {}
        }
    }
    let unknown = rows.keys().find(|key| !model.rows.contains_key(key));
    unknown.map_or_else(String::new, |key| format!("the row of {key} was never kept"))
}

/// Promise L3, and that the status says `synced` only when it is so.
pub(crate) fn liveness(device: &Device, status: &Status) -> Result<(), Violation> {
    let person_must_act =
        status.stalled.as_ref().is_some_and(|stalled| stalled.who_must_act != WhoActs::Nobody);
    let wakes = device.has_timer
        || !device.in_flight.is_empty()
        || device.refreshing
        || person_must_act
        || !device.signed_in;
    ensure(status.waiting == 0 || wakes, "L3", || {
        format!(
            "device {}: {} operations wait; no timer, no request, no named pause",
            device.index, status.waiting
        )
    })?;
    ensure(status.flow != Flow::Synced || device.model.queue.is_empty(), "status", || {
        format!("device {} says synced with operations in the queue", device.index)
    })
}

/// Whether an edit travels with the create of its entity, which a person took back: when the server
/// refuses both, there is nothing that it could change.
fn goes_with_its_create(model: &Model, edit: &Waiting) -> bool {
    model.queue.values().any(|other| {
        other.taken_back
            && other.kind == Kind::Create
            && other.key == edit.key
            && other.carrier == edit.carrier
    })
}

/// What still waits on a device although nobody needs to do anything.
pub(crate) fn stuck(model: &Model) -> Option<Counter> {
    let needs_person = |waiting: &Waiting| {
        matches!(
            waiting.state,
            OperationState::Failed | OperationState::Conflicted | OperationState::SetAside
        )
    };
    let mut held: Vec<Counter> = Vec::new();
    // Each pass finds what waits for something found before.
    loop {
        let found = model.queue.iter().find(|(counter, waiting)| {
            !held.contains(counter)
                && (needs_person(waiting) || waits_for(model, &held, **counter, waiting))
        });
        match found {
            Some((counter, _)) => held.push(*counter),
            None => break,
        }
    }
    model.queue.keys().find(|counter| !held.contains(counter)).copied()
}

fn waits_for(model: &Model, held: &[Counter], counter: Counter, waiting: &Waiting) -> bool {
    held.iter().any(|other| {
        let Some(there) = model.queue.get(other) else { return false };
        (there.key == waiting.key && *other < counter)
            || (waiting.batch.is_some() && there.batch == waiting.batch)
            || waiting.parents.contains(other)
            || waiting.carrier == Some(*other)
    })
}
