//! How far a run of the sync is: from the first request after nothing was left, until nothing is.

use clarity_model::LocalTime;
use clarity_store::StoreError;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::schedule::Schedule;

/// How far the current run of the sync is, or the last one where nothing is under way.
///
/// Within one run no number ever goes down, and no part is larger than its total; the next run
/// begins with zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Progress {
    /// Which run it is, from 1; 0 before the first.
    pub run: u64,
    /// When it began.
    pub began_at: Option<LocalTime>,
    /// Whether it is over: nothing was left to do, or whoever synchronised stopped.
    pub over: bool,
    /// Operations sent and answered.
    pub pushed: u64,
    /// Operations to send, as far as is known.
    pub push_total: u64,
    /// Positions of the account's log that were read.
    pub pulled: u64,
    /// Positions to read, as far as is known.
    pub pull_total: u64,
    /// Bytes that went out, as far as the transport counts them.
    pub bytes_sent: u64,
    /// Bytes that came in, likewise.
    pub bytes_received: u64,
}

impl Progress {
    /// What is done.
    #[must_use]
    pub fn completed(&self) -> u64 {
        self.pushed + self.pulled
    }

    /// What there is to do, as far as is known.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.push_total + self.pull_total
    }

    /// Something is sent: the first request after a run was over begins the next.
    pub(crate) fn begin(&mut self, now: LocalTime) {
        if self.over || self.run == 0 {
            *self = Self { run: self.run + 1, began_at: Some(now), ..Self::default() };
        }
    }

    pub(crate) fn sent(&mut self, waiting: u64) {
        self.push_total = self.push_total.max(self.pushed + waiting);
    }

    pub(crate) fn answered(&mut self, waited: u64, waiting: u64) {
        self.pushed += waited.saturating_sub(waiting);
        self.push_total = self.push_total.max(self.pushed);
    }

    /// A page led from one position to another, with the head of the log still before it.
    pub(crate) fn read(&mut self, from: u64, to: u64, head: u64) {
        self.pulled += to.saturating_sub(from);
        self.pull_total = self.pull_total.max(self.pulled + head.saturating_sub(to));
    }

    /// Nothing is left to do. Gives how long it took, in milliseconds.
    pub(crate) fn finish(&mut self, now: LocalTime) -> i64 {
        self.over = true;
        // What a pull settled was not answered by a push, and is done all the same.
        self.pushed = self.push_total;
        self.pulled = self.pull_total;
        self.began_at.map_or(0, |began| now.since_ms(began).max(0))
    }
}

/// Bytes travelled: they count for the run and for the sums over all runs.
pub(crate) fn travelled(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    sent: u64,
    received: u64,
) -> Result<(), StoreError> {
    schedule.progress.bytes_sent += sent;
    schedule.progress.bytes_received += received;
    let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    context.tx.add_metric("bytes_sent", signed(sent))?;
    context.tx.add_metric("bytes_received", signed(received))?;
    context.noted.status = true;
    Ok(())
}
