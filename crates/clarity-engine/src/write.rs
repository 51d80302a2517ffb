//! Local writes: the row and its operation in one transaction (promise I2), at the same cost
//! whatever waits already.

use std::collections::{BTreeMap, BTreeSet};

use clarity_model::{
    Counter, Effect, EntityKey, FieldChange, Fields, Kind, ReadVersion, limits, merge_field,
    validate_fields,
};
use clarity_store::{NewOperation, OperationState, RowState, StoredEntity};
use serde_json::Value;

use crate::conflict;
use crate::context::Context;
use crate::error::WriteError;
use crate::event::{Write, Written};
use crate::history::{HistoryCause, Lost, remember};
use crate::storage;
use crate::view::{self, lane_is_blocked, materialise_create};
use crate::{feed, fetch, ids, import, inbox, restore, rollback, scope, undo};

/// Applies one write. On an error nothing of it stays.
pub(crate) fn apply(context: &mut Context<'_, '_>, write: Write) -> Result<Written, WriteError> {
    context.savepoint(|context| match write {
        Write::Batch { atomic, writes } => batch(context, atomic, writes),
        Write::Rollback { operation } => rollback::rollback(context, operation),
        Write::RollbackEntity { key } => {
            let key = context.tx.present_key(&key)?;
            rollback::rollback_entity(context, &key)
        }
        Write::Import(part) => import::import(context, part),
        Write::FinishImport { import_id, report } => import::finish(context, import_id, report),
        Write::MergeExport { import_id, replay, entities, history } => {
            restore::merge(context, import_id, replay, entities, &history)
        }
        Write::UndoImport { import_id, keys } => import::undo(context, import_id, &keys),
        Write::Source { source, change } => feed::change(context, &source, change),
        Write::Retry { operation } => inbox::retry(context, operation),
        Write::EditAndRetry { operation, changes } => {
            inbox::edit_and_retry(context, operation, changes)
        }
        Write::Discard { operation } => inbox::discard(context, operation, false),
        Write::DiscardWithDependents { operation } => inbox::discard(context, operation, true),
        Write::Undo { history } => undo::undo(context, history),
        Write::Resolve { conflict, mark, resolution } => {
            conflict::resolve(context, conflict, &mark, resolution)
        }
        Write::SetScope { scope } => {
            scope::set(context, scope)?;
            Ok(Written::default())
        }
        Write::Fetch { wanted } => {
            fetch::want_all(context, &wanted)?;
            Ok(Written::default())
        }
        single => Ok(written(apply_single(context, single, None)?)),
    })
}

fn written(operation: Option<Counter>) -> Written {
    Written { operations: operation.into_iter().collect(), ..Written::default() }
}

pub(crate) fn apply_single(
    context: &mut Context<'_, '_>,
    write: Write,
    batch: Option<Counter>,
) -> Result<Option<Counter>, WriteError> {
    match write {
        Write::Create { key, fields, parents } => {
            let key = context.tx.present_key(&key)?;
            create(context, &key, fields, &parents, batch, None).map(Some)
        }
        Write::Update { key, changes, seen } => {
            let key = context.tx.present_key(&key)?;
            update(context, &key, changes, seen, batch)
        }
        Write::Delete { key, seen } => {
            let key = context.tx.present_key(&key)?;
            delete(context, &key, seen, batch).map(Some)
        }
        _ => Err(WriteError::NotInBatch),
    }
}

fn batch(
    context: &mut Context<'_, '_>,
    atomic: bool,
    writes: Vec<Write>,
) -> Result<Written, WriteError> {
    if !atomic {
        let mut operations = Vec::with_capacity(writes.len());
        for (position, write) in writes.into_iter().enumerate() {
            operations.extend(apply_member(context, position, write, None)?);
        }
        return Ok(Written { operations, ..Written::default() });
    }
    check_atomic(&writes)?;
    let number = context.tx.next_counter()?;
    let mut operations = Vec::with_capacity(writes.len());
    for (position, write) in writes.into_iter().enumerate() {
        operations.extend(apply_member(context, position, write, Some(number))?);
    }
    block_batch_if_held(context, &operations)?;
    Ok(Written { operations, ..Written::default() })
}

/// One write of a batch; a refusal says which it was.
fn apply_member(
    context: &mut Context<'_, '_>,
    position: usize,
    write: Write,
    batch: Option<Counter>,
) -> Result<Option<Counter>, WriteError> {
    apply_single(context, write, batch).map_err(|reason| match reason {
        // A full disk or a failing one is the transaction's end, not this write's.
        WriteError::Store(error) => WriteError::Store(error),
        reason => WriteError::InBatch { position, reason: Box::new(reason) },
    })
}

/// An atomic batch must fit into one request, and change each entity once.
fn check_atomic(writes: &[Write]) -> Result<(), WriteError> {
    let mut keys = BTreeSet::new();
    let mut bytes = 0;
    for write in writes {
        let (key, size) = match write {
            Write::Create { key, fields, .. } => (key, fields.to_canonical_json().len()),
            Write::Update { key, changes, .. } => (key, changes_size(changes)),
            Write::Delete { key, .. } => (key, 0),
            _ => return Err(WriteError::NotInBatch),
        };
        bytes += size + limits::ENTITY_ID_BYTES_MAX;
        if !keys.insert(key) {
            return Err(WriteError::TwiceInBatch);
        }
    }
    if writes.len() > limits::ATOMIC_BATCH_OPERATIONS_MAX || bytes > limits::PUSH_BYTES_MAX {
        return Err(WriteError::TooLarge);
    }
    Ok(())
}

fn changes_size(changes: &BTreeMap<String, Option<Value>>) -> usize {
    serde_json::to_string(changes).map_or(0, |text| text.len())
}

/// A batch of which one operation must wait waits as a whole.
pub(crate) fn block_batch_if_held(
    context: &mut Context<'_, '_>,
    operations: &[Counter],
) -> Result<(), WriteError> {
    let mut held = false;
    for counter in operations {
        let operation = context.tx.operation(*counter)?;
        held |= operation.is_some_and(|operation| operation.state == OperationState::Blocked);
    }
    if held {
        for counter in operations {
            context.tx.set_operation_state(*counter, OperationState::Blocked)?;
        }
    }
    Ok(())
}

/// Makes an entity, or undeletes one.
pub(crate) fn create(
    context: &mut Context<'_, '_>,
    key: &EntityKey,
    mut fields: Fields,
    parents: &[Counter],
    batch: Option<Counter>,
    import_id: Option<i64>,
) -> Result<Counter, WriteError> {
    validate_fields(&fields)?;
    let row = context.tx.entity(key)?;
    let undelete = match row.as_ref().map(|row| row.state) {
        None if context.tx.evicted_entity(key)?.is_some() => return Err(WriteError::Exists),
        None => false,
        Some(RowState::Deleted | RowState::PendingDelete) => true,
        Some(RowState::Clean | RowState::Pending) => return Err(WriteError::Exists),
    };
    // The lane of an entity that is not there is empty, but for a pending delete's.
    let lane = if undelete { context.tx.lane(key)? } else { Vec::new() };
    let named = ids::meet_fields(context, key, batch, &mut fields)?;
    let waiting_parents = waiting(context, &[parents, &named].concat())?;
    let held = lane_is_blocked(&lane) || !waiting_parents.is_empty();
    let counter = context.tx.insert_operation(&NewOperation {
        kind: Kind::Create,
        key: key.clone(),
        changes: None,
        undelete,
        batch,
        parents: waiting_parents,
        schema: context.tx.schema().version,
        made_at: context.now,
        state: if held { OperationState::Blocked } else { OperationState::Ready },
    })?;
    if let Some(row) = row.as_ref().filter(|row| row.state == RowState::Deleted) {
        let stub = clarity_store::ConfirmedEntity {
            fields: Fields::new(),
            deleted: true,
            version: row.version,
            seq: row.seq,
            updated_at: row.updated_at,
        };
        context.tx.put_confirmed(key, &stub)?;
    }
    if row.is_none() {
        storage::meets_new(context, key)?;
    }
    let before = row.unwrap_or_else(|| unknown_row(import_id));
    let import_id = import_id.or(before.import_id);
    let stored = StoredEntity { fields, state: RowState::Pending, import_id, ..before };
    context.tx.put_entity(key, &stored)?;
    note(context, key);
    if lane_is_blocked(&lane) {
        // An open conflict shows, and is settled on, the newest of both sides.
        let lane = context.tx.lane(key)?;
        materialise_create(context, &lane, Some(&stored))?;
        view::refold(context, key)?;
    }
    Ok(counter)
}

/// The row of an entity that the server has not told of.
fn unknown_row(import_id: Option<i64>) -> StoredEntity {
    StoredEntity {
        fields: Fields::new(),
        version: clarity_model::Version(0),
        seq: clarity_model::Seq(0),
        updated_at: clarity_model::ServerTime(0),
        state: RowState::Pending,
        import_id,
    }
}

fn waiting(context: &Context<'_, '_>, parents: &[Counter]) -> Result<Vec<Counter>, WriteError> {
    let mut waiting = Vec::new();
    for parent in parents {
        if context.tx.operation(*parent)?.is_some() {
            waiting.push(*parent);
        }
    }
    Ok(waiting)
}

/// Changes fields of an entity.
///
/// The old value of each change is what the writer saw. Where that is no longer what is there, the
/// field's policy decides at once, and a `manual` one opens a conflict.
pub(crate) fn update(
    context: &mut Context<'_, '_>,
    key: &EntityKey,
    wanted: BTreeMap<String, Option<Value>>,
    seen: Option<ReadVersion>,
    batch: Option<Counter>,
) -> Result<Option<Counter>, WriteError> {
    let row = live_row(context, key)?;
    let mut seen = seen.map_or_else(|| row.fields.clone(), |seen| seen.fields);
    ids::meet_seen(context, key, &mut seen, &row.fields)?;
    let mut changes: Vec<FieldChange> = wanted
        .into_iter()
        .map(|(field, new)| FieldChange { old: seen.get(&field).cloned(), field, new })
        .collect();
    let parents = ids::meet_changes(context, key, batch, &mut changes)?;
    changes.retain(|change| change.old != change.new);
    if changes.is_empty() {
        return Ok(None);
    }
    let schema = context.type_schema(key);
    let mut view = row.fields.clone();
    let mut conflict = false;
    for change in &changes {
        let current = view.get(&change.field).cloned();
        let (old, new) = (change.old.as_ref(), change.new.as_ref());
        let merged = merge_field(schema.rule(&change.field), old, new, current.as_ref());
        conflict |= merged.effect == Effect::Conflict;
        view.put(&change.field, merged.value);
    }
    validate_fields(&view)?;
    let change = Queued { kind: Kind::Update, changes, batch, parents };
    let (counter, held) = queue(context, key, &row, change)?;
    let stored = StoredEntity { fields: view, state: RowState::Pending, ..row };
    context.tx.put_entity(key, &stored)?;
    note(context, key);
    // An open conflict shows, and is settled on, the newest of both sides.
    if conflict || held {
        view::refold(context, key)?;
    }
    Ok(Some(counter))
}

/// Deletes an entity.
pub(crate) fn delete(
    context: &mut Context<'_, '_>,
    key: &EntityKey,
    seen: Option<ReadVersion>,
    batch: Option<Counter>,
) -> Result<Counter, WriteError> {
    delete_because(context, key, seen, batch, HistoryCause::Deleted)
}

/// Deletes an entity, and keeps why.
pub(crate) fn delete_because(
    context: &mut Context<'_, '_>,
    key: &EntityKey,
    seen: Option<ReadVersion>,
    batch: Option<Counter>,
    cause: HistoryCause,
) -> Result<Counter, WriteError> {
    let row = live_row(context, key)?;
    let mut seen = seen.map_or_else(|| row.fields.clone(), |seen| seen.fields);
    ids::meet_seen(context, key, &mut seen, &row.fields)?;
    let unseen_edit = seen != row.fields;
    let changes = seen
        .0
        .into_iter()
        .map(|(field, old)| FieldChange { field, old: Some(old), new: None })
        .collect();
    let change = Queued { kind: Kind::Delete, changes, batch, parents: Vec::new() };
    let (counter, held) = queue(context, key, &row, change)?;
    let lost = Lost::entity(&row.fields);
    remember(context, key, Some(counter), cause, &lost)?;
    let stored = StoredEntity { fields: Fields::new(), state: RowState::PendingDelete, ..row };
    context.tx.put_entity(key, &stored)?;
    note(context, key);
    if unseen_edit || held {
        view::refold(context, key)?;
    }
    Ok(counter)
}

fn live_row(context: &mut Context<'_, '_>, key: &EntityKey) -> Result<StoredEntity, WriteError> {
    let row = context.tx.entity(key)?;
    if row.is_none() && storage::is_away(context.tx, key)? {
        context.noted.away.push(key.clone());
        return Err(WriteError::Away);
    }
    row.filter(|row| matches!(row.state, RowState::Clean | RowState::Pending))
        .ok_or(WriteError::NotFound)
}

/// An operation on an existing entity, before it has its place in the queue.
struct Queued {
    kind: Kind,
    changes: Vec<FieldChange>,
    batch: Option<Counter>,
    parents: Vec<Counter>,
}

/// Puts an operation on an existing entity into its lane. Says whether something holds it.
fn queue(
    context: &mut Context<'_, '_>,
    key: &EntityKey,
    row: &StoredEntity,
    change: Queued,
) -> Result<(Counter, bool), WriteError> {
    let Queued { kind, changes, batch, parents } = change;
    let held = if row.state == RowState::Clean {
        let confirmed = view::confirmed_of(context, key)?;
        if let Some(confirmed) = confirmed {
            context.tx.put_confirmed(key, &confirmed)?;
        }
        false
    } else {
        let lane = context.tx.lane(key)?;
        materialise_create(context, &lane, Some(row))?;
        lane_is_blocked(&lane)
    };
    let parents = waiting(context, &parents)?;
    let held = held || !parents.is_empty();
    let counter = context.tx.insert_operation(&NewOperation {
        kind,
        key: key.clone(),
        changes: Some(changes),
        undelete: false,
        batch,
        parents,
        schema: context.tx.schema().version,
        made_at: context.now,
        state: if held { OperationState::Blocked } else { OperationState::Ready },
    })?;
    Ok((counter, held))
}

fn note(context: &mut Context<'_, '_>, key: &EntityKey) {
    context.noted.entity(key);
    context.noted.status = true;
}
