//! Which migrations are refused and in which words; what becomes of single values.

use clarity_model::{Fields, Kind, Schema, SchemaError, schemas_agree};
use serde_json::{Value, json};

use crate::migration_laws::{evolved, the_type};

fn file(version: u32, migrations: &Value) -> Result<Schema, SchemaError> {
    let file = json!({
        "format": 1, "name": "t", "version": version,
        "types": {"T": {
            "policy": "merge",
            "fields": {
                "a": {}, "b": {}, "kind": {"column": "text"}, "source": {"column": "text"},
                "at": {"column": "integer"}, "value": {"column": "number"},
                "tags": {"merge": "set"}
            },
            "rollup": {"kind": "kind", "source": "source", "time_ms": "at", "value": "value"}
        }},
        "migrations": migrations,
    });
    Schema::from_json(&file.to_string())
}

#[track_caller]
fn problem(version: u32, migrations: &Value) -> String {
    match file(version, migrations) {
        Err(error @ SchemaError::Migration { .. }) => error.to_string(),
        other => panic!("expected a problem of a migration, got {other:?}"),
    }
}

fn rename(from: &str, to: &str) -> Value {
    json!({"rename_field": {"type": "T", "from": from, "to": to}})
}

fn map(field: &str, values: &Value) -> Value {
    json!({"map_values": {"type": "T", "field": field, "values": values}})
}

/// Shows that each mistake in a migration is named with its version, in words that say what to do:
/// gaps, wrong order, unknown types and fields, cycles, steps that go back, and huge ones.
#[test]
fn mistakes_are_named() {
    let one = |step: Value| json!([{"to": 2, "steps": [step]}]);
    let at = |to: u32, step: Value| json!({"to": to, "steps": [step]});
    let two = |first: Value, second: Value| json!([at(2, first), at(3, second)]);
    let many: Vec<Value> = (0..1_001).map(|n| json!({"from": n, "to": -1})).collect();
    let steps: Vec<Value> = (0..1_001).map(|_| map("a", &json!([{"from": 1, "to": 2}]))).collect();
    let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
    let rows = [
        problem(1, &json!([{"to": 1}])),
        problem(4, &json!([{"to": 2}, {"to": 4}])),
        problem(3, &json!([{"to": 3}, {"to": 2}])),
        problem(2, &json!([{"to": 2}, {"to": 2}])),
        problem(3, &json!([{"to": 2}])),
        problem(2, &json!([{"to": 2}, {"to": 3}])),
        problem(2, &one(json!({"default": {"type": "U", "field": "a", "value": 1}}))),
        problem(2, &one(rename("x", "y"))),
        problem(2, &one(rename("a", "b"))),
        problem(2, &one(rename("x", "x"))),
        problem(2, &one(rename("", "a"))),
        problem(3, &two(rename("x", "a"), rename("a", "x"))),
        problem(3, &two(rename("x", "a"), rename("x", "b"))),
        problem(3, &two(rename("x", "a"), map("x", &json!([{"from": 1, "to": 2}])))),
        problem(2, &one(map("a", &json!([])))),
        problem(2, &one(map("a", &json!([{"from": 1, "to": 2}, {"from": 1, "to": 3}])))),
        problem(2, &one(map("a", &json!(many)))),
        problem(2, &one(map("tags", &json!([{"from": 1, "to": 2}])))),
        problem(2, &one(map("kind", &json!([{"from": "a", "to": "b"}])))),
        problem(2, &one(json!({"default": {"type": "T", "field": "a", "value": deep}}))),
        problem(2, &json!([{"to": 2, "steps": steps}])),
    ];
    insta::assert_snapshot!(rows.join("\n"));
    let unknown = json!([{"to": 2, "steps": [{"drop_field": {"type": "T", "field": "a"}}]}]);
    assert!(matches!(file(2, &unknown), Err(SchemaError::Form(_))));
    let huge = format!("{{\"format\":1,\"name\":\"{}\"}}", "n".repeat(1024 * 1024));
    let huge = Schema::from_json(&huge).unwrap_err();
    assert!(matches!(huge, SchemaError::TooLarge { .. }), "{huge}");
}

/// Shows that what was released may not change: a file that leaves steps out, changes them or adds
/// some to a version that was stored is refused; one that goes on is not.
#[test]
fn released_steps_never_change() {
    let (first, other) = (rename("x", "a"), rename("y", "a"));
    let stored = file(2, &json!([{"to": 2, "steps": [first]}])).unwrap();
    let goes_on = file(4, &json!([{"to": 2, "steps": [first]}, {"to": 3}, {"to": 4}])).unwrap();
    assert_eq!(goes_on.check_continues(&stored), Ok(()));
    assert_eq!(goes_on.steps_version(), 2);
    let changed = file(3, &json!([{"to": 2, "steps": [other]}, {"to": 3}])).unwrap();
    let refused = changed.check_continues(&stored).unwrap_err().to_string();
    assert!(refused.ends_with("steps never change once they are released"), "{refused}");
    let left_out = file(3, &json!([])).unwrap();
    assert!(left_out.check_continues(&stored).is_err());
    let plain = file(2, &json!([])).unwrap();
    assert!(goes_on.check_continues(&plain).is_err());
    // A version that only adds may be named or not.
    let later = json!([{"to": 3, "steps": [first]}]);
    assert_eq!(file(3, &later).unwrap().check_continues(&plain), Ok(()));
}

/// Shows who understands whom: neither side may lack steps that the other has taken.
#[test]
fn who_understands_whom() {
    let rows = [
        ((1, 0), (1, 0), true),
        ((1, 0), (9, 0), true),
        ((1, 0), (2, 2), false),
        ((2, 2), (1, 0), false),
        ((2, 0), (3, 2), true),
        ((3, 2), (5, 2), true),
        ((3, 3), (5, 2), true),
        ((2, 2), (3, 3), false),
        ((0, 0), (1, 0), true),
    ];
    for (one, other, agree) in rows {
        assert_eq!(schemas_agree(one, other), agree, "{one:?} {other:?}");
        assert_eq!(schemas_agree(other, one), agree, "{other:?} {one:?}");
    }
}

/// Shows that a value which a map does not take is found by the field's present name, after later
/// maps and renames, and that values which are already as they should be are taken.
#[test]
fn a_refused_value_is_found() {
    let schema = evolved(&[
        json!([{"map_values": {"type": "T", "field": "unit", "unmapped": "refuse",
            "values": [{"from": "lb", "to": "pound"}, {"from": "kilo", "to": "kg"}]}}]),
        json!([{"rename_field": {"type": "T", "from": "unit", "to": "mark"}}]),
        json!([{"map_values": {"type": "T", "field": "mark",
            "values": [{"from": "pound", "to": "lb"}]}}]),
    ]);
    let refused = |since: u32, wanted: Value| {
        let fields: Fields = serde_json::from_value(wanted).unwrap();
        schema.refused_field(since, &the_type(), fields.iter()).map(str::to_owned)
    };
    for taken in ["lb", "kg"] {
        assert_eq!(refused(1, json!({"mark": taken, "other": 1})), None, "{taken}");
    }
    for not_taken in ["stone", "pound", "kilo"] {
        assert_eq!(refused(1, json!({"mark": not_taken})).as_deref(), Some("mark"));
        assert_eq!(refused(2, json!({"mark": not_taken})), None);
    }
    assert_eq!(refused(1, json!({"unit": "stone"})), None);
}

/// Shows what becomes of an update whose values become the same, and of one that removes a field
/// which every entity must have.
#[test]
fn single_changes() {
    let schema = evolved(&[json!([
        {"map_values": {"type": "T", "field": "mark",
            "values": [{"from": "kilo", "to": "kg"}, {"from": "KG", "to": "kg"}]}},
        {"default": {"type": "T", "field": "latest", "value": 0}}
    ])]);
    let carry = |changes: Value| {
        let changes = serde_json::from_value(changes).unwrap();
        let carried = schema.carried_changes(1, &the_type(), Kind::Update, changes);
        serde_json::to_value(carried).unwrap()
    };
    assert_eq!(carry(json!([{"field": "mark", "old": "kilo", "new": "KG"}])), json!([]));
    let removed = carry(json!([{"field": "latest", "old": 5}]));
    assert_eq!(removed, json!([{"field": "latest", "old": 5, "new": 0}]));
    let added = carry(json!([{"field": "latest", "new": 5}, {"field": "mark", "new": "KG"}]));
    let expected = json!([
        {"field": "latest", "old": 0, "new": 5}, {"field": "mark", "new": "kg"}
    ]);
    assert_eq!(added, expected);
}
