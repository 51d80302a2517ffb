//! Output for programs.

use serde_json::Value;

use crate::support::{Device, Server, clarity, run};

/// Shows that every command prints nothing but JSON on stdout with `--json`, and nothing at all on
/// stderr when it succeeds.
#[test]
fn every_command_speaks_json() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let a = Device::signed_in(folder.path(), "a", &server);
    let small = folder.path().join("small.xml");
    let small = small.to_str().unwrap();
    let out = folder.path().join("out.jsonl");
    let out = out.to_str().unwrap();
    let made = run(clarity(["--json", "generate-export", "--records", "20", small]));
    assert_eq!(made.code, Some(0), "{made:?}");
    let commands: [&[&str]; 20] = [
        &["init"],
        &["login", "--server", &server.address, "--name", "ann"],
        &["devices"],
        &["import", small],
        &["import", "--scan", small],
        &["add", "Note", "--id", "n", "title=x"],
        &["edit", "Note/n", "title=y"],
        &["show", "Note/n"],
        &["list"],
        &["list", "HealthMetric", "--limit", "3"],
        &["rollup", "HealthMetric", "heart_rate", "--by", "month"],
        &["queue", "--limit", "3"],
        &["failed"],
        &["conflicts"],
        &["status"],
        &["pause"],
        &["resume"],
        &["sync"],
        &["doctor"],
        &["export", out, "--operations", "/dev/null"],
    ];
    for arguments in commands {
        let ran = a.run(arguments);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{arguments:?}");
        for line in ran.stdout.lines() {
            let value: Value = serde_json::from_str(line).unwrap();
            assert!(value.is_object(), "{arguments:?}: {line}");
        }
    }
    let exported = std::fs::read_to_string(out).unwrap();
    let to_stdout = a.run(&["export", "-"]);
    assert_eq!(to_stdout.stdout, exported);
    let mut dump = clarity(["--json", "dump-server", "--data"]);
    dump.arg(folder.path().join("server")).arg("--to").arg(folder.path().join("dump"));
    assert_eq!(run(dump).code, Some(0));
    let dumped = std::fs::read_to_string(folder.path().join("dump/server-entities.jsonl")).unwrap();
    assert_eq!(dumped.lines().count(), exported.lines().count());
}

/// Shows that the same commands speak in words without `--json`, and that the help documents the
/// exit codes.
#[test]
fn without_json_people_are_spoken_to() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("a");
    let words = |arguments: &[&str]| {
        let mut command = clarity(["device", "--store"]);
        command.arg(&store).args(arguments);
        let ran = run(command);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.stdout
    };
    assert!(words(&["init"]).contains("A store was made"));
    assert!(words(&["add", "Note", "--id", "n", "title=Tea"]).contains("saved on this device"));
    assert!(words(&["show", "Note/n"]).contains("Tea"));
    assert!(words(&["list", "Note"]).contains("title: Tea"));
    assert!(words(&["queue"]).contains("Note/n"));
    assert!(words(&["status"]).contains("not signed in"));
    assert!(words(&["conflicts"]).contains("no conflicts"));
    assert!(words(&["failed"]).contains("Nothing failed"));
    assert!(words(&["doctor"]).contains("clarity device login"));
    let help = run(clarity(["--help"]));
    assert_eq!(help.code, Some(0));
    assert!(help.stdout.contains("Exit codes:"));
}
