//! What an import hands over.

use std::fmt;

use clarity_model::{EntityId, Fields};
use serde::Serialize;

/// The entity types that health data becomes.
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
    /// One recording of the heart's voltage.
    pub const ELECTROCARDIOGRAM: &str = "Electrocardiogram";
}

/// One entity that was read from a source.
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
    /// What the source itself calls it, where it has names of its own that last.
    pub external: Option<ExternalRef>,
}

/// What a source calls one of its samples.
///
/// A name with a `#` in it is a part of the sample before the `#`, as the two values of a blood
/// pressure are; deleting the whole deletes its parts. `Debug` hides the name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ExternalRef {
    /// The name, which is the source's for ever: a UUID, a record id. Not shown, not logged.
    pub id: String,
    /// The source's own version of the sample: one that is not newer than what was imported last
    /// changes nothing.
    pub version: Option<i64>,
}

impl fmt::Debug for ExternalRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ExternalRef")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// Something that a source no longer has, or says was never true. `Debug` hides what.
#[derive(Clone, PartialEq, Eq)]
pub enum Deletion {
    /// By the name that the source has for it, see [`ExternalRef::id`].
    External(String),
    /// By the id that the sample got here.
    Entity {
        /// One of [`entity_type`].
        entity_type: &'static str,
        /// The id.
        id: EntityId,
    },
}

impl fmt::Debug for Deletion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::External(_) => "External",
            Self::Entity { .. } => "Entity",
        })
    }
}

/// What is handed over at once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// Samples, new or changed; whoever takes them finds out.
    pub samples: Vec<Sample>,
    /// What is no longer there.
    pub deletions: Vec<Deletion>,
}

impl Batch {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty() && self.deletions.is_empty()
    }
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
