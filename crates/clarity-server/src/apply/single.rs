//! One change of one entity, as a REST request asks for it: the same operation, receipt and
//! version as in a push, but made here, on the entity as it stands.

use std::collections::{BTreeMap, BTreeSet};

use clarity_model::{
    Counter, EntityKey, FieldChange, Fields, Kind, LocalTime, OperationId, Outcome, Rejection,
    Version,
};
use clarity_protocol::{OperationAnswer, WireEntity, WireOperation};

use super::incoming::Incoming;
use super::plan::{Plan, wire};
use super::receipts::{Fresh, Known};
use super::{Context, Session};
use crate::storage::{AccountTransaction, StorageError, StoredEntity};

/// What a request wants of an entity.
#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    /// That it is made.
    Create(Fields),
    /// That some fields have other values; absent for removed.
    Patch(BTreeMap<String, Option<serde_json::Value>>),
    /// That it has these fields and no others.
    Replace(Fields),
    /// That it is deleted.
    Delete,
}

/// One change of one entity.
#[derive(Debug, Clone, PartialEq)]
pub struct Single {
    /// The name of the change, by which a repeat is told.
    pub name: OperationId,
    /// Whether the name may come again, so that a receipt is kept.
    pub is_repeatable: bool,
    /// The hash of what the request says.
    pub hash: [u8; 16],
    /// The entity.
    pub key: EntityKey,
    /// The version that the change was made on; absent for whatever is there.
    pub on: Option<Version>,
    /// What is wanted.
    pub wish: Wish,
}

/// What became of a single change.
#[derive(Debug, Clone, PartialEq)]
pub enum SingleOutcome {
    /// It took effect, now or when it was first asked for; the entity as it stands.
    Done {
        /// The entity's name: of a repeated create the one that it was made with.
        key: EntityKey,
        /// The version that holds the change.
        version: Version,
        /// The entity.
        entity: WireEntity,
    },
    /// The entity has another version than the change was made on, or is there already.
    Stale(WireEntity),
    /// The entity was deleted.
    Gone(WireEntity),
    /// There is no such entity.
    Missing,
    /// It can never be made.
    Rejected(Rejection),
    /// The name was used for another change.
    NameReused,
    /// The name is so old that nobody knows what became of it.
    NameForgotten,
}

/// Applies a single change inside a transaction.
pub(crate) fn apply_single<T: AccountTransaction>(
    transaction: &mut T,
    context: &Context<'_>,
    single: Single,
) -> Result<(SingleOutcome, BTreeSet<clarity_model::EntityType>), StorageError> {
    let incarnation = single.name.incarnation;
    let mark = match single.is_repeatable {
        true => transaction.raise_settled_mark(incarnation, context.device, Counter(0))?,
        false => Counter(0),
    };
    let mut session = Session::begin(transaction, context, incarnation, mark)?;
    let outcome = session.single(single)?;
    Ok((outcome, session.end()?.changed))
}

impl<T: AccountTransaction> Session<'_, T> {
    fn single(&mut self, single: Single) -> Result<SingleOutcome, StorageError> {
        let mut plan = Plan::new(self.head, false);
        let current = plan.entity(self.transaction, &single.key)?;
        let incoming = Incoming {
            id: single.name.counter,
            batch: None,
            hash: single.hash,
            operation: Ok(operation(&single, current.as_ref(), self.context.schema.version)),
        };
        match self.known(&plan, &incoming)? {
            Known::Fresh => {}
            Known::Answered(receipt) => {
                let answer = self.repeat(&plan, &incoming, &receipt)?;
                return Ok(of_answer(receipt.key.unwrap_or(single.key), answer, None));
            }
            Known::Reused => return Ok(SingleOutcome::NameReused),
            Known::Forgotten => return Ok(SingleOutcome::NameForgotten),
        }
        if let Some(refused) = refused(&single, current.as_ref()) {
            return Ok(refused);
        }
        let Incoming { id, hash, operation, .. } = incoming;
        let Ok(operation) = operation else { return Ok(SingleOutcome::Missing) };
        let answer = self.decided(&mut plan, operation)?;
        let now = plan.entity(self.transaction, &single.key)?.as_ref().map(wire);
        if single.is_repeatable {
            self.keep_receipt(Fresh::single(id, hash, single.key.clone()), &answer)?;
        }
        self.head = plan.head();
        plan.write(self.transaction, &mut self.changed)?;
        Ok(of_answer(single.key, answer, now))
    }
}

/// The operation that the wish is on the entity as it stands.
fn operation(single: &Single, current: Option<&StoredEntity>, schema: u32) -> WireOperation {
    let there = current.filter(|entity| !entity.deleted).map(|entity| &entity.fields);
    let old = |field: &String| there.and_then(|fields| fields.get(field)).cloned();
    let changes = |wanted: BTreeMap<String, Option<serde_json::Value>>| {
        let changes =
            wanted.into_iter().map(|(field, new)| FieldChange { old: old(&field), field, new });
        changes.filter(|change| change.old != change.new).collect::<Vec<_>>()
    };
    let (kind, fields, changes) = match &single.wish {
        Wish::Create(fields) => (Kind::Create, Some(fields.clone()), Vec::new()),
        Wish::Replace(fields) if there.is_none() => {
            (Kind::Create, Some(fields.clone()), Vec::new())
        }
        Wish::Replace(fields) => {
            let removed = there.into_iter().flat_map(|there| there.keys());
            let removed = removed.map(|field| (field.clone(), None));
            let set = fields.iter().map(|(field, value)| (field.clone(), Some(value.clone())));
            (Kind::Update, None, changes(removed.chain(set).collect()))
        }
        Wish::Patch(wanted) => (Kind::Update, None, changes(wanted.clone())),
        Wish::Delete => (Kind::Delete, None, Vec::new()),
    };
    WireOperation {
        id: single.name.counter,
        covers: Vec::new(),
        batch: None,
        kind,
        key: single.key.clone(),
        base: current.map(|entity| entity.version).unwrap_or_default(),
        fields,
        changes,
        schema,
        at: LocalTime(0),
    }
}

/// Why the wish cannot be tried on the entity as it stands.
fn refused(single: &Single, current: Option<&StoredEntity>) -> Option<SingleOutcome> {
    let live = current.filter(|entity| !entity.deleted);
    let is_stale = |entity: &StoredEntity| single.on.is_some_and(|on| on != entity.version);
    match (&single.wish, current, live) {
        (Wish::Create(fields), _, Some(live)) if *fields != live.fields => {
            Some(SingleOutcome::Stale(wire(live)))
        }
        (Wish::Create(_), ..) => None,
        (_, _, Some(live)) if is_stale(live) => Some(SingleOutcome::Stale(wire(live))),
        (_, _, Some(_)) => None,
        // Made anew at a name of the caller's choice.
        (Wish::Replace(_), _, None) if single.on.is_none() => None,
        (Wish::Delete, Some(_), None) => None,
        (_, Some(gone), None) => Some(SingleOutcome::Gone(wire(gone))),
        (_, None, None) => Some(SingleOutcome::Missing),
    }
}

fn of_answer(key: EntityKey, answer: OperationAnswer, now: Option<WireEntity>) -> SingleOutcome {
    let version = answer.version.unwrap_or_default();
    match (answer.outcome, now.or(answer.entity)) {
        (outcome, Some(entity)) if outcome.is_settled() => {
            SingleOutcome::Done { key, version, entity }
        }
        (Outcome::Rejected, _) => match answer.rejection {
            Some(rejection) => SingleOutcome::Rejected(rejection),
            None => SingleOutcome::Missing,
        },
        (_, Some(entity)) => SingleOutcome::Stale(entity),
        (_, None) => SingleOutcome::Missing,
    }
}
