//! The SDK as an app uses it, with backends that live in the tests.
#![allow(clippy::unwrap_used)] // Helpers of tests fail the test that calls them.
#![allow(clippy::duplicate_mod)] // Each example brings the backend that they share.

#[path = "../../examples/shared/backend.rs"]
mod backend;
mod background;
mod batch;
mod client;
mod examples;
mod export;
mod handle;
mod inbox;
#[cfg(feature = "encryption")]
mod keys;
mod metrics;
mod reads;
mod rest;
#[path = "../../examples/shared/rest_server.rs"]
mod rest_server;
mod secrecy;
mod sources;
mod sync;
mod watch;
