//! Each way to fail: one sentence, a documented exit code, and nothing lost.

use std::net::TcpListener;
use std::path::Path;

use rusqlite::Connection;

use crate::support::{Device, PASSWORD, Pair, Server, clarity, real_export, run};

/// Shows that a store of a newer version, a foreign one and a damaged one are refused with code 6
/// and left exactly as they are.
#[test]
fn a_store_that_is_not_ours_is_refused_and_left_alone() {
    let newer = |path: &Path| {
        let connection = Connection::open(path).unwrap();
        connection.pragma_update(None, "user_version", 1_000_000).unwrap();
        connection.pragma_update(None, "journal_mode", "delete").unwrap();
    };
    let foreign = |path: &Path| {
        std::fs::remove_file(path).unwrap();
        let connection = Connection::open(path).unwrap();
        connection.execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
    };
    let damaged = |path: &Path| std::fs::write(path, "not a database at all").unwrap();
    type Spoil = fn(&Path);
    let cases = [
        (newer as Spoil, "newer version"),
        (foreign, "another program"),
        (damaged, "damaged or is not a database"),
    ];
    for (spoil, words) in cases {
        let folder = tempfile::tempdir().unwrap();
        let device = Device::new(folder.path(), "a");
        device.ok(&["init"]);
        spoil(&device.database());
        let before = std::fs::read(device.database()).unwrap();
        device.run(&["add", "Note", "title=x"]).failed(6, "store", words);
        device.run(&["status"]).failed(6, "store", words);
        assert_eq!(std::fs::read(device.database()).unwrap(), before);
    }
}

/// Shows that a wrong password is refused with code 4 and changes nothing, and that a sync without
/// a sign-in says so.
#[test]
fn a_wrong_password_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let _a = Device::signed_in(folder.path(), "a", &server);
    let b = Device::new(folder.path(), "b");
    b.ok(&["add", "Note", "title=kept"]);
    b.run(&["sync"]).failed(4, "sign_in", "not signed in");
    let mut login = b.command(&["login", "--server", &server.address, "--name", "ann"]);
    login.env("CLARITY_PASSWORD", "not the password");
    run(login).failed(4, "sign_in", "name or the password is wrong");
    assert_eq!(b.ok(&["status"])["waiting"], 1);
    b.ok(&["login", "--server", &server.address, "--name", "ann"]);
    b.ok(&["sync"]);
    assert_eq!(b.ok(&["status"])["waiting"], 0);
}

/// Shows that the password can come from stdin, and that its text is in no output.
#[test]
fn the_password_may_come_from_stdin() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let a = Device::new(folder.path(), "a");
    let file = folder.path().join("password");
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    let arguments = ["sign-up", "--server", &server.address, "--name", "ann", "--password-stdin"];
    let mut command = a.command(&arguments);
    command.env_remove("CLARITY_PASSWORD").stdin(std::fs::File::open(&file).unwrap());
    let ran = run(command);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(!ran.stdout.contains(PASSWORD) && !ran.stderr.contains(PASSWORD));
    let mut without = a.command(&arguments[..5]);
    without.env_remove("CLARITY_PASSWORD");
    run(without).failed(2, "usage", "--password-stdin");
}

/// Shows that a server that is down is code 5, what waits is kept, and arrives later.
#[test]
fn a_server_that_is_down_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let a = Device::signed_in(folder.path(), "a", &server);
    a.ok(&["add", "Note", "title=kept"]);
    server.stop();
    a.run(&["sync", "--patience", "0"]).failed(5, "unreachable", "1 waiting, all kept");
    let status = a.ok(&["status"]);
    assert_eq!((&status["waiting"], &status["flow"]), (&1.into(), &"offline".into()));
    let nobody = ["login", "--server", "http://127.0.0.1:9", "--name", "ann"];
    a.run(&nobody).failed(5, "unreachable", "cannot be reached");
    let nonsense = ["login", "--server", "nowhere", "--name", "ann"];
    a.run(&nonsense).failed(2, "usage", "is not an address");
}

/// Shows that a device whose access was taken away says so with code 4 and keeps its data.
#[test]
fn a_revoked_device_must_sign_in_again() {
    let Pair { folder: _folder, server, a, b } = Pair::new();
    b.ok(&["add", "Note", "title=kept"]);
    let list = a.ok(&["devices"]);
    let devices = list["devices"].as_array().unwrap();
    let other = devices.iter().find(|device| device["name"] == "b").unwrap();
    a.ok(&["devices", "--revoke", other["id"].as_str().unwrap()]);
    assert_eq!(b.run(&["sync"]).code, Some(4));
    assert_eq!(b.ok(&["status"])["waiting"], 1);
    b.ok(&["login", "--server", &server.address, "--name", "ann"]);
    b.ok(&["sync"]);
    a.ok(&["sync"]);
    assert_eq!(a.count("Note"), 1);
}

/// Shows that a cut-off zip, another kind of file, an empty one and a missing one are code 8 and
/// leave the store as it was.
#[test]
fn an_import_that_cannot_be_read_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let a = Device::new(folder.path(), "a");
    a.ok(&["add", "Note", "title=kept"]);
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let whole = std::fs::read(real_export()).unwrap();
    let cut_off = file("cut.zip", &whole[..whole.len() / 2]);
    let other = file("other.xml", b"<recipes><recipe/></recipes>");
    let empty = file("empty.zip", b"");
    let missing = folder.path().join("missing.zip").to_str().unwrap().to_owned();
    for (path, words) in [
        (&cut_off, "cut off or damaged"),
        (&other, "not an Apple Health export"),
        (&empty, "empty"),
        (&missing, "cannot be read"),
    ] {
        a.run(&["import", path]).failed(8, "import", words);
        a.run(&["import", "--scan", path]).failed(8, "import", words);
    }
    assert_eq!(a.ok(&["status"])["waiting"], 1);
}

/// Shows that a full disk (here: the limit of the store's size) is code 7, keeps everything that
/// was acknowledged before, and that the same import is completed when there is space.
#[test]
fn a_full_disk_keeps_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let a = Device::new(folder.path(), "a");
    a.ok(&["add", "Note", "title=kept"]);
    let mut import = a.command(&["import", &real_export()]);
    import.env("CLARITY_STORE_BYTES_MAX", "600000");
    run(import).failed(7, "disk_full", "no space left");
    assert_eq!(a.count("Note"), 1);
    assert_eq!(a.ok(&["doctor"])["healthy"], true);
    let report = a.ok(&["import", &real_export()]);
    let (new, duplicate) = (&report["new"], &report["duplicate"]);
    assert_eq!(new.as_u64().unwrap() + duplicate.as_u64().unwrap(), 1_903);
    assert_eq!(a.count("HealthMetric"), 1_862);
}

/// Shows that a server that cannot start says why: the port, the address, the folder, the version.
#[test]
fn a_server_that_cannot_start_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("server");
    let serve = |listen: &str, data: &Path| {
        let mut command = clarity(["--json", "serve", "--listen", listen, "--data"]);
        command.arg(data);
        run(command)
    };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    serve(&address, &data).failed(10, "listen", "is taken");
    serve("0.0.0.0:0", &data).failed(10, "listen", "--behind-proxy");
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    serve("127.0.0.1:0", &file.join("below")).failed(6, "store", "cannot be used");
    let server = Server::start(&data);
    serve("127.0.0.1:0", &data).failed(3, "state", "another server uses");
    server.stop();
    let connection = Connection::open(data.join("server.db")).unwrap();
    connection.pragma_update(None, "user_version", 1_000_000).unwrap();
    drop(connection);
    serve("127.0.0.1:0", &data).failed(6, "store", "use a newer one");
    let mut dump = clarity(["--json", "dump-server", "--to", "nowhere", "--data"]);
    dump.arg(folder.path());
    run(dump).failed(3, "state", "no server's database");
}

/// Shows that what is not there and what cannot be understood have their own codes, and that an
/// error never repeats a value that was typed.
#[test]
fn what_is_not_there_and_what_is_not_understood() {
    let folder = tempfile::tempdir().unwrap();
    let a = Device::new(folder.path(), "a");
    a.run(&["status"]).failed(3, "state", "there is no store");
    a.ok(&["init"]);
    a.run(&["show", "Note/none"]).failed(3, "state", "no such entity");
    a.run(&["retry", "7"]).failed(3, "state", "operation 7");
    a.ok(&["add", "Note", "--id", "n", "title=x"]);
    a.run(&["add", "Note", "--id", "n", "title=y"]).failed(3, "state", "exists already");
    a.run(&["edit", "Note/n", "title=y", "title=z"]).failed(2, "usage", "set twice");
    let unnamed = a.run(&["resolve", "Note/n", "--keep-mine"]);
    assert!(unnamed.stderr.contains("named by its number"), "{unnamed:?}");
    let secret = a.run(&["add", "Note", "a very private sentence"]);
    secret.failed(2, "usage", "FIELD=VALUE");
    assert!(!secret.stderr.contains("private"));
    let nonsense = a.run(&["frobnicate"]);
    assert_eq!(nonsense.code, Some(2));
    assert_eq!(nonsense.object()["error"]["kind"], "usage");
    assert_eq!(a.run(&["show", "no-slash"]).code, Some(2));
}
