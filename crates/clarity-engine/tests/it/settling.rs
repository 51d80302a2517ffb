//! Acknowledgement: by the answer of the push or by a row of a pull, in any order, any number of
//! times.

use clarity_engine::protocol::model::{Outcome, Version};
use clarity_engine::store::EndedAs;
use clarity_engine::{Event, Request, Response};
use serde_json::json;

use crate::support::wire::{self, Push};
use crate::support::{Bench, key, note};

fn repeat(bench: &mut Bench, push: &Push, answers: Vec<wire::Answer>) {
    let response = wire::response(answers);
    bench.finish(push.request, Ok(Response::Push(response)));
}

/// Shows that an operation is settled once whichever way the news comes first, and that news that
/// come again change nothing.
#[test]
fn news_in_any_order_settle_once() {
    for push_first in [true, false] {
        let key = note("n");
        let mut bench = Bench::with(&key, json!({"title": "a"}));
        bench.update(&key, json!({"title": "b"}));
        let push = bench.take_push();
        let answers = || vec![wire::applied(push.only())];
        let row = wire::row(&key, 2, json!({"title": "b"}));
        let row = wire::holding(row, push.only().id, Outcome::Applied);
        if push_first {
            bench.answer(&push, answers());
            bench.pull(std::slice::from_ref(&row));
        } else {
            bench.pull(std::slice::from_ref(&row));
            bench.answer(&push, answers());
        }
        repeat(&mut bench, &push, answers());
        bench.pull(&[row]);
        let entity = bench.entity(&key).unwrap();
        assert_eq!((entity.version, entity.pending), (Version(2), false));
        assert_eq!(bench.see(&key), Some(json!({"title": "b"})));
        assert!(bench.is_settled());
        let ended: Vec<_> = bench.published.iter().flat_map(|c| c.ended.clone()).collect();
        assert_eq!(ended, [(push.only().id, EndedAs::Applied)], "told once");
    }
}

/// Shows that a sum is not added twice when the answer is lost and a pull tells of it first.
#[test]
fn a_lost_answer_does_not_count_twice() {
    let goal = key("Goal", "g");
    let mut bench = Bench::with(&goal, json!({"progress": 10}));
    bench.update(&goal, json!({"progress": 15}));
    let push = bench.take_push();
    let row = wire::row(&goal, 3, json!({"progress": 18}));
    bench.pull(&[wire::holding(row, push.only().id, Outcome::Merged)]);
    assert_eq!(bench.see(&goal), Some(json!({"progress": 18})));
    assert_eq!(bench.ended(push.only().id), Some(EndedAs::Merged));
    bench.fail(push.request, clarity_engine::protocol::FailureClass::Unreachable);
    assert!(bench.pushes.is_empty(), "there is nothing left to send");
    assert_eq!(bench.see(&goal), Some(json!({"progress": 18})));
}

/// Shows that a merged answer brings the entity as it now stands, under what was written since.
#[test]
fn a_merged_answer_goes_in_under_later_writes() {
    let goal = key("Goal", "g");
    let mut bench = Bench::with(&goal, json!({"progress": 10}));
    bench.update(&goal, json!({"progress": 15}));
    let push = bench.take_push();
    bench.update(&goal, json!({"progress": 16}));
    let entity = Some(json!({"progress": 115}));
    let answer = wire::with_entity(push.only(), Outcome::Merged, 3, entity);
    bench.answer(&push, vec![answer]);
    assert_eq!(bench.see(&goal), Some(json!({"progress": 116})));
    let rest = bench.take_push();
    assert_eq!(rest.only().base, Version(3));
    assert_eq!(json!(rest.only().changes[0].old), json!(115));
}

/// Shows that a value that lost at the server is replaced here and kept in history, whether the
/// answer tells it or a pull.
#[test]
fn a_superseded_value_is_kept_in_history() {
    for by_pull in [false, true] {
        let metric = key("HealthMetric", "m");
        let mut bench = Bench::with(&metric, json!({"value": 60}));
        bench.update(&metric, json!({"value": 61}));
        let push = bench.take_push();
        let theirs = json!({"value": 70});
        if by_pull {
            let row = wire::row(&metric, 2, theirs.clone());
            bench.pull(&[wire::holding(row, push.only().id, Outcome::Superseded)]);
        } else {
            let theirs = Some(theirs.clone());
            let answer = wire::with_entity(push.only(), Outcome::Superseded, 2, theirs);
            bench.answer(&push, vec![answer]);
        }
        assert_eq!(bench.see(&metric), Some(theirs), "by pull: {by_pull}");
        assert_eq!(bench.ended(push.only().id), Some(EndedAs::Superseded));
        let history = bench.history(&metric);
        assert_eq!(history.len(), 1, "by pull: {by_pull}");
        assert_eq!(history[0].entry.detail["fields"], json!({"value": 61}));
        let kept_ms = history[0].entry.expires_at.since_ms(bench.now);
        assert_eq!(kept_ms, clarity_engine::HISTORY_KEPT_MS);
    }
}

/// Shows that an answer never moves what is confirmed backwards.
#[test]
fn an_older_answer_does_not_undo_a_newer_row() {
    let key = note("n");
    let mut bench = Bench::with(&key, json!({"title": "a", "at_ms": 1}));
    bench.update(&key, json!({"title": "b"}));
    let push = bench.take_push();
    bench.update(&key, json!({"at_ms": 9}));
    let row = wire::row(&key, 3, json!({"title": "b", "at_ms": 1, "text": "new"}));
    bench.pull(&[wire::holding(row, push.only().id, Outcome::Applied)]);
    let older = Some(json!({"title": "b", "at_ms": 1}));
    bench.answer(&push, vec![wire::with_entity(push.only(), Outcome::Applied, 2, older)]);
    assert_eq!(bench.see(&key), Some(json!({"title": "b", "at_ms": 9, "text": "new"})));
    assert_eq!(bench.take_push().only().base, Version(3));
}

/// Shows promise I4: what an answer does not name stays in the queue and goes again, unchanged.
#[test]
fn an_operation_leaves_only_on_an_answer_that_names_it() {
    let mut bench = Bench::online();
    bench.create(&note("zero"), json!({}));
    bench.create(&note("one"), json!({}));
    bench.create(&note("two"), json!({}));
    bench.apply_push();
    let push = bench.take_push();
    bench.answer(&push, vec![wire::applied(&push.operations[0])]);
    let again = bench.apply_push();
    assert_eq!(again.bytes(), [push.bytes()[1]]);
    assert!(bench.is_settled());
}

/// Shows that a backend that answers and names nothing makes the device wait, not spin.
#[test]
fn an_answer_that_names_nothing_is_a_failure() {
    let mut bench = Bench::online();
    let made = bench.create(&note("one"), json!({}));
    let push = bench.take_push();
    bench.answer(&push, Vec::new());
    assert!(bench.pushes.is_empty() && bench.pulls.is_empty());
    assert!(bench.wake_at.is_some());
    assert!(bench.operation(made).is_some());
}

/// Shows that a delete leaves a stub that remembers its version, and no fields.
#[test]
fn an_acknowledged_delete_leaves_a_stub() {
    let key = note("n");
    let mut bench = Bench::with(&key, json!({"title": "a"}));
    bench.delete(&key);
    assert_eq!(bench.see(&key), None, "gone at once");
    let push = bench.apply_push();
    assert_eq!(push.only().base, Version(1));
    let stub = bench.store().begin().unwrap().entity(&key).unwrap().unwrap();
    assert_eq!(stub.version, Version(2));
    assert!(stub.fields.is_empty());
    assert!(bench.is_settled());
}

/// Shows that an answer to another question, or to no question, is not taken for an answer.
#[test]
fn answers_belong_to_their_requests() {
    let mut bench = Bench::online();
    let made = bench.create(&note("one"), json!({}));
    let push = bench.take_push();
    bench.finish(push.request, Ok(Response::Pull(wire::page(&[]))));
    assert!(bench.operation(made).is_some());
    assert_eq!(bench.status().stalled.unwrap().why, clarity_engine::Pause::Backoff);
    let stranger = clarity_engine::store::RequestId(9_999);
    let answers = wire::response(vec![wire::applied(push.only())]);
    bench.finish(stranger, Ok(Response::Push(answers)));
    assert!(bench.operation(made).is_some());
}

/// Shows that nothing that a device holds of a person is in the debug output of its requests.
#[test]
fn requests_and_events_hide_their_values() {
    let mut bench = Bench::online();
    bench.create(&note("one"), json!({"text": "a private thought"}));
    let push = bench.take_push();
    let write = crate::support::update(&note("one"), json!({"text": "another thought"}), None);
    let shown = format!("{:?} {:?}", Request::Push(push.body), Event::Write(write));
    assert!(!shown.contains("thought"), "{shown}");
}
