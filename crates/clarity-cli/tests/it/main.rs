//! Tests of the program `clarity`, on real processes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

mod accounts;
mod device;
mod encryption;
mod errors;
mod import;
mod inbox;
mod json;
#[cfg(feature = "keyring")]
mod keyring;
mod live;
mod processes;
mod recover;
mod schema;
mod scope;
mod service;
mod storage;
mod support;
mod tour;
