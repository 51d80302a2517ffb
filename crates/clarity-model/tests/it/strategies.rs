//! Generators of values, rules and histories that the properties share.

use clarity_model::{Column, EditAgainstDelete, FieldSchema, Fields, Policy, Rule};
use clarity_model::{Counter, FieldChange, FoldOperation, Kind, TypeSchema};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Number, Value, json};

pub(crate) fn any_rule() -> impl Strategy<Value = Rule> {
    prop::sample::select(Rule::ALL.to_vec())
}

pub(crate) fn any_edit_against_delete() -> impl Strategy<Value = EditAgainstDelete> {
    prop::sample::select(vec![
        EditAgainstDelete::Manual,
        EditAgainstDelete::DeleteWins,
        EditAgainstDelete::EditWins,
    ])
}

/// Numbers of every spelling, with the ends of the ranges often.
pub(crate) fn number() -> impl Strategy<Value = Value> {
    let edges = vec![
        json!(0),
        json!(0.0),
        json!(-0.0),
        json!(1),
        json!(1.0),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(u64::MAX - 1),
        json!(9_007_199_254_740_993_i64),
        json!(9_007_199_254_740_992.0),
        json!(f64::MAX),
        json!(0.1),
    ];
    prop_oneof![
        (-9_i64..9).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e6..1e6).prop_map(|float: f64| Number::from_f64(float).map_or(Value::Null, Value::from)),
        prop::sample::select(edges),
    ]
}

/// Lists over few members, so that two lists often share some.
pub(crate) fn list() -> impl Strategy<Value = Value> {
    let member = prop_oneof![
        prop::sample::select(vec!["red", "blue", "green"]).prop_map(Value::from),
        (0..3).prop_map(Value::from),
        Just(json!({"nested": [1]})),
        Just(Value::Null),
    ];
    vec(member, 0..5).prop_map(Value::Array)
}

/// Texts of a few short lines, so that two texts often share some.
pub(crate) fn text() -> impl Strategy<Value = Value> {
    vec(prop::sample::select(vec!["", "a", "b", "c"]), 0..6)
        .prop_map(|lines| Value::from(lines.join("\n")))
}

/// Any JSON, with what each rule understands more often than chance would give.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number(),
        text(),
        "\\PC{0,6}".prop_map(Value::from),
    ];
    let nested = leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::Array),
            btree_map("[a-c]", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop_oneof![nested, number(), list(), text()]
}

/// A field's state: absent now and then.
pub(crate) fn maybe(
    inner: impl Strategy<Value = Value> + 'static,
) -> impl Strategy<Value = Option<Value>> {
    prop::option::weighted(0.85, inner)
}

/// The fields that the histories play with: one for each rule, and some that nobody declared.
pub(crate) const FIELD_NAMES: [&str; 12] = [
    "server_wins",
    "client_wins",
    "manual",
    "text",
    "set",
    "counter",
    "max",
    "min",
    "latest",
    "append",
    "from_a_later_version",
    "Unicode ☂",
];

/// A type with one field for each rule; fields that it does not name are `manual`.
pub(crate) fn type_with_every_rule(edit_against_delete: EditAgainstDelete) -> TypeSchema {
    let declare = |rule: Rule| {
        let (policy, merge) = match rule {
            Rule::ServerWins => (Policy::ServerWins, None),
            Rule::ClientWins => (Policy::ClientWins, None),
            Rule::Manual => (Policy::Manual, None),
            Rule::Merge(rule) => (Policy::Merge, Some(rule)),
        };
        FieldSchema { column: Some(Column::Json), policy: Some(policy), merge, references: None }
    };
    let fields = FIELD_NAMES.iter().zip(Rule::ALL);
    TypeSchema {
        edit_against_delete,
        fields: fields.map(|(name, rule)| ((*name).to_owned(), declare(rule))).collect(),
        ..TypeSchema::default()
    }
}

pub(crate) fn fields() -> impl Strategy<Value = Fields> {
    btree_map(prop::sample::select(FIELD_NAMES.to_vec()), value(), 0..6)
        .prop_map(|map| map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// What a person does next; which operation that becomes depends on what is there.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Write(Vec<(&'static str, Option<Value>)>),
    Delete,
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let write = vec((prop::sample::select(FIELD_NAMES.to_vec()), maybe(value())), 1..4);
    vec(prop_oneof![5 => write.prop_map(Step::Write), 1 => Just(Step::Delete)], 1..7)
}

/// The operations that a device makes of `steps` when it starts from `seen`, with what its user
/// sees in the end when nobody else writes.
pub(crate) fn play(seen: Option<&Fields>, steps: &[Step]) -> (Vec<FoldOperation>, Option<Fields>) {
    let mut view = seen.cloned();
    let mut operations = Vec::new();
    let mut has_deleted = false;
    for (step, counter) in steps.iter().zip(1..) {
        let before = view.take();
        let (kind, changes) = match (step, before) {
            (Step::Delete, None) => continue,
            (Step::Delete, Some(fields)) => {
                has_deleted = true;
                let all = fields.0.into_iter();
                let gone = all.map(|(field, old)| FieldChange { field, old: Some(old), new: None });
                (Kind::Delete, gone.collect())
            }
            (Step::Write(writes), before) => {
                let kind = if before.is_some() { Kind::Update } else { Kind::Create };
                let mut fields = before.unwrap_or_default();
                let mut changes = Vec::new();
                for (field, new) in writes {
                    let old = fields.get(*field).cloned();
                    let new = canonical(field, old.as_ref(), new.clone());
                    fields.put(field, new.clone());
                    changes.push(FieldChange { field: (*field).to_owned(), old, new });
                }
                view = Some(fields);
                (kind, changes)
            }
        };
        let undelete = kind == Kind::Create && has_deleted;
        operations.push(FoldOperation { counter: Counter(counter), kind, changes, undelete });
    }
    (operations, view)
}

/// Sets are written sorted and without doubles, and left as they are when only their order would
/// change, so that a lone write reads back as written.
fn canonical(field: &str, old: Option<&Value>, new: Option<Value>) -> Option<Value> {
    if field != "set" {
        return new;
    }
    let members = as_members(new.as_ref());
    if as_members(old) == members { old.cloned() } else { members }
}

/// The members of a list in one order, or the value itself.
pub(crate) fn as_members(value: Option<&Value>) -> Option<Value> {
    let Some(Value::Array(items)) = value else { return value.cloned() };
    let mut items = items.clone();
    items.sort_by_key(Value::to_string);
    items.dedup_by_key(|item| item.to_string());
    Some(Value::Array(items))
}
