//! What a scan or an import found, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::limits::{COUNTED_NAMES_MAX, DAMAGES_LISTED_MAX};

/// The name of an export: equal for the same export read again, resumed, or read from the folder
/// instead of the zip. Sixteen bytes as hexadecimal digits.
///
/// It is a hash over the start of the records, which has the moment of the export in it, and their
/// length.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ImportId(pub(crate) String);

impl ImportId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The number of an import with this name, from its first 60 bits: enough to tell one export from
/// another.
#[must_use]
pub fn import_number(name: &str) -> i64 {
    i64::from_str_radix(name.get(..15).unwrap_or_default(), 16).unwrap_or_default()
}

impl fmt::Display for ImportId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Which part of the work is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// Counting, before anything is imported.
    Scanning,
    /// Reading records, workouts and summaries.
    Records,
    /// Reading the routes of workouts.
    Routes,
    /// Reading electrocardiograms.
    Electrocardiograms,
}

impl Phase {
    /// The phase in words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scanning => "Looking through the export",
            Self::Records => "Reading records",
            Self::Routes => "Reading workout routes",
            Self::Electrocardiograms => "Reading electrocardiograms",
        }
    }
}

/// How far a scan or an import is. Numbers never go back within one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Unpacked bytes that were read.
    pub bytes_read: u64,
    /// Unpacked bytes in all, as the zip or the folder states them.
    pub bytes_total: u64,
    /// Samples handed over.
    pub samples: u64,
    /// Things that were left out on purpose.
    pub skipped: u64,
    /// Damaged places.
    pub damaged: u64,
}

/// Where in an export something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DamagedFile {
    /// The file with the records.
    Records,
    /// A route file, by its number in the order of their names. Names tell when somebody was out,
    /// and are not repeated here.
    Route(u32),
    /// An electrocardiogram, by its number in the order of their names.
    Electrocardiogram(u32),
    /// A file of a folder, by its number in the order of their names.
    File(u32),
}

impl fmt::Display for DamagedFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Records => formatter.write_str("the records"),
            Self::Route(number) => write!(formatter, "route file {number}"),
            Self::Electrocardiogram(number) => write!(formatter, "electrocardiogram {number}"),
            Self::File(number) => write!(formatter, "file {number}"),
        }
    }
}

/// One place that could not be read. It holds no value of the export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// The file.
    pub file: DamagedFile,
    /// Bytes from the start of the unpacked file.
    pub byte_offset: u64,
    /// What is wrong there, in words.
    pub what: &'static str,
}

/// Counts under names that come from a file: bounded, whatever the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Counts(BTreeMap<String, u64>);

impl Counts {
    /// Name under which everything beyond the limit is counted.
    pub const OTHER: &'static str = "(other)";

    pub(crate) fn add(&mut self, name: &str, count: u64) {
        if let Some(existing) = self.0.get_mut(name) {
            *existing += count;
        } else if self.0.len() < COUNTED_NAMES_MAX {
            self.0.insert(name.to_owned(), count);
        } else {
            *self.0.entry(Self::OTHER.to_owned()).or_default() += count;
        }
    }

    /// As [`Counts::add`], and nothing for none.
    pub(crate) fn add_some(&mut self, name: &str, count: u64) {
        if count > 0 {
            self.add(name, count);
        }
    }

    /// How many things were counted under a name.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// The sum of all counts.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Names and counts in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, count)| (name.as_str(), *count))
    }
}

/// What was read from an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReadReport {
    /// Which export.
    pub import_id: ImportId,
    /// When the export was made, in Unix milliseconds.
    pub export_date_ms: Option<i64>,
    /// The locale of the phone, such as `en_ZA`.
    pub locale: Option<String>,
    /// Unpacked bytes that were read.
    pub bytes: u64,
    /// Samples handed over, by entity type.
    pub emitted: Counts,
    /// Records handed over, by metric.
    pub records_by_type: Counts,
    /// Points in the route chunks that were handed over.
    pub route_points: u64,
    /// Things that the source withdrew: entered in error, or deleted.
    pub withdrawn: u64,
    /// People that the data is about, as far as it says; more than one is a reason to ask.
    pub subjects: u64,
    /// What was left out on purpose, by reason.
    pub skipped: Counts,
    /// What was mended on the way, by kind.
    pub repaired: Counts,
    /// The first damaged places.
    pub damaged: Vec<Damage>,
    /// How many places were damaged.
    pub damaged_total: u64,
    /// Whether the records were read to their proper end.
    pub complete: bool,
    /// Whether the receiver stopped the reading.
    pub cancelled: bool,
}

impl ReadReport {
    pub(crate) fn new(import_id: ImportId) -> Self {
        Self {
            import_id,
            export_date_ms: None,
            locale: None,
            bytes: 0,
            emitted: Counts::default(),
            records_by_type: Counts::default(),
            route_points: 0,
            withdrawn: 0,
            subjects: 0,
            skipped: Counts::default(),
            repaired: Counts::default(),
            damaged: Vec::new(),
            damaged_total: 0,
            complete: false,
            cancelled: false,
        }
    }

    pub(crate) fn damage(&mut self, damage: Damage) {
        self.damaged_total += 1;
        if self.damaged.len() < DAMAGES_LISTED_MAX {
            self.damaged.push(damage);
        }
    }
}

impl fmt::Display for ReadReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match (self.cancelled, self.complete) {
            (true, _) => "Stopped on request. What was read until then is kept.",
            (false, true) => "Read to the end.",
            (false, false) => "The export ends early. Everything before the end was read.",
        };
        writeln!(formatter, "{words}")?;
        writeln!(formatter, "{} samples from {} bytes", self.emitted.total(), self.bytes)?;
        for (name, count) in self.emitted.iter() {
            writeln!(formatter, "  {count:>10}  {name}")?;
        }
        if self.withdrawn > 0 {
            writeln!(formatter, "Withdrawn by the source: {}", self.withdrawn)?;
        }
        if self.subjects > 1 {
            writeln!(
                formatter,
                "The data is about {} different people; import only your own.",
                self.subjects
            )?;
        }
        write_section(formatter, "Left out", &self.skipped)?;
        write_section(formatter, "Mended", &self.repaired)?;
        write_damage(formatter, &self.damaged, self.damaged_total)
    }
}

fn write_section(formatter: &mut fmt::Formatter<'_>, title: &str, counts: &Counts) -> fmt::Result {
    if counts.total() > 0 {
        writeln!(formatter, "{title}: {}", counts.total())?;
        for (reason, count) in counts.iter() {
            writeln!(formatter, "  {count:>10}  {reason}")?;
        }
    }
    Ok(())
}

fn write_damage(formatter: &mut fmt::Formatter<'_>, listed: &[Damage], total: u64) -> fmt::Result {
    if total > 0 {
        writeln!(formatter, "Damaged: {total}")?;
        for damage in listed {
            let Damage { file, byte_offset, what } = damage;
            writeln!(formatter, "  in {file} at byte {byte_offset}: {what}")?;
        }
        if total > listed.len() as u64 {
            writeln!(formatter, "  and {} more", total - listed.len() as u64)?;
        }
    }
    Ok(())
}

/// What a scan found of one metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MetricScan {
    /// How many records.
    pub count: u64,
    /// Start of the earliest record, in Unix milliseconds.
    pub first_ms: i64,
    /// Start of the latest record, in Unix milliseconds.
    pub last_ms: i64,
}

/// What is in an export, before anything is imported.
///
/// Source names often contain a person's name: show them to that person, never log them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScanReport {
    /// Counts, damage and what will be left out, as [`ReadReport`] will have them.
    pub read: ReadReport,
    /// What there is of each metric; metrics beyond the limit of names are only in `read`.
    pub metrics: BTreeMap<String, MetricScan>,
    /// Samples by the name of the app or device that recorded them.
    pub sources: Counts,
}

impl fmt::Display for ScanReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "{} metrics from {} sources",
            self.metrics.len(),
            self.sources.0.len()
        )?;
        for (metric, scan) in &self.metrics {
            writeln!(formatter, "  {:>10}  {metric}", scan.count)?;
        }
        fmt::Display::fmt(&self.read, formatter)
    }
}
