//! What is forgotten, and when: by the server's time, never while offline, a part at a time.

use clarity_engine::protocol::model::{Counter, EntityKey, ServerTime};
use clarity_engine::protocol::{PullResponse, Row};
use clarity_engine::store::EndedAs;
use clarity_engine::{Event, HISTORY_KEPT_MS, Write};
use serde_json::json;

use crate::support::{Bench, note, wire};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// A pull that ends at the head of the account, at this time of the server.
fn pull_at(bench: &mut Bench, server_ms: i64) {
    if bench.pulls.is_empty() {
        bench.event(Event::SyncNow);
    }
    let rows: [Row; 0] = [];
    bench.answer_pull_with(PullResponse { at: ServerTime(server_ms), ..wire::page(&rows) });
}

/// An operation that was taken back, so that it has an entry in history and an ending of its own.
fn lose_something(bench: &mut Bench, key: &EntityKey) -> Counter {
    bench.event(Event::Pause { until: None });
    let operation = bench.create(key, json!({"title": "lost"}));
    bench.write(Write::Rollback { operation });
    bench.event(Event::Resume);
    operation
}

/// Shows that history and endings are kept for 30 days of the server's time and then go, whatever
/// this device's clock says, and that nothing goes without a pull.
#[test]
fn what_is_old_by_the_servers_time_is_forgotten() {
    let mut bench = Bench::new();
    pull_at(&mut bench, 1_000);
    let operation = lose_something(&mut bench, &note("n"));
    pull_at(&mut bench, 1_000 + DAY_MS);
    // Ten years offline, or a clock that jumped.
    bench.now = bench.now.plus_ms(3_650 * DAY_MS);
    bench.event(Event::Timer);
    assert_eq!(bench.history(&note("n")).len(), 1, "nothing ages while offline");
    pull_at(&mut bench, HISTORY_KEPT_MS + DAY_MS);
    assert_eq!(bench.history(&note("n")).len(), 1, "kept for 30 days");
    assert_eq!(bench.ended(operation), Some(EndedAs::Cancelled));
    pull_at(&mut bench, 1_000 + HISTORY_KEPT_MS + DAY_MS);
    assert_eq!(bench.history(&note("n")).len(), 0);
    assert_eq!(bench.ended(operation), None);
}

/// Shows that a server whose clock was years ahead for a while makes nothing go early, and that
/// what lost meanwhile goes in its time.
#[test]
fn a_server_whose_clock_was_ahead_costs_nothing() {
    let mut bench = Bench::new();
    lose_something(&mut bench, &note("n"));
    pull_at(&mut bench, 3_650 * DAY_MS);
    pull_at(&mut bench, DAY_MS);
    pull_at(&mut bench, 2 * DAY_MS);
    assert_eq!(bench.history(&note("n")).len(), 1);
    pull_at(&mut bench, DAY_MS + HISTORY_KEPT_MS);
    assert_eq!(bench.history(&note("n")).len(), 0);
}

/// Shows that much is forgotten in parts, so that no transaction is long, and that what still waits
/// keeps what is known of its beginnings.
#[test]
fn much_is_forgotten_in_parts() {
    let mut bench = Bench::new();
    pull_at(&mut bench, 1_000);
    bench.event(Event::Pause { until: None });
    let writes: Vec<_> = (0..2_500)
        .map(|number| Write::Create {
            key: note(&format!("n{number}")),
            fields: wire::fields(json!({"title": "t"})),
            parents: Vec::new(),
        })
        .collect();
    let made = bench.write(Write::Batch { atomic: false, writes }).operations;
    let taken_back = made.into_iter().map(|operation| Event::Write(Write::Rollback { operation }));
    bench.handle(taken_back.collect());
    bench.event(Event::Resume);
    let count =
        |bench: &mut Bench| bench.store().begin().unwrap().history(0, usize::MAX).unwrap().len();
    pull_at(&mut bench, 1_000 + DAY_MS);
    let late_ms = 1_000 + DAY_MS + HISTORY_KEPT_MS;
    let counts = [0, 1, 2, 3].map(|minute| {
        pull_at(&mut bench, late_ms + minute);
        count(&mut bench)
    });
    assert_eq!(counts, [2_500, 500, 0, 0]);
}
