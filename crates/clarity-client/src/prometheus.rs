//! What the sync counts about itself, as text for Prometheus and as samples that other monitoring
//! systems take.

use std::fmt;

use clarity_engine::protocol::model::LocalTime;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::client::Client;
use crate::error::ClientError;
use crate::metrics::Metrics;
use crate::storing::now;

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
    /// What the sync counts about itself, in the text form that Prometheus reads.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn metrics_text(&self) -> Result<String, ClientError> {
        Ok(self.metrics()?.prometheus(now()))
    }
}
