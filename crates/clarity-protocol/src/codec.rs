//! Bytes to wire types and back, within the named limits.

use std::collections::BTreeSet;

use clarity_model::{
    Counter, Kind, RejectReason, Rejection, limits, validate_depth, validate_field_name,
    validate_fields,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::push::WireOperation;

/// Why bytes are not the expected message. The words name a place, never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the message is not of the expected form at line {line}, column {column}")]
pub struct DecodeError {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
}

/// Reads a message.
///
/// # Errors
/// [`DecodeError`] when it is not JSON, is truncated, or is of another form.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(bytes)
        .map_err(|error| DecodeError { line: error.line(), column: error.column() })
}

/// The hash by which a server tells a repeat from another operation with the same id: the first 16
/// bytes of BLAKE3 over the frozen bytes.
#[must_use]
pub fn hash_operation(frozen: &[u8]) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&blake3::hash(frozen).as_bytes()[..16]);
    short
}

/// Reads one operation and checks it against the limits.
///
/// # Errors
/// The rejection to answer, with the operation's counter where it could be read at all.
pub fn decode_operation(raw: &RawValue) -> Result<WireOperation, (Option<Counter>, Rejection)> {
    #[derive(Deserialize)]
    struct OnlyCounter {
        counter: Counter,
    }
    let text = raw.get();
    let reject = |code, message: String| {
        let id = serde_json::from_str::<OnlyCounter>(text).ok().map(|only| only.counter);
        (id, Rejection { code, message })
    };
    if text.len() > limits::OPERATION_BYTES_MAX {
        let message = format!("the operation has {} bytes; the limit is 512 KiB", text.len());
        return Err(reject(RejectReason::TooLarge, message));
    }
    let operation: WireOperation = serde_json::from_str(text).map_err(|error| {
        let place = format!("the operation cannot be read at column {}", error.column());
        reject(RejectReason::Invalid, place)
    })?;
    match check(&operation) {
        Ok(()) => Ok(operation),
        Err(rejection) => Err((Some(operation.id), rejection)),
    }
}

fn check(operation: &WireOperation) -> Result<(), Rejection> {
    let invalid =
        |message: &str| Err(Rejection { code: RejectReason::Invalid, message: message.to_owned() });
    if operation.covers.len() > limits::COVERED_OPERATIONS_MAX {
        return invalid("the operation covers more operations than the limit");
    }
    let older = |covered: &Counter| covered.0 > 0 && *covered < operation.id;
    if operation.id.0 == 0 || !operation.covers.iter().all(older) {
        return invalid("an operation covers only older operations, counted from 1");
    }
    if operation.covers.iter().collect::<BTreeSet<_>>().len() < operation.covers.len() {
        return invalid("an operation covers another operation twice");
    }
    if operation.kind == Kind::Create && operation.fields.is_none() {
        return invalid("a create needs fields");
    }
    if let Some(fields) = &operation.fields {
        validate_fields(fields).map_err(invalid_entity)?;
    }
    for change in &operation.changes {
        validate_field_name(&change.field).map_err(invalid_entity)?;
        for value in [&change.old, &change.new].into_iter().flatten() {
            validate_depth(&change.field, value).map_err(invalid_entity)?;
        }
    }
    Ok(())
}

fn invalid_entity(error: clarity_model::InvalidEntity) -> Rejection {
    let code = match error {
        clarity_model::InvalidEntity::TooLarge { .. } => RejectReason::TooLarge,
        _ => RejectReason::Invalid,
    };
    Rejection { code, message: error.to_string() }
}
