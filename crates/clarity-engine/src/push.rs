//! Building a push: which operations travel next, joined where that changes nothing for anybody,
//! and frozen before they leave.
//!
//! Freezing the bytes and marking them sent is part of the transaction that is committed before
//! the request leaves. From then on the same bytes are sent under the same id until they are
//! answered (promise I3).

use std::collections::{BTreeMap, BTreeSet};

use clarity_model::{
    Counter, Effect, EntityKey, Fields, Incarnation, Kind, RejectReason, Version, limits,
};
use clarity_protocol::{PushRequest, SchemaStamp, WireOperation};
use clarity_store::{
    ConfirmedEntity, Ended, EndedAs, OperationError, OperationState, QueuedOperation, RequestId,
    StoreError,
};
use serde_json::value::RawValue;

use crate::conflict::differences;
use crate::context::Context;
use crate::history::{HistoryCause, Lost, remember};
use crate::identity;
use crate::view::{self, base_of, fold_operations, is_absorbed};

/// Most queued operations that building one request looks at, so that one busy entity cannot make
/// it slow.
const SCANNED_OPERATIONS_MAX: usize = 20_000;
/// How many operations are read at once while looking.
const SCAN_PAGE: usize = 1_000;

/// What is about to be sent of one lane.
struct Parcel {
    carrier: Counter,
    /// The older operations that it carries, and the newest one last.
    carried: Vec<Counter>,
    bytes: Vec<u8>,
    /// Whether the bytes were frozen before.
    again: bool,
}

/// Builds a request of operations that are not part of a suspect group.
pub(crate) fn build(
    context: &mut Context<'_, '_>,
    request: RequestId,
    suspects: &BTreeSet<Counter>,
    stamp: &SchemaStamp,
) -> Result<Option<PushRequest>, StoreError> {
    let scan = loop {
        let scan = look_through(context, suspects)?;
        // What vanished may have hidden the next operation of its lane.
        if scan.incarnation.is_some() || !scan.vanished {
            break scan;
        }
    };
    let Some(incarnation) = scan.incarnation else { return Ok(None) };
    send(context, request, scan.parcels, incarnation, stamp).map(Some)
}

/// Looks through the queue for what can go.
fn look_through<'a>(
    context: &mut Context<'_, '_>,
    suspects: &'a BTreeSet<Counter>,
) -> Result<Scan<'a>, StoreError> {
    let on_their_way: BTreeSet<EntityKey> = context.tx.in_flight_keys()?.into_iter().collect();
    let mut page = context.tx.ready_operations(Counter(0), SCAN_PAGE)?;
    let mut scan = Scan {
        joins_below: first_that_waits(context, &page, &on_their_way, suspects)?,
        taken: on_their_way.clone(),
        moving: on_their_way,
        carried: BTreeSet::new(),
        suspects,
        parcels: Vec::new(),
        bytes: 0,
        incarnation: None,
        vanished: false,
        held_batches: BTreeSet::new(),
    };
    let mut scanned = SCAN_PAGE;
    loop {
        let full = page.len() == SCAN_PAGE;
        let after = page.last().map(|last| last.counter).unwrap_or_default();
        for operation in page {
            if !scan.consider(context, operation)? {
                return Ok(scan);
            }
        }
        if !full || scanned >= SCANNED_OPERATIONS_MAX {
            return Ok(scan);
        }
        page = context.tx.ready_operations(after, SCAN_PAGE)?;
        scanned += SCAN_PAGE;
    }
}

/// Builds a request of exactly these operations, frozen before; what was answered meanwhile is
/// left out.
pub(crate) fn rebuild(
    context: &mut Context<'_, '_>,
    request: RequestId,
    carriers: &[Counter],
    stamp: &SchemaStamp,
) -> Result<Option<PushRequest>, StoreError> {
    let mut parcels = Vec::with_capacity(carriers.len());
    let mut incarnation = None;
    for carrier in carriers {
        let Some(operation) = context.tx.operation(*carrier)? else { continue };
        if operation.state != OperationState::Ready {
            continue;
        }
        incarnation = Some(operation.incarnation);
        parcels.extend(frozen_parcel(context, *carrier)?);
    }
    let Some(incarnation) = incarnation else { return Ok(None) };
    send(context, request, parcels, incarnation, stamp).map(Some)
}

fn send(
    context: &mut Context<'_, '_>,
    request: RequestId,
    parcels: Vec<Parcel>,
    incarnation: Incarnation,
    stamp: &SchemaStamp,
) -> Result<PushRequest, StoreError> {
    let mut operations = Vec::with_capacity(parcels.len());
    let foreign_below = identity::foreign_bases_below(context)?;
    let mut foreign_bases = Vec::new();
    for parcel in parcels {
        if parcel.again {
            if parcel.carrier < foreign_below {
                foreign_bases.push(parcel.carrier);
            }
            context.tx.resend(parcel.carrier, request, context.now)?;
        } else {
            let covered = &parcel.carried[..parcel.carried.len().saturating_sub(1)];
            let (carrier, bytes) = (parcel.carrier, &parcel.bytes);
            context.tx.freeze(carrier, covered, bytes, request, context.now)?;
        }
        operations.push(raw(parcel.bytes)?);
    }
    let settled_below = settled_below(context)?;
    let epoch = context.tx.meta()?.epoch;
    let heard = identity::heard(context)?;
    let schema = stamp.clone();
    context.noted.status = true;
    Ok(PushRequest {
        incarnation,
        epoch,
        heard,
        settled_below,
        schema,
        foreign_bases,
        contribution: None,
        operations,
    })
}

/// Every operation with a lower counter has its answer, durably, on this device.
pub(crate) fn settled_below(context: &Context<'_, '_>) -> Result<Counter, StoreError> {
    match context.tx.lowest_unsettled()? {
        Some(counter) => Ok(counter),
        None => context.tx.next_counter(),
    }
}

fn raw(bytes: Vec<u8>) -> Result<Box<RawValue>, StoreError> {
    let text = String::from_utf8(bytes).map_err(|_| unreadable_frozen())?;
    RawValue::from_string(text).map_err(|_| unreadable_frozen())
}

pub(crate) fn unreadable_frozen() -> StoreError {
    StoreError::InvalidValue { table: "operation", column: "frozen" }
}

fn frozen_parcel(
    context: &Context<'_, '_>,
    carrier: Counter,
) -> Result<Option<Parcel>, StoreError> {
    let Some(bytes) = context.tx.frozen(carrier)? else { return Ok(None) };
    let carried = context.tx.carried_by(carrier)?;
    Ok(Some(Parcel { carrier, carried, bytes, again: true }))
}

/// The state of one look through the queue.
struct Scan<'a> {
    /// Entities of which nothing more can go: something is on its way, or waits.
    taken: BTreeSet<EntityKey>,
    /// Those of them that have something on its way or in this request.
    moving: BTreeSet<EntityKey>,
    /// The operations that are in this request.
    carried: BTreeSet<Counter>,
    suspects: &'a BTreeSet<Counter>,
    /// An operation from here on does not travel with an earlier one of its entity: something that
    /// was made in between has to wait.
    joins_below: Counter,
    parcels: Vec<Parcel>,
    bytes: usize,
    /// A request speaks for one incarnation.
    incarnation: Option<Incarnation>,
    /// Whether something ended without being sent.
    vanished: bool,
    /// Atomic batches of which some member cannot go yet.
    held_batches: BTreeSet<Counter>,
}

impl Scan<'_> {
    /// Takes an operation into the request if it can go. Returns whether what was made later may
    /// go with it: not beyond the room, and not beyond an operation that only waits for another one
    /// of its entity to arrive. Whoever sees a later change then sees the earlier one (promise I7).
    fn consider(
        &mut self,
        context: &mut Context<'_, '_>,
        operation: QueuedOperation,
    ) -> Result<bool, StoreError> {
        let carrier = operation.carrier.unwrap_or(operation.counter);
        let other_life = self.incarnation.is_some_and(|life| life != operation.incarnation);
        if other_life {
            return Ok(true);
        }
        if self.taken.contains(&operation.key) {
            return Ok(
                !self.moving.contains(&operation.key) || self.carried.contains(&operation.counter)
            );
        }
        if self.suspects.contains(&carrier) {
            self.taken.insert(operation.key);
            return Ok(true);
        }
        // What is carried by another travels as that one does.
        let operation = if carrier != operation.counter && operation.first_sent_at.is_some() {
            context.tx.operation(carrier)?.unwrap_or(operation)
        } else {
            operation
        };
        let heads = match operation.batch {
            Some(batch) => match self.batch_heads(context, batch)? {
                Heads::Free(members) => members,
                Heads::Held => Vec::new(),
                Heads::Follow => return Ok(false),
            },
            None => vec![operation.clone()],
        };
        self.taken.insert(operation.key.clone());
        let mut parcels = Vec::with_capacity(heads.len());
        for head in &heads {
            match parcel(context, head, self.joins_below)? {
                Next::Goes(parcel) => parcels.push(parcel),
                Next::Vanished => self.vanished = true,
                Next::Waits => {}
            }
            self.taken.insert(head.key.clone());
        }
        // An atomic batch goes whole or not at all.
        if parcels.len() < heads.len() {
            parcels.clear();
        }
        let bytes: usize = parcels.iter().map(|parcel| parcel.bytes.len()).sum();
        let room = self.parcels.len() + parcels.len() <= limits::PUSH_OPERATIONS_MAX
            && self.bytes + bytes <= limits::PUSH_BYTES_MAX;
        if !room && !self.parcels.is_empty() {
            return Ok(false);
        }
        if !parcels.is_empty() {
            self.incarnation = Some(operation.incarnation);
        }
        self.bytes += bytes;
        for parcel in &parcels {
            self.carried.extend(&parcel.carried);
        }
        if !parcels.is_empty() {
            self.moving.extend(heads.into_iter().map(|head| head.key));
        }
        self.parcels.append(&mut parcels);
        Ok(self.parcels.len() < limits::PUSH_OPERATIONS_MAX && self.bytes < limits::PUSH_BYTES_MAX)
    }

    /// The members of an atomic batch, if each of them is next in its lane. What comes before them
    /// in their lanes can go all the same.
    fn batch_heads(
        &mut self,
        context: &Context<'_, '_>,
        batch: Counter,
    ) -> Result<Heads, StoreError> {
        if self.held_batches.contains(&batch) {
            return Ok(Heads::Held);
        }
        let members = context.tx.operations_of_batch(batch)?;
        let members: Vec<_> = members.into_iter().filter(travels_itself).collect();
        let mut free = true;
        for member in &members {
            let lane = context.tx.lane(&member.key)?;
            let head = lane.iter().find(|operation| travels_itself(operation));
            free &= !self.taken.contains(&member.key)
                && member.state == OperationState::Ready
                && head.is_some_and(|head| head.counter == member.counter);
        }
        if free {
            return Ok(Heads::Free(members));
        }
        let ready = members.iter().all(|member| member.state == OperationState::Ready);
        if ready && members.iter().any(|member| self.moving.contains(&member.key)) {
            return Ok(Heads::Follow);
        }
        self.held_batches.insert(batch);
        Ok(Heads::Held)
    }
}

/// Whether the members of an atomic batch can go.
enum Heads {
    /// All of them can.
    Free(Vec<QueuedOperation>),
    /// Some member waits for a person, or for what is made later.
    Held,
    /// Some member only waits for what is on its way.
    Follow,
}

/// Whether an operation has bytes of its own on the wire, now or later; others are carried by one
/// that has.
fn travels_itself(operation: &QueuedOperation) -> bool {
    operation.carrier.is_none_or(|carrier| carrier == operation.counter)
}

/// What becomes of the next operation of a lane.
enum Next {
    /// It travels.
    Goes(Parcel),
    /// It ended together with those behind it, because nobody ever heard of it.
    Vanished,
    /// It must wait.
    Waits,
}

impl Next {
    fn of(parcel: Option<Parcel>) -> Self {
        parcel.map_or(Self::Waits, Self::Goes)
    }
}

/// What travels of a lane whose next operation is `head`.
fn parcel(
    context: &mut Context<'_, '_>,
    head: &QueuedOperation,
    joins_below: Counter,
) -> Result<Next, StoreError> {
    if head.first_sent_at.is_some() {
        return frozen_parcel(context, head.carrier.unwrap_or(head.counter)).map(Next::of);
    }
    let lane = context.tx.lane(&head.key)?;
    let lane: Vec<_> = lane.into_iter().filter(|operation| !is_absorbed(operation)).collect();
    if lane.first().is_none_or(|first| first.counter != head.counter) {
        return Ok(Next::Waits);
    }
    let run = run_of(context, &lane, joins_below)?;
    let confirmed = context.tx.confirmed(&head.key)?;
    if vanishes(run, confirmed.as_ref()) {
        vanish(context, run)?;
        return Ok(Next::Vanished);
    }
    let Some(content) = content(context, run, confirmed.as_ref())? else {
        return Ok(Next::Waits);
    };
    let mut carried = Vec::with_capacity(run.len());
    for operation in run {
        // Operations that a resolution has taken over travel with it.
        carried.extend(context.tx.carried_by(operation.counter)?);
        carried.push(operation.counter);
    }
    carried.dedup();
    wire(context, run, carried, content).map(Next::of)
}

/// The operations that travel as one: consecutive, never sent, none that others depend on, none of
/// an atomic batch, nothing after a delete.
fn run_of<'l>(
    context: &Context<'_, '_>,
    lane: &'l [QueuedOperation],
    joins_below: Counter,
) -> Result<&'l [QueuedOperation], StoreError> {
    let mut length = 0;
    for operation in lane.iter().take(limits::COVERED_OPERATIONS_MAX) {
        let first = length == 0;
        let goes_along = joins(operation) && operation.counter < joins_below;
        if !(first || goes_along) {
            break;
        }
        length += 1;
        if ends_run(context, operation)? {
            break;
        }
    }
    Ok(&lane[..length])
}

/// Whether an operation can travel with the one before it in its lane.
fn joins(operation: &QueuedOperation) -> bool {
    operation.state == OperationState::Ready
        && operation.first_sent_at.is_none()
        && operation.batch.is_none()
        && operation.kind != Kind::Create
}

/// Whether the next operation of a lane cannot travel with this one.
fn ends_run(context: &Context<'_, '_>, operation: &QueuedOperation) -> Result<bool, StoreError> {
    Ok(operation.kind == Kind::Delete
        || operation.batch.is_some()
        || !context.tx.children(operation.counter)?.is_empty())
}

/// The first operation of the first page of the queue that has to wait for another one of its
/// entity to arrive. What was made later must not travel earlier, not even joined to something
/// older.
fn first_that_waits(
    context: &Context<'_, '_>,
    page: &[QueuedOperation],
    on_their_way: &BTreeSet<EntityKey>,
    suspects: &BTreeSet<Counter>,
) -> Result<Counter, StoreError> {
    // Of each lane the carrier of its first operation, and whether anything can join.
    let mut lanes: BTreeMap<EntityKey, (Option<Counter>, bool)> = BTreeMap::new();
    for operation in page {
        if suspects.contains(&operation.carrier.unwrap_or(operation.counter)) {
            continue;
        }
        if on_their_way.contains(&operation.key) {
            return Ok(operation.counter);
        }
        let sent = operation.first_sent_at.and(operation.carrier);
        let goes_on = sent.is_none() && !ends_run(context, operation)?;
        match lanes.get_mut(&operation.key) {
            None => drop(lanes.insert(operation.key.clone(), (sent, goes_on))),
            Some((carrier, _)) if carrier.is_some() && *carrier == operation.carrier => {}
            Some((_, open)) if *open && joins(operation) => *open = goes_on,
            Some(_) => return Ok(operation.counter),
        }
    }
    // Beyond one page nothing is joined to what is in it.
    let last = page.last().filter(|_| page.len() == SCAN_PAGE);
    Ok(last.map_or(Counter(u64::MAX), |last| Counter(last.counter.0 + 1)))
}

/// Made and deleted before anybody heard of it.
fn vanishes(run: &[QueuedOperation], confirmed: Option<&ConfirmedEntity>) -> bool {
    let made_here = run.first().is_some_and(|first| first.kind == Kind::Create);
    let deleted = run.len() > 1 && run.last().is_some_and(|last| last.kind == Kind::Delete);
    made_here && deleted && confirmed.is_none()
}

fn vanish(context: &mut Context<'_, '_>, run: &[QueuedOperation]) -> Result<(), StoreError> {
    let mut gone = Vec::with_capacity(run.len());
    for operation in run {
        // What a resolution has taken over goes with it.
        gone.extend(context.tx.carried_by(operation.counter)?);
        gone.push(operation.counter);
    }
    gone.dedup();
    for counter in gone {
        context.tx.remove_operation(counter)?;
        let ended = Ended {
            outcome: EndedAs::Cancelled,
            at: context.now,
            version: None,
            resolved_by: None,
        };
        context.tx.record_ended(counter, &ended)?;
        context.noted.ended(counter, EndedAs::Cancelled);
    }
    match run.first() {
        Some(first) => view::refold(context, &first.key),
        None => Ok(()),
    }
}

/// What a wire operation says.
struct Content {
    kind: Kind,
    base: Version,
    fields: Option<Fields>,
    changes: Vec<clarity_model::FieldChange>,
}

/// The difference between what is confirmed and what the run makes of it.
fn content(
    context: &mut Context<'_, '_>,
    run: &[QueuedOperation],
    confirmed: Option<&ConfirmedEntity>,
) -> Result<Option<Content>, StoreError> {
    let Some(first) = run.first() else { return Ok(None) };
    let key = &first.key;
    let row = context.tx.entity(key)?;
    let row_fields = row.map(|row| row.fields);
    let base = confirmed.map(|there| there.version).unwrap_or_default();
    if let (None, [only], None) = (confirmed, run, &first.changes) {
        let fields = Some(row_fields.unwrap_or_default());
        return Ok(Some(Content { kind: only.kind, base, fields, changes: Vec::new() }));
    }
    let schema = context.type_schema(key);
    let operations = fold_operations(run, row_fields.as_ref());
    let folded = clarity_model::fold(&schema, base_of(confirmed), &operations);
    if folded.conflict().is_some() {
        view::refold(context, key)?;
        return Ok(None);
    }
    note_losses(context, run, &folded)?;
    let there = confirmed.filter(|there| !there.deleted).map(|there| &there.fields);
    let (kind, fields, changes) = match (there, folded.view) {
        (Some(before), Some(after)) => {
            (Kind::Update, None, differences(Some(before), Some(&after)))
        }
        (_, None) => (Kind::Delete, None, Vec::new()),
        (None, Some(after)) => (Kind::Create, Some(after), Vec::new()),
    };
    Ok(Some(Content { kind, base, fields, changes }))
}

/// Remembers what the fold itself already decided against the local side: the wire no longer says
/// it, so no answer will.
fn note_losses(
    context: &mut Context<'_, '_>,
    run: &[QueuedOperation],
    folded: &clarity_model::Fold,
) -> Result<(), StoreError> {
    for (operation, effect) in run.iter().zip(&folded.effects) {
        let outcome = match effect.effect {
            Effect::Superseded => EndedAs::Superseded,
            Effect::Merged => EndedAs::Merged,
            Effect::Unchanged | Effect::Applied | Effect::Conflict => continue,
        };
        if outcome == EndedAs::Superseded {
            let changes = operation.changes.clone().unwrap_or_default();
            let lost = changes.into_iter().filter(|change| {
                effect.fields.is_empty()
                    || effect.fields.iter().any(|field| {
                        field.field == change.field && field.effect == Effect::Superseded
                    })
            });
            let lost = Lost::of_operation(operation.kind, &lost.collect::<Vec<_>>());
            let counter = Some(operation.counter);
            remember(context, &operation.key, counter, HistoryCause::Superseded, &lost)?;
        }
        let ended = Ended { outcome, at: context.now, version: None, resolved_by: None };
        context.tx.record_ended(operation.counter, &ended)?;
    }
    Ok(())
}

fn wire(
    context: &mut Context<'_, '_>,
    run: &[QueuedOperation],
    carried: Vec<Counter>,
    content: Content,
) -> Result<Option<Parcel>, StoreError> {
    let Some(last) = run.last() else { return Ok(None) };
    let operation = WireOperation {
        id: last.counter,
        covers: carried.iter().copied().filter(|counter| *counter != last.counter).collect(),
        batch: last.batch,
        kind: content.kind,
        key: last.key.clone(),
        base: content.base,
        fields: content.fields,
        changes: content.changes,
        schema: last.schema,
        at: last.made_at,
    };
    let bytes = serde_json::to_vec(&operation)
        .map_err(|_| StoreError::NotJson { table: "operation", column: "frozen" })?;
    if bytes.len() > limits::OPERATION_BYTES_MAX {
        for counter in carried {
            too_large(context, counter)?;
        }
        crate::lane::block_after(context, &last.key, last.counter)?;
        return Ok(None);
    }
    Ok(Some(Parcel { carrier: last.counter, carried, bytes, again: false }))
}

/// Too large to be sent at all: into the inbox without asking the server.
fn too_large(context: &mut Context<'_, '_>, counter: Counter) -> Result<(), StoreError> {
    let error = OperationError {
        code: RejectReason::TooLarge.as_str().to_owned(),
        message: "the change is larger than 512 KiB; make it smaller or split it".to_owned(),
        at: context.now,
    };
    context.tx.note_attempt(counter, 0, None, Some(&error))?;
    context.tx.set_operation_state(counter, OperationState::Failed)?;
    context.noted.status = true;
    Ok(())
}
