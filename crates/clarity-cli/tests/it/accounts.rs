//! Several accounts on one device, and signing out.

use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Device, Pair, Server};

/// A server on which anybody may make an account.
fn open_server(folder: &Path) -> Server {
    Server::start_with(&folder.join("server"), &["--open-sign-up"])
}

fn sign(device: &Device, how: &str, server: &Server, name: &str) -> Value {
    device.ok(&[how, "--server", &server.address, "--name", name])
}

/// Shows that signing in with another account takes another store: neither sees the other's data,
/// what one has not sent stays in its own queue, and choosing an account brings its store back.
#[test]
fn another_account_gets_another_store() {
    let folder = tempfile::tempdir().unwrap();
    let server = open_server(folder.path());
    let device = Device::new(folder.path(), "a");
    device.ok(&["add", "Note", "--id", "early", "title=before"]);
    sign(&device, "sign-up", &server, "ann");
    device.ok(&["sync"]);
    device.ok(&["add", "Note", "--id", "unsent", "title=mine"]);

    let bert = sign(&device, "sign-up", &server, "bert");
    assert!(bert["store"].as_str().unwrap().ends_with("account-2"), "{bert}");
    assert_eq!(device.ok(&["list"]), json!({}));
    device.ok(&["add", "Note", "--id", "b", "title=his"]);
    device.ok(&["sync"]);
    assert_eq!(device.count("Note"), 1);

    let listed = device.run(&["accounts"]).stdout;
    let listed: Vec<Value> =
        listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<_> = listed.iter().map(|one| (&one["name"], &one["current"])).collect();
    assert_eq!(names, [(&json!("ann"), &json!(false)), (&json!("bert"), &json!(true))]);
    device.ok(&["accounts", "--use", "Ann"]);
    assert_eq!(device.ok(&["status"])["waiting"], 1, "it waited for its own account");
    device.ok(&["sync"]);
    assert_eq!(device.count("Note"), 2);
    device.run(&["accounts", "--use", "carl"]).failed(3, "state", "login");

    // Signing in again finds the store of the account, and no third one is made.
    sign(&device, "login", &server, " BERT ");
    assert_eq!(device.count("Note"), 1);
    assert!(!device.folder().join("account-3").exists());
    let other = Device::new(folder.path(), "other");
    sign(&other, "login", &server, "ann");
    other.ok(&["sync"]);
    assert_eq!(other.count("Note"), 2);
    assert_eq!(other.run(&["show", "Note/b"]).code, Some(3), "his never went to her account");
}

/// Shows promise I11 for a store file that was copied to where another account's store is: it goes
/// on belonging to its account, and another one gets a store of its own.
#[test]
fn a_copied_store_stays_with_its_account() {
    let folder = tempfile::tempdir().unwrap();
    let server = open_server(folder.path());
    let (ann, bert) = (Device::new(folder.path(), "a"), Device::new(folder.path(), "b"));
    sign(&ann, "sign-up", &server, "ann");
    sign(&bert, "sign-up", &server, "bert");
    ann.ok(&["sync"]);
    ann.ok(&["add", "Note", "--id", "secret", "title=hers"]);
    std::fs::copy(ann.database(), bert.database()).unwrap();
    // The note in the folder says bert, the store says ann, and the store is believed.
    let refused = bert.run(&["login", "--server", &server.address, "--name", "bert"]);
    refused.failed(3, "state", "another account");
    bert.ok(&["sync"]);
    assert_eq!(bert.ok(&["status"])["name"], "ann");
    let other = Device::new(folder.path(), "other");
    sign(&other, "login", &server, "bert");
    other.ok(&["sync"]);
    assert_eq!(other.ok(&["list"]), json!({}), "nothing of hers is in his account");
}

/// Shows that signing out first says what would be lost, does nothing without the very number,
/// exports, and then takes the access away and erases everything; and that the account is whole at
/// the server.
#[test]
fn a_sign_out_loses_what_was_confirmed_and_no_more() {
    let Pair { folder, server, a, b } = Pair::new();
    a.ok(&["add", "Goal", "--id", "g", "target=1"]);
    a.ok(&["sync"]);
    b.ok(&["sync"]);
    b.ok(&["edit", "Goal/g", "target=2"]);
    b.ok(&["sync"]);
    a.ok(&["edit", "Goal/g", "target=3"]);
    a.ok(&["sync"]);
    a.ok(&["add", "Note", "--id", "one", "title=only here"]);
    a.ok(&["add", "Note", "--id", "two", "title=only here"]);
    let shown = a.ok(&["sign-out"]);
    let lost = json!({
        "unsent": { "Note": 2 }, "failed": {}, "conflicts": { "Goal": 1 }, "total": 3
    });
    assert_eq!((&shown["signed_out"], &shown["would_be_lost"]), (&json!(false), &lost));
    a.run(&["sign-out", "--confirm", "2"]).failed(3, "state", "3 changes would be lost");
    assert_eq!(a.count("Note"), 2, "nothing was done");

    let export = folder.path().join("export.jsonl");
    let ended = a.ok(&["sign-out", "--confirm", "3", "--export", export.to_str().unwrap()]);
    assert_eq!((&ended["signed_out"], &ended["revoked"]), (&json!(true), &json!(true)));
    let exported = std::fs::read_to_string(export).unwrap();
    assert_eq!(exported.matches("only here").count(), 2);
    assert!(!a.database().exists());
    a.run(&["status"]).failed(3, "state", "no store");
    let devices = b.run(&["devices"]).stdout;
    assert_eq!(devices.matches("\"revoked\":true").count(), 1);
    b.ok(&["sync"]);
    assert_eq!(b.ok(&["show", "Goal/g"])["fields"]["target"], 2);

    // The next sign-in begins with a new store.
    let again = Device::new(folder.path(), "a");
    sign(&again, "login", &server, "ann");
    again.ok(&["sync"]);
    assert_eq!(again.count("Goal"), 1);
}

/// Shows that signing out needs the server's answer unless the person goes without, and is refused
/// while the store is being synchronised.
#[test]
fn a_sign_out_needs_the_server_or_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let a = Device::signed_in(folder.path(), "a", &server);
    let mut watch = a.command(&["watch"]).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("\"flow\":\"synced\"")));
    a.run(&["sign-out", "--confirm", "0"]).failed(3, "state", "another process");
    watch.kill().unwrap();
    watch.wait().unwrap();
    server.stop();
    a.run(&["sign-out", "--confirm", "0"]).failed(5, "unreachable", "reached");
    assert!(a.database().exists());
    let ended = a.ok(&["sign-out", "--confirm", "0", "--offline"]);
    assert_eq!((&ended["signed_out"], &ended["revoked"]), (&json!(true), &json!(false)));
    assert!(!a.database().exists());
}
