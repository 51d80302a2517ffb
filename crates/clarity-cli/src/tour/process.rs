//! The server and the devices of a tour, as processes of this same program.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The password of the tour's account, which lives as long as the tour.
const PASSWORD: &str = "a tour through the rain";

/// This program.
pub(crate) fn program() -> Result<PathBuf> {
    std::env::current_exe().context("finding this program")
}

/// A server's process. It is killed when this value is dropped.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    child: Child,
    data: PathBuf,
    pub(crate) address: SocketAddr,
}

impl ServerProcess {
    /// Starts a server on any free port and waits until it listens.
    pub(crate) fn start(data: &Path) -> Result<Self> {
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        let (child, address) = spawn_server(data, any)?;
        Ok(Self { child, data: data.to_owned(), address })
    }

    /// Kills the server as a loss of power would, and starts it again on the same port and data.
    pub(crate) fn kill_and_restart(&mut self) -> Result<()> {
        self.child.kill().context("killing the server")?;
        self.child.wait().context("waiting for the killed server")?;
        let (child, address) = spawn_server(&self.data, self.address)?;
        self.child = child;
        self.address = address;
        Ok(())
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn_server(data: &Path, listen: SocketAddr) -> Result<(Child, SocketAddr)> {
    let mut command = Command::new(program()?);
    command.args(["--json", "serve", "--keep-receipts", "--listen"]).arg(listen.to_string());
    command.arg("--data").arg(data);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("starting the server")?;
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        BufReader::new(out).read_line(&mut line).context("waiting for the server")?;
    }
    let told: Value = serde_json::from_str(&line).unwrap_or_default();
    let address = told["listening"].as_str().and_then(|url| url.strip_prefix("http://"));
    match address.and_then(|address| address.parse().ok()) {
        Some(address) => Ok((child, address)),
        None => {
            let status = child.wait().context("waiting for the server")?;
            bail!("the server did not start ({status}): {}", line.trim());
        }
    }
}

/// One of the two devices.
#[derive(Debug, Clone)]
pub(crate) struct DeviceHandle {
    pub(crate) name: &'static str,
    store: PathBuf,
}

impl DeviceHandle {
    pub(crate) fn new(name: &'static str, store: PathBuf) -> Self {
        Self { name, store }
    }

    fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(program()?);
        command.args(["--json", "device", "--store"]).arg(&self.store).args(arguments);
        command.env("CLARITY_PASSWORD", PASSWORD).env_remove("CLARITY_STORE_BYTES_MAX");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command)
    }

    /// Starts a command and leaves it running.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Result<Child> {
        let command = self.command(arguments)?.spawn();
        command.with_context(|| format!("starting device {}", self.name))
    }

    /// Runs a command to its end: its exit code and the last object that it printed.
    pub(crate) fn try_run(&self, arguments: &[&str]) -> Result<Ended> {
        let output = self.spawn(arguments)?.wait_with_output()?;
        Ok(Ended::of(&output))
    }

    /// Runs a command that must succeed, and gives the last object that it printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<Value> {
        let ended = self.try_run(arguments)?;
        if ended.code != Some(0) {
            let what = arguments.first().unwrap_or(&"a command");
            bail!(
                "device {}: `{what}` ended with {:?}: {}",
                self.name,
                ended.code,
                ended.message()
            );
        }
        Ok(ended.object)
    }

    /// Runs a command that prints one object a line.
    pub(crate) fn run_lines(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        let output = self.spawn(arguments)?.wait_with_output()?;
        if !output.status.success() {
            bail!("device {}: {}", self.name, Ended::of(&output).message());
        }
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Nothing when it was killed.
    pub(crate) code: Option<i32>,
    /// The last object that it printed.
    pub(crate) object: Value,
}

impl Ended {
    pub(crate) fn of(output: &Output) -> Self {
        let text = String::from_utf8_lossy(&output.stdout);
        let object = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
        Self { code: output.status.code(), object: object.unwrap_or_default() }
    }

    /// Its error, or where it left the sync.
    pub(crate) fn summary(&self) -> String {
        let status = &self.object["status"];
        match status["waiting"].as_u64() {
            Some(waiting) => {
                format!("{waiting} waiting, {} of them set aside", status["set_aside"])
            }
            None => self.message().to_owned(),
        }
    }

    /// The words of its error.
    pub(crate) fn message(&self) -> &str {
        self.object["error"]["message"].as_str().unwrap_or("it said nothing")
    }
}
