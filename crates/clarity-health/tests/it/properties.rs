//! What holds for any export.

use std::sync::LazyLock;

use clarity_health::Sample;
use clarity_health::generate::{Defects, Options, write_xml};
use proptest::prelude::*;

use crate::support::{export, read_xml, read_zip, try_read_xml, zip_of};

fn generated(options: &Options) -> Vec<u8> {
    let mut xml = Vec::new();
    write_xml(options, &mut xml).expect("writing to memory");
    xml
}

static WHOLE: LazyLock<(Vec<u8>, Vec<Sample>)> = LazyLock::new(|| {
    let options = Options { records: 300, workouts: 6, ..Options::default() };
    let xml = generated(&options);
    let samples = read_xml(&xml).0;
    (xml, samples)
});

/// A text without markup, as a source or device may be called.
fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 \u{a0}\u{2019}é导<>&\"':,]{1,24}"
        .prop_filter("a device text of its own form", |text| !text.starts_with("<<"))
}

/// Escapes a text in one of several ways that mean the same.
fn escape(text: &str, way: u64) -> String {
    let mut out = String::new();
    for (index, letter) in text.chars().enumerate() {
        let must = matches!(letter, '<' | '&' | '"');
        match (must, (way >> (index % 32)) & 3) {
            (false, 0 | 1) => out.push(letter),
            (_, 2) => out.push_str(&format!("&#x{:X};", u32::from(letter))),
            (true, 0 | 1) => out.push_str(match letter {
                '<' => "&lt;",
                '&' => "&amp;",
                _ => "&quot;",
            }),
            (_, _) => out.push_str(&format!("&#{};", u32::from(letter))),
        }
    }
    out
}

/// One record with its attributes in this order and escaped in this way.
fn written(source: &str, device: &str, pointer: u64, order: &[usize], way: u64) -> String {
    let device = format!("<<HKDevice: 0x{pointer:x}>, name:{device}>");
    let attributes = [
        ("type", "HKQuantityTypeIdentifierHeartRate".to_owned()),
        ("unit", "count/min".to_owned()),
        ("value", "72".to_owned()),
        ("sourceName", source.to_owned()),
        ("device", device),
        ("startDate", "2020-04-10 03:33:34 +0200".to_owned()),
        ("endDate", "2020-04-10 03:33:34 +0200".to_owned()),
    ];
    let mut text = String::from("<Record");
    for index in order {
        let (name, value) = &attributes[*index];
        text.push_str(&format!(" {name}=\"{}\"", escape(value, way)));
    }
    text + "/>"
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    // Shows that an export cut at any byte gives the first samples of the whole one, and that the
    // report says that it is cut.
    #[test]
    fn any_cut_delivers_a_prefix(cut in any::<prop::sample::Index>()) {
        let (xml, whole) = &*WHOLE;
        let cut = cut.index(xml.len());
        if let Ok((samples, report)) = try_read_xml(&xml[..cut]) {
            prop_assert_eq!(&samples[..], &whole[..samples.len()]);
            // The very last byte is a line feed behind the end.
            prop_assert_eq!(report.complete, cut + 1 == xml.len());
            prop_assert_eq!(report.damaged_total, u64::from(!report.complete));
        }
    }

    // Shows that bytes changed anywhere behind the head never panic, lose no more than the records
    // that they hit, lose nothing without a word in the report, and never invent a record.
    #[test]
    fn any_damage_stays_where_it_is(
        place in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(any::<u8>(), 1..4),
    ) {
        let (xml, whole) = &*WHOLE;
        let mut xml = xml.clone();
        let body = xml.windows(8).position(|window| window == b"<Record ").unwrap_or(0);
        let place = body + place.index(xml.len() - body - 24 - bytes.len());
        xml[place..place + bytes.len()].copy_from_slice(&bytes);
        let (samples, report) = read_xml(&xml);
        prop_assert!(report.complete);
        let lost = whole.iter().filter(|sample| !samples.contains(sample)).count();
        prop_assert!(lost <= 3, "{} lost", lost);
        prop_assert!(samples.len() <= whole.len() + 1);
        let noted = report.damaged_total + report.skipped.total() - 4;
        prop_assert!(noted > 0 || samples.len() >= whole.len());
    }

    // Shows that the order of attributes, the way of escaping, the pointer in the device, and zip
    // or folder change nothing.
    #[test]
    fn ids_depend_on_content_alone(
        source in name(),
        device in name(),
        pointers in any::<[u64; 2]>(),
        order in Just(vec![0_usize, 1, 2, 3, 4, 5, 6]).prop_shuffle(),
        ways in any::<[u64; 2]>(),
    ) {
        let plain = [0, 1, 2, 3, 4, 5, 6];
        let first = export(&written(&source, &device, pointers[0], &plain, ways[0]));
        let second = export(&written(&source, &device, pointers[1], &order, ways[1]));
        let (expected, report) = read_xml(&first);
        prop_assert_eq!((expected.len(), report.damaged_total), (1, 0));
        prop_assert_eq!(&read_xml(&second).0, &expected);
        let zip = zip_of(&[("apple_health_export/export.xml", second.as_bytes())]);
        prop_assert_eq!(&read_zip(&zip).unwrap().0, &expected);
    }

    // Shows that generated exports of any seed and any defects are read to exactly what was made.
    #[test]
    fn generated_exports_are_understood(
        seed in any::<u64>(),
        records in 1_u64..400,
        flags in any::<[bool; 4]>(),
    ) {
        let [control_characters, device_pointers, duplicates, damaged_records] = flags;
        let defects = Defects {
            control_characters, device_pointers, duplicates, damaged_records, ..Defects::default()
        };
        let few = Options { workouts: 3, routes: 0, ..Options::default() };
        let options = Options { records, seed, defects, ..few };
        let mut xml = Vec::new();
        let made = write_xml(&options, &mut xml).unwrap();
        let (_, report) = read_xml(&xml);
        let metrics = made.records + made.duplicates + made.siblings;
        prop_assert_eq!(report.emitted.get("HealthMetric"), metrics);
        prop_assert_eq!(report.emitted.get("Correlation"), made.correlations);
        prop_assert_eq!(report.damaged_total, made.damaged);
        prop_assert!(report.complete);
    }
}
