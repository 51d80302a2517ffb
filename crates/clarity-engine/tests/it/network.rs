//! What the platform says of the network: when it causes an attempt, and when it holds one back.

use clarity_engine::protocol::model::LocalTime;
use clarity_engine::protocol::{self, FailureClass};
use clarity_engine::{
    ATTEMPTS_PER_HOUR_MAX, Event, METERED_WISH_MS, NETWORK_DEBOUNCE_MS, NetworkPolicy, Pause,
    WhoActs,
};
use proptest::prelude::*;
use serde_json::json;

use crate::support::{Bench, HOUR_MS, MINUTE_MS, note};

const UP: bool = true;
const DOWN: bool = false;

fn network(bench: &mut Bench, online: bool) {
    bench.event(Event::NetworkChanged { online });
}

fn requests(bench: &Bench) -> usize {
    bench.pushes.len() + bench.pulls.len()
}

fn why(bench: &mut Bench) -> Option<Pause> {
    bench.status().stalled.map(|stalled| stalled.why)
}

/// A device that waits for an unmetered network, on a metered one.
fn metered() -> Bench {
    let mut bench = Bench::online();
    bench.event(Event::NetworkPolicy(NetworkPolicy::UnmeteredOnly));
    bench.event(Event::NetworkMetered { metered: true });
    bench
}

/// Shows that a device which is told that there is no network names it, leaves the server alone,
/// and tries at once when the network comes up.
#[test]
fn a_network_that_comes_up_is_tried_at_once() {
    let mut bench = Bench::online();
    network(&mut bench, DOWN);
    assert_eq!(why(&mut bench), Some(Pause::Offline));
    bench.create(&note("n"), json!({}));
    assert_eq!(requests(&bench), 0);
    bench.now = bench.now.plus_ms(MINUTE_MS);
    network(&mut bench, UP);
    assert_eq!(requests(&bench), 1);
    while !bench.is_settled() {
        match bench.pulls.is_empty() {
            false => bench.answer_pull(&[]),
            true => drop(bench.apply_push()),
        }
    }
    assert_eq!(why(&mut bench), None);
    assert_eq!(bench.status().network.online, Some(true));
}

/// Shows that the first attempts on a network that has just come up may fail, as they do while it
/// begins to carry, without a wait of minutes, however long there was none.
#[test]
fn a_network_that_has_just_come_up_is_tried_again_soon() {
    let mut bench = Bench::online();
    network(&mut bench, DOWN);
    bench.now = bench.now.plus_ms(HOUR_MS);
    network(&mut bench, UP);
    for _ in 0..3 {
        bench.fail_only(FailureClass::Unreachable);
        let wait_ms = bench.wake_at.unwrap().since_ms(bench.now);
        assert!(wait_ms <= 8_000, "{wait_ms}");
        bench.wake();
    }
    bench.now = bench.now.plus_ms(2 * MINUTE_MS);
    bench.fail_only(FailureClass::Unreachable);
    assert!(bench.wake_at.unwrap().since_ms(bench.now) > MINUTE_MS);
}

/// Shows that a platform which forgets to say that the network is back does not stop the device:
/// it looks within the 5 minutes of promise L1, and an answer is the truth.
#[test]
fn an_answer_is_believed_over_the_platform() {
    let mut bench = Bench::online();
    network(&mut bench, DOWN);
    assert!(bench.wake_at.unwrap().since_ms(bench.now) < 5 * MINUTE_MS);
    bench.wake();
    bench.answer_pull(&[]);
    assert_eq!(why(&mut bench), None);
    bench.create(&note("n"), json!({}));
    bench.apply_push();
    assert!(bench.is_settled());
}

/// Shows that something which comes over the network that is said to be gone causes one attempt at
/// once, and that hints do not cut short the wait for a server that does not answer.
#[test]
fn a_hint_is_believed_over_the_platform() {
    let mut bench = Bench::online();
    network(&mut bench, DOWN);
    assert_eq!((why(&mut bench), requests(&bench)), (Some(Pause::Offline), 0));
    bench.event(Event::PushReceived(protocol::Hint::full()));
    assert_eq!(requests(&bench), 1);
    bench.fail_only(FailureClass::Unreachable);
    bench.event(Event::PushReceived(protocol::Hint::full()));
    assert_eq!((why(&mut bench), requests(&bench)), (Some(Pause::ServerUnreachable), 0));
}

/// Shows that what is on its way when the platform says that the network went is still heard.
#[test]
fn an_answer_on_its_way_ends_the_pause() {
    let mut bench = Bench::online();
    bench.create(&note("n"), json!({}));
    network(&mut bench, DOWN);
    bench.apply_push();
    assert_eq!(why(&mut bench), None);
    assert!(bench.is_settled());
}

/// Shows that a network which comes and goes causes one attempt at once and then one in 10 seconds,
/// however fast it is, also when every request succeeds.
#[test]
fn a_flapping_network_causes_few_requests() {
    let mut bench = Bench::online();
    let begin = bench.now;
    let mut sent = 0;
    while bench.now.since_ms(begin) < MINUTE_MS {
        network(&mut bench, DOWN);
        network(&mut bench, UP);
        while requests(&bench) > 0 {
            sent += 1;
            bench.answer_pull(&[]);
        }
        bench.now = bench.now.plus_ms(250);
    }
    let most = MINUTE_MS / NETWORK_DEBOUNCE_MS + 1;
    assert!((2..=most).contains(&sent), "{sent}");
}

/// Shows that a network which came up again too soon is tried at the end of the debounce time, not
/// forgotten, and that one which went meanwhile is not.
#[test]
fn a_network_that_stays_is_tried_after_the_debounce() {
    for stays in [true, false] {
        let mut bench = Bench::online();
        network(&mut bench, UP);
        bench.answer_pull(&[]);
        let first = bench.now;
        bench.now = bench.now.plus_ms(1_000);
        network(&mut bench, DOWN);
        network(&mut bench, UP);
        assert_eq!(requests(&bench), 0, "too soon");
        if !stays {
            network(&mut bench, DOWN);
        }
        bench.wake();
        let waited = bench.now.since_ms(first);
        assert_eq!(waited == NETWORK_DEBOUNCE_MS, stays, "{waited}");
        assert_eq!(requests(&bench), 1);
    }
}

/// One thing that the platform says, so many milliseconds after the one before.
type Hint = (i64, u8);

fn hint(bench: &mut Bench, kind: u8) {
    match kind {
        0 | 1 => network(bench, DOWN),
        2 | 3 => network(bench, UP),
        4 => bench.event(Event::NetworkMetered { metered: true }),
        5 => bench.event(Event::NetworkMetered { metered: false }),
        6 => bench.event(Event::BudgetGiven),
        7 => bench.event(Event::PushReceived(protocol::Hint::full())),
        _ => bench.event(Event::Foreground),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Shows promise L2 under any flapping: whatever the platform says and however fast, no more
    /// than 60 attempts leave in an hour of failing; and promise L1, that the next one is near.
    #[test]
    fn no_flapping_exceeds_the_attempts(
        hints in proptest::collection::vec((0..40_000_i64, 0..9_u8), 20..120),
        pace in prop::sample::select(vec![1_i64, 20, 400]),
        policy in any::<bool>(),
    ) {
        let mut bench = Bench::online();
        if policy {
            bench.event(Event::NetworkPolicy(NetworkPolicy::UnmeteredOnly));
        }
        bench.create(&note("n"), json!({}));
        let mut attempts: Vec<LocalTime> = Vec::new();
        let mut fail_all = |bench: &mut Bench| {
            while requests(bench) > 0 {
                attempts.push(bench.now);
                match bench.pulls.pop() {
                    Some((request, _)) => bench.fail(request, FailureClass::Unreachable),
                    None => {
                        let request = bench.pushes.remove(0).request;
                        bench.fail(request, FailureClass::Unreachable);
                    }
                }
            }
        };
        fail_all(&mut bench);
        for (wait_ms, kind) in hints.iter().map(|(wait_ms, kind): &Hint| (wait_ms / pace, *kind)) {
            let until = bench.now.plus_ms(wait_ms);
            while bench.wake_at.is_some_and(|at| at <= until) {
                bench.wake();
                fail_all(&mut bench);
            }
            bench.now = until;
            hint(&mut bench, kind);
            fail_all(&mut bench);
            let held = why(&mut bench) == Some(Pause::Metered);
            let near = bench.wake_at.is_some_and(|at| at.since_ms(bench.now) < HOUR_MS);
            prop_assert!(held || near);
        }
        for from in &attempts {
            let hour = attempts.iter().filter(|at| (0..HOUR_MS).contains(&at.since_ms(*from)));
            prop_assert!(hour.count() <= ATTEMPTS_PER_HOUR_MAX);
        }
    }
}

/// Shows each combination of policy and network: background work waits only on a metered network
/// that the person does not want used, says so by name, and goes on by itself when either changes.
#[test]
fn a_metered_network_holds_what_the_policy_says() {
    for (policy, is_metered, waits) in [
        (NetworkPolicy::Any, false, false),
        (NetworkPolicy::Any, true, false),
        (NetworkPolicy::UnmeteredOnly, false, false),
        (NetworkPolicy::UnmeteredOnly, true, true),
    ] {
        let mut bench = Bench::online();
        bench.event(Event::NetworkMetered { metered: is_metered });
        bench.event(Event::NetworkPolicy(policy));
        bench.create(&note("n"), json!({}));
        network(&mut bench, UP);
        let stalled = bench.status().stalled;
        let named = stalled.map(|stalled| (stalled.why, stalled.who_must_act));
        assert_eq!(named, waits.then_some((Pause::Metered, WhoActs::Person)), "{policy:?}");
        assert_eq!(requests(&bench) == 0, waits, "{policy:?} {is_metered}");
    }
    for ends in [Event::NetworkMetered { metered: false }, Event::NetworkPolicy(NetworkPolicy::Any)]
    {
        let mut bench = metered();
        bench.create(&note("n"), json!({}));
        assert_eq!(requests(&bench), 0);
        bench.event(ends);
        assert_eq!(bench.pushes.len(), 1);
    }
}

/// Shows that what was chosen and heard of the network survives a restart.
#[test]
fn the_policy_survives_a_restart() {
    let mut bench = metered();
    bench.restart();
    assert_eq!((why(&mut bench), requests(&bench)), (Some(Pause::Metered), 0));
    let state = bench.status().network;
    assert_eq!((state.policy, state.metered), (NetworkPolicy::UnmeteredOnly, true));
}

/// Shows that a person who asks to synchronise now is served over a metered network, until
/// everything is in step and no longer.
#[test]
fn a_person_may_use_a_metered_network() {
    let mut bench = metered();
    bench.create(&note("n"), json!({}));
    bench.event(Event::SyncNow);
    assert_eq!(why(&mut bench), None);
    bench.apply_push();
    bench.answer_pull(&[]);
    assert_eq!(why(&mut bench), Some(Pause::Metered));
    bench.create(&note("later"), json!({}));
    assert_eq!(requests(&bench), 0);
}

/// Shows that such a wish which does not come true ends after 5 minutes, also when the clock is set
/// back meanwhile.
#[test]
fn a_wish_over_a_metered_network_ends() {
    for jump_ms in [0, -30 * 24 * HOUR_MS] {
        let mut bench = metered();
        bench.create(&note("n"), json!({}));
        bench.event(Event::SyncNow);
        bench.now = bench.now.plus_ms(jump_ms);
        let begin = bench.now;
        while why(&mut bench) != Some(Pause::Metered) {
            while requests(&bench) > 0 {
                let request = match bench.pulls.pop() {
                    Some((request, _)) => request,
                    None => bench.pushes.remove(0).request,
                };
                bench.fail(request, FailureClass::Unreachable);
            }
            if why(&mut bench) != Some(Pause::Metered) {
                bench.wake();
            }
        }
        assert!(bench.now.since_ms(begin) <= METERED_WISH_MS + MINUTE_MS);
        assert_eq!(requests(&bench), 0);
    }
}

/// Shows that a pause with an end goes on by itself at that time, and never holds longer than it
/// was asked for because a clock was set back.
#[test]
fn a_pause_with_an_end_ends() {
    for jump_ms in [0, -365 * 24 * HOUR_MS] {
        let mut bench = Bench::online();
        let until = bench.now.plus_ms(HOUR_MS);
        bench.event(Event::Pause { until: Some(until) });
        bench.create(&note("n"), json!({}));
        bench.now = bench.now.plus_ms(jump_ms);
        bench.restart();
        assert_eq!((why(&mut bench), requests(&bench)), (Some(Pause::UserPaused), 0));
        assert!(bench.wake_at.unwrap().since_ms(bench.now) <= HOUR_MS);
        bench.wake();
        assert_eq!(why(&mut bench), None);
        assert_eq!(bench.pushes.len(), 1);
    }
}
