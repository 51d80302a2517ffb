//! Running other programs and saying in words how they ended.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;

use anyhow::{Context, Result, anyhow, bail};

/// The command as a person would type it, for messages.
pub(crate) fn describe(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program())
        .to_string_lossy()
        .into_owned();
    let mut words = vec![program];
    words.extend(command.get_args().map(|word| {
        let word = word.to_string_lossy();
        if word.contains(' ') { format!("'{word}'") } else { word.into_owned() }
    }));
    words.join(" ")
}

/// Runs a command with its output shown as it comes.
///
/// # Errors
/// When it cannot be started or does not end with success.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("`{}` could not be started", describe(command)))?;
    succeed(command, status)
}

/// Runs a command, shows its output line by line, and keeps the lines that `keep` asks for.
///
/// The kept lines are in the order in which they were read; between the two streams of the command
/// that order is the machine's choice.
///
/// # Errors
/// When it cannot be started, its output cannot be shown, or it does not end with success.
pub(crate) fn run_keeping(command: &mut Command, keep: fn(&str) -> bool) -> Result<Vec<String>> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("`{}` could not be started", describe(command)))?;
    let (Some(output), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
        bail!("`{}` gave no output to read", describe(command));
    };
    let kept = Mutex::new(Vec::new());
    let copied = std::thread::scope(|scope| {
        let from_errors = scope.spawn(|| copy_lines(errors, std::io::stderr(), keep, &kept));
        let from_output = copy_lines(output, std::io::stdout(), keep, &kept);
        let from_errors = from_errors.join().map_err(|_| anyhow!("reading the output panicked"))?;
        from_output.and(from_errors)
    });
    let status = child.wait().with_context(|| format!("waiting for `{}`", describe(command)))?;
    copied?;
    succeed(command, status)?;
    kept.into_inner().map_err(|_| anyhow!("reading the output panicked"))
}

fn copy_lines(
    from: impl Read,
    mut to: impl Write,
    keep: fn(&str) -> bool,
    kept: &Mutex<Vec<String>>,
) -> Result<()> {
    let mut reader = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line).context("reading a program's output")? == 0 {
            return Ok(());
        }
        to.write_all(&line).context("showing a program's output")?;
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\r', '\n']);
        if keep(text) {
            kept.lock().map_err(|_| anyhow!("reading the output panicked"))?.push(text.to_owned());
        }
    }
}

fn succeed(command: &Command, status: ExitStatus) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    match status.code() {
        Some(code) => bail!("`{}` ended with exit code {code}", describe(command)),
        None => bail!("`{}` was stopped by a signal ({status})", describe(command)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    /// Shows that a message names the command as it would be typed, not by its full path.
    #[test]
    fn a_command_is_described_as_typed() {
        let mut command = Command::new("/usr/bin/cargo");
        command.args(["test", "two words"]);
        assert_eq!(describe(&command), "cargo test 'two words'");
    }

    /// Shows that a failing program fails the call and that its exit code is told.
    #[test]
    fn a_failing_program_is_an_error() {
        let error = run(&mut shell("exit 7")).unwrap_err();
        assert!(error.to_string().contains("exit code 7"), "{error}");
    }

    /// Shows that a program that does not exist is told by name.
    #[test]
    fn a_missing_program_is_named() {
        let error = run(&mut Command::new("clarity-no-such-program")).unwrap_err();
        assert!(error.to_string().contains("clarity-no-such-program"), "{error}");
    }

    /// Shows that lines are kept from both streams, and only those that were asked for.
    #[test]
    fn wanted_lines_are_kept_from_both_streams() {
        let mut command = shell("echo keep one; echo drop; echo keep two >&2");
        let mut kept = run_keeping(&mut command, |line| line.starts_with("keep")).unwrap();
        kept.sort();
        assert_eq!(kept, ["keep one", "keep two"]);
    }

    /// Shows that a failing program is an error also while its output is being read.
    #[test]
    fn a_failing_program_is_an_error_while_keeping_lines() {
        assert!(run_keeping(&mut shell("echo line; exit 1"), |_| true).is_err());
    }
}
