//! Everything that a store holds, as canonical JSON lines.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use clarity_client::{Client, ClientError, KnownOperation};
use serde::Serialize;
use serde_json::json;

use crate::device::store::Place;
use crate::exit::{CliError, CliResult, ExitKind};
use crate::output::{Output, counted, progress_bar};

/// The file of entities in a folder.
const ENTITIES_FILE: &str = "entities.jsonl";

/// Arguments of `clarity device export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// File to write, or a folder to write entities.jsonl into; - for stdout
    #[arg(value_name = "PATH", required_unless_present = "zip")]
    to: Option<PathBuf>,
    /// Write everything on the device, with history and what waits, from which `import` makes the
    /// same store again; with tables and a FHIR bundle for people
    #[arg(long, value_name = "FILE", conflicts_with_all = ["to", "operations"])]
    zip: Option<PathBuf>,
    /// Also write what became of each operation that this device ever made
    #[arg(long, value_name = "FILE")]
    operations: Option<PathBuf>,
}

/// One entity. The keys are in the order of their names, so that equal stores give equal lines.
#[derive(Serialize)]
struct EntityLine<'a> {
    deleted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<&'a clarity_client::Fields>,
    id: &'a str,
    pending: bool,
    #[serde(rename = "type")]
    entity_type: &'a str,
    version: u64,
}

/// What became of one operation.
#[derive(Serialize)]
struct OperationLine {
    incarnation: String,
    operation: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved_by: Option<u64>,
    state: &'static str,
}

/// Writes the export.
pub(crate) fn run(place: &Place, arguments: &ExportArguments, output: Output) -> CliResult {
    let client = place.open()?;
    let to = match (&arguments.zip, &arguments.to) {
        (Some(path), _) => return everything(&client, path, output),
        (None, Some(to)) => to,
        (None, None) => return Err(CliError::new(ExitKind::Usage, "name a file to write")),
    };
    if to == Path::new("-") {
        let mut out = BufWriter::new(io::stdout().lock());
        entities(&client, &mut out)?;
        out.flush()?;
        return Ok(ExitKind::Done);
    }
    let is_folder = to.is_dir() || to.as_os_str().as_encoded_bytes().ends_with(b"/");
    let path = if is_folder { to.join(ENTITIES_FILE) } else { to.clone() };
    let count = write_file(&path, |out| entities(&client, out))?;
    let operations = match &arguments.operations {
        Some(path) => Some(write_file(path, |out| operations(&client, out))?),
        None => None,
    };
    let to = path.display().to_string();
    let object = json!({ "exported_to": to, "entities": count, "operations": operations });
    output.show(&object, || format!("{} in {to}", counted(count, "entity", "entities")))?;
    Ok(ExitKind::Done)
}

/// Writes everything on the device.
fn everything(client: &Client, path: &Path, output: Output) -> CliResult {
    let bar = progress_bar("Writing {bar:30} {pos}/{len}");
    let report = client.export_zip(path, |progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    });
    bar.finish_and_clear();
    let report = report?;
    let to = path.display().to_string();
    let object = json!({ "exported_to": to, "report": report });
    output.show(&object, || {
        let count: u64 = report.entities.values().sum();
        format!(
            "{} in {to}, with {} and {} for others to read",
            counted(count, "entity", "entities"),
            counted(report.tables, "table", "tables"),
            counted(report.observations, "FHIR observation", "FHIR observations"),
        )
    })?;
    Ok(ExitKind::Done)
}

/// Writes every entity to a file: how many they are.
pub(crate) fn export_to(client: &Client, path: &Path) -> CliResult<u64> {
    write_file(path, |out| entities(client, out))
}

fn write_file(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> CliResult<u64>,
) -> CliResult<u64> {
    let fail = |error: io::Error| CliError::file(path, &error);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(fail)?;
    }
    let mut out = BufWriter::new(File::create(path).map_err(fail)?);
    let count = write(&mut out)?;
    out.flush().map_err(fail)?;
    Ok(count)
}

/// A visitor of the store cannot carry an error of the file, so it is kept beside.
struct Lines<'o, W> {
    out: &'o mut W,
    count: u64,
    failure: Option<CliError>,
}

impl<W: Write> Lines<'_, W> {
    fn put(&mut self, line: &impl Serialize) -> Result<(), ClientError> {
        let written = serde_json::to_writer(&mut *self.out, line).map_err(CliError::from);
        match written.and_then(|()| Ok(self.out.write_all(b"\n")?)) {
            Ok(()) => {
                self.count += 1;
                Ok(())
            }
            Err(error) => {
                self.failure = Some(error);
                Err(ClientError::Closed)
            }
        }
    }

    fn end(self, visited: Result<(), ClientError>) -> CliResult<u64> {
        match (self.failure, visited) {
            (Some(failure), _) => Err(failure),
            (None, Err(error)) => Err(error.into()),
            (None, Ok(())) => Ok(self.count),
        }
    }
}

fn entities(client: &Client, out: &mut impl Write) -> CliResult<u64> {
    let mut lines = Lines { out, count: 0, failure: None };
    let visited = client.each_stored(|key, row| {
        let deleted = !row.state.is_visible();
        lines.put(&EntityLine {
            deleted,
            fields: (!deleted).then_some(&row.fields),
            id: key.id.as_str(),
            pending: row.state.is_pending(),
            entity_type: key.entity_type.as_str(),
            version: row.version.0,
        })
    });
    lines.end(visited)
}

fn operations(client: &Client, out: &mut impl Write) -> CliResult<u64> {
    let incarnation = client.meta()?.incarnation.to_string();
    let mut lines = Lines { out, count: 0, failure: None };
    let visited = client.each_operation(|counter, known| {
        let (state, resolved_by) = match known {
            KnownOperation::Settled => ("settled", None),
            KnownOperation::Ended(ended) => (ended.outcome.as_str(), ended.resolved_by),
            _ => ("queued", None),
        };
        let resolved_by = resolved_by.map(|counter| counter.0);
        let incarnation = incarnation.clone();
        lines.put(&OperationLine { incarnation, operation: counter.0, resolved_by, state })
    });
    lines.end(visited)
}
