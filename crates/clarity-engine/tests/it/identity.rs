//! A server that began a new life, and a store that turns out to be a copy.

use clarity_engine::Event;
use clarity_engine::protocol::model::{Check, Epoch, Outcome, Seq};
use clarity_engine::protocol::{
    Cursor, FailureClass, FetchResponse, LogMark, PullResponse, PushResponse, Scope,
    SettledOperation, hash_operation,
};
use clarity_engine::{Response, Wanted, Write};
use serde_json::json;

use crate::support::{Bench, EPOCH, note, wire};

const NEXT_LIFE: Epoch = Epoch(0xe1);

fn page_of_next_life(rows: &[clarity_engine::protocol::Row]) -> PullResponse {
    let page = wire::page(rows);
    let cursor = Cursor { epoch: NEXT_LIFE, ..page.cursor.clone() };
    PullResponse { epoch: NEXT_LIFE, cursor, ..page }
}

/// Shows that a refused cursor makes the device read everything again, before it sends anything,
/// and that what waits keeps waiting.
#[test]
fn a_refused_cursor_keeps_what_waits() {
    let key = note("n");
    let mut bench = Bench::with(&key, json!({"title": "a", "at_ms": 1}));
    bench.event(Event::Pause { until: None });
    bench.update(&key, json!({"title": "mine"}));
    bench.event(Event::Resume);
    let push = bench.take_push();
    bench.fail(push.request, FailureClass::Reset);
    assert!(bench.pushes.is_empty(), "first it learns what the server has");
    let (_, pull) = &bench.pulls[0];
    assert_eq!((pull.cursor.as_ref(), pull.settled_below.0), (None, 0));
    bench.answer_pull_with(page_of_next_life(&[wire::row(&key, 1, json!({"title": "a"}))]));
    let again = bench.take_push();
    assert_eq!(again.bytes(), push.bytes());
    assert_eq!(again.body.epoch, Some(NEXT_LIFE));
    assert_eq!(bench.see(&key), Some(json!({"title": "mine"})));
}

/// Shows that a device tells each time how far it has heard of the log, by answers or by pages,
/// whatever the order in which they came, and that it forgets that with the history.
#[test]
fn how_far_it_has_heard_is_told() {
    let key = note("n");
    let mark = |seq| Some(LogMark { seq: Seq(seq), check: Check(seq) });
    let mut bench = Bench::with(&key, json!({"title": "a"}));
    let read = wire::cursor(10);
    for (title, told, named) in [("b", None, mark(90)), ("c", mark(90), mark(80))] {
        bench.update(&key, json!({ "title": title }));
        let push = bench.take_push();
        let told = told.or(Some(LogMark { seq: read.seq, check: read.check }));
        assert_eq!(push.body.heard, told);
        let answer = wire::answer(push.only(), Outcome::Applied);
        let response = PushResponse { head: named, ..wire::response(vec![answer]) };
        bench.finish(push.request, Ok(Response::Push(response)));
    }
    bench.restart();
    let (request, pull) = bench.pulls.remove(0);
    assert_eq!(pull.heard, mark(90));
    let page = wire::page(&[wire::row(&key, 12, json!({"title": "c"}))]);
    assert_eq!(page.cursor.seq, Seq(120));
    let further = LogMark { seq: page.cursor.seq, check: page.cursor.check };
    bench.finish(request, Ok(Response::Pull(page)));
    bench.update(&key, json!({"title": "d"}));
    let push = bench.take_push();
    assert_eq!(push.body.heard, Some(further));
    bench.fail(push.request, FailureClass::Reset);
    let (_, pull) = &bench.pulls[0];
    assert_eq!((pull.heard, pull.cursor.as_ref()), (None, None));
}

/// Shows that what is fetched by name counts as heard, and that the mark of a cursor is not
/// forgotten with the cursor: a server that was set back to before it must not be believed.
#[test]
fn all_that_was_heard_is_told() {
    let mark = |seq| Some(LogMark { seq: Seq(seq), check: Check(seq) });
    let mut bench = Bench::online();
    bench.write(Write::Fetch { wanted: vec![Wanted::Key(note("n"))] });
    let row = wire::row(&note("n"), 5, json!({"title": "a"}));
    let fetched = wire::fetched(&[row], &[]);
    let check = Some(Check(fetched.head.0));
    bench.answer_fetch(FetchResponse { check, ..fetched });
    bench.update(&note("n"), json!({"title": "b"}));
    assert_eq!(bench.take_push().body.heard, mark(1_000));

    let mut bench = Bench::online();
    follow_anew(&mut bench);
    bench.create(&note("n"), json!({"title": "a"}));
    assert_eq!(bench.take_push().body.heard, Some(wire::page(&[]).cursor.mark()));
}

/// Follows less and then everything, so that everything is read again.
fn follow_anew(bench: &mut Bench) {
    let notes = Scope { types: vec![note("n").entity_type], ..Scope::default() };
    for scope in [notes, Scope::default()] {
        bench.write(Write::SetScope { scope });
    }
}

/// Shows that an answer of the lost history acknowledges nothing, and that a page which was asked
/// for without asking what was lost is not taken for the answer to that.
#[test]
fn answers_on_their_way_are_not_believed_after_a_reset() {
    let key = note("n");
    let mut bench = Bench::with(&key, json!({"title": "a"}));
    let made = bench.update(&key, json!({"title": "mine"}));
    let push = bench.take_push();
    bench.event(Event::SyncNow);
    let (request, _) = bench.pulls.remove(0);
    bench.fail(request, FailureClass::Reset);
    bench
        .finish(push.request, Ok(Response::Push(wire::response(vec![wire::applied(push.only())]))));
    assert!(bench.operation(made).is_some());
    bench.answer_pull_with(page_of_next_life(&[wire::row(&key, 1, json!({"title": "a"}))]));
    assert_eq!(bench.take_push().bytes(), push.bytes());

    let mut bench = Bench::with(&key, json!({"title": "a"}));
    bench.event(Event::Pause { until: None });
    bench.update(&key, json!({"title": "mine"}));
    follow_anew(&mut bench);
    bench.event(Event::Resume);
    let push = bench.take_push();
    let (request, pull) = bench.pulls.remove(0);
    assert_eq!((pull.cursor.as_ref(), pull.lost_epoch), (None, None));
    bench.fail(push.request, FailureClass::Reset);
    bench.finish(request, Ok(Response::Pull(page_of_next_life(&[]))));
    let (_, pull) = &bench.pulls[0];
    assert_eq!(pull.lost_epoch, Some(EPOCH));
}

/// Shows that what was sent before a reset says that its base is of another history, each time it
/// goes again, and that what is made afterwards does not.
#[test]
fn a_base_of_another_history_is_named() {
    let key = note("n");
    let mut bench = Bench::with(&key, json!({"title": "a"}));
    bench.update(&key, json!({"title": "mine"}));
    let push = bench.take_push();
    assert!(push.body.foreign_bases.is_empty());
    bench.fail(push.request, FailureClass::Reset);
    let row = wire::row(&key, 1, json!({"title": "a", "extra": 1}));
    bench.answer_pull_with(page_of_next_life(&[row]));
    for _ in 0..2 {
        let again = bench.take_push();
        assert_eq!(again.bytes(), push.bytes());
        assert_eq!(again.body.foreign_bases, [push.only().id]);
        bench.fail(again.request, FailureClass::Unreachable);
        bench.wake();
        if let Some((request, _)) = bench.pulls.pop() {
            bench.finish(request, Ok(Response::Pull(page_of_next_life(&[]))));
        }
    }
    let again = bench.take_push();
    let entity = json!({"title": "mine", "extra": 1});
    let answer = wire::with_entity(again.only(), Outcome::Applied, 2, Some(entity.clone()));
    let response = PushResponse { epoch: NEXT_LIFE, ..wire::response(vec![answer]) };
    bench.finish(again.request, Ok(Response::Push(response)));
    while let Some((request, _)) = bench.pulls.pop() {
        bench.finish(request, Ok(Response::Pull(page_of_next_life(&[]))));
    }
    assert_eq!(bench.see(&key), Some(entity));
    bench.update(&key, json!({"title": "next"}));
    let next = bench.take_push();
    assert_eq!((next.only().base.0, next.body.foreign_bases.len()), (2, 0));
}

/// Shows that a server which answers that it was reset is read at once, however long nothing could
/// be reached before; one that says so again and again is not.
#[test]
fn a_reset_is_followed_at_once() {
    let key = note("n");
    let mut bench = Bench::with(&key, json!({"title": "a"}));
    bench.update(&key, json!({"title": "mine"}));
    for _ in 0..12 {
        bench.fail_only(FailureClass::Unreachable);
        bench.wake();
    }
    bench.fail_only(FailureClass::Reset);
    let (_, pull) = &bench.pulls[0];
    assert_eq!(pull.cursor, None);
    bench.fail_only(FailureClass::Reset);
    assert!(bench.pulls.is_empty() && bench.pushes.is_empty());
    bench.wake();
    bench.answer_pull_with(page_of_next_life(&[wire::row(&key, 1, json!({"title": "a"}))]));
    assert_eq!(bench.apply_push().body.epoch, Some(NEXT_LIFE));
}

/// Shows that an answer from another life of the server is not taken as an acknowledgement.
#[test]
fn an_answer_from_another_life_acknowledges_nothing() {
    let mut bench = Bench::online();
    let made = bench.create(&note("n"), json!({}));
    let push = bench.take_push();
    let answers = vec![wire::applied(push.only())];
    let response = PushResponse { epoch: NEXT_LIFE, ..wire::response(answers) };
    bench.finish(push.request, Ok(Response::Push(response)));
    assert!(bench.operation(made).is_some());
    assert!(bench.pushes.is_empty());
    bench.answer_pull_with(page_of_next_life(&[]));
    assert_eq!(bench.take_push().bytes(), push.bytes());
}

/// Shows that a copied store is found out by its first reused number, takes a new life, and sends
/// its own changes under it, each once and in order.
#[test]
fn a_copied_store_takes_a_new_life() {
    let key = note("n");
    let mut bench = Bench::online();
    bench.create(&key, json!({"title": "a"}));
    let push = bench.take_push();
    bench.update(&key, json!({"title": "b"}));
    let parent = bench.create(&note("parent"), json!({}));
    bench.create_after(&note("child"), json!({}), vec![parent]);
    let before = push.body.incarnation;
    bench.answer(&push, vec![wire::answer(push.only(), Outcome::OpIdReused)]);
    let again = bench.take_push();
    assert_ne!(again.body.incarnation, before);
    let sent: Vec<_> = again.operations.iter().map(|operation| operation.key.clone()).collect();
    assert_eq!(sent, [key.clone(), note("parent")]);
    assert_eq!(json!(again.operations[0].fields), json!({"title": "b"}));
    bench.answer(&again, again.operations.iter().map(wire::applied).collect());
    bench.apply_push();
    assert_eq!(bench.see(&key), Some(json!({"title": "b"})));
    assert!(bench.is_settled());
}

/// Shows that a row which names an operation of the copy says nothing of the one that waits here
/// under the same number, whether it is of that entity, of another one, or makes one: nothing that
/// waits is lost, and it travels under a new life.
#[test]
fn what_a_copy_sent_settles_nothing_here() {
    let (own, other) = (note("n"), note("other"));
    let copied = hash_operation(b"what the copy sent under this number");
    for key in [&own, &other] {
        let mut bench = Bench::online();
        bench.create(&own, json!({"title": "mine"}));
        let push = bench.take_push();
        let mut row = wire::row(key, 1, json!({"title": "of the copy"}));
        row.operations = vec![SettledOperation {
            id: push.only().id,
            outcome: Outcome::Applied,
            hash: Some(copied.into()),
        }];
        bench.pull(&[row]);
        assert_eq!(bench.see(&own), Some(json!({"title": "mine"})));
        assert!(bench.operation(push.only().id).is_some());
        bench.answer(&push, vec![wire::answer(push.only(), Outcome::OpIdReused)]);
        if *key == own {
            // Both have made it: a person decides, and nothing is lost.
            assert_eq!(bench.only_conflict().key, own);
            continue;
        }
        let renumbered = bench.take_push();
        assert_ne!(renumbered.body.incarnation, push.body.incarnation);
        assert_eq!(renumbered.only().key, own);
    }
}

/// Shows that a row with the hash of what waits here settles it.
#[test]
fn a_row_settles_what_was_sent_here() {
    let key = note("n");
    let mut bench = Bench::online();
    bench.create(&key, json!({"title": "mine"}));
    let push = bench.take_push();
    let hash = hash_operation(push.bytes()[0].as_bytes());
    let mut row = wire::row(&key, 1, json!({"title": "mine"}));
    row.operations = vec![SettledOperation {
        id: push.only().id,
        outcome: Outcome::Applied,
        hash: Some(hash.into()),
    }];
    bench.pull(&[row]);
    assert_eq!(bench.operation(push.only().id), None);
}

/// Shows that a server which was set back without a word, to a place that the device had read
/// already, and has given a version to another change that the device knows as its own, is
/// believed: the row replaces what is here, under what waits as well.
#[test]
fn a_version_that_was_given_twice_is_the_servers() {
    for waits in [false, true] {
        let key = note("n");
        let mut bench = Bench::with(&key, json!({"title": "a"}));
        bench.update(&key, json!({"title": "lost"}));
        bench.apply_push();
        if waits {
            bench.update(&key, json!({"extra": 1}));
        }
        bench.pull(&[wire::row(&key, 2, json!({"title": "other"}))]);
        let extra =
            if waits { json!({"title": "other", "extra": 1}) } else { json!({"title": "other"}) };
        assert_eq!(bench.see(&key), Some(extra));
        if !waits {
            bench.pull(&[wire::deleted_row(&key, 2)]);
            assert_eq!(bench.see(&key), None);
        }
    }
}

/// Shows that an id handed out twice stays with the first: a new life does not touch what was sent
/// under the old one and not answered.
#[test]
fn what_was_sent_keeps_its_old_life() {
    let mut bench = Bench::online();
    bench.create(&note("one"), json!({}));
    let first = bench.take_push();
    bench.create(&note("two"), json!({}));
    bench.create(&note("three"), json!({}));
    bench.answer(&first, vec![wire::applied(first.only())]);
    let second = bench.take_push();
    let reused = wire::answer(&second.operations[0], Outcome::OpIdReused);
    bench.answer(&second, vec![reused]);
    let lives: Vec<_> = bench.pushes.iter().map(|push| push.body.incarnation).collect();
    let mut seen = lives.clone();
    for _ in 0..3 {
        if !bench.pushes.is_empty() {
            seen.push(bench.apply_push().body.incarnation);
        }
    }
    assert!(seen.contains(&first.body.incarnation), "the unanswered one");
    assert!(seen.iter().any(|life| *life != first.body.incarnation), "the reused one");
    assert!(bench.is_settled());
}

/// Shows that writes go on during a reset, and that a rollback still works.
#[test]
fn local_writes_go_on_during_a_reset() {
    let mut bench = Bench::new();
    bench.fail_only(FailureClass::Reset);
    let made = bench.create(&note("n"), json!({"title": "a"}));
    assert_eq!(bench.see(&note("n")), Some(json!({"title": "a"})));
    bench.write(Write::Rollback { operation: made });
    assert_eq!(bench.see(&note("n")), None);
}
