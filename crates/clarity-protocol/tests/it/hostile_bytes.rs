//! Bytes from outside: whatever they are, reading them ends in a value or in an error.

use clarity_protocol::*;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::wire;

/// Reads the bytes as everything that can be read. What reads, writes and reads back.
fn read_as_everything(bytes: &[u8]) {
    fn read<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
        if let Ok(message) = decode::<T>(bytes) {
            let text = serde_json::to_string(&message).expect("a message is JSON");
            assert!(decode::<T>(text.as_bytes()).is_ok(), "what was written is read");
        }
    }
    read::<WireOperation>(bytes);
    read::<PushRequest>(bytes);
    read::<PushResponse>(bytes);
    read::<PullRequest>(bytes);
    read::<PullResponse>(bytes);
    read::<Cursor>(bytes);
    read::<Problem>(bytes);
    read::<SignUpRequest>(bytes);
    read::<LoginRequest>(bytes);
    read::<RefreshRequest>(bytes);
    read::<Tokens>(bytes);
    read::<DeviceList>(bytes);
    if let Ok(request) = decode::<PushRequest>(bytes) {
        for operation in &request.operations {
            let _ = decode_operation(operation);
        }
    }
    if let Ok(raw) = decode::<Box<RawValue>>(bytes) {
        let _ = decode_operation(&raw);
    }
    let text = String::from_utf8_lossy(bytes);
    if let Some(hint) = Hint::parse(&text) {
        assert_eq!(Hint::parse(&hint.to_json()), Some(hint));
    }
    let _ = retry_after_ms(&text);
    for status in [200, 400, 503] {
        let _ = classify(Answer {
            status,
            protocol: Some("1"),
            content_type: Some(&text),
            retry_after_ms: None,
            body: bytes,
        });
        let _ = classify(Answer {
            status,
            protocol: Some("1"),
            content_type: Some(CONTENT_TYPE),
            retry_after_ms: None,
            body: bytes,
        });
    }
}

fn valid_message() -> impl Strategy<Value = Vec<u8>> {
    fn bytes<T: Serialize>(message: &T) -> Vec<u8> {
        serde_json::to_vec(message).expect("a message is JSON")
    }
    prop::sample::select(vec![
        bytes(&wire::create()),
        bytes(&wire::update()),
        bytes(&wire::push_request()),
        bytes(&wire::push_response()),
        bytes(&wire::pull_request()),
        bytes(&wire::pull_response()),
        bytes(&wire::cursor()),
        bytes(&wire::fetch_request()),
        bytes(&wire::fetch_response()),
        bytes(&Problem::new(410, ProblemCode::CursorRefused, "words")),
        Hint::full().to_json().into_bytes(),
        br#"{"sync":{"type":"partial","entities":["Note","Goal/g-1"]}}"#.to_vec(),
    ])
}

#[derive(Debug, Clone)]
enum Damage {
    Flip(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, usize),
    Double(prop::sample::Index, usize),
    Truncate(prop::sample::Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let index = any::<prop::sample::Index>;
    let tokens: Vec<Vec<u8>> = [
        "{",
        "}",
        "[",
        "]",
        "\"",
        ",",
        ":",
        "null",
        "-",
        "1e999",
        "\\u0000",
        "\\ud800",
        "18446744073709551616",
        "\u{0}",
        "{\"counter\":0}",
        "[[[[",
    ]
    .map(|token| token.as_bytes().to_vec())
    .to_vec();
    prop_oneof![
        (index(), any::<u8>()).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        (index(), prop::sample::select(tokens)).prop_map(|(at, token)| Damage::Insert(at, token)),
        (index(), 1..40_usize).prop_map(|(at, length)| Damage::Remove(at, length)),
        (index(), 1..40_usize).prop_map(|(at, length)| Damage::Double(at, length)),
        index().prop_map(Damage::Truncate),
    ]
}

fn damaged(mut bytes: Vec<u8>, damage: &[Damage]) -> Vec<u8> {
    for step in damage {
        if bytes.is_empty() {
            break;
        }
        let end_of = |at: usize, length: usize, all: &[u8]| (at + length).min(all.len());
        match step {
            Damage::Flip(at, bits) => {
                let at = at.index(bytes.len());
                bytes[at] ^= bits;
            }
            Damage::Insert(at, token) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, token.iter().copied());
            }
            Damage::Remove(at, length) => {
                let at = at.index(bytes.len());
                bytes.drain(at..end_of(at, *length, &bytes));
            }
            Damage::Double(at, length) => {
                let at = at.index(bytes.len());
                let piece = bytes[at..end_of(at, *length, &bytes)].to_vec();
                bytes.splice(at..at, piece);
            }
            Damage::Truncate(at) => bytes.truncate(at.index(bytes.len())),
        }
    }
    bytes
}

proptest! {
    // Any bytes at all.
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_as_everything(&bytes);
    }

    // Bytes that are made of the pieces of JSON.
    #[test]
    fn nearly_json(text in "[\\[\\]{}\",:0-9a-e\\\\ nultrfsi.+-]{0,80}") {
        read_as_everything(text.as_bytes());
    }

    // Messages that were right before something happened to them.
    #[test]
    fn damaged_messages(
        message in valid_message(), damage in prop::collection::vec(damage(), 0..4)
    ) {
        read_as_everything(&damaged(message, &damage));
    }
}

// Nesting without end is refused by every reader, at the start and inside of a message, and never
// exhausts the stack.
#[test]
fn endless_nesting_is_refused() {
    for levels in [129, 300_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = format!("{}1{}", open.repeat(levels), close.repeat(levels));
            assert!(decode::<serde_json::Value>(nested.as_bytes()).is_err());
            read_as_everything(nested.as_bytes());
            for template in
                ["{\"counter\":1,\"x\":HERE}", "{\"sync\":{\"type\":\"full\",\"x\":HERE}}"]
            {
                read_as_everything(template.replace("HERE", &nested).as_bytes());
            }
            let mut request = wire::push_request();
            request.operations.push(RawValue::from_string(nested).expect("JSON"));
            let bytes = serde_json::to_vec(&request).expect("JSON");
            let again: PushRequest = decode(&bytes).expect("the envelope is right");
            let answers: Vec<bool> =
                again.operations.iter().map(|raw| decode_operation(raw).is_ok()).collect();
            assert_eq!(answers, [true, true, false], "only the nested operation is refused");
        }
    }
}

// A message that breaks off anywhere is an error with a place in it, and no value.
#[test]
fn truncated_messages_name_a_place() {
    let bytes = serde_json::to_vec(&wire::pull_response()).expect("JSON");
    for length in 0..bytes.len() {
        let error = decode::<PullResponse>(&bytes[..length]).expect_err("it breaks off");
        assert_eq!((error.line, error.column), (1, length));
    }
    let error = decode::<PullResponse>(b"").expect_err("it is empty");
    let words = "the message is not of the expected form at line 1, column 0";
    assert_eq!(error.to_string(), words);
}
