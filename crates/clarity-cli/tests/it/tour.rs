//! The tour, and that its alarms ring.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Ran, clarity, run};

fn tour(arguments: &[&str], dump: &Path) -> Value {
    let mut command = clarity(["--json", "tour", "--dump"]);
    command.arg(dump).args(arguments);
    let ran = run(command);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.stdout.lines().count(), 1, "one object: {ran:?}");
    ran.object()
}

#[track_caller]
fn all_is_well(figures: &Value) {
    let made = figures["operations_made"].as_u64().unwrap();
    let accepted = figures["operations_accepted"].as_u64().unwrap();
    let covered = figures["operations_covered"].as_u64().unwrap();
    assert_eq!(made, accepted + covered, "{figures}");
    assert!(covered > 0, "{figures}");
    for (name, wanted) in [
        ("records", json!(1_862)),
        ("entities", json!(1_909)),
        ("lost", json!(0)),
        ("doubled", json!(0)),
        ("replicas_equal", json!(true)),
        ("conflict_version", json!(3)),
        ("passed", json!(true)),
    ] {
        assert_eq!(figures[name], wanted, "{name}: {figures}");
    }
}

fn verify(dump: &Path) -> Ran {
    let mut command = clarity(["--json", "tour", "verify"]);
    command.arg(dump);
    run(command)
}

/// Shows the main job through a faulty network: everything arrives exactly once, fields merge, the
/// conflict ends in version 3; and that each alarm of the figures rings when a file is spoilt.
#[test]
fn the_tour_succeeds_and_its_alarms_ring() {
    let folder = tempfile::tempdir().unwrap();
    let dump = folder.path().join("dump");
    let figures = tour(&[], &dump);
    all_is_well(&figures);
    for fault in ["requests_dropped", "answers_lost", "duplicated", "delayed", "refused"] {
        assert!(figures["faults"][fault].as_u64().unwrap() > 0, "{fault}: {figures}");
    }
    let again = verify(&dump);
    assert_eq!(again.code, Some(0), "{again:?}");
    all_is_well(&again.object());

    let alarm = |file: &str, spoil: &dyn Fn(&mut Vec<String>), figure: &str, wanted: Value| {
        let path = dump.join(file);
        let whole = std::fs::read_to_string(&path).unwrap();
        let mut lines: Vec<String> = whole.lines().map(str::to_owned).collect();
        spoil(&mut lines);
        std::fs::write(&path, lines.join("\n")).unwrap();
        let ran = verify(&dump);
        std::fs::write(&path, whole).unwrap();
        assert_eq!(ran.code, Some(1), "{file}: {ran:?}");
        assert_eq!(ran.object()[figure], wanted, "{file}: {ran:?}");
    };
    let pop = |lines: &mut Vec<String>| drop(lines.pop());
    // A receipt of an imported sample, which no other operation ends with.
    let forget = |lines: &mut Vec<String>| lines.retain(|line| !line.contains("\"counter\":1000,"));
    let twice = |lines: &mut Vec<String>| lines.push(lines[0].clone());
    let other_id = |lines: &mut Vec<String>| {
        let sample = lines.iter().find(|line| line.contains("\"HealthMetric\"")).unwrap();
        let mut copy: Value = serde_json::from_str(sample).unwrap();
        copy["id"] = json!("another");
        copy["version"] = json!(0);
        lines.push(copy.to_string());
    };
    let raised = |lines: &mut Vec<String>| {
        let last = lines.pop().unwrap();
        let mut entity: Value = serde_json::from_str(&last).unwrap();
        entity["version"] = json!(entity["version"].as_u64().unwrap() + 1);
        lines.push(entity.to_string());
    };
    let untrue = |lines: &mut Vec<String>| {
        for line in lines.iter_mut().filter(|line| line.contains("\"progress\"")) {
            let mut entity: Value = serde_json::from_str(line).unwrap();
            entity["fields"]["progress"] = json!(18);
            *line = entity.to_string();
        }
    };
    alarm("replica-b.jsonl", &pop, "replicas_equal", json!(false));
    alarm("replica-a.jsonl", &twice, "doubled", json!(1));
    alarm("server-receipts.jsonl", &forget, "lost", json!(1));
    alarm("server-entities.jsonl", &raised, "doubled", json!(1));
    alarm("server-entities.jsonl", &untrue, "lost", json!(1));
    alarm("server-entities.jsonl", &other_id, "replicas_equal", json!(false));
    assert_eq!(verify(&dump).code, Some(0));
}

/// Shows the same with ten kills of the importing device and five of the server on the way.
#[test]
fn the_tour_survives_ten_kills_of_the_device_and_five_of_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let figures = tour(&["--kills", "--seed", "7"], &folder.path().join("dump"));
    all_is_well(&figures);
    assert_eq!(figures["device_kills"], 10, "{figures}");
    assert_eq!(figures["server_kills"], 5, "{figures}");
}
