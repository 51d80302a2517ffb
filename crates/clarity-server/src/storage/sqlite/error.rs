//! SQLite's errors in our words.

use rusqlite::{Error, ErrorCode};

use crate::storage::StorageError;

/// Sorts an error of SQLite into what a person can do about it.
pub(crate) fn from_sqlite(error: Error) -> StorageError {
    let Error::SqliteFailure(failure, _) = &error else {
        return StorageError::Value("a column of another kind than expected");
    };
    match failure.code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StorageError::Busy,
        ErrorCode::DiskFull => StorageError::Full,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StorageError::Damaged,
        ErrorCode::SystemIoFailure
        | ErrorCode::CannotOpen
        | ErrorCode::ReadOnly
        | ErrorCode::PermissionDenied => StorageError::Io,
        _ => StorageError::Engine { code: failure.extended_code },
    }
}

impl From<Error> for StorageError {
    fn from(error: Error) -> Self {
        from_sqlite(error)
    }
}
