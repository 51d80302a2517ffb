//! Several processes on one store.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command};

use serde_json::Value;

use crate::support::{Device, PASSWORD, Pair, Server, ran, real_export};

/// How many processes write while one syncs.
const WRITERS: usize = 8;

/// Shows that processes that write to a store at the same time while another one syncs it all
/// succeed, and that every one of their writes arrives once.
#[test]
fn writers_beside_a_sync_all_succeed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let a = Device::signed_in(folder.path(), "a", &server);
    a.ok(&["import", &real_export()]);
    let sync = a.command(&["sync"]).spawn().unwrap();
    let writers: Vec<Child> = (0..WRITERS)
        .map(|number| {
            let title = format!("title=\"{number}\"");
            a.command(&["add", "Note", &title]).spawn().unwrap()
        })
        .collect();
    let mut operations: Vec<u64> = writers
        .into_iter()
        .map(|writer| {
            let ran = ran(writer);
            assert_eq!(ran.code, Some(0), "{ran:?}");
            ran.object()["operations"][0].as_u64().unwrap()
        })
        .collect();
    assert_eq!(ran(sync).code, Some(0));
    operations.sort_unstable();
    operations.dedup();
    assert_eq!(operations.len(), WRITERS);
    a.ok(&["sync"]);
    let b = Device::signed_in(folder.path(), "b", &server);
    b.ok(&["sync"]);
    assert_eq!(b.count("Note"), WRITERS as u64);
    assert_eq!(b.count("HealthMetric"), 1_862);
}

/// Shows that two syncs of one store at the same time both end well: one waits for the other.
#[test]
fn two_syncs_of_one_store_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let a = Device::signed_in(folder.path(), "a", &server);
    a.ok(&["import", &real_export()]);
    let syncs = [a.command(&["sync"]).spawn().unwrap(), a.command(&["sync"]).spawn().unwrap()];
    for sync in syncs {
        let ran = ran(sync);
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    assert_eq!(a.ok(&["status"])["waiting"], 0);
}

/// Shows that a device that watches sends what other processes write and shows what other devices
/// wrote, without being asked, and ends well on Ctrl-C; and that the server ends well on SIGTERM.
#[test]
#[cfg(unix)]
fn a_device_that_watches_stays_in_sync() {
    let Pair { folder: _folder, server, a, b } = Pair::new();
    b.ok(&["add", "Note", "--id", "n", "title=Tea"]);
    b.ok(&["sync"]);
    let mut watching = a.command(&["watch"]).spawn().unwrap();
    let mut shown = BufReader::new(watching.stdout.take().unwrap()).lines();
    let mut wait_until = |what: &dyn Fn(&Value) -> bool| {
        let status =
            shown.find(|line| what(&serde_json::from_str(line.as_ref().unwrap()).unwrap()));
        assert!(status.is_some(), "the watch ended");
    };
    wait_until(&|status| status["flow"] == "synced");
    assert_eq!(a.count("Note"), 1);
    a.ok(&["edit", "Note/n", "title=Coffee"]);
    wait_until(&|status| status["waiting"] == 0 && status["progress"]["pushed"] == 1);
    interrupt("-INT", watching.id());
    assert_eq!(watching.wait().unwrap().code(), Some(0));
    b.ok(&["sync"]);
    assert_eq!(b.ok(&["show", "Note/n"])["fields"]["title"], "Coffee");
    let mut server = server;
    interrupt("-TERM", server.id());
    assert_eq!(server.wait(), Some(0));
}

/// Shows that the server's log has a line for each request, with its route and how it was answered,
/// when it is asked to; none of them names an account, an entity or what a person wrote; and that
/// without being asked nothing is logged of what went well.
#[test]
fn the_log_tells_of_requests_and_nothing_of_people() {
    let logged_by = |more: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let file = std::fs::File::create(&log).unwrap();
        let data = folder.path().join("server");
        let server = Server::start_logging(&data, more, file.into());
        let a = Device::signed_in(folder.path(), "a", &server);
        a.ok(&["add", "Note", "--id", "canary-id", "title=canary-title"]);
        a.ok(&["sync"]);
        server.stop();
        std::fs::read_to_string(log).unwrap()
    };
    assert_eq!(logged_by(&[]), "");
    let log = logged_by(&["--log=info"]);
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let push = lines.iter().find(|line| line["fields"]["route"] == "/v1/push").unwrap();
    assert_eq!(push["fields"]["status"], 200, "{push}");
    for secret in ["canary", PASSWORD, "ann"] {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
}

#[cfg(unix)]
fn interrupt(signal: &str, process: u32) {
    let sent = Command::new("kill").arg(signal).arg(process.to_string()).status().unwrap();
    assert!(sent.success());
}
