//! Answers that tell what others changed, held until a page tells the rest.
//!
//! The answer to an operation can bring the entity with what others have made of it. Taken in at
//! once, it would show their change before other changes that came before it, or that were made
//! together with it: what was seen would not be causal (promise I7). So the operation stays on its
//! way, and its answer waits, until a pull that was asked for after it has come to the head of the
//! account. Then it shows in the same transaction as the rows of the page.
//!
//! Where nothing is read, because there is no room or the device has not caught up yet, answers are
//! taken in as they come. A restart forgets what is held: the operation goes again with the same
//! bytes and gets the same answer.

use clarity_protocol::{OperationAnswer, PushResponse};
use clarity_store::{RequestId, StoreError};
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::schedule::{Direction, Schedule};
use crate::{lane, pull, settle};

/// Where held answers are staged, beside the pages of [`pull::WHOLE_ACCOUNT`].
const HELD_ANSWERS: u32 = pull::WHOLE_ACCOUNT + 1;

/// How long pulls may fail, while pushes arrive, before answers are taken in as they come, in
/// milliseconds: 5 minutes.
const HELD_MS_MAX: i64 = 5 * 60_000;

/// Some answers of one push.
#[derive(Serialize, Deserialize)]
struct Held {
    /// The number under which their operations stay on their way: a pull with a higher one was
    /// asked for later.
    since: RequestId,
    response: PushResponse,
}

/// Puts by what must not show yet; gives the answers that may.
pub(crate) fn hold(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    response: PushResponse,
) -> Result<PushResponse, StoreError> {
    if !reads_in_order(context, schedule)? {
        return Ok(response);
    }
    let PushResponse { epoch, at, head, answers, contributed } = response;
    let (mut held, mut free) = (Vec::new(), Vec::new());
    for answer in answers {
        let waits = tells_of_others(&answer) && settle::sent(context, answer.id)?.is_some();
        if waits { held.push(answer) } else { free.push(answer) }
    }
    if !held.is_empty() {
        let since = schedule.allocate();
        for answer in &held {
            context.tx.resend(answer.id, since, context.now)?;
        }
        stage(
            context,
            &Held {
                since,
                response: PushResponse { epoch, at, head, answers: held, contributed: Vec::new() },
            },
        )?;
        schedule.holds_answers = true;
        schedule.pull_wanted = true;
    }
    Ok(PushResponse { epoch, at, head, answers: free, contributed })
}

/// Whether pages bring everything up to a moment, so that it can be waited for.
fn reads_in_order(context: &Context<'_, '_>, schedule: &Schedule) -> Result<bool, StoreError> {
    let part = pull::part(context.tx)?;
    // Another kind of backend reads by its own means, and promises no order.
    let in_order = pull::shown(&part).is_some_and(|cursor| cursor.place.is_none());
    Ok(in_order && part.caught_up && !schedule.resync && !nothing_is_read(context, schedule))
}

/// Whether a pull cannot be waited for: there is no room, or pulls have failed for long while
/// pushes arrive. What is written must not be held up by what cannot be read.
fn nothing_is_read(context: &Context<'_, '_>, schedule: &Schedule) -> bool {
    let only_pulls_fail = schedule.failing == Some(Direction::Pull) && schedule.other_works;
    let since = schedule.failing_since.filter(|_| only_pulls_fail);
    !schedule.may_read() || since.is_some_and(|since| context.now.since_ms(since) >= HELD_MS_MAX)
}

fn tells_of_others(answer: &OperationAnswer) -> bool {
    answer.entity.is_some() && answer.outcome.is_settled()
}

fn stage(context: &mut Context<'_, '_>, held: &Held) -> Result<(), StoreError> {
    let bytes = serde_json::to_vec(held)
        .map_err(|_| StoreError::NotJson { table: "pull_stage", column: "bytes" })?;
    context.tx.stage_page(HELD_ANSWERS, &bytes).map(drop)
}

/// A pull has come to the head: what was answered before it was asked for shows with it.
pub(crate) fn show(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    pull: RequestId,
) -> Result<(), StoreError> {
    take_in(context, schedule, |since| since < pull)
}

/// Nothing is read any more for now: what is held shows as it is.
pub(crate) fn show_if_nothing_is_read(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
) -> Result<(), StoreError> {
    if nothing_is_read(context, schedule) { take_in(context, schedule, |_| true) } else { Ok(()) }
}

fn take_in(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    shows: impl Fn(RequestId) -> bool,
) -> Result<(), StoreError> {
    if !std::mem::take(&mut schedule.holds_answers) {
        return Ok(());
    }
    let staged = context.tx.staged_pages(HELD_ANSWERS)?;
    context.tx.clear_stage(HELD_ANSWERS)?;
    for bytes in staged {
        let held: Held = serde_json::from_slice(&bytes)
            .map_err(|_| StoreError::InvalidValue { table: "pull_stage", column: "bytes" })?;
        if shows(held.since) {
            settle::answers(context, held.response)?;
            lane::release(context, held.since)?;
        } else {
            stage(context, &held)?;
            schedule.holds_answers = true;
        }
    }
    context.noted.status = true;
    Ok(())
}

/// Forgets what is held; the caller has its operations sent again, or does so by itself.
pub(crate) fn forget(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
) -> Result<(), StoreError> {
    schedule.holds_answers = false;
    for bytes in context.tx.staged_pages(HELD_ANSWERS)? {
        if let Ok(held) = serde_json::from_slice::<Held>(&bytes) {
            lane::release(context, held.since)?;
        }
    }
    context.tx.clear_stage(HELD_ANSWERS).map(drop)
}
