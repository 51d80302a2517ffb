//! Staying in sync, as a person watches or as a service.

use std::sync::Arc;

use clap::Args;
use clarity_client::{BackgroundRequest, Client, DesktopScheduler, HttpTransport};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::oneshot;

use crate::device::account::{runtime, transport};
use crate::device::queue::status_lines;
use crate::device::store::Place;
use crate::exit::{CliError, CliResult, ExitKind};
use crate::output::Output;
use crate::signals::stop_signal;

/// Arguments of `clarity device watch`.
#[derive(Debug, Args)]
#[command(
    after_help = "Ends with exit code 0 on Ctrl-C and SIGTERM; what waits is kept and is sent \
the next time. As a service: docs/service.md."
)]
pub(crate) struct WatchArguments {
    /// Say nothing while all is well; errors still go to stderr
    #[arg(long)]
    quiet: bool,
}

/// Stays in sync until Ctrl-C or SIGTERM.
pub(crate) fn watch(place: &Place, arguments: &WatchArguments, output: Output) -> CliResult {
    let client = place.open()?;
    let transport = Arc::new(transport(&client)?);
    runtime()?.block_on(async {
        // The signals are listened for before anything is begun.
        let signal = stop_signal()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let run = client.run(Arc::clone(&transport), async {
            let _ = stopped.await;
        });
        let beside = async {
            let ended = tokio::select! {
                shown = show_changes(&client, arguments.quiet, output) => shown,
                served = serve(&client, transport) => served,
                () = signal => Ok(()),
            };
            drop(stop);
            ended
        };
        let (run, beside) = tokio::join!(run, beside);
        run?;
        beside
    })?;
    if output.is_json() && !arguments.quiet {
        let waiting = client.status()?.waiting;
        output.show(&json!({ "stopped": true, "waiting": waiting }), String::new)?;
    }
    Ok(ExitKind::Done)
}

/// Makes the windows of this machine, and hears when its network comes and goes.
async fn serve(client: &Client, transport: Arc<HttpTransport>) -> CliResult<()> {
    let request = BackgroundRequest::default();
    let windows = DesktopScheduler.run(client, Arc::clone(&transport), &request);
    let network = async {
        if is_this_machine(transport.address()) {
            // Nothing of a network is needed, and its absence means nothing.
            return std::future::pending().await;
        }
        client.watch_network().await
    };
    tokio::try_join!(windows, network).map(drop).map_err(CliError::from)
}

/// Whether an address is one of this machine itself.
fn is_this_machine(address: &str) -> bool {
    let host = address.split_once("://").map_or(address, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    matches!(host, "localhost" | "[::1]") || host.starts_with("127.")
}

/// Prints the status whenever it is another one than before.
async fn show_changes(client: &Client, quiet: bool, output: Output) -> CliResult<()> {
    if quiet {
        return std::future::pending().await;
    }
    let mut changes = client.watch();
    let mut last = String::new();
    loop {
        let status = client.status()?;
        let words = status_lines(&status).replace('\n', "; ");
        let mut shown = words.clone();
        if output.is_json() {
            // A program also hears of changes that were sent before their waiting was seen.
            shown.push_str(&serde_json::to_string(&status.progress)?);
        }
        if shown != last {
            output.show(&status, || words)?;
            last = shown;
        }
        if matches!(changes.recv().await, Err(RecvError::Closed)) {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_this_machine;

    /// Shows which addresses need no network.
    #[test]
    fn an_address_of_this_machine_is_known() {
        for here in ["http://127.0.0.1:8787", "http://localhost", "https://[::1]:1/x"] {
            assert!(is_this_machine(here), "{here}");
        }
        for there in ["https://sync.example.org", "http://192.168.0.7:8787", "http://[fe80::1]:1"] {
            assert!(!is_this_machine(there), "{there}");
        }
    }
}
