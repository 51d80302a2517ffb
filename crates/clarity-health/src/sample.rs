//! What an import hands over.

use std::fmt;

use clarity_model::{EntityId, Fields};
use serde::Serialize;

/// The entity types that an Apple Health export becomes.
pub mod entity_type {
    /// One measurement or one category interval.
    pub const HEALTH_METRIC: &str = "HealthMetric";
    /// One workout.
    pub const WORKOUT: &str = "Workout";
    /// Up to a thousand points of one route.
    pub const WORKOUT_ROUTE: &str = "WorkoutRoute";
    /// The rings of one day.
    pub const ACTIVITY_SUMMARY: &str = "ActivitySummary";
    /// Measurements that belong together, such as the two of a blood pressure.
    pub const CORRELATION: &str = "Correlation";
}

/// One entity that was read from an export.
///
/// `Debug` hides ids and values.
#[derive(Clone, PartialEq, Serialize)]
pub struct Sample {
    /// One of [`entity_type`].
    pub entity_type: &'static str,
    /// The id: the same for the same sample on every device and in every later export.
    pub id: EntityId,
    /// The id to use when another sample **of the same export** has the same `id` and other
    /// content; it includes the content. Samples with equal `sibling_id` are duplicates.
    pub sibling_id: EntityId,
    /// The fields. Absent means unknown; no field is ever `null`.
    pub fields: Fields,
}

impl fmt::Debug for Sample {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Sample")
            .field("entity_type", &self.entity_type)
            .field("fields", &self.fields)
            .finish_non_exhaustive()
    }
}
