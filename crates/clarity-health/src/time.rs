//! Dates as an export writes them.
//!
//! Day arithmetic follows Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".

const DAY_MS: i64 = 86_400_000;

/// An instant with the offset that it was written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timestamp {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub(crate) unix_ms: i64,
    /// Minutes east of UTC. In records this is the offset that the phone had **when it made the
    /// export**, not the offset at the place and time of the record: a winter record exported in
    /// summer carries the summer offset. The instant is right, the wall clock is not.
    pub(crate) offset_min: i32,
}

/// Reads `2020-04-10 03:38:56 +0200`, the same with `T`, `Z`, a colon in the offset or a fraction
/// of a second (as routes write it), and the compact `20140913102754+0100` of the first exports.
pub(crate) fn parse_timestamp(text: &str) -> Option<Timestamp> {
    let bytes = text.trim_ascii().as_bytes();
    let (fields, rest) = if bytes.get(4) == Some(&b'-') {
        let separators = bytes.get(7) == Some(&b'-')
            && matches!(bytes.get(10), Some(b' ' | b'T'))
            && bytes.get(13) == Some(&b':')
            && bytes.get(16) == Some(&b':');
        if !separators {
            return None;
        }
        ([0, 5, 8, 11, 14, 17], bytes.get(19..)?)
    } else {
        ([0, 4, 6, 8, 10, 12], bytes.get(14..)?)
    };
    let year = digits(bytes, fields[0], 4)?;
    let [month, day, hour, minute, second] =
        [1, 2, 3, 4, 5].map(|index| digits(bytes, fields[index], 2));
    let (hour, minute, second) = (hour?, minute?, second?);
    // A leap second is written as 60.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = days_from_civil(year, month?, day?)?;
    let (fraction_ms, rest) = parse_fraction(rest)?;
    let offset_min = parse_offset(rest.trim_ascii_start())?;
    let local_ms = days * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1_000 + fraction_ms;
    Some(Timestamp { unix_ms: local_ms - i64::from(offset_min) * 60_000, offset_min })
}

/// Reads a day such as `2020-04-17`, or an instant with its offset such as `2020-04-17T08:30:00Z`,
/// in milliseconds since 1970 UTC; a day is its midnight in UTC.
#[must_use]
pub fn instant_ms(text: &str) -> Option<i64> {
    parse_day(text).or_else(|| parse_timestamp(text).map(|instant| instant.unix_ms))
}

/// Reads `2020-04-17`, the day of an activity summary; milliseconds of its midnight in UTC.
pub(crate) fn parse_day(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let days = days_from_civil(digits(bytes, 0, 4)?, digits(bytes, 5, 2)?, digits(bytes, 8, 2)?)?;
    Some(days * DAY_MS)
}

fn digits(bytes: &[u8], start: usize, count: usize) -> Option<i64> {
    bytes.get(start..start + count)?.iter().try_fold(0_i64, |number, byte| {
        byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0'))
    })
}

fn parse_fraction(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.', rest)) = bytes.split_first() else {
        return Some((0, bytes));
    };
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 {
        return None;
    }
    let milliseconds = (0..3).fold(0, |number, index| {
        let digit = if index < length { rest[index] - b'0' } else { 0 };
        number * 10 + i64::from(digit)
    });
    Some((milliseconds, &rest[length..]))
}

fn parse_offset(bytes: &[u8]) -> Option<i32> {
    let (sign, rest) = match bytes.split_first()? {
        (b'Z', []) => return Some(0),
        (b'+', rest) => (1, rest),
        (b'-', rest) => (-1, rest),
        _ => return None,
    };
    let minute_start = match (rest.len(), rest.get(2)) {
        (4, _) => 2,
        (5, Some(b':')) => 3,
        _ => return None,
    };
    let (hours, minutes) = (digits(rest, 0, 2)?, digits(rest, minute_start, 2)?);
    // No zone on earth is further away than 14 hours; some phones are set to odd ones.
    if hours > 18 || minutes > 59 {
        return None;
    }
    i32::try_from(sign * (hours * 60 + minutes)).ok()
}

fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// A calendar day and a time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    pub(crate) month: u8,
    pub(crate) day: u8,
    pub(crate) hour: u8,
    pub(crate) minute: u8,
    pub(crate) second: u8,
}

/// The wall clock that shows `unix_ms` at an offset; the inverse of [`parse_timestamp`].
pub(crate) fn civil_from_unix(unix_ms: i64, offset_min: i32) -> Civil {
    let local_ms = unix_ms + i64::from(offset_min) * 60_000;
    let days = local_ms.div_euclid(DAY_MS) + 719_468;
    let second_of_day = local_ms.rem_euclid(DAY_MS) / 1_000;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let small = |number: i64| u8::try_from(number).unwrap_or(0);
    Civil {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month: small(month),
        day: small(day_of_year - (153 * shifted_month + 2) / 5 + 1),
        hour: small(second_of_day / 3_600),
        minute: small(second_of_day / 60 % 60),
        second: small(second_of_day % 60),
    }
}

/// A moment as ISO 8601 and FHIR write it; nothing outside of the years 1 to 9999.
pub(crate) fn date_time(unix_ms: i64, offset_min: i32) -> Option<String> {
    // From the second of year 1 to the last but one of 9999, so that no offset leads out.
    if !(-62_135_510_400_000..253_402_214_400_000).contains(&unix_ms) || offset_min.abs() > 840 {
        return None;
    }
    let clock = civil_from_unix(unix_ms, offset_min);
    let sign = if offset_min < 0 { '-' } else { '+' };
    let offset = offset_min.abs();
    Some(format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}{sign}{:02}:{:02}",
        clock.year,
        clock.month,
        clock.day,
        clock.hour,
        clock.minute,
        clock.second,
        unix_ms.rem_euclid(1_000),
        offset / 60,
        offset % 60
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // Shows that one instant written with three offsets and in UTC is the same instant.
    #[test]
    fn offsets_name_the_same_instant() {
        let texts = [
            ("2016-11-14 07:25:44 -0700", -420),
            ("2016-11-14 06:25:44 -0800", -480),
            ("2016-11-14 16:25:44 +0200", 120),
            ("2016-11-14 19:55:44 +0530", 330),
            ("2016-11-14T14:25:44Z", 0),
            ("2016-11-14T16:25:44.000+02:00", 120),
            ("20161114152544+0100", 60),
        ];
        for (text, offset_min) in texts {
            let unix_ms = 1_479_133_544_000;
            assert_eq!(parse_timestamp(text), Some(Timestamp { unix_ms, offset_min }), "{text}");
        }
    }

    // Shows that fractions are read to the millisecond and leap seconds roll over.
    #[test]
    fn fractions_and_leap_seconds() {
        let unix = |text: &str| parse_timestamp(text).map(|time| time.unix_ms);
        assert_eq!(unix("1970-01-01T00:00:01.5Z"), Some(1_500));
        assert_eq!(unix("1970-01-01T00:00:01.123456Z"), Some(1_123));
        assert_eq!(unix("1970-01-01T00:00:60Z"), Some(60_000));
        assert_eq!(unix("1969-12-31T23:59:59Z"), Some(-1_000));
    }

    // Shows that texts which are no dates are refused and never guessed at.
    #[test]
    fn refuses_what_is_no_date() {
        for text in [
            "",
            "2020",
            "2020-04-10",
            "2020-04-10 03:38:56",
            "2020-02-30 03:38:56 +0200",
            "2019-02-29 03:38:56 +0200",
            "2020-13-01 03:38:56 +0200",
            "2020-04-10 24:00:00 +0200",
            "2020-04-10 03:38:56 +02",
            "2020-04-10 03:38:56 +0200x",
            "2020-04-10 03:38:56. +0200",
            "2020-04-10 3:38:56 pm +0200",
            "२०२०-04-10 03:38:56 +0200",
        ] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
        assert_eq!(parse_day("2020-04-31"), None);
        assert_eq!(parse_day("1970-01-02"), Some(DAY_MS));
    }

    proptest! {
        // Shows that writing and reading a date are inverse for any second from year 1 to 9999.
        #[test]
        fn civil_round_trip(
            second in -62_135_596_800_i64 + 86_400..253_402_300_799 - 86_400,
            offset_min in -720_i32..=840,
        ) {
            let civil = civil_from_unix(second * 1_000, offset_min);
            let sign = if offset_min < 0 { '-' } else { '+' };
            let Civil { year, month, day, hour, minute, second: of_minute } = civil;
            let (offset_hour, offset_rest) = (offset_min.abs() / 60, offset_min.abs() % 60);
            let text = format!(
                "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{of_minute:02} \
                 {sign}{offset_hour:02}{offset_rest:02}"
            );
            let expected = Timestamp { unix_ms: second * 1_000, offset_min };
            prop_assert_eq!(parse_timestamp(&text), Some(expected));
        }
    }
}
