//! The support bundle.

use std::io::{IsTerminal, Write, stdin, stdout};
use std::path::PathBuf;

use clap::Args;
use clarity_client::SupportBundle;
use serde_json::json;

use crate::device::store::Place;
use crate::exit::{CliError, CliResult, ExitKind};
use crate::output::{Output, grouped, table};

/// Arguments of `clarity device support-bundle`.
#[derive(Debug, Args)]
pub(crate) struct BundleArguments {
    /// Where to save it; `-` prints it instead
    #[arg(long, value_name = "FILE", default_value = "clarity-support.json")]
    out: PathBuf,
    /// Save it without being asked
    #[arg(long)]
    yes: bool,
}

/// Shows what a bundle contains and, once that is agreed to, saves it.
pub(crate) fn bundle(place: &Place, arguments: &BundleArguments, output: Output) -> CliResult {
    let bundle = place.open()?.support_bundle()?;
    if arguments.out.as_os_str() == "-" {
        let mut out = stdout().lock();
        writeln!(out, "{}", bundle.text())?;
        return Ok(ExitKind::Done);
    }
    let saved = arguments.yes || agreed(&bundle, output)?;
    if saved {
        let path = &arguments.out;
        let mut file = std::fs::File::create_new(path).map_err(|e| CliError::file(path, &e))?;
        writeln!(file, "{}", bundle.text()).map_err(|error| CliError::file(path, &error))?;
    }
    let file = arguments.out.display().to_string();
    let object = json!({ "contents": bundle.contents(), "file": file, "saved": saved });
    output.show(&object, || match saved {
        true => format!("{}\nsaved as {file}", contents(&bundle)),
        false => format!("nothing was saved; --yes saves it as {file}"),
    })?;
    Ok(ExitKind::Done)
}

/// Shows what is in it and asks. Where nobody can answer, nothing is saved.
fn agreed(bundle: &SupportBundle, output: Output) -> CliResult<bool> {
    if output.is_json() || !stdin().is_terminal() || !stdout().is_terminal() {
        if !output.is_json() {
            writeln!(stdout(), "{}", contents(bundle))?;
        }
        return Ok(false);
    }
    write!(stdout(), "{}\nSave it? [y/N] ", contents(bundle))?;
    stdout().flush()?;
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn contents(bundle: &SupportBundle) -> String {
    let mut shown = table(["part", "holds", "bytes"]);
    for part in bundle.contents() {
        shown.add_row([part.name, part.holds.to_owned(), grouped(part.bytes as u64)]);
    }
    format!("{shown}\nNo value, note, name, id, account or token is in it.")
}
