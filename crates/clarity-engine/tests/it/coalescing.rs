//! What travels as one operation, and what never does.

use clarity_engine::Write;
use clarity_engine::protocol::FailureClass;
use clarity_engine::protocol::model::{Counter, EntityKey, Kind};
use clarity_engine::store::EndedAs;
use serde_json::{Value, json};

use crate::support::wire::{self, Push};
use crate::support::{Bench, note, update};

/// Holds back sending while `writes` are made, then lets the push go.
fn pushed_after(bench: &mut Bench, writes: impl FnOnce(&mut Bench)) -> Option<Push> {
    bench.event(clarity_engine::Event::Pause { until: None });
    writes(bench);
    bench.event(clarity_engine::Event::Resume);
    (!bench.pushes.is_empty()).then(|| bench.take_push())
}

fn counters(numbers: &[u64]) -> Vec<Counter> {
    numbers.iter().copied().map(Counter).collect()
}

/// One row of the table: from what the server knows, over local writes, to the wire.
struct Case {
    name: &'static str,
    known: Option<Value>,
    writes: fn(&mut Bench, &EntityKey),
    kind: Option<Kind>,
    covers: &'static [u64],
    /// The fields of a create, or the new values of an update's changes.
    says: Value,
}

fn says(push: &Push) -> Value {
    let operation = push.only();
    match &operation.fields {
        Some(fields) => json!(fields),
        None => {
            let pairs = operation.changes.iter();
            let pairs = pairs.map(|change| (change.field.clone(), json!([change.old, change.new])));
            Value::Object(pairs.collect())
        }
    }
}

fn cases() -> Vec<Case> {
    let known = || Some(json!({"title": "a", "at_ms": 1}));
    vec![
        Case {
            name: "update and update: the earliest old and the latest new value",
            known: known(),
            writes: |bench, key| {
                bench.update(key, json!({"title": "b"}));
                bench.update(key, json!({"title": "c", "at_ms": 2}));
            },
            kind: Some(Kind::Update),
            covers: &[1],
            says: json!({"title": ["a", "c"], "at_ms": [1, 2]}),
        },
        Case {
            name: "create and update is a create",
            known: None,
            writes: |bench, key| {
                bench.create(key, json!({"title": "a"}));
                bench.update(key, json!({"title": "b", "text": "t"}));
            },
            kind: Some(Kind::Create),
            covers: &[1],
            says: json!({"title": "b", "text": "t"}),
        },
        Case {
            name: "create and delete vanish",
            known: None,
            writes: |bench, key| {
                bench.create(key, json!({"title": "a"}));
                bench.update(key, json!({"title": "b"}));
                bench.delete(key);
            },
            kind: None,
            covers: &[],
            says: json!(null),
        },
        Case {
            name: "update and delete is a delete",
            known: known(),
            writes: |bench, key| {
                bench.update(key, json!({"title": "b"}));
                bench.delete(key);
            },
            kind: Some(Kind::Delete),
            covers: &[1],
            says: json!({}),
        },
        Case {
            name: "an update that is taken back by the next one says nothing",
            known: known(),
            writes: |bench, key| {
                bench.update(key, json!({"title": "b"}));
                bench.update(key, json!({"title": "a"}));
            },
            kind: Some(Kind::Update),
            covers: &[1],
            says: json!({}),
        },
    ]
}

/// Shows the table of section "coalescing": which writes become which wire operation, naming all
/// that it covers, and that all of them end with its answer.
#[test]
fn writes_of_one_entity_travel_as_one_operation() {
    for case in cases() {
        let key = note("n");
        let mut bench = match &case.known {
            Some(fields) => Bench::with(&key, fields.clone()),
            None => Bench::online(),
        };
        let push = pushed_after(&mut bench, |bench| (case.writes)(bench, &key));
        match (&push, case.kind) {
            (None, None) => {}
            (Some(push), Some(kind)) => {
                assert_eq!(push.only().kind, kind, "{}", case.name);
                assert_eq!(push.only().covers, counters(case.covers), "{}", case.name);
                assert_eq!(says(push), case.says, "{}", case.name);
                bench.answer(push, vec![wire::applied(push.only())]);
            }
            _ => panic!("{}: {push:?}", case.name),
        }
        assert!(bench.is_settled(), "{}", case.name);
    }
}

/// Shows that an entity made and deleted before anybody heard of it leaves no trace, and that its
/// operations end as taken back.
#[test]
fn what_vanishes_is_cancelled() {
    let mut bench = Bench::online();
    let key = note("n");
    let pushed = pushed_after(&mut bench, |bench| {
        bench.create(&key, json!({"title": "a"}));
        bench.delete(&key);
    });
    assert!(pushed.is_none());
    assert_eq!(bench.see(&key), None);
    assert_eq!(bench.ended(Counter(1)), Some(EndedAs::Cancelled));
    assert_eq!(bench.ended(Counter(2)), Some(EndedAs::Cancelled));
}

/// Shows that nothing is joined across a delete: what comes after it is a new beginning.
#[test]
fn nothing_is_joined_across_a_delete() {
    let key = note("n");
    let mut bench = Bench::with(&key, json!({"title": "a"}));
    let push = pushed_after(&mut bench, |bench| {
        bench.delete(&key);
        bench.create(&key, json!({"title": "again"}));
    });
    let push = push.unwrap();
    assert_eq!(push.only().kind, Kind::Delete);
    bench.answer(&push, vec![wire::applied(push.only())]);
    let undelete = bench.take_push();
    assert_eq!(undelete.only().kind, Kind::Create);
    assert_eq!(undelete.only().base.0, 2, "on the version of the deletion");
    assert_eq!(bench.see(&key), Some(json!({"title": "again"})));
}

/// Shows that an atomic batch is not joined with what comes before or after it.
#[test]
fn nothing_is_joined_across_an_atomic_batch() {
    let (one, two) = (note("one"), note("two"));
    let mut bench = Bench::with(&one, json!({"title": "a"}));
    let push = pushed_after(&mut bench, |bench| {
        bench.update(&one, json!({"title": "before"}));
        let writes = vec![
            update(&one, json!({"title": "within"}), None),
            Write::Create { key: two.clone(), fields: wire::fields(json!({})), parents: vec![] },
        ];
        bench.write(Write::Batch { atomic: true, writes });
        bench.update(&one, json!({"title": "after"}));
    });
    let push = push.unwrap();
    assert_eq!(push.counters(), [1]);
    bench.answer(&push, vec![wire::applied(push.only())]);
    let batch = bench.take_push();
    assert_eq!(batch.counters(), [2, 3]);
    assert!(batch.operations.iter().all(|operation| operation.batch == Some(Counter(2))));
    bench.answer(&batch, batch.operations.iter().map(wire::applied).collect());
    assert_eq!(bench.apply_push().counters(), [4]);
    assert!(bench.is_settled());
}

/// Shows that an operation that others depend on keeps its own name on the wire.
#[test]
fn an_operation_that_others_need_is_not_joined_with_a_later_one() {
    let (parent, child) = (note("parent"), note("child"));
    let mut bench = Bench::online();
    let push = pushed_after(&mut bench, |bench| {
        let made = bench.create(&parent, json!({"title": "a"}));
        bench.create_after(&child, json!({}), vec![made]);
        bench.update(&parent, json!({"title": "b"}));
    });
    assert_eq!(push.unwrap().counters(), [1]);
}

/// Shows that nothing is joined with an operation whose bytes may have left.
#[test]
fn nothing_is_joined_with_what_was_sent() {
    let key = note("n");
    let mut bench = Bench::online();
    bench.create(&key, json!({"title": "a"}));
    let first = bench.take_push();
    bench.update(&key, json!({"title": "b"}));
    bench.fail(first.request, FailureClass::Unreachable);
    while bench.pushes.is_empty() {
        bench.wake();
        if !bench.pulls.is_empty() {
            bench.answer_pull(&[]);
        }
    }
    let again = bench.take_push();
    assert_eq!(again.bytes(), first.bytes());
    bench.answer(&again, vec![wire::applied(again.only())]);
    let second = bench.apply_push();
    assert_eq!(second.only().kind, Kind::Update);
    assert_eq!(second.only().base.0, 1);
    assert!(bench.is_settled());
}

/// Shows that an edit behind an open conflict waits for it and is not joined with it.
#[test]
fn nothing_is_joined_across_an_open_conflict() {
    let key = note("n");
    let mut bench = Bench::with(&key, json!({"title": "a"}));
    bench.update_seen(&key, json!({"title": "mine"}), json!({"title": "older"}));
    assert_eq!(bench.conflicts().len(), 1);
    bench.update(&key, json!({"at_ms": 7}));
    assert!(bench.pushes.is_empty());
    assert_eq!(bench.see(&key), Some(json!({"title": "mine", "at_ms": 7})));
}
