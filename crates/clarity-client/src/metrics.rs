//! What the sync counts about itself: as values, as text for Prometheus, and, with the feature
//! `opentelemetry`, as instruments of a meter.

use std::collections::BTreeMap;
use std::fmt;

use clarity_engine::protocol::model::LocalTime;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use serde::Serialize;

use crate::client::Client;
use crate::error::ClientError;
use crate::watch::Live;
use crate::worker::now;

/// How often conflicts were settled by a person, by what was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
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

/// One number, as monitoring systems take it.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) label: Option<(&'static str, &'static str)>,
    pub(crate) value: Number,
}

#[derive(Clone, Copy)]
pub(crate) enum Number {
    /// It only grows.
    Sum(u64),
    /// It is as it is.
    Level(f64),
}

impl Metrics {
    /// How long the oldest waiting operation has waited, in milliseconds; zero when none waits.
    #[must_use]
    pub fn queue_age_ms(&self, now: LocalTime) -> u64 {
        let age = self.oldest_waiting.map_or(0, |made| now.since_ms(made));
        u64::try_from(age).unwrap_or(0)
    }

    /// In the text form of OpenMetrics, which Prometheus reads. `now` is for the ages in it.
    #[must_use]
    pub fn prometheus(&self, now: LocalTime) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Samples(self.samples(now))));
        let mut out = String::new();
        match text::encode(&mut out, &registry) {
            Ok(()) => out,
            // Writing to a string does not fail.
            Err(fmt::Error) => String::new(),
        }
    }

    pub(crate) fn samples(&self, now: LocalTime) -> Vec<Sample> {
        let sum = |name, help, value| Sample { name, help, label: None, value: Number::Sum(value) };
        let level =
            |name, help, value| Sample { name, help, label: None, value: Number::Level(value) };
        let how = |word, value| Sample {
            label: Some(("how", word)),
            ..sum("clarity_conflicts_resolved", "Conflicts that a person settled", value)
        };
        let average = self.average_sync_ms.unwrap_or(0) as f64 / 1_000.0;
        let last_sync = self.last_sync.map_or(0.0, |at| at.0 as f64 / 1_000.0);
        let resolved = &self.conflicts_resolved;
        vec![
            sum("clarity_operations_synced", "Operations that took effect", self.operations_synced),
            sum("clarity_operations_merged", "Operations merged", self.operations_merged),
            sum("clarity_operations_superseded", "Operations lost", self.operations_superseded),
            sum("clarity_operations_failed", "Operations refused", self.operations_failed),
            sum("clarity_operations_set_aside", "Operations set aside", self.operations_set_aside),
            sum("clarity_rows_pulled", "Rows pulled", self.rows_pulled),
            sum("clarity_syncs", "Runs that came to their end", self.syncs),
            sum(
                "clarity_syncs_failed",
                "Times the sync stopped getting through",
                self.syncs_failed,
            ),
            level("clarity_sync_average_seconds", "How long a run took on average", average),
            level("clarity_last_sync_timestamp_seconds", "Time of the last success", last_sync),
            sum("clarity_requests_succeeded", "Requests that succeeded", self.requests_succeeded),
            sum("clarity_requests_failed", "Requests that failed", self.requests_failed),
            sum("clarity_sent_bytes", "Bytes of requests", self.bytes_sent),
            sum("clarity_received_bytes", "Bytes of answers", self.bytes_received),
            how("keep_mine", resolved.keep_mine),
            how("use_server", resolved.use_server),
            how("merged", resolved.merged),
            sum("clarity_evictions", "Entities evicted", self.evictions),
            sum("clarity_evicted_bytes", "Bytes that eviction gave back", self.evicted_bytes),
            level("clarity_queue_operations", "Operations that wait", self.waiting as f64),
            level("clarity_queue_failed_operations", "Operations refused", self.failed as f64),
            level("clarity_queue_age_seconds", "Age of the oldest operation", self.age_s(now)),
            level("clarity_open_conflicts", "Open conflicts", self.conflicts as f64),
        ]
    }

    fn age_s(&self, now: LocalTime) -> f64 {
        self.queue_age_ms(now) as f64 / 1_000.0
    }
}

#[derive(Debug)]
struct Samples(Vec<Sample>);

impl fmt::Debug for Sample {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

impl Collector for Samples {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for same in self.0.chunk_by(|one, other| one.name == other.name) {
            let Sample { name, help, value, .. } = &same[0];
            let kind = match value {
                Number::Sum(_) => MetricType::Counter,
                Number::Level(_) => MetricType::Gauge,
            };
            let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
            for sample in same {
                let labels: Vec<(&str, &str)> = sample.label.into_iter().collect();
                match sample.value {
                    Number::Sum(sum) => {
                        ConstCounter::new(sum).encode(metric.encode_family(&labels)?)?;
                    }
                    Number::Level(level) => {
                        ConstGauge::new(level).encode(metric.encode_family(&labels)?)?;
                    }
                }
            }
        }
        Ok(())
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

    /// What the sync counts about itself, in the text form that Prometheus reads.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn metrics_text(&self) -> Result<String, ClientError> {
        Ok(self.metrics()?.prometheus(now()))
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
