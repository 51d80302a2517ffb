//! The laws of merging one field, over arbitrary values.

use clarity_model::{Effect, MergeRule, Merged, Rule, merge_field};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::strategies::{any_rule, as_members, list, maybe, number, value};

fn merge(rule: Rule, old: &Option<Value>, new: &Option<Value>, current: &Option<Value>) -> Merged {
    merge_field(rule, old.as_ref(), new.as_ref(), current.as_ref())
}

/// Two changes from one base, taken in both orders: the same value, or a person in both.
fn order_does_not_show(
    rule: MergeRule,
    base: &Option<Value>,
    left: &Option<Value>,
    right: &Option<Value>,
) -> Result<(), TestCaseError> {
    let rule = Rule::Merge(rule);
    let left_first = merge(rule, base, right, &merge(rule, base, left, base).value);
    let right_first = merge(rule, base, left, &merge(rule, base, right, base).value);
    let conflicts = [&left_first, &right_first].map(|merged| merged.effect == Effect::Conflict);
    prop_assert_eq!(conflicts[0], conflicts[1]);
    if !conflicts[0] {
        prop_assert_eq!(left_first.value, right_first.value);
    }
    Ok(())
}

proptest! {
    // Every rule gives the same answer when asked again.
    #[test]
    fn merging_is_deterministic(
        rule in any_rule(), old in maybe(value()), new in maybe(value()), current in maybe(value())
    ) {
        let first = merge(rule, &old, &new, &current);
        prop_assert!(first == merge(rule, &old, &new, &current));
    }

    // A writer who saw the newest value gets what was written, under every rule.
    #[test]
    fn a_change_of_the_current_value_takes_effect_as_written(
        rule in any_rule(), current in maybe(value()), new in maybe(value())
    ) {
        let merged = merge(rule, &current, &new, &current);
        prop_assert!(merged.effect <= Effect::Applied);
        if rule == Rule::Merge(MergeRule::Set) && current != new {
            prop_assert_eq!(as_members(merged.value.as_ref()), as_members(new.as_ref()));
        } else {
            prop_assert_eq!(&merged.value, &new);
        }
        if current == new {
            prop_assert_eq!(merged.effect, Effect::Unchanged);
        }
    }

    // A writer who changed nothing never touches what somebody else wrote, under every rule.
    #[test]
    fn a_change_of_nothing_keeps_the_current_value(
        rule in any_rule(), old in maybe(value()), current in maybe(value())
    ) {
        let merged = merge(rule, &old, &old, &current);
        prop_assert_eq!(merged.effect, Effect::Unchanged);
        prop_assert_eq!(merged.value, current);
    }

    // A change that is applied a second time changes nothing. Counters and appended lists say how
    // much is added, so for them the operation's id keeps it from being applied twice.
    #[test]
    fn a_change_that_is_already_there_changes_nothing(
        rule in any_rule(), old in maybe(value()), new in maybe(value()), current in maybe(value())
    ) {
        if rule == Rule::Merge(MergeRule::Counter) {
            return Ok(());
        }
        let already_there = merge(rule, &old, &new, &new);
        if rule != Rule::Merge(MergeRule::Set) {
            prop_assert_eq!(already_there.effect, Effect::Unchanged);
        }
        prop_assert_eq!(as_members(already_there.value.as_ref()), as_members(new.as_ref()));
        let combines_texts_or_lists =
            matches!(rule, Rule::Merge(MergeRule::Text | MergeRule::Append));
        if combines_texts_or_lists {
            return Ok(());
        }
        let once = merge(rule, &old, &new, &current);
        let twice = merge(rule, &old, &new, &once.value);
        prop_assert_eq!(as_members(once.value.as_ref()), as_members(twice.value.as_ref()));
    }

    // Whatever the effect is called, the value agrees with the name.
    #[test]
    fn the_effect_tells_the_truth(
        rule in any_rule(), old in maybe(value()), new in maybe(value()), current in maybe(value())
    ) {
        let merged = merge(rule, &old, &new, &current);
        match merged.effect {
            Effect::Unchanged | Effect::Superseded => prop_assert_eq!(merged.value, current),
            Effect::Applied => {
                prop_assert_eq!(as_members(merged.value.as_ref()), as_members(new.as_ref()));
            }
            Effect::Conflict => prop_assert_eq!(merged.value, new),
            Effect::Merged => {
                prop_assert_ne!(&merged.value, &new);
                prop_assert_ne!(&merged.value, &current);
            }
        }
    }

    // Of two changes from one base, it does not show which came first: any values.
    #[test]
    fn order_does_not_show_for_any_value(
        rule in prop::sample::select(vec![
            MergeRule::Set, MergeRule::Counter, MergeRule::Max, MergeRule::Min
        ]),
        base in maybe(value()), left in maybe(value()), right in maybe(value())
    ) {
        order_does_not_show(rule, &base, &left, &right)?;
    }

    // The same for the values that the rules are made for: numbers.
    #[test]
    fn order_does_not_show_for_numbers(
        rule in prop::sample::select(vec![MergeRule::Counter, MergeRule::Max, MergeRule::Min]),
        base in maybe(number()), left in maybe(number()), right in maybe(number())
    ) {
        order_does_not_show(rule, &base, &left, &right)?;
    }

    // The same for lists.
    #[test]
    fn order_does_not_show_for_lists(
        base in maybe(list()), left in maybe(list()), right in maybe(list())
    ) {
        order_does_not_show(MergeRule::Set, &base, &left, &right)?;
    }

    // Text merges go one way or the other, whoever asks: a joined text or a person.
    #[test]
    fn order_does_not_show_for_texts(
        base in maybe(crate::strategies::text()),
        left in maybe(crate::strategies::text()),
        right in maybe(crate::strategies::text()),
    ) {
        order_does_not_show(MergeRule::Text, &base, &left, &right)?;
    }

    // A set holds exactly what nobody removed and what somebody added.
    #[test]
    fn a_set_joins_additions_and_removals(base in list(), ours in list(), theirs in list()) {
        let rule = Rule::Merge(MergeRule::Set);
        let [base, ours, theirs] = [base, ours, theirs].map(Some);
        let merged = merge(rule, &base, &ours, &theirs);
        let has = |list: &Option<Value>, item: &Value| {
            list.as_ref().and_then(Value::as_array).is_some_and(|items| items.contains(item))
        };
        for item in [json!("red"), json!("blue"), json!("green"), json!(0), json!(null)] {
            let votes = (has(&base, &item), has(&ours, &item), has(&theirs, &item));
            let wanted = match votes {
                (true, ours, theirs) => ours && theirs,
                (false, ours, theirs) => ours || theirs,
            };
            prop_assert_eq!(has(&merged.value, &item), wanted);
        }
    }

    // Any number of devices that each add to a counter make the sum, in whatever order they come.
    #[test]
    fn a_counter_adds_every_difference(deltas in prop::collection::vec(-1_000_i64..1_000, 1..8)) {
        let base = Some(json!(100));
        let mut current = base.clone();
        for delta in &deltas {
            let new = Some(json!(100 + delta));
            current = merge(Rule::Merge(MergeRule::Counter), &base, &new, &current).value;
        }
        prop_assert_eq!(current, Some(json!(100 + deltas.iter().sum::<i64>())));
    }

    // An appended list keeps both sides' additions: theirs first, because they came first.
    #[test]
    fn appending_keeps_both_sides(
        base in prop::collection::vec(0..9, 0..4),
        ours in prop::collection::vec(10..19, 1..4),
        theirs in prop::collection::vec(20..29, 1..4),
    ) {
        let joined = |parts: &[&[i32]]| Some(json!(parts.concat()));
        let merged = merge(
            Rule::Merge(MergeRule::Append),
            &joined(&[&base]),
            &joined(&[&base, &ours]),
            &joined(&[&base, &theirs]),
        );
        prop_assert_eq!(merged.value, joined(&[&base, &theirs, &ours]));
        prop_assert_eq!(merged.effect, Effect::Merged);
    }

    // The larger and the smaller value stand among two that both left the base.
    #[test]
    fn extremes_are_extremes(base in 0_i64..50, ours in 51_i64..99, theirs in 51_i64..99) {
        let [base, new, current] = [base, ours, theirs].map(|number| Some(json!(number)));
        let max = merge(Rule::Merge(MergeRule::Max), &base, &new, &current).value;
        let min = merge(Rule::Merge(MergeRule::Min), &base, &new, &current).value;
        prop_assert_eq!(max, Some(json!(ours.max(theirs))));
        prop_assert_eq!(min, Some(json!(ours.min(theirs))));
    }
}

// A long list is joined by looking members up, not by comparing each with each: with that this
// test would take hours. The limit of an entity allows lists of this length.
#[test]
fn a_long_set_is_cheap() {
    let base = Some(json!((0..40_000).collect::<Vec<i32>>()));
    let ours = Some(json!((1..40_001).collect::<Vec<i32>>()));
    let theirs = Some(json!((2..40_002).collect::<Vec<i32>>()));
    let merged = merge(Rule::Merge(MergeRule::Set), &base, &ours, &theirs);
    let members = merged.value.as_ref().and_then(Value::as_array).map(Vec::len);
    assert_eq!(members, Some(40_000));
}
