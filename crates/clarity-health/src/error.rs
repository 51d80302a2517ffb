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
