//! Zips, folders and files of all kinds.

use std::io::Write;
use std::ops::ControlFlow;

use clarity_health::limits::{TOTAL_BYTES_MAX, ZIP_RATIO_GRACE_BYTES};
use clarity_health::{AppleExport, HealthError};

use crate::support::{
    counts, export, field, read_all, read_path, read_zip, record, try_read_xml, zip_of,
};

fn document() -> String {
    export(&record("value=\"72\""))
}

/// The error of opening these bytes.
fn refusal(bytes: &[u8]) -> HealthError {
    match try_read_xml(bytes) {
        Ok(_) => panic!("these bytes are no export"),
        Err(error) => error,
    }
}

const GPX: &str = "<gpx><trk><trkseg><trkpt lat=\"37.5\" lon=\"-122.25\">\
                   <time>2020-01-18T07:13:15Z</time></trkpt></trkseg></trk></gpx>";

// Shows that the zip, the unpacked folder and its parent give equal samples and one import id.
#[test]
fn zip_and_folder_are_one_export() {
    let zip = zip_of(&[
        ("apple_health_export/export.xml", document().as_bytes()),
        ("apple_health_export/workout-routes/route_1.gpx", GPX.as_bytes()),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("apple_health_export");
    std::fs::create_dir_all(inner.join("workout-routes")).unwrap();
    std::fs::write(inner.join("export.xml"), document()).unwrap();
    std::fs::write(inner.join("workout-routes/route_1.gpx"), GPX).unwrap();
    std::fs::write(folder.path().join("export.zip"), &zip).unwrap();

    let mut from_zip = AppleExport::open(&folder.path().join("export.zip")).unwrap();
    let mut from_folder = AppleExport::open(&inner).unwrap();
    let mut from_parent = AppleExport::open(folder.path()).unwrap();
    let samples = read_all(&mut from_zip).unwrap().0;
    assert_eq!(samples.len(), 2);
    assert_eq!(read_all(&mut from_folder).unwrap().0, samples);
    assert_eq!(read_all(&mut from_parent).unwrap().0, samples);
    assert_eq!(from_zip.import_id(), from_folder.import_id());
    assert_eq!(
        from_zip.import_id(),
        AppleExport::open(&inner.join("export.xml")).unwrap().import_id()
    );
    // Reading twice from one opened export is reading it again.
    assert_eq!(read_all(&mut from_zip).unwrap().0, samples);
}

// Shows that another export has another import id.
#[test]
fn import_ids_differ() {
    let folder = tempfile::tempdir().unwrap();
    let id = |text: &str| {
        let path = folder.path().join("export.xml");
        std::fs::write(&path, text).unwrap();
        AppleExport::open(&path).unwrap().import_id()
    };
    let first = id(&document());
    assert_eq!(first.as_str().len(), 32);
    assert_eq!(id(&document()), first);
    assert_ne!(id(&document().replace("13:23:53", "13:23:54")), first);
    assert_ne!(id(&(document() + " ")), first);
}

// Shows that the records are found by what is in them, whatever the phone's language calls them,
// and that clinical documents and files of a Mac are not mistaken for them.
#[test]
fn localised_names_and_mac_files() {
    for name in ["Export.xml", "exportaci\u{f3}n.xml", "vienti.xml", "\u{5bfc}\u{51fa}.xml"] {
        let stem = name.trim_end_matches(".xml");
        let cda = format!("apple_health_export/{stem}_cda.xml");
        let zip = zip_of(&[
            ("__MACOSX/apple_health_export/._export.xml", b"\0\x05<HealthData><Record/>"),
            ("apple_health_export/.DS_Store", b"Bud1"),
            (&cda, b"<ClinicalDocument><HealthData"),
            (&format!("apple_health_export/{name}"), document().as_bytes()),
            ("apple_health_export/deeper/old.xml", document().repeat(2).as_bytes()),
            ("apple_health_export/electrocardiograms/ecg_2020-01-01.csv", b"Name,A. Person"),
            ("apple_health_export/clinical-records/Observation-1.json", b"{}"),
            ("apple_health_export/photo.jpeg", b"x"),
        ]);
        let (samples, report) = read_zip(&zip).unwrap();
        assert_eq!((samples.len(), report.damaged_total), (1, 1), "{name}");
        assert_eq!(report.damaged[0].file.to_string(), "electrocardiogram 1");
        assert_eq!(
            counts(&report.skipped),
            [
                ("clinical document (export_cda.xml): not supported", 1),
                ("clinical record file: not supported yet", 1),
                ("file of another kind: not supported", 2),
                ("file that a Mac added to the zip: holds no health data", 2),
            ]
        );
    }
}

// Shows that a name that is not UTF-8 and has no flag for its encoding does not matter.
#[test]
fn names_in_another_encoding() {
    let mut zip = zip_of(&[("apple_health_export/EXPRT.xml", document().as_bytes())]);
    // The same length in code page 437: both places that have the name.
    let needle = b"EXPRT";
    let places: Vec<usize> = zip
        .windows(needle.len())
        .enumerate()
        .filter(|(_, w)| w == needle)
        .map(|(i, _)| i)
        .collect();
    assert_eq!(places.len(), 2);
    for place in places {
        zip[place..place + 5].copy_from_slice(b"exp\xa2r");
    }
    assert_eq!(read_zip(&zip).unwrap().0.len(), 1);
}

// Shows that names which lead out of the export are read like any other and write nothing.
#[test]
fn traversal_names_are_harmless() {
    let zip = zip_of(&[
        ("../../../../tmp/export.xml", document().as_bytes()),
        ("/etc/route_1.gpx", GPX.as_bytes()),
    ]);
    let (samples, report) = read_zip(&zip).unwrap();
    assert_eq!((samples.len(), report.route_points), (2, 1));
}

// Shows that what is no export is refused with words that say what to do.
#[test]
fn refusals_are_in_words() {
    assert!(matches!(refusal(b""), HealthError::Empty));
    assert!(matches!(refusal(b"hello"), HealthError::NotAnExport));
    assert!(matches!(refusal(b"<gpx></gpx>"), HealthError::NotAnExport));
    assert!(matches!(refusal(b"PK\x03\x04 not really"), HealthError::BrokenZip));
    assert!(matches!(refusal(&zip_of(&[])), HealthError::NoRecords));
    assert!(matches!(refusal(&zip_of(&[("a.xml", b"<a/>")])), HealthError::NoRecords));
    assert!(matches!(refusal(&zip_of(&[("export.xml", b"")])), HealthError::Empty));
    let missing = AppleExport::open(std::path::Path::new("/no/such/place"));
    assert!(matches!(missing.err(), Some(HealthError::Read(_))));
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(AppleExport::open(empty.path()).err(), Some(HealthError::NoRecords)));
    for error in [HealthError::Empty, HealthError::NotAnExport, HealthError::BrokenZip] {
        assert!(error.to_string().len() > 40);
    }
}

// Shows that a zip with a password is refused in words; nobody is asked for one.
#[test]
fn protected_zips_are_refused() {
    let mut zip = zip_of(&[("export.xml", document().as_bytes())]);
    let central = zip.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    // The first bit of the flags, in both headers of the file.
    zip[6] |= 1;
    zip[central + 8] |= 1;
    assert!(matches!(refusal(&zip), HealthError::UnsupportedZip));
}

// Shows that a zip cut at any point is refused in words and never a panic.
#[test]
fn truncated_zips_are_refused() {
    let zip = zip_of(&[("apple_health_export/export.xml", document().as_bytes())]);
    for length in 0..zip.len() {
        let error = refusal(&zip[..length]);
        let expected = match length {
            0 => matches!(error, HealthError::Empty),
            1 => matches!(error, HealthError::NotAnExport),
            _ => matches!(error, HealthError::BrokenZip),
        };
        assert!(expected, "cut at {length}: {error}");
    }
}

// Shows that damage to the packed bytes keeps what was read before it and is reported.
#[test]
fn damaged_members_keep_what_was_read() {
    let body: String = (0..4_000)
        .map(|number| {
            record(&format!("value=\"{}\"", number % 150)).replace("Watch", &format!("W{number}"))
        })
        .collect();
    let mut zip = zip_of(&[("export.xml", export(&body).as_bytes())]);
    let place = zip.len() * 3 / 4;
    for byte in &mut zip[place..place + 64] {
        *byte ^= 0x5A;
    }
    let (samples, report) = read_zip(&zip).unwrap();
    assert!(!samples.is_empty() && samples.len() <= 4_000);
    assert!(report.damaged_total > 0);
    assert_eq!(field(&samples[0], "source"), "W0");
}

// Shows that a member that unpacks to far more than it is packed stops the reading.
#[test]
fn zip_bombs_are_refused() {
    let mut bomb = document().into_bytes();
    bomb.truncate(bomb.len() - "</HealthData>\n".len());
    bomb.resize(bomb.len() + 4 * ZIP_RATIO_GRACE_BYTES as usize, b' ');
    let zip = zip_of(&[("export.xml", &bomb)]);
    assert!(zip.len() < 64 * 1024);
    assert!(matches!(refusal(&zip), HealthError::TooLarge));
}

// Shows that a file larger than any export is refused before it is read.
#[test]
fn total_size_is_bounded() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(document().as_bytes()).unwrap();
    // A sparse file; file systems without them refuse the length.
    if file.as_file().set_len(TOTAL_BYTES_MAX + 1).is_ok() {
        let opened = AppleExport::open(file.path());
        assert!(matches!(opened.err(), Some(HealthError::TooLarge)));
    }
}

// Shows that a route that no workout refers to is imported, an empty or broken one is reported,
// and a reference to a route that is missing is counted.
#[test]
fn routes_without_workouts_and_workouts_without_routes() {
    let body = "<Workout workoutActivityType=\"HKWorkoutActivityTypeRunning\" \
                startDate=\"2020-01-18 08:00:00 +0200\" endDate=\"2020-01-18 09:00:00 +0200\">\
                <WorkoutRoute sourceName=\"W\"><MetadataEntry key=\"a\" value=\"b\"/>\
                <FileReference path=\"/workout-routes/route_9.gpx\"/></WorkoutRoute>\
                <WorkoutRoute><FileReference path=\"/Trainings/Route_1.GPX\"/></WorkoutRoute>\
                </Workout>";
    let broken = GPX.replace("lat=\"37.5\"", "lat=\"north\"") + GPX;
    let zip = zip_of(&[
        ("x/export.xml", export(body).as_bytes()),
        ("x/workout-routes/route_1.gpx", GPX.as_bytes()),
        ("x/workout-routes/route_2.gpx", b"<gpx></gpx>"),
        ("x/workout-routes/route_3.gpx", broken.as_bytes()),
        ("x/workout-routes/route_4.gpx", &GPX.as_bytes()[..GPX.len() - 20]),
    ]);
    let (samples, report) = read_zip(&zip).unwrap();
    assert_eq!((samples.len(), report.route_points), (4, 3));
    assert_eq!(field(&samples[0], "routes").as_array().unwrap().len(), 1);
    assert_eq!(field(&samples[0], "routes")[0], *field(&samples[1], "route"));
    assert_eq!(
        counts(&report.skipped),
        [
            ("metadata of a workout route: not supported yet", 1),
            ("route file without points", 1),
            ("route that a workout refers to but the export does not have", 1),
        ]
    );
    assert_eq!(report.damaged_total, 2);
    let damage = serde_json::to_value(&report.damaged).unwrap();
    assert_eq!(damage[0]["file"]["route"], 3);
    assert_eq!(damage[1]["what"], "the route file ends early");
    // A cut route does not say how many chunks it has.
    assert!(samples[1].fields.contains_key("chunks") && !samples[3].fields.contains_key("chunks"));
}

// Shows that a receiver that stops gets no more, and that what it got counts.
#[test]
fn cancelling_keeps_what_was_given() {
    let body: String = (0..12_000)
        .map(|number| record("value=\"72\"").replace("Watch", &format!("W{number}")))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("export.xml");
    std::fs::write(&path, export(&body)).unwrap();
    let mut calls = Vec::new();
    let mut export = AppleExport::open(&path).unwrap();
    let report = export
        .read(
            &mut |batch| {
                calls.push(batch.len());
                ControlFlow::Break(())
            },
            &mut |_| {},
        )
        .unwrap();
    assert_eq!(calls.len(), 1);
    assert!(calls[0] <= 5_000 && calls[0] > 1_000);
    assert!(report.cancelled && !report.complete);
    assert_eq!(report.emitted.total(), calls[0] as u64);
    assert_eq!(report.damaged_total, 0);
    // A scan stops when its progress is told to.
    let scan = export.scan(&mut |_| ControlFlow::Break(())).unwrap();
    assert!(scan.read.cancelled && scan.metrics.is_empty());
}

// Shows that progress never goes back, ends at the whole, and names the phases in order.
#[test]
fn progress_never_goes_back() {
    let mut export = clarity_health::bundled_export().open().unwrap();
    let mut seen = Vec::new();
    export.read(&mut |_| ControlFlow::Continue(()), &mut |progress| seen.push(progress)).unwrap();
    assert!(seen.len() >= 4);
    assert!(seen.windows(2).all(|pair| pair[0].bytes_read <= pair[1].bytes_read));
    assert!(seen.windows(2).all(|pair| pair[0].samples <= pair[1].samples));
    let last = seen.last().unwrap();
    assert_eq!((last.bytes_read, last.samples), (last.bytes_total, 1_903));
}

// Shows that a folder inside a folder inside a folder is still found, and links are not followed.
#[test]
#[cfg(unix)]
fn folders_are_searched_without_links() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("a/apple_health_export");
    std::fs::create_dir_all(&inner).unwrap();
    std::fs::write(inner.join("export.xml"), document()).unwrap();
    std::os::unix::fs::symlink(folder.path(), inner.join("circle")).unwrap();
    assert_eq!(read_path(folder.path()).unwrap().0.len(), 1);
}
