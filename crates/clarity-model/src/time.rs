//! Times as newtypes, so that a device's clock is never compared with the server's.

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z by **this device's** clock.
///
/// Used for timers and for showing; correctness never depends on it (promise I12).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct LocalTime(pub i64);

/// Milliseconds since 1970-01-01T00:00:00Z by **the server's** clock.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ServerTime(pub i64);

impl LocalTime {
    /// This time moved by `milliseconds`, saturating at the ends of the range.
    #[must_use]
    pub fn plus_ms(self, milliseconds: i64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// Milliseconds from `earlier` to this time; negative when the clock went back.
    #[must_use]
    pub fn since_ms(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}
