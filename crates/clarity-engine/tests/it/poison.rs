//! An operation that makes whole requests fail is found, and its neighbours arrive.

use clarity_engine::protocol::FailureClass;
use clarity_engine::protocol::model::Counter;
use clarity_engine::store::OperationState;
use clarity_engine::{Event, SET_ASIDE_FIRST_RETRY_MS, SET_ASIDE_RETRY_MS, Write};
use serde_json::json;

use crate::support::wire::{self, Push};
use crate::support::{Bench, HOUR_MS, note};

/// How a server treats a push that holds the poison.
#[derive(Debug, Clone, Copy)]
struct Server {
    poison: u64,
    class: FailureClass,
    /// Whether the poison still works.
    broken: bool,
}

/// Answers whatever is on its way until nothing is and nothing more comes soon; returns the pushes.
fn serve(bench: &mut Bench, server: Server) -> Vec<Push> {
    let mut pushes = Vec::new();
    loop {
        if let Some(push) = (!bench.pushes.is_empty()).then(|| bench.pushes.remove(0)) {
            if server.broken && push.counters().contains(&server.poison) {
                bench.fail(push.request, server.class);
            } else {
                bench.answer(&push, push.operations.iter().map(wire::applied).collect());
            }
            pushes.push(push);
        } else if !bench.pulls.is_empty() {
            bench.answer_pull(&[]);
        } else if bench.status().idle {
            return pushes;
        } else {
            bench.wake();
        }
        assert!(pushes.len() < 500, "it does not end");
    }
}

fn with_operations(count: usize) -> Bench {
    let mut bench = Bench::online();
    let create = |n| Write::Create {
        key: note(&format!("n{n}")),
        fields: wire::fields(json!({})),
        parents: Vec::new(),
    };
    bench.write(Write::Batch { atomic: false, writes: (1..=count).map(create).collect() });
    bench
}

/// Shows promise L4: one operation of 1,000 on which the server fails is isolated by halving in a
/// bounded number of requests and little time, is set aside, and all the others arrive.
#[test]
fn a_poison_operation_is_isolated_by_halving() {
    for class in [FailureClass::Transient, FailureClass::Unreachable] {
        let mut bench = with_operations(1_000);
        let begin = bench.now;
        let server = Server { poison: 617, class, broken: true };
        let pushes = serve(&mut bench, server).len();
        let status = bench.status();
        assert_eq!((status.waiting, status.set_aside, status.failed), (1, 1, 0), "{class:?}");
        assert_eq!(bench.state(Counter(617)), Some(OperationState::SetAside));
        // Ten halvings of two requests each, with the repeats that tell the operation from the
        // weather.
        assert!(pushes <= 40, "{class:?}: {pushes} pushes");
        assert!(bench.now.since_ms(begin) < 5 * 60_000, "{class:?}");
    }
}

/// Shows that a permanent answer to the whole request is halved at once, and that what stands alone
/// is rejected with the server's words.
#[test]
fn an_unreadable_operation_is_rejected_alone() {
    for (class, code) in
        [(FailureClass::BadRequest, "invalid"), (FailureClass::TooLarge, "too_large")]
    {
        let mut bench = with_operations(1_000);
        let begin = bench.now;
        let pushes = serve(&mut bench, Server { poison: 42, class, broken: true }).len();
        let status = bench.status();
        assert_eq!((status.waiting, status.failed), (0, 1), "{class:?}");
        let failed = bench.operation(Counter(42)).unwrap();
        assert_eq!(failed.error.unwrap().code, code);
        assert!(pushes <= 21, "{class:?}: {pushes} pushes");
        assert!(bench.now.since_ms(begin) < 60_000, "{class:?}");
    }
}

/// Shows that an operation that was set aside stops its lane only, is tried alone after a minute,
/// then ever more rarely up to every 6 hours, also over a restart, and goes with the same bytes
/// when the server can take it.
#[test]
fn what_was_set_aside_is_tried_ever_more_rarely() {
    let mut bench = with_operations(4);
    let server = Server { poison: 2, class: FailureClass::Transient, broken: true };
    serve(&mut bench, server);
    let frozen = bench.store().begin().unwrap().frozen(Counter(2)).unwrap().unwrap();
    let behind = bench.update(&note("n2"), json!({"title": "behind"}));
    assert_eq!(bench.state(behind), Some(OperationState::Blocked));
    let operation = bench.operation(Counter(2)).unwrap();
    assert_eq!(operation.attempts, clarity_engine::SET_ASIDE_FAILURES);
    let due = operation.next_attempt_at.unwrap();
    assert_eq!(due.since_ms(operation.last_attempt_at.unwrap()), SET_ASIDE_FIRST_RETRY_MS);

    bench.restart();
    serve(&mut bench, server);
    assert_eq!(bench.state(Counter(2)), Some(OperationState::SetAside));
    bench.now = due;
    bench.create(&note("neighbour"), json!({}));
    let tries = serve(&mut bench, server);
    let tries: Vec<_> = tries.iter().filter(|push| push.counters().contains(&2)).collect();
    assert!(!tries.is_empty() && tries.iter().all(|push| push.counters() == [2]), "tried alone");
    assert_eq!(tries[0].bytes()[0].as_bytes(), frozen);
    assert_eq!(bench.status().set_aside, 1, "still poison");

    let mut waits = Vec::new();
    for _ in 0..6 {
        let operation = bench.operation(Counter(2)).unwrap();
        let due = operation.next_attempt_at.unwrap();
        waits.push(due.since_ms(operation.last_attempt_at.unwrap()));
        bench.now = due;
        bench.event(Event::Timer);
        serve(&mut bench, server);
    }
    assert_eq!(waits[0], 4 * SET_ASIDE_FIRST_RETRY_MS);
    assert!(waits.is_sorted() && waits[5] == SET_ASIDE_RETRY_MS, "{waits:?}");

    bench.now = bench.now.plus_ms(SET_ASIDE_RETRY_MS);
    bench.event(Event::Timer);
    serve(&mut bench, Server { broken: false, ..server });
    assert!(bench.is_settled());
    assert_eq!(bench.see(&note("n2")), Some(json!({"title": "behind"})));
}

/// Shows that a clock that went back does not keep an operation aside for longer than the interval.
#[test]
fn a_clock_that_jumps_does_not_keep_an_operation_aside() {
    let mut bench = with_operations(2);
    let server = Server { poison: 2, class: FailureClass::Transient, broken: true };
    serve(&mut bench, server);
    bench.now = bench.now.plus_ms(-48 * HOUR_MS);
    bench.event(Event::Timer);
    serve(&mut bench, Server { broken: false, ..server });
    assert!(bench.is_settled());
}

/// Shows that a person can try an operation that was set aside at once, under its own id.
#[test]
fn a_person_can_retry_what_was_set_aside() {
    let mut bench = with_operations(2);
    let server = Server { poison: 2, class: FailureClass::Transient, broken: true };
    serve(&mut bench, server);
    let retried = bench.write(Write::Retry { operation: Counter(2) }).operations;
    assert_eq!(retried, [Counter(2)], "its id has no answer yet");
    serve(&mut bench, Server { broken: false, ..server });
    assert!(bench.is_settled());
}

/// Shows that asking for a sync tries everything that was set aside at once, and that what still
/// fails is set aside again.
#[test]
fn a_sync_that_is_asked_for_tries_what_was_set_aside() {
    let mut bench = with_operations(4);
    let server = Server { poison: 2, class: FailureClass::Transient, broken: true };
    serve(&mut bench, server);
    bench.event(Event::SyncNow);
    serve(&mut bench, server);
    assert_eq!(bench.status().set_aside, 1, "still poison");
    bench.event(Event::SyncNow);
    serve(&mut bench, Server { broken: false, ..server });
    assert!(bench.is_settled());
}

/// Shows that failures without any success in between say nothing about the operations: a server
/// that is down for a day sets nothing aside.
#[test]
fn a_server_that_is_down_sets_nothing_aside() {
    let mut bench = with_operations(50);
    let begin = bench.now;
    while bench.now.since_ms(begin) < 24 * HOUR_MS {
        match bench.pulls.is_empty() && bench.pushes.is_empty() {
            true => bench.wake(),
            false => bench.fail_only(FailureClass::Transient),
        }
    }
    let status = bench.status();
    assert_eq!((status.waiting, status.set_aside, status.failed), (50, 0, 0));
    serve(&mut bench, Server { poison: 0, class: FailureClass::Transient, broken: false });
    assert!(bench.is_settled());
}

/// Shows promise L2 where a server refuses to read anything at all: it is not asked a thousand
/// times in a row, and as soon as it reads again, what was not refused arrives.
#[test]
fn a_server_that_refuses_everything_is_not_asked_without_end() {
    let mut bench = with_operations(1_000);
    let begin = bench.now;
    let mut refused = 0;
    while bench.now.since_ms(begin) < HOUR_MS {
        if let Some(push) = bench.pushes.pop() {
            refused += 1;
            bench.fail(push.request, FailureClass::BadRequest);
        } else if bench.pulls.is_empty() {
            bench.wake();
        } else {
            bench.answer_pull(&[]);
        }
    }
    assert!(refused <= clarity_engine::ATTEMPTS_PER_HOUR_MAX, "{refused}");
    let before = bench.status();
    serve(&mut bench, Server { poison: 0, class: FailureClass::Transient, broken: false });
    let after = bench.status();
    assert_eq!((after.waiting, after.failed), (0, before.failed));
}

/// Shows promise L1 for an operation that is refused after a long outage: the failures of before
/// say nothing of what is refused now, so no half waits for a backoff of its own.
#[test]
fn halving_after_an_outage_does_not_wait() {
    let mut bench = with_operations(1_000);
    for _ in 0..40 {
        bench.fail_only(FailureClass::Unreachable);
        bench.wake();
    }
    let heals = bench.now;
    serve(&mut bench, Server { poison: 42, class: FailureClass::TooLarge, broken: true });
    let status = bench.status();
    assert_eq!((status.waiting, status.failed), (0, 1));
    assert!(bench.now.since_ms(heals) < 5 * 60_000);
}

/// Shows that halving never cuts an atomic batch: it is set aside and rejected as one.
#[test]
fn halving_does_not_cut_an_atomic_batch() {
    let create = |n: u32| Write::Create {
        key: note(&format!("b{n}")),
        fields: wire::fields(json!({})),
        parents: Vec::new(),
    };
    for class in [FailureClass::Transient, FailureClass::BadRequest] {
        let mut bench = Bench::online();
        bench.event(Event::Pause { until: None });
        for n in 0..6 {
            bench.create(&note(&format!("before{n}")), json!({}));
        }
        bench.write(Write::Batch { atomic: true, writes: (0..5).map(create).collect() });
        for n in 0..6 {
            bench.create(&note(&format!("after{n}")), json!({}));
        }
        bench.event(Event::Resume);
        serve(&mut bench, Server { poison: 9, class, broken: true });
        let status = bench.status();
        assert_eq!(status.set_aside + status.failed, 5, "{class:?}");
        assert_eq!(status.waiting, status.set_aside, "{class:?}");
    }
}
