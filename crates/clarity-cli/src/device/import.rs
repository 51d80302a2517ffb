//! Importing health data.

use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use clarity_client::health::AppleExport;
use clarity_client::{ClientError, ImportReport};
use serde_json::json;

use crate::device::store::Place;
use crate::exit::{CliError, CliResult, ExitKind};
use crate::output::{Output, counted, grouped, progress_bar};

/// Arguments of `clarity device import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// The export: export.zip, the unpacked folder, or the XML file in it
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Only look and count; nothing is imported
    #[arg(long)]
    scan: bool,
}

const BAR: &str = "{msg:<24} {bar:30} {bytes}/{total_bytes}  {prefix}";

/// Imports or scans an export.
pub(crate) fn run(place: &Place, arguments: &ImportArguments, output: Output) -> CliResult {
    let unreadable = |error| CliError::from(ClientError::Import(error));
    if arguments.scan {
        let mut export = AppleExport::open(&arguments.path).map_err(unreadable)?;
        return scan(&mut export, output);
    }
    // What cannot be read at all leaves no store behind.
    let mut export = AppleExport::open(&arguments.path).map_err(unreadable)?;
    let client = place.open_or_make()?;
    let before = client.newest_operation()?;
    let bar = progress_bar(BAR);
    let report = client.import_apple_health(&mut export, |progress| {
        bar.set_length(progress.reading.bytes_total);
        bar.set_position(progress.reading.bytes_read);
        bar.set_message(progress.reading.phase.as_str());
        let imported = progress.imported;
        bar.set_prefix(format!(
            "{} new, {} here already",
            grouped(imported.new),
            grouped(imported.duplicate)
        ));
    });
    bar.finish_and_clear();
    let report = report?;
    let object = json!({
        "read": report.read,
        "new": report.new,
        "changed": report.changed,
        "duplicate": report.duplicate,
        "skipped": report.skipped,
        "damaged": report.damaged,
        "complete": report.details.complete,
        "by_type": report.details.emitted,
        "records": report.details.emitted.get("HealthMetric"),
        "route_points": report.details.route_points,
        "repaired": report.details.repaired,
        "bytes": report.details.bytes,
        "import_id": report.details.import_id,
        "first_operation": before.next(),
        "next_operation": client.newest_operation()?.next(),
        "peak_memory_bytes": peak_memory_bytes(),
    });
    output.show(&object, || words(&report))?;
    Ok(ExitKind::Done)
}

/// The most memory that this process ever had, where the system tells.
fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1_024)
}

fn words(report: &ImportReport) -> String {
    let mut lines = vec![report.details.to_string().trim_end().to_owned(), String::new()];
    lines.push(format!(
        "{} new, {} changed, {} here already",
        grouped(report.new),
        grouped(report.changed),
        grouped(report.duplicate)
    ));
    let from_reading: Vec<&str> = report.details.skipped.iter().map(|(name, _)| name).collect();
    for (reason, count) in &report.skipped {
        if !from_reading.contains(&reason.as_str()) {
            lines.push(format!("{} {reason}", counted(*count, "left out:", "left out:")));
        }
    }
    lines.join("\n")
}

fn scan(export: &mut AppleExport, output: Output) -> CliResult {
    let bar = progress_bar(BAR);
    let report = export.scan(&mut |progress| {
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes_read);
        bar.set_message(progress.phase.as_str());
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    let report = report.map_err(|error| CliError::from(ClientError::Import(error)))?;
    output.show(&report, || report.to_string())?;
    Ok(ExitKind::Done)
}
