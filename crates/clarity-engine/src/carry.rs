//! What waits, after the app's schema has taken steps.
//!
//! Operations are carried forward whenever they are read, and stay as they were made (see
//! `clarity_store`). Here each of them is looked at once: one that cannot be carried forward waits
//! for a person, and the views, which the store has carried forward row by row, are folded again.
//! Until that is done nothing is pushed. What was sent keeps its bytes, and the server decides.

use std::collections::BTreeSet;
use std::sync::Arc;

use clarity_model::{Counter, Kind, RejectReason, Schema};
use clarity_store::{OlderOperations, OperationError, OperationState, QueuedOperation, StoreError};

use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::schedule::{Pause, Schedule};
use crate::{lane, rollback, view};

/// How many operations one step looks at.
const OPERATIONS_AT_ONCE: usize = 500;

/// The name under which it is kept how far this is.
const CARRIED: &str = "carried";

/// How far what waits has been looked at.
#[derive(Default, Serialize, Deserialize)]
struct Carried {
    /// The version of the schema that all of it is in line with.
    schema: u32,
    /// The last operation that was looked at for a later one.
    through: Counter,
}

/// Takes one step; returns whether there are more.
pub(crate) fn sweep(context: &mut Context<'_, '_>) -> Result<bool, StoreError> {
    let schema = Arc::clone(context.tx.schema());
    if schema.steps_version() == 0 {
        return Ok(false);
    }
    let mut carried: Carried = context.tx.state(CARRIED)?.unwrap_or_default();
    if carried.schema >= schema.version {
        return Ok(false);
    }
    let found = match schema.carried_types(carried.schema).is_empty() {
        true => None,
        false => context.tx.older_operations(carried.through, OPERATIONS_AT_ONCE)?,
    };
    let Some(OlderOperations { operations, last }) = found else {
        carried = Carried { schema: schema.version, through: Counter(0) };
        context.tx.put_state(CARRIED, &carried)?;
        return Ok(false);
    };
    let mut lanes = BTreeSet::new();
    for (counter, since) in operations {
        let Some(operation) = context.tx.operation(counter)? else { continue };
        if schema.carries(since, &operation.key.entity_type) {
            refuse(context, &schema, &operation, since)?;
            lanes.insert(operation.key);
        }
    }
    for key in lanes {
        let lane = context.tx.lane(&key)?;
        if matches!(&lane[..], [only] if only.changes.is_none()) {
            // Its row is what it makes, and has been carried forward.
            continue;
        }
        rollback::materialise(context, &key)?;
        view::refold(context, &key)?;
    }
    carried.through = last;
    context.tx.put_state(CARRIED, &carried)?;
    Ok(true)
}

/// Takes note, where it is drained, that the app was upgraded: whether that was enough for the
/// server, it says itself.
pub(crate) fn upgraded(context: &Context<'_, '_>, schedule: &mut Schedule) {
    let version = context.tx.schema().version;
    if schedule.schema < version {
        schedule.schema = version;
        schedule.pauses.remove(&Pause::UpgradeRequired);
        schedule.hurry(context.now);
    }
}

/// Lets an operation that was never sent, and wants a value that a step does not take, wait for a
/// person. Only its lane stops.
fn refuse(
    context: &mut Context<'_, '_>,
    schema: &Schema,
    operation: &QueuedOperation,
    since: u32,
) -> Result<(), StoreError> {
    let waits = matches!(operation.state, OperationState::Ready | OperationState::Blocked);
    if !waits || operation.first_sent_at.is_some() || operation.kind == Kind::Delete {
        return Ok(());
    }
    let of = &operation.key.entity_type;
    let field = match &operation.changes {
        Some(changes) => {
            let wanted = changes.iter().filter_map(|one| Some((&one.field, one.new.as_ref()?)));
            schema.refused_field(since, of, wanted).map(str::to_owned)
        }
        None => {
            let row = context.tx.entity(&operation.key)?;
            let wanted = row.iter().flat_map(|row| row.fields.iter());
            schema.refused_field(since, of, wanted).map(str::to_owned)
        }
    };
    let Some(field) = field else { return Ok(()) };
    let error = OperationError {
        code: RejectReason::SchemaMigration.as_str().to_owned(),
        message: clarity_protocol::refused_by_schema(&field),
        at: context.now,
    };
    context.tx.note_attempt(operation.counter, 0, None, Some(&error))?;
    context.tx.set_operation_state(operation.counter, OperationState::Failed)?;
    lane::block_after(context, &operation.key, operation.counter)?;
    context.tx.add_metric("operations_failed", 1)?;
    context.noted.entity(&operation.key);
    context.noted.status = true;
    Ok(())
}
