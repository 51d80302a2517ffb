//! What the sync counts about itself, in each of its forms.

use std::sync::Arc;
use std::time::Duration;

use clarity_client::model::{EntityKey, LocalTime};
use clarity_client::{Client, ClientOptions, Fields};
use serde_json::json;

use crate::backend::Backend;

fn client() -> (tempfile::TempDir, Client) {
    let directory = tempfile::tempdir().unwrap();
    let client = Client::open(ClientOptions::new(directory.path().join("store.db"))).unwrap();
    (directory, client)
}

/// A client that has sent one note and has one that waits.
async fn used() -> (tempfile::TempDir, Client) {
    let (directory, client) = client();
    let note = |id: &str| EntityKey::new("Note", id).unwrap();
    client.create(&note("sent"), Fields::from([("title", json!("a"))])).unwrap();
    client.sync(Arc::new(Backend::default()), Duration::ZERO, |_| {}).await.unwrap();
    client.create(&note("waits"), Fields::from([("title", json!("a"))])).unwrap();
    (directory, client)
}

/// Shows the sums after a run, how old the queue is, and that watching gives them as they change.
#[tokio::test]
async fn a_run_is_counted() {
    let (_directory, fresh) = client();
    let mut live = fresh.watch_metrics();
    let none = live.next().await.unwrap().unwrap();
    assert_eq!((none.syncs, none.average_sync_ms, none.last_sync), (0, None, None));
    assert_eq!(none.queue_age_ms(LocalTime(5)), 0);

    let (_directory, client) = used().await;
    let metrics = client.metrics().unwrap();
    assert_eq!((metrics.operations_synced, metrics.waiting, metrics.syncs_failed), (1, 1, 0));
    assert!(metrics.syncs >= 1 && metrics.average_sync_ms.is_some());
    assert!(metrics.last_sync.is_some() && metrics.requests_succeeded >= 2);
    let made = metrics.oldest_waiting.unwrap();
    assert_eq!(metrics.queue_age_ms(made.plus_ms(1_500)), 1_500);
    assert_eq!(metrics.queue_age_ms(made.plus_ms(-9)), 0, "a clock that went back");
}

/// Shows the text for Prometheus: each sum once with its kind, labels where there are some, and an
/// end.
#[tokio::test]
async fn prometheus_reads_the_text() {
    let (_directory, client) = used().await;
    let metrics = client.metrics().unwrap();
    let text = metrics.prometheus(metrics.oldest_waiting.unwrap().plus_ms(2_500));
    for line in [
        "# TYPE clarity_operations_synced counter",
        "clarity_operations_synced_total 1",
        "clarity_conflicts_resolved_total{how=\"keep_mine\"} 0",
        "clarity_conflicts_resolved_total{how=\"merged\"} 0",
        "# TYPE clarity_queue_age_seconds gauge",
        "clarity_queue_age_seconds 2.5",
        "clarity_queue_operations 1.0",
    ] {
        assert!(text.lines().any(|known| known == line), "{line} in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
    let types = text.lines().filter(|line| line.starts_with("# TYPE")).count();
    assert_eq!(types, 21, "each once");
}

/// Shows that the progress of a run is told in words and figures, and that watching it ends with
/// everything done.
#[tokio::test]
async fn progress_is_told_in_words() {
    let (_directory, client) = used().await;
    let before = client.progress().unwrap();
    client.sync(Arc::new(Backend::default()), Duration::ZERO, |_| {}).await.unwrap();
    let after = client.progress().unwrap();
    assert!(after.run > before.run && after.completed == after.total);
    assert!(after.operation.starts_with("in step with the server"), "{}", after.operation);
    assert_eq!(after.last_error, None);
    client.pause_sync(None).unwrap();
    assert_eq!(client.progress().unwrap().operation, "waiting: paused on this device");
    let mut live = client.watch_progress();
    assert_eq!(live.next().await.unwrap().unwrap(), client.progress().unwrap());
}

/// Shows that a meter of OpenTelemetry observes the same numbers, and nothing any more once the
/// client is closed.
#[cfg(feature = "opentelemetry")]
#[tokio::test]
async fn opentelemetry_observes_the_same() {
    use opentelemetry::metrics::MeterProvider;
    use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
    use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};

    let (_directory, client) = used().await;
    let exporter = InMemoryMetricExporter::default();
    let reader = PeriodicReader::builder(exporter.clone()).build();
    let provider = SdkMeterProvider::builder().with_reader(reader).build();
    clarity_client::opentelemetry::observe(&client, &provider.meter("clarity"));
    provider.force_flush().unwrap();
    let read = |name: &str| -> Vec<u64> {
        let exported = exporter.get_finished_metrics().unwrap();
        let scopes = exported.last().unwrap().scope_metrics();
        let mut metrics = scopes.flat_map(|scope| scope.metrics());
        let Some(metric) = metrics.find(|metric| metric.name() == name) else { return vec![] };
        match metric.data() {
            AggregatedMetrics::U64(MetricData::Sum(sum)) => {
                sum.data_points().map(|point| point.value()).collect()
            }
            _ => panic!("{name} is a sum"),
        }
    };
    assert_eq!(read("clarity_operations_synced"), [1]);
    assert_eq!(read("clarity_conflicts_resolved"), [0, 0, 0], "one for each way");
    drop(client);
    exporter.reset();
    provider.force_flush().unwrap();
    let again = exporter.get_finished_metrics().unwrap();
    let left = again.last().map_or(0, |last| last.scope_metrics().count());
    let held = if left == 0 { vec![] } else { read("clarity_operations_synced") };
    assert!(held.is_empty() || held == [1], "no newer number than the last");
}
