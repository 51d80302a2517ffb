//! Bytes that may have left the device never change.

use clarity_engine::protocol::FailureClass;
use clarity_engine::store::OperationState;
use serde_json::json;

use crate::support::{Bench, note, wire};

/// Shows promise I3 from the device's side: after a kill the same bytes travel under the same id,
/// though the entity was edited and pulled meanwhile.
#[test]
fn the_same_bytes_travel_again_after_a_restart() {
    let key = note("n");
    let mut bench = Bench::with(&key, json!({"title": "a", "text": "x"}));
    bench.update(&key, json!({"title": "b"}));
    let first = bench.take_push();
    bench.update(&key, json!({"title": "c"}));
    bench.pull(&[wire::row(&key, 2, json!({"title": "a", "text": "y"}))]);

    bench.restart();
    let again = bench.take_push();
    assert_eq!(again.bytes(), first.bytes());
    assert_eq!(again.body.incarnation, first.body.incarnation);
    assert_eq!(bench.see(&key), Some(json!({"title": "c", "text": "y"})));
}

/// Shows that a request is repeated with the operations that it had and no others, so that what
/// arrived and what did not can be told apart.
#[test]
fn a_write_made_meanwhile_does_not_change_what_was_frozen() {
    let mut bench = Bench::online();
    let first = bench.create(&note("one"), json!({"title": "a"}));
    let push = bench.take_push();
    assert_eq!(push.counters(), [first.0]);
    let operation = bench.operation(first).unwrap();
    assert_eq!(operation.state, OperationState::InFlight);
    assert_eq!(operation.first_sent_at, Some(bench.now));

    bench.fail(push.request, FailureClass::Unreachable);
    let operation = bench.operation(first).unwrap();
    assert_eq!(operation.state, OperationState::Ready);
    assert_eq!(operation.attempts, 0, "no answer costs no attempt");
    let sent_at = operation.first_sent_at;
    bench.now = bench.now.plus_ms(5_000);
    bench.restart();
    assert_eq!(bench.take_push().bytes(), push.bytes());
    assert_eq!(bench.operation(first).unwrap().first_sent_at, sent_at, "the first time stays");
}

/// Shows that each request says below which counter the device has every answer.
#[test]
fn requests_say_what_is_settled() {
    let mut bench = Bench::online();
    bench.create(&note("one"), json!({}));
    let push = bench.take_push();
    assert_eq!(push.body.settled_below.0, 1);
    bench.answer(&push, vec![wire::applied(push.only())]);
    bench.create(&note("two"), json!({}));
    assert_eq!(bench.apply_push().body.settled_below.0, 2);
    bench.event(clarity_engine::Event::SyncNow);
    assert_eq!(bench.pulls[0].1.settled_below.0, 3);
}

/// Shows that a driver which stops leaves nothing marked as on its way, that a late answer is for
/// nobody, and that the next life sends the same bytes.
#[test]
fn what_is_on_its_way_when_the_driver_stops_goes_again() {
    let mut bench = Bench::online();
    bench.create(&note("n"), json!({}));
    let push = bench.take_push();
    bench.stop();
    assert_eq!(bench.counts(), (1, 0));
    assert_eq!(bench.status().in_flight, 0);
    bench.restart();
    let again = bench.take_push();
    assert_eq!(again.bytes(), push.bytes());
    let late = wire::response(vec![wire::applied(push.only())]);
    bench.finish(push.request, Ok(clarity_engine::Response::Push(late)));
    assert_eq!(bench.status().waiting, 1, "the answer of an earlier life is ignored");
    bench.answer(&again, vec![wire::applied(again.only())]);
    bench.answer_pull(&[]);
    assert!(bench.is_settled());
}
