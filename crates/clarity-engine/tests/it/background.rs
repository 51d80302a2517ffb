//! Short windows of time that the system gives, and long times without a network.

use clarity_engine::protocol::model::LocalTime;
use clarity_engine::protocol::{Failure, FailureClass};
use clarity_engine::{ATTEMPTS_PER_HOUR_MAX, Event, PULL_INTERVAL_MS, Pause, TokenResult};
use serde_json::json;

use crate::support::{Bench, HOUR_MS, MINUTE_MS, note, wire};

/// Shows that with little time everything that waits is sent before anything is read, and that it
/// is read then.
#[test]
fn a_short_window_sends_first() {
    let mut bench = Bench::online();
    bench.create(&note("n"), json!({}));
    bench.create(&note("more"), json!({}));
    bench.event(Event::BudgetGiven);
    assert_eq!((bench.pushes.len(), bench.pulls.len()), (1, 0), "it does not read yet");
    bench.apply_push();
    assert_eq!((bench.pushes.len(), bench.pulls.len()), (1, 0), "the rest goes first as well");
    bench.apply_push();
    assert_eq!((bench.pushes.len(), bench.pulls.len()), (0, 1));
    bench.answer_pull(&[]);
    assert!(bench.is_settled());
    bench.event(Event::BudgetGiven);
    assert_eq!((bench.pushes.len(), bench.pulls.len()), (0, 1), "nothing waits: it reads");
}

/// Shows that a window cuts a backoff short, and does not end a pause that a person made.
#[test]
fn a_short_window_is_worth_an_attempt() {
    let mut bench = Bench::online();
    bench.create(&note("n"), json!({}));
    for _ in 0..29 {
        bench.fail_only(FailureClass::Unreachable);
        bench.wake();
    }
    bench.fail_only(FailureClass::Unreachable);
    bench.now = bench.now.plus_ms(2 * HOUR_MS);
    bench.wake_at = None;
    bench.event(Event::Timer);
    bench.fail_only(FailureClass::Unreachable);
    assert!(bench.wake_at.unwrap().since_ms(bench.now) >= 2 * MINUTE_MS);
    bench.event(Event::BudgetGiven);
    assert_eq!(bench.pushes.len() + bench.pulls.len(), 1);
    bench.stop();
    bench.pushes.clear();
    bench.pulls.clear();

    bench.event(Event::Pause { until: None });
    bench.restart();
    bench.event(Event::BudgetGiven);
    assert_eq!(bench.status().stalled.unwrap().why, Pause::UserPaused);
    assert!(bench.pushes.is_empty() && bench.pulls.is_empty());
}

/// Shows that an idle device reads every 15 minutes, up to a tenth sooner so that devices do not
/// all come at once.
#[test]
fn an_idle_device_reads_every_fifteen_minutes() {
    let mut bench = Bench::online();
    let mut waits = std::collections::BTreeSet::new();
    let interval = i64::try_from(PULL_INTERVAL_MS).unwrap();
    for _ in 0..20 {
        let wait = bench.wake_at.unwrap().since_ms(bench.now);
        assert!((interval * 9 / 10..=interval).contains(&wait), "{wait}");
        waits.insert(wait);
        bench.wake();
        bench.answer_pull(&[]);
    }
    assert!(waits.len() > 10, "there is jitter");
}

fn most_in_an_hour(attempts: &[LocalTime]) -> usize {
    let mut begin = 0;
    let mut most = 0;
    for (end, at) in attempts.iter().enumerate() {
        while at.since_ms(attempts[begin]) >= HOUR_MS {
            begin += 1;
        }
        most = most.max(end + 1 - begin);
    }
    most
}

/// Fails one of the requests on their way.
fn fail_one(bench: &mut Bench, class: FailureClass) {
    let request = match bench.pulls.pop() {
        Some((request, _)) => request,
        None => bench.pushes.remove(0).request,
    };
    bench.fail(request, class);
}

/// Shows that after 90 days without a network, with a write on each of them and with an access and
/// a refresh token that have ended, nothing is lost: promise L2 held all the time, the first answer
/// leads to a named pause, and a sign-in sends everything, once, in order.
#[test]
fn ninety_days_offline_lose_nothing() {
    let mut bench = Bench::online();
    bench.event(Event::SignedIn(wire::tokens("account")));
    bench.answer_pull(&[]);
    let mut attempts = Vec::new();
    for day in 0..90 {
        // The device is used for an hour on the first day and for some minutes on each other one.
        let awake_until = bench.now.plus_ms(if day == 0 { HOUR_MS } else { 6 * MINUTE_MS });
        bench.restart();
        bench.create(&note(&format!("day {day}")), json!({"title": "kept"}));
        while bench.now < awake_until {
            if bench.refreshes > 0 {
                attempts.push(bench.now);
                let lost = Failure::new(FailureClass::Unreachable, "no answer");
                bench.token_result(TokenResult::Failed(lost));
            } else if bench.pushes.len() + bench.pulls.len() > 0 {
                attempts.push(bench.now);
                fail_one(&mut bench, FailureClass::Unreachable);
            } else {
                bench.wake();
            }
        }
        bench.now = bench.now.plus_ms(24 * HOUR_MS - 6 * MINUTE_MS);
    }
    assert!(most_in_an_hour(&attempts) <= ATTEMPTS_PER_HOUR_MAX);
    assert!(attempts.len() > 150, "it never gives up: {}", attempts.len());
    assert_eq!(bench.status().waiting, 90);

    // The network is back, and the server knows neither token any more.
    while bench.refreshes == 0 {
        match bench.pushes.len() + bench.pulls.len() {
            0 => bench.wake(),
            _ => fail_one(&mut bench, FailureClass::Auth),
        }
    }
    bench.token_result(TokenResult::Refused);
    let status = bench.status();
    assert_eq!((status.stalled.unwrap().why, status.waiting), (Pause::AuthRequired, 90));
    bench.event(Event::SignedIn(wire::tokens("account")));
    let mut sent = Vec::new();
    while !bench.is_settled() {
        match bench.pushes.is_empty() {
            false => sent.extend(bench.apply_push().counters()),
            true if bench.pulls.is_empty() => bench.wake(),
            true => bench.answer_pull(&[]),
        }
    }
    assert_eq!(sent, (1..=90).collect::<Vec<u64>>());
}
