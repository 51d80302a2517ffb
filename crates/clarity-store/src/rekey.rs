//! A store gets its first key, another one, or none any more.
//!
//! ```text
//!  store.db ──copy──▶ store.db.rekey ──complete and durable──▶ store.db
//! ```
//!
//! The copy takes the place of the store in one step of the file system, and until then the store
//! is not changed: whatever is interrupted, it is there as a whole under the one key or under the
//! other. What an interrupted change left is removed when the store is opened the next time.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::encryption::{self, AVAILABLE, Form};
use crate::error::StoreError;
use crate::examine;
use crate::key::StoreKey;
use crate::lock::UseLock;
use crate::options::OpenOptions;
use crate::recovery::{self, beside, remove_own, sync_folder};
use crate::store::{Found, Store, connect, inspect_with, make_private_file};

/// What a change of the key did. It holds no key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyChange {
    /// Whether the store was encrypted before.
    pub was_encrypted: bool,
    /// Whether it is now.
    pub is_encrypted: bool,
    /// Damaged files that recoveries moved aside. They are as they were: whoever could read them
    /// before still can.
    pub older_copies: Vec<PathBuf>,
}

impl Store {
    /// Whether this program can open and make encrypted stores: the feature `encryption`.
    pub const ENCRYPTS: bool = AVAILABLE;

    /// Whether a store is encrypted; nothing when there is no store, or its start is damaged. No
    /// key is needed for this.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn is_encrypted(path: &Path) -> Result<Option<bool>, StoreError> {
        Ok(match encryption::form(path)? {
            Form::Unknown => None,
            Form::Plain => Some(false),
            Form::Encrypted => Some(true),
        })
    }

    /// Whether a store can be opened with the key of the options, without opening it for use.
    ///
    /// # Errors
    /// What is said of keys in [`Store::open`], and when the file cannot be read.
    pub fn check_key(options: &OpenOptions) -> Result<(), StoreError> {
        encryption::check(options)?;
        let connection = connect(options, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        inspect_with(&connection, options).map(|_| ())
    }

    /// Gives a store that nobody has open another key: `options` hold the present one, `None` on
    /// either side stands for a store that is not encrypted.
    ///
    /// It takes as much space as the store. At any crash the whole store is there, under the old
    /// key or under the new one, so both must be kept until this has returned. Afterwards no file
    /// of the store is left that the old key opens, and the old file's place on the disk was
    /// overwritten where the system lets it; disks that write elsewhere than they are told, as
    /// flash memory does, may keep parts of it.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while anybody has the store open; [`StoreError::KeyRequired`],
    /// [`StoreError::WrongKey`] and [`StoreError::NotEncrypted`] when the present key is not that
    /// of the store; [`StoreError::Damaged`] when it must be recovered first; [`StoreError::Full`];
    /// and [`StoreError::EncryptionUnavailable`]. Nothing is changed then.
    pub fn set_key(options: &OpenOptions, to: Option<&StoreKey>) -> Result<KeyChange, StoreError> {
        if !AVAILABLE {
            return Err(StoreError::EncryptionUnavailable);
        }
        let store = &options.path;
        if !options.is_file() {
            let detail = "only a store in a file can be given another key".to_owned();
            return Err(StoreError::Io { detail });
        }
        let _alone = UseLock::alone(store)?.ok_or(StoreError::Busy)?;
        recovery::put_in_place(store)?;
        remove_unfinished(store)?;
        if !store.exists() {
            return Err(StoreError::Io { detail: "there is no store at this path".to_owned() });
        }
        encryption::check(options)?;
        examine::check_left_log(options)?;
        let source = settled(options)?;
        let new = OpenOptions { path: unfinished(store), key: to.cloned(), ..options.clone() };
        if let Err(error) = copy(&source, &new).and_then(|()| compare(&source, &new)) {
            drop(source);
            remove_unfinished(store)?;
            return Err(error);
        }
        source.close().map_err(|(_, error)| error)?;
        replace(store, to.is_some())?;
        Ok(KeyChange {
            was_encrypted: options.key.is_some(),
            is_encrypted: to.is_some(),
            older_copies: recovery::moved_aside(store),
        })
    }
}

/// A copy under another key that is being made; worth nothing yet.
fn unfinished(store: &Path) -> PathBuf {
    beside(store, ".rekey")
}

/// Removes what an interrupted change of the key left, which may be readable without a key.
pub(crate) fn remove_unfinished(store: &Path) -> Result<(), StoreError> {
    remove_own(&unfinished(store))
}

/// Opens a sound store with all of its log in the file, and no log beside it: one that stayed would
/// be taken for the log of the copy.
fn settled(options: &OpenOptions) -> Result<Connection, StoreError> {
    let connection = connect(options, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let Found::Store { .. } = inspect_with(&connection, options)? else {
        return Err(StoreError::NotAStore);
    };
    examine::check_bookkeeping(&connection)?;
    if let Some(detail) = examine::findings(&connection, 1)?.pop() {
        return Err(StoreError::Damaged { detail });
    }
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY")?;
    let journal: String =
        connection.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0))?;
    if journal == "delete" { Ok(connection) } else { Err(StoreError::Busy) }
}

/// Copies everything into a new file under another key.
fn copy(source: &Connection, new: &OpenOptions) -> Result<(), StoreError> {
    #[cfg(unix)]
    make_private_file(new);
    let path = new.path.to_string_lossy();
    // With an empty key the new file is not encrypted; without one it would get the old key.
    source.execute("ATTACH ?1 AS new KEY ''", [&path])?;
    if let Some(key) = &new.key {
        encryption::unlock(source, "new", key)?;
    }
    let number = |name: &str| -> Result<i64, StoreError> {
        Ok(source.pragma_query_value(None, name, |row| row.get(0))?)
    };
    let (application, version) = (number("application_id")?, number("user_version")?);
    // Until it is complete nobody misses it; then it is made durable as a whole.
    source.execute_batch(&format!(
        "PRAGMA new.auto_vacuum = INCREMENTAL;
         PRAGMA new.journal_mode = OFF;
         PRAGMA new.synchronous = OFF;
         SELECT sqlcipher_export('new');
         PRAGMA new.application_id = {application};
         PRAGMA new.user_version = {version};
         DETACH new;"
    ))?;
    Ok(())
}

/// Makes sure that a copy can be opened with its key and has everything.
fn compare(source: &Connection, new: &OpenOptions) -> Result<(), StoreError> {
    let copy = connect(new, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let unlike = |detail: &str| Err(StoreError::Io { detail: format!("the copy {detail}") });
    let Found::Store { .. } = inspect_with(&copy, new)? else {
        return unlike("is not a store");
    };
    if !examine::findings(&copy, 1)?.is_empty() {
        return unlike("is damaged");
    }
    const DEFINITIONS: &str = "SELECT type, name, coalesce(sql, '') FROM sqlite_schema ORDER BY 2";
    let definitions = |connection: &Connection| -> Result<Vec<[String; 3]>, StoreError> {
        let mut statement = connection.prepare(DEFINITIONS)?;
        let rows = statement.query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))?;
        Ok(rows.collect::<Result<_, _>>()?)
    };
    let expected = definitions(source)?;
    if definitions(&copy)? != expected {
        return unlike("has other tables");
    }
    for [_, name, _] in expected.iter().filter(|[kind, ..]| kind == "table") {
        let count = format!("SELECT count(*) FROM \"{}\"", name.replace('"', "\"\""));
        let rows = |connection: &Connection| -> rusqlite::Result<i64> {
            connection.query_row(&count, [], |row| row.get(0))
        };
        if rows(&copy)? != rows(source)? {
            return unlike("has other rows");
        }
    }
    Ok(())
}

/// Puts a complete copy in the place of the store, durably.
fn replace(store: &Path, overwrite_old: bool) -> Result<(), StoreError> {
    let new = unfinished(store);
    if fs::metadata(beside(store, "-wal")).is_ok_and(|log| log.len() > 0) {
        let detail = "the log of the store could not be moved into it".to_owned();
        return Err(StoreError::Io { detail });
    }
    File::open(&new)?.sync_all()?;
    #[cfg(unix)]
    let old = fs::OpenOptions::new().write(true).open(store).ok().filter(|_| overwrite_old);
    #[cfg(not(unix))]
    let _ = overwrite_old;
    fs::rename(&new, store)?;
    sync_folder(store)?;
    // The store is there; what follows is for those who look at the disk itself.
    #[cfg(unix)]
    if let Some(old) = old
        && overwrite(&old).is_err()
    {
        return Ok(());
    }
    Ok(())
}

/// Overwrites a file that has no name any more. One that has another name, such as a backup, is
/// left as it is.
#[cfg(unix)]
fn overwrite(mut old: &File) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::MetadataExt;
    let found = old.metadata()?;
    if found.nlink() > 0 {
        return Ok(());
    }
    let zeros = [0; 65_536];
    let mut left = found.len();
    while left > 0 {
        let written = usize::try_from(left).unwrap_or(zeros.len()).min(zeros.len());
        old.write_all(&zeros[..written])?;
        left -= written as u64;
    }
    old.sync_all()
}
