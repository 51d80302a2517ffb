//! What is kept on the device: the budget and the age that bound it, and the hard limit.
//!
//! *Architecture Invariant:* nothing that the server does not have is ever given up (promise I10).
//! What is given up is clean, was read back from the server, and leaves a marker by which it is
//! known and fetched again.

mod api;
mod arrive;
mod evict;
mod limit;
mod report;

use clarity_model::{EntityKey, LocalTime, Priority, ServerTime, limits};
use clarity_store::{StoreError, StoreTransaction};
use serde::{Deserialize, Serialize};

pub(crate) use arrive::{Arrival, arrives, fetched_range, is_away, meets_new};
pub use evict::EVICTION_SLICE_ROWS;
pub(crate) use evict::{caught_up, note_accesses, work};
pub(crate) use limit::{disk, is_full, recall, refuses, store_was_full};
pub(crate) use report::absence;
pub use report::{Absence, Protected, Protection, StorageReport, TypeStorage};

/// How large a store may be that keeps what the server has, in bytes, unless set: 100 MB.
pub const STORAGE_BUDGET_BYTES: u64 = 100_000_000;
/// How long after its last use something is kept, in milliseconds, unless set: 30 days.
pub const STORAGE_AGE_MS: i64 = 30 * 24 * 60 * 60 * 1_000;
/// How much of the disk is left free, in bytes, unless set: 200 MB.
pub const FREE_DISK_MIN_BYTES: u64 = 200_000_000;
/// The largest part of a budget that is set aside for the log, in bytes.
const LOG_BYTES_MAX: u64 = 24_000_000;
/// How many bytes of budget a row of a page needs, so that a page fits into what is set aside for
/// the log even when every row changes three pages of the file.
const BUDGET_BYTES_PER_ROW: u64 = 50_000;
/// Fewest rows that a page is asked for.
const PAGE_ROWS_MIN: u64 = 100;

/// The name under which the settings are kept in the store.
const SETTINGS: &str = "storage";
/// The name under which the state of eviction is kept in the store.
const WORK: &str = "storage_work";

/// How much is kept on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct StorageSettings {
    /// How large the store may be on the disk, with its log and indexes, in bytes. It bounds what
    /// the server has as well; changes that it does not have yet are kept whatever they take.
    pub budget_bytes: u64,
    /// How long after its last use something is kept, in milliseconds of the server's clock;
    /// nothing for as long as there is room.
    pub age_ms: Option<i64>,
    /// How much of the disk must be left free for new changes to be taken, in bytes.
    pub free_disk_min_bytes: u64,
    /// How large the store may be with everything that is not sent yet, in bytes; nothing for as
    /// large as the disk lets it.
    pub store_bytes_max: Option<u64>,
}

impl Default for StorageSettings {
    fn default() -> Self {
        Self {
            budget_bytes: STORAGE_BUDGET_BYTES,
            age_ms: Some(STORAGE_AGE_MS),
            free_disk_min_bytes: FREE_DISK_MIN_BYTES,
            store_bytes_max: None,
        }
    }
}

impl StorageSettings {
    /// The settings of a store.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn of(tx: &StoreTransaction<'_>) -> Result<Self, StoreError> {
        Ok(tx.state(SETTINGS)?.unwrap_or_default())
    }

    /// The part of the budget that is left to the log of the store, in bytes.
    #[must_use]
    pub fn log_bytes(&self) -> u64 {
        (self.budget_bytes / 3).min(LOG_BYTES_MAX)
    }

    /// How large the main file may be, in bytes: what is left of the budget, and less than the
    /// hard limit.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        let hard = self.store_bytes_max.map_or(u64::MAX, |bytes| bytes / 10 * 9);
        (self.budget_bytes - self.log_bytes()).min(hard)
    }

    /// How many rows a page may have, while so many bytes are in use.
    pub(crate) fn page_rows(&self, live_bytes: u64) -> usize {
        if live_bytes < self.budget_bytes / 2 && self.budget_bytes >= STORAGE_BUDGET_BYTES {
            return limits::PAGE_ROWS_MAX;
        }
        let rows = (self.budget_bytes / BUDGET_BYTES_PER_ROW).max(PAGE_ROWS_MIN);
        usize::try_from(rows).unwrap_or(usize::MAX).min(limits::PAGE_ROWS_MAX)
    }
}

/// What eviction remembers from one call to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
struct Work {
    /// Nothing counts as used before the device had read everything: what a first sync brought is
    /// not old.
    floor: ServerTime,
    /// When it was last looked for what is too old.
    aged_at: ServerTime,
    /// Whether what is too old is being given up.
    ageing: bool,
    /// When there was nothing left to give up although the store is over its budget.
    exhausted_at: Option<LocalTime>,
}

impl Work {
    fn of(tx: &StoreTransaction<'_>) -> Result<Self, StoreError> {
        Ok(tx.state(WORK)?.unwrap_or_default())
    }
}

/// The server's time of the last page that came; nothing before the first.
fn server_time(tx: &StoreTransaction<'_>) -> Result<Option<ServerTime>, StoreError> {
    Ok(tx.cursor_parts()?.into_iter().filter_map(|part| part.pulled_at).max())
}

/// Sets how much is kept.
fn set(tx: &mut StoreTransaction<'_>, settings: &StorageSettings) -> Result<(), StoreError> {
    tx.put_state(SETTINGS, settings)?;
    look_again(tx)
}

/// Lets eviction look again, also when it had found nothing.
fn look_again(tx: &mut StoreTransaction<'_>) -> Result<(), StoreError> {
    let mut work = Work::of(tx)?;
    if work.exhausted_at.take().is_some() || work.aged_at != ServerTime::default() {
        work.aged_at = ServerTime::default();
        tx.put_state(WORK, &work)?;
    }
    Ok(())
}

/// Gives an entity a priority of its own, or takes it back.
fn keep(
    tx: &mut StoreTransaction<'_>,
    key: &EntityKey,
    priority: Option<Priority>,
) -> Result<(), StoreError> {
    let present = tx.present_key(key)?;
    tx.set_kept(&present, priority)?;
    look_again(tx)
}
