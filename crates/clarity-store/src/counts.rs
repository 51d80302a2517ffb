//! How many operations are in each state, without counting them.
//!
//! A row of the file holds the numbers. A transaction collects its differences and writes them
//! once, when it commits; what it reads meanwhile includes them.

use std::cell::Cell;

use clarity_model::Counter;

use crate::error::StoreError;
use crate::operation::OperationState;
use crate::transaction::StoreTransaction;
use crate::value::{read_unsigned, signed};

/// How many operations are in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueCounts {
    /// Can be sent.
    pub ready: u64,
    /// Wait for another operation.
    pub blocked: u64,
    /// Are under way.
    pub in_flight: u64,
    /// Are tried again later, apart from the others.
    pub set_aside: u64,
    /// Were refused and wait for a person.
    pub failed: u64,
    /// Are in the conflict inbox.
    pub conflicted: u64,
}

impl QueueCounts {
    /// All operations in the queue.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.unsettled() + self.failed + self.conflicted
    }

    /// Those that still go out by themselves: ready, blocked, in flight and set aside.
    #[must_use]
    pub fn unsettled(&self) -> u64 {
        self.ready + self.blocked + self.in_flight + self.set_aside
    }
}

/// What a transaction has changed and not yet written.
#[derive(Debug, Clone, Default)]
pub(crate) struct QueueDelta {
    states: [i64; OperationState::COUNT],
    /// What the next operation gets, once it was looked up.
    next_counter: Cell<Option<u64>>,
    allocated: bool,
}

impl QueueDelta {
    pub(crate) fn entered(&mut self, state: OperationState) {
        self.states[state as usize] += 1;
    }

    pub(crate) fn left(&mut self, state: OperationState) {
        self.states[state as usize] -= 1;
    }

    pub(crate) fn moved(&mut self, from: OperationState, to: OperationState, operations: usize) {
        let operations = operations.cast_signed() as i64;
        self.states[from as usize] -= operations;
        self.states[to as usize] += operations;
    }
}

impl StoreTransaction<'_> {
    /// What the next operation gets.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next_counter(&self) -> Result<Counter, StoreError> {
        if let Some(next) = self.queue.next_counter.get() {
            return Ok(Counter(next));
        }
        let next = self
            .read_one("SELECT next_counter FROM queue_count", [], |row| read_unsigned(row, 0))?
            .ok_or(StoreError::InvalidValue { table: "queue_count", column: "next_counter" })?;
        self.queue.next_counter.set(Some(next));
        Ok(Counter(next))
    }

    /// Takes the next counter.
    pub(crate) fn allocate_counter(&mut self) -> Result<Counter, StoreError> {
        let counter = self.next_counter()?;
        self.queue.next_counter.set(Some(counter.next().0));
        self.queue.allocated = true;
        Ok(counter)
    }

    /// How many operations are in each state. It costs the same at any length of the queue.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn queue_counts(&self) -> Result<QueueCounts, StoreError> {
        const SELECT: &str = "SELECT ready, blocked, in_flight, set_aside, failed, conflicted
                              FROM queue_count";
        let states = &self.queue.states;
        self.read_one(SELECT, [], |row| {
            let count = |at: usize| {
                Ok::<_, StoreError>((row.get::<_, i64>(at)? + states[at]).max(0).cast_unsigned())
            };
            Ok(QueueCounts {
                ready: count(OperationState::Ready as usize)?,
                blocked: count(OperationState::Blocked as usize)?,
                in_flight: count(OperationState::InFlight as usize)?,
                set_aside: count(OperationState::SetAside as usize)?,
                failed: count(OperationState::Failed as usize)?,
                conflicted: count(OperationState::Conflicted as usize)?,
            })
        })?
        .ok_or(StoreError::InvalidValue { table: "queue_count", column: "one" })
    }

    /// Writes the differences.
    pub(crate) fn flush_queue(&mut self) -> Result<(), StoreError> {
        let QueueDelta { states, next_counter, allocated } = &self.queue;
        if !allocated && states.iter().all(|difference| *difference == 0) {
            return Ok(());
        }
        let next_counter = next_counter.get().filter(|_| *allocated).map(signed);
        let [ready, blocked, in_flight, set_aside, failed, conflicted] = *states;
        self.execute(
            "UPDATE queue_count SET next_counter = coalesce(?1, next_counter),
                 ready = ready + ?2, blocked = blocked + ?3, in_flight = in_flight + ?4,
                 set_aside = set_aside + ?5, failed = failed + ?6, conflicted = conflicted + ?7",
            rusqlite::params![
                next_counter,
                ready,
                blocked,
                in_flight,
                set_aside,
                failed,
                conflicted
            ],
        )?;
        self.queue = QueueDelta::default();
        Ok(())
    }
}
