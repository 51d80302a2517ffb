//! The server and the devices as processes of the program `clarity`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The password of an account that lives as long as its round.
const PASSWORD: &str = "a tour through the rain";

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the watching processes say, and the waiting for it.
#[derive(Debug, Default)]
pub(super) struct News {
    lines: Mutex<u64>,
    arrived: Condvar,
}

impl News {
    fn tell(&self) {
        *lock(&self.lines) += 1;
        self.arrived.notify_all();
    }

    /// Waits for the next line of anybody's, until a time.
    pub(super) fn wait(&self, until: Instant) {
        let seen = lock(&self.lines);
        let before = *seen;
        let left = until.saturating_duration_since(Instant::now());
        let unchanged = |lines: &mut u64| *lines == before;
        drop(self.arrived.wait_timeout_while(seen, left, unchanged));
    }
}

/// Sends a signal to a process of ours.
fn signal(child: &Child, name: &str) -> Result<()> {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status();
    if !sent.context("sending a signal")?.success() {
        bail!("the signal {name} was not sent");
    }
    Ok(())
}

fn end(child: &mut Child) {
    // It may have ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}

/// A server.
#[derive(Debug)]
pub(super) struct Server {
    program: PathBuf,
    data: PathBuf,
    child: Child,
    pub(super) address: SocketAddr,
}

impl Server {
    pub(super) fn start(program: &Path, data: &Path) -> Result<Self> {
        let (child, address) = spawn_server(program, data, ([127, 0, 0, 1], 0).into())?;
        Ok(Self { program: program.to_owned(), data: data.to_owned(), child, address })
    }

    /// Kills it, and starts it again on the same port and data.
    pub(super) fn kill_and_restart(&mut self) -> Result<()> {
        end(&mut self.child);
        (self.child, self.address) = spawn_server(&self.program, &self.data, self.address)?;
        Ok(())
    }

    pub(super) fn stop(&self) -> Result<()> {
        signal(&self.child, "-STOP")
    }

    pub(super) fn go_on(&self) -> Result<()> {
        signal(&self.child, "-CONT")
    }

    /// Writes what it holds into files of a folder.
    pub(super) fn dump(&self, to: &Path) -> Result<()> {
        let mut command = Command::new(&self.program);
        command.args(["--json", "dump-server", "--data"]).arg(&self.data).arg("--to").arg(to);
        let output = command.output().context("dumping the server")?;
        if !output.status.success() {
            bail!("the server could not be dumped: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn spawn_server(program: &Path, data: &Path, listen: SocketAddr) -> Result<(Child, SocketAddr)> {
    let mut command = Command::new(program);
    command.args(["--json", "serve", "--keep-receipts", "--listen", &listen.to_string()]);
    command.arg("--data").arg(data).stdin(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        BufReader::new(out).read_line(&mut line).context("waiting for the server")?;
    }
    let told: Value = serde_json::from_str(&line).unwrap_or_default();
    let address = told["listening"].as_str().and_then(|url| url.strip_prefix("http://"));
    match address.and_then(|address| address.parse().ok()) {
        Some(address) => Ok((child, address)),
        None => {
            end(&mut child);
            bail!("the server did not start: {}", line.trim());
        }
    }
}

/// How a command of a device ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) success: bool,
    /// The objects that it printed.
    pub(super) objects: Vec<Value>,
}

impl Ended {
    pub(super) fn last(&self) -> &Value {
        self.objects.last().unwrap_or(&Value::Null)
    }
}

/// A device: its store, the process that watches it, and the command that runs on it.
#[derive(Debug)]
pub(super) struct Device {
    program: PathBuf,
    pub(super) index: usize,
    store: PathBuf,
    watching: Mutex<Option<Child>>,
    running: Mutex<Option<Child>>,
    status: Arc<Mutex<Value>>,
    news: Arc<News>,
}

impl Device {
    pub(super) fn new(program: &Path, folder: &Path, index: usize, news: &Arc<News>) -> Self {
        Self {
            program: program.to_owned(),
            index,
            store: folder.join(format!("device-{index}")),
            watching: Mutex::default(),
            running: Mutex::default(),
            status: Arc::default(),
            news: Arc::clone(news),
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--json", "device", "--store"]).arg(&self.store).args(arguments);
        command.env("CLARITY_PASSWORD", PASSWORD).env_remove("CLARITY_STORE_BYTES_MAX");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    }

    /// Runs a command to its end, or until somebody kills it.
    pub(super) fn run(&self, arguments: &[&str], input: Option<&str>) -> Result<Ended> {
        let mut command = self.command(arguments);
        if input.is_some() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn().context("starting a command of a device")?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        *lock(&self.running) = Some(child);
        if let (Some(mut stdin), Some(input)) = (stdin, input) {
            // A command that was killed reads nothing more.
            let _ = stdin.write_all(input.as_bytes());
        }
        let mut text = String::new();
        if let Some(mut stdout) = stdout {
            stdout.read_to_string(&mut text).context("reading what a command says")?;
        }
        let child = lock(&self.running).take();
        let success = match child {
            Some(mut child) => child.wait()?.success(),
            None => false,
        };
        let objects = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Ok(Ended { success, objects })
    }

    /// Runs a command that must succeed.
    pub(super) fn must(&self, arguments: &[&str]) -> Result<Ended> {
        let ended = self.run(arguments, None)?;
        if !ended.success {
            let what = arguments.first().unwrap_or(&"a command");
            bail!("device {}: `{what}` failed: {}", self.index, ended.last());
        }
        Ok(ended)
    }

    /// Begins to watch, as a service would.
    pub(super) fn watch(&self) -> Result<()> {
        let mut child = self.command(&["watch"]).spawn().context("starting to watch")?;
        let out = child.stdout.take().context("a watch without output")?;
        let (status, news) = (Arc::clone(&self.status), Arc::clone(&self.news));
        *lock(&status) = Value::Null;
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                *lock(&status) = serde_json::from_str(&line).unwrap_or_default();
                news.tell();
            }
        });
        *lock(&self.watching) = Some(child);
        Ok(())
    }

    /// The status that the watching process told last.
    pub(super) fn status(&self) -> Value {
        lock(&self.status).clone()
    }

    /// Kills the process that watches.
    pub(super) fn kill(&self) {
        if let Some(mut child) = lock(&self.watching).take() {
            end(&mut child);
        }
    }

    /// Kills the command that runs, if one does; says whether.
    pub(super) fn kill_command(&self) -> bool {
        match &mut *lock(&self.running) {
            Some(child) => child.kill().is_ok(),
            None => false,
        }
    }

    pub(super) fn stop(&self) -> Result<()> {
        lock(&self.watching).as_ref().map_or(Ok(()), |child| signal(child, "-STOP"))
    }

    pub(super) fn go_on(&self) -> Result<()> {
        lock(&self.watching).as_ref().map_or(Ok(()), |child| signal(child, "-CONT"))
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.kill();
        self.kill_command();
    }
}
