//! A device that gives back to a restored server what that has lost.

use std::collections::BTreeMap;

use clarity_client::engine::store::{ListOptions, StoreError, StoreTransaction};
use clarity_client::engine::{Event, Write};
use clarity_client::model::{EntityKey, EntityType, FieldChange, Fields, Kind, Version};
use clarity_sim::vfs::{Disk, MemoryVfs};
use serde_json::json;

use super::exchange::{change_theirs, converse, go_on, server, write};
use super::machine::Machine;
use super::sweep::Workload;
use super::writes::{create, fields_of, goal, made, note, sample, update};

const TYPES: [&str; 3] = ["Goal", "HealthMetric", "Note"];

/// What this device makes, changes and deletes, as the server knew it before it was restored.
fn lost() -> Vec<Write> {
    vec![
        create(note(10), json!({"title": "mine"})),
        create(goal(10), json!({"title": "mine", "progress": 1})),
        create(sample(20).0, serde_json::to_value(sample(20).1).unwrap()),
        update(note(2), "title", json!("mine")),
        Write::Delete { key: goal(2), seen: None },
    ]
}

/// What a device shows.
type Shown = BTreeMap<EntityKey, Fields>;

fn shown(transaction: &StoreTransaction<'_>) -> Result<Shown, StoreError> {
    let mut all = Shown::new();
    for entity_type in TYPES {
        let options = ListOptions { limit: 1_000, ..ListOptions::default() };
        let rows = transaction.list_entities(&EntityType::new(entity_type).unwrap(), &options)?;
        all.extend(rows.into_iter().map(|(key, row)| (key, row.fields)));
    }
    Ok(all)
}

/// The server was restored from a backup that knows little of what the device has, and one entity
/// was changed there since. The device hears of it, marks what was lost, reads everything, and
/// gives it back, in parts because the server does not take all at once; then goes what waited.
pub(super) fn give_back(vfs: &MemoryVfs) -> Workload {
    let mut server = server(vfs);
    let disk = made(vfs);
    let mut machine = Machine::new(&disk);
    converse(&mut machine, &server);
    let backup = server.backup();
    change_theirs(&mut server);
    for number in 30..34 {
        let fields = fields_of(json!({"title": "theirs, lost"}));
        server.push(Kind::Create, note(number), Version(0), Some(fields), Vec::new());
    }
    write(&mut machine, lost());
    converse(&mut machine, &server);
    write(&mut machine, vec![update(note(10), "text", json!("waits"))]);
    let before = machine.commit(|transaction| shown(transaction)).unwrap();
    machine.close();
    server.restore(&backup);
    let since =
        FieldChange { field: "progress".to_owned(), old: Some(json!(10)), new: Some(json!(40)) };
    server.push(Kind::Update, goal(0), Version(1), None, vec![since]);

    let copy = Disk::from_image(vfs, &disk.clone_image(), 1);
    let mut machine = Machine::new(&copy);
    let mut steps = converse(&mut machine, &server);
    // Two requests were told at once that the server was restored: that waits a little.
    go_on(&mut machine, &server, &mut steps, || vec![Event::Timer]);
    let (left, waiting, here) = machine
        .commit(|transaction| {
            let waiting = transaction.queue_counts()?.total();
            Ok((transaction.count_lost()?, waiting, shown(transaction)?))
        })
        .unwrap();
    assert_eq!((left, waiting), (0, 0), "everything was given back and answered");
    let there = server.entities().into_iter().filter(|entity| !entity.deleted);
    let there: Shown = there.map(|entity| (entity.key, entity.fields)).collect();
    assert_eq!(here, there);
    assert_eq!(here[&goal(0)].get("progress"), Some(&json!(40)), "it was changed since");
    assert!(before.keys().eq(here.keys()), "what was lost is there, what was deleted is not");

    let holds = move |disk: &Disk| {
        let mut machine = Machine::new(disk);
        let transaction = machine.store().unwrap().begin().unwrap();
        let here = shown(&transaction).unwrap();
        assert!(here.keys().eq(before.keys()));
        for (key, fields) in &before {
            let is_kept = || !transaction.history_of(key, 0, 1).unwrap().is_empty();
            assert!(here[key] == *fields || is_kept(), "{key} went back");
        }
    };
    Workload { steps, holds: Box::new(holds), ..Workload::of(&disk) }
}
