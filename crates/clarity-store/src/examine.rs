//! Looking for damage: what costs nothing at every opening, more after a crash, and everything on
//! request.

use rusqlite::Connection;

use crate::error::StoreError;
use crate::store::Store;

#[cfg(not(target_arch = "wasm32"))]
use crate::{lock::UseLock, options::OpenOptions, recovery, rekey};

/// The largest store that is examined as a whole after a crash, in bytes. A larger one is examined
/// on request only: opening it should not take seconds.
#[cfg(not(target_arch = "wasm32"))]
const EXAMINED_AFTER_CRASH_BYTES_MAX: i64 = 256 * 1024 * 1024;
/// The largest log that is looked through when it was left behind, in bytes.
#[cfg(not(target_arch = "wasm32"))]
const LOG_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What was found before the file was opened.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Debug, Default)]
pub(crate) struct Entered {
    /// Shows others that the store is in use.
    pub(crate) lock: Option<UseLock>,
    /// Whether whoever used it last did not close it, and nobody uses it now.
    pub(crate) was_left_open: bool,
}

/// Takes note that this process uses the store, and looks at its files before SQLite does.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn enter(options: &OpenOptions) -> Result<Entered, StoreError> {
    if !options.is_file() {
        return Ok(Entered::default());
    }
    let mut was_left_open = false;
    let lock = UseLock::shared(&options.path, || {
        // What an interrupted recovery left is finished first.
        recovery::put_in_place(&options.path)?;
        rekey::remove_unfinished(&options.path)?;
        was_left_open = check_left_log(options)?;
        Ok(())
    })?;
    Ok(Entered { lock, was_left_open })
}

/// Looks at the log that a crash left. SQLite would drop it beside an empty file, and without a
/// word what lies behind a damaged place in it. Returns whether there is one.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn check_left_log(options: &OpenOptions) -> Result<bool, StoreError> {
    let mut log = options.path.as_os_str().to_owned();
    log.push("-wal");
    let log = std::path::Path::new(&log);
    let length = |path: &std::path::Path| std::fs::metadata(path).map_or(0, |found| found.len());
    let left = length(log);
    let damaged = |detail: &str| Err(StoreError::Damaged { detail: detail.to_owned() });
    if left == 0 {
        return Ok(false);
    }
    if length(&options.path) == 0 {
        return damaged("the file is empty and its log is not");
    }
    if left <= LOG_BYTES_MAX && recovery::log_is_damaged(&std::fs::read(log)?, &options.path) {
        return damaged("the log beside the file is damaged");
    }
    Ok(true)
}

/// Examines a store that a crash left, if that does not take long.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn check_after_crash(connection: &Connection) -> Result<(), StoreError> {
    const BYTES: &str = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
    let bytes: i64 = connection.query_row(BYTES, [], |row| row.get(0))?;
    if bytes > EXAMINED_AFTER_CRASH_BYTES_MAX {
        return Ok(());
    }
    match findings(connection, 1)?.pop() {
        Some(detail) => Err(StoreError::Damaged { detail }),
        None => Ok(()),
    }
}

/// Whether the rows that everything else relies on are there and fit together. It costs the same
/// at any size of the store.
pub(crate) fn check_bookkeeping(connection: &Connection) -> Result<(), StoreError> {
    const FITS: &str = "
        SELECT (SELECT count(*) FROM meta) = 1
           AND (SELECT next_counter FROM queue_count)
               > (SELECT coalesce(max(counter), 0) FROM operation)";
    let fits: Option<bool> = connection.query_row(FITS, [], |row| row.get(0))?;
    if fits == Some(true) {
        return Ok(());
    }
    let detail = "what the store knows of itself and its queue do not fit together".to_owned();
    Err(StoreError::Damaged { detail })
}

pub(crate) fn findings(connection: &Connection, limit: u32) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare(&format!("PRAGMA quick_check({limit})"))?;
    let findings: Vec<String> =
        statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(findings.into_iter().filter(|finding| finding != "ok").collect())
}

impl Store {
    /// Looks for damage in the whole file: up to `limit` findings, without values; none is good.
    /// Takes time in proportion to the size of the file.
    ///
    /// # Errors
    /// When the file cannot be read at all.
    pub fn damages(&self, limit: u32) -> Result<Vec<String>, StoreError> {
        findings(self.connection(), limit)
    }
}
