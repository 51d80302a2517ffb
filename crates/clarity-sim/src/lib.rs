//! Deterministic simulation of the whole system: many devices, their disks, the faults between
//! them, all from one seed.
//!
//! - [`vfs`]: disks in memory under the real SQLite, with power loss, I/O errors and full disks at
//!   any chosen operation.
//! - [`simulation`]: whole worlds of devices, server and network, with the promises checked.
//!
//! Nothing here reads a wall clock or takes randomness from the operating system: what a run does
//! follows from its seed alone, so a failing seed repeats.

pub mod simulation;
pub mod vfs;
