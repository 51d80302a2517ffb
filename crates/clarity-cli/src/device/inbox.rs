//! What failed and waits for a person.

use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use clap::{ArgGroup, Args};
use clarity_client::{BulkReport, Client, Counter, FailedOperation, FailureReason, Write, Written};
use serde_json::json;

use crate::device::entities::parse_assignments;
use crate::device::history::show_preview;
use crate::device::queue::change_cells;
use crate::device::store::Place;
use crate::exit::{CliError, CliResult, ExitKind};
use crate::output::{Output, counted, grouped, table, value_text};

/// Most failed changes that are shown at once.
const SHOWN_MAX: usize = 1_000;
/// Most changes of one preview.
const PREVIEWED_MAX: usize = 1_000;

/// Arguments of `clarity device failed`.
#[derive(Debug, Args)]
pub(crate) struct FailedArguments {
    /// Only those with this reason
    #[arg(long, value_name = "REASON", value_parser = parse_reason)]
    reason: Option<FailureReason>,
    /// Write all of them with their values as JSON lines into this file
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
}

/// Arguments of `clarity device retry`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["operation", "all"]))]
pub(crate) struct RetryArguments {
    /// The change's number, as `failed` shows it
    #[arg(value_name = "OPERATION")]
    operation: Option<u64>,
    /// Set a field to another value before it is sent again; may be given several times
    #[arg(long, value_name = "FIELD=VALUE", conflicts_with = "all")]
    set: Vec<String>,
    /// All that failed
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    with: WithReason,
}

/// Which of all that failed.
#[derive(Debug, Args)]
struct WithReason {
    /// With --all: only those with this reason
    #[arg(
        long,
        value_name = "REASON",
        value_parser = parse_reason,
        conflicts_with = "operation"
    )]
    reason: Option<FailureReason>,
}

/// Arguments of `clarity device discard`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["operation", "all"]))]
pub(crate) struct DiscardArguments {
    /// The change's number, as `failed` shows it
    #[arg(value_name = "OPERATION")]
    operation: Option<u64>,
    /// Give up what depends on it as well
    #[arg(long, conflicts_with = "all")]
    with_dependents: bool,
    /// All that failed with the given reason
    #[arg(long, requires = "reason")]
    all: bool,
    #[command(flatten)]
    with: WithReason,
    /// Show exactly what would be lost, and change nothing
    #[arg(long)]
    preview: bool,
}

fn parse_reason(word: &str) -> Result<FailureReason, String> {
    let known = FailureReason::ALL.into_iter().find(|reason| reason.as_str() == word);
    known.ok_or_else(|| {
        let words: Vec<_> = FailureReason::ALL.iter().map(|reason| reason.as_str()).collect();
        format!("the reasons are {}", words.join(", "))
    })
}

/// Shows what failed.
pub(crate) fn failed(place: &Place, arguments: &FailedArguments, output: Output) -> CliResult {
    let client = place.open()?;
    if let Some(path) = &arguments.export {
        return export(&client, arguments, path, output);
    }
    let mut failed = client.failed(Counter(0), SHOWN_MAX)?;
    failed.retain(|one| arguments.reason.is_none_or(|reason| reason == one.reason));
    output.show_all(&failed, || {
        if failed.is_empty() {
            return "Nothing failed.".to_owned();
        }
        let shown: Vec<String> = failed.iter().map(words).collect();
        format!(
            "{}\n\n`retry OPERATION` sends one again, with --set FIELD=VALUE edited; \
             `discard OPERATION` gives it up, with --preview shows what that loses",
            shown.join("\n\n")
        )
    })?;
    Ok(ExitKind::Done)
}

fn export(
    client: &Client,
    arguments: &FailedArguments,
    path: &std::path::Path,
    output: Output,
) -> CliResult {
    let cannot = |error: &std::io::Error| CliError::file(path, error);
    let mut file = BufWriter::new(std::fs::File::create(path).map_err(|error| cannot(&error))?);
    let written = client.each_failed(arguments.reason, |failed| {
        serde_json::to_writer(&mut file, failed)?;
        file.write_all(b"\n").map_err(|error| cannot(&error))
    })?;
    file.flush().map_err(|error| cannot(&error))?;
    output.show(&json!({ "exported": written }), || {
        let count = counted(written, "failed change", "failed changes");
        format!("Wrote {count} to {}.", path.display())
    })?;
    Ok(ExitKind::Done)
}

fn words(failed: &FailedOperation) -> String {
    let [operation, does, entity, _, state, made] = change_cells(&failed.change);
    let mut shown = table(["field", "before", "this change", "server"]);
    for difference in &failed.differences {
        shown.add_row([
            difference.field.clone(),
            value_text(difference.base.as_ref()),
            value_text(difference.local.as_ref()),
            value_text(difference.server.as_ref()),
        ]);
    }
    let dependents = match failed.dependents.len() {
        0 => String::new(),
        count => format!("; {} on it", counted(count as u64, "change depends", "changes depend")),
    };
    format!(
        "operation {operation}: {does} {entity}, {state}, made {made}{dependents}\n\
         {}: {}\nto do: {}\n{shown}",
        failed.reason.as_str(),
        failed.message,
        failed.reason.advice()
    )
}

/// Sends what failed again.
pub(crate) fn retry(place: &Place, arguments: &RetryArguments, output: Output) -> CliResult {
    let client = place.open()?;
    let Some(operation) = arguments.operation.map(Counter) else {
        return show_bulk(&client.retry_all(arguments.with.reason)?, output, "sent again");
    };
    let changes = parse_assignments(&arguments.set)?;
    let written = if changes.is_empty() {
        client.retry(operation)?
    } else {
        client.edit_and_retry(operation, changes)?
    };
    show_written(&written, output, "It is sent again with the next sync.")
}

/// Gives up what failed.
pub(crate) fn discard(place: &Place, arguments: &DiscardArguments, output: Output) -> CliResult {
    let client = place.open()?;
    let Some(operation) = arguments.operation.map(Counter) else {
        let reason = arguments.with.reason.unwrap_or(FailureReason::Unknown);
        if arguments.preview {
            let writes = with_reason(&client, reason)?;
            return show_preview(&client.preview_all(writes)?, output);
        }
        return show_bulk(&client.discard_all(reason)?, output, "given up");
    };
    let write = match arguments.with_dependents {
        true => Write::DiscardWithDependents { operation },
        false => Write::Discard { operation },
    };
    if arguments.preview {
        return show_preview(&client.preview(write)?, output);
    }
    let written = client.write(write)?;
    show_written(&written, output, "Given up; what it said stays in the history.")
}

/// The discards of all that failed with a reason and that nothing depends on.
fn with_reason(client: &Client, reason: FailureReason) -> CliResult<Vec<Write>> {
    let mut writes = Vec::new();
    let mut batches = std::collections::BTreeSet::new();
    client.each_failed(Some(reason), |failed| {
        let first_of_batch = failed.change.batch.is_none_or(|batch| batches.insert(batch));
        if failed.dependents.is_empty() && first_of_batch {
            writes.push(Write::Discard { operation: failed.change.operation });
        }
        if writes.len() > PREVIEWED_MAX {
            let words = format!("more than {} changes; too many to preview", grouped(1_000));
            return Err(CliError::state(words));
        }
        Ok(())
    })?;
    Ok(writes)
}

pub(crate) fn show_written(written: &Written, output: Output, words: &str) -> CliResult {
    output.show(&json!({ "operations": written.operations }), || words.to_owned())?;
    Ok(ExitKind::Done)
}

fn show_bulk(report: &BulkReport, output: Output, did: &str) -> CliResult {
    output.show(report, || {
        let mut lines = vec![format!("{} {did}.", counted(report.done, "change", "changes"))];
        if report.left > 0 {
            lines.push(format!("{} could not be:", counted(report.left, "change", "changes")));
        }
        let reasons = report.reasons.iter();
        lines.extend(reasons.map(|left| format!("  {}: {}", left.operation, left.message)));
        lines.join("\n")
    })?;
    Ok(ExitKind::Done)
}
