//! What a device follows, and what it gets by name.

use serde_json::json;

use crate::support::Pair;

/// The day 2001-09-09 in milliseconds, long before any window of these tests.
const LONG_AGO: &str = "start_ms=1000000000000";

/// Shows that a device that follows some types, and of one only the last days, gets these and no
/// others, that it lets go of others without anybody losing them, and that following everything
/// again brings everything.
#[test]
fn a_device_follows_a_part() {
    let Pair { folder: _folder, server: _server, a, b } = Pair::new();
    a.ok(&["add", "Note", "--id", "n", "title=x"]);
    a.ok(&["add", "Goal", "--id", "g", "target=1"]);
    a.ok(&["add", "HealthMetric", "--id", "old", "metric=weight", LONG_AGO]);
    a.ok(&["add", "HealthMetric", "--id", "new", "metric=weight", "start_ms=9000000000000"]);
    a.ok(&["sync"]);
    let scope = b.ok(&["scope", "Note", "HealthMetric=30"]);
    assert_eq!(scope["types"], json!(["HealthMetric", "Note", "UserPreference"]));
    assert_eq!(scope["windows"], json!({ "HealthMetric": 30 }));
    b.ok(&["sync"]);
    assert_eq!(b.ok(&["list"]), json!({ "HealthMetric": 1, "Note": 1 }));
    assert_eq!(b.ok(&["scope"])["unread"], json!([]));
    a.ok(&["edit", "Note/n", "title=y"]);
    a.ok(&["add", "Goal", "--id", "later", "target=2"]);
    a.ok(&["sync"]);
    b.ok(&["scope", "Goal", "--all"]);
    b.ok(&["sync"]);
    assert_eq!(b.ok(&["list"]), json!({ "Goal": 2, "HealthMetric": 2, "Note": 1 }));
    assert_eq!(b.ok(&["show", "Note/n"])["fields"]["title"], "y");
    b.ok(&["scope", "Note"]);
    b.ok(&["sync"]);
    assert_eq!(b.ok(&["list"]), json!({ "Note": 1 }));
    a.ok(&["sync"]);
    assert_eq!(a.count("HealthMetric"), 2, "nothing was deleted for anybody else");
    let refused = b.run(&["scope", "Goal=3"]);
    refused.failed(2, "usage", "no time of their own");
}

/// Shows that entities and records of a time come by name although the device does not follow
/// them, that what the server does not have is told, and that a wish that cannot be met now waits.
#[test]
fn what_is_named_comes() {
    let Pair { folder: _folder, server, a, b } = Pair::new();
    a.ok(&["add", "Goal", "--id", "g", "target=1"]);
    a.ok(&["add", "HealthMetric", "--id", "old", "metric=weight", LONG_AGO]);
    a.ok(&["add", "HealthMetric", "--id", "new", "metric=weight", "start_ms=1100000000000"]);
    a.ok(&["sync"]);
    b.ok(&["scope", "Note"]);
    b.ok(&["sync"]);
    let fetched = b.ok(&["fetch", "Goal/g"]);
    assert_eq!(fetched["fetched"][0], json!({ "name": "Goal/g", "fetched": "here" }));
    assert_eq!(b.ok(&["show", "Goal/g"])["fields"]["target"], 1);
    b.ok(&["fetch", "HealthMetric", "--from", "2001-01-01", "--to", "2001-12-31"]);
    assert_eq!(b.ok(&["list"]), json!({ "Goal": 1, "HealthMetric": 1 }));
    let missing = b.run(&["fetch", "Goal/nowhere"]);
    assert_eq!(missing.code, Some(3), "{missing:?}");
    assert_eq!(missing.object()["fetched"][0]["fetched"], "not_there");
    b.run(&["fetch", "Goal/g", "--from", "2001-01-01"]).failed(2, "usage", "go with a type");
    server.stop();
    b.run(&["fetch", "HealthMetric/new"]).failed(5, "unreachable", "1 wish waits");
}
