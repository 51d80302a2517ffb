//! What this crate has of an operating system: a thread that writes, connections that read, timers
//! and sockets of tokio, locks and files. `browser` has the same under the same names.

mod carrier;
mod disk;
mod readers;
mod runtime;
mod worker;

use std::path::Path;

use clarity_engine::store::{Store, StoreError};

pub(crate) use carrier::{Answered, Carrier, compressed, http_client, no_answer};
pub(crate) use clarity_engine::store::DrainLock;
pub(crate) use disk::{free_bytes, remove_files};
pub(crate) use readers::Readers;
pub(crate) use runtime::{Instant, Polling, Tasks, sleep, timeout};
pub(crate) use worker::{WaitingWrite, Worker};

/// Whether somebody drains a store, this client, as `own` says, or another one. Whoever runs here
/// may itself wait for another one that has the lock.
pub(crate) fn is_drained(store: &Path, _own: bool) -> Result<bool, StoreError> {
    DrainLock::is_held(store)
}

/// Whether what a store writes is encrypted.
pub(crate) fn is_encrypted(store: &Path) -> Result<bool, StoreError> {
    Ok(Store::is_encrypted(store)? == Some(true))
}
