//! What is there, compared with what was written, from files and without the code of the product.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::process::{Device, Server};
use super::report::Report;
use super::writers::{COUNTED, Journal};

/// Most problems that are told of.
const PROBLEMS_MAX: usize = 20;

/// An entity in one place.
#[derive(Debug, PartialEq)]
pub(super) struct Entity {
    pub(super) fields: Value,
    pub(super) version: u64,
}

/// What lives in one place, by type and id.
pub(super) type Replica = BTreeMap<(String, String), Entity>;

/// What a server holds.
pub(super) struct OnServer {
    pub(super) living: Replica,
    /// The versions of all entities, added up.
    versions: u64,
    /// Operations that took effect by themselves.
    accepted: u64,
}

impl Report {
    pub(super) fn problem(&mut self, words: String) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(words);
        }
    }
}

fn each_line(path: &Path, mut each: impl FnMut(&Value)) -> Result<()> {
    let reading = || format!("reading {}", path.display());
    let file = BufReader::new(std::fs::File::open(path).with_context(reading)?);
    for line in file.lines() {
        each(&serde_json::from_str(&line.with_context(reading)?).with_context(reading)?);
    }
    Ok(())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn replica(path: &Path, mut each: impl FnMut(&Value)) -> Result<Replica> {
    let mut living = Replica::new();
    each_line(path, |line| {
        each(line);
        if line["deleted"] != true {
            let version = line["version"].as_u64().unwrap_or_default();
            let entity = Entity { fields: line["fields"].clone(), version };
            living.insert((text(&line["type"]), text(&line["id"])), entity);
        }
    })?;
    Ok(living)
}

/// Reads what a server holds.
pub(super) fn on_server(server: &Server, folder: &Path) -> Result<OnServer> {
    server.dump(folder)?;
    let mut versions = 0;
    let living = replica(&folder.join("server-entities.jsonl"), |line| {
        versions += line["version"].as_u64().unwrap_or_default();
    })?;
    let mut accepted = 0;
    each_line(&folder.join("server-receipts.jsonl"), |line| {
        let settled = matches!(line["outcome"].as_str(), Some("applied" | "merged" | "superseded"));
        accepted += u64::from(settled && line["covered_by"].is_null());
    })?;
    Ok(OnServer { living, versions, accepted })
}

/// Reads what a device holds, and how many of its operations have no end.
pub(super) fn on_device(device: &Device, folder: &Path) -> Result<(Replica, u64)> {
    let file = |name: &str| folder.join(format!("{name}-{}.jsonl", device.index));
    let (entities, operations) = (file("entities"), file("operations"));
    let path = |path: &Path| path.to_string_lossy().into_owned();
    device.must(&["export", &path(&entities), "--operations", &path(&operations)])?;
    let mut open = 0;
    let ended = ["settled", "applied", "merged", "superseded", "cancelled", "resolved"];
    each_line(&operations, |line| {
        open += u64::from(!line["state"].as_str().is_some_and(|state| ended.contains(&state)));
    })?;
    Ok((replica(&entities, |_| {})?, open))
}

/// Compares what was written with what the server holds.
pub(super) fn compare(journals: &[Journal], server: &OnServer, report: &mut Report) {
    let mut titles: BTreeMap<&str, u64> = BTreeMap::new();
    for ((entity_type, _), entity) in &server.living {
        if entity_type == "Note" {
            *titles.entry(entity.fields["title"].as_str().unwrap_or_default()).or_default() += 1;
        }
    }
    for (title, count) in titles.iter().filter(|(_, count)| **count > 1) {
        report.doubled += count - 1;
        report.problem(format!("note {title} is there {count} times"));
    }
    for journal in journals {
        report.acknowledged += journal.acknowledged;
        report.unknown += journal.unknown;
        for (id, own) in journal.own.iter().filter(|(_, own)| own.is_made) {
            let there = server.living.get(&("Note".to_owned(), id.clone()));
            let title = there.and_then(|entity| entity.fields["title"].as_str());
            let as_written = title.is_some_and(|title| own.titles.iter().any(|one| one == title));
            let right = match own.is_deleted {
                Some(true) => there.is_none(),
                Some(false) => as_written,
                None => there.is_none() || as_written,
            };
            if !right {
                report.lost += 1;
                report.problem(format!("note {id} is {title:?}, not {own:?}"));
            }
        }
    }
    let least: u64 = journals.iter().map(|journal| journal.counted).sum();
    let most = least + journals.iter().map(|journal| journal.perhaps_counted).sum::<u64>();
    let goal = server.living.get(&("Goal".to_owned(), COUNTED.to_owned()));
    let found = goal.and_then(|goal| goal.fields["progress"].as_u64()).unwrap_or_default();
    if !(least..=most).contains(&found) {
        report.lost += least.saturating_sub(found);
        report.doubled += found.saturating_sub(most);
        report.problem(format!("{found} was counted; it is at least {least}, at most {most}"));
    }
    if server.versions > server.accepted {
        report.doubled += server.versions - server.accepted;
        report.problem("there are more versions than accepted operations".to_owned());
    }
}
