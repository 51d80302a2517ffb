//! Importing health data, and taking an import back.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clarity_client::health::source::Scope;
use clarity_client::health::{CsvOptions, DateOrder, FileSource, HealthFile};
use clarity_client::{
    Client, ClientError, EntityType, ExportArchive, ImportReport, PullBudget, UndoneImport,
};
use serde_json::json;

use crate::device::store::Place;
use crate::exit::{CliError, CliResult, ExitKind};
use crate::output::{Output, counted, grouped, progress_bar};

/// Arguments of `clarity device import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// An Apple Health export (zip, folder or XML), FHIR R4 JSON (file or folder), a CSV table, or
    /// a file made by `export --zip`
    #[arg(value_name = "PATH", required_unless_present = "undo")]
    path: Option<PathBuf>,
    /// Only look and count; nothing is imported
    #[arg(long)]
    scan: bool,
    /// Take back what an import brought, by its number in the report or in `sources`
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["path", "scan"])]
    undo: Option<i64>,
    /// With --undo: do it; without, only what would be deleted is shown
    #[arg(long, requires = "undo")]
    yes: bool,
    /// The file is all that this source has: what an earlier one had and this one lacks is deleted,
    /// if it is much only after `sources confirm`
    #[arg(long, value_name = "SOURCE", conflicts_with = "scan")]
    all_of: Option<String>,
    /// CSV: what a column holds: start, end, date, time, metric, value, unit, category, source,
    /// device, ignore, or METRIC:UNIT such as BodyMass:kg
    #[arg(long, value_name = "HEADING=ROLE")]
    map: Vec<String>,
    /// CSV: what was measured, for a table about one metric
    #[arg(long)]
    metric: Option<String>,
    /// CSV: the zone of times that name none, such as Europe/Berlin or +02:00
    #[arg(long)]
    zone: Option<String>,
    /// CSV: which number of 03/04/2020 is the day
    #[arg(long, value_enum)]
    dates: Option<Dates>,
    /// CSV: 1,234 is a little more than one
    #[arg(long)]
    decimal_comma: bool,
    /// CSV: the app or device that the table comes from
    #[arg(long)]
    source: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Dates {
    DayFirst,
    MonthFirst,
}

const BAR: &str = "{msg:<24} {bar:30} {bytes}/{total_bytes}  {prefix}";

/// Imports, scans or takes back.
pub(crate) fn run(place: &Place, arguments: &ImportArguments, output: Output) -> CliResult {
    if let Some(import) = arguments.undo {
        return undo(&place.open()?, import, arguments.yes, output);
    }
    let Some(path) = &arguments.path else {
        return Err(CliError::new(ExitKind::Usage, "name a file or a folder to import"));
    };
    if let Some(archive) = ExportArchive::open(path)? {
        if arguments.scan {
            let words = "an export of this program; import it to restore or to merge";
            output.show(&json!({ "format": "export" }), || words.to_owned())?;
            return Ok(ExitKind::Done);
        }
        return restore(&place.open_or_make()?, archive, output);
    }
    let options = options(arguments)?;
    // What cannot be read at all leaves no store behind.
    let mut file = HealthFile::open(path, &options)
        .map_err(|error| CliError::from(ClientError::Import(error)))?;
    if arguments.scan {
        return scan(&mut file, output);
    }
    let client = place.open_or_make()?;
    if let Some(source) = &arguments.all_of {
        let mut feed = FileSource::new(path, options).all_of(source);
        return all_of(&client, &mut feed, output);
    }
    import(&client, &mut file, output)
}

fn options(arguments: &ImportArguments) -> CliResult<CsvOptions> {
    let columns = arguments.map.iter().map(|pair| {
        let wrong = || CliError::new(ExitKind::Usage, format!("\"{pair}\": write HEADING=ROLE"));
        let (heading, role) = pair.rsplit_once('=').ok_or_else(wrong)?;
        Ok((heading.to_owned(), role.to_owned()))
    });
    Ok(CsvOptions {
        columns: columns.collect::<CliResult<Vec<_>>>()?,
        metric: arguments.metric.clone(),
        zone: arguments.zone.clone(),
        date_order: arguments.dates.map(|dates| match dates {
            Dates::DayFirst => DateOrder::DayFirst,
            Dates::MonthFirst => DateOrder::MonthFirst,
        }),
        decimal_comma: arguments.decimal_comma.then_some(true),
        source: arguments.source.clone(),
    })
}

fn import(client: &Client, file: &mut HealthFile, output: Output) -> CliResult {
    let before = client.newest_operation()?;
    let bar = progress_bar(BAR);
    let report = client.import_health(file, |progress| {
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
        "format": file.format(),
        "import": report.import,
        "read": report.read,
        "new": report.new,
        "changed": report.changed,
        "duplicate": report.duplicate,
        "deleted": report.deleted,
        "skipped": report.skipped,
        "damaged": report.damaged,
        "damaged_at": report.details.damaged,
        "complete": report.details.complete,
        "subjects": report.details.subjects,
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
        "{} new, {} changed, {} here already, {} deleted",
        grouped(report.new),
        grouped(report.changed),
        grouped(report.duplicate),
        grouped(report.deleted)
    ));
    let from_reading: Vec<&str> = report.details.skipped.iter().map(|(name, _)| name).collect();
    for (reason, count) in &report.skipped {
        if !from_reading.contains(&reason.as_str()) {
            lines.push(format!("{} {reason}", counted(*count, "left out:", "left out:")));
        }
    }
    lines.push(format!("to take it back: clarity device import --undo {}", report.import));
    lines.join("\n")
}

fn scan(file: &mut HealthFile, output: Output) -> CliResult {
    let bar = progress_bar(BAR);
    let report = file.scan(&mut |progress| {
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes_read);
        bar.set_message(progress.phase.as_str());
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    let report = report.map_err(|error| CliError::from(ClientError::Import(error)))?;
    output.show(&report, || format!("{}\n{report}", file.format()))?;
    Ok(ExitKind::Done)
}

/// Takes in an export of this program.
fn restore(client: &Client, archive: ExportArchive, output: Output) -> CliResult {
    let bar = progress_bar("{msg:<24} {bar:30} {bytes}/{total_bytes}");
    let shown = bar.clone();
    let report = client.import_export(archive, move |progress| {
        shown.set_length(progress.total);
        shown.set_position(progress.verified);
        if progress.entities == 0 {
            shown.set_message("Comparing with its list");
        } else {
            shown.set_message(format!("{} entities", grouped(progress.entities)));
        }
    });
    bar.finish_and_clear();
    let report = report?;
    output.show(&report, || {
        let count: u64 = report.entities.values().sum();
        let count = counted(count, "entity", "entities");
        let imported = report.imported;
        if report.restored {
            return format!("{count} restored, with history and everything that waits");
        }
        format!(
            "{count} in the export: {} new here, {} changes merged, {} here already, {} deleted here \
             before",
            grouped(imported.new),
            grouped(imported.changed),
            grouped(imported.duplicate),
            grouped(imported.deleted_before)
        )
    })?;
    Ok(ExitKind::Done)
}

/// Imports a file that is all that a source has.
fn all_of(client: &Client, feed: &mut FileSource, output: Output) -> CliResult {
    let report = client.pull_source(feed, &Scope::default(), PullBudget::default())?;
    if let Some(error) = &report.error {
        return Err(CliError::new(ExitKind::Import, error.clone()));
    }
    output.show(&report, || {
        let imported = report.imported;
        let mut words = format!(
            "{} new, {} changed, {} here already, {} deleted",
            grouped(imported.new),
            grouped(imported.changed),
            grouped(imported.duplicate),
            grouped(imported.deleted)
        );
        if let Some(held) = super::sources::held_words(&report.source, &report.comparing) {
            words.push('\n');
            words.push_str(&held);
        }
        words
    })?;
    Ok(ExitKind::Done)
}

fn undo(client: &Client, import: i64, really: bool, output: Output) -> CliResult {
    let undone =
        if really { client.undo_import(import)? } else { client.preview_undo_import(import)? };
    let object = json!({
        "import": undone.import, "done": really, "deleted": undone.deleted, "kept": undone.kept,
        "given_up": undone.given_up,
    });
    output.show(&object, || undo_words(&undone, really))?;
    Ok(ExitKind::Done)
}

fn undo_words(undone: &UndoneImport, really: bool) -> String {
    let list = |counts: &BTreeMap<EntityType, u64>| {
        let parts = counts.iter().map(|(name, count)| format!("{} {name}", grouped(*count)));
        let parts: Vec<String> = parts.collect();
        if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
    };
    let (deleted, kept) = (list(&undone.deleted), list(&undone.kept));
    let given_up = match undone.given_up.is_empty() {
        true => String::new(),
        false => format!(
            "stays, because this device gave it up for space and no longer knows what brought it: {}\n",
            list(&undone.given_up)
        ),
    };
    let end = if really {
        "what was deleted stays in the history for 30 days".to_owned()
    } else {
        format!("to do it: clarity device import --undo {} --yes", undone.import)
    };
    let verb = if really { "deleted" } else { "would be deleted" };
    format!("{verb}: {deleted}\nkept, because it was changed since: {kept}\n{given_up}{end}")
}
