//! How long the device waits after a failure: constants, jitter, the server's wish, and clocks that
//! jump.

use clarity_engine::protocol::{Failure, FailureClass};
use clarity_engine::{
    ATTEMPTS_PER_HOUR_MAX, BACKOFF_BASE_MS, BACKOFF_CAP_MS, BACKOFF_EARLY_CAP_MS, BACKOFF_EARLY_MS,
    Event,
};
use serde_json::json;

use crate::support::{Bench, Dice, HOUR_MS, MINUTE_MS, note};

fn wait_ms(bench: &Bench) -> i64 {
    bench.wake_at.unwrap().since_ms(bench.now)
}

fn milliseconds(bound: u64) -> i64 {
    i64::try_from(bound).unwrap()
}

/// A device with this seed whose first push has just failed.
fn failing(seed: u64) -> Bench {
    let mut bench = Bench::online();
    bench.dice = Dice(seed);
    bench.create(&note("n"), json!({}));
    bench.fail_only(FailureClass::Transient);
    bench
}

/// Shows the constants that the documents name.
#[test]
fn the_constants_are_those_of_the_documents() {
    assert_eq!((BACKOFF_BASE_MS, BACKOFF_EARLY_CAP_MS, BACKOFF_CAP_MS), (500, 8_000, 240_000));
    assert_eq!((BACKOFF_EARLY_MS, ATTEMPTS_PER_HOUR_MAX), (90_000, 60));
}

/// Shows that waits have full jitter under a bound that doubles from half a second to 8 s, and that
/// after 90 s, or 24 failures, they lie between 2 and 4 minutes.
#[test]
fn waits_grow_with_full_jitter() {
    let mut shortest_ms = i64::MAX;
    for seed in 0..20 {
        let mut bench = failing(seed);
        let failing_since = bench.now;
        let mut bound = BACKOFF_BASE_MS;
        for attempt in 0..40 {
            let wait = wait_ms(&bench);
            let short = bench.now.since_ms(failing_since) < BACKOFF_EARLY_MS;
            if short && attempt < 24 {
                assert!((1..=milliseconds(bound)).contains(&wait), "{wait} over {bound}");
                shortest_ms = shortest_ms.min(wait);
                bound = (bound * 2).min(BACKOFF_EARLY_CAP_MS);
            } else {
                let late = milliseconds(BACKOFF_CAP_MS / 2)..=milliseconds(BACKOFF_CAP_MS);
                assert!(late.contains(&wait), "{wait}");
            }
            bench.wake();
            bench.fail_only(FailureClass::Transient);
        }
    }
    assert!(shortest_ms < 100, "the jitter reaches down to nothing: {shortest_ms}");
}

/// Shows promise L2: whatever fails, whatever a person taps and the platform reports, no more than
/// 60 attempts leave in any hour of failing.
#[test]
fn no_more_than_sixty_attempts_an_hour() {
    use FailureClass as Class;
    for class in [Class::Transient, Class::Unreachable, Class::Offline, Class::CaptivePortal] {
        let mut bench = failing(7);
        let mut attempts = Vec::new();
        let begin = bench.now;
        while bench.now.since_ms(begin) < 3 * HOUR_MS {
            bench.event(Event::SyncNow);
            if bench.pushes.is_empty() && bench.pulls.is_empty() {
                bench.wake();
            } else {
                attempts.push(bench.now);
                bench.now = bench.now.plus_ms(200);
                bench.fail_only(class);
                assert!(wait_ms(&bench) < 5 * MINUTE_MS, "promise L1 holds all the same");
            }
        }
        for from in &attempts {
            let hour = attempts.iter().filter(|at| (0..HOUR_MS).contains(&at.since_ms(*from)));
            assert!(hour.count() <= ATTEMPTS_PER_HOUR_MAX, "{class:?}");
        }
        assert!(attempts.len() > 100, "it does go on");
    }
}

/// Shows that pushes which fail while pulls succeed still back off: the successes of the one do not
/// buy attempts for the other.
#[test]
fn a_failing_push_backs_off_though_pulls_succeed() {
    let mut bench = Bench::online();
    bench.create(&note("n"), json!({}));
    let begin = bench.now;
    let mut failed = Vec::new();
    while bench.now.since_ms(begin) < 2 * HOUR_MS {
        if let Some(push) = bench.pushes.pop() {
            failed.push(bench.now);
            bench.now = bench.now.plus_ms(20);
            bench.fail(push.request, FailureClass::Transient);
        } else if bench.pulls.is_empty() {
            bench.wake();
        } else {
            bench.now = bench.now.plus_ms(20);
            bench.answer_pull(&[]);
        }
    }
    for from in &failed {
        let hour = failed.iter().filter(|at| (0..HOUR_MS).contains(&at.since_ms(*from)));
        assert!(hour.count() <= ATTEMPTS_PER_HOUR_MAX, "{}", failed.len());
    }
}

/// Shows that the server's wish is obeyed between its bounds, and never shortens the own wait.
#[test]
fn the_servers_wish_is_obeyed() {
    for (asked_ms, at_least, at_most) in [
        (30_000, 30_000, 30_000),
        (3_600_000, HOUR_MS, HOUR_MS),
        (90_000_000, HOUR_MS, HOUR_MS),
        (1, 1, 500),
    ] {
        let mut bench = Bench::online();
        bench.create(&note("n"), json!({}));
        let request = bench.take_only();
        let mut failure = Failure::new(FailureClass::Transient, "busy");
        failure.retry_after_ms = Some(asked_ms);
        bench.finish(request, Err(failure));
        assert!((at_least..=at_most).contains(&wait_ms(&bench)), "{asked_ms}");
        assert_eq!(bench.status().stalled.unwrap().next_attempt, bench.wake_at);
    }
}

/// Shows promise I12 for waits: a clock that goes back does not make one longer, and one that goes
/// forward only ends it.
#[test]
fn a_clock_that_jumps_does_not_lengthen_a_wait() {
    for jump_ms in [-365 * 24 * HOUR_MS, -HOUR_MS, HOUR_MS, 365 * 24 * HOUR_MS] {
        let mut bench = failing(3);
        for _ in 0..30 {
            bench.wake();
            bench.fail_only(FailureClass::Transient);
        }
        bench.now = bench.now.plus_ms(jump_ms);
        bench.restart();
        if bench.pushes.is_empty() && bench.pulls.is_empty() {
            assert!(wait_ms(&bench) <= milliseconds(BACKOFF_CAP_MS), "after {jump_ms}");
            bench.wake();
        }
        assert_eq!(bench.pushes.len() + bench.pulls.len(), 1, "after {jump_ms}");
    }
}

/// Shows that a clock that goes back does not stop the pulls of an idle device.
#[test]
fn a_clock_that_jumps_does_not_stop_an_idle_device() {
    let mut bench = Bench::online();
    bench.now = bench.now.plus_ms(-30 * 24 * HOUR_MS);
    bench.event(Event::Timer);
    assert!(wait_ms(&bench) <= 15 * MINUTE_MS);
}

/// Shows that a restart in the middle of a wait forgets nothing of it.
#[test]
fn a_wait_survives_a_restart() {
    let mut bench = failing(3);
    for _ in 0..30 {
        bench.wake();
        bench.fail_only(FailureClass::Transient);
    }
    let until = bench.wake_at;
    bench.now = bench.now.plus_ms(1_000);
    bench.restart();
    assert!(bench.pushes.is_empty() && bench.pulls.is_empty());
    assert_eq!(bench.wake_at, until);
}

/// Shows promise L1's half that is the device's: after any length of failing, the next attempt is
/// less than 5 minutes away.
#[test]
fn the_next_attempt_is_always_near() {
    let mut bench = failing(11);
    let begin = bench.now;
    while bench.now.since_ms(begin) < 24 * HOUR_MS {
        assert!(wait_ms(&bench) < 5 * MINUTE_MS);
        bench.wake();
        bench.fail_only(FailureClass::Unreachable);
    }
}
