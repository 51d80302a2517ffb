//! Two edits of one value.

use clarity_engine::protocol::model::{Effect, MergeRule, Merged, Rule, merge_field, merge_text};
use serde_json::Value;

/// What separates base and sides where the input is not JSON.
const SEPARATOR: u8 = 0xff;

/// The input is a JSON list of a base and two sides, each of any kind; or three texts. The laws are
/// those of `docs/consistency.md`, clause I9.
pub(super) fn merge(bytes: &[u8]) {
    if let Ok([base, ours, theirs]) = serde_json::from_slice::<[Option<Value>; 3]>(bytes) {
        for rule in Rule::ALL {
            laws(rule, base.as_ref(), ours.as_ref(), theirs.as_ref());
        }
        return;
    }
    let mut parts = bytes.splitn(3, |byte| *byte == SEPARATOR).map(String::from_utf8_lossy);
    let [base, ours, theirs] = [(); 3].map(|()| parts.next().unwrap_or_default());
    let joined = merge_text(&base, &ours, &theirs);
    assert!(joined == merge_text(&base, &theirs, &ours), "it shows who asks");
    assert!(merge_text(&base, &ours, &base).as_deref() == Some(&*ours));
    assert!(merge_text(&base, &ours, &ours).as_deref() == Some(&*ours));
    for line in joined.iter().flat_map(|text| text.split('\n')) {
        let is_known =
            [&base, &ours, &theirs].iter().any(|text| text.split('\n').any(|l| l == line));
        assert!(is_known, "nobody wrote this line");
    }
}

fn laws(rule: Rule, base: Option<&Value>, ours: Option<&Value>, theirs: Option<&Value>) {
    let merged = merge_field(rule, base, ours, theirs);
    assert!(merged == merge_field(rule, base, ours, theirs), "{rule:?} depends on chance");
    // Who changed nothing takes nothing away.
    let nothing = merge_field(rule, base, base, theirs);
    assert!(nothing.value.as_ref() == theirs && nothing.effect == Effect::Unchanged, "{rule:?}");
    // Whoever saw the newest value gets what was written.
    let seen = merge_field(rule, theirs, ours, theirs);
    assert!(seen.effect <= Effect::Applied, "{rule:?}: {:?}", seen.effect);
    match merged.effect {
        Effect::Unchanged | Effect::Superseded => assert!(merged.value.as_ref() == theirs),
        Effect::Conflict => assert!(merged.value.as_ref() == ours, "{rule:?}"),
        _ => {}
    }
    let is_sum = matches!(rule, Rule::Merge(MergeRule::Counter));
    let is_joined = matches!(rule, Rule::Merge(MergeRule::Text | MergeRule::Append));
    if !is_sum && !is_joined {
        let twice = merge_field(rule, base, ours, merged.value.as_ref());
        assert!(same(&merged, &twice), "{rule:?}: a second time changes something");
    }
    let commutes =
        is_sum || matches!(rule, Rule::Merge(MergeRule::Set | MergeRule::Max | MergeRule::Min));
    if commutes {
        order_does_not_show(rule, base, ours, theirs);
    }
}

/// Both edits, each applied to the base in either order, give one value, or a person is asked both
/// times.
fn order_does_not_show(
    rule: Rule,
    base: Option<&Value>,
    ours: Option<&Value>,
    theirs: Option<&Value>,
) {
    let both = |first: Option<&Value>, second: Option<&Value>| {
        let once = merge_field(rule, base, first, base);
        merge_field(rule, base, second, once.value.as_ref())
    };
    let (one, other) = (both(ours, theirs), both(theirs, ours));
    let asked = [&one, &other].map(|merged| merged.effect == Effect::Conflict);
    assert!(asked[0] == asked[1], "{rule:?}: a person is asked in one order only");
    assert!(asked[0] || same(&one, &other), "{rule:?}: the order shows");
}

/// Whether two results are the same value; a list without an order may have any.
fn same(one: &Merged, other: &Merged) -> bool {
    let members = |merged: &Merged| {
        let mut members: Vec<String> =
            merged.value.as_ref()?.as_array()?.iter().map(Value::to_string).collect();
        members.sort();
        members.dedup();
        Some(members)
    };
    one.value == other.value
        || (members(one).is_some() && members(one) == members(other))
        || close(one, other)
}

/// Whether two results are sums that differ by rounding alone.
fn close(one: &Merged, other: &Merged) -> bool {
    let number = |merged: &Merged| merged.value.as_ref().and_then(Value::as_f64);
    match (number(one), number(other)) {
        (Some(one), Some(other)) => (one - other).abs() <= (one.abs() + other.abs()) * 1e-9,
        _ => false,
    }
}
