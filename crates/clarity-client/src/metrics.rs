//! What the sync counts about itself, as values.

use std::collections::BTreeMap;

use clarity_engine::protocol::model::LocalTime;
use serde::Serialize;

use crate::client::Client;
use crate::error::ClientError;
use crate::watch::Live;

/// How often conflicts were settled by a person, by what was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ConflictsResolved {
    /// The local version.
    pub keep_mine: u64,
    /// The server's version.
    pub use_server: u64,
    /// Fields of both, or new values.
    pub merged: u64,
}

impl ConflictsResolved {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.keep_mine + self.use_server + self.merged
    }
}

/// Sums since the store was made, and how things stand. They hold no value, name or id.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Metrics {
    /// Operations that took effect at the server.
    pub operations_synced: u64,
    /// Those of them that were merged with changes of others by their policy.
    pub operations_merged: u64,
    /// Those of them whose value lost by its policy; it is in the history.
    pub operations_superseded: u64,
    /// How often an operation was refused.
    pub operations_failed: u64,
    /// How often an operation was set aside because the server failed on it.
    pub operations_set_aside: u64,
    /// Rows that were pulled.
    pub rows_pulled: u64,
    /// Runs of the sync that came to their end.
    pub syncs: u64,
    /// How often the sync stopped getting through.
    pub syncs_failed: u64,
    /// How long a run took on average, in milliseconds; nothing before the first.
    pub average_sync_ms: Option<u64>,
    /// When a request last succeeded.
    pub last_sync: Option<LocalTime>,
    /// Requests that succeeded.
    pub requests_succeeded: u64,
    /// Requests that failed.
    pub requests_failed: u64,
    /// Bytes of requests, as far as the transport counts them.
    pub bytes_sent: u64,
    /// Bytes of answers, likewise, counted as they are unpacked.
    pub bytes_received: u64,
    /// Conflicts that a person settled.
    pub conflicts_resolved: ConflictsResolved,
    /// Entities that were evicted to save space.
    pub evictions: u64,
    /// Bytes that eviction gave back.
    pub evicted_bytes: u64,
    /// Operations that wait or are on their way.
    pub waiting: u64,
    /// Operations that failed and wait for a person.
    pub failed: u64,
    /// Open conflicts.
    pub conflicts: u64,
    /// When the oldest waiting operation was made.
    pub oldest_waiting: Option<LocalTime>,
}

impl Metrics {
    /// How long the oldest waiting operation has waited, in milliseconds; zero when none waits.
    #[must_use]
    pub fn queue_age_ms(&self, now: LocalTime) -> u64 {
        let age = self.oldest_waiting.map_or(0, |made| now.since_ms(made));
        u64::try_from(age).unwrap_or(0)
    }
}

impl Client {
    /// What the sync counts about itself.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn metrics(&self) -> Result<Metrics, ClientError> {
        let (counters, status) = self.read(|tx| Ok((tx.metrics()?, self.engine().status(tx)?)))?;
        let sum = |name: &str| of(&counters, name);
        let syncs = sum("syncs");
        Ok(Metrics {
            operations_synced: sum("operations_settled"),
            operations_merged: sum("operations_merged"),
            operations_superseded: sum("operations_superseded"),
            operations_failed: sum("operations_failed"),
            operations_set_aside: sum("operations_set_aside"),
            rows_pulled: sum("rows_pulled"),
            syncs,
            syncs_failed: sum("syncs_failed"),
            average_sync_ms: sum("sync_ms").checked_div(syncs),
            last_sync: status.last_success,
            requests_succeeded: sum("requests_succeeded"),
            requests_failed: sum("requests_failed"),
            bytes_sent: sum("bytes_sent"),
            bytes_received: sum("bytes_received"),
            conflicts_resolved: ConflictsResolved {
                keep_mine: sum("conflicts_resolved_keep_mine"),
                use_server: sum("conflicts_resolved_use_server"),
                merged: sum("conflicts_resolved_merged"),
            },
            evictions: sum("evictions"),
            evicted_bytes: sum("evicted_bytes"),
            waiting: status.waiting,
            failed: status.failed,
            conflicts: status.conflicts,
            oldest_waiting: status.oldest_waiting,
        })
    }

    /// Watches what the sync counts about itself.
    #[must_use]
    pub fn watch_metrics(&self) -> Live<Metrics> {
        self.live(Box::new(|_| true), Box::new(Client::metrics))
    }
}

fn of(counters: &BTreeMap<String, i64>, name: &str) -> u64 {
    counters.get(name).and_then(|sum| u64::try_from(*sum).ok()).unwrap_or(0)
}
