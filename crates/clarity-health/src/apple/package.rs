//! The files of an export: in a zip, in a folder, or a single one.
//!
//! File names are translated with the phone's language, and a zip may have them in any encoding or
//! with `..` in them. So names decide nothing but what a file is *not*; the records are found by
//! their content, and nothing is ever written under a name from a zip.

use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

use zip::ZipArchive;
use zip::result::ZipError;

use super::document::file_key;
use crate::error::{HealthError, LimitReached};
use crate::input::{Input, ReadSeek};
use crate::limits::{
    FILES_MAX, FOLDER_DEPTH_MAX, PROLOGUE_BYTES_MAX, TOTAL_BYTES_MAX, ZIP_RATIO_GRACE_BYTES,
    ZIP_RATIO_MAX,
};

const SKIPPED_CDA: &str = "clinical document (export_cda.xml): not supported";
const SKIPPED_CLINICAL: &str = "clinical record file: not supported yet";
const SKIPPED_SYSTEM: &str = "file that a Mac added to the zip: holds no health data";
const SKIPPED_OTHER: &str = "file of another kind: not supported";
const RECORDS_ROOT: &[u8] = b"<HealthData";
const BUFFER_BYTES: usize = 64 * 1024;

/// Where a file of the export is.
#[derive(Debug, Clone)]
enum Location {
    Member(usize),
    File(Input),
}

/// One file of the export.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    location: Location,
    /// The path inside the export, readable as far as its encoding is known.
    path: String,
    /// Its size when unpacked, as stated.
    pub(crate) bytes: u64,
    packed_bytes: Option<u64>,
}

impl Part {
    /// The name without folders, in lower case.
    pub(crate) fn key(&self) -> String {
        file_key(&self.path)
    }
}

/// The files that matter, and how many of each other kind there are.
pub(crate) struct Package {
    archive: Option<ZipArchive<Box<dyn ReadSeek>>>,
    pub(crate) records: Part,
    /// Route files in the order of their names.
    pub(crate) routes: Vec<Part>,
    /// Electrocardiograms in the order of their names.
    pub(crate) electrocardiograms: Vec<Part>,
    /// Reasons for the files that are left out, one for each file.
    pub(crate) skipped: Vec<&'static str>,
}

impl Package {
    /// Opens a zip, a folder or an XML file.
    pub(crate) fn open(path: &Path) -> Result<Self, HealthError> {
        let metadata = std::fs::metadata(path).map_err(HealthError::Read)?;
        if metadata.is_dir() {
            return Self::from_folder(path);
        }
        Self::from_input(Input::on_disk(path, metadata.len()))
    }

    /// Opens a zip or an XML file.
    pub(crate) fn from_input(input: Input) -> Result<Self, HealthError> {
        match kind_of(&input.head()?)? {
            Kind::Zip => {
                Self::from_zip(Box::new(BufReader::with_capacity(BUFFER_BYTES, input.open()?)))
            }
            Kind::Records => {
                let bytes = input.bytes();
                let (location, path) = (Location::File(input), String::from("export.xml"));
                let records = Part { location, path, bytes, packed_bytes: None };
                check_total(records.bytes)?;
                Ok(Self::with_records(None, records))
            }
        }
    }

    fn with_records(archive: Option<ZipArchive<Box<dyn ReadSeek>>>, records: Part) -> Self {
        let (routes, electrocardiograms, skipped) = (Vec::new(), Vec::new(), Vec::new());
        Self { archive, records, routes, electrocardiograms, skipped }
    }

    /// Opens a zip that is in memory.
    pub(crate) fn from_zip_bytes(bytes: &'static [u8]) -> Result<Self, HealthError> {
        Self::from_zip(Box::new(Cursor::new(bytes)))
    }

    fn from_zip(reader: Box<dyn ReadSeek>) -> Result<Self, HealthError> {
        let mut archive = ZipArchive::new(reader).map_err(from_zip_error)?;
        if archive.len() > FILES_MAX {
            return Err(HealthError::TooLarge);
        }
        let mut parts = Vec::new();
        for index in 0..archive.len() {
            let entry = archive.by_index_raw(index).map_err(from_zip_error)?;
            if entry.name_raw().ends_with(b"/") {
                continue;
            }
            parts.push(Part {
                location: Location::Member(index),
                path: String::from_utf8_lossy(entry.name_raw()).into_owned(),
                bytes: entry.size(),
                packed_bytes: Some(entry.compressed_size()),
            });
        }
        Self::sort(Some(archive), parts)
    }

    fn from_folder(folder: &Path) -> Result<Self, HealthError> {
        let mut parts = Vec::new();
        let mut folders = vec![(folder.to_owned(), String::new(), 0)];
        while let Some((folder, inside, depth)) = folders.pop() {
            for entry in std::fs::read_dir(&folder).map_err(HealthError::Read)? {
                let entry = entry.map_err(HealthError::Read)?;
                // A link is not followed: it could lead out of the export, or in a circle.
                let kind = entry.file_type().map_err(HealthError::Read)?;
                let path = format!("{inside}{}", entry.file_name().to_string_lossy());
                if kind.is_dir() && depth < FOLDER_DEPTH_MAX {
                    folders.push((entry.path(), format!("{path}/"), depth + 1));
                } else if kind.is_file() {
                    let bytes = entry.metadata().map_err(HealthError::Read)?.len();
                    let location = Location::File(Input::on_disk(&entry.path(), bytes));
                    parts.push(Part { location, path, bytes, packed_bytes: None });
                }
                if parts.len() + folders.len() > FILES_MAX {
                    return Err(HealthError::TooLarge);
                }
            }
        }
        Self::sort(None, parts)
    }

    /// Finds the records and the routes among all files.
    fn sort(
        archive: Option<ZipArchive<Box<dyn ReadSeek>>>,
        mut parts: Vec<Part>,
    ) -> Result<Self, HealthError> {
        // The order of a zip or a folder is an accident, and results should not depend on it.
        parts.sort_by(|left, right| left.path.cmp(&right.path));
        let mut routes = Vec::new();
        let mut electrocardiograms = Vec::new();
        let mut candidates = Vec::new();
        let mut skipped = Vec::new();
        for part in parts {
            match FileKind::of(&part.path) {
                FileKind::Xml => candidates.push(part),
                FileKind::Route => routes.push(part),
                FileKind::Electrocardiogram => electrocardiograms.push(part),
                FileKind::Skipped(reason) => skipped.push(reason),
            }
        }
        // The records lie in the top folder; of several the largest is the export.
        candidates
            .sort_by_key(|part| (part.path.matches('/').count(), std::cmp::Reverse(part.bytes)));
        let Some(first) = candidates.first().cloned() else {
            return Err(HealthError::NoRecords);
        };
        let mut package = Self::with_records(archive, first);
        (package.routes, package.skipped) = (routes, skipped);
        package.electrocardiograms = electrocardiograms;
        let found = package.find_records(&candidates)?.ok_or(HealthError::NoRecords)?;
        package.skipped.extend((1..candidates.len()).map(|_| SKIPPED_OTHER));
        package.records = candidates.swap_remove(found);
        check_total(
            package
                .routes
                .iter()
                .fold(package.records.bytes, |sum, part| sum.saturating_add(part.bytes)),
        )?;
        Ok(package)
    }

    fn find_records(&mut self, candidates: &[Part]) -> Result<Option<usize>, HealthError> {
        for (index, part) in candidates.iter().enumerate() {
            if part.bytes == 0 && candidates.len() == 1 {
                return Err(HealthError::Empty);
            }
            let head = read_head(self.read(part)?);
            // A file that is damaged this early is not the one, unless there is no other.
            if head.is_ok_and(|head| has_records(&head)) {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    /// Opens one file of the export. Reading it is bounded by the limits on sizes and ratios.
    pub(crate) fn read(&mut self, part: &Part) -> Result<Box<dyn Read + '_>, HealthError> {
        let limit = match part.packed_bytes {
            Some(packed) => {
                (packed.saturating_mul(ZIP_RATIO_MAX)).clamp(ZIP_RATIO_GRACE_BYTES, TOTAL_BYTES_MAX)
            }
            None => TOTAL_BYTES_MAX,
        };
        let reader: Box<dyn Read + '_> = match (&part.location, &mut self.archive) {
            (Location::Member(index), Some(archive)) => {
                Box::new(archive.by_index(*index).map_err(from_zip_error)?)
            }
            (Location::Member(_), None) => return Err(HealthError::BrokenZip),
            (Location::File(input), _) => Box::new(input.open()?),
        };
        Ok(Box::new(Bounded { reader, left: limit }))
    }
}

fn check_total(bytes: u64) -> Result<(), HealthError> {
    if bytes > TOTAL_BYTES_MAX { Err(HealthError::TooLarge) } else { Ok(()) }
}

/// Stops a stream that gives more than it may.
struct Bounded<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.left =
            self.left.checked_sub(count as u64).ok_or_else(|| io::Error::other(LimitReached))?;
        Ok(count)
    }
}

enum Kind {
    Zip,
    Records,
}

/// What a file is that begins like this.
fn kind_of(head: &[u8]) -> Result<Kind, HealthError> {
    if head.is_empty() {
        Err(HealthError::Empty)
    } else if head.starts_with(b"PK") {
        Ok(Kind::Zip)
    } else if has_records(head) {
        Ok(Kind::Records)
    } else {
        Err(HealthError::NotAnExport)
    }
}

fn read_head(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    reader.take(PROLOGUE_BYTES_MAX as u64).read_to_end(&mut head)?;
    Ok(head)
}

fn has_records(head: &[u8]) -> bool {
    memchr::memmem::find(head, RECORDS_ROOT).is_some()
}

fn from_zip_error(error: ZipError) -> HealthError {
    match error {
        ZipError::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
            HealthError::from_io(error)
        }
        ZipError::UnsupportedArchive(_)
        | ZipError::InvalidPassword
        | ZipError::CompressionMethodNotSupported(_) => HealthError::UnsupportedZip,
        _ => HealthError::BrokenZip,
    }
}

enum FileKind {
    Xml,
    Route,
    Electrocardiogram,
    Skipped(&'static str),
}

impl FileKind {
    fn of(path: &str) -> Self {
        let name = file_key(path);
        let in_folder = |folder: &str| path.split('/').any(|part| part == folder);
        if in_folder("__MACOSX") || name.starts_with("._") || name == ".ds_store" {
            Self::Skipped(SKIPPED_SYSTEM)
        } else if name.ends_with("_cda.xml") {
            Self::Skipped(SKIPPED_CDA)
        } else if name.ends_with(".xml") {
            Self::Xml
        } else if name.ends_with(".gpx") {
            Self::Route
        } else if name.ends_with(".csv") {
            Self::Electrocardiogram
        } else if name.ends_with(".json") {
            Self::Skipped(SKIPPED_CLINICAL)
        } else {
            Self::Skipped(SKIPPED_OTHER)
        }
    }
}
