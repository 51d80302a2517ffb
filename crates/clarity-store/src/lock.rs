//! Which of several processes drains the queue.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use crate::error::StoreError;

/// The right to send what waits in a store. At most one process holds it; the system takes it back
/// when the process ends, however it ends.
#[derive(Debug)]
pub struct DrainLock {
    /// The lock lives as long as the open file.
    _file: File,
}

impl DrainLock {
    /// Takes the right if nobody has it. The lock is on a file beside the store, whose name ends
    /// in `.lock`; the file stays there and means nothing by itself.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the file cannot be opened or this file system has no locks.
    pub fn try_acquire(store: &Path) -> Result<Option<Self>, StoreError> {
        let mut name = store.as_os_str().to_owned();
        name.push(".lock");
        let fail = |error: std::io::Error| StoreError::Io { detail: error.to_string() };
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(Path::new(&name))
            .map_err(fail)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(fail(error)),
        }
    }
}
