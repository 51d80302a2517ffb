//! FHIR R4 as JSON: bundles, single resources, and one resource a line, in a file or a folder.
//!
//! Observations become samples; every other resource is passed over and counted. Nothing is held
//! but what matters of one resource, and one batch, so memory does not grow with the file.

mod observation;
mod resource;
mod write;

use std::collections::BTreeSet;
use std::io::{BufReader, Read};
use std::path::Path;

use serde::de::DeserializeSeed;

use self::observation::Outcome;
use self::resource::{Entry, ResourceSeed, STOPPED};
pub use self::write::{FhirWriter, Measured};
use crate::counted::{Counted, Place};
use crate::error::{HealthError, is_limit};
use crate::input::{Input, ReadSeek};
use crate::limits::{COUNTED_NAMES_MAX, FHIR_ENTRY_BYTES_MAX};
use crate::meter::Meter;
use crate::output::{Output, Sink};
use crate::report::{DamagedFile, ImportId, Phase, ReadReport};
use crate::sample::{Deletion, Sample};

const BUFFER_BYTES: usize = 64 * 1024;
const SKIPPED_NOT_FHIR: &str = "JSON file without FHIR resources";
const DAMAGED_JSON: &str = "no JSON from here on; the rest of the file was not read";
const DAMAGED_END: &str = "the file ends before it should; what was before is read";
const DAMAGED_LARGE: &str =
    "a resource that is larger than allowed; the rest of the file was not read";
const DAMAGED_READ: &str = "the file cannot be read further than here";
/// What precedes text in some files: the mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// FHIR resources in one file, or in the files of a folder.
#[derive(Debug)]
pub struct FhirFile {
    /// In the order of their names.
    files: Vec<Input>,
    skipped: u64,
    import_id: ImportId,
}

impl FhirFile {
    /// Opens a file with FHIR JSON, or a folder with such files.
    ///
    /// # Errors
    /// When there is none, or it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, HealthError> {
        let metadata = std::fs::metadata(path).map_err(HealthError::Read)?;
        let candidates = if metadata.is_dir() {
            let files = crate::file::files_below(path, &["json", "ndjson"])?.into_iter();
            files.map(|(path, bytes)| Input::on_disk(&path, bytes)).collect()
        } else {
            vec![Input::on_disk(path, metadata.len())]
        };
        Self::from_inputs(candidates)
    }

    pub(crate) fn from_input(input: Input) -> Result<Self, HealthError> {
        Self::from_inputs(vec![input])
    }

    fn from_inputs(candidates: Vec<Input>) -> Result<Self, HealthError> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"clarity-health/import/fhir/1");
        let mut files = Vec::new();
        let mut skipped = 0;
        for input in candidates {
            let head = input.head()?;
            if memchr::memmem::find(&head, b"\"resourceType\"").is_some() {
                hasher.update(&input.bytes().to_le_bytes()).update(&head);
                files.push(input);
            } else {
                skipped += 1;
            }
        }
        if files.is_empty() {
            return Err(HealthError::NotFhir);
        }
        let import_id = ImportId(hasher.finalize().to_hex()[..32].to_owned());
        Ok(Self { files, skipped, import_id })
    }

    pub(crate) fn import_id(&self) -> ImportId {
        self.import_id.clone()
    }

    pub(crate) fn bytes_total(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.bytes()))
    }

    pub(crate) fn run(
        &mut self,
        sink: &mut Sink<'_>,
        meter: &mut Meter<'_>,
    ) -> Result<ReadReport, HealthError> {
        let mut output = Output::new(sink, ReadReport::new(self.import_id.clone()));
        output.report.skipped.add_some(SKIPPED_NOT_FHIR, self.skipped);
        output.report.complete = true;
        meter.begin(Phase::Records);
        let mut subjects = BTreeSet::new();
        for (input, number) in self.files.iter().zip(1..) {
            if output.cancelled() {
                break;
            }
            output.file = if self.files.len() == 1 {
                DamagedFile::Records
            } else {
                DamagedFile::File(number)
            };
            let file = input.open()?;
            let mut reading = Reading { output: &mut output, meter, subjects: &mut subjects };
            let position = reading.file(file);
            meter.finish_file(position, &mut output);
        }
        output.flush();
        output.report.subjects = subjects.len() as u64;
        output.report.complete &= !output.report.cancelled;
        output.report.bytes = meter.done_bytes;
        meter.call(0, &output);
        Ok(output.report)
    }
}

/// One file that is being read.
struct Reading<'r, 'o, 'm> {
    output: &'r mut Output<'o>,
    meter: &'r mut Meter<'m>,
    subjects: &'r mut BTreeSet<String>,
}

impl Reading<'_, '_, '_> {
    /// Reads a file to its end or to where it is damaged; says how far that is.
    fn file(&mut self, file: Box<dyn ReadSeek>) -> u64 {
        let place = Place::default();
        place.allow(FHIR_ENTRY_BYTES_MAX);
        let mut reader = Counted::new(BufReader::with_capacity(BUFFER_BYTES, file), place.clone());
        let mut first = [0; 3];
        let start = match reader.by_ref().take(3).read(&mut first) {
            Ok(3) if first == MARK => &first[..0],
            Ok(count) => &first[..count],
            Err(_) => &first[..0],
        };
        let mut json = serde_json::Deserializer::from_reader(start.chain(reader));
        loop {
            let mut begun = false;
            let mut take = |entry: Entry| {
                self.entry(entry);
                self.meter.advance(place.position(), self.output);
                !self.output.cancelled()
            };
            let seed =
                ResourceSeed { place: &place, entries: Some(&mut take), begun: Some(&mut begun) };
            match seed.deserialize(&mut json) {
                // The entries of a bundle came one by one.
                Ok(resource) if resource.text("resourceType") == Some("Bundle") => {}
                Ok(resource) => self.entry(Entry { resource, ..Entry::default() }),
                Err(error) if error.is_eof() && !begun => break,
                Err(error) => {
                    self.ended_early(&place, error);
                    break;
                }
            }
            place.allow(FHIR_ENTRY_BYTES_MAX);
            if self.output.cancelled() {
                break;
            }
        }
        place.position()
    }

    fn ended_early(&mut self, place: &Place, error: serde_json::Error) {
        if self.output.cancelled() && error.to_string().starts_with(STOPPED) {
            return;
        }
        let what = if error.is_eof() {
            DAMAGED_END
        } else if error.is_io() {
            let error = std::io::Error::from(error);
            if is_limit(&error) { DAMAGED_LARGE } else { DAMAGED_READ }
        } else {
            DAMAGED_JSON
        };
        self.output.report.complete = false;
        self.output.damage(place.position(), what);
    }

    fn entry(&mut self, entry: Entry) {
        if let Some(url) = &entry.deleted {
            match observation::deleted_id(&entry, url) {
                Some(external) => self.output.delete(Deletion::External(external)),
                None => self.output.skip("deletion of something that has no name of its own"),
            }
            return;
        }
        match entry.resource.text("resourceType") {
            Some("Observation") => {}
            Some(other) => {
                return self.output.skip(&format!("{}: not an Observation", short(other)));
            }
            None => return self.output.skip("something that is no FHIR resource"),
        }
        if let Some(subject) = observation::subject(&entry.resource)
            && self.subjects.len() < COUNTED_NAMES_MAX
            && !self.subjects.contains(subject)
        {
            self.subjects.insert(subject.to_owned());
        }
        match observation::read(&entry) {
            Outcome::Samples(samples) => {
                for sample in samples {
                    let bytes = memory_bytes(&sample);
                    self.output.put(sample, bytes);
                }
            }
            Outcome::Withdrawn(deletions) => {
                for deletion in deletions {
                    self.output.delete(deletion);
                }
            }
            Outcome::Skipped(reason) => self.output.skip(reason),
        }
    }
}

/// A name from a file, of a length that can be shown.
fn short(name: &str) -> String {
    name.chars().take(40).collect()
}

/// About how much memory the values of a sample take.
fn memory_bytes(sample: &Sample) -> usize {
    sample.fields.to_canonical_json().len() * 4
}
