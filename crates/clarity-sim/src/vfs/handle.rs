//! What SQLite does with one open file, and with paths, in safe code.
//!
//! Results are SQLite result codes: `Ok` stands for `SQLITE_OK`.

use std::ffi::c_int;
use std::sync::Arc;

use rusqlite::ffi;

use super::disk::{DiskShared, DiskState};
use super::fault::{OperationKind, Verdict};
use super::files::InodeId;
use super::inode::{Inode, LockLevel};
use super::nonce::NonceMap;

/// How a file is to be opened.
#[derive(Clone, Copy)]
pub(super) struct OpenMode {
    pub(super) flags: c_int,
}

impl OpenMode {
    fn has(self, flag: c_int) -> bool {
        self.flags & flag != 0
    }

    fn nonces(self) -> NonceMap {
        if self.has(ffi::SQLITE_OPEN_WAL) {
            NonceMap::Log(None)
        } else if self.has(ffi::SQLITE_OPEN_MAIN_JOURNAL) {
            NonceMap::Journal(Vec::new())
        } else {
            NonceMap::Plain
        }
    }
}

/// One open file of SQLite's.
pub(super) struct OpenFile {
    shared: Arc<DiskShared>,
    generation: u64,
    inode: InodeId,
    /// Tells this handle from others of the same file.
    id: u64,
    held: LockLevel,
    is_read_only: bool,
    /// The name to remove on close.
    removes: Option<String>,
    nonces: NonceMap,
}

/// Opens `name` on the disk, or a file without a name. `generation`: which start of the machine
/// the path was made for; none for a file without a name.
pub(super) fn open(
    shared: Arc<DiskShared>,
    generation: Option<u64>,
    name: Option<&str>,
    mode: OpenMode,
) -> Result<OpenFile, c_int> {
    let mut state = shared.lock();
    let generation = generation.unwrap_or(state.generation());
    let verdict = state.begin(generation, OperationKind::Open)?;
    let found = name.and_then(|name| state.files.find(name));
    let may_create = mode.has(ffi::SQLITE_OPEN_CREATE);
    let must_create = may_create && mode.has(ffi::SQLITE_OPEN_EXCLUSIVE);
    let inode = match (name, found) {
        (None, _) => state.files.create_temporary(),
        (Some(_), Some(id)) if !must_create => id,
        (Some(name), None) if may_create => state.files.create(name),
        (Some(_), _) => return Err(ffi::SQLITE_CANTOPEN),
    };
    let id = state.next_handle();
    state.finish(verdict, OperationKind::Open)?;
    if let Some(inode) = state.files.get_mut(inode) {
        inode.handles += 1;
    }
    drop(state);
    let removes = name.filter(|_| mode.has(ffi::SQLITE_OPEN_DELETEONCLOSE)).map(str::to_owned);
    Ok(OpenFile {
        shared,
        generation,
        inode,
        id,
        held: LockLevel::None,
        is_read_only: mode.has(ffi::SQLITE_OPEN_READONLY),
        removes,
        nonces: mode.nonces(),
    })
}

/// Removes a file; `durably`: before the call returns.
pub(super) fn delete(
    shared: &DiskShared,
    generation: u64,
    name: &str,
    durably: bool,
) -> Result<(), c_int> {
    let mut state = shared.lock();
    let verdict = state.begin(generation, OperationKind::Delete)?;
    let durably = durably && verdict == Verdict::Proceed && !state.syncs_ignored();
    let existed = state.files.remove(name, durably);
    state.finish(verdict, OperationKind::Delete)?;
    if existed { Ok(()) } else { Err(ffi::SQLITE_IOERR_DELETE_NOENT) }
}

/// Whether a file is there with at least one byte: like the Unix VFS, an empty journal is none.
pub(super) fn exists(shared: &DiskShared, generation: u64, name: &str) -> Result<bool, c_int> {
    let state = shared.lock();
    if !state.is_alive(generation) {
        return Err(ffi::SQLITE_IOERR_ACCESS);
    }
    let inode = state.files.find(name).and_then(|id| state.files.get(id));
    Ok(inode.is_some_and(|inode| inode.current().length() > 0))
}

impl OpenFile {
    /// Fills `buffer` from `offset`; what lies past the end of the file reads as zeros and makes
    /// the result `SQLITE_IOERR_SHORT_READ`, as SQLite asks.
    pub(super) fn read(&self, offset: usize, buffer: &mut [u8]) -> Result<(), c_int> {
        let mut state = self.shared.lock();
        let verdict = state.begin(self.generation, OperationKind::Read)?;
        state.finish(verdict, OperationKind::Read)?;
        let inode = state.files.get(self.inode).ok_or(ffi::SQLITE_IOERR_READ)?;
        let done = inode.current().read(offset, buffer);
        self.nonces.incoming(offset, &mut buffer[..done], &|at, bytes| {
            inode.current().read(at, bytes) == bytes.len()
        });
        if done < buffer.len() {
            buffer[done..].fill(0);
            return Err(ffi::SQLITE_IOERR_SHORT_READ);
        }
        Ok(())
    }

    pub(super) fn write(&mut self, offset: usize, data: &[u8]) -> Result<(), c_int> {
        if self.is_read_only {
            return Err(ffi::SQLITE_READONLY);
        }
        let mut state = self.shared.lock();
        let state = &mut *state;
        let verdict = state.begin(self.generation, OperationKind::Write)?;
        let length = state.files.get(self.inode).map_or(0, |inode| inode.current().length());
        if state.is_full() && offset + data.len() > length {
            return Err(ffi::SQLITE_FULL);
        }
        let stored = self.nonces.outgoing(offset, data, &mut state.nonces);
        state.files.write(self.inode, offset, &stored);
        state.finish(verdict, OperationKind::Write)
    }

    pub(super) fn truncate(&mut self, length: usize) -> Result<(), c_int> {
        if self.is_read_only {
            return Err(ffi::SQLITE_READONLY);
        }
        let mut state = self.shared.lock();
        let verdict = state.begin(self.generation, OperationKind::Truncate)?;
        state.files.truncate(self.inode, length);
        if length == 0 {
            self.nonces.emptied();
        }
        state.finish(verdict, OperationKind::Truncate)
    }

    pub(super) fn sync(&self) -> Result<(), c_int> {
        let mut state = self.shared.lock();
        let verdict = state.begin(self.generation, OperationKind::Sync)?;
        if verdict == Verdict::Proceed && !state.syncs_ignored() {
            state.files.sync(self.inode);
        }
        state.finish(verdict, OperationKind::Sync)
    }

    pub(super) fn length(&self) -> Result<usize, c_int> {
        let state = self.shared.lock();
        if !state.is_alive(self.generation) {
            return Err(ffi::SQLITE_IOERR_FSTAT);
        }
        let inode = state.files.get(self.inode).ok_or(ffi::SQLITE_IOERR_FSTAT)?;
        Ok(inode.current().length())
    }

    /// Raises the lock, or answers `SQLITE_BUSY` if another handle of the file is in the way.
    pub(super) fn lock(&mut self, wanted: LockLevel) -> Result<(), c_int> {
        let mut state = self.shared.lock();
        let inode =
            live_inode(&mut state, self.generation, self.inode).ok_or(ffi::SQLITE_IOERR_LOCK)?;
        let (held, granted) = inode.lock(self.id, self.held, wanted);
        self.held = held;
        if granted { Ok(()) } else { Err(ffi::SQLITE_BUSY) }
    }

    /// Lowers the lock; a dead handle holds none, so that always works.
    pub(super) fn unlock(&mut self, wanted: LockLevel) {
        let mut state = self.shared.lock();
        if let Some(inode) = live_inode(&mut state, self.generation, self.inode)
            && wanted < self.held
        {
            inode.set_lock(self.id, wanted);
        }
        self.held = self.held.min(wanted);
    }

    pub(super) fn is_reserved(&self) -> Result<bool, c_int> {
        let mut state = self.shared.lock();
        let inode = live_inode(&mut state, self.generation, self.inode)
            .ok_or(ffi::SQLITE_IOERR_CHECKRESERVEDLOCK)?;
        Ok(inode.is_reserved())
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        // A handle of a machine that stopped was already forgotten.
        if state.generation() == self.generation {
            state.files.close(self.inode, self.id);
            if let Some(name) = self.removes.take()
                && state.is_alive(self.generation)
            {
                state.files.remove(&name, false);
            }
        }
    }
}

fn live_inode(state: &mut DiskState, generation: u64, inode: InodeId) -> Option<&mut Inode> {
    if state.is_alive(generation) { state.files.get_mut(inode) } else { None }
}
