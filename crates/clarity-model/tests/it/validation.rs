//! The limits of an entity, at the limit and one beyond it.

use clarity_model::{
    Fields, InvalidEntity, limits, validate_depth, validate_field_name, validate_fields,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::strategies::fields;

/// An entity whose compact JSON has exactly `bytes` bytes.
fn entity_of(bytes: usize) -> Fields {
    let empty = Fields::from([("a\"b", json!(1)), ("note", json!(""))]);
    let rest = bytes - empty.to_canonical_json().len();
    Fields::from([("a\"b", json!(1)), ("note", json!("x".repeat(rest)))])
}

fn nested(levels: usize, with: fn(Value) -> Value) -> Value {
    (0..levels).fold(json!(1), |inner, _| with(inner))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    // The size that is named in the error, and so held against the limit, is that of compact JSON.
    #[test]
    fn the_size_is_that_of_compact_json(mut fields in fields()) {
        fields.put("x", Some(json!("\u{1}".repeat(50_000))));
        let bytes = fields.to_canonical_json().len();
        prop_assert_eq!(validate_fields(&fields), Err(InvalidEntity::TooLarge { bytes }));
    }
}

// An entity of exactly the limit is accepted, one byte more is not.
#[test]
fn size() {
    let limit = limits::ENTITY_BYTES_MAX;
    assert_eq!(entity_of(limit).to_canonical_json().len(), limit);
    for bytes in [limit - 1, limit] {
        assert_eq!(validate_fields(&entity_of(bytes)), Ok(()));
    }
    let error = validate_fields(&entity_of(limit + 1)).unwrap_err();
    assert_eq!(error, InvalidEntity::TooLarge { bytes: limit + 1 });
    assert_eq!(error.to_string(), "the entity has 262145 bytes of JSON; the limit is 262144");
    assert_eq!(validate_fields(&Fields::new()), Ok(()));
}

// Nesting of exactly the limit is accepted, one level more is not, in arrays and in objects.
#[test]
fn depth() {
    let limit = limits::JSON_DEPTH_MAX;
    let forms: [fn(Value) -> Value; 2] = [|inner| json!([0, inner]), |inner| json!({"a": inner})];
    for with in forms {
        for levels in [0, 1, limit - 1, limit] {
            assert_eq!(validate_depth("note", &nested(levels, with)), Ok(()));
        }
        for levels in [limit + 1, limit + 50] {
            let error = validate_depth("note", &nested(levels, with)).unwrap_err();
            assert_eq!(error, InvalidEntity::TooDeep { field: "note".into() });
            let fields = Fields::from([("note", nested(levels, with))]);
            assert_eq!(validate_fields(&fields), Err(error));
        }
    }
}

// Field names: bytes count, and control characters are refused.
#[test]
fn field_names() {
    let longest = "é".repeat(limits::FIELD_NAME_BYTES_MAX / 2);
    for name in ["a", "a b", "Ünï ☂", "\"", "__proto__", longest.as_str()] {
        assert_eq!(validate_field_name(name), Ok(()), "{name:?}");
    }
    for name in ["", "a\0", "a\nb", "\u{7f}", &format!("{longest}x")] {
        assert_eq!(validate_field_name(name), Err(InvalidEntity::FieldName), "{name:?}");
        let fields = Fields::from([(name, json!(1))]);
        assert_eq!(validate_fields(&fields), Err(InvalidEntity::FieldName), "{name:?}");
    }
}

// JSON that nests without end is refused by the reader instead of exhausting the stack.
#[test]
fn endless_nesting_is_refused() {
    for levels in [200, 1_000_000] {
        for open in ["[", "{\"a\":"] {
            let text = format!("{{\"note\":{}", open.repeat(levels));
            assert!(serde_json::from_str::<Fields>(&text).is_err());
        }
    }
}

// The limits fit into each other: what is accepted at one place passes at the next.
#[test]
fn limits_fit_together() {
    const {
        assert!(limits::ENTITY_BYTES_MAX < limits::OPERATION_BYTES_MAX);
        assert!(limits::OPERATION_BYTES_MAX <= limits::PUSH_BYTES_MAX);
        assert!(limits::PUSH_BYTES_MAX < limits::REQUEST_BYTES_MAX);
        assert!(limits::PAGE_BYTES_MAX < limits::RESPONSE_BYTES_MAX);
        assert!(limits::TEXT_MERGE_BYTES_MAX < limits::ENTITY_BYTES_MAX);
        assert!(limits::ATOMIC_BATCH_OPERATIONS_MAX <= limits::PUSH_OPERATIONS_MAX);
    }
}
