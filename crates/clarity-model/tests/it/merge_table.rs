//! What each policy makes of a field that both sides changed, case by case.
//!
//! In each row: what both started from, what the writer wants, what is there now, and what comes of
//! it. `Value::Null` is the JSON `null`; [`gone`] is an absent field.

use clarity_model::{Effect, MergeRule, Rule, merge_field};
use serde_json::{Value, json};

use Effect::{Applied, Conflict, Merged, Superseded, Unchanged};

type Field = Option<Value>;

fn is(value: impl Into<Value>) -> Field {
    Some(value.into())
}

fn gone() -> Field {
    None
}

#[track_caller]
fn check(rule: Rule, cases: &[(&str, Field, Field, Field, Field, Effect)]) {
    for (words, old, new, current, value, effect) in cases {
        let merged = merge_field(rule, old.as_ref(), new.as_ref(), current.as_ref());
        assert_eq!((&merged.value, merged.effect), (value, *effect), "{rule:?}: {words}");
    }
}

// Whatever the policy: nobody else wrote, both wrote the same, or the writer changed nothing.
#[test]
fn every_policy_agrees_on_what_is_no_question() {
    for rule in Rule::ALL {
        let is_counter = rule == Rule::Merge(MergeRule::Counter);
        check(
            rule,
            &[
                ("nobody else wrote", is(5), is(6), is(5), is(6), Applied),
                ("a new field", gone(), is(6), gone(), is(6), Applied),
                ("a field taken away", is(5), gone(), is(5), gone(), Applied),
                ("null is a value", is(5), is(Value::Null), is(5), is(Value::Null), Applied),
                ("null is not absent", gone(), is(Value::Null), gone(), is(Value::Null), Applied),
                ("the writer changed nothing", is(5), is(5), is(7), is(7), Unchanged),
                ("nothing at all", gone(), gone(), gone(), gone(), Unchanged),
            ],
        );
        if !is_counter {
            let case = ("both wrote the same", is(5), is(6), is(6), is(6), Unchanged);
            check(rule, &[case]);
        }
    }
}

// `server_wins`: what is there stands.
#[test]
fn server_wins() {
    check(
        Rule::ServerWins,
        &[
            ("both changed it", is("a"), is("ours"), is("theirs"), is("theirs"), Superseded),
            ("theirs is gone", is("a"), is("ours"), gone(), gone(), Superseded),
            ("ours takes it away", is("a"), gone(), is("theirs"), is("theirs"), Superseded),
        ],
    );
}

// `client_wins` and `latest`: what comes last stands.
#[test]
fn client_wins_and_latest() {
    for rule in [Rule::ClientWins, Rule::Merge(MergeRule::Latest)] {
        check(
            rule,
            &[
                ("both changed it", is("a"), is("ours"), is("theirs"), is("ours"), Applied),
                ("theirs is gone", is("a"), is("ours"), gone(), is("ours"), Applied),
                ("ours takes it away", is("a"), gone(), is("theirs"), gone(), Applied),
            ],
        );
    }
}

// `manual`: a person chooses, and sees the own version meanwhile.
#[test]
fn manual() {
    check(
        Rule::Manual,
        &[
            ("both changed it", is("a"), is("ours"), is("theirs"), is("ours"), Conflict),
            ("theirs is gone", is("a"), is("ours"), gone(), is("ours"), Conflict),
            ("ours takes it away", is("a"), gone(), is("theirs"), gone(), Conflict),
            ("1 and 1.0 are two values", is(0), is(1), is(1.0), is(1), Conflict),
        ],
    );
}

// `text`: edits of different lines are joined, others are for a person.
#[test]
fn text() {
    let both = "slept well\n\nknee hurts";
    check(
        Rule::Merge(MergeRule::Text),
        &[
            (
                "different lines",
                is(both),
                is("slept badly\n\nknee hurts"),
                is("slept well\n\nknee is fine"),
                is("slept badly\n\nknee is fine"),
                Merged,
            ),
            ("one line", is("5 mg"), is("10 mg"), is("5 g"), is("10 mg"), Conflict),
            ("both began a text", gone(), is("ours"), is("theirs"), is("ours"), Conflict),
            (
                "ours was taken up already",
                is("a\n\nb"),
                is("A\n\nb"),
                is("A\n\nB"),
                is("A\n\nB"),
                Unchanged,
            ),
            (
                "theirs was taken up already",
                is("a\n\nb"),
                is("A\n\nB"),
                is("A\n\nb"),
                is("A\n\nB"),
                Applied,
            ),
            ("not a text", is("a"), is(1), is("b"), is(1), Conflict),
            ("no text there any more", is("a"), is("b"), is(Value::Null), is("b"), Conflict),
        ],
    );
}

// `set`: additions and removals of both sides, sorted.
#[test]
fn set() {
    let list = |items: &[&str]| is(json!(items));
    check(
        Rule::Merge(MergeRule::Set),
        &[
            (
                "both add",
                list(&["a"]),
                list(&["a", "o"]),
                list(&["a", "t"]),
                list(&["a", "o", "t"]),
                Merged,
            ),
            (
                "one adds, one removes",
                list(&["a", "b"]),
                list(&["a"]),
                list(&["a", "b", "t"]),
                list(&["a", "t"]),
                Merged,
            ),
            (
                "both remove",
                list(&["a", "b", "c"]),
                list(&["b", "c"]),
                list(&["a", "c"]),
                list(&["c"]),
                Merged,
            ),
            (
                "both add the same",
                list(&["a"]),
                list(&["a", "x"]),
                list(&["a", "x"]),
                list(&["a", "x"]),
                Unchanged,
            ),
            (
                "theirs has all of ours",
                list(&["a"]),
                list(&["a", "x"]),
                list(&["a", "x", "y"]),
                list(&["a", "x", "y"]),
                Unchanged,
            ),
            (
                "ours has all of theirs",
                list(&["a"]),
                list(&["a", "x", "y"]),
                list(&["a", "x"]),
                list(&["a", "x", "y"]),
                Applied,
            ),
            ("both begin", gone(), list(&["o"]), list(&["t"]), list(&["o", "t"]), Merged),
        ],
    );
}

// `set`: what is no list, no order and no field.
#[test]
fn set_at_its_edges() {
    let list = |items: &[&str]| is(json!(items));
    check(
        Rule::Merge(MergeRule::Set),
        &[
            (
                "order and doubles do not count",
                list(&["a"]),
                list(&["c", "b", "c", "a"]),
                list(&["a"]),
                list(&["a", "b", "c"]),
                Applied,
            ),
            (
                "ours takes the field away, theirs adds",
                list(&["a"]),
                gone(),
                list(&["a", "t"]),
                list(&["t"]),
                Merged,
            ),
            (
                "only the order differs",
                list(&["a"]),
                list(&["a", "b"]),
                list(&["b", "a"]),
                list(&["b", "a"]),
                Unchanged,
            ),
            (
                "ours takes the field away, theirs empties it",
                list(&["a"]),
                gone(),
                list(&[]),
                gone(),
                Applied,
            ),
            (
                "ours empties it, theirs took the field away",
                list(&["a"]),
                list(&[]),
                gone(),
                gone(),
                Unchanged,
            ),
            ("not a list", list(&["a"]), is("a"), list(&["b"]), is("a"), Conflict),
        ],
    );
}

// `counter`: the differences of both sides.
#[test]
fn counter() {
    check(
        Rule::Merge(MergeRule::Counter),
        &[
            ("both count", is(10), is(11), is(15), is(16), Merged),
            ("both count the same", is(10), is(11), is(11), is(12), Merged),
            ("one counts down", is(10), is(7), is(12), is(9), Merged),
            ("theirs counted back", is(10), is(11), is(9), is(10), Merged),
            ("fractions", is(0.5), is(1.5), is(2.5), is(3.5), Merged),
            ("whole and fraction", is(1), is(2), is(1.5), is(2.5), Merged),
            ("both begin", gone(), is(2), is(3), is(5), Merged),
            ("beyond the signed range", is(0), is(i64::MAX), is(1), is(1_u64 << 63), Merged),
            ("beyond any range", is(0), is(u64::MAX), is(1), is(u64::MAX), Conflict),
            ("below any range", is(0), is(-1), is(i64::MIN), is(-1), Conflict),
            (
                "beyond the largest fraction",
                is(0.5),
                is(f64::MAX),
                is(f64::MAX - 1.0),
                is(f64::MAX),
                Unchanged,
            ),
            ("not a number", is(10), is("11"), is(12), is("11"), Conflict),
            ("theirs is not a number", is(10), is(11), is("12"), is(11), Conflict),
            ("theirs is gone", is(10), is(11), gone(), is(11), Conflict),
            ("ours takes it away", is(10), gone(), is(11), gone(), Conflict),
        ],
    );
}

// `max` and `min`: the further one of numbers, or of texts.
#[test]
fn max_and_min() {
    check(
        Rule::Merge(MergeRule::Max),
        &[
            ("ours is larger", is(1), is(9), is(5), is(9), Applied),
            ("theirs is larger", is(1), is(5), is(9), is(9), Superseded),
            ("whole against fraction", is(1), is(9), is(9.5), is(9.5), Superseded),
            ("close and large", is(1), is(u64::MAX), is(u64::MAX - 1), is(u64::MAX), Applied),
            ("one value in two spellings", is(0), is(1), is(1.0), is(1), Applied),
            ("the same the other way", is(0), is(1.0), is(1), is(1), Superseded),
            ("texts", is("a"), is("2026-02"), is("2026-11"), is("2026-11"), Superseded),
            ("not comparable", is(1), is("9"), is(5), is("9"), Conflict),
            ("ours takes it away", is(1), gone(), is(5), is(5), Superseded),
            ("theirs is gone", is(1), is(5), gone(), is(5), Applied),
        ],
    );
    check(
        Rule::Merge(MergeRule::Min),
        &[
            ("ours is smaller", is(9), is(1), is(5), is(1), Applied),
            ("theirs is smaller", is(9), is(5), is(1), is(1), Superseded),
            ("texts", is("z"), is("2026-02"), is("2026-11"), is("2026-02"), Applied),
            ("not comparable", is(1), is(json!([])), is(5), is(json!([])), Conflict),
        ],
    );
}

// `append`: both tails, in the order in which they came.
#[test]
fn append() {
    let list = |items: &[i32]| is(json!(items));
    check(
        Rule::Merge(MergeRule::Append),
        &[
            ("both append", list(&[1]), list(&[1, 2]), list(&[1, 3]), list(&[1, 3, 2]), Merged),
            ("both begin", gone(), list(&[2]), list(&[3]), list(&[3, 2]), Merged),
            ("theirs replaced it", list(&[1]), list(&[1, 2]), list(&[9]), list(&[9, 2]), Merged),
            (
                "ours is no longer list",
                list(&[1, 2]),
                list(&[2]),
                list(&[1, 2, 3]),
                list(&[2]),
                Conflict,
            ),
            ("not a list", list(&[1]), is("x"), list(&[1, 2]), is("x"), Conflict),
            ("ours takes it away", list(&[1]), gone(), list(&[1, 2]), gone(), Conflict),
        ],
    );
}
