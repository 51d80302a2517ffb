//! What can go wrong with a store, in words a person can act on.

use clarity_model::{Counter, EntityType};

/// Why the store could not do what it was asked for.
///
/// No message holds a value, a token or an id of an entity (promise I17).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process holds the store for longer than the busy timeout.
    #[error("another process is using the store; try again in a moment")]
    Busy,
    /// The disk, or the size limit of the store, is full. Nothing of the transaction was kept.
    #[error("there is no space left for the store; free some space and try again")]
    Full,
    /// The operating system refused to read or write the file.
    #[error("the store cannot be read or written: {detail}; check the disk and the permissions")]
    Io {
        /// What SQLite or the operating system said.
        detail: String,
    },
    /// The file may only be read, or the transaction was opened for reading.
    #[error("the store is open for reading only; open it for writing, or check the permissions")]
    ReadOnly,
    /// The file is not a sound SQLite database. It was not changed.
    #[error(
        "the file is damaged or is not a database ({detail}); recovering saves what can be read \
         and moves it aside"
    )]
    Damaged {
        /// What SQLite said.
        detail: String,
    },
    /// A later version of this program made the file. It was not changed.
    #[error(
        "the store was made by a newer version of this program (format {found}, this program \
         knows {known}); update the program"
    )]
    NewerStore {
        /// The format of the file.
        found: u32,
        /// The latest format that this program knows.
        known: u32,
    },
    /// A later version of the app changed what is stored, and this one would misread it. Nothing
    /// was changed.
    #[error(
        "the store follows version {found} of the schema, and this program has version {known}, \
         which would misread it; update the program"
    )]
    NewerSchema {
        /// The version of the schema that the file follows.
        found: u32,
        /// The version of this program's schema.
        known: u32,
    },
    /// The schema's steps are not those that the file has taken. Nothing was changed.
    #[error("the store was made with another history of the schema: {problem}")]
    SchemaHistory {
        /// What is wrong and what to do.
        problem: String,
    },
    /// A sound database that belongs to something else. It was not changed.
    #[error("the file belongs to another program; choose another path for the store")]
    NotAStore,
    /// The store is encrypted and no key was given. It was not changed.
    #[error("the store is encrypted; its key is needed to open it")]
    KeyRequired,
    /// The key is not that of the store. It was not changed.
    #[error("the key does not fit this store; nothing was changed")]
    WrongKey,
    /// A key was given for a store that is not encrypted. It was not changed.
    #[error("the store is not encrypted; open it without a key, or encrypt it first")]
    NotEncrypted,
    /// The store is encrypted, or was to be, and this program cannot do that. Nothing was changed.
    #[error(
        "this program was built without encryption, so it can neither open nor make an encrypted \
         store; use one that was built with the feature `encryption`"
    )]
    EncryptionUnavailable,
    /// The journal that was asked for does not work with this file system or VFS.
    #[error("the file system cannot keep a {wanted} journal; choose another journal")]
    Journal {
        /// The journal that was asked for.
        wanted: &'static str,
    },
    /// A declared type cannot be a table here.
    #[error("the schema cannot be stored: type {entity_type}: {problem}")]
    Schema {
        /// The type.
        entity_type: EntityType,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A stored value has a form that this program never writes.
    #[error("the store holds a value of an unknown form in {table}.{column}; restore a backup")]
    InvalidValue {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// A value handed in cannot be written as JSON.
    #[error("the value for {table}.{column} cannot be written as JSON")]
    NotJson {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// A query asks for a range of time of a type that declares no time.
    #[error("the type {0} declares no field with its time; compare a field by its name instead")]
    NoTimeField(EntityType),
    /// An operation that was named is not in the queue.
    #[error("operation {0} is not in the queue")]
    NoSuchOperation(Counter),
    /// The store already belongs to another account (promise I11).
    #[error("this store belongs to another account; use a separate store for each account")]
    OtherAccount,
    /// A row of an export that no version of this program wrote.
    #[error(
        "the export holds something that this program never writes; it was changed, or damaged"
    )]
    NotPortable,
    /// An earlier error has already rolled the transaction back; begin a new one.
    #[error("the transaction was rolled back by an earlier error; begin again")]
    RolledBack,
    /// Anything else that SQLite reports.
    #[error("the local database failed: {0}")]
    Sqlite(#[source] rusqlite::Error),
}

/// The kind of a [`StoreError`], for decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// Try again soon.
    Busy,
    /// Space is needed.
    Full,
    /// The device or its permissions.
    Io,
    /// The file is not sound or holds what nobody wrote.
    Damaged,
    /// The program is older than the file.
    NewerStore,
    /// The file is somebody else's.
    NotAStore,
    /// The key is missing, is another one, or is one too many.
    Key,
    /// The schema, the options or the program must be changed.
    Configuration,
    /// The caller asked for what cannot be.
    Usage,
    /// Something else.
    Other,
}

impl StoreError {
    /// What kind of error this is.
    #[must_use]
    pub fn kind(&self) -> StoreErrorKind {
        match self {
            Self::Busy => StoreErrorKind::Busy,
            Self::Full => StoreErrorKind::Full,
            Self::Io { .. } | Self::ReadOnly => StoreErrorKind::Io,
            Self::Damaged { .. } | Self::InvalidValue { .. } => StoreErrorKind::Damaged,
            Self::NewerStore { .. } | Self::NewerSchema { .. } => StoreErrorKind::NewerStore,
            Self::NotAStore => StoreErrorKind::NotAStore,
            Self::KeyRequired | Self::WrongKey | Self::NotEncrypted => StoreErrorKind::Key,
            Self::Schema { .. }
            | Self::SchemaHistory { .. }
            | Self::Journal { .. }
            | Self::EncryptionUnavailable => StoreErrorKind::Configuration,
            Self::NotJson { .. }
            | Self::NoSuchOperation(_)
            | Self::NoTimeField(_)
            | Self::OtherAccount
            | Self::NotPortable
            | Self::RolledBack => StoreErrorKind::Usage,
            Self::Sqlite(_) => StoreErrorKind::Other,
        }
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io { detail: error.to_string() },
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let detail = || error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::ReadOnly) => Self::ReadOnly,
            Some(
                ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::PermissionDenied,
            ) => Self::Io { detail: detail() },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { detail: detail() }
            }
            _ => Self::Sqlite(error),
        }
    }
}
