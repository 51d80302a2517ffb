//! Silent pushes: hints that something changed, never the change itself.

use clarity_model::{EntityId, EntityKey, EntityType, limits};
use serde::{Deserialize, Serialize};

/// How much to synchronise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HintKind {
    /// The named entities or types.
    Partial,
    /// Everything.
    Full,
    /// Everything, now: a waiting backoff is cut short.
    Urgent,
}

/// What a partial hint names: `Type` or `Type/id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HintEntity {
    /// Every entity of a type.
    Type(EntityType),
    /// One entity.
    Key(EntityKey),
}

/// A silent push, in the form `{"sync":{"type":"partial","entities":["Note"]}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// How much to synchronise.
    pub kind: HintKind,
    /// What a partial hint names.
    pub entities: Vec<HintEntity>,
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    sync: Body,
}

#[derive(Serialize, Deserialize)]
struct Body {
    #[serde(rename = "type")]
    kind: HintKind,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    entities: Vec<String>,
}

/// Longest hint that is read, in bytes.
const HINT_BYTES_MAX: usize = 64 * 1024;

impl Hint {
    /// A hint that something changed, without saying what.
    #[must_use]
    pub fn full() -> Self {
        Self { kind: HintKind::Full, entities: Vec::new() }
    }

    /// Reads a silent push as it came from a push service: bytes of anybody. Anything that is
    /// malformed, unknown, larger than 64 KiB, nested too deeply or no UTF-8 is no hint; members
    /// that this version does not know are ignored.
    #[must_use]
    pub fn from_bytes(payload: &[u8]) -> Option<Self> {
        // Before it is looked at: a payload of any size costs nothing.
        if payload.len() > HINT_BYTES_MAX {
            return None;
        }
        std::str::from_utf8(payload).ok().and_then(Self::parse)
    }

    /// Reads a silent push. Anything malformed or unknown is no hint.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > HINT_BYTES_MAX || !is_shallow(text) {
            return None;
        }
        let envelope: Envelope = serde_json::from_str(text).ok()?;
        let entities = envelope.sync.entities.iter().map(|name| parse_entity(name));
        Some(Self { kind: envelope.sync.kind, entities: entities.collect::<Option<_>>()? })
    }

    /// The wire form.
    #[must_use]
    pub fn to_json(&self) -> String {
        let entities = self.entities.iter().map(|entity| match entity {
            HintEntity::Type(entity_type) => entity_type.to_string(),
            HintEntity::Key(key) => key.to_string(),
        });
        let envelope = Envelope { sync: Body { kind: self.kind, entities: entities.collect() } };
        serde_json::to_string(&envelope).unwrap_or_default()
    }
}

/// Whether nothing in it nests deeper than any JSON of ours. What a reader ignores it does not
/// bound by itself; brackets within texts are no nesting.
fn is_shallow(text: &str) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => depth += 1,
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > limits::JSON_DEPTH_MAX {
            return false;
        }
    }
    true
}

fn parse_entity(name: &str) -> Option<HintEntity> {
    match name.split_once('/') {
        None => EntityType::new(name).ok().map(HintEntity::Type),
        Some((entity_type, id)) => Some(HintEntity::Key(EntityKey {
            entity_type: EntityType::new(entity_type).ok()?,
            id: EntityId::new(id).ok()?,
        })),
    }
}
