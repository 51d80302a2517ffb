//! Recovering a damaged store, as a person does it.

use std::fs;
use std::io::{BufRead, BufReader};

use serde_json::json;

use crate::support::{Device, Server, clarity, run};

/// A closed store of a device with half of its notes on the server.
fn written(device: &Device) {
    for number in 0..40 {
        let id = format!("n{number}");
        device.ok(&["add", "Note", "--id", &id, "title=first"]);
        if number == 20 {
            device.ok(&["sync"]);
        }
    }
    device.ok(&["edit", "Note/n3", "title=second"]);
}

/// Shows that a damaged store is refused with the way out, that `recover` saves everything and
/// keeps the damaged file to the byte, and that the next sync brings it all to the server.
#[test]
fn a_damaged_store_is_recovered() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let a = Device::signed_in(folder.path(), "a", &server);
    written(&a);
    assert_eq!(a.ok(&["recover"]), json!({ "damaged": false }));
    let mut bytes = fs::read(a.database()).unwrap();
    bytes[..100].fill(0);
    fs::write(a.database(), &bytes).unwrap();
    for command in ["status", "list", "sync", "doctor"] {
        a.run(&[command]).failed(6, "store", "`clarity device recover`");
    }
    assert!(fs::read(a.database()).unwrap() == bytes, "nothing was changed");
    let told = a.ok(&["recover"]);
    assert_eq!((&told["damaged"], &told["lost_nothing"]), (&json!(true), &json!(true)));
    let aside = told["recovery"]["salvaged"]["moved_to"].as_str().unwrap();
    assert!(fs::read(aside).unwrap() == bytes);
    a.ok(&["sync"]);
    let b = Device::signed_in(folder.path(), "b", &server);
    b.ok(&["sync"]);
    assert_eq!(b.count("Note"), 40);
    assert_eq!(b.ok(&["show", "Note/n3"])["fields"]["title"], "second");
}

/// Shows that what was on damaged pages is told by the exit code and in words, and that nothing
/// else is lost or doubled.
#[test]
fn what_a_person_should_look_at_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let a = Device::signed_in(folder.path(), "a", &server);
    written(&a);
    let mut bytes = fs::read(a.database()).unwrap();
    // Everything but the first page: what is there is known, and none of it can be read.
    for page in bytes.chunks_mut(4_096).skip(1) {
        page.fill(0x5a);
    }
    fs::write(a.database(), &bytes).unwrap();
    let mut command = clarity(["device", "recover", "--store"]);
    command.arg(a.folder());
    let ran = run(command);
    assert_eq!(ran.code, Some(9), "{ran:?}");
    assert!(ran.stdout.contains("it is not known whose store this was"), "{ran:?}");
    assert!(!ran.stdout.contains("Nothing was lost"), "{ran:?}");
    let how = ["login", "--server", &server.address, "--name", "ann", "--device-name", "a"];
    a.ok(&how);
    a.ok(&["sync"]);
    assert_eq!(a.count("Note"), 21, "what the server had is read again");
}

/// Shows that a store is not recovered while another process has it open, nor where there is none,
/// and that each says what to do.
#[test]
fn what_cannot_be_recovered_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let a = Device::signed_in(folder.path(), "a", &server);
    a.run(&["recover", "--store", "nowhere"]).failed(3, "state", "there is no store");
    let mut watch = a.command(&["watch"]).spawn().unwrap();
    // It is read to the end of the test: a program whose output nobody reads ends.
    let mut output = BufReader::new(watch.stdout.take().unwrap());
    output.read_line(&mut String::new()).unwrap();
    a.run(&["recover"]).failed(3, "state", "end it, such as `clarity device watch`");
    watch.kill().unwrap();
    watch.wait().unwrap();
    drop(output);
    assert_eq!(a.ok(&["recover"]), json!({ "damaged": false }));
}

/// Shows that a recovery that was killed while it moved the files is finished by the next command,
/// whatever that is.
#[test]
fn a_killed_recovery_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let a = Device::new(folder.path(), "a");
    a.ok(&["add", "Note", "title=x"]);
    let recovered = a.folder().join("device.db.recovered");
    fs::rename(a.database(), &recovered).unwrap();
    assert_eq!(a.count("Note"), 1);
    assert!(a.database().exists() && !recovered.exists());
}
