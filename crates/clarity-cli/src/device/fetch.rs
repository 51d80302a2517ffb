//! Fetching by name.

use std::sync::Arc;

use clap::Args;
use clarity_client::health::instant_ms;
use clarity_client::{Client, EntityType, Fetched, Wanted};
use serde_json::json;
use tokio::sync::oneshot;

use crate::device::account::{runtime, transport};
use crate::device::entities::parse_key;
use crate::device::store::Place;
use crate::device::sync::kind_of;
use crate::exit::{CliError, CliResult, ExitKind};
use crate::output::{Output, counted};

/// Arguments of `clarity device fetch`.
#[derive(Debug, Args)]
pub(crate) struct FetchArguments {
    /// Entities as TYPE/ID, or types for all of them
    #[arg(value_name = "TYPE/ID|TYPE", required = true)]
    names: Vec<String>,
    /// Only records from this day or time on, by their own time; for types
    #[arg(long, value_name = "TIME", value_parser = parse_instant)]
    from: Option<i64>,
    /// Only records before this day or time, by their own time; for types
    #[arg(long, value_name = "TIME", value_parser = parse_instant)]
    to: Option<i64>,
}

/// `2025-03-01`, `2025-03-01T12:00:00Z` or milliseconds since 1970, in milliseconds since 1970 UTC.
pub(crate) fn parse_instant(text: &str) -> Result<i64, String> {
    let words = "a time has the form 2025-03-01, 2025-03-01T12:00:00Z or milliseconds since 1970";
    instant_ms(text).or_else(|| text.parse().ok()).ok_or_else(|| words.to_owned())
}

fn wanted(name: &str, arguments: &FetchArguments) -> CliResult<Wanted> {
    let (from_ms, to_ms) = (arguments.from, arguments.to);
    if name.contains('/') {
        if from_ms.or(to_ms).is_some() {
            return Err(CliError::usage("--from and --to go with a type, not with an entity"));
        }
        return Ok(Wanted::Key(parse_key(name).map_err(CliError::usage)?));
    }
    let entity_type = EntityType::new(name).map_err(|error| CliError::usage(error.to_string()))?;
    Ok(match from_ms.or(to_ms) {
        Some(_) => Wanted::Range { entity_type, from_ms, to_ms },
        None => Wanted::Type(entity_type),
    })
}

/// Fetches entities and stretches of time from the server, apart from what the device follows.
pub(crate) fn fetch(place: &Place, arguments: &FetchArguments, output: Output) -> CliResult {
    let names = arguments.names.iter();
    let wanted: Vec<Wanted> =
        names.map(|name| wanted(name, arguments)).collect::<Result<_, _>>()?;
    let client = place.open()?;
    let transport = Arc::new(transport(&client)?);
    let fetched = runtime()?.block_on(async {
        let (stop, stopped) = oneshot::channel::<()>();
        // Another process may be synchronising already: then it fetches, and this only waits.
        let run = client.run(transport, async {
            let _ = stopped.await;
        });
        let fetch = async {
            let fetched = client.fetch_all(wanted).await;
            drop(stop);
            fetched
        };
        let (run, fetched) = tokio::join!(run, fetch);
        run?;
        fetched
    })?;
    show(&client, arguments, &fetched, output)
}

fn show(
    client: &Client,
    arguments: &FetchArguments,
    fetched: &[Fetched],
    output: Output,
) -> CliResult {
    let names = arguments.names.iter();
    let objects: Vec<_> = names
        .zip(fetched)
        .map(|(name, fetched)| json!({ "name": name, "fetched": fetched }))
        .collect();
    for outcome in fetched {
        if let Fetched::NotNow { why, stalled } = outcome {
            let kind = stalled.as_ref().map_or(ExitKind::State, kind_of);
            let why = why.trim_end_matches('.');
            let waiting = counted(client.status()?.wanted, "wish waits", "wishes wait");
            return Err(CliError::new(kind, format!("{why}; {waiting} and will be asked for")));
        }
    }
    output.show(&json!({ "fetched": objects }), || {
        let lines = arguments.names.iter().zip(fetched).map(|(name, fetched)| match fetched {
            Fetched::Here => format!("{name}: here"),
            Fetched::NotThere => format!("{name}: the server does not have it"),
            Fetched::Refused { why } => format!("{name}: the server will not give it: {why}"),
            _ => format!("{name}: not now"),
        });
        lines.collect::<Vec<_>>().join("\n")
    })?;
    let all_here = fetched.iter().all(|fetched| *fetched == Fetched::Here);
    Ok(if all_here { ExitKind::Done } else { ExitKind::State })
}
