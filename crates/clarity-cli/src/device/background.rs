//! What wakes a device in the background: a push by hand, and over which networks it synchronises.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use clarity_client::{BackgroundEnd, BackgroundFailure, NetworkPolicy, NetworkState};
use clarity_client::{Client, ClientError, SyncedBy};
use serde_json::json;

use crate::device::account::{ago, runtime, transport};
use crate::device::store::Place;
use crate::device::sync::kind_of;
use crate::exit::{CliError, CliResult, ExitKind};
use crate::output::Output;

/// Largest payload that is read from stdin: more than any push service carries.
const PAYLOAD_BYTES_MAX: u64 = 1024 * 1024;

/// Arguments of `clarity device push`.
#[derive(Debug, Args)]
pub(crate) struct PushArguments {
    /// The push as a push service delivers it, such as '{"sync":{"type":"full"}}'; - for stdin
    #[arg(value_name = "JSON")]
    payload: String,
    /// How much time there is
    #[arg(long, value_name = "SECONDS", default_value_t = 25)]
    budget: u64,
}

/// Follows a silent push, as an app does when its platform delivers one.
pub(crate) fn push(place: &Place, arguments: &PushArguments, output: Output) -> CliResult {
    let client = place.open()?;
    let transport = Arc::new(transport(&client)?);
    let mut payload = Vec::new();
    if arguments.payload == "-" {
        std::io::stdin().lock().take(PAYLOAD_BYTES_MAX).read_to_end(&mut payload)?;
    } else {
        payload.extend_from_slice(arguments.payload.as_bytes());
    }
    let time = Duration::from_secs(arguments.budget);
    let end = runtime()?.block_on(client.handle_push(transport, &payload, time));
    if let BackgroundEnd::Failed { why } = &end {
        return Err(failure(why));
    }
    output.show(&end, || match end {
        BackgroundEnd::NewData => "new data".to_owned(),
        _ => "no data".to_owned(),
    })?;
    Ok(ExitKind::Done)
}

fn failure(why: &BackgroundFailure) -> CliError {
    match why {
        BackgroundFailure::Stalled(stalled) => {
            CliError::new(kind_of(stalled), stalled.message.clone())
        }
        BackgroundFailure::Store { message } => CliError::new(ExitKind::Store, message.clone()),
        _ => {
            let words = "the time was over before the server answered; what waits is kept";
            CliError::new(ExitKind::Unreachable, words)
        }
    }
}

/// Over which networks.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Policy {
    /// Over any
    Any,
    /// By itself only over networks that do not cost by volume; over others with `sync`
    Unmetered,
}

/// Whether the network costs by volume.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Metered {
    /// It does
    Yes,
    /// It does not
    No,
}

/// Arguments of `clarity device network`.
#[derive(Debug, Args)]
pub(crate) struct NetworkArguments {
    /// Over which networks this device synchronises by itself
    #[arg(long)]
    policy: Option<Policy>,
    /// Say whether the network that there is costs by volume
    #[arg(long)]
    metered: Option<Metered>,
}

/// Shows or chooses over which networks this device synchronises.
pub(crate) fn network(place: &Place, arguments: &NetworkArguments, output: Output) -> CliResult {
    let client = place.open()?;
    if let Some(policy) = arguments.policy {
        client.set_network_policy(match policy {
            Policy::Any => NetworkPolicy::Any,
            Policy::Unmetered => NetworkPolicy::UnmeteredOnly,
        })?;
    }
    if let Some(metered) = arguments.metered {
        client.set_network_metered(matches!(metered, Metered::Yes))?;
    }
    let state = client.status()?.network;
    output.show(&state, || network_words(&state))?;
    Ok(ExitKind::Done)
}

fn network_words(state: &NetworkState) -> String {
    let policy = match state.policy {
        NetworkPolicy::UnmeteredOnly => "only over networks that do not cost by volume",
        _ => "over any network",
    };
    let there = match state.online {
        Some(true) => "there is a network",
        Some(false) => "there is no network, as far as this machine says",
        None => "nothing is known of the network",
    };
    let metered = if state.metered { ", and it is metered" } else { "" };
    format!("Synchronises by itself {policy}; {there}{metered}.")
}

/// What is planned for the background, in words and for programs.
pub(crate) fn plan(client: &Client) -> Result<(serde_json::Value, Option<String>), ClientError> {
    let Some(plan) = client.background_plan()? else {
        return Ok((serde_json::Value::Null, None));
    };
    let is_running = client.synced_by()? != SyncedBy::Nobody;
    let promised = match plan.promise.promised_ms {
        Some(promised_ms) => format!("promised every {}", minutes(promised_ms)),
        None => "promised nothing".to_owned(),
    };
    let asked = minutes(plan.promise.asked_ms);
    let last = plan.last_run.as_ref().map_or_else(String::new, |last| {
        let how = match &last.end {
            BackgroundEnd::NewData => "new data",
            BackgroundEnd::NoData => "no data",
            BackgroundEnd::Failed { .. } => "failed",
        };
        format!("; last {}: {how}", ago(last.at.0))
    });
    let words = match is_running {
        true => format!("asked for every {asked}, {promised} {}{last}", plan.promise.words),
        false => format!("nothing keeps this device in sync at the moment{last}"),
    };
    let words = format!("background: {words}");
    Ok((json!(plan), Some(words)))
}

fn minutes(ms: u64) -> String {
    format!("{} minutes", ms / 60_000)
}
