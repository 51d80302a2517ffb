//! The schema file: the one that ships, what is refused, and which rule a field has.

use clarity_model::{
    EditAgainstDelete, EntityType, MergeRule, Policy, Priority, Rule, Schema, SchemaError,
};
use serde_json::{Value, json};

fn schema(types: Value) -> Result<Schema, SchemaError> {
    let file = json!({"format": 1, "name": "test", "version": 1, "types": types});
    Schema::from_json(&file.to_string())
}

/// The words of a [`SchemaError::Type`] about the type `T`.
#[track_caller]
fn problem(declared: Value) -> String {
    match schema(json!({ "T": declared })) {
        Err(SchemaError::Type { entity_type, problem }) => {
            assert_eq!(entity_type.as_str(), "T");
            problem
        }
        other => panic!("expected a problem of the type, got {other:?}"),
    }
}

fn entity_type(name: &str) -> EntityType {
    EntityType::new(name).expect("a type name")
}

// The schema that ships is a schema, and its hash changes only when somebody means to change it.
#[test]
fn the_shipped_schema_reads() {
    let shipped = Schema::shipped().unwrap();
    let names: Vec<&str> = shipped.types.keys().map(EntityType::as_str).collect();
    insta::assert_snapshot!(
        format!("{} {} {}\n{}", shipped.name, shipped.version, shipped.hash(), names.join(" ")),
        @r"
    clarity-pulse 1 5f191928a6dadffde2fd4b4c85fcbdc5
    ActivitySummary Correlation Goal HealthMetric ManualReading Note UserPreference Workout WorkoutRoute
    "
    );
}

// The hash is of the meaning: neither spaces nor the order of keys nor spelled-out defaults count.
#[test]
fn the_hash_is_of_the_meaning() {
    let one = Schema::from_json(
        r#"{"format":1,"name":"n","version":1,"types":{"A":{},"B":{"policy":"merge"}}}"#,
    );
    let same = Schema::from_json(
        r#"{ "types": {"B": {"policy": "merge", "priority": "normal"}, "A": {"fields": {}}},
             "version": 1, "name": "n", "format": 1 }"#,
    );
    let other = Schema::from_json(
        r#"{"format":1,"name":"n","version":1,"types":{"A":{},"B":{"policy":"manual"}}}"#,
    );
    let [one, same, other] = [one, same, other].map(|schema| schema.unwrap().hash());
    assert_eq!(one, same);
    assert_ne!(one, other);
    assert_eq!(one.len(), 32);
}

// A schema reads back as it is written.
#[test]
fn a_schema_survives_json() {
    let shipped = Schema::shipped().unwrap();
    let again = Schema::from_json(&serde_json::to_string(&shipped).unwrap()).unwrap();
    assert_eq!(again, shipped);
    assert_eq!(again.hash(), shipped.hash());
}

// Texts that are not a schema say so, and never panic; nesting without end is one of them.
#[test]
fn other_texts_are_not_a_schema() {
    let deep = format!("{{\"format\":1,\"types\":{}", "[".repeat(100_000));
    let key = |extra: &str| format!(r#"{{"format":1,"name":"n","version":1,"types":{{{extra}}}}}"#);
    for text in [
        "",
        "null",
        "[]",
        "{}",
        "{\"format\":\"1\"}",
        "{\"format\":-1}",
        &deep,
        "{\"format\":1}",
        &key("\"1T\":{}"),
        &key("\"T\":{\"polcy\":\"merge\"}"),
        &key("\"T\":{\"policy\":\"merg\"}"),
        &key("\"T\":{\"fields\":{\"a\":{\"colum\":\"text\"}}}"),
        &Schema::SHIPPED_JSON[..Schema::SHIPPED_JSON.len() / 2],
    ] {
        let error = Schema::from_json(text).unwrap_err();
        assert!(matches!(error, SchemaError::Form(_)), "{error}");
    }
}

// A file of a later format is named as that, also when it has keys that this version never knew.
#[test]
fn a_later_format_is_named() {
    let error = Schema::from_json(r#"{"format":2,"lanes":[],"types":[]}"#).unwrap_err();
    assert_eq!(error, SchemaError::Format { found: 2 });
    assert_eq!(error.to_string(), "the schema file has format 2; this program reads format 1");
}

// Each mistake in a type is named with the type, in words that say what to change.
#[test]
fn mistakes_in_a_type_are_named() {
    let column = |name: &str| problem(json!({"fields": {name: {"column": "text"}}}));
    for name in ["", "Title", "1st", "_a", "a-b", "a b", "é", "a\"b"] {
        assert!(column(name).ends_with("must be lower-case letters, digits and underscores"));
    }
    for name in
        ["id", "extra", "version", "updated_at", "state", "accessed_at", "import_id", "profile_id"]
    {
        assert!(column(name).ends_with("is reserved; choose another"), "{name}");
    }
    let undeclared = "\"a\" is used as a column but not declared as one";
    assert_eq!(problem(json!({"indexes": [["a"]]})), undeclared);
    assert_eq!(problem(json!({"fields": {"a": {}}, "indexes": [["a"]]})), undeclared);
    assert_eq!(problem(json!({"window": {"time_ms": "a"}})), undeclared);
    for missing in ["kind", "source", "time_ms", "value"] {
        let mut rollup = json!({"kind": "b", "source": "b", "time_ms": "b", "value": "b"});
        rollup[missing] = json!("a");
        let declared = json!({"fields": {"b": {"column": "number"}}, "rollup": rollup});
        assert_eq!(problem(declared), undeclared, "{missing}");
    }
    assert_eq!(problem(json!({"indexes": [[]]})), "an index names no field");
    let error = schema(json!({"T": {}, "t": {}})).unwrap_err();
    assert_eq!(
        error.to_string(),
        "in the schema, type t: another type has the same name but for upper and lower case"
    );
}

// Names that are not columns are free: they never become one.
#[test]
fn fields_without_a_column_have_any_name() {
    assert!(schema(json!({"T": {"fields": {"Ünï ☂": {"policy": "manual"}, "id": {}}}})).is_ok());
}

// The rule of a field: its own policy before the type's, and a merge rule only under `merge`.
#[test]
fn the_rule_of_a_field() {
    let text = Rule::Merge(MergeRule::Text);
    let rows: [(&str, Option<&str>, Option<&str>, Rule); 12] = [
        ("manual", None, None, Rule::Manual),
        ("server_wins", None, None, Rule::ServerWins),
        ("client_wins", None, None, Rule::ClientWins),
        ("merge", None, None, Rule::Manual),
        ("merge", None, Some("text"), text),
        ("manual", None, Some("text"), Rule::Manual),
        ("server_wins", None, Some("text"), Rule::ServerWins),
        ("client_wins", None, Some("text"), Rule::ClientWins),
        ("manual", Some("merge"), Some("text"), text),
        ("server_wins", Some("manual"), None, Rule::Manual),
        ("merge", Some("client_wins"), Some("text"), Rule::ClientWins),
        ("client_wins", Some("server_wins"), None, Rule::ServerWins),
    ];
    for (of_type, of_field, merge, rule) in rows {
        let mut field = json!({});
        if let Some(policy) = of_field {
            field["policy"] = json!(policy);
        }
        if let Some(merge) = merge {
            field["merge"] = json!(merge);
        }
        let schema = schema(json!({"T": {"policy": of_type, "fields": {"a": field}}})).unwrap();
        let declared = schema.type_schema(&entity_type("T"));
        assert_eq!(declared.rule("a"), rule, "{of_type} {of_field:?} {merge:?}");
    }
}

// A field that nobody declared has the type's policy, and under `merge` a person is asked.
#[test]
fn undeclared_fields_and_types() {
    let schema = schema(json!({"M": {"policy": "merge"}, "C": {"policy": "client_wins"}})).unwrap();
    let rule = |name: &str| schema.type_schema(&entity_type(name)).rule("later");
    assert_eq!(rule("M"), Rule::Manual);
    assert_eq!(rule("C"), Rule::ClientWins);
    assert_eq!(rule("Unheard"), Rule::Manual);
    let unheard = schema.type_schema(&entity_type("Unheard"));
    assert_eq!(unheard.policy, Policy::Manual);
    assert_eq!(unheard.edit_against_delete, EditAgainstDelete::Manual);
    assert_eq!(unheard.priority, Priority::Normal);
}

// What the product says of its own types, as a table.
#[test]
fn the_shipped_rules() {
    let shipped = Schema::shipped().unwrap();
    let rule = |name: &str, field: &str| shipped.type_schema(&entity_type(name)).rule(field);
    let rows = [
        ("HealthMetric", "value", Rule::ServerWins),
        ("ManualReading", "value", Rule::Manual),
        ("ManualReading", "note", Rule::Manual),
        ("Note", "text", Rule::Merge(MergeRule::Text)),
        ("Note", "tags", Rule::Merge(MergeRule::Set)),
        ("Note", "title", Rule::Manual),
        ("Goal", "progress", Rule::Merge(MergeRule::Counter)),
        ("Goal", "best", Rule::Merge(MergeRule::Max)),
        ("Goal", "target", Rule::Manual),
        ("UserPreference", "theme", Rule::ClientWins),
    ];
    for (name, field, expected) in rows {
        assert_eq!(rule(name, field), expected, "{name}.{field}");
    }
    let against_delete = |name| shipped.type_schema(&entity_type(name)).edit_against_delete;
    assert_eq!(against_delete("HealthMetric"), EditAgainstDelete::DeleteWins);
    assert_eq!(against_delete("UserPreference"), EditAgainstDelete::EditWins);
    assert_eq!(against_delete("Note"), EditAgainstDelete::Manual);
}
