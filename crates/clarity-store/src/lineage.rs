//! Who waits for whom, who travels with whom, and under whose name.

use clarity_model::Counter;
use rusqlite::params;

use crate::error::StoreError;
use crate::operation::{OperationState, kind_number};
use crate::transaction::StoreTransaction;
use crate::value::signed;

impl StoreTransaction<'_> {
    /// Makes an operation wait for another one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add_parent(&mut self, child: Counter, parent: Counter) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR IGNORE INTO operation_parent (child, parent) VALUES (?1, ?2)",
            [signed(child.0), signed(parent.0)],
        )?;
        Ok(())
    }

    /// Nothing waits for this operation any more. Says how many did.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn forget_parent(&mut self, parent: Counter) -> Result<usize, StoreError> {
        self.execute("DELETE FROM operation_parent WHERE parent = ?1", [signed(parent.0)])
    }

    /// Empties an operation that was never sent and lets it travel with another one, blocked until
    /// then: what it wanted is decided there.
    ///
    /// # Errors
    /// [`StoreError::NoSuchOperation`] when it is not in the queue.
    pub fn absorb(&mut self, operation: Counter, into: Counter) -> Result<(), StoreError> {
        let from = self.state_of(operation)?.ok_or(StoreError::NoSuchOperation(operation))?;
        self.execute(
            "UPDATE operation SET kind = ?3, changes = '[]', undelete = 0, batch = NULL,
                 carrier = ?2, state = ?4
             WHERE counter = ?1",
            params![
                signed(operation.0),
                signed(into.0),
                kind_number(clarity_model::Kind::Update),
                OperationState::Blocked as i64
            ],
        )?;
        self.queue.moved(from, OperationState::Blocked, 1);
        Ok(())
    }

    /// Gives everything that was never sent the current incarnation. Says how much that was.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn reidentify_unsent(&mut self) -> Result<usize, StoreError> {
        self.execute(
            "UPDATE operation SET incarnation = (SELECT incarnation FROM meta)
             WHERE first_sent_at IS NULL",
            [],
        )
    }

    /// Makes an operation as if it had never been sent, ready to go under the current incarnation.
    ///
    /// # Errors
    /// [`StoreError::NoSuchOperation`] when it is not in the queue.
    pub fn thaw(&mut self, operation: Counter) -> Result<(), StoreError> {
        let from = self.state_of(operation)?.ok_or(StoreError::NoSuchOperation(operation))?;
        self.execute(
            "UPDATE operation SET incarnation = (SELECT incarnation FROM meta), state = 0,
                 first_sent_at = NULL, request = NULL, carrier = NULL, frozen = NULL
             WHERE counter = ?1",
            [signed(operation.0)],
        )?;
        self.queue.moved(from, OperationState::Ready, 1);
        Ok(())
    }

    /// Forgets what the server told of entities that have no operation. Says how many that were.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn remove_orphaned_confirmed(&mut self) -> Result<usize, StoreError> {
        self.execute(
            "DELETE FROM confirmed WHERE NOT EXISTS (
                 SELECT 1 FROM operation
                 WHERE operation.type = confirmed.type AND operation.id = confirmed.id)",
            [],
        )
    }
}
