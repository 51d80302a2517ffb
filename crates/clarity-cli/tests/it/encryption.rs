//! Encrypted stores by the real program: keys in files, from the environment and from stdin, and
//! changes of the key that are killed.

#[cfg(feature = "encryption")]
use std::fs;
use std::path::Path;

use crate::support::Device;

/// Every file in the folder of a device, and in those below, that holds a text.
#[cfg(feature = "encryption")]
fn holding(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, text));
        } else if fs::read(&path).unwrap().windows(text.len()).any(|part| part == text.as_bytes()) {
            found.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    found
}

fn path_text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Shows that a program that was built without encryption says so, and makes neither a key nor a
/// store.
#[cfg(not(feature = "encryption"))]
#[test]
fn without_encryption_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::new(folder.path(), "a");
    let key = folder.path().join("key");
    let arguments = ["init", "--encrypt", "--key-file", path_text(&key)];
    device.run(&arguments).failed(6, "store", "built without encryption");
    assert!(!key.exists() && !device.database().exists());
    device.ok(&["add", "Note", "--id", "a", "title=plain"]);
    let arguments = ["encrypt", "--key-file", path_text(&key)];
    device.run(&arguments).failed(6, "store", "built without encryption");
    assert_eq!(device.count("Note"), 1);
    assert!(!key.exists());
}

#[cfg(feature = "encryption")]
mod available {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Stdio;

    use super::*;
    use crate::support::{Server, ran, run};

    const CANARY: &str = "canary-170-over-110";

    /// A device whose store is encrypted with a key in a file.
    fn encrypted(folder: &Path, name: &str) -> (Device, std::path::PathBuf) {
        let device = Device::new(folder, name);
        let key = folder.join(format!("{name}.key"));
        let made = device.ok(&["init", "--encrypt", "--key-file", path_text(&key)]);
        assert_eq!(made["encrypted"], true, "{made}");
        (device, key)
    }

    fn add(device: &Device, id: &str) {
        device.ok(&["add", "Note", "--id", id, &format!("title={CANARY}")]);
    }

    /// Shows a device with an encrypted store at work: the key that was made is for its owner
    /// alone, is found without being named again, and is written nowhere else; everything works as
    /// without a key; and nothing that was written can be read in the files, where without
    /// encryption it can.
    #[test]
    fn a_device_with_a_key_file_works_and_shows_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(&folder.path().join("server"));
        let (device, key) = encrypted(folder.path(), "a");
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        let digits = fs::read_to_string(&key).unwrap();
        let digits = digits.trim();
        assert!(digits.len() == 64 && holding(device.folder(), digits).is_empty());
        add(&device, "n");
        let arguments = ["sign-up", "--server", &server.address, "--name", CANARY];
        device.ok(&arguments);
        device.ok(&["sync"]);
        device.ok(&["edit", "Note/n", &format!("text={CANARY}")]);
        assert_eq!(device.ok(&["doctor"])["encrypted"], true);
        let bundle = device.run(&["support-bundle", "--out", "-"]);
        assert!(bundle.stdout.contains("\"encrypted\": true"), "{bundle:?}");
        let zip = folder.path().join("export.zip");
        device.ok(&["export", "--zip", path_text(&zip)]);
        assert_eq!(device.ok(&["recover", "--force"])["lost_nothing"], true);
        assert_eq!(device.ok(&["status"])["waiting"], 1);
        // The account's name is in the note beside the store, which finds it.
        let found: Vec<String> = holding(device.folder(), CANARY);
        assert_eq!(found, ["account.json"]);

        let plain = Device::new(folder.path(), "b");
        plain.ok(&["import", path_text(&zip)]);
        assert_eq!(plain.count("Note"), 1);
        assert!(holding(plain.folder(), CANARY).contains(&"device.db".to_owned()));
    }

    /// Shows that a key that is gone, that others can read, that is none or another one is refused
    /// by what is wrong with it, that nothing is changed then, and that it works again afterwards.
    #[test]
    fn a_key_that_does_not_fit_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (device, key) = encrypted(folder.path(), "a");
        add(&device, "n");
        let (digits, before) = (fs::read(&key).unwrap(), fs::read(device.database()).unwrap());
        let refused = |words: &str| {
            for arguments in [&["add", "Note", "title=x"][..], &["list"], &["doctor"], &["recover"]]
            {
                device.run(arguments).failed(11, "key", words);
            }
            let new = folder.path().join("new");
            let arguments = ["rekey", "--new-key-file", path_text(&new)];
            device.run(&arguments).failed(11, "key", words);
            assert!(fs::read(device.database()).unwrap() == before, "{words}");
        };
        fs::remove_file(&key).unwrap();
        refused("is not there");
        let put = |text: &[u8], mode: u32| {
            fs::write(&key, text).unwrap();
            fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        };
        put(&digits, 0o640);
        refused("chmod 600");
        put(b"not a key", 0o600);
        refused("does not hold a key");
        put("0f".repeat(32).as_bytes(), 0o600);
        refused("does not fit");
        put(&digits, 0o600);
        assert_eq!(device.count("Note"), 1);
    }

    /// Shows that the key can come with each command, from the environment or on stdin, and is then
    /// needed each time; and that it must be a key.
    #[test]
    fn a_key_may_come_with_each_command() {
        let folder = tempfile::tempdir().unwrap();
        let device = Device::new(folder.path(), "a");
        let key = "5a".repeat(32);
        let with = |arguments: &[&str], key: &str| {
            let mut command = device.command(arguments);
            command.env("CLARITY_KEY", key);
            run(command)
        };
        device.run(&["init", "--encrypt"]).failed(2, "usage", "where the key is");
        with(&["init", "--encrypt"], "5a").failed(2, "usage", "64 hexadecimal digits");
        assert!(!device.database().exists());
        assert_eq!(with(&["init", "--encrypt"], &key).code, Some(0));
        assert_eq!(with(&["add", "Note", "title=x"], &key).code, Some(0));
        device.run(&["list"]).failed(11, "key", "not kept on the device");
        with(&["list"], &"5b".repeat(32)).failed(11, "key", "does not fit");
        let mut command = device.command(&["--key-file", "-", "list"]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("{key}\n").as_bytes()).unwrap();
        assert_eq!(ran(child).object()["Note"], 1);
        assert!(holding(folder.path(), &key).is_empty());
    }

    /// Shows that a store with changes that wait is encrypted, gets another key and is decrypted
    /// without losing one; that the file that could be read is gone each time; and that what makes
    /// no sense is refused.
    #[test]
    fn a_store_is_encrypted_rekeyed_and_decrypted() {
        let folder = tempfile::tempdir().unwrap();
        let device = Device::new(folder.path(), "a");
        for id in ["n", "m"] {
            add(&device, id);
        }
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        device.run(&["rekey", "--new-key-file", &at("1")]).failed(3, "state", "not encrypted");
        device.run(&["decrypt"]).failed(3, "state", "not encrypted");
        assert!(!Path::new(&at("1")).exists());
        let told = device.ok(&["encrypt", "--key-file", &at("1")]);
        assert_eq!(told["key"]["path"], at("1"), "{told}");
        let check = |encrypted: bool| {
            assert_eq!(device.ok(&["status"])["waiting"], 2);
            assert_eq!(device.ok(&["doctor"])["encrypted"], encrypted);
            assert_eq!(holding(device.folder(), CANARY).is_empty(), encrypted);
        };
        check(true);
        device.run(&["encrypt", "--key-file", &at("2")]).failed(3, "state", "rekey");
        device.run(&["rekey", "--new-key-file", &at("1")]).failed(3, "state", "somewhere else");
        device.ok(&["rekey", "--new-key-file", &at("2")]);
        check(true);
        device.run(&["--key-file", &at("1"), "list"]).failed(11, "key", "does not fit");
        device.ok(&["decrypt"]);
        check(false);
        assert!(!device.folder().join("device.db.key.json").exists());
        device.run(&["--key-file", &at("2"), "list"]).failed(11, "key", "is not encrypted");
    }

    /// Shows that a change of the key that is killed while it makes the copy leaves the store under
    /// a key that is found, with everything that waits, and can be done again.
    #[test]
    fn a_killed_change_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let device = Device::new(folder.path(), "a");
        let line = |number: u32| {
            let fields = format!("{{\"title\":\"{number}\"}}");
            format!("{{\"do\":\"create\",\"type\":\"Note\",\"fields\":{fields}}}\n")
        };
        let lines: String = (0..3_000).map(line).collect();
        let batch = folder.path().join("batch.jsonl");
        fs::write(&batch, lines).unwrap();
        device.ok(&["batch", path_text(&batch)]);
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let changes = [
            vec!["encrypt".to_owned(), "--key-file".to_owned(), at("1")],
            vec!["rekey".to_owned(), "--new-key-file".to_owned(), at("2")],
            vec!["decrypt".to_owned()],
        ];
        let copy = device.folder().join("device.db.rekey");
        for change in changes {
            let change: Vec<&str> = change.iter().map(String::as_str).collect();
            let mut child = device.command(&change).spawn().unwrap();
            while !copy.exists() && child.try_wait().unwrap().is_none() {
                std::thread::yield_now();
            }
            // It may have ended already.
            let _ = child.kill();
            let ended = ran(child).code.is_some();
            assert_eq!(device.ok(&["status"])["waiting"], 3_000, "{change:?}");
            assert_eq!(device.count("Note"), 3_000);
            assert!(!copy.exists(), "what was left is removed");
            if !ended {
                device.ok(&change);
            }
            assert_eq!(device.ok(&["status"])["waiting"], 3_000);
        }
        assert_eq!(device.ok(&["doctor"])["encrypted"], false);
    }

    /// Shows that a device that encrypts one account's store encrypts the next one's as well, and
    /// that signing out forgets where the key was.
    #[test]
    fn the_next_account_is_encrypted_too() {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_with(&folder.path().join("server"), &["--open-sign-up"]);
        let (device, key) = encrypted(folder.path(), "a");
        for name in ["ann", "bert"] {
            device.ok(&["sign-up", "--server", &server.address, "--name", name]);
        }
        add(&device, "his");
        assert_eq!(device.ok(&["doctor"])["encrypted"], true);
        assert!(device.folder().join("account-2/device.db").exists());
        assert!(holding(device.folder(), CANARY).is_empty());
        device.ok(&["sign-out", "--confirm", "1"]);
        assert!(!device.folder().join("account-2").exists());
        assert!(key.exists());
        assert_eq!(device.ok(&["doctor"])["encrypted"], true, "the first account's is in use");
    }

    /// Shows that a damaged encrypted store is recovered with its key, into an encrypted one.
    #[test]
    fn a_damaged_store_is_recovered_with_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let (device, _) = encrypted(folder.path(), "a");
        for id in ["n", "m", "o"] {
            add(&device, id);
        }
        let mut bytes = fs::read(device.database()).unwrap();
        bytes[3] ^= 0xff;
        fs::write(device.database(), &bytes).unwrap();
        device.run(&["list"]).failed(6, "store", "recover");
        assert_eq!(device.ok(&["recover"])["lost_nothing"], true);
        assert_eq!(device.ok(&["status"])["waiting"], 3);
        assert_eq!(device.ok(&["doctor"])["encrypted"], true);
        assert!(holding(device.folder(), CANARY).is_empty());
    }
}
