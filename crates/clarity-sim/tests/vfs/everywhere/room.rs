//! Making room, and giving it back to the disk: what may not go is there, what went is known, and
//! the sums of every day are what they were.

use std::collections::BTreeMap;

use clarity_client::engine::store::{CursorPart, ListOptions, Month, StoredEntity};
use clarity_client::engine::{Engine, Event, Role, StorageSettings};
use clarity_client::model::{EntityKey, EntityType, Fields, Priority, Seq, ServerTime};
use clarity_sim::vfs::{Disk, DiskImage, MemoryVfs};
use serde_json::json;

use super::machine::{Machine, shipped};
use super::sweep::{Step, Workload};
use super::writes::{MARCH, fields_of, made, note, row_of, sample, update, written};

/// Samples of two months, and some notes.
const SAMPLES: i64 = 30;
const NOTES: i64 = 9;
const PAGE_BYTES: u64 = 4_096;

/// Everything that the store holds, with the numbers that say what is special about each.
fn everything() -> impl Iterator<Item = (i64, EntityKey, Fields)> {
    let samples = (0..SAMPLES).map(|number| {
        let (key, fields) = sample(number);
        (number, key, fields)
    });
    let notes = (0..NOTES).map(|number| {
        (number, note(number), fields_of(json!({"title": format!("title {number}")})))
    });
    samples.chain(notes)
}

/// Whether an entity of the store must stay, because it was not read back, is critical, or is
/// changed here.
fn stays(number: i64) -> bool {
    number % 9 < 3
}

/// A store that has read everything, with things in it that may not go.
fn filled(vfs: &MemoryVfs) -> DiskImage {
    let disk = made(vfs);
    let mut machine = Machine::new(&disk);
    let put = machine.commit(|transaction| {
        for (number, key, fields) in everything() {
            let seq = Seq(if number % 9 == 0 { 0 } else { 9 });
            let row = StoredEntity { seq, updated_at: ServerTime(number), ..row_of(fields) };
            transaction.put_entity(&key, &row)?;
            if number % 9 == 1 {
                transaction.set_kept(&key, Some(Priority::Critical))?;
            }
        }
        transaction.put_cursor_part(&CursorPart {
            part: 0,
            scope: "{}".to_owned(),
            cursor: None,
            caught_up: true,
            pulled_at: Some(ServerTime(MARCH)),
        })
    });
    put.unwrap();
    let changed = everything().filter(|(number, ..)| number % 9 == 2);
    let writes = changed.map(|(_, key, _)| Event::Write(update(key, "text", json!("mine"))));
    machine.handle(Role::Write, writes.collect()).unwrap();
    machine.close();
    disk.clone_image()
}

/// Keeps at most so many bytes from now on.
fn keep_at_most(bytes: u64) -> Step {
    let settings = StorageSettings {
        store_bytes_max: Some(bytes * 10 / 9),
        free_disk_min_bytes: 0,
        ..StorageSettings::default()
    };
    Step::new(move |machine| {
        let engine = Engine::new(&shipped());
        machine.commit(|transaction| engine.set_storage(transaction, &settings))
    })
}

/// Gives up a slice; says whether there is more to give up.
fn make_room(machine: &mut Machine) -> anyhow::Result<bool> {
    Ok(machine.handle(Role::Drain, vec![Event::Timer])?.more)
}

/// Takes a step where the steps are made, and adds it to them.
fn take(steps: &mut Vec<Step>, machine: &mut Machine, step: Step) {
    step.take(machine, steps.len()).unwrap();
    steps.push(step);
}

fn give_back(bytes: u64) -> Step {
    Step::new(move |machine| Ok(machine.store()?.give_back_space(bytes)?))
}

fn empty_log() -> Step {
    Step::new(|machine| {
        machine.store()?.empty_log()?;
        Ok(())
    })
}

/// Makes some room, then all that can be made, and gives back what it freed.
pub(super) fn prune(vfs: &MemoryVfs) -> Workload {
    let before = filled(vfs);
    let mut machine = Machine::new(&Disk::from_image(vfs, &before, 1));
    let live = machine.commit(|transaction| transaction.live_bytes()).unwrap();
    let mut steps: Vec<Step> = Vec::new();
    for most in [live.saturating_sub(2 * PAGE_BYTES), 0] {
        take(&mut steps, &mut machine, keep_at_most(most));
        loop {
            machine.begin_step(steps.len());
            let more = make_room(&mut machine).unwrap();
            steps.push(Step::new(|machine| make_room(machine).map(|_| ())));
            if !more {
                break;
            }
        }
        take(&mut steps, &mut machine, give_back(1_000_000));
        take(&mut steps, &mut machine, empty_log());
    }
    machine.close();
    let may_go = everything().filter(|(number, ..)| !stays(*number)).count();
    assert_eq!(gone(&machine.disk), may_go as u64);
    let told = told(&Disk::from_image(vfs, &before, 1));
    assert!(told.protected.values().all(Option::is_some));
    let holds = move |disk: &Disk| assert!(self::told(disk) == told, "something is missing");
    Workload { before, steps, schema: shipped(), holds: Box::new(holds) }
}

/// What can be told of a store, apart from how much of it went.
#[derive(PartialEq)]
struct Told {
    sums: Vec<(i64, u64, f64, f64, f64)>,
    waiting: u64,
    protected: BTreeMap<EntityKey, Option<Fields>>,
}

/// Looks at a store, and checks that everything is either here or known as given up.
fn told(disk: &Disk) -> Told {
    let mut machine = Machine::new(disk);
    let mut transaction = machine.store().unwrap().begin().unwrap();
    assert_eq!(transaction.inconsistencies().unwrap(), []);
    let engine = Engine::new(&shipped());
    let of_type = EntityType::new("HealthMetric").unwrap();
    let mut gone = 0;
    for (_, key, _) in everything() {
        let here = transaction.entity(&key).unwrap().is_some();
        let known = engine.absence(&transaction, &key).unwrap().is_some();
        assert_ne!(here, known, "{key:?}");
        gone += u64::from(known);
    }
    let months = transaction.evicted_months(None).unwrap();
    let counted: u64 = months.iter().map(|marker| marker.count).sum();
    let single = transaction.count_evicted_entities().unwrap();
    assert_eq!(counted + single.iter().map(|(_, count)| count).sum::<u64>(), gone);
    let recorded = transaction.evictions(1_000).unwrap();
    assert_eq!(recorded.iter().map(|eviction| eviction.count).sum::<u64>(), gone);
    assert!(months.iter().all(|marker| marker.month >= Month::of_ms(MARCH)));
    let days = transaction.rollups(&of_type, "steps", None, 0..99_999).unwrap();
    let sums = days.into_iter().map(|day| (day.day, day.count, day.sum, day.min, day.max));
    let protected = everything().filter(|(number, ..)| stays(*number)).map(|(_, key, _)| {
        let row = transaction.entity(&key).unwrap();
        (key, row.map(|row| row.fields))
    });
    let protected = protected.collect();
    let waiting = transaction.queue_counts().unwrap().total();
    let options = ListOptions { limit: 10_000, ..ListOptions::default() };
    let listed = transaction.list_entities(&of_type, &options).unwrap().len();
    assert_eq!(transaction.count_entities(&of_type).unwrap(), listed as u64);
    Told { sums: sums.collect(), waiting, protected }
}

/// How much was given up.
fn gone(disk: &Disk) -> u64 {
    let mut machine = Machine::new(disk);
    let transaction = machine.store().unwrap().begin().unwrap();
    transaction.evictions(1_000).unwrap().iter().map(|eviction| eviction.count).sum()
}

/// Space that deleted rows leave is given back between writes, and the log is emptied.
pub(super) fn vacuum(vfs: &MemoryVfs) -> Workload {
    let disk = made(vfs);
    let mut machine = Machine::new(&disk);
    let put = machine.commit(|transaction| {
        for (_, key, mut fields) in everything() {
            fields.insert("text".to_owned(), json!("long ".repeat(400)));
            transaction.put_entity(&key, &row_of(fields))?;
        }
        Ok(())
    });
    put.unwrap();
    let removed = machine.commit(|transaction| {
        for (_, key, _) in everything().filter(|(number, ..)| number % 3 > 0) {
            transaction.remove_entity(&key)?;
        }
        Ok(())
    });
    removed.unwrap();
    machine.close();
    let steps = vec![
        give_back(3 * PAGE_BYTES),
        written(update(note(0), "title", json!("while there is room"))),
        give_back(1_000_000),
        empty_log(),
        written(update(note(3), "title", json!("when there is none"))),
        empty_log(),
    ];
    Workload { steps, ..Workload::of(&disk) }
}
