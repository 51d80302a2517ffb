//! What is given up for space: the order, what never goes, and what is known of what went.

use std::collections::BTreeSet;

use clarity_engine::protocol::model::{EntityKey, Fields, Priority, Seq, ServerTime, Version};
use clarity_engine::protocol::{FailureClass, Row};
use clarity_engine::store::{Month, OperationState, RowState, StoredEntity, Unit};
use clarity_engine::{
    Event, Import, ImportSample, Pause, Resolution, StorageSettings, Wanted, Write, WriteError,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{Bench, HOUR_MS, START, key, note, update, wire};

/// The first millisecond of March 2024.
pub(crate) const MARCH: i64 = 1_709_251_200_000;
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;

/// Settings by which whatever may go goes.
pub(crate) fn nothing() -> StorageSettings {
    StorageSettings { budget_bytes: 0, ..StorageSettings::default() }
}

pub(crate) fn set(bench: &mut Bench, settings: StorageSettings) {
    let engine = bench.engine();
    let mut tx = bench.store().begin().unwrap();
    engine.set_storage(&mut tx, &settings).unwrap();
    tx.commit().unwrap();
}

pub(crate) fn keep(bench: &mut Bench, key: &EntityKey, priority: Option<Priority>) {
    let engine = bench.engine();
    let mut tx = bench.store().begin().unwrap();
    engine.keep(&mut tx, key, priority).unwrap();
    tx.commit().unwrap();
}

/// Lets the engine make room until it has nothing more to do.
pub(crate) fn make_room(bench: &mut Bench) {
    bench.event(Event::Timer);
    while bench.more {
        bench.event(Event::Timer);
    }
}

fn sample_key(number: u64, time_ms: i64) -> EntityKey {
    let id = format!("{:08x}-{:04x}-8000-8000-{number:012x}", time_ms >> 16, time_ms & 0xffff);
    key("HealthMetric", &id)
}

pub(crate) fn sample(number: u64, time_ms: i64, value: u64) -> (EntityKey, Value) {
    let fields = json!({"metric": "steps", "start_ms": time_ms, "value": value, "source": "watch"});
    (sample_key(number, time_ms), fields)
}

fn put(bench: &mut Bench, key: &EntityKey, fields: Value, updated_at: i64) {
    let row = StoredEntity {
        fields: wire::fields(fields),
        version: Version(1),
        seq: Seq(7),
        updated_at: ServerTime(updated_at),
        state: RowState::Clean,
        import_id: None,
    };
    let mut tx = bench.store().begin().unwrap();
    tx.put_entity(key, &row).unwrap();
    tx.commit().unwrap();
}

pub(crate) fn is_here(bench: &mut Bench, key: &EntityKey) -> bool {
    bench.store().begin().unwrap().entity(key).unwrap().is_some()
}

pub(crate) fn is_known(bench: &mut Bench, key: &EntityKey) -> bool {
    let engine = bench.engine();
    let tx = bench.store().begin().unwrap();
    engine.absence(&tx, key).unwrap().is_some()
}

/// Something that a random store holds.
#[derive(Debug, Clone)]
struct Thing {
    kind: usize,
    used: i64,
    kept: Option<Priority>,
    /// What is done to it on the device.
    deed: usize,
}

fn things() -> impl Strategy<Value = Vec<Thing>> {
    let kept = prop_oneof![
        6 => Just(None),
        1 => Just(Some(Priority::Low)),
        1 => Just(Some(Priority::High)),
        1 => Just(Some(Priority::Critical)),
    ];
    let thing = (0..6_usize, 0..40_i64, kept, 0..12_usize);
    let thing = thing.prop_map(|(kind, used, kept, deed)| Thing { kind, used, kept, deed });
    proptest::collection::vec(thing, 1..40)
}

impl Thing {
    fn key(&self, number: usize) -> EntityKey {
        let name = format!("thing-{number:03}");
        let number = number as u64;
        match self.kind {
            0 => note(&name),
            1 => key("Goal", &name),
            2 => key("Mystery", &name),
            3 => sample_key(number, MARCH + self.used * DAY_MS * 10),
            4 => {
                let sample = sample_key(number, MARCH + self.used * DAY_MS * 10);
                EntityKey { entity_type: key("WorkoutRoute", "x").entity_type, id: sample.id }
            }
            _ => key("UserPreference", &name),
        }
    }

    fn fields(&self) -> Value {
        match self.kind {
            3 | 4 => json!({"start_ms": MARCH + self.used * DAY_MS * 10, "metric": "steps"}),
            _ => json!({"title": format!("title {}", self.used), "x": 1}),
        }
    }

    /// What the order goes by: priority, last use, months before entities, and the name.
    fn place(&self, bench: &mut Bench, key: &EntityKey) -> Option<(Priority, i64, Unit)> {
        let declared = bench.store().schema().type_schema(&key.entity_type).clone();
        let priority = self.kept.unwrap_or(declared.priority);
        let month = Month::of_key(key).filter(|_| declared.window.is_some() && self.kept.is_none());
        let unit = match month {
            Some(month) => Unit::Month(key.entity_type.clone(), month),
            None => Unit::Entity(key.clone()),
        };
        let used = if month.is_some() { 0 } else { self.used * HOUR_MS };
        (priority != Priority::Critical).then_some((priority, used, unit))
    }
}

/// A store whose first sync ended at the beginning of time, so that nothing is floored.
fn bench_of(things: &[Thing]) -> (Bench, Vec<EntityKey>) {
    let mut bench = Bench::online();
    let mut tx = bench.store().begin().unwrap();
    tx.remove_state("storage_work").unwrap();
    tx.commit().unwrap();
    let mut keys = Vec::new();
    for (number, thing) in things.iter().enumerate() {
        let key = thing.key(number);
        put(&mut bench, &key, thing.fields(), thing.used * HOUR_MS);
        let mut tx = bench.store().begin().unwrap();
        tx.set_kept(&key, thing.kept).unwrap();
        tx.commit().unwrap();
        keys.push(key);
    }
    (bench, keys)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Shows that what goes first is what the documented order says, and that what is given up
    /// when only some has to go is the beginning of that order.
    #[test]
    fn evicts_in_the_documented_order(things in things(), part in 1..6_u64) {
        let (mut bench, keys) = bench_of(&things);
        let mut places = BTreeSet::new();
        for (thing, key) in things.iter().zip(&keys) {
            places.extend(thing.place(&mut bench, key));
        }
        let expected: Vec<Unit> = places.into_iter().map(|(_, _, unit)| unit).collect();
        let engine = bench.engine();
        let (order, live) = {
            let tx = bench.store().begin().unwrap();
            (engine.next_to_go(&tx, usize::MAX).unwrap(), tx.live_bytes().unwrap())
        };
        prop_assert_eq!(&order, &expected);
        // A little less than there is: some has to go.
        let settings = StorageSettings {
            store_bytes_max: Some(live.saturating_sub(part * 4_096) * 10 / 9),
            ..StorageSettings::default()
        };
        set(&mut bench, settings);
        make_room(&mut bench);
        let of_unit = |unit: &Unit, key: &EntityKey| match unit {
            Unit::Entity(one) => one == key,
            Unit::Month(of_type, month) => {
                key.entity_type == *of_type && Month::of_key(key) == Some(*month)
            }
        };
        let mut stayed = false;
        for unit in &order {
            for (thing, key) in things.iter().zip(&keys) {
                let in_month = matches!(unit, Unit::Month(..)) && thing.kept.is_some();
                if !of_unit(unit, key) || in_month {
                    continue;
                }
                let here = is_here(&mut bench, key);
                prop_assert!(here || !stayed, "{:?} went before its turn", unit);
                stayed |= here;
            }
        }
    }

    /// Shows that with no room at all everything that may go goes and nothing else, whatever state
    /// it is in, that all of it is known, and that nothing that waits is touched.
    #[test]
    fn nothing_protected_goes(things in things()) {
        let (mut bench, keys) = bench_of(&things);
        let mut protected = BTreeSet::new();
        for (thing, key) in things.iter().zip(&keys) {
            let is_protected = disturb(&mut bench, thing, key);
            if is_protected || thing.place(&mut bench, key).is_none() {
                protected.insert(key.clone());
            }
        }
        let before = waiting(&mut bench);
        set(&mut bench, nothing());
        make_room(&mut bench);
        prop_assert_eq!(waiting(&mut bench), before);
        for key in &keys {
            let here = is_here(&mut bench, key);
            prop_assert_eq!(here, protected.contains(key), "{:?}", key.entity_type);
            prop_assert!(here || is_known(&mut bench, key));
        }
        // And what may not go is not tried again and again.
        let tx = bench.store().begin().unwrap();
        prop_assert!(tx.evictions(usize::MAX).unwrap().len() <= things.len());
    }
}

/// Does something to an entity that keeps it on the device; says whether it does.
fn disturb(bench: &mut Bench, thing: &Thing, key: &EntityKey) -> bool {
    let change = json!({"title": "mine"});
    match thing.deed {
        0 => drop(bench.update(key, change)),
        1 => drop(bench.delete(key)),
        2 => {
            // Acknowledged, and not read back.
            let mut tx = bench.store().begin().unwrap();
            tx.set_entity_seq(key, Seq(0)).unwrap();
            tx.commit().unwrap();
        }
        state @ 3..=5 => {
            let operation = bench.update(key, change);
            let states =
                [OperationState::Failed, OperationState::SetAside, OperationState::Conflicted];
            let mut tx = bench.store().begin().unwrap();
            tx.set_operation_state(operation, states[state - 3]).unwrap();
            let later = START.plus_ms(HOUR_MS);
            tx.note_attempt(operation, 3, Some(later), None).unwrap();
            tx.commit().unwrap();
        }
        6 => {
            // One that waits for another one.
            let parent = bench.create(&note(&format!("parent of {}", key.id.as_str())), json!({}));
            let operation = bench.update(key, change);
            let mut tx = bench.store().begin().unwrap();
            tx.add_parent(operation, parent).unwrap();
            tx.set_operation_state(operation, OperationState::Blocked).unwrap();
            tx.commit().unwrap();
        }
        _ => return false,
    }
    true
}

/// Everything that waits, with its row.
fn waiting(bench: &mut Bench) -> Vec<(u64, OperationState, Option<StoredEntity>)> {
    let tx = bench.store().begin().unwrap();
    let states = [
        OperationState::Ready,
        OperationState::InFlight,
        OperationState::Blocked,
        OperationState::Failed,
        OperationState::SetAside,
        OperationState::Conflicted,
    ];
    let mut found = Vec::new();
    for state in states {
        let first = clarity_engine::protocol::model::Counter(0);
        for operation in tx.operations_in_state(state, first, usize::MAX).unwrap() {
            let row = tx.entity(&operation.key).unwrap();
            found.push((operation.counter.0, state, row));
        }
    }
    found.sort_by_key(|one| one.0);
    found
}

/// A store that has given up the note "one", at its version 1.
pub(crate) fn without_a_note() -> (Bench, EntityKey) {
    let one = note("one");
    let mut bench = Bench::with(&one, json!({"title": "first"}));
    set(&mut bench, nothing());
    make_room(&mut bench);
    assert!(!is_here(&mut bench, &one));
    (bench, one)
}

pub(crate) fn version_of_marker(bench: &mut Bench, key: &EntityKey) -> Option<u64> {
    let tx = bench.store().begin().unwrap();
    tx.evicted_entity(key).unwrap().map(|marker| marker.version.0)
}

/// Shows that a new version of what was given up moves its marker and does not bring it back, that
/// telling it in short is no gap, and that a delete is honoured.
#[test]
fn a_pull_does_not_bring_it_back() {
    let (mut bench, one) = without_a_note();
    bench.pull(&[wire::row(&one, 4, json!({"title": "theirs"}))]);
    assert!(!is_here(&mut bench, &one));
    assert_eq!(version_of_marker(&mut bench, &one), Some(4));
    let short = Row { fields: None, ..wire::row(&one, 5, json!({})) };
    bench.pull(&[short]);
    assert_eq!(version_of_marker(&mut bench, &one), Some(5));
    assert!(bench.status().idle, "nothing is read again");
    let deleted = Row { fields: None, deleted: true, ..wire::row(&one, 6, json!({})) };
    bench.pull(&[deleted]);
    assert_eq!(version_of_marker(&mut bench, &one), None);
    assert!(!is_known(&mut bench, &one));
    let tx = bench.store().begin().unwrap();
    assert_eq!(tx.entity(&one).unwrap().map(|row| row.state), Some(RowState::Deleted));
}

/// The wishes that bring an entity: for it, and for all of its type.
pub(crate) fn wishes_for(key: &EntityKey) -> [Wanted; 2] {
    [Wanted::Key(key.clone()), Wanted::Type(key.entity_type.clone())]
}

/// Shows that what was asked for, by name or with its type, is kept when a pull brings it while it
/// is wanted.
#[test]
fn a_pull_brings_what_is_wanted() {
    for wanted in wishes_for(&note("one")) {
        let (mut bench, one) = without_a_note();
        set(&mut bench, StorageSettings::default());
        bench.write(Write::Fetch { wanted: vec![wanted] });
        bench.pull(&[wire::row(&one, 4, json!({"title": "theirs"}))]);
        assert_eq!(bench.see(&one), Some(json!({"title": "theirs"})));
        assert_eq!(version_of_marker(&mut bench, &one), None);
    }
}

/// Shows that an edit and a delete of what was given up are refused in words and want it fetched,
/// and that making it anew says that it exists: nothing is doubled or written over.
#[test]
fn writes_meet_what_was_given_up() {
    let (mut bench, one) = without_a_note();
    let refused = bench.try_write(update(&one, json!({"title": "mine"}), None));
    assert!(matches!(refused, Err(WriteError::Away)), "{refused:?}");
    assert!(WriteError::Away.to_string().contains("fetched"));
    let wanted = bench.store().begin().unwrap().key_wanted(&one).unwrap();
    assert!(wanted.is_some());
    let refused = bench.try_write(Write::Delete { key: one.clone(), seen: None });
    assert!(matches!(refused, Err(WriteError::Away)));
    let fields = Fields::new();
    let refused = bench.try_write(Write::Create { key: one, fields, parents: Vec::new() });
    assert!(matches!(refused, Err(WriteError::Exists)));
    let refused = bench.try_write(update(&note("never"), json!({"title": "mine"}), None));
    assert!(matches!(refused, Err(WriteError::NotFound)));
    assert!(waiting(&mut bench).is_empty());
}

/// A store that has given up some samples of March.
pub(crate) fn without_samples(samples: &[(EntityKey, Value)]) -> Bench {
    let mut bench = Bench::new();
    let rows: Vec<Row> =
        samples.iter().map(|(key, fields)| wire::row(key, 1, fields.clone())).collect();
    bench.answer_pull(&rows);
    set(&mut bench, nothing());
    make_room(&mut bench);
    for (key, _) in samples {
        assert!(!is_here(&mut bench, key));
    }
    bench
}

fn import(bench: &mut Bench, samples: &[(EntityKey, Value)]) -> clarity_engine::Imported {
    let samples = samples.iter().map(|(one, fields)| {
        let sibling = EntityKey { id: sample_key(999, MARCH).id, ..one.clone() };
        ImportSample {
            key: one.clone(),
            sibling,
            fields: wire::fields(fields.clone()),
            external: None,
        }
    });
    bench
        .write(Write::Import(Import {
            import_id: 5,
            samples: samples.collect(),
            ..Import::default()
        }))
        .imported
}

/// Shows that importing samples again that were given up changes nothing and sends nothing, and
/// that a corrected one is made, so that the server can say what stands.
#[test]
fn an_import_knows_what_was_given_up() {
    let samples: Vec<_> = (1..5).map(|n| sample(n, MARCH + n.cast_signed() * 1_000, n)).collect();
    let mut bench = without_samples(&samples);
    let imported = import(&mut bench, &samples);
    assert_eq!((imported.duplicate, imported.new), (4, 0));
    assert!(waiting(&mut bench).is_empty());
    let mut corrected = samples[0].clone();
    corrected.1["value"] = json!(1_000);
    let imported = import(&mut bench, &[corrected]);
    assert_eq!((imported.duplicate, imported.new), (0, 1));
    assert_eq!(waiting(&mut bench).len(), 1);
    let of_type = samples[0].0.entity_type.clone();
    let tx = bench.store().begin().unwrap();
    assert!(tx.evicted_month(&of_type, Month::of_ms(MARCH)).unwrap().unwrap().stale);
}

/// Shows that importing a single entity that was given up waits for the fetch instead of guessing.
#[test]
fn an_import_of_a_single_entity_waits_for_it() {
    let day = key("ActivitySummary", "2024-03-01");
    let mut bench = Bench::with(&day, json!({"day": "2024-03-01", "active": 4}));
    set(&mut bench, nothing());
    make_room(&mut bench);
    let imported = import(&mut bench, &[(day.clone(), json!({"day": "2024-03-01", "active": 5}))]);
    assert_eq!((imported.away, imported.new, imported.changed), (1, 0, 0));
    assert!(waiting(&mut bench).is_empty());
    let tx = bench.store().begin().unwrap();
    assert!(tx.key_wanted(&day).unwrap().is_some());
}

pub(crate) fn steps(bench: &mut Bench) -> Vec<(u64, f64)> {
    let of_type = sample_key(1, MARCH).entity_type;
    let mut tx = bench.store().begin().unwrap();
    let days = tx.rollups(&of_type, "steps", None, 0..99_999).unwrap();
    days.into_iter().map(|day| (day.count, day.sum)).collect()
}

/// Shows that the sums of evicted days are still there, that a new sample of such a day joins them
/// without coming to the device, and that a changed or deleted one says that they may not hold.
#[test]
fn sums_of_evicted_days_are_kept() {
    let samples = [sample(1, MARCH + 5, 10), sample(2, MARCH + 9, 20)];
    let of_type = samples[0].0.entity_type.clone();
    let mut bench = without_samples(&samples);
    assert_eq!(steps(&mut bench), [(2, 30.0)]);
    let stale = |bench: &mut Bench| {
        let tx = bench.store().begin().unwrap();
        tx.evicted_month(&of_type, Month::of_ms(MARCH)).unwrap().unwrap().stale
    };
    let (third, fields) = sample(3, MARCH + 7, 5);
    bench.pull(&[wire::row(&third, 1, fields.clone())]);
    assert!(!is_here(&mut bench, &third) && is_known(&mut bench, &third));
    assert_eq!((steps(&mut bench), stale(&mut bench)), (vec![(3, 35.0)], false));
    // The same page again, as after a reset, counts once.
    bench.pull(&[wire::row(&third, 1, fields)]);
    assert_eq!((steps(&mut bench), stale(&mut bench)), (vec![(3, 35.0)], false));
    let deleted = Row { fields: None, deleted: true, ..wire::row(&samples[0].0, 2, json!({})) };
    bench.pull(&[deleted]);
    assert!(stale(&mut bench));
}

/// Shows that what is too old goes while the device is in touch with the server, by the server's
/// clock, that what was used stays, and that nothing grows old offline.
#[test]
fn age_counts_only_in_touch() {
    let (old, used) = (note("old"), note("used"));
    let mut bench = Bench::new();
    let rows = [wire::row(&old, 1, json!({"a": 1})), wire::row(&used, 1, json!({"a": 1}))];
    bench.answer_pull_with(wire::page_at(&rows, ServerTime(10 * DAY_MS)));
    bench.now = START.plus_ms(40 * DAY_MS);
    // Away from the server for forty days: the clock of the device says nothing.
    bench.event(Event::Timer);
    make_room(&mut bench);
    assert!(is_here(&mut bench, &old) && is_here(&mut bench, &used));
    bench.fail_only(FailureClass::Offline);
    make_room(&mut bench);
    assert!(is_here(&mut bench, &old));
    bench.event(Event::SyncNow);
    bench.answer_pull_with(wire::page_at(&[], ServerTime(35 * DAY_MS)));
    bench.event(Event::Accessed { keys: vec![used.clone()], months: BTreeSet::new() });
    make_room(&mut bench);
    assert!(is_here(&mut bench, &old), "25 days since it came");
    bench.event(Event::SyncNow);
    bench.answer_pull_with(wire::page_at(&[], ServerTime(41 * DAY_MS)));
    make_room(&mut bench);
    assert!(!is_here(&mut bench, &old) && is_known(&mut bench, &old));
    assert!(is_here(&mut bench, &used));
    let tx = bench.store().begin().unwrap();
    let eviction = &tx.evictions(9).unwrap()[0];
    assert_eq!(eviction.reason, clarity_engine::store::EvictionReason::Age);
}

/// Shows that at the hard limit new changes are refused in words and nothing is read, that what
/// waits goes out all the same, that settling goes on, and that it heals by itself.
#[test]
fn a_full_disk_pauses_what_fills_it() {
    let one = note("one");
    let mut bench = Bench::with(&one, json!({"title": "first"}));
    let waiting = bench.update(&one, json!({"title": "mine"}));
    bench.event(Event::DiskSpace { free_bytes: Some(150_000_000) });
    let stalled = bench.status().stalled.unwrap();
    assert_eq!(stalled.why, Pause::StorageFull);
    assert!(stalled.message.contains("free some space"));
    assert_eq!(bench.status().attention, [clarity_engine::Attention::StorageFull]);
    let fields = Fields::new();
    let write = Write::Create { key: note("two"), fields, parents: Vec::new() };
    assert!(matches!(bench.try_write(write.clone()), Err(WriteError::StorageFull)));
    assert!(WriteError::StorageFull.to_string().contains("free some space"));
    bench.apply_push();
    assert_eq!(bench.operation(waiting), None);
    bench.event(Event::SyncNow);
    assert!(bench.pulls.is_empty(), "nothing is read");
    bench.restart();
    assert!(bench.pulls.is_empty(), "not after a restart either");
    assert!(matches!(bench.try_write(write.clone()), Err(WriteError::StorageFull)));
    let operation = bench.delete(&one);
    bench.apply_push();
    assert_eq!(bench.operation(operation), None);
    // Barely enough is not taken for enough.
    bench.event(Event::DiskSpace { free_bytes: Some(200_000_001) });
    assert!(bench.status().stalled.is_some());
    bench.event(Event::DiskSpace { free_bytes: Some(300_000_000) });
    assert_eq!(bench.status().stalled, None);
    assert_eq!(bench.pulls.len(), 1);
    bench.write(write);
}

/// Shows that a failing network while there is no room leaves a timer and not a loop.
#[test]
fn no_room_and_no_network() {
    let mut bench = Bench::new();
    bench.event(Event::DiskSpace { free_bytes: Some(0) });
    bench.fail_only(FailureClass::Offline);
    for _ in 0..5 {
        bench.wake();
        assert!(bench.pulls.is_empty());
    }
    bench.event(Event::DiskSpace { free_bytes: None });
    assert_eq!(bench.status().stalled.map(|stalled| stalled.why), Some(Pause::Offline));
}

/// Shows that a priority of its own is kept, read back and taken back.
#[test]
fn priorities_of_single_entities() {
    let (one, two) = (note("one"), note("two"));
    let mut bench = Bench::new();
    let rows = [wire::row(&one, 1, json!({"a": 1})), wire::row(&two, 1, json!({"a": 1}))];
    bench.answer_pull(&rows);
    let engine = bench.engine();
    keep(&mut bench, &one, Some(Priority::Critical));
    set(&mut bench, nothing());
    make_room(&mut bench);
    assert!(is_here(&mut bench, &one) && !is_here(&mut bench, &two));
    keep(&mut bench, &one, None);
    keep(&mut bench, &two, Some(Priority::High));
    make_room(&mut bench);
    assert!(!is_here(&mut bench, &one));
    let tx = bench.store().begin().unwrap();
    assert_eq!(tx.kept(&one).unwrap(), None);
    assert_eq!(tx.kept(&two).unwrap(), Some(Priority::High));
    let report = engine.storage(&tx).unwrap();
    assert_eq!((report.evicted_total, report.types[0].evicted), (2, 2));
    assert!(report.over_budget && !report.full);
}

/// Shows that a conflict keeps its entity on the device until it is settled and read back.
#[test]
fn a_conflict_keeps_its_entity() {
    let one = key("Goal", "one");
    let mut bench = Bench::with(&one, json!({"title": "first"}));
    bench.update_seen(&one, json!({"title": "mine"}), json!({"title": "older"}));
    set(&mut bench, nothing());
    make_room(&mut bench);
    let conflict = bench.only_conflict();
    assert!(is_here(&mut bench, &one));
    bench.resolve(&conflict, Resolution::KeepMine).unwrap();
    make_room(&mut bench);
    assert!(is_here(&mut bench, &one));
}
