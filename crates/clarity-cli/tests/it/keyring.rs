//! Keys in the platform's keyring: a real one on a message bus of its own, and none at all.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{Device, Ran, run};

/// Runs the program within a session of its own: a message bus and a keyring, which keeps what it
/// has in the folder and is unlocked with the same password each time, as after a new start of the
/// machine.
fn in_session(folder: &Path, device: &Device, arguments: &[&str]) -> Ran {
    let program = device.command(arguments);
    let mut command = Command::new("dbus-run-session");
    command.args(["--", "sh", "-c"]);
    command.arg(
        "printf secret | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1 \
         && exec \"$@\"",
    );
    command.arg("sh").arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    for (name, sub) in [("HOME", "home"), ("XDG_DATA_HOME", "data"), ("XDG_RUNTIME_DIR", "run")] {
        let sub = folder.join(sub);
        fs::create_dir_all(&sub).unwrap();
        command.env(name, sub);
    }
    command.env_remove("DBUS_SESSION_BUS_ADDRESS").env_remove("DISPLAY");
    command.stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    run(command)
}

#[track_caller]
fn ok(folder: &Path, device: &Device, arguments: &[&str]) -> Value {
    let ran = in_session(folder, device, arguments);
    assert_eq!(ran.code, Some(0), "{arguments:?}: {ran:?}");
    ran.object()
}

/// Shows a store whose key is in the keyring: it is found in a later session, nowhere in a file;
/// another key takes its place; and with the store decrypted the entry is gone.
#[test]
fn a_key_in_the_keyring_outlives_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let device = Device::new(folder, "a");
    assert_eq!(ok(folder, &device, &["init", "--encrypt", "--keyring"])["encrypted"], true);
    ok(folder, &device, &["add", "Note", "--id", "n", "title=x"]);
    let note = || fs::read_to_string(device.folder().join("device.db.key.json")).unwrap();
    let first = note();
    assert!(first.contains("\"kept\":\"keyring\""), "{first}");
    ok(folder, &device, &["rekey", "--new-keyring"]);
    assert_ne!(note(), first);
    assert_eq!(ok(folder, &device, &["list"])["Note"], 1);
    // An older note leads to an entry that is no longer there.
    let second = note();
    fs::write(device.folder().join("device.db.key.json"), &first).unwrap();
    let ran = in_session(folder, &device, &["list"]);
    assert_eq!(ran.code, Some(11), "{ran:?}");
    assert!(ran.stdout.contains("keyring does not have the key"), "{ran:?}");
    fs::write(device.folder().join("device.db.key.json"), &second).unwrap();
    ok(folder, &device, &["decrypt"]);
    assert_eq!(device.count("Note"), 1);
}

/// Shows that without a keyring the words say so and what to do instead, and nothing is made.
#[test]
fn without_a_keyring_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::new(folder.path(), "a");
    let without = |arguments: &[&str]| {
        let mut command = device.command(arguments);
        command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus");
        run(command)
    };
    without(&["init", "--encrypt", "--keyring"]).failed(11, "key", "keep the key in a file");
    assert!(!device.database().exists());
    assert!(!device.folder().join("device.db.key.json").exists());
    device.ok(&["add", "Note", "title=x"]);
    without(&["encrypt", "--keyring"]).failed(11, "key", "no keyring");
    assert_eq!(device.count("Note"), 1);
}
