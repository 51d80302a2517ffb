//! What a person does with a device.

use serde_json::json;

use crate::support::{Device, Pair, Server};

/// Shows that what one device writes, changes and deletes arrives on another, and that values are
/// JSON where they can be read as JSON and text otherwise.
#[test]
fn what_one_device_writes_arrives_on_another() {
    let Pair { folder: _folder, server: _server, a, b } = Pair::new();
    a.ok(&["add", "Note", "--id", "one", "title=Tea", "at_ms=12", "tags=[\"x\"]", "text=a=b"]);
    a.ok(&["add", "Note", "--id", "two", "title=Gone"]);
    a.ok(&["sync"]);
    b.ok(&["sync"]);
    let note = b.ok(&["show", "Note/one"]);
    let fields = json!({ "title": "Tea", "at_ms": 12, "tags": ["x"], "text": "a=b" });
    assert_eq!((&note["fields"], &note["version"]), (&fields, &json!(1)));
    b.ok(&["edit", "Note/one", "title=Coffee", "at_ms="]);
    b.ok(&["delete", "Note/two"]);
    assert_eq!(b.ok(&["status"])["waiting"], 2);
    b.ok(&["sync"]);
    a.ok(&["sync"]);
    let note = a.ok(&["show", "Note/one"]);
    let fields = json!({ "title": "Coffee", "tags": ["x"], "text": "a=b" });
    assert_eq!((&note["fields"], &note["version"]), (&fields, &json!(2)));
    assert_eq!(a.run(&["show", "Note/two"]).code, Some(3));
    let found = a.ok(&["list", "Note", "--where", "title=Coffee", "--limit", "5"]);
    assert_eq!(found["id"], "one");
}

/// Shows that a conflict waits with all three values, that `sync --strict` says so, and that the
/// settled value is version 3 on both devices.
#[test]
fn a_conflict_waits_and_is_settled_in_version_3() {
    let Pair { folder: _folder, server: _server, a, b } = Pair::new();
    a.ok(&["add", "Goal", "--id", "g", "target=1"]);
    a.ok(&["sync"]);
    b.ok(&["sync"]);
    a.ok(&["edit", "Goal/g", "target=2"]);
    b.ok(&["edit", "Goal/g", "target=3"]);
    a.ok(&["sync"]);
    assert_eq!(b.run(&["sync", "--strict"]).code, Some(9));
    let conflict = b.ok(&["conflicts"]);
    let field = json!({ "field": "target", "base": 1, "local": 3, "server": 2 });
    assert_eq!(conflict["fields"], json!([field]));
    assert_eq!((&conflict["type"], &conflict["id"]), (&json!("Goal"), &json!("g")));
    let number = conflict["conflict"].to_string();
    b.ok(&["resolve", &number, "--set", "target=4"]);
    b.ok(&["sync", "--strict"]);
    a.ok(&["sync"]);
    for device in [&a, &b] {
        let goal = device.ok(&["show", "Goal/g"]);
        assert_eq!((&goal["fields"]["target"], &goal["version"]), (&json!(4), &json!(3)));
    }
    b.run(&["resolve", &number, "--keep-mine"]).failed(3, "state", "no such conflict");
}

/// Shows that a form that was opened before a pull cannot overwrite what its user never saw.
#[test]
fn an_edit_with_what_was_seen_becomes_a_conflict_instead_of_a_loss() {
    let Pair { folder: _folder, server: _server, a, b } = Pair::new();
    a.ok(&["add", "Goal", "--id", "g", "target=1"]);
    a.ok(&["sync"]);
    b.ok(&["sync"]);
    let seen = b.ok(&["show", "Goal/g"]).to_string();
    a.ok(&["edit", "Goal/g", "target=2"]);
    a.ok(&["sync"]);
    b.ok(&["sync"]);
    b.ok(&["edit", "Goal/g", "target=3", "--seen", &seen]);
    assert_eq!(b.ok(&["status"])["conflicts"], 1);
}

/// Shows that a pause holds for later processes until it is resumed, that an operation can be taken
/// back, and that the doctor finds a healthy store healthy.
#[test]
fn pausing_taking_back_and_examining() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let a = Device::signed_in(folder.path(), "a", &server);
    let added = a.ok(&["add", "Note", "title=Tea"]);
    a.ok(&["pause"]);
    a.run(&["sync"]).failed(3, "state", "paused");
    assert_eq!(a.ok(&["queue"])["status"], "pending");
    let operation = added["operations"][0].to_string();
    a.ok(&["rollback", &operation]);
    assert_eq!(a.count("Note"), 0);
    a.ok(&["resume"]);
    a.ok(&["sync"]);
    let findings = a.ok(&["doctor"]);
    assert_eq!((&findings["healthy"], &findings["advice"]), (&json!(true), &json!([])));
}

/// Shows that a store works before anybody signed in, and that signing in sends what is there.
#[test]
fn a_store_works_before_anybody_signed_in() {
    let folder = tempfile::tempdir().unwrap();
    let a = Device::new(folder.path(), "a");
    a.ok(&["add", "Note", "title=Early"]);
    let server = Server::start(&folder.path().join("server"));
    let a = {
        drop(a);
        Device::signed_in(folder.path(), "a", &server)
    };
    a.ok(&["sync"]);
    let b = Device::signed_in(folder.path(), "b", &server);
    b.ok(&["sync"]);
    assert_eq!(b.count("Note"), 1);
}
