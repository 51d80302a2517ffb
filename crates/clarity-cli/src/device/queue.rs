//! The queue, what failed, and where the sync stands.

use clap::Args;
use clarity_client::model::LocalTime;
use clarity_client::{Counter, Flow, QueuedChange, Status, SyncProgress};
use serde_json::{Value, json};

use crate::device::account::ago;
use crate::device::background;
use crate::device::follow::follow;
use crate::device::store::Place;
use crate::exit::{CliResult, ExitKind};
use crate::output::{Output, counted, grouped, table};

/// Arguments of `clarity device queue`.
#[derive(Debug, Args)]
pub(crate) struct QueueArguments {
    /// At most so many
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: usize,
    /// Begin after this operation
    #[arg(long, value_name = "OPERATION", default_value_t = 0)]
    after: u64,
}

/// Arguments of `clarity device status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// Go on until Ctrl-C and show it again each time that it changes
    #[arg(long)]
    watch: bool,
}

/// Where the sync stands, in one word.
pub(crate) fn flow_word(status: &Status) -> &'static str {
    match status.flow {
        Flow::Offline => "offline",
        Flow::Syncing => "syncing",
        Flow::Pending => "waiting",
        Flow::Synced => "synced",
        _ => "",
    }
}

/// The status in words, one thing a line.
pub(crate) fn status_lines(status: &Status) -> String {
    let mut lines = vec![match status.waiting {
        0 => flow_word(status).to_owned(),
        waiting => {
            format!("{}, {}", flow_word(status), counted(waiting, "change waits", "changes wait"))
        }
    }];
    if let Some(stalled) = &status.stalled {
        lines.push(format!("stopped: {}", stalled.message));
    }
    if status.conflicts > 0 {
        let count = counted(status.conflicts, "conflict waits", "conflicts wait");
        lines.push(format!("{count} for you: `clarity device conflicts`"));
    }
    if status.failed > 0 {
        let count = counted(status.failed, "change was refused", "changes were refused");
        lines.push(format!("{count}: `clarity device failed`"));
    }
    if status.set_aside > 0 {
        let count = counted(status.set_aside, "change is", "changes are");
        lines.push(format!("{count} set aside; the server fails on it, and it is tried later"));
    }
    lines.join("\n")
}

/// Shows the status.
pub(crate) fn status(place: &Place, arguments: &StatusArguments, output: Output) -> CliResult {
    let client = place.open()?;
    if arguments.watch {
        return follow(client.watch_status(), output, |output, status| {
            let progress = SyncProgress::of(status);
            output.show(status, || format!("{}\n{}", status_lines(status), progress.operation))
        });
    }
    let (status, meta) = (client.status()?, client.meta()?);
    let credentials = client.credentials()?;
    let signed_in = credentials.as_ref().filter(|there| there.refresh_token.is_some());
    let mut object = serde_json::to_value(&status)?;
    object["store"] = Value::from(place.folder().display().to_string());
    object["incarnation"] = json!(meta.incarnation);
    object["next_operation"] = json!(client.newest_operation()?.next());
    object["server"] = json!(signed_in.map(|there| &there.server));
    object["name"] = json!(signed_in.map(|there| &there.name));
    let (plan, plan_words) = background::plan(&client)?;
    object["background"] = plan;
    output.show(&object, || {
        let mut lines = vec![status_lines(&status)];
        lines.push(match signed_in {
            Some(there) => format!("signed in to {} as {}", there.server, there.name),
            None => "not signed in; everything stays on this device".to_owned(),
        });
        if let Some(pulled) = status.last_pull {
            lines.push(format!("last in step with the server {}", ago(pulled.0)));
        }
        lines.extend(plan_words);
        if let (Some(error), Some(at)) = (&status.last_error, status.last_error_at) {
            lines.push(format!("last trouble {}: {error}", ago(at.0)));
        }
        lines.join("\n")
    })?;
    Ok(ExitKind::Done)
}

/// Shows what the sync counts about itself.
pub(crate) fn metrics(place: &Place, output: Output) -> CliResult {
    let client = place.open()?;
    let text = client.metrics_text()?;
    output.show(&client.metrics()?, || text)?;
    Ok(ExitKind::Done)
}

/// Shows what waits.
pub(crate) fn queue(place: &Place, arguments: &QueueArguments, output: Output) -> CliResult {
    let client = place.open()?;
    let waiting = client.queue(Counter(arguments.after), arguments.limit)?;
    output.show_all(&waiting, || {
        if waiting.is_empty() {
            return "Nothing waits.".to_owned();
        }
        let mut shown = table(["operation", "does", "entity", "fields", "state", "made"]);
        for change in &waiting {
            shown.add_row(change_cells(change));
        }
        let more = if waiting.len() == arguments.limit { "; --limit shows more" } else { "" };
        format!("{shown}\n{}{more}", counted(waiting.len() as u64, "operation", "operations"))
    })?;
    Ok(ExitKind::Done)
}

pub(crate) fn change_cells(change: &QueuedChange) -> [String; 6] {
    let state = serde_json::to_value(change.status).unwrap_or_default();
    [
        change.operation.to_string(),
        change.kind.as_str().to_owned(),
        change.key.to_string(),
        change.fields.join(", "),
        match change.taken_back {
            true => "being taken back".to_owned(),
            false => state.as_str().unwrap_or_default().replace('_', " "),
        },
        ago(change.made_at.0),
    ]
}

/// Arguments of `clarity device pause`.
#[derive(Debug, Args)]
pub(crate) struct PauseArguments {
    /// Go on by itself after so many minutes
    #[arg(long = "for", value_name = "MINUTES")]
    minutes: Option<u32>,
}

/// Pauses synchronising.
pub(crate) fn pause(place: &Place, arguments: &PauseArguments, output: Output) -> CliResult {
    let client = place.open()?;
    let until = arguments.minutes.map(in_minutes);
    client.pause_sync(until)?;
    let waiting = client.status()?.waiting;
    output.show(&json!({ "paused": true, "until": until }), || {
        let until = match arguments.minutes {
            Some(minutes) => format!("for {minutes} minutes, or until"),
            None => "until".to_owned(),
        };
        format!("Paused {until} `clarity device resume`; {} waiting, all kept.", grouped(waiting))
    })?;
    Ok(ExitKind::Done)
}

fn in_minutes(minutes: u32) -> LocalTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now_ms = since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    LocalTime(now_ms.saturating_add(i64::from(minutes) * 60_000))
}

/// Goes on synchronising.
pub(crate) fn resume(place: &Place, output: Output) -> CliResult {
    let client = place.open()?;
    client.resume_sync()?;
    output.show(&json!({ "paused": false }), || "Synchronising is on again.".to_owned())?;
    Ok(ExitKind::Done)
}
