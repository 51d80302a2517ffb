//! A file as a source: what a reader pushes is pulled, page by page.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};

use super::HealthFile;
use crate::csv::CsvOptions;
use crate::error::HealthError;
use crate::report::ReadReport;
use crate::sample::{Batch, ExternalRef, Sample};
use crate::source::{
    Budget, Capabilities, Completeness, Cursor, HealthSource, Page, Scope, SnapshotPage,
    SourceDescriptor, SourceError,
};

/// The form of this source's cursors: the number of things that were handed over, then the name
/// of the file's content.
const CURSOR_SCHEMA: u16 = 1;

/// A file or folder as a [`HealthSource`].
///
/// A reading goes on in a thread of its own, one batch ahead. After a restart it reads from the
/// start and passes over what was handed over before, which gives the same samples in the same
/// order; a file whose content is another one makes the cursor foreign.
#[derive(Debug)]
pub struct FileSource {
    path: PathBuf,
    options: CsvOptions,
    /// The name of the source of which the file is everything.
    all_of: Option<String>,
    reading: Option<Reading>,
    report: Option<ReadReport>,
}

#[derive(Debug)]
struct Reading {
    messages: Receiver<Message>,
    import_id: String,
    /// How many things were handed over.
    position: u64,
    /// Read and not yet handed over.
    rest: Batch,
    ended: bool,
}

enum Message {
    Batch(Batch),
    End(Result<Box<ReadReport>, HealthError>),
}

impl FileSource {
    /// A source of what is at `path`, which is opened when it is pulled.
    #[must_use]
    pub fn new(path: &Path, options: CsvOptions) -> Self {
        Self { path: path.to_owned(), options, all_of: None, reading: None, report: None }
    }

    /// The same for a file that is everything that the source of this name has: what an earlier
    /// file brought under the name and this one lacks is gone.
    #[must_use]
    pub fn all_of(mut self, source: &str) -> Self {
        self.all_of = Some(source.to_owned());
        self
    }

    /// The next part, with names for samples that have none of their own, if they are to be
    /// missed when they are gone.
    fn part(
        &mut self,
        cursor: Option<&Cursor>,
        budget: Budget,
    ) -> Result<(Batch, Cursor, bool), SourceError> {
        let mut report = self.report.take();
        let is_named = self.all_of.is_some();
        let reading = self.reading_at(cursor)?;
        let mut batch = reading.next(budget.max_samples.max(1), &mut report)?;
        let more = !(reading.ended && reading.rest.is_empty());
        let next = write_cursor(reading.position, &reading.import_id);
        self.report = report;
        for sample in
            batch.samples.iter_mut().filter(|sample| is_named && sample.external.is_none())
        {
            let id = format!("{}/{}", sample.entity_type, sample.sibling_id);
            sample.external = Some(ExternalRef { id, version: None });
        }
        Ok((batch, next, more))
    }

    /// What the last complete reading found.
    #[must_use]
    pub fn report(&self) -> Option<&ReadReport> {
        self.report.as_ref()
    }

    /// The reading that stands where the cursor says.
    fn reading_at(&mut self, cursor: Option<&Cursor>) -> Result<&mut Reading, SourceError> {
        let wanted = cursor.map(read_cursor).transpose()?;
        let position = wanted.as_ref().map_or(0, |(position, _)| *position);
        let stands = self.reading.as_ref().is_some_and(|reading| reading.position == position);
        if !stands {
            self.reading = None;
            let reading = start(HealthFile::open(&self.path, &self.options)?)?;
            if wanted.is_some_and(|(_, import_id)| import_id != reading.import_id) {
                return Err(SourceError::CursorForeign);
            }
            let reading = self.reading.insert(reading);
            while reading.position < position && !reading.ended {
                let left = usize::try_from(position - reading.position).unwrap_or(usize::MAX);
                reading.next(left, &mut self.report)?;
            }
        }
        self.reading.as_mut().ok_or(SourceError::Unavailable)
    }
}

fn start(mut file: HealthFile) -> Result<Reading, SourceError> {
    let import_id = file.import_id().as_str().to_owned();
    let (sender, messages) = sync_channel(1);
    let read = move || {
        let mut sink = |batch| match sender.send(Message::Batch(batch)) {
            Ok(()) => ControlFlow::Continue(()),
            // Whoever pulled has gone.
            Err(_) => ControlFlow::Break(()),
        };
        let end = file.read(&mut sink, &mut |_| {}).map(Box::new);
        // Whoever pulled may have gone.
        let _ = sender.send(Message::End(end));
    };
    let thread = std::thread::Builder::new().name("clarity-file".to_owned());
    thread.spawn(read).map_err(|_| SourceError::Unavailable)?;
    Ok(Reading { messages, import_id, position: 0, rest: Batch::default(), ended: false })
}

impl Reading {
    /// The next things, at most `limit`.
    fn next(
        &mut self,
        limit: usize,
        report: &mut Option<ReadReport>,
    ) -> Result<Batch, SourceError> {
        if self.rest.is_empty() && !self.ended {
            match self.messages.recv().map_err(|_| SourceError::Unavailable)? {
                Message::Batch(batch) => self.rest = batch,
                Message::End(end) => {
                    self.ended = true;
                    *report = Some(*end?);
                }
            }
        }
        let samples = self.rest.samples.len().min(limit);
        let deletions = self.rest.deletions.len().min(limit - samples);
        self.position += (samples + deletions) as u64;
        Ok(Batch {
            samples: self.rest.samples.drain(..samples).collect(),
            deletions: self.rest.deletions.drain(..deletions).collect(),
        })
    }
}

impl HealthSource for FileSource {
    fn descriptor(&self) -> SourceDescriptor {
        let name = self.path.file_name().map(|name| name.to_string_lossy().into_owned());
        let hash = blake3::hash(self.path.as_os_str().as_encoded_bytes()).to_hex();
        let snapshots = self.all_of.is_some();
        let (id, name) = match &self.all_of {
            Some(source) => (source.clone(), source.clone()),
            None => (format!("file-{}", &hash[..16]), name.unwrap_or_else(|| "file".to_owned())),
        };
        let capabilities = Capabilities { deletes: true, updates: true, snapshots };
        SourceDescriptor { id, name, capabilities, own_origin: None }
    }

    fn pull(
        &mut self,
        scope: &Scope,
        cursor: Option<&Cursor>,
        budget: Budget,
    ) -> Result<Page, SourceError> {
        let (batch, next, more) = self.part(cursor, budget)?;
        let upserts = batch.samples.into_iter().filter(|sample| wanted(scope, sample)).collect();
        let (deletions, next) = (batch.deletions, Some(next));
        Ok(Page { upserts, deletions, next, more, completeness: Completeness::Complete })
    }

    fn snapshot(
        &mut self,
        scope: &Scope,
        from: Option<&Cursor>,
        budget: Budget,
    ) -> Result<SnapshotPage, SourceError> {
        if self.all_of.is_none() {
            return Err(SourceError::Unsupported);
        }
        let (batch, next, more) = self.part(from, budget)?;
        let is_cut = self.report.as_ref().is_some_and(|report| !report.complete);
        if !more && is_cut {
            // What a damaged file lacks may be in the part that cannot be read.
            let (at_byte, recovered) = self.report.as_ref().map_or((0, 0), |report| {
                let place = report.damaged.first().map_or(report.bytes, |place| place.byte_offset);
                (place, report.emitted.total())
            });
            return Err(SourceError::Corrupt { at_byte, recovered });
        }
        let present = batch.samples.into_iter().filter(|sample| wanted(scope, sample)).collect();
        Ok(SnapshotPage { present, next: more.then(|| next.clone()), resume: Some(next) })
    }
}

/// Whether a sample is asked for.
fn wanted(scope: &Scope, sample: &Sample) -> bool {
    let metric = sample.fields.get("metric").or_else(|| sample.fields.get("correlation"));
    let metric = metric.and_then(serde_json::Value::as_str);
    let start_ms = sample.fields.get("start_ms").and_then(serde_json::Value::as_i64);
    let is_named = scope.metrics.is_empty()
        || metric.is_some_and(|metric| scope.metrics.iter().any(|named| named == metric));
    is_named && scope.from_ms.is_none_or(|from| start_ms.is_none_or(|start| start >= from))
}

fn write_cursor(position: u64, import_id: &str) -> Cursor {
    let mut bytes = position.to_le_bytes().to_vec();
    bytes.extend_from_slice(import_id.as_bytes());
    Cursor { bytes, schema: CURSOR_SCHEMA }
}

fn read_cursor(cursor: &Cursor) -> Result<(u64, String), SourceError> {
    let foreign = SourceError::CursorForeign;
    let Some((position, import_id)) = cursor.bytes.split_first_chunk::<8>() else {
        return Err(foreign);
    };
    if cursor.schema != CURSOR_SCHEMA {
        return Err(foreign);
    }
    let import_id =
        String::from_utf8(import_id.to_vec()).map_err(|_| SourceError::CursorForeign)?;
    Ok((u64::from_le_bytes(*position), import_id))
}
