//! Reading one operation from outside: what is refused, why, and with which id.

use clarity_protocol::model::{Counter, RejectReason, limits};
use clarity_protocol::{decode_operation, hash_operation};
use serde_json::value::RawValue;
use serde_json::{Value, json};

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).expect("well-formed JSON")
}

fn update() -> Value {
    json!({
        "counter": 7, "kind": "update", "type": "Note", "id": "n", "base": 3, "schema": 1, "at": 0,
        "changes": [{"field": "title", "old": "a", "new": "b"}],
    })
}

/// An update with some members put in place of others; `null` takes a member away.
fn with(members: Value) -> String {
    let mut operation = update();
    if let (Value::Object(into), Value::Object(from)) = (&mut operation, members) {
        for (name, value) in from {
            if value.is_null() {
                into.remove(&name);
            } else {
                into.insert(name, value);
            }
        }
    }
    operation.to_string()
}

#[track_caller]
fn accepted(text: &str) {
    if let Err((_, rejection)) = decode_operation(&raw(text)) {
        panic!("refused: {}", rejection.message);
    }
}

/// Refused with the id, the reason and words that hold `words`, and never a value of the entity.
#[track_caller]
fn refused(text: &str, id: Option<u64>, code: RejectReason, words: &str) {
    let (found, rejection) = decode_operation(&raw(text)).expect_err("it should be refused");
    assert_eq!(found, id.map(Counter), "{}", rejection.message);
    assert_eq!(rejection.code, code, "{}", rejection.message);
    assert!(rejection.message.contains(words), "{}", rejection.message);
    assert!(!rejection.message.contains("canary"), "{}", rejection.message);
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!("canary"), |inner, _| json!([inner]))
}

// What a device sends is read; members that this version does not know are ignored.
#[test]
fn operations_are_read() {
    accepted(&with(json!({})));
    accepted(&with(json!({"later": {"a": [1]}, "covers": [1, 2, 6], "batch": 7})));
    accepted(&with(json!({"kind": "delete", "changes": null})));
    accepted(&with(json!({"kind": "create", "changes": null, "base": null, "fields": {}})));
    let operation = decode_operation(&raw(&with(json!({"base": null})))).expect("a valid one");
    assert_eq!(operation.base.0, 0);
}

// `null` and absent are told apart in what the writer saw and in what the writer wants.
#[test]
fn null_is_not_absent() {
    let text = with(json!({"changes": [{"field": "a", "old": null}, {"field": "b", "new": null}]}));
    let changes = decode_operation(&raw(&text)).expect("a valid one").changes;
    assert_eq!((&changes[0].old, &changes[0].new), (&Some(Value::Null), &None));
    assert_eq!((&changes[1].old, &changes[1].new), (&None, &Some(Value::Null)));
}

// Numbers arrive as they were sent: integers to the last digit, and fractions to the last bit.
#[test]
fn numbers_arrive_exactly() {
    let numbers = "[9007199254740993,18446744073709551615,-9223372036854775808,0.1,1.0,5e-324,\
                   1.7976931348623157e+308,-0.0]";
    let text = with(json!({"kind": "create", "changes": null, "fields": {"n": "numbers"}}))
        .replace("\"numbers\"", numbers);
    let fields = decode_operation(&raw(&text)).expect("a valid one").fields.expect("fields");
    assert_eq!(fields["n"].to_string(), numbers);
}

// Members that are missing or of the wrong form: refused with a place, and with the id if it reads.
#[test]
fn wrong_forms_are_refused() {
    let invalid = |members: Value| {
        refused(&with(members), Some(7), RejectReason::Invalid, "cannot be read at column");
    };
    invalid(json!({"kind": null}));
    invalid(json!({"kind": "canary"}));
    invalid(json!({"kind": 1}));
    invalid(json!({"type": null}));
    invalid(json!({"type": "canary canary"}));
    invalid(json!({"type": "N/canary"}));
    invalid(json!({"id": null}));
    invalid(json!({"id": 7}));
    invalid(json!({"id": ""}));
    invalid(json!({"id": "canary/canary"}));
    invalid(json!({"schema": null}));
    invalid(json!({"schema": -1}));
    invalid(json!({"schema": 4_294_967_296_u64}));
    invalid(json!({"at": "canary"}));
    invalid(json!({"base": -1}));
    invalid(json!({"base": 1.5}));
    invalid(json!({"covers": "canary"}));
    invalid(json!({"covers": [-1]}));
    invalid(json!({"fields": ["canary"]}));
    invalid(json!({"changes": {"canary": 1}}));
    invalid(json!({"changes": [{"old": "canary"}]}));
    invalid(json!({"changes": ["canary"]}));
    for id in [json!(-1), json!("canary"), json!(1.5), json!([]), json!(1e300)] {
        refused(&with(json!({"counter": id})), None, RejectReason::Invalid, "cannot be read");
    }
    for text in ["null", "1", "\"canary\"", "[]", "{}", "{\"kind\":\"update\"}"] {
        refused(text, None, RejectReason::Invalid, "cannot be read");
    }
    let twice = with(json!({})).replacen('{', "{\"counter\":8,", 1);
    refused(&twice, None, RejectReason::Invalid, "cannot be read");
}

// The ids that an operation carries are its own, from 1, and older ones, each once.
#[test]
fn ids_count_from_one_upwards() {
    let invalid = |members: Value, id: u64, words: &str| {
        refused(&with(members), Some(id), RejectReason::Invalid, words);
    };
    let older = "covers only older operations, counted from 1";
    invalid(json!({"counter": 0}), 0, older);
    invalid(json!({"covers": [7]}), 7, older);
    invalid(json!({"covers": [1, 8]}), 7, older);
    invalid(json!({"covers": [u64::MAX]}), 7, older);
    invalid(json!({"covers": [0]}), 7, older);
    invalid(json!({"covers": [2, 1, 2]}), 7, "covers another operation twice");
    accepted(&with(json!({"counter": u64::MAX, "covers": [u64::MAX - 1]})));
    let limit = limits::COVERED_OPERATIONS_MAX as u64;
    let covers =
        |count: u64| json!({"counter": 5_000, "covers": (1..=count).collect::<Vec<u64>>()});
    accepted(&with(covers(limit)));
    invalid(covers(limit + 1), 5_000, "covers more operations than the limit");
}

// A create without fields, and names that no field can have.
#[test]
fn fields_are_checked() {
    let invalid =
        |members: Value, words| refused(&with(members), Some(7), RejectReason::Invalid, words);
    invalid(json!({"kind": "create"}), "a create needs fields");
    let names = [String::new(), "a\u{0}".to_owned(), "x".repeat(limits::FIELD_NAME_BYTES_MAX + 1)];
    for name in names {
        invalid(json!({"kind": "create", "fields": {name.clone(): "canary"}}), "a field name is");
        invalid(json!({"changes": [{"field": name, "new": "canary"}]}), "a field name is");
    }
}

// Nesting: the limit passes, one level more is refused by the rule, and nesting without end by the
// reader, with the id that stands before it. Nothing exhausts the stack.
#[test]
fn deep_nesting_is_refused() {
    let limit = limits::JSON_DEPTH_MAX;
    for (levels, words) in
        [(limit + 1, "nests deeper than 32 levels"), (110, "nests deeper than 32 levels")]
    {
        let fields = json!({"kind": "create", "fields": {"note": nested(levels)}});
        refused(&with(fields), Some(7), RejectReason::Invalid, words);
        for side in ["old", "new"] {
            let change = json!({"changes": [{"field": "note", side: nested(levels)}]});
            refused(&with(change), Some(7), RejectReason::Invalid, words);
        }
    }
    accepted(&with(json!({"kind": "create", "fields": {"note": nested(limit)}})));
    accepted(&with(json!({"changes": [{"field": "note", "new": nested(limit)}]})));
    let endless = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    for place in ["\"fields\":{\"a\":HERE}", "\"later\":HERE", "\"changes\":HERE"] {
        let member = place.replace("HERE", &endless);
        let text = with(json!({"changes": null})).replacen('{', &format!("{{{member},"), 1);
        refused(&text, Some(7), RejectReason::Invalid, "cannot be read at column");
    }
}

// Size: an operation of exactly the limit is read, one byte more is refused unread; an entity in it
// has its own limit.
#[test]
fn large_operations_are_refused() {
    let padded = |bytes: usize| {
        let empty = with(json!({"later": ""})).len();
        with(json!({"later": "x".repeat(bytes - empty)}))
    };
    let limit = limits::OPERATION_BYTES_MAX;
    assert_eq!(padded(limit).len(), limit);
    accepted(&padded(limit));
    let words = "the operation has 524289 bytes; the limit is 512 KiB";
    refused(&padded(limit + 1), Some(7), RejectReason::TooLarge, words);
    let fields = |bytes: usize| {
        let note = "x".repeat(bytes - "{\"note\":\"\"}".len());
        with(json!({"kind": "create", "fields": {"note": note}}))
    };
    accepted(&fields(limits::ENTITY_BYTES_MAX));
    let words = "the entity has 262145 bytes of JSON";
    let large = fields(limits::ENTITY_BYTES_MAX + 1);
    refused(&large, Some(7), RejectReason::TooLarge, words);
}

// The hash that tells a repeat from another operation is of the bytes and never changes.
#[test]
fn the_hash_is_of_the_bytes() {
    let hexadecimal = |bytes: &[u8]| {
        hash_operation(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    insta::assert_snapshot!(hexadecimal(b"{\"counter\":1}"), @"8f7b36c9ce9f0cf745b530b279643f02");
    assert_eq!(hexadecimal(b""), "af1349b9f5f9a1a6a0404dea36dcc949");
    assert_ne!(hash_operation(b"{\"counter\":1}"), hash_operation(b"{\"counter\": 1}"));
}
