//! The laws of the view, over arbitrary histories of two sides.

use clarity_model::{
    Confirmed, Effect, FieldChange, Fields, Fold, FoldOperation, TypeSchema, fold,
};
use proptest::prelude::*;
use serde_json::Value;

use crate::strategies::{
    Step, any_edit_against_delete, fields, maybe, play, steps, type_with_every_rule, value,
};

/// What the server may have told, owned.
#[derive(Debug, Clone)]
enum Told {
    Absent,
    Live(Fields),
    Deleted(Fields),
}

impl Told {
    fn confirmed(&self) -> Confirmed<'_> {
        match self {
            Self::Absent => Confirmed::Absent,
            Self::Live(fields) => Confirmed::Live(fields),
            Self::Deleted(fields) => Confirmed::Deleted(fields),
        }
    }

    /// What the server tells when it has accepted what made `view` of this.
    fn settled(&self, view: Option<Fields>) -> Self {
        match (view, self) {
            (Some(fields), _) => Self::Live(fields),
            (None, Self::Absent) => Self::Deleted(Fields::new()),
            (None, Self::Live(last) | Self::Deleted(last)) => Self::Deleted(last.clone()),
        }
    }
}

fn told() -> impl Strategy<Value = Told> {
    prop_oneof![
        1 => Just(Told::Absent),
        4 => fields().prop_map(Told::Live),
        2 => fields().prop_map(Told::Deleted),
    ]
}

fn fold_over(schema: &TypeSchema, told: &Told, operations: &[FoldOperation]) -> Fold {
    fold(schema, told.confirmed(), operations)
}

proptest! {
    // While nobody else writes, the app sees what its user wrote, whatever the policy.
    #[test]
    fn a_history_of_one_side_is_seen_as_written(
        edit_against_delete in any_edit_against_delete(),
        seen in prop::option::of(fields()),
        steps in steps(),
    ) {
        let schema = type_with_every_rule(edit_against_delete);
        let (operations, expected) = play(seen.as_ref(), &steps);
        let told = seen.map_or(Told::Absent, Told::Live);
        let folded = fold_over(&schema, &told, &operations);
        prop_assert_eq!(&folded.view, &expected);
        prop_assert!(folded.effects.iter().all(|effect| effect.effect <= Effect::Applied));
        prop_assert!(folded.effects.iter().all(|effect| !effect.edit_against_delete));
    }

    // The same waiting operations over the same state give the same view.
    #[test]
    fn folding_is_deterministic(
        edit_against_delete in any_edit_against_delete(),
        seen in prop::option::of(fields()),
        told in told(),
        steps in steps(),
    ) {
        let schema = type_with_every_rule(edit_against_delete);
        let (operations, _) = play(seen.as_ref(), &steps);
        let folded = fold_over(&schema, &told, &operations);
        prop_assert!(folded == fold_over(&schema, &told, &operations));
        let counters = folded.effects.iter().map(|effect| effect.counter);
        prop_assert!(counters.eq(operations.iter().map(|operation| operation.counter)));
    }

    // The law of settling: when the server has accepted the first operations, the rest laid over
    // what it made of them shows what was seen before. So an answer never makes the view jump.
    #[test]
    fn an_acknowledgement_does_not_change_the_view(
        edit_against_delete in any_edit_against_delete(),
        seen in prop::option::of(fields()),
        told in told(),
        steps in steps(),
    ) {
        let schema = type_with_every_rule(edit_against_delete);
        let (operations, _) = play(seen.as_ref(), &steps);
        let before = fold_over(&schema, &told, &operations);
        for settled in 1..=operations.len() {
            let (first, rest) = operations.split_at(settled);
            if before.effects[settled - 1].effect == Effect::Conflict {
                break;
            }
            let acknowledged = told.settled(fold_over(&schema, &told, first).view);
            let after = fold_over(&schema, &acknowledged, rest);
            prop_assert_eq!(&after.view, &before.view);
            prop_assert!(after.effects == before.effects[settled..]);
        }
    }

    // Nobody's fields get lost or changed by operations that do not name them: not those that this
    // version has never heard of, not those that the other side has just written.
    #[test]
    fn fields_that_no_operation_names_survive(
        seen in fields(),
        other in fields(),
        writes in prop::collection::vec(("[a-z]{1,3}", maybe(value())), 1..6),
    ) {
        let schema = type_with_every_rule(clarity_model::EditAgainstDelete::Manual);
        let changes = writes.iter().map(|(field, new)| FieldChange {
            field: field.clone(),
            old: seen.get(field).cloned(),
            new: new.clone(),
        });
        let operation = FoldOperation {
            counter: clarity_model::Counter(1),
            kind: clarity_model::Kind::Update,
            changes: changes.collect(),
            undelete: false,
        };
        let view = fold_over(&schema, &Told::Live(other.clone()), &[operation]).view;
        let view = view.unwrap_or_default();
        let untouched = |name: &String| !writes.iter().any(|write| write.0 == *name);
        for (name, value) in other.iter().filter(|(name, _)| untouched(name)) {
            prop_assert_eq!(view.get(name), Some(value));
        }
    }

    // Edits of different fields are not a conflict: the view has both as they were written.
    #[test]
    fn edits_of_different_fields_are_both_there(
        seen in fields(),
        ours in fields(),
        theirs in fields(),
    ) {
        let schema = type_with_every_rule(clarity_model::EditAgainstDelete::Manual);
        let mut confirmed = seen.clone();
        for (name, value) in theirs.iter().filter(|(name, _)| !ours.contains_key(*name)) {
            confirmed.put(name, Some(value.clone()));
        }
        let writes: Vec<(&'static str, Option<Value>)> = crate::strategies::FIELD_NAMES
            .into_iter()
            .filter_map(|name| Some((name, Some(ours.get(name)?.clone()))))
            .collect();
        let (operations, _) = play(Some(&seen), &[Step::Write(writes)]);
        let folded = fold_over(&schema, &Told::Live(confirmed.clone()), &operations);
        prop_assert!(folded.conflict().is_none());
        let mut expected = confirmed;
        for change in &operations[0].changes {
            expected.put(&change.field, change.new.clone());
        }
        prop_assert_eq!(folded.view, Some(expected));
    }

    // What is stored or sent reads back the same: every value, every name, null apart from absent.
    #[test]
    fn fields_and_changes_survive_json(
        fields in fields(),
        old in maybe(value()),
        new in maybe(value()),
    ) {
        let text = fields.to_canonical_json();
        let again: Fields = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&again, &fields);
        prop_assert_eq!(again.to_canonical_json(), text);
        let change = FieldChange { field: "Unicode ☂ \"".to_owned(), old, new };
        let again: FieldChange =
            serde_json::from_str(&serde_json::to_string(&change).unwrap()).unwrap();
        prop_assert_eq!(again, change);
    }
}
