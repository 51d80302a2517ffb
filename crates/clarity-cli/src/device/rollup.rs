//! Sums for charts.

use clap::{Args, ValueEnum};
use clarity_client::{EntityType, Period, RollupQuery};
use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};

use crate::device::store::Place;
use crate::exit::{CliResult, ExitKind};
use crate::output::{Output, grouped, table};

const MILLISECONDS_IN_DAY: i64 = 86_400_000;

/// Arguments of `clarity device rollup`.
#[derive(Debug, Args)]
pub(crate) struct RollupArguments {
    /// The type, such as HealthMetric
    #[arg(value_name = "TYPE")]
    entity_type: EntityType,
    /// The measure, such as heart_rate
    #[arg(value_name = "KIND")]
    kind: String,
    /// What is summed up together
    #[arg(long, value_name = "PERIOD", default_value = "day")]
    by: By,
    /// Only this source
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// Each source by itself
    #[arg(long)]
    by_source: bool,
    /// From this day on, in UTC
    #[arg(long, value_name = "DATE", value_parser = parse_time)]
    since: Option<i64>,
    /// Up to this day, which is not part of it
    #[arg(long, value_name = "DATE", value_parser = parse_time)]
    until: Option<i64>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum By {
    Day,
    Month,
    Year,
}

/// A date, or a date and time with its offset, as milliseconds since 1970 UTC.
pub(crate) fn parse_time(text: &str) -> Result<i64, String> {
    let moment = text.parse::<Timestamp>().or_else(|_| {
        let day: Date = text.parse()?;
        day.to_zoned(TimeZone::UTC).map(|midnight| midnight.timestamp())
    });
    let words = "a time is a date such as 2024-02-29, or 2024-02-29T07:30:00Z";
    moment.map(Timestamp::as_millisecond).map_err(|_| words.to_owned())
}

/// Shows sums by day, month or year.
pub(crate) fn rollup(place: &Place, arguments: &RollupArguments, output: Output) -> CliResult {
    let client = place.open()?;
    let day = |time: Option<i64>| time.map(|ms| ms.div_euclid(MILLISECONDS_IN_DAY));
    let sums = client.rollups(&RollupQuery {
        entity_type: arguments.entity_type.clone(),
        kind: arguments.kind.clone(),
        source: arguments.source.clone(),
        days: day(arguments.since).unwrap_or(i64::MIN)..day(arguments.until).unwrap_or(i64::MAX),
        period: match arguments.by {
            By::Day => Period::Day,
            By::Month => Period::Month,
            By::Year => Period::Year,
        },
        by_source: arguments.by_source,
    })?;
    output.show_all(&sums, || {
        if sums.is_empty() {
            return "There is nothing to sum up.".to_owned();
        }
        let mut shown = table(["period", "source", "count", "sum", "mean", "min", "max"]);
        for sum in &sums {
            let number = |number: f64| format!("{:.2}", number);
            shown.add_row([
                sum.period.clone(),
                sum.source.clone().unwrap_or_default(),
                grouped(sum.count),
                number(sum.sum),
                number(sum.mean),
                number(sum.min),
                number(sum.max),
            ]);
        }
        shown.to_string()
    })?;
    Ok(ExitKind::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows what is taken for a time.
    #[test]
    fn times_are_dates_or_moments() {
        assert_eq!(parse_time("1970-01-02"), Ok(86_400_000));
        assert_eq!(parse_time("1970-01-01T01:00:00+01:00"), Ok(0));
        assert!(parse_time("yesterday").is_err() && parse_time("2024-02-30").is_err());
    }
}
