//! Importing exports of all kinds.

use serde_json::{Value, json};

use crate::support::{Device, clarity, export, real_export, run};

/// Shows the figures of the real export, and that a second import changes nothing.
#[test]
fn the_real_export_is_imported_once() {
    let folder = tempfile::tempdir().unwrap();
    let a = Device::new(folder.path(), "a");
    let report = a.ok(&["import", &real_export()]);
    assert_eq!((&report["read"], &report["new"]), (&json!(1_903), &json!(1_903)));
    let kinds = json!({
        "ActivitySummary": 8, "HealthMetric": 1_862, "Workout": 16, "WorkoutRoute": 17
    });
    assert_eq!(report["by_type"], kinds);
    assert_eq!(a.ok(&["list"]), kinds);
    let again = a.ok(&["import", &real_export()]);
    assert_eq!([&again["new"], &again["changed"]], [0, 0]);
    assert_eq!(again["duplicate"], 1_903);
    assert_eq!(a.ok(&["status"])["waiting"], 1_903);
}

/// Shows that a scan counts the same and leaves nothing behind.
#[test]
fn a_scan_only_counts() {
    let folder = tempfile::tempdir().unwrap();
    let a = Device::new(folder.path(), "a");
    let report = a.ok(&["import", "--scan", &real_export()]);
    assert_eq!(report["read"]["emitted"]["HealthMetric"], 1_862);
    assert!(!a.database().exists());
}

/// Shows that the other exports come in from a folder and from a single file, each with reasons
/// for everything that was left out.
#[test]
fn other_exports_come_in_with_reasons() {
    for path in ["dogsheep/zip_contents", "dogsheep/export.xml", "tdda/export6s3sample.xml"] {
        let folder = tempfile::tempdir().unwrap();
        let a = Device::new(folder.path(), "a");
        let report = a.ok(&["import", &export(path)]);
        let count = |name: &str| report[name].as_u64().unwrap();
        assert!(count("new") > 0, "{path}: {report}");
        assert_eq!(count("read"), count("new") + count("duplicate"), "{path}: {report}");
        let skipped = report["skipped"].as_object().unwrap();
        let worded = skipped.iter().all(|(why, count)| why.contains(' ') && count.is_u64());
        assert!(worded, "{path}: {report}");
        let again = a.ok(&["import", &export(path)]);
        assert_eq!([&again["new"], &again["changed"]], [0, 0], "{path}");
    }
}

/// Shows that an invented export with every defect comes in as it was made, in memory that does
/// not grow with it.
#[test]
fn a_large_export_is_imported_in_flat_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("export.zip");
    let path = path.to_str().unwrap();
    let made = run(clarity([
        "--json",
        "generate-export",
        "--records",
        "50000",
        "--seed",
        "7",
        "--defects",
        path,
    ]));
    assert_eq!(made.code, Some(0), "{made:?}");
    let made = made.object();
    let a = Device::new(folder.path(), "a");
    let report = a.ok(&["import", path]);
    let records = made["records"].as_u64().unwrap() + made["siblings"].as_u64().unwrap();
    assert_eq!(a.count("HealthMetric"), records);
    assert_eq!(report["damaged"], made["damaged"]);
    if cfg!(target_os = "linux") {
        let peak = report["peak_memory_bytes"].as_u64().unwrap();
        assert!(peak < 64 * 1_024 * 1_024, "{peak} bytes");
    } else {
        assert_eq!(report["peak_memory_bytes"], Value::Null);
    }
}
