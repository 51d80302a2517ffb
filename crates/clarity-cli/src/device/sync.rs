//! Synchronising.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clarity_client::engine::{Pause, Stalled};
use clarity_client::{Client, Status, SyncEnd, SyncProgress, SyncReport};
use indicatif::ProgressBar;
use serde_json::json;

use crate::device::account::{runtime, transport};
use crate::device::queue::status_lines;
use crate::device::store::Place;
use crate::exit::{CliError, CliResult, ExitKind};
use crate::output::{Output, grouped, progress_bar};

/// Arguments of `clarity device sync`.
#[derive(Debug, Args)]
pub(crate) struct SyncArguments {
    /// How long to go on while the server cannot be reached
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    patience: u64,
    /// End with exit code 9 when conflicts or failed operations wait for a person
    #[arg(long)]
    strict: bool,
}

/// Sends and reads until there is nothing left to do.
pub(crate) fn sync(place: &Place, arguments: &SyncArguments, output: Output) -> CliResult {
    let client = place.open()?;
    let transport = Arc::new(transport(&client)?);
    let patience = Duration::from_secs(arguments.patience);
    let bar = progress_bar("{spinner} {msg}");
    let report = runtime()?.block_on(async {
        let round = client.sync(transport, patience, |status| show_progress(&bar, status));
        tokio::select! {
            report = round => report.map(Some),
            stopped = tokio::signal::ctrl_c() => {
                // Without a way to hear of Ctrl-C the system ends the process by itself.
                let _ = stopped;
                Ok(None)
            }
        }
    });
    bar.finish_and_clear();
    let Some(report) = report? else {
        let words = "stopped; what waits is kept and is sent the next time";
        return Err(CliError::new(ExitKind::Unexpected, words));
    };
    finish(&client, &report, arguments, output)
}

fn show_progress(bar: &ProgressBar, status: &Status) {
    bar.set_message(SyncProgress::of(status).operation);
}

fn finish(
    client: &Client,
    report: &SyncReport,
    arguments: &SyncArguments,
    output: Output,
) -> CliResult {
    if let SyncEnd::Stalled(stalled) | SyncEnd::OutOfPatience(stalled) = &report.end {
        let waits = grouped(report.status.waiting);
        let words = format!("{}; {waits} waiting, all kept", stalled.message.trim_end_matches('.'));
        return Err(CliError::new(kind_of(stalled), words));
    }
    let object = json!({
        "end": report.end,
        "status": report.status,
        "next_operation": client.newest_operation()?.next(),
    });
    output.show(&object, || status_lines(&report.status))?;
    let attention = report.status.conflicts + report.status.failed > 0;
    Ok(if arguments.strict && attention { ExitKind::Attention } else { ExitKind::Done })
}

/// How a program ends that the sync has stalled.
pub(crate) fn kind_of(stalled: &Stalled) -> ExitKind {
    match stalled.why {
        Pause::AuthRequired | Pause::AccessRemoved => ExitKind::SignIn,
        Pause::UserPaused | Pause::Metered | Pause::UpgradeRequired => ExitKind::State,
        Pause::StorageFull => ExitKind::DiskFull,
        Pause::Damaged => ExitKind::Store,
        _ => ExitKind::Unreachable,
    }
}
