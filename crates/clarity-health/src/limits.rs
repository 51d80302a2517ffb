//! The named limits of the reader (promise: bounded memory whatever the file says).
//!
//! What is over a limit is reported as damaged or skipped; nothing is dropped in silence.

/// How far into a file `<HealthData` is looked for, and the longest prologue that is cut away.
pub const PROLOGUE_BYTES_MAX: usize = 64 * 1024;
/// Longest tag, from `<` to `>`. A longer one is damaged.
pub const TAG_BYTES_MAX: usize = 256 * 1024;
/// Longest attribute value. A longer one makes its element damaged.
pub const ATTRIBUTE_BYTES_MAX: usize = 64 * 1024;
/// Most attributes of one element.
pub const ATTRIBUTES_MAX: usize = 64;
/// Longest comment, processing instruction or CDATA section.
pub const COMMENT_BYTES_MAX: usize = 1024 * 1024;
/// Longest text between two tags that is kept; only routes carry values as text.
pub const TEXT_BYTES_MAX: usize = 1024;
/// Deepest nesting of elements; a real export needs five.
pub const DEPTH_MAX: usize = 16;
/// Most bytes of JSON that one sample may hold: the entity limit with room for field names.
pub const SAMPLE_BYTES_MAX: usize = clarity_model::limits::ENTITY_BYTES_MAX - 16 * 1024;
/// Points in one chunk of a route.
pub const ROUTE_CHUNK_POINTS: usize = 1_000;
/// Most samples in one batch.
pub const BATCH_SAMPLES_MAX: usize = 5_000;
/// Memory that one batch may hold, roughly; whichever limit is met first ends the batch.
pub const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Largest unpacked size of an export: 64 GiB.
pub const TOTAL_BYTES_MAX: u64 = 64 * 1024 * 1024 * 1024;
/// A zip member may unpack to this many times its packed size. Exports reach about 60.
pub const ZIP_RATIO_MAX: u64 = 250;
/// Unpacked bytes of a zip member before its ratio is looked at.
pub const ZIP_RATIO_GRACE_BYTES: u64 = 8 * 1024 * 1024;
/// Most files in an export.
pub const FILES_MAX: usize = 100_000;
/// Deepest folder that is searched for the files of an unpacked export.
pub const FOLDER_DEPTH_MAX: usize = 4;
/// Damaged places that are described one by one; all are counted.
pub const DAMAGES_LISTED_MAX: usize = 100;
/// Different names (types, sources) that a report counts apart; the rest is counted together.
pub const COUNTED_NAMES_MAX: usize = 1_000;
/// How many bytes are read between two progress calls, at least.
pub const PROGRESS_BYTES: u64 = 1024 * 1024;
/// Most bytes of one entry of a FHIR bundle. A longer one is damage, and ends the reading of its
/// file.
pub const FHIR_ENTRY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most bytes of one member of a FHIR resource that is looked at; what is passed over is bounded by
/// [`FHIR_ENTRY_BYTES_MAX`] alone.
pub const FHIR_KEPT_BYTES_MAX: usize = 1024 * 1024;
/// Most bytes of one row of a table. A longer one is damage, and ends the reading of its file: a
/// quote is probably not closed.
pub const CSV_ROW_BYTES_MAX: usize = 1024 * 1024;
/// Most samples of the voltage in one electrocardiogram: a minute and a half at 512 Hz is within
/// what one entity may hold.
pub const ECG_SAMPLES_MAX: usize = 30_000;
