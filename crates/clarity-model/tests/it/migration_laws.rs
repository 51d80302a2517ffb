//! The laws of carrying forward: what is seen before is what is seen after.

use clarity_model::{
    Confirmed, EntityType, FieldChange, Fields, FoldOperation, Kind, Schema, TypeSchema, fold,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::strategies::{Step, maybe, play, steps, value};

/// A schema of version 4 whose type `T` took these steps since version 1.
pub(crate) fn evolved(steps: &[Value]) -> Schema {
    let named = ["manual", "renamed", "text", "mark", "latest", "again"];
    let fields: serde_json::Map<String, Value> =
        named.iter().map(|name| ((*name).to_owned(), json!({}))).collect();
    let migrations: Vec<Value> =
        (2..).zip(steps).map(|(to, steps)| json!({"to": to, "steps": steps})).collect();
    let file = json!({
        "format": 1, "name": "t", "version": steps.len() + 1, "types": {"T": {"fields": fields}},
        "migrations": migrations,
    });
    Schema::from_json(&file.to_string()).expect("a schema")
}

pub(crate) fn the_type() -> EntityType {
    EntityType::new("T").expect("a type")
}

/// Every kind of step, over three versions, on fields that the histories play with.
fn every_step() -> Schema {
    evolved(&[
        json!([
            {"rename_field": {"type": "T", "from": "server_wins", "to": "mark"}},
            {"default": {"type": "T", "field": "manual", "value": [1]}}
        ]),
        json!([
            {"map_values": {"type": "T", "field": "latest", "values": [
                {"from": 0, "to": 1}, {"from": "a", "to": "b"}, {"from": "b", "to": "a"},
                {"from": null, "to": 7}
            ]}},
            {"rename_field": {"type": "T", "from": "client_wins", "to": "interim"}}
        ]),
        json!([
            {"rename_field": {"type": "T", "from": "interim", "to": "renamed"}},
            {"map_values": {"type": "T", "field": "manual",
                "values": [{"from": [1], "to": []}], "unmapped": "refuse"}}
        ]),
    ])
}

fn carried(schema: &Schema, operations: &[FoldOperation]) -> Vec<FoldOperation> {
    let carry = |operation: &FoldOperation| FoldOperation {
        changes: schema.carried_changes(1, &the_type(), operation.kind, operation.changes.clone()),
        ..operation.clone()
    };
    operations.iter().map(carry).collect()
}

fn carried_entity(schema: &Schema, fields: Fields) -> Fields {
    schema.carried_fields(1, &the_type(), fields)
}

fn confirmed(fields: Option<&Fields>) -> Confirmed<'_> {
    fields.map_or(Confirmed::Absent, Confirmed::Live)
}

const NAMES: [&str; 9] = [
    "server_wins",
    "client_wins",
    "manual",
    "latest",
    "mark",
    "interim",
    "renamed",
    "other",
    "text",
];

fn some_fields() -> impl Strategy<Value = Fields> {
    prop::collection::btree_map(prop::sample::select(NAMES.to_vec()), value(), 0..8)
        .prop_map(|map| map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

proptest! {
    // Carrying an operation forward and folding it is folding it and carrying the row forward, for
    // every history of one side and every kind of step.
    #[test]
    fn carrying_and_folding_commute(seen in prop::option::of(some_fields()), steps in steps()) {
        let schema = every_step();
        let declared = TypeSchema::default();
        let (operations, _) = play(seen.as_ref(), &steps);
        let before = fold(&declared, confirmed(seen.as_ref()), &operations);
        let expected = before.view.map(|fields| carried_entity(&schema, fields));
        let seen = seen.map(|fields| carried_entity(&schema, fields));
        let operations = carried(&schema, &operations);
        let after = fold(&declared, confirmed(seen.as_ref()), &operations);
        prop_assert_eq!(after.view, expected);
    }

    // A rename commutes with every history of two sides: with conflicts, and with values that an
    // undeclared field of the new name has.
    #[test]
    fn a_rename_commutes_with_everything(
        seen in some_fields(),
        told in some_fields(),
        steps in steps(),
    ) {
        let schema = evolved(&[json!([
            {"rename_field": {"type": "T", "from": "client_wins", "to": "mark"}},
            {"rename_field": {"type": "T", "from": "server_wins", "to": "again"}}
        ])]);
        let declared = TypeSchema::default();
        let (operations, _) = play(Some(&seen), &steps);
        let before = fold(&declared, Confirmed::Live(&told), &operations);
        let told = carried_entity(&schema, told);
        let after = fold(&declared, Confirmed::Live(&told), &carried(&schema, &operations));
        prop_assert_eq!(after.view, before.view.map(|fields| carried_entity(&schema, fields)));
        for (before, after) in before.effects.iter().zip(&after.effects) {
            prop_assert_eq!(before.effect, after.effect);
        }
    }

    // Nothing is lost: every field that was there is there, under one name or another.
    #[test]
    fn no_field_is_lost(fields in some_fields()) {
        let schema = every_step();
        let count = fields.len();
        let part = schema.carried_part(1, &the_type(), fields.clone());
        prop_assert_eq!(part.len(), count);
        let whole = carried_entity(&schema, fields);
        for (name, value) in part.iter() {
            prop_assert_eq!(whole.get(name), Some(value));
        }
        prop_assert!(whole.len() <= count + 1);
    }

    // What is of the present version stays as it is.
    #[test]
    fn the_present_is_not_carried(fields in some_fields(), old in maybe(value())) {
        let schema = every_step();
        let since = schema.version;
        prop_assert_eq!(&schema.carried_fields(since, &the_type(), fields.clone()), &fields);
        let change = FieldChange { field: "server_wins".to_owned(), old, new: None };
        let same = schema.carried_changes(since, &the_type(), Kind::Update, vec![change.clone()]);
        prop_assert_eq!(same, vec![change]);
    }

    // One version at a time leads to the same as all at once.
    #[test]
    fn versions_follow_one_another(fields in some_fields()) {
        let all = every_step();
        let mut step_by_step = fields.clone();
        for version in 1..all.version {
            let mut until = all.clone();
            until.migrations.retain(|migration| migration.to <= version + 1);
            step_by_step = until.carried_fields(version, &the_type(), step_by_step);
        }
        prop_assert_eq!(carried_entity(&all, fields), step_by_step);
    }
}

/// Shows that the histories of the laws write what the steps change.
#[test]
fn the_steps_meet_what_is_written() {
    let write = Step::Write(vec![("latest", Some(json!(0))), ("server_wins", Some(json!(2)))]);
    let (operations, _) = play(None, &[write]);
    let operations = carried(&every_step(), &operations);
    let made: Vec<_> = operations[0].changes.iter().map(|one| (&*one.field, &one.new)).collect();
    let (one, two, empty) = (Some(json!(1)), Some(json!(2)), Some(json!([])));
    assert_eq!(made, [("latest", &one), ("manual", &empty), ("mark", &two)]);
}
