//! The ids of imported samples.
#![doc = include_str!("identity.md")]

use clarity_model::EntityId;
use uuid::Uuid;

const SAMPLE_LABEL: &[u8] = b"clarity-health/sample/1";
const SIBLING_LABEL: &[u8] = b"clarity-health/sibling/1";
const UNIX_MS_MAX: i64 = (1 << 48) - 1;

/// Collects the parts of a hash so that no two lists of parts look alike.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    bytes: Vec<u8>,
}

impl Parts {
    fn labelled(label: &[u8]) -> Self {
        let mut parts = Self { bytes: Vec::with_capacity(256) };
        parts.text_bytes(label);
        parts
    }

    fn text_bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.bytes.extend_from_slice(bytes);
    }

    /// Adds a text.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.text_bytes(text.as_bytes());
        self
    }

    /// Adds an instant or a counter.
    pub(crate) fn integer(&mut self, number: i64) -> &mut Self {
        self.bytes.extend_from_slice(&number.to_le_bytes());
        self
    }

    /// Adds a measured number, rounded to nine digits: what is left of a value after it went
    /// through two unit settings.
    pub(crate) fn number(&mut self, number: f64) -> &mut Self {
        let rounded = crate::number::round_significant(number, 9) + 0.0;
        self.bytes.extend_from_slice(&rounded.to_bits().to_le_bytes());
        self
    }

    /// Adds a number or the fact that there is none.
    pub(crate) fn optional(&mut self, number: Option<f64>) -> &mut Self {
        match number {
            Some(number) => self.integer(1).number(number),
            None => self.integer(0),
        }
    }
}

/// What makes a sample the sample it is; see the module's words for what is left out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key<'a> {
    pub(crate) entity_type: &'static str,
    pub(crate) metric: &'a str,
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
    pub(crate) source: &'a str,
    /// Without its pointer, as [`strip_pointer`] leaves it.
    pub(crate) device: &'a str,
}

/// The hash of a key, from which both ids are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    start_ms: i64,
    hash: [u8; 32],
}

impl Identity {
    /// The identity of a key.
    pub(crate) fn of(key: &Key<'_>) -> Self {
        let mut parts = Parts::labelled(SAMPLE_LABEL);
        parts
            .text(key.entity_type)
            .text(key.metric)
            .integer(key.start_ms)
            .integer(key.end_ms)
            .text(key.source)
            .text(key.device);
        Self { start_ms: key.start_ms, hash: *blake3::hash(&parts.bytes).as_bytes() }
    }

    /// The id of the sample.
    pub(crate) fn id(&self) -> EntityId {
        uuid_v8(self.start_ms, &self.hash)
    }

    /// The id of the sample when another one with other content already has [`Identity::id`].
    pub(crate) fn sibling_id(&self, content: impl FnOnce(&mut Parts)) -> EntityId {
        let mut parts = Parts::labelled(SIBLING_LABEL);
        parts.bytes.extend_from_slice(&self.hash);
        content(&mut parts);
        uuid_v8(self.start_ms, blake3::hash(&parts.bytes).as_bytes())
    }
}

fn uuid_v8(start_ms: i64, hash: &[u8; 32]) -> EntityId {
    let mut bytes = [0_u8; 16];
    let time = start_ms.clamp(0, UNIX_MS_MAX).to_be_bytes();
    bytes[..6].copy_from_slice(&time[2..]);
    bytes[6..].copy_from_slice(&hash[..10]);
    let uuid = uuid::Builder::from_custom_bytes(bytes).into_uuid();
    let mut text = Uuid::encode_buffer();
    EntityId::new(&*uuid.hyphenated().encode_lower(&mut text))
        .expect("36 hexadecimal digits and hyphens are always a valid entity id")
}

/// Takes the memory address out of a device text.
///
/// `<<HKDevice: 0x282a45810>, name:Apple Watch, model:Watch>` becomes
/// `name:Apple Watch, model:Watch`: the address differs from record to record, and some tools that
/// anonymise exports cut it to `0x`. A text of another form is left as it is.
pub(crate) fn strip_pointer(device: &str) -> &str {
    let Some(rest) = device.strip_prefix("<<HKDevice:") else {
        return device;
    };
    let rest = rest.trim_ascii_start();
    let Some(rest) = rest.strip_prefix("0x") else {
        return device;
    };
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_hexdigit());
    let rest = rest.strip_prefix('>').unwrap_or(rest);
    let rest = rest.strip_prefix(',').unwrap_or(rest).trim_ascii_start();
    rest.strip_suffix('>').unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key<'static> = Key {
        entity_type: "HealthMetric",
        metric: "HeartRate",
        start_ms: 1_586_482_414_000,
        end_ms: 1_586_482_414_000,
        source: "Watch",
        device: "name:Apple Watch",
    };

    // Shows the layout: version 8, the start time in front, and an id that never changes again.
    #[test]
    fn layout_is_fixed() {
        let identity = Identity::of(&KEY);
        let uuid = Uuid::parse_str(identity.id().as_str()).unwrap();
        assert_eq!(uuid.get_version_num(), 8);
        assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
        let time = u64::from_be_bytes(uuid.as_bytes()[..8].try_into().unwrap()) >> 16;
        assert_eq!(time, 1_586_482_414_000);
        assert_eq!(identity.id().as_str(), "017161b8-81b0-8e61-aaac-8ff9dc955394");
        let sibling = identity.sibling_id(|parts| {
            parts.number(60.0);
        });
        assert_eq!(sibling.as_str(), "017161b8-81b0-8a8e-8df0-96e1f65d5f54");
    }

    // Shows that each part of the key makes another id, also when text moves between two parts.
    #[test]
    fn every_part_counts() {
        let keys = [
            KEY,
            Key { entity_type: "Correlation", ..KEY },
            Key { metric: "StepCount", ..KEY },
            Key { start_ms: KEY.start_ms + 1, ..KEY },
            Key { end_ms: KEY.end_ms + 1, ..KEY },
            Key { source: "Watchn", device: "ame:Apple Watch", ..KEY },
            Key { device: "", ..KEY },
            Key { start_ms: -5, ..KEY },
            Key { start_ms: -6, ..KEY },
        ];
        let ids: std::collections::BTreeSet<_> =
            keys.iter().map(|key| Identity::of(key).id()).collect();
        assert_eq!(ids.len(), keys.len());
    }

    // Shows that the sibling differs by content and that conversion noise is not content.
    #[test]
    fn siblings_differ_by_content() {
        let identity = Identity::of(&KEY);
        let sibling = |value: f64| {
            identity.sibling_id(|parts| {
                parts.number(value);
            })
        };
        assert_ne!(sibling(60.0), sibling(61.0));
        assert_ne!(sibling(60.0), identity.id());
        assert_eq!(sibling(0.1 + 0.2), sibling(0.3));
        assert_eq!(sibling(0.0), sibling(-0.0));
    }

    // Shows that a device text is the same with any pointer, and untouched without one.
    #[test]
    fn pointers_are_stripped() {
        for text in [
            "<<HKDevice: 0x282a45810>, name:Apple Watch, hardware:Watch2,4>",
            "<<HKDevice: 0xb0f577c00>, name:Apple Watch, hardware:Watch2,4>",
            "<<HKDevice: 0x, name:Apple Watch, hardware:Watch2,4>",
        ] {
            assert_eq!(strip_pointer(text), "name:Apple Watch, hardware:Watch2,4");
        }
        for text in ["", "Scale 0x12", "<<HKDevice: none>", "0x282a45810"] {
            assert_eq!(strip_pointer(text), text);
        }
        assert_eq!(strip_pointer("<<HKDevice: 0x1>>"), "");
    }
}
