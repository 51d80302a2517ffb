//! The engine over a real store, with a scripted network: each test hands the answers in itself.
//!
//! Every step of every test also checks promise L3 and that no timer is asked for in the past; see
//! `support::Bench`.

#![allow(clippy::unwrap_used)] // Helpers of tests fail the test that calls them.

mod ageing;
mod answers;
mod background;
mod backoff;
mod causal;
mod coalescing;
mod conflicts;
mod contributions;
mod explain;
mod fetching;
mod freezing;
mod given_ids;
mod given_ids_laws;
mod given_up;
mod identity;
mod inbox;
mod lanes;
mod liveness;
mod network;
mod once;
mod poison;
mod previews;
mod progress;
mod pulling;
mod reverts;
mod schema_steps;
mod scopes;
mod settling;
mod stale;
mod storage;
mod support;
mod tokens;
mod undo;
