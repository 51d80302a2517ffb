//! Why an export cannot be read at all.

use std::io;

/// Why an export cannot be opened or read.
///
/// Damage inside an export is not an error: it is counted in the report and reading goes on.
/// Messages name no file, no person and no health value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HealthError {
    /// The file or folder cannot be read.
    #[error("the export cannot be read: {0}")]
    Read(#[source] io::Error),
    /// The file has no bytes.
    #[error(
        "the file is empty; the export was probably interrupted, make it again in the Health app"
    )]
    Empty,
    /// The file is neither a zip, nor does it hold Apple Health records.
    #[error(
        "this is not an Apple Health export; expected export.zip, the unpacked folder, or \
         the export.xml in it"
    )]
    NotAnExport,
    /// A zip or folder without the file that holds the records.
    #[error("no Apple Health records were found inside; the export.xml is missing")]
    NoRecords,
    /// A zip that is cut off or damaged so that its list of files cannot be read.
    #[error(
        "the zip is cut off or damaged and its list of files is missing; copy it again from \
         the phone, or make the export again"
    )]
    BrokenZip,
    /// A zip with a password, or packed by a method that is not supported.
    #[error("the zip is protected by a password or packed in a way that is not supported")]
    UnsupportedZip,
    /// The file declares XML entities, which no Apple Health export does.
    #[error("the file declares XML entities, which is refused; a real export never does")]
    EntityDeclaration,
    /// JSON without FHIR resources.
    #[error("this JSON holds no FHIR resources; expected a bundle or single resources of FHIR R4")]
    NotFhir,
    /// None of the formats that can be imported.
    #[error(
        "this is nothing that can be imported; expected an Apple Health export (zip, folder or \
         XML), FHIR R4 JSON (file or folder), a CSV table with headings, or an export made by \
         this program"
    )]
    NotRecognised,
    /// A text in UTF-16.
    #[error("the file is UTF-16; save it as UTF-8 (in a spreadsheet: \"CSV UTF-8\") and try again")]
    Utf16,
    /// A table without a column that says when.
    #[error(
        "no column of the table says when; map the one that does to start, or to date and time \
         (--map \"HEADING=start\")"
    )]
    CsvNoTime,
    /// A table without a column that says what was measured.
    #[error(
        "no column of the table says what was measured; map one to value and one to metric, or \
         name the metric of a column (--map \"HEADING=BodyMass:kg\")"
    )]
    CsvNoValue,
    /// A column was mapped to something that does not exist, or that is not in the table.
    #[error(
        "the mapping \"{0}\" does not fit: write HEADING=ROLE with a heading of the table and one \
         of start, end, date, time, metric, value, unit, category, source, device, ignore, or \
         METRIC:UNIT"
    )]
    CsvMapping(String),
    /// Times without a zone.
    #[error(
        "the times in the table have no zone; say which one holds (--zone Europe/Berlin, or \
         --zone +02:00)"
    )]
    CsvZoneMissing,
    /// A zone that is not known.
    #[error("\"{0}\" is no time zone; write it as Europe/Berlin or +02:00")]
    UnknownZone(String),
    /// Dates such as 03/04/2020.
    #[error(
        "dates such as 03/04/2020 can be read in two ways; say which (--dates day-first or \
         --dates month-first)"
    )]
    CsvDateOrder,
    /// The file unpacks to more than is believable.
    #[error("the export unpacks to far more data than a real one; it is refused")]
    TooLarge,
}

/// What a bounded reader answers when a limit of [`crate::limits`] is reached.
#[derive(Debug, thiserror::Error)]
#[error("a size limit was reached")]
pub(crate) struct LimitReached;

impl HealthError {
    /// Sorts an I/O error: a limit that was reached is not a failing disk.
    pub(crate) fn from_io(error: io::Error) -> Self {
        if is_limit(&error) { Self::TooLarge } else { Self::Read(error) }
    }
}

/// Whether an I/O error says that a size limit was reached.
pub(crate) fn is_limit(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<LimitReached>())
}
