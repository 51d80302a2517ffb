//! The merge of one field: three values in, one value out.
//!
//! The device runs it when it lays local changes over what the server told, and the server runs it
//! when it applies them; both get the same result (promise I9). `current` is the value that the
//! change meets, `old` is what its writer saw, `new` is what its writer wants.
//!
//! Laws, each a property test: a change whose `old` equals its `new` never touches what others
//! wrote;
//! one whose `old` equals `current` takes effect as written; a scalar change that is already there
//! changes nothing; `set`, `counter`, `max` and `min` give the same value whichever of two changes
//! comes first; text merges are symmetric.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

use crate::schema::{MergeRule, Rule};
use crate::text::merge_text;

/// What became of a change of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// The value was already there.
    Unchanged,
    /// The new value stands as written.
    Applied,
    /// The result holds both sides.
    Merged,
    /// The other side's value stands; the new value lost.
    Superseded,
    /// Only a person can choose. The result shows the new value meanwhile.
    Conflict,
}

/// The result of merging one field.
#[derive(Clone, PartialEq)]
pub struct Merged {
    /// The value that the field has now; absent when the field is gone.
    pub value: Option<Value>,
    /// How it came about.
    pub effect: Effect,
}

/// Lays a change from `old` to `new` over `current` by the field's rule.
#[must_use]
pub fn merge_field(
    rule: Rule,
    old: Option<&Value>,
    new: Option<&Value>,
    current: Option<&Value>,
) -> Merged {
    if old == new {
        // Its writer changed nothing, so nothing of the other side is in question.
        return Merged { value: current.cloned(), effect: Effect::Unchanged };
    }
    if rule == Rule::Merge(MergeRule::Counter) {
        return counter(old, new, current);
    }
    if rule == Rule::Merge(MergeRule::Set) {
        return set(old, new, current);
    }
    if new == current {
        return Merged { value: current.cloned(), effect: Effect::Unchanged };
    }
    if old == current {
        return applied(new);
    }
    match rule {
        Rule::ServerWins => superseded(current),
        Rule::ClientWins | Rule::Merge(MergeRule::Latest) => applied(new),
        Rule::Merge(MergeRule::Text) => text(old, new, current),
        Rule::Merge(MergeRule::Append) => append(old, new, current),
        Rule::Merge(MergeRule::Max) => extreme(new, current, std::cmp::Ordering::Greater),
        Rule::Merge(MergeRule::Min) => extreme(new, current, std::cmp::Ordering::Less),
        Rule::Manual | Rule::Merge(MergeRule::Counter | MergeRule::Set) => conflict(new),
    }
}

fn applied(new: Option<&Value>) -> Merged {
    Merged { value: new.cloned(), effect: Effect::Applied }
}

fn superseded(current: Option<&Value>) -> Merged {
    Merged { value: current.cloned(), effect: Effect::Superseded }
}

fn conflict(new: Option<&Value>) -> Merged {
    Merged { value: new.cloned(), effect: Effect::Conflict }
}

/// A combined value, named by which side it equals.
fn combined(value: Value, new: Option<&Value>, current: Option<&Value>) -> Merged {
    let effect = if Some(&value) == current {
        Effect::Unchanged
    } else if Some(&value) == new {
        Effect::Applied
    } else {
        Effect::Merged
    };
    Merged { value: Some(value), effect }
}

/// For kinds of value that a rule cannot combine: as written when nobody else changed it.
fn scalar(old: Option<&Value>, new: Option<&Value>, current: Option<&Value>) -> Merged {
    if new == current {
        Merged { value: current.cloned(), effect: Effect::Unchanged }
    } else if old == current {
        applied(new)
    } else {
        conflict(new)
    }
}

fn text(old: Option<&Value>, new: Option<&Value>, current: Option<&Value>) -> Merged {
    let texts = (text_of(old), text_of(new), text_of(current));
    let (Some(base), Some(ours), Some(theirs)) = texts else { return conflict(new) };
    match merge_text(base, ours, theirs) {
        Some(merged) => combined(Value::String(merged), new, current),
        None => conflict(new),
    }
}

fn text_of(value: Option<&Value>) -> Option<&str> {
    value.map_or(Some(""), Value::as_str)
}

/// Adds what was added, removes what was removed, and keeps the members sorted and unique, so that
/// the order in which two devices are heard does not show.
fn set(old: Option<&Value>, new: Option<&Value>, current: Option<&Value>) -> Merged {
    let [before, wanted, there] = [old, new, current].map(|side| list_of(side).map(members));
    let (Some(before), Some(wanted)) = (before, wanted) else { return scalar(old, new, current) };
    if old.is_some() == new.is_some() && before.keys().eq(wanted.keys()) {
        // Another order of the same members is no change.
        return Merged { value: current.cloned(), effect: Effect::Unchanged };
    }
    let Some(there) = there else { return scalar(old, new, current) };
    let kept =
        there.iter().filter(|(text, _)| wanted.contains_key(*text) || !before.contains_key(*text));
    let added = wanted.iter().filter(|(text, _)| !before.contains_key(*text));
    let joined: BTreeMap<&String, &Value> =
        kept.chain(added).map(|(text, item)| (text, *item)).collect();
    // An empty list and no list are told apart as any other value is: by who changed it.
    let decides = if old.is_some() == new.is_some() { current } else { new };
    let is_there = !joined.is_empty() || decides.is_some();
    // Order and doubles mean nothing, so a list with the same members is the same value.
    let same_as = |side: Option<&Value>, members: &BTreeMap<String, &Value>| {
        side.is_some() == is_there && joined.keys().copied().eq(members.keys())
    };
    if same_as(current, &there) {
        return Merged { value: current.cloned(), effect: Effect::Unchanged };
    }
    let effect = if same_as(new, &wanted) { Effect::Applied } else { Effect::Merged };
    let value = is_there.then(|| Value::Array(joined.into_values().cloned().collect()));
    Merged { value, effect }
}

/// The members of a list by their compact JSON: sorted, unique, and cheap to look up in a long
/// list.
fn members(list: &[Value]) -> BTreeMap<String, &Value> {
    list.iter().map(|item| (item.to_string(), item)).collect()
}

fn list_of(value: Option<&Value>) -> Option<&[Value]> {
    value.map_or(Some(&[]), |value| value.as_array().map(Vec::as_slice))
}

fn append(old: Option<&Value>, new: Option<&Value>, current: Option<&Value>) -> Merged {
    let lists = (list_of(old), list_of(new), list_of(current));
    let (Some(before), Some(wanted), Some(there)) = lists else { return conflict(new) };
    let Some(added) = wanted.strip_prefix(before) else { return conflict(new) };
    let joined = there.iter().chain(added).cloned().collect();
    combined(Value::Array(joined), new, current)
}

/// Adds the difference, so that two devices which each add one make two. A counter that one side
/// removes and the other side counts is for a person, whichever comes first.
fn counter(old: Option<&Value>, new: Option<&Value>, current: Option<&Value>) -> Merged {
    if new.is_none() || current.is_none() || old == current {
        return scalar(old, new, current);
    }
    match sum_of_deltas(old, new, current) {
        Some(value) => combined(value, new, current),
        None => scalar(old, new, current),
    }
}

fn sum_of_deltas(
    old: Option<&Value>,
    new: Option<&Value>,
    current: Option<&Value>,
) -> Option<Value> {
    let zero = Value::from(0);
    let [old, new, current] = [old, new, current].map(|value| value.unwrap_or(&zero));
    if let (Value::Number(old), Value::Number(new), Value::Number(current)) = (old, new, current)
        && let (Some(old), Some(new), Some(current)) = (whole(old), whole(new), whole(current))
    {
        let sum = current + new - old;
        let signed = i64::try_from(sum).ok().map(Value::from);
        return signed.or_else(|| u64::try_from(sum).ok().map(Value::from));
    }
    // The two new values first: floating-point addition commutes but is not associative.
    let sum = (current.as_f64()? + new.as_f64()?) - old.as_f64()?;
    Number::from_f64(sum).map(Value::Number)
}

/// A number that is written as an integer.
fn whole(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

fn extreme(new: Option<&Value>, current: Option<&Value>, wanted: std::cmp::Ordering) -> Merged {
    let (Some(ours), Some(theirs)) = (new, current) else {
        return if current.is_some() { superseded(current) } else { applied(new) };
    };
    let order = match (ours, theirs) {
        (Value::Number(left), Value::Number(right)) => compare_numbers(left, right),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        _ => None,
    };
    match order {
        None => conflict(new),
        Some(order) if order == wanted => applied(new),
        // Equal numbers of different spelling (1 and 1.0): one spelling wins whoever comes first.
        Some(std::cmp::Ordering::Equal) if spelled_first(ours, theirs) => applied(new),
        Some(_) => superseded(current),
    }
}

fn spelled_first(left: &Value, right: &Value) -> bool {
    let (left, right) = (left.to_string(), right.to_string());
    left < right
}

fn compare_numbers(left: &Number, right: &Number) -> Option<std::cmp::Ordering> {
    match (whole(left), whole(right)) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}
