//! One measurement as a source has it, before it gets its ids.

use std::collections::BTreeMap;
use std::fmt;

use clarity_model::Fields;
use serde_json::Value;

use crate::identity::{Identity, Key};
use crate::limits::SAMPLE_BYTES_MAX;
use crate::metrics::from_ucum;
use crate::number::to_json;
use crate::sample::entity_type::{CORRELATION, HEALTH_METRIC};
use crate::sample::{ExternalRef, Sample};
use crate::units::canonical;

/// What was measured.
#[derive(Clone, PartialEq)]
pub enum Reading {
    /// A number with its unit: UCUM, or the words of the Health app. `%` is a hundredth.
    Quantity {
        /// The number.
        value: f64,
        /// The unit; empty for the usual one of the metric.
        unit: String,
    },
    /// A word, such as a stage of sleep.
    Category(String),
    /// Nothing but that it was at that time.
    Event,
}

/// One measurement as a source has it. `Debug` hides it.
#[derive(Clone, PartialEq)]
pub struct RawSample {
    /// What the source calls it, where its names last.
    pub external: Option<ExternalRef>,
    /// What was measured, as the Health app names it without its prefix: `HeartRate`, `BodyMass`.
    pub metric: String,
    /// The value.
    pub reading: Reading,
    /// When it began, in Unix milliseconds.
    pub start_ms: i64,
    /// When it ended, in Unix milliseconds; the same as the start for an instant.
    pub end_ms: i64,
    /// Minutes east of UTC of the wall clock there, where the source knows.
    pub utc_offset_min: Option<i32>,
    /// The app or device that recorded it: part of what makes a sample the sample it is.
    pub origin: Option<String>,
    /// More about the device; part of the identity as well.
    pub device: Option<String>,
    /// What else the source says of it.
    pub metadata: BTreeMap<String, String>,
}

impl fmt::Debug for RawSample {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RawSample").finish_non_exhaustive()
    }
}

/// Why a measurement cannot be taken, in words.
pub(crate) const NOT_FINITE: &str = "a value that is not a number";
const TOO_LARGE: &str = "a sample with more text than an entity may hold";
const BACKWARDS: &str = "a sample that ends before it begins";
const NO_METRIC: &str = "a sample that does not say what was measured";

impl RawSample {
    /// A number at an instant.
    #[must_use]
    pub fn quantity(metric: &str, value: f64, unit: &str, start_ms: i64) -> Self {
        Self {
            external: None,
            metric: metric.to_owned(),
            reading: Reading::Quantity { value, unit: unit.to_owned() },
            start_ms,
            end_ms: start_ms,
            utc_offset_min: None,
            origin: None,
            device: None,
            metadata: BTreeMap::new(),
        }
    }

    /// The same with the source's own name and version for it.
    #[must_use]
    pub fn with_external(mut self, id: &str, version: Option<i64>) -> Self {
        self.external = Some(ExternalRef { id: id.to_owned(), version });
        self
    }

    /// The same from this app or device.
    #[must_use]
    pub fn with_origin(mut self, origin: &str) -> Self {
        self.origin = Some(origin.to_owned());
        self
    }

    fn identity(&self, entity_type: &'static str) -> Identity {
        Identity::of(&Key {
            entity_type,
            metric: &self.metric,
            start_ms: self.start_ms,
            end_ms: self.end_ms,
            source: self.origin.as_deref().unwrap_or(""),
            device: self.device.as_deref().unwrap_or(""),
        })
    }

    /// Gives it its ids and canonical units: the same on every device and on every later day.
    ///
    /// # Errors
    /// The reason, in words, why it can be no entity.
    pub fn into_sample(self) -> Result<Sample, &'static str> {
        if self.metric.is_empty() {
            return Err(NO_METRIC);
        }
        if self.end_ms < self.start_ms {
            return Err(BACKWARDS);
        }
        let identity = self.identity(HEALTH_METRIC);
        let value = self.canonical_fields()?;
        let number = value.get("value").and_then(Value::as_f64);
        let category = value.get("category").and_then(Value::as_str).unwrap_or_default();
        let sibling_id = identity.sibling_id(|parts| {
            parts.optional(number).text(category);
        });
        let mut fields = self.shared_fields("metric");
        fields.0.extend(value.0);
        if fields.to_canonical_json().len() > SAMPLE_BYTES_MAX {
            return Err(TOO_LARGE);
        }
        let external = self.external;
        Ok(Sample { entity_type: HEALTH_METRIC, id: identity.id(), sibling_id, fields, external })
    }

    fn shared_fields(&self, kind_field: &str) -> Fields {
        let mut fields = Fields::new();
        let mut put = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
        put(kind_field, self.metric.clone().into());
        put("start_ms", self.start_ms.into());
        put("end_ms", self.end_ms.into());
        let texts = [("source", &self.origin), ("device", &self.device)];
        for (name, text) in texts {
            if let Some(text) = text.as_ref().filter(|text| !text.is_empty()) {
                put(name, text.clone().into());
            }
        }
        if let Some(offset) = self.utc_offset_min {
            put("utc_offset_min", offset.into());
        }
        if !self.metadata.is_empty() {
            let pairs = self.metadata.iter();
            let pairs = pairs.map(|(key, value)| (key.clone(), Value::from(value.as_str())));
            put("metadata", pairs.collect());
        }
        fields
    }

    /// Value and unit, or category, in canonical units, with the originals where they differ.
    fn canonical_fields(&self) -> Result<Fields, &'static str> {
        let mut fields = Fields::new();
        let mut put = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
        match &self.reading {
            Reading::Event => {}
            Reading::Category(word) => put("category", word.clone().into()),
            Reading::Quantity { value, unit } => {
                if !value.is_finite() {
                    return Err(NOT_FINITE);
                }
                let (same, health_unit) = from_ucum(&self.metric, *value, unit);
                let same = crate::number::round_significant(same, 15);
                let result = canonical(&self.metric, same, health_unit);
                put("value", to_json(result.value));
                if !result.unit.is_empty() {
                    put("unit", result.unit.into());
                }
                if result.value != *value {
                    put("original_value", to_json(*value).to_string().into());
                }
                if result.value != *value && result.unit != unit {
                    put("original_unit", unit.clone().into());
                }
            }
        }
        Ok(fields)
    }

    /// The entity that holds measurements together which were taken together, such as the two of
    /// a blood pressure. `self` says when and from where; its reading is not used.
    ///
    /// # Errors
    /// As [`RawSample::into_sample`].
    pub fn into_group(self, members: &[Self]) -> Result<Sample, &'static str> {
        let identity = self.identity(CORRELATION);
        let mut values = Vec::new();
        for member in members {
            let mut fields = member.canonical_fields()?;
            fields.insert("metric".to_owned(), member.metric.clone().into());
            values.push(Value::Object(fields.0.into_iter().collect()));
        }
        let sibling_id = identity.sibling_id(|parts| {
            for value in &values {
                parts.text(&value.to_string());
            }
        });
        let mut fields = self.shared_fields("correlation");
        fields.insert("members".to_owned(), values.into());
        if fields.to_canonical_json().len() > SAMPLE_BYTES_MAX {
            return Err(TOO_LARGE);
        }
        let external = self.external;
        Ok(Sample { entity_type: CORRELATION, id: identity.id(), sibling_id, fields, external })
    }
}
