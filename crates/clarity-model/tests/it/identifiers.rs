//! Identifiers: what is one, what is not, and that they read back as they are written.

use std::fmt::Debug;
use std::str::FromStr;

use clarity_model::{
    Check, Counter, EntityId, EntityKey, EntityType, Epoch, IdError, Incarnation, OperationId,
    Outcome, RejectReason, Version, limits, validate_key,
};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads back what it writes, as text and as JSON.
fn reads_back<T>(value: &T)
where
    T: ToString + FromStr + Serialize + DeserializeOwned + PartialEq + Debug,
{
    let text = value.to_string();
    assert_eq!(text.parse::<T>().ok().as_ref(), Some(value));
    let json = serde_json::to_value(value).ok();
    assert_eq!(json, Some(serde_json::Value::from(text)));
    assert_eq!(json.and_then(|json| serde_json::from_value::<T>(json).ok()).as_ref(), Some(value));
}

proptest! {
    // Every identifier reads back as it was written.
    #[test]
    fn identifiers_read_back(
        incarnation in any::<u128>(), counter in any::<u64>(), check in any::<u64>(),
        entity_type in "[A-Za-z][A-Za-z0-9_]{0,63}", id in "[^/\\pC]{1,32}",
    ) {
        reads_back(&Incarnation(incarnation));
        reads_back(&Epoch(incarnation));
        reads_back(&OperationId {
            incarnation: Incarnation(incarnation),
            counter: Counter(counter),
        });
        let key = EntityKey::new(&entity_type, &id).unwrap();
        reads_back(&key.entity_type);
        reads_back(&key.id);
        prop_assert!(validate_key(&key));
        let json = serde_json::to_string(&key).unwrap();
        prop_assert_eq!(serde_json::from_str::<EntityKey>(&json).unwrap(), key);
        let json = serde_json::to_string(&Check(check)).unwrap();
        prop_assert_eq!(json.len(), 18);
        prop_assert_eq!(serde_json::from_str::<Check>(&json).unwrap(), Check(check));
    }

    // No text makes a parser panic, and what is accepted is written as it was read, letter case of
    // hexadecimal digits aside.
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,140}|[0-9a-fA-F:+ ]{0,60}|.{0,20}") {
        if let Ok(id) = EntityId::new(&text) {
            prop_assert_eq!(id.as_str(), &text);
        }
        if let Ok(entity_type) = EntityType::new(&text) {
            prop_assert_eq!(entity_type.as_str(), &text);
        }
        if let Ok(id) = text.parse::<Incarnation>() {
            prop_assert_eq!(id.to_string(), text.to_ascii_lowercase());
        }
        if let Ok(id) = text.parse::<OperationId>() {
            prop_assert_eq!(id.to_string(), text.to_ascii_lowercase());
        }
    }
}

// Texts that look like an operation id and are not.
#[test]
fn operation_ids_have_one_spelling() {
    let hex = "00000000000000000000000000000001";
    assert!(format!("{hex}:18446744073709551615").parse::<OperationId>().is_ok());
    for counter in ["", "+1", "-1", "01", " 1", "1 ", "1:1", "0x1", "18446744073709551616", "１"] {
        let text = format!("{hex}:{counter}");
        assert_eq!(text.parse::<OperationId>(), Err(IdError::OperationId), "{text}");
    }
    let short = &hex[1..];
    for text in ["", ":", "1", hex, &format!("{short}:1"), &format!("+{short}:1"), "é:1"] {
        assert_eq!(text.parse::<OperationId>(), Err(IdError::OperationId), "{text}");
    }
}

// 128-bit ids and checks are hexadecimal digits of one length and nothing else.
#[test]
fn hexadecimal_ids_are_exact() {
    let long = "0123456789abcdef0123456789abcdef0";
    for text in [
        "",
        "1",
        &long[..31],
        long,
        "+123456789abcdef0123456789abcdef",
        "g123456789abcdef0123456789abcdef",
        "0123456789abcdef 123456789abcdef",
        "éééééééééééééééé",
    ] {
        assert_eq!(text.parse::<Incarnation>(), Err(IdError::Hex128), "{text}");
        assert_eq!(text.parse::<Epoch>(), Err(IdError::Hex128), "{text}");
    }
    for text in ["", "1", "+123456789abcdef", "0123456789abcdef0", "0x23456789abcdef", "éééééééé"]
    {
        let json = serde_json::to_string(text).unwrap();
        assert!(serde_json::from_str::<Check>(&json).is_err(), "{text}");
    }
}

// Entity types become table names and parts of paths: letters, digits and underscores only.
#[test]
fn hostile_entity_types_are_refused() {
    let longest = "T".repeat(limits::ENTITY_TYPE_BYTES_MAX);
    assert!(EntityType::new(&longest).is_ok());
    for text in [
        "",
        " ",
        "1Note",
        "_Note",
        "No-te",
        "No te",
        "Note\0",
        "Note/",
        "../Note",
        "Nöte",
        "Note\"; DROP TABLE x; --",
        "Note\n",
        &format!("{longest}T"),
    ] {
        assert_eq!(EntityType::new(text), Err(IdError::EntityType), "{text:?}");
    }
}

// Entity ids come from any backend, so that much is allowed, but nothing that breaks a line, a path
// or a limit. The limit counts bytes.
#[test]
fn hostile_entity_ids_are_refused() {
    let longest = "é".repeat(limits::ENTITY_ID_BYTES_MAX / 2);
    for text in ["a", "preferences", "018f-…", "a b", "' OR 1=1", "%2F", longest.as_str()] {
        assert!(EntityId::new(text).is_ok(), "{text:?}");
    }
    for text in ["", "a/b", "/", "a\0", "a\nb", "\u{7f}", "\u{85}", &format!("{longest}x")] {
        assert_eq!(EntityId::new(text), Err(IdError::EntityId), "{text:?}");
    }
}

// The words of outcomes and reasons are the words on the wire.
#[test]
fn words_are_wire_words() {
    for word in [
        "applied",
        "merged",
        "superseded",
        "conflict",
        "rejected",
        "blocked",
        "op_id_reused",
        "reidentify",
    ] {
        let outcome = Outcome::from_word(word).unwrap();
        assert_eq!(outcome.as_str(), word);
        assert_eq!(serde_json::to_value(outcome).unwrap(), word);
        assert_eq!(outcome.is_settled(), ["applied", "merged", "superseded"].contains(&word));
    }
    assert_eq!(Outcome::from_word("Applied"), None);
    for reason in [
        RejectReason::TooLarge,
        RejectReason::Invalid,
        RejectReason::NotAllowed,
        RejectReason::NotFound,
        RejectReason::Refused,
        RejectReason::ServerFailure,
        RejectReason::SchemaMigration,
        RejectReason::Unknown,
    ] {
        assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
    }
    let later: RejectReason = serde_json::from_str("\"a_reason_of_a_later_version\"").unwrap();
    assert_eq!(later, RejectReason::Unknown);
}

// Numbers stop at their end instead of starting again.
#[test]
fn numbers_do_not_wrap() {
    assert_eq!(Version(1).next(), Version(2));
    assert_eq!(Version(u64::MAX).next(), Version(u64::MAX));
}
