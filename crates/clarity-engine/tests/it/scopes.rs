//! What a device follows: types and windows, widened and narrowed.

use clarity_engine::protocol::model::{EntityKey, EntityType, ServerTime, Version};
use clarity_engine::protocol::{FetchResponse, Hint, PullResponse, Row, Scope};
use clarity_engine::{Event, Response, Wanted, Write, WriteError};
use serde_json::json;

use crate::support::{Bench, key, note, wire};

const DAY_MS: i64 = 86_400_000;
/// The server's time in these tests: day 1,000.
const AT: ServerTime = ServerTime(1_000 * DAY_MS + 5);

fn name(entity_type: &str) -> EntityType {
    EntityType::new(entity_type).unwrap()
}

fn types(names: &[&str]) -> Scope {
    Scope { types: names.iter().map(|one| name(one)).collect(), windows: [].into() }
}

fn window(days: u32) -> Scope {
    Scope { types: Vec::new(), windows: [(name("HealthMetric"), days)].into() }
}

fn metric(id: &str) -> EntityKey {
    key("HealthMetric", id)
}

/// A sample of so many days before the server's date.
fn sample(id: &str, days_ago: i64) -> Row {
    let fields = json!({"start_ms": (1_000 - days_ago) * DAY_MS, "value": 1});
    wire::row(&metric(id), 1, fields)
}

/// Answers the pull on its way with a last page of the scope that it asks for.
fn answer(bench: &mut Bench, rows: &[Row], at: ServerTime) {
    let (request, asked) = bench.pulls.remove(0);
    let mut page = PullResponse { at, ..wire::page(rows) };
    page.cursor.scope = asked.scope;
    bench.finish(request, Ok(Response::Pull(page)));
}

fn set(bench: &mut Bench, scope: Scope) {
    bench.write(Write::SetScope { scope });
}

/// Lets everything go that the scope leaves out.
fn sweep(bench: &mut Bench) {
    for _ in 0..50 {
        if bench.pulls.is_empty() && bench.status().idle {
            return;
        }
        bench.now = bench.now.plus_ms(10);
        bench.event(Event::Timer);
    }
}

/// Shows that narrowing the scope takes rows from this device alone: nothing is sent, nothing that
/// waits goes, and types that are never let go stay.
#[test]
fn a_narrower_scope_lets_go() {
    let (kept, mine, critical) = (note("kept"), metric("mine"), key("UserPreference", "p"));
    let mut bench = Bench::new();
    let rows = [
        wire::row(&kept, 1, json!({})),
        sample("gone", 1),
        sample("mine", 1),
        wire::row(&critical, 1, json!({"theme": "a"})),
    ];
    answer(&mut bench, &rows, AT);
    bench.event(Event::Pause { until: None });
    let update = bench.update(&mine, json!({"value": 2}));
    set(&mut bench, types(&["Note"]));
    for _ in 0..10 {
        bench.now = bench.now.plus_ms(10);
        bench.event(Event::Timer);
    }
    assert_eq!(bench.see(&metric("gone")), None);
    assert!(bench.see(&kept).is_some() && bench.see(&critical).is_some());
    assert!(bench.entity(&mine).unwrap().pending, "what waits to be sent stays");
    bench.event(Event::Resume);
    let push = bench.apply_push();
    assert_eq!(push.counters(), [update.0], "nothing else is sent");
    assert_eq!(bench.pulls[0].1.scope.types, [name("Note"), name("UserPreference")]);
    assert_eq!(bench.pulls[0].1.cursor.as_ref().unwrap().scope, bench.pulls[0].1.scope);
}

/// Shows that what a wider scope adds is asked for by its time after a page has come under the new
/// scope, from the window's beginning, and is not asked for twice.
#[test]
fn a_wider_scope_reads_what_it_adds() {
    let mut bench = Bench::new();
    set(&mut bench, types(&["Note"]));
    bench.pulls.clear();
    bench.restart();
    assert!(bench.pulls[0].1.from_head, "what there is comes by name");
    answer(&mut bench, &[], AT);
    // The most important types first: preferences, then notes.
    for expected in ["UserPreference", "Note"] {
        let done = FetchResponse { ranges_done: 1, ..wire::fetched(&[], &[]) };
        let asked = bench.answer_fetch(done);
        assert_eq!(asked.ranges[0].entity_type, name(expected));
    }
    assert!(!bench.status().catching_up);
    let mut wider = types(&["Note", "HealthMetric"]);
    wider.windows = window(30).windows;
    set(&mut bench, wider);
    assert!(bench.fetches.is_empty() && bench.status().catching_up);
    answer(&mut bench, &[], AT);
    let rows = [sample("new", 3), sample("old", 31)];
    let done = FetchResponse { ranges_done: 1, at: AT, ..wire::fetched(&rows, &[]) };
    let asked = bench.answer_fetch(done);
    assert_eq!(asked.ranges.len(), 1);
    assert_eq!(asked.ranges[0].from_ms, Some(970 * DAY_MS));
    assert!(bench.see(&metric("new")).is_some());
    assert_eq!(bench.see(&metric("old")), None, "a first reading brings what is followed only");
    assert!(bench.fetches.is_empty() && !bench.status().catching_up);
}

/// Shows that a longer window reads only the days that it adds.
#[test]
fn a_longer_window_reads_the_days_that_it_adds() {
    let mut bench = Bench::new();
    answer(&mut bench, &[sample("s", 1)], AT);
    set(&mut bench, window(30));
    answer(&mut bench, &[], AT);
    assert!(bench.fetches.is_empty());
    set(&mut bench, window(90));
    answer(&mut bench, &[], AT);
    let done = FetchResponse { ranges_done: 1, at: AT, ..wire::fetched(&[sample("t", 60)], &[]) };
    let asked = bench.answer_fetch(done);
    let range = &asked.ranges[0];
    assert_eq!((range.from_ms, range.to_ms), (Some(910 * DAY_MS), Some(970 * DAY_MS)));
    assert!(bench.see(&metric("s")).is_some() && bench.see(&metric("t")).is_some());
}

/// Shows that records leave a window when the server's day turns, in slices and without a word to
/// anybody, and that one that a change moves out of it leaves at once.
#[test]
fn records_leave_a_window() {
    let mut bench = Bench::new();
    set(&mut bench, window(30));
    bench.pulls.clear();
    bench.restart();
    let rows: Vec<Row> = (0..700).map(|one| sample(&format!("old{one}"), 30)).collect();
    answer(&mut bench, &rows, AT);
    sweep(&mut bench);
    assert!(bench.see(&metric("old0")).is_some(), "the thirtieth day is inside");
    bench.event(Event::SyncNow);
    let tomorrow = ServerTime(AT.0 + DAY_MS);
    answer(&mut bench, &[sample("new", 1), sample("moves", 1)], tomorrow);
    sweep(&mut bench);
    assert!((0..700).all(|one| bench.see(&metric(&format!("old{one}"))).is_none()));
    assert!(bench.see(&metric("new")).is_some() && bench.pushes.is_empty());
    bench.event(Event::SyncNow);
    let left = Row { fields: None, outside: true, version: Version(2), ..sample("moves", 1) };
    answer(&mut bench, &[left], tomorrow);
    assert_eq!(bench.see(&metric("moves")), None);
}

/// Shows that a page that was asked under another scope is put away, however it comes, and that
/// reading goes on under the new one from where it was.
#[test]
fn a_page_of_another_scope_is_put_away() {
    let mut bench = Bench::online();
    bench.event(Event::SyncNow);
    set(&mut bench, types(&["Note"]));
    let late = metric("late");
    answer(&mut bench, &[sample("late", 1)], AT);
    assert_eq!(bench.see(&late), None);
    let asked = &bench.pulls[0].1;
    assert_eq!(asked.cursor.as_ref().unwrap().seq.0, 0, "from where it was");
    assert_eq!(asked.scope.types, [name("Note"), name("UserPreference")]);
}

/// Shows that a page is put away also when the scope is the same again and reading has begun anew
/// since: it tells nothing of what was let go meanwhile.
#[test]
fn a_page_of_another_place_is_put_away() {
    let mut bench = Bench::online();
    bench.event(Event::SyncNow);
    set(&mut bench, types(&["Note"]));
    set(&mut bench, Scope::default());
    answer(&mut bench, &[wire::row(&note("n"), 5, json!({}))], AT);
    assert_eq!(bench.pulls[0].1.cursor, None, "everything is read again");
}

/// Shows that following everything again reads everything again.
#[test]
fn everything_again() {
    let mut bench = Bench::online();
    set(&mut bench, types(&["Note"]));
    answer(&mut bench, &[], AT);
    sweep(&mut bench);
    set(&mut bench, Scope::default());
    let asked = &bench.pulls[0].1;
    assert_eq!((&asked.cursor, asked.from_head), (&None, false));
    answer(&mut bench, &[sample("s", 1)], AT);
    sweep(&mut bench);
    assert!(bench.see(&metric("s")).is_some() && !bench.status().catching_up);
}

/// Shows that a window of a type without a time of its own is refused, and changes nothing.
#[test]
fn a_window_needs_a_time() {
    let mut bench = Bench::online();
    let scope = Scope { types: Vec::new(), windows: [(name("Goal"), 5)].into() };
    let refused = bench.try_write(Write::SetScope { scope });
    assert!(matches!(refused, Err(WriteError::NoWindow(_))), "{refused:?}");
}

/// Shows that a partial push brings the named entities by themselves, makes the device look for
/// named types, and is nothing when what it names is not followed.
#[test]
fn a_partial_push_brings_what_it_names() {
    let mut bench = Bench::new();
    set(&mut bench, types(&["Note"]));
    bench.pulls.clear();
    bench.restart();
    answer(&mut bench, &[], AT);
    while !bench.fetches.is_empty() {
        bench.answer_fetch(FetchResponse { ranges_done: 1, ..wire::fetched(&[], &[]) });
    }
    sweep(&mut bench);
    let hint = |names: &str| {
        let text = format!(r#"{{"sync":{{"type":"partial","entities":[{names}]}}}}"#);
        Event::PushReceived(Hint::parse(&text).unwrap())
    };
    bench.event(hint(r#""Goal","Goal/g","Mystery/x""#));
    assert!(bench.pulls.is_empty() && bench.fetches.is_empty());
    bench.event(hint(r#""Note/n""#));
    assert!(bench.pulls.is_empty());
    let asked = bench.answer_fetch(wire::fetched(&[wire::row(&note("n"), 1, json!({}))], &[]));
    assert_eq!(asked.keys, [note("n")]);
    bench.event(hint(r#""Note""#));
    assert_eq!((bench.pulls.len(), bench.fetches.len()), (1, 0));
}

/// Shows that what is fetched by name stays although it is not followed, until the server's next
/// day.
#[test]
fn what_is_fetched_stays_for_the_day() {
    let mut bench = Bench::new();
    set(&mut bench, window(30));
    bench.pulls.clear();
    bench.restart();
    answer(&mut bench, &[], AT);
    sweep(&mut bench);
    let old = metric("old");
    bench.write(Write::Fetch { wanted: vec![Wanted::Key(old.clone())] });
    bench.answer_fetch(wire::fetched(&[sample("old", 400)], &[]));
    bench.event(Event::SyncNow);
    answer(&mut bench, &[], AT);
    sweep(&mut bench);
    assert!(bench.see(&old).is_some());
    bench.event(Event::SyncNow);
    answer(&mut bench, &[], ServerTime(AT.0 + DAY_MS));
    sweep(&mut bench);
    assert_eq!(bench.see(&old), None);
}
