//! What a write would do: it is done, looked at, and taken back within the transaction. So a
//! preview cannot differ from what really happens.

use std::collections::BTreeMap;

use clarity_model::{Counter, EntityKey, Fields, Kind, LocalTime};
use clarity_store::{EndedAs, QueuedOperation, StoreError, StoreTransaction};
use serde::Serialize;
use serde_json::Value;

use crate::conflict::ConflictField;
use crate::context::{Context, Entropy, Noted};
use crate::error::WriteError;
#[cfg(doc)]
use crate::event::Changes;
use crate::event::{Write, Written};
use crate::{Engine, failure, write};

/// What some writes would do, without having done it.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Preview {
    /// The operations that would leave the queue.
    pub ends: Vec<PreviewOperation>,
    /// The operations that would be put into it.
    pub queues: Vec<PreviewOperation>,
    /// The entities that would look otherwise than now.
    pub entities: Vec<PreviewEntity>,
}

/// An operation that would leave the queue or enter it. `Debug` hides the values.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct PreviewOperation {
    /// Its number; of a new one, the number that it would get now.
    pub operation: Counter,
    /// What it does.
    pub kind: Kind,
    /// To which entity.
    #[serde(flatten)]
    pub key: EntityKey,
    /// How it would end; absent for a new one.
    pub ends_as: Option<EndedAs>,
    /// Whether it would go only because of another one, which it depends on or stands or falls
    /// with.
    pub goes_along: bool,
    /// What it changes.
    pub fields: Vec<ConflictField>,
}

/// An entity that would look otherwise than now.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct PreviewEntity {
    /// Which.
    #[serde(flatten)]
    pub key: EntityKey,
    /// Whether it is there now.
    pub shown_before: bool,
    /// Whether it would be there.
    pub shown_after: bool,
    /// The fields that would be others.
    pub fields: Vec<PreviewField>,
    /// Whether a conflict of it would wait for a person.
    pub in_conflict: bool,
}

/// A field that would be another. `Debug` hides the values.
#[derive(Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct PreviewField {
    /// The field.
    pub field: String,
    /// What it is now.
    pub before: Option<Value>,
    /// What it would be.
    pub after: Option<Value>,
}

impl std::fmt::Debug for PreviewField {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PreviewField").field("field", &self.field).finish_non_exhaustive()
    }
}

impl Engine {
    /// What some writes would do, one after the other. Nothing of it stays, and nothing is sent.
    ///
    /// # Errors
    /// Why one of the writes would be refused; [`WriteError::PreviewTooLarge`] when they would
    /// change more than [`Changes::KEYS_MAX`] entities.
    pub fn preview(
        &self,
        tx: &mut StoreTransaction<'_>,
        writes: Vec<Write>,
        now: LocalTime,
        entropy: &mut dyn Entropy,
    ) -> Result<Preview, WriteError> {
        let mut noted = Noted::default();
        let mut context = Context { tx, now, entropy, noted: &mut noted };
        preview(&mut context, writes)
    }
}

/// What an entity looks like, and whether it is in conflict.
type Look = (Option<Fields>, bool);

/// How a try ends: never with success, so that nothing of it stays.
enum Tried {
    Done(Box<Trial>),
    Refused(WriteError),
}

impl From<StoreError> for Tried {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

/// What was seen while the writes were done.
struct Trial {
    ended: Vec<(Counter, EndedAs)>,
    queued: Vec<PreviewOperation>,
    after: BTreeMap<EntityKey, Look>,
}

/// Does the writes, looks, and takes them back.
fn preview(context: &mut Context<'_, '_>, writes: Vec<Write>) -> Result<Preview, WriteError> {
    let mut named = Vec::new();
    for write in &writes {
        named.extend(names(context, write)?);
    }
    let tried = context.savepoint(|context| Err::<(), Tried>(attempt(context, writes)));
    let trial = match tried {
        Err(Tried::Done(trial)) => trial,
        Err(Tried::Refused(error)) => return Err(error),
        Ok(()) => return Ok(Preview::default()),
    };
    let mut preview = Preview { queues: trial.queued, ..Preview::default() };
    for (counter, outcome) in trial.ended {
        let Some(operation) = context.tx.operation(counter)? else { continue };
        let mut shown = shown(context, &operation)?;
        shown.ends_as = Some(outcome);
        shown.goes_along = !named.contains(&counter);
        preview.ends.push(shown);
    }
    for (key, after) in trial.after {
        let before = look(context, &key)?;
        if before != after {
            preview.entities.push(entity(key, &before, &after));
        }
    }
    Ok(preview)
}

fn attempt(context: &mut Context<'_, '_>, writes: Vec<Write>) -> Tried {
    // What the transaction has noted before is not part of it.
    let before = std::mem::take(context.noted);
    let trial = trial(context, writes);
    *context.noted = before;
    match trial {
        Ok(trial) => Tried::Done(Box::new(trial)),
        Err(error) => Tried::Refused(error),
    }
}

fn trial(context: &mut Context<'_, '_>, writes: Vec<Write>) -> Result<Trial, WriteError> {
    let mut operations = Vec::new();
    for write in writes {
        let Written { operations: queued, .. } = write::apply(context, write)?;
        operations.extend(queued);
    }
    let mut queued = Vec::with_capacity(operations.len());
    for counter in operations {
        if let Some(operation) = context.tx.operation(counter)? {
            queued.push(shown(context, &operation)?);
        }
    }
    let noted = context.noted.clone().into_changes().unwrap_or_default();
    if noted.entities.is_empty() && !noted.types.is_empty() {
        return Err(WriteError::PreviewTooLarge);
    }
    let mut after = BTreeMap::new();
    for key in noted.entities {
        let look = look(context, &key)?;
        after.insert(key, look);
    }
    Ok(Trial { ended: noted.ended, queued, after })
}

/// The operations that a write names.
fn names(context: &Context<'_, '_>, write: &Write) -> Result<Vec<Counter>, StoreError> {
    Ok(match write {
        Write::Rollback { operation }
        | Write::Retry { operation }
        | Write::EditAndRetry { operation, .. }
        | Write::Discard { operation }
        | Write::DiscardWithDependents { operation } => vec![*operation],
        Write::RollbackEntity { key } => {
            context.tx.lane(key)?.into_iter().map(|operation| operation.counter).collect()
        }
        _ => Vec::new(),
    })
}

fn shown(
    context: &Context<'_, '_>,
    operation: &QueuedOperation,
) -> Result<PreviewOperation, StoreError> {
    Ok(PreviewOperation {
        operation: operation.counter,
        kind: operation.kind,
        key: operation.key.clone(),
        ends_as: None,
        goes_along: false,
        fields: failure::differences(context.tx, operation)?,
    })
}

fn look(context: &Context<'_, '_>, key: &EntityKey) -> Result<Look, StoreError> {
    let row = context.tx.entity(key)?.filter(|row| row.state.is_visible());
    let in_conflict = context.tx.conflict_of(key)?.is_some();
    Ok((row.map(|row| row.fields), in_conflict))
}

fn entity(key: EntityKey, before: &Look, after: &Look) -> PreviewEntity {
    let changes = crate::conflict::differences(before.0.as_ref(), after.0.as_ref());
    let fields = changes.into_iter().map(|change| PreviewField {
        field: change.field,
        before: change.old,
        after: change.new,
    });
    PreviewEntity {
        key,
        shown_before: before.0.is_some(),
        shown_after: after.0.is_some(),
        fields: fields.collect(),
        in_conflict: after.1,
    }
}
