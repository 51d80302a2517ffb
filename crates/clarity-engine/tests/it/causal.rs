//! What may be seen of others, and in which order what was made here arrives (promise I7).

use clarity_engine::Write;
use clarity_engine::protocol::FailureClass;
use clarity_engine::protocol::model::Outcome;
use clarity_engine::store::OperationState;
use serde_json::{Value, json};

use crate::support::wire::Push;
use crate::support::{self, Bench, key, note, wire};

/// Answers a push without the page that shows what it tells of others.
fn answer_alone(bench: &mut Bench, push: &Push, entity: Value) {
    let answer = wire::with_entity(push.only(), Outcome::Merged, 3, Some(entity));
    let response = clarity_engine::Response::Push(wire::response(vec![answer]));
    bench.finish(push.request, Ok(response));
}

/// Shows that an answer which brings what others made of an entity shows together with the other
/// changes of theirs, in the page that was asked for after it, and not before.
#[test]
fn an_answer_shows_nothing_of_others_before_its_page() {
    let goal = key("Goal", "g");
    let mut bench = Bench::with(&goal, json!({"progress": 10}));
    bench.event(clarity_engine::Event::SyncNow);
    bench.update(&goal, json!({"progress": 15}));
    let push = bench.take_push();
    answer_alone(&mut bench, &push, json!({"progress": 115}));
    assert_eq!(bench.see(&goal), Some(json!({"progress": 15})), "their part waits");
    // The page that was asked for before the answer does not show it either.
    bench.answer_pull(&[]);
    assert_eq!(bench.see(&goal), Some(json!({"progress": 15})));
    assert_eq!(bench.status().in_flight, 1, "it counts as on its way");
    let theirs = wire::row(&note("theirs"), 1, json!({"title": "why"}));
    bench.answer_pull(&[theirs]);
    assert_eq!(bench.see(&goal), Some(json!({"progress": 115})));
    assert_eq!(bench.see(&note("theirs")), Some(json!({"title": "why"})));
    assert!(bench.is_settled());
}

/// Shows that what is held is forgotten with the process, and that its operation goes again with
/// the same bytes.
#[test]
fn a_held_answer_is_asked_for_again_after_a_restart() {
    let goal = key("Goal", "g");
    let mut bench = Bench::with(&goal, json!({"progress": 10}));
    bench.update(&goal, json!({"progress": 15}));
    let push = bench.take_push();
    answer_alone(&mut bench, &push, json!({"progress": 115}));
    bench.restart();
    let again = bench.take_push();
    assert_eq!(again.only(), push.only());
    let answer =
        wire::with_entity(again.only(), Outcome::Merged, 3, Some(json!({"progress": 115})));
    bench.answer(&again, vec![answer]);
    assert_eq!(bench.see(&goal), Some(json!({"progress": 115})));
    assert!(bench.is_settled());
}

/// Shows that answers show at once where pulls have failed for long while pushes arrive: what is
/// written is not held up by what cannot be read.
#[test]
fn where_nothing_can_be_read_answers_show_at_once() {
    let goal = key("Goal", "g");
    let mut bench = Bench::with(&goal, json!({"progress": 10}));
    bench.update(&goal, json!({"progress": 15}));
    let push = bench.take_push();
    answer_alone(&mut bench, &push, json!({"progress": 115}));
    for round in 0..100 {
        if let Some((request, _)) = bench.pulls.pop() {
            bench.fail(request, FailureClass::Transient);
        }
        if bench.see(&goal) == Some(json!({"progress": 115})) {
            assert_eq!(bench.status().in_flight, 0);
            return;
        }
        bench.create(&note(&format!("n{round}")), json!({}));
        while let Some(push) = bench.pushes.pop() {
            let answers = push.operations.iter().map(wire::applied).collect();
            let response = clarity_engine::Response::Push(wire::response(answers));
            bench.finish(push.request, Ok(response));
        }
        if bench.wake_at.is_some() {
            bench.wake();
        }
    }
    panic!("it waits for a page that does not come");
}

/// Shows that what was made later does not go before what waits for an earlier change of the same
/// entity to arrive.
#[test]
fn a_later_change_waits_behind_an_earlier_one() {
    let (first, other) = (note("first"), note("other"));
    let mut bench = Bench::with(&first, json!({"title": "a"}));
    bench.update(&first, json!({"title": "b"}));
    let lost = bench.take_push();
    bench.update(&first, json!({"title": "c"}));
    bench.create(&other, json!({"title": "because of c"}));
    bench.fail(lost.request, FailureClass::Unreachable);
    bench.wake();
    if !bench.pulls.is_empty() {
        bench.answer_pull(&[]);
    }
    let again = bench.take_push();
    assert_eq!(again.only(), lost.only(), "the same bytes, alone");
    bench.answer(&again, vec![wire::applied(again.only())]);
    let rest = bench.take_push();
    let keys: Vec<_> = rest.operations.iter().map(|operation| &operation.key).collect();
    assert_eq!(keys, [&first, &other], "together, in order");
}

/// Shows that what was made later is not joined to an earlier change either, where something that
/// was made in between has to wait.
#[test]
fn nothing_is_joined_past_what_waits() {
    let (busy, free) = (note("busy"), note("free"));
    let mut bench = Bench::with(&busy, json!({"title": "a"}));
    bench.create(&free, json!({"title": "a"}));
    bench.apply_push();
    bench.update(&busy, json!({"title": "b"}));
    let lost = bench.take_push();
    bench.update(&free, json!({"title": "b"}));
    bench.update(&busy, json!({"title": "c"}));
    bench.update(&free, json!({"title": "because of c"}));
    bench.restart();
    bench.answer_pull(&[]);
    let again = bench.take_push();
    assert_eq!(again.operations[0], *lost.only());
    let titles: Vec<_> = again.operations.iter().map(|one| &one.changes[0].new).collect();
    assert_eq!(titles, [&Some(json!("b")), &Some(json!("b"))], "not what comes after c");
}

/// Shows that the halves of a request that fails go one after the other, the older one first.
#[test]
fn halves_go_in_order() {
    let mut bench = Bench::with(&note("n0"), json!({"title": "a"}));
    bench.event(clarity_engine::Event::Pause { until: None });
    for number in 1..=4 {
        bench.create(&note(&format!("n{number}")), json!({"title": "t"}));
    }
    bench.event(clarity_engine::Event::Resume);
    let push = bench.take_push();
    assert_eq!(push.operations.len(), 4);
    bench.fail(push.request, FailureClass::TooLarge);
    let first = bench.take_push();
    assert!(bench.pushes.is_empty(), "the other half waits");
    assert_eq!(first.operations[0].key, note("n1"));
    let answers = first.operations.iter().map(wire::applied).collect();
    bench.answer(&first, answers);
    assert_eq!(bench.take_push().operations[0].key, note("n3"));
}

/// Five changes that wait and travel as four: the third on the wire holds the first one made.
fn four_on_the_wire() -> Bench {
    let mut bench = Bench::with(&note("a"), json!({"title": "a"}));
    bench.event(clarity_engine::Event::Pause { until: None });
    bench.update(&note("a"), json!({"title": "b"}));
    bench.create(&note("b"), json!({}));
    bench.create(&note("c"), json!({}));
    bench.update(&note("a"), json!({"title": "c"}));
    bench.create(&note("d"), json!({}));
    bench.event(clarity_engine::Event::Resume);
    bench
}

/// Shows that a group is cut where all before was made earlier than all after, where there is such
/// a place.
#[test]
fn a_group_is_cut_between_earlier_and_later() {
    let mut bench = four_on_the_wire();
    let push = bench.take_push();
    bench.fail(push.request, FailureClass::TooLarge);
    let first = bench.take_push();
    let keys: Vec<_> = first.operations.iter().map(|operation| operation.key.clone()).collect();
    assert_eq!(keys, [note("b"), note("c"), note("a")]);
}

/// Shows that a group of which nothing was heard stays together for six failures, however often
/// other requests succeed meanwhile, and is then halved.
#[test]
fn what_nothing_was_heard_of_stays_together() {
    let mut bench = four_on_the_wire();
    let mut sizes = Vec::new();
    while sizes.len() < 8 {
        while let Some((request, _)) = bench.pulls.pop() {
            bench.finish(request, Ok(clarity_engine::Response::Pull(wire::page(&[]))));
        }
        match bench.pushes.pop() {
            Some(push) => {
                sizes.push(push.operations.len());
                bench.fail(push.request, FailureClass::Unreachable);
            }
            None => bench.event(clarity_engine::Event::SyncNow),
        }
        if bench.pushes.is_empty() && bench.pulls.is_empty() && bench.wake_at.is_some() {
            bench.wake();
        }
    }
    // A failure without a success since the one before does not count.
    let together = sizes.iter().take_while(|size| **size == 4).count();
    assert!((6..8).contains(&together), "{sizes:?}");
}

/// Shows that a conflict of one member of an atomic batch, found by the device itself, stops the
/// other members as well: they are not taken for something that could go, so that a sync ends.
#[test]
fn a_conflict_that_is_met_stops_the_whole_batch() {
    let (shared, other) = (note("shared"), note("other"));
    let mut bench = Bench::with(&shared, json!({"title": "a"}));
    bench.create(&note("busy"), json!({}));
    let push = bench.take_push();
    let writes = vec![
        Write::Create { key: other, fields: wire::fields(json!({"title": "b"})), parents: vec![] },
        support::update(&shared, json!({"title": "mine"}), None),
    ];
    let written = bench.write(Write::Batch { atomic: true, writes });
    bench.pull(&[wire::row(&shared, 2, json!({"title": "theirs"}))]);
    bench.answer(&push, vec![wire::applied(push.only())]);
    let states = [OperationState::Blocked, OperationState::Conflicted].map(Some);
    assert_eq!([bench.state(written.operations[0]), bench.state(written.operations[1])], states);
    assert!(bench.status().idle, "nothing is left that could go");
    let conflict = bench.only_conflict();
    bench.resolve(&conflict, clarity_engine::Resolution::KeepMine).unwrap();
    assert_eq!(bench.take_push().operations.len(), 2, "both go");
}
