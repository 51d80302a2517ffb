//! What the device follows.

use clap::Args;
use clarity_client::engine::ScopeStatus;
use clarity_client::{EntityType, Scope};

use crate::device::store::Place;
use crate::exit::{CliResult, ExitKind};
use crate::output::{Output, counted, grouped};

/// Arguments of `clarity device scope`.
#[derive(Debug, Args)]
pub(crate) struct ScopeArguments {
    /// Follow these types only; TYPE=DAYS follows the records of the last days. Without any and
    /// without --all the present scope is shown
    #[arg(value_name = "TYPE[=DAYS]", value_parser = parse_part)]
    parts: Vec<(EntityType, Option<u32>)>,
    /// Follow all types; TYPE=DAYS then limits single ones
    #[arg(long)]
    all: bool,
}

fn parse_part(text: &str) -> Result<(EntityType, Option<u32>), String> {
    let (name, days) = match text.split_once('=') {
        Some((name, days)) => {
            let words = "the days of a type are a whole number, as in HealthMetric=90";
            (name, Some(days.parse().map_err(|_| words.to_owned())?))
        }
        None => (text, None),
    };
    Ok((EntityType::new(name).map_err(|error| error.to_string())?, days))
}

/// Shows or changes what the device follows.
pub(crate) fn scope(place: &Place, arguments: &ScopeArguments, output: Output) -> CliResult {
    let client = place.open_or_make()?;
    if arguments.all || !arguments.parts.is_empty() {
        let parts = || arguments.parts.iter().cloned();
        client.set_scope(Scope {
            types: parts().map(|(name, _)| name).filter(|_| !arguments.all).collect(),
            windows: parts().filter_map(|(name, days)| Some((name, days?))).collect(),
        })?;
    }
    let status = client.scope()?;
    output.show(&status, || words(&status))?;
    Ok(ExitKind::Done)
}

fn words(status: &ScopeStatus) -> String {
    let scope = &status.scope;
    let mut lines = Vec::new();
    if scope.types.is_empty() {
        lines.push("This device follows all types.".to_owned());
    } else {
        let names: Vec<_> = scope.types.iter().map(ToString::to_string).collect();
        lines.push(format!("This device follows {}.", names.join(", ")));
    }
    for (name, days) in &scope.windows {
        let days = counted(u64::from(*days), "day", "days");
        lines.push(format!("Of {name} it follows the last {days}."));
    }
    if !status.unread.is_empty() {
        let names: Vec<_> = status.unread.iter().map(ToString::to_string).collect();
        let rows = grouped(status.rows_read);
        lines.push(format!("Still to read: {} ({rows} rows so far).", names.join(", ")));
    }
    if status.sweeping {
        lines.push("What is no longer followed is being let go.".to_owned());
    }
    lines.join("\n")
}
