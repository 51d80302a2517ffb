//! What a device gives back to a server that was restored from a backup.

use clarity_engine::protocol::model::{Epoch, Seq, Version};
use clarity_engine::protocol::{
    ContributedEntity, ContributionAnswer, ContributionOutcome, Cursor, FailureClass, PullResponse,
    PushResponse, Restored, Row,
};
use clarity_engine::{Event, Flow, HistoryCause, Response};
use serde_json::json;

use crate::support::{Bench, EPOCH, note, wire};

const SECOND_LIFE: Epoch = Epoch(0xe1);
const THIRD_LIFE: Epoch = Epoch(0xe2);
const SUPERSEDED: HistoryCause = HistoryCause::Superseded;

/// A first page of another life, which says where the one ended that was asked about.
fn page_of(life: Epoch, left_at: u64, rows: &[Row]) -> PullResponse {
    let page = wire::page(rows);
    let cursor = Cursor { epoch: life, ..page.cursor.clone() };
    let restored = Some(Restored { head: Some(Seq(left_at)) });
    PullResponse { epoch: life, cursor, restored, ..page }
}

/// The server answers that it was restored, and then with this page: which life the device asked
/// about.
fn is_restored(bench: &mut Bench, page: PullResponse) -> Option<Epoch> {
    if bench.pulls.len() + bench.pushes.len() == 0 {
        bench.event(Event::SyncNow);
    }
    bench.fail_only(FailureClass::Reset);
    let (_, asked) = &bench.pulls[0];
    let asked = asked.lost_epoch;
    bench.answer_pull_with(page);
    asked
}

/// A device with notes that the server lost, each in version 2.
fn with_lost(ids: &[&str]) -> Bench {
    let mut bench = Bench::new();
    let rows: Vec<_> = ids.iter().map(|id| wire::row(&note(id), 2, json!({"title": id}))).collect();
    bench.answer_pull(&rows);
    bench
}

fn had(id: &str) -> ContributedEntity {
    let fields = Some(wire::fields(json!({"title": id})));
    ContributedEntity { key: note(id), version: Version(2), fields }
}

/// What goes back with the one push on its way: of which life, and what.
fn given_back(bench: &Bench) -> (Epoch, Vec<ContributedEntity>) {
    let [push] = &bench.pushes[..] else { panic!("one push is on its way") };
    assert!(push.operations.is_empty(), "nothing that waits goes with it");
    let contribution = push.body.contribution.clone().unwrap();
    (contribution.epoch, contribution.entities)
}

fn held(id: &str) -> ContributionAnswer {
    let row = Row { fields: None, ..wire::row(&note(id), 2, json!({})) };
    ContributionAnswer { outcome: ContributionOutcome::Held, row }
}

fn answer(bench: &mut Bench, life: Epoch, contributed: Vec<ContributionAnswer>) {
    let push = bench.take_push();
    let response = PushResponse { epoch: life, contributed, ..wire::response(Vec::new()) };
    bench.finish(push.request, Ok(Response::Push(response)));
}

/// Answers the pulls on their way as a server that has these rows, and tells them to whom reads
/// from the beginning or from before them.
fn read_on(bench: &mut Bench, life: Epoch, rows: &[Row]) {
    while let Some((_, asked)) = bench.pulls.first() {
        let read = asked.cursor.as_ref().map_or(Seq(0), |cursor| cursor.seq);
        let rows: Vec<_> = rows.iter().filter(|row| row.seq > read).cloned().collect();
        let page = page_of(life, 0, &rows);
        let cursor = Cursor { seq: read.max(page.cursor.seq), ..page.cursor };
        bench.answer_pull_with(PullResponse { restored: None, cursor, ..page });
    }
}

/// Shows that what the server lost goes back alone and before what waits, that the device says
/// until the answer that it is not in sync, and that it shows what it had all the time.
#[test]
fn what_was_lost_goes_before_what_waits() {
    let mut bench = with_lost(&["kept", "n", "o"]);
    bench.update(&note("o"), json!({"text": "waits"}));
    let before = bench.take_push();
    bench.fail(before.request, FailureClass::Reset);
    let (_, asked) = &bench.pulls[0];
    assert_eq!((asked.lost_epoch, asked.cursor.as_ref()), (Some(EPOCH), None));
    bench.answer_pull_with(page_of(SECOND_LIFE, 1, &[wire::row(&note("kept"), 1, json!({}))]));
    assert_eq!(given_back(&bench), (EPOCH, vec![had("kept"), had("n"), had("o")]));
    let status = bench.status();
    assert_eq!((status.waiting, status.idle), (3 + 1, false));
    assert_ne!(status.flow, Flow::Synced);
    assert_eq!(bench.see(&note("kept")), Some(json!({"title": "kept"})), "it does not go back");

    answer(&mut bench, SECOND_LIFE, ["kept", "n", "o"].map(held).into());
    assert_eq!(bench.status().waiting, 1);
    assert_eq!(bench.take_push().bytes(), before.bytes());
    for (id, fields) in [("kept", json!({})), ("n", json!({})), ("o", json!({"text": "waits"}))] {
        let mut shown = fields;
        shown["title"] = json!(id);
        assert_eq!(bench.see(&note(id)), Some(shown));
    }
}

/// Shows that a process that ends while something is given back gives it back again when it begins.
#[test]
fn what_was_not_answered_goes_again() {
    let mut bench = with_lost(&["n"]);
    is_restored(&mut bench, page_of(SECOND_LIFE, 1, &[]));
    let first = given_back(&bench);
    bench.restart();
    read_on(&mut bench, SECOND_LIFE, &[]);
    assert_eq!(given_back(&bench), first);
}

/// Shows that where the server has gone on by itself its state stands, when its time to be read has
/// come, and that what the device had is in the history, from where a person can bring it back;
/// what the server does not have is not shown any more.
#[test]
fn what_the_server_changed_since_stands() {
    let mut bench = with_lost(&["changed", "deleted", "later", "none"]);
    let changed = wire::row(&note("changed"), 3, json!({"title": "theirs", "text": "theirs"}));
    let deleted = wire::deleted_row(&note("deleted"), 3);
    is_restored(&mut bench, page_of(SECOND_LIFE, 1, &[changed.clone(), deleted.clone()]));
    assert_eq!(bench.see(&note("changed")), Some(json!({"title": "changed"})));
    let later = wire::row(&note("later"), 4, json!({"title": "theirs"}));
    let none = Row { fields: None, ..wire::row(&note("none"), 0, json!({})) };
    let answers = [changed, deleted, later.clone(), none];
    let outcome = ContributionOutcome::Superseded;
    let answers = answers.map(|row| ContributionAnswer { outcome, row }).into();
    answer(&mut bench, SECOND_LIFE, answers);
    assert_eq!(bench.see(&note("changed")), Some(json!({"title": "theirs", "text": "theirs"})));
    for id in ["deleted", "none"] {
        assert_eq!(bench.see(&note(id)), None, "{id}");
    }
    assert_eq!(bench.see(&note("later")), Some(json!({"title": "later"})));
    read_on(&mut bench, SECOND_LIFE, &[later]);
    assert_eq!(bench.see(&note("later")), Some(json!({"title": "theirs"})));
    assert!(bench.is_settled());
    for id in ["changed", "deleted", "later", "none"] {
        let [kept] = &bench.entries(&note(id))[..] else { panic!("one of {id}") };
        assert_eq!((kept.cause, json!(kept.fields)["title"].clone()), (SUPERSEDED, json!(id)));
    }
    let kept = bench.entries(&note("changed")).remove(0);
    bench.undo(kept.id).unwrap();
    assert_eq!(bench.see(&note("changed")).unwrap()["title"], "changed");
    assert_eq!(bench.take_push().only().base, Version(3));
}

/// Shows that when the server will not take what is given back, fewer go at once until it is one
/// that it refuses; that one, changed or deleted, is left to what the server has and is in the
/// history, and the others go back.
#[test]
fn what_the_server_refuses_stands_in_nobodys_way() {
    let mut bench = with_lost(&["a", "bad", "c"]);
    bench.pull(&[wire::deleted_row(&note("gone"), 2)]);
    let older = ["bad", "gone"].map(|id| wire::row(&note(id), 1, json!({"title": "older"})));
    is_restored(&mut bench, page_of(SECOND_LIFE, 1, &older));
    let mut taken = Vec::new();
    while !bench.pushes.is_empty() {
        let (_, entities) = given_back(&bench);
        let ids: Vec<_> = entities.iter().map(|had| had.key.id.as_str().to_owned()).collect();
        if ids.iter().any(|id| id == "bad" || id == "gone") {
            let push = bench.take_push();
            bench.fail(push.request, FailureClass::BadRequest);
        } else {
            answer(&mut bench, SECOND_LIFE, ids.iter().map(|id| held(id)).collect());
            taken.extend(ids);
        }
    }
    assert_eq!(taken, ["a", "c"]);
    read_on(&mut bench, SECOND_LIFE, &older);
    assert!(bench.is_settled(), "{:?}", bench.status());
    for (id, had) in [("bad", Some(json!({"title": "bad"}))), ("gone", None)] {
        assert_eq!(bench.see(&note(id)), Some(json!({"title": "older"})), "{id}");
        let [kept] = &bench.entries(&note(id))[..] else { panic!("one of {id}") };
        assert_eq!(kept.cause, SUPERSEDED);
        bench.undo(kept.id).unwrap();
        assert_eq!(bench.see(&note(id)), had, "{id}");
    }
}

/// Shows that a server that is restored once more, while it is given back what it had lost, gets
/// that and what it lost the second time, each under the life that it is of, and once.
#[test]
fn a_second_restore_in_the_midst_loses_nothing() {
    let mut bench = with_lost(&["a", "b"]);
    let made_since = wire::row(&note("new"), 2, json!({"title": "new"}));
    let asked = is_restored(&mut bench, page_of(SECOND_LIFE, 1, &[made_since]));
    assert_eq!(asked, Some(EPOCH));
    let first = given_back(&bench);
    assert_eq!(first, (EPOCH, vec![had("a"), had("b")]));

    let asked = is_restored(&mut bench, page_of(THIRD_LIFE, 1, &[]));
    assert_eq!(asked, Some(SECOND_LIFE));
    assert_eq!(bench.status().waiting, 3);
    assert_eq!(given_back(&bench), first);
    answer(&mut bench, THIRD_LIFE, ["a", "b"].map(held).into());
    assert_eq!(given_back(&bench), (SECOND_LIFE, vec![had("new")]));
    answer(&mut bench, THIRD_LIFE, vec![held("new")]);
    read_on(&mut bench, THIRD_LIFE, &[]);
    assert!(bench.is_settled());
    for id in ["a", "b", "new"] {
        assert_eq!(bench.see(&note(id)), Some(json!({"title": id})));
        assert!(bench.entries(&note(id)).is_empty());
    }
}
