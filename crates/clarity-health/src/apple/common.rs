//! What records, workouts and correlations have in common.

use clarity_model::Fields;
use serde_json::{Map, Value};

use crate::identity::{Identity, Key, strip_pointer};
use crate::limits::SAMPLE_BYTES_MAX;
use crate::time::{Timestamp, parse_timestamp};
use crate::xml::Attributes;

/// Why an element cannot become a sample, in words.
pub(crate) type Unreadable = &'static str;

const NO_TYPE: Unreadable = "an element without a type";
const BAD_START: Unreadable = "an element whose start date is missing or no date";
const BAD_END: Unreadable = "an element whose end date is missing or no date";
const TOO_LARGE: Unreadable = "an element with more text than an entity may hold";

/// The attributes that most elements share.
#[derive(Debug)]
pub(crate) struct Common {
    /// The type without its prefix.
    pub(crate) kind: String,
    start: Timestamp,
    end_ms: i64,
    created_ms: Option<i64>,
    source: Option<String>,
    source_version: Option<String>,
    device: Option<String>,
}

impl Common {
    /// Reads the shared attributes; `type_attribute` names the one with the type.
    pub(crate) fn read(
        attributes: &Attributes<'_>,
        type_attribute: &str,
    ) -> Result<Self, Unreadable> {
        let kind = attributes.filled(type_attribute).ok_or(NO_TYPE)?;
        let date = |name: &str| attributes.get(name).and_then(parse_timestamp);
        let text = |name: &str| attributes.filled(name).map(str::to_owned);
        let common = Self {
            kind: strip_type_prefix(kind).to_owned(),
            start: date("startDate").ok_or(BAD_START)?,
            end_ms: date("endDate").ok_or(BAD_END)?.unix_ms,
            created_ms: date("creationDate").map(|created| created.unix_ms),
            source: text("sourceName"),
            source_version: text("sourceVersion"),
            device: attributes
                .get("device")
                .map(strip_pointer)
                .filter(|device| !device.is_empty())
                .map(str::to_owned),
        };
        if common.text_bytes() > SAMPLE_BYTES_MAX / 2 { Err(TOO_LARGE) } else { Ok(common) }
    }

    /// Bytes of JSON that the shared texts need.
    pub(crate) fn text_bytes(&self) -> usize {
        let optional = |text: &Option<String>| text.as_deref().map_or(0, json_bytes);
        json_bytes(&self.kind)
            + optional(&self.source)
            + optional(&self.source_version)
            + optional(&self.device)
    }

    /// The key that the ids are made from.
    pub(crate) fn identity(&self, entity_type: &'static str) -> Identity {
        Identity::of(&Key {
            entity_type,
            metric: &self.kind,
            start_ms: self.start.unix_ms,
            end_ms: self.end_ms,
            source: self.source.as_deref().unwrap_or(""),
            device: self.device.as_deref().unwrap_or(""),
        })
    }

    /// Moves everything into fields; the type goes into the field `kind_field`.
    pub(crate) fn into_fields(self, kind_field: &'static str, fields: &mut Fields) {
        put(fields, kind_field, self.kind);
        put(fields, "start_ms", self.start.unix_ms);
        put(fields, "end_ms", self.end_ms);
        put(fields, "utc_offset_min", self.start.offset_min);
        put_some(fields, "created_ms", self.created_ms);
        put_some(fields, "source", self.source);
        put_some(fields, "source_version", self.source_version);
        put_some(fields, "device", self.device);
    }
}

/// Sets a field.
pub(crate) fn put(fields: &mut Fields, name: &'static str, value: impl Into<Value>) {
    fields.insert(name.to_owned(), value.into());
}

/// Sets a field when there is a value; absent means unknown.
pub(crate) fn put_some(fields: &mut Fields, name: &'static str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        put(fields, name, value);
    }
}

/// Takes the well-known prefixes off a type; other types are kept as they are.
pub(crate) fn strip_type_prefix(kind: &str) -> &str {
    const PREFIXES: [&str; 5] = [
        "HKQuantityTypeIdentifier",
        "HKCategoryTypeIdentifier",
        "HKCorrelationTypeIdentifier",
        "HKWorkoutActivityType",
        "HKWorkoutEventType",
    ];
    PREFIXES
        .iter()
        .find_map(|prefix| kind.strip_prefix(prefix))
        .filter(|rest| !rest.is_empty())
        .unwrap_or(kind)
}

/// Bytes that a text needs in JSON, quotes included; never too few.
pub(crate) fn json_bytes(text: &str) -> usize {
    let escaped = text.bytes().filter(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\')).count();
    text.len() + 5 * escaped + 2
}

/// Names and texts that a source added to a sample, in bounded memory.
#[derive(Debug)]
pub(crate) struct Extras {
    /// The metadata entries.
    pub(crate) metadata: Map<String, Value>,
    /// Bytes of JSON that the sample may still grow by.
    room_bytes: usize,
    used_bytes: usize,
}

/// What became of an addition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Added {
    Kept,
    /// The sample is full.
    Full,
    /// A metadata key was there already; the first one is kept.
    Repeated,
}

/// Why a metadata entry or another part of a sample is left out.
pub(crate) const SKIPPED_FULL: &str = "part of a sample that is larger than an entity may be";
/// Why the second of two metadata entries is left out.
pub(crate) const SKIPPED_REPEATED: &str = "metadata entry that repeats a key";

impl Extras {
    /// Room for what a sample with this many bytes of its own may still take.
    pub(crate) fn beside(own_bytes: usize) -> Self {
        let room_bytes = SAMPLE_BYTES_MAX.saturating_sub(own_bytes);
        Self { metadata: Map::new(), room_bytes, used_bytes: own_bytes }
    }

    /// Takes room for a part of the sample.
    pub(crate) fn take(&mut self, bytes: usize) -> Added {
        if bytes > self.room_bytes {
            return Added::Full;
        }
        self.room_bytes -= bytes;
        self.used_bytes += bytes;
        Added::Kept
    }

    /// Keeps a metadata entry if there is room.
    pub(crate) fn add_metadata(&mut self, key: &str, value: &str) -> Added {
        if self.metadata.contains_key(key) {
            return Added::Repeated;
        }
        let added = self.take(json_bytes(key) + json_bytes(value) + 2);
        if added == Added::Kept {
            self.metadata.insert(key.to_owned(), Value::from(value));
        }
        added
    }

    /// About how much memory the sample's own values take.
    pub(crate) fn memory_bytes(&self) -> usize {
        // A map entry and two small allocations stand behind every two dozen bytes of text.
        self.used_bytes * 4
    }
}
