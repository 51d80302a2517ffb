//! Exports of real phones.

use std::collections::BTreeSet;
use std::io::{Cursor, Read};

use clarity_health::{AppleExport, bundled_export, sample::entity_type};
use serde_json::Value;

use crate::support::{counts, data, field, of_type, read_all, read_path};

fn member(name: &str) -> String {
    let mut zip = zip::ZipArchive::new(Cursor::new(bundled_export().zip)).unwrap();
    let mut text = String::new();
    zip.by_name(name).unwrap().read_to_string(&mut text).unwrap();
    text
}

/// An attribute of each record, found without the reader: the file has one tag a line.
fn attributes(xml: &str, record_type: &str, attribute: &str) -> Vec<String> {
    let (kind, start) = (format!("type=\"{record_type}\""), format!(" {attribute}=\""));
    xml.lines()
        .filter(|line| line.contains("<Record ") && line.contains(&kind))
        .filter_map(|line| line.split(&start).nth(1)?.split('"').next())
        .map(str::to_owned)
        .collect()
}

// Shows that the 2020 export is read to the last record, point, beat and metadata entry.
#[test]
fn export_of_2020_is_complete() {
    let (samples, report) = read_all(&mut bundled_export().open().unwrap()).unwrap();
    let expected = [
        (entity_type::ACTIVITY_SUMMARY, 8),
        (entity_type::HEALTH_METRIC, 1_862),
        (entity_type::WORKOUT, 16),
        (entity_type::WORKOUT_ROUTE, 17),
    ];
    assert_eq!(counts(&report.emitted), expected);
    for (kind, count) in expected {
        assert_eq!(of_type(&samples, kind).len() as u64, count);
    }
    assert_eq!(report.route_points, 16_654);
    assert_eq!((report.damaged_total, report.complete), (0, true));
    assert_eq!(
        (report.locale.as_deref(), report.export_date_ms),
        (Some("en_ZA"), Some(1_587_122_633_000))
    );
    let size = |name: &str| -> usize {
        let lists = samples.iter().filter_map(|sample| sample.fields.get(name));
        lists.map(|value| value.as_object().map_or(0, |map| map.len())).sum()
    };
    assert_eq!(size("metadata"), 474);
    let beats = samples.iter().filter_map(|sample| sample.fields.get("beats")?.as_array());
    assert_eq!(beats.map(Vec::len).sum::<usize>(), 46);
    let ids: BTreeSet<_> = samples.iter().map(|sample| sample.id.as_str()).collect();
    assert_eq!(ids.len(), samples.len());
}

// Shows that the numbers are those of the file, by adding them up in a second, simpler way.
#[test]
fn sums_of_2020_agree_with_the_text() {
    let xml = member("apple_health_export/export.xml");
    let (samples, report) = read_all(&mut bundled_export().open().unwrap()).unwrap();
    for (metric, factor) in [
        ("StepCount", 1.0),
        ("HeartRate", 1.0),
        ("ActiveEnergyBurned", 1.0),
        ("DistanceWalkingRunning", 1_000.0),
    ] {
        let texts = attributes(&xml, &format!("HKQuantityTypeIdentifier{metric}"), "value");
        let expected: f64 = texts.iter().map(|text| text.parse::<f64>().unwrap() * factor).sum();
        let read: Vec<f64> = of_type(&samples, entity_type::HEALTH_METRIC)
            .into_iter()
            .filter(|sample| field(sample, "metric") == metric)
            .map(|sample| field(sample, "value").as_f64().unwrap())
            .collect();
        assert_eq!(
            (read.len(), report.records_by_type.get(metric)),
            (texts.len(), read.len() as u64)
        );
        assert!((read.iter().sum::<f64>() - expected).abs() < 1e-6 * expected, "{metric}");
    }
}

// Shows that the points of the long walk have their places and times, in order and in UTC.
#[test]
fn route_of_2020_is_whole() {
    let (samples, _) = read_all(&mut bundled_export().open().unwrap()).unwrap();
    let chunks = of_type(&samples, entity_type::WORKOUT_ROUTE);
    let points: Vec<&Value> =
        chunks.iter().flat_map(|chunk| field(chunk, "points").as_array().unwrap()).collect();
    let gpx = member("apple_health_export/workout-routes/route_2020-01-18_5.49pm.gpx");
    let latitudes: Vec<f64> = gpx
        .split("lat=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().parse().unwrap())
        .collect();
    let read: Vec<f64> = points.iter().map(|point| point[0].as_f64().unwrap()).collect();
    assert_eq!(read, latitudes);
    let times: Vec<i64> = points.iter().map(|point| point[3].as_i64().unwrap()).collect();
    assert!(times.is_sorted());
    assert_eq!(times[0], 1_579_331_595_000);
    for (number, chunk) in chunks.iter().enumerate() {
        assert_eq!(field(chunk, "chunk"), number);
        assert_eq!(field(chunk, "route"), field(chunks[0], "route"));
        assert_eq!(chunk.fields.get("chunks"), (number == 16).then(|| Value::from(17)).as_ref());
    }
}

// Shows that a scan counts what an import hands over.
#[test]
fn scan_agrees_with_read() {
    let mut export = bundled_export().open().unwrap();
    let (_, report) = read_all(&mut export).unwrap();
    let scan = export.scan(&mut |_| std::ops::ControlFlow::Continue(())).unwrap();
    assert_eq!(scan.read, report);
    assert_eq!(scan.metrics["HeartRate"].count, 350);
    assert!(scan.metrics.values().all(|metric| metric.first_ms <= metric.last_ms));
    assert_eq!(scan.metrics.values().map(|metric| metric.count).sum::<u64>(), 1_862);
}

// Shows that an excerpt of 2016 with a whole document type, version 3, is read.
#[test]
fn tdda_excerpt() {
    let (samples, report) = read_path(&data("tdda/export6s3sample.xml")).unwrap();
    let expected = [
        (entity_type::ACTIVITY_SUMMARY, 2),
        (entity_type::HEALTH_METRIC, 15),
        (entity_type::WORKOUT, 1),
    ];
    assert_eq!(counts(&report.emitted), expected);
    assert_eq!((report.damaged_total, report.complete), (0, true));
    let distance = &samples[10];
    assert_eq!(field(distance, "metric"), "DistanceWalkingRunning");
    assert_eq!((field(distance, "value"), field(distance, "unit")), (&2.88.into(), &"m".into()));
    assert_eq!(field(distance, "original_value"), "0.00288");
    assert_eq!(field(distance, "original_unit"), "km");
    assert!(samples.iter().all(|sample| !sample.fields.values().any(Value::is_null)));
}

// Shows that both shapes of routes are read: points inside the workout, and a file beside it.
#[test]
fn dogsheep_inline_and_file_routes() {
    let (inline, report) = read_path(&data("dogsheep/export.xml")).unwrap();
    assert_eq!((report.emitted.total(), report.route_points), (6, 2));
    let (filed, report) = read_path(&data("dogsheep/zip_contents")).unwrap();
    assert_eq!((report.emitted.total(), report.route_points, report.damaged_total), (6, 3, 0));
    for samples in [&inline, &filed] {
        let workout = of_type(samples, entity_type::WORKOUT)[0];
        let chunk = of_type(samples, entity_type::WORKOUT_ROUTE)[0];
        assert_eq!(field(workout, "routes"), &Value::from(vec![field(chunk, "route").clone()]));
    }
    // The same records in both exports are the same entities.
    let ids = |samples: &[clarity_health::Sample]| -> Vec<String> {
        of_type(samples, entity_type::HEALTH_METRIC)
            .iter()
            .map(|sample| sample.id.to_string())
            .collect()
    };
    assert_eq!(ids(&inline), ids(&filed));
}

// Shows that metadata keys with spaces, and links with references in them, are kept.
#[test]
fn dogsheep_metadata() {
    let (samples, _) = read_path(&data("dogsheep/export.xml")).unwrap();
    let metadata = field(&samples[0], "metadata").as_object().unwrap();
    assert_eq!(metadata.len(), 5);
    assert_eq!(metadata["Health Mate App Version"], "2.16.0");
    assert_eq!(
        metadata["Withings Link"],
        "withings-bd2://timeline/measure?userid=12345&date=482685932&type=1"
    );
    assert_eq!(
        field(&samples[1], "device"),
        "name:Apple Watch, manufacturer:Apple Inc., model:Watch, hardware:Watch2,4, software:4.3.1"
            .replace("Apple Inc.", "Apple")
            .as_str()
    );
}

// Shows that the bundled export can be written out and read back as a file.
#[test]
fn bundled_export_as_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("export.zip");
    bundled_export().write_to(&path).unwrap();
    let (from_file, _) = read_path(&path).unwrap();
    let mut bundled = bundled_export().open().unwrap();
    assert_eq!(from_file, read_all(&mut bundled).unwrap().0);
    assert_eq!(AppleExport::open(&path).unwrap().import_id(), bundled.import_id());
    assert!(bundled_export().licence.contains("MIT License"));
}
