//! Which of several processes drains the queue, and whether one has the store to itself.

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
        let file =
            OpenOptions::new().create(true).truncate(false).write(true).open(lock_path(store))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error.into()),
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
            Err(error) => return Err(error.into()),
        };
        // Shared, so that two who look do not take each other for a holder.
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }
}

fn lock_path(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// Shows other processes that this one has the store open.
#[derive(Debug)]
pub(crate) struct UseLock {
    /// The lock lives as long as the open file.
    _file: File,
}

impl UseLock {
    /// Takes note that this process uses the store, together with others. `alone` is called first
    /// when no other process does. Waits while another process has the store to itself.
    pub(crate) fn shared(
        store: &Path,
        alone: impl FnOnce() -> Result<(), StoreError>,
    ) -> Result<Option<Self>, StoreError> {
        // Where the file system has no locks or cannot be written, nothing can be said.
        let Ok(file) = Self::file(store) else { return Ok(None) };
        if file.try_lock().is_ok() {
            alone()?;
        }
        Ok(file.lock_shared().is_ok().then_some(Self { _file: file }))
    }

    /// Takes the store for this process alone; nothing while another process has it open.
    pub(crate) fn alone(store: &Path) -> Result<Option<Self>, StoreError> {
        let file = Self::file(store)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    fn file(store: &Path) -> std::io::Result<File> {
        let mut name = store.as_os_str().to_owned();
        name.push(".use");
        OpenOptions::new().create(true).truncate(false).write(true).open(name)
    }
}
