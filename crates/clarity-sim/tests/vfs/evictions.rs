//! Making room, stopped at every operation of the disk: what may not go is there, what went is
//! known, and the sums of every day are what they were.

use std::sync::{Arc, LazyLock};

use clarity_client::engine::store::{
    Birth, CursorPart, ListOptions, Month, OpenOptions, RowState, Store, StoreError, StoredEntity,
};
use clarity_client::engine::{Engine, Entropy, Event, Role, StorageSettings, Write};
use clarity_client::model::{
    EntityKey, EntityType, Fields, Incarnation, LocalTime, Priority, Schema, Seq, ServerTime,
    Version,
};
use clarity_sim::vfs::{CrashMode, Disk, DiskImage, Fault, MemoryVfs};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::new_vfs;

const NAME: &str = "store.db";
const NOW: LocalTime = LocalTime(1_700_000_000_000);
const BIRTH: Birth = Birth { incarnation: Incarnation(7), now: NOW };
/// Samples of two months, and some notes.
const SAMPLES: i64 = 40;
const NOTES: i64 = 12;
/// The first millisecond of March 2024.
const MARCH: i64 = 1_709_251_200_000;
const HOUR_MS: i64 = 3_600_000;

struct Dice(ChaCha8Rng);

impl Dice {
    fn of(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }
}

impl Entropy for Dice {
    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }
}

fn open(disk: &Disk) -> Result<Store, StoreError> {
    let mut options = OpenOptions::new(disk.path(NAME));
    options.vfs = Some(disk.vfs().name().to_owned());
    options.exclusive = true;
    Store::open(&options, schema(), BIRTH)
}

fn schema() -> Arc<Schema> {
    static SHIPPED: LazyLock<Arc<Schema>> = LazyLock::new(|| Arc::new(Schema::shipped().unwrap()));
    Arc::clone(&SHIPPED)
}

fn sample(number: i64) -> EntityKey {
    let time = MARCH + number * 30 * HOUR_MS;
    let id = format!("{:08x}-{:04x}-8000-8000-{number:012x}", time >> 16, time & 0xffff);
    EntityKey::new("HealthMetric", id).unwrap()
}

fn note(number: i64) -> EntityKey {
    EntityKey::new("Note", format!("note-{number:03}")).unwrap()
}

fn everything() -> impl Iterator<Item = EntityKey> {
    (0..SAMPLES).map(sample).chain((0..NOTES).map(note))
}

/// Whether an entity of the store must stay, because it is critical, was not read back, or is
/// changed here.
fn stays(number: i64) -> bool {
    number % 9 < 3
}

/// A store that has read everything, with things in it that may not go.
fn filled(vfs: &MemoryVfs) -> DiskImage {
    let disk = Disk::new(vfs, 1);
    let mut store = open(&disk).unwrap();
    let engine = Engine::new(&schema());
    let mut transaction = store.begin().unwrap();
    let put = |transaction: &mut clarity_client::engine::store::StoreTransaction<'_>,
               key: &EntityKey,
               number: i64,
               fields: Value| {
        let row = StoredEntity {
            fields: serde_json::from_value(fields).unwrap(),
            version: Version(1),
            seq: Seq(if number % 9 == 0 { 0 } else { 9 }),
            updated_at: ServerTime(number),
            state: RowState::Clean,
            import_id: None,
        };
        transaction.put_entity(key, &row).unwrap();
        if number % 9 == 1 {
            transaction.set_kept(key, Some(Priority::Critical)).unwrap();
        }
    };
    for number in 0..SAMPLES {
        let fields = json!({
            "metric": "steps", "source": "watch", "start_ms": MARCH + number * 30 * HOUR_MS,
            "value": number % 97,
        });
        put(&mut transaction, &sample(number), number, fields);
    }
    for number in 0..NOTES {
        put(&mut transaction, &note(number), number, json!({"title": format!("title {number}")}));
    }
    let part = CursorPart {
        part: 0,
        scope: "{}".to_owned(),
        cursor: None,
        caught_up: true,
        pulled_at: Some(ServerTime(MARCH)),
    };
    transaction.put_cursor_part(&part).unwrap();
    let changed = everything().enumerate().filter_map(|(at, key)| {
        let number = i64::try_from(at).unwrap();
        let number = if number < SAMPLES { number } else { number - SAMPLES };
        (number % 9 == 2).then_some(key)
    });
    let writes = changed.map(|key| {
        let changes = [("text".to_owned(), Some(json!("mine")))].into();
        Event::Write(Write::Update { key, changes, seen: None })
    });
    let handled = engine
        .handle(&mut transaction, writes.collect(), NOW, &mut Dice::of(3), Role::Write)
        .unwrap();
    assert!(handled.written.iter().all(Result::is_ok));
    transaction.commit().unwrap();
    drop(store);
    disk.clone_image()
}

/// Makes some room, then all that can be made, and gives back what it freed.
fn make_room(disk: &Disk) -> Result<(), StoreError> {
    let mut store = open(disk)?;
    let engine = Engine::new(&schema());
    let live = store.begin()?.live_bytes()?;
    for most in [live.saturating_sub(2 * 4_096), 0] {
        let settings = StorageSettings {
            store_bytes_max: Some(most * 10 / 9),
            free_disk_min_bytes: 0,
            ..StorageSettings::default()
        };
        let mut transaction = store.begin()?;
        engine.set_storage(&mut transaction, &settings)?;
        transaction.commit()?;
        let mut more = true;
        while more {
            let mut transaction = store.begin()?;
            let timer = vec![Event::Timer];
            let dice = &mut Dice::of(4);
            let handled = engine.handle(&mut transaction, timer, NOW, dice, Role::Drain);
            more = match handled {
                Ok(handled) => handled.more,
                Err(error) => return Err(StoreError::Io { detail: error.to_string() }),
            };
            transaction.commit()?;
        }
        store.give_back_space(1_000_000)?;
        store.empty_log()?;
    }
    Ok(())
}

/// What can be told of a store, apart from how much of it went.
#[derive(Debug, PartialEq)]
struct Told {
    sums: Vec<(i64, u64, f64, f64, f64)>,
    waiting: u64,
    protected: Vec<(EntityKey, Option<Fields>)>,
}

/// Looks at a store, and checks that everything is either here or known as given up; says how many
/// went.
fn look(disk: &Disk) -> (Told, u64) {
    let mut store = open(disk).unwrap();
    assert!(store.damages(3).unwrap().is_empty());
    let engine = Engine::new(&schema());
    let mut transaction = store.begin().unwrap();
    let of_type = EntityType::new("HealthMetric").unwrap();
    let mut gone = 0;
    for key in everything() {
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
    let protected = (0..SAMPLES).map(|n| (n, sample(n))).chain((0..NOTES).map(|n| (n, note(n))));
    let protected = protected.filter(|(number, _)| stays(*number)).map(|(_, key)| {
        let row = transaction.entity(&key).unwrap();
        (key, row.map(|row| row.fields))
    });
    let protected = protected.collect();
    let waiting = transaction.queue_counts().unwrap().total();
    let options = ListOptions { limit: 10_000, ..ListOptions::default() };
    let listed = transaction.list_entities(&of_type, &options).unwrap().len();
    assert_eq!(transaction.count_entities(&of_type).unwrap(), listed as u64);
    (Told { sums: sums.collect(), waiting, protected }, gone)
}

/// Shows that making room that is stopped at any operation of the disk, by a power loss of any
/// kind, a full disk or an error, loses nothing that may not go, leaves nothing unknown, changes no
/// sum, and goes on afterwards to the same end.
#[test]
fn room_is_made_whole_or_not_at_all() {
    let vfs = new_vfs();
    let before = filled(&vfs);
    let disk = Disk::from_image(&vfs, &before, 1);
    let (told, none) = look(&disk);
    assert_eq!(none, 0);
    assert!(told.protected.iter().all(|(_, fields)| fields.is_some()));
    let counting = Disk::from_image(&vfs, &before, 1);
    make_room(&counting).unwrap();
    let points = counting.operations();
    let (_, all) = look(&counting);
    let may_go = (0..SAMPLES).chain(0..NOTES).filter(|number| !stays(*number)).count();
    assert_eq!(all, may_go as u64);
    let (mut partly, mut failed) = (0, 0);
    let faults = [Fault::DiskFull, Fault::IoErrorOnce].map(|fault| (fault, None));
    let crashes = CrashMode::ALL.map(|mode| (Fault::Crash, Some(mode)));
    for point in 0..points {
        for (number, (fault, mode)) in (0..).zip(crashes.into_iter().chain(faults)) {
            let disk = Disk::from_image(&vfs, &before, point);
            disk.fail_at(point, fault);
            failed += u64::from(make_room(&disk).is_err());
            match mode {
                Some(mode) => {
                    let mut random = ChaCha8Rng::seed_from_u64(point * 8 + number);
                    disk.crash(mode, &mut random);
                }
                None => disk.heal(),
            }
            let (found, gone) = look(&disk);
            assert!(found == told, "{point} {fault:?} {mode:?}");
            partly += u64::from(gone > 0 && gone < all);
            make_room(&disk).unwrap();
            let (found, gone) = look(&disk);
            assert!(found == told && gone == all, "{point} {fault:?} {mode:?}");
        }
    }
    assert!(failed > points && partly > 0, "of {points}: {failed} failed, {partly} in part");
}
