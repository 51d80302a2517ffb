//! Backends that give ids of their own: everything that names the entity follows.

use clarity_engine::protocol::WireOperation;
use clarity_engine::protocol::model::{EntityId, EntityKey, Outcome, Priority, Schema};
use clarity_engine::store::OperationState;
use clarity_engine::{Resolution, WriteError};
use serde_json::json;

use crate::support::{Bench, key, wire};

/// Plans, steps that name plans, and notes that merge nothing.
pub(crate) const SCHEMA: &str = r#"{
    "format": 1, "name": "plans", "version": 1, "types": {
        "Plan": { "fields": {
            "title": { "column": "text" },
            "after": { "references": { "type": "Plan" } }
        } },
        "Step": { "fields": {
            "plan": { "column": "text", "references": { "type": "Plan" } },
            "also": { "column": "json", "references": { "type": "Plan" } },
            "title": { "column": "text" }
        } }
    }
}"#;

pub(crate) fn online() -> Bench {
    let mut bench = Bench::of(Schema::from_json(SCHEMA).unwrap());
    bench.answer_pull(&[]);
    bench
}

pub(crate) fn plan(id: &str) -> EntityKey {
    key("Plan", id)
}

pub(crate) fn step(id: &str) -> EntityKey {
    key("Step", id)
}

/// It took effect as written, under an id of the server's.
pub(crate) fn made(operation: &WireOperation, id: &str) -> wire::Answer {
    wire::Answer { entity_id: Some(EntityId::new(id).unwrap()), ..wire::applied(operation) }
}

/// Shows that entity, queue and view move to the given id in one step, and that the old id stays a
/// name of the entity for reads, writes and watchers.
#[test]
fn everything_moves_to_the_given_id() {
    let mut bench = online();
    bench.create(&plan("local"), json!({ "title": "a" }));
    let push = bench.take_push();
    let edit = bench.update(&plan("local"), json!({ "title": "b" }));
    bench.published.clear();
    bench.answer(&push, vec![made(push.only(), "31")]);
    assert_eq!(bench.present(&plan("local")), plan("31"));
    assert_eq!(bench.see(&plan("31")), Some(json!({ "title": "b" })));
    assert_eq!(bench.see(&plan("local")), None, "there is one row");
    assert_eq!(bench.operation(edit).unwrap().key, plan("31"));
    let told = &bench.published[0].entities;
    assert!(told.contains(&plan("31")) && told.contains(&plan("local")));

    let push = bench.apply_push();
    assert_eq!((push.only().key.clone(), push.only().base.0), (plan("31"), 1));
    bench.published.clear();
    bench.update(&plan("local"), json!({ "title": "c" }));
    assert!(bench.published[0].entities.contains(&plan("local")));
    assert_eq!(bench.see(&plan("31")), Some(json!({ "title": "c" })));
    let again = bench.try_write(clarity_engine::Write::Create {
        key: plan("local"),
        fields: wire::fields(json!({})),
        parents: Vec::new(),
    });
    assert!(matches!(again, Err(WriteError::Exists)));
    assert_eq!(bench.apply_push().only().key, plan("31"));
    bench.delete(&plan("local"));
    assert_eq!(bench.apply_push().only().key, plan("31"));
    assert!(bench.is_settled());
}

/// Shows that what names a new entity waits for it, and arrives under the id that it got; fields
/// that are not declared as references stay as they are.
#[test]
fn references_follow() {
    let mut bench = online();
    bench.create(&plan("local"), json!({ "title": "a" }));
    let push = bench.take_push();
    let fields = json!({ "plan": "local", "also": ["other", "local"], "title": "local" });
    let child = bench.create(&step("s"), fields);
    assert_eq!(bench.state(child), Some(OperationState::Blocked));
    bench.answer(&push, vec![made(push.only(), "31")]);
    let expected = json!({ "plan": "31", "also": ["other", "31"], "title": "local" });
    assert_eq!(bench.see(&step("s")), Some(expected.clone()));
    let push = bench.apply_push();
    assert_eq!(json!(push.only().fields), expected);
    assert!(bench.is_settled());

    // An app that still holds the old id means the same entity.
    bench.update(&step("s"), json!({ "plan": "31", "title": "b" }));
    let push = bench.apply_push();
    assert_eq!(push.only().changes.len(), 1, "the reference is the one that is there");
}

/// Shows that an edit which names a new entity waits for it, and that an older value seen by its
/// writer does not count as a change of somebody else.
#[test]
fn edits_of_references_follow() {
    let mut bench = online();
    bench.create(&step("s"), json!({ "title": "a" }));
    bench.apply_push();
    bench.create(&plan("local"), json!({}));
    let push = bench.take_push();
    bench.update(&step("s"), json!({ "plan": "local" }));
    bench.update_seen(
        &step("s"),
        json!({ "plan": null }),
        json!({ "title": "a", "plan": "local" }),
    );
    bench.answer(&push, vec![made(push.only(), "31")]);
    bench.update_seen(&step("s"), json!({ "plan": "local" }), json!({ "title": "a" }));
    assert!(bench.conflicts().is_empty());
    assert_eq!(bench.see(&step("s")), Some(json!({ "title": "a", "plan": "31" })));
    bench.apply_push();
    let seen = json!({ "title": "a", "plan": "local" });
    bench.update_seen(&step("s"), json!({ "plan": "other" }), seen);
    assert!(bench.conflicts().is_empty());
}

/// Shows that bytes that were sent are never rewritten, and that what the server then holds under
/// the old id is corrected by a normal operation.
#[test]
fn frozen_bytes_stay_and_are_corrected() {
    let mut bench = online();
    bench.create(&step("s"), json!({ "plan": "later" }));
    let before = bench.take_push();
    bench.create(&plan("later"), json!({}));
    bench.restart();
    bench.answer_pull(&[]);
    let push = bench.take_push();
    assert_eq!(push.bytes()[0], before.bytes()[0]);
    let answers = vec![wire::applied(&push.operations[0]), made(&push.operations[1], "31")];
    bench.answer(&push, answers);
    assert_eq!(bench.see(&step("s")), Some(json!({ "plan": "31" })));
    let push = bench.apply_push();
    let change = &push.only().changes[0];
    assert_eq!((&change.old, &change.new), (&Some(json!("later")), &Some(json!("31"))));
    assert!(bench.is_settled());
}

/// Shows that a reference of another device, to an id that only this one knows, is corrected.
#[test]
fn a_pulled_reference_is_corrected() {
    let mut bench = online();
    bench.create(&plan("local"), json!({}));
    let push = bench.take_push();
    bench.answer(&push, vec![made(push.only(), "31")]);
    bench.pull(&[wire::row(&step("s"), 4, json!({ "plan": "local" }))]);
    assert_eq!(bench.see(&step("s")), Some(json!({ "plan": "31" })));
    assert_eq!(bench.apply_push().only().base.0, 4);
    assert!(bench.is_settled());
}

/// Shows that an entity that was read before the lost answer came becomes one with the one made
/// here: edits of both are kept, nothing is doubled, and different edits of one field wait for a
/// person.
#[test]
fn an_entity_read_before_its_answer_is_one() {
    let mut bench = online();
    bench.create(&plan("local"), json!({ "title": "a" }));
    let push = bench.take_push();
    bench.update(&plan("local"), json!({ "mine": 1 }));
    bench.pull(&[wire::row(&plan("31"), 2, json!({ "title": "a", "theirs": 2 }))]);
    bench.update(&plan("31"), json!({ "also": 3 }));
    bench.answer(&push, vec![made(push.only(), "31")]);
    assert_eq!(bench.see(&plan("local")), None);
    while !bench.pushes.is_empty() {
        bench.apply_push();
    }
    let all = json!({ "title": "a", "theirs": 2, "mine": 1, "also": 3 });
    assert_eq!(bench.see(&plan("31")), Some(all));
    assert_eq!(bench.see(&plan("local")), None);
    assert!(bench.is_settled());
}

/// Shows that a conflict keeps its place when two entities become one.
#[test]
fn edits_of_both_names_conflict() {
    let mut bench = online();
    bench.create(&plan("local"), json!({ "title": "a" }));
    let push = bench.take_push();
    bench.update(&plan("local"), json!({ "title": "b" }));
    bench.pull(&[wire::row(&plan("31"), 1, json!({ "title": "a" }))]);
    bench.update(&plan("31"), json!({ "title": "c" }));
    bench.answer(&push, vec![made(push.only(), "31")]);
    bench.apply_push();
    let conflict = bench.only_conflict();
    assert_eq!(conflict.key, plan("31"));
    bench.resolve(&conflict, Resolution::KeepMine).unwrap();
    while !bench.pushes.is_empty() {
        bench.apply_push();
    }
    assert!(bench.is_settled());
    assert_eq!(bench.see(&plan("31")), Some(json!({ "title": "c" })));
}

/// Shows that a row which holds the create tells the id as well as an answer does.
#[test]
fn a_row_tells_the_given_id() {
    let mut bench = online();
    let create = bench.create(&plan("local"), json!({ "title": "a" }));
    let push = bench.take_push();
    bench.update(&plan("local"), json!({ "title": "b" }));
    let row = wire::row(&plan("31"), 1, json!({ "title": "a" }));
    bench.pull(&[wire::holding(row, create, Outcome::Applied)]);
    bench.answer(&push, vec![made(push.only(), "31")]);
    assert_eq!(bench.present(&plan("local")), plan("31"));
    assert_eq!(bench.see(&plan("31")), Some(json!({ "title": "b" })));
    assert_eq!(bench.apply_push().only().key, plan("31"));
    assert!(bench.is_settled());
    // A row under the old id meets the same entity.
    bench.pull(&[wire::row(&plan("local"), 9, json!({ "title": "c" }))]);
    assert_eq!(bench.see(&plan("31")), Some(json!({ "title": "c" })));
    assert_eq!(bench.see(&plan("local")), None);
}

/// Shows that an answer with the id that the entity has changes nothing, and that two entities
/// which the server calls one become one.
#[test]
fn the_same_id_and_one_id_for_two() {
    let mut bench = online();
    bench.create(&plan("own"), json!({}));
    let push = bench.take_push();
    bench.answer(&push, vec![made(push.only(), "own")]);
    assert_eq!(bench.present(&plan("own")), plan("own"));
    assert!(bench.see(&plan("own")).is_some());

    for id in ["one", "two"] {
        bench.create(&plan(id), json!({ "title": "same" }));
        let push = bench.take_push();
        bench.answer(&push, vec![made(push.only(), "31")]);
    }
    assert_eq!(bench.present(&plan("one")), plan("31"));
    assert_eq!(bench.present(&plan("two")), plan("31"));
    assert_eq!(bench.see(&plan("31")), Some(json!({ "title": "same" })));
    assert!(bench.is_settled());
}

/// Shows that the priority of a single entity follows it to the given id and is found by either
/// name, and that of two entities that become one the higher priority counts.
#[test]
fn a_priority_follows_to_the_given_id() {
    let mut bench = online();
    let engine = bench.engine();
    let keep = |bench: &mut Bench, id: &str, priority| {
        let mut tx = bench.store().begin().unwrap();
        engine.keep(&mut tx, &plan(id), priority).unwrap();
        tx.commit().unwrap();
    };
    let kept =
        |bench: &mut Bench, id: &str| bench.store().begin().unwrap().kept(&plan(id)).unwrap();
    bench.create(&plan("local"), json!({ "title": "a" }));
    keep(&mut bench, "local", Some(Priority::Critical));
    keep(&mut bench, "31", Some(Priority::Low));
    let push = bench.take_push();
    bench.answer(&push, vec![made(push.only(), "31")]);
    assert_eq!(kept(&mut bench, "31"), Some(Priority::Critical));
    assert_eq!(kept(&mut bench, "local"), None, "there is one entity");
    keep(&mut bench, "local", None);
    assert_eq!(kept(&mut bench, "31"), None, "the old id names it too");
}

/// Shows that only a create gets an id: an answer to an edit does not move an entity.
#[test]
fn only_a_create_gets_an_id() {
    let mut bench = online();
    bench.pull(&[wire::row(&plan("31"), 1, json!({ "title": "a" }))]);
    bench.update(&plan("31"), json!({ "title": "b" }));
    let push = bench.take_push();
    bench.answer(&push, vec![made(push.only(), "99")]);
    assert_eq!(bench.see(&plan("31")), Some(json!({ "title": "b" })));
    assert_eq!(bench.see(&plan("99")), None);
}
