//! The numbers of [`Metrics`] as instruments of OpenTelemetry, with the feature of
//! that name.
//!
//! Only the API of OpenTelemetry is used: which SDK collects, when, and where to, is the
//! program's own choice.

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use crate::client::Client;
use crate::metrics::Metrics;
use crate::prometheus::{Number, Sample};
use crate::storing::now;

/// Has a meter observe the sync of a client. The instruments have the names that the text for
/// Prometheus has; they observe nothing any more once the client is closed, and do not keep it
/// open. Call it once for each client and meter.
pub fn observe(client: &Client, meter: &Meter) {
    let all = Metrics::default().samples(now());
    for same in all.chunk_by(|one, other| one.name == other.name) {
        let (name, help) = (same[0].name, same[0].help);
        let client = client.downgrade();
        let read = move || -> Vec<Sample> {
            let metrics = client.upgrade().and_then(|inner| Client::of(inner).metrics().ok());
            let samples = metrics.map(|metrics| metrics.samples(now())).unwrap_or_default();
            samples.into_iter().filter(|sample| sample.name == name).collect()
        };
        let labels = |sample: &Sample| -> Vec<KeyValue> {
            sample.label.into_iter().map(|(key, word)| KeyValue::new(key, word)).collect()
        };
        match same[0].value {
            Number::Sum(_) => drop(
                meter
                    .u64_observable_counter(name)
                    .with_description(help)
                    .with_callback(move |observer| {
                        for sample in read() {
                            if let Number::Sum(sum) = sample.value {
                                observer.observe(sum, &labels(&sample));
                            }
                        }
                    })
                    .build(),
            ),
            Number::Level(_) => drop(
                meter
                    .f64_observable_gauge(name)
                    .with_description(help)
                    .with_callback(move |observer| {
                        for sample in read() {
                            if let Number::Level(level) = sample.value {
                                observer.observe(level, &labels(&sample));
                            }
                        }
                    })
                    .build(),
            ),
        }
    }
}
