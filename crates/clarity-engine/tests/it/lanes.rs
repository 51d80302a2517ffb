//! Order: one request a lane, dependents after what they need, atomic batches as one.

use clarity_engine::protocol::model::{Counter, Outcome};
use clarity_engine::store::OperationState;
use clarity_engine::{Event, REQUESTS_IN_FLIGHT_MAX, Resolution, Write};
use serde_json::json;

use crate::support::{Bench, note, update, wire};

fn create(id: &str) -> Write {
    Write::Create { key: note(id), fields: wire::fields(json!({})), parents: Vec::new() }
}

fn batch(writes: Vec<Write>) -> Write {
    Write::Batch { atomic: true, writes }
}

/// Shows that an entity has at most one request on its way, and that what waits behind goes with
/// the answer, on the version that it gave.
#[test]
fn one_request_a_lane() {
    let key = note("n");
    let mut bench = Bench::online();
    bench.create(&key, json!({"title": "a"}));
    let first = bench.take_push();
    bench.update(&key, json!({"title": "b"}));
    bench.event(Event::Foreground);
    assert!(bench.pushes.is_empty());
    bench.answer_pull(&[]);
    bench.answer(&first, vec![wire::applied(first.only())]);
    let second = bench.take_push();
    assert_eq!(second.counters(), [2]);
    assert_eq!(second.only().base.0, 1);
}

/// Shows the bound on requests: however much waits, no more than three are on their way, and the
/// third of them is only for full requests.
#[test]
fn at_most_three_requests_are_on_their_way() {
    let mut bench = Bench::online();
    let writes = (0..5_000).map(|n| create(&format!("n{n}"))).collect();
    bench.write(Write::Batch { atomic: false, writes });
    bench.event(Event::SyncNow);
    assert_eq!((bench.pushes.len(), bench.pulls.len()), (REQUESTS_IN_FLIGHT_MAX, 0));
    assert!(bench.pushes.iter().all(|push| push.operations.len() == 1_000));
    let mut arrived = 0;
    while !bench.pushes.is_empty() {
        if !bench.pulls.is_empty() {
            bench.answer_pull(&[]);
        }
        let push = bench.pushes.remove(0);
        arrived += push.operations.len();
        bench.answer(&push, push.operations.iter().map(wire::applied).collect());
    }
    assert_eq!(arrived, 5_000);
}

/// Shows that a small write made while a push is on its way waits for that push instead of costing
/// a request of its own.
#[test]
fn small_writes_gather_while_a_push_is_on_its_way() {
    let mut bench = Bench::online();
    bench.create(&note("one"), json!({}));
    bench.create(&note("two"), json!({}));
    bench.create(&note("three"), json!({}));
    let first = bench.apply_push();
    assert_eq!(first.counters(), [1]);
    assert_eq!(bench.take_push().counters(), [2, 3]);
}

/// Shows that a child waits for its parent and goes when the parent was accepted.
#[test]
fn a_child_waits_for_its_parent() {
    let mut bench = Bench::online();
    let parent = bench.create(&note("parent"), json!({}));
    let child = bench.create_after(&note("child"), json!({}), vec![parent]);
    let grandchild = bench.create_after(&note("grandchild"), json!({}), vec![child]);
    assert_eq!(bench.apply_push().counters(), [parent.0]);
    assert_eq!(bench.state(grandchild), Some(OperationState::Blocked));
    assert_eq!(bench.apply_push().counters(), [child.0]);
    assert_eq!(bench.apply_push().counters(), [grandchild.0]);
    assert!(bench.is_settled());
}

/// Shows that a rejected parent holds its dependents, and nothing else.
#[test]
fn a_rejected_parent_holds_its_children_only() {
    let mut bench = Bench::online();
    let parent = bench.create(&note("parent"), json!({}));
    let child = bench.create_after(&note("child"), json!({}), vec![parent]);
    let push = bench.take_push();
    bench.answer(&push, vec![wire::rejected(push.only())]);
    assert_eq!(bench.state(child), Some(OperationState::Blocked));
    bench.create(&note("neighbour"), json!({}));
    assert_eq!(bench.apply_push().counters(), [3]);
    assert_eq!(bench.status().failed, 1);
}

/// Shows that an atomic batch goes only when each member is next in its lane, and then side by
/// side under one batch number.
#[test]
fn an_atomic_batch_heads_all_its_lanes() {
    let (one, two) = (note("one"), note("two"));
    let mut bench = Bench::with(&one, json!({"title": "a"}));
    bench.update(&one, json!({"title": "b"}));
    let first = bench.take_push();
    bench.write(batch(vec![update(&one, json!({"title": "c"}), None), create("two")]));
    bench.event(Event::Foreground);
    bench.answer_pull(&[]);
    assert!(bench.pushes.is_empty(), "its lane is taken, so the other member waits too");
    bench.answer(&first, vec![wire::applied(first.only())]);
    let push = bench.take_push();
    assert_eq!(push.counters(), [2, 3]);
    assert_eq!(push.operations[0].batch, push.operations[1].batch);
    bench.answer(&push, push.operations.iter().map(wire::applied).collect());
    assert_eq!(bench.see(&two), Some(json!({})));
    assert!(bench.is_settled());
}

/// Shows that a batch of which one member is rejected waits in the inbox as one, and that retrying
/// one member sends all of them again.
#[test]
fn a_batch_waits_in_the_inbox_as_one() {
    let mut bench = Bench::online();
    bench.write(batch(vec![create("one"), create("two")]));
    let push = bench.take_push();
    let blocked = wire::answer(&push.operations[1], Outcome::Blocked);
    bench.answer(&push, vec![wire::rejected(&push.operations[0]), blocked]);
    assert_eq!(bench.status().failed, 2);
    let renewed = bench.write(Write::Retry { operation: Counter(2) }).operations;
    assert_eq!(renewed, [Counter(3), Counter(4)]);
    let again = bench.apply_push();
    assert_eq!(again.counters(), [3, 4]);
    assert!(again.operations.iter().all(|operation| operation.batch == Some(Counter(3))));
    assert!(bench.is_settled());
}

/// Shows that giving up one member of a batch gives up all of it.
#[test]
fn a_batch_is_given_up_as_one() {
    let mut bench = Bench::online();
    bench.write(batch(vec![create("one"), create("two")]));
    let push = bench.take_push();
    let blocked = wire::answer(&push.operations[1], Outcome::Blocked);
    bench.answer(&push, vec![wire::rejected(&push.operations[0]), blocked]);
    bench.write(Write::Discard { operation: Counter(1) });
    assert_eq!((bench.see(&note("one")), bench.see(&note("two"))), (None, None));
    assert!(bench.is_settled());
}

/// Shows that an atomic batch which could never travel in one request, or that changes an entity
/// twice, is refused when it is made, and nothing of it stays.
#[test]
fn an_impossible_batch_is_refused_when_it_is_made() {
    use clarity_engine::WriteError;
    let mut bench = Bench::online();
    let many = (0..1_001).map(|n| create(&format!("n{n}"))).collect();
    assert!(matches!(bench.try_write(batch(many)), Err(WriteError::TooLarge)));
    let twice = batch(vec![create("n"), update(&note("n"), json!({"title": "b"}), None)]);
    assert!(matches!(bench.try_write(twice), Err(WriteError::TwiceInBatch)));
    let nested = batch(vec![batch(vec![create("n")])]);
    assert!(matches!(bench.try_write(nested), Err(WriteError::NotInBatch)));
    let late = Write::Batch { atomic: false, writes: vec![create("n"), create("n")] };
    let refused = bench.try_write(late);
    let Err(WriteError::InBatch { position: 1, reason }) = refused else { panic!("{refused:?}") };
    assert!(matches!(*reason, WriteError::Exists));
    assert_eq!(bench.see(&note("n")), None);
    assert!(bench.is_settled());
}

/// Shows that an atomic batch waits as a whole behind a conflict in one of its lanes, and goes when
/// that is settled.
#[test]
fn a_batch_waits_as_a_whole_behind_a_conflict() {
    let key = note("n");
    let mut bench = Bench::with(&key, json!({"title": "a"}));
    bench.update(&key, json!({"title": "b"}));
    let push = bench.take_push();
    let fields = wire::fields(json!({"title": "other"}));
    let writes = vec![
        Write::Create { key: note("other"), fields, parents: Vec::new() },
        update(&key, json!({"at_ms": 1}), None),
    ];
    bench.write(Write::Batch { atomic: true, writes });
    let theirs = Some(json!({"title": "theirs"}));
    bench.answer(&push, vec![wire::with_entity(push.only(), Outcome::Conflict, 2, theirs)]);
    assert_eq!(bench.counts(), (0, 0), "nothing of the batch is ready");
    let conflict = bench.only_conflict();
    bench.resolve(&conflict, Resolution::UseServer).unwrap();
    while !bench.pushes.is_empty() {
        bench.apply_push();
    }
    assert!(bench.is_settled());
}
