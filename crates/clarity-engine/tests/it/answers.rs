//! Every row of the table of failed answers, and what the device shows for it.

use clarity_engine::protocol::FailureClass;
use clarity_engine::store::OperationState;
use clarity_engine::{Attention, Event, Flow, Pause, WhoActs};
use serde_json::json;

use crate::support::{Bench, note, wire};

/// What a failed push leads to.
#[derive(Debug, PartialEq)]
struct Effect {
    why: Option<Pause>,
    who: Option<WhoActs>,
    /// Whether it is tried again by itself.
    tried_again: bool,
    flow: Flow,
    attention: Vec<Attention>,
    state: Option<OperationState>,
    refreshes: usize,
}

fn effect_of(class: FailureClass) -> Effect {
    let mut bench = Bench::online();
    let made = bench.create(&note("n"), json!({}));
    bench.fail_only(class);
    let status = bench.status();
    let stalled = status.stalled.as_ref();
    let effect = Effect {
        why: stalled.map(|stalled| stalled.why),
        who: stalled.map(|stalled| stalled.who_must_act),
        tried_again: stalled.is_some_and(|stalled| stalled.next_attempt.is_some()),
        flow: status.flow,
        attention: status.attention,
        state: bench.state(made),
        refreshes: bench.refreshes,
    };
    assert_eq!(bench.operation(made).unwrap().attempts, 0, "{class:?} costs no attempt");
    effect
}

fn paused(why: Pause, who: WhoActs, flow: Flow, attention: &[Attention]) -> Effect {
    Effect {
        why: Some(why),
        who: Some(who),
        tried_again: true,
        flow,
        attention: attention.to_vec(),
        state: Some(OperationState::Ready),
        refreshes: 0,
    }
}

/// Shows the whole table: which pause each class leads to, who must act, and that the operation is
/// kept whatever happens.
#[test]
fn each_class_of_failure_has_its_pause() {
    use FailureClass as Class;
    use WhoActs::{Nobody, Operator, Person};
    let unreachable = || paused(Pause::ServerUnreachable, Nobody, Flow::Offline, &[]);
    let portal = [Attention::CaptivePortal];
    let upgrade = [Attention::UpgradeRequired];
    let table = [
        (Class::Offline, paused(Pause::Offline, Nobody, Flow::Offline, &[])),
        (Class::Unreachable, unreachable()),
        (Class::UnreachableTls, unreachable()),
        (Class::CaptivePortal, paused(Pause::CaptivePortal, Person, Flow::Offline, &portal)),
        (Class::Config, paused(Pause::Config, Operator, Flow::Pending, &[Attention::Config])),
        (Class::Reset, paused(Pause::Backoff, Nobody, Flow::Syncing, &[])),
        (Class::UpgradeRequired, paused(Pause::UpgradeRequired, Person, Flow::Pending, &upgrade)),
        (Class::Transient, paused(Pause::Backoff, Nobody, Flow::Pending, &[])),
    ];
    for (class, expected) in table {
        assert_eq!(effect_of(class), expected, "{class:?}");
    }
    let removed = Effect {
        tried_again: false,
        ..paused(Pause::AccessRemoved, Person, Flow::Pending, &[Attention::AccessRemoved])
    };
    assert_eq!(effect_of(Class::AccessRemoved), removed);
    let refreshing = effect_of(Class::Auth);
    assert_eq!((refreshing.why, refreshing.refreshes), (None, 1));
    assert_eq!(refreshing.state, Some(OperationState::Ready));
    for class in [Class::TooLarge, Class::BadRequest] {
        let refused = effect_of(class);
        assert_eq!(refused.state, Some(OperationState::Failed), "{class:?}");
        assert_eq!(refused.attention, [Attention::Failed], "{class:?}");
    }
}

/// Shows that every pause that time can end, ends with the first answer, and everything is sent.
#[test]
fn every_failure_heals_by_itself_when_its_cause_goes() {
    use FailureClass as Class;
    for class in [
        Class::Offline,
        Class::Unreachable,
        Class::UnreachableTls,
        Class::CaptivePortal,
        Class::Config,
        Class::Reset,
        Class::UpgradeRequired,
        Class::Transient,
    ] {
        let mut bench = Bench::online();
        bench.create(&note("n"), json!({}));
        bench.fail_only(class);
        for _ in 0..5 {
            if bench.pulls.is_empty() && bench.pushes.is_empty() {
                if bench.is_settled() {
                    break;
                }
                bench.wake();
            }
            match bench.pulls.is_empty() {
                false => bench.answer_pull(&[]),
                true => drop(bench.apply_push()),
            }
        }
        assert!(bench.is_settled(), "{class:?}");
        let status = bench.status();
        assert_eq!((status.stalled, status.flow), (None, Flow::Synced), "{class:?}");
        assert_eq!(status.attention, [], "{class:?}");
    }
}

/// Shows that a removed device sends nothing more until somebody signs in, and loses nothing.
#[test]
fn removed_access_stops_everything_but_local_writes() {
    let mut bench = Bench::online();
    bench.create(&note("one"), json!({}));
    bench.fail_only(FailureClass::AccessRemoved);
    bench.create(&note("two"), json!({}));
    bench.event(Event::SyncNow);
    assert!(bench.pushes.is_empty() && bench.pulls.is_empty());
    assert_eq!(bench.status().waiting, 2);
    bench.event(Event::SignedIn(wire::tokens("account")));
    bench.answer_pull(&[]);
    while !bench.pushes.is_empty() {
        bench.apply_push();
    }
    assert!(bench.is_settled());
}

/// Shows that a person's pause holds requests and not writes, survives a restart, and ends at its
/// time by itself.
#[test]
fn a_person_can_pause() {
    let mut bench = Bench::online();
    let until = bench.now.plus_ms(3_600_000);
    bench.event(Event::Pause { until: Some(until) });
    bench.create(&note("n"), json!({}));
    bench.restart();
    bench.event(Event::SyncNow);
    assert!(bench.pushes.is_empty() && bench.pulls.is_empty());
    let stalled = bench.status().stalled.unwrap();
    assert_eq!((stalled.why, stalled.next_attempt), (Pause::UserPaused, Some(until)));
    bench.wake();
    assert_eq!(bench.now, until);
    assert_eq!((bench.pushes.len(), bench.pulls.len()), (1, 1));
    assert_eq!(bench.status().stalled, None);
}

/// Shows that the network's coming and going is a hint: going is shown at once, coming is tried at
/// once, and a device that is never told tries by itself.
#[test]
fn the_platforms_word_on_the_network_is_a_hint() {
    let mut bench = Bench::online();
    bench.event(Event::NetworkChanged { online: false });
    assert_eq!(bench.status().flow, Flow::Offline);
    bench.create(&note("n"), json!({}));
    assert!(bench.pushes.is_empty());
    let at = bench.wake_at.unwrap();
    // Rarely, since the platform says when there is one again; soon enough for promise L1.
    let cap_ms = i64::try_from(clarity_engine::BACKOFF_CAP_MS).unwrap();
    assert!((1..=cap_ms).contains(&at.since_ms(bench.now)));
    bench.event(Event::NetworkChanged { online: true });
    assert_eq!(bench.pushes.len() + bench.pulls.len(), 1, "one probe first");
    assert_ne!(bench.status().flow, Flow::Offline);
}

/// Shows that a silent push makes the device pull, an urgent one cuts a backoff short, and many of
/// them are one pull.
#[test]
fn hints_make_the_device_look() {
    use clarity_engine::protocol::Hint;
    let urgent = || Hint::parse(r#"{"sync":{"type":"urgent"}}"#).unwrap();
    let mut bench = Bench::online();
    for _ in 0..5 {
        bench.event(Event::PushReceived(Hint::full()));
    }
    assert_eq!(bench.pulls.len(), 1);
    bench.fail_only(FailureClass::Transient);
    bench.event(Event::PushReceived(Hint::full()));
    assert!(bench.pulls.is_empty(), "a hint does not cut a backoff short");
    bench.event(Event::PushReceived(urgent()));
    assert_eq!(bench.pulls.len() + bench.pushes.len(), 1);
}

/// Shows that a hint which comes while a pull is on its way leads to another one: the first may
/// have been answered before the change.
#[test]
fn a_hint_during_a_pull_is_not_lost() {
    use clarity_engine::protocol::Hint;
    let mut bench = Bench::new();
    bench.event(Event::PushReceived(Hint::full()));
    assert_eq!(bench.pulls.len(), 1);
    bench.answer_pull(&[]);
    assert_eq!(bench.pulls.len(), 1, "the hint's own");
    bench.answer_pull(&[]);
    assert!(bench.is_settled());
}
