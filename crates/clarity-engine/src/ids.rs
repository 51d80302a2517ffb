//! Ids that a backend gives to what was made here, and the references that follow them.
//!
//! When a create is answered with another id, the entity, its queue, its conflict and its history
//! move to that id in the transaction of the answer, and what this device has not sent yet names
//! it by the new id. Bytes that were frozen stay as they are: what the server holds of them under
//! the old id is corrected by a normal operation once it is known. The old id stays a name of the
//! entity on this device for ever.

use std::collections::BTreeMap;

use clarity_model::{Counter, EntityId, EntityKey, EntityType, FieldChange, Fields, Kind};
use clarity_protocol::WireOperation;
use clarity_store::{ConfirmedEntity, OperationState, QueuedOperation, StoreError};
use serde_json::Value;

use crate::context::Context;
use crate::error::WriteError;
use crate::push::unreadable_frozen;
use crate::{view, write};

/// The declared references of a type: the fields, and what they name.
fn references(context: &Context<'_, '_>, entity_type: &EntityType) -> Vec<(String, EntityType)> {
    let fields = context.tx.schema().type_schema(entity_type).fields.iter();
    let named = fields.filter_map(|(name, field)| {
        field.references.as_ref().map(|to| (name.clone(), to.entity_type.clone()))
    });
    named.collect()
}

/// Whether some declared field names entities of this type.
fn is_referred_to(context: &Context<'_, '_>, entity_type: &EntityType) -> bool {
    let mut fields = context.tx.schema().types.values().flat_map(|of| of.fields.values());
    fields.any(|field| field.references.as_ref().is_some_and(|to| to.entity_type == *entity_type))
}

/// Each id that the value of a reference holds: itself, or the members of a list.
fn ids_in(value: &mut Value) -> Vec<&mut String> {
    match value {
        Value::String(id) => vec![id],
        Value::Array(members) => members
            .iter_mut()
            .filter_map(|member| match member {
                Value::String(id) => Some(id),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Puts the present ids into the value of a reference, and says which entities it names. What is
/// not an id stays as it is.
fn name_present(
    context: &Context<'_, '_>,
    entity_type: &EntityType,
    value: &mut Value,
) -> Result<Vec<EntityKey>, StoreError> {
    let mut named = Vec::new();
    for text in ids_in(value) {
        let Ok(id) = EntityId::new(&*text) else { continue };
        let key = EntityKey { entity_type: entity_type.clone(), id };
        let present = context.tx.present_key(&key)?;
        if present != key {
            present.id.as_str().clone_into(text);
        }
        named.push(present);
    }
    Ok(named)
}

/// Brings the references of new fields in line; see [`meet_changes`].
pub(crate) fn meet_fields(
    context: &mut Context<'_, '_>,
    from: &EntityKey,
    batch: Option<Counter>,
    fields: &mut Fields,
) -> Result<Vec<Counter>, StoreError> {
    let mut parents = Vec::new();
    for (field, entity_type) in references(context, &from.entity_type) {
        if let Some(value) = fields.get_mut(&field) {
            let named = name_present(context, &entity_type, value)?;
            parents.extend(wait_for(context, from, batch, named)?);
        }
    }
    Ok(parents)
}

/// Brings the references that a write makes in line: an older name becomes the present one, and
/// what the server does not know yet is noted. Gives the creates that the operation has to wait
/// for, so that no reference arrives before what it names, or under a name that nobody else knows.
pub(crate) fn meet_changes(
    context: &mut Context<'_, '_>,
    from: &EntityKey,
    batch: Option<Counter>,
    changes: &mut [FieldChange],
) -> Result<Vec<Counter>, StoreError> {
    let mut parents = Vec::new();
    for (field, entity_type) in references(context, &from.entity_type) {
        for change in changes.iter_mut().filter(|change| change.field == field) {
            if let Some(new) = &mut change.new {
                let named = name_present(context, &entity_type, new)?;
                parents.extend(wait_for(context, from, batch, named)?);
            }
        }
    }
    Ok(parents)
}

/// Brings in line what a writer saw before an entity got another id.
pub(crate) fn meet_seen(
    context: &Context<'_, '_>,
    from: &EntityKey,
    seen: &mut Fields,
    shown: &Fields,
) -> Result<(), StoreError> {
    for (field, entity_type) in references(context, &from.entity_type) {
        let is_older = seen.get(&field) != shown.get(&field);
        if let Some(value) = seen.get_mut(&field).filter(|_| is_older) {
            name_present(context, &entity_type, value)?;
        }
    }
    Ok(())
}

fn wait_for(
    context: &mut Context<'_, '_>,
    from: &EntityKey,
    batch: Option<Counter>,
    named: Vec<EntityKey>,
) -> Result<Vec<Counter>, StoreError> {
    let mut parents = Vec::new();
    for target in named.into_iter().filter(|target| target != from) {
        if context.tx.entity(&target)?.is_some_and(|row| row.version.0 > 0) {
            continue;
        }
        context.tx.add_unmet_reference(&target, from)?;
        let Some(create) = context.tx.create_of(&target)? else { continue };
        // The members of an atomic batch travel together and cannot wait for each other.
        let mate = match batch {
            Some(batch) => context.tx.operation(create)?.is_some_and(|c| c.batch == Some(batch)),
            None => false,
        };
        if !mate {
            parents.push(create);
        }
    }
    Ok(parents)
}

/// Whether the bytes that were sent of an operation made its entity.
pub(crate) fn was_create(
    context: &Context<'_, '_>,
    operation: &QueuedOperation,
) -> Result<bool, StoreError> {
    let Some(frozen) = context.tx.frozen(operation.counter)? else { return Ok(false) };
    let wire: WireOperation = serde_json::from_slice(&frozen).map_err(|_| unreadable_frozen())?;
    Ok(wire.kind == Kind::Create)
}

/// The server knows an entity under the id that it has here: nobody waits to hear of another one.
pub(crate) fn kept(context: &mut Context<'_, '_>, key: &EntityKey) -> Result<(), StoreError> {
    if is_referred_to(context, &key.entity_type) {
        context.tx.clear_unmet_references(key)?;
    }
    Ok(())
}

/// The server knows an entity under another id: everything moves there. If something is there
/// already, read before the answer came, both become one.
pub(crate) fn given(
    context: &mut Context<'_, '_>,
    key: &EntityKey,
    id: &EntityId,
) -> Result<EntityKey, StoreError> {
    let target = EntityKey { entity_type: key.entity_type.clone(), id: id.clone() };
    if target == *key {
        return Ok(target);
    }
    let there = context.tx.entity(&target)?;
    let import_id = context.tx.entity(key)?.and_then(|row| row.import_id);
    for side in [key, &target] {
        let (lane, row) = (context.tx.lane(side)?, context.tx.entity(side)?);
        view::materialise_create(context, &lane, row.as_ref())?;
    }
    let told = newest(view::confirmed_of(context, key)?, view::confirmed_of(context, &target)?);
    context.tx.move_entity(key, id)?;
    context.tx.put_id_map(&key.entity_type, &key.id, id)?;
    context.noted.entity(key);
    context.noted.entity(&target);
    if let Some(mut there) = there {
        there.import_id = there.import_id.or(import_id);
        context.tx.put_entity(&target, &there)?;
        if let Some(told) = told {
            context.tx.put_confirmed(&target, &told)?;
        }
        view::refold(context, &target)?;
    }
    for from in context.tx.unmet_references(&target)? {
        rewrite(context, &from, key, &target)?;
    }
    context.tx.clear_unmet_references(&target)?;
    Ok(target)
}

/// What the server told last, under whichever id.
fn newest(one: Option<ConfirmedEntity>, other: Option<ConfirmedEntity>) -> Option<ConfirmedEntity> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if one.version > other.version { one } else { other }),
        (one, other) => one.or(other),
    }
}

/// Lets what an entity has not sent yet name another one by its new id.
fn rewrite(
    context: &mut Context<'_, '_>,
    from: &EntityKey,
    old: &EntityKey,
    new: &EntityKey,
) -> Result<(), StoreError> {
    let (lane, row) = (context.tx.lane(from)?, context.tx.entity(from)?);
    view::materialise_create(context, &lane, row.as_ref())?;
    let mut lane = context.tx.lane(from)?;
    let confirmed = view::confirmed_of(context, from)?.map(|there| there.fields);
    for (field, entity_type) in references(context, &from.entity_type) {
        if entity_type == old.entity_type {
            let under = confirmed.as_ref().and_then(|fields| fields.get(&field)).cloned();
            rewrite_field(&mut lane, &field, under, (old.id.as_str(), new.id.as_str()));
        }
    }
    for operation in &lane {
        if let Some(changes) = &operation.changes {
            context.tx.set_operation_changes(operation.counter, changes)?;
        }
    }
    if !lane.is_empty() {
        view::refold(context, from)?;
    }
    correct(context, from)
}

/// Rewrites one field in a lane. What an operation saw follows what it now lies on.
fn rewrite_field(
    lane: &mut [QueuedOperation],
    field: &str,
    mut under: Option<Value>,
    (old, new): (&str, &str),
) {
    let renamed = |value: &Option<Value>| {
        let mut value = value.clone();
        for id in value.iter_mut().flat_map(ids_in).filter(|id| *id == old) {
            new.clone_into(id);
        }
        value
    };
    for operation in lane {
        let answered =
            matches!(operation.state, OperationState::Failed | OperationState::Conflicted);
        let may_change = operation.first_sent_at.is_none() || answered;
        for change in operation.changes.iter_mut().flatten().filter(|c| c.field == field) {
            if may_change {
                let seen = renamed(&change.old);
                if seen == under {
                    change.old = seen;
                }
                change.new = renamed(&change.new);
            }
            under.clone_from(&change.new);
        }
    }
}

/// Corrects, by a normal operation, the references that a view shows under an older id: the server
/// holds them so, because they were sent before this device heard of the new one.
pub(crate) fn correct(context: &mut Context<'_, '_>, key: &EntityKey) -> Result<(), StoreError> {
    let references = references(context, &key.entity_type);
    if references.is_empty() || !context.tx.has_given_ids()? {
        return Ok(());
    }
    let row = context.tx.entity(key)?;
    let Some(row) = row.filter(|row| row.state.is_visible()) else { return Ok(()) };
    let mut changes = BTreeMap::new();
    for (field, entity_type) in references {
        let Some(shown) = row.fields.get(&field) else { continue };
        let mut present = shown.clone();
        name_present(context, &entity_type, &mut present)?;
        if present != *shown {
            changes.insert(field, Some(present));
        }
    }
    if changes.is_empty() {
        return Ok(());
    }
    match context.savepoint(|context| write::update(context, key, changes, None, None)) {
        Err(WriteError::Store(error)) => Err(error),
        // An entity at its size limit keeps the older id, which leads to the same entity here.
        _ => Ok(()),
    }
}

/// Adds to what is published the older names of the entities that changed: an app that still holds
/// one watches by it.
pub(crate) fn note_older_names(context: &mut Context<'_, '_>) -> Result<(), StoreError> {
    let changed = context.noted.changed();
    if changed.is_empty() || !context.tx.has_given_ids()? {
        return Ok(());
    }
    for key in changed {
        for id in context.tx.local_ids_of(&key)? {
            context.noted.entity(&EntityKey { entity_type: key.entity_type.clone(), id });
        }
    }
    Ok(())
}
