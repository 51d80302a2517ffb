//! Makes Apple Health exports of any size, for tests and measurements.
//!
//! No public export has gigabytes, every released defect, and three locales. These do: 93 types of
//! records over years in a realistic mixture, workouts with statistics and routes, blood pressures,
//! daily summaries. The same [`Options`] give the same bytes; memory stays flat at any size. The
//! data is invented and belongs to nobody.

mod document;
mod kinds;
mod prologue;
mod random;
mod routes;
mod text;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use self::document::DocumentWriter;

/// The language and the units of the phone that the export comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Locale {
    /// Miles, pounds, Fahrenheit, `Cal`.
    #[default]
    EnglishUnitedStates,
    /// Kilometres, kilograms, Celsius, `kcal`; decimal commas in the times of heartbeats.
    GermanGermany,
    /// Kilometres, kilograms, Celsius, kilojoules; a file name that is not ASCII.
    ChineseChina,
}

impl Locale {
    fn name(self) -> &'static str {
        match self {
            Self::EnglishUnitedStates => "en_US",
            Self::GermanGermany => "de_DE",
            Self::ChineseChina => "zh_CN",
        }
    }

    fn offset_min(self) -> i32 {
        match self {
            Self::EnglishUnitedStates => -420,
            Self::GermanGermany => 60,
            Self::ChineseChina => 480,
        }
    }

    fn records_name(self, localised: bool) -> &'static str {
        match self {
            Self::GermanGermany if localised => "Exportieren.xml",
            Self::ChineseChina if localised => "\u{5bfc}\u{51fa}.xml",
            _ => "export.xml",
        }
    }
}

/// What stands before the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Prologue {
    /// A document type without mistakes.
    #[default]
    Version14,
    /// Version 12: an attribute list that is never closed and a stray block behind it.
    Version12Unclosed,
    /// Version 13: the last bracket is missing.
    Version13Short,
    /// Version 13: one bracket too many.
    Version13Long,
    /// Nothing but the XML declaration.
    Absent,
}

/// What is wrong with the export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Defects {
    /// The document type.
    pub prologue: Prologue,
    /// Control characters in the middle of some names.
    pub control_characters: bool,
    /// A device text with another memory address in each record.
    pub device_pointers: bool,
    /// File names in the language of the phone.
    pub localised_name: bool,
    /// The records end in the middle of a tag.
    pub truncated_tail: bool,
    /// Some records twice, and some twice with different values.
    pub duplicates: bool,
    /// One damaged record after each thousand whole ones, in four different ways by turns.
    pub damaged_records: bool,
    /// `__MACOSX/._export.xml` and `.DS_Store` in the zip.
    pub mac_files: bool,
}

/// What to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Records with different ids. Duplicates and damaged records come on top.
    pub records: u64,
    /// Workouts; even ones have statistics, odd ones the totals of older exports.
    pub workouts: u64,
    /// How many of the workouts have a route file; only in a zip.
    pub routes: u32,
    /// Points in each route.
    pub route_points: u32,
    /// Where all numbers come from.
    pub seed: u64,
    /// Language and units.
    pub locale: Locale,
    /// What is wrong.
    pub defects: Defects,
}

impl Default for Options {
    /// A small export without defects.
    fn default() -> Self {
        Self {
            records: 10_000,
            workouts: 20,
            routes: 2,
            route_points: 1_500,
            seed: 1,
            locale: Locale::default(),
            defects: Defects::default(),
        }
    }
}

/// What was made, to compare an import with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Generated {
    /// Records with different ids.
    pub records: u64,
    /// Records that are there a second time with equal content.
    pub duplicates: u64,
    /// Records that are there a second time with another value.
    pub siblings: u64,
    /// Records that cannot be read.
    pub damaged: u64,
    /// Correlations.
    pub correlations: u64,
    /// Workouts.
    pub workouts: u64,
    /// Daily summaries.
    pub summaries: u64,
    /// Elements of kinds that are not supported, the personal characteristics among them.
    pub unsupported: u64,
    /// Route files.
    pub routes: u32,
    /// Points in all route files.
    pub route_points: u64,
    /// Bytes of the records, unpacked.
    pub bytes: u64,
}

/// Writes the records (`export.xml`) of an export.
///
/// # Errors
/// When `out` cannot be written to.
pub fn write_xml(options: &Options, out: &mut impl Write) -> io::Result<Generated> {
    DocumentWriter::new(options, out).write()
}

/// Writes a whole `export.zip`: records, route files, and files that a reader has to ignore. An
/// existing file is replaced; after a crash the file is incomplete.
///
/// # Errors
/// When the file cannot be written.
pub fn write_zip(options: &Options, path: &Path) -> io::Result<Generated> {
    let mut zip = ZipWriter::new(BufWriter::new(File::create(path)?));
    let file_options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(1))
        .large_file(true);
    let folder = "apple_health_export";
    let name = options.locale.records_name(options.defects.localised_name);
    zip.start_file(format!("{folder}/{name}"), file_options)?;
    let mut generated = write_xml(options, &mut zip)?;
    let stem = name.trim_end_matches(".xml");
    zip.start_file(format!("{folder}/{stem}_cda.xml"), file_options)?;
    zip.write_all(b"<?xml version=\"1.0\"?><ClinicalDocument/>")?;
    for number in 0..options.routes {
        zip.start_file(format!("{folder}{}", routes::path(options, number)), file_options)?;
        generated.route_points += routes::write(options, number, &mut zip)?;
        generated.routes += 1;
    }
    if options.defects.mac_files {
        zip.start_file(format!("{folder}/.DS_Store"), file_options)?;
        zip.write_all(b"\0\0\0\x01Bud1")?;
        zip.start_file(format!("__MACOSX/{folder}/._{name}"), file_options)?;
        zip.write_all(b"\0\x05\x16\x07<HealthData locale=\"none\"/>")?;
    }
    zip.finish()?.flush()?;
    Ok(generated)
}
