//! Import of samples with stable ids: importing the same again changes nothing, here and on any
//! other device.

use clarity_model::{EntityKey, Fields, validate_fields};
use clarity_store::{RowState, StoredEntity};

use crate::context::Context;
use crate::error::WriteError;
use crate::event::{ImportSample, Imported, Written};
use crate::write;

/// Imports some samples. A damaged sample never stops the others.
pub(crate) fn import(
    context: &mut Context<'_, '_>,
    import_id: i64,
    samples: Vec<ImportSample>,
) -> Result<Written, WriteError> {
    let mut imported = Imported::default();
    let mut operations = Vec::with_capacity(samples.len());
    for mut sample in samples {
        sample.key = context.tx.present_key(&sample.key)?;
        sample.sibling = context.tx.present_key(&sample.sibling)?;
        if validate_fields(&sample.fields).is_err() {
            imported.invalid += 1;
            continue;
        }
        let row = context.tx.entity(&sample.key)?;
        match what_to_do(context, import_id, &sample, row.as_ref())? {
            Verdict::New(key) => {
                let fields = sample.fields;
                let made = write::create(context, &key, fields, &[], None, Some(import_id))?;
                operations.push(made);
                imported.new += 1;
            }
            Verdict::Changed => {
                let changed = replace(context, &sample.key, sample.fields, row, import_id)?;
                operations.extend(changed);
                imported.changed += 1;
            }
            Verdict::Duplicate => imported.duplicate += 1,
            Verdict::DeletedBefore => imported.deleted_before += 1,
        }
    }
    Ok(Written { operations, imported })
}

enum Verdict {
    New(EntityKey),
    Changed,
    Duplicate,
    DeletedBefore,
}

/// Decides what a sample is to what is here.
///
/// One export may hold two values under one key (two readings of one source in the same second).
/// The first gets the key's id and the others ids made from key and value. A value that is neither
/// under the key's id nor under its own is therefore a second value when this very import wrote
/// the first, and otherwise a correction.
fn what_to_do(
    context: &Context<'_, '_>,
    import_id: i64,
    sample: &ImportSample,
    row: Option<&StoredEntity>,
) -> Result<Verdict, WriteError> {
    let Some(row) = row else { return Ok(Verdict::New(sample.key.clone())) };
    match row.state {
        RowState::Deleted | RowState::PendingDelete => return Ok(Verdict::DeletedBefore),
        RowState::Clean | RowState::Pending if row.fields == sample.fields => {
            return Ok(Verdict::Duplicate);
        }
        RowState::Clean | RowState::Pending => {}
    }
    match context.tx.entity(&sample.sibling)?.map(|sibling| sibling.state) {
        Some(RowState::Deleted | RowState::PendingDelete) => Ok(Verdict::DeletedBefore),
        Some(RowState::Clean | RowState::Pending) => Ok(Verdict::Duplicate),
        None if row.import_id == Some(import_id) => Ok(Verdict::New(sample.sibling.clone())),
        None => Ok(Verdict::Changed),
    }
}

/// A source corrected a sample: a new version of the same entity.
fn replace(
    context: &mut Context<'_, '_>,
    key: &EntityKey,
    fields: Fields,
    row: Option<StoredEntity>,
    import_id: i64,
) -> Result<Option<clarity_model::Counter>, WriteError> {
    let before = row.map(|row| row.fields).unwrap_or_default();
    let removed = before.keys().filter(|name| !fields.contains_key(*name));
    let removed: Vec<_> = removed.map(|name| (name.clone(), None)).collect();
    let set = fields.0.into_iter().map(|(name, value)| (name, Some(value)));
    let operation = write::update(context, key, set.chain(removed).collect(), None, None)?;
    if let Some(mut row) = context.tx.entity(key)? {
        row.import_id = Some(import_id);
        context.tx.put_entity(key, &row)?;
    }
    Ok(operation)
}
