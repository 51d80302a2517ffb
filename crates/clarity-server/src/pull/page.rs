//! One page: which rows it holds and where it ends.

use std::ops::ControlFlow;

use clarity_model::{Seq, ServerTime, Version, limits};
use clarity_protocol::PullRequest;

use super::Unsettled;
use super::rows::{PageRow, RowSink};
use crate::storage::{AccountSnapshot, ScannedEntity, StorageError};

/// Entities that one request looks at, at most, when its scope leaves most of them out.
const SCANNED_MAX: usize = 10 * limits::PAGE_ROWS_MAX;

/// Where a page ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Page {
    /// The position up to which the page tells everything in its scope.
    pub(crate) end: Seq,
    /// Whether there is more before the head.
    pub(crate) more: bool,
}

/// Reads the rows after a position into `rows`, up to the limits, never part of an atomic batch.
pub(crate) fn read_page<S: AccountSnapshot, R: RowSink>(
    snapshot: &mut S,
    request: &PullRequest,
    at: ServerTime,
    (after, head): (Seq, Seq),
    rows: &mut R,
) -> Result<Page, StorageError> {
    let unsettled = Unsettled::load(snapshot, request.incarnation, request.settled_below)?;
    let rows_max = request.rows_max.unwrap_or(limits::PAGE_ROWS_MAX);
    let mut builder = Builder {
        request,
        at,
        unsettled,
        rows,
        rows_max: rows_max.clamp(1, limits::PAGE_ROWS_MAX),
        scanned: 0,
        passed: after,
        batch: None,
        more: false,
    };
    snapshot.scan(after, &mut |entity| builder.visit(entity))?;
    let Builder { passed, more, .. } = builder;
    Ok(Page { end: if more { passed } else { head }, more })
}

/// The atomic batch whose rows were added last.
struct OpenBatch {
    first: Seq,
    /// Rows in the page, and the position passed, before the first of the batch.
    rows_before: usize,
    passed_before: Seq,
}

struct Builder<'a, R> {
    request: &'a PullRequest,
    /// The server's time, by which windows are measured.
    at: ServerTime,
    unsettled: Unsettled,
    rows: &'a mut R,
    rows_max: usize,
    scanned: usize,
    /// Everything up to here is in the page or out of scope.
    passed: Seq,
    batch: Option<OpenBatch>,
    more: bool,
}

impl<R: RowSink> Builder<'_, R> {
    fn visit(&mut self, entity: ScannedEntity<'_>) -> Result<ControlFlow<()>, StorageError> {
        let continues = self.continues_batch(&entity);
        if self.scanned >= SCANNED_MAX && !continues {
            return Ok(self.stop());
        }
        self.scanned += 1;
        if let Some(row) = self.row(&entity) {
            if self.rows.is_full(self.rows_max, limits::PAGE_BYTES_MAX, &row) {
                match self.batch.as_ref().map(|batch| batch.rows_before) {
                    // A batch that fills a page from its beginning may exceed it.
                    Some(0) if continues => {}
                    Some(rows_before) if continues => {
                        self.rows.truncate(rows_before);
                        self.passed = self.batch.take().map_or(self.passed, |b| b.passed_before);
                        return Ok(self.stop());
                    }
                    _ => return Ok(self.stop()),
                }
            }
            if !continues {
                self.open_batch(&entity);
            }
            self.rows.push(row)?;
        } else if !continues {
            self.open_batch(&entity);
        }
        self.passed = entity.seq;
        Ok(ControlFlow::Continue(()))
    }

    fn stop(&mut self) -> ControlFlow<()> {
        self.more = true;
        ControlFlow::Break(())
    }

    fn continues_batch(&self, entity: &ScannedEntity<'_>) -> bool {
        let open = self.batch.as_ref().map(|batch| batch.first);
        open.is_some() && open == entity.batch_seq
    }

    fn open_batch(&mut self, entity: &ScannedEntity<'_>) {
        let (rows_before, passed_before) = (self.rows.len(), self.passed);
        self.batch = entity.batch_seq.map(|first| OpenBatch { first, rows_before, passed_before });
    }

    /// What the asking device is told of an entity, if anything.
    fn row<'e>(&self, entity: &ScannedEntity<'e>) -> Option<PageRow<'e>> {
        let scope = &self.request.scope;
        if scope.holds(entity.entity_type, entity.time_ms, self.at) {
            return Some(self.unsettled.row(entity, self.was_told(entity)));
        }
        // It can be on the device only if it was there before it left the window.
        let was_there = self.request.cursor.is_some() && entity.version > Version(1);
        if !scope.follows(entity.entity_type) || !was_there {
            return None;
        }
        let is_short = !entity.deleted;
        Some(PageRow { outside: is_short, ..self.unsettled.row(entity, is_short) })
    }

    /// Whether the asking device made the newest change and has its answer.
    fn was_told(&self, entity: &ScannedEntity<'_>) -> bool {
        let made_by_asker = entity.last_change.incarnation == self.request.incarnation;
        made_by_asker && entity.last_change.counter < self.request.settled_below
    }
}
