//! Opening a store, and the transactions on it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clarity_model::Schema;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, params};

use crate::carry::register;
use crate::encryption;
use crate::error::StoreError;
use crate::examine;
use crate::follow::{advance, check_stored};
use crate::layout::Layouts;
use crate::options::{Birth, OpenOptions};
use crate::schema_sql::{APPLICATION_ID, LATEST_VERSION, MIGRATIONS};
use crate::synchronise::{check_schema, follows, synchronise};
use crate::transaction::StoreTransaction;
use crate::value::incarnation_bytes;

/// How many prepared statements a connection keeps: all fixed ones, and those of the declared
/// types that are in use.
const STATEMENTS_KEPT: usize = 512;

/// Fewest pages of the log at which it is moved into the file.
const CHECKPOINT_PAGES_MIN: u64 = 64;
/// Most pages of the log at which it is moved into the file.
const CHECKPOINT_PAGES_MAX: u64 = 1_000;
/// To what length the log is cut at most once it is empty, in bytes.
const LOG_BYTES_MAX: u64 = 16_777_216;

/// How many rows of an earlier change of the schema are brought up to date in one transaction
/// before the next change.
const ROWS_IN_A_ROW: usize = 10_000;

/// What a file turned out to be.
pub(crate) enum Found {
    Empty,
    Store { version: u32 },
}

/// What a connection and its transactions share.
pub(crate) struct Shared {
    pub(crate) connection: Connection,
    pub(crate) schema: Arc<Schema>,
    pub(crate) layouts: Layouts,
    /// SQLite's count of changes of the tables' definitions when the layouts were read.
    definitions: i64,
    path: PathBuf,
    busy_timeout: Duration,
    /// Bytes of a page; a store never changes them.
    pub(crate) page_bytes: u64,
    /// Shows others that the store is in use, as long as it is.
    #[cfg(not(target_arch = "wasm32"))]
    _used: Option<crate::lock::UseLock>,
}

/// The local store of one device, open for reading and writing.
///
/// Several processes may hold the same store; each write transaction is alone. What a commit has
/// acknowledged survives a kill, a crash of the system and a loss of power (promise I1).
pub struct Store {
    shared: Shared,
}

/// A second connection that only reads, for reads while a transaction writes.
pub struct Reader {
    shared: Shared,
}

impl Store {
    /// Opens the store, making it or bringing its tables up to date where needed.
    ///
    /// # Errors
    /// A file that is no store, is damaged, was made by a newer version, or takes another key is
    /// reported as such and left exactly as it is. A crash while tables are made or changed leaves
    /// them as they were.
    pub fn open(
        options: &OpenOptions,
        schema: Arc<Schema>,
        birth: Birth,
    ) -> Result<Self, StoreError> {
        check_schema(&schema)?;
        #[cfg(not(target_arch = "wasm32"))]
        let entered = examine::enter(options)?;
        encryption::check(options)?;
        #[cfg(unix)]
        make_private_file(options);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let connection = connect(options, flags)?;
        if let Found::Store { .. } = inspect_with(&connection, options)? {
            examine::check_bookkeeping(&connection)?;
            check_stored(&connection, &schema)?;
        }
        #[cfg(not(target_arch = "wasm32"))]
        if entered.was_left_open {
            examine::check_after_crash(&connection)?;
        }
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        configure(&connection, options)?;
        prepare_tables(&connection, &schema, birth)?;
        let shared = Shared::new(connection, schema, options)?;
        #[cfg(not(target_arch = "wasm32"))]
        let shared = Shared { _used: entered.lock, ..shared };
        Ok(Self { shared })
    }

    /// Opens an existing store a second time, only for reading.
    ///
    /// # Errors
    /// As [`Store::open`]; a store that does not exist yet is [`StoreError::NotAStore`] or
    /// [`StoreError::Io`].
    pub fn open_reader(options: &OpenOptions, schema: Arc<Schema>) -> Result<Reader, StoreError> {
        encryption::check(options)?;
        let connection = connect(options, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let Found::Store { version: LATEST_VERSION } = inspect_with(&connection, options)? else {
            return Err(StoreError::NotAStore);
        };
        check_stored(&connection, &schema)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(Reader { shared: Shared::new(connection, schema, options)? })
    }

    /// Begins a write transaction; waits for another writer up to the busy timeout.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when the wait was in vain.
    pub fn begin(&mut self) -> Result<StoreTransaction<'_>, StoreError> {
        self.shared.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        self.shared.begun(true)
    }

    /// Begins to read over the connection that writes, where there is no other: everything is seen
    /// as it was at this moment. Nothing is kept of what might be written.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn snapshot(&mut self) -> Result<StoreTransaction<'_>, StoreError> {
        self.shared.connection.prepare_cached("BEGIN")?.execute([])?;
        self.shared.begun(false)
    }

    /// A number that changes when another connection has committed a change.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn data_version(&self) -> Result<i64, StoreError> {
        self.shared.data_version()
    }

    /// How many rows this connection has changed since it was opened.
    #[must_use]
    pub fn rows_changed(&self) -> u64 {
        self.shared.connection.total_changes()
    }

    /// The schema that this store was opened with.
    #[must_use]
    pub fn schema(&self) -> &Arc<Schema> {
        &self.shared.schema
    }

    /// The file, or its name within the VFS.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.shared.connection
    }

    pub(crate) fn layouts(&self) -> &Layouts {
        &self.shared.layouts
    }

    /// Looks at once whether the tables are others now.
    pub(crate) fn reload(&mut self) -> Result<(), StoreError> {
        self.shared.reload()
    }

    /// How large the store is.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn size(&self) -> Result<StoreSize, StoreError> {
        let pragma = |name: &str| {
            self.shared.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0))
        };
        let page_bytes = self.shared.page_bytes;
        let free = pragma("freelist_count")?.cast_unsigned();
        let pages = pragma("page_count")?.cast_unsigned();
        let mut log = self.shared.path.clone().into_os_string();
        log.push("-wal");
        // In a VFS of its own the log is not ours to look at, and without one there is none.
        let log_bytes = std::fs::metadata(log).map(|found| found.len()).unwrap_or_default();
        let (bytes, free_bytes) = (pages * page_bytes, free * page_bytes);
        Ok(StoreSize { bytes, free_bytes, log_bytes })
    }

    /// Bounds the log: it is moved into the file when it is a quarter as long, and cut to this
    /// length once it is empty. A single large transaction may make it longer for a while. The
    /// bound holds for this connection until it is closed.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub fn set_log_limit(&mut self, bytes: u64) -> Result<(), StoreError> {
        let connection = &self.shared.connection;
        let pages = bytes / 4 / self.shared.page_bytes;
        let pages = pages.clamp(CHECKPOINT_PAGES_MIN, CHECKPOINT_PAGES_MAX);
        connection.query_row(&format!("PRAGMA wal_autocheckpoint = {pages}"), [], |_| Ok(()))?;
        let bytes = bytes.min(LOG_BYTES_MAX);
        connection.query_row(&format!("PRAGMA journal_size_limit = {bytes}"), [], |_| Ok(()))?;
        Ok(())
    }

    /// Moves the log into the file and cuts it to nothing, unless somebody reads or writes; false
    /// then.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn empty_log(&mut self) -> Result<bool, StoreError> {
        let connection = &self.shared.connection;
        // Whoever reads is not waited for.
        connection.busy_timeout(Duration::ZERO)?;
        let busy: Result<i64, rusqlite::Error> =
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
        connection.busy_timeout(self.shared.busy_timeout)?;
        match busy.map_err(StoreError::from) {
            Ok(busy) => Ok(busy == 0),
            Err(StoreError::Busy) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Bounds the size of the file; a write beyond it fails with [`StoreError::Full`] and changes
    /// nothing. The limit holds for this connection until it is closed.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn set_size_limit(&mut self, bytes: u64) -> Result<(), StoreError> {
        let pages = bytes / self.shared.page_bytes;
        let pages = pages.clamp(1, u64::from(u32::MAX - 1));
        let statement = format!("PRAGMA max_page_count = {pages}");
        self.shared.connection.query_row(&statement, [], |_| Ok(()))?;
        Ok(())
    }

    /// Gives unused space at the end of the file back to the system, at most so many bytes.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while another process writes.
    pub fn give_back_space(&mut self, bytes: u64) -> Result<(), StoreError> {
        let pages = bytes / self.shared.page_bytes;
        let statement = format!("PRAGMA incremental_vacuum({})", pages.min(u64::from(u32::MAX)));
        // Each step gives back one page.
        let mut statement = self.shared.connection.prepare(&statement)?;
        let mut steps = statement.query([])?;
        while steps.next()?.is_some() {}
        Ok(())
    }
}

/// The size of a store on the disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreSize {
    /// The main file.
    pub bytes: u64,
    /// The part of the main file that holds nothing and can be used again or given back.
    pub free_bytes: u64,
    /// The log beside it.
    pub log_bytes: u64,
}

impl Reader {
    /// Begins to read: everything is seen as it was at this moment. Writes fail with
    /// [`StoreError::ReadOnly`].
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn snapshot(&mut self) -> Result<StoreTransaction<'_>, StoreError> {
        self.shared.connection.prepare_cached("BEGIN")?.execute([])?;
        self.shared.begun(false)
    }

    /// A number that changes when another connection has committed a change.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn data_version(&self) -> Result<i64, StoreError> {
        self.shared.data_version()
    }

    /// The schema that this store was opened with.
    #[must_use]
    pub fn schema(&self) -> &Arc<Schema> {
        &self.shared.schema
    }
}

impl Shared {
    fn new(
        connection: Connection,
        schema: Arc<Schema>,
        options: &OpenOptions,
    ) -> Result<Self, StoreError> {
        connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        // Otherwise a prepared statement whose plan looked at a parameter is planned anew each time
        // it is used with another one: that was a third of the cost of a sync.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        let layouts = Layouts::load(&connection)?;
        register(&connection, &layouts)?;
        Ok(Self {
            page_bytes: page_bytes(&connection)?,
            definitions: definitions(&connection)?,
            layouts,
            connection,
            schema,
            path: options.path.clone(),
            busy_timeout: options.busy_timeout(),
            #[cfg(not(target_arch = "wasm32"))]
            _used: None,
        })
    }

    fn data_version(&self) -> Result<i64, StoreError> {
        let mut statement = self.connection.prepare_cached("PRAGMA data_version")?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    /// Another process may have added columns since; what it wrote there must not be lost.
    fn begun(&mut self, writable: bool) -> Result<StoreTransaction<'_>, StoreError> {
        match self.reload() {
            Ok(()) => Ok(StoreTransaction::new(self, writable)),
            Err(error) => {
                // The connection must not stay in a transaction that nobody holds.
                let _ = self.connection.execute_batch("ROLLBACK");
                Err(error)
            }
        }
    }
}

impl Shared {
    /// Reads the tables again when they are others than before.
    fn reload(&mut self) -> Result<(), StoreError> {
        let now = definitions(&self.connection)?;
        // What is left to do changes without a change of the tables, and only becomes less.
        if now != self.definitions || self.layouts.next_work().is_some() {
            inspect_version(&self.connection)?;
            check_stored(&self.connection, &self.schema)?;
            self.layouts = Layouts::load(&self.connection)?;
            register(&self.connection, &self.layouts)?;
            self.definitions = now;
        }
        Ok(())
    }
}

/// Bytes of a page, at least one. With a key, SQLite tells them as a text.
fn page_bytes(connection: &Connection) -> Result<u64, StoreError> {
    const BYTES: &str = "SELECT CAST(page_size AS INTEGER) FROM pragma_page_size";
    let bytes: i64 = connection.query_row(BYTES, [], |row| row.get(0))?;
    Ok(bytes.cast_unsigned().max(1))
}

fn definitions(connection: &Connection) -> Result<i64, StoreError> {
    let mut statement = connection.prepare_cached("PRAGMA schema_version")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

/// Makes a new file that only its owner may read: it will hold health data and tokens. SQLite gives
/// its journals the same permissions. Where this fails, SQLite meets the same obstacle and tells.
#[cfg(unix)]
pub(crate) fn make_private_file(options: &OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt;
    if options.is_file() {
        let mut file = std::fs::OpenOptions::new();
        let _ = file.write(true).create_new(true).mode(0o600).open(&options.path);
    }
}

pub(crate) fn connect(options: &OpenOptions, flags: OpenFlags) -> Result<Connection, StoreError> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if options.key.is_some() {
        encryption::prepare();
    }
    let connection = match &options.vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(&options.path, flags, vfs.as_str())?,
        None => Connection::open_with_flags(&options.path, flags)?,
    };
    if let Some(key) = &options.key {
        encryption::unlock(&connection, "main", key)?;
    }
    connection.busy_timeout(options.busy_timeout())?;
    // Until the file is known to be ours, closing it must not move its log into it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    if options.exclusive {
        connection.query_row("PRAGMA locking_mode = EXCLUSIVE", [], |_| Ok(()))?;
    }
    Ok(connection)
}

/// Finds out what the file is, writing nothing; what a key cannot read is told as such.
pub(crate) fn inspect_with(
    connection: &Connection,
    options: &OpenOptions,
) -> Result<Found, StoreError> {
    inspect(connection).map_err(|error| encryption::explained(connection, options, error))
}

/// Finds out what the file is, writing nothing.
fn inspect(connection: &Connection) -> Result<Found, StoreError> {
    connection.execute_batch("BEGIN")?;
    let found = inspect_version(connection);
    let ended = connection.execute_batch("COMMIT");
    let found = found?;
    ended?;
    Ok(found)
}

fn inspect_version(connection: &Connection) -> Result<Found, StoreError> {
    let application: i32 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    const OBJECTS: &str = "
        SELECT count(*), count(*) FILTER (WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\')
        FROM sqlite_schema";
    let (objects, ours): (i64, i64) =
        connection.query_row(OBJECTS, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    // A store that was erased still says what it was, and keeps SQLite's own table.
    let is_erased = application == APPLICATION_ID && ours == 0;
    if version == 0 && (is_erased || application == 0 && objects == 0) {
        return Ok(Found::Empty);
    }
    if application != APPLICATION_ID {
        return Err(StoreError::NotAStore);
    }
    let version = u32::try_from(version).map_err(|_| StoreError::NotAStore)?;
    if version > LATEST_VERSION {
        return Err(StoreError::NewerStore { found: version, known: LATEST_VERSION });
    }
    Ok(Found::Store { version })
}

fn configure(connection: &Connection, options: &OpenOptions) -> Result<(), StoreError> {
    // It takes effect only before the first page is written; it lets space be given back.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    let wanted = options.journal.as_str();
    let statement = format!("PRAGMA journal_mode = {wanted}");
    let journal: String = connection.query_row(&statement, [], |row| row.get(0))?;
    if journal != wanted {
        return Err(StoreError::Journal { wanted });
    }
    connection.execute_batch(
        // `fullfsync` reaches the platter on Apple's systems and means nothing elsewhere.
        "PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA checkpoint_fullfsync = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -16384;
         PRAGMA foreign_keys = OFF;
         PRAGMA trusted_schema = OFF;",
    )?;
    connection.query_row(
        &format!("PRAGMA journal_size_limit = {LOG_BYTES_MAX}"),
        [],
        |_| Ok(()),
    )?;
    Ok(())
}

/// Runs the missing migrations and lets the tables follow the schema.
fn prepare_tables(
    connection: &Connection,
    schema: &Schema,
    birth: Birth,
) -> Result<(), StoreError> {
    loop {
        let done = match inspect(connection)? {
            Found::Empty => 0,
            Found::Store { version: LATEST_VERSION } => break,
            Found::Store { version } => version,
        };
        in_transaction(connection, || {
            // Another process may have been faster.
            let now = match inspect_version(connection)? {
                Found::Empty => 0,
                Found::Store { version } => version,
            };
            if now == done { migrate(connection, done, birth) } else { Ok(()) }
        })?;
    }
    if !follows(connection, schema)? {
        // What an earlier change has left comes first, also when that takes long.
        while in_transaction(connection, || advance(connection, schema, ROWS_IN_A_ROW))? {}
        in_transaction(connection, || synchronise(connection, schema))?;
    }
    Ok(())
}

/// One step from a version to the next; version 0 is an empty file.
fn migrate(connection: &Connection, from: u32, birth: Birth) -> Result<(), StoreError> {
    connection.execute_batch(MIGRATIONS[from as usize])?;
    if from == 0 {
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        connection.execute(
            "INSERT INTO incarnation (local, incarnation, made_at) VALUES (1, ?1, ?2)",
            params![incarnation_bytes(birth.incarnation), birth.now.0],
        )?;
        connection.execute(
            "INSERT INTO meta (one, incarnation, profile_id, created_at, durable_through)
             VALUES (1, 1, 0, ?1, 0)",
            [birth.now.0],
        )?;
        connection.execute("INSERT INTO queue_count VALUES (1, 1, 0, 0, 0, 0, 0, 0)", [])?;
    }
    connection.pragma_update(None, "user_version", from + 1)?;
    Ok(())
}

fn in_transaction<T>(
    connection: &Connection,
    act: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    match act() {
        Ok(done) => {
            connection.execute_batch("COMMIT")?;
            Ok(done)
        }
        Err(error) => {
            // When SQLite has rolled back by itself there is nothing left to undo.
            let _ = connection.execute_batch("ROLLBACK");
            Err(error)
        }
    }
}
