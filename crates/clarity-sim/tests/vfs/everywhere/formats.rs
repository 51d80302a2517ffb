//! Stores that are brought up to date: to another form of the tables and to other schemas.

use std::sync::Arc;

use clarity_client::engine::store::{ListOptions, TABLES_VERSION};
use clarity_client::model::{EntityKey, EntityType, Schema};
use clarity_sim::vfs::{Disk, MemoryVfs};
use serde_json::{Value, json};

use super::machine::{FILE, Machine};
use super::sweep::{Step, Workload};
use super::writes::{fields_of, row_of};

const GOLDEN: &[u8] = include_bytes!("../../../../clarity-store/tests/golden/store-v1.db");
const ROWS: u64 = 8;
/// A few more rows than are carried forward while a store opens.
const MANY: u64 = 1_040;
/// So many at a time then.
const SLICE: usize = 400;

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

/// The golden schema and a table for a type that had none.
fn with_a_table(version: u32) -> Arc<Schema> {
    let thing = json!({"fields": {"place": {"column": "text"}}, "indexes": [["place"]]});
    let sample = serde_json::to_value(golden(1).types.values().next().unwrap()).unwrap();
    schema(version, json!({"Sample": sample, "Thing": thing}))
}

/// A column gets another kind; a column, an index and a roll-up are no longer declared.
fn with_other_columns(version: u32) -> Arc<Schema> {
    let fields = json!({
        "metric": {"column": "text"}, "source": {"column": "text"},
        "start_ms": {"column": "number"}, "value": {"column": "integer"},
        "place": {"column": "integer"}
    });
    schema(version, json!({"Sample": {"fields": fields}}))
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

/// Opens the store with this schema: one step from one version of it to the next.
fn follow(schema: Arc<Schema>) -> Step {
    open_in(1, schema)
}

/// Opens the store with this schema, which takes so many transactions.
fn open_in(transactions: usize, schema: Arc<Schema>) -> Step {
    Step::of_states(transactions, move |machine| {
        machine.at(FILE, &schema).store()?;
        Ok(())
    })
}

fn put_rows(schema: Arc<Schema>, rows: u64) -> Step {
    Step::new(move |machine| {
        machine.at(FILE, &schema).commit(|transaction| {
            for number in 0..rows {
                let entity_type = if number % 4 == 3 { "Thing" } else { "Sample" };
                let key = EntityKey::new(entity_type, format!("row-{number:05}")).unwrap();
                let fields = json!({
                    "metric": "steps", "source": "watch", "start_ms": number, "value": number,
                    "place": if number % 3 == 0 { json!(number) } else { json!("somewhere") },
                });
                let row = row_of(fields_of(fields));
                transaction.put_entity(&key, &row)?;
            }
            Ok(())
        })
    })
}

/// A store of the first format, with a queue, becomes one of the present format; then its schema
/// changes again and again, with some rows.
pub(super) fn migrate(vfs: &MemoryVfs) -> Workload {
    let disk = Disk::new(vfs, 1);
    disk.put_file(FILE, GOLDEN);
    let (first, last) = (golden(1), with_steps(4));
    let steps = vec![
        open_in(TABLES_VERSION as usize - 1, Arc::clone(&first)),
        put_rows(first, ROWS),
        follow(with_a_table(2)),
        follow(with_other_columns(3)),
        follow(Arc::clone(&last)),
    ];
    Workload { steps, schema: last, ..Workload::of(&disk) }
}

/// Every row of a type, as an app sees it.
fn samples(machine: &mut Machine) -> Vec<String> {
    let options = ListOptions { limit: usize::MAX, ..ListOptions::default() };
    let transaction = machine.store().unwrap().begin().unwrap();
    let rows = transaction.list_entities(&EntityType::new("Sample").unwrap(), &options).unwrap();
    rows.into_iter()
        .map(|(key, row)| format!("{key:?}{}", row.fields.to_canonical_json()))
        .collect()
}

/// A table that is too large to be carried forward at once is carried forward in slices; an app
/// sees every row as it will be, all the time.
pub(super) fn carry(vfs: &MemoryVfs) -> Workload {
    let disk = Disk::new(vfs, 1);
    let mut machine = Machine::new(&disk);
    put_rows(golden(1), MANY * 4 / 3).take(&mut machine, 0).unwrap();
    let schema = with_steps(2);
    let expected = samples(machine.at(FILE, &schema));
    machine.close();
    // The first thousand were carried forward while it was opened.
    let before = disk.clone_image();
    let mut steps: Vec<Step> = Vec::new();
    while machine.store().unwrap().has_schema_work() {
        let schema = Arc::clone(&schema);
        let step = Step::new(move |machine| {
            machine.at(FILE, &schema).store()?.follow_schema(SLICE)?;
            Ok(())
        });
        step.take(&mut machine, steps.len()).unwrap();
        steps.push(step);
    }
    assert!(steps.len() > 1, "there is something left to do in slices");
    let followed = Arc::clone(&schema);
    let holds = move |disk: &Disk| {
        assert!(samples(Machine::new(disk).at(FILE, &followed)) == expected, "rows are missing");
    };
    Workload { before, steps, schema, holds: Box::new(holds) }
}
