//! From the queue onto the wire: freezing, sending again, and giving up a request.

use clarity_model::{Counter, LocalTime};
use rusqlite::params;

use crate::error::StoreError;
use crate::operation::{OperationState, RequestId};
use crate::transaction::StoreTransaction;
use crate::value::{read_unsigned, signed};

impl StoreTransaction<'_> {
    /// Fixes the bytes of a wire operation and marks it, and those it covers, as sent. Once this
    /// is committed the bytes may leave, and only the very same bytes may leave again.
    ///
    /// `covered` are the operations that were merged into the carrier; the carrier itself may be
    /// among them.
    ///
    /// # Errors
    /// [`StoreError::NoSuchOperation`] when one of them is not in the queue.
    pub fn freeze(
        &mut self,
        carrier: Counter,
        covered: &[Counter],
        frozen: &[u8],
        request: RequestId,
        now: LocalTime,
    ) -> Result<(), StoreError> {
        self.take_off(carrier, carrier, Some(frozen), request, now)?;
        for other in covered.iter().filter(|other| **other != carrier) {
            self.take_off(*other, carrier, None, request, now)?;
        }
        Ok(())
    }

    /// Marks a carrier and those it covers as sent again, with the same bytes; false when the
    /// carrier has none.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn resend(
        &mut self,
        carrier: Counter,
        request: RequestId,
        now: LocalTime,
    ) -> Result<bool, StoreError> {
        let carried = self.carried_by(carrier)?;
        if !carried.contains(&carrier) {
            return Ok(false);
        }
        for operation in carried {
            self.take_off(operation, carrier, None, request, now)?;
        }
        Ok(true)
    }

    fn take_off(
        &mut self,
        operation: Counter,
        carrier: Counter,
        frozen: Option<&[u8]>,
        request: RequestId,
        now: LocalTime,
    ) -> Result<(), StoreError> {
        let mut from = OperationState::Ready;
        let parameters =
            params![signed(operation.0), signed(carrier.0), frozen, signed(request.0), now.0];
        // Almost all are ready; that case needs no look at the state.
        let ready = self.execute(
            "UPDATE operation SET state = 2, carrier = ?2, frozen = coalesce(?3, frozen),
                 request = ?4, first_sent_at = coalesce(first_sent_at, ?5), last_attempt_at = ?5
             WHERE counter = ?1 AND state = 0",
            parameters,
        )?;
        if ready == 0 {
            let found = self.state_of(operation)?;
            from = found.ok_or(StoreError::NoSuchOperation(operation))?;
            self.execute(
                "UPDATE operation SET state = 2, carrier = ?2, frozen = coalesce(?3, frozen),
                     request = ?4, first_sent_at = coalesce(first_sent_at, ?5),
                     last_attempt_at = ?5
                 WHERE counter = ?1",
                parameters,
            )?;
        }
        self.queue.moved(from, OperationState::InFlight, 1);
        Ok(())
    }

    /// The bytes of a carrier as they were first sent.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn frozen(&self, carrier: Counter) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT frozen FROM operation WHERE counter = ?1";
        let found = self.read_one(sql, [signed(carrier.0)], |row| Ok(row.get(0)?))?;
        Ok(found.flatten())
    }

    /// The operations that a carrier's bytes say, the carrier included, in order.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn carried_by(&self, carrier: Counter) -> Result<Vec<Counter>, StoreError> {
        self.read_all(
            "SELECT counter FROM operation WHERE counter = ?1 AND carrier = ?1
             UNION ALL
             SELECT counter FROM operation INDEXED BY operation_by_carrier
             WHERE carrier = ?1 AND carrier <> counter
             ORDER BY 1",
            [signed(carrier.0)],
            |row| read_unsigned(row, 0).map(Counter),
        )
    }

    /// Takes the operations of a request out of flight, ready to be sent again with the same
    /// bytes; says how many.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn release(&mut self, request: RequestId) -> Result<usize, StoreError> {
        let released = self.execute(
            "UPDATE operation SET state = 0, request = NULL WHERE request = ?1 AND state = 2",
            [signed(request.0)],
        )?;
        self.queue.moved(OperationState::InFlight, OperationState::Ready, released);
        Ok(released)
    }

    /// Takes everything out of flight, as after a start: no answer will come any more. Says how
    /// many.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn release_all_in_flight(&mut self) -> Result<usize, StoreError> {
        let released =
            self.execute("UPDATE operation SET state = 0, request = NULL WHERE state = 2", [])?;
        self.queue.moved(OperationState::InFlight, OperationState::Ready, released);
        Ok(released)
    }
}
