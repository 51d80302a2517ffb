//! Whatever the bytes are: no panic, bounded, and what was read before a damage stays.

use std::ops::ControlFlow;

use clarity_health::source::{Budget, Scope};
use clarity_health::{CsvOptions, FileSource, HealthFile, HealthSource};
use proptest::prelude::*;

use crate::fhir::read;
use crate::support::data;

const SYNTHEA: &str = "synthea/Buster_Hoeger_ad2e3fc5-2b5d-4cb9-8d03-9ea0f4ac8423.json";

fn read_bytes(name: &str, bytes: &[u8]) -> Option<(usize, u64, bool)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let options = CsvOptions { zone: Some("UTC".to_owned()), ..CsvOptions::default() };
    let (batch, report) = read(&path, &options).ok()?;
    Some((batch.samples.len(), report.damaged_total, report.complete))
}

/// Shows that a bundle that ends anywhere gives what came before, and says where it ends.
#[test]
fn a_truncated_bundle_keeps_its_part() {
    let whole = std::fs::read(data(SYNTHEA)).unwrap();
    let (all, ..) = read_bytes("whole.json", &whole).unwrap();
    let mut before = 0;
    for part in 1..10 {
        let length = whole.len() * part / 10;
        let (count, damaged, complete) = read_bytes("part.json", &whole[..length]).unwrap();
        assert!(count >= before && count <= all, "{part}: {count}");
        assert_eq!((damaged, complete), (1, false));
        before = count;
    }
    assert!(before > 0);
}

/// Shows that depth and length are bounded: what is too deep or too long is damage, and what came
/// before it is read.
#[test]
fn deep_and_long_json() {
    let good = "{\"resource\":{\"resourceType\":\"Observation\",\"status\":\"final\",\
        \"code\":{\"text\":\"Grip\"},\"effectiveDateTime\":\"2020-01-01T00:00:00Z\",\
        \"valueInteger\":1}}";
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let long = "x".repeat(2_000_000);
    let huge = "x".repeat(17_000_000);
    for bad in [
        format!("{{\"resource\":{{\"code\":{deep}}}}}"),
        format!("{{\"resource\":{{\"valueString\":\"{long}\"}}}}"),
        format!("{{\"resource\":{{\"text\":\"{huge}\"}}}}"),
        "{\"resource\":".to_owned(),
        "nonsense".to_owned(),
    ] {
        let text = format!("{{\"resourceType\":\"Bundle\",\"entry\":[{good},{bad},{good}]}}");
        assert_eq!(read_bytes("bad.json", text.as_bytes()), Some((1, 1, false)));
    }
    // What is only passed over may be long or deep.
    for passed in [
        format!("{{\"resource\":{{\"resourceType\":\"Binary\",\"data\":\"{long}\"}}}}"),
        format!("{{\"resource\":{{\"text\":{deep}}}}}"),
        "7".to_owned(),
        "{\"resource\":[[]]}".to_owned(),
    ] {
        let text = format!("{{\"resourceType\":\"Bundle\",\"entry\":[{good},{passed},{good}]}}");
        assert_eq!(read_bytes("passed.json", text.as_bytes()), Some((2, 0, true)));
    }
}

/// Shows that a file is a source: page by page, the same as read at once, from any cursor, and that
/// the cursor of another content is foreign.
#[test]
fn a_file_is_a_source() {
    let path = data(SYNTHEA);
    let (all, _) = read(&path, &CsvOptions::default()).unwrap();
    let budget = Budget { max_samples: 7, deadline: None };
    let scope = Scope::default();
    let mut pages = Vec::new();
    let mut cursor = None;
    let mut source = FileSource::new(&path, CsvOptions::default());
    loop {
        let page = source.pull(&scope, cursor.as_ref(), budget).unwrap();
        // Another process goes on where this one was.
        let mut other = FileSource::new(&path, CsvOptions::default());
        assert_eq!(other.pull(&scope, cursor.as_ref(), budget).unwrap(), page);
        assert!(page.upserts.len() <= 7);
        pages.extend(page.upserts);
        cursor = page.next;
        if !page.more {
            break;
        }
    }
    assert_eq!(pages, all.samples);
    assert!(source.report().is_some_and(|report| report.complete));
    let folder = tempfile::tempdir().unwrap();
    let changed = folder.path().join("other.json");
    std::fs::write(&changed, [&std::fs::read(&path).unwrap()[..], b" "].concat()).unwrap();
    let foreign =
        FileSource::new(&changed, CsvOptions::default()).pull(&scope, cursor.as_ref(), budget);
    assert!(foreign.is_err_and(|error| error.needs_snapshot()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Shows that no bytes make a reader panic, whatever format they look like.
    #[test]
    fn any_bytes(
        head in prop_oneof![
            Just(&b"{\"resourceType\":\"Bundle\",\"entry\":["[..]),
            Just(&b"date,weight,time\n"[..]),
            Just(&b"start;metric;value;unit\n"[..]),
            Just(&b"<?xml version=\"1.0\"?><HealthData>"[..]),
            Just(&b"PK\x03\x04"[..]),
            Just(&b""[..]),
        ],
        tail in prop::collection::vec(prop_oneof![
            "[ -~]{0,20}".prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 0..20),
            Just(b"{\"resource\":{\"resourceType\":\"Observation\",\"status\":\"".to_vec()),
            Just(b"2020-04-10,70,07:05\n".to_vec()),
            Just(b"\"},{\"".to_vec()),
        ], 0..12),
    ) {
        let bytes = [head, &tail.concat()].concat();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("any");
        std::fs::write(&path, bytes).unwrap();
        let options = CsvOptions { zone: Some("UTC".to_owned()), ..CsvOptions::default() };
        if let Ok(mut file) = HealthFile::open(&path, &options) {
            let mut count = 0;
            let mut sink = |batch: clarity_health::Batch| {
                count += batch.samples.len() as u64;
                ControlFlow::Continue(())
            };
            if let Ok(report) = file.read(&mut sink, &mut |_| {}) {
                prop_assert_eq!(report.emitted.total(), count);
            }
        }
    }
}
