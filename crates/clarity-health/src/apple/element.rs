//! The elements of an export and where they may stand.

/// The name of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    HealthData,
    ExportDate,
    Me,
    Record,
    Correlation,
    Workout,
    ActivitySummary,
    ClinicalRecord,
    Audiogram,
    VisionPrescription,
    MetadataEntry,
    Beats,
    Beat,
    WorkoutEvent,
    WorkoutRoute,
    WorkoutStatistics,
    WorkoutActivity,
    FileReference,
    Location,
    /// Any other name, by a hash of it, to find its end again.
    Other(u64),
}

impl Element {
    /// The element with this name.
    pub(crate) fn of(name: &[u8]) -> Self {
        match name {
            b"HealthData" => Self::HealthData,
            b"ExportDate" => Self::ExportDate,
            b"Me" => Self::Me,
            b"Record" => Self::Record,
            b"Correlation" => Self::Correlation,
            b"Workout" => Self::Workout,
            b"ActivitySummary" => Self::ActivitySummary,
            b"ClinicalRecord" => Self::ClinicalRecord,
            b"Audiogram" => Self::Audiogram,
            b"VisionPrescription" => Self::VisionPrescription,
            b"MetadataEntry" => Self::MetadataEntry,
            b"HeartRateVariabilityMetadataList" => Self::Beats,
            b"InstantaneousBeatsPerMinute" => Self::Beat,
            b"WorkoutEvent" => Self::WorkoutEvent,
            b"WorkoutRoute" => Self::WorkoutRoute,
            b"WorkoutStatistics" => Self::WorkoutStatistics,
            b"WorkoutActivity" => Self::WorkoutActivity,
            b"FileReference" => Self::FileReference,
            b"Location" => Self::Location,
            _ => Self::Other(fnv1a(name)),
        }
    }

    /// Whether the element stands directly below the root, so that meeting it anywhere else means
    /// that an end tag was lost.
    pub(crate) fn is_top_level(self) -> bool {
        matches!(
            self,
            Self::ExportDate
                | Self::Me
                | Self::Record
                | Self::Correlation
                | Self::Workout
                | Self::ActivitySummary
                | Self::ClinicalRecord
                | Self::Audiogram
                | Self::VisionPrescription
        )
    }

    /// Whether the element only makes sense inside another one.
    pub(crate) fn is_part(self) -> bool {
        !self.is_top_level() && !matches!(self, Self::Other(_))
    }
}

/// Fowler, Noll and Vo's hash 1a: names only have to be told apart within one stack.
fn fnv1a(name: &[u8]) -> u64 {
    name.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
