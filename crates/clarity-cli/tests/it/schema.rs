//! A device at a terminal whose schema changes.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::Device;

fn schema(folder: &Path, version: u32) -> String {
    let steps = json!([
        {"rename_field": {"type": "Weight", "from": "note", "to": "comment"}},
        {"map_values": {"type": "Weight", "field": "unit", "unmapped": "refuse",
            "values": [{"from": "kilo", "to": "kg"}]}}
    ]);
    let migrations = if version == 1 { json!([]) } else { json!([{"to": 2, "steps": steps}]) };
    let name = if version == 1 { "note" } else { "comment" };
    let file = json!({
        "format": 1, "name": "t", "version": version, "migrations": migrations,
        "types": {"Weight": {"fields": {name: {"column": "text"}, "unit": {"column": "text"}}}},
    });
    let path = folder.join(format!("schema-{version}.json"));
    fs::write(&path, file.to_string()).unwrap();
    path.display().to_string()
}

/// Shows that `init` with a newer schema carries a store forward, that a change which it no longer
/// takes is told with its reason and goes on when it is edited, and that an older schema is refused
/// in words and leaves the store in use.
#[test]
fn a_newer_schema_carries_a_store_forward() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::new(folder.path(), "a");
    let (first, second) = (schema(folder.path(), 1), schema(folder.path(), 2));
    device.ok(&["init", "--schema", &first]);
    device.ok(&["add", "Weight", "--id", "a", "note=hello", "unit=kilo"]);
    device.ok(&["add", "Weight", "--id", "b", "unit=stone"]);
    let upgraded = device.ok(&["init", "--schema", &second]);
    assert_eq!((&upgraded["made"], &upgraded["schema_version"]), (&json!(false), &json!(2)));
    let shown = device.ok(&["show", "Weight/a"]);
    assert_eq!(shown["fields"], json!({"comment": "hello", "unit": "kg"}));
    let failed = device.run(&["failed"]);
    assert_eq!(failed.stdout.lines().count(), 1, "{failed:?}");
    let failed = failed.object();
    assert_eq!((&failed["id"], &failed["reason"]), (&json!("b"), &json!("schema_migration")));
    let operation = failed["operation"].to_string();
    device.ok(&["retry", &operation, "--set", "unit=kg"]);
    assert_eq!(device.run(&["failed"]).stdout, "");
    device.run(&["init", "--schema", &first]).failed(6, "store", "which would misread it");
    assert_eq!(device.ok(&["show", "Weight/b"])["fields"], json!({"unit": "kg"}));
}
