//! Encryption at rest, by SQLCipher with a key from the caller.
//!
//! Each page of the file, of its log and of its journal is encrypted by AES-256 with a fresh
//! initialisation vector and authenticated by HMAC-SHA512; temporary tables stay in memory. The
//! first 32 bytes of the file remain as SQLite has them. They say that it is a database, how large
//! its pages are and how many there are; and from them alone, without a key, an encrypted store is
//! told from one that is not and from one whose beginning is damaged.
//!
//! The salt that SQLCipher would keep in those bytes is derived from the key. It separates the two
//! keys that are used inside from each other; guessing is made no harder by it, and need not be:
//! the key is 256 random bits.

#![cfg_attr(
    target_arch = "wasm32",
    allow(dead_code, reason = "in a browser nothing is encrypted, and no file is looked at")
)]

use std::sync::Once;

use rusqlite::Connection;
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::key::{StoreKey, hex};
use crate::options::OpenOptions;

/// Whether this program can encrypt.
pub(crate) const AVAILABLE: bool = cfg!(all(feature = "encryption", not(target_arch = "wasm32")));

/// How many bytes at the start of the file stay as they are.
pub(crate) const PLAIN_BYTES: usize = 32;
/// How many bytes of each page the initialisation vector and the authentication take: what the
/// header of an encrypted store says at [`RESERVED_AT`].
pub(crate) const RESERVED_BYTES: u8 = 80;
/// Where a header says how many bytes of each page are reserved.
pub(crate) const RESERVED_AT: usize = 20;
/// Bytes of a page.
const PAGE_BYTES: usize = 4_096;
/// How the file of a database begins.
pub(crate) const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// What the derived salt is for.
const SALT_CONTEXT: &str = "Clarity Sync 2026-11 salt of an encrypted store";

/// What the first bytes of a file say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// There is no file, it is empty, or its start is damaged.
    Unknown,
    /// A database that anybody can read.
    Plain,
    /// A database that takes a key.
    Encrypted,
}

/// What the first bytes of a file say.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn form(path: &std::path::Path) -> Result<Form, StoreError> {
    use std::io::Read;
    let mut start = Vec::with_capacity(PLAIN_BYTES);
    match std::fs::File::open(path) {
        Ok(file) => file.take(PLAIN_BYTES as u64).read_to_end(&mut start)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error.into()),
    };
    Ok(match start.get(RESERVED_AT) {
        Some(&RESERVED_BYTES) if start.starts_with(MAGIC) => Form::Encrypted,
        Some(_) if start.starts_with(MAGIC) => Form::Plain,
        _ => Form::Unknown,
    })
}

/// Whether the options fit the file, as far as its first bytes tell. Nothing is opened or changed.
pub(crate) fn check(options: &OpenOptions) -> Result<(), StoreError> {
    if options.key.is_some() && !AVAILABLE {
        return Err(StoreError::EncryptionUnavailable);
    }
    #[cfg(not(target_arch = "wasm32"))]
    if options.is_file() {
        return match (form(&options.path)?, &options.key) {
            (Form::Encrypted, _) if !AVAILABLE => Err(StoreError::EncryptionUnavailable),
            (Form::Encrypted, None) => Err(StoreError::KeyRequired),
            (Form::Plain, Some(_)) => Err(StoreError::NotEncrypted),
            _ => Ok(()),
        };
    }
    Ok(())
}

/// Lets SQLCipher get ready, once in a process. It does so while the first connection is opened,
/// and another thread that opens one meanwhile would find that it cannot take a key yet.
pub(crate) fn prepare() {
    static READY: Once = Once::new();
    // Whatever is in the way shows when the store is opened.
    READY.call_once(|| drop(Connection::open_in_memory()));
}

/// Gives a database of a connection its key, before anything of it is read.
pub(crate) fn unlock(
    connection: &Connection,
    database: &str,
    key: &StoreKey,
) -> Result<(), StoreError> {
    if !AVAILABLE {
        return Err(StoreError::EncryptionUnavailable);
    }
    // What it cannot read it would also write to the program's standard error.
    connection.execute_batch("PRAGMA cipher_log_level = NONE")?;
    let statement = Zeroizing::new(format!("PRAGMA {database}.key = {}", *specification(key)));
    // An error of this statement may quote it.
    let locked = |_| StoreError::Io { detail: "the key could not be set".to_owned() };
    connection.execute_batch(&statement).map_err(locked)?;
    let plain = format!("PRAGMA {database}.cipher_plaintext_header_size = {PLAIN_BYTES}");
    connection.execute_batch(&plain)?;
    // Nothing may ever be written as if there were no key.
    let status = format!("PRAGMA {database}.cipher_status");
    let status: String = connection.query_row(&status, [], |row| row.get(0))?;
    if status == "1" { Ok(()) } else { Err(locked(rusqlite::Error::InvalidQuery)) }
}

/// A key as SQL takes it, with the salt: `"x'…'"`.
pub(crate) fn specification(key: &StoreKey) -> Zeroizing<String> {
    let derived = Zeroizing::new(blake3::derive_key(SALT_CONTEXT, key.bytes()));
    let mut text = Zeroizing::new(String::with_capacity(101));
    text.push_str("\"x'");
    text.push_str(&key.to_hex());
    text.push_str(&hex(&derived[..16]));
    text.push_str("'\"");
    text
}

/// Tells a wrong key from damage: with the right key some page can be read, wherever the damage is.
pub(crate) fn explained(
    connection: &Connection,
    options: &OpenOptions,
    error: StoreError,
) -> StoreError {
    if options.key.is_none() || !matches!(error, StoreError::Damaged { .. }) {
        return error;
    }
    match (pages(connection), unreadable_pages(connection)) {
        (Some(pages), Some(unreadable)) if pages == 0 || unreadable < pages => error,
        _ => StoreError::WrongKey,
    }
}

/// Lets a connection that reads go on past pages that are damaged, as it would without a key. From
/// here on it must stay in the transaction that this begins.
///
/// SQLCipher otherwise gives up the whole connection at the first such page, unless all of the
/// first page is said to be plain, which is its mode for recoveries. The first page was read
/// before, and the transaction keeps it; where it cannot be read, nothing can.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn read_on_past_damage(connection: &Connection) -> Result<(), StoreError> {
    connection.execute_batch("BEGIN")?;
    // It reads the first page and no other.
    if connection.query_row("PRAGMA user_version", [], |_| Ok(())).is_err() {
        return Ok(());
    }
    let whole = PAGE_BYTES - usize::from(RESERVED_BYTES);
    Ok(connection.execute_batch(&format!("PRAGMA cipher_plaintext_header_size = {whole}"))?)
}

/// How many whole pages the file has.
fn pages(connection: &Connection) -> Option<u64> {
    let path = std::path::Path::new(connection.path()?);
    Some(std::fs::metadata(path).ok()?.len() / PAGE_BYTES as u64)
}

/// How many pages of the file, as it is on the disk, cannot be read with the key.
fn unreadable_pages(connection: &Connection) -> Option<u64> {
    let mut statement = connection.prepare("PRAGMA cipher_integrity_check").ok()?;
    let mut rows = statement.query([]).ok()?;
    let mut unreadable = 0;
    while let Some(row) = rows.next().ok()? {
        // A part of a page at the end of a file that was cut is told as well.
        let finding: String = row.get(0).ok()?;
        unreadable += u64::from(finding.starts_with("HMAC verification failed"));
    }
    Some(unreadable)
}
