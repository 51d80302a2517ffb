//! Routes as chunks of points.
//!
//! A route is known by its first point: place and time. A file name would not do, as it is in the
//! phone's language and wall clock, nor would the whole content, as a cut file would then be
//! another route than the whole one.

use clarity_model::{EntityId, Fields};
use serde_json::Value;

use super::common::{put, put_some};
use crate::identity::{Identity, Key, Parts};
use crate::limits::ROUTE_CHUNK_POINTS;
use crate::number::{round_significant, to_json};
use crate::output::{Output, Ready};
use crate::sample::entity_type::WORKOUT_ROUTE;

/// Memory of one point: eight JSON values and their vector.
const POINT_MEMORY_BYTES: usize = 300;

/// One point of a route.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Point {
    pub(crate) latitude: f64,
    pub(crate) longitude: f64,
    pub(crate) elevation_m: Option<f64>,
    pub(crate) time_ms: Option<i64>,
    pub(crate) speed_m_per_s: Option<f64>,
    pub(crate) course_degrees: Option<f64>,
    pub(crate) horizontal_accuracy_m: Option<f64>,
    pub(crate) vertical_accuracy_m: Option<f64>,
}

/// A negative speed, course or accuracy means that the phone did not know it.
pub(crate) fn known(number: Option<f64>) -> Option<f64> {
    number.filter(|number| *number >= 0.0)
}

impl Point {
    fn to_json(self) -> Value {
        let optional = |number: Option<f64>| {
            number.map_or(Value::Null, |number| to_json(round_significant(number, 12)))
        };
        Value::Array(vec![
            to_json(round_significant(self.latitude, 12)),
            to_json(round_significant(self.longitude, 12)),
            optional(self.elevation_m),
            self.time_ms.map_or(Value::Null, Value::from),
            optional(self.speed_m_per_s),
            optional(self.course_degrees),
            optional(self.horizontal_accuracy_m),
            optional(self.vertical_accuracy_m),
        ])
    }

    fn hash_into(self, parts: &mut Parts) {
        parts.number(self.latitude).number(self.longitude);
        parts.integer(self.time_ms.unwrap_or(-1));
        parts.optional(self.elevation_m);
    }
}

/// The id of the route that begins with this point.
pub(crate) fn route_id(first: &Point) -> EntityId {
    let start_ms = first.time_ms.unwrap_or(0);
    let identity = Identity::of(&Key {
        entity_type: WORKOUT_ROUTE,
        metric: "",
        start_ms,
        end_ms: start_ms,
        source: "",
        device: "",
    });
    identity.sibling_id(|parts| {
        parts.number(first.latitude).number(first.longitude);
    })
}

/// Collects the points of one route and hands them over a thousand at a time.
///
/// A full chunk waits for the next point, because only the last chunk says how many there are.
#[derive(Debug, Default)]
pub(crate) struct RouteChunks {
    source: Option<String>,
    id: Option<EntityId>,
    chunk: u32,
    points: Vec<Point>,
}

impl RouteChunks {
    /// A route without points yet. Only inline routes say which device recorded them.
    pub(crate) fn new(source: Option<String>) -> Self {
        Self { source, ..Self::default() }
    }

    /// The id, once there is a point.
    pub(crate) fn id(&self) -> Option<&EntityId> {
        self.id.as_ref()
    }

    /// Adds a point, and hands over the chunk before it if that is full.
    pub(crate) fn add(&mut self, point: Point, output: &mut Output<'_>) {
        if self.id.is_none() {
            self.id = Some(route_id(&point));
        }
        if self.points.len() == ROUTE_CHUNK_POINTS {
            self.emit(None, output);
        }
        self.points.push(point);
    }

    /// The end of the route. A route that was cut short has no number of chunks.
    pub(crate) fn finish(mut self, whole: bool, output: &mut Output<'_>) {
        if !self.points.is_empty() {
            let chunks = whole.then_some(self.chunk + 1);
            self.emit(chunks, output);
        }
    }

    fn emit(&mut self, chunks: Option<u32>, output: &mut Output<'_>) {
        let Some(route) = &self.id else {
            return;
        };
        let start_ms = self.points.iter().find_map(|point| point.time_ms);
        let key_ms = start_ms.unwrap_or(0);
        let identity = Identity::of(&Key {
            entity_type: WORKOUT_ROUTE,
            metric: route.as_str(),
            start_ms: key_ms,
            // Chunks of a route without times differ by their number.
            end_ms: i64::from(self.chunk),
            source: "",
            device: "",
        });
        let mut fields = Fields::new();
        put(&mut fields, "route", route.as_str());
        put(&mut fields, "chunk", self.chunk);
        put_some(&mut fields, "chunks", chunks);
        put_some(&mut fields, "start_ms", start_ms);
        put_some(&mut fields, "source", self.source.as_deref());
        let points: Vec<Value> = self.points.iter().map(|point| point.to_json()).collect();
        put(&mut fields, "points", points);
        let bytes = self.points.len() * POINT_MEMORY_BYTES;
        let ready = Ready { entity_type: WORKOUT_ROUTE, fields, bytes };
        output.emit(ready, &identity, |parts| {
            for point in &self.points {
                point.hash_into(parts);
            }
        });
        self.points.clear();
        self.chunk += 1;
    }
}
