//! The causal-consistency workload: clients read and write shared registers in transactions, and
//! what each of them saw is checked.
//!
//! It is the workload that is published for engines of this kind, with all that its checker asks
//! for: read-your-writes, monotonic reads, monotonic writes, writes-follow-reads, atomic reads and
//! an equal final state. A register is a field of an entity that keeps the largest number ever
//! written (`merge: max`), so whether a write is in what somebody read is a comparison of numbers,
//! and every number is written once, so what somebody read names the transaction that wrote it.
//!
//! - [`History`] is what the clients did and saw; [`check`] looks for what may not be seen.
//! - [`Simulated`] makes histories in virtual time, with the real engine, store and server;
//!   [`crate::chaos`] makes them with real processes.

mod check;
mod client;
mod history;
mod network;
mod simulated;

pub use check::{Clause, Violation, check};
pub use history::{History, Register, Snapshot, Transaction, Value};
pub use simulated::{CausalSummary, Plant, Simulated};
