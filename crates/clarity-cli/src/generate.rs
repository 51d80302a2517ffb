//! `clarity generate-export`.

use std::path::PathBuf;

use clap::Args;
use clarity_client::health::generate::{Defects, Options, write_xml, write_zip};
use serde_json::json;

use crate::exit::{CliError, CliResult, ExitKind};
use crate::output::{Output, counted};

/// Arguments of `clarity generate-export`.
#[derive(Debug, Args)]
pub(crate) struct GenerateArguments {
    /// Records with different ids
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000)]
    records: u64,
    /// Where all invented numbers come from: the same seed makes the same bytes
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Add the defects that real exports have: damaged and repeated records, stray characters
    #[arg(long)]
    defects: bool,
    /// File to write: a zip when its name ends in .zip, the records alone otherwise
    #[arg(value_name = "PATH")]
    path: PathBuf,
}

/// Writes an invented export.
pub(crate) fn run(arguments: &GenerateArguments, output: Output) -> CliResult {
    let mut options =
        Options { records: arguments.records, seed: arguments.seed, ..Options::default() };
    if arguments.defects {
        options.defects = Defects {
            control_characters: true,
            device_pointers: true,
            duplicates: true,
            damaged_records: true,
            mac_files: true,
            ..Defects::default()
        };
    }
    let path = &arguments.path;
    let fail = |error| CliError::file(path, &error);
    let is_zip = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip"));
    let generated = if is_zip {
        write_zip(&options, path).map_err(fail)?
    } else {
        let mut file = std::io::BufWriter::new(std::fs::File::create(path).map_err(fail)?);
        write_xml(&options, &mut file).map_err(fail)?
    };
    let object = json!({
        "records": generated.records,
        "duplicates": generated.duplicates,
        "siblings": generated.siblings,
        "damaged": generated.damaged,
        "correlations": generated.correlations,
        "workouts": generated.workouts,
        "summaries": generated.summaries,
        "routes": generated.routes,
        "bytes": generated.bytes,
    });
    output.show(&object, || {
        format!(
            "{} and {} in {}",
            counted(generated.records, "record", "records"),
            counted(generated.workouts, "workout", "workouts"),
            path.display()
        )
    })?;
    Ok(ExitKind::Done)
}
