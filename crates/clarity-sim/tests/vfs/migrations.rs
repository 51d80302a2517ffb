//! Stores that are brought up to date and stopped at every operation of the disk: they are what
//! they were or what they become, and never anything between.

use std::sync::Arc;

use clarity_client::engine::store::{
    Birth, ListOptions, OpenOptions, OperationState, RowState, Store, StoreError, StoredEntity,
};
use clarity_client::model::{
    Counter, EntityKey, EntityType, Incarnation, LocalTime, Schema, Seq, ServerTime, Version,
};
use clarity_sim::vfs::{CrashMode, Disk, DiskImage, Fault, MemoryVfs};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::{Value, json};

use super::new_vfs;

const GOLDEN: &[u8] = include_bytes!("../../../clarity-store/tests/golden/store-v1.db");
const NAME: &str = "store.db";
const BIRTH: Birth = Birth { incarnation: Incarnation(7), now: LocalTime(1_700_000_000_000) };
const ROWS: u64 = 40;
/// A few more rows than are carried forward while a store opens.
const MANY: u64 = 1_040;
/// So many at a time then.
const SLICE: usize = 20;

fn schema(version: u32, types: Value) -> Arc<Schema> {
    let text = json!({"format": 1, "name": "golden", "version": version, "types": types});
    Arc::new(Schema::from_json(&text.to_string()).unwrap())
}

/// The schema that the golden store was made with, in a version of its own.
fn golden(version: u32) -> Arc<Schema> {
    let fields = json!({
        "metric": {"column": "text"}, "source": {"column": "text"},
        "start_ms": {"column": "integer"}, "value": {"column": "number"},
        "flag": {"column": "boolean"}, "details": {"column": "json"}
    });
    let rollup = json!({
        "kind": "metric", "source": "source", "time_ms": "start_ms", "value": "value"
    });
    let sample = json!({
        "fields": fields, "indexes": [["metric", "start_ms"]], "rollup": rollup
    });
    schema(version, json!({"Sample": sample}))
}

fn open(disk: &Disk, schema: &Arc<Schema>) -> Result<Store, StoreError> {
    let mut options = OpenOptions::new(disk.path(NAME));
    options.vfs = Some(disk.vfs().name().to_owned());
    options.exclusive = true;
    Store::open(&options, Arc::clone(schema), BIRTH)
}

/// All definitions in a file, and the versions of its tables and of its schema.
fn definitions(disk: &Disk) -> String {
    let connection = disk.open(NAME).unwrap();
    connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE").unwrap();
    let text = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(text("PRAGMA integrity_check"), "ok");
    let version: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    let all =
        text("SELECT group_concat(sql, ';') FROM (SELECT sql FROM sqlite_schema ORDER BY name)");
    let columns = text(
        "SELECT group_concat(type || field || kind) FROM
             (SELECT * FROM declared_column ORDER BY type, field)",
    );
    format!("{version} {} {columns} {all}", text("SELECT version || json FROM schema_file"))
}

/// Everything that an app sees, and the queue.
fn content(store: &mut Store) -> Vec<String> {
    let transaction = store.begin().unwrap();
    let mut lines = Vec::new();
    for entity_type in transaction.entity_types().unwrap() {
        let options = ListOptions { include_deleted: true, ..ListOptions::default() };
        for (key, row) in transaction.list_entities(&entity_type, &options).unwrap() {
            let fields = row.fields.to_canonical_json();
            lines.push(format!("{key:?} {fields} {:?} {:?}", row.version, row.state));
        }
    }
    for state in OperationState::ALL {
        for operation in transaction.operations_in_state(state, Counter(0), 1_000).unwrap() {
            let frozen = transaction.frozen(operation.counter).unwrap();
            lines.push(format!("{operation:?} {frozen:?}"));
        }
    }
    lines.push(format!("{:?}", transaction.queue_counts().unwrap()));
    lines
}

/// Stops the opening of a store with a schema at every operation, in every way.
fn stop_everywhere(vfs: &MemoryVfs, before: &DiskImage, schema: &Arc<Schema>) {
    let old = definitions(&Disk::from_image(vfs, before, 1));
    let disk = Disk::from_image(vfs, before, 1);
    let expected = content(&mut open(&disk, schema).unwrap());
    let new = definitions(&disk);
    assert_ne!(old, new, "there is something to do");
    let counting = Disk::from_image(vfs, before, 1);
    drop(open(&counting, schema).unwrap());
    let points = counting.operations();
    let (mut old_seen, mut new_seen) = (0, 0);
    for point in 0..points {
        for (number, mode) in (0..).zip(CrashMode::ALL.map(Some).into_iter().chain([None])) {
            let disk = Disk::from_image(vfs, before, point);
            let fault = if mode.is_some() { Fault::Crash } else { Fault::DiskFull };
            disk.fail_at(point, fault);
            let opened = open(&disk, schema).is_ok();
            match mode {
                Some(mode) => {
                    let mut random = ChaCha8Rng::seed_from_u64(point * 8 + number);
                    disk.crash(mode, &mut random);
                }
                None => disk.heal(),
            }
            let found = definitions(&disk);
            assert!(found == old || found == new, "{point} {mode:?}: neither old nor new");
            assert!(found == new || !opened, "{point} {mode:?}: what was done is gone");
            old_seen += u64::from(found == old);
            new_seen += u64::from(found == new);
            let mut store = open(&disk, schema).unwrap();
            assert_eq!(content(&mut store), expected, "{point} {mode:?}");
            drop(store);
            assert_eq!(definitions(&disk), new, "{point} {mode:?}");
        }
    }
    assert!(old_seen > points && new_seen > 0, "of {points}: {old_seen} old, {new_seen} new");
}

/// Shows that a store of the first format that is stopped at any operation of becoming one of the
/// present format, by a power loss of any kind or a full disk, is of the one or of the other, and
/// that the next opening ends with everything that was in it.
#[test]
fn a_new_format_comes_whole_or_not_at_all() {
    let vfs = new_vfs();
    let disk = Disk::new(&vfs, 1);
    disk.put_file(NAME, GOLDEN);
    stop_everywhere(&vfs, &disk.clone_image(), &golden(1));
}

/// A row as the server told it.
fn row(seq: u64, fields: serde_json::Value) -> StoredEntity {
    StoredEntity {
        fields: serde_json::from_value(fields).unwrap(),
        version: Version(1),
        seq: Seq(seq),
        updated_at: ServerTime(1),
        state: RowState::Clean,
        import_id: None,
    }
}

/// A store with rows of two types, one undeclared.
fn rows(vfs: &MemoryVfs, schema: &Arc<Schema>) -> DiskImage {
    let disk = Disk::new(vfs, 1);
    let mut store = open(&disk, schema).unwrap();
    let mut transaction = store.begin().unwrap();
    for number in 0..ROWS {
        for entity_type in ["Sample", "Thing"] {
            let key = EntityKey::new(entity_type, format!("row-{number}")).unwrap();
            let fields = json!({
                "metric": "steps", "source": "watch", "start_ms": number, "value": number,
                "place": if number % 3 == 0 { json!(number) } else { json!("somewhere") },
            });
            transaction.put_entity(&key, &row(number, fields)).unwrap();
        }
    }
    transaction.commit().unwrap();
    drop(store);
    disk.clone_image()
}

/// The golden schema with fields that are carried forward: renamed, mapped and with a default.
fn with_steps(version: u32) -> Arc<Schema> {
    let mut file = serde_json::to_value(&*golden(version)).unwrap();
    let fields = file["types"]["Sample"]["fields"].as_object_mut().unwrap();
    fields.insert("site".to_owned(), json!({"column": "text"}));
    fields.insert("mark".to_owned(), json!({}));
    file["migrations"] = json!([{"to": version, "steps": [
        {"rename_field": {"type": "Sample", "from": "place", "to": "site"}},
        {"map_values": {"type": "Sample", "field": "site", "values": [
            {"from": "somewhere", "to": "here"}, {"from": 0, "to": "there"}
        ]}},
        {"default": {"type": "Sample", "field": "mark", "value": {"by": "default"}}}
    ]}]);
    Arc::new(Schema::from_json(&file.to_string()).unwrap())
}

/// Shows the same for changes of the schema: a type gets a table and a field its column, a column
/// gets another kind, a column, an index and a roll-up are no longer declared, and fields are
/// carried forward.
#[test]
fn a_new_schema_comes_whole_or_not_at_all() {
    let vfs = new_vfs();
    let before = rows(&vfs, &golden(1));
    let thing = json!({"fields": {"place": {"column": "text"}}, "indexes": [["place"]]});
    let changed = json!({"fields": {
        "metric": {"column": "text"}, "source": {"column": "text"},
        "start_ms": {"column": "number"}, "value": {"column": "integer"},
        "place": {"column": "integer"}
    }});
    for types in [
        json!({"Sample": golden(1).types.values().next().unwrap(), "Thing": thing}),
        json!({"Sample": changed}),
    ] {
        stop_everywhere(&vfs, &before, &schema(2, types));
    }
    stop_everywhere(&vfs, &before, &with_steps(2));
}

/// Every row of a type, as an app sees it.
fn samples(store: &mut Store) -> Vec<String> {
    let options = ListOptions { limit: usize::MAX, ..ListOptions::default() };
    let transaction = store.begin().unwrap();
    let rows = transaction.list_entities(&EntityType::new("Sample").unwrap(), &options).unwrap();
    rows.into_iter()
        .map(|(key, row)| format!("{key:?}{}", row.fields.to_canonical_json()))
        .collect()
}

/// Shows that of a table too large to be carried forward at once every row is there and carried
/// forward exactly once, whichever operation of the disk it is stopped at between, by power losses
/// of every kind and by a full disk in turn, and that the next opening goes on to the end.
#[test]
fn rows_are_carried_once_wherever_it_is_stopped() {
    let vfs = new_vfs();
    let disk = Disk::new(&vfs, 1);
    let mut store = open(&disk, &golden(1)).unwrap();
    let mut transaction = store.begin().unwrap();
    for number in 0..MANY {
        let key = EntityKey::new("Sample", format!("row-{number:05}")).unwrap();
        let place = if number % 2 == 0 { "here" } else { "somewhere" };
        let fields = json!({"place": place, "number": number});
        transaction.put_entity(&key, &row(number, fields)).unwrap();
    }
    transaction.commit().unwrap();
    drop(store);
    let mut store = open(&disk, &with_steps(2)).unwrap();
    let expected = samples(&mut store);
    assert_eq!(expected.len() as u64, MANY);
    assert!(store.has_schema_work(), "there is something left");
    drop(store);
    let left = disk.clone_image();
    let follow = |store: &mut Store| {
        while store.follow_schema(SLICE)? {}
        Ok::<_, StoreError>(())
    };
    let counting = Disk::from_image(&vfs, &left, 1);
    let mut store = open(&counting, &with_steps(2)).unwrap();
    let opened = counting.operations();
    follow(&mut store).unwrap();
    drop(store);
    let ended = counting.operations();
    let (mut unfinished, mut finished) = (0, 0);
    let modes: Vec<_> = CrashMode::ALL.map(Some).into_iter().chain([None]).collect();
    for (point, mode) in (opened..ended).zip(modes.into_iter().cycle()) {
        let disk = Disk::from_image(&vfs, &left, point);
        let mut store = open(&disk, &with_steps(2)).unwrap();
        let fault = if mode.is_some() { Fault::Crash } else { Fault::DiskFull };
        disk.fail_at(point, fault);
        let _ = follow(&mut store);
        drop(store);
        match mode {
            Some(mode) => {
                disk.crash(mode, &mut ChaCha8Rng::seed_from_u64(point));
            }
            None => disk.heal(),
        }
        let mut store = open(&disk, &with_steps(2)).unwrap();
        assert!(samples(&mut store) == expected, "{point} {mode:?}");
        match store.has_schema_work() {
            true => unfinished += 1,
            false => finished += 1,
        }
        follow(&mut store).unwrap();
        assert!(samples(&mut store) == expected, "{point} {mode:?}, at the end");
    }
    assert!(unfinished > 0 && finished > 0, "{unfinished} unfinished, {finished} finished");
}
