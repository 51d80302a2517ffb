//! Tokens: refreshed once for all, and never the end of anything.

use clarity_engine::protocol::{Failure, FailureClass, Tokens};
use clarity_engine::{Attention, Event, Pause, TokenResult, WhoActs};
use serde_json::json;

use crate::support::{Bench, HOUR_MS, MINUTE_MS, note, wire};

/// A device with a pull and a push on their way.
fn busy() -> Bench {
    let mut bench = Bench::online();
    bench.create(&note("n"), json!({}));
    bench.event(Event::SyncNow);
    assert_eq!((bench.pushes.len(), bench.pulls.len()), (1, 1));
    bench
}

/// Shows that one refresh serves every request that waits for it, also those that are refused only
/// after the new token came, and that it costs the operations no attempt.
#[test]
fn one_refresh_serves_all_waiters() {
    for late in [false, true] {
        let mut bench = busy();
        let push = bench.take_push();
        let (pull, _) = bench.pulls.remove(0);
        bench.fail(push.request, FailureClass::Auth);
        if !late {
            bench.fail(pull, FailureClass::Auth);
        }
        assert_eq!((bench.refreshes, bench.pushes.len()), (1, 0));
        bench.token_result(TokenResult::Renewed(wire::tokens("account")));
        if late {
            bench.fail(pull, FailureClass::Auth);
        }
        assert_eq!(bench.refreshes, 0, "late: {late}");
        assert_eq!((bench.pushes.len(), bench.pulls.len()), (1, 1), "late: {late}");
        assert_eq!(bench.take_push().bytes(), push.bytes());
        assert_eq!(bench.operation(push.only().id).unwrap().attempts, 0);
    }
}

/// Shows that new tokens are stored before anything is sent with them.
#[test]
fn tokens_are_durable_before_their_first_use() {
    let mut bench = busy();
    let push = bench.take_push();
    bench.fail(push.request, FailureClass::Auth);
    bench.token_result(TokenResult::Renewed(wire::tokens("account")));
    let tx = bench.store().begin().unwrap();
    let credentials = tx.credentials().unwrap().unwrap();
    assert_eq!(credentials.access_token.as_deref(), Some("access"));
    assert_eq!(credentials.refresh_token.as_deref(), Some("refresh"));
    assert_eq!(tx.meta().unwrap().account_id.as_deref(), Some("account"));
}

/// Shows that a refused refresh is for a person, that the queue is kept, that no timer knocks on
/// the door meanwhile, and that a sign-in continues where it stopped.
#[test]
fn a_refused_refresh_waits_for_a_sign_in() {
    let mut bench = busy();
    let push = bench.take_push();
    bench.pulls.clear();
    bench.fail(push.request, FailureClass::Auth);
    bench.token_result(TokenResult::Refused);
    let status = bench.status();
    let stalled = status.stalled.unwrap();
    assert_eq!((stalled.why, stalled.who_must_act), (Pause::AuthRequired, WhoActs::Person));
    assert_eq!(stalled.next_attempt, None);
    assert!(status.attention.contains(&Attention::AuthRequired));
    assert_eq!(status.waiting, 1);

    bench.now = bench.now.plus_ms(24 * HOUR_MS);
    bench.event(Event::Timer);
    bench.restart();
    bench.event(Event::SyncNow);
    assert!(bench.pushes.is_empty() && bench.pulls.is_empty());
    bench.event(Event::SignedIn(wire::tokens("account")));
    assert_eq!(bench.status().stalled, None);
    assert_eq!(bench.take_push().bytes(), push.bytes());
}

/// Shows that a person who signs in while a refresh is on its way stays signed in: whatever becomes
/// of the refresh is about tokens that are worth nothing since, also when another one was asked for
/// meanwhile.
#[test]
fn a_sign_in_outlasts_an_earlier_refresh() {
    for asked_again in [false, true] {
        let mut bench = busy();
        let push = bench.take_push();
        bench.fail(push.request, FailureClass::Auth);
        let earlier = bench.refresh_round;
        bench.event(Event::SignedIn(Tokens {
            refresh_token: "of the sign-in".to_owned(),
            ..wire::tokens("account")
        }));
        if asked_again {
            let push = bench.take_push();
            bench.fail(push.request, FailureClass::Auth);
        }
        let lost = Failure::new(FailureClass::Unreachable, "no answer");
        let results = [
            TokenResult::Refused,
            TokenResult::Renewed(wire::tokens("account")),
            TokenResult::Failed(lost),
        ];
        for result in results {
            bench.event(Event::TokenResult { round: earlier, result });
            assert_eq!(bench.status().stalled, None, "asked again: {asked_again}");
        }
        let known = bench.store().begin().unwrap().credentials().unwrap().unwrap();
        assert_eq!(known.refresh_token.as_deref(), Some("of the sign-in"));
        if asked_again {
            bench.refreshes = 1;
            bench.token_result(TokenResult::Renewed(wire::tokens("account")));
        }
        assert_eq!(bench.take_push().bytes(), push.bytes());
    }
}

/// Shows that a person who asks for a sync although they should sign in has their tokens tried once
/// more, as after another server was at the address for a while, but not without end; and that
/// nothing else does that.
#[test]
fn a_sync_by_hand_tries_the_tokens_again() {
    let mut bench = Bench::online();
    bench.event(Event::SignedIn(wire::tokens("account")));
    bench.answer_pull(&[]);
    let refuse = |bench: &mut Bench| {
        bench.fail_only(FailureClass::Auth);
        bench.token_result(TokenResult::Refused);
        assert_eq!(bench.status().stalled.unwrap().why, Pause::AuthRequired);
    };
    bench.event(Event::SyncNow);
    refuse(&mut bench);
    for event in [Event::Foreground, Event::Timer, Event::NetworkChanged { online: true }] {
        bench.event(event);
        assert!(bench.pulls.is_empty());
    }
    let mut tried = 0;
    for _ in 0..100 {
        bench.event(Event::SyncNow);
        if bench.pulls.is_empty() {
            break;
        }
        refuse(&mut bench);
        tried += 1;
    }
    assert!((10..60).contains(&tried), "{tried} times within an hour");
    bench.now = bench.now.plus_ms(HOUR_MS);
    bench.event(Event::SyncNow);
    bench.token_result(TokenResult::Renewed(wire::tokens("account")));
    bench.answer_pull(&[]);
    assert_eq!(bench.status().stalled, None);
}

/// Shows that a refresh which gets no answer says nothing about the token: however often that
/// happens, nobody is asked to sign in.
#[test]
fn a_lost_refresh_is_tried_again_for_ever() {
    let mut bench = Bench::online();
    bench.create(&note("n"), json!({}));
    bench.fail_only(FailureClass::Auth);
    for _ in 0..10 {
        let lost = Failure::new(FailureClass::Unreachable, "no answer");
        bench.token_result(TokenResult::Failed(lost));
        assert_eq!(bench.status().stalled.unwrap().why, Pause::ServerUnreachable);
        bench.wake();
        bench.fail_only(FailureClass::Auth);
    }
    bench.token_result(TokenResult::Renewed(wire::tokens("account")));
    while !bench.is_settled() {
        match bench.pulls.is_empty() {
            false => bench.answer_pull(&[]),
            true => drop(bench.apply_push()),
        }
    }
    assert_eq!(bench.status().stalled, None);
}

/// Shows that a server which refuses the very tokens that it gives does not lead to a loop.
#[test]
fn new_tokens_that_are_refused_are_for_a_person() {
    let mut bench = Bench::new();
    let mut refreshes = 0;
    while !bench.pulls.is_empty() {
        bench.fail_only(FailureClass::Auth);
        if bench.refreshes > 0 {
            refreshes += 1;
            bench.token_result(TokenResult::Renewed(wire::tokens("account")));
        }
        assert!(refreshes < 5);
    }
    assert_eq!(bench.status().stalled.unwrap().why, Pause::AuthRequired);
}

/// Shows promise I11: tokens of another account are not taken over, and nothing is sent with them.
#[test]
fn tokens_of_another_account_stop_the_sync() {
    let mut bench = Bench::online();
    bench.event(Event::SignedIn(wire::tokens("mine")));
    bench.answer_pull(&[]);
    bench.create(&note("n"), json!({}));
    let push = bench.take_push();
    bench.fail(push.request, FailureClass::Auth);
    bench.token_result(TokenResult::Renewed(wire::tokens("theirs")));
    assert!(bench.pushes.is_empty() && bench.pulls.is_empty());
    assert_eq!(bench.status().stalled.unwrap().why, Pause::AuthRequired);
    let tx = bench.store().begin().unwrap();
    assert_eq!(tx.meta().unwrap().account_id.as_deref(), Some("mine"));
}

/// A device with a token of 15 minutes, in step with the server.
fn with_token() -> Bench {
    let mut bench = Bench::online();
    bench.event(Event::SignedIn(wire::tokens("account")));
    bench.answer_pull(&[]);
    bench
}

/// Shows that an access token is renewed before it ends, once for everything that waits, when there
/// is something to send and not before, and that what waited is sent with the new one.
#[test]
fn a_token_is_renewed_before_it_ends() {
    let mut bench = with_token();
    bench.now = bench.now.plus_ms(13 * MINUTE_MS);
    bench.create(&note("early"), json!({}));
    assert_eq!((bench.refreshes, bench.pushes.len()), (0, 1), "it is still good");
    bench.apply_push();
    bench.now = bench.now.plus_ms(2 * MINUTE_MS - 30_000);
    bench.create(&note("late"), json!({}));
    bench.event(Event::SyncNow);
    assert_eq!((bench.refreshes, bench.pushes.len(), bench.pulls.len()), (1, 0, 0));
    bench.token_result(TokenResult::Renewed(wire::tokens("account")));
    assert_eq!((bench.refreshes, bench.pushes.len(), bench.pulls.len()), (0, 1, 1));
}

/// Shows that a token which ended while nothing ran, or long ago, is renewed before anything is
/// sent, and that a renewal that gets no answer waits like any other failure.
#[test]
fn a_token_that_ended_is_renewed_first() {
    let mut bench = with_token();
    bench.now = bench.now.plus_ms(90 * 24 * HOUR_MS);
    bench.restart();
    assert_eq!((bench.refreshes, bench.pulls.len()), (1, 0));
    let lost = Failure::new(FailureClass::Unreachable, "no answer");
    bench.token_result(TokenResult::Failed(lost));
    assert_eq!(bench.status().stalled.unwrap().why, Pause::ServerUnreachable);
    bench.wake();
    bench.fail_only(FailureClass::Auth);
    bench.token_result(TokenResult::Renewed(wire::tokens("account")));
    bench.answer_pull(&[]);
    assert!(bench.is_settled());
}

/// Shows promise I12 for tokens: a clock that jumps makes a renewal too many or a request that is
/// refused, and never a device that waits.
#[test]
fn a_clock_that_jumps_does_not_outlive_a_token() {
    for jump_ms in [-365 * 24 * HOUR_MS, -HOUR_MS, HOUR_MS, 365 * 24 * HOUR_MS] {
        let mut bench = with_token();
        bench.now = bench.now.plus_ms(jump_ms);
        let mut renewed = 0;
        for round in 0..5 {
            bench.create(&note(&format!("{round}")), json!({}));
            if bench.refreshes > 0 {
                renewed += 1;
                bench.token_result(TokenResult::Renewed(wire::tokens("account")));
            }
            while !bench.is_settled() {
                match bench.pulls.is_empty() {
                    false => bench.answer_pull(&[]),
                    true => drop(bench.apply_push()),
                }
            }
            // The real time that passes, by whichever clock.
            bench.now = bench.now.plus_ms(5 * MINUTE_MS);
        }
        assert!((1..=2).contains(&renewed), "{renewed} in 20 minutes after {jump_ms} ms");
    }
}

/// Shows that a server whose tokens end at once is not asked for new ones all the time.
#[test]
fn tokens_without_a_life_make_no_loop() {
    let mut bench = Bench::online();
    let short = || {
        let tokens = wire::tokens("account");
        clarity_engine::protocol::Tokens { access_expires_in_ms: 0, ..tokens }
    };
    bench.event(Event::SignedIn(short()));
    let begin = bench.now;
    let mut refreshes = 0;
    while bench.now.since_ms(begin) < HOUR_MS {
        if bench.refreshes > 0 {
            refreshes += 1;
            bench.token_result(TokenResult::Renewed(short()));
        } else if !bench.pulls.is_empty() {
            bench.answer_pull(&[]);
        } else if let Some(push) = bench.pushes.pop() {
            bench.answer(&push, push.operations.iter().map(wire::applied).collect());
        } else {
            bench.now = bench.now.plus_ms(20_000);
            bench.create(&note(&format!("{}", bench.now.0)), json!({}));
        }
    }
    assert!((2..=120).contains(&refreshes), "{refreshes}");
}
