//! Exports larger and worse than any public one.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::ops::ControlFlow;

use clarity_health::AppleExport;
use clarity_health::generate::{
    Defects, Generated, Locale, Options, Prologue, write_xml, write_zip,
};

use crate::support::{counts, read_path, read_xml};

const WORST: Defects = Defects {
    prologue: Prologue::Version12Unclosed,
    control_characters: true,
    device_pointers: true,
    localised_name: true,
    truncated_tail: false,
    duplicates: true,
    damaged_records: true,
    mac_files: true,
};

fn xml_of(options: &Options) -> (Vec<u8>, Generated) {
    let mut xml = Vec::new();
    let made = write_xml(options, &mut xml).unwrap();
    assert_eq!(made.bytes, xml.len() as u64);
    (xml, made)
}

// Shows that a zip with every defect at once, in each locale, is read to exactly what was made.
#[test]
fn every_defect_in_every_locale() {
    for locale in [Locale::EnglishUnitedStates, Locale::GermanGermany, Locale::ChineseChina] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("export.zip");
        let options = Options {
            records: 12_000,
            workouts: 9,
            routes: 4,
            locale,
            defects: WORST,
            ..Options::default()
        };
        let made = write_zip(&options, &path).unwrap();
        assert!(made.duplicates > 50 && made.siblings > 50 && made.damaged == 12);
        let (samples, report) = read_path(&path).unwrap();
        assert_eq!(
            counts(&report.emitted),
            [
                ("ActivitySummary", made.summaries),
                ("Correlation", made.correlations),
                ("HealthMetric", made.records + made.duplicates + made.siblings),
                ("Workout", made.workouts),
                ("WorkoutRoute", 2 * u64::from(made.routes)),
            ]
        );
        assert_eq!((report.damaged_total, report.route_points), (made.damaged, made.route_points));
        assert_eq!(report.skipped.total(), made.unsupported + 3);
        assert!(report.repaired.total() > 0 && report.complete);

        // Duplicates are one entity, siblings are two, and nothing else shares an id.
        let mut contents: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for sample in &samples {
            contents.entry(sample.id.as_str()).or_default().insert(sample.sibling_id.as_str());
        }
        let doubled = contents.values().filter(|siblings| siblings.len() > 1).count() as u64;
        assert_eq!(doubled, made.siblings);
        assert_eq!(contents.len() as u64, samples.len() as u64 - made.duplicates - made.siblings);
        let linked = samples.iter().filter(|sample| sample.fields.contains_key("routes")).count();
        assert_eq!(linked, 4);
    }
}

// Shows that every prologue leads to the same samples, and that a cut tail loses nothing before it.
#[test]
fn prologues_and_tails() {
    let options = Options { records: 500, ..Options::default() };
    let (expected, _) = read_xml(xml_of(&options).0);
    for prologue in [
        Prologue::Version12Unclosed,
        Prologue::Version13Short,
        Prologue::Version13Long,
        Prologue::Absent,
    ] {
        let defects = Defects { prologue, ..Defects::default() };
        assert_eq!(read_xml(xml_of(&Options { defects, ..options }).0).0, expected);
    }
    let defects = Defects { truncated_tail: true, ..Defects::default() };
    let (samples, report) = read_xml(xml_of(&Options { defects, ..options }).0);
    assert_eq!(samples, expected);
    assert_eq!((report.complete, report.damaged_total), (false, 1));
}

// Shows that the same options make the same bytes, another seed others, and that pointers and
// control characters in the text make no difference to the ids.
#[test]
fn generation_is_repeatable() {
    let options = Options { records: 2_000, ..Options::default() };
    assert_eq!(xml_of(&options), xml_of(&options));
    assert_ne!(xml_of(&options).0, xml_of(&Options { seed: 2, ..options }).0);
    let defects = Defects { device_pointers: true, control_characters: true, ..Defects::default() };
    let (dirty, _) = read_xml(xml_of(&Options { defects, ..options }).0);
    let (clean, _) = read_xml(xml_of(&options).0);
    let ids = |samples: &[clarity_health::Sample]| -> Vec<String> {
        samples.iter().map(|sample| sample.id.to_string()).collect()
    };
    assert_eq!(ids(&dirty), ids(&clean));
}

// Shows that all 93 types occur, and that heart rate is the most frequent, as on a real watch.
#[test]
fn types_are_mixed_like_on_a_watch() {
    let (xml, _) = xml_of(&Options { records: 40_000, ..Options::default() });
    let (_, report) = read_xml(xml);
    assert_eq!(report.records_by_type.iter().count(), 93);
    let most = report.records_by_type.iter().max_by_key(|(_, count)| *count);
    assert_eq!(most.map(|(name, _)| name), Some("HeartRate"));
}

// Shows that nothing but the batch in hand is held: the largest batch stays the same when the
// export is ten times as large.
#[test]
fn batches_do_not_grow_with_the_export() {
    let largest = |records: u64| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("export.xml");
        let mut file = io::BufWriter::new(std::fs::File::create(&path).unwrap());
        let options = Options { records, ..Options::default() };
        write_xml(&options, &mut file).unwrap();
        file.flush().unwrap();
        let (mut largest, mut total) = (0, 0);
        let report = AppleExport::open(&path)
            .unwrap()
            .read(
                &mut |batch| {
                    largest = largest.max(batch.len());
                    total += batch.len() as u64;
                    ControlFlow::Continue(())
                },
                &mut |_| {},
            )
            .unwrap();
        assert_eq!(report.emitted.total(), total);
        largest
    };
    let (small, large) = (largest(10_000), largest(100_000));
    assert!(small <= 5_000 && (2_000..=5_000).contains(&large));
}
