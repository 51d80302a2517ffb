//! Silent pushes: what is a hint, what is none.

use clarity_protocol::model::{EntityKey, EntityType};
use clarity_protocol::{Hint, HintEntity, HintKind};
use proptest::prelude::*;

fn entity() -> impl Strategy<Value = HintEntity> {
    prop_oneof![
        "[A-Z][A-Za-z0-9_]{0,20}"
            .prop_map(|name| HintEntity::Type(EntityType::new(name).expect("a type name"))),
        ("[A-Z][A-Za-z0-9_]{0,20}", "[^/\\pC]{1,30}").prop_map(|(entity_type, id)| {
            HintEntity::Key(EntityKey::new(entity_type, id).expect("a key"))
        }),
    ]
}

fn hint() -> impl Strategy<Value = Hint> {
    let kind = prop::sample::select(vec![HintKind::Partial, HintKind::Full, HintKind::Urgent]);
    (kind, prop::collection::vec(entity(), 0..5))
        .prop_map(|(kind, entities)| Hint { kind, entities })
}

proptest! {
    /// Shows that bytes of any kind, also damaged hints, end in a hint or in none, and that what is
    /// a hint reads back as the same.
    #[test]
    fn any_bytes_end_in_a_hint_or_in_none(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        hint in hint(),
        cut in any::<prop::sample::Index>(),
    ) {
        read_back(&bytes);
        let mut damaged = hint.to_json().into_bytes();
        let at = cut.index(damaged.len());
        damaged.splice(at..at, bytes);
        read_back(&damaged);
    }

    // Every hint reads back as it was written.
    #[test]
    fn a_hint_reads_back(hint in hint()) {
        prop_assert_eq!(Hint::parse(&hint.to_json()), Some(hint));
    }

    // A hint that breaks off is none.
    #[test]
    fn a_truncated_hint_is_none(hint in hint(), at in any::<prop::sample::Index>()) {
        let json = hint.to_json();
        let mut end = at.index(json.len());
        while !json.is_char_boundary(end) {
            end -= 1;
        }
        prop_assert_eq!(Hint::parse(&json[..end]), None);
    }
}

// The three kinds on the wire, as they are documented for push services.
#[test]
fn hints_on_the_wire() {
    let key = HintEntity::Key(EntityKey::new("Goal", "g-1").unwrap());
    let note = HintEntity::Type(EntityType::new("Note").unwrap());
    let partial = Hint { kind: HintKind::Partial, entities: vec![note, key] };
    let urgent = Hint { kind: HintKind::Urgent, entities: Vec::new() };
    insta::assert_snapshot!(
        [Hint::full(), partial, urgent].map(|hint| hint.to_json()).join("\n"),
        @r#"
    {"sync":{"type":"full"}}
    {"sync":{"type":"partial","entities":["Note","Goal/g-1"]}}
    {"sync":{"type":"urgent"}}
    "#
    );
}

// Members that this version does not know do not make a hint unreadable.
#[test]
fn unknown_members_are_ignored() {
    let text = r#"{"aps":{"content-available":1},"sync":{"type":"full","since":1,"entities":[]}}"#;
    assert_eq!(Hint::parse(text), Some(Hint::full()));
}

// Anything malformed or unknown is no hint.
#[test]
fn malformed_hints_are_none() {
    let entities = |list: &str| format!(r#"{{"sync":{{"type":"partial","entities":{list}}}}}"#);
    let long = entities(&format!("[{}\"Note\"]", "\"Note\",".repeat(10_000)));
    let deep = format!(r#"{{"sync":{{"type":"full"}},"x":{}"#, "[".repeat(60_000));
    for text in [
        "",
        "null",
        "1",
        "\"full\"",
        "[]",
        "{}",
        "{\"sync\":null}",
        "{\"sync\":{}}",
        "{\"sync\":\"full\"}",
        "{\"sync\":{\"type\":null}}",
        "{\"sync\":{\"type\":\"Full\"}}",
        "{\"sync\":{\"type\":\"wipe\"}}",
        "{\"sync\":{\"type\":\"full\"}} x",
        "{\"sync\":{\"type\":\"full\",\"type\":\"urgent\"}}",
        &entities("null"),
        &entities("\"Note\""),
        &entities("[1]"),
        &entities("[\"\"]"),
        &entities("[\"/\"]"),
        &entities("[\"Note/\"]"),
        &entities("[\"/id\"]"),
        &entities("[\"Note/a/b\"]"),
        &entities("[\"Note\\u0000\"]"),
        &entities("[\"Note/\\n\"]"),
        &entities("[\"../Note\"]"),
        &entities("[\"Note\", \"No te\"]"),
        &long,
        &deep,
    ] {
        let shown: String = text.chars().take(80).collect();
        assert_eq!(Hint::parse(text), None, "{shown}");
    }
}

/// Shows that what nests deeper than any JSON of ours is no hint, also where it would be ignored
/// and is well-formed, and that brackets within texts do not count.
#[test]
fn deeply_nested_hints_are_none() {
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"sync":{{"type":"full"}},"x":{open}{close}}}"#)
    };
    let most = clarity_protocol::model::limits::JSON_DEPTH_MAX - 1;
    assert_eq!(Hint::parse(&nested(most)), Some(Hint::full()));
    for levels in [most + 1, 3_000, 30_000] {
        assert_eq!(Hint::parse(&nested(levels)), None, "{levels}");
    }
    let brackets = "[{\\\"".repeat(1_000);
    let text = format!(r#"{{"sync":{{"type":"full"}},"x":"{brackets}"}}"#);
    assert_eq!(Hint::parse(&text), Some(Hint::full()));
}

/// What the fuzz target does.
fn read_back(bytes: &[u8]) -> Option<Hint> {
    let hint = Hint::from_bytes(bytes)?;
    assert_eq!(Hint::from_bytes(hint.to_json().as_bytes()), Some(hint.clone()));
    Some(hint)
}

/// Shows what each input of the fuzz target's corpus is: the few well-formed ones are hints and
/// everything else is none.
#[test]
fn the_corpus_of_the_fuzz_target_is_replayed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/hint");
    let mut hints = Vec::new();
    let mut others = 0;
    for entry in std::fs::read_dir(folder).expect("the corpus is there") {
        let entry = entry.expect("an entry");
        match read_back(&std::fs::read(entry.path()).expect("an input")) {
            Some(_) => hints.push(entry.file_name().to_string_lossy().into_owned()),
            None => others += 1,
        }
    }
    hints.sort();
    // Whatever a member that is not known holds is ignored, and many entities are still a hint as
    // long as they stay below its largest size.
    let well_formed = [
        "apns.json",
        "big_number.json",
        "fcm.json",
        "full.json",
        "huge_entities.json",
        "partial.json",
        "spaces.json",
        "urgent.json",
    ];
    assert_eq!(hints, well_formed);
    assert!(others >= 25, "{others}");
}
