//! What comes out of an export: the whole of a store into an empty one, or its content into one
//! that is in use.

use clarity_model::{EntityKey, Fields, Incarnation, ReadVersion, validate_fields};
use clarity_store::{PortableRow, RowState, StoreError};

use crate::context::Context;
use crate::error::WriteError;
use crate::event::Written;
use crate::schedule::Schedule;
use crate::{SCHEDULE, identity, lifecycle, write};

/// One entity of an export. `Debug` hides it.
#[derive(Clone, Default)]
pub struct ExportedEntity {
    /// What its device showed; absent when it was deleted there.
    pub fields: Option<Fields>,
    /// What the server had told of it, where local changes waited on top; absent when it had not.
    pub base: Option<Fields>,
    /// Whether local changes waited.
    pub pending: bool,
}

impl std::fmt::Debug for ExportedEntity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ExportedEntity")
            .field("pending", &self.pending)
            .finish_non_exhaustive()
    }
}

/// A store that was restored begins a new life: what was never sent goes out under it, what was
/// sent and not answered keeps its bytes and its id, and everything is read again before anything
/// is sent.
pub(crate) fn restored(
    context: &mut Context<'_, '_>,
    account: Option<&str>,
    next_counter: clarity_model::Counter,
) -> Result<(), StoreError> {
    let fresh = Incarnation(context.entropy.next_u128());
    context.tx.finish_restore(fresh, account, next_counter, context.now)?;
    context.tx.reidentify_unsent()?;
    let mut schedule = Schedule::default();
    lifecycle::started(context, &mut schedule)?;
    identity::reset(context, &mut schedule)?;
    context.tx.put_state(SCHEDULE, &schedule)
}

/// Takes entities of an export into a store that is in use, by the rules of every local write:
/// what is missing is made, what waited there is done here, and what is here otherwise stays.
///
/// `replay` says whether what waited is still to be done; it is not when the export came from this
/// very store.
pub(crate) fn merge(
    context: &mut Context<'_, '_>,
    import_id: i64,
    replay: bool,
    entities: Vec<(EntityKey, ExportedEntity)>,
    history: &[PortableRow],
) -> Result<Written, WriteError> {
    let mut written = Written::default();
    for row in history {
        context.tx.merge_history_row(row)?;
    }
    for (key, entity) in entities {
        let key = context.tx.present_key(&key)?;
        let row = context.tx.entity(&key)?;
        let imported = &mut written.imported;
        let (Some(fields), row) = (entity.fields, row) else {
            // It waited to be deleted there, or was.
            let is_here = context.tx.entity(&key)?.is_some_and(|row| row.state.is_visible());
            if is_here && entity.pending && replay {
                let seen = entity.base.map(|fields| ReadVersion { fields });
                let counter = write::delete(context, &key, seen, None)?;
                written.operations.push(counter);
                imported.deleted += 1;
            }
            continue;
        };
        if validate_fields(&fields).is_err() {
            imported.invalid += 1;
            continue;
        }
        match row {
            None => {
                let made = write::create(context, &key, fields, &[], None, Some(import_id))?;
                written.operations.push(made);
                imported.new += 1;
            }
            Some(row) if matches!(row.state, RowState::Deleted | RowState::PendingDelete) => {
                imported.deleted_before += 1;
            }
            Some(row) if row.fields == fields || !entity.pending || !replay => {
                imported.duplicate += 1;
            }
            Some(_) => {
                let base = entity.base.unwrap_or_default();
                let changes = changes(&base, fields);
                let seen = Some(ReadVersion { fields: base });
                let counter = write::update(context, &key, changes, seen, None)?;
                written.operations.extend(counter);
                imported.changed += 1;
            }
        }
    }
    Ok(written)
}

/// What leads from one state to another.
fn changes(
    base: &Fields,
    fields: Fields,
) -> std::collections::BTreeMap<String, Option<serde_json::Value>> {
    let removed = base.keys().filter(|name| !fields.contains_key(*name));
    let removed: Vec<_> = removed.map(|name| (name.clone(), None)).collect();
    let set = fields.0.into_iter().filter(|(name, value)| base.get(name) != Some(value));
    set.map(|(name, value)| (name, Some(value))).chain(removed).collect()
}
