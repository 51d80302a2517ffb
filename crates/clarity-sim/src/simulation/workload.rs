//! What people and the platform do with a device.

use std::collections::{BTreeMap, BTreeSet};

use clarity_engine::protocol::model::{Counter, EntityKey, Fields, Kind, ReadVersion};
use clarity_engine::protocol::{Hint, HintKind};
use clarity_engine::{
    Event, ExternalName, FeedCursor, FeedStep, HistoryId, Import, ImportDeletion, ImportSample,
    Wanted, Write, new_entity_id,
};
use clarity_store::RowState;
use serde_json::{Value, json};

use super::device::Device;
use super::model::COUNTER_PREFIX;
use super::scenario::ActKind;
use super::server::{POISON_ERROR, POISON_LARGE, POISON_REFUSED, POISON_UNREADABLE};
use super::stage::Stage;

/// A field that no schema knows; written once, and never changed by anybody (promise I9).
pub(crate) const ORIGIN: &str = "x_origin";
/// The entity that must be at the server before this one (promise I5).
pub(crate) const PARENT: &str = "x_parent";
/// How many different samples there are to import.
const SAMPLES: usize = 12;
/// How many other samples a person has from the beginning.
const FIRST_SAMPLES: usize = 24;
/// The samples of a source that gives them names of its own.
const NAMED_SAMPLES: std::ops::Range<usize> = 60..72;
/// How much is written at once when it is very much.
const MANY: usize = 40;
/// How much else a person has from the beginning.
const FIRST_THINGS: usize = 14;

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
    /// Whether a device was set back, or the server by somebody who did not say so: what was
    /// accepted may be gone.
    pub(crate) is_set_back: bool,
    /// Whether the server was restored: what was made since may have taken the place of what it
    /// had lost.
    pub(crate) is_restored: bool,
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

/// Chooses how something happens on a device.
pub(crate) fn act(
    stage: &mut Stage,
    device: &Device,
    ledger: &mut Ledger,
    kind: ActKind,
) -> (Event, Intent) {
    let event = match kind {
        ActKind::Foreground => Event::Foreground,
        ActKind::SyncNow => Event::SyncNow,
        ActKind::Network => Event::NetworkChanged { online: stage.dice.chance(700) },
        ActKind::Push => Event::PushReceived(Hint { kind: HintKind::Urgent, ..Hint::full() }),
        ActKind::Pause => {
            let until = device.local_time(stage).plus_ms(stage.dice.any_scale(1_000, 3_600_000));
            Event::Pause { until: stage.dice.chance(800).then_some(until) }
        }
        ActKind::Resume => Event::Resume,
        ActKind::OtherProcess => Event::StoreChanged,
        ActKind::DiskSpace => {
            // Nearly full for a while, mostly not.
            let free_bytes = if stage.dice.chance(300) { 1_000 } else { 1 << 40 };
            Event::DiskSpace { free_bytes: Some(free_bytes) }
        }
        ActKind::Look => look(stage, device, ledger),
        kind => {
            let (write, intent) = write(stage, device, ledger, kind);
            return (write.map_or(Event::Timer, Event::Write), intent);
        }
    };
    (event, Intent::None)
}

fn write(
    stage: &mut Stage,
    device: &Device,
    ledger: &mut Ledger,
    kind: ActKind,
) -> (Option<Write>, Intent) {
    match kind {
        ActKind::Create => create(stage, device, ledger),
        ActKind::Delete => delete(stage, device, ledger),
        ActKind::Undelete => undelete(stage, device, ledger),
        ActKind::Batch => batch(stage, device, ledger),
        ActKind::Import => (Some(import(stage, device)), Intent::None),
        ActKind::SourceChanges => (Some(source_changes(stage, device)), Intent::None),
        ActKind::ManyWrites => many(stage, device, ledger),
        ActKind::Rollback => rollback(stage, device),
        ActKind::RollbackEntity => rollback_entity(stage, device),
        ActKind::Undo => (Some(undo(stage)), Intent::None),
        ActKind::Settle => (super::person::settle_something(stage, device), Intent::None),
        _ => update(stage, device, ledger),
    }
}

/// What a person has from the beginning, in one batch and one import.
pub(crate) fn first_things(
    stage: &mut Stage,
    device: &Device,
    ledger: &mut Ledger,
) -> Vec<(Event, Intent)> {
    let mut writes = Vec::new();
    let mut made = Vec::new();
    while writes.len() < FIRST_THINGS {
        let (write, intent) = create(stage, device, ledger);
        let Intent::Made { made: more } = intent else { continue };
        let is_new = |key: &EntityKey| made.iter().all(|(known, _)| known != key);
        if let Some(write) = write.filter(|_| more.iter().all(|(key, _)| is_new(key))) {
            writes.push(write);
            made.extend(more);
        }
    }
    let batch = Write::Batch { atomic: false, writes };
    let samples = Import {
        import_id: 9,
        samples: samples(device, SAMPLES..SAMPLES + FIRST_SAMPLES),
        ..Import::default()
    };
    vec![
        (Event::Write(batch), Intent::Made { made }),
        (Event::Write(Write::Import(samples)), Intent::None),
    ]
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
    let of = canary(device.account);
    let origin = json!({ "of": of, "serial": serial, "odd": [null, 1.5, "ü\n", device.index] });
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
            fields.insert(
                "theme".to_owned(),
                json!(format!("theme {serial} {}", canary(device.account))),
            );
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

/// Words that are in what the people of an account write, and nowhere else (promise I11).
pub(crate) fn canary(account: usize) -> String {
    format!("canary-of-account-{account}")
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

/// Very many things at once, as after a long time offline.
fn many(stage: &mut Stage, device: &Device, ledger: &mut Ledger) -> (Option<Write>, Intent) {
    stage.met("many_writes");
    let mut writes = Vec::new();
    let mut made = Vec::new();
    for _ in 0..MANY {
        let (Some(write), Intent::Made { made: more }) = create(stage, device, ledger) else {
            continue;
        };
        if more.iter().all(|(key, _)| made.iter().all(|(known, _)| known != key)) {
            writes.push(write);
            made.extend(more);
        }
    }
    (Some(Write::Batch { atomic: false, writes }), Intent::Made { made })
}

/// A page of a source that names its things: some new, some changed, some gone.
fn source_changes(stage: &mut Stage, device: &Device) -> Write {
    stage.met("source_page");
    let mut numbers = BTreeSet::new();
    for _ in 0..2 + stage.dice.index(4) {
        numbers.insert(NAMED_SAMPLES.start + stage.dice.index(NAMED_SAMPLES.len()));
    }
    let (mut kept, mut gone) = (Vec::new(), Vec::new());
    for number in numbers {
        let is_gone = stage.dice.chance(350);
        if is_gone { gone.push(number) } else { kept.push(number) }
    }
    let mut samples = samples(device, kept.iter().copied());
    for (sample, number) in samples.iter_mut().zip(kept) {
        let version = stage.dice.between(1, 4);
        sample.external =
            Some(ExternalName { id: format!("scale-{number}"), version: Some(version) });
        sample.fields.put("value", Some(json!(60 + number as i64 + version)));
    }
    let deletions = gone.into_iter();
    let deletions =
        deletions.map(|number| ImportDeletion::External(format!("scale-{number}"))).collect();
    let cursor = FeedCursor { bytes: vec![stage.dice.index(200) as u8], schema: 1, scope: 0 };
    let step = Some(FeedStep::Page { next: Some(cursor), compare: false });
    let source = Some("scale".to_owned());
    Write::Import(Import { import_id: 7, samples, source, deletions, step })
}

/// Some of the samples that every device can find in its health store.
fn import(stage: &mut Stage, device: &Device) -> Write {
    let import_id = stage.dice.between(1, 3);
    let numbers: Vec<_> = (0..1 + stage.dice.index(4)).map(|_| stage.dice.index(SAMPLES)).collect();
    let samples = samples(device, numbers);
    Write::Import(Import { import_id, samples, ..Import::default() })
}

fn samples(device: &Device, numbers: impl IntoIterator<Item = usize>) -> Vec<ImportSample> {
    let samples = numbers.into_iter().map(|number| {
        let id = format!("00000000-0000-8000-8000-{number:012}");
        let sibling = format!("00000000-0000-8000-9000-{number:012}");
        let fields = Fields::from([
            ("metric", json!("heart_rate")),
            ("start_ms", json!(1_700_000_000_000_i64 + number as i64 * 60_000)),
            ("value", json!(60 + number)),
            ("source", json!("watch")),
            ("x_of", json!(canary(device.account))),
        ]);
        ImportSample {
            key: key("HealthMetric", &id),
            sibling: key("HealthMetric", &sibling),
            fields,
            external: None,
        }
    });
    samples.collect()
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
