//! How a store is opened.

use std::path::PathBuf;
use std::time::Duration;

use clarity_model::{Incarnation, LocalTime};

use crate::key::StoreKey;

/// How SQLite keeps a transaction whole. Either way it runs with `synchronous=FULL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Journal {
    /// A write-ahead log: readers and one writer at the same time. For files on a device.
    #[default]
    Wal,
    /// A rollback journal that is truncated. For a VFS without shared memory, as in a browser.
    Truncate,
}

impl Journal {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Wal => "wal",
            Self::Truncate => "truncate",
        }
    }
}

/// Where a store is and how to open it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenOptions {
    /// The file, or its name within the VFS.
    pub path: PathBuf,
    /// The name of a registered SQLite VFS; the platform's own when absent.
    pub vfs: Option<String>,
    /// The journal.
    pub journal: Journal,
    /// Whether this connection keeps the file to itself. A VFS without shared memory needs this
    /// to use a write-ahead log.
    pub exclusive: bool,
    /// How long to wait for another process, in milliseconds.
    pub busy_timeout_ms: u32,
    /// The key of an encrypted store; a new store that is opened with one is encrypted. It takes
    /// the feature `encryption`. See [`Store::set_key`](crate::Store::set_key) for another key.
    pub key: Option<StoreKey>,
}

impl OpenOptions {
    /// A file on a device: write-ahead log, shared, and ten seconds of patience.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            vfs: None,
            journal: Journal::Wal,
            exclusive: false,
            busy_timeout_ms: 10_000,
            key: None,
        }
    }

    pub(crate) fn busy_timeout(&self) -> Duration {
        Duration::from_millis(u64::from(self.busy_timeout_ms))
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl OpenOptions {
    /// Whether there is a store at the path: also one that a recovery which was interrupted has yet
    /// to put there, as opening it does.
    #[must_use]
    pub fn store_exists(&self) -> bool {
        crate::recovery::is_there(&self.path)
    }

    /// Whether the store is a file of its own on the platform's file system.
    pub(crate) fn is_file(&self) -> bool {
        let name = self.path.to_string_lossy();
        self.vfs.is_none() && !name.starts_with(':') && !name.starts_with("file:")
    }
}

/// What a new store is born with; an existing store ignores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Birth {
    /// The life that begins: fresh random bits.
    pub incarnation: Incarnation,
    /// The time by this device's clock.
    pub now: LocalTime,
}
