//! Months of samples.

use std::fmt;

use clarity_model::{EntityId, EntityKey};
use serde::Serialize;

use crate::value::IdValue;

const DAY_MS: i64 = 86_400_000;
/// Larger than every id that is a UUID.
const AFTER_ALL: [u8; 17] = [0xff; 17];
/// One more than the largest time in an id.
const ID_TIME_END: i64 = 1 << 48;

/// A calendar month in UTC, counted from January of the year 0. Shown as `2026-03`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(as = "String"))]
pub struct Month(pub i64);

impl Month {
    /// The month that a time, in milliseconds since 1970 UTC, lies in.
    #[must_use]
    pub fn of_ms(time_ms: i64) -> Self {
        // The civil calendar from a count of days, with years that begin in March.
        let days = time_ms.div_euclid(DAY_MS) + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        Self((era * 400 + year_of_era) * 12 + from_march + 2)
    }

    /// When it begins, in milliseconds since 1970 UTC.
    #[must_use]
    pub fn start_ms(self) -> i64 {
        let from_march = self.0 - 2;
        let year = from_march.div_euclid(12);
        let month = from_march.rem_euclid(12);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * month + 2) / 5;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        (era * 146_097 + day_of_era - 719_468) * DAY_MS
    }

    /// The next month.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The month that a sample belongs to: that of the time in its id, which is when an imported
    /// sample began and when any other was made. Nothing when the id is no UUID.
    #[must_use]
    pub fn of_id(id: &EntityId) -> Option<Self> {
        match IdValue::of(id) {
            IdValue::Uuid(uuid) => Some(Self::of_uuid(uuid.as_bytes())),
            IdValue::Text(_) => None,
        }
    }

    /// As [`Month::of_id`].
    #[must_use]
    pub fn of_key(key: &EntityKey) -> Option<Self> {
        Self::of_id(&key.id)
    }

    pub(crate) fn of_uuid(bytes: &[u8; 16]) -> Self {
        let mut eight = [0; 8];
        eight[2..].copy_from_slice(&bytes[..6]);
        Self::of_ms(i64::from_be_bytes(eight))
    }

    /// The ids of its samples, as they lie in a column: from the first, and up to the second.
    pub(crate) fn ids(self) -> (Vec<u8>, Vec<u8>) {
        let bound = |time_ms: i64| match time_ms {
            ..0 => vec![0; 6],
            ID_TIME_END.. => AFTER_ALL.to_vec(),
            time_ms => time_ms.to_be_bytes()[2..].to_vec(),
        };
        (bound(self.start_ms()), bound(self.next().start_ms()))
    }
}

impl fmt::Display for Month {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04}-{:02}", self.0.div_euclid(12), self.0.rem_euclid(12) + 1)
    }
}

impl Serialize for Month {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
