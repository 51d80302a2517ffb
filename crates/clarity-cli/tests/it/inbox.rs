//! Batches, what lost, and what a person takes back, at a terminal.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Device, Ran, ran};

fn batch(device: &Device, arguments: &[&str], lines: &str) -> Ran {
    let all: Vec<&str> = ["batch"].iter().chain(arguments).copied().collect();
    let mut child = device.command(&all).stdin(Stdio::piped()).spawn().unwrap();
    // It may end at an error before it has read everything.
    let _ = child.stdin.take().unwrap().write_all(lines.as_bytes());
    ran(child)
}

fn line(id: &str, title: &str) -> String {
    json!({"do": "create", "type": "Note", "id": id, "fields": {"title": title}}).to_string()
}

/// Shows that a file of JSON lines makes, changes and deletes, from a file and from standard input,
/// with empty lines left out.
#[test]
fn a_batch_makes_changes_and_deletes() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::new(folder.path(), "a");
    let update =
        r#"{"do":"update","type":"Note","id":"b","fields":{"text":"t"},"remove":["title"]}"#;
    let delete = r#"{"do":"delete","type":"Note","id":"a"}"#;
    let lines = [&line("a", "A"), "", &line("b", "B"), update, delete].join("\n");
    let file = folder.path().join("lines.json");
    std::fs::write(&file, &lines).unwrap();
    let done = device.ok(&["batch", file.to_str().unwrap()]);
    assert_eq!((&done["durable"], &done["operations"]), (&json!(4), &json!(4)));
    assert_eq!(device.ok(&["show", "Note/b"])["fields"], json!({"text": "t"}));
    assert_eq!(device.count("Note"), 1);
    let nameless = r#"{"do":"create","type":"Note","fields":{"title":"C"}}"#;
    assert_eq!(batch(&device, &["-"], nameless).code, Some(0));
    assert_eq!(device.count("Note"), 2);
}

/// Shows that a line that says what its writer saw is merged with what came in since.
#[test]
fn a_line_that_says_what_was_seen_is_merged() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::new(folder.path(), "a");
    device.ok(&["add", "Goal", "--id", "g", "progress=20", "best=9"]);
    let line = r#"{"do":"update","type":"Goal","id":"g","fields":{"progress":15,"best":7},
        "seen":{"progress":10,"best":5}}"#;
    assert_eq!(batch(&device, &["-"], &line.replace('\n', " ")).code, Some(0));
    let shown = device.ok(&["show", "Goal/g"]);
    assert_eq!(shown["fields"], json!({"progress": 25, "best": 9}));
}

/// Shows that an error names its line and what is saved, never what the line says, and that one
/// can go on from there.
#[test]
fn an_error_in_a_batch_names_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::new(folder.path(), "a");
    let good = [line("a", "A"), line("b", "B")].join("\n");
    for (bad, words) in [
        ("{\"do\":\"create\", secret", "line 3, column 17: this is not JSON"),
        ("{\"do\":\"sell\",\"secret\":1}", "line 3"),
        ("{\"do\":\"create\",\"type\":\"Note\",\"secret\":1}", "is not a change"),
        (&line("a", "secret"), "line 3: an entity with this id exists already"),
        (&format!("\"{}\"", "x".repeat(2_000_000)), "line 3 is longer than 1 MiB"),
    ] {
        let device = Device::new(folder.path(), &format!("b{}", words.len()));
        let lines = format!("{good}\n{bad}\n{}\n", line("c", "C"));
        let failed = batch(&device, &["-"], &lines);
        let message = failed.object()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(words), "{message}");
        assert!(message.ends_with("2 before it are saved"), "{message}");
        assert!(!message.contains("secret"), "{message}");
        assert_eq!(device.count("Note"), 2);
        let rest = format!("{good}\n\n{}\n", line("c", "C"));
        assert_eq!(batch(&device, &["-", "--from", "3"], &rest).code, Some(0));
        assert_eq!(device.count("Note"), 3);
    }
    let failed = batch(&device, &["-", "--atomic"], &format!("{good}\n{}", line("a", "again")));
    failed.failed(2, "usage", "nothing was saved");
    let many: Vec<String> = (0..1_002).map(|number| line(&format!("n{number}"), "N")).collect();
    batch(&device, &["-", "--atomic"], &many.join("\n")).failed(2, "usage", "1,000 lines");
    assert_eq!(device.count("Note"), 0);
    assert_eq!(batch(&device, &["-", "--atomic"], &good).object()["operations"], 2);
}

/// Shows that a delete can be looked up and undone, with a preview that changes nothing, and that a
/// second undo is refused in words.
#[test]
fn what_lost_is_shown_and_brought_back() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::new(folder.path(), "a");
    device.ok(&["add", "Note", "--id", "n", "title=Tea"]);
    device.ok(&["add", "Note", "--id", "other", "title=Milk"]);
    device.ok(&["delete", "Note/n"]);
    let entry = device.ok(&["history", "Note/n"]);
    assert_eq!((&entry["cause"], &entry["fields"]), (&json!("deleted"), &json!({"title": "Tea"})));
    assert_eq!((&entry["id"], &entry["obstacle"]), (&json!("n"), &Value::Null));
    assert_eq!(device.run(&["history", "Note/other"]).stdout, "");
    let number = entry["history"].to_string();
    let preview = device.ok(&["undo", &number, "--preview"]);
    assert_eq!(preview["entities"][0]["shown_after"], true);
    assert_eq!(device.count("Note"), 1);
    device.ok(&["undo", &number]);
    assert_eq!(device.ok(&["show", "Note/n"])["fields"]["title"], "Tea");
    device.run(&["undo", &number]).failed(3, "state", "undone already");
    device.run(&["undo", "99"]).failed(3, "state", "no such entry");
}

/// Shows that a change and an entity can be taken back, with a preview before.
#[test]
fn changes_and_entities_are_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::new(folder.path(), "a");
    let made = device.ok(&["add", "Note", "--id", "n", "title=Tea"])["operations"][0].to_string();
    let edit = device.ok(&["edit", "Note/n", "title=Coffee"])["operations"][0].to_string();
    let preview = device.ok(&["rollback", &edit, "--preview"]);
    let field = json!({"field": "title", "before": "Coffee", "after": "Tea"});
    assert_eq!(preview["entities"][0]["fields"], json!([field]));
    device.ok(&["rollback", &edit]);
    assert_eq!(device.ok(&["show", "Note/n"])["fields"]["title"], "Tea");
    let ends = device.ok(&["rollback", "Note/n", "--preview"])["ends"].clone();
    assert_eq!(
        (&ends[0]["operation"].to_string(), &ends[0]["ends_as"]),
        (&made, &json!("cancelled"))
    );
    device.ok(&["rollback", "Note/n"]);
    assert_eq!(device.count("Note"), 0);
    device.run(&["rollback", "Note/n"]).failed(3, "state", "nothing to take back");
    device.run(&["rollback", &edit]).failed(3, "state", "is not waiting");
}

/// Shows what can be said to the commands about failed changes, and what is refused.
#[test]
fn commands_about_failed_changes_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::new(folder.path(), "a");
    device.ok(&["add", "Note", "--id", "n", "title=Tea"]);
    assert_eq!(device.ok(&["retry", "--all", "--reason", "invalid"])["done"], 0);
    assert_eq!(device.ok(&["discard", "--all", "--reason", "too_large"])["left"], 0);
    assert_eq!(device.run(&["failed", "--reason", "unknown"]).stdout, "");
    let file = folder.path().join("failed.json");
    assert_eq!(device.ok(&["failed", "--export", file.to_str().unwrap()])["exported"], 0);
    device.run(&["retry", "1", "--set", "title=Milk"]).failed(3, "state", "has not failed");
    for wrong in [
        &["retry"][..],
        &["retry", "1", "--all"],
        &["retry", "--all", "--set", "a=b"],
        &["discard", "--all"],
        &["discard", "1", "--reason", "invalid"],
        &["failed", "--reason", "bad mood"],
    ] {
        assert_eq!(device.run(wrong).code, Some(2), "{wrong:?}");
    }
}
