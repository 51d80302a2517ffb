//! Which of several processes drains the queue.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

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
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(lock_path(store))
            .map_err(fail)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(fail(error)),
        }
    }

    /// Whether somebody has the right at this moment. Looking takes it from nobody.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the file cannot be opened or this file system has no locks.
    pub fn is_held(store: &Path) -> Result<bool, StoreError> {
        let file = match File::open(lock_path(store)) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(fail(error)),
        };
        // Shared, so that two who look do not take each other for a holder.
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(fail(error)),
        }
    }
}

fn lock_path(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

fn fail(error: std::io::Error) -> StoreError {
    StoreError::Io { detail: error.to_string() }
}
