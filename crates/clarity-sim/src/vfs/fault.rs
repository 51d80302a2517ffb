//! What can go wrong at an operation, and the count of operations that says when.

use std::collections::BTreeMap;
use std::ffi::c_int;

use rusqlite::ffi;

/// What goes wrong at one operation; set with [`Disk::fail_at`](super::Disk::fail_at).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The machine stops during the operation. A write, truncation, deletion or creation has
    /// reached the operating system but no sync covers it; a sync has covered nothing. The
    /// operation and all later ones answer an I/O error until [`Disk::crash`](super::Disk::crash)
    /// (power loss) or [`Disk::kill`](super::Disk::kill) (only the process died) decides what
    /// survived and starts the machine again.
    Crash,
    /// The operation does nothing and answers an I/O error; the next one works again.
    IoErrorOnce,
    /// This operation and all later ones do nothing and answer an I/O error until
    /// [`Disk::heal`](super::Disk::heal).
    IoErrorForever,
    /// From this operation on, writes that would make a file longer answer `SQLITE_FULL` and
    /// change nothing, until [`Disk::heal`](super::Disk::heal). Overwriting, truncating, deleting
    /// and creating empty files work, as on a full file system.
    DiskFull,
}

/// The operations that are counted, and so can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum OperationKind {
    /// Opening or creating a file.
    Open,
    /// Reading a range.
    Read,
    /// Writing a range.
    Write,
    /// Making what was written durable.
    Sync,
    /// Setting a file's length.
    Truncate,
    /// Removing a file.
    Delete,
}

impl OperationKind {
    /// Every kind, in the order of declaration.
    pub const ALL: [Self; 6] =
        [Self::Open, Self::Read, Self::Write, Self::Sync, Self::Truncate, Self::Delete];

    /// The SQLite result code of an I/O error in this operation.
    pub(super) fn error_code(self) -> c_int {
        match self {
            Self::Open => ffi::SQLITE_CANTOPEN,
            Self::Read => ffi::SQLITE_IOERR_READ,
            Self::Write => ffi::SQLITE_IOERR_WRITE,
            Self::Sync => ffi::SQLITE_IOERR_FSYNC,
            Self::Truncate => ffi::SQLITE_IOERR_TRUNCATE,
            Self::Delete => ffi::SQLITE_IOERR_DELETE,
        }
    }
}

/// A fault that was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FaultMet {
    /// The number of the operation at which the fault began, counting from 0.
    pub operation: u64,
    /// What that operation was.
    pub kind: OperationKind,
    /// What went wrong.
    pub fault: Fault,
}

/// What is to become of an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Proceed,
    /// Answer an error and do nothing.
    Refuse,
    /// Do it without durability, stop the machine, and answer an error.
    Stop,
}

/// The counter of operations and the faults that are due.
#[derive(Default)]
pub(super) struct FaultPlan {
    operations: u64,
    by_kind: [u64; OperationKind::ALL.len()],
    scheduled: BTreeMap<u64, Fault>,
    failing: bool,
    full: bool,
    met: Vec<FaultMet>,
}

impl FaultPlan {
    pub(super) fn schedule(&mut self, operation: u64, fault: Fault) {
        self.scheduled.insert(operation, fault);
    }

    /// Counts one operation and says what becomes of it.
    pub(super) fn next(&mut self, kind: OperationKind) -> Verdict {
        let operation = self.operations;
        self.operations += 1;
        self.by_kind[kind as usize] += 1;
        let due = if self.scheduled.is_empty() { None } else { self.scheduled.remove(&operation) };
        if let Some(fault) = due {
            self.met.push(FaultMet { operation, kind, fault });
            match fault {
                Fault::Crash => return Verdict::Stop,
                Fault::IoErrorOnce => return Verdict::Refuse,
                Fault::IoErrorForever => self.failing = true,
                Fault::DiskFull => self.full = true,
            }
        }
        if self.failing { Verdict::Refuse } else { Verdict::Proceed }
    }

    pub(super) fn heal(&mut self) {
        self.scheduled.clear();
        self.failing = false;
        self.full = false;
    }

    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    pub(super) fn operations(&self) -> u64 {
        self.operations
    }

    pub(super) fn operations_of(&self, kind: OperationKind) -> u64 {
        self.by_kind[kind as usize]
    }

    pub(super) fn met(&self) -> &[FaultMet] {
        &self.met
    }
}
