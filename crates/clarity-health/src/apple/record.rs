//! `Record`: one measurement or one category interval.

use clarity_model::Fields;
use serde_json::Value;

use super::common::{Added, Common, Extras, Unreadable, json_bytes, put, put_some};
use crate::number::{parse, to_json};
use crate::output::{Output, Ready};
use crate::sample::entity_type::HEALTH_METRIC;
use crate::units::{Canonical, canonical};
use crate::xml::Attributes;

const BAD_NUMBER: Unreadable = "a record whose value is not a number";
const BAD_BEAT: Unreadable = "a heartbeat without its time or its rate";

/// What a record says: a number with a unit, a word, or nothing but its interval.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    number: Option<f64>,
    unit: Option<String>,
    category: Option<String>,
    original_value: Option<String>,
    original_unit: Option<String>,
}

impl Reading {
    /// Reads `value` and `unit`. `full_type` is the type with its prefix, `metric` without.
    pub(crate) fn read(
        attributes: &Attributes<'_>,
        full_type: &str,
        metric: &str,
    ) -> Result<Self, Unreadable> {
        let unit = attributes.filled("unit");
        let Some(text) = attributes.filled("value") else {
            return Ok(Self { unit: unit.map(str::to_owned), ..Self::default() });
        };
        let category = || Self { category: Some(text.to_owned()), ..Self::default() };
        if full_type.starts_with("HKCategoryType") {
            return Ok(category());
        }
        let Some(number) = parse(text) else {
            // A type of a later version may carry a word; a quantity may not.
            let may_be_word = unit.is_none() && !full_type.starts_with("HKQuantityType");
            return if may_be_word { Ok(category()) } else { Err(BAD_NUMBER) };
        };
        let Some(unit) = unit else {
            return Ok(Self { number: Some(number), ..Self::default() });
        };
        let Canonical { value, unit: canonical_unit, converted } = canonical(metric, number, unit);
        Ok(Self {
            number: Some(value),
            unit: Some(canonical_unit.to_owned()),
            category: None,
            original_value: converted.then(|| text.to_owned()),
            original_unit: (canonical_unit != unit).then(|| unit.to_owned()),
        })
    }

    fn text_bytes(&self) -> usize {
        [&self.unit, &self.category, &self.original_value, &self.original_unit]
            .into_iter()
            .flatten()
            .map(|text| json_bytes(text))
            .sum()
    }

    fn into_fields(self, fields: &mut Fields) {
        put_some(fields, "value", self.number.map(to_json));
        put_some(fields, "unit", self.unit);
        put_some(fields, "category", self.category);
        put_some(fields, "original_value", self.original_value);
        put_some(fields, "original_unit", self.original_unit);
    }

    /// The member of a correlation that this reading of `metric` is.
    pub(crate) fn into_member(self, metric: String) -> Value {
        let mut fields = Fields::new();
        put(&mut fields, "metric", metric);
        self.into_fields(&mut fields);
        Value::Object(fields.0.into_iter().collect())
    }
}

/// A record that is being read.
#[derive(Debug)]
pub(crate) struct Record {
    common: Common,
    reading: Reading,
    extras: Extras,
    beats: Vec<Value>,
}

impl Record {
    /// Reads the start tag.
    pub(crate) fn read(attributes: &Attributes<'_>) -> Result<Self, Unreadable> {
        let common = Common::read(attributes, "type")?;
        let full_type = attributes.get("type").unwrap_or("");
        let reading = Reading::read(attributes, full_type, &common.kind)?;
        let extras = Extras::beside(common.text_bytes() + reading.text_bytes());
        Ok(Self { common, reading, extras, beats: Vec::new() })
    }

    /// Where metadata goes.
    pub(crate) fn extras(&mut self) -> &mut Extras {
        &mut self.extras
    }

    /// Adds one beat of a heart rate variability record. Its time is a wall clock text in the
    /// phone's locale (`23:47:49,20`) without a date, and is kept as it is.
    pub(crate) fn add_beat(&mut self, attributes: &Attributes<'_>) -> Result<Added, Unreadable> {
        let time = attributes.filled("time").ok_or(BAD_BEAT)?;
        let rate = attributes.get("bpm").and_then(parse).ok_or(BAD_BEAT)?;
        let added = self.extras.take(json_bytes(time) + 24);
        if added == Added::Kept {
            self.beats.push(Value::Array(vec![Value::from(time), to_json(rate)]));
        }
        Ok(added)
    }

    /// The end tag: the record is whole.
    pub(crate) fn finish(self, output: &mut Output<'_>) {
        let identity = self.common.identity(HEALTH_METRIC);
        let bytes = self.extras.memory_bytes();
        let mut fields = Fields::new();
        self.common.into_fields("metric", &mut fields);
        let number = self.reading.number;
        let category = self.reading.category.clone().unwrap_or_default();
        self.reading.into_fields(&mut fields);
        if !self.extras.metadata.is_empty() {
            put(&mut fields, "metadata", self.extras.metadata);
        }
        if !self.beats.is_empty() {
            put(&mut fields, "beats", self.beats);
        }
        output.emit(Ready { entity_type: HEALTH_METRIC, fields, bytes }, &identity, |parts| {
            parts.optional(number).text(&category);
        });
    }
}
