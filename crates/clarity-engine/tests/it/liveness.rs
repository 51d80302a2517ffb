//! Random lives of a device: after every step something will wake it, nothing runs backwards, and
//! when the faults heal everything arrives.

use clarity_engine::protocol::model::Outcome;
use clarity_engine::protocol::{Failure, FailureClass, Hint};
use clarity_engine::{Event, Progress, Resolution, TokenResult, Write};
use proptest::prelude::*;
use serde_json::json;

use crate::support::{Bench, HOUR_MS, note, wire};

/// One thing that happens to a device.
#[derive(Debug, Clone)]
enum Step {
    Create(u8),
    Update(u8, u8),
    Delete(u8),
    Batch(u8, u8),
    Rollback(u8),
    Retry(u8),
    Discard(u8),
    Resolve(bool),
    AnswerPush(Vec<u8>),
    AnswerPull,
    Fail(u8),
    Token(u8),
    Timer,
    Event(u8),
    Clock(i64),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..6_u8).prop_map(Step::Create),
        4 => (0..6_u8, any::<u8>()).prop_map(|(n, value)| Step::Update(n, value)),
        1 => (0..6_u8).prop_map(Step::Delete),
        1 => (0..6_u8, 0..6_u8).prop_map(|(one, two)| Step::Batch(one, two)),
        1 => (1..30_u8).prop_map(Step::Rollback),
        2 => (1..30_u8).prop_map(Step::Retry),
        1 => (1..30_u8).prop_map(Step::Discard),
        2 => any::<bool>().prop_map(Step::Resolve),
        8 => proptest::collection::vec(0..8_u8, 6).prop_map(Step::AnswerPush),
        4 => Just(Step::AnswerPull),
        4 => (0..12_u8).prop_map(Step::Fail),
        2 => (0..4_u8).prop_map(Step::Token),
        6 => Just(Step::Timer),
        2 => (0..7_u8).prop_map(Step::Event),
        1 => (-2 * HOUR_MS..2 * HOUR_MS).prop_map(Step::Clock),
        1 => Just(Step::Restart),
    ]
}

const CLASSES: [FailureClass; 12] = [
    FailureClass::Offline,
    FailureClass::Unreachable,
    FailureClass::UnreachableTls,
    FailureClass::CaptivePortal,
    FailureClass::Auth,
    FailureClass::AccessRemoved,
    FailureClass::Config,
    FailureClass::Reset,
    FailureClass::TooLarge,
    FailureClass::BadRequest,
    FailureClass::UpgradeRequired,
    FailureClass::Transient,
];

fn counter(number: u8) -> clarity_engine::protocol::model::Counter {
    clarity_engine::protocol::model::Counter(u64::from(number))
}

/// A wish that may be refused; a refusal changes nothing.
fn wish(bench: &mut Bench, write: Write) {
    let before = bench.status();
    if bench.try_write(write).is_err() {
        let after = bench.status();
        assert_eq!((before.waiting, before.failed), (after.waiting, after.failed));
    }
}

fn title(value: u8) -> serde_json::Value {
    json!({"title": format!("{value}")})
}

fn create(number: u8) -> Write {
    let key = note(&format!("n{number}"));
    Write::Create { key, fields: wire::fields(title(0)), parents: Vec::new() }
}

fn answer_push(bench: &mut Bench, choices: &[u8]) {
    if bench.pushes.is_empty() {
        return;
    }
    let push = bench.pushes.remove(0);
    let operations = push.operations.iter().zip(choices.iter().cycle());
    let answers = operations.filter_map(|(operation, choice)| {
        let base = operation.base.0;
        Some(match choice {
            0 => wire::rejected(operation),
            1 => {
                let theirs = Some(json!({"title": "theirs"}));
                wire::with_entity(operation, Outcome::Conflict, base + 1, theirs)
            }
            2 => wire::with_entity(operation, Outcome::Superseded, base + 2, Some(title(9))),
            3 => return None,
            4 => wire::with_entity(operation, Outcome::Conflict, base + 1, None),
            _ => wire::applied(operation),
        })
    });
    let answers = answers.collect();
    bench.answer(&push, answers);
}

fn take(bench: &mut Bench, step: Step) {
    match step {
        Step::Create(number) => wish(bench, create(number)),
        Step::Update(number, value) => {
            let key = note(&format!("n{number}"));
            wish(bench, crate::support::update(&key, title(value), None));
        }
        Step::Delete(number) => {
            wish(bench, Write::Delete { key: note(&format!("n{number}")), seen: None });
        }
        Step::Batch(one, two) => {
            let edit = crate::support::update(&note(&format!("n{two}")), title(77), None);
            wish(bench, Write::Batch { atomic: true, writes: vec![create(one), edit] });
        }
        Step::Rollback(number) => wish(bench, Write::Rollback { operation: counter(number) }),
        Step::Retry(number) => wish(bench, Write::Retry { operation: counter(number) }),
        Step::Discard(number) => wish(bench, Write::Discard { operation: counter(number) }),
        Step::Resolve(mine) => {
            if let Some(conflict) = bench.conflicts().first().cloned() {
                let resolution = if mine { Resolution::KeepMine } else { Resolution::UseServer };
                bench.resolve(&conflict, resolution).expect("the newest mark is accepted");
            }
        }
        Step::AnswerPush(choices) => answer_push(bench, &choices),
        Step::AnswerPull => {
            if !bench.pulls.is_empty() {
                bench.answer_pull(&[]);
            }
        }
        Step::Fail(class) => {
            let class = CLASSES[usize::from(class)];
            if let Some((request, _)) = bench.pulls.pop() {
                bench.fail(request, class);
            } else if let Some(push) = bench.pushes.pop() {
                bench.fail(push.request, class);
            }
        }
        Step::Token(kind) => token(bench, kind),
        Step::Timer => {
            if bench.wake_at.is_some() {
                bench.wake();
            }
        }
        Step::Event(kind) => bench.event(event(kind)),
        Step::Clock(jump_ms) => {
            bench.now = bench.now.plus_ms(jump_ms);
            bench.event(Event::Timer);
        }
        Step::Restart => bench.restart(),
    }
}

fn token(bench: &mut Bench, kind: u8) {
    if bench.refreshes == 0 {
        return;
    }
    bench.token_result(match kind {
        0 => TokenResult::Refused,
        1 => TokenResult::Failed(Failure::new(FailureClass::Unreachable, "no answer")),
        _ => TokenResult::Renewed(wire::tokens("account")),
    });
}

fn event(kind: u8) -> Event {
    match kind {
        0 => Event::NetworkChanged { online: false },
        1 => Event::NetworkChanged { online: true },
        2 => Event::PushReceived(Hint::full()),
        3 => Event::Foreground,
        4 => Event::SyncNow,
        5 => Event::StoreChanged,
        _ => Event::Resume,
    }
}

/// Whether one progress may follow another: runs follow each other, and within one every number
/// only grows and no part is larger than its total.
fn follows(now: Progress, before: Progress) -> bool {
    let numbers = |at: Progress| [at.pushed, at.push_total, at.pulled, at.pull_total];
    let grown = numbers(now).iter().zip(numbers(before)).all(|(now, before)| *now >= before);
    let whole = now.pushed <= now.push_total && now.pulled <= now.pull_total;
    whole && (now.run > before.run || (now.run == before.run && grown && now.over >= before.over))
}

/// Ends every fault: a person signs in, and the server takes what it is given.
fn heal(bench: &mut Bench) {
    bench.refreshes = 0;
    bench.event(Event::SignedIn(wire::tokens("account")));
    for _ in 0..2_000 {
        let failed = (1..250).map(counter).find(|counter| {
            let state = bench.state(*counter);
            state == Some(clarity_engine::store::OperationState::Failed)
        });
        if let Some(conflict) = bench.conflicts().first().cloned() {
            bench.resolve(&conflict, Resolution::KeepMine).expect("the newest mark is accepted");
        } else if let Some(operation) = failed
            && bench.try_write(Write::Discard { operation }).is_err()
        {
            bench.try_write(Write::Retry { operation }).ok();
        }
        if !bench.pushes.is_empty() {
            answer_push(bench, &[7]);
        } else if !bench.pulls.is_empty() {
            bench.answer_pull(&[]);
        } else if bench.refreshes > 0 {
            bench.token_result(TokenResult::Renewed(wire::tokens("account")));
        } else if bench.is_settled() {
            return;
        } else if failed.is_none() {
            bench.wake();
        }
    }
    panic!("it never settles: {:?}", bench.status());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Shows promise L3 after every step of random lives (the bench checks it), that progress never
    /// runs backwards, that a refused wish changes nothing, and promise L1: once the faults have
    /// healed and a person has looked at the inbox, everything settles.
    #[test]
    fn a_device_always_finds_its_way(steps in proptest::collection::vec(step(), 1..60)) {
        live(steps);
    }
}

/// Goes through a life, and through what heals it.
fn live(steps: Vec<Step>) {
    let mut bench = Bench::online();
    let mut before = bench.status().progress;
    for step in steps {
        take(&mut bench, step);
        let progress = bench.status().progress;
        assert!(follows(progress, before), "{before:?}, then {progress:?}");
        before = progress;
    }
    heal(&mut bench);
    let status = bench.status();
    assert_eq!(status.stalled, None);
    assert_eq!(status.waiting + status.failed + status.conflicts, 0);
}

/// Shows that a life finds its way in which a batch is refused, then is in conflict, while an
/// answer comes for what a later request carried. It once did not.
#[test]
fn a_batch_that_is_refused_and_then_in_conflict_finds_its_way() {
    live(vec![
        Step::Create(4),
        Step::Create(0),
        Step::AnswerPull,
        Step::Token(0),
        Step::Batch(1, 4),
        Step::AnswerPush(vec![1, 0, 0, 0, 0, 0]),
        Step::AnswerPush(vec![0, 0, 0, 0, 0, 0]),
        Step::AnswerPush(vec![0, 1, 6, 4, 1, 2]),
        Step::Event(4),
        Step::AnswerPull,
    ]);
}

/// Shows that half an atomic batch does not wait for nothing when the answer refuses the other half
/// and says nothing of it.
#[test]
fn a_batch_that_is_answered_in_part_finds_its_way() {
    live(vec![
        Step::Create(3),
        Step::AnswerPush(vec![2, 0, 0, 0, 0, 0]),
        Step::Batch(0, 3),
        Step::AnswerPush(vec![3, 0, 0, 0, 0, 0]),
    ]);
}

/// Shows that the bar of a long upload only grows, while writes are added to it.
#[test]
fn progress_of_an_upload_never_runs_backwards() {
    let mut bench = Bench::online();
    let many = |from: u32, count: u32| {
        let create = |n| Write::Create {
            key: note(&format!("n{n}")),
            fields: wire::fields(json!({})),
            parents: Vec::new(),
        };
        Write::Batch { atomic: false, writes: (from..from + count).map(create).collect() }
    };
    bench.write(many(0, 5_000));
    let mut last = (0, 0);
    for answered in 1.. {
        if answered == 3 {
            bench.write(many(10_000, 1_500));
        }
        let Some(push) = (!bench.pushes.is_empty()).then(|| bench.pushes.remove(0)) else { break };
        bench.answer(&push, push.operations.iter().map(wire::applied).collect());
        let progress = bench.status().progress;
        let now = (progress.pushed, progress.push_total);
        assert!(now.0 >= last.0 && now.1 >= last.1 && now.0 <= now.1, "{now:?} after {last:?}");
        last = now;
    }
    assert_eq!(last, (6_500, 6_500));
    assert!(bench.is_settled());
}
