//! A disk in memory: the files of one simulated machine.

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rusqlite::{Connection, OpenFlags};

use super::MemoryVfs;
use super::fault::{Fault, FaultMet, FaultPlan, OperationKind, Verdict};
use super::files::FileTable;
use super::image::FileImage;
use super::survival::{CrashMode, CrashReport};

/// A disk of one simulated machine, with files that SQLite opens through a [`MemoryVfs`].
///
/// Cheap to clone; clones are the same disk. When the last clone is dropped and the last connection
/// closed, the disk is gone.
///
/// The disk keeps two views: what the operating system sees, and what of it is durable. A sync
/// of a file makes its bytes durable, and all creations and removals of files before it, as on
/// file systems that journal their directories. [`Disk::crash`] throws away what is not durable,
/// as a seeded choice; [`Disk::kill`] throws away nothing.
///
/// Handles and paths belong to one start of the machine. After a crash or a kill, connections that
/// are still open get I/O errors and cannot touch the files, and [`Disk::path`] gives new paths.
#[derive(Clone)]
pub struct Disk {
    shared: Arc<DiskShared>,
}

/// The part of a disk that its handles and open files share.
pub(super) struct DiskShared {
    vfs: MemoryVfs,
    id: u64,
    state: Mutex<DiskState>,
}

/// All that changes on a disk.
pub(super) struct DiskState {
    pub(super) files: FileTable,
    /// Source of the random numbers in journals.
    pub(super) nonces: ChaCha8Rng,
    faults: FaultPlan,
    /// Counts the starts of the machine.
    generation: u64,
    is_running: bool,
    ignores_syncs: bool,
    last_handle: u64,
}

/// The files of a disk at one moment. Cheap to clone and to make a [`Disk`] of: bytes are shared
/// until written.
#[derive(Clone, Default)]
pub struct DiskImage {
    files: BTreeMap<String, FileImage>,
}

impl Disk {
    /// Makes an empty disk. `seed` decides the random numbers in journals; equal seeds and equal
    /// use give equal bytes, whatever else the process does.
    pub fn new(vfs: &MemoryVfs, seed: u64) -> Self {
        Self::from_image(vfs, &DiskImage::default(), seed)
    }

    /// Makes a disk that holds the files of `image`, all of them durable. Its operations count
    /// from 0.
    pub fn from_image(vfs: &MemoryVfs, image: &DiskImage, seed: u64) -> Self {
        let state = DiskState {
            files: FileTable::from_images(&image.files),
            nonces: ChaCha8Rng::seed_from_u64(seed),
            faults: FaultPlan::default(),
            generation: 0,
            is_running: true,
            ignores_syncs: false,
            last_handle: 0,
        };
        let shared = vfs.attach(|id| DiskShared { vfs: vfs.clone(), id, state: Mutex::new(state) });
        Self { shared }
    }

    /// The VFS that serves this disk; its name is to be given to SQLite when a file is opened.
    pub fn vfs(&self) -> &MemoryVfs {
        &self.shared.vfs
    }

    pub(super) fn into_shared(self) -> Arc<DiskShared> {
        self.shared
    }

    /// The path of file `name` for the present start of the machine. Names may contain `/`. Paths
    /// from before the last crash or kill cannot be opened: a connection that died with the
    /// machine must not delete or create files of the restarted one.
    pub fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/{}/{}/{name}", self.shared.id, self.shared.lock().generation))
    }

    /// Opens or creates a database on this disk, with the default flags of
    /// [`rusqlite::Connection::open`].
    ///
    /// For WAL, run `PRAGMA locking_mode = EXCLUSIVE` before anything that reads the file: there
    /// is no shared memory, so a WAL database cannot be opened without it.
    ///
    /// # Errors
    /// What SQLite reports, `SQLITE_CANTOPEN` if the machine is stopped.
    pub fn open(&self, name: &str) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::default();
        Connection::open_with_flags_and_vfs(self.path(name), flags, self.shared.vfs.name())
    }

    /// The files as the operating system sees them now, unsynced writes included.
    pub fn clone_image(&self) -> DiskImage {
        DiskImage { files: self.shared.lock().files.images() }
    }

    /// The files as the worst power loss would leave them now.
    pub fn durable_image(&self) -> DiskImage {
        DiskImage { files: self.shared.lock().files.durable_images() }
    }

    /// The files as a power loss would leave them now, as [`Disk::crash`] does, and what became of
    /// the unsynced changes. The disk itself stays as it is.
    pub fn image_after(&self, mode: CrashMode, random: &mut dyn Rng) -> (DiskImage, CrashReport) {
        let mut files = self.shared.lock().files.clone();
        let report = files.lose_power(mode, random);
        (DiskImage { files: files.images() }, report)
    }

    /// The power fails and comes back: of each unsynced change, `mode` and `random` choose what
    /// survives. All handles and paths die. Faults that were scheduled, or that last until
    /// [`Disk::heal`], stay.
    pub fn crash(&self, mode: CrashMode, random: &mut dyn Rng) -> CrashReport {
        let mut state = self.shared.lock();
        let report = state.files.lose_power(mode, random);
        state.restart();
        report
    }

    /// The process dies and is started again; the operating system lives on. All that was written
    /// stays, still not durable where no sync covered it. All handles and paths die.
    pub fn kill(&self) {
        let mut state = self.shared.lock();
        state.files.kill();
        state.restart();
    }

    /// Plans `fault` for operation number `operation`, counting from 0 since the disk was made:
    /// [`Disk::operations`] is the number of the next one. Replaces what was planned for it.
    pub fn fail_at(&self, operation: u64, fault: Fault) {
        self.shared.lock().faults.schedule(operation, fault);
    }

    /// Ends all lasting faults and takes back the planned ones. A machine stopped by
    /// [`Fault::Crash`] stays stopped.
    pub fn heal(&self) {
        self.shared.lock().faults.heal();
    }

    /// How many operations there were since the disk was made. Operations on dead handles are not
    /// counted.
    pub fn operations(&self) -> u64 {
        self.shared.lock().faults.operations()
    }

    /// How many operations of one kind there were since the disk was made.
    pub fn operations_of(&self, kind: OperationKind) -> u64 {
        self.shared.lock().faults.operations_of(kind)
    }

    /// The faults met since the disk was made, in order.
    pub fn faults_met(&self) -> Vec<FaultMet> {
        self.shared.lock().faults.met().to_vec()
    }

    /// False between [`Fault::Crash`] and the crash or kill that follows it.
    pub fn is_running(&self) -> bool {
        self.shared.lock().is_running
    }

    /// Makes syncs answer success and do nothing, as a lying device does, or honest again.
    pub fn set_ignores_syncs(&self, ignores: bool) {
        self.shared.lock().ignores_syncs = ignores;
    }

    /// Number of open handles, temporary files included: 0 when all connections are closed.
    pub fn open_handles(&self) -> u64 {
        self.shared.lock().files.open_handles()
    }

    /// The names of all files, sorted.
    pub fn file_names(&self) -> Vec<String> {
        self.shared.lock().files.names().cloned().collect()
    }

    /// The bytes of a file as the operating system sees them.
    pub fn file(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.shared.lock();
        let id = state.files.find(name)?;
        state.files.get(id).map(|inode| inode.current().to_bytes())
    }

    /// Sets the bytes of a file, durable at once; to restore a backup, or to damage one. Handles
    /// that are open keep the file they had.
    pub fn put_file(&self, name: &str, bytes: &[u8]) {
        self.shared.lock().files.put(name, FileImage::from_bytes(bytes));
    }

    /// Moves a file, durable at once, replacing what was at `to`; false if there is no such file.
    /// Handles keep the file that they had.
    pub fn rename_file(&self, from: &str, to: &str) -> bool {
        self.shared.lock().files.rename(from, to)
    }

    /// Removes a file, durable at once; false if there was none. Handles keep the file.
    pub fn remove_file(&self, name: &str) -> bool {
        self.shared.lock().files.remove(name, true)
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        formatter
            .debug_struct("Disk")
            .field("id", &self.shared.id)
            .field("generation", &state.generation)
            .field("is_running", &state.is_running)
            .field("operations", &state.faults.operations())
            .finish_non_exhaustive()
    }
}

impl DiskShared {
    pub(super) fn lock(&self) -> MutexGuard<'_, DiskState> {
        // No code under the lock leaves the state half-changed when it panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for DiskShared {
    fn drop(&mut self) {
        self.vfs.detach(self.id);
    }
}

impl DiskState {
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether handles and paths of `generation` work.
    pub(super) fn is_alive(&self, generation: u64) -> bool {
        self.is_running && self.generation == generation
    }

    pub(super) fn syncs_ignored(&self) -> bool {
        self.ignores_syncs
    }

    pub(super) fn is_full(&self) -> bool {
        self.faults.is_full()
    }

    pub(super) fn next_handle(&mut self) -> u64 {
        self.last_handle += 1;
        self.last_handle
    }

    /// Counts an operation; an error if it must not happen at all.
    pub(super) fn begin(&mut self, generation: u64, kind: OperationKind) -> Result<Verdict, c_int> {
        if !self.is_alive(generation) {
            return Err(kind.error_code());
        }
        match self.faults.next(kind) {
            Verdict::Refuse => Err(kind.error_code()),
            verdict => Ok(verdict),
        }
    }

    /// Ends an operation; an error if the machine stopped during it.
    pub(super) fn finish(&mut self, verdict: Verdict, kind: OperationKind) -> Result<(), c_int> {
        if verdict == Verdict::Stop {
            self.is_running = false;
            return Err(kind.error_code());
        }
        Ok(())
    }

    fn restart(&mut self) {
        self.generation += 1;
        self.is_running = true;
    }
}

impl DiskImage {
    /// The names of all files, sorted.
    pub fn file_names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The bytes of a file.
    pub fn file(&self, name: &str) -> Option<Vec<u8>> {
        self.files.get(name).map(FileImage::to_bytes)
    }

    /// Bytes in all files together.
    pub fn size_bytes(&self) -> u64 {
        self.files.values().map(|image| image.length() as u64).sum()
    }

    /// The BLAKE3 hash of all names and bytes: equal images, and only those, have equal hashes.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for (name, image) in &self.files {
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
            image.hash_into(&mut hasher);
        }
        *hasher.finalize().as_bytes()
    }
}

impl fmt::Debug for DiskImage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes = self.files.iter().map(|(name, image)| (name, image.length()));
        formatter.debug_map().entries(sizes).finish()
    }
}
