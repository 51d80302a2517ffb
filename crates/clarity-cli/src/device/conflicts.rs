//! The conflict inbox.

use clap::{ArgGroup, Args};
use clarity_client::engine::DeletedBy;
use clarity_client::{ConflictId, ConflictInfo, Resolution};

use crate::device::account::ago;
use crate::device::entities::{parse_assignments, show_written};
use crate::device::store::Place;
use crate::exit::{CliError, CliResult, ExitKind};
use crate::output::{Output, table, value_text};

/// Most conflicts that are shown at once.
const SHOWN_MAX: usize = 1_000;

fn parse_number(text: &str) -> Result<i64, String> {
    text.parse()
        .map_err(|_| "a conflict is named by its number, as `conflicts` shows it".to_owned())
}

/// Arguments of `clarity device resolve`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("choice").required(true))]
pub(crate) struct ResolveArguments {
    /// The conflict's number, as `conflicts` shows it
    #[arg(value_name = "CONFLICT", value_parser = parse_number)]
    conflict: i64,
    /// Keep what this device has
    #[arg(long, group = "choice")]
    keep_mine: bool,
    /// Take what the server has
    #[arg(long, group = "choice")]
    use_server: bool,
    /// Set a field in conflict to another value; may be given several times
    #[arg(long, group = "choice", value_name = "FIELD=VALUE")]
    set: Vec<String>,
}

/// Shows the open conflicts.
pub(crate) fn conflicts(place: &Place, output: Output) -> CliResult {
    let client = place.open()?;
    let open = client.conflicts(None, SHOWN_MAX)?;
    output.show_all(&open, || {
        if open.is_empty() {
            return "There are no conflicts.".to_owned();
        }
        let shown: Vec<String> = open.iter().map(words).collect();
        format!(
            "{}\n\n`clarity device resolve CONFLICT` with --keep-mine, --use-server or \
             --set FIELD=VALUE settles one",
            shown.join("\n\n")
        )
    })?;
    Ok(ExitKind::Done)
}

fn words(conflict: &ConflictInfo) -> String {
    let what = match conflict.deleted_by {
        Some(DeletedBy::Server) => ", deleted on another device and changed here",
        Some(DeletedBy::ThisDevice) => ", deleted here and changed on another device",
        None => "",
    };
    let mut shown = table(["field", "before", "this device", "server"]);
    for field in &conflict.fields {
        shown.add_row([
            field.field.clone(),
            value_text(field.base.as_ref()),
            value_text(field.local.as_ref()),
            value_text(field.server.as_ref()),
        ]);
    }
    format!(
        "conflict {}: {}{what}, found {}; this device changed version {}, the server has {}\n\
         {shown}",
        conflict.id.0,
        conflict.key,
        ago(conflict.opened_at.0),
        conflict.local_version,
        conflict.server_version
    )
}

/// Settles a conflict.
pub(crate) fn resolve(place: &Place, arguments: &ResolveArguments, output: Output) -> CliResult {
    let client = place.open()?;
    let missing = || CliError::state("there is no such conflict; it may have been settled");
    let conflict = client.conflict(ConflictId(arguments.conflict))?.ok_or_else(missing)?;
    let resolution = if arguments.keep_mine {
        Resolution::KeepMine
    } else if arguments.use_server {
        Resolution::UseServer
    } else {
        Resolution::Merged(parse_assignments(&arguments.set)?)
    };
    let fields = conflict.fields.iter().map(|field| field.field.clone()).collect();
    let written = client.resolve(&conflict, resolution)?;
    show_written(output, &conflict.key, fields, &written, "Settled")
}
