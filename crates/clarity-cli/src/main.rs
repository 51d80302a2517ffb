//! `clarity`: the server, a device at a terminal, and the tour, in one program.
//!
//! *Architecture Invariant:* nothing is decided here. Devices are [`clarity_client`], the server is
//! [`clarity_server`]; this crate parses, prints and counts.

mod device;
mod exit;
mod generate;
mod log;
mod output;
mod pulse;
mod serve;
mod signals;
mod tour;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::exit::{CliError, EXIT_CODES, ExitKind};
use crate::output::Output;

/// Health data that works offline and syncs when it can: server, device and tour.
#[derive(Debug, Parser)]
#[command(name = "clarity", version, after_help = EXIT_CODES, max_term_width = 100)]
struct Arguments {
    /// Print JSON on stdout: one object, or one object a line; progress goes to stderr
    #[arg(long, global = true)]
    json: bool,
    /// Write a log of this level to stderr [default: warn for `serve`, off for all else]
    #[arg(long, global = true, value_name = "LEVEL", env = "CLARITY_LOG", hide_env_values = true)]
    log: Option<log::Level>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(serve::ServeArguments),
    /// Write everything that a server's database holds as JSON lines
    DumpServer(serve::DumpArguments),
    /// Work with a device's store
    #[command(after_help = EXIT_CODES)]
    Device(Box<device::DeviceArguments>),
    /// Show the whole thing: two devices, a real health export and a faulty network
    Tour(tour::TourArguments),
    /// Make an invented Apple Health export of any size, for tests and benchmarks
    GenerateExport(generate::GenerateArguments),
}

fn main() -> ExitCode {
    let wants_json = std::env::args_os().any(|argument| argument == "--json");
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(refusal) => return refuse(&refusal, wants_json),
    };
    let output = Output::new(arguments.json);
    let usual = match arguments.command {
        Command::Serve(_) => log::Level::Warn,
        _ => log::Level::Off,
    };
    log::start(arguments.log.unwrap_or(usual), arguments.json);
    let result = match arguments.command {
        Command::Serve(arguments) => serve::serve(arguments, output),
        Command::DumpServer(arguments) => serve::dump(&arguments, output),
        Command::Device(arguments) => device::run(*arguments, output),
        Command::Tour(arguments) => tour::run(&arguments, output),
        Command::GenerateExport(arguments) => generate::run(&arguments, output),
    };
    match result {
        Ok(kind) => kind.into(),
        Err(error) if error.is_broken_pipe() => ExitKind::Done.into(),
        Err(error) => {
            output.error(&error);
            error.kind.into()
        }
    }
}

/// What clap says: help and versions are no errors; anything else is one sentence and its usage.
fn refuse(refusal: &clap::Error, wants_json: bool) -> ExitCode {
    if !refusal.use_stderr() {
        // Whoever does not read the help does not miss it.
        let _ = refusal.print();
        return ExitKind::Done.into();
    }
    let _ = refusal.print();
    if wants_json {
        let text = refusal.to_string();
        let sentence = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        Output::new(true).error_object(&CliError::new(ExitKind::Usage, sentence));
    }
    ExitKind::Usage.into()
}
