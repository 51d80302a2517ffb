//! What the server that `start` leaves running has in it: an account with a real health export.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use crate::process;
use crate::start::listening_address;
use crate::workspace::Workspace;

/// The account's name.
pub(crate) const NAME: &str = "demo";
/// Its password. It guards nothing: the server listens on this machine, and the data is public.
pub(crate) const PASSWORD: &str = "only for the demo";
/// The export that the tests of the importer read, with its licence beside it.
const EXPORT: [&str; 5] = ["crates", "clarity-health", "data", "ipyhealth", "export.zip"];

/// Makes the account, has a device import the export and send it, all with the program itself.
///
/// # Errors
/// When a command of the program fails; its own words are above.
pub(crate) fn fill(workspace: &Workspace, program: &Path, data: &Path) -> Result<()> {
    let mut serve = Command::new(program);
    serve.args(["serve", "--listen", "127.0.0.1:0", "--no-app", "--data"]).arg(data);
    serve.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut server = Stopped(serve.spawn().context("the server could not be started")?);
    let said = server.0.stdout.take().context("the server says nothing")?;
    let mut lines = BufReader::new(said).lines().map_while(Result::ok);
    let address = lines.find_map(|line| listening_address(&line));
    let address = address.context("the server ended before it listened; its words are above")?;
    let store = tempfile::tempdir().context("making a folder for a device")?;
    let device = |arguments: &[&str]| {
        let mut device = Command::new(program);
        device.arg("device").args(arguments).stdin(Stdio::null());
        device.env("CLARITY_STORE", store.path()).env("CLARITY_PASSWORD", PASSWORD);
        process::run(&mut device)
    };
    let export = workspace.root().join(EXPORT.iter().collect::<PathBuf>());
    device(&["sign-up", "--server", &address, "--name", NAME, "--device-name", "a phone"])?;
    device(&["import", &export.to_string_lossy()])?;
    device(&["sync"])
}

/// A server that is ended when nobody needs it any more. What it has acknowledged is on the disk.
struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
