//! `sim`, `bench` and `chaos`: build the heavy program and hand everything on to it.
//!
//! This side prints nothing on standard output, so that `--json` of the program stays readable by
//! machines. Cargo's progress goes to standard error.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::process;
use crate::workspace::Workspace;

/// The program behind `cargo xtask sim`.
pub(crate) const SIMULATION: &str = "clarity-sim";
/// The program behind `cargo xtask bench`.
pub(crate) const BENCHMARK: &str = "clarity-bench";
/// The program behind `cargo xtask chaos`.
pub(crate) const CHAOS: &str = "clarity-chaos";

/// The call that builds a program of `clarity-sim` in release and runs it with these arguments.
fn command(workspace: &Workspace, program: &str, arguments: &[OsString]) -> Command {
    let mut command = workspace.cargo_in_place("run");
    command.args(["--release", "--package", "clarity-sim", "--bin", program, "--"]);
    command.args(arguments);
    command
}

/// Runs a program of `clarity-sim` and hands its exit code back.
///
/// # Errors
/// When Cargo cannot be started.
pub(crate) fn forward(
    workspace: &Workspace,
    program: &str,
    arguments: &[OsString],
) -> Result<ExitCode> {
    hand_on(command(workspace, program, arguments))
}

/// Builds the program `clarity` and runs its processes under faults.
///
/// # Errors
/// When it cannot be built, or Cargo cannot be started.
pub(crate) fn chaos(workspace: &Workspace, arguments: &[OsString]) -> Result<ExitCode> {
    process::run(&mut build_for_chaos(workspace))?;
    hand_on(chaos_command(workspace, arguments))
}

/// The call that builds what [`chaos_command`] needs. As the tests build it: that is done already
/// where they have run, and what is slow here are the processes.
fn build_for_chaos(workspace: &Workspace) -> Command {
    let mut command = workspace.cargo_in_place("build");
    command.args(["--quiet", "--package", "clarity-cli", "--bin", "clarity"]);
    command
}

/// The call that runs processes under faults.
fn chaos_command(workspace: &Workspace, arguments: &[OsString]) -> Command {
    let mut command = workspace.cargo_in_place("run");
    command.args(["--quiet", "--package", "clarity-sim", "--bin", CHAOS, "--"]).args(arguments);
    command
}

/// Runs a program and hands its exit code back.
fn hand_on(mut command: Command) -> Result<ExitCode> {
    let status = command
        .status()
        .with_context(|| format!("`{}` could not be started", process::describe(&command)))?;
    // A program ended by a signal has no code; any failure code will do then.
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows that arguments follow `--` in their order, so that Cargo interprets none of them.
    #[test]
    fn arguments_follow_the_separator() {
        let workspace = Workspace::find().unwrap();
        let arguments = [OsString::from("--seeds"), OsString::from("9")];
        let words: Vec<_> = command(&workspace, SIMULATION, &arguments)
            .get_args()
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        let separator = words.iter().position(|word| word == "--").unwrap();
        assert_eq!(&words[separator + 1..], ["--seeds", "9"]);
        assert_eq!(words[separator - 1], "clarity-sim");
        assert!(words[..separator].contains(&"--release".to_owned()));
    }
}
