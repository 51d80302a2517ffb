//! Which operation takes back which: the link lasts until the one taken back has its answer.

use clarity_model::Counter;

use crate::error::StoreError;
use crate::transaction::StoreTransaction;
use crate::value::{read_unsigned, signed};

impl StoreTransaction<'_> {
    /// Notes that an operation takes back another one, which is on its way.
    ///
    /// # Errors
    /// When it cannot be written, or something takes that one back already.
    pub fn add_revert(&mut self, operation: Counter, reverts: Counter) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO operation_revert (operation, reverts) VALUES (?1, ?2)",
            [signed(operation.0), signed(reverts.0)],
        )?;
        Ok(())
    }

    /// The operation that takes this one back.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn inverse_of(&self, operation: Counter) -> Result<Option<Counter>, StoreError> {
        self.read_one(
            "SELECT operation FROM operation_revert WHERE reverts = ?1",
            [signed(operation.0)],
            |row| read_unsigned(row, 0).map(Counter),
        )
    }

    /// All operations that are being taken back, in order.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn taken_back(&self) -> Result<Vec<Counter>, StoreError> {
        self.read_all("SELECT reverts FROM operation_revert ORDER BY reverts", [], |row| {
            read_unsigned(row, 0).map(Counter)
        })
    }

    /// The operation that this one takes back.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn reverts(&self, operation: Counter) -> Result<Option<Counter>, StoreError> {
        self.read_one(
            "SELECT reverts FROM operation_revert WHERE operation = ?1",
            [signed(operation.0)],
            |row| read_unsigned(row, 0).map(Counter),
        )
    }

    /// An operation takes nothing back any more, and nothing takes it back.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn forget_revert(&mut self, operation: Counter) -> Result<(), StoreError> {
        self.execute(
            "DELETE FROM operation_revert WHERE operation = ?1 OR reverts = ?1",
            [signed(operation.0)],
        )?;
        Ok(())
    }

    /// An operation goes on under another number: whatever named it here, names the new one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn renumber_revert(&mut self, old: Counter, new: Counter) -> Result<(), StoreError> {
        let numbers = [signed(old.0), signed(new.0)];
        self.execute("UPDATE operation_revert SET operation = ?2 WHERE operation = ?1", numbers)?;
        self.execute("UPDATE operation_revert SET reverts = ?2 WHERE reverts = ?1", numbers)?;
        Ok(())
    }
}
