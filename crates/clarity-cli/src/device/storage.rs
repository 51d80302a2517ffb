//! How much is kept on the device, and what was given up.

use clap::{Args, ValueEnum};
use clarity_client::engine::store::EvictionReason;
use clarity_client::engine::{Protection, StorageSettings};
use clarity_client::model::Priority;
use clarity_client::{Client, EntityKey, Storage};
use serde_json::json;

use crate::device::account::ago;
use crate::device::entities::parse_key;
use crate::device::store::Place;
use crate::exit::{CliError, CliResult, ExitKind};
use crate::output::{Output, counted, grouped, table};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// Most evictions and entities that are shown to people.
const SHOWN_MAX: usize = 20;

/// Arguments of `clarity device storage`.
#[derive(Debug, Args)]
pub(crate) struct StorageArguments {
    /// How large the store may be on the disk: a number of bytes, or with kB, MB or GB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    budget: Option<u64>,
    /// After how many days without use something is given up; `never` for as long as there is room
    #[arg(long, value_name = "DAYS", value_parser = parse_age)]
    age_days: Option<Age>,
    /// How much of the disk must stay free for new changes to be taken
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    free_disk: Option<u64>,
    /// How large the store may be with what is not sent yet; `none` for as large as the disk lets
    #[arg(long, value_name = "SIZE", value_parser = parse_limit)]
    hard_limit: Option<Limit>,
}

/// Arguments of `clarity device keep`.
#[derive(Debug, Args)]
pub(crate) struct KeepArguments {
    /// The entity, as TYPE/ID; without it those with a priority of their own are listed
    #[arg(value_name = "TYPE/ID", value_parser = parse_key)]
    key: Option<EntityKey>,
    /// How long it is kept when space is short
    #[arg(long, value_enum, default_value_t = Word::Critical, conflicts_with = "clear")]
    priority: Word,
    /// Give it the priority of its type again
    #[arg(long, requires = "key")]
    clear: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Word {
    /// Goes first
    Low,
    /// The usual
    Normal,
    /// Goes last
    High,
    /// Never goes
    Critical,
}

#[derive(Debug, Clone, Copy)]
struct Age(Option<i64>);

#[derive(Debug, Clone, Copy)]
struct Limit(Option<u64>);

fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err("a size is a number with nothing, kB, MB or GB after it".to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| "a size begins with a number".to_owned())?;
    number.checked_mul(unit).ok_or_else(|| "that is more than any disk has".to_owned())
}

fn parse_limit(text: &str) -> Result<Limit, String> {
    if text == "none" {
        return Ok(Limit(None));
    }
    parse_size(text).map(|bytes| Limit(Some(bytes)))
}

fn parse_age(text: &str) -> Result<Age, String> {
    if text == "never" {
        return Ok(Age(None));
    }
    let words = "an age is a number of days from 1 to 36500, or `never`";
    let days: i64 = text.parse().map_err(|_| words.to_owned())?;
    if !(1..=36_500).contains(&days) {
        return Err(words.to_owned());
    }
    Ok(Age(Some(days * DAY_MS)))
}

/// Shows what the store holds, after what was set.
pub(crate) fn storage(place: &Place, arguments: &StorageArguments, output: Output) -> CliResult {
    let client = place.open()?;
    let before = client.storage_settings()?;
    let mut settings = before;
    settings.budget_bytes = arguments.budget.unwrap_or(before.budget_bytes);
    settings.free_disk_min_bytes = arguments.free_disk.unwrap_or(before.free_disk_min_bytes);
    if let Some(Age(age_ms)) = arguments.age_days {
        settings.age_ms = age_ms;
    }
    if let Some(Limit(bytes)) = arguments.hard_limit {
        settings.store_bytes_max = bytes;
    }
    if settings != before {
        client.set_storage(settings)?;
    }
    let storage = client.storage()?;
    output.show(&storage, || words(&storage))?;
    Ok(ExitKind::Done)
}

fn words(storage: &Storage) -> String {
    let report = &storage.report;
    let mut lines = vec![usage(storage), limits(&report.settings)];
    if report.full {
        lines.push("There is no room: new changes are refused until there is.".to_owned());
    } else if report.over_budget {
        lines.push(
            "More is in use than the budget leaves to the file: the next sync gives up what may \
             go, and what is left is protected."
                .to_owned(),
        );
    }
    let mut types = table(["type", "priority", "here", "size", "not here"]);
    for one in &report.types {
        let size = one.bytes.map_or_else(String::new, megabytes);
        types.add_row([
            one.entity_type.to_string(),
            priority_word(one.priority).to_owned(),
            grouped(one.entities),
            size,
            grouped(one.evicted),
        ]);
    }
    if !report.types.is_empty() {
        lines.push(types.to_string());
    }
    for protected in &report.protected {
        lines.push(format!("protected: {}", why_words(protected.why, protected.count)));
    }
    if !report.evictions.is_empty() {
        let mut evictions = table(["given up", "what", "how many", "bytes", "why"]);
        for one in report.evictions.iter().take(SHOWN_MAX) {
            let month = one.month.map_or_else(String::new, |month| format!(" of {month}"));
            evictions.add_row([
                ago(one.at.0),
                format!("{}{month}", one.entity_type),
                grouped(one.count),
                grouped(one.bytes),
                reason_words(one.reason).to_owned(),
            ]);
        }
        lines.push(evictions.to_string());
        let total = counted(report.evicted_total, "entity was", "entities were");
        lines.push(format!("{total} given up in all; what is asked for is fetched again"));
    }
    lines.join("\n")
}

fn usage(storage: &Storage) -> String {
    let total = storage.file_bytes + storage.log_bytes;
    let budget = megabytes(storage.report.settings.budget_bytes);
    format!(
        "{} of {budget}: the file {} (of it {} unused), its log {}",
        megabytes(total),
        megabytes(storage.file_bytes),
        megabytes(storage.unused_bytes),
        megabytes(storage.log_bytes)
    )
}

fn limits(settings: &StorageSettings) -> String {
    let age = settings.age_ms.map_or_else(
        || "for as long as there is room".to_owned(),
        |age_ms| {
            let days = u64::try_from(age_ms / DAY_MS).unwrap_or_default();
            format!("for {} after its last use", counted(days, "day", "days"))
        },
    );
    let free = megabytes(settings.free_disk_min_bytes);
    let most = settings.store_bytes_max.map_or_else(String::new, |bytes| {
        format!(", and the store is not larger than {}", megabytes(bytes))
    });
    format!("Kept {age}; new changes are taken while {free} of the disk are free{most}.")
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", grouped(bytes / 1_000_000), bytes / 100_000 % 10)
}

fn why_words(why: Protection, count: u64) -> String {
    let change = |what: &str| format!("{} {what}", counted(count, "change", "changes"));
    let entity = |what: &str| format!("{} {what}", counted(count, "entity", "entities"));
    match why {
        Protection::Unsynced => change("not sent yet"),
        Protection::Failed => change("that failed"),
        Protection::SetAside => change("set aside"),
        Protection::Conflict => change("in conflict"),
        Protection::NotReadBack => entity("not read back from the server yet"),
        Protection::Critical => entity("that must stay"),
        _ => entity("for another reason"),
    }
}

fn reason_words(reason: EvictionReason) -> &'static str {
    match reason {
        EvictionReason::Budget => "over the budget",
        EvictionReason::Age => "not used for long",
    }
}

fn priority_word(priority: Priority) -> &'static str {
    match priority {
        Priority::Low => "low",
        Priority::Normal => "normal",
        Priority::High => "high",
        Priority::Critical => "critical",
    }
}

/// Gives an entity a priority of its own, or shows those that have one.
pub(crate) fn keep(place: &Place, arguments: &KeepArguments, output: Output) -> CliResult {
    let client = place.open()?;
    let Some(key) = &arguments.key else { return list(&client, output) };
    if arguments.clear {
        client.forget_offline_priority(key)?;
        let object = json!({ "key": key, "priority": null });
        output.show(&object, || "It has the priority of its type again.".to_owned())?;
        return Ok(ExitKind::Done);
    }
    let priority = match arguments.priority {
        Word::Low => Priority::Low,
        Word::Normal => Priority::Normal,
        Word::High => Priority::High,
        Word::Critical => Priority::Critical,
    };
    client.store_for_offline(key, priority)?;
    let here = client.get(key)?.is_some();
    output.show(&json!({ "key": key, "priority": priority, "here": here }), || {
        let later = if here { "" } else { "; it is not here and comes with the next sync" };
        format!("Its priority is {} now{later}.", priority_word(priority))
    })?;
    Ok(ExitKind::Done)
}

fn list(client: &Client, output: Output) -> CliResult {
    let kept = client.offline_priorities(1_000)?;
    let objects: Vec<_> =
        kept.iter().map(|(key, priority)| json!({ "key": key, "priority": priority })).collect();
    output.show_all(&objects, || {
        if kept.is_empty() {
            return "No entity has a priority of its own.".to_owned();
        }
        let mut shown = table(["entity", "priority"]);
        for (key, priority) in &kept {
            shown.add_row([key.to_string(), priority_word(*priority).to_owned()]);
        }
        shown.to_string()
    })?;
    Ok(ExitKind::Done)
}

/// Protection an entity is not found: it may have been given up.
pub(crate) fn not_found(client: &Client, key: &EntityKey) -> CliResult<CliError> {
    let Some(absence) = client.absence(key)? else {
        return Ok(CliError::state("there is no such entity on this device"));
    };
    let was = if absence.certain { "was" } else { "may have been" };
    let when = ago(absence.evicted_at.0);
    Ok(CliError::state(format!(
        "it {was} moved off this device {when} to save space; `clarity device keep TYPE/ID` \
         brings it back with the next sync and keeps it"
    )))
}
