//! `clarity tour`: the main job as a scripted run with real processes and a faulty network.
//!
//! A server and two devices run as processes of this same program; their network is a proxy in
//! this process that loses, repeats and delays. What came of it is computed by [`verify`] from
//! files alone.

mod dice;
mod journal;
mod kills;
mod network;
mod process;
mod script;
mod show;
mod verify;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::exit::{CliError, CliResult, ExitKind};
use crate::output::Output;
use crate::tour::show::Show;

/// Arguments of `clarity tour`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct TourArguments {
    /// Apple Health export to take along, instead of the one that is built in
    #[arg(long, value_name = "PATH")]
    export: Option<PathBuf>,
    /// Folder that keeps the files that the figures are computed from
    #[arg(long, value_name = "FOLDER")]
    dump: Option<PathBuf>,
    /// Where the faults of the network come from
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Kill the importing device ten times and the server five times on the way
    #[arg(long)]
    kills: bool,
    #[command(subcommand)]
    command: Option<TourCommand>,
}

#[derive(Debug, Subcommand)]
enum TourCommand {
    /// Compute the figures again from the files that --dump kept
    Verify {
        /// The folder
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
}

/// Shows the tour.
pub(crate) fn run(arguments: &TourArguments, output: Output) -> CliResult {
    let show = Show::new(output);
    if let Some(TourCommand::Verify { folder }) = &arguments.command {
        let figures = verify::verify(folder).map_err(|error| CliError::state(error.to_string()))?;
        return show.end(&figures, None);
    }
    let temporary = tempfile::Builder::new().prefix("clarity-tour-").tempdir()?;
    let dump = match &arguments.dump {
        Some(folder) => folder.clone(),
        None => temporary.path().join("dump"),
    };
    std::fs::create_dir_all(&dump).map_err(|error| CliError::file(&dump, &error))?;
    let plan = script::Plan {
        work: temporary.path().to_owned(),
        dump: dump.clone(),
        export: arguments.export.clone(),
        seed: arguments.seed,
        kills: arguments.kills,
    };
    let run = script::run(&plan, show).map_err(unexpected)?;
    let figures = verify::verify(&dump).map_err(unexpected)?;
    if let Some(folder) = &arguments.dump {
        show.note(&format!("the files are kept in {}", folder.display()));
    }
    show.end(&figures, Some(&run))
}

fn unexpected(error: anyhow::Error) -> CliError {
    CliError::new(ExitKind::Unexpected, format!("the tour could not go on: {error:#}"))
}
