//! A device as a service, and what wakes it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Device, Pair, Server, ran};

/// A watch that runs: its lines, and its end.
struct Watch {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Watch {
    fn start(device: &Device, arguments: &[&str]) -> Self {
        let mut command = device.command(&["watch"]);
        let mut child = command.args(arguments).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Reads on until a line is like this.
    fn until(&mut self, what: impl Fn(&Value) -> bool) -> Value {
        let mut lines = self
            .lines
            .by_ref()
            .map(|line| -> Value { serde_json::from_str(&line.unwrap()).unwrap() });
        lines.find(|line| what(line)).expect("the watch goes on")
    }

    /// Asks it to stop: its exit code, and what it still said.
    fn stop(mut self, signal: &str) -> (Option<i32>, Vec<Value>) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        let rest = self.lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap());
        let rest = rest.collect();
        (self.child.wait().unwrap().code(), rest)
    }
}

/// Shows that `sync` beside a watching process is done by that one and waits for it, and that it
/// goes by itself once that was killed.
#[test]
#[cfg(unix)]
fn a_sync_beside_a_watch_is_done_by_it() {
    let Pair { folder: _folder, server: _server, a, b } = Pair::new();
    let mut watch = Watch::start(&a, &[]);
    watch.until(|status| status["flow"] == "synced");
    b.ok(&["add", "Note", "--id", "theirs", "title=x"]);
    b.ok(&["sync"]);
    a.ok(&["add", "Note", "--id", "mine", "title=x"]);
    let told = a.ok(&["sync"]);
    assert_eq!((&told["end"], &told["status"]["waiting"]), (&json!("done"), &json!(0)));
    assert_eq!(a.count("Note"), 2);
    watch.child.kill().unwrap();
    watch.child.wait().unwrap();
    a.ok(&["add", "Note", "--id", "late", "title=x"]);
    assert_eq!(a.ok(&["sync"])["status"]["waiting"], 0);
}

/// Shows that while a device watches, `add` in another process succeeds at once and is sent by the
/// watching one, that a push by hand joins it, and that SIGTERM ends it with code 0 and a last
/// line.
#[test]
#[cfg(unix)]
fn what_is_added_while_watching_is_sent_by_it() {
    let Pair { folder: _folder, server: _server, a, b } = Pair::new();
    let mut watch = Watch::start(&a, &[]);
    watch.until(|status| status["flow"] == "synced");
    for number in 1..=3 {
        let added = a.ok(&["add", "Note", "--id", &format!("n{number}"), "title=Tea"]);
        assert_eq!(added["operations"], json!([number]));
        watch.until(|status| status["waiting"] == 0 && status["last_success"].is_i64());
    }
    assert_eq!(a.ok(&["push", r#"{"sync":{"type":"urgent"}}"#])["result"], "no_data");
    while a.ok(&["status"])["waiting"] != 0 {
        watch.until(|status| status["flow"] == "synced");
    }
    let (code, rest) = watch.stop("-TERM");
    assert_eq!(code, Some(0));
    assert_eq!(rest.last().unwrap(), &json!({ "stopped": true, "waiting": 0 }));
    b.ok(&["sync"]);
    assert_eq!(b.count("Note"), 3);
    let plan = &a.ok(&["status"])["background"];
    assert_eq!(plan["promise"]["asked_ms"], 900_000);
    assert!(plan["promise"]["words"].as_str().unwrap().contains("while this process runs"));
}

/// Shows that a service which is told to be quiet says nothing on stdout, ends well on SIGINT, and
/// that one without an account ends with the documented code instead of running for nothing.
#[test]
#[cfg(unix)]
fn a_quiet_watch_says_nothing() {
    let Pair { folder, server: _server, a, b } = Pair::new();
    let mut watch = Watch::start(&a, &["--quiet"]);
    b.ok(&["add", "Note", "--id", "n", "title=Tea"]);
    b.ok(&["sync"]);
    // Whoever asks hears that it has arrived: the store is shared.
    while a.run(&["show", "Note/n"]).code != Some(0) {
        assert!(watch.child.try_wait().unwrap().is_none(), "it goes on");
    }
    let (code, said) = watch.stop("-INT");
    assert_eq!((code, said), (Some(0), Vec::<Value>::new()));
    let nobody = Device::new(folder.path(), "nobody");
    nobody.ok(&["init"]);
    nobody.run(&["watch"]).failed(4, "sign_in", "not signed in");
}

/// Shows the three results of a push by hand, that anything which is no hint is no data, and that
/// its payload may come from stdin.
#[test]
fn a_push_by_hand() {
    let Pair { folder: _folder, server, a, b } = Pair::new();
    let full = r#"{"sync":{"type":"full"},"aps":{}}"#;
    assert_eq!(a.ok(&["push", full])["result"], "no_data");
    b.ok(&["add", "Note", "--id", "n", "title=Tea"]);
    b.ok(&["sync"]);
    for odd in ["", "null", r#"{"sync":{"type":"wipe"}}"#, r#"{"sync":"#] {
        assert_eq!(a.ok(&["push", odd])["result"], "no_data", "{odd}");
    }
    assert_eq!(a.run(&["show", "Note/n"]).code, Some(3), "nothing was read by any of them");
    let mut child = a.command(&["push", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(full.as_bytes()).unwrap();
    assert_eq!(ran(child).object()["result"], "new_data");
    a.ok(&["show", "Note/n"]);
    server.stop();
    a.run(&["push", full, "--budget", "0"]).failed(5, "unreachable", "kept");
}

/// Shows that a device waits on a metered network where the person wants it, says so, and that the
/// person's own sync goes over it.
#[test]
fn a_metered_network_waits_for_the_person() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let a = Device::signed_in(folder.path(), "a", &server);
    let chosen = a.ok(&["network", "--policy", "unmetered", "--metered", "yes"]);
    assert_eq!(chosen, json!({ "online": null, "metered": true, "policy": "unmetered_only" }));
    a.ok(&["add", "Note", "title=Tea"]);
    a.run(&["push", r#"{"sync":{"type":"full"}}"#]).failed(3, "state", "metered");
    assert_eq!(a.ok(&["status"])["stalled"]["why"], "metered");
    a.ok(&["sync"]);
    assert_eq!(a.ok(&["status"])["waiting"], 0);
    assert_eq!(a.ok(&["network", "--policy", "any"])["policy"], "any");
    assert_eq!(a.ok(&["status"])["stalled"], Value::Null);
}

/// Shows that a pause for some time says until when, and holds.
#[test]
fn a_pause_has_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let a = Device::signed_in(folder.path(), "a", &server);
    let until = a.ok(&["pause", "--for", "30"])["until"].as_i64().unwrap();
    let stalled = &a.ok(&["status"])["stalled"];
    let length_ms = until - stalled["since"].as_i64().unwrap();
    assert!((1_700_000..=1_800_000).contains(&length_ms), "{length_ms}");
    assert_eq!((&stalled["why"], &stalled["next_attempt"]), (&json!("user_paused"), &json!(until)));
    a.run(&["sync"]).failed(3, "state", "paused");
    a.ok(&["resume"]);
    a.ok(&["sync"]);
}
