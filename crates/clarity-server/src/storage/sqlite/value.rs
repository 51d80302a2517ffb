//! Values of the model as SQLite values and back.

use clarity_model::{EntityId, EntityKey, EntityType, Outcome};
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};
use uuid::Uuid;

use crate::storage::StorageError;

/// An id: 16 bytes when the text is a UUID in its canonical form, else the text.
pub(super) enum IdValue<'a> {
    Uuid([u8; 16]),
    Text(&'a str),
}

impl<'a> IdValue<'a> {
    pub(super) fn new(id: &'a EntityId) -> Self {
        let text = id.as_str();
        match parse_canonical(text) {
            Some(uuid) => Self::Uuid(uuid.into_bytes()),
            None => Self::Text(text),
        }
    }
}

/// Only the form that formatting gives back unchanged.
fn parse_canonical(text: &str) -> Option<Uuid> {
    if text.len() != 36 || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    Uuid::try_parse(text).ok()
}

impl ToSql for IdValue<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Uuid(bytes) => ValueRef::Blob(bytes),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

/// Writes the text of a stored id into a buffer that the caller keeps.
pub(super) fn id_text<'b>(
    value: ValueRef<'b>,
    buffer: &'b mut [u8; uuid::fmt::Hyphenated::LENGTH],
) -> Result<&'b str, StorageError> {
    match value {
        ValueRef::Blob(bytes) => {
            let uuid = Uuid::from_slice(bytes).map_err(|_| StorageError::Value("an id"))?;
            Ok(uuid.hyphenated().encode_lower(buffer))
        }
        ValueRef::Text(bytes) => {
            std::str::from_utf8(bytes).map_err(|_| StorageError::Value("an id"))
        }
        _ => Err(StorageError::Value("an id")),
    }
}

pub(super) fn key_of(entity_type: &str, id: ValueRef<'_>) -> Result<EntityKey, StorageError> {
    let mut buffer = [0; uuid::fmt::Hyphenated::LENGTH];
    let id = id_text(id, &mut buffer)?;
    Ok(EntityKey {
        entity_type: EntityType::new(entity_type).map_err(|_| StorageError::Value("a type"))?,
        id: EntityId::new(id).map_err(|_| StorageError::Value("an id"))?,
    })
}

/// SQLite has signed integers only; everything that is stored was checked to fit when it came in.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> Result<u64, StorageError> {
    u64::try_from(number).map_err(|_| StorageError::Value("a negative number"))
}

pub(super) fn outcome_code(outcome: Outcome) -> i64 {
    match outcome {
        Outcome::Applied => 0,
        Outcome::Merged => 1,
        Outcome::Superseded => 2,
        Outcome::Conflict => 3,
        Outcome::Rejected => 4,
        Outcome::Blocked => 5,
        Outcome::OpIdReused => 6,
        Outcome::Reidentify => 7,
        Outcome::Stale => 8,
    }
}

pub(super) fn outcome_of(code: i64) -> Result<Outcome, StorageError> {
    Ok(match code {
        0 => Outcome::Applied,
        1 => Outcome::Merged,
        2 => Outcome::Superseded,
        3 => Outcome::Conflict,
        4 => Outcome::Rejected,
        5 => Outcome::Blocked,
        6 => Outcome::OpIdReused,
        7 => Outcome::Reidentify,
        8 => Outcome::Stale,
        _ => return Err(StorageError::Value("an outcome")),
    })
}
