//! Tests of the local store, one module for each promise or part.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

mod concurrency;
mod consistency;
mod counts;
mod encryption;
mod entities;
mod eviction;
mod files;
mod full;
mod golden;
mod inbox;
mod named;
mod paging;
mod queue;
mod raw;
mod recovery;
#[cfg(feature = "encryption")]
mod rekey;
mod rollups;
mod schema_change;
mod schema_steps;
mod secrecy;
mod sending;
mod snapshot;
mod support;
mod transactions;
mod values;
