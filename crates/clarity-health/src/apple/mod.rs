//! The Apple Health export: `export.zip`, the unpacked folder, or the `export.xml` in it.
//!
//! ```text
//! zip member or file ─ scanner ─ document ─ output ─ batches of samples ─ receiver
//!  (inflate, limits)   (tags)    (samples)  (report)
//! ```
//!
//! Nothing is held but one tag, one sample and one batch, so memory does not grow with the export.
//! The format follows Apple's document type of export versions 3 to 14 and real exports; it is read
//! by what is there and never validated, because the document types themselves are broken in two
//! released versions.

mod common;
mod correlation;
mod document;
mod element;
mod gpx;
mod package;
mod record;
mod route;
mod summary;
mod workout;

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;

use clarity_model::EntityId;

use self::document::Document;
use self::gpx::{RouteOutcome, read_route, read_route_id};
use self::package::Package;
use crate::csv::read_ecg;
use crate::error::{HealthError, is_limit};
use crate::input::Input;
use crate::limits::PROLOGUE_BYTES_MAX;
use crate::meter::Meter;
use crate::output::{Output, Sink};
use crate::report::{DamagedFile, ImportId, Phase, Progress, ReadReport, ScanReport};
use crate::sample::{Batch, Sample};
use crate::scan;
use crate::xml::{Breakage, Scanner, Token};

const SKIPPED_EMPTY_ROUTE: &str = "route file without points";
const DAMAGED_TAG: &str = "a tag that never ends";
const DAMAGED_LONG_TAG: &str = "a tag or comment that is longer than allowed";
const DAMAGED_TEXT: &str = "text where none belongs, perhaps a tag without its bracket";
const DAMAGED_ENTITY: &str = "an entity declaration, which is refused";
const DAMAGED_END: &str = "the file ends before the export does";
const DAMAGED_STREAM: &str = "the file cannot be read or unpacked further than here";
const DAMAGED_TAIL: &str = "data after the end of the export, which was not read";
const DAMAGED_ECG: &str = "the electrocardiogram cannot be read or unpacked";
const DAMAGED_ROUTE: &str = "the route file cannot be read or unpacked";

/// An opened Apple Health export.
///
/// Opening looks at the list of files and the first bytes of the records; [`AppleExport::read`]
/// reads everything once. Reading changes nothing on disk, so a crash at any point leaves the
/// export as it was; what the receiver of the batches has stored is its own matter, and reading the
/// same export again gives the same samples with the same ids.
pub struct AppleExport {
    package: Package,
    import_id: ImportId,
}

impl AppleExport {
    /// Opens `export.zip`, a folder with an unpacked export, or an `export.xml` alone.
    ///
    /// # Errors
    /// When there is no export at `path`, or it cannot be opened; see [`HealthError`].
    pub fn open(path: &Path) -> Result<Self, HealthError> {
        Self::from_package(Package::open(path)?)
    }

    pub(crate) fn from_input(input: Input) -> Result<Self, HealthError> {
        Self::from_package(Package::from_input(input)?)
    }

    /// Opens an `export.zip` that is in memory, such as the bundled one.
    ///
    /// # Errors
    /// As [`AppleExport::open`].
    pub fn from_zip_bytes(bytes: &'static [u8]) -> Result<Self, HealthError> {
        Self::from_package(Package::from_zip_bytes(bytes)?)
    }

    fn from_package(mut package: Package) -> Result<Self, HealthError> {
        let records = package.records.clone();
        let mut head = Vec::new();
        package
            .read(&records)?
            .take(PROLOGUE_BYTES_MAX as u64)
            .read_to_end(&mut head)
            .map_err(HealthError::from_io)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"clarity-health/import/1").update(&records.bytes.to_le_bytes());
        hasher.update(&head);
        let import_id = ImportId(hasher.finalize().to_hex()[..32].to_owned());
        Ok(Self { package, import_id })
    }

    /// The name of this export; see [`ImportId`].
    #[must_use]
    pub fn import_id(&self) -> ImportId {
        self.import_id.clone()
    }

    /// Unpacked bytes of all files that will be read, as the zip or the folder states them.
    #[must_use]
    pub fn bytes_total(&self) -> u64 {
        let parts = self.package.routes.iter().chain(&self.package.electrocardiograms);
        parts.map(|part| part.bytes).fold(self.package.records.bytes, u64::saturating_add)
    }

    /// Looks through the whole export without importing anything. A break of `progress` stops it;
    /// the report then says `cancelled`.
    ///
    /// # Errors
    /// As [`AppleExport::read`].
    pub fn scan(
        &mut self,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<ScanReport, HealthError> {
        let mut meter = Meter::new(progress, self.bytes_total(), Some(Phase::Scanning));
        scan::scan(&mut |sink| self.run(sink, &mut meter))
    }

    /// Reads the whole export. `sink` gets the samples in batches of at most
    /// [`BATCH_SAMPLES_MAX`](crate::limits::BATCH_SAMPLES_MAX): first what is in the records, in
    /// the order of the file, then the route files. A break of `sink` stops the reading; the batch
    /// that it was given counts as handed over. `progress` is called about once for each mebibyte.
    ///
    /// Damage does not stop the reading; it is in the report, as is everything that was left out.
    ///
    /// # Errors
    /// When the export cannot be opened any more, declares entities, or breaks a size limit. What
    /// was handed over before stays handed over.
    pub fn read(
        &mut self,
        sink: &mut dyn FnMut(Vec<Sample>) -> ControlFlow<()>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<ReadReport, HealthError> {
        let mut report_progress = |progress_now| {
            progress(progress_now);
            ControlFlow::Continue(())
        };
        let mut take = |batch: Batch| sink(batch.samples);
        self.run(&mut take, &mut Meter::new(&mut report_progress, self.bytes_total(), None))
    }

    pub(crate) fn run(
        &mut self,
        sink: &mut Sink<'_>,
        meter: &mut Meter<'_>,
    ) -> Result<ReadReport, HealthError> {
        let mut output = Output::new(sink, ReadReport::new(self.import_id.clone()));
        for reason in &self.package.skipped {
            output.skip(reason);
        }
        let (route_files, unreadable) = self.index_routes();
        self.read_records(&route_files, &mut output, meter)?;
        self.read_routes(&unreadable, &mut output, meter)?;
        self.read_electrocardiograms(&mut output, meter);
        output.flush();
        output.report.bytes = meter.done_bytes;
        meter.call(0, &output);
        Ok(output.report)
    }

    /// Finds the ids of all routes, which the workouts in the records refer to by file name.
    fn index_routes(&mut self) -> (BTreeMap<String, EntityId>, Vec<bool>) {
        let mut ids = BTreeMap::new();
        let parts = self.package.routes.clone();
        let mut unreadable = Vec::with_capacity(parts.len());
        for part in &parts {
            let source = self.package.read(part);
            unreadable.push(source.is_err());
            if let Some(id) = source.ok().and_then(read_route_id) {
                ids.entry(part.key()).or_insert(id);
            }
        }
        (ids, unreadable)
    }

    fn read_records(
        &mut self,
        route_files: &BTreeMap<String, EntityId>,
        output: &mut Output<'_>,
        meter: &mut Meter<'_>,
    ) -> Result<(), HealthError> {
        meter.begin(Phase::Records);
        let records = self.package.records.clone();
        let mut scanner = Scanner::new(self.package.read(&records)?, false);
        let prologue =
            scanner.skip_to(b"<HealthData", PROLOGUE_BYTES_MAX).ok_or(HealthError::NotAnExport)?;
        if memchr::memmem::find(prologue, b"<!ENTITY").is_some() {
            return Err(HealthError::EntityDeclaration);
        }
        let mut document = Document::new(route_files);
        while !output.cancelled() && !document.is_complete() {
            if read_token(&mut scanner, &mut document, output).is_break() {
                break;
            }
            meter.advance(scanner.position(), output);
        }
        document.finish(output);
        output.report.complete = document.is_complete();
        if output.report.complete && !scanner.only_space_left() {
            output.damage(scanner.token_offset(), DAMAGED_TAIL);
        }
        let dropped = scanner.dropped_total();
        if dropped > 0 {
            output.report.repaired.add("control character that was dropped", dropped);
        }
        let position = scanner.position();
        meter.finish_file(position, output);
        if let Some(error) = scanner.take_error() {
            if is_limit(&error) {
                output.flush();
                return Err(HealthError::TooLarge);
            }
            output.damage(position, DAMAGED_STREAM);
        }
        Ok(())
    }

    fn read_routes(
        &mut self,
        unreadable: &[bool],
        output: &mut Output<'_>,
        meter: &mut Meter<'_>,
    ) -> Result<(), HealthError> {
        meter.begin(Phase::Routes);
        let parts = self.package.routes.clone();
        for ((part, unreadable), number) in parts.iter().zip(unreadable).zip(1..) {
            if output.cancelled() {
                break;
            }
            output.file = DamagedFile::Route(number);
            let source = match self.package.read(part) {
                Ok(source) if !unreadable => source,
                Ok(_) | Err(_) => {
                    output.damage(0, DAMAGED_ROUTE);
                    continue;
                }
            };
            let mut last_position = 0;
            let outcome = read_route(source, output, &mut |position, output| {
                last_position = position;
                meter.advance(position, output);
            });
            meter.finish_file(last_position, output);
            match outcome {
                Ok(RouteOutcome::Read) => {}
                Ok(RouteOutcome::Empty) => output.skip(SKIPPED_EMPTY_ROUTE),
                Err(error) if is_limit(&error) => {
                    output.flush();
                    return Err(HealthError::TooLarge);
                }
                Err(_) => output.damage(last_position, DAMAGED_ROUTE),
            }
        }
        Ok(())
    }

    fn read_electrocardiograms(&mut self, output: &mut Output<'_>, meter: &mut Meter<'_>) {
        meter.begin(Phase::Electrocardiograms);
        let parts = self.package.electrocardiograms.clone();
        for (part, number) in parts.iter().zip(1..) {
            if output.cancelled() {
                break;
            }
            output.file = DamagedFile::Electrocardiogram(number);
            match self.package.read(part) {
                Ok(reader) => {
                    let position = read_ecg(reader, output);
                    meter.finish_file(position, output);
                }
                Err(_) => output.damage(0, DAMAGED_ECG),
            }
        }
    }
}

/// Moves one token from the scanner into the document. Breaks at the end of the input.
fn read_token<R: Read>(
    scanner: &mut Scanner<R>,
    document: &mut Document<'_>,
    output: &mut Output<'_>,
) -> ControlFlow<()> {
    // The place has to be known before the token borrows the scanner's buffer.
    match scanner.next_with_offset() {
        (byte_offset, Token::Start { content, empty }) => match std::str::from_utf8(content) {
            Ok(content) => document.start(content, empty, byte_offset, output),
            Err(_) => {
                output.report.repaired.add("tag with bytes that are not UTF-8", 1);
                let content = String::from_utf8_lossy(content);
                document.start(&content, empty, byte_offset, output);
            }
        },
        (byte_offset, Token::End(name)) => document.end(name, byte_offset, output),
        (_, Token::Text(_)) => {}
        (byte_offset, Token::Broken(breakage)) => {
            let what = match breakage {
                Breakage::Unclosed => DAMAGED_TAG,
                Breakage::TooLong => DAMAGED_LONG_TAG,
                Breakage::EntityDeclaration => DAMAGED_ENTITY,
                Breakage::Text => DAMAGED_TEXT,
            };
            output.damage(byte_offset, what);
        }
        (byte_offset, Token::EndOfInput { .. }) => {
            output.damage(byte_offset, DAMAGED_END);
            return ControlFlow::Break(());
        }
    }
    ControlFlow::Continue(())
}
