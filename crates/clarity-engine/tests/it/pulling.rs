//! Pull: what others changed goes in under the waiting local changes, with its cursor.

use clarity_engine::protocol::model::{EntityKey, Seq};
use clarity_engine::protocol::{FailureClass, Row};
use clarity_engine::store::OperationState;
use clarity_engine::{Event, Flow};
use serde_json::{Value, json};

use crate::support::wire;
use crate::support::{Bench, key, note};

/// Pulls a change of somebody else under a local change that is on its way.
fn rebased(key: &EntityKey, base: Value, mine: Value, theirs: Value) -> Bench {
    let mut bench = Bench::with(key, base);
    bench.update(key, mine);
    bench.pushes.clear();
    bench.pull(&[wire::row(key, 2, theirs)]);
    bench
}

/// Shows promise I8 for each policy: a pull under a waiting edit never takes the edit away, and
/// where both changed one field, its policy decides what is seen until the server has answered.
#[test]
fn a_pull_goes_in_under_waiting_edits() {
    let rows = [
        (
            "other fields",
            note("n"),
            json!({"title": "a", "at_ms": 1}),
            json!({"title": "mine"}),
            json!({"title": "a", "at_ms": 2}),
            json!({"title": "mine", "at_ms": 2}),
        ),
        (
            "server_wins",
            key("HealthMetric", "m"),
            json!({"value": 1}),
            json!({"value": 2}),
            json!({"value": 3}),
            json!({"value": 3}),
        ),
        (
            "client_wins",
            key("UserPreference", "p"),
            json!({"theme": "a"}),
            json!({"theme": "b"}),
            json!({"theme": "c"}),
            json!({"theme": "b"}),
        ),
        (
            "merge: counter",
            key("Goal", "g"),
            json!({"progress": 10}),
            json!({"progress": 12}),
            json!({"progress": 110}),
            json!({"progress": 112}),
        ),
        (
            "merge: set",
            key("Goal", "g"),
            json!({"tags": ["a"]}),
            json!({"tags": ["a", "b"]}),
            json!({"tags": ["c"]}),
            json!({"tags": ["b", "c"]}),
        ),
        (
            "merge: text",
            note("n"),
            json!({"text": "1\n2\n3\n"}),
            json!({"text": "1\n2\nmine\n"}),
            json!({"text": "theirs\n2\n3\n"}),
            json!({"text": "theirs\n2\nmine\n"}),
        ),
        (
            "manual",
            note("n"),
            json!({"title": "a"}),
            json!({"title": "mine"}),
            json!({"title": "theirs"}),
            json!({"title": "mine"}),
        ),
    ];
    for (name, key, base, mine, theirs, view) in rows {
        let mut bench = rebased(&key, base, mine, theirs);
        let mut seen = bench.see(&key).unwrap();
        if let Some(tags) = seen.get_mut("tags").and_then(Value::as_array_mut) {
            tags.sort_by_key(Value::to_string);
        }
        assert_eq!(seen, view, "{name}");
        assert!(bench.entity(&key).unwrap().pending, "{name}: it still waits for its answer");
        assert_eq!(bench.conflicts().len(), 0, "{name}: only the answer says, since it was sent");
    }
}

/// Shows that the same pull under an edit that was never sent opens a conflict at once for a manual
/// field, and rebases the others.
#[test]
fn an_unsent_edit_meets_a_pull_at_once() {
    let (mine, other) = (note("mine"), note("other"));
    let mut bench = Bench::with(&mine, json!({"title": "a"}));
    bench.event(Event::Pause { until: None });
    bench.update(&mine, json!({"title": "b"}));
    bench.create(&other, json!({}));
    bench.event(Event::Resume);
    bench.event(Event::SyncNow);
    bench.restart();
    // Both were sent; a third was not.
    let third = note("third");
    bench.pushes.clear();
    bench.answer_pull(&[wire::row(&third, 2, json!({"title": "x"}))]);
    let waiting = bench.update(&third, json!({"title": "y"}));
    assert_eq!(bench.state(waiting), Some(OperationState::Ready), "a push is on its way");
    bench.pull(&[wire::row(&third, 3, json!({"title": "z"}))]);
    assert_eq!(bench.state(waiting), Some(OperationState::Conflicted));
    assert_eq!(bench.only_conflict().key, third);
    assert_eq!(bench.see(&third), Some(json!({"title": "y"})), "the local version stays in view");
}

/// Shows promise I7: the pages of an incremental pull show together with the cursor, and after a
/// kill between two pages reading goes on behind the pages that were kept.
#[test]
fn pages_of_one_pull_show_together() {
    let (one, two) = (note("one"), note("two"));
    let mut bench = Bench::with(&note("n"), json!({}));
    bench.event(Event::SyncNow);
    assert_eq!(bench.pulls[0].1.cursor, Some(wire::cursor(10)));
    bench.answer_pull_with(wire::page_before(&[wire::row(&one, 2, json!({"title": "1"}))], 30));
    assert_eq!(bench.see(&one), None, "not before the head is reached");
    assert_eq!(bench.pulls[0].1.cursor, Some(wire::cursor(20)));

    bench.restart();
    assert_eq!(bench.pulls[0].1.cursor, Some(wire::cursor(20)));
    bench.answer_pull(&[wire::row(&two, 3, json!({"title": "2"}))]);
    assert_eq!(bench.see(&one), Some(json!({"title": "1"})));
    assert_eq!(bench.see(&two), Some(json!({"title": "2"})));
    bench.event(Event::SyncNow);
    assert_eq!(bench.pulls[0].1.cursor, Some(wire::cursor(30)));
}

/// Shows that a first sync is usable from its first page, says that it is catching up, and goes on
/// at its last page after a kill.
#[test]
fn a_first_sync_shows_page_by_page_and_resumes() {
    let (one, two) = (note("one"), note("two"));
    let mut bench = Bench::new();
    assert_eq!(bench.pulls[0].1.cursor, None);
    bench.answer_pull_with(wire::page_before(&[wire::row(&one, 1, json!({"title": "1"}))], 20));
    assert_eq!(bench.see(&one), Some(json!({"title": "1"})));
    assert!(bench.status().catching_up);
    bench.restart();
    assert_eq!(bench.pulls[0].1.cursor, Some(wire::cursor(10)));
    bench.answer_pull(&[wire::row(&two, 2, json!({"title": "2"}))]);
    let status = bench.status();
    assert!(!status.catching_up);
    assert_eq!((status.flow, status.last_pull), (Flow::Synced, Some(bench.now)));
}

/// Shows that a catch-up of more than 10,000 changes is not held back until its end.
#[test]
fn a_large_catch_up_shows_page_by_page() {
    let one = note("one");
    let mut bench = Bench::with(&note("n"), json!({}));
    bench.event(Event::SyncNow);
    let page = wire::page_before(&[wire::row(&one, 2, json!({"title": "1"}))], 20_000);
    bench.answer_pull_with(page);
    assert_eq!(bench.see(&one), Some(json!({"title": "1"})));
    assert!(bench.status().catching_up);
}

/// Shows that rows which the device knows already change nothing, whatever order they come in.
#[test]
fn rows_never_move_an_entity_backwards() {
    let key = note("n");
    let mut bench = Bench::with(&key, json!({"title": "1"}));
    bench.pull(&[wire::row(&key, 3, json!({"title": "3"}))]);
    bench.pull(&[wire::row(&key, 2, json!({"title": "2"}))]);
    assert_eq!(bench.see(&key), Some(json!({"title": "3"})));
    bench.pull(&[wire::deleted_row(&key, 4)]);
    bench.pull(&[wire::row(&key, 3, json!({"title": "3"}))]);
    assert_eq!(bench.see(&key), None, "a stale row does not undo a delete");
}

/// Shows that a short row, for what this device was told when it pushed, only moves its position,
/// and that one for a version which it was never told makes it read everything again, in full.
#[test]
fn short_rows_are_for_what_is_known() {
    let key = note("n");
    let mut bench = Bench::online();
    bench.create(&key, json!({"title": "a"}));
    bench.apply_push();
    let short = |version| Row { fields: None, ..wire::row(&key, version, json!({})) };
    bench.pull(&[short(1)]);
    assert_eq!(bench.see(&key), Some(json!({"title": "a"})));
    let row = bench.store().begin().unwrap().entity(&key).unwrap().unwrap();
    assert_eq!(row.seq, Seq(10));

    bench.pull(&[short(2)]);
    let (_, again) = &bench.pulls[0];
    assert_eq!(again.cursor, None);
    assert_eq!(again.settled_below.0, 0, "so that no row is short");
    bench.answer_pull(&[wire::row(&key, 2, json!({"title": "b"}))]);
    assert_eq!(bench.see(&key), Some(json!({"title": "b"})));
    bench.event(Event::SyncNow);
    assert!(bench.pulls[0].1.settled_below.0 > 0);
}

/// Shows that a delete from elsewhere under an unsent edit is a conflict, and under a waiting
/// delete is simply the same wish.
#[test]
fn a_pulled_delete_meets_local_changes() {
    let (edited, deleted) = (note("edited"), note("deleted"));
    let mut bench = Bench::new();
    let rows = [wire::row(&edited, 1, json!({"title": "a"})), wire::row(&deleted, 1, json!({}))];
    bench.answer_pull(&rows);
    bench.create(&note("busy"), json!({}));
    bench.update(&edited, json!({"title": "b"}));
    bench.delete(&deleted);
    bench.pull(&[wire::deleted_row(&edited, 2), wire::deleted_row(&deleted, 3)]);
    let conflict = bench.only_conflict();
    assert_eq!(conflict.key, edited);
    assert_eq!(conflict.deleted_by, Some(clarity_engine::DeletedBy::Server));
    assert_eq!(bench.see(&edited), Some(json!({"title": "b"})));
    bench.apply_push();
    bench.apply_push();
    assert_eq!(bench.status().waiting, 0);
}

/// Shows that a failed pull is asked again by itself.
#[test]
fn a_failed_pull_is_asked_again() {
    let mut bench = Bench::new();
    bench.fail_only(FailureClass::Transient);
    bench.wake();
    assert_eq!(bench.pulls.len(), 1);
    bench.answer_pull(&[]);
    assert!(bench.is_settled());
}

/// Shows that while nothing happens the device asks every 15 minutes, up to a tenth sooner.
#[test]
fn an_idle_device_asks_every_quarter_of_an_hour() {
    let mut bench = Bench::online();
    for _ in 0..3 {
        let before = bench.now;
        bench.wake();
        let waited_ms = bench.now.since_ms(before);
        assert!((810_000..=900_000).contains(&waited_ms), "{waited_ms}");
        bench.answer_pull(&[]);
    }
}
