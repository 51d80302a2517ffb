//! Rollback of what is on its way: hidden at once, taken back at the server once it is there.

use clarity_engine::protocol::FailureClass;
use clarity_engine::protocol::model::{Counter, EntityKey, Kind, Outcome};
use clarity_engine::store::{EndedAs, OperationState};
use clarity_engine::{Event, Write, WriteError};
use serde_json::{Value, json};

use crate::support::wire::{self, Push};
use crate::support::{Bench, key, note};

/// A note "a" whose title is on its way to "b", and its push.
fn on_its_way() -> (Bench, Push) {
    let mut bench = Bench::with(&note("n"), json!({"title": "a"}));
    bench.update(&note("n"), json!({"title": "b"}));
    let push = bench.take_push();
    (bench, push)
}

fn roll_back(bench: &mut Bench, operation: Counter) -> Vec<Counter> {
    bench.write(Write::Rollback { operation }).operations
}

fn title(bench: &mut Bench, key: &EntityKey) -> Option<Value> {
    bench.see(key).map(|fields| fields["title"].clone())
}

/// Shows that a change on its way is hidden from the view at once, that nothing more leaves before
/// its answer, and that its inverse goes out after it.
#[test]
fn what_is_on_its_way_is_hidden_and_then_taken_back() {
    let (mut bench, push) = on_its_way();
    assert_eq!(roll_back(&mut bench, Counter(1)), [Counter(2)]);
    assert_eq!(title(&mut bench, &note("n")), Some(json!("a")));
    assert!(bench.pushes.is_empty());
    bench.answer(&push, vec![wire::applied(push.only())]);
    assert_eq!(title(&mut bench, &note("n")), Some(json!("a")));
    let inverse = bench.apply_push();
    assert_eq!(json!(inverse.only().changes), json!([{"field": "title", "old": "b", "new": "a"}]));
    assert!(bench.is_settled());
    assert_eq!(bench.history(&note("n"))[0].entry.detail["fields"], json!({"title": "b"}));
}

/// Shows that nothing is sent when the server rejected the change, or found it in conflict: both
/// operations end as cancelled and nothing waits in an inbox.
#[test]
fn what_the_server_refused_needs_no_inverse() {
    let theirs = json!({"title": "theirs"});
    for conflict in [false, true] {
        let (mut bench, push) = on_its_way();
        roll_back(&mut bench, Counter(1));
        let answer = match conflict {
            true => wire::with_entity(push.only(), Outcome::Conflict, 2, Some(theirs.clone())),
            false => wire::rejected(push.only()),
        };
        bench.answer(&push, vec![answer]);
        assert!(bench.pushes.is_empty() && bench.conflicts().is_empty());
        let shown = if conflict { json!("theirs") } else { json!("a") };
        assert_eq!(title(&mut bench, &note("n")), Some(shown));
        for counter in [Counter(1), Counter(2)] {
            assert_eq!(bench.ended(counter), Some(EndedAs::Cancelled));
        }
        assert!(bench.is_settled());
    }
}

/// Shows that a value which lost by policy needs no inverse, and that where others added to it,
/// only what was added here is taken back.
#[test]
fn an_inverse_takes_back_only_what_took_effect() {
    let metric = key("HealthMetric", "m");
    let mut bench = Bench::with(&metric, json!({"value": 60}));
    bench.update(&metric, json!({"value": 61}));
    let push = bench.take_push();
    roll_back(&mut bench, Counter(1));
    let theirs = Some(json!({"value": 62}));
    bench.answer(&push, vec![wire::with_entity(push.only(), Outcome::Superseded, 2, theirs)]);
    assert!(bench.pushes.is_empty() && bench.is_settled());
    assert_eq!(bench.see(&metric), Some(json!({"value": 62})));

    let goal = key("Goal", "g");
    let mut bench = Bench::with(&goal, json!({"progress": 10}));
    bench.update(&goal, json!({"progress": 15}));
    let push = bench.take_push();
    roll_back(&mut bench, Counter(1));
    let both = Some(json!({"progress": 115}));
    bench.answer(&push, vec![wire::with_entity(push.only(), Outcome::Merged, 3, both)]);
    assert_eq!(bench.see(&goal), Some(json!({"progress": 110})));
    let inverse = bench.apply_push();
    assert_eq!(inverse.only().changes[0].new, Some(json!(110)));
    assert!(bench.is_settled());
}

/// Shows that it goes on after a crash at each step, and after a lost answer: the same bytes travel
/// again, and the inverse goes out once.
#[test]
fn a_rollback_survives_crashes_and_lost_answers() {
    for crashes in 0..8 {
        let (mut bench, push) = on_its_way();
        let bytes = push.bytes().join("");
        roll_back(&mut bench, Counter(1));
        let mut push = push;
        if crashes & 1 > 0 {
            bench.restart();
            bench.answer_pull(&[]);
            push = bench.take_push();
        }
        if crashes & 2 > 0 {
            bench.fail(push.request, FailureClass::Unreachable);
            bench.event(Event::SyncNow);
            while bench.pushes.is_empty() {
                bench.answer_pull(&[]);
            }
            push = bench.take_push();
        }
        assert_eq!(push.bytes().join(""), bytes, "crashes {crashes}");
        assert_eq!(title(&mut bench, &note("n")), Some(json!("a")));
        bench.answer(&push, vec![wire::applied(push.only())]);
        while !bench.pulls.is_empty() {
            bench.answer_pull(&[]);
        }
        if crashes & 4 > 0 {
            bench.restart();
            bench.answer_pull(&[]);
        }
        let inverse = bench.apply_push();
        assert_eq!((inverse.only().id, inverse.only().base.0), (Counter(2), 2));
        assert!(bench.is_settled(), "crashes {crashes}");
    }
}

/// Shows that a pull which holds the change answers for it as well.
#[test]
fn a_pull_may_bring_the_answer() {
    let (mut bench, push) = on_its_way();
    roll_back(&mut bench, Counter(1));
    let row = wire::row(&note("n"), 2, json!({"title": "b"}));
    bench.pull(&[wire::holding(row, Counter(1), Outcome::Applied)]);
    assert_eq!(title(&mut bench, &note("n")), Some(json!("a")));
    bench.answer(&push, vec![wire::applied(push.only())]);
    assert_eq!(bench.apply_push().only().changes[0].new, Some(json!("a")));
    assert!(bench.is_settled());
}

/// Shows that taking back a create which is on its way takes its later edits along, deletes the
/// entity at the server if it came to be, and sends nothing if it did not.
#[test]
fn a_create_on_its_way_is_deleted_again() {
    for rejected in [false, true] {
        let mut bench = Bench::online();
        let made = bench.create(&note("n"), json!({"title": "a"}));
        let push = bench.take_push();
        let edit = bench.update(&note("n"), json!({"title": "b"}));
        roll_back(&mut bench, made);
        assert_eq!(bench.see(&note("n")), None);
        assert_eq!(bench.ended(edit), Some(EndedAs::Cancelled));
        if rejected {
            bench.answer(&push, vec![wire::rejected(push.only())]);
            assert!(bench.pushes.is_empty());
        } else {
            bench.answer(&push, vec![wire::applied(push.only())]);
            assert_eq!(bench.apply_push().only().kind, Kind::Delete);
        }
        assert_eq!(bench.see(&note("n")), None);
        assert!(bench.is_settled());
    }
}

/// Shows that edits which travel with a create that is taken back end with it, when the server
/// refused all of it as well.
#[test]
fn edits_on_their_way_with_a_create_go_with_it() {
    for whole in [false, true] {
        let mut bench = Bench::online();
        bench.event(Event::Pause { until: None });
        let made = bench.create(&note("n"), json!({"title": "a"}));
        bench.update(&note("n"), json!({"title": "b"}));
        bench.event(Event::Resume);
        let push = bench.take_push();
        let write = match whole {
            true => Write::RollbackEntity { key: note("n") },
            false => Write::Rollback { operation: made },
        };
        assert_eq!(bench.write(write).operations, [Counter(3)]);
        bench.answer(&push, vec![wire::rejected(push.only())]);
        assert!(bench.is_settled() && bench.see(&note("n")).is_none());
        assert_eq!(bench.ended(Counter(2)), Some(EndedAs::Cancelled));
    }
}

/// Shows that taking back a delete which is on its way brings the entity back, here at once and at
/// the server by an undelete.
#[test]
fn a_delete_on_its_way_is_undone() {
    let mut bench = Bench::with(&note("n"), json!({"title": "a"}));
    let deleted = bench.delete(&note("n"));
    let push = bench.take_push();
    roll_back(&mut bench, deleted);
    assert_eq!(title(&mut bench, &note("n")), Some(json!("a")));
    bench.answer(&push, vec![wire::applied(push.only())]);
    let undelete = bench.apply_push();
    assert_eq!((undelete.only().kind, undelete.only().base.0), (Kind::Create, 2));
    assert_eq!(title(&mut bench, &note("n")), Some(json!("a")));
    assert!(bench.is_settled());
}

/// Shows that later edits stay, of other fields and of the same one, and that both travel with the
/// inverse as one.
#[test]
fn later_edits_stay() {
    for (changes, shown) in [
        (json!({"at_ms": 1}), json!({"title": "a", "at_ms": 1})),
        (json!({"title": "c"}), json!({"title": "c"})),
    ] {
        let (mut bench, push) = on_its_way();
        bench.update(&note("n"), changes);
        roll_back(&mut bench, Counter(1));
        assert_eq!(bench.see(&note("n")), Some(shown.clone()));
        bench.answer(&push, vec![wire::applied(push.only())]);
        bench.apply_push();
        assert_eq!(bench.see(&note("n")), Some(shown));
        assert!(bench.conflicts().is_empty() && bench.is_settled());
    }
}

/// Shows that a rollback can be taken back in turn while nothing was heard, and that a second
/// rollback of the same operation is refused.
#[test]
fn a_rollback_can_be_taken_back() {
    let (mut bench, push) = on_its_way();
    let inverse = roll_back(&mut bench, Counter(1))[0];
    let again = bench.try_write(Write::Rollback { operation: Counter(1) });
    assert!(matches!(again, Err(WriteError::TakenBackAlready(Counter(1)))));
    roll_back(&mut bench, inverse);
    assert_eq!(title(&mut bench, &note("n")), Some(json!("b")));
    bench.answer(&push, vec![wire::rejected(push.only())]);
    assert_eq!(bench.state(Counter(1)), Some(OperationState::Failed), "it is wanted again");
}

/// Shows that a rollback of an entity takes back what waits and what is on its way, that the view
/// is what the server has, and that only the inverse of what was sent goes out.
#[test]
fn a_rollback_of_an_entity_shows_what_the_server_has() {
    let (mut bench, push) = on_its_way();
    bench.update(&note("n"), json!({"title": "c", "at_ms": 1}));
    bench.delete(&note("n"));
    let write = Write::RollbackEntity { key: note("n") };
    bench.write(write.clone());
    assert_eq!(bench.see(&note("n")), Some(json!({"title": "a"})));
    let again = bench.try_write(write);
    assert!(matches!(again, Err(WriteError::NothingToRollBack)));
    bench.answer(&push, vec![wire::applied(push.only())]);
    let inverse = bench.apply_push();
    assert_eq!((inverse.only().changes.len(), inverse.only().covers.len()), (1, 0));
    assert_eq!(bench.see(&note("n")), Some(json!({"title": "a"})));
    assert!(bench.is_settled());
}

/// Shows that a rollback of an entity in conflict leaves what the server has.
#[test]
fn a_rollback_of_an_entity_ends_its_conflict() {
    let (mut bench, push) = on_its_way();
    let theirs = Some(json!({"title": "theirs"}));
    bench.answer(&push, vec![wire::with_entity(push.only(), Outcome::Conflict, 2, theirs)]);
    bench.write(Write::RollbackEntity { key: note("n") });
    assert_eq!(title(&mut bench, &note("n")), Some(json!("theirs")));
    assert!(bench.conflicts().is_empty() && bench.is_settled());
}

/// Shows that an atomic batch on its way is taken back as one: by an atomic batch, or, when the
/// server refused it, by nothing.
#[test]
fn an_atomic_batch_on_its_way_is_taken_back_as_one() {
    for rejected in [false, true] {
        let mut bench = Bench::with(&note("n"), json!({"title": "a"}));
        let writes = vec![
            crate::support::update(&note("n"), json!({"title": "b"}), None),
            Write::Create {
                key: note("m"),
                fields: wire::fields(json!({"title": "m"})),
                parents: Vec::new(),
            },
        ];
        bench.write(Write::Batch { atomic: true, writes });
        let push = bench.take_push();
        let inverses = roll_back(&mut bench, Counter(1));
        assert_eq!(inverses, [Counter(3), Counter(4)]);
        assert_eq!(title(&mut bench, &note("n")), Some(json!("a")));
        assert_eq!(bench.see(&note("m")), None);
        let [first, second] = &push.operations[..] else { panic!("two operations travel") };
        if rejected {
            let blocked = wire::answer(second, Outcome::Blocked);
            bench.answer(&push, vec![wire::rejected(first), blocked]);
            assert!(bench.pushes.is_empty());
        } else {
            bench.answer(&push, vec![wire::applied(first), wire::applied(second)]);
            let sent = bench.apply_push();
            assert!(sent.operations.iter().all(|one| one.batch == Some(Counter(3))));
        }
        assert_eq!(title(&mut bench, &note("n")), Some(json!("a")));
        assert!(bench.is_settled(), "rejected: {rejected}");
    }
}
