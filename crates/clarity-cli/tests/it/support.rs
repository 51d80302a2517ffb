//! Running the program and looking at what it said.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// The password of every account in these tests.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// A run of the program that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The last object on stdout.
    pub(crate) fn object(&self) -> Value {
        let line = self.stdout.lines().last().unwrap_or_else(|| panic!("no output: {self:?}"));
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts a failure of a kind: the exit code, one sentence on stderr, and the same in JSON.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, kind: &str, words: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        let error = &self.object()["error"];
        assert_eq!(error["kind"], kind, "{self:?}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(words), "{message}");
        assert!(!message.contains('\n'), "one sentence: {message}");
        assert_eq!(self.stderr.trim(), format!("error: {message}"));
    }
}

/// The program with these arguments, for programs to read.
pub(crate) fn clarity<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clarity"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env("CLARITY_PASSWORD", PASSWORD).env_remove("CLARITY_STORE");
    for name in ["CLARITY_STORE_BYTES_MAX", "CLARITY_KEY", "CLARITY_KEY_FILE", "CLARITY_LOG"] {
        command.env_remove(name);
    }
    command
}

/// Runs a command to its end.
pub(crate) fn run(mut command: Command) -> Ran {
    ran(command.spawn().unwrap())
}

/// Waits for a command to end.
pub(crate) fn ran(child: Child) -> Ran {
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A device with its store in a folder of the test.
#[derive(Debug)]
pub(crate) struct Device {
    store: PathBuf,
}

impl Device {
    pub(crate) fn new(folder: &Path, name: &str) -> Self {
        Self { store: folder.join(name) }
    }

    /// A device that is signed in; the first one of a server makes the account.
    pub(crate) fn signed_in(folder: &Path, name: &str, server: &Server) -> Self {
        let device = Self::new(folder, name);
        let how = if name == "a" { "sign-up" } else { "login" };
        device.ok(&[how, "--server", &server.address, "--name", "ann", "--device-name", name]);
        device
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.store
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.store.join("device.db")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = clarity(["--json", "device", "--store"]);
        command.arg(&self.store).args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(self.command(arguments))
    }

    /// Runs a command that must succeed.
    #[track_caller]
    pub(crate) fn ok(&self, arguments: &[&str]) -> Value {
        let ran = self.run(arguments);
        assert_eq!(ran.code, Some(0), "{arguments:?}: {ran:?}");
        ran.object()
    }

    /// How many entities of a type there are.
    pub(crate) fn count(&self, entity_type: &str) -> u64 {
        self.ok(&["list"])[entity_type].as_u64().unwrap_or_default()
    }
}

/// A server and two devices that are signed in to one account, in a folder of the test.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) server: Server,
    pub(crate) a: Device,
    pub(crate) b: Device,
}

impl Pair {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(&folder.path().join("server"));
        let a = Device::signed_in(folder.path(), "a", &server);
        let b = Device::signed_in(folder.path(), "b", &server);
        Self { folder, server, a, b }
    }
}

/// A server that ends with the test.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
}

impl Server {
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    pub(crate) fn start_with(data: &Path, more: &[&str]) -> Self {
        Self::start_logging(data, more, Stdio::null())
    }

    /// Starts it with its log going somewhere.
    pub(crate) fn start_logging(data: &Path, more: &[&str], log: Stdio) -> Self {
        let mut command = clarity(["--json", "serve", "--listen", "127.0.0.1:0", "--data"]);
        let mut child = command.arg(data).args(more).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        Self { child, address: told["listening"].as_str().unwrap().to_owned() }
    }

    /// Ends it without a warning.
    pub(crate) fn stop(self) {}

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end: its exit code.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file of the exports that the reader's tests use.
pub(crate) fn export(path: &str) -> String {
    format!("{}/../clarity-health/data/{path}", env!("CARGO_MANIFEST_DIR"))
}

/// The real export with 1,903 samples.
pub(crate) fn real_export() -> String {
    export("ipyhealth/export.zip")
}
