//! `start`: from a fresh clone to a running server.
//!
//! The server's data goes to `demo` in Cargo's target folder (usually `target/demo`) unless
//! `--data` names another place: trying the product leaves nothing behind outside the checkout, and
//! `cargo clean` takes it away. Data that is to be kept belongs somewhere else, and the output says
//! so.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::demo;
use crate::prerequisites::{self, Need};
use crate::process;
use crate::web;
use crate::workspace::Workspace;

/// How long a detached server may take until it says that it listens.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// How often the output of a starting server is looked at.
const READY_POLL: Duration = Duration::from_millis(50);

/// Options of `cargo xtask start`.
#[derive(Debug, clap::Args)]
pub(crate) struct StartOptions {
    /// Address to listen on; if it is taken, a free port of the same address is used
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8787")]
    listen: SocketAddr,
    /// Folder of the server's data [default: `demo` in Cargo's target folder]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Leave the server running in the background and return
    #[arg(long)]
    detach: bool,
    /// Start the server without showing the tour first
    #[arg(long)]
    skip_tour: bool,
    /// Start the server without building and serving the web app
    #[arg(long)]
    skip_app: bool,
}

/// Builds the product, shows the tour, and starts the server.
///
/// In the foreground this does not return: the server takes the place of this program, so that
/// Ctrl-C reaches it alone and its shutdown is seen to the end.
///
/// # Errors
/// When something is missing and cannot be fetched, or a step fails.
pub(crate) fn start(workspace: &Workspace, options: &StartOptions) -> Result<()> {
    prerequisites::ensure_present(&[Need::CCompiler])?;
    let mut features = Vec::new();
    if !options.skip_app {
        println!("Building the web app with the engine for browsers; this takes some minutes.");
        web::build(workspace)?;
        features.push("pulse");
    }
    println!("\nBuilding `clarity` in release; the first time this takes some minutes too.");
    let program = build(workspace, &features)?;
    if !options.skip_tour {
        println!("\nThe tour: two devices, a real Apple Health export and a faulty network.\n");
        process::run(Command::new(&program).arg("tour")).context("the tour did not succeed")?;
    }
    let data = match &options.data {
        Some(folder) => folder.clone(),
        None => {
            let folder = workspace.target_folder()?.join("demo");
            println!(
                "\nThe server keeps its data in {} until `cargo clean`; \
                 use --data FOLDER for a place that lasts.",
                folder.display()
            );
            folder
        }
    };
    let is_new = !data.exists();
    fs::create_dir_all(&data)
        .with_context(|| format!("the data folder {} cannot be made", data.display()))?;
    let is_demo = options.data.is_none() && !options.skip_app;
    if is_demo && is_new {
        println!("\nA phone signs up at that server, and sends it a real Apple Health export.");
        demo::fill(workspace, &program, &data)?;
    }
    let address = free_address(options.listen);
    if address != options.listen {
        println!("{} is taken or not available; another port is used.", options.listen);
    }
    let mut serve = Command::new(&program);
    serve.arg("serve").arg("--listen").arg(address.to_string()).arg("--data").arg(&data);
    serve.stdin(Stdio::null());
    if !options.skip_app {
        if address.ip().is_loopback() {
            // Whoever tries it on this machine may make as many accounts as they like.
            serve.arg("--open-sign-up");
        }
        println!(
            "The web app is at the address that the server says it listens on. At /lab.html#/conflict \
             two phones are side by side, and a conflict between them waits."
        );
    }
    if is_demo {
        println!("Sign in there as \"{}\" with \"{}\".", demo::NAME, demo::PASSWORD);
    }
    println!("As a device, in another terminal: {} device --help", program.display());
    if options.detach {
        return detach(serve, &data.with_extension("log"));
    }
    println!("Ctrl-C stops the server.\n");
    stay(serve)
}

/// Builds the release program with Cargo's progress in view, and says where it is.
fn build(workspace: &Workspace, features: &[&str]) -> Result<PathBuf> {
    let mut command = workspace.cargo("build");
    command.args(["--release", "--package", "clarity-cli", "--bin", "clarity"]);
    command.arg("--features").arg(features.join(","));
    command.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit());
    let output = command
        .output()
        .with_context(|| format!("`{}` could not be started", process::describe(&command)))?;
    if !output.status.success() {
        bail!("`{}` ended with {}", process::describe(&command), output.status);
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    messages
        .lines()
        .find_map(built_program)
        .context("Cargo built `clarity` without saying where it is")
}

/// The path of the program `clarity`, if this message of Cargo announces it.
fn built_program(message: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    if message["target"]["name"] != "clarity" {
        return None;
    }
    message["executable"].as_str().map(PathBuf::from)
}

/// The address itself if it can be listened on, else the same one with a port of the system's
/// choice. A port may be taken between this look and the server's start; the server then says so.
fn free_address(wanted: SocketAddr) -> SocketAddr {
    match TcpListener::bind(wanted) {
        Ok(_) => wanted,
        Err(_) => SocketAddr::new(wanted.ip(), 0),
    }
}

/// Lets the server take this program's place, with the terminal and its signals.
#[cfg(unix)]
fn stay(mut serve: Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    let error = serve.exec();
    Err(error).with_context(|| format!("`{}` could not be started", process::describe(&serve)))
}

/// Waits for the server, where a program cannot take another's place.
#[cfg(not(unix))]
fn stay(mut serve: Command) -> Result<()> {
    process::run(&mut serve)
}

/// Starts the server in the background, waits until it listens, and says how to stop it.
fn detach(mut serve: Command, log: &Path) -> Result<()> {
    let cannot = || format!("the server's log {} cannot be written", log.display());
    // Another server may still be writing to it, so that what is there stays there.
    let output = File::options().create(true).append(true).open(log).with_context(cannot)?;
    let begins_at = output.metadata().with_context(cannot)?.len();
    let errors = output.try_clone().with_context(cannot)?;
    serve.stdout(output).stderr(errors);
    #[cfg(unix)]
    {
        // A group of its own: Ctrl-C in this terminal is not meant for it.
        use std::os::unix::process::CommandExt;
        serve.process_group(0);
    }
    let mut child = serve
        .spawn()
        .with_context(|| format!("`{}` could not be started", process::describe(&serve)))?;
    let address = match wait_until_ready(&mut child, log, begins_at) {
        Ok(address) => address,
        Err(error) => {
            // It may have ended by itself, which is what the error then says.
            let _ = child.kill();
            let _ = child.wait();
            return Err(error);
        }
    };
    println!("Its output goes to {}", log.display());
    println!("Stop it with: kill {}", child.id());
    println!("The server runs (process {}) at {address}", child.id());
    Ok(())
}

/// Reads the log, from where this server's part begins, until the server says where it listens.
fn wait_until_ready(child: &mut Child, log: &Path, begins_at: u64) -> Result<String> {
    let started = Instant::now();
    loop {
        // Looked at before the log is read: what an ended server said is then complete.
        let ended = child.try_wait().context("looking after the server")?;
        let text = read_from(log, begins_at)
            .with_context(|| format!("the log {} cannot be read", log.display()))?;
        let complete_lines = text.rfind('\n').map_or("", |end| &text[..end]);
        if let Some(status) = ended {
            bail!("the server ended at once ({status}); it said:\n{}", text.trim_end());
        }
        if let Some(address) = complete_lines.lines().find_map(listening_address) {
            return Ok(address);
        }
        if started.elapsed() > READY_TIMEOUT {
            bail!(
                "the server did not listen within {} seconds; it said:\n{}",
                READY_TIMEOUT.as_secs(),
                text.trim_end()
            );
        }
        std::thread::sleep(READY_POLL);
    }
}

fn read_from(log: &Path, begins_at: u64) -> std::io::Result<String> {
    let mut file = File::open(log)?;
    file.seek(SeekFrom::Start(begins_at))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The address in the line by which `clarity serve` says that it is ready, in words or as JSON.
pub(crate) fn listening_address(line: &str) -> Option<String> {
    if let Some(address) = line.trim().strip_prefix("listening on ") {
        return Some(address.trim().to_owned());
    }
    let value: Value = serde_json::from_str(line).ok()?;
    value["listening"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows that readiness is understood in both forms, and nothing else is taken for it.
    #[test]
    fn the_ready_line_is_understood() {
        let address = Some("http://127.0.0.1:8787".to_owned());
        assert_eq!(listening_address("listening on http://127.0.0.1:8787"), address);
        assert_eq!(listening_address(r#"{"listening":"http://127.0.0.1:8787"}"#), address);
        assert_eq!(listening_address("opening the database"), None);
        assert_eq!(listening_address(r#"{"level":"info"}"#), None);
    }

    /// Shows that a taken port leads to a free one on the same address, and a free one is kept.
    #[test]
    fn a_taken_port_is_replaced() {
        let holder = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = holder.local_addr().unwrap();
        assert_eq!(free_address(taken), SocketAddr::new(taken.ip(), 0));
        let any = SocketAddr::new(taken.ip(), 0);
        assert_eq!(free_address(any), any);
    }

    /// Shows that only the program's own message names the program.
    #[test]
    fn the_built_program_is_found_among_cargo_messages() {
        let library = r#"{"target":{"name":"clarity_cli"},"executable":null}"#;
        let program = r#"{"target":{"name":"clarity"},"executable":"target/release/clarity"}"#;
        assert_eq!(built_program(library), None);
        assert_eq!(built_program(program), Some(PathBuf::from("target/release/clarity")));
        assert_eq!(built_program("not JSON"), None);
    }

    #[cfg(unix)]
    fn server_like(script: &str, log: &Path) -> Result<String> {
        let earlier = "listening on http://an.earlier.server\n";
        fs::write(log, earlier).unwrap();
        let output = File::options().append(true).open(log).unwrap();
        let mut child = Command::new("sh").args(["-c", script]).stdout(output).spawn().unwrap();
        let outcome = wait_until_ready(&mut child, log, earlier.len() as u64);
        let _ = child.kill();
        child.wait().unwrap();
        outcome
    }

    #[cfg(unix)]
    fn scratch_log(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("xtask-{}-{name}.log", std::process::id()))
    }

    /// Shows that the address of a background server is read from its own part of the log.
    #[cfg(unix)]
    #[test]
    fn a_background_server_is_ready_when_it_says_so() {
        let log = scratch_log("ready");
        let script = "echo opening; echo listening on http://127.0.0.1:1; exec cat /dev/zero \
                      > /dev/null";
        let address = server_like(script, &log);
        fs::remove_file(&log).unwrap();
        assert_eq!(address.unwrap(), "http://127.0.0.1:1");
    }

    /// Shows that a server that ends at once is reported with what it said.
    #[cfg(unix)]
    #[test]
    fn a_server_that_ends_at_once_is_reported_with_its_words() {
        let log = scratch_log("ended");
        let outcome = server_like("echo the data folder is in use; exit 3", &log);
        fs::remove_file(&log).unwrap();
        let message = outcome.unwrap_err().to_string();
        assert!(message.contains("the data folder is in use"), "{message}");
    }
}
