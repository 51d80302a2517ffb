//! Importing exports of all kinds.

use serde_json::{Value, json};

use crate::support::{Device, Server, clarity, export, real_export, run};

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

/// Shows that FHIR and tables are recognised by what is in them, and that an import is taken back
/// as the preview says.
#[test]
fn other_formats_come_in_and_go_again() {
    let folder = tempfile::tempdir().unwrap();
    let a = Device::new(folder.path(), "a");
    let bundles = export("synthea");
    let report = a.ok(&["import", &bundles]);
    assert_eq!((&report["format"], &report["subjects"]), (&json!("FHIR R4"), &json!(3)));
    let brought = report["new"].as_u64().unwrap();
    assert!(brought > 100, "{report}");
    assert_eq!(a.ok(&["import", &bundles])["new"], 0);
    let table = folder.path().join("weights.csv");
    std::fs::write(&table, "Datum;Gewicht\n10.04.2020 07:05;70,5\n").unwrap();
    let table = table.to_str().unwrap();
    let zone = ["--zone", "Europe/Berlin", "--map", "Gewicht=BodyMass:kg"];
    let scanned = a.ok(&[&["import", table, "--scan"][..], &zone].concat());
    assert_eq!(scanned["read"]["emitted"]["HealthMetric"], 1);
    let imported = a.ok(&[&["import", table][..], &zone].concat());
    assert_eq!((&imported["format"], &imported["new"]), (&json!("CSV table"), &json!(1)));
    let number = report["import"].to_string();
    let preview = a.ok(&["import", "--undo", &number]);
    let count = |report: &Value| -> u64 {
        report["deleted"].as_object().unwrap().values().filter_map(Value::as_u64).sum()
    };
    assert_eq!((count(&preview), &preview["done"]), (brought, &json!(false)));
    let undone = a.ok(&["import", "--undo", &number, "--yes"]);
    assert_eq!(count(&undone), brought);
    assert_eq!(a.ok(&["list"]), json!({ "HealthMetric": 1 }));
}

/// Shows that a file that is everything deletes what it lacks only after a person has said so.
#[test]
fn deletions_of_a_source_are_confirmed_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let a = Device::new(folder.path(), "a");
    let path = folder.path().join("weights.csv");
    let write = |days: std::ops::Range<u32>| {
        let rows: String = days.map(|day| format!("2020-01-{day:02},70\n")).collect();
        std::fs::write(&path, format!("date,weight\n{rows}")).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let import = |path: &str| a.ok(&["import", path, "--zone", "UTC", "--all-of", "scale"]);
    assert_eq!(import(&write(1..29))["imported"]["new"], 28);
    assert_eq!(import(&write(2..29))["imported"]["deleted"], 1);
    assert_eq!(import(&write(12..29))["comparing"]["is"], "held");
    let held = &a.ok(&["sources"])["sources"][0];
    assert_eq!(held["comparing"]["held"]["missing"], 10);
    a.ok(&["sources", "refuse", "scale"]);
    assert_eq!(a.ok(&["list"])["HealthMetric"], 27);
    import(&write(20..29));
    assert_eq!(a.ok(&["sources", "confirm", "scale"])["deleted"], 8);
    assert_eq!(a.ok(&["list"])["HealthMetric"], 19);
}

/// Shows that export, wipe and import give the same device, and that a changed export is refused
/// with its exit code.
#[test]
fn an_export_is_restored() {
    let folder = tempfile::tempdir().unwrap();
    let a = Device::new(folder.path(), "a");
    a.ok(&["import", &real_export()]);
    a.ok(&["add", "Note", "title=Breakfast"]);
    let path = folder.path().join("everything.zip");
    let path = path.to_str().unwrap();
    let report = a.ok(&["export", "--zip", path]);
    assert_eq!(report["report"]["entities"]["HealthMetric"], 1_862);
    let b = Device::new(folder.path(), "b");
    let restored = b.ok(&["import", path]);
    assert_eq!(restored["restored"], true);
    assert_eq!(b.ok(&["list"]), a.ok(&["list"]));
    assert_eq!(b.ok(&["status"])["waiting"], a.ok(&["status"])["waiting"]);
    let again = b.ok(&["import", path]);
    assert_eq!((&again["restored"], &again["imported"]["new"]), (&json!(false), &json!(0)));
}

/// Shows that a device restored from an export syncs beside the one that it came from: what had
/// been sent, what had not, and what both send again is there once.
#[test]
fn a_restored_device_syncs_beside_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let a = Device::signed_in(folder.path(), "a", &server);
    a.ok(&["add", "Note", "title=sent"]);
    a.ok(&["sync"]);
    a.ok(&["import", &export("tdda/export6s3sample.xml")]);
    a.ok(&["add", "Note", "title=waits"]);
    let path = folder.path().join("everything.zip");
    let path = path.to_str().unwrap();
    a.ok(&["export", "--zip", path]);
    let b = Device::new(folder.path(), "b");
    assert_eq!(b.ok(&["import", path])["restored"], true);
    let b = Device::signed_in(folder.path(), "b", &server);
    for device in [&b, &a, &b, &a] {
        device.ok(&["sync"]);
    }
    assert_eq!(a.ok(&["list"]), b.ok(&["list"]));
    assert_eq!(a.count("Note"), 2);
    for device in [&a, &b] {
        let status = device.ok(&["status"]);
        assert_eq!((&status["waiting"], &status["conflicts"]), (&json!(0), &json!(0)), "{status}");
    }
    let lines = |device: &Device| {
        let out = folder.path().join("lines.jsonl");
        device.ok(&["export", out.to_str().unwrap()]);
        std::fs::read_to_string(out).unwrap()
    };
    assert_eq!(lines(&a), lines(&b));
    // And once more into the one that it came from, which is ahead of it by now.
    let merged = a.ok(&["import", path]);
    assert_eq!([&merged["imported"]["new"], &merged["imported"]["changed"]], [0, 0], "{merged}");
}
