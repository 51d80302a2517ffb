//! What is stored is read back identical, for all JSON.

use std::collections::BTreeMap;

use clarity_model::{EntityKey, Fields};
use clarity_store::{ListOptions, StoredEntity};
use proptest::prelude::*;
use serde_json::{Number, Value, json};

use crate::support::{Place, key, stored};

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|float| Number::from_f64(float).map_or(Value::Null, Value::Number)),
        prop::sample::select(vec![
            json!(0),
            json!(-0.0),
            json!(0.0),
            json!(1),
            json!(1.0),
            json!(-1.0),
            json!(u64::MAX),
            json!(i64::MAX),
            json!(i64::MIN),
            json!(i64::MAX as u64 + 1),
            json!(9_007_199_254_740_993_i64),
            json!(9_007_199_254_740_992.0),
            json!(9.223_372_036_854_776e18),
            json!(-9.223_372_036_854_776e18),
            json!(f64::MAX),
            json!(f64::MIN_POSITIVE),
            json!(5e-324),
            json!(0.1),
            json!(1e300),
        ]),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[\u{0}-\u{7f}]{0,6}",
        prop::sample::select(vec![
            "",
            "\u{0}",
            "a\u{0}b",
            "1",
            "1.0",
            "true",
            "null",
            "{}",
            "\u{feff}",
            "\u{10ffff}",
            "\"quoted\"",
            "back\\slash",
            "\u{2028}",
            "e\u{301}",
            "'; DROP TABLE meta; --",
        ])
        .prop_map(str::to_owned),
    ]
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number(),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Fields whose names are mostly those of columns, so that every kind of value meets every kind of
/// column.
fn some_fields() -> impl Strategy<Value = Fields> {
    let name = prop_oneof![
        prop::sample::select(vec![
            "metric", "source", "start_ms", "value", "flag", "details", "loose", "id", "type",
            "extra", "version", "seq", "state", "zz", "",
        ])
        .prop_map(str::to_owned),
        text(),
    ];
    prop::collection::btree_map(name, json_value(), 0..10).prop_map(Fields)
}

fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<u128>().prop_map(|bits| uuid::Uuid::from_u128(bits).to_string()),
        any::<u128>().prop_map(|bits| uuid::Uuid::from_u128(bits).to_string().to_uppercase()),
        any::<u128>().prop_map(|bits| uuid::Uuid::from_u128(bits).simple().to_string()),
        any::<u128>().prop_map(|bits| uuid::Uuid::from_u128(bits).urn().to_string()),
        "[a-zA-Z0-9_.~ é-]{1,20}",
    ]
}

/// The exact text of a row: `==` on JSON numbers takes -0.0 for 0.0, their text does not.
fn exact(entity: &StoredEntity) -> String {
    entity.fields.to_canonical_json()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Shows that any JSON in any field of a declared, a columnless and an undeclared type, and
    /// any id, come back as they were, whether inserted, put over another, listed or read.
    #[test]
    fn everything_reads_back_identical(
        rows in prop::collection::btree_map(id(), (some_fields(), some_fields()), 1..6),
    ) {
        let place = Place::new();
        let mut store = place.open();
        for entity_type in ["Sample", "Empty", "Undeclared"] {
            let mut transaction = store.begin().unwrap();
            let mut expected = BTreeMap::<EntityKey, String>::new();
            for (id, (first, second)) in &rows {
                let key = key(entity_type, id);
                let one = StoredEntity { fields: first.clone(), ..stored(json!({})) };
                let other = StoredEntity { fields: second.clone(), ..stored(json!({})) };
                prop_assert!(transaction.insert_entity(&key, &one).unwrap());
                prop_assert!(!transaction.insert_entity(&key, &other).unwrap());
                let read = transaction.entity(&key).unwrap().unwrap();
                prop_assert_eq!(&read, &one);
                prop_assert_eq!(exact(&read), exact(&one));
                transaction.put_entity(&key, &other).unwrap();
                let read = transaction.entity(&key).unwrap().unwrap();
                prop_assert_eq!(&read, &other);
                expected.insert(key, exact(&other));
            }
            transaction.commit().unwrap();
            let transaction = store.begin().unwrap();
            let listed = transaction
                .list_entities(&crate::support::entity_type(entity_type), &ListOptions::default())
                .unwrap();
            let listed: BTreeMap<_, _> =
                listed.into_iter().map(|(key, entity)| (key, exact(&entity))).collect();
            prop_assert_eq!(listed, expected);
        }
    }
}

/// Shows that values that look alike stay apart in a column: integers and floats, zero and minus
/// zero, absent and `null`.
#[test]
fn look_alikes_stay_apart() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    for text in [
        r#"{"value":1}"#,
        r#"{"value":1.0}"#,
        r#"{"value":-0.0}"#,
        r#"{"value":0}"#,
        r#"{"value":18446744073709551615}"#,
        r#"{"value":"1"}"#,
        r#"{"value":null}"#,
        r#"{"start_ms":1.0}"#,
        r#"{"flag":1}"#,
        r#"{"details":"{}"}"#,
        r#"{"details":{}}"#,
        "{}",
    ] {
        let fields: Fields = serde_json::from_str(text).unwrap();
        let entity = StoredEntity { fields, ..stored(json!({})) };
        let key = key("Sample", "one");
        transaction.put_entity(&key, &entity).unwrap();
        assert_eq!(exact(&transaction.entity(&key).unwrap().unwrap()), text);
    }
}

/// Shows that numbers of the whole unsigned range survive in version and seq.
#[test]
fn large_versions_survive() {
    let place = Place::new();
    let mut store = place.open();
    let mut transaction = store.begin().unwrap();
    let key = key("Undeclared", "one");
    let entity = StoredEntity {
        version: clarity_model::Version(u64::MAX),
        seq: clarity_model::Seq(u64::MAX - 1),
        ..stored(json!({}))
    };
    transaction.put_entity(&key, &entity).unwrap();
    assert_eq!(transaction.entity(&key).unwrap(), Some(entity));
}
