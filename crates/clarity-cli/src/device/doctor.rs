//! Examining a store.

use std::collections::BTreeMap;

use clap::Args;
use clarity_client::engine::Attention;
use clarity_client::engine::protocol::path;
use clarity_client::{Check, Client, Counter, Finding, Severity, SyncedBy};
use serde::Serialize;

use crate::device::account::{ago, runtime, transport};
use crate::device::queue::status_lines;
use crate::device::store::Place;
use crate::exit::{CliResult, ExitKind};
use crate::output::{Output, counted, grouped};

/// Arguments of `clarity device doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// Also ask the server whether it is there
    #[arg(long)]
    online: bool,
}

/// What the examination found.
#[derive(Debug, Serialize)]
struct Findings {
    program_version: &'static str,
    store: String,
    store_bytes: u64,
    store_free_bytes: u64,
    schema_version: u32,
    encrypted: bool,
    entities: BTreeMap<String, u64>,
    operations_made: Counter,
    operations_waiting: u64,
    synced_by: SyncedBy,
    findings: Vec<Finding>,
    healthy: bool,
    advice: Vec<String>,
}

/// Examines the store. A store that cannot be opened at all says so by its own error.
pub(crate) fn run(place: &Place, arguments: &DoctorArguments, output: Output) -> CliResult {
    let client = place.open()?;
    let mut found = client.examine()?;
    if arguments.online {
        found.extend(ask_server(&client)?);
    }
    let status = client.status()?;
    let size = client.size()?;
    let counts = client.counts()?;
    let damaged = found.iter().any(|finding| finding.severity == Severity::Damage);
    let unreachable = found.iter().any(|finding| finding.check == Check::Server);
    let findings = Findings {
        program_version: env!("CARGO_PKG_VERSION"),
        store: place.folder().display().to_string(),
        store_bytes: size.bytes,
        store_free_bytes: size.free_bytes,
        schema_version: client.meta()?.schema_version,
        encrypted: client.is_encrypted()?,
        entities: counts.into_iter().map(|(name, count)| (name.to_string(), count)).collect(),
        operations_made: client.newest_operation()?,
        operations_waiting: status.waiting,
        synced_by: client.synced_by()?,
        healthy: !damaged,
        advice: advice(&client, damaged)?,
        findings: found,
    };
    output.show(&findings, || words(&findings, &status_lines(&status)))?;
    Ok(match (damaged, unreachable) {
        (true, _) => ExitKind::Store,
        (false, true) => ExitKind::Unreachable,
        (false, false) => ExitKind::Done,
    })
}

/// Asks the server that the store is signed in to whether it is there.
fn ask_server(client: &Client) -> CliResult<Option<Finding>> {
    let transport = match transport(client) {
        Ok(transport) => transport,
        Err(error) => {
            let words = error.to_string();
            let to_do = "sign in, then ask again";
            return Ok(Some(Finding::new(Check::Server, Severity::Warning, &words, to_do)));
        }
    };
    let answer = runtime()?.block_on(transport.get::<serde_json::Value>(path::HEALTH, ""));
    Ok(answer.err().map(|error| {
        let to_do = "check the network and the address; what waits is kept";
        Finding::new(Check::Server, Severity::Warning, &error.to_string(), to_do)
    }))
}

/// Why something waits, and what a person can do about it.
fn advice(client: &Client, damaged: bool) -> CliResult<Vec<String>> {
    let status = client.status()?;
    let mut advice = Vec::new();
    if damaged {
        advice.push(
            "the store is damaged: `clarity device recover` saves all that can be read into a new \
             one, and moves the old one aside"
                .to_owned(),
        );
    }
    let signed_in = client.credentials()?.is_some_and(|there| there.refresh_token.is_some());
    if !signed_in {
        let words = "nobody has signed in, so nothing is sent: `clarity device login`";
        advice.push(words.to_owned());
    }
    for attention in &status.attention {
        advice.push(match attention {
            Attention::Conflicts => "settle the conflicts: `clarity device conflicts`".to_owned(),
            Attention::Failed => "look at what was refused: `clarity device failed`".to_owned(),
            Attention::AuthRequired => "sign in again: `clarity device login`".to_owned(),
            Attention::AccessRemoved => {
                "this device was revoked: sign in again, `clarity device login`".to_owned()
            }
            Attention::UpgradeRequired => "update this program".to_owned(),
            Attention::StorageFull => "free some space on the disk".to_owned(),
            other => format!("look at: {other:?}"),
        });
    }
    if let (true, Some(stalled)) = (signed_in, &status.stalled) {
        advice.push(format!("nothing is sent since {}: {}", ago(stalled.since.0), stalled.message));
    } else if signed_in && status.waiting > 0 {
        advice.push("changes wait for the next `clarity device sync`".to_owned());
    }
    Ok(advice)
}

fn words(findings: &Findings, status: &str) -> String {
    let megabytes = findings.store_bytes as f64 / 1e6;
    let mut lines = vec![
        format!("clarity {}, schema {}", findings.program_version, findings.schema_version),
        format!("store    {}, {megabytes:.1} MB", findings.store),
        match findings.healthy {
            true => "intact   no damage was found".to_owned(),
            false => "DAMAGED".to_owned(),
        },
    ];
    lines.extend(
        findings.findings.iter().map(|finding| {
            format!("found    {}\n         to do: {}", finding.message, finding.to_do)
        }),
    );
    let entities: u64 = findings.entities.values().sum();
    lines.push(format!("holds    {}", counted(entities, "entity", "entities")));
    lines.push(format!(
        "made     {} so far, {} waiting",
        counted(findings.operations_made.0, "operation", "operations"),
        grouped(findings.operations_waiting)
    ));
    lines.push(format!("sync     {}", status.replace('\n', "\n         ")));
    match findings.advice.as_slice() {
        [] => lines.push("There is nothing to do.".to_owned()),
        advice => lines.extend(advice.iter().map(|line| format!("to do    {line}"))),
    }
    lines.join("\n")
}
