//! Accounts in one SQLite database.
//!
//! WAL with `synchronous = FULL`: a committed transaction survives power loss. One connection
//! writes, behind a lock; a few others read at the same time. In exclusive mode, for disks without
//! shared memory, there is the one connection for both.

mod directory;
mod error;
mod follow;
mod schema;
mod snapshot;
mod transaction;
mod value;
mod windows;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clarity_model::{Epoch, ServerTime};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};

pub use snapshot::SqliteSnapshot;
pub use transaction::SqliteTransaction;

use super::{AccountId, Identity, Storage, StorageError};
use crate::environment::{Environment, random};

/// Cached statements of a connection: more than this crate has.
const STATEMENTS_CACHED: usize = 64;
/// Page cache of the writing connection, in KiB.
const WRITER_CACHE_KIB: i64 = 32 * 1024;
/// Page cache of a reading connection, in KiB.
const READER_CACHE_KIB: i64 = 4 * 1024;
/// Pages in the write-ahead log that start a checkpoint: 16 MiB, so that a stream of full pushes
/// does not copy its pages home after each.
const CHECKPOINT_PAGES: i64 = 4_096;
/// Idle reading connections that are kept open.
const READERS_IDLE_MAX: usize = 4;

/// Which file to open and how.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// The database file; made when it does not exist.
    pub path: PathBuf,
    /// The name of a registered SQLite VFS instead of the operating system's files.
    pub vfs: Option<String>,
    /// One connection that locks the file for itself and needs no shared memory.
    pub exclusive: bool,
    /// How long to wait for another process, in milliseconds.
    pub busy_timeout_ms: u32,
    /// The file was restored from a backup: start a new epoch, so that every device notices.
    pub restored: bool,
}

impl SqliteOptions {
    /// The usual way to open a file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            vfs: None,
            exclusive: false,
            busy_timeout_ms: 10_000,
            restored: false,
        }
    }
}

/// Accounts in one SQLite database.
#[derive(Debug)]
pub struct SqliteStorage {
    options: SqliteOptions,
    identity: Identity,
    // Dropped in this order: the writer closes last and folds the log into the file, which a
    // connection that only reads could not.
    readers: Mutex<Vec<Connection>>,
    writer: Mutex<Connection>,
}

impl SqliteStorage {
    /// Opens a database, makes it when there is none, and brings an older one up to date.
    ///
    /// # Errors
    /// When the file cannot be opened, belongs to another program, or is newer than this program;
    /// such a file is left as it was.
    pub fn open(
        options: &SqliteOptions,
        environment: &dyn Environment,
    ) -> Result<Self, StorageError> {
        let mut writer = connect(options, false)?;
        if options.exclusive {
            // Before the file is read: without shared memory a WAL file cannot be read otherwise.
            writer.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        }
        schema::check(&writer, schema::newest_format())?;
        prepare_writer(&writer)?;
        schema::migrate(&mut writer)?;
        let identity = settle_identity(&mut writer, options.restored, environment)?;
        Ok(Self {
            options: options.clone(),
            identity,
            writer: Mutex::new(writer),
            readers: Mutex::new(Vec::new()),
        })
    }

    /// Opens an existing database for reading only; nothing of it is changed.
    ///
    /// # Errors
    /// When there is no such database, or it is of another format than this program's.
    pub fn open_reader(path: &Path) -> Result<Self, StorageError> {
        let options = SqliteOptions::new(path);
        let reader = connect(&options, true)?;
        let known = schema::newest_format();
        if schema::check(&reader, known)? != known {
            return Err(StorageError::Foreign);
        }
        let identity = read_identity(&reader)?.ok_or(StorageError::Value("no epoch"))?;
        Ok(Self { options, identity, writer: Mutex::new(reader), readers: Mutex::new(Vec::new()) })
    }

    /// Writes a copy of the database as it is at this moment, compact and durable, while others go
    /// on using it. Whoever opens the copy as a server's database must say that it was restored.
    ///
    /// # Errors
    /// When `to` exists, cannot be written, or the database fails; then there is no copy, or an
    /// unfinished one that does not open.
    pub fn back_up(&self, to: &Path) -> Result<(), StorageError> {
        let target = std::fs::File::options().write(true).create_new(true).open(to);
        let target = target.map_err(|_| StorageError::Io)?;
        let name = to.to_str().ok_or(StorageError::Io)?;
        // A connection of its own: this may take long, and nobody waits for it.
        let reader = connect(&self.options, true)?;
        reader.execute("VACUUM INTO ?1", [name])?;
        target.sync_all().map_err(|_| StorageError::Io)
    }

    /// All accounts: number, public id and name, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn accounts(&self) -> Result<Vec<(AccountId, String, String)>, StorageError> {
        let connection = self.writer();
        let mut select = connection
            .prepare_cached("SELECT account, public_id, name FROM account ORDER BY account")?;
        let rows = select.query_map([], |row| {
            let public: [u8; 16] = row.get(1)?;
            Ok((AccountId(row.get(0)?), public_text(public), row.get(2)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The account with this name, made without a password when there is none. Nobody can sign in
    /// to such an account; it is for embedding, tests and simulation.
    ///
    /// # Errors
    /// When the database fails.
    pub fn ensure_account(
        &self,
        name: &str,
        environment: &dyn Environment,
    ) -> Result<AccountId, StorageError> {
        let public_id: [u8; 16] = random(environment)?;
        let seed = u64::from_le_bytes(random(environment)?);
        let now = environment.now();
        self.transaction(|connection| {
            let known: Option<i64> = connection
                .prepare_cached("SELECT account FROM account WHERE name = ?1")?
                .query_row([name], |row| row.get(0))
                .optional()?;
            match known {
                Some(account) => Ok(AccountId(account)),
                None => insert_account(connection, name, None, public_id, seed, now),
            }
        })
    }

    /// Carries out `work` in one durable writing transaction.
    pub(crate) fn transaction<R, E: From<StorageError>>(
        &self,
        work: impl FnOnce(&Connection) -> Result<R, E>,
    ) -> Result<R, E> {
        let mut connection = self.writer();
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(StorageError::from)?;
        let result = work(&transaction)?;
        transaction.commit().map_err(StorageError::from)?;
        Ok(result)
    }

    /// Carries out `work` on one consistent view.
    pub(crate) fn view<R, E: From<StorageError>>(
        &self,
        work: impl FnOnce(&Connection) -> Result<R, E>,
    ) -> Result<R, E> {
        if self.options.exclusive {
            return view_on(&mut self.writer(), work);
        }
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut reader = match idle {
            Some(reader) => reader,
            None => connect(&self.options, true)?,
        };
        let result = view_on(&mut reader, work);
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < READERS_IDLE_MAX {
            readers.push(reader);
        }
        result
    }

    /// A panic inside a transaction rolled it back while it unwound, so the connection is sound.
    fn writer(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage for SqliteStorage {
    type Transaction<'t> = SqliteTransaction<'t>;
    type Snapshot<'s> = SqliteSnapshot<'s>;

    fn identity(&self) -> Identity {
        self.identity
    }

    fn write<R, E: From<StorageError>>(
        &self,
        account: AccountId,
        work: impl FnOnce(&mut Self::Transaction<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        self.transaction(|connection| work(&mut SqliteTransaction { connection, account }))
    }

    fn read<R, E: From<StorageError>>(
        &self,
        account: AccountId,
        work: impl FnOnce(&mut Self::Snapshot<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        self.view(|connection| work(&mut SqliteSnapshot { connection, account }))
    }
}

fn view_on<R, E: From<StorageError>>(
    connection: &mut Connection,
    work: impl FnOnce(&Connection) -> Result<R, E>,
) -> Result<R, E> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Deferred)
        .map_err(StorageError::from)?;
    work(&transaction)
}

fn connect(options: &SqliteOptions, reading: bool) -> Result<Connection, StorageError> {
    let access = match reading {
        true => OpenFlags::SQLITE_OPEN_READ_ONLY,
        false => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
    };
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match &options.vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(&options.path, flags, vfs.as_str())?,
        None => Connection::open_with_flags(&options.path, flags)?,
    };
    connection.busy_timeout(Duration::from_millis(u64::from(options.busy_timeout_ms)))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    // A prepared statement keeps its plan, whatever the values of its parameters.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    if reading {
        connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    }
    Ok(connection)
}

fn prepare_writer(connection: &Connection) -> Result<(), StorageError> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Only macOS needs and knows these: there a plain sync does not reach the platters.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    Ok(())
}

fn read_identity(connection: &Connection) -> Result<Option<Identity>, StorageError> {
    let mut select = connection.prepare("SELECT value FROM meta WHERE name = ?1")?;
    let epoch: Option<[u8; 16]> = select.query_row(["epoch"], |row| row.get(0)).optional()?;
    let key: Option<[u8; 32]> = select.query_row(["key"], |row| row.get(0)).optional()?;
    Ok(match (epoch, key) {
        (Some(epoch), Some(key)) => {
            Some(Identity { epoch: Epoch(u128::from_be_bytes(epoch)), key })
        }
        _ => None,
    })
}

/// Reads the epoch and the key, or makes them: both for a new file, the epoch for a restored one.
fn settle_identity(
    connection: &mut Connection,
    restored: bool,
    environment: &dyn Environment,
) -> Result<Identity, StorageError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let known = read_identity(&transaction)?;
    if let (Some(identity), false) = (known, restored) {
        return Ok(identity);
    }
    if let Some(left) = known {
        transaction.execute(
            "INSERT OR REPLACE INTO lineage(account, epoch, head)
             SELECT account, ?1, head FROM account",
            [left.epoch.0.to_be_bytes()],
        )?;
    }
    let epoch: [u8; 16] = random(environment)?;
    let key = match known {
        Some(identity) => identity.key,
        None => random(environment)?,
    };
    let put = "INSERT INTO meta(name, value) VALUES (?1, ?2)
               ON CONFLICT DO UPDATE SET value = excluded.value";
    transaction.execute(put, params!["epoch", epoch])?;
    transaction.execute(put, params!["key", key])?;
    transaction.commit()?;
    Ok(Identity { epoch: Epoch(u128::from_be_bytes(epoch)), key })
}

/// An opaque public id as text: 32 hexadecimal digits.
pub(crate) fn public_text(bytes: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// Makes an account with an empty log, whose position 0 gets a mark as well.
pub(crate) fn insert_account(
    connection: &Connection,
    name: &str,
    password_hash: Option<&str>,
    public_id: [u8; 16],
    seed: u64,
    now: ServerTime,
) -> Result<AccountId, StorageError> {
    connection
        .prepare_cached(
            "INSERT INTO account(public_id, name, password_hash, head, created_at)
             VALUES (?1, ?2, ?3, 0, ?4)",
        )?
        .execute(params![public_id, name, password_hash, now.0])?;
    let account = connection.last_insert_rowid();
    connection
        .prepare_cached("INSERT INTO log(account, last_seq, seed) VALUES (?1, 0, ?2)")?
        .execute(params![account, seed.cast_signed()])?;
    Ok(AccountId(account))
}
