//! The view: what the app sees is what the server told with the waiting local operations on top.
//!
//! `view = fold of rule(old, new, current) over pending, starting at confirmed`. Nothing is ever
//! written back into an operation; when the server's side moves, the view is folded again
//! (promise I8).

use serde_json::Value;

use crate::change::{FieldChange, Kind};
use crate::entity::Fields;
use crate::ids::Counter;
use crate::merge::{Effect, merge_field};
use crate::schema::{EditAgainstDelete, TypeSchema};

/// What the server last told of an entity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Confirmed<'a> {
    /// Nothing: the entity is new here.
    Absent,
    /// It exists with these fields.
    Live(&'a Fields),
    /// It was deleted; these fields were the last that this device knew.
    Deleted(&'a Fields),
}

/// A waiting operation, as the fold needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct FoldOperation {
    /// Its number on this device.
    pub counter: Counter,
    /// What it does.
    pub kind: Kind,
    /// The fields that it changes. A delete lists all fields that its writer saw.
    pub changes: Vec<FieldChange>,
    /// A create whose writer knew that the entity was deleted.
    pub undelete: bool,
}

/// What became of one field of one operation.
#[derive(Clone, PartialEq)]
pub struct FieldEffect {
    /// The field.
    pub field: String,
    /// What happened to the change.
    pub effect: Effect,
    /// What the change met: the server's side of a conflict, or the value that won.
    pub met: Option<Value>,
}

/// What became of one operation in the fold.
#[derive(Clone, PartialEq)]
pub struct OperationEffect {
    /// The operation.
    pub counter: Counter,
    /// The gravest of its fields' effects.
    pub effect: Effect,
    /// Whether it is an edit that met a delete, or a delete that met an edit.
    pub edit_against_delete: bool,
    /// The fields whose effect is not simply [`Effect::Applied`] or [`Effect::Unchanged`].
    pub fields: Vec<FieldEffect>,
}

/// The view of one entity and how it came about.
#[derive(Clone, PartialEq)]
pub struct Fold {
    /// The fields that the app sees; absent when the entity is deleted or not there.
    pub view: Option<Fields>,
    /// One entry for each operation, in order.
    pub effects: Vec<OperationEffect>,
}

impl Fold {
    /// The first operation that only a person can settle.
    #[must_use]
    pub fn conflict(&self) -> Option<&OperationEffect> {
        self.effects.iter().find(|effect| effect.effect == Effect::Conflict)
    }
}

/// Lays waiting operations over what the server told.
#[must_use]
pub fn fold(schema: &TypeSchema, confirmed: Confirmed<'_>, operations: &[FoldOperation]) -> Fold {
    let mut view = match confirmed {
        Confirmed::Live(fields) => Some(fields.clone()),
        Confirmed::Absent | Confirmed::Deleted(_) => None,
    };
    // The fields of a delete that came from elsewhere: what an edit against it is shown with.
    let mut deleted_elsewhere = match confirmed {
        Confirmed::Deleted(last) => Some(last.clone()),
        Confirmed::Absent | Confirmed::Live(_) => None,
    };
    let mut effects = Vec::with_capacity(operations.len());
    for operation in operations {
        if operation.kind == Kind::Update && operation.changes.is_empty() {
            effects.push(plain(operation, Effect::Unchanged));
            continue;
        }
        let step = match (&mut view, operation.kind) {
            (Some(fields), Kind::Create | Kind::Update) => edit(schema, fields, operation),
            (Some(_), Kind::Delete) => delete(schema, &mut view, operation),
            (None, Kind::Delete) => plain(operation, Effect::Unchanged),
            (None, Kind::Create | Kind::Update) => {
                if operation.undelete {
                    deleted_elsewhere = None;
                }
                let step = revive(schema, &mut view, deleted_elsewhere.as_ref(), operation);
                if view.is_some() {
                    deleted_elsewhere = None;
                }
                step
            }
        };
        effects.push(step);
    }
    Fold { view, effects }
}

fn plain(operation: &FoldOperation, effect: Effect) -> OperationEffect {
    OperationEffect {
        counter: operation.counter,
        effect,
        edit_against_delete: false,
        fields: Vec::new(),
    }
}

fn edit(schema: &TypeSchema, fields: &mut Fields, operation: &FoldOperation) -> OperationEffect {
    let mut gravest = Effect::Unchanged;
    let mut notable = Vec::new();
    for change in &operation.changes {
        let met = fields.get(&change.field).cloned();
        let rule = schema.rule(&change.field);
        let merged = merge_field(rule, change.old.as_ref(), change.new.as_ref(), met.as_ref());
        gravest = gravest.max(merged.effect);
        if merged.effect > Effect::Applied {
            let field = change.field.clone();
            notable.push(FieldEffect { field, effect: merged.effect, met });
        }
        fields.put(&change.field, merged.value);
    }
    OperationEffect {
        counter: operation.counter,
        effect: gravest,
        edit_against_delete: false,
        fields: notable,
    }
}

/// A delete takes effect on exactly what its writer saw; on anything else the type decides.
fn delete(
    schema: &TypeSchema,
    view: &mut Option<Fields>,
    operation: &FoldOperation,
) -> OperationEffect {
    let seen: Fields = operation
        .changes
        .iter()
        .filter_map(|change| Some((change.field.clone(), change.old.clone()?)))
        .collect();
    let unseen_edit = view.as_ref().is_some_and(|fields| *fields != seen);
    let effect = match (unseen_edit, schema.edit_against_delete) {
        (false, _) | (true, EditAgainstDelete::DeleteWins) => Effect::Applied,
        (true, EditAgainstDelete::EditWins) => Effect::Superseded,
        (true, EditAgainstDelete::Manual) => Effect::Conflict,
    };
    if effect != Effect::Superseded {
        *view = None;
    }
    OperationEffect { edit_against_delete: unseen_edit, ..plain(operation, effect) }
}

/// An edit of an entity that is not there: new, undeleted, or deleted by somebody else meanwhile.
fn revive(
    schema: &TypeSchema,
    view: &mut Option<Fields>,
    deleted_elsewhere: Option<&Fields>,
    operation: &FoldOperation,
) -> OperationEffect {
    let Some(last) = deleted_elsewhere else {
        let mut fields = Fields::new();
        for change in &operation.changes {
            fields.put(&change.field, change.new.clone());
        }
        *view = Some(fields);
        return plain(operation, Effect::Applied);
    };
    let effect = match schema.edit_against_delete {
        EditAgainstDelete::DeleteWins => Effect::Superseded,
        EditAgainstDelete::EditWins => Effect::Applied,
        EditAgainstDelete::Manual => Effect::Conflict,
    };
    if effect != Effect::Superseded {
        let is_create = operation.kind == Kind::Create;
        let mut fields = if is_create { Fields::new() } else { last.clone() };
        for change in &operation.changes {
            fields.put(&change.field, change.new.clone());
        }
        *view = Some(fields);
    }
    OperationEffect { edit_against_delete: true, ..plain(operation, effect) }
}
