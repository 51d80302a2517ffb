//! The figures, computed from files without the engine, the store or the merge rules of the
//! product: only JSON and this file's own idea of what must come out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use crate::tour::journal::INTENDED_FILE;

mod intended;

use intended::{Journal, Made};

/// Most differences that are listed.
const DIFFERENCES_MAX: usize = 20;
/// The types that an import makes.
const IMPORTED_TYPES: [&str; 5] =
    ["ActivitySummary", "Correlation", "HealthMetric", "Workout", "WorkoutRoute"];

/// What came of a tour.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Figures {
    /// Health records on the server.
    pub(crate) records: u64,
    /// Entities on the server.
    pub(crate) entities: u64,
    /// Operations that the devices made.
    pub(crate) operations_made: u64,
    /// Operations that the server accepted by themselves.
    pub(crate) operations_accepted: u64,
    /// Operations whose effect arrived with a later one.
    pub(crate) operations_covered: u64,
    /// Operations without an outcome, and effects that are nowhere.
    pub(crate) lost: u64,
    /// Effects that are there more than once.
    pub(crate) doubled: u64,
    /// Whether both devices and the server hold the same.
    pub(crate) replicas_equal: bool,
    /// The version of the entity in conflict, where all three agree on it.
    pub(crate) conflict_version: Option<u64>,
    /// Fields of entities that both devices changed which merged by themselves.
    pub(crate) merged_fields: u64,
    /// What is wrong, in words, without values.
    pub(crate) differences: Vec<String>,
}

impl Figures {
    /// Whether everything is as it must be.
    pub(crate) fn passed(&self) -> bool {
        self.records > 0
            && self.operations_accepted + self.operations_covered == self.operations_made
            && self.lost == 0
            && self.doubled == 0
            && self.replicas_equal
            && self.conflict_version == Some(3)
            && self.merged_fields > 0
            && self.differences.is_empty()
    }

    fn differs(&mut self, words: String) {
        if self.differences.len() < DIFFERENCES_MAX {
            self.differences.push(words);
        }
    }
}

/// The name of an entity: type and id.
type Key = (String, String);
/// The name of an operation: the store's incarnation and its number there.
type Operation = (String, u64);

/// An entity in one of the three places.
struct Entity {
    version: u64,
    deleted: bool,
    pending: bool,
    /// Stands for the fields: two independent hashes of their canonical JSON.
    fingerprint: (u64, u64),
    /// Kept only for entities that the journal names.
    fields: Value,
}

type Replica = BTreeMap<Key, Entity>;

struct Receipt {
    outcome: String,
    covered_by: Option<u64>,
}

/// Computes the figures from the files in a folder.
pub(crate) fn verify(folder: &Path) -> Result<Figures> {
    let mut figures = Figures::default();
    let journal = Journal::read(&folder.join(INTENDED_FILE))?;
    let named = journal.keys();
    let server = entities(&folder.join("server-entities.jsonl"), &named, &mut figures)?;
    let a = entities(&folder.join("replica-a.jsonl"), &named, &mut figures)?;
    let b = entities(&folder.join("replica-b.jsonl"), &named, &mut figures)?;
    let receipts = receipts(&folder.join("server-receipts.jsonl"), &mut figures)?;
    let mut states = BTreeMap::new();
    for name in ["operations-a.jsonl", "operations-b.jsonl"] {
        operation_states(&folder.join(name), &mut states)?;
    }
    let alive = server.iter().filter(|(_, entity)| !entity.deleted);
    figures.entities = alive.clone().count() as u64;
    figures.records = alive.filter(|(key, _)| key.0 == "HealthMetric").count() as u64;
    account_for_operations(&journal, &receipts, &states, &mut figures);
    look_for_doubles(&journal, &server, &mut figures);
    figures.replicas_equal = compare("A", &server, &a, &mut figures);
    figures.replicas_equal &= compare("B", &server, &b, &mut figures);
    figures.conflict_version = journal.conflict().and_then(|key| {
        let version = |replica: &Replica| replica.get(key).map(|entity| entity.version);
        let agreed = version(&server) == version(&a) && version(&server) == version(&b);
        version(&server).filter(|_| agreed)
    });
    check_effects(&journal, &server, &mut figures);
    Ok(figures)
}

/// Each object of a file of JSON lines.
fn each_line(path: &Path, mut each: impl FnMut(Value) -> Result<()>) -> Result<()> {
    let reading = || format!("reading {}", path.display());
    let file = BufReader::new(File::open(path).with_context(reading)?);
    for line in file.lines() {
        let line = line.with_context(reading)?;
        each(serde_json::from_str(&line).with_context(reading)?)?;
    }
    Ok(())
}

fn text(value: &Value, name: &str) -> Result<String> {
    let text = value[name].as_str();
    Ok(text.with_context(|| format!("a line without \"{name}\""))?.to_owned())
}

fn number(value: &Value, name: &str) -> Result<u64> {
    value[name].as_u64().with_context(|| format!("a line without the number \"{name}\""))
}

fn entities(path: &Path, named: &BTreeSet<Key>, figures: &mut Figures) -> Result<Replica> {
    let mut replica = Replica::new();
    each_line(path, |line| {
        let key = (text(&line, "type")?, text(&line, "id")?);
        let canonical = line["fields"].to_string();
        let entity = Entity {
            version: number(&line, "version")?,
            deleted: line["deleted"] == true,
            pending: line["pending"] == true,
            fingerprint: (fingerprint(0, &canonical), fingerprint(1, &canonical)),
            fields: if named.contains(&key) { line["fields"].clone() } else { Value::Null },
        };
        if replica.insert(key, entity).is_some() {
            figures.doubled += 1;
            figures.differs(format!("an entity is twice in {}", path.display()));
        }
        Ok(())
    })?;
    Ok(replica)
}

fn fingerprint(salt: u8, text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (salt, text).hash(&mut hasher);
    hasher.finish()
}

fn receipts(path: &Path, figures: &mut Figures) -> Result<BTreeMap<Operation, Receipt>> {
    let mut receipts = BTreeMap::new();
    each_line(path, |line| {
        let operation = (text(&line, "incarnation")?, number(&line, "counter")?);
        let receipt =
            Receipt { outcome: text(&line, "outcome")?, covered_by: line["covered_by"].as_u64() };
        if receipts.insert(operation, receipt).is_some() {
            figures.doubled += 1;
            figures.differs("an operation has two receipts".to_owned());
        }
        Ok(())
    })?;
    Ok(receipts)
}

/// What the devices say of their operations: the state, and the one that settled it.
type States = BTreeMap<Operation, (String, Option<u64>)>;

fn operation_states(path: &Path, states: &mut States) -> Result<()> {
    each_line(path, |line| {
        let operation = (text(&line, "incarnation")?, number(&line, "operation")?);
        states.insert(operation, (text(&line, "state")?, line["resolved_by"].as_u64()));
        Ok(())
    })
}

/// Each operation that was made must have exactly one end.
fn account_for_operations(
    journal: &Journal,
    receipts: &BTreeMap<Operation, Receipt>,
    states: &States,
    figures: &mut Figures,
) {
    let made: BTreeSet<Operation> = journal.operations().collect();
    figures.operations_made = made.len() as u64;
    if !made.iter().eq(states.keys()) {
        let (devices, intended) = (states.len(), made.len());
        figures.differs(format!(
            "the devices say that they made {devices} operations; {intended} were intended"
        ));
    }
    let is_settled =
        |receipt: &Receipt| matches!(receipt.outcome.as_str(), "applied" | "merged" | "superseded");
    for operation in &made {
        let settled_in = |counter: u64| {
            let carrier = receipts.get(&(operation.0.clone(), counter));
            counter != operation.1 && carrier.is_some_and(is_settled)
        };
        let receipt = receipts.get(operation);
        let (state, resolved_by) = match states.get(operation) {
            Some((state, resolved_by)) => (state.as_str(), *resolved_by),
            None => ("unknown", None),
        };
        if state == "queued" {
            figures.differs(format!("operation {} still waits", operation.1));
        }
        match receipt {
            Some(receipt) if is_settled(receipt) && receipt.covered_by.is_none() => {
                figures.operations_accepted += 1;
            }
            Some(Receipt { covered_by: Some(carrier), .. }) if settled_in(*carrier) => {
                figures.operations_covered += 1;
            }
            _ if resolved_by.is_some_and(settled_in) => figures.operations_covered += 1,
            _ => {
                figures.lost += 1;
                figures.differs(format!("operation {} has no end", operation.1));
            }
        }
    }
    let strangers = receipts.keys().filter(|operation| !made.contains(*operation)).count();
    if strangers > 0 {
        figures.differs(format!("the server has {strangers} receipts that nobody asked for"));
    }
}

/// An operation that took effect twice would have raised a version twice, or made two entities.
fn look_for_doubles(journal: &Journal, server: &Replica, figures: &mut Figures) {
    let versions: u64 = server.values().map(|entity| entity.version).sum();
    if versions > figures.operations_accepted {
        figures.doubled += versions - figures.operations_accepted;
        figures.differs("there are more versions than accepted operations".to_owned());
    }
    let mut contents = BTreeSet::new();
    let mut imported = 0;
    for (key, entity) in server {
        if !IMPORTED_TYPES.contains(&key.0.as_str()) || entity.deleted {
            continue;
        }
        imported += 1;
        if !contents.insert((key.0.as_str(), entity.fingerprint)) {
            figures.doubled += 1;
            figures.differs(format!("two entities of type {} are the same", key.0));
        }
    }
    let expected = journal.imported_operations();
    if imported != expected {
        figures.lost += expected.saturating_sub(imported);
        figures.doubled += imported.saturating_sub(expected);
        figures.differs(format!("{expected} samples were imported, the server has {imported}"));
    }
}

fn compare(name: &str, server: &Replica, device: &Replica, figures: &mut Figures) -> bool {
    let mut equal = true;
    let alive = |entity: &&Entity| !entity.deleted;
    let keys: BTreeSet<&Key> = server.keys().chain(device.keys()).collect();
    for key in keys {
        let there = server.get(key).filter(alive);
        let here = device.get(key).filter(alive);
        let same = match (there, here) {
            (None, None) => true,
            (Some(there), Some(here)) => {
                let settled = !here.pending;
                settled && there.version == here.version && there.fingerprint == here.fingerprint
            }
            _ => false,
        };
        if !same {
            equal = false;
            let what = match (there, here) {
                (None, _) => "is not on the server",
                (_, None) => "is missing",
                _ => "is not as the server has it",
            };
            figures.differs(format!("on {name}, an entity of type {} {what}", key.0));
        }
    }
    equal
}

/// What was meant must be what is there.
fn check_effects(journal: &Journal, server: &Replica, figures: &mut Figures) {
    for (key, made) in journal.entities() {
        let Some(entity) = server.get(key).filter(|entity| !entity.deleted) else {
            figures.lost += 1;
            figures.differs(format!("an entity of type {} is not on the server", key.0));
            continue;
        };
        check_entity(key, made, entity, figures);
    }
}

fn check_entity(key: &Key, made: &Made, entity: &Entity, figures: &mut Figures) {
    for field in made.fields() {
        if !made.arrived(field, &entity.fields[field]) {
            figures.lost += 1;
            figures.differs(format!("{field} of a {} is not what was meant", key.0));
        } else if made.by_both_devices() && made.merged_by_itself(field) {
            figures.merged_fields += 1;
        }
    }
}
