//! Collects samples into batches and everything else into the report.

use std::ops::ControlFlow;

use clarity_model::Fields;

use crate::identity::{Identity, Parts};
use crate::limits::{BATCH_BYTES_MAX, BATCH_SAMPLES_MAX};
use crate::report::{Damage, DamagedFile, ReadReport};
use crate::sample::{Batch, Deletion, Sample, entity_type};

/// Takes batches; a break stops the reading.
pub(crate) type Sink<'a> = dyn FnMut(Batch) -> ControlFlow<()> + 'a;

/// The memory of one sample without its own texts, about: a tree node, thirteen field names and
/// two ids. Measured with the allocator of glibc.
const SAMPLE_OVERHEAD_BYTES: usize = 1_600;

/// A sample that is ready but for its ids as text.
pub(crate) struct Ready {
    pub(crate) entity_type: &'static str,
    pub(crate) fields: Fields,
    /// About how much memory the values take.
    pub(crate) bytes: usize,
}

/// The receiving side of the readers of this module.
pub(crate) struct Output<'a> {
    batch: Batch,
    batch_bytes: usize,
    sink: &'a mut Sink<'a>,
    pub(crate) file: DamagedFile,
    pub(crate) report: ReadReport,
}

impl<'a> Output<'a> {
    pub(crate) fn new(sink: &'a mut Sink<'a>, report: ReadReport) -> Self {
        Self { batch: Batch::default(), batch_bytes: 0, sink, file: DamagedFile::Records, report }
    }

    /// Whether the receiver wants no more.
    pub(crate) fn cancelled(&self) -> bool {
        self.report.cancelled
    }

    /// Hands a sample over with the next batch.
    pub(crate) fn emit(
        &mut self,
        ready: Ready,
        identity: &Identity,
        content: impl FnOnce(&mut Parts),
    ) {
        self.put(
            Sample {
                entity_type: ready.entity_type,
                id: identity.id(),
                sibling_id: identity.sibling_id(content),
                fields: ready.fields,
                external: None,
            },
            ready.bytes,
        );
    }

    /// Hands over a sample whose ids are made; `bytes` is about how much memory its values take.
    pub(crate) fn put(&mut self, sample: Sample, bytes: usize) {
        self.batch_bytes += SAMPLE_OVERHEAD_BYTES + bytes;
        self.batch.samples.push(sample);
        self.flush_when_full();
    }

    /// Hands over that the source withdrew something.
    pub(crate) fn delete(&mut self, deletion: Deletion) {
        self.batch_bytes += SAMPLE_OVERHEAD_BYTES;
        self.batch.deletions.push(deletion);
        self.report.withdrawn += 1;
        self.flush_when_full();
    }

    fn flush_when_full(&mut self) {
        let count = self.batch.samples.len() + self.batch.deletions.len();
        if count >= BATCH_SAMPLES_MAX || self.batch_bytes >= BATCH_BYTES_MAX {
            self.flush();
        }
    }

    /// Hands over what has been collected. After a break it hands over nothing more.
    pub(crate) fn flush(&mut self) {
        self.batch_bytes = 0;
        if self.batch.is_empty() || self.report.cancelled {
            self.batch = Batch::default();
            return;
        }
        let batch = std::mem::take(&mut self.batch);
        for sample in &batch.samples {
            self.count(sample);
        }
        self.report.cancelled = (self.sink)(batch).is_break();
    }

    fn count(&mut self, sample: &Sample) {
        self.report.emitted.add(sample.entity_type, 1);
        match sample.entity_type {
            entity_type::HEALTH_METRIC => {
                if let Some(metric) = sample.fields.get("metric").and_then(|text| text.as_str()) {
                    self.report.records_by_type.add(metric, 1);
                }
            }
            entity_type::WORKOUT_ROUTE => {
                let points = sample.fields.get("points").and_then(|points| points.as_array());
                self.report.route_points += points.map_or(0, |points| points.len() as u64);
            }
            _ => {}
        }
    }

    /// Counts something that is left out on purpose.
    pub(crate) fn skip(&mut self, reason: &str) {
        self.report.skipped.add(reason, 1);
    }

    /// Notes a place that cannot be read.
    pub(crate) fn damage(&mut self, byte_offset: u64, what: &'static str) {
        self.report.damage(Damage { file: self.file, byte_offset, what });
    }
}
