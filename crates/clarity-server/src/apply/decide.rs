//! What one operation does to one entity: a pure function.

use std::collections::BTreeMap;

use clarity_model::{
    EditAgainstDelete, Effect, Fields, InvalidEntity, Kind, Outcome, RejectReason, Rejection,
    TypeSchema, Version, merge_field, validate_fields,
};
use clarity_protocol::{FieldOutcome, WireOperation};

use crate::storage::StoredEntity;

/// What became of an operation.
#[derive(Debug, PartialEq)]
pub(crate) struct Decision {
    pub(crate) outcome: Outcome,
    /// The version that holds its effect, or that it met.
    pub(crate) version: Option<Version>,
    /// The new state, when there is one.
    pub(crate) change: Option<Change>,
    /// Whether the device needs to be told the entity, because it does not have it already.
    pub(crate) tell: bool,
    pub(crate) fields: BTreeMap<String, FieldOutcome>,
    pub(crate) rejection: Option<Rejection>,
}

/// A new state of an entity, at [`Decision::version`].
#[derive(Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) fields: Fields,
    pub(crate) written: Version,
    pub(crate) field_versions: BTreeMap<String, Version>,
    pub(crate) deleted: bool,
}

impl Change {
    /// A state all of whose fields are new.
    pub(super) fn fresh(fields: Fields, version: Version) -> Self {
        Self { fields, written: version, field_versions: BTreeMap::new(), deleted: false }
    }
}

/// Decides what `operation` does to `current`.
pub(crate) fn decide(
    schema: &TypeSchema,
    current: Option<&StoredEntity>,
    operation: WireOperation,
) -> Decision {
    let base = operation.base;
    match (operation.kind, current) {
        (Kind::Create, None) => {
            let fields = operation.fields.unwrap_or_default();
            let change = Change::fresh(fields, Version(1));
            changed(Outcome::Applied, Version(1), change, base != Version(0))
        }
        (Kind::Create, Some(entity)) if entity.deleted => {
            create_on_deleted(schema, entity, operation)
        }
        (Kind::Create, Some(entity)) => create_on_live(schema, entity, operation),
        // The device's own fold already found that nothing of it is left to do.
        (Kind::Update, current) if operation.changes.is_empty() => unchanged(current, base),
        (Kind::Update, None) => {
            let words = "the server does not have the entity that this operation changes";
            rejected(RejectReason::NotFound, words.to_owned())
        }
        (Kind::Update, Some(entity)) if entity.deleted => {
            update_on_deleted(schema, entity, operation)
        }
        (Kind::Update, Some(entity)) => update_on_live(schema, entity, operation),
        (Kind::Delete, Some(entity)) if !entity.deleted => delete(schema, entity, base),
        (Kind::Delete, current) => unchanged(current, base),
    }
}

pub(crate) fn rejected(code: RejectReason, message: String) -> Decision {
    Decision {
        outcome: Outcome::Rejected,
        version: None,
        change: None,
        tell: false,
        fields: BTreeMap::new(),
        rejection: Some(Rejection { code, message }),
    }
}

fn changed(outcome: Outcome, version: Version, change: Change, tell: bool) -> Decision {
    let change = Some(change);
    let version = Some(version);
    Decision { outcome, version, change, tell, fields: BTreeMap::new(), rejection: None }
}

/// Applied without effect: the entity, if there is one, stays as it is.
fn unchanged(current: Option<&StoredEntity>, base: Version) -> Decision {
    let version = current.map(|entity| entity.version);
    let tell = version.is_some_and(|version| version != base);
    stands(Outcome::Applied, version, tell)
}

/// The entity stays as it is.
fn stands(outcome: Outcome, version: Option<Version>, tell: bool) -> Decision {
    let fields = BTreeMap::new();
    Decision { outcome, version, change: None, tell, fields, rejection: None }
}

/// An undelete when its writer knew of the deletion; otherwise an edit against a delete.
fn create_on_deleted(
    schema: &TypeSchema,
    entity: &StoredEntity,
    operation: WireOperation,
) -> Decision {
    let version = entity.version.next();
    let knew = operation.base >= entity.version;
    let fields = operation.fields.unwrap_or_default();
    if knew {
        return changed(Outcome::Applied, version, Change::fresh(fields, version), false);
    }
    match schema.edit_against_delete {
        EditAgainstDelete::EditWins => {
            changed(Outcome::Applied, version, Change::fresh(fields, version), true)
        }
        EditAgainstDelete::DeleteWins => stands(Outcome::Superseded, Some(entity.version), true),
        EditAgainstDelete::Manual => stands(Outcome::Conflict, Some(entity.version), true),
    }
}

/// Two devices made the same entity: equal fields are one entity, others are changes from nothing.
fn create_on_live(
    schema: &TypeSchema,
    entity: &StoredEntity,
    operation: WireOperation,
) -> Decision {
    let fields = operation.fields.unwrap_or_default();
    if fields == entity.fields {
        return unchanged(Some(entity), operation.base);
    }
    let mut merge = Merge::new(entity, Version(0));
    for (field, value) in fields.0 {
        merge.field(schema, &field, None, Some(&value));
    }
    merge.finish(operation.base)
}

fn update_on_live(
    schema: &TypeSchema,
    entity: &StoredEntity,
    operation: WireOperation,
) -> Decision {
    let mut merge = Merge::new(entity, operation.base);
    for change in &operation.changes {
        merge.field(schema, &change.field, change.old.as_ref(), change.new.as_ref());
    }
    merge.finish(operation.base)
}

/// Whether its writer knew of the deletion or not, an update is an edit of what was there.
fn update_on_deleted(
    schema: &TypeSchema,
    entity: &StoredEntity,
    operation: WireOperation,
) -> Decision {
    match schema.edit_against_delete {
        EditAgainstDelete::EditWins => {
            let mut fields = entity.fields.clone();
            for change in operation.changes {
                fields.put(&change.field, change.new);
            }
            if let Err(error) = validate_fields(&fields) {
                return invalid(&error);
            }
            let version = entity.version.next();
            changed(Outcome::Applied, version, Change::fresh(fields, version), true)
        }
        EditAgainstDelete::DeleteWins => stands(Outcome::Superseded, Some(entity.version), true),
        EditAgainstDelete::Manual => stands(Outcome::Conflict, Some(entity.version), true),
    }
}

fn delete(schema: &TypeSchema, entity: &StoredEntity, base: Version) -> Decision {
    // Every accepted change writes some field, so a newer version is a newer field.
    if entity.version > base {
        match schema.edit_against_delete {
            EditAgainstDelete::DeleteWins => {}
            EditAgainstDelete::EditWins => {
                return stands(Outcome::Superseded, Some(entity.version), true);
            }
            EditAgainstDelete::Manual => {
                return stands(Outcome::Conflict, Some(entity.version), true);
            }
        }
    }
    let version = entity.version.next();
    // What a person deleted is kept only where a later edit may bring it back.
    let keeps = schema.edit_against_delete == EditAgainstDelete::EditWins;
    let fields = if keeps { entity.fields.clone() } else { Fields::new() };
    let change = Change { deleted: true, ..Change::fresh(fields, version) };
    changed(Outcome::Applied, version, change, !is_next(version, base))
}

pub(crate) fn invalid(error: &InvalidEntity) -> Decision {
    let code = match error {
        InvalidEntity::TooLarge { .. } => RejectReason::TooLarge,
        _ => RejectReason::Invalid,
    };
    rejected(code, error.to_string())
}

/// Whether `version` is what the device itself expects to follow its base.
fn is_next(version: Version, base: Version) -> bool {
    version == base.next()
}

/// Field by field, changes on a base meet an entity that may have moved on.
struct Merge<'a> {
    entity: &'a StoredEntity,
    base: Version,
    fields: Fields,
    field_versions: BTreeMap<String, Version>,
    gravest: Effect,
    notable: BTreeMap<String, FieldOutcome>,
}

impl<'a> Merge<'a> {
    fn new(entity: &'a StoredEntity, base: Version) -> Self {
        Self {
            entity,
            base,
            fields: entity.fields.clone(),
            field_versions: entity.field_versions.clone(),
            gravest: Effect::Unchanged,
            notable: BTreeMap::new(),
        }
    }

    fn field(
        &mut self,
        schema: &TypeSchema,
        field: &str,
        old: Option<&serde_json::Value>,
        new: Option<&serde_json::Value>,
    ) {
        let met = self.fields.get(field);
        let old = if self.was_touched(field) { old } else { met };
        let merged = merge_field(schema.rule(field), old, new, met);
        self.gravest = self.gravest.max(merged.effect);
        let notable = match merged.effect {
            Effect::Unchanged | Effect::Applied => None,
            Effect::Merged => Some(FieldOutcome::Merged),
            Effect::Superseded => Some(FieldOutcome::Superseded),
            Effect::Conflict => Some(FieldOutcome::Conflict),
        };
        if let Some(outcome) = notable {
            self.notable.insert(field.to_owned(), outcome);
        }
        if merged.value.as_ref() != met {
            self.fields.put(field, merged.value);
            self.field_versions.insert(field.to_owned(), self.entity.version.next());
        }
    }

    /// Whether somebody changed the field since the version that the writer saw. If nobody did,
    /// the present value is what the writer saw, so a difference applies directly.
    fn was_touched(&self, field: &str) -> bool {
        let version = self.field_versions.get(field).copied().unwrap_or(self.entity.written);
        version > self.base
    }

    fn finish(self, base: Version) -> Decision {
        let current = self.entity.version;
        let outcome = match self.gravest {
            Effect::Unchanged | Effect::Applied => Outcome::Applied,
            Effect::Merged => Outcome::Merged,
            Effect::Superseded => Outcome::Superseded,
            Effect::Conflict => return self.conflict(),
        };
        let mut decision = if self.fields == self.entity.fields {
            stands(outcome, Some(current), outcome != Outcome::Applied || current != base)
        } else if let Err(error) = validate_fields(&self.fields) {
            return invalid(&error);
        } else {
            let version = current.next();
            let tell = outcome != Outcome::Applied || !is_next(version, base);
            let change = Change {
                fields: self.fields,
                written: self.entity.written,
                field_versions: self.field_versions,
                deleted: false,
            };
            changed(outcome, version, change, tell)
        };
        decision.fields = self.notable;
        decision
    }

    /// One field that only a person can settle holds back the whole operation.
    fn conflict(self) -> Decision {
        let mut decision = stands(Outcome::Conflict, Some(self.entity.version), true);
        decision.fields = self.notable;
        decision.fields.retain(|_, outcome| *outcome == FieldOutcome::Conflict);
        decision
    }
}
