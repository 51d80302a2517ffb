//! Where health data came from: imports, and sources with deletions that wait for a person.

use clap::{Args, Subcommand};
use clarity_client::engine::Comparing;
use serde_json::json;

use crate::device::store::Place;
use crate::exit::{CliResult, ExitKind};
use crate::output::{Output, counted, grouped};

/// Arguments of `clarity device sources`.
#[derive(Debug, Args)]
pub(crate) struct SourcesArguments {
    #[command(subcommand)]
    command: Option<SourcesCommand>,
}

#[derive(Debug, Subcommand)]
enum SourcesCommand {
    /// Delete what a source no longer has, as it was held
    Confirm(SourceArguments),
    /// Keep what a source no longer has; it no longer decides about it
    Refuse(SourceArguments),
}

#[derive(Debug, Args)]
struct SourceArguments {
    /// The source's id
    source: String,
}

/// Shows the sources and imports, or settles held deletions.
pub(crate) fn run(place: &Place, arguments: &SourcesArguments, output: Output) -> CliResult {
    let client = place.open()?;
    match &arguments.command {
        None => show(&client, output)?,
        Some(SourcesCommand::Confirm(SourceArguments { source })) => {
            let deleted = client.confirm_source_deletions(source)?;
            output.show(&json!({ "source": source, "deleted": deleted }), || {
                format!(
                    "{} deleted; they stay in the history for 30 days",
                    counted(deleted, "entity", "entities")
                )
            })?;
        }
        Some(SourcesCommand::Refuse(SourceArguments { source })) => {
            client.refuse_source_deletions(source)?;
            output.show(&json!({ "source": source, "refused": true }), || {
                format!("nothing was deleted; {source} no longer decides about them")
            })?;
        }
    }
    Ok(ExitKind::Done)
}

fn show(client: &clarity_client::Client, output: Output) -> CliResult<()> {
    let sources = client.sources()?;
    let imports = client.imports()?;
    let shown = sources.iter().map(|source| {
        // Cursors are nobody's business.
        let comparing = match &source.state.comparing {
            Comparing::No => json!("no"),
            Comparing::Held { missing, total, since } => {
                json!({ "held": { "missing": missing, "total": total, "since": since } })
            }
            _ => json!("going_on"),
        };
        json!({
            "source": source.source, "name": source.name, "linked": source.linked,
            "pulled_at": source.state.pulled_at, "error": source.state.error,
            "comparing": comparing,
        })
    });
    let object = json!({ "sources": shown.collect::<Vec<_>>(), "imports": imports });
    output.show(&object, || {
        let mut lines = Vec::new();
        for source in &sources {
            let linked = grouped(source.linked);
            lines.push(format!("{}  {}: {linked} linked", source.source, source.name));
            lines.extend(source.state.error.iter().map(|error| format!("  {error}")));
            lines.extend(held_words(&source.source, &source.state.comparing));
        }
        for import in &imports {
            let end = if import.finished_at.is_some() { "" } else { ", not finished" };
            lines.push(format!("import {}  {}{end}", import.import_id, import.source));
        }
        if lines.is_empty() {
            lines.push("nothing was imported yet".to_owned());
        }
        lines.join("\n")
    })?;
    Ok(())
}

/// What waits for a person, and how to settle it.
pub(crate) fn held_words(source: &str, comparing: &Comparing) -> Option<String> {
    let Comparing::Held { missing, total, .. } = comparing else { return None };
    Some(format!(
        "  {source} no longer has {} of {} records; nothing was deleted\n  \
         clarity device sources confirm {source}   deletes them here as well\n  \
         clarity device sources refuse {source}    keeps them",
        grouped(*missing),
        grouped(*total)
    ))
}
