//! Promise I17 in this crate: values never show in `Debug` or in error words.

use clarity_model::{
    Confirmed, Counter, Entity, EntityKey, FieldChange, Fields, FoldOperation, InvalidEntity, Kind,
    ServerTime, Version, validate_fields,
};
use serde_json::{Value, json};

/// Planted as a value wherever there is one; numbers as well as texts.
const CANARY: &str = "canary-4711";

fn planted() -> Fields {
    Fields::from([
        ("note", json!(CANARY)),
        ("value", json!(4711)),
        ("nested", json!({"canary-4711": [CANARY]})),
    ])
}

#[track_caller]
fn hides_the_canary(shown: &str) {
    assert!(!shown.contains("4711"), "{shown}");
}

// `Debug` of everything that holds values shows names only, in both of its forms.
#[test]
fn debug_shows_no_value() {
    let fields = planted();
    let change =
        FieldChange { field: "note".into(), old: Some(json!(CANARY)), new: Some(json!(4711)) };
    let entity = Entity {
        key: EntityKey::new("Note", "one").unwrap(),
        fields: fields.clone(),
        version: Version(1),
        updated_at: ServerTime(0),
        pending: true,
    };
    let operation = FoldOperation {
        counter: Counter(1),
        kind: Kind::Update,
        changes: vec![change.clone()],
        undelete: false,
    };
    for shown in [
        format!("{fields:?} {change:?} {entity:?} {operation:?}"),
        format!("{fields:#?} {change:#?} {entity:#?} {operation:#?}"),
        format!("{:?} {:?}", Confirmed::Live(&fields), Confirmed::Deleted(&fields)),
        format!("{:?}", entity.read_version()),
    ] {
        hides_the_canary(&shown);
        assert!(shown.contains("note"), "names help and are shown: {shown}");
    }
}

// The words of an error about an entity hold none of its values.
#[test]
fn errors_show_no_value() {
    let mut deep = json!(CANARY);
    for _ in 0..40 {
        deep = json!([deep]);
    }
    let large = json!(CANARY.repeat(40_000));
    for value in [deep, large] {
        let mut fields = planted();
        fields.put("note", Some(value));
        let error = validate_fields(&fields).unwrap_err();
        hides_the_canary(&format!("{error} {error:?}"));
    }
    let name = Fields::from([("", json!(CANARY))]);
    let error = validate_fields(&name).unwrap_err();
    assert_eq!(error, InvalidEntity::FieldName);
    hides_the_canary(&error.to_string());
}

// Reading something that is not a set of fields fails without repeating it, because of the type
// that is read: any JSON value is a field's value.
#[test]
fn every_value_is_accepted() {
    for value in [Value::Null, json!(CANARY), json!([[]]), json!(1e300)] {
        let fields: Fields = serde_json::from_value(json!({ "note": value.clone() })).unwrap();
        assert_eq!(fields.get("note"), Some(&value));
        hides_the_canary(&format!("{fields:?}"));
    }
}
