//! What devices give back of a life of the database that ended when it was restored from a backup.
//!
//! Several devices may have the same, and each may say it again: what was taken over of an entity
//! is remembered by the version that it had in the lost life, and only a later one of the same life
//! replaces it. What this life has changed by itself is never overwritten.

use clarity_model::{
    Counter, EditAgainstDelete, Epoch, OperationId, Seq, Version, validate_fields,
};
use clarity_protocol::{
    ContributedEntity, Contribution, ContributionAnswer, ContributionOutcome, Row,
};

use super::Session;
use super::decide::Change;
use super::plan::Plan;
use crate::storage::{AccountTransaction, Fork, StorageError, StoredEntity, TakenOver};

/// What is to become of a contributed entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// This life has lost it.
    Takes,
    /// This life has it, or what came after it.
    Has,
    /// This life has gone on by itself.
    Went,
}

impl<T: AccountTransaction> Session<'_, T> {
    /// Takes over what a device gives back.
    pub(super) fn contribution(&mut self, contribution: &Contribution) -> Result<(), StorageError> {
        let epoch = contribution.epoch;
        let fork = if epoch == self.context.epoch {
            // Set back by somebody who did not say so: everything may be of after that.
            Fork { left_at: None, begun_at: Seq(0) }
        } else {
            self.transaction.fork(epoch)?
        };
        for entity in &contribution.entities {
            let answer = self.contributed(epoch, fork, entity)?;
            self.contributed.push(answer);
        }
        Ok(())
    }

    fn contributed(
        &mut self,
        epoch: Epoch,
        fork: Fork,
        entity: &ContributedEntity,
    ) -> Result<ContributionAnswer, StorageError> {
        let key = &entity.key;
        let current = self.transaction.entity(key)?;
        let before = self.transaction.taken_over(epoch, key)?;
        let is_same = current.as_ref().is_some_and(|current| is_same(current, entity));
        let verdict = match entity.fields.as_ref().map(validate_fields) {
            Some(Err(_)) => Verdict::Went,
            _ => judge(fork, current.as_ref(), before, entity.version),
        };
        if verdict != Verdict::Takes {
            let outcome = match verdict == Verdict::Went && !is_same {
                true => ContributionOutcome::Superseded,
                false => ContributionOutcome::Held,
            };
            let row = row(entity, current.as_ref(), is_same);
            return Ok(ContributionAnswer { outcome, row });
        }
        let stands = match current {
            Some(current) if is_same => current,
            current => self.take_over(entity, current)?,
        };
        let taken_over = TakenOver { version: entity.version, seq: stands.seq };
        self.transaction.put_taken_over(epoch, key, taken_over)?;
        let row = row(entity, Some(&stands), true);
        Ok(ContributionAnswer { outcome: ContributionOutcome::Held, row })
    }

    /// Gives an entity a new version, as it was in the lost life.
    fn take_over(
        &mut self,
        entity: &ContributedEntity,
        current: Option<StoredEntity>,
    ) -> Result<StoredEntity, StorageError> {
        let schema = self.context.schema.type_schema(&entity.key.entity_type);
        let next = current.as_ref().map(|current| current.version.next()).unwrap_or(Version(1));
        // Whoever has it from the lost life does not see its version go back.
        let version = next.max(entity.version);
        let keeps = schema.edit_against_delete == EditAgainstDelete::EditWins;
        let last = || current.as_ref().filter(|_| keeps).map(|current| current.fields.clone());
        let fields = entity.fields.clone().or_else(last).unwrap_or_default();
        let deleted = entity.fields.is_none();
        let change = Change { deleted, ..Change::fresh(fields, version) };
        let made_by =
            (OperationId { incarnation: self.incarnation, counter: Counter(0) }, self.context.now);
        let mut plan = Plan::new(self.head, false);
        let stands =
            plan.change(schema, entity.key.clone(), current, change, version, made_by).clone();
        self.head = plan.head();
        plan.write(self.transaction, &mut self.changed)?;
        Ok(stands)
    }
}

/// Whether this life has an entity, has lost it, or has gone on without it.
fn judge(
    fork: Fork,
    current: Option<&StoredEntity>,
    before: Option<TakenOver>,
    version: Version,
) -> Verdict {
    let Some(current) = current else { return Verdict::Takes };
    if let Some(before) = before {
        return match (version > before.version, current.seq == before.seq) {
            (false, _) => Verdict::Has,
            (true, true) => Verdict::Takes,
            (true, false) => Verdict::Went,
        };
    }
    match fork.left_at {
        Some(left_at) if current.seq > left_at => Verdict::Went,
        Some(_) if version > current.version => Verdict::Takes,
        Some(_) => Verdict::Has,
        // A life that this one does not descend from: what nobody has changed here since the
        // restore gives way to what was changed more often there.
        None if current.seq <= fork.begun_at && version > current.version => Verdict::Takes,
        None => Verdict::Went,
    }
}

fn is_same(current: &StoredEntity, entity: &ContributedEntity) -> bool {
    match &entity.fields {
        Some(fields) => !current.deleted && current.fields == *fields,
        None => current.deleted,
    }
}

/// The entity as it stands; without fields when the device has just said them.
fn row(entity: &ContributedEntity, current: Option<&StoredEntity>, is_said: bool) -> Row {
    let told = current.filter(|current| !current.deleted && !is_said);
    Row {
        key: entity.key.clone(),
        version: current.map(|current| current.version).unwrap_or_default(),
        seq: current.map(|current| current.seq).unwrap_or_default(),
        updated_at: current.map(|current| current.updated_at).unwrap_or_default(),
        fields: told.map(|current| current.fields.clone()),
        deleted: current.is_some_and(|current| current.deleted),
        outside: false,
        operations: Vec::new(),
    }
}
