//! The project's one door: `cargo xtask <command>`.
//!
//! Everything that a person or the continuous integration runs goes through here, so that both run
//! the same thing. The heavy work (simulation and benchmarks) lives in the `clarity-sim` crate and
//! is only forwarded to, which keeps this program quick to build from a fresh clone.

mod checks;
mod demo;
mod forward;
mod fuzz;
mod node;
mod prerequisites;
mod process;
mod prove;
mod start;
mod tidy;
mod web;
mod workspace;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// What the person typed after `cargo xtask`.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, about, long_about = None)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// The commands of the project.
#[derive(Debug, Subcommand)]
enum Command {
    /// Build the product, show its tour on the bundled export, and start a server
    Start(start::StartOptions),
    /// Run every check that continuous integration runs, and stop at the first that fails
    Test(checks::TestOptions),
    /// Run the tests of one clause of the promise, such as I1, or of one fault, such as F7
    Prove(prove::ProveOptions),
    /// Run the whole-system simulation (arguments go to `clarity-sim`; try --help)
    #[command(disable_help_flag = true)]
    Sim(Forwarded),
    /// Kill, stop and cut off real processes (arguments go to `clarity-chaos`; try --help)
    #[command(disable_help_flag = true)]
    Chaos(Forwarded),
    /// Feed what reads bytes of others with what a fuzzer makes up
    Fuzz(fuzz::FuzzOptions),
    /// Run the benchmarks (arguments go to `clarity-bench`; try --help)
    #[command(disable_help_flag = true)]
    Bench(Forwarded),
    /// Check the house rules: layers, sizes, forbidden words, manifests, licences, promises
    Tidy,
    /// Check that the crates meant for browsers compile for WebAssembly
    WasmCheck,
    /// Build the engine for browsers, the packages around it and the app, and say what it weighs
    Web,
    /// Test the packages of the web and the app in Chromium, against a real server
    Browser,
    /// Build the documentation of every crate, with warnings as errors
    Doc,
}

/// Arguments that are handed on untouched.
#[derive(Debug, clap::Args)]
struct Forwarded {
    /// Handed on as they are
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    arguments: Vec<OsString>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = run(arguments.command);
    // The last line of a failing run is the error, also where both streams go to one file.
    let flushed = std::io::stdout().flush();
    match (outcome, flushed) {
        (Ok(code), Ok(())) => code,
        (Ok(_), Err(error)) => {
            eprintln!("error: the output could not be written: {error}");
            ExitCode::FAILURE
        }
        (Err(error), _) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Carries one command out; the exit code of a forwarded program is handed back as it is.
fn run(command: Command) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    match command {
        Command::Start(options) => start::start(&workspace, &options)?,
        Command::Web => {
            let app = web::web(&workspace)?;
            println!("the app is in {}", app.display());
        }
        Command::Browser => web::test(&workspace)?,
        Command::Test(options) => checks::test(&workspace, &options)?,
        Command::Prove(options) => prove::prove(&workspace, &options)?,
        Command::Sim(forwarded) => {
            return forward::forward(&workspace, forward::SIMULATION, &forwarded.arguments);
        }
        Command::Chaos(forwarded) => {
            return forward::chaos(&workspace, &forwarded.arguments);
        }
        Command::Fuzz(options) => fuzz::fuzz(&workspace, &options)?,
        Command::Bench(forwarded) => {
            return forward::forward(&workspace, forward::BENCHMARK, &forwarded.arguments);
        }
        Command::Tidy => tidy::run(&workspace)?,
        Command::WasmCheck => checks::wasm_check(&workspace)?,
        Command::Doc => checks::doc(&workspace)?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows that the command line definition is consistent with itself.
    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    /// Shows that options meant for the simulation reach it untouched, `--help` among them.
    #[test]
    fn simulation_arguments_are_not_interpreted_here() {
        let typed = ["xtask", "sim", "--seeds", "5", "--json", "-x", "--help"];
        let arguments = Arguments::try_parse_from(typed).unwrap();
        let Command::Sim(forwarded) = arguments.command else {
            panic!("expected the simulation");
        };
        assert_eq!(forwarded.arguments, typed[2..].iter().map(OsString::from).collect::<Vec<_>>());
    }
}
