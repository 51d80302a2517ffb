//! How much is kept on a device, at a terminal.

use crate::support::{Device, Server, real_export};

/// Shows that a device with no room gives up what the server has, says so when it is asked for it,
/// and gets back and keeps what a person wants to have.
#[test]
fn what_was_given_up_comes_back_when_it_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let a = Device::signed_in(folder.path(), "a", &server);
    a.ok(&["add", "Note", "--id", "one", "title=Tea"]);
    a.ok(&["sync"]);
    let storage = a.ok(&["storage"]);
    assert_eq!(storage["settings"]["budget_bytes"], 100_000_000);
    assert_eq!(storage["evicted_total"], 0);
    let storage = a.ok(&["storage", "--budget", "0", "--age-days", "7"]);
    assert_eq!(storage["settings"]["age_ms"], 7 * 86_400_000_i64);
    a.ok(&["sync"]);
    let missing = a.run(&["show", "Note/one"]);
    assert_eq!(missing.code, Some(3));
    let storage = a.ok(&["storage"]);
    assert_eq!(storage["evicted_total"], 1);
    assert_eq!(storage["evictions"][0]["reason"], "budget");
    assert_eq!(storage["types"][0]["evicted"], 1);
    assert_eq!(a.ok(&["keep", "Note/one"])["here"], false);
    a.ok(&["sync"]);
    assert_eq!(a.ok(&["show", "Note/one"])["fields"]["title"], "Tea");
    assert_eq!(a.ok(&["keep"])["priority"], "critical");
    a.ok(&["keep", "Note/one", "--clear"]);
    a.ok(&["sync"]);
    assert_eq!(a.run(&["show", "Note/one"]).code, Some(3));
    assert_eq!(a.run(&["storage", "--budget", "much"]).code, Some(2));
}

/// Shows that taking an import back says what it cannot take back: what this device gave up for
/// space stays, is named with how many there are, and is still at the server.
#[test]
fn what_was_given_up_is_not_taken_back_with_its_import() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let a = Device::signed_in(folder.path(), "a", &server);
    let import = a.ok(&["import", &real_export()])["import"].to_string();
    a.ok(&["sync"]);
    assert_eq!(a.ok(&["import", "--undo", &import])["given_up"], serde_json::json!({}));
    a.ok(&["storage", "--budget", "0"]);
    a.ok(&["sync"]);
    let undone = a.ok(&["import", "--undo", &import, "--yes"]);
    assert_eq!(undone["given_up"]["HealthMetric"], 1_862, "{undone}");
    a.ok(&["sync"]);
    let b = Device::signed_in(folder.path(), "b", &server);
    b.ok(&["sync"]);
    assert_eq!(b.count("HealthMetric"), 1_862);
}
