//! A file or folder with health data, of whatever format: recognised by what is in it.

mod feed;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

pub use self::feed::FileSource;
use crate::apple::AppleExport;
use crate::csv::{CsvFile, CsvOptions, refuse_utf16};
use crate::error::HealthError;
use crate::fhir::FhirFile;
use crate::input::Input;
use crate::limits::{FILES_MAX, FOLDER_DEPTH_MAX};
use crate::meter::Meter;
use crate::output::Sink;
use crate::report::{ImportId, Phase, Progress, ReadReport, ScanReport};
use crate::sample::Batch;
use crate::scan;

/// Health data in a file or a folder.
///
/// Reading changes nothing on disk, and reading the same again gives the same samples with the same
/// ids.
#[non_exhaustive]
pub enum HealthFile {
    /// An export of Apple's Health app.
    Apple(AppleExport),
    /// FHIR R4 as JSON.
    Fhir(FhirFile),
    /// A table.
    Csv(CsvFile),
}

impl std::fmt::Debug for HealthFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.format())
    }
}

impl HealthFile {
    /// Opens a file or a folder by what is in it; `options` say what a table does not say itself.
    ///
    /// # Errors
    /// When it is none of the formats, or cannot be opened.
    pub fn open(path: &Path, options: &CsvOptions) -> Result<Self, HealthError> {
        if std::fs::metadata(path).map_err(HealthError::Read)?.is_dir() {
            let is_fhir = files_below(path, &["xml"])?.is_empty();
            return if is_fhir {
                FhirFile::open(path).map(Self::Fhir)
            } else {
                AppleExport::open(path).map(Self::Apple)
            };
        }
        Self::from_input(Input::at(path)?, options)
    }

    /// Opens a file that is not on a disk, as [`HealthFile::open`].
    ///
    /// # Errors
    /// As [`HealthFile::open`].
    pub fn from_input(input: Input, options: &CsvOptions) -> Result<Self, HealthError> {
        let head = input.head()?;
        let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head).trim_ascii_start();
        match text.first() {
            None => Err(HealthError::Empty),
            Some(b'P') if head.starts_with(b"PK") => {
                AppleExport::from_input(input).map(Self::Apple)
            }
            Some(b'<') => AppleExport::from_input(input).map(Self::Apple),
            Some(b'{' | b'[') => FhirFile::from_input(input).map(Self::Fhir),
            Some(_) => {
                refuse_utf16(&head)?;
                CsvFile::from_input(input, options).map(Self::Csv)
            }
        }
    }

    /// The format in words; it is also the name of the source under which samples are known.
    #[must_use]
    pub fn format(&self) -> &'static str {
        match self {
            Self::Apple(_) => "Apple Health export",
            Self::Fhir(_) => "FHIR R4",
            Self::Csv(_) => "CSV table",
        }
    }

    /// The id of the source, as [`SourceDescriptor::id`](crate::source::SourceDescriptor::id).
    #[must_use]
    pub fn source_id(&self) -> &'static str {
        match self {
            Self::Apple(_) => "apple-health-export",
            Self::Fhir(_) => "fhir",
            Self::Csv(_) => "csv",
        }
    }

    /// The name of this file's content; see [`ImportId`].
    #[must_use]
    pub fn import_id(&self) -> ImportId {
        match self {
            Self::Apple(export) => export.import_id(),
            Self::Fhir(file) => file.import_id(),
            Self::Csv(file) => file.import_id(),
        }
    }

    /// Unpacked bytes of all that will be read.
    #[must_use]
    pub fn bytes_total(&self) -> u64 {
        match self {
            Self::Apple(export) => export.bytes_total(),
            Self::Fhir(file) => file.bytes_total(),
            Self::Csv(file) => file.bytes_total(),
        }
    }

    fn run(
        &mut self,
        sink: &mut Sink<'_>,
        meter: &mut Meter<'_>,
    ) -> Result<ReadReport, HealthError> {
        match self {
            Self::Apple(export) => export.run(sink, meter),
            Self::Fhir(file) => file.run(sink, meter),
            Self::Csv(file) => file.run(sink, meter),
        }
    }

    /// Looks through all of it without handing anything over. A break of `progress` stops it.
    ///
    /// # Errors
    /// As [`HealthFile::read`].
    pub fn scan(
        &mut self,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<ScanReport, HealthError> {
        let mut meter = Meter::new(progress, self.bytes_total(), Some(Phase::Scanning));
        scan::scan(&mut |sink| self.run(sink, &mut meter))
    }

    /// Reads all of it. `sink` gets batches; a break of it stops the reading, and the batch that it
    /// was given counts as handed over. Damage does not stop the reading; it is in the report.
    ///
    /// # Errors
    /// When it cannot be opened any more, or breaks a limit. What was handed over before stays so.
    pub fn read(
        &mut self,
        sink: &mut dyn FnMut(Batch) -> ControlFlow<()>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<ReadReport, HealthError> {
        let mut report_progress = |progress_now| {
            progress(progress_now);
            ControlFlow::Continue(())
        };
        let total = self.bytes_total();
        self.run(sink, &mut Meter::new(&mut report_progress, total, None))
    }
}

/// Files in a folder and below with one of these endings, in the order of their paths. Links are
/// not followed: they could lead out of the folder, or in a circle.
pub(crate) fn files_below(
    folder: &Path,
    endings: &[&str],
) -> Result<Vec<(PathBuf, u64)>, HealthError> {
    let mut files = Vec::new();
    let mut folders = vec![(folder.to_owned(), 0)];
    let mut seen = 0;
    while let Some((folder, depth)) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(HealthError::Read)? {
            let entry = entry.map_err(HealthError::Read)?;
            let kind = entry.file_type().map_err(HealthError::Read)?;
            let path = entry.path();
            seen += 1;
            if seen > FILES_MAX {
                return Err(HealthError::TooLarge);
            }
            let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
            if kind.is_dir() && depth < FOLDER_DEPTH_MAX {
                folders.push((path, depth + 1));
            } else if kind.is_file() && ending.is_some_and(|e| endings.contains(&e.as_str())) {
                let bytes = entry.metadata().map_err(HealthError::Read)?.len();
                files.push((path, bytes));
            }
        }
    }
    files.sort();
    Ok(files)
}
