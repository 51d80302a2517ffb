//! The queue: putting operations in, finding them, changing their state, taking them out.

use clarity_model::{Counter, EntityKey, FieldChange, LocalTime};
use rusqlite::params;

use crate::error::StoreError;
use crate::operation::{
    NewOperation, OperationError, OperationState, QueuedOperation, RequestId, kind_number,
    read_operation, select_operation,
};
use crate::transaction::StoreTransaction;
use crate::value::{IdValue, json_text, read_key, read_unsigned, row_limit, signed};

const TABLE: &str = "operation";

/// Operations that were made with an older version of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OlderOperations {
    /// Which, with the version that each was made with.
    pub operations: Vec<(Counter, u32)>,
    /// The last operation that was looked at, of any version.
    pub last: Counter,
}

impl StoreTransaction<'_> {
    /// Puts an operation at the end of the queue, under the next counter.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn insert_operation(&mut self, operation: &NewOperation) -> Result<Counter, StoreError> {
        let changes = operation.changes.as_ref();
        let changes = changes.map(|changes| json_text(changes, TABLE, "changes")).transpose()?;
        let counter = self.allocate_counter()?;
        self.execute(
            "INSERT INTO operation (counter, incarnation, kind, type, id, changes, undelete,
                 batch, schema, made_at, state)
             VALUES (?1, (SELECT incarnation FROM meta), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                signed(counter.0),
                kind_number(operation.kind),
                operation.key.entity_type.as_str(),
                IdValue::of(&operation.key.id),
                changes,
                operation.undelete,
                operation.batch.map(|batch| signed(batch.0)),
                operation.schema,
                operation.made_at.0,
                operation.state as i64,
            ],
        )?;
        for parent in &operation.parents {
            self.execute(
                "INSERT OR IGNORE INTO operation_parent (child, parent) VALUES (?1, ?2)",
                [signed(counter.0), signed(parent.0)],
            )?;
        }
        self.queue.entered(operation.state);
        Ok(counter)
    }

    /// One operation.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn operation(&self, counter: Counter) -> Result<Option<QueuedOperation>, StoreError> {
        self.read_one(select_operation!("WHERE counter = ?1"), [signed(counter.0)], |row| {
            read_operation(self, row)
        })
    }

    /// All operations, in order, after a counter.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn operations(
        &self,
        after: Counter,
        limit: usize,
    ) -> Result<Vec<QueuedOperation>, StoreError> {
        self.read_all(
            select_operation!("WHERE counter > ?1 ORDER BY counter LIMIT ?2"),
            params![signed(after.0), row_limit(limit)],
            |row| read_operation(self, row),
        )
    }

    /// The operations that were made with an older version of the schema, after a counter, in
    /// order, with that version. It looks at `limit` operations at most, of any version; nothing
    /// when there are no more.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn older_operations(
        &self,
        after: Counter,
        limit: usize,
    ) -> Result<Option<OlderOperations>, StoreError> {
        let read =
            |row: &rusqlite::Row<'_>| Ok((Counter(read_unsigned(row, 0)?), row.get::<_, u32>(1)?));
        let mut operations = self.read_all(
            "SELECT counter, schema FROM operation WHERE counter > ?1 ORDER BY counter LIMIT ?2",
            params![signed(after.0), row_limit(limit)],
            read,
        )?;
        let Some((last, _)) = operations.last().copied() else { return Ok(None) };
        let present = self.schema().version;
        operations.retain(|(_, schema)| *schema < present);
        Ok(Some(OlderOperations { operations, last }))
    }

    /// The operations of one entity, in order.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn lane(&self, key: &EntityKey) -> Result<Vec<QueuedOperation>, StoreError> {
        self.read_all(
            select_operation!(
                "INDEXED BY operation_by_lane WHERE type = ?1 AND id = ?2 ORDER BY counter"
            ),
            params![key.entity_type.as_str(), IdValue::of(&key.id)],
            |row| read_operation(self, row),
        )
    }

    /// Whether no operation of the entity waits.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn lane_is_empty(&self, key: &EntityKey) -> Result<bool, StoreError> {
        let found = self.read_one(
            "SELECT 1 FROM operation INDEXED BY operation_by_lane
             WHERE type = ?1 AND id = ?2 LIMIT 1",
            params![key.entity_type.as_str(), IdValue::of(&key.id)],
            |_| Ok(()),
        )?;
        Ok(found.is_none())
    }

    /// Operations that can be sent, in order, after a counter.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn ready_operations(
        &self,
        after: Counter,
        limit: usize,
    ) -> Result<Vec<QueuedOperation>, StoreError> {
        self.operations_in_state(OperationState::Ready, after, limit)
    }

    /// The entities with operations under way. An entity with several comes several times.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn in_flight_keys(&self) -> Result<Vec<EntityKey>, StoreError> {
        self.read_all("SELECT type, id FROM operation WHERE state = 2", [], |row| {
            read_key(row, 0, TABLE)
        })
    }

    /// Operations in a state, in order, after a counter. Others are not touched.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn operations_in_state(
        &self,
        state: OperationState,
        after: Counter,
        limit: usize,
    ) -> Result<Vec<QueuedOperation>, StoreError> {
        self.read_all(
            select_operation!(
                "INDEXED BY operation_by_state WHERE state = ?1 AND counter > ?2 \
                 ORDER BY counter LIMIT ?3"
            ),
            params![state as i64, signed(after.0), row_limit(limit)],
            |row| read_operation(self, row),
        )
    }

    /// The operations that travel in a request, in order.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn operations_of_request(
        &self,
        request: RequestId,
    ) -> Result<Vec<QueuedOperation>, StoreError> {
        self.read_all(
            select_operation!("WHERE request = ?1 ORDER BY counter"),
            [signed(request.0)],
            |row| read_operation(self, row),
        )
    }

    /// The operations of an atomic batch that are still in the queue, in order.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn operations_of_batch(&self, batch: Counter) -> Result<Vec<QueuedOperation>, StoreError> {
        self.read_all(
            select_operation!("WHERE batch = ?1 ORDER BY counter"),
            [signed(batch.0)],
            |row| read_operation(self, row),
        )
    }

    /// The operations that named this one as a parent; it need not be in the queue any more.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn children(&self, parent: Counter) -> Result<Vec<Counter>, StoreError> {
        self.read_all(
            "SELECT child FROM operation_parent WHERE parent = ?1 ORDER BY child",
            [signed(parent.0)],
            |row| read_unsigned(row, 0).map(Counter),
        )
    }

    /// The parents of an operation that are still in the queue.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn parents(&self, child: Counter) -> Result<Vec<Counter>, StoreError> {
        self.read_all(
            "SELECT parent FROM operation_parent
             WHERE child = ?1 AND EXISTS (SELECT 1 FROM operation WHERE counter = parent)
             ORDER BY parent",
            [signed(child.0)],
            |row| read_unsigned(row, 0).map(Counter),
        )
    }

    /// Moves an operation to another state; false when it is not in the queue. One that leaves
    /// flight is no longer part of its request.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_operation_state(
        &mut self,
        counter: Counter,
        state: OperationState,
    ) -> Result<bool, StoreError> {
        let Some(from) = self.state_of(counter)? else { return Ok(false) };
        if from != state {
            self.execute(
                "UPDATE operation SET state = ?2, request = CASE ?2 WHEN 2 THEN request END
                 WHERE counter = ?1",
                [signed(counter.0), state as i64],
            )?;
            self.queue.moved(from, state, 1);
        }
        Ok(true)
    }

    /// Moves the operations of an entity that come after a counter from one state to another;
    /// says how many.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn set_lane_state(
        &mut self,
        key: &EntityKey,
        after: Counter,
        from: OperationState,
        to: OperationState,
    ) -> Result<usize, StoreError> {
        let moved = self.execute(
            "UPDATE operation INDEXED BY operation_by_lane SET state = ?5,
                 request = CASE ?5 WHEN 2 THEN request END
             WHERE type = ?1 AND id = ?2 AND counter > ?3 AND state = ?4",
            params![
                key.entity_type.as_str(),
                IdValue::of(&key.id),
                signed(after.0),
                from as i64,
                to as i64,
            ],
        )?;
        self.queue.moved(from, to, moved);
        Ok(moved)
    }

    /// Gives a create that referred to its row its own changes; false when it is not in the queue.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_operation_changes(
        &mut self,
        counter: Counter,
        changes: &[FieldChange],
    ) -> Result<bool, StoreError> {
        let changed = self.execute(
            "UPDATE operation SET changes = ?2, schema = ?3 WHERE counter = ?1",
            params![
                signed(counter.0),
                json_text(changes, TABLE, "changes")?,
                self.schema().version
            ],
        )?;
        Ok(changed == 1)
    }

    /// Keeps what an attempt led to; false when the operation is not in the queue.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_attempt(
        &mut self,
        counter: Counter,
        attempts: u32,
        next_attempt_at: Option<LocalTime>,
        error: Option<&OperationError>,
    ) -> Result<bool, StoreError> {
        let error = error.map(|error| json_text(error, TABLE, "error")).transpose()?;
        let changed = self.execute(
            "UPDATE operation SET attempts = ?2, next_attempt_at = ?3, error = ?4
             WHERE counter = ?1",
            params![signed(counter.0), attempts, next_attempt_at.map(|time| time.0), error],
        )?;
        Ok(changed == 1)
    }

    /// Takes an operation out of the queue; false when it is not in it. Its children still name
    /// it, so [`StoreTransaction::children`] finds them before and after.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn remove_operation(&mut self, counter: Counter) -> Result<bool, StoreError> {
        // Almost all leave the queue from flight; that case needs no look at the state.
        let in_flight = self.execute(
            "DELETE FROM operation WHERE counter = ?1 AND state = 2",
            [signed(counter.0)],
        )?;
        let state = if in_flight == 1 {
            OperationState::InFlight
        } else {
            let Some(state) = self.state_of(counter)? else { return Ok(false) };
            self.execute("DELETE FROM operation WHERE counter = ?1", [signed(counter.0)])?;
            state
        };
        self.execute("DELETE FROM operation_parent WHERE child = ?1", [signed(counter.0)])?;
        self.queue.left(state);
        Ok(true)
    }

    /// Gives an operation a new number at the end of the queue, in the current incarnation, as if
    /// it had never been sent. Whatever named it, names the new number. The operations of a lane
    /// are renumbered in their order.
    ///
    /// # Errors
    /// [`StoreError::NoSuchOperation`] when it is not in the queue.
    pub fn renumber(&mut self, old: Counter) -> Result<Counter, StoreError> {
        let state = self.state_of(old)?.ok_or(StoreError::NoSuchOperation(old))?;
        let new = self.allocate_counter()?;
        let numbers = [signed(old.0), signed(new.0)];
        self.execute(
            "UPDATE operation SET counter = ?2, incarnation = (SELECT incarnation FROM meta),
                 state = CASE state WHEN 2 THEN 0 ELSE state END, attempts = 0,
                 first_sent_at = NULL, last_attempt_at = NULL, next_attempt_at = NULL,
                 request = NULL, carrier = NULL, frozen = NULL,
                 error = CASE WHEN state IN (4, 5) THEN error END
             WHERE counter = ?1",
            numbers,
        )?;
        // Operations that were merged into the old bytes are on their own again.
        self.execute(
            "UPDATE operation SET carrier = NULL
             WHERE carrier = ?1 AND carrier <> counter",
            [signed(old.0)],
        )?;
        self.execute("UPDATE operation SET batch = ?2 WHERE batch = ?1", numbers)?;
        self.execute("UPDATE operation_parent SET child = ?2 WHERE child = ?1", numbers)?;
        self.execute("UPDATE operation_parent SET parent = ?2 WHERE parent = ?1", numbers)?;
        self.execute("UPDATE conflict SET counter = ?2 WHERE counter = ?1", numbers)?;
        self.renumber_revert(old, new)?;
        if state == OperationState::InFlight {
            self.queue.moved(OperationState::InFlight, OperationState::Ready, 1);
        }
        Ok(new)
    }

    /// The smallest counter that may still go out under its own name: everything but what failed.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn lowest_unsettled(&self) -> Result<Option<Counter>, StoreError> {
        const SELECT: &str = "
            SELECT min(counter) FROM (
                SELECT min(counter) AS counter FROM operation WHERE state = 0
                UNION ALL SELECT min(counter) FROM operation WHERE state = 1
                UNION ALL SELECT min(counter) FROM operation WHERE state = 2
                UNION ALL SELECT min(counter) FROM operation WHERE state = 3
                UNION ALL SELECT min(counter) FROM operation WHERE state = 5)";
        let found = self.read_one(SELECT, [], |row| Ok(row.get::<_, Option<i64>>(0)?))?;
        Ok(found.flatten().map(|counter| Counter(counter.cast_unsigned())))
    }

    /// The smallest counter in the queue, whatever it waits for.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn lowest_queued(&self) -> Result<Option<Counter>, StoreError> {
        let sql = "SELECT min(counter) FROM operation";
        let found = self.read_one(sql, [], |row| Ok(row.get::<_, Option<i64>>(0)?))?;
        Ok(found.flatten().map(|counter| Counter(counter.cast_unsigned())))
    }

    /// When the oldest operation that goes out by itself was made: ready, blocked, in flight or set
    /// aside.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn oldest_waiting(&self) -> Result<Option<LocalTime>, StoreError> {
        const SELECT: &str = "
            SELECT made_at FROM operation WHERE counter = (
                SELECT min(counter) FROM (
                    SELECT min(counter) AS counter FROM operation WHERE state = 0
                    UNION ALL SELECT min(counter) FROM operation WHERE state = 1
                    UNION ALL SELECT min(counter) FROM operation WHERE state = 2
                    UNION ALL SELECT min(counter) FROM operation WHERE state = 3))";
        self.read_one(SELECT, [], |row| Ok(LocalTime(row.get(0)?)))
    }

    pub(crate) fn state_of(&self, counter: Counter) -> Result<Option<OperationState>, StoreError> {
        let sql = "SELECT state FROM operation WHERE counter = ?1";
        self.read_one(sql, [signed(counter.0)], |row| OperationState::read(row.get(0)?))
    }
}
