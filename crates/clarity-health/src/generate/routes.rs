//! Route files of a generated export.

use std::io::{self, Write};

use super::Options;
use super::document::workout_start_s;
use super::random::Random;
use super::text::Text;
use crate::time::civil_from_unix;

/// The path of a route file as a workout refers to it: named by wall clock, in twelve hours.
pub(super) fn path(options: &Options, number: u32) -> String {
    let start_s = workout_start_s(options, number.into());
    let civil = civil_from_unix(start_s * 1_000, options.locale.offset_min());
    let half = if civil.hour < 12 { "am" } else { "pm" };
    format!(
        "/workout-routes/route_{:04}-{:02}-{:02}_{}.{:02}{half}.gpx",
        civil.year,
        civil.month,
        civil.day,
        (civil.hour + 11) % 12 + 1,
        civil.minute
    )
}

/// Writes a route file; answers how many points it has.
pub(super) fn write(options: &Options, number: u32, out: &mut impl Write) -> io::Result<u64> {
    let mut random = Random::new(options.seed ^ 0x6770_7800 ^ u64::from(number));
    let mut text = Text::new(out, 0);
    let start_s = workout_start_s(options, number.into());
    text.push("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<gpx version=\"1.1\" ");
    text.push("creator=\"Apple Health Export\" xmlns=\"http://www.topografix.com/GPX/1/1\">\n");
    text.push("  <metadata>\n    <time>").date_utc(start_s + 86_400).push("</time>\n");
    text.push("  </metadata>\n  <trk>\n    <name>Route ").integer(number.into());
    text.push("</name>\n    <trkseg>\n");
    let (mut latitude, mut longitude, mut elevation_m) =
        (37.0 + random.fraction(), 122.0 + random.fraction(), 20.0);
    for second in 0..i64::from(options.route_points) {
        latitude += (random.fraction() - 0.5) * 0.000_02;
        longitude += (random.fraction() - 0.5) * 0.000_02;
        elevation_m = (elevation_m + (random.fraction() - 0.5) * 0.2_f64).max(0.0);
        text.push("      <trkpt lon=\"-").decimal(longitude, 6);
        text.push("\" lat=\"").decimal(latitude, 6).push("\"><ele>").decimal(elevation_m, 6);
        text.push("</ele><time>").date_utc(start_s + second);
        text.push("</time><extensions><speed>").decimal(random.fraction() * 4.0, 6);
        text.push("</speed><course>").decimal(random.fraction() * 360.0, 6);
        text.push("</course><hAcc>").decimal(2.0 + random.fraction() * 8.0, 6);
        text.push("</hAcc><vAcc>").decimal(1.0 + random.fraction() * 6.0, 6);
        text.push("</vAcc></extensions></trkpt>\n");
        text.pass_on()?;
    }
    text.push("    </trkseg>\n  </trk>\n</gpx>\n");
    text.finish()?;
    Ok(options.route_points.into())
}
