//! An app whose schema takes steps: what waits, was sent, is in an inbox or is kept is carried
//! forward, or stops visibly.

use clarity_engine::protocol::FailureClass;
use clarity_engine::protocol::model::{Counter, EntityKey, Schema};
use clarity_engine::store::OperationState;
use clarity_engine::{Attention, Event, FailureReason, Resolution, Write};
use serde_json::{Value, json};

use crate::support::{Bench, key, update, wire};

fn schema(version: u32, fields: &Value, migrations: &Value) -> Schema {
    let file = json!({
        "format": 1, "name": "t", "version": version, "migrations": migrations,
        "types": {"Weight": {"fields": fields}},
    });
    Schema::from_json(&file.to_string()).unwrap()
}

fn first() -> Schema {
    schema(1, &json!({"unit": {"column": "text"}, "kilos": {"column": "number"}}), &json!([]))
}

/// The unit has another name and fewer values, and every entity has a place.
fn second() -> Schema {
    let fields = json!({
        "measure": {"column": "text"}, "kilos": {"column": "number"}, "place": {"column": "text"}
    });
    let steps = json!([
        {"rename_field": {"type": "Weight", "from": "unit", "to": "measure"}},
        {"map_values": {"type": "Weight", "field": "measure", "unmapped": "refuse", "values": [
            {"from": "kilo", "to": "kg"}, {"from": "pound", "to": "lb"}
        ]}},
        {"default": {"type": "Weight", "field": "place", "value": "home"}}
    ]);
    schema(2, &fields, &json!([{"to": 2, "steps": steps}]))
}

fn weight(id: &str) -> EntityKey {
    key("Weight", id)
}

/// A device of the first version that has read one weight and sends nothing.
fn paused() -> Bench {
    let mut bench = Bench::of(first());
    bench.answer_pull(&[wire::row(&weight("w"), 1, json!({"unit": "kilo", "kilos": 70}))]);
    bench.event(Event::Pause { until: None });
    bench
}

/// Shows that what was never sent is seen in the new words at once, travels in them under the new
/// version, and is settled.
#[test]
fn what_waits_travels_in_the_new_words() {
    let mut bench = paused();
    bench.update(&weight("w"), json!({"unit": "pound", "kilos": 71}));
    bench.create(&weight("new"), json!({"unit": "kilo"}));
    bench.upgrade(second());
    let expected = json!({"measure": "lb", "kilos": 71, "place": "home"});
    assert_eq!(bench.see(&weight("w")), Some(expected.clone()));
    let made = json!({"measure": "kg", "place": "home"});
    assert_eq!(bench.see(&weight("new")), Some(made.clone()));
    bench.event(Event::Resume);
    bench.answer_pull(&[]);
    let push = bench.apply_push();
    assert_eq!((push.body.schema.version, push.body.schema.steps), (2, 2));
    let [change, create] = &push.operations[..] else { panic!("two operations travel") };
    assert_eq!((change.schema, create.schema), (2, 2));
    let changes = json!([
        {"field": "kilos", "old": 70, "new": 71}, {"field": "measure", "old": "kg", "new": "lb"}
    ]);
    assert_eq!(serde_json::to_value(&change.changes).unwrap(), changes);
    assert_eq!(json!(create.fields), made);
    assert!(bench.is_settled());
    assert_eq!(bench.see(&weight("w")), Some(expected));
}

/// Shows that what was sent is sent again byte for byte, with the version that it was made with,
/// and that its answer is taken in whether or not it tells the entity.
#[test]
fn what_was_sent_keeps_its_bytes() {
    for tells in [false, true] {
        let mut bench = Bench::of(first());
        let there = json!({"unit": "kilo", "kilos": 70});
        bench.answer_pull(&[wire::row(&weight("w"), 1, there)]);
        bench.update(&weight("w"), json!({"unit": "pound"}));
        let sent = bench.take_push();
        bench.update(&weight("w"), json!({"kilos": 72}));
        bench.upgrade(second());
        let seen = json!({"measure": "lb", "kilos": 72, "place": "home"});
        assert_eq!(bench.see(&weight("w")), Some(seen.clone()));
        bench.answer_pull(&[]);
        let again = bench.take_push();
        assert_eq!(again.bytes(), sent.bytes());
        assert_eq!(again.only().schema, 1);
        let entity = json!({"measure": "lb", "kilos": 70, "place": "home"});
        let answer = match tells {
            true => wire::with_entity(again.only(), wire::APPLIED, 2, Some(entity)),
            false => wire::applied(again.only()),
        };
        bench.answer(&again, vec![answer]);
        assert_eq!(bench.see(&weight("w")), Some(seen.clone()));
        let next = bench.apply_push();
        let changes = json!([{"field": "kilos", "old": 70, "new": 72}]);
        assert_eq!(serde_json::to_value(&next.only().changes).unwrap(), changes);
        assert_eq!(bench.see(&weight("w")), Some(seen));
        assert!(bench.is_settled());
    }
}

/// Shows that an operation whose value no step takes fails with a reason of its own, keeps what
/// it wants, holds only its own lane, and goes out when it is edited and tried again; and that one
/// that was sent is left to the server.
#[test]
fn what_cannot_be_carried_waits_for_a_person() {
    let mut bench = paused();
    let refused = bench.update(&weight("w"), json!({"unit": "stone"}));
    let behind = bench.update(&weight("w"), json!({"kilos": 75}));
    let made = bench.create(&weight("new"), json!({"unit": "ounce"}));
    let fine = bench.create(&weight("fine"), json!({"unit": "pound"}));
    bench.upgrade(second());
    for operation in [refused, made] {
        let failed = bench.operation(operation).unwrap();
        assert_eq!(failed.state, OperationState::Failed);
        let error = failed.error.unwrap();
        assert_eq!(FailureReason::from_code(&error.code), FailureReason::SchemaMigration);
        assert!(error.message.contains("\"measure\""), "{}", error.message);
    }
    assert_eq!(bench.state(behind), Some(OperationState::Blocked));
    assert_eq!(bench.status().failed, 2);
    assert!(bench.status().attention.contains(&Attention::Failed));
    let seen = json!({"measure": "stone", "kilos": 75, "place": "home"});
    assert_eq!(bench.see(&weight("w")), Some(seen));
    bench.event(Event::Resume);
    bench.answer_pull(&[]);
    assert_eq!(bench.apply_push().counters(), [fine.0]);
    bench.restart();
    bench.answer_pull(&[]);
    assert_eq!(bench.status().failed, 2, "it stays failed");
    for operation in [refused, made] {
        let changes = [("measure".to_owned(), Some(json!("lb")))].into();
        bench.write(Write::EditAndRetry { operation, changes });
    }
    while !bench.pushes.is_empty() {
        bench.apply_push();
    }
    let seen = json!({"measure": "lb", "kilos": 75, "place": "home"});
    assert_eq!(bench.see(&weight("w")), Some(seen));
    assert_eq!(bench.see(&weight("new")), Some(json!({"measure": "lb", "place": "home"})));
    assert!(bench.is_settled());
}

/// Shows that the server's refusal of an operation that was sent before is the same failure.
#[test]
fn the_server_refuses_in_the_same_words() {
    let mut bench = Bench::of(first());
    bench.answer_pull(&[wire::row(&weight("w"), 1, json!({"unit": "kilo"}))]);
    let sent = bench.update(&weight("w"), json!({"unit": "stone"}));
    bench.upgrade(second());
    bench.answer_pull(&[]);
    let push = bench.take_push();
    let code = clarity_engine::protocol::model::RejectReason::SchemaMigration;
    let message = clarity_engine::protocol::refused_by_schema("measure");
    let rejection =
        Some(clarity_engine::protocol::model::Rejection { code, message: message.clone() });
    let answer = wire::Answer { rejection, ..wire::rejected(push.only()) };
    bench.answer(&push, vec![answer]);
    let error = bench.operation(sent).unwrap().error.unwrap();
    assert_eq!(FailureReason::from_code(&error.code), FailureReason::SchemaMigration);
    assert_eq!(error.message, message);
}

/// Shows that an open conflict and what lost before are told in the new words, and that resolving
/// and undoing make operations in them.
#[test]
fn inbox_and_history_are_carried() {
    let mut bench = paused();
    let stale = json!({"unit": "gram"});
    bench.write(update(&weight("w"), json!({"unit": "pound"}), Some(stale)));
    bench.create(&weight("gone"), json!({"unit": "kilo"}));
    bench.delete(&weight("gone"));
    bench.upgrade(second());
    let conflict = bench.only_conflict();
    let field = &conflict.fields[0];
    assert_eq!(field.field, "measure");
    let sides = (field.base.clone(), field.local.clone(), field.server.clone());
    assert_eq!(sides, (Some(json!("gram")), Some(json!("lb")), Some(json!("kg"))));
    bench.resolve(&conflict, Resolution::KeepMine).unwrap();
    let lost = bench.entries(&weight("w")).pop().unwrap();
    assert_eq!(json!(lost.fields), json!({"measure": "kg"}));
    let deleted = bench.entries(&weight("gone")).pop().unwrap();
    assert_eq!(json!(deleted.fields), json!({"measure": "kg", "place": "home"}));
    bench.undo(deleted.id).unwrap();
    let back = json!({"measure": "kg", "place": "home"});
    assert_eq!(bench.see(&weight("gone")), Some(back));
}

/// Shows that a device that the server sends away as too old keeps what it has and what is written
/// on it, and goes on at once when its app is upgraded.
#[test]
fn an_upgrade_ends_the_pause() {
    let mut bench = Bench::of(first());
    bench.fail_only(FailureClass::UpgradeRequired);
    let written = bench.create(&weight("w"), json!({"unit": "kilo"}));
    assert!(bench.status().attention.contains(&Attention::UpgradeRequired));
    bench.restart();
    assert!(bench.status().attention.contains(&Attention::UpgradeRequired));
    assert!(bench.pulls.is_empty() && bench.pushes.is_empty(), "it waits");
    bench.upgrade(second());
    assert!(!bench.status().attention.contains(&Attention::UpgradeRequired));
    bench.take_only_and_succeed();
    assert_eq!(bench.state(written), None);
    assert!(bench.is_settled());
}

/// Shows that a queue of any length is gone through in steps, each of which may be the last before
/// a crash, and that nothing is pushed before the last.
#[test]
fn a_long_queue_is_carried_in_steps() {
    let mut bench = paused();
    let count = 1_200;
    for number in 0..count {
        let unit = if number % 400 == 0 { "stone" } else { "kilo" };
        bench.create(&weight(&format!("n{number}")), json!({"unit": unit}));
    }
    bench.upgrade_without_steps(second());
    let mut steps = 0;
    while bench.more {
        assert!(bench.pushes.is_empty());
        bench.restart();
        steps += 1;
    }
    assert!(steps >= 2, "{steps} steps");
    assert_eq!(bench.status().failed, 3);
    assert_eq!(bench.state(Counter(1)), Some(OperationState::Failed));
    assert_eq!(bench.state(Counter(2)), Some(OperationState::Ready));
}
