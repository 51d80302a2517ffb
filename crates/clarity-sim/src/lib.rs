//! Deterministic simulation of the whole system: many devices, their disks, the faults between
//! them, all from one seed.
//!
//! - [`vfs`]: disks in memory under the real SQLite, with power loss, I/O errors and full disks at
//!   any chosen operation.
//! - [`simulation`]: whole worlds of devices, server and network, with the promises checked.
//! - [`causal`]: the causal-consistency workload, and the checker of what clients saw.
//!
//! - [`fuzz`]: the places where bytes of others are read, for a fuzzer and for its corpus.
//!
//! None of these reads a wall clock or takes randomness from the operating system: what a run does
//! follows from its seed alone, so a failing seed repeats. Two parts work with the real thing, and
//! only choose from a seed:
//!
//! - [`proxy`]: a network between processes that fails.
//! - [`chaos`]: real processes, killed and cut off.

pub mod causal;
pub mod chaos;
pub mod fuzz;
pub mod proxy;
pub mod simulation;
pub mod vfs;
