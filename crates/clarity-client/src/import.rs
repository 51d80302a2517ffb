//! Import of health data from files: read, compared with what is here, queued.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use clarity_engine::protocol::model::{EntityKey, EntityType};
use clarity_engine::{ImportSample, Imported, Write};
use clarity_health::{AppleExport, Progress, ReadReport, Sample};
use serde::Serialize;

use crate::client::Client;
use crate::error::ClientError;
use crate::worker::WaitingWrite;

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ImportProgress {
    /// How far the reading is.
    pub reading: Progress,
    /// What became of what was read so far.
    pub imported: Imported,
}

/// What an import did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImportReport {
    /// Samples that were read.
    pub read: u64,
    /// Samples that were not here.
    pub new: u64,
    /// Samples that were here with another value.
    pub changed: u64,
    /// Samples that were here already.
    pub duplicate: u64,
    /// What was left out, by reason in words.
    pub skipped: BTreeMap<String, u64>,
    /// Places that could not be read.
    pub damaged: u64,
    /// Everything that the reading found.
    pub details: ReadReport,
}

impl Client {
    /// Imports an Apple Health export: everything that is not here yet.
    ///
    /// Each batch is durable when the next one is read, so an import that is killed goes on where
    /// it was when it is started again, and an import of the same export again changes nothing,
    /// here and on every other device. Memory does not grow with the size of the export.
    ///
    /// # Errors
    /// When the export cannot be read at all, or the store fails; what was imported until then is
    /// kept. Damaged and unknown parts are no errors: they are in the report.
    pub fn import_apple_health(
        &self,
        export: &mut AppleExport,
        mut progress: impl FnMut(ImportProgress),
    ) -> Result<ImportReport, ClientError> {
        let import_id = number_of(export.import_id().as_str());
        let mut pending = Pending { client: self, import_id, sum: Imported::default(), last: None };
        let mut failure = None;
        let imported = std::cell::Cell::new(Imported::default());
        let details = export.read(
            &mut |samples| match pending.take(samples) {
                Ok(()) => {
                    imported.set(pending.sum);
                    ControlFlow::Continue(())
                }
                Err(error) => {
                    failure = Some(error);
                    ControlFlow::Break(())
                }
            },
            &mut |reading| progress(ImportProgress { reading, imported: imported.get() }),
        )?;
        if let Some(error) = failure {
            return Err(error);
        }
        pending.wait()?;
        Ok(report(details, pending.sum))
    }
}

/// At most one batch is being written while the next one is read.
struct Pending<'c> {
    client: &'c Client,
    import_id: i64,
    sum: Imported,
    last: Option<WaitingWrite>,
}

impl Pending<'_> {
    fn take(&mut self, samples: Vec<Sample>) -> Result<(), ClientError> {
        let samples = samples.into_iter().map(import_sample).collect::<Result<Vec<_>, _>>()?;
        self.wait()?;
        let write = Write::Import { import_id: self.import_id, samples };
        self.last = Some(self.client.worker().write(write)?);
        Ok(())
    }

    fn wait(&mut self) -> Result<(), ClientError> {
        if let Some(last) = self.last.take() {
            let written = last.wait()?;
            self.sum.add(written.imported);
        }
        Ok(())
    }
}

fn import_sample(sample: Sample) -> Result<ImportSample, ClientError> {
    // The names of the shipped types are valid by construction; see the test of the import.
    let entity_type = EntityType::new(sample.entity_type).map_err(|_| ClientError::Closed)?;
    Ok(ImportSample {
        key: EntityKey { entity_type: entity_type.clone(), id: sample.id },
        sibling: EntityKey { entity_type, id: sample.sibling_id },
        fields: sample.fields,
    })
}

/// The first 60 bits of the import's name: enough to tell one export from another.
fn number_of(import_id: &str) -> i64 {
    i64::from_str_radix(import_id.get(..15).unwrap_or_default(), 16).unwrap_or_default()
}

fn report(details: ReadReport, sum: Imported) -> ImportReport {
    let mut skipped: BTreeMap<String, u64> =
        details.skipped.iter().map(|(reason, count)| (reason.to_owned(), count)).collect();
    let here = [
        ("deleted on this device before", sum.deleted_before),
        ("larger than an entity may be", sum.invalid),
    ];
    for (reason, count) in here.into_iter().filter(|(_, count)| *count > 0) {
        skipped.insert(reason.to_owned(), count);
    }
    ImportReport {
        read: details.emitted.total(),
        new: sum.new,
        changed: sum.changed,
        duplicate: sum.duplicate,
        skipped,
        damaged: details.damaged_total,
        details,
    }
}
