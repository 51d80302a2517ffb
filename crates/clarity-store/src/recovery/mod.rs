//! A damaged store: everything that can be read of it goes into a new one, and its files are moved
//! aside (promise I16).
//!
//! ```text
//!  store.db (damaged) ──read──▶ store.db.salvage ──complete──▶ store.db.recovered
//!                                                                     │
//!  store.db.damaged-1 ◀──moved aside── store.db            store.db ◀─┘
//! ```
//!
//! Until the new store is complete the damaged one is not touched, and an interrupted salvage
//! begins anew. From then on, opening the store finishes the move, wherever it was interrupted.
//!
//! *Architecture Invariant:* no file of a damaged store is ever written or deleted here.

mod copy;
mod files;
mod log;
mod scan;
mod unbrought;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clarity_model::Schema;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};

use crate::encryption;
use crate::error::StoreError;
use crate::examine::check_bookkeeping;
use crate::lock::UseLock;
use crate::options::{Birth, OpenOptions};
use crate::store::{Store, connect};
use copy::Copy;

pub(crate) use files::{beside, is_there, moved_aside, put_in_place, remove_own, sync_folder};
pub(crate) use log::is_damaged as log_is_damaged;

/// Most findings of an examination that are kept.
const FINDINGS_MAX: u32 = 50;

/// What became of one table of a damaged store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableReport {
    /// Rows that are in the new store.
    pub saved: u64,
    /// Rows that were there but made no sense.
    pub unreadable: u64,
    /// Whether that was the whole table; if not, more rows may have been on damaged pages.
    pub complete: bool,
}

impl Default for TableReport {
    fn default() -> Self {
        Self { saved: 0, unreadable: 0, complete: true }
    }
}

impl TableReport {
    fn add(&mut self, other: Self) {
        self.saved += other.saved;
        self.unreadable += other.unreadable;
        self.complete &= other.complete;
    }
}

/// What a salvage saved. It holds counts and names of tables, and no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Salvaged {
    /// Where the damaged file is now.
    pub moved_to: PathBuf,
    /// What was found to be wrong.
    pub findings: Vec<String>,
    /// Whether the start of the file had to be written anew, in a copy.
    pub header_mended: bool,
    /// Whether the log had to be mended, in a copy.
    pub log_mended: bool,
    /// Whether it is known which account the store belongs to.
    pub account_known: bool,
    /// How many operations the damaged store counted; nothing when that cannot be read.
    pub operations_counted: Option<u64>,
    /// Each table.
    pub tables: BTreeMap<String, TableReport>,
}

impl Salvaged {
    /// Whether every row of every table was saved.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let operations = self.tables.get("operation").map_or(0, |table| table.saved);
        self.account_known
            && self.operations_counted == Some(operations)
            && self.tables.values().all(|table| table.complete)
    }
}

/// A new store with what could be read of a damaged one, not yet in its place. Dropped before
/// [`Salvage::finish`], nothing has changed.
#[derive(Debug)]
pub struct Salvage {
    options: OpenOptions,
    schema: Arc<Schema>,
    salvaged: Salvaged,
    /// Nobody else uses the store meanwhile.
    _alone: UseLock,
}

impl Salvage {
    /// Examines a store and, if it is damaged, fills a new one with all that can be read. Nothing
    /// when the store is sound, unless `even_if_sound`.
    ///
    /// It takes as much space as the store. What was never sent belongs to the new life that
    /// `birth` begins; what was sent keeps its bytes and its name.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while another process has the store open; [`StoreError::NewerStore`],
    /// [`StoreError::NotAStore`] and what is said of keys as on opening; [`StoreError::Io`] when
    /// there is no store; and when the new one cannot be written. The damaged store is left as it
    /// is.
    pub fn begin(
        options: &OpenOptions,
        schema: &Arc<Schema>,
        birth: Birth,
        even_if_sound: bool,
    ) -> Result<Option<Self>, StoreError> {
        let store = &options.path;
        if !options.is_file() {
            let detail = "only a store in a file can be recovered".to_owned();
            return Err(StoreError::Io { detail });
        }
        let alone = UseLock::alone(store)?.ok_or(StoreError::Busy)?;
        put_in_place(store)?;
        if !store.exists() {
            return Err(StoreError::Io { detail: "there is no store at this path".to_owned() });
        }
        encryption::check(options)?;
        refuse_foreign(options)?;
        let filled = Self::fill_new(options, schema, birth, even_if_sound);
        // What is left of an attempt takes the space of a store.
        files::remove_own(&files::mended(store))?;
        match filled {
            Ok(Some((schema, salvaged))) => {
                Ok(Some(Self { options: options.clone(), schema, salvaged, _alone: alone }))
            }
            other => {
                files::remove_own(&files::unfinished(store))?;
                other.map(|_| None)
            }
        }
    }

    /// Fills the new store, if there is a reason to.
    fn fill_new(
        options: &OpenOptions,
        schema: &Arc<Schema>,
        birth: Birth,
        even_if_sound: bool,
    ) -> Result<Option<(Arc<Schema>, Salvaged)>, StoreError> {
        let store = &options.path;
        let mended = files::mend(store, options.key.is_some())?;
        let readable = mended.as_ref().map_or(store.as_path(), |mended| mended.path.as_path());
        let source = open_damaged(readable, options)?;
        let mut findings = examine(&source)?;
        let (header, log) =
            mended.as_ref().map_or((false, false), |mended| (mended.header, mended.log));
        if header {
            findings.insert(0, "the start of the file is damaged".to_owned());
        }
        if log {
            findings.insert(0, "the log beside the file is damaged".to_owned());
        }
        if let (true, Err(error)) = (findings.is_empty(), check_bookkeeping(&source)) {
            findings.push(error.to_string());
        }
        if findings.is_empty() && !even_if_sound {
            return Ok(None);
        }
        let new = OpenOptions { path: files::unfinished(store), ..options.clone() };
        files::remove_own(&new.path)?;
        let salvaged = Salvaged {
            moved_to: files::free_name(store),
            findings,
            header_mended: header,
            log_mended: log,
            account_known: false,
            operations_counted: None,
            tables: BTreeMap::new(),
        };
        let schema = followed(&source, schema);
        let salvaged = fill(&source, &new, &schema, birth, salvaged)?;
        Ok(Some((schema, salvaged)))
    }

    /// How the new store is opened while it is not yet in its place.
    #[must_use]
    pub fn new_store(&self) -> OpenOptions {
        OpenOptions { path: files::unfinished(&self.options.path), ..self.options.clone() }
    }

    /// The schema that the damaged store followed; the one that was handed in where that cannot be
    /// read.
    #[must_use]
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// What was saved.
    #[must_use]
    pub fn salvaged(&self) -> &Salvaged {
        &self.salvaged
    }

    /// Moves the damaged files aside and puts the new store, which must be closed, in their place.
    /// When a crash interrupts it, the next opening of the store finishes it.
    ///
    /// # Errors
    /// When a file cannot be moved.
    pub fn finish(self) -> Result<Salvaged, StoreError> {
        files::declare(&self.options.path)?;
        put_in_place(&self.options.path)?;
        Ok(self.salvaged.clone())
    }
}

impl Drop for Salvage {
    fn drop(&mut self) {
        // Unfinished, it is worth nothing and takes the space of a store; the next one begins anew
        // also where it cannot be removed.
        let _ = files::remove_own(&files::unfinished(&self.options.path));
    }
}

/// Refuses a database whose tables can be read and are not those of a store, and a wrong key.
fn refuse_foreign(options: &OpenOptions) -> Result<(), StoreError> {
    let connection = connect(options, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    const TABLES: &str = "
        SELECT count(*), count(*) FILTER (WHERE name IN ('operation', 'queue_count', 'confirmed'))
        FROM sqlite_schema WHERE type = 'table'";
    match connection.query_row(TABLES, [], |row| Ok((row.get(0)?, row.get(1)?))) {
        Ok((1_i64.., 0_i64)) => Err(StoreError::NotAStore),
        Ok(_) => Ok(()),
        // With another key everything would look damaged.
        Err(error) => match encryption::explained(&connection, options, error.into()) {
            error @ StoreError::WrongKey => Err(error),
            _ => Ok(()),
        },
    }
}

/// Opens a damaged database for reading, tolerant of what SQLite otherwise refuses at once.
fn open_damaged(path: &Path, options: &OpenOptions) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let readable = OpenOptions { path: path.into(), ..options.clone() };
    let connection = connect(&readable, flags)?;
    if readable.key.is_some() {
        encryption::read_on_past_damage(&connection)?;
    }
    // A file that is too short and definitions that make no sense do not stop the rest.
    connection.execute_batch("PRAGMA writable_schema = ON; PRAGMA cell_size_check = ON;")?;
    let version: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap_or(0);
    let known = crate::schema_sql::LATEST_VERSION;
    if version > i64::from(known) {
        let found = u32::try_from(version).unwrap_or(u32::MAX);
        return Err(StoreError::NewerStore { found, known });
    }
    Ok(connection)
}

/// Looks for damage, in tables and indexes. A file that cannot even be examined has one finding.
fn examine(source: &Connection) -> Result<Vec<String>, StoreError> {
    let mut findings = Vec::new();
    let statement = format!("PRAGMA integrity_check({FINDINGS_MAX})");
    let examined = source.prepare(&statement).and_then(|mut statement| {
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            findings.push(row.get::<_, String>(0)?);
        }
        Ok(())
    });
    findings.retain(|finding| finding != "ok");
    if let Err(error) = examined {
        match StoreError::from(error) {
            error @ (StoreError::Io { .. } | StoreError::Busy) => return Err(error),
            _ => findings.push("a part of the file cannot be examined".to_owned()),
        }
    }
    Ok(findings)
}

/// The schema that a damaged store follows.
fn followed(source: &Connection, schema: &Arc<Schema>) -> Arc<Schema> {
    let stored: Option<String> =
        source.query_row("SELECT json FROM schema_file", [], |row| row.get(0)).ok();
    let stored = stored.and_then(|text| Schema::from_json(&text).ok());
    stored.map_or_else(|| Arc::clone(schema), Arc::new)
}

/// Fills a new store.
fn fill(
    source: &Connection,
    new: &OpenOptions,
    schema: &Arc<Schema>,
    birth: Birth,
    mut salvaged: Salvaged,
) -> Result<Salvaged, StoreError> {
    let version = schema.version;
    drop(Store::open(new, Arc::clone(schema), birth)?);
    let target = connect(new, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    target.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    target.execute_batch("PRAGMA synchronous = OFF; BEGIN IMMEDIATE")?;
    let mut copy = Copy::new(source, &target);
    copy.layout(version)?;
    salvaged.account_known = copy.identity()?;
    copy.operations()?;
    copy.others()?;
    copy.unbrought()?;
    copy.undeclared()?;
    copy.finish()?;
    salvaged.tables = copy.tables;
    const COUNTED: &str = "
        SELECT ready + blocked + in_flight + set_aside + failed + conflicted FROM queue_count";
    let counted: Option<i64> = source.query_row(COUNTED, [], |row| row.get(0)).ok();
    salvaged.operations_counted = counted.and_then(|number| u64::try_from(number).ok());
    target.execute_batch("COMMIT")?;
    Ok(salvaged)
}
