//! Disks in memory under the real SQLite, with every failure that a disk can have.
//!
//! A [`MemoryVfs`] is an SQLite VFS, registered once; any number of [`Disk`]s hang on it and come
//! and go, each with its own files, locks, faults and seed. The path of a file names its disk, see
//! [`Disk::path`].
//!
//! ```
//! use clarity_sim::vfs::{Disk, MemoryVfs};
//!
//! let vfs = MemoryVfs::register("example", 7)?;
//! let template = Disk::new(&vfs, 1);
//! let connection = template.open("store.db")?;
//! connection.execute_batch("CREATE TABLE reading(id INTEGER PRIMARY KEY, value REAL)")?;
//! drop(connection);
//!
//! // A fresh store costs microseconds: it shares the template's bytes until it writes.
//! let disk = Disk::from_image(&vfs, &template.clone_image(), 2);
//! let connection = disk.open("store.db")?;
//! connection.execute_batch(
//!     "PRAGMA locking_mode = EXCLUSIVE;
//!      PRAGMA journal_mode = WAL;
//!      PRAGMA synchronous = FULL;
//!      INSERT INTO reading VALUES (1, 61.5)",
//! )?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is promised
//!
//! - Equal seeds and equal use give equal bytes, on any number of threads: time stands still
//!   unless set or slept, and the random numbers that SQLite puts into journals are replaced by
//!   those of the disk's seed. Two sources stay outside: the SQL functions `random()` and
//!   `randomblob()`, and the names of super-journals (transactions over several attached files).
//!   SQLite draws both from one generator for the whole process.
//! - A power loss ([`Disk::crash`]) never touches synced bytes, and changes no byte outside a
//!   write that it tears; SQLite calls that *powersafe overwrite* and assumes it on Unix by
//!   default, so the number of writes and syncs is the same here as there.
//! - Every open, read, write, sync, truncation and deletion is counted and can fail
//!   ([`Disk::fail_at`]); so a loop over all of them visits every state that a crash can find.
//!
//! # Limits
//!
//! There is no shared memory: WAL needs `PRAGMA locking_mode = EXCLUSIVE`, and a second connection
//! to the same file gets `SQLITE_BUSY`. Rollback journals work with several connections.
//!
//! SQLite's temporary files have no name and so no disk that SQLite could tell: they meet no faults
//! and are not counted. Questions (whether a file exists, how long it is) and locks are not counted
//! either. A failed write or truncation changes nothing; a torn one takes a crash.

mod disk;
mod fault;
mod files;
mod handle;
mod image;
mod inode;
mod nonce;
mod shim;
mod survival;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use disk::DiskShared;
pub use disk::{Disk, DiskImage};
pub use fault::{Fault, FaultMet, OperationKind};
pub use survival::{CrashMode, CrashReport, SECTOR_BYTES};

/// The time that a new VFS shows, in milliseconds since 1970: the start of 2020, UTC.
pub const START_UNIX_MS: i64 = 1_577_836_800_000;

/// Why a VFS could not be registered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VfsError {
    /// The name is empty or contains a zero byte.
    #[error("a VFS name must not be empty nor contain a zero byte")]
    InvalidName,
    /// SQLite knows a VFS of that name.
    #[error("SQLite already has a VFS named {name:?}; register each name once in a process")]
    NameTaken {
        /// The name that was asked for.
        name: String,
    },
    /// SQLite refused.
    #[error("SQLite refused to register the VFS, result code {code}")]
    Refused {
        /// SQLite's result code.
        code: i32,
    },
}

/// An SQLite VFS whose files are in memory. Cheap to clone; clones are the same VFS.
///
/// It holds what SQLite asks a VFS and not a file: time and randomness. Simulations that run at
/// once on several threads each need their own, or they would see each other's time. A
/// registration lasts until the process ends (about one kilobyte), so register once per thread and
/// hang new disks on it.
#[derive(Clone)]
pub struct MemoryVfs {
    inner: Arc<VfsInner>,
}

/// What the handles of a VFS and SQLite's callbacks share.
struct VfsInner {
    name: String,
    time_unix_us: AtomicI64,
    random: Mutex<ChaCha8Rng>,
    disks: Mutex<Disks>,
}

#[derive(Default)]
struct Disks {
    last_id: u64,
    by_id: BTreeMap<u64, Weak<DiskShared>>,
}

impl MemoryVfs {
    /// Registers a VFS with SQLite, not as the default one. `seed` decides what it answers when
    /// asked for randomness.
    ///
    /// # Errors
    /// [`VfsError::InvalidName`], [`VfsError::NameTaken`], or [`VfsError::Refused`] when SQLite has
    /// no memory.
    pub fn register(name: &str, seed: u64) -> Result<Self, VfsError> {
        let vfs = Self {
            inner: Arc::new(VfsInner {
                name: name.to_owned(),
                time_unix_us: AtomicI64::new(START_UNIX_MS * 1000),
                random: Mutex::new(ChaCha8Rng::seed_from_u64(seed)),
                disks: Mutex::default(),
            }),
        };
        shim::register(&vfs)?;
        Ok(vfs)
    }

    /// The name to give to SQLite when a file is opened.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The virtual time that SQLite sees, in milliseconds since 1970.
    pub fn time_unix_ms(&self) -> i64 {
        self.inner.time_unix_us.load(Ordering::SeqCst).div_euclid(1000)
    }

    /// Sets the virtual time. It moves by itself only when SQLite sleeps, which takes no real time:
    /// a busy timeout runs out at once.
    pub fn set_time_unix_ms(&self, time_unix_ms: i64) {
        self.inner.time_unix_us.store(time_unix_ms.saturating_mul(1000), Ordering::SeqCst);
    }

    fn sleep(&self, duration_us: i64) {
        self.inner.time_unix_us.fetch_add(duration_us, Ordering::SeqCst);
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        use rand_chacha::rand_core::Rng;
        self.inner.random.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
    }

    fn attach(&self, make: impl FnOnce(u64) -> DiskShared) -> Arc<DiskShared> {
        let mut disks = self.inner.disks.lock().unwrap_or_else(PoisonError::into_inner);
        disks.last_id += 1;
        let id = disks.last_id;
        let shared = Arc::new(make(id));
        disks.by_id.insert(id, Arc::downgrade(&shared));
        shared
    }

    fn detach(&self, id: u64) {
        self.inner.disks.lock().unwrap_or_else(PoisonError::into_inner).by_id.remove(&id);
    }

    fn disk(&self, id: u64) -> Option<Arc<DiskShared>> {
        let disks = self.inner.disks.lock().unwrap_or_else(PoisonError::into_inner);
        disks.by_id.get(&id).and_then(Weak::upgrade)
    }
}

impl fmt::Debug for MemoryVfs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MemoryVfs")
            .field("name", &self.inner.name)
            .field("time_unix_ms", &self.time_unix_ms())
            .finish_non_exhaustive()
    }
}
