//! The conflict inbox: found, kept, shown and settled.
//!
//! A conflict blocks only its lane. The entity stays usable with the local version in view. It is
//! opened when an operation that was never sent meets a change that its writer did not see, or
//! when the server answers so; a sent operation waits for that answer, because it may have arrived.

use std::collections::BTreeMap;
use std::fmt;

use clarity_model::{
    Counter, Effect, EntityKey, FieldChange, Fields, Fold, Kind, LocalTime, Schema, ServerTime,
    TypeSchema, Version,
};
use clarity_store::{
    ConfirmedEntity, ConflictRecord, Ended, EndedAs, NewOperation, OperationState, QueuedOperation,
    StoreError,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::Context;
use crate::error::WriteError;
use crate::event::Written;
use crate::history::{HistoryCause, Lost, remember};
use crate::{ids, lane, view};

/// The name of a conflict on this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ConflictId(pub i64);

/// Both sides of a conflict as a person saw them. A resolution made on other sides is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ConflictMark {
    /// The server's version.
    pub server_version: Version,
    /// The newest local operation.
    pub last_operation: Counter,
}

/// One field in conflict. `Debug` hides the values (promise I17).
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ConflictField {
    /// The field.
    pub field: String,
    /// What both sides started from; absent when the field was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub base: Option<Value>,
    /// What this device has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub local: Option<Value>,
    /// What the server has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub server: Option<Value>,
}

impl fmt::Debug for ConflictField {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ConflictField").field("field", &self.field).finish_non_exhaustive()
    }
}

/// Which side deleted what the other side edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum DeletedBy {
    /// This device deleted; the server has edits.
    ThisDevice,
    /// The server's entity is deleted; this device has edits.
    Server,
}

/// What is stored of a conflict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Detail {
    fields: Vec<ConflictField>,
    deleted_by: Option<DeletedBy>,
    local_version: Version,
    local_changed_at: LocalTime,
    server_version: Version,
    server_changed_at: ServerTime,
    last_operation: Counter,
}

/// A conflict as an app shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ConflictInfo {
    /// Its name on this device; in JSON apart from the entity's id.
    #[serde(rename = "conflict")]
    pub id: ConflictId,
    /// The entity.
    #[serde(flatten)]
    pub key: EntityKey,
    /// When it was found, by this device's clock.
    pub opened_at: LocalTime,
    /// The fields that differ.
    pub fields: Vec<ConflictField>,
    /// Set when one side deleted.
    pub deleted_by: Option<DeletedBy>,
    /// The version on which the local change was made.
    pub local_version: Version,
    /// When the local change was made.
    pub local_changed_at: LocalTime,
    /// The server's version.
    pub server_version: Version,
    /// When the server's version was accepted.
    pub server_changed_at: ServerTime,
    /// To hand back with the resolution.
    pub mark: ConflictMark,
}

/// What a person chose.
#[derive(Clone, PartialEq)]
pub enum Resolution {
    /// The local version of each field in conflict.
    KeepMine,
    /// The server's version of each field in conflict.
    UseServer,
    /// These values; a field in conflict that is not named keeps the local value.
    Merged(BTreeMap<String, Option<Value>>),
}

impl fmt::Debug for Resolution {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::KeepMine => "KeepMine",
            Self::UseServer => "UseServer",
            Self::Merged(_) => "Merged",
        })
    }
}

/// Reads a stored conflict.
///
/// # Errors
/// When the store cannot be read; a stored conflict that this version cannot read is left out.
pub(crate) fn info(schema: &Schema, record: ConflictRecord) -> Option<ConflictInfo> {
    let detail: Detail = serde_json::from_value(record.detail).ok()?;
    let (since, of) = (record.schema, record.key.entity_type.clone());
    // Kept under an older version of the schema.
    let fields = detail.fields.into_iter().map(|field| {
        let carry = |value| schema.carried_value(since, &of, &field.field, value);
        ConflictField {
            field: schema.carried_name(since, &of, &field.field),
            base: carry(field.base),
            local: carry(field.local),
            server: carry(field.server),
        }
    });
    let fields = fields.collect();
    Some(ConflictInfo {
        id: ConflictId(record.id),
        key: record.key,
        opened_at: record.opened_at,
        fields,
        deleted_by: detail.deleted_by,
        local_version: detail.local_version,
        local_changed_at: detail.local_changed_at,
        server_version: detail.server_version,
        server_changed_at: detail.server_changed_at,
        mark: ConflictMark {
            server_version: detail.server_version,
            last_operation: detail.last_operation,
        },
    })
}

/// Brings the inbox in line with a fold: opens, refreshes or closes the entity's conflict.
pub(crate) fn update(
    context: &mut Context<'_, '_>,
    key: &EntityKey,
    lane: &[QueuedOperation],
    confirmed: Option<&ConfirmedEntity>,
    folded: &Fold,
    version_before: Version,
) -> Result<(), StoreError> {
    let answered = lane.iter().find(|operation| {
        operation.state == OperationState::Conflicted && operation.first_sent_at.is_some()
    });
    let found = folded
        .conflict()
        .and_then(|effect| lane.iter().find(|operation| operation.counter == effect.counter));
    let Some(first) = answered.or(found) else { return close(context, key) };
    let unheard = first.first_sent_at.is_some() && first.state != OperationState::Conflicted;
    if unheard || first.state == OperationState::Failed {
        return Ok(());
    }
    let before = context.tx.conflict_of(key)?;
    let local_version = before
        .and_then(|before| info(context.tx.schema(), before))
        .map_or(version_before, |before| before.local_version);
    let schema = context.type_schema(key);
    let server = server_side(&schema, confirmed, lane, |other| other.counter < first.counter);
    let detail = describe(lane, first, confirmed, server.as_ref(), folded, local_version);
    let detail = serde_json::to_value(detail).unwrap_or_default();
    context.tx.put_conflict(key, first.counter, context.now, &detail)?;
    context.tx.set_operation_state(first.counter, OperationState::Conflicted)?;
    lane::block_after(context, key, first.counter)?;
    if let Some(batch) = first.batch {
        lane::block_batch(context, batch)?;
    }
    context.noted.status = true;
    Ok(())
}

/// The other side of a conflict: what the server told. Of an entity that it has not told of, it is
/// what these operations of the lane make, which are there or on their way.
fn server_side(
    schema: &TypeSchema,
    confirmed: Option<&ConfirmedEntity>,
    lane: &[QueuedOperation],
    counts: impl Fn(&QueuedOperation) -> bool,
) -> Option<Fields> {
    match confirmed {
        Some(there) => (!there.deleted).then(|| there.fields.clone()),
        None => {
            let made: Vec<_> = lane.iter().filter(|one| counts(one)).cloned().collect();
            view::fold_lane(schema, None, &made, None).view
        }
    }
}

fn describe(
    lane: &[QueuedOperation],
    first: &QueuedOperation,
    confirmed: Option<&ConfirmedEntity>,
    server: Option<&Fields>,
    folded: &Fold,
    local_version: Version,
) -> Detail {
    let deleted_by = match (server, &folded.view) {
        (None, Some(_)) if confirmed.is_some() => Some(DeletedBy::Server),
        (Some(_), None) => Some(DeletedBy::ThisDevice),
        _ => None,
    };
    let mut bases: BTreeMap<&str, Option<&Value>> = BTreeMap::new();
    for operation in lane.iter().filter(|operation| operation.counter >= first.counter) {
        let effect = folded.effects.iter().find(|effect| effect.counter == operation.counter);
        let in_conflict = |field: &str| {
            deleted_by.is_some()
                || operation.counter == first.counter && no_field_conflicts(folded)
                || effect.is_some_and(|effect| {
                    let conflicts = effect.fields.iter().filter(|f| f.effect == Effect::Conflict);
                    conflicts.into_iter().any(|conflict| conflict.field == field)
                })
        };
        for change in operation.changes.iter().flatten().filter(|c| in_conflict(&c.field)) {
            bases.entry(&change.field).or_insert(change.old.as_ref());
        }
    }
    let of =
        |fields: Option<&Fields>, name: &str| fields.and_then(|fields| fields.get(name)).cloned();
    let fields = bases.into_iter().map(|(name, base)| ConflictField {
        field: name.to_owned(),
        base: base.cloned(),
        local: of(folded.view.as_ref(), name),
        server: of(server, name),
    });
    Detail {
        fields: fields.filter(|field| field.local != field.server).collect(),
        deleted_by,
        local_version,
        local_changed_at: lane.last().map(|last| last.made_at).unwrap_or_default(),
        server_version: confirmed.map(|confirmed| confirmed.version).unwrap_or_default(),
        server_changed_at: confirmed.map(|confirmed| confirmed.updated_at).unwrap_or_default(),
        last_operation: lane.last().map(|last| last.counter).unwrap_or_default(),
    }
}

/// The server called it a conflict although this device's schema would not: all fields count.
fn no_field_conflicts(folded: &Fold) -> bool {
    folded.conflict().is_none()
}

/// Closes the entity's conflict, if there is one, because both sides agree again.
pub(crate) fn close(context: &mut Context<'_, '_>, key: &EntityKey) -> Result<(), StoreError> {
    let Some(record) = context.tx.conflict_of(key)? else { return Ok(()) };
    context.tx.remove_conflict(record.id)?;
    for operation in context.tx.lane(key)? {
        if operation.state == OperationState::Conflicted {
            context.tx.set_operation_state(operation.counter, OperationState::Blocked)?;
        }
    }
    context.noted.status = true;
    lane::unblock(context, key)
}

/// Settles a conflict with a normal operation that takes over the ones it resolves.
pub(crate) fn resolve(
    context: &mut Context<'_, '_>,
    conflict: ConflictId,
    mark: &ConflictMark,
    resolution: Resolution,
) -> Result<Written, WriteError> {
    let record = context.tx.conflict(conflict.0)?.ok_or(WriteError::NoSuchConflict)?;
    let (key, first) = (record.key.clone(), record.counter);
    let shown = info(context.tx.schema(), record).ok_or(WriteError::NoSuchConflict)?;
    let row = context.tx.entity(&key)?;
    let lane = context.tx.lane(&key)?;
    view::materialise_create(context, &lane, row.as_ref())?;
    let lane = context.tx.lane(&key)?;
    let last_operation = lane.last().map(|last| last.counter).unwrap_or_default();
    let confirmed = view::confirmed_of(context, &key)?;
    let server_version = confirmed.as_ref().map(|there| there.version).unwrap_or_default();
    if *mark != (ConflictMark { server_version, last_operation }) {
        return Err(WriteError::ConflictMoved);
    }
    let schema = context.type_schema(&key);
    let local = view::fold_lane(&schema, confirmed.as_ref(), &lane, row.as_ref()).view;
    let confirmed = confirmed.as_ref();
    let server = server_side(&schema, confirmed, &lane, |other| other.counter < first);
    let how = match &resolution {
        Resolution::KeepMine => "conflicts_resolved_keep_mine",
        Resolution::UseServer => "conflicts_resolved_use_server",
        Resolution::Merged(_) => "conflicts_resolved_merged",
    };
    let wanted = chosen(&shown, local.as_ref(), server.as_ref(), resolution)?;
    keep_losers(context, &shown, local.as_ref(), server.as_ref(), wanted.as_ref())?;
    // What was sent stays as it is; all else of the lane is taken over.
    let is_sent = |other: &QueuedOperation| {
        other.first_sent_at.is_some() && other.state != OperationState::Conflicted
    };
    let there = server_side(&schema, confirmed, &lane, is_sent);
    let counter = queue_resolution(context, &key, &lane, there.as_ref(), wanted)?;
    take_over(context, &lane, counter)?;
    lane::unblock(context, &key)?;
    lane::unblock_batches(context, &lane)?;
    context.tx.remove_conflict(conflict.0)?;
    context.tx.add_metric(how, 1)?;
    view::refold(context, &key)?;
    Ok(Written { operations: vec![counter], ..Written::default() })
}

/// What the entity shall be; absent for deleted.
fn chosen(
    shown: &ConflictInfo,
    local: Option<&Fields>,
    server: Option<&Fields>,
    resolution: Resolution,
) -> Result<Option<Fields>, WriteError> {
    let values = match resolution {
        Resolution::KeepMine => return Ok(local.cloned()),
        Resolution::UseServer if shown.deleted_by.is_some() => return Ok(server.cloned()),
        Resolution::UseServer => {
            let fields = shown.fields.iter();
            fields.map(|field| (field.field.clone(), field.server.clone())).collect()
        }
        Resolution::Merged(values) => values,
    };
    let mut fields = local.or(server).cloned().unwrap_or_default();
    for (name, value) in values {
        let known = shown.fields.iter().any(|field| field.field == name);
        if !known && shown.deleted_by.is_none() {
            return Err(WriteError::NotInConflict(name));
        }
        fields.put(&name, value);
    }
    clarity_model::validate_fields(&fields)?;
    Ok(Some(fields))
}

/// Keeps the side that was not chosen.
fn keep_losers(
    context: &mut Context<'_, '_>,
    shown: &ConflictInfo,
    local: Option<&Fields>,
    server: Option<&Fields>,
    wanted: Option<&Fields>,
) -> Result<(), StoreError> {
    for side in [local, server] {
        let lost = match (side, wanted) {
            (Some(side), Some(wanted)) => lost_fields(shown, side, wanted),
            (Some(side), None) => Lost::entity(side),
            (None, Some(_)) if shown.deleted_by.is_some() => Lost::deletion(),
            (None, _) => continue,
        };
        remember(context, &shown.key, None, HistoryCause::Resolved, &lost)?;
    }
    Ok(())
}

/// What one side has, and what was chosen has not.
fn lost_fields(shown: &ConflictInfo, side: &Fields, wanted: &Fields) -> Lost {
    let mut lost = Lost { kind: Some(Kind::Update), ..Lost::default() };
    let names: std::collections::BTreeSet<&String> = match shown.deleted_by {
        Some(_) => side.keys().chain(wanted.keys()).collect(),
        None => shown.fields.iter().map(|field| &field.field).collect(),
    };
    for name in names.into_iter().filter(|name| side.get(*name) != wanted.get(*name)) {
        let base = shown.fields.iter().find(|field| field.field == *name);
        lost.seen.put(name, base.and_then(|field| field.base.clone()));
        match side.get(name) {
            Some(value) => lost.fields.put(name, Some(value.clone())),
            None => lost.removed.push(name.clone()),
        }
    }
    lost
}

fn queue_resolution(
    context: &mut Context<'_, '_>,
    key: &EntityKey,
    lane: &[QueuedOperation],
    server: Option<&Fields>,
    wanted: Option<Fields>,
) -> Result<Counter, WriteError> {
    let undelete = server.is_none() && wanted.is_some();
    let kind = match (server, &wanted) {
        (Some(_), Some(_)) => Kind::Update,
        (None, Some(_)) => Kind::Create,
        (_, None) => Kind::Delete,
    };
    let mut changes = differences(server, wanted.as_ref());
    // It stands in for what it takes over: in that one's atomic batch, behind its parents. What
    // others depend on must not wait for a batch, which may be waiting for those others.
    let taken_over = || lane.iter().filter(|operation| operation.first_sent_at.is_none());
    let mut batch = taken_over().find_map(|operation| operation.batch);
    let mut parents = Vec::new();
    for operation in taken_over() {
        parents.extend(context.tx.parents(operation.counter)?);
    }
    for operation in lane.iter().filter(|operation| {
        operation.first_sent_at.is_none() || operation.state == OperationState::Conflicted
    }) {
        if !context.tx.children(operation.counter)?.is_empty() {
            batch = None;
        }
    }
    for named in ids::meet_changes(context, key, batch, &mut changes)? {
        if !lane.iter().any(|operation| operation.counter == named) {
            parents.push(named);
        }
    }
    Ok(context.tx.insert_operation(&NewOperation {
        kind,
        key: key.clone(),
        changes: Some(changes),
        undelete,
        batch,
        parents,
        schema: context.tx.schema().version,
        made_at: context.now,
        // What was sent and refused before it in the lane may still wait for a person.
        state: OperationState::Blocked,
    })?)
}

/// The changes that make `after` of `before`.
pub(crate) fn differences(before: Option<&Fields>, after: Option<&Fields>) -> Vec<FieldChange> {
    let names = before.into_iter().chain(after).flat_map(|fields| fields.keys());
    let names: std::collections::BTreeSet<&String> = names.collect();
    let of = |fields: Option<&Fields>, name: &String| {
        fields.and_then(|fields| fields.get(name)).cloned()
    };
    names
        .into_iter()
        .map(|name| FieldChange {
            field: name.clone(),
            old: of(before, name),
            new: of(after, name),
        })
        .filter(|change| change.old != change.new)
        .collect()
}

/// Operations that were answered end now; those that were never sent travel with the resolution.
fn take_over(
    context: &mut Context<'_, '_>,
    lane: &[QueuedOperation],
    resolution: Counter,
) -> Result<(), StoreError> {
    for operation in lane {
        match (operation.state, operation.first_sent_at) {
            (OperationState::InFlight, _) => {}
            (OperationState::Conflicted, Some(_)) => {
                let children = context.tx.children(operation.counter)?;
                for child in children {
                    context.tx.add_parent(child, resolution)?;
                }
                context.tx.remove_operation(operation.counter)?;
                context.tx.forget_parent(operation.counter)?;
                end_as_resolved(context, operation.counter, resolution, None)?;
            }
            // Sent and not heard of: it still has an answer of its own to wait for.
            (_, Some(_)) => {}
            (_, None) => {
                // What it was to take back is decided in the resolution as well.
                context.tx.forget_revert(operation.counter)?;
                context.tx.absorb(operation.counter, resolution)?;
            }
        }
    }
    Ok(())
}

/// Records that an operation ended in another one.
pub(crate) fn end_as_resolved(
    context: &mut Context<'_, '_>,
    counter: Counter,
    resolution: Counter,
    version: Option<Version>,
) -> Result<(), StoreError> {
    let ended = Ended {
        outcome: EndedAs::Resolved,
        at: context.now,
        version,
        resolved_by: Some(resolution),
    };
    context.tx.record_ended(counter, &ended)?;
    context.noted.ended(counter, EndedAs::Resolved);
    Ok(())
}
