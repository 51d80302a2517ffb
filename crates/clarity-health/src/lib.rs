//! Reads health data that a person already has.
//!
//! [`HealthFile`] opens whatever it is: an export of Apple's Health app ([`AppleExport`]), FHIR R4
//! JSON, or a table. Each is read in flat memory, whatever its size, and handed over as
//! [`Sample`]s: entities with fields and an id that is the same on every device and in every later
//! export of the same phone. [`HealthSource`] is the contract of feeds that go on, with cursors and
//! deletions. [`bundled_export`] is a real one to try it with, [`generate`]
//! makes one of any size with every defect that real ones have.
//!
//! ```
//! use std::ops::ControlFlow;
//!
//! let mut export = clarity_health::bundled_export().open()?;
//! let mut count = 0;
//! let report = export.read(
//!     &mut |batch| {
//!         count += batch.len();
//!         ControlFlow::Continue(())
//!     },
//!     &mut |_progress| {},
//! )?;
//! assert!(report.complete);
//! assert_eq!(report.emitted.total(), count as u64);
//! # Ok::<(), clarity_health::HealthError>(())
//! ```
//!
//! # What becomes of what
#![doc = include_str!("fields.md")]
//! # Tables
#![doc = include_str!("csv.md")]
//! # Units
#![doc = include_str!("units.md")]
//! # Identity
#![doc = include_str!("identity.md")]

mod apple;
mod bundled;
mod counted;
mod csv;
mod error;
mod fhir;
mod file;
pub mod generate;
mod identity;
mod input;
pub mod limits;
mod meter;
mod metrics;
mod number;
mod output;
mod report;
pub mod sample;
mod scan;
pub mod source;
mod time;
mod units;
mod xml;

pub use apple::AppleExport;
pub use bundled::{BundledExport, bundled_export};
pub use csv::{CsvFile, CsvOptions, CsvWriter, DateOrder};
pub use error::HealthError;
pub use fhir::{FhirFile, FhirWriter, Measured};
pub use file::{FileSource, HealthFile};
pub use input::{Input, ReadSeek};
pub use report::{
    Counts, Damage, DamagedFile, ImportId, MetricScan, Phase, Progress, ReadReport, ScanReport,
    import_number,
};
pub use sample::{Batch, Deletion, ExternalRef, Sample};
pub use source::HealthSource;
pub use time::instant_ms;
