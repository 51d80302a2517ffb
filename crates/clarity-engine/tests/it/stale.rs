//! Backends that merge nothing: they answer that the entity has moved on, and the device merges.

use clarity_engine::STALE_ROUNDS_MAX;
use clarity_engine::protocol::model::Outcome;
use clarity_engine::protocol::{Failure, FailureClass};
use clarity_engine::store::EndedAs;
use clarity_engine::{Pause, Resolution, Response};
use serde_json::json;

use crate::support::{Bench, note, update, wire};

/// Shows that edits of different fields merge on the device and go again under a new operation on
/// the new base, while the old one has its answer.
#[test]
fn what_merges_goes_again() {
    let mut bench = Bench::with(&note("n"), json!({ "title": "a", "text": "one\n" }));
    let first = bench.update(&note("n"), json!({ "title": "b" }));
    let push = bench.take_push();
    let later = bench.update(&note("n"), json!({ "tags": ["x"] }));
    let theirs = json!({ "title": "a", "text": "two\n" });
    bench.answer(&push, vec![wire::with_entity(push.only(), Outcome::Stale, 2, Some(theirs))]);
    assert_eq!(bench.ended(first), Some(EndedAs::Resolved));
    let again = bench.apply_push();
    assert!(again.only().id > later, "a new operation");
    assert_eq!(again.only().base.0, 2);
    assert!(bench.is_settled());
    let merged = json!({ "title": "b", "text": "two\n", "tags": ["x"] });
    assert_eq!(bench.see(&note("n")), Some(merged));
    assert_eq!(bench.ended(later), Some(EndedAs::Resolved));
}

/// Shows that a true conflict waits for a person at once, with the newest of both sides.
#[test]
fn a_true_conflict_waits_at_once() {
    let mut bench = Bench::with(&note("n"), json!({ "title": "a" }));
    bench.update(&note("n"), json!({ "title": "b" }));
    let push = bench.take_push();
    let theirs = Some(json!({ "title": "c" }));
    bench.answer(&push, vec![wire::with_entity(push.only(), Outcome::Stale, 2, theirs)]);
    assert!(bench.pushes.is_empty());
    let conflict = bench.only_conflict();
    assert_eq!(conflict.fields[0].server, Some(json!("c")));
    bench.resolve(&conflict, Resolution::KeepMine).unwrap();
    assert_eq!(bench.apply_push().only().base.0, 2);
    assert!(bench.is_settled());
}

/// Shows that an entity that moves on each time is sent again three times, then waits in the inbox
/// with everything kept, and that a resolution begins anew.
#[test]
fn after_three_rounds_a_person_decides() {
    let mut bench = Bench::with(&note("n"), json!({ "title": "a", "text": "" }));
    bench.update(&note("n"), json!({ "title": "b" }));
    for round in 0..=u64::from(STALE_ROUNDS_MAX) {
        let push = bench.take_push();
        assert_eq!(push.only().base.0, round + 1);
        bench.restart();
        bench.answer_pull(&[]);
        let push = bench.take_push();
        let theirs = Some(json!({ "title": "a", "text": format!("{round}\n") }));
        let answer = wire::with_entity(push.only(), Outcome::Stale, round + 2, theirs);
        bench.answer(&push, vec![answer]);
    }
    assert!(bench.pushes.is_empty(), "nothing is sent any more");
    assert_eq!(bench.see(&note("n")), Some(json!({ "title": "b", "text": "3\n" })));
    let conflict = bench.only_conflict();
    assert_eq!(conflict.server_version.0, 5);
    bench.resolve(&conflict, Resolution::KeepMine).unwrap();
    let push = bench.take_push();
    let theirs = Some(json!({ "title": "a", "text": "4\n" }));
    bench.answer(&push, vec![wire::with_entity(push.only(), Outcome::Stale, 6, theirs)]);
    bench.apply_push();
    assert!(bench.is_settled());
}

/// Shows that a delete of what moved on is decided by the type's policy.
#[test]
fn a_stale_delete_follows_the_policy() {
    let mut bench = Bench::with(&note("n"), json!({ "title": "a" }));
    bench.delete(&note("n"));
    let push = bench.take_push();
    let theirs = Some(json!({ "title": "c" }));
    bench.answer(&push, vec![wire::with_entity(push.only(), Outcome::Stale, 2, theirs)]);
    assert_eq!(bench.only_conflict().fields.len(), 1);
}

/// Shows that an atomic batch of which one member is stale goes again as a whole.
#[test]
fn a_stale_batch_goes_again_whole() {
    let mut bench = Bench::with(&note("n"), json!({ "title": "a", "text": "" }));
    bench.pull(&[wire::row(&note("m"), 2, json!({ "title": "a" }))]);
    let writes = ["n", "m"].map(|id| update(&note(id), json!({ "title": "b" }), None));
    bench.write(clarity_engine::Write::Batch { atomic: true, writes: writes.to_vec() });
    let push = bench.take_push();
    let theirs = Some(json!({ "title": "a", "text": "x\n" }));
    let stale = wire::with_entity(&push.operations[0], Outcome::Stale, 2, theirs);
    let blocked = wire::answer(&push.operations[1], Outcome::Blocked);
    bench.answer(&push, vec![stale, blocked]);
    let again = bench.apply_push();
    assert_eq!(again.operations.len(), 2);
    assert_eq!(again.operations[0].batch, again.operations[1].batch);
    assert_ne!(again.operations[0].batch, push.operations[0].batch);
    assert!(bench.is_settled());
    assert_eq!(bench.see(&note("n")), Some(json!({ "title": "b", "text": "x\n" })));
}

/// Shows that of a push that succeeded in part, what was answered ends and the rest goes again
/// under the same ids, after the wait that the server asked for.
#[test]
fn a_part_is_acknowledged_and_the_rest_goes_again() {
    let mut bench = Bench::online();
    bench.create(&note("one"), json!({}));
    bench.fail_only(FailureClass::Unreachable);
    bench.create(&note("two"), json!({}));
    bench.create(&note("three"), json!({}));
    bench.wake();
    while bench.pushes.is_empty() || bench.pushes[0].operations.len() < 2 {
        if bench.pushes.is_empty() {
            bench.answer_pull(&[]);
        } else {
            bench.apply_push();
        }
    }
    let push = bench.take_push();
    let answered = wire::response(vec![wire::applied(&push.operations[0])]);
    let wait = Some(90_000);
    let rest = Failure { retry_after_ms: wait, ..Failure::new(FailureClass::Transient, "busy") };
    bench.finish(push.request, Ok(Response::PushInPart { answered, rest }));
    assert_eq!(bench.status().waiting, 1);
    assert_eq!(bench.status().stalled.unwrap().why, Pause::Backoff);
    let next = bench.wake_at.unwrap();
    assert!(next.since_ms(bench.now) >= 90_000);
    while bench.pushes.is_empty() {
        if bench.pulls.is_empty() {
            bench.wake();
        } else {
            bench.answer_pull(&[]);
        }
    }
    assert_eq!(bench.pushes[0].bytes(), push.bytes()[1..]);
    bench.apply_push();
}
