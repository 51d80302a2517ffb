//! What people and the platform do with a device.

use std::collections::{BTreeMap, BTreeSet};

use clarity_engine::protocol::model::{Counter, EntityKey, Fields, Kind, ReadVersion};
use clarity_engine::protocol::{Hint, HintKind};
use clarity_engine::{Event, HistoryId, Import, ImportSample, Wanted, Write, new_entity_id};
use clarity_store::RowState;
use serde_json::{Value, json};

use super::device::Device;
use super::model::COUNTER_PREFIX;
use super::server::{POISON_ERROR, POISON_LARGE, POISON_REFUSED, POISON_UNREADABLE};
use super::stage::Stage;

/// A field that no schema knows; written once, and never changed by anybody (promise I9).
pub(crate) const ORIGIN: &str = "x_origin";
/// The entity that must be at the server before this one (promise I5).
pub(crate) const PARENT: &str = "x_parent";
/// How many different samples there are to import.
const SAMPLES: usize = 12;

/// What people have done so far, in all of a world.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// What was made, with its unknown field.
    pub(crate) made: BTreeMap<EntityKey, Made>,
    /// Tags that were added and that nobody ever removed, with the device's operation.
    pub(crate) tags: Vec<(EntityKey, usize, Counter, String)>,
    /// What was shown in a form that is still open.
    forms: Vec<(usize, EntityKey, Fields)>,
    serial: u64,
}

impl Ledger {
    /// Whether somebody may have deleted an entity, by its key in words.
    pub(crate) fn is_disturbed(&self, key: &str) -> bool {
        self.made.iter().any(|(made, how)| how.disturbed && made.to_string() == key)
    }

    /// Whether it is written or not: after a crash in a commit nobody can tell.
    pub(crate) fn disturb(&mut self, key: &EntityKey) {
        if let Some(made) = self.made.get_mut(key) {
            made.disturbed = true;
        }
    }
}

/// An entity that somebody made.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) device: usize,
    pub(crate) operation: Counter,
    pub(crate) origin: Value,
    /// Somebody tried to delete it, or made it anew.
    pub(crate) disturbed: bool,
}

/// What a write is expected to show at once.
#[derive(Debug, Clone)]
pub(crate) enum Intent {
    None,
    Made { made: Vec<(EntityKey, Value)> },
    Tagged { key: EntityKey, tag: String },
    Changed { key: EntityKey, fields: BTreeMap<String, Option<Value>> },
}

/// Chooses what happens next on a device.
pub(crate) fn act(stage: &mut Stage, device: &Device, ledger: &mut Ledger) -> (Event, Intent) {
    match stage.dice.index(100) {
        0..3 => (Event::Foreground, Intent::None),
        3..6 => (Event::SyncNow, Intent::None),
        6..8 => {
            let online = stage.dice.chance(700);
            (Event::NetworkChanged { online }, Intent::None)
        }
        8..10 => {
            let hint = Hint { kind: HintKind::Urgent, ..Hint::full() };
            (Event::PushReceived(hint), Intent::None)
        }
        10 => {
            let until = device.local_time(stage).plus_ms(stage.dice.any_scale(1_000, 3_600_000));
            (Event::Pause { until: stage.dice.chance(800).then_some(until) }, Intent::None)
        }
        11..14 => (Event::Resume, Intent::None),
        14 => (Event::StoreChanged, Intent::None),
        15 => {
            // Nearly full for a while, mostly not.
            let free_bytes = if stage.dice.chance(300) { 1_000 } else { 1 << 40 };
            (Event::DiskSpace { free_bytes: Some(free_bytes) }, Intent::None)
        }
        16..20 => (look(stage, device, ledger), Intent::None),
        choice => {
            let (write, intent) = write(stage, device, ledger, choice);
            (write.map_or(Event::Timer, Event::Write), intent)
        }
    }
}

fn write(
    stage: &mut Stage,
    device: &Device,
    ledger: &mut Ledger,
    choice: usize,
) -> (Option<Write>, Intent) {
    match choice {
        ..34 => create(stage, device, ledger),
        34..68 => update(stage, device, ledger),
        68..74 => delete(stage, device, ledger),
        74..77 => undelete(stage, device, ledger),
        77..84 => batch(stage, device, ledger),
        84..90 => (Some(import(stage, device)), Intent::None),
        90..93 => rollback(stage, device),
        93 | 94 => rollback_entity(stage, device),
        95 | 96 => (Some(undo(stage)), Intent::None),
        _ => super::person::settle_something(stage, device)
            .map_or((None, Intent::None), |write| (Some(write), Intent::None)),
    }
}

/// Somebody looks at something: what was given up for space is wanted again.
fn look(stage: &mut Stage, device: &Device, ledger: &Ledger) -> Event {
    let known: Vec<&EntityKey> = ledger.made.keys().collect();
    let Some(key) = stage.dice.pick(&known).copied().cloned() else { return Event::Timer };
    if device.model.rows.contains_key(&key) {
        return Event::Accessed { keys: vec![key], months: BTreeSet::new() };
    }
    Event::Write(Write::Fetch { wanted: vec![Wanted::Key(key)] })
}

fn create(stage: &mut Stage, device: &Device, ledger: &mut Ledger) -> (Option<Write>, Intent) {
    let (key, mut fields) = new_entity(stage, device, ledger);
    let mut parents = Vec::new();
    if stage.dice.chance(250) {
        let makers = device.model.queue.iter().filter(|(_, waiting)| {
            waiting.kind == Kind::Create && waiting.key.entity_type.as_str() == "Note"
        });
        let makers: Vec<_> = makers.map(|(counter, waiting)| (*counter, &waiting.key)).collect();
        if let Some((counter, parent)) = stage.dice.pick(&makers) {
            parents.push(*counter);
            fields.insert(PARENT.to_owned(), json!(parent.to_string()));
        }
    }
    if device.model.rows.contains_key(&key) {
        return (None, Intent::None);
    }
    // Two devices make the same one: whose fields stand is the policy's choice.
    ledger.disturb(&key);
    let origin = fields.get(ORIGIN).cloned().unwrap_or_default();
    let intent = Intent::Made { made: vec![(key.clone(), origin)] };
    (Some(Write::Create { key, fields, parents }), intent)
}

fn new_entity(stage: &mut Stage, device: &Device, ledger: &mut Ledger) -> (EntityKey, Fields) {
    ledger.serial += 1;
    let serial = ledger.serial;
    let origin = json!({ "device": device.index, "serial": serial, "odd": [null, 1.5, "ü\n"] });
    let mut fields = Fields::from([(ORIGIN, origin)]);
    let id = new_entity_id(device.local_time(stage), &mut stage.dice);
    let mut put = |name: &str, value: Value| fields.put(name, Some(value));
    let entity_type = match stage.dice.index(10) {
        0..4 => {
            put("title", json!(format!("note {serial}")));
            put("text", json!("first\nsecond\nthird"));
            put("tags", json!([]));
            if let Some(poison) = poison(stage) {
                put("title", json!(poison));
            }
            "Note"
        }
        4..6 => {
            put("metric", json!("weight"));
            put("start_ms", json!(stage.now_ms));
            put("value", json!(serial));
            put("note", Value::Null);
            "ManualReading"
        }
        6 => {
            put("title", json!("walk"));
            put("target", json!(10_000));
            put("best", json!(serial % 7));
            "Goal"
        }
        7 => {
            fields.insert("theme".to_owned(), json!(format!("theme {serial}")));
            fields.remove(ORIGIN);
            return (key("UserPreference", "preferences"), fields);
        }
        _ => {
            put("anything", json!({ "deep": [1, { "er": serial }] }));
            put("plain", json!(serial));
            "Mystery"
        }
    };
    (key(entity_type, id.as_str()), fields)
}

fn poison(stage: &mut Stage) -> Option<&'static str> {
    let poisons = [POISON_ERROR, POISON_UNREADABLE, POISON_LARGE, POISON_REFUSED];
    let rate = stage.rates.poison;
    if stage.fault(rate, "poisoned_write") { stage.dice.pick(&poisons).copied() } else { None }
}

/// A key whose parts are known to be valid.
pub(crate) fn key(entity_type: &str, id: &str) -> EntityKey {
    match EntityKey::new(entity_type, id) {
        Ok(key) => key,
        Err(error) => unreachable!("{error}"),
    }
}

fn visible(device: &Device, wanted: impl Fn(&EntityKey) -> bool) -> Vec<&EntityKey> {
    let rows = device.model.rows.iter().filter(|(key, row)| row.state.is_visible() && wanted(key));
    rows.map(|(key, _)| key).collect()
}

fn update(stage: &mut Stage, device: &Device, ledger: &mut Ledger) -> (Option<Write>, Intent) {
    let candidates = visible(device, |key| key.entity_type.as_str() != "HealthMetric");
    let Some(key) = stage.dice.pick(&candidates).copied().cloned() else {
        return (None, Intent::None);
    };
    let shown = device.model.rows.get(&key).map(|row| row.fields.clone()).unwrap_or_default();
    if stage.dice.chance(200) {
        ledger.forms.push((device.index, key.clone(), shown.clone()));
    }
    let mut seen = None;
    if stage.fault(stage.rates.stale_form, "stale_form") {
        let mut open = ledger.forms.iter().filter(|form| form.0 == device.index && form.1 == key);
        seen = open.next().map(|form| form.2.clone());
    }
    let before = seen.as_ref().unwrap_or(&shown);
    let (changes, tag) = edits(stage, device, ledger.serial, &key, before);
    ledger.serial += 1;
    let intent = match (&seen, tag) {
        (_, Some(tag)) => Intent::Tagged { key: key.clone(), tag },
        (Some(_), None) => Intent::None,
        (None, None) => Intent::Changed { key: key.clone(), fields: changes.clone() },
    };
    let seen = seen.map(|fields| ReadVersion { fields });
    (Some(Write::Update { key, changes, seen }), intent)
}

/// Some changed fields, and the tag that was added if that is what changed.
fn edits(
    stage: &mut Stage,
    device: &Device,
    serial: u64,
    key: &EntityKey,
    before: &Fields,
) -> (BTreeMap<String, Option<Value>>, Option<String>) {
    let mut changes = BTreeMap::new();
    let mut put = |name: &str, value: Value| drop(changes.insert(name.to_owned(), Some(value)));
    let mut tag = None;
    let choice = stage.dice.index(4);
    match (key.entity_type.as_str(), choice) {
        ("Goal", _) if key.id.as_str().starts_with(COUNTER_PREFIX) => {
            let step = stage.dice.between(-3, 10);
            put("progress", json!(super::model::number(before.get("progress")) + step));
        }
        ("Note" | "Goal", 0) => {
            let name = format!("tag-{}-{serial}", device.index);
            let mut tags =
                before.get("tags").and_then(Value::as_array).cloned().unwrap_or_default();
            tags.push(json!(name));
            put("tags", Value::Array(tags));
            tag = Some(name);
        }
        ("Note", 1) => {
            let text = before.get("text").and_then(Value::as_str).unwrap_or_default();
            let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
            let at = stage.dice.index(lines.len());
            if let Some(line) = lines.get_mut(at) {
                *line = format!("line by {} ({serial})", device.index);
            }
            put("text", json!(lines.join("\n")));
        }
        ("Goal", 1) => put("best", json!(stage.dice.index(100))),
        ("ManualReading", 0) => drop(changes.insert("note".to_owned(), None)),
        ("ManualReading", _) => put("value", json!(serial)),
        ("UserPreference", _) => put("theme", json!(format!("theme {serial}"))),
        ("Mystery", 0) => put("plain", Value::Null),
        ("Mystery", _) => put("plain", json!([serial])),
        _ => {
            put("title", json!(format!("title {serial} by {}", device.index)));
            if let Some(poison) = poison(stage) {
                put("title", json!(poison));
            }
        }
    }
    (changes, tag)
}

fn delete(stage: &mut Stage, device: &Device, ledger: &mut Ledger) -> (Option<Write>, Intent) {
    let candidates = visible(device, |key| !key.id.as_str().starts_with(COUNTER_PREFIX));
    let Some(key) = stage.dice.pick(&candidates).copied().cloned() else {
        return (None, Intent::None);
    };
    let mut seen = None;
    if stage.fault(stage.rates.stale_form, "stale_form") {
        let mut open = ledger.forms.iter().filter(|form| form.0 == device.index && form.1 == key);
        seen = open.next().map(|form| ReadVersion { fields: form.2.clone() });
    }
    ledger.disturb(&key);
    (Some(Write::Delete { key, seen }), Intent::None)
}

fn undelete(stage: &mut Stage, device: &Device, ledger: &mut Ledger) -> (Option<Write>, Intent) {
    let deleted = device.model.rows.iter();
    let deleted: Vec<_> = deleted
        .filter(|(_, row)| matches!(row.state, RowState::Deleted | RowState::PendingDelete))
        .map(|(key, _)| key)
        .collect();
    let Some(key) = stage.dice.pick(&deleted).copied().cloned() else {
        return (None, Intent::None);
    };
    ledger.serial += 1;
    let fields = Fields::from([("title", json!(format!("again {}", ledger.serial)))]);
    ledger.disturb(&key);
    (Some(Write::Create { key, fields, parents: Vec::new() }), Intent::None)
}

fn batch(stage: &mut Stage, device: &Device, ledger: &mut Ledger) -> (Option<Write>, Intent) {
    let mut writes = Vec::new();
    let mut keys = BTreeSet::new();
    let mut made = Vec::new();
    for _ in 0..2 + stage.dice.index(3) {
        let is_new = stage.dice.chance(600);
        let (write, intent) =
            if is_new { create(stage, device, ledger) } else { update(stage, device, ledger) };
        let (Some(write), Some(key)) = (write, key_of(&intent)) else { continue };
        if keys.insert(key) {
            if let Intent::Made { made: more } = intent {
                made.extend(more);
            }
            writes.push(write);
        }
    }
    let atomic = stage.dice.chance(600);
    (Some(Write::Batch { atomic, writes }), Intent::Made { made })
}

fn key_of(intent: &Intent) -> Option<EntityKey> {
    match intent {
        Intent::Made { made } => made.first().map(|(key, _)| key.clone()),
        Intent::Changed { key, .. } => Some(key.clone()),
        // What a batch adds to tags is not followed.
        Intent::None | Intent::Tagged { .. } => None,
    }
}

/// Some of the samples that every device can find in its health store.
fn import(stage: &mut Stage, _device: &Device) -> Write {
    let mut samples = Vec::new();
    let import_id = stage.dice.between(1, 3);
    for _ in 0..1 + stage.dice.index(4) {
        let number = stage.dice.index(SAMPLES);
        let id = format!("00000000-0000-8000-8000-{number:012}");
        let sibling = format!("00000000-0000-8000-9000-{number:012}");
        let fields = Fields::from([
            ("metric", json!("heart_rate")),
            ("start_ms", json!(1_700_000_000_000_i64 + number as i64 * 60_000)),
            ("value", json!(60 + number)),
            ("source", json!("watch")),
        ]);
        samples.push(ImportSample {
            key: key("HealthMetric", &id),
            sibling: key("HealthMetric", &sibling),
            fields,
            external: None,
        });
    }
    Write::Import(Import { import_id, samples, ..Import::default() })
}

fn rollback(stage: &mut Stage, device: &Device) -> (Option<Write>, Intent) {
    let candidates = device.model.queue.iter().filter(|(_, waiting)| {
        let counts = waiting.key.id.as_str().starts_with(COUNTER_PREFIX);
        !counts || waiting.sent && waiting.kind == Kind::Update
    });
    let candidates: Vec<_> = candidates.map(|(counter, _)| *counter).collect();
    let Some(operation) = stage.dice.pick(&candidates).copied() else {
        return (None, Intent::None);
    };
    if device.model.queue.get(&operation).is_some_and(|waiting| waiting.sent) {
        stage.faults.met("rollback_on_its_way");
    }
    (Some(Write::Rollback { operation }), Intent::None)
}

/// Takes back all that waits of an entity.
fn rollback_entity(stage: &mut Stage, device: &Device) -> (Option<Write>, Intent) {
    let keys = device.model.queue.values().map(|waiting| &waiting.key);
    let keys: BTreeSet<_> =
        keys.filter(|key| !key.id.as_str().starts_with(COUNTER_PREFIX)).collect();
    let keys: Vec<_> = keys.into_iter().collect();
    let Some(key) = stage.dice.pick(&keys).copied().cloned() else { return (None, Intent::None) };
    (Some(Write::RollbackEntity { key }), Intent::None)
}

/// Brings back something of the last that lost, or what was never there.
fn undo(stage: &mut Stage) -> Write {
    let newest = 1 + stage.dice.index(12);
    Write::Undo { history: HistoryId(i64::try_from(newest).unwrap_or(1)) }
}
