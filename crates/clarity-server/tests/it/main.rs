//! The server as its callers see it.
#![allow(clippy::unwrap_used)] // Helpers of tests fail the test that calls them.

mod apply;
mod batches;
mod contributions;
mod convergence;
mod fetch;
mod files;
mod http;
mod protocol_doc;
mod pull;
mod repeats;
mod schema_steps;
mod support;
