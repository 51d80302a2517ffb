//! Undo: what lost is brought back by a normal operation.

use clarity_engine::protocol::model::{Counter, EntityKey, Kind, Outcome};
use clarity_engine::{Event, HistoryCause, HistoryEntry, HistoryId, Resolution, Write, WriteError};
use serde_json::{Value, json};

use crate::support::{Bench, key, note, wire};

/// The one entry of an entity's history.
fn only_entry(bench: &mut Bench, key: &EntityKey) -> HistoryEntry {
    let mut entries = bench.entries(key);
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries.remove(0)
}

/// Undoes the one entry, sends it, and gives what the entity looks like then.
fn undo_only(bench: &mut Bench, key: &EntityKey) -> Option<Value> {
    let entry = only_entry(bench, key);
    assert_eq!(entry.obstacle, None);
    let operations = bench.undo(entry.id).unwrap().operations;
    assert_eq!(operations.len(), 1, "one normal operation");
    let undone = bench.entries(key).into_iter().find(|one| one.id == entry.id).unwrap();
    assert_eq!(undone.undone_by, Some(operations[0]));
    let refused = bench.undo(entry.id);
    assert!(matches!(refused, Err(WriteError::UndoneAlready(by)) if by == operations[0]));
    bench.apply_push();
    assert!(bench.is_settled());
    bench.see(key)
}

/// A note "a", with a failed change of the given kind.
fn failed(kind: Kind) -> (Bench, EntityKey) {
    let key = note("n");
    let mut bench = match kind {
        Kind::Create => Bench::online(),
        _ => Bench::with(&key, json!({"title": "a"})),
    };
    match kind {
        Kind::Create => drop(bench.create(&key, json!({"title": "made"}))),
        Kind::Update => drop(bench.update(&key, json!({"title": "b"}))),
        Kind::Delete => drop(bench.delete(&key)),
    }
    let push = bench.take_push();
    bench.answer(&push, vec![wire::rejected(push.only())]);
    (bench, key)
}

/// Shows that the discard of a create, an update and a delete can each be undone.
#[test]
fn a_discard_can_be_undone() {
    for (kind, after, undone) in [
        (Kind::Create, None, Some(json!({"title": "made"}))),
        (Kind::Update, Some(json!({"title": "a"})), Some(json!({"title": "b"}))),
        (Kind::Delete, Some(json!({"title": "a"})), None),
    ] {
        let (mut bench, key) = failed(kind);
        let before = bench.entries(&key).len();
        bench.write(Write::Discard { operation: Counter(1) });
        assert_eq!(bench.see(&key), after);
        let entry = bench.entries(&key).remove(before);
        assert_eq!(entry.cause, HistoryCause::Discarded);
        bench.undo(entry.id).unwrap();
        bench.apply_push();
        assert_eq!(bench.see(&key), undone, "{kind:?}");
        assert!(bench.is_settled());
    }
}

/// Shows that a delete can be undone, whether the server has heard of it or not, and that the
/// entity has all its fields again.
#[test]
fn a_delete_can_be_undone() {
    let fields = json!({"title": "a", "x_unknown": [1, null]});
    for sent in [false, true] {
        let mut bench = Bench::with(&note("n"), fields.clone());
        if !sent {
            bench.event(Event::Pause { until: None });
        }
        bench.delete(&note("n"));
        if sent {
            bench.apply_push();
        }
        let entry = only_entry(&mut bench, &note("n"));
        assert_eq!((entry.cause, json!(entry.fields)), (HistoryCause::Deleted, fields.clone()));
        bench.undo(entry.id).unwrap();
        assert_eq!(bench.see(&note("n")), Some(fields.clone()));
        if !sent {
            bench.event(Event::Resume);
            bench.apply_push();
        }
        let undelete = bench.apply_push();
        assert_eq!((undelete.only().kind, undelete.only().base.0), (Kind::Create, 2));
        assert!(bench.is_settled());
        let again = bench.undo(entry.id);
        assert!(matches!(again, Err(WriteError::UndoneAlready(_))));
    }
}

/// A note in conflict: "mine" here, "theirs" at the server.
fn in_conflict() -> Bench {
    let mut bench = Bench::with(&note("n"), json!({"title": "a", "at_ms": 1}));
    bench.update(&note("n"), json!({"title": "mine", "at_ms": 2}));
    let push = bench.take_push();
    let theirs = Some(json!({"title": "theirs", "at_ms": 1}));
    bench.answer(&push, vec![wire::with_entity(push.only(), Outcome::Conflict, 2, theirs)]);
    bench
}

/// Shows that the resolution of a conflict can be undone either way, and that fields which were
/// not in conflict stay as they are.
#[test]
fn a_resolution_can_be_undone() {
    for (resolution, undone) in [
        (Resolution::KeepMine, json!({"title": "theirs", "at_ms": 2})),
        (Resolution::UseServer, json!({"title": "mine", "at_ms": 2})),
    ] {
        let mut bench = in_conflict();
        let conflict = bench.only_conflict();
        bench.resolve(&conflict, resolution).unwrap();
        bench.apply_push();
        assert_eq!(undo_only(&mut bench, &note("n")), Some(undone));
    }
}

/// Shows that after a resolution with words of its own both sides can be brought back.
#[test]
fn both_sides_of_a_merged_resolution_are_kept() {
    let mut bench = in_conflict();
    let conflict = bench.only_conflict();
    let both = [("title".to_owned(), Some(json!("both")))].into_iter().collect();
    bench.resolve(&conflict, Resolution::Merged(both)).unwrap();
    bench.apply_push();
    let ids: Vec<HistoryId> = bench.entries(&note("n")).iter().map(|entry| entry.id).collect();
    for (id, title) in ids.into_iter().zip(["mine", "theirs"]) {
        bench.undo(id).unwrap();
        bench.apply_push();
        assert_eq!(bench.see(&note("n")), Some(json!({"title": title, "at_ms": 2})));
    }
}

/// Shows that a resolution between an edit and a delete can be undone either way.
#[test]
fn a_resolution_about_a_delete_can_be_undone() {
    for (resolution, undone) in
        [(Resolution::KeepMine, None), (Resolution::UseServer, Some(json!({"title": "mine"})))]
    {
        let mut bench = Bench::with(&note("n"), json!({"title": "a"}));
        bench.update(&note("n"), json!({"title": "mine"}));
        let push = bench.take_push();
        bench.answer(&push, vec![wire::with_entity(push.only(), Outcome::Conflict, 2, None)]);
        let conflict = bench.only_conflict();
        bench.resolve(&conflict, resolution).unwrap();
        while !bench.pushes.is_empty() {
            bench.apply_push();
        }
        let entry = only_entry(&mut bench, &note("n"));
        bench.undo(entry.id).unwrap();
        assert_eq!(bench.see(&note("n")), undone);
        bench.apply_push();
        assert!(bench.is_settled());
    }
}

/// Shows that a value which lost by policy can be brought back on top of the one that won.
#[test]
fn a_superseded_value_can_be_brought_back() {
    let metric = key("HealthMetric", "m");
    let mut bench = Bench::with(&metric, json!({"value": 60}));
    bench.update(&metric, json!({"value": 61}));
    let push = bench.take_push();
    let theirs = Some(json!({"value": 62}));
    bench.answer(&push, vec![wire::with_entity(push.only(), Outcome::Superseded, 2, theirs)]);
    assert_eq!(undo_only(&mut bench, &metric), Some(json!({"value": 61})));
}

/// Shows that what was added to a set or a counter is added again, and takes away nothing that was
/// added since.
#[test]
fn an_undo_adds_to_what_is_there() {
    let goal = key("Goal", "g");
    let mut bench = Bench::with(&goal, json!({"progress": 10, "tags": ["a"]}));
    bench.event(Event::Pause { until: None });
    let change = bench.update(&goal, json!({"progress": 15, "tags": ["a", "mine"]}));
    bench.write(Write::Rollback { operation: change });
    bench.update(&goal, json!({"progress": 30, "tags": ["a", "later"]}));
    bench.event(Event::Resume);
    bench.apply_push();
    let both = json!({"progress": 35, "tags": ["a", "later", "mine"]});
    assert_eq!(undo_only(&mut bench, &goal), Some(both));
}

/// Shows that an undo which was taken back can be done again.
#[test]
fn an_undo_that_was_taken_back_can_be_done_again() {
    let mut bench = Bench::with(&note("n"), json!({"title": "a"}));
    bench.delete(&note("n"));
    bench.apply_push();
    bench.event(Event::Pause { until: None });
    let entry = only_entry(&mut bench, &note("n"));
    let undo = bench.undo(entry.id).unwrap().operations[0];
    bench.write(Write::Rollback { operation: undo });
    assert_eq!(bench.see(&note("n")), None);
    bench.undo(entry.id).unwrap();
    assert_eq!(bench.see(&note("n")), Some(json!({"title": "a"})));
}

/// Shows that an undo with nothing to bring back is refused in words, and so says the history.
#[test]
fn an_undo_of_nothing_is_refused_in_words() {
    let mut bench = Bench::with(&note("n"), json!({"title": "a"}));
    assert!(matches!(bench.undo(HistoryId(9)), Err(WriteError::NoSuchHistory)));
    bench.delete(&note("n"));
    bench.apply_push();
    bench.create(&note("n"), json!({"title": "anew"}));
    bench.apply_push();
    let made_again = only_entry(&mut bench, &note("n"));
    let refused = bench.undo(made_again.id).unwrap_err().to_string();
    assert!(refused.contains("made again meanwhile"), "{refused}");
    assert_eq!(made_again.obstacle, Some(refused));

    let (mut bench, key) = failed(Kind::Update);
    bench.write(Write::Discard { operation: Counter(1) });
    let discarded = only_entry(&mut bench, &key);
    bench.update(&key, json!({"title": "b"}));
    bench.apply_push();
    let there = bench.undo(discarded.id).unwrap_err().to_string();
    assert!(there.contains("has these values"), "{there}");
    bench.delete(&key);
    bench.apply_push();
    let gone = bench.undo(discarded.id).unwrap_err().to_string();
    assert!(gone.contains("not there any more"), "{gone}");
}
