//! Reads health data that a person already has.
//!
//! [`AppleExport`] reads the export of Apple's Health app, of any size, in flat memory, and hands
//! over [`Sample`]s: entities with fields and an id that is the same on every device and in every
//! later export of the same phone. [`bundled_export`] is a real one to try it with, [`generate`]
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
//! # Units
#![doc = include_str!("units.md")]
//! # Identity
#![doc = include_str!("identity.md")]

mod apple;
mod bundled;
mod error;
pub mod generate;
mod identity;
pub mod limits;
mod number;
mod report;
pub mod sample;
mod time;
mod units;
mod xml;

pub use apple::AppleExport;
pub use bundled::{BundledExport, bundled_export};
pub use error::HealthError;
pub use report::{
    Counts, Damage, DamagedFile, ImportId, MetricScan, Phase, Progress, ReadReport, ScanReport,
};
pub use sample::Sample;
