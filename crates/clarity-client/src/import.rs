//! Import of health data from files: read, compared with what is here, queued.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use clarity_engine::protocol::model::{EntityKey, EntityType};
use clarity_engine::store::ListOptions;
use clarity_engine::{
    ExternalName, Import, ImportDeletion, ImportInfo, ImportSample, Imported, Write,
};
use clarity_health::{
    AppleExport, Batch, Deletion, HealthError, HealthFile, Progress, ReadReport, Sample,
    import_number,
};
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::error::ClientError;
use crate::platform::WaitingWrite;

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
    /// Its number on this device, by which it can be undone.
    pub import: i64,
    /// What it did.
    #[serde(flatten)]
    pub outcome: ImportOutcome,
    /// Everything that the reading found.
    pub details: ReadReport,
}

impl std::ops::Deref for ImportReport {
    type Target = ImportOutcome;

    fn deref(&self) -> &ImportOutcome {
        &self.outcome
    }
}

/// What reading a file came to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct FileRead {
    /// Samples that were read.
    pub read: u64,
    /// What was left out, by reason in words.
    pub skipped: BTreeMap<String, u64>,
    /// Places that could not be read.
    pub damaged: u64,
    /// Whether it was read to its proper end.
    pub complete: bool,
}

impl FileRead {
    fn of(report: &ReadReport) -> Self {
        let skipped = report.skipped.iter().map(|(reason, count)| (reason.to_owned(), count));
        Self {
            read: report.emitted.total(),
            skipped: skipped.collect(),
            damaged: report.damaged_total,
            complete: report.complete,
        }
    }
}

/// What an import did with what was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ImportOutcome {
    /// Samples that were read.
    pub read: u64,
    /// Samples that were not here.
    pub new: u64,
    /// Samples that were here with another value.
    pub changed: u64,
    /// Samples that were here already.
    pub duplicate: u64,
    /// Entities that were deleted because the source says that they were never true.
    pub deleted: u64,
    /// What was left out, by reason in words.
    pub skipped: BTreeMap<String, u64>,
    /// Places that could not be read.
    pub damaged: u64,
    /// Whether the file was read to its proper end.
    pub complete: bool,
}

/// What an undo of an import deletes or deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UndoneImport {
    /// The import.
    pub import: i64,
    /// Entities that it brought and that nobody has changed since, by type: these are deleted.
    pub deleted: BTreeMap<EntityType, u64>,
    /// Entities that were changed since, by type: these stay.
    pub kept: BTreeMap<EntityType, u64>,
    /// What this device gave up for space, of whatever origin, by type: which of it this import
    /// brought is no longer known here, so it stays. An undo on a device that has it all takes it
    /// back.
    pub given_up: BTreeMap<EntityType, u64>,
}

type BatchSink<'s> = &'s mut dyn FnMut(Batch) -> ControlFlow<()>;
type ProgressSink<'s> = &'s mut dyn FnMut(Progress);

impl Client {
    /// Imports an Apple Health export: everything that is not here yet. As
    /// [`Client::import_health`].
    ///
    /// # Errors
    /// As [`Client::import_health`].
    pub fn import_apple_health(
        &self,
        export: &mut AppleExport,
        progress: impl FnMut(ImportProgress),
    ) -> Result<ImportReport, ClientError> {
        let import = import_number(export.import_id().as_str());
        self.import_read(import, "apple-health-export", progress, &mut |sink, progress| {
            let mut samples = |samples| sink(Batch { samples, deletions: Vec::new() });
            export.read(&mut samples, progress)
        })
    }

    /// Imports a file or folder of any known format: everything that is not here yet.
    ///
    /// Each batch is durable when the next one is read, so an import that is killed goes on where
    /// it was when it is started again, and an import of the same file again changes nothing, here
    /// and on every other device. Memory does not grow with the size of the file.
    ///
    /// # Errors
    /// When the file cannot be read at all, or the store fails; what was imported until then is
    /// kept. Damaged and unknown parts are no errors: they are in the report.
    pub fn import_health(
        &self,
        file: &mut HealthFile,
        progress: impl FnMut(ImportProgress),
    ) -> Result<ImportReport, ClientError> {
        let import = import_number(file.import_id().as_str());
        let source = file.source_id();
        self.import_read(import, source, progress, &mut |sink, progress| file.read(sink, progress))
    }

    fn import_read(
        &self,
        import_id: i64,
        source: &'static str,
        mut progress: impl FnMut(ImportProgress),
        read: &mut dyn FnMut(BatchSink<'_>, ProgressSink<'_>) -> Result<ReadReport, HealthError>,
    ) -> Result<ImportReport, ClientError> {
        let sum = Imported::default();
        let mut pending = Pending { client: self, import_id, source, sum, last: None };
        let mut failure = None;
        let imported = std::cell::Cell::new(Imported::default());
        let details = read(
            &mut |batch| match pending.take(batch) {
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
        let outcome = self.finish_import(import_id, FileRead::of(&details), pending.sum)?;
        Ok(ImportReport { import: import_id, outcome, details })
    }

    /// Notes that an import has ended whose parts were written one by one, and says what it did.
    ///
    /// # Errors
    /// When the store fails.
    pub fn finish_import(
        &self,
        import_id: i64,
        read: FileRead,
        imported: Imported,
    ) -> Result<ImportOutcome, ClientError> {
        let outcome = ImportOutcome::of(read, imported);
        let report = serde_json::to_value(&outcome).unwrap_or_default();
        self.write(Write::FinishImport { import_id, report })?;
        Ok(outcome)
    }

    /// The imports of this device, the latest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn imports(&self) -> Result<Vec<ImportInfo>, ClientError> {
        self.read(|tx| Ok(self.engine().imports(tx)?))
    }

    /// What [`Client::undo_import`] would delete, and what it would keep.
    ///
    /// # Errors
    /// When there is no such import, or the store cannot be read.
    pub fn preview_undo_import(&self, import: i64) -> Result<UndoneImport, ClientError> {
        self.walk_import(import, |_| Ok(()))
    }

    /// Deletes what an import brought and nobody has changed since, on every device. What is
    /// deleted stays in the history for 30 days. It is durable part by part: an undo that is killed
    /// goes on when it is started again.
    ///
    /// # Errors
    /// When there is no such import, or the store fails; what was deleted until then stays so.
    pub fn undo_import(&self, import: i64) -> Result<UndoneImport, ClientError> {
        self.walk_import(import, |keys| {
            self.write(Write::UndoImport { import_id: import, keys }).map(drop)
        })
    }

    fn walk_import(
        &self,
        import: i64,
        mut part: impl FnMut(Vec<EntityKey>) -> Result<(), ClientError>,
    ) -> Result<UndoneImport, ClientError> {
        if self.read(|tx| Ok(tx.import(import)?))?.is_none() {
            return Err(ClientError::NoSuchImport);
        }
        let given_up = self.read(|tx| {
            let mut counts: BTreeMap<_, u64> = tx.count_evicted_entities()?.into_iter().collect();
            for month in tx.evicted_months(None)? {
                *counts.entry(month.entity_type).or_default() += month.count;
            }
            Ok(counts)
        })?;
        let (deleted, kept) = (BTreeMap::new(), BTreeMap::new());
        let mut undone = UndoneImport { import, deleted, kept, given_up };
        for entity_type in self.read(|tx| Ok(tx.entity_types()?))? {
            let mut options = ListOptions { after: None, limit: UNDO_ROWS, include_deleted: false };
            loop {
                let (members, next) = self.read(|tx| {
                    Ok(self.engine().import_members(tx, import, &entity_type, &options)?)
                })?;
                let mut keys = Vec::new();
                for member in members {
                    let side =
                        if member.untouched { &mut undone.deleted } else { &mut undone.kept };
                    *side.entry(entity_type.clone()).or_default() += 1;
                    if member.untouched {
                        keys.push(member.key);
                    }
                }
                if !keys.is_empty() {
                    part(keys)?;
                }
                let Some(next) = next else { break };
                options.after = Some(next);
            }
        }
        Ok(undone)
    }
}

/// How many rows are looked at for one part of an undo.
const UNDO_ROWS: usize = 1_000;

/// At most one batch is being written while the next one is read.
struct Pending<'c> {
    client: &'c Client,
    import_id: i64,
    source: &'static str,
    sum: Imported,
    last: Option<WaitingWrite>,
}

impl Pending<'_> {
    fn take(&mut self, batch: Batch) -> Result<(), ClientError> {
        let import = import_of(batch, self.import_id, self.source)?;
        self.wait()?;
        self.last = Some(self.client.worker().write(Write::Import(import))?);
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

/// A batch as the engine takes it in.
pub(crate) fn import_of(batch: Batch, import_id: i64, source: &str) -> Result<Import, ClientError> {
    let samples = batch.samples.into_iter().map(import_sample).collect::<Result<Vec<_>, _>>()?;
    let deletions = batch.deletions.into_iter().map(|deletion| {
        Ok(match deletion {
            Deletion::External(external) => ImportDeletion::External(external),
            Deletion::Entity { entity_type, id } => {
                ImportDeletion::Entity(EntityKey { entity_type: type_of(entity_type)?, id })
            }
        })
    });
    let deletions = deletions.collect::<Result<Vec<_>, ClientError>>()?;
    Ok(Import { import_id, samples, source: Some(source.to_owned()), deletions, step: None })
}

fn import_sample(sample: Sample) -> Result<ImportSample, ClientError> {
    let entity_type = type_of(sample.entity_type)?;
    let external = sample.external;
    Ok(ImportSample {
        key: EntityKey { entity_type: entity_type.clone(), id: sample.id },
        sibling: EntityKey { entity_type, id: sample.sibling_id },
        fields: sample.fields,
        external: external.map(|name| ExternalName { id: name.id, version: name.version }),
    })
}

/// The names of the shipped types are valid by construction; see the test of the import.
fn type_of(name: &str) -> Result<EntityType, ClientError> {
    EntityType::new(name).map_err(|_| ClientError::Closed)
}

impl ImportOutcome {
    fn of(read: FileRead, sum: Imported) -> Self {
        let FileRead { read, mut skipped, damaged, complete } = read;
        let here = [
            ("deleted on this device before", sum.deleted_before),
            ("larger than an entity may be", sum.invalid),
            ("not on this device to save space; import again when they were fetched", sum.away),
        ];
        for (reason, count) in here.into_iter().filter(|(_, count)| *count > 0) {
            skipped.insert(reason.to_owned(), count);
        }
        let Imported { new, changed, duplicate, deleted, .. } = sum;
        Self { read, new, changed, duplicate, deleted, skipped, damaged, complete }
    }
}
