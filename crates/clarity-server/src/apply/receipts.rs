//! One operation against what is known of its id.

use std::collections::BTreeMap;

use clarity_model::{
    Counter, EntityKey, Outcome, RejectReason, Rejection, Schema, Version, validate_fields,
};
use clarity_protocol::{FieldOutcome, OperationAnswer, WireOperation, refused_by_schema};
use serde::{Deserialize, Serialize};

use super::decide::{Decision, decide, invalid, rejected};
use super::incoming::Incoming;
use super::plan::{Plan, wire};
use super::{Session, blocked_answer, plain_answer};
use crate::storage::{AccountTransaction, StorageError, StoredReceipt};

/// What becomes a receipt when the unit is settled.
pub(super) struct Fresh {
    id: Counter,
    covers: Vec<Counter>,
    hash: [u8; 16],
    key: Option<EntityKey>,
    /// Whether it is of a single change, whose receipt goes by its age.
    is_single: bool,
}

impl Fresh {
    /// The receipt of a single change.
    pub(super) fn single(id: Counter, hash: [u8; 16], key: EntityKey) -> Self {
        Self { id, covers: Vec::new(), hash, key: Some(key), is_single: true }
    }

    /// The receipt of an operation of a push.
    fn pushed(id: Counter, covers: Vec<Counter>, hash: [u8; 16], key: Option<EntityKey>) -> Self {
        Self { id, covers, hash, key, is_single: false }
    }
}

/// What an id tells before the operation is looked at.
pub(super) enum Known {
    /// It is new.
    Fresh,
    /// It was answered before.
    Answered(StoredReceipt),
    /// It was used for other bytes.
    Reused,
    /// It may have been answered and forgotten.
    Forgotten,
}

/// The part of an answer that only a repeat needs.
#[derive(Serialize, Deserialize)]
struct Detail {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    fields: BTreeMap<String, FieldOutcome>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rejection: Option<Rejection>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blocked_by: Option<Counter>,
}

impl<T: AccountTransaction> Session<'_, T> {
    /// Settles one operation on the plan. Without a receipt to keep, the id was known before.
    pub(super) fn operation(
        &mut self,
        plan: &mut Plan,
        incoming: Incoming,
    ) -> Result<(Option<Fresh>, OperationAnswer), StorageError> {
        if incoming.id == Counter(0) {
            let rejection = incoming.operation.err();
            return Ok((None, rejected_answer(incoming.id, rejection)));
        }
        match self.known(plan, &incoming)? {
            Known::Fresh => {}
            Known::Answered(receipt) => {
                return Ok((None, self.repeat(plan, &incoming, &receipt)?));
            }
            Known::Reused => return Ok((None, plain_answer(incoming.id, Outcome::OpIdReused))),
            Known::Forgotten => return Ok((None, plain_answer(incoming.id, Outcome::Reidentify))),
        }
        let (id, hash) = (incoming.id, incoming.hash);
        plan.claim(id, incoming.covers());
        match incoming.operation {
            Ok(mut operation) => {
                if self.foreign_bases.contains(&id) {
                    // Nothing is known of what it was made on but its old values: each field
                    // counts as changed since, and the device is told what comes of it.
                    operation.base = Version(0);
                }
                let covers = operation.covers.clone();
                let key = Some(operation.key.clone());
                let answer = self.decided(plan, operation)?;
                Ok((Some(Fresh::pushed(id, covers, hash, key)), answer))
            }
            Err(rejection) => {
                let fresh = Fresh::pushed(id, Vec::new(), hash, None);
                Ok((Some(fresh), rejected_answer(id, Some(rejection))))
            }
        }
    }

    /// An operation whose batch already failed: it gets a receipt as well, unless its id is known.
    pub(super) fn blocked(
        &mut self,
        plan: &mut Plan,
        incoming: Incoming,
        blocking: Counter,
    ) -> Result<(Option<Fresh>, OperationAnswer), StorageError> {
        if incoming.id == Counter(0) || !matches!(self.known(plan, &incoming)?, Known::Fresh) {
            return self.operation(plan, incoming);
        }
        plan.claim(incoming.id, incoming.covers());
        let answer = blocked_answer(incoming.id, blocking);
        let (covers, key) = match incoming.operation {
            Ok(operation) => (operation.covers, Some(operation.key)),
            Err(_) => (Vec::new(), None),
        };
        Ok((Some(Fresh::pushed(incoming.id, covers, incoming.hash, key)), answer))
    }

    pub(super) fn known(
        &mut self,
        plan: &Plan,
        incoming: &Incoming,
    ) -> Result<Known, StorageError> {
        if let Some(receipt) = self.receipt(incoming.id)? {
            let same = receipt.hash == incoming.hash && receipt.carrier.is_none();
            return Ok(if same { Known::Answered(receipt) } else { Known::Reused });
        }
        if incoming.id < self.mark {
            return Ok(Known::Forgotten);
        }
        if plan.is_claimed(incoming.id) {
            return Ok(Known::Reused);
        }
        for covered in incoming.covers() {
            if plan.is_claimed(*covered) || self.receipt(*covered)?.is_some() {
                return Ok(Known::Reused);
            }
            if *covered < self.mark {
                return Ok(Known::Forgotten);
            }
        }
        Ok(Known::Fresh)
    }

    fn receipt(&mut self, counter: Counter) -> Result<Option<StoredReceipt>, StorageError> {
        if counter > self.newest_receipt {
            return Ok(None);
        }
        self.transaction.receipt(self.name(counter))
    }

    /// The first outcome again, with the entity as it is now.
    pub(super) fn repeat(
        &mut self,
        plan: &Plan,
        incoming: &Incoming,
        receipt: &StoredReceipt,
    ) -> Result<OperationAnswer, StorageError> {
        let mut answer = plain_answer(incoming.id, receipt.outcome);
        answer.version = receipt.version;
        if let Some(detail) = &receipt.detail {
            let detail: Detail = serde_json::from_str(detail)
                .map_err(|_| StorageError::Value("the detail of a receipt"))?;
            answer.fields = detail.fields;
            answer.rejection = detail.rejection;
            answer.blocked_by = detail.blocked_by;
        }
        let tells = receipt.outcome.is_settled() || receipt.outcome == Outcome::Conflict;
        if let (true, Some(key)) = (tells, &receipt.key) {
            answer.entity = plan.entity(self.transaction, key)?.as_ref().map(wire);
        }
        Ok(answer)
    }

    /// Decides a new operation and puts its effect into the plan.
    pub(super) fn decided(
        &mut self,
        plan: &mut Plan,
        operation: WireOperation,
    ) -> Result<OperationAnswer, StorageError> {
        let (id, key) = (operation.id, operation.key.clone());
        let current = plan.entity(self.transaction, &key)?;
        let schema = self.context.schema.type_schema(&key.entity_type);
        let mut decision = match carried(self.context.schema, operation) {
            Ok(operation) => decide(schema, current.as_ref(), operation),
            Err(refused) => *refused,
        };
        if decision.change.as_ref().is_some_and(|change| !plan.has_room_for(change)) {
            let words = "the entities of the atomic batch are larger than a page; make it smaller";
            decision = rejected(RejectReason::TooLarge, words.to_owned());
        }
        let Decision { outcome, version, change, tell, fields, rejection } = decision;
        let entity = match (change, version) {
            (Some(change), Some(version)) => {
                let made_by = (self.name(id), self.context.now);
                let entity = plan.change(schema, key, current, change, version, made_by);
                tell.then(|| wire(entity))
            }
            _ if tell => current.as_ref().map(wire),
            _ => None,
        };
        let blocked_by = None;
        let entity_id = None;
        Ok(OperationAnswer {
            id,
            outcome,
            entity_id,
            version,
            entity,
            fields,
            rejection,
            blocked_by,
        })
    }

    /// Keeps the receipts of an operation and of those that it carried.
    pub(super) fn keep_receipt(
        &mut self,
        fresh: Fresh,
        answer: &OperationAnswer,
    ) -> Result<(), StorageError> {
        let is_plain =
            answer.fields.is_empty() && answer.rejection.is_none() && answer.blocked_by.is_none();
        let detail = Detail {
            fields: answer.fields.clone(),
            rejection: answer.rejection.clone(),
            blocked_by: answer.blocked_by,
        };
        let mut receipt = StoredReceipt {
            outcome: answer.outcome,
            version: answer.version,
            hash: fresh.hash,
            carrier: None,
            detail: if is_plain { None } else { serde_json::to_string(&detail).ok() },
            key: fresh.key,
            single_at: fresh.is_single.then_some(self.context.now),
        };
        self.transaction.put_receipt(self.name(fresh.id), &receipt)?;
        self.newest_receipt = self.newest_receipt.max(fresh.id);
        receipt.carrier = Some(fresh.id);
        receipt.key = None;
        receipt.detail = None;
        for covered in fresh.covers {
            self.transaction.put_receipt(self.name(covered), &receipt)?;
        }
        Ok(())
    }
}

/// An operation that was made under an older version of the schema, in the words of this one; or
/// why it can no longer be made.
fn carried(schema: &Schema, operation: WireOperation) -> Result<WireOperation, Box<Decision>> {
    let (since, of) = (operation.schema, operation.key.entity_type.clone());
    if since >= schema.version || !schema.carries(since, &of) {
        return Ok(operation);
    }
    let operation = operation.carried(schema);
    let changes = operation.changes.iter().filter_map(|one| Some((&one.field, one.new.as_ref()?)));
    let fields = operation.fields.iter().flat_map(|fields| fields.iter());
    if let Some(field) = schema.refused_field(since, &of, changes.chain(fields)) {
        let words = refused_by_schema(field);
        return Err(Box::new(rejected(RejectReason::SchemaMigration, words)));
    }
    match operation.fields.as_ref().map(validate_fields) {
        Some(Err(error)) => Err(Box::new(invalid(&error))),
        _ => Ok(operation),
    }
}

fn rejected_answer(id: Counter, rejection: Option<Rejection>) -> OperationAnswer {
    OperationAnswer { rejection, ..plain_answer(id, Outcome::Rejected) }
}
