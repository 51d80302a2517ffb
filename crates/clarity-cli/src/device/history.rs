//! What lost, bringing it back, and taking back what waits.

use clap::Args;
use clarity_client::engine::{PreviewEntity, PreviewOperation};
use clarity_client::model::EntityKey;
use clarity_client::{Counter, HistoryEntry, HistoryId, Preview, Write};

use crate::device::account::ago;
use crate::device::entities::parse_key;
use crate::device::inbox::show_written;
use crate::device::store::Place;
use crate::exit::{CliResult, ExitKind};
use crate::output::{Output, counted, shortened, table, value_text};

/// Arguments of `clarity device history`.
#[derive(Debug, Args)]
pub(crate) struct HistoryArguments {
    /// Only of this entity, as TYPE/ID
    #[arg(value_name = "TYPE/ID", value_parser = parse_key)]
    key: Option<EntityKey>,
    /// At most so many
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: usize,
    /// Begin after this entry
    #[arg(long, value_name = "ENTRY")]
    after: Option<i64>,
}

/// Arguments of `clarity device undo`.
#[derive(Debug, Args)]
pub(crate) struct UndoArguments {
    /// The entry's number, as `history` shows it
    #[arg(value_name = "ENTRY")]
    entry: i64,
    /// Show what would change, and change nothing
    #[arg(long)]
    preview: bool,
}

/// Arguments of `clarity device rollback`.
#[derive(Debug, Args)]
pub(crate) struct RollbackArguments {
    /// The change's number, as `queue` shows it; or an entity as TYPE/ID, for all of its changes
    #[arg(value_name = "OPERATION|TYPE/ID", value_parser = parse_target)]
    target: Target,
    /// Show what would change, and change nothing
    #[arg(long)]
    preview: bool,
}

/// What to take back.
#[derive(Debug, Clone)]
enum Target {
    Operation(Counter),
    Entity(EntityKey),
}

fn parse_target(text: &str) -> Result<Target, String> {
    match text.parse() {
        Ok(number) => Ok(Target::Operation(Counter(number))),
        Err(_) => parse_key(text).map(Target::Entity),
    }
}

/// Shows what lost.
pub(crate) fn history(place: &Place, arguments: &HistoryArguments, output: Output) -> CliResult {
    let client = place.open()?;
    let after = arguments.after.map(HistoryId);
    let entries = client.history(arguments.key.as_ref(), after, arguments.limit)?;
    output.show_all(&entries, || {
        if entries.is_empty() {
            return "Nothing was lost in the last 30 days.".to_owned();
        }
        let mut shown = table(["entry", "entity", "why", "when", "what", "undo"]);
        for entry in &entries {
            shown.add_row(cells(entry));
        }
        let more = if entries.len() == arguments.limit { "; --after shows more" } else { "" };
        let count = counted(entries.len() as u64, "entry", "entries");
        format!("{shown}\n{count}{more}; `undo ENTRY` brings one back")
    })?;
    Ok(ExitKind::Done)
}

fn cells(entry: &HistoryEntry) -> [String; 6] {
    let fields = entry.fields.iter();
    let mut what: Vec<String> =
        fields.map(|(name, value)| format!("{name}: {}", value_text(Some(value)))).collect();
    what.extend(entry.removed.iter().map(|name| format!("{name} removed")));
    [
        entry.id.0.to_string(),
        entry.key.to_string(),
        entry.cause.as_str().replace('_', " "),
        ago(entry.at.0),
        shortened(&what.join("  ")),
        match (&entry.undone_by, &entry.obstacle) {
            (_, None) => "possible".to_owned(),
            (_, Some(obstacle)) => obstacle.clone(),
        },
    ]
}

/// Brings back what lost.
pub(crate) fn undo(place: &Place, arguments: &UndoArguments, output: Output) -> CliResult {
    let client = place.open()?;
    let history = HistoryId(arguments.entry);
    if arguments.preview {
        return show_preview(&client.preview(Write::Undo { history })?, output);
    }
    let written = client.undo(history)?;
    show_written(&written, output, "Brought back; saved on this device and waiting to be sent.")
}

/// Takes back what waits or is on its way.
pub(crate) fn rollback(place: &Place, arguments: &RollbackArguments, output: Output) -> CliResult {
    let client = place.open()?;
    let write = match arguments.target.clone() {
        Target::Operation(operation) => Write::Rollback { operation },
        Target::Entity(key) => Write::RollbackEntity { key },
    };
    if arguments.preview {
        return show_preview(&client.preview(write)?, output);
    }
    let written = client.write(write)?;
    let words = if written.operations.is_empty() {
        "Taken back; the server never had it. What it said stays in the history."
    } else {
        "Taken back here. It may have reached the server: once its answer is there, it is taken \
         back there as well."
    };
    show_written(&written, output, words)
}

/// Shows what a write would do.
pub(crate) fn show_preview(preview: &Preview, output: Output) -> CliResult {
    output.show(preview, || {
        let mut parts = Vec::new();
        if !preview.ends.is_empty() {
            let lines: Vec<String> = preview.ends.iter().map(ending).collect();
            parts.push(format!("These changes would end:\n{}", lines.join("\n")));
        }
        if !preview.queues.is_empty() {
            let lines: Vec<String> = preview.queues.iter().map(change).collect();
            parts.push(format!("These would be sent:\n{}", lines.join("\n")));
        }
        let entities = preview.entities.iter().map(entity);
        parts.extend(entities);
        if preview.entities.is_empty() {
            parts.push("No entity would look otherwise.".to_owned());
        }
        parts.push("Nothing was changed.".to_owned());
        parts.join("\n\n")
    })?;
    Ok(ExitKind::Done)
}

fn ending(operation: &PreviewOperation) -> String {
    let along = if operation.goes_along { ", because it depends on it" } else { "" };
    let how = operation.ends_as.map_or("", |ended| ended.as_str());
    format!("{} as {how}{along}", change(operation))
}

fn change(operation: &PreviewOperation) -> String {
    let fields: Vec<&str> = operation.fields.iter().map(|field| field.field.as_str()).collect();
    let (number, kind) = (operation.operation, operation.kind.as_str());
    format!("  {number}: {kind} {} ({})", operation.key, fields.join(", "))
}

fn entity(entity: &PreviewEntity) -> String {
    let what = match (entity.shown_before, entity.shown_after) {
        (true, false) => " would be gone",
        (false, true) => " would be there again",
        _ => " would change",
    };
    let conflict = if entity.in_conflict { ", with a conflict for you to settle" } else { "" };
    let mut shown = table(["field", "now", "then"]);
    for field in &entity.fields {
        shown.add_row([
            field.field.clone(),
            value_text(field.before.as_ref()),
            value_text(field.after.as_ref()),
        ]);
    }
    format!("{}{what}{conflict}:\n{shown}", entity.key)
}
