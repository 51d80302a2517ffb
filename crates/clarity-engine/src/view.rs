//! The view of an entity: confirmed with the waiting operations on top, kept in the entity's row.

use clarity_model::{Confirmed, EntityKey, Fields, Fold, FoldOperation, Kind, TypeSchema, fold};
use clarity_store::{
    ConfirmedEntity, OperationState, QueuedOperation, RowState, StoreError, StoredEntity,
};

use crate::conflict;
use crate::context::Context;

/// What the server last told of the entity, whether it has waiting operations or not.
pub(crate) fn confirmed_of(
    context: &Context<'_, '_>,
    key: &EntityKey,
) -> Result<Option<ConfirmedEntity>, StoreError> {
    if let Some(confirmed) = context.tx.confirmed(key)? {
        return Ok(Some(confirmed));
    }
    let row = context.tx.entity(key)?;
    Ok(row.filter(|row| matches!(row.state, RowState::Clean | RowState::Deleted)).map(|row| {
        ConfirmedEntity {
            deleted: row.state == RowState::Deleted,
            fields: row.fields,
            version: row.version,
            seq: row.seq,
            updated_at: row.updated_at,
        }
    }))
}

/// What the server last told of an entity that has, or just had, waiting operations.
pub(crate) fn confirmed_of_lane(
    context: &Context<'_, '_>,
    key: &EntityKey,
) -> Result<Option<ConfirmedEntity>, StoreError> {
    context.tx.confirmed(key)
}

/// Confirmed in the form that the fold takes.
pub(crate) fn base_of(confirmed: Option<&ConfirmedEntity>) -> Confirmed<'_> {
    match confirmed {
        None => Confirmed::Absent,
        Some(confirmed) if confirmed.deleted => Confirmed::Deleted(&confirmed.fields),
        Some(confirmed) => Confirmed::Live(&confirmed.fields),
    }
}

/// An operation that a resolution has taken over: it is empty and travels with it.
pub(crate) fn is_absorbed(operation: &QueuedOperation) -> bool {
    operation.first_sent_at.is_none()
        && operation.carrier.is_some_and(|carrier| carrier != operation.counter)
}

/// The operations of a lane as the fold takes them. A create that refers to its row finds its
/// fields in `row_fields`.
pub(crate) fn fold_operations(
    lane: &[QueuedOperation],
    row_fields: Option<&Fields>,
) -> Vec<FoldOperation> {
    lane.iter()
        .map(|operation| FoldOperation {
            counter: operation.counter,
            kind: operation.kind,
            changes: match &operation.changes {
                Some(changes) => changes.clone(),
                None => created(row_fields),
            },
            undelete: operation.undelete,
        })
        .collect()
}

fn created(fields: Option<&Fields>) -> Vec<clarity_model::FieldChange> {
    let pairs = fields.into_iter().flat_map(|fields| fields.iter());
    pairs
        .map(|(field, value)| clarity_model::FieldChange {
            field: field.clone(),
            old: None,
            new: Some(value.clone()),
        })
        .collect()
}

/// Writes the changes of a create that refers to its row into the operation itself, because the
/// row is about to show something else.
pub(crate) fn materialise_create(
    context: &mut Context<'_, '_>,
    lane: &[QueuedOperation],
    row: Option<&StoredEntity>,
) -> Result<(), StoreError> {
    for operation in lane {
        if operation.kind == Kind::Create && operation.changes.is_none() {
            let changes = created(row.map(|row| &row.fields));
            context.tx.set_operation_changes(operation.counter, &changes)?;
        }
    }
    Ok(())
}

/// Folds the lane again and stores what the app sees; opens and closes conflicts.
///
/// The lane's operations carry their changes: see [`materialise_create`].
pub(crate) fn refold(context: &mut Context<'_, '_>, key: &EntityKey) -> Result<(), StoreError> {
    let lane = context.tx.lane(key)?;
    let confirmed = confirmed_of(context, key)?;
    let row = context.tx.entity(key)?;
    context.noted.entity(key);
    context.noted.status = true;
    if lane.is_empty() {
        conflict::close(context, key)?;
        return settle_row(context, key, confirmed, row);
    }
    let schema = context.type_schema(key);
    let folded = fold_lane(&schema, confirmed.as_ref(), &lane, row.as_ref());
    if let (Some(confirmed), None) = (&confirmed, context.tx.confirmed(key)?) {
        context.tx.put_confirmed(key, confirmed)?;
    }
    let version_before = row.as_ref().map(|row| row.version).unwrap_or_default();
    put_view(context, key, confirmed.as_ref(), row, folded.view.clone())?;
    conflict::update(context, key, &lane, confirmed.as_ref(), &folded, version_before)
}

/// Folds a lane over what is confirmed.
pub(crate) fn fold_lane(
    schema: &TypeSchema,
    confirmed: Option<&ConfirmedEntity>,
    lane: &[QueuedOperation],
    row: Option<&StoredEntity>,
) -> Fold {
    let operations = fold_operations(lane, row.map(|row| &row.fields));
    fold(schema, base_of(confirmed), &operations)
}

/// Stores what the app sees of an entity with waiting operations.
pub(crate) fn put_view(
    context: &mut Context<'_, '_>,
    key: &EntityKey,
    confirmed: Option<&ConfirmedEntity>,
    row: Option<StoredEntity>,
    view: Option<Fields>,
) -> Result<(), StoreError> {
    let state = if view.is_some() { RowState::Pending } else { RowState::PendingDelete };
    let stored = StoredEntity {
        fields: view.unwrap_or_default(),
        version: confirmed.map(|confirmed| confirmed.version).unwrap_or_default(),
        seq: confirmed.map(|confirmed| confirmed.seq).unwrap_or_default(),
        updated_at: confirmed.map(|confirmed| confirmed.updated_at).unwrap_or_default(),
        state,
        import_id: row.and_then(|row| row.import_id),
    };
    context.tx.put_entity(key, &stored)
}

/// Nothing waits any more: the row is what the server told, and it is stored once.
fn settle_row(
    context: &mut Context<'_, '_>,
    key: &EntityKey,
    confirmed: Option<ConfirmedEntity>,
    row: Option<StoredEntity>,
) -> Result<(), StoreError> {
    let Some(confirmed) = confirmed else {
        context.tx.remove_entity(key)?;
        return Ok(());
    };
    put_confirmed_row(context, key, confirmed, row.and_then(|row| row.import_id))?;
    context.tx.remove_confirmed(key)?;
    Ok(())
}

/// Stores a clean row, or the stub of a deleted one.
pub(crate) fn put_confirmed_row(
    context: &mut Context<'_, '_>,
    key: &EntityKey,
    confirmed: ConfirmedEntity,
    import_id: Option<i64>,
) -> Result<(), StoreError> {
    let state = if confirmed.deleted { RowState::Deleted } else { RowState::Clean };
    let stored = StoredEntity {
        fields: if confirmed.deleted { Fields::new() } else { confirmed.fields },
        version: confirmed.version,
        seq: confirmed.seq,
        updated_at: confirmed.updated_at,
        state,
        import_id,
    };
    context.tx.put_entity(key, &stored)
}

/// Whether the state lets an operation be sent when its turn comes.
pub(crate) fn lane_is_blocked(lane: &[QueuedOperation]) -> bool {
    lane.iter().any(|operation| {
        matches!(
            operation.state,
            OperationState::Blocked
                | OperationState::Failed
                | OperationState::Conflicted
                | OperationState::SetAside
        )
    })
}
