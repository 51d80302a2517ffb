//! What becomes of edits that meet deletes, case by case.

use std::slice::from_ref;

use clarity_model::{
    Confirmed, Counter, EditAgainstDelete, Effect, FieldChange, Fields, FoldOperation, Kind,
    TypeSchema, fold,
};
use serde_json::{Value, json};

use EditAgainstDelete::{DeleteWins, EditWins, Manual};
use Effect::{Applied, Conflict, Superseded, Unchanged};

fn fields(value: Value) -> Fields {
    serde_json::from_value(value).expect("a JSON object")
}

fn operation(kind: Kind, changes: Vec<FieldChange>) -> FoldOperation {
    FoldOperation { counter: Counter(0), kind, changes, undelete: false }
}

fn update(field: &str, old: &str, new: &str) -> FoldOperation {
    let change = FieldChange { field: field.into(), old: Some(json!(old)), new: Some(json!(new)) };
    operation(Kind::Update, vec![change])
}

fn create(value: Value) -> FoldOperation {
    let changes = fields(value).0.into_iter();
    let changes = changes.map(|(field, new)| FieldChange { field, old: None, new: Some(new) });
    operation(Kind::Create, changes.collect())
}

fn undelete(value: Value) -> FoldOperation {
    FoldOperation { undelete: true, ..create(value) }
}

/// A delete by somebody who saw `value`.
fn delete(value: Value) -> FoldOperation {
    let changes = fields(value).0.into_iter();
    let changes = changes.map(|(field, old)| FieldChange { field, old: Some(old), new: None });
    operation(Kind::Delete, changes.collect())
}

/// Folds and checks the view (`null` for none) and, for each operation, its effect and whether an
/// edit met a delete there.
#[track_caller]
fn check(
    policy: EditAgainstDelete,
    confirmed: Confirmed<'_>,
    operations: &[FoldOperation],
    view: Value,
    effects: &[(Effect, bool)],
) {
    let schema = TypeSchema { edit_against_delete: policy, ..TypeSchema::default() };
    let folded = fold(&schema, confirmed, operations);
    let seen = folded.view.as_ref().map_or(Value::Null, |fields| json!(fields));
    assert_eq!(seen, view, "the view under {policy:?}");
    let found: Vec<(Effect, bool)> =
        folded.effects.iter().map(|effect| (effect.effect, effect.edit_against_delete)).collect();
    assert_eq!(found, effects, "the effects under {policy:?}");
    let has_conflict = effects.iter().any(|(effect, _)| *effect == Conflict);
    assert_eq!(folded.conflict().is_some(), has_conflict);
}

// An edit here of what was deleted elsewhere: each policy, and the edits that follow the first.
#[test]
fn edits_of_what_was_deleted_elsewhere() {
    let last = fields(json!({"title": "walk", "unknown": 7}));
    let deleted = Confirmed::Deleted(&last);
    let first = update("title", "walk", "run");
    let second = update("title", "run", "swim");
    let third = update("text", "", "in the lake");
    let three = [first.clone(), second.clone(), third.clone()];

    check(DeleteWins, deleted, from_ref(&first), json!(null), &[(Superseded, true)]);
    check(DeleteWins, deleted, &three, json!(null), &[(Superseded, true); 3]);

    let run = json!({"title": "run", "unknown": 7});
    let swim = json!({"title": "swim", "text": "in the lake", "unknown": 7});
    check(EditWins, deleted, from_ref(&first), run.clone(), &[(Applied, true)]);
    let two = [first.clone(), second.clone()];
    let swims = json!({"title": "swim", "unknown": 7});
    check(EditWins, deleted, &two, swims.clone(), &[(Applied, true), (Applied, false)]);

    // Under `manual` the app keeps showing the local version until a person has chosen.
    check(Manual, deleted, &[first], run, &[(Conflict, true)]);
    check(Manual, deleted, &two, swims, &[(Conflict, true), (Applied, false)]);
    let third_over_nothing = FoldOperation {
        changes: vec![FieldChange {
            field: "text".into(),
            old: None,
            new: Some(json!("in the lake")),
        }],
        ..third
    };
    let three = [two[0].clone(), two[1].clone(), third_over_nothing];
    let effects = [(Conflict, true), (Applied, false), (Applied, false)];
    check(Manual, deleted, &three, swim, &effects);
}

// A delete here of what was edited elsewhere: each policy.
#[test]
fn deletes_of_what_was_edited_elsewhere() {
    let edited = fields(json!({"title": "run"}));
    let live = Confirmed::Live(&edited);
    let operations = [delete(json!({"title": "walk"}))];
    check(DeleteWins, live, &operations, json!(null), &[(Applied, true)]);
    check(EditWins, live, &operations, json!({"title": "run"}), &[(Superseded, true)]);
    check(Manual, live, &operations, json!(null), &[(Conflict, true)]);
}

// A field that the other side added or removed is an edit as well, also one that nobody declared.
#[test]
fn a_delete_sees_added_and_removed_fields() {
    let added = fields(json!({"title": "walk", "unknown": 1}));
    let removed = fields(json!({}));
    for other in [&added, &removed] {
        let operations = [delete(json!({"title": "walk"}))];
        check(Manual, Confirmed::Live(other), &operations, json!(null), &[(Conflict, true)]);
    }
}

// A delete of exactly what its writer saw simply takes effect, under every policy.
#[test]
fn a_delete_of_what_was_seen() {
    let same = fields(json!({"title": "walk", "unknown": null}));
    for policy in [Manual, DeleteWins, EditWins] {
        let operations = [delete(json!({"title": "walk", "unknown": null}))];
        check(policy, Confirmed::Live(&same), &operations, json!(null), &[(Applied, false)]);
    }
}

// Both sides deleted: nothing to ask.
#[test]
fn a_delete_of_what_is_gone() {
    let last = fields(json!({"title": "walk"}));
    for policy in [Manual, DeleteWins, EditWins] {
        for confirmed in [Confirmed::Deleted(&last), Confirmed::Absent] {
            let operations = [delete(json!({"title": "walk"}))];
            check(policy, confirmed, &operations, json!(null), &[(Unchanged, false)]);
        }
    }
}

// Undelete: its writer knew of the delete, so it brings back exactly what it says.
#[test]
fn an_undelete_is_not_a_conflict() {
    let last = fields(json!({"title": "walk", "unknown": 7}));
    for policy in [Manual, DeleteWins, EditWins] {
        let operations = [undelete(json!({"title": "back"})), update("title", "back", "again")];
        let effects = [(Applied, false), (Applied, false)];
        check(policy, Confirmed::Deleted(&last), &operations, json!({"title": "again"}), &effects);
    }
}

// Delete and undelete on one device, before and after the server has heard of the delete.
#[test]
fn delete_and_undelete_here() {
    let live = fields(json!({"title": "walk"}));
    let both = [delete(json!({"title": "walk"})), undelete(json!({"title": "back"}))];
    for policy in [Manual, DeleteWins, EditWins] {
        let effects = [(Applied, false), (Applied, false)];
        check(policy, Confirmed::Live(&live), &both, json!({"title": "back"}), &effects);
        let rest = &both[1..];
        check(policy, Confirmed::Deleted(&live), rest, json!({"title": "back"}), &effects[1..]);
    }
}

// A create that did not know of a deletion, such as an import, obeys the policy; it brings only its
// own fields back.
#[test]
fn a_create_over_a_deletion() {
    let last = fields(json!({"value": 1, "unknown": 7}));
    let deleted = Confirmed::Deleted(&last);
    let operations = [create(json!({"value": 2}))];
    check(DeleteWins, deleted, &operations, json!(null), &[(Superseded, true)]);
    check(EditWins, deleted, &operations, json!({"value": 2}), &[(Applied, true)]);
    check(Manual, deleted, &operations, json!({"value": 2}), &[(Conflict, true)]);
}

// Superseded edits do not stand in the way of an undelete that follows them.
#[test]
fn an_undelete_after_superseded_edits() {
    let last = fields(json!({"title": "walk"}));
    let operations = [
        update("title", "walk", "run"),
        update("title", "run", "swim"),
        undelete(json!({"title": "back"})),
        update("title", "back", "again"),
    ];
    let effects = [(Superseded, true), (Superseded, true), (Applied, false), (Applied, false)];
    check(DeleteWins, Confirmed::Deleted(&last), &operations, json!({"title": "again"}), &effects);
}

// Creating what exists with equal fields changes nothing; with other fields it is a conflict of
// those fields, and fields of the other side stay.
#[test]
fn a_create_of_what_exists() {
    let there = fields(json!({"value": 1, "unit": "kg"}));
    let live = Confirmed::Live(&there);
    let equal = [create(json!({"value": 1, "unit": "kg"}))];
    check(Manual, live, &equal, json!({"value": 1, "unit": "kg"}), &[(Unchanged, false)]);
    let other = [create(json!({"value": 2}))];
    check(Manual, live, &other, json!({"value": 2, "unit": "kg"}), &[(Conflict, false)]);
}

// An update without changes is no edit: it neither meets a delete nor brings anything back.
#[test]
fn an_update_of_nothing() {
    let fields = fields(json!({"title": "walk"}));
    let nothing = [operation(Kind::Update, Vec::new())];
    for policy in [Manual, DeleteWins, EditWins] {
        let unchanged = [(Unchanged, false)];
        let live = Confirmed::Live(&fields);
        check(policy, live, &nothing, json!({"title": "walk"}), &unchanged);
        check(policy, Confirmed::Deleted(&fields), &nothing, json!(null), &unchanged);
        check(policy, Confirmed::Absent, &nothing, json!(null), &unchanged);
    }
}

// A conflict names its fields and what they met, and an operation is as grave as its gravest field.
#[test]
fn a_conflict_names_its_fields() {
    let there = fields(json!({"title": "theirs", "text": "same"}));
    let mut both = update("title", "base", "ours");
    both.changes.extend(update("text", "same", "mine").changes);
    let folded = fold(&TypeSchema::default(), Confirmed::Live(&there), &[both]);
    let conflict = folded.conflict().expect("both sides changed the title");
    assert_eq!(conflict.effect, Conflict);
    assert!(!conflict.edit_against_delete);
    let named: Vec<(&str, Effect, Option<&Value>)> = conflict
        .fields
        .iter()
        .map(|field| (field.field.as_str(), field.effect, field.met.as_ref()))
        .collect();
    assert_eq!(named, [("title", Conflict, Some(&json!("theirs")))]);
    let view = folded.view.map(|fields| json!(fields));
    assert_eq!(view, Some(json!({"title": "ours", "text": "mine"})));
}
