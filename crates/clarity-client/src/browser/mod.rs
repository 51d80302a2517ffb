//! What this crate has of a browser: the store in the worker that this runs in, its timers, and the
//! page's requests. `native` has the same under the same names.
//!
//! Nothing here waits for a thread, because there is none: what is asked for is done at once.

mod carrier;
mod readers;
mod runtime;
mod worker;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use clarity_engine::store::StoreError;

pub(crate) use carrier::{Answered, Carrier, compressed};
pub use carrier::{PageAnswer, PageRequest, PageRequests};
pub(crate) use readers::Readers;
pub(crate) use runtime::{Instant, Polling, Tasks, sleep, timeout};
pub(crate) use worker::{WaitingWrite, Worker};

/// The right to send what waits in a store. The worker that has the store open has it: the files of
/// a page's store are open in one worker at a time, and which one that is, the pages agree on.
#[derive(Debug)]
pub(crate) struct DrainLock;

impl DrainLock {
    pub(crate) fn try_acquire(_store: &Path) -> Result<Option<Self>, StoreError> {
        Ok(Some(Self))
    }
}

/// Whether somebody drains a store: nobody but this client can.
pub(crate) fn is_drained(_store: &Path, own: bool) -> Result<bool, StoreError> {
    Ok(own)
}

/// Whether what a store writes is encrypted.
pub(crate) fn is_encrypted(_store: &Path) -> Result<bool, StoreError> {
    Ok(false)
}

/// What the page was last told of its room; all bits while nobody knows.
static FREE_BYTES: AtomicU64 = AtomicU64::new(u64::MAX);

/// Says how much room the browser leaves to this page, in bytes; nothing where it does not tell.
/// The engine refuses writes and gives up what can be had again before the room ends.
pub fn set_free_bytes(free_bytes: Option<u64>) {
    FREE_BYTES.store(free_bytes.unwrap_or(u64::MAX), Ordering::Relaxed);
}

pub(crate) fn free_bytes(_store: &Path) -> Option<u64> {
    Some(FREE_BYTES.load(Ordering::Relaxed)).filter(|bytes| *bytes != u64::MAX)
}

/// The files of an erased store are the page's: they hold nothing, and are made small by SQLite.
pub(crate) fn remove_files(_store: &Path) {}
