//! A transaction on the store.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use clarity_model::{Incarnation, Schema};
use rusqlite::CachedStatement;

use crate::counts::QueueDelta;
use crate::digest::Digests;
use crate::error::StoreError;
use crate::rollup::DirtyDays;
use crate::store::Shared;
use crate::value::read_u128;

/// A transaction: everything the store can do.
///
/// Dropped without [`StoreTransaction::commit`] it is rolled back. Any method may fail with a
/// [`StoreError`] from the disk; after [`StoreError::Full`] or [`StoreError::Io`] the whole
/// transaction may be gone, and then every later call says [`StoreError::RolledBack`].
pub struct StoreTransaction<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) writable: bool,
    pub(crate) queue: QueueDelta,
    pub(crate) dirty: DirtyDays,
    pub(crate) digests: RefCell<Digests>,
    pub(crate) savepoint_depth: u32,
    /// The incarnations that were looked up, by their local number.
    incarnations: RefCell<BTreeMap<i64, Incarnation>>,
    finished: bool,
}

impl<'a> StoreTransaction<'a> {
    pub(crate) fn new(shared: &'a Shared, writable: bool) -> Self {
        Self {
            shared,
            writable,
            queue: QueueDelta::default(),
            dirty: DirtyDays::default(),
            digests: RefCell::default(),
            savepoint_depth: 0,
            incarnations: RefCell::default(),
            finished: false,
        }
    }

    /// Makes everything durable. When this returns, it survives a loss of power.
    ///
    /// # Errors
    /// Nothing of the transaction was kept.
    pub fn commit(mut self) -> Result<(), StoreError> {
        if self.writable {
            self.flush_queue()?;
            self.flush_dirty_days()?;
            self.flush_digests()?;
        }
        self.prepared("COMMIT")?.execute([])?;
        self.finished = true;
        Ok(())
    }

    /// Does something whole or not at all, within the transaction.
    ///
    /// # Errors
    /// What `act` fails with; then nothing that it did remains.
    pub fn savepoint<T, E: From<StoreError>>(
        &mut self,
        act: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.flush_digests()?;
        self.run("SAVEPOINT part")?;
        let queue = self.queue.clone();
        self.savepoint_depth += 1;
        let result = act(self);
        self.savepoint_depth -= 1;
        if result.is_err() {
            self.queue = queue;
            self.incarnations.borrow_mut().clear();
            self.digests.take();
            // This fails only when SQLite has rolled back the whole transaction, which every
            // later call reports; the first error tells more.
            let _ = self.run("ROLLBACK TO part").and_then(|()| self.run("RELEASE part"));
            return result;
        }
        self.run("RELEASE part")?;
        result
    }

    /// The schema that the store was opened with.
    #[must_use]
    pub fn schema(&self) -> &Arc<Schema> {
        &self.shared.schema
    }

    /// A prepared statement. It fails once SQLite has rolled the transaction back by itself:
    /// without this check, what follows would be committed piece by piece.
    pub(crate) fn prepared(&self, sql: &str) -> Result<CachedStatement<'a>, StoreError> {
        if self.shared.connection.is_autocommit() {
            return Err(StoreError::RolledBack);
        }
        Ok(self.shared.connection.prepare_cached(sql)?)
    }

    fn run(&self, sql: &str) -> Result<(), StoreError> {
        self.prepared(sql)?.execute([])?;
        Ok(())
    }

    /// Runs a statement for its effect; says how many rows it changed.
    pub(crate) fn execute(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
    ) -> Result<usize, StoreError> {
        Ok(self.prepared(sql)?.execute(parameters)?)
    }

    /// Reads at most one row.
    pub(crate) fn read_one<T>(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
        read: impl FnOnce(&rusqlite::Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let mut statement = self.prepared(sql)?;
        let mut rows = statement.query(parameters)?;
        rows.next()?.map(read).transpose()
    }

    /// Reads all rows.
    pub(crate) fn read_all<T>(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
        mut read: impl FnMut(&rusqlite::Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.prepared(sql)?;
        let mut rows = statement.query(parameters)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read(row)?);
        }
        Ok(found)
    }

    /// The incarnation with this local number.
    pub(crate) fn incarnation(&self, local: i64) -> Result<Incarnation, StoreError> {
        if let Some(known) = self.incarnations.borrow().get(&local) {
            return Ok(*known);
        }
        let found = self.read_one(
            "SELECT incarnation FROM incarnation WHERE local = ?1",
            [local],
            |row| {
                read_u128(row.get_ref(0)?.as_bytes().unwrap_or(&[]), "incarnation", "incarnation")
            },
        )?;
        let invalid = StoreError::InvalidValue { table: "operation", column: "incarnation" };
        let incarnation = Incarnation(found.ok_or(invalid)?);
        self.incarnations.borrow_mut().insert(local, incarnation);
        Ok(incarnation)
    }
}

impl Drop for StoreTransaction<'_> {
    fn drop(&mut self) {
        if !self.finished && !self.shared.connection.is_autocommit() {
            // A failed rollback leaves the connection in a transaction; the next `BEGIN` says so.
            let _ = self.shared.connection.execute_batch("ROLLBACK");
        }
    }
}
