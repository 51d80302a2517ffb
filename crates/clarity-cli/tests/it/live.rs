//! Reading much, and watching.

use std::io::{BufRead, BufReader};
use std::process::Child;

use serde_json::{Value, json};

use crate::support::{Device, Server};

/// A command that goes on until it is stopped, and what it prints.
struct Watching {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Watching {
    fn start(device: &Device, arguments: &[&str]) -> Self {
        let mut child = device.command(arguments).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn next(&mut self) -> Value {
        serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Shows that `list` gives pages that go on from each other's end, ranges of time, and counts.
#[test]
fn lists_go_on_where_they_ended() {
    let folder = tempfile::tempdir().unwrap();
    let a = Device::new(folder.path(), "a");
    for day in 1..=5 {
        let at_ms = 86_400_000 * (day - 1);
        let at = format!("start_ms={at_ms}");
        let id = format!("r{day}");
        let value = format!("value={day}");
        a.ok(&["add", "ManualReading", "--id", &id, "metric=weight", &at, &value]);
    }
    let first = a.run(&["list", "ManualReading", "--newest", "start_ms", "--limit", "2"]);
    let lines: Vec<Value> =
        first.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: Vec<&Value> = lines.iter().map(|line| &line["id"]).collect();
    assert_eq!(ids, [&json!("r5"), &json!("r4"), &Value::Null]);
    let next = lines[2]["next"].as_str().unwrap();
    let more = ["list", "ManualReading", "--newest", "start_ms", "--limit", "3", "--after", next];
    assert_eq!(a.ok(&more)["id"], "r1", "the last of the three that were left");
    let range = ["list", "ManualReading", "--since", "1970-01-02", "--until", "1970-01-04"];
    assert_eq!(a.ok(&[&range[..], &["--count"]].concat())["count"], 2);
    a.run(&["list", "Goal", "--since", "1970-01-02"]).failed(2, "usage", "no field with its time");
    a.run(&["list", "Note", "--after", next]).failed(2, "usage", "first page");
    let sums = a.ok(&["rollup", "ManualReading", "weight", "--by", "month"]);
    let expected = json!({"period": "1970-01", "count": 5, "sum": 15.0, "mean": 3.0, "min": 1.0,
        "max": 5.0});
    assert_eq!(sums, expected);
}

/// Shows that `show --watch` and `list --watch` print what is there, and then what another process
/// changes.
#[test]
fn watching_prints_what_another_process_changes() {
    let folder = tempfile::tempdir().unwrap();
    let a = Device::new(folder.path(), "a");
    a.ok(&["add", "Note", "--id", "n", "title=first"]);
    let mut shown = Watching::start(&a, &["show", "Note/n", "--watch"]);
    let mut listed = Watching::start(&a, &["list", "Note", "--watch"]);
    assert_eq!(shown.next()["fields"]["title"], "first");
    assert_eq!(listed.next()["entities"][0]["fields"]["title"], "first");
    a.ok(&["edit", "Note/n", "title=second"]);
    assert_eq!(shown.next()["fields"]["title"], "second");
    assert_eq!(listed.next()["entities"][0]["fields"]["title"], "second");
    a.ok(&["delete", "Note/n"]);
    assert_eq!(shown.next(), Value::Null);
    assert_eq!(listed.next()["entities"], json!([]));
}

/// Shows that `why` tells of an operation and of an entity what is in the way, in words and for
/// programs, and that it asks of nothing that is not there.
#[test]
fn why_tells_what_is_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let a = Device::new(folder.path(), "a");
    a.ok(&["add", "Note", "--id", "n", "title=x"]);
    let told = a.ok(&["why", "1"]);
    assert_eq!(told["why"]["reason"], "not_signed_in");
    assert_eq!(told["who_must_act"], "person");
    a.ok(&["pause"]);
    let told = a.ok(&["why", "Note/n"]);
    assert_eq!(told["confirmed_version"], 0);
    assert_eq!(told["waiting"][0]["why"]["pause"], "user_paused");
    a.run(&["why", "9"]).failed(3, "state", "never made");
    a.run(&["why", "Note/other"]).failed(3, "state", "knows nothing");
}

/// Shows that `status --watch` prints each new status, and that metrics come as numbers.
#[test]
fn status_is_watched_and_metrics_are_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let a = Device::new(folder.path(), "a");
    a.ok(&["init"]);
    let mut status = Watching::start(&a, &["status", "--watch"]);
    assert_eq!(status.next()["waiting"], 0);
    a.ok(&["add", "Note", "title=x"]);
    assert_eq!(status.next()["waiting"], 1);
    a.ok(&["pause"]);
    assert_eq!(status.next()["stalled"]["why"], "user_paused");
    assert_eq!(a.ok(&["metrics"])["waiting"], 1);
}

/// Shows that the doctor asks the server only when told to, says so with its exit code, and that a
/// support bundle is shown before it is saved, never replaces a file, and is whole when saved.
#[test]
fn the_doctor_and_the_bundle_help() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let a = Device::signed_in(folder.path(), "a", &server);
    a.ok(&["add", "Note", "title=confidential"]);
    let told = a.ok(&["doctor", "--online"]);
    assert_eq!((&told["healthy"], &told["synced_by"]), (&json!(true), &json!("nobody")));
    assert_eq!(told["findings"][0]["check"], "lock");
    server.stop();
    let told = a.run(&["doctor", "--online"]);
    assert_eq!(told.code, Some(5));
    let findings = told.object()["findings"].as_array().unwrap().clone();
    assert!(findings.iter().any(|finding| finding["check"] == "server"), "{findings:?}");
    assert_eq!(a.run(&["doctor"]).code, Some(0));

    let out = folder.path().join("bundle.json");
    let out = out.to_str().unwrap();
    let shown = a.ok(&["support-bundle", "--out", out]);
    assert_eq!(shown["saved"], false);
    assert!(!std::path::Path::new(out).exists());
    let saved = a.ok(&["support-bundle", "--out", out, "--yes"]);
    assert_eq!((&saved["saved"], &saved["contents"]), (&json!(true), &shown["contents"]));
    let text = std::fs::read_to_string(out).unwrap();
    assert!(!text.contains("confidential"));
    let parsed: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(parsed["store"]["entities"]["Note"], 1);
    assert_ne!(a.run(&["support-bundle", "--out", out, "--yes"]).code, Some(0));
    assert_eq!(std::fs::read_to_string(out).unwrap(), text, "a file is not replaced");
}
