//! The tables of the server's database, and how older files come up to date.

use rusqlite::{Connection, TransactionBehavior};

use super::error::from_sqlite;
use crate::storage::StorageError;

/// Marks a file as a Clarity Sync server's database: "CLsv" in ASCII.
pub(super) const APPLICATION_ID: i32 = 0x434c_7376;

/// One step for each format of the file; `user_version` counts those taken.
const MIGRATIONS: [&str; 4] = [FORMAT_1, FORMAT_2, FORMAT_3, FORMAT_4];

/// The first format.
///
/// - `meta`: the epoch and the secret key of the database, the schema that the entities follow,
///   and how far they do.
/// - `account`: who can sign in, and the head of the account's log. `password_hash` is absent for
///   accounts that nobody can sign in to.
/// - `device`: one entry for each store that ever signed in.
/// - `token_family`: the chain of refresh tokens of one sign-in. `current_hash` is the newest token
///   that was ever used, `successor_hash` the one that was answered for it.
/// - `access_token`: hashes of short-lived tokens.
/// - `entity`: an entity at its newest version, stored in log order, so that a pull reads what it
///   sends from neighbouring pages and a first sync is one sequential scan. `written` is the
///   version that wrote all fields but those in `field_versions`. `id` is a blob of 16 bytes when
///   the text is a UUID in its usual form.
/// - `receipt`: the outcome of an operation. `type` and `id` are absent for operations that were
///   carried by another or could not be read.
/// - `settled_mark`: below it, a store knows the outcome of everything it ever sent.
/// - `log`: the seeds of the random marks of log positions, one row for each transaction.
const FORMAT_1: &str = "
CREATE TABLE meta(
  name TEXT NOT NULL PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE account(
  account INTEGER PRIMARY KEY,
  public_id BLOB NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE,
  password_hash TEXT,
  head INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE device(
  device INTEGER PRIMARY KEY,
  account INTEGER NOT NULL REFERENCES account(account),
  public_id BLOB NOT NULL UNIQUE,
  incarnation BLOB NOT NULL,
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  last_seen_at INTEGER NOT NULL,
  revoked_at INTEGER,
  UNIQUE(account, incarnation)
) STRICT;

CREATE TABLE token_family(
  family BLOB NOT NULL PRIMARY KEY,
  device INTEGER NOT NULL REFERENCES device(device),
  current_hash BLOB NOT NULL,
  successor_hash BLOB NOT NULL,
  used_at INTEGER NOT NULL,
  revoked INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX token_family_device ON token_family(device);

CREATE TABLE access_token(
  hash BLOB NOT NULL PRIMARY KEY,
  device INTEGER NOT NULL REFERENCES device(device),
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX access_token_device ON access_token(device);

CREATE TABLE entity(
  account INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  type TEXT NOT NULL,
  id ANY NOT NULL,
  version INTEGER NOT NULL,
  written INTEGER NOT NULL,
  deleted INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  last_incarnation BLOB NOT NULL,
  last_counter INTEGER NOT NULL,
  batch_seq INTEGER,
  field_versions TEXT,
  fields TEXT,
  PRIMARY KEY(account, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX entity_key ON entity(account, type, id);

CREATE TABLE receipt(
  account INTEGER NOT NULL,
  incarnation BLOB NOT NULL,
  counter INTEGER NOT NULL,
  outcome INTEGER NOT NULL,
  version INTEGER,
  hash BLOB NOT NULL,
  carrier INTEGER,
  type TEXT,
  id ANY,
  detail TEXT,
  PRIMARY KEY(account, incarnation, counter)
) STRICT, WITHOUT ROWID;

CREATE TABLE settled_mark(
  account INTEGER NOT NULL,
  incarnation BLOB NOT NULL,
  device INTEGER NOT NULL,
  below INTEGER NOT NULL,
  PRIMARY KEY(account, incarnation)
) STRICT, WITHOUT ROWID;

CREATE TABLE log(
  account INTEGER NOT NULL,
  last_seq INTEGER NOT NULL,
  seed INTEGER NOT NULL,
  PRIMARY KEY(account, last_seq)
) STRICT, WITHOUT ROWID;
";

/// The second format: records are found by their own time.
///
/// - `entity.time_ms`: the record's own time, by the field that the schema's window of its type
///   names; the last one of a deleted record. The field of each type is kept in `meta`, so that a
///   schema with other windows is noticed.
const FORMAT_2: &str = "
ALTER TABLE entity ADD COLUMN time_ms INTEGER;
CREATE INDEX entity_time ON entity(account, type, time_ms, seq);
";

/// The third format: receipts of single changes go by their age.
///
/// - `receipt.single_at`: when it was made, of a single change; absent for an operation of a push,
///   and for single changes of before this format.
const FORMAT_3: &str = "
ALTER TABLE receipt ADD COLUMN single_at INTEGER;
CREATE INDEX receipt_single ON receipt(account, single_at) WHERE single_at IS NOT NULL;
";

/// The fourth format: what other lives of the database had is taken over.
///
/// - `lineage`: the lives that this one descends from, by account. `head` is the last position
///   that was given out before the database was backed up, and so is one of this life too.
/// - `taken_over`: entities that devices gave back after a restore. `version` is what they had in
///   the life `epoch`, `seq` the position that they were given in this one.
const FORMAT_4: &str = "
CREATE TABLE lineage(
  account INTEGER NOT NULL,
  epoch BLOB NOT NULL,
  head INTEGER NOT NULL,
  PRIMARY KEY(account, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE taken_over(
  account INTEGER NOT NULL,
  epoch BLOB NOT NULL,
  type TEXT NOT NULL,
  id ANY NOT NULL,
  version INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY(account, epoch, type, id)
) STRICT, WITHOUT ROWID;
";

/// Checks whose file it is and brings it to the newest format, one transaction for each step: a
/// crash leaves a file of one format or the next.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StorageError> {
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    let found = check(connection, known)?;
    for (step, sql) in MIGRATIONS.iter().enumerate().skip(found as usize) {
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(from_sqlite)?;
        // Another process may have taken the step while this one waited for the lock.
        if check(&transaction, known)? as usize > step {
            continue;
        }
        transaction.execute_batch(sql).map_err(from_sqlite)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(from_sqlite)?;
        transaction.pragma_update(None, "user_version", step as u32 + 1).map_err(from_sqlite)?;
        transaction.commit().map_err(from_sqlite)?;
    }
    Ok(())
}

/// The format of the file, when it is ours or empty, and not newer than this program.
pub(super) fn check(connection: &Connection, known: u32) -> Result<u32, StorageError> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let application_id = pragma("application_id").map_err(from_sqlite)?;
    let found = pragma("user_version").map_err(from_sqlite)?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(from_sqlite)?;
    if application_id != i64::from(APPLICATION_ID) && (tables > 0 || application_id != 0) {
        return Err(StorageError::Foreign);
    }
    let found = u32::try_from(found).map_err(|_| StorageError::Foreign)?;
    if found > known { Err(StorageError::Newer { found, known }) } else { Ok(found) }
}

/// The newest format that this program reads.
pub(super) fn newest_format() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}
