//! Dates and times as tables write them.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::error::HealthError;
use crate::time::{Timestamp, parse_timestamp};

/// The zone of times that name none.
#[derive(Debug, Clone)]
pub(crate) struct Zone(TimeZone);

impl Zone {
    /// Reads `Europe/Berlin`, `UTC`, `Z` or `+02:00`.
    pub(crate) fn read(text: &str) -> Result<Self, HealthError> {
        let unknown = || HealthError::UnknownZone(text.chars().take(60).collect());
        if text.eq_ignore_ascii_case("utc") || text == "Z" {
            return Ok(Self(TimeZone::UTC));
        }
        if text.starts_with(['+', '-']) {
            // Any moment will do to read the offset with the reader of dates.
            let moment = parse_timestamp(&format!("2000-01-01T00:00:00{text}"));
            let seconds = moment.ok_or_else(unknown)?.offset_min * 60;
            let offset = jiff::tz::Offset::from_seconds(seconds).map_err(|_| unknown())?;
            return Ok(Self(TimeZone::fixed(offset)));
        }
        TimeZone::get(text).map(Self).map_err(|_| unknown())
    }

    /// The instant at which a clock of this zone shows this. A time that comes twice when clocks
    /// are set back is the first; one that is left out is moved on by the gap.
    fn instant(&self, clock: DateTime) -> Option<Timestamp> {
        let zoned = clock.to_zoned(self.0.clone()).ok()?;
        let offset_min = zoned.offset().seconds() / 60;
        Some(Timestamp { unix_ms: zoned.timestamp().as_millisecond(), offset_min })
    }
}

/// Which number of `03/04/2020` is the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateOrder {
    /// The third of April.
    DayFirst,
    /// The fourth of March.
    MonthFirst,
}

/// Why a text is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoTime {
    /// It has no zone, and none was said.
    Zone,
    /// It can be read in two ways.
    Order,
    /// It is no time.
    Unreadable,
}

/// Seconds from here on are milliseconds: the year 5138 in seconds, 1973 in milliseconds.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

/// Reads a date with a time, or a date alone, which is its midnight.
pub(crate) fn read(
    text: &str,
    zone: Option<&Zone>,
    order: Option<DateOrder>,
) -> Result<Timestamp, NoTime> {
    let text = text.trim();
    if let Some(timestamp) = parse_timestamp(text) {
        return Ok(timestamp);
    }
    if text.len() >= 9 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number: i64 = text.parse().map_err(|_| NoTime::Unreadable)?;
        let unix_ms = if number < MILLISECONDS_FROM { number * 1_000 } else { number };
        return Ok(Timestamp { unix_ms, offset_min: 0 });
    }
    let clock = civil(text, order)?;
    let zone = zone.ok_or(NoTime::Zone)?;
    zone.instant(clock).ok_or(NoTime::Unreadable)
}

fn civil(text: &str, order: Option<DateOrder>) -> Result<DateTime, NoTime> {
    let (date, time) = match text.split_once([' ', 'T']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let (year, month, day) = read_date(date.trim_end_matches(','), order)?;
    let (hour, minute, second, milliseconds) = match time {
        Some(time) => read_time(time.trim()).ok_or(NoTime::Unreadable)?,
        None => (0, 0, 0, 0),
    };
    DateTime::new(year, month, day, hour, minute, second, milliseconds * 1_000_000)
        .map_err(|_| NoTime::Unreadable)
}

fn read_date(text: &str, order: Option<DateOrder>) -> Result<(i16, i8, i8), NoTime> {
    let mark = text.chars().find(|c| !c.is_ascii_digit()).ok_or(NoTime::Unreadable)?;
    let parts: Vec<&str> = text.split(mark).collect();
    let [first, second, third] = parts[..] else { return Err(NoTime::Unreadable) };
    let small = |text: &str| text.parse::<i8>().map_err(|_| NoTime::Unreadable);
    let year = |text: &str| match text.len() {
        4 => text.parse::<i16>().map_err(|_| NoTime::Unreadable),
        _ => Err(NoTime::Unreadable),
    };
    if first.len() == 4 && matches!(mark, '-' | '/' | '.') {
        return Ok((year(first)?, small(second)?, small(third)?));
    }
    let (one, two, year) = (small(first)?, small(second)?, year(third)?);
    match (mark, order) {
        // Points are written where the day comes first.
        ('.', None) | ('.' | '/' | '-', Some(DateOrder::DayFirst)) => Ok((year, two, one)),
        ('.' | '/' | '-', Some(DateOrder::MonthFirst)) => Ok((year, one, two)),
        ('/' | '-', None) if one > 12 => Ok((year, two, one)),
        ('/' | '-', None) => Err(NoTime::Order),
        _ => Err(NoTime::Unreadable),
    }
}

/// Reads `7:05`, `07:05:09`, `07:05:09.250` and `7:05 PM`.
fn read_time(text: &str) -> Option<(i8, i8, i8, i32)> {
    let lower = text.to_ascii_lowercase();
    let (digits, afternoon) = match (lower.strip_suffix("pm"), lower.strip_suffix("am")) {
        (Some(rest), _) => (rest.trim_end(), Some(true)),
        (_, Some(rest)) => (rest.trim_end(), Some(false)),
        _ => (lower.as_str(), None),
    };
    let mut parts = digits.split(':');
    let mut hour: i8 = parts.next()?.parse().ok()?;
    let minute: i8 = parts.next()?.parse().ok()?;
    let seconds = parts.next().unwrap_or("0");
    let (second, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    if parts.next().is_some() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let milliseconds: i32 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    if let Some(afternoon) = afternoon {
        if !(1..=12).contains(&hour) {
            return None;
        }
        hour = hour % 12 + if afternoon { 12 } else { 0 };
    }
    Some((hour, minute, second.parse().ok()?, milliseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, zone: Option<&str>, order: Option<DateOrder>) -> Result<i64, NoTime> {
        let zone = zone.map(|zone| Zone::read(zone).unwrap());
        read(text, zone.as_ref(), order).map(|time| time.unix_ms)
    }

    /// Shows that all forms of one moment are that moment, and what has no zone needs one.
    #[test]
    fn forms_of_one_moment() {
        let moment = 1_586_482_414_000;
        for text in ["2020-04-10T03:33:34+02:00", "2020-04-10 01:33:34Z", "1586482414"] {
            assert_eq!(at(text, None, None), Ok(moment), "{text}");
        }
        for text in [
            "2020-04-10 03:33:34",
            "2020-04-10T03:33:34.000",
            "10.04.2020 03:33:34",
            "10.4.2020, 3:33:34",
        ] {
            assert_eq!(at(text, Some("Europe/Berlin"), None), Ok(moment), "{text}");
            assert_eq!(at(text, Some("+02:00"), None), Ok(moment), "{text}");
            assert_eq!(at(text, None, None), Err(NoTime::Zone), "{text}");
        }
        let afternoon = at("4/10/2020 3:33:34 PM", Some("UTC"), Some(DateOrder::MonthFirst));
        assert_eq!(afternoon, Ok(moment + 14 * 3_600_000));
    }

    /// Shows that summer and winter have their own offsets, and that a doubled and a missing hour
    /// are still moments.
    #[test]
    fn clocks_that_are_set() {
        let berlin = Some("Europe/Berlin");
        assert_eq!(at("2020-01-01 01:00", berlin, None), Ok(1_577_836_800_000));
        assert_eq!(at("2020-10-25 02:30", berlin, None), Ok(1_603_585_800_000));
        assert_eq!(at("2020-03-29 02:30", berlin, None), Ok(1_585_445_400_000));
    }

    /// Shows that nothing is guessed: two ways to read a date are an error.
    #[test]
    fn nothing_is_guessed() {
        let utc = Some("UTC");
        assert_eq!(at("03/04/2020", utc, None), Err(NoTime::Order));
        assert!(at("13/04/2020", utc, None).is_ok());
        for text in ["", "yesterday", "2020-13-01", "31.02.2020", "10.04.20", "2020-04-10 25:00"] {
            assert_eq!(at(text, utc, None), Err(NoTime::Unreadable), "{text}");
        }
        assert!(Zone::read("Europe/Nowhere").is_err());
        assert!(Zone::read("+99:00").is_err());
    }
}
