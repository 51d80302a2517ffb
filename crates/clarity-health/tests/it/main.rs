//! The reader from outside: real exports, every known defect, and properties.

#![allow(clippy::unwrap_used, reason = "in a test, a failed unwrap is a failed test")]

mod csv_tables;
mod fhir;
mod generated;
mod hostile;
mod packages;
mod properties;
mod real_files;
mod shapes;
mod support;
mod traps;
