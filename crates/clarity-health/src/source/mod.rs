//! Where health data comes from: the contract between the engine's driver and a source.
//!
//! A source is an at-least-once feed: it may tell the same thing twice, it may tell of deletions or
//! not, and its cursor may expire. [`HealthSource`] is what one has to be able to do; files of
//! every format are one by [`FileSource`](crate::FileSource), and an app's own may be an adapter
//! to a platform or a cloud.
//!
//! # The rules
//!
//! 1. Cursors belong to the driver. [`HealthSource::pull`] keeps no position of its own that
//!    matters: the same cursor gives what is after it, again and again. The driver stores a cursor
//!    in the transaction that stores the page that it came with.
//! 2. The same page twice changes nothing.
//! 3. A pull keeps to its [`Budget`], so that a short background run commits what it got.
//! 4. A cursor that expired, that is foreign, or a feed whose deletions may be missing, is followed
//!    by a comparison with [`HealthSource::snapshot`]. What is gone is deleted; many at once are
//!    held until a person confirms.
//! 5. What an app writes into a source comes back from it; it is known by its origin
//!    ([`SourceDescriptor::own_origin`]) and left out.
//! 6. What a source cannot do, its [`Capabilities`] say.
//! 7. [`SourceError::NoPermissionOrEmpty`] is one value on purpose: a platform does not tell
//!    whether a person refused access, and neither does an app.
//!
//! The calls are synchronous, as the rest of the client's are: whoever drives them has a thread for
//! it. A source that waits for a network bounds its waiting by the budget's deadline.

mod raw;

use std::time::Instant;

pub use self::raw::{RawSample, Reading};
use crate::error::HealthError;
use crate::report::ImportId;
use crate::sample::{Deletion, Sample};

/// What a source is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceDescriptor {
    /// Its name for ever, such as `health-connect`: cursors and names of samples are kept under
    /// it. At most 100 bytes.
    pub id: String,
    /// What people call it: "Health Connect".
    pub name: String,
    /// What it can do.
    pub capabilities: Capabilities,
    /// The origin of samples that this app wrote into it itself; they are not imported.
    pub own_origin: Option<String>,
}

impl SourceDescriptor {
    /// The name under which everything that it brings is kept, so that it can be taken back.
    #[must_use]
    pub fn import_id(&self) -> ImportId {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"clarity-health/import/source/1").update(self.id.as_bytes());
        ImportId(hasher.finalize().to_hex()[..32].to_owned())
    }
}

/// What a source can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// It tells of deletions.
    pub deletes: bool,
    /// Its names of samples last, so that a change is one and not a deletion and a creation.
    pub updates: bool,
    /// It can list everything that it has: see [`HealthSource::snapshot`].
    pub snapshots: bool,
}

/// What of a source is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// These metrics; all when empty.
    pub metrics: Vec<String>,
    /// Only what begins at this time or later, in Unix milliseconds.
    pub from_ms: Option<i64>,
}

impl Scope {
    /// A number for this scope: a cursor of another scope is foreign.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let mut metrics: Vec<&str> = self.metrics.iter().map(String::as_str).collect();
        metrics.sort_unstable();
        metrics.dedup();
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"clarity-health/scope/1");
        for metric in metrics {
            hasher.update(&(metric.len() as u64).to_le_bytes()).update(metric.as_bytes());
        }
        hasher.update(&self.from_ms.unwrap_or(i64::MIN).to_le_bytes());
        let mut eight = [0; 8];
        eight.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        u64::from_le_bytes(eight)
    }
}

/// A place in a feed, which only the source understands.
#[derive(Clone, PartialEq, Eq)]
pub struct Cursor {
    /// What the source wrote. At most 64 KiB.
    pub bytes: Vec<u8>,
    /// The form of the bytes, for a source that changes it.
    pub schema: u16,
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Cursor").field("schema", &self.schema).finish_non_exhaustive()
    }
}

/// How much one call may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// At most so many samples and deletions in a page.
    pub max_samples: usize,
    /// When to come back with what there is by then, if there is a hurry.
    pub deadline: Option<Instant>,
}

impl Default for Budget {
    /// A page of a thousand, without a hurry.
    fn default() -> Self {
        Self { max_samples: 1_000, deadline: None }
    }
}

/// Whether a page tells everything that happened since its cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Completeness {
    /// It does.
    Complete,
    /// Deletions may be missing: the driver compares with a snapshot.
    DeletesMayBeMissing,
}

/// The next part of a feed.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// New and changed samples.
    pub upserts: Vec<Sample>,
    /// What is no longer there.
    pub deletions: Vec<Deletion>,
    /// Where the next page begins; absent for a source that always begins at the start.
    pub next: Option<Cursor>,
    /// Whether there is more already.
    pub more: bool,
    /// Whether this is everything since the cursor.
    pub completeness: Completeness,
}

/// A part of everything that a source has.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotPage {
    /// Samples, each with its name in the source.
    pub present: Vec<Sample>,
    /// Where the next part begins; absent for the last one.
    pub next: Option<Cursor>,
    /// Where the feed goes on once the snapshot is whole: a place from before it began, so that
    /// nothing that happened meanwhile is missed. It counts on the last part.
    pub resume: Option<Cursor>,
}

/// Why a source gives nothing now.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The cursor is too old; everything is compared.
    #[error("the source no longer knows where the last reading ended; everything is compared")]
    CursorExpired,
    /// The cursor is not one of this source, or of another scope.
    #[error("where the last reading ended is not a place of this source; everything is compared")]
    CursorForeign,
    /// The source is locked, as a phone's health data is while it is locked.
    #[error("the source is locked; it is read when the device is unlocked")]
    Locked,
    /// There is nothing, or no permission to see it: a platform does not say which.
    #[error("no data was found; check the access that the source gives to this app")]
    NoPermissionOrEmpty,
    /// The person took the access away.
    #[error("access to the source was taken away; connect it again")]
    Revoked,
    /// The source asks to wait.
    #[error("the source asks to wait for {retry_after_ms} ms")]
    RateLimited {
        /// For how long.
        retry_after_ms: u64,
    },
    /// The source cannot be reached now.
    #[error("the source cannot be reached now; it is tried again later")]
    Unavailable,
    /// What it gives is damaged from here on.
    #[error("the source is damaged at byte {at_byte}; {recovered} samples before it are kept")]
    Corrupt {
        /// Bytes from its start.
        at_byte: u64,
        /// Samples that were read before.
        recovered: u64,
    },
    /// The source cannot do this.
    #[error("the source cannot do this")]
    Unsupported,
    /// A file cannot be read at all.
    #[error(transparent)]
    File(#[from] HealthError),
}

impl SourceError {
    /// Whether the feed has to be compared as a whole before it goes on.
    #[must_use]
    pub fn needs_snapshot(&self) -> bool {
        matches!(self, Self::CursorExpired | Self::CursorForeign)
    }
}

/// A feed of health data. See the rules of the [module](self).
pub trait HealthSource: Send {
    /// What it is; the same for ever but for the words.
    fn descriptor(&self) -> SourceDescriptor;

    /// What is after `cursor`, or everything from the start without one.
    ///
    /// # Errors
    /// When it cannot say now; what earlier pages brought is kept.
    fn pull(
        &mut self,
        scope: &Scope,
        cursor: Option<&Cursor>,
        budget: Budget,
    ) -> Result<Page, SourceError>;

    /// A part of everything that it has now, from `from` on, or from the start without one. Each
    /// sample has its [`external`](crate::Sample::external) name, by which what is missing is
    /// found.
    ///
    /// # Errors
    /// [`SourceError::Unsupported`] unless it says that it can; nothing is deleted then.
    fn snapshot(
        &mut self,
        scope: &Scope,
        from: Option<&Cursor>,
        budget: Budget,
    ) -> Result<SnapshotPage, SourceError> {
        let _ = (scope, from, budget);
        Err(SourceError::Unsupported)
    }
}
