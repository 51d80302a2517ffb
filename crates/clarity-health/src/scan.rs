//! A look through health data before anything is imported.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde_json::Value;

use crate::error::HealthError;
use crate::limits::COUNTED_NAMES_MAX;
use crate::output::Sink;
use crate::report::{Counts, MetricScan, ReadReport, ScanReport};
use crate::sample::entity_type::HEALTH_METRIC;
use crate::sample::{Batch, Sample};

/// Reads everything and keeps only counts, so that the numbers are those the import will have.
pub(crate) fn scan(
    run: &mut dyn FnMut(&mut Sink<'_>) -> Result<ReadReport, HealthError>,
) -> Result<ScanReport, HealthError> {
    let mut metrics = BTreeMap::new();
    let mut sources = Counts::default();
    let mut sink = |batch: Batch| {
        for sample in &batch.samples {
            if let Some(source) = sample.fields.get("source").and_then(Value::as_str) {
                sources.add(source, 1);
            }
            if sample.entity_type == HEALTH_METRIC {
                count_metric(&mut metrics, sample);
            }
        }
        ControlFlow::Continue(())
    };
    let read = run(&mut sink)?;
    Ok(ScanReport { read, metrics, sources })
}

fn count_metric(metrics: &mut BTreeMap<String, MetricScan>, sample: &Sample) {
    let metric = sample.fields.get("metric").and_then(Value::as_str);
    let start_ms = sample.fields.get("start_ms").and_then(Value::as_i64);
    let (Some(metric), Some(start_ms)) = (metric, start_ms) else {
        return;
    };
    if let Some(scan) = metrics.get_mut(metric) {
        scan.count += 1;
        scan.first_ms = scan.first_ms.min(start_ms);
        scan.last_ms = scan.last_ms.max(start_ms);
    } else if metrics.len() < COUNTED_NAMES_MAX {
        let scan = MetricScan { count: 1, first_ms: start_ms, last_ms: start_ms };
        metrics.insert(metric.to_owned(), scan);
    }
}
