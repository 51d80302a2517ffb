//! Forgetting what is old: values that lost, and how operations ended.
//!
//! A device's clock may stand years off, so age is counted by the server's time of completed pulls.
//! Once a day a mark is set between what is older and what is newer; what lies before a mark of 30
//! days ago may go. Nothing is forgotten while offline, and a transaction forgets a bounded number.

use clarity_model::{Counter, ServerTime};
use clarity_store::StoreError;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::history::HISTORY_KEPT_MS;

/// The name under which the marks are kept in the store.
const AGEING: &str = "ageing";
/// How far apart the marks are, in milliseconds: a day.
const MARK_EVERY_MS: i64 = 24 * 60 * 60 * 1_000;
/// Most rows of each kind that one completed pull forgets.
const FORGOTTEN_AT_ONCE_MAX: usize = 2_000;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Ageing {
    /// The oldest first.
    marks: Vec<Mark>,
}

/// What was there at some time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Mark {
    at: ServerTime,
    /// Every operation with a lower counter had ended.
    ended_below: Counter,
    /// The newest value that had lost.
    history_through: i64,
}

/// A pull has reached the head of the account, at this time of the server.
pub(crate) fn after_pull(context: &mut Context<'_, '_>, at: ServerTime) -> Result<(), StoreError> {
    let before: Ageing = context.tx.state(AGEING)?.unwrap_or_default();
    let mut ageing = before.clone();
    for mark in &mut ageing.marks {
        // The server's clock was ahead and has been put right: its time counts from now.
        mark.at = mark.at.min(at);
    }
    let newest = ageing.marks.last().map(|mark| mark.at);
    if newest.is_none_or(|newest| age_ms(newest, at) >= MARK_EVERY_MS) {
        let ended_below = match context.tx.lowest_queued()? {
            Some(counter) => counter,
            None => context.tx.next_counter()?,
        };
        let history_through = context.tx.newest_history()?;
        ageing.marks.push(Mark { at, ended_below, history_through });
    }
    if let Some(oldest) = ageing.marks.first().copied()
        && age_ms(oldest.at, at) >= HISTORY_KEPT_MS
        && forget(context, oldest)?
    {
        ageing.marks.remove(0);
    }
    if ageing != before {
        context.tx.put_state(AGEING, &ageing)?;
    }
    Ok(())
}

fn age_ms(from: ServerTime, to: ServerTime) -> i64 {
    to.0.saturating_sub(from.0)
}

/// Forgets what lies before a mark; says whether nothing is left there.
fn forget(context: &mut Context<'_, '_>, mark: Mark) -> Result<bool, StoreError> {
    let history = context.tx.prune_history(mark.history_through, FORGOTTEN_AT_ONCE_MAX)?;
    let ended = context.tx.prune_ended(mark.ended_below, FORGOTTEN_AT_ONCE_MAX)?;
    Ok(history.max(ended) < FORGOTTEN_AT_ONCE_MAX)
}
