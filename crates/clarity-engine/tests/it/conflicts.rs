//! The conflict inbox: opened, shown, settled, and refused when a side moved.

use std::collections::BTreeMap;

use clarity_engine::protocol::model::{Counter, Kind, Outcome, Version};
use clarity_engine::store::EndedAs;
use clarity_engine::{ConflictField, DeletedBy, Resolution, Write, WriteError};
use serde_json::{Value, json};

use crate::support::{Bench, note, wire};

/// A conflict over the title that the server's answer opened: "a" became "mine" and "theirs".
fn answered() -> Bench {
    let key = note("n");
    let mut bench = Bench::with(&key, json!({"title": "a", "at_ms": 1}));
    bench.update(&key, json!({"title": "mine"}));
    let push = bench.take_push();
    let theirs = Some(json!({"title": "theirs", "at_ms": 1}));
    let answer = wire::with_entity(push.only(), Outcome::Conflict, 2, theirs);
    bench.answer(&push, vec![answer]);
    bench
}

/// The same conflict, found on the device before anything was sent.
fn found_here() -> Bench {
    let key = note("n");
    let mut bench = Bench::with(&key, json!({"title": "theirs", "at_ms": 1}));
    let seen = json!({"title": "a", "at_ms": 1});
    bench.update_seen(&key, json!({"title": "mine"}), seen);
    bench
}

/// An edit that met a delete of the server's.
fn edited_here_deleted_there() -> Bench {
    let key = note("n");
    let mut bench = Bench::with(&key, json!({"title": "a"}));
    bench.update(&key, json!({"title": "mine"}));
    let push = bench.take_push();
    let answer = wire::with_entity(push.only(), Outcome::Conflict, 2, None);
    bench.answer(&push, vec![answer]);
    bench
}

/// A delete that met an edit at the server.
fn deleted_here_edited_there() -> Bench {
    let key = note("n");
    let mut bench = Bench::with(&key, json!({"title": "a"}));
    bench.delete(&key);
    let push = bench.take_push();
    let theirs = Some(json!({"title": "theirs"}));
    let answer = wire::with_entity(push.only(), Outcome::Conflict, 2, theirs);
    bench.answer(&push, vec![answer]);
    bench
}

fn merged(values: Value) -> Resolution {
    let values: BTreeMap<String, Value> = serde_json::from_value(values).unwrap();
    Resolution::Merged(values.into_iter().map(|(name, value)| (name, Some(value))).collect())
}

/// Shows what the inbox says of a conflict, whichever side found it, and that it survives a
/// restart.
#[test]
fn a_conflict_shows_both_sides_and_survives_a_restart() {
    for (mut bench, version) in [(answered(), 2), (found_here(), 1)] {
        bench.restart();
        let conflict = bench.only_conflict();
        let expected = ConflictField {
            field: "title".to_owned(),
            base: Some(json!("a")),
            local: Some(json!("mine")),
            server: Some(json!("theirs")),
        };
        assert_eq!(conflict.fields, [expected]);
        assert_eq!(conflict.deleted_by, None);
        assert_eq!(conflict.server_version, Version(version));
        assert_eq!(bench.status().conflicts, 1);
        assert_eq!(bench.see(&note("n")).unwrap()["title"], json!("mine"));
        assert!(bench.pushes.is_empty(), "its lane waits");
    }
}

/// Shows that a conflict stops its lane only.
#[test]
fn neighbours_of_a_conflict_go_on() {
    let mut bench = answered();
    bench.create(&note("neighbour"), json!({}));
    bench.apply_push();
    assert_eq!(bench.status().waiting, 0);
    assert_eq!(bench.conflicts().len(), 1);
}

/// Shows each way to settle a conflict over a field: what travels, and what is seen in the end.
#[test]
fn a_person_settles_a_field() {
    let rows = [
        (Resolution::KeepMine, "mine"),
        (Resolution::UseServer, "theirs"),
        (merged(json!({"title": "both"})), "both"),
        (merged(json!({})), "mine"),
    ];
    for make in [answered as fn() -> Bench, found_here] {
        for (resolution, title) in rows.clone() {
            let mut bench = make();
            let conflict = bench.only_conflict();
            let resolved_by = bench.resolve(&conflict, resolution.clone()).unwrap().operations[0];
            assert_eq!(bench.conflicts().len(), 0);
            let push = bench.apply_push();
            assert_eq!(push.only().base, conflict.server_version, "{resolution:?}");
            let wanted = (title != "theirs").then(|| json!(title));
            let new = push.only().changes.first().and_then(|change| change.new.clone());
            assert_eq!(new, wanted, "{resolution:?}");
            let seen = bench.see(&note("n"));
            assert_eq!(seen, Some(json!({"title": title, "at_ms": 1})), "{resolution:?}");
            assert_eq!(bench.ended(Counter(1)), Some(EndedAs::Resolved));
            let tx = bench.store().begin().unwrap();
            assert_eq!(tx.ended(Counter(1)).unwrap().unwrap().resolved_by, Some(resolved_by));
            drop(tx);
            assert!(bench.is_settled(), "{resolution:?}");
        }
    }
}

/// Shows each way to settle an edit against a delete of the server's.
#[test]
fn a_person_settles_an_edit_against_a_delete() {
    let rows = [
        (Resolution::KeepMine, Kind::Create, Some(json!({"title": "mine"}))),
        (Resolution::UseServer, Kind::Delete, None),
        (merged(json!({"title": "new"})), Kind::Create, Some(json!({"title": "new"}))),
    ];
    for (resolution, kind, view) in rows {
        let mut bench = edited_here_deleted_there();
        let conflict = bench.only_conflict();
        assert_eq!(conflict.deleted_by, Some(DeletedBy::Server));
        bench.resolve(&conflict, resolution.clone()).unwrap();
        let push = bench.take_push();
        assert_eq!((push.only().kind, push.only().base), (kind, Version(2)), "{resolution:?}");
        let answer = match kind {
            Kind::Delete => wire::with_entity(push.only(), Outcome::Applied, 2, None),
            _ => wire::applied(push.only()),
        };
        bench.answer(&push, vec![answer]);
        assert_eq!(bench.see(&note("n")), view, "{resolution:?}");
        assert!(bench.is_settled(), "{resolution:?}");
    }
}

/// Shows each way to settle a delete against an edit of the server's.
#[test]
fn a_person_settles_a_delete_against_an_edit() {
    let rows = [
        (Resolution::KeepMine, Kind::Delete, None),
        (Resolution::UseServer, Kind::Update, Some(json!({"title": "theirs"}))),
        (merged(json!({"title": "new"})), Kind::Update, Some(json!({"title": "new"}))),
    ];
    for (resolution, kind, view) in rows {
        let mut bench = deleted_here_edited_there();
        let conflict = bench.only_conflict();
        assert_eq!(conflict.deleted_by, Some(DeletedBy::ThisDevice));
        bench.resolve(&conflict, resolution.clone()).unwrap();
        let push = bench.apply_push();
        assert_eq!((push.only().kind, push.only().base), (kind, Version(2)), "{resolution:?}");
        assert_eq!(bench.see(&note("n")), view, "{resolution:?}");
        assert!(bench.is_settled(), "{resolution:?}");
    }
}

/// Shows that the side that was not chosen is kept in history.
#[test]
fn the_losing_side_is_kept() {
    for (resolution, lost) in [(Resolution::KeepMine, "theirs"), (Resolution::UseServer, "mine")] {
        let mut bench = answered();
        let conflict = bench.only_conflict();
        bench.resolve(&conflict, resolution).unwrap();
        let kept: Vec<_> = bench.history(&note("n")).into_iter().map(|h| h.entry).collect();
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].detail["fields"], json!({"title": lost}));
        assert_eq!(kept[0].cause, "resolved");
    }
}

/// Shows the guard: when a side moved since the person looked, the choice is refused and the newest
/// of both sides is there to be chosen from.
#[test]
fn a_choice_made_on_an_older_state_is_refused() {
    type Move = (&'static str, fn(&mut Bench));
    let moves: [Move; 2] = [
        ("the server's side", |bench| {
            let theirs = json!({"title": "newer", "at_ms": 1});
            bench.pull(&[wire::row(&note("n"), 3, theirs)]);
        }),
        ("this side", |bench| {
            bench.update(&note("n"), json!({"title": "edited again"}));
        }),
    ];
    for (name, moved) in moves {
        for make in [answered as fn() -> Bench, found_here] {
            let mut bench = make();
            let looked_at = bench.only_conflict();
            moved(&mut bench);
            let refused = bench.resolve(&looked_at, Resolution::KeepMine);
            assert!(matches!(refused, Err(WriteError::ConflictMoved)), "{name}: {refused:?}");
            let newest = bench.only_conflict();
            assert_ne!(newest.mark, looked_at.mark, "{name}");
            bench.resolve(&newest, Resolution::KeepMine).unwrap();
            bench.apply_push();
            assert!(bench.is_settled(), "{name}");
        }
    }
}

/// Shows that a resolution cannot smuggle in other fields, and that a settled conflict is gone.
#[test]
fn a_resolution_names_only_what_is_in_conflict() {
    let mut bench = answered();
    let conflict = bench.only_conflict();
    let refused = bench.resolve(&conflict, merged(json!({"at_ms": 5})));
    assert!(matches!(refused, Err(WriteError::NotInConflict(field)) if field == "at_ms"));
    bench.resolve(&conflict, Resolution::KeepMine).unwrap();
    let again = bench.resolve(&conflict, Resolution::KeepMine);
    assert!(matches!(again, Err(WriteError::NoSuchConflict)));
}

/// Shows that a conflict closes by itself when both sides come to agree.
#[test]
fn a_conflict_closes_when_both_sides_agree() {
    let mut bench = found_here();
    bench.pull(&[wire::row(&note("n"), 2, json!({"title": "mine", "at_ms": 1}))]);
    assert_eq!(bench.conflicts().len(), 0);
    bench.apply_push();
    assert!(bench.is_settled());
}

/// Shows that an operation whose answer was lost does not open a conflict with its own effect.
#[test]
fn a_device_does_not_conflict_with_itself() {
    let key = note("n");
    let mut bench = Bench::with(&key, json!({"title": "a"}));
    bench.update(&key, json!({"title": "b"}));
    let push = bench.take_push();
    bench.update(&key, json!({"title": "c"}));
    bench.restart();
    let row = wire::row(&key, 2, json!({"title": "b"}));
    bench.answer_pull(&[wire::holding(row, push.only().id, Outcome::Applied)]);
    assert_eq!(bench.conflicts().len(), 0);
    assert_eq!(bench.see(&key), Some(json!({"title": "c"})));
}

/// Shows that a resolution which was not sent yet can be taken back with everything it settled, and
/// that nothing stays in the queue that could never be sent.
#[test]
fn a_resolution_can_be_taken_back() {
    let mut bench = found_here();
    bench.event(clarity_engine::Event::Pause { until: None });
    let conflict = bench.only_conflict();
    let resolution = bench.resolve(&conflict, Resolution::KeepMine).unwrap().operations[0];
    bench.write(Write::Rollback { operation: resolution });
    bench.event(clarity_engine::Event::Resume);
    assert_eq!(bench.see(&note("n")), Some(json!({"title": "theirs", "at_ms": 1})));
    assert!(bench.is_settled(), "{:?}", bench.status());
}

/// Shows that a resolution that itself meets a newer change opens the conflict again.
#[test]
fn a_resolution_can_conflict_again() {
    let mut bench = answered();
    let conflict = bench.only_conflict();
    bench.resolve(&conflict, Resolution::KeepMine).unwrap();
    let push = bench.take_push();
    let newer = Some(json!({"title": "newest", "at_ms": 1}));
    bench.answer(&push, vec![wire::with_entity(push.only(), Outcome::Conflict, 3, newer)]);
    let again = bench.only_conflict();
    assert_eq!(again.fields[0].server, Some(json!("newest")));
    assert_eq!(again.fields[0].local, Some(json!("mine")));
    bench.resolve(&again, Resolution::UseServer).unwrap();
    bench.apply_push();
    assert_eq!(bench.see(&note("n")), Some(json!({"title": "newest", "at_ms": 1})));
    assert!(bench.is_settled());
}
