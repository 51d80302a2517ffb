//! Progress: what a run has done of what there is to do, and where one run ends.

use clarity_engine::protocol::FailureClass;
use clarity_engine::{Event, Flow, Progress};
use serde_json::json;

use crate::support::{Bench, note, wire};

fn figures(progress: Progress) -> [u64; 4] {
    [progress.pushed, progress.push_total, progress.pulled, progress.pull_total]
}

/// Shows that each run counts from zero: the second one says nothing of what the first one did.
#[test]
fn each_run_begins_anew() {
    let mut bench = Bench::with(&note("n"), json!({"title": "a"}));
    let first = bench.status().progress;
    assert_eq!((first.run, first.over, figures(first)), (1, true, [0, 0, 10, 10]));
    bench.event(Event::Foreground);
    let second = bench.status().progress;
    assert_eq!((second.run, second.over, figures(second)), (2, false, [0, 0, 0, 0]));
    bench.event(Event::Travelled { sent: 100, received: 2_000 });
    bench.answer_pull(&[wire::row(&note("n"), 4, json!({"title": "b"}))]);
    let second = bench.status().progress;
    assert_eq!((second.run, second.over, figures(second)), (2, true, [0, 0, 30, 30]));
    assert_eq!((second.bytes_sent, second.bytes_received), (100, 2_000));
    bench.create(&note("new"), json!({}));
    let third = bench.status().progress;
    assert_eq!((third.run, figures(third)), (3, [0, 1, 0, 0]));
    bench.apply_push();
    let third = bench.status().progress;
    assert_eq!((third.over, figures(third), third.bytes_sent), (true, [1, 1, 0, 0], 0));
}

/// Shows that pages of one pull add up, also those that are not shown yet, and that a failure ends
/// no run.
#[test]
fn pages_add_up_and_a_failure_ends_no_run() {
    let mut bench = Bench::online();
    bench.event(Event::Foreground);
    bench.answer_pull_with(wire::page_before(&[wire::row(&note("a"), 1, json!({}))], 40));
    let run = bench.status().progress.run;
    assert_eq!(figures(bench.status().progress), [0, 0, 10, 40]);
    bench.fail_only(FailureClass::Unreachable);
    let failing = bench.status().progress;
    assert_eq!((failing.run, failing.over, figures(failing)), (run, false, [0, 0, 10, 40]));
    bench.wake();
    bench.answer_pull_with(wire::page_before(&[wire::row(&note("b"), 3, json!({}))], 40));
    assert_eq!(figures(bench.status().progress), [0, 0, 30, 40]);
    bench.answer_pull(&[wire::row(&note("c"), 4, json!({}))]);
    let done = bench.status().progress;
    assert_eq!((done.run, done.over, figures(done)), (run, true, [0, 0, 40, 40]));
}

/// Shows that the sums of what the sync did are kept: runs and how long they took, how often it
/// began to fail, bytes, and how operations ended.
#[test]
fn sums_are_kept() {
    let mut bench = Bench::online();
    bench.event(Event::Travelled { sent: 5, received: 7 });
    bench.create(&note("n"), json!({}));
    bench.now = bench.now.plus_ms(250);
    bench.fail_only(FailureClass::Unreachable);
    bench.wake();
    // A second failure is part of the same trouble.
    bench.fail_only(FailureClass::Unreachable);
    let began = clarity_engine::protocol::model::LocalTime(bench.now.0);
    while !bench.is_settled() {
        match (bench.pulls.is_empty(), bench.pushes.is_empty()) {
            (false, _) => bench.answer_pull(&[]),
            (true, false) => drop(bench.apply_push()),
            (true, true) => bench.wake(),
        }
    }
    assert!(bench.now >= began);
    let metrics = bench.store().begin().unwrap().metrics().unwrap();
    assert_eq!((metrics["syncs"], metrics["syncs_failed"]), (2, 1));
    assert_eq!((metrics["bytes_sent"], metrics["bytes_received"]), (5, 7));
    assert_eq!(metrics["operations_settled"], 1);
    assert!(metrics["sync_ms"] >= 250);
}

/// Shows that the one word is `synced` only once the server has acknowledged a pull and nothing
/// waits, and not before, after or in between.
#[test]
fn synced_only_after_an_acknowledged_pull_and_an_empty_queue() {
    let mut bench = Bench::new();
    assert_eq!(bench.status().flow, Flow::Syncing);
    let first = wire::row(&note("n"), 1, json!({}));
    bench.answer_pull_with(wire::page_before(&[first], 20));
    assert!(bench.status().catching_up);
    assert_eq!(bench.status().flow, Flow::Syncing);
    bench.fail_only(FailureClass::Transient);
    assert_eq!(bench.status().flow, Flow::Pending, "what was read so far is not all");
    bench.wake();
    bench.answer_pull(&[wire::row(&note("m"), 2, json!({}))]);
    assert_eq!(bench.status().flow, Flow::Synced);
    bench.create(&note("new"), json!({}));
    assert_eq!((bench.status().flow, bench.status().waiting), (Flow::Syncing, 1));
    let push = bench.take_push();
    bench.answer(&push, vec![wire::rejected(push.only())]);
    assert_eq!(bench.status().flow, Flow::Pending, "what failed is not at the server");
}
