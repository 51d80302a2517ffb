//! Fetching: entities and stretches of time that a device asks for by name.
//!
//! Rows are those of a pull, never shortened, because a device that asks does not have them. They
//! say nothing of any cursor.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use clarity_model::{EntityKey, Epoch, limits};
use clarity_protocol::{FetchPosition, FetchRequest};

use super::Unsettled;
use super::rows::RowSink;
use crate::error::RequestError;
use crate::storage::{AccountSnapshot, ScannedEntity, StorageError, TimeRange};

/// How far an answer goes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// The keys that the account never had.
    pub(crate) unknown: Vec<EntityKey>,
    /// How many ranges are complete.
    pub(crate) ranges_done: usize,
    /// Where the next one broke off.
    pub(crate) after: Option<FetchPosition>,
}

/// Checks a request before anything is read.
pub(crate) fn check_fetch(epoch: Epoch, request: &FetchRequest) -> Result<(), RequestError> {
    if request.epoch.is_some_and(|theirs| theirs != epoch) {
        return Err(RequestError::CursorRefused);
    }
    if request.keys.len() > limits::FETCH_KEYS_MAX {
        return Err(RequestError::TooLarge("a fetch names at most 1,000 entities; name fewer"));
    }
    if request.ranges.len() > limits::FETCH_RANGES_MAX {
        return Err(RequestError::TooLarge(
            "a fetch names at most 100 stretches of time; name fewer",
        ));
    }
    Ok(())
}

/// Reads into `rows` what was asked for, first the entities and then the ranges, up to the limits.
pub(crate) fn read_fetched<S: AccountSnapshot, R: RowSink>(
    snapshot: &mut S,
    request: &FetchRequest,
    rows: &mut R,
) -> Result<Fetched, StorageError> {
    let unsettled = Unsettled::load(snapshot, request.incarnation, request.settled_below)?;
    let rows_max = request.rows_max.unwrap_or(limits::PAGE_ROWS_MAX);
    let rows_max = rows_max.clamp(1, limits::PAGE_ROWS_MAX);
    let mut page = Page { unsettled, rows, rows_max, is_full: false };
    let mut fetched = Fetched { unknown: Vec::new(), ranges_done: 0, after: None };
    let keys: BTreeSet<&EntityKey> = request.keys.iter().collect();
    for key in keys {
        let mut is_known = false;
        snapshot.show(key, &mut |entity| {
            is_known = true;
            page.take(&entity)
        })?;
        if page.is_full {
            return Ok(fetched);
        }
        if !is_known {
            fetched.unknown.push(key.clone());
        }
    }
    for range in &request.ranges {
        let time = TimeRange { from_ms: range.from_ms, to_ms: range.to_ms };
        let mut last = range.after;
        snapshot.scan_newest(&range.entity_type, time, range.after, &mut |entity| {
            let taken = page.take(&entity)?;
            if taken.is_continue() {
                last = Some(FetchPosition { time_ms: entity.time_ms, seq: entity.seq });
            }
            Ok(taken)
        })?;
        if page.is_full {
            fetched.after = last;
            return Ok(fetched);
        }
        fetched.ranges_done += 1;
    }
    Ok(fetched)
}

struct Page<'a, R> {
    unsettled: Unsettled,
    rows: &'a mut R,
    rows_max: usize,
    is_full: bool,
}

impl<R: RowSink> Page<'_, R> {
    fn take(&mut self, entity: &ScannedEntity<'_>) -> Result<ControlFlow<()>, StorageError> {
        let row = self.unsettled.row(entity, false);
        self.is_full = self.rows.is_full(self.rows_max, limits::PAGE_BYTES_MAX, &row);
        if self.is_full {
            return Ok(ControlFlow::Break(()));
        }
        self.rows.push(row)?;
        Ok(ControlFlow::Continue(()))
    }
}
