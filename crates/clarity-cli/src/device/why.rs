//! Why something is not at the server.

use clap::Args;
use clarity_client::engine::{EntityExplanation, Explanation, WhoActs};
use clarity_client::{Counter, EntityKey};

use crate::device::account::ago;
use crate::device::entities::parse_key;
use crate::device::store::Place;
use crate::exit::{CliError, CliResult, ExitKind};
use crate::output::Output;

/// Arguments of `clarity device why`.
#[derive(Debug, Args)]
pub(crate) struct WhyArguments {
    /// An operation's number, as `queue` shows it, or an entity as TYPE/ID
    #[arg(value_name = "OPERATION|TYPE/ID", value_parser = parse_about)]
    about: About,
}

#[derive(Debug, Clone)]
enum About {
    Operation(Counter),
    Entity(EntityKey),
}

fn parse_about(text: &str) -> Result<About, String> {
    match text.parse() {
        Ok(number) => Ok(About::Operation(Counter(number))),
        Err(_) => parse_key(text).map(About::Entity),
    }
}

/// Says why an operation, or what waits of an entity, is not at the server.
pub(crate) fn why(place: &Place, arguments: &WhyArguments, output: Output) -> CliResult {
    let client = place.open()?;
    match &arguments.about {
        About::Operation(counter) => {
            let told = client.why_not_synced(*counter)?;
            let told = told.ok_or_else(|| {
                CliError::state(format!("this device never made an operation {counter}"))
            })?;
            output.show(&told, || words(&told))?;
        }
        About::Entity(key) => {
            let told = client.explain(key)?;
            let unknown = || CliError::state("this device knows nothing of such an entity");
            let told = told.ok_or_else(unknown)?;
            output.show(&told, || entity_words(&told))?;
        }
    }
    Ok(ExitKind::Done)
}

/// One line for each operation of the chain, and what to do at its end.
fn words(told: &Explanation) -> String {
    let mut lines = Vec::new();
    let mut last = told;
    let mut link = Some(told);
    while let Some(one) = link {
        let since = one.since.map(|since| format!(", since {}", ago(since.0)));
        lines.push(format!("{}: {}{}", one.operation, one.message, since.unwrap_or_default()));
        last = one;
        link = one.because.as_deref();
    }
    lines.push(format!("next: {}", last.next));
    if let Some(at) = last.next_attempt {
        lines.push(format!("tried again {}", ahead(at.0)));
    }
    match last.who_must_act {
        WhoActs::Nobody => {}
        WhoActs::Person => lines.push("you must act".to_owned()),
        WhoActs::Operator => lines.push("whoever runs the server must act".to_owned()),
    }
    lines.join("\n")
}

/// How far ahead a time is, for people.
fn ahead(at_ms: i64) -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now_ms = since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    let seconds = at_ms.saturating_sub(now_ms).max(0) / 1_000;
    match seconds {
        0..60 => "within a minute".to_owned(),
        60..7_200 => format!("in {} minutes", seconds / 60),
        _ => format!("in {} hours", seconds / 3_600),
    }
}

fn entity_words(told: &EntityExplanation) -> String {
    let mut lines = vec![format!("{}: {}", told.key, told.message)];
    lines.extend(told.waiting.iter().map(words));
    lines.join("\n")
}
