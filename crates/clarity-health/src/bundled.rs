//! A real export to try everything with.
//!
//! It is part of the program, so that a tour needs no files. It was published in 2020 by its
//! owner, anonymised, in the project `ipyhealth` under the MIT licence: a week of records, sixteen
//! workouts, eight days of rings, and one long walk.

use std::io;
use std::path::Path;

use crate::apple::AppleExport;
use crate::error::HealthError;

const ZIP: &[u8] = include_bytes!("../data/ipyhealth/export.zip");
const LICENCE: &str = include_str!("../data/ipyhealth/LICENSE");

/// An export that is part of the program.
#[derive(Debug, Clone, Copy)]
pub struct BundledExport {
    /// What it is, for people.
    pub name: &'static str,
    /// The licence it was published under; show it where the export is shown.
    pub licence: &'static str,
    /// The export as the Health app would share it: `export.zip`.
    pub zip: &'static [u8],
}

/// The bundled export.
#[must_use]
pub fn bundled_export() -> BundledExport {
    BundledExport {
        name: "a week in 2020, anonymised (ipyhealth, MIT licence)",
        licence: LICENCE,
        zip: ZIP,
    }
}

impl BundledExport {
    /// Opens the export in memory.
    ///
    /// # Errors
    /// As [`AppleExport::from_zip_bytes`].
    pub fn open(&self) -> Result<AppleExport, HealthError> {
        AppleExport::from_zip_bytes(self.zip)
    }

    /// Writes the export to a file, to try what a person would do with their own. An existing file
    /// is replaced; after a crash the file may be incomplete.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_to(&self, path: &Path) -> io::Result<()> {
        std::fs::write(path, self.zip)
    }
}
