//! `Workout`: an exercise session with its totals, statistics, events and routes.

use clarity_model::{EntityId, Fields};
use serde_json::{Map, Value};

use super::common::{
    Added, Common, Extras, Unreadable, json_bytes, put, put_some, strip_type_prefix,
};
use crate::number::to_json;
use crate::output::{Output, Ready};
use crate::sample::entity_type::WORKOUT;
use crate::time::parse_timestamp;
use crate::units::{Canonical, canonical_text};
use crate::xml::Attributes;

const BAD_TOTAL: Unreadable = "a workout with a total that is not a number";
const BAD_STATISTICS: Unreadable = "workout statistics without a type or with a value that is no \
                                    number";
const BAD_EVENT: Unreadable = "a workout event without a type or a date";
const STATISTICS: [&str; 4] = ["sum", "average", "minimum", "maximum"];

/// A workout that is being read.
#[derive(Debug)]
pub(crate) struct Workout {
    common: Common,
    extras: Extras,
    duration_s: Option<f64>,
    distance_m: Option<f64>,
    energy_kcal: Option<f64>,
    /// From iOS 16 on the totals are only here, also for old workouts.
    statistics: Map<String, Value>,
    statistics_distance_m: Option<f64>,
    statistics_energy_kcal: Option<f64>,
    events: Vec<Value>,
    open_event: Option<Map<String, Value>>,
    routes: Vec<Value>,
}

impl Workout {
    /// Reads the start tag.
    pub(crate) fn read(attributes: &Attributes<'_>) -> Result<Self, Unreadable> {
        let common = Common::read(attributes, "workoutActivityType")?;
        let extras = Extras::beside(common.text_bytes());
        let total = |metric, name: &str, unit_name: &str| {
            let Some(text) = attributes.filled(name) else {
                return Ok(None);
            };
            let unit = attributes.filled(unit_name);
            canonical_text(metric, text, unit).map(Some).ok_or(BAD_TOTAL)
        };
        let distance = total("Distance", "totalDistance", "totalDistanceUnit")?;
        let energy = total("ActiveEnergyBurned", "totalEnergyBurned", "totalEnergyBurnedUnit")?;
        Ok(Self {
            common,
            extras,
            duration_s: total("Duration", "duration", "durationUnit")?.and_then(seconds),
            distance_m: distance.filter(|total| total.unit == "m").map(|total| total.value),
            energy_kcal: energy.filter(|total| total.unit == "kcal").map(|total| total.value),
            statistics: Map::new(),
            statistics_distance_m: None,
            statistics_energy_kcal: None,
            events: Vec::new(),
            open_event: None,
            routes: Vec::new(),
        })
    }

    /// Where metadata goes.
    pub(crate) fn extras(&mut self) -> &mut Extras {
        &mut self.extras
    }

    /// Adds the statistics of one metric.
    pub(crate) fn add_statistics(
        &mut self,
        attributes: &Attributes<'_>,
    ) -> Result<Added, Unreadable> {
        let metric = strip_type_prefix(attributes.filled("type").ok_or(BAD_STATISTICS)?);
        if self.statistics.contains_key(metric) {
            return Ok(Added::Repeated);
        }
        let unit = attributes.filled("unit");
        let mut entry = Map::new();
        for name in STATISTICS {
            let Some(text) = attributes.filled(name) else {
                continue;
            };
            let number = canonical_text(metric, text, unit).ok_or(BAD_STATISTICS)?;
            entry.insert(name.to_owned(), to_json(number.value));
            if !number.unit.is_empty() {
                entry.insert("unit".to_owned(), Value::from(number.unit));
            }
            if name == "sum" {
                self.add_total(metric, &number);
            }
        }
        for (name, field) in [("startDate", "start_ms"), ("endDate", "end_ms")] {
            if let Some(date) = attributes.get(name).and_then(parse_timestamp) {
                entry.insert(field.to_owned(), Value::from(date.unix_ms));
            }
        }
        let entry = Value::Object(entry);
        let added = self.extras.take(json_bytes(metric) + entry.to_string().len() + 2);
        if added == Added::Kept {
            self.statistics.insert(metric.to_owned(), entry);
        }
        Ok(added)
    }

    fn add_total(&mut self, metric: &str, sum: &Canonical<'_>) {
        // A workout with several sports has several distances.
        if metric.starts_with("Distance") && sum.unit == "m" {
            *self.statistics_distance_m.get_or_insert(0.0) += sum.value;
        } else if metric == "ActiveEnergyBurned" && sum.unit == "kcal" {
            self.statistics_energy_kcal = Some(sum.value);
        }
    }

    /// Begins an event; its metadata follows.
    pub(crate) fn open_event(&mut self, attributes: &Attributes<'_>) -> Result<(), Unreadable> {
        let kind = attributes.filled("type").ok_or(BAD_EVENT)?;
        let date = attributes.get("date").and_then(parse_timestamp).ok_or(BAD_EVENT)?;
        let mut event = Map::new();
        event.insert("type".to_owned(), Value::from(strip_type_prefix(kind)));
        event.insert("time_ms".to_owned(), Value::from(date.unix_ms));
        if let Some(text) = attributes.filled("duration") {
            let unit = attributes.filled("durationUnit").or(Some("min"));
            let duration = canonical_text("Duration", text, unit).ok_or(BAD_EVENT)?;
            if let Some(duration_s) = seconds(duration) {
                event.insert("duration_s".to_owned(), to_json(duration_s));
            }
        }
        self.open_event = Some(event);
        Ok(())
    }

    /// Adds a metadata entry to the open event.
    pub(crate) fn add_event_metadata(&mut self, key: &str, value: &str) -> Added {
        if self.extras.take(json_bytes(key) + json_bytes(value) + 2) == Added::Full {
            return Added::Full;
        }
        let Some(event) = &mut self.open_event else {
            return Added::Full;
        };
        let metadata = event.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
        let Some(metadata) = metadata.as_object_mut() else {
            return Added::Full;
        };
        if metadata.contains_key(key) {
            return Added::Repeated;
        }
        metadata.insert(key.to_owned(), Value::from(value));
        Added::Kept
    }

    /// The end of the open event.
    pub(crate) fn close_event(&mut self) -> Added {
        let Some(event) = self.open_event.take() else {
            return Added::Kept;
        };
        // The event's metadata took its room when it came.
        let own: usize = event.iter().filter(|(key, _)| *key != "metadata").count() * 48;
        let kind = event.get("type").and_then(Value::as_str).map_or(0, json_bytes);
        let added = self.extras.take(own + kind);
        if added == Added::Kept {
            self.events.push(Value::Object(event));
        }
        added
    }

    /// Drops an event whose end is missing.
    pub(crate) fn abandon_event(&mut self) {
        self.open_event = None;
    }

    /// Links a route.
    pub(crate) fn add_route(&mut self, route: &EntityId) -> Added {
        let added = self.extras.take(json_bytes(route.as_str()) + 1);
        if added == Added::Kept {
            self.routes.push(Value::from(route.as_str()));
        }
        added
    }

    /// The end tag: the workout is whole.
    pub(crate) fn finish(self, output: &mut Output<'_>) {
        let identity = self.common.identity(WORKOUT);
        let bytes = self.extras.memory_bytes();
        let distance_m = self.statistics_distance_m.or(self.distance_m);
        let energy_kcal = self.statistics_energy_kcal.or(self.energy_kcal);
        let mut fields = Fields::new();
        self.common.into_fields("activity", &mut fields);
        put_some(&mut fields, "duration_s", self.duration_s.map(to_json));
        put_some(&mut fields, "distance_m", distance_m.map(to_json));
        put_some(&mut fields, "energy_kcal", energy_kcal.map(to_json));
        for (name, object) in [("statistics", self.statistics), ("metadata", self.extras.metadata)]
        {
            if !object.is_empty() {
                put(&mut fields, name, object);
            }
        }
        for (name, list) in [("events", self.events), ("routes", self.routes)] {
            if !list.is_empty() {
                put(&mut fields, name, list);
            }
        }
        output.emit(Ready { entity_type: WORKOUT, fields, bytes }, &identity, |parts| {
            parts.optional(self.duration_s).optional(distance_m).optional(energy_kcal);
        });
    }
}

/// Durations are canonical in minutes; workouts keep seconds.
fn seconds(duration: Canonical<'_>) -> Option<f64> {
    let seconds = match duration.unit {
        // Exports before units were written down used minutes.
        "min" | "" => duration.value * 60.0,
        "s" => duration.value,
        _ => return None,
    };
    Some(crate::number::round_significant(seconds, 12))
}
