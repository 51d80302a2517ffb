//! Operations as they come in, before anything is looked up.

use clarity_model::{Counter, RejectReason, Rejection};
use clarity_protocol::{WireOperation, decode_operation, hash_operation};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Counters above this do not fit into a database; no device counts so far.
const COUNTER_MAX: u64 = i64::MAX as u64;

/// One operation of a request.
pub(super) struct Incoming {
    /// Its counter; zero when not even that could be read.
    pub(super) id: Counter,
    /// The atomic batch that it belongs to.
    pub(super) batch: Option<Counter>,
    /// The hash of its bytes.
    pub(super) hash: [u8; 16],
    /// The operation, or why it cannot be one.
    pub(super) operation: Result<WireOperation, Rejection>,
}

impl Incoming {
    /// Reads one operation.
    pub(super) fn read(raw: &RawValue) -> Self {
        let hash = hash_operation(raw.get().as_bytes());
        match decode_operation(raw) {
            Ok(operation) if operation.id.0 > COUNTER_MAX => {
                let message = "the operation's counter is larger than any device counts";
                let rejection =
                    Rejection { code: RejectReason::Invalid, message: message.to_owned() };
                let batch = operation.batch;
                Self { id: Counter(0), batch, hash, operation: Err(rejection) }
            }
            Ok(operation) => {
                let (id, batch) = (operation.id, operation.batch);
                Self { id, batch, hash, operation: Ok(operation) }
            }
            Err((id, rejection)) => {
                let id = id.filter(|id| id.0 <= COUNTER_MAX).unwrap_or_default();
                Self { id, batch: peek_batch(raw), hash, operation: Err(rejection) }
            }
        }
    }

    /// The counters that it carries besides its own.
    pub(super) fn covers(&self) -> &[Counter] {
        self.operation.as_ref().map_or(&[], |operation| &operation.covers)
    }
}

/// The batch of an operation that cannot be read as a whole, so that its batch falls with it.
fn peek_batch(raw: &RawValue) -> Option<Counter> {
    #[derive(Deserialize)]
    struct OnlyBatch {
        batch: Option<Counter>,
    }
    serde_json::from_str::<OnlyBatch>(raw.get()).ok()?.batch
}

/// Splits operations into units that stand or fall together: runs of one atomic batch, and single
/// independent operations.
pub(super) fn units(operations: Vec<Incoming>) -> Vec<Vec<Incoming>> {
    let mut units: Vec<Vec<Incoming>> = Vec::with_capacity(operations.len());
    for operation in operations {
        match units.last_mut() {
            Some(unit) if operation.batch.is_some() && unit[0].batch == operation.batch => {
                unit.push(operation);
            }
            _ => units.push(vec![operation]),
        }
    }
    units
}
