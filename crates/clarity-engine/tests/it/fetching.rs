//! Fetching by name: wishes that last, and rows that come apart from the cursor.

use clarity_engine::protocol::model::{EntityKey, EntityType, Outcome, Seq};
use clarity_engine::protocol::{FailureClass, FetchPosition, FetchResponse};
use clarity_engine::{Event, Wanted, Write, WriteError};
use serde_json::json;

use crate::support::{Bench, key, note, wire};

fn want(bench: &mut Bench, wanted: Vec<Wanted>) {
    bench.write(Write::Fetch { wanted });
}

fn want_key(bench: &mut Bench, key: &EntityKey) {
    want(bench, vec![Wanted::Key(key.clone())]);
}

fn metrics() -> EntityType {
    EntityType::new("HealthMetric").unwrap()
}

/// Shows that wanted entities are asked for at once, each once, that those that come are here and
/// those that the server never had are not, and that the cursor stays where it was.
#[test]
fn wanted_entities_come() {
    let mut bench = Bench::online();
    let (one, two) = (note("one"), note("two"));
    want(&mut bench, vec![Wanted::Key(one.clone()), Wanted::Key(two.clone())]);
    want(&mut bench, vec![Wanted::Key(one.clone())]);
    let row = wire::row(&one, 3, json!({"title": "x"}));
    let asked =
        bench.answer_fetch(wire::fetched(std::slice::from_ref(&row), std::slice::from_ref(&two)));
    assert_eq!(asked.keys, [one.clone(), two.clone()]);
    assert_eq!(bench.see(&one), Some(json!({"title": "x"})));
    assert_eq!(bench.see(&two), None);
    // The first was wanted once more while it was on its way: the answer may be of before.
    let asked = bench.answer_fetch(wire::fetched(&[row], &[]));
    assert_eq!(asked.keys, [one]);
    assert!(bench.fetches.is_empty() && bench.is_settled());
    bench.event(Event::SyncNow);
    assert_eq!(bench.pulls[0].1.cursor, Some(wire::cursor(0)));
}

/// Shows that wishes survive the end of the process, also those that were on their way, and that
/// one that an answer does not name waits again.
#[test]
fn wishes_last() {
    let mut bench = Bench::online();
    let (one, two) = (note("one"), note("two"));
    want(&mut bench, vec![Wanted::Key(one.clone()), Wanted::Key(two.clone())]);
    bench.restart();
    bench.answer_pull(&[]);
    let asked = bench.answer_fetch(wire::fetched(&[wire::row(&two, 1, json!({}))], &[]));
    assert_eq!(asked.keys, [one.clone(), two]);
    assert_eq!(bench.status().wanted, 1);
    let asked = bench.answer_fetch(wire::fetched(&[], std::slice::from_ref(&one)));
    assert_eq!(asked.keys, [one]);
    assert_eq!(bench.status().wanted, 0);
}

/// Shows that a stretch of time is read on where an answer broke off, also after a restart, and
/// that it ends when the server says so.
#[test]
fn a_stretch_of_time_goes_on() {
    let mut bench = Bench::online();
    let wanted = Wanted::Range { entity_type: metrics(), from_ms: Some(5), to_ms: Some(9) };
    want(&mut bench, vec![wanted.clone(), wanted]);
    let after = Some(FetchPosition { time_ms: Some(7), seq: Seq(10) });
    let one = key("HealthMetric", "one");
    let row = wire::row(&one, 1, json!({"value": 1}));
    let part = FetchResponse { after, ..wire::fetched(&[row], &[]) };
    let asked = bench.answer_fetch(part);
    assert_eq!((asked.ranges[0].from_ms, asked.ranges[0].to_ms), (Some(5), Some(9)));
    assert_eq!(asked.ranges[0].after, None);
    assert_eq!(bench.see(&one), Some(json!({"value": 1})), "it shows before the rest has come");
    bench.restart();
    bench.answer_pull(&[]);
    let rest = FetchResponse { ranges_done: 1, ..wire::fetched(&[], &[]) };
    let asked = bench.answer_fetch(rest);
    assert_eq!((asked.ranges.len(), asked.ranges[0].after), (1, after));
    assert!(bench.is_settled());
}

/// Shows that a fetched row obeys the rules of a pulled one: never over a newer version, under
/// waiting operations, and a deletion as such.
#[test]
fn fetched_rows_are_pulled_rows() {
    let (old, mine, gone) = (note("old"), note("mine"), note("gone"));
    let mut bench = Bench::new();
    bench.answer_pull(&[
        wire::row(&old, 5, json!({"title": "new"})),
        wire::row(&mine, 1, json!({"title": "a", "at_ms": 1})),
        wire::row(&gone, 1, json!({})),
    ]);
    let update = bench.update(&mine, json!({"title": "b"}));
    for key in [&old, &mine, &gone] {
        want_key(&mut bench, key);
    }
    let rows = [
        wire::row(&old, 4, json!({"title": "old"})),
        wire::row(&mine, 2, json!({"title": "a", "at_ms": 2})),
        wire::deleted_row(&gone, 2),
    ];
    // The first is on its way alone.
    bench.answer_fetch(wire::fetched(&rows[..1], &[]));
    bench.answer_fetch(wire::fetched(&rows[1..], &[]));
    assert_eq!(bench.see(&old), Some(json!({"title": "new"})));
    assert_eq!(bench.see(&mine), Some(json!({"title": "b", "at_ms": 2})));
    assert_eq!(bench.see(&gone), None);
    want_key(&mut bench, &mine);
    let holds = wire::row(&mine, 3, json!({"title": "b", "at_ms": 2}));
    let holds = wire::holding(holds, update, Outcome::Applied);
    bench.answer_fetch(wire::fetched(&[holds], &[]));
    assert!(bench.operation(update).is_none(), "a row that holds it settles it");
}

/// Shows that failures of a fetch are those of any request: it backs off, other requests go on, and
/// what is wanted stays wanted until it comes.
#[test]
fn a_fetch_that_fails_backs_off() {
    let mut bench = Bench::online();
    let wanted = note("n");
    want_key(&mut bench, &wanted);
    let (request, _) = bench.take_fetch();
    bench.fail(request, FailureClass::Transient);
    assert!(bench.fetches.is_empty() && bench.status().stalled.is_some());
    bench.create(&note("other"), json!({}));
    // Something else is tried first, to see whether the server is there.
    while bench.fetches.is_empty() {
        bench.wake();
        if let Some((request, _)) = bench.pulls.pop() {
            let page = clarity_engine::Response::Pull(wire::page(&[]));
            bench.finish(request, Ok(page));
        }
        if !bench.pushes.is_empty() {
            bench.apply_push();
        }
    }
    assert_eq!(bench.counts(), (0, 0), "the push went beside it");
    bench.answer_fetch(wire::fetched(&[], &[wanted]));
    assert!(bench.status().stalled.is_none() && bench.is_settled());
}

/// Shows that an answer that tells nothing of what was asked is a failure, not a reason to ask at
/// once again (promise L2).
#[test]
fn an_answer_that_tells_nothing_fails() {
    let mut bench = Bench::online();
    want_key(&mut bench, &note("n"));
    bench.answer_fetch(wire::fetched(&[wire::row(&note("other"), 1, json!({}))], &[]));
    assert!(bench.fetches.is_empty() && bench.status().stalled.is_some());
    assert_eq!(bench.status().wanted, 1);
}

/// Shows that one entity that the server will not have named is found by halving and keeps the
/// reason, while the others come.
#[test]
fn what_the_server_refuses_stands_alone() {
    let mut bench = Bench::online();
    let keys: Vec<EntityKey> = (0..8).map(|number| note(&format!("n{number}"))).collect();
    want(&mut bench, keys.iter().cloned().map(Wanted::Key).collect());
    let bad = &keys[5];
    for _ in 0..40 {
        let Some((request, asked)) = bench.fetches.pop() else { break };
        if asked.keys.contains(bad) {
            bench.fail(request, FailureClass::BadRequest);
        } else {
            let answer = wire::fetched(&[], &asked.keys);
            bench.finish(request, Ok(clarity_engine::Response::Fetch(answer)));
        }
    }
    assert!(bench.is_settled(), "{:?}", bench.status());
    let tx = bench.store().begin().unwrap();
    let wish = tx.key_wanted(bad).unwrap();
    assert!(matches!(wish, Some(clarity_engine::store::WishState::Refused(_))), "{wish:?}");
    assert_eq!(tx.count_wanted().unwrap(), (1, 0));
}

/// Shows promise I15: at its limit a wish is refused as a whole, and nothing of it is kept.
#[test]
fn wishes_are_bounded() {
    let mut bench = Bench::online();
    let many = |count: u64| (0..count).map(|n| Wanted::Key(note(&n.to_string()))).collect();
    let refused = bench.try_write(Write::Fetch { wanted: many(10_001) });
    assert!(matches!(refused, Err(WriteError::TooMuchWanted)), "{refused:?}");
    assert_eq!(bench.status().wanted, 0);
    want(&mut bench, many(10_000));
    assert_eq!(bench.status().wanted, 10_000);
    assert_eq!(bench.take_fetch().1.keys.len(), 1_000);
}

/// Shows promise I13: an answer of another life of the server's database makes the device read
/// everything again, and the wish stays until that is done.
#[test]
fn another_life_of_the_server() {
    let mut bench = Bench::online();
    want_key(&mut bench, &note("n"));
    let other = clarity_engine::protocol::model::Epoch(99);
    bench.answer_fetch(FetchResponse { epoch: other, ..wire::fetched(&[], &[note("n")]) });
    assert!(bench.fetches.is_empty(), "first everything is read again");
    assert_eq!(bench.pulls[0].1.cursor, None);
    bench.answer_pull(&[]);
    bench.answer_fetch(wire::fetched(&[], &[note("n")]));
    assert!(bench.is_settled());
}
