//! Progress as a person is shown it.

use clarity_engine::{Flow, Status};
use serde::Serialize;

use crate::client::Client;
use crate::error::ClientError;
use crate::watch::Live;

/// How far the current run of the sync is, or the last one where nothing is under way. Within a run
/// no number goes down; the next run begins with zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct SyncProgress {
    /// Which run it is, from 1; 0 before the first.
    pub run: u64,
    /// Whether it is over.
    pub over: bool,
    /// Changes sent and rows read.
    pub completed: u64,
    /// Changes to send and rows to read, as far as is known; never less than `completed`.
    pub total: u64,
    /// Bytes that went out, as far as the transport counts them.
    pub bytes_sent: u64,
    /// Bytes that came in, likewise.
    pub bytes_received: u64,
    /// What goes on, in words.
    pub operation: String,
    /// What last went wrong, in words; it may be long past.
    pub last_error: Option<String>,
}

impl SyncProgress {
    /// What a status says of the progress.
    #[must_use]
    pub fn of(status: &Status) -> Self {
        let progress = &status.progress;
        Self {
            run: progress.run,
            over: progress.over,
            completed: progress.completed(),
            total: progress.total(),
            bytes_sent: progress.bytes_sent,
            bytes_received: progress.bytes_received,
            operation: operation(status),
            last_error: status.last_error.clone(),
        }
    }
}

fn operation(status: &Status) -> String {
    if let Some(stalled) = &status.stalled {
        return format!("waiting: {}", stalled.message);
    }
    let progress = &status.progress;
    let part = |does: &str, done: u64, all: u64| format!("{does} {done} of {all}");
    let mut parts = Vec::new();
    if progress.push_total > 0 {
        parts.push(part("changes sent", progress.pushed, progress.push_total));
    }
    if progress.pull_total > 0 {
        parts.push(part("changes read", progress.pulled, progress.pull_total));
    }
    let begin = match (status.flow, status.catching_up) {
        (Flow::Syncing, true) => "reading everything that the server has",
        (Flow::Syncing, false) => "synchronising",
        (Flow::Synced, _) => "in step with the server",
        _ => "waiting to synchronise",
    };
    match parts.as_slice() {
        [] => begin.to_owned(),
        parts => format!("{begin}: {}", parts.join(", ")),
    }
}

impl Client {
    /// How far the sync is.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn progress(&self) -> Result<SyncProgress, ClientError> {
        Ok(SyncProgress::of(&self.status()?))
    }

    /// Watches how far the sync is.
    #[must_use]
    pub fn watch_progress(&self) -> Live<SyncProgress> {
        self.live(Box::new(|_| true), Box::new(Client::progress))
    }
}
