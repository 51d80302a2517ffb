//! Why an operation is not at the server: the device is driven into every pause and every failure,
//! and must say the true reason.

use clarity_engine::protocol::model::{Counter, Outcome};
use clarity_engine::protocol::{Failure, FailureClass};
use clarity_engine::store::Credentials;
use clarity_engine::{
    Attention, EntityExplanation, Event, Explanation, FailureReason, NetworkPolicy, Pause,
    Resolution, TokenResult, WhoActs, Why, Write,
};
use serde_json::json;

use crate::support::{Bench, HOUR_MS, note, update, wire};

/// The operation that all the scenes ask about is the newest one.
fn newest(bench: &mut Bench) -> Counter {
    let next = bench.store().begin().unwrap().next_counter().unwrap();
    Counter(next.0 - 1)
}

fn why(bench: &mut Bench) -> Explanation {
    let newest = newest(bench);
    bench.why(newest, true).unwrap()
}

/// A device with one change that waits, whose request has failed so.
fn failing(failure: Failure) -> Bench {
    let mut bench = Bench::online();
    bench.create(&note("n"), json!({}));
    let request = bench.take_only();
    bench.finish(request, Err(failure));
    bench
}

fn failed(class: FailureClass) -> Bench {
    failing(Failure::new(class, "words of the server."))
}

fn paused(pause: Pause) -> Why {
    Why::Paused { pause, insecure: false, asked_to_wait: false }
}

/// Shows that each failure of a request, and each wish of a person, is told as what it is: the
/// pause, who must act, what the server said, and whether it is tried again by itself.
#[test]
fn each_pause_is_told_as_what_it_is() {
    use FailureClass as Class;
    use WhoActs::{Nobody, Operator, Person};
    let insecure =
        Why::Paused { pause: Pause::ServerUnreachable, insecure: true, asked_to_wait: false };
    let table = [
        (Class::Offline, paused(Pause::Offline), Nobody, true),
        (Class::Unreachable, paused(Pause::ServerUnreachable), Nobody, true),
        (Class::UnreachableTls, insecure, Operator, true),
        (Class::CaptivePortal, paused(Pause::CaptivePortal), Person, true),
        (Class::AccessRemoved, paused(Pause::AccessRemoved), Person, false),
        (Class::UpgradeRequired, paused(Pause::UpgradeRequired), Person, true),
        (Class::Config, paused(Pause::Config), Operator, true),
        (Class::Transient, paused(Pause::Backoff), Nobody, true),
    ];
    for (class, expected, who, timed) in table {
        let mut bench = failed(class);
        let began = bench.now;
        let told = why(&mut bench);
        assert_eq!(told.why, expected, "{class:?}");
        assert_eq!((told.who_must_act, told.since), (who, Some(began)), "{class:?}");
        assert_eq!(told.next_attempt.is_some(), timed, "{class:?}");
        assert!(told.message.ends_with(": words of the server"), "{}", told.message);
        assert!(!told.next.is_empty());
        // It is the reason that the status gives.
        let stalled = bench.status().stalled.unwrap();
        let same = matches!(told.why, Why::Paused { pause, .. } if pause == stalled.why);
        assert!(same && stalled.since == began, "{class:?}: {stalled:?}");
    }
    // Damage is no answer of a server; it is met on the device.
    let mut bench = Bench::online();
    bench.event(Event::StoreDamaged);
    bench.create(&note("n"), json!({}));
    let told = why(&mut bench);
    assert_eq!((told.why, told.who_must_act), (paused(Pause::Damaged), Person));
    assert_eq!((told.since, told.next_attempt), (Some(bench.now), None));
    assert!(told.next.contains("recover the store"), "{}", told.next);
    assert_eq!(bench.status().stalled.map(|stalled| stalled.why), Some(Pause::Damaged));
    assert_eq!(bench.status().attention, [Attention::Damaged]);
    bench.event(Event::StoreSound);
    assert_eq!(why(&mut bench).why, Why::InFlight);
}

/// Shows that a server which asks to wait is told apart from one that fails, with its time.
#[test]
fn a_wait_that_the_server_asked_for_is_told_with_its_time() {
    let failure = Failure::new(FailureClass::Transient, "busy");
    let mut bench = failing(Failure { retry_after_ms: Some(1_800_000), ..failure });
    let told = why(&mut bench);
    let asked = Why::Paused { pause: Pause::Backoff, insecure: false, asked_to_wait: true };
    assert_eq!((told.why, told.next_attempt), (asked, Some(bench.now.plus_ms(1_800_000))));
    assert_eq!(told.who_must_act, WhoActs::Nobody);
    assert_eq!(told.message, "the server asked to wait: busy");
}

/// Shows that a refused sign-in, a pause by hand with and without an end, and a store that nobody
/// signed in to or that nobody synchronises, each are told.
#[test]
fn what_a_person_must_do_is_told() {
    let mut bench = failed(FailureClass::Auth);
    bench.token_result(TokenResult::Refused);
    let told = why(&mut bench);
    assert_eq!((told.why, told.who_must_act), (paused(Pause::AuthRequired), WhoActs::Person));
    assert_eq!(told.next_attempt, None);
    assert!(told.next.contains("sign in again"), "{}", told.next);

    let mut bench = Bench::online();
    bench.event(Event::Pause { until: None });
    bench.create(&note("n"), json!({}));
    let told = why(&mut bench);
    assert_eq!((told.why, told.who_must_act), (paused(Pause::UserPaused), WhoActs::Person));
    assert_eq!((told.since, told.next_attempt), (Some(bench.now), None));
    let until = bench.now.plus_ms(HOUR_MS);
    bench.event(Event::Pause { until: Some(until) });
    assert_eq!(why(&mut bench).next_attempt, Some(until));
    bench.event(Event::Resume);
    assert_eq!(why(&mut bench).why, Why::InFlight);

    let mut bench = Bench::online();
    bench.event(Event::NetworkPolicy(NetworkPolicy::UnmeteredOnly));
    bench.event(Event::NetworkMetered { metered: true });
    bench.create(&note("n"), json!({}));
    let told = why(&mut bench);
    assert_eq!((told.why, told.who_must_act), (paused(Pause::Metered), WhoActs::Person));

    let mut bench = Bench::online();
    bench.create(&note("n"), json!({}));
    bench.stop();
    let newest = newest(&mut bench);
    let told = bench.why(newest, false).unwrap();
    assert_eq!((told.why, told.who_must_act), (Why::NotRunning, WhoActs::Person));
    let mut tx = bench.store().begin().unwrap();
    let signed_out = Credentials { server: "s".to_owned(), ..Credentials::default() };
    tx.put_credentials(&signed_out).unwrap();
    tx.commit().unwrap();
    let told = bench.why(newest, false).unwrap();
    assert_eq!((told.why, told.who_must_act), (Why::NotSignedIn, WhoActs::Person));
}

/// Shows that a full disk, which stops what is read, is not given as the reason of a change: that
/// goes out all the same, or waits for what really holds it.
#[test]
fn a_full_disk_is_no_reason_for_a_change_to_wait() {
    let key = note("n");
    let mut bench = Bench::with(&key, json!({"title": "a"}));
    let first = bench.update(&key, json!({"title": "b"}));
    bench.event(Event::DiskSpace { free_bytes: Some(0) });
    assert_eq!(bench.status().stalled.unwrap().why, Pause::StorageFull);
    let behind = bench.delete(&key);
    assert_eq!(bench.why(first, true).unwrap().why, Why::InFlight);
    assert_eq!(bench.why(behind, true).unwrap().why, Why::BehindEarlier { operation: first });
    bench.fail_only(FailureClass::Transient);
    assert_eq!(bench.why(first, true).unwrap().why, paused(Pause::Backoff));
}

/// Shows that a store which has never spoken to a server says that nobody has signed in.
#[test]
fn a_store_that_never_spoke_to_a_server_says_so() {
    let mut bench = Bench::new();
    bench.stop();
    bench.create(&note("n"), json!({}));
    bench.stop();
    assert_eq!(bench.why(Counter(1), false).unwrap().why, Why::NotSignedIn);
}

/// Shows what is told of operations that are on their way or next, and of those that have ended,
/// and that one which was never made is told of as such.
#[test]
fn the_way_of_an_operation_is_told() {
    let mut bench = Bench::online();
    let first = bench.create(&note("n"), json!({"title": "a"}));
    let sent = bench.now;
    let other = bench.create(&note("other"), json!({}));
    let told = bench.why(first, true).unwrap();
    assert_eq!((told.why, told.since), (Why::InFlight, Some(sent)));
    assert_eq!(bench.why(other, true).unwrap().why, Why::Next);
    let behind = bench.update(&note("n"), json!({"title": "b"}));
    let told = bench.why(behind, true).unwrap();
    assert_eq!(told.why, Why::BehindEarlier { operation: first });
    assert_eq!(told.because.unwrap().why, Why::InFlight);
    bench.apply_push();
    bench.apply_push();
    let told = bench.why(first, true).unwrap();
    assert_eq!(told.why, Why::Ended { outcome: "applied" });
    assert_eq!(told.message, "it has taken effect at the server");
    assert!(bench.why(Counter(99), true).is_none() && bench.why(Counter(0), true).is_none());
}

/// A device whose change is refused or in conflict, with a later change of the entity behind it.
fn behind(outcome: Outcome) -> (Bench, Counter) {
    let key = note("n");
    let mut bench = Bench::with(&key, json!({"title": "a"}));
    let first = bench.update(&key, json!({"title": "mine"}));
    let push = bench.take_push();
    let answer = match outcome {
        Outcome::Rejected => wire::rejected(push.only()),
        Outcome::Reidentify => wire::answer(push.only(), outcome),
        _ => wire::with_entity(push.only(), outcome, 2, Some(json!({"title": "theirs"}))),
    };
    bench.answer(&push, vec![answer]);
    bench.update(&key, json!({"at_ms": 5}));
    (bench, first)
}

/// Shows that a conflict and a refusal are told of the operation itself, and of the one behind it
/// with the reason of the first.
#[test]
fn what_stands_in_the_way_of_an_entity_is_told() {
    let (mut bench, first) = behind(Outcome::Conflict);
    let conflict = Some(bench.only_conflict().id);
    let told = bench.why(first, true).unwrap();
    assert_eq!((told.why, told.since), (Why::Conflict { conflict }, Some(bench.now)));
    assert_eq!(told.who_must_act, WhoActs::Person);
    let told = why(&mut bench);
    assert_eq!(told.why, Why::BehindConflict { operation: first });
    assert_eq!(told.who_must_act, WhoActs::Person, "whoever must act on the first");
    assert_eq!(told.because.unwrap().why, Why::Conflict { conflict });

    for (outcome, code) in [
        (Outcome::Rejected, FailureReason::NotAllowed),
        (Outcome::Reidentify, FailureReason::MayHaveArrived),
    ] {
        let (mut bench, first) = behind(outcome);
        let rejected = Why::Rejected { code };
        let told = bench.why(first, true).unwrap();
        assert_eq!((&told.why, told.who_must_act), (&rejected, WhoActs::Person));
        assert!(told.message.starts_with("the server refused it: "), "{}", told.message);
        let told = why(&mut bench);
        assert_eq!(told.why, Why::BehindFailed { operation: first });
        assert_eq!(told.because.unwrap().why, rejected);
    }

    let (mut bench, first) = behind(Outcome::Conflict);
    let (conflict, second) = (bench.only_conflict(), newest(&mut bench));
    bench.event(Event::Pause { until: None });
    let settled = bench.resolve(&conflict, Resolution::KeepMine).unwrap().operations[0];
    assert_eq!(bench.why(first, true).unwrap().why, Why::Ended { outcome: "resolved" });
    let told = bench.why(second, true).unwrap();
    assert_eq!(told.why, Why::PartOfResolution { operation: settled });
    assert_eq!(told.because.unwrap().why, paused(Pause::UserPaused));
}

/// Shows that an operation on which the server fails is told as suspected while it is looked for,
/// then as set aside with its time, and the one behind it as waiting for it.
#[test]
fn poison_is_told_while_it_is_looked_for_and_when_it_is_found() {
    let mut bench = Bench::online();
    let create = |id: &str| Write::Create {
        key: note(id),
        fields: wire::fields(json!({})),
        parents: Vec::new(),
    };
    let both = bench.write(Write::Batch { atomic: false, writes: vec![create("a"), create("b")] });
    let [good, bad]: [Counter; 2] = both.operations.try_into().unwrap();
    let mut isolating = false;
    for _ in 0..60 {
        if let Some(push) = (!bench.pushes.is_empty()).then(|| bench.pushes.remove(0)) {
            match push.counters().contains(&bad.0) {
                true => bench.fail(push.request, FailureClass::Transient),
                false => bench.answer(&push, push.operations.iter().map(wire::applied).collect()),
            }
        } else if !bench.pulls.is_empty() {
            bench.answer_pull(&[]);
        } else if bench.status().set_aside > 0 {
            break;
        } else {
            bench.wake();
        }
        isolating |= bench.why(bad, true).unwrap().why == Why::Isolating;
    }
    assert!(isolating, "it was suspected before it was set aside");
    assert_eq!(bench.why(good, true).unwrap().why, Why::Ended { outcome: "applied" });
    let told = bench.why(bad, true).unwrap();
    assert_eq!(told.why, Why::SetAside { failures: clarity_engine::SET_ASIDE_FAILURES });
    assert_eq!(told.who_must_act, WhoActs::Operator);
    assert!(told.next_attempt.is_some_and(|at| at > bench.now));
    let behind = bench.update(&note("b"), json!({"title": "behind"}));
    let told = bench.why(behind, true).unwrap();
    assert_eq!(told.why, Why::BehindSetAside { operation: bad });
    assert_eq!(told.next_attempt, bench.why(bad, true).unwrap().next_attempt);
}

/// Shows that whoever waits for a parent or for the rest of an atomic batch is told for which, down
/// to the reason at the end of the chain.
#[test]
fn chains_are_told_to_their_end() {
    let mut bench = Bench::online();
    let parent = bench.create(&note("parent"), json!({}));
    let child = bench.create_after(&note("child"), json!({}), vec![parent]);
    let grandchild = bench.create_after(&note("grandchild"), json!({}), vec![child]);
    let push = bench.take_push();
    bench.answer(&push, vec![wire::rejected(push.only())]);
    let told = bench.why(grandchild, true).unwrap();
    assert_eq!((told.why, told.who_must_act), (Why::Parent { operation: child }, WhoActs::Person));
    let middle = told.because.unwrap();
    assert_eq!(middle.why, Why::Parent { operation: parent });
    assert!(matches!(middle.because.unwrap().why, Why::Rejected { .. }));

    let (mut bench, first) = behind(Outcome::Conflict);
    let batch = Write::Batch {
        atomic: true,
        writes: vec![
            update(&note("n"), json!({"at_ms": 9}), None),
            Write::Create {
                key: note("mate"),
                fields: wire::fields(json!({})),
                parents: Vec::new(),
            },
        ],
    };
    let members = bench.write(batch).operations;
    let told = bench.why(members[1], true).unwrap();
    assert_eq!(told.why, Why::Batch { operation: members[0] });
    let because = told.because.unwrap();
    assert_eq!(because.why, Why::BehindConflict { operation: first });
    assert!(matches!(because.because.unwrap().why, Why::Conflict { .. }));
}

/// Shows what is told of an entity: what the server has, everything that waits with its reason, and
/// what it depends on.
#[test]
fn an_entity_is_told_with_everything_that_waits() {
    let (mut bench, first) = behind(Outcome::Conflict);
    let second = newest(&mut bench);
    let child = bench.create_after(&note("child"), json!({}), vec![second]);
    let told: EntityExplanation = bench.explain(&note("n")).unwrap();
    assert!(told.visible && !told.confirmed_deleted);
    assert_eq!(told.confirmed_version.0, 2);
    assert_eq!(told.conflict, Some(bench.only_conflict().id));
    let waiting: Vec<Counter> = told.waiting.iter().map(|one| one.operation).collect();
    assert_eq!(waiting, [first, second]);
    assert_eq!((told.waits_for, told.waited_for_by), (vec![], vec![child]));
    assert!(told.message.starts_with("the server has version 2, 2 changes wait: "));
    let of_child = bench.explain(&note("child")).unwrap();
    assert_eq!((of_child.confirmed_version.0, of_child.waits_for), (0, vec![second]));
    assert!(bench.explain(&note("never")).is_none());
}

/// Shows that no reason is without words for what is and for what comes next, and what the reasons
/// look like to a program.
#[test]
fn reasons_have_a_form_for_programs() {
    let mut bench = failed(FailureClass::CaptivePortal);
    let told = serde_json::to_value(why(&mut bench)).unwrap();
    let expected = json!({"reason": "paused", "pause": "captive_portal", "insecure": false,
        "asked_to_wait": false});
    assert_eq!((&told["why"], &told["who_must_act"]), (&expected, &json!("person")));
    assert_eq!((&told["type"], &told["id"]), (&json!("Note"), &json!("n")));
    let ended = Why::Ended { outcome: "merged" };
    assert_eq!(json!(ended), json!({"reason": "ended", "outcome": "merged"}));
}
