//! The files of a store: what is beside it, what is wrong with them, and how they are moved.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::encryption::{MAGIC, PLAIN_BYTES, RESERVED_AT, RESERVED_BYTES};
use crate::error::StoreError;
use crate::recovery::log;

/// Bytes of the header of a database.
const HEADER_BYTES: usize = 100;
/// Bytes of a page in every store.
pub(super) const PAGE_BYTES: u16 = 4_096;

/// More versions of the tables than there will ever be.
const VERSIONS_EXPECTED: u32 = 10_000;

/// A path with something appended to its name.
pub(crate) fn beside(store: &Path, suffix: &str) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// A new store that is being filled; worth nothing yet.
pub(super) fn unfinished(store: &Path) -> PathBuf {
    beside(store, ".salvage")
}

/// A new store that is complete and durable, and takes the place of the damaged one.
fn recovered(store: &Path) -> PathBuf {
    beside(store, ".recovered")
}

/// A copy of the damaged store with a header or a log that can be read.
pub(super) fn mended(store: &Path) -> PathBuf {
    beside(store, ".mended")
}

/// Removes a database that this program made for itself, with all that SQLite put beside it.
pub(crate) fn remove_own(database: &Path) -> Result<(), StoreError> {
    for suffix in ["", "-wal", "-shm", "-journal", ".use"] {
        match fs::remove_file(beside(database, suffix)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

/// Whether there is a store, be it one that a recovery has not put in its place yet.
pub(crate) fn is_there(store: &Path) -> bool {
    store.exists() || recovered(store).exists()
}

/// Declares the new store complete: from now on, whatever happens, it takes the place of the old
/// one, at the latest when the store is opened the next time.
pub(super) fn declare(store: &Path) -> Result<(), StoreError> {
    let new = unfinished(store);
    if fs::metadata(beside(&new, "-wal")).is_ok_and(|log| log.len() > 0) {
        let detail = "the recovered store could not be completed".to_owned();
        return Err(StoreError::Io { detail });
    }
    File::open(&new)?.sync_all()?;
    for suffix in ["-wal", "-shm", ".use"] {
        let leftover = beside(&new, suffix);
        if leftover.exists() {
            fs::remove_file(leftover)?;
        }
    }
    fs::rename(new, recovered(store))?;
    sync_folder(store)
}

/// Moves the damaged files aside and puts the recovered store in their place. Nothing is deleted.
/// It may be interrupted anywhere and called again. Returns the new name of the damaged file, or
/// nothing when there is no recovered store to put in place.
pub(crate) fn put_in_place(store: &Path) -> Result<Option<PathBuf>, StoreError> {
    let new = recovered(store);
    if !new.exists() {
        return Ok(None);
    }
    let aside = free_name(store);
    // The file itself goes last: as long as it is there, the name that was chosen stays free.
    for suffix in ["-wal", "-shm", "-journal", ""] {
        match fs::rename(beside(store, suffix), beside(&aside, suffix)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    sync_folder(store)?;
    fs::rename(new, store)?;
    sync_folder(store)?;
    Ok(Some(aside))
}

/// The name that the damaged file gets: the first that no file has.
pub(super) fn free_name(store: &Path) -> PathBuf {
    let mut number = 1;
    loop {
        let name = beside(store, &format!(".damaged-{number}"));
        if !name.exists() {
            return name;
        }
        number += 1;
    }
}

/// The damaged files that recoveries moved aside.
pub(crate) fn moved_aside(store: &Path) -> Vec<PathBuf> {
    let names = (1..).map(|number| beside(store, &format!(".damaged-{number}")));
    names.take_while(|name| name.exists()).collect()
}

/// Makes the names in a folder durable, where the system can.
pub(crate) fn sync_folder(store: &Path) -> Result<(), StoreError> {
    #[cfg(unix)]
    {
        let parent = store.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = store;
    Ok(())
}

/// Copies the files of a store and mends what can be mended without loss: the header, and the
/// checksums of the log. Returns nothing when there was nothing to mend.
pub(super) fn mend(store: &Path, encrypted: bool) -> Result<Option<Mended>, StoreError> {
    let mut header = [0; HEADER_BYTES];
    let length = read_start(store, &mut header)?;
    let header_is_sound = length == HEADER_BYTES && is_sound(&header, encrypted);
    let log_path = beside(store, "-wal");
    let log_bytes = fs::read(&log_path).unwrap_or_default();
    let log_mended = log::mended(&log_bytes);
    if header_is_sound && log_mended.is_none() {
        return Ok(None);
    }
    let copy = mended(store);
    remove_own(&copy)?;
    fs::copy(store, &copy)?;
    if !header_is_sound {
        let mut file = fs::OpenOptions::new().write(true).open(&copy)?;
        let header = header_for(fs::metadata(store)?.len(), encrypted);
        // Of an encrypted store only this much can be told from outside.
        file.write_all(&header[..if encrypted { PLAIN_BYTES } else { HEADER_BYTES }])?;
    }
    let log_was_mended = log_mended.is_some();
    let log = log_mended.unwrap_or(log_bytes);
    if !log.is_empty() {
        fs::write(beside(&copy, "-wal"), log)?;
    }
    Ok(Some(Mended { path: copy, header: !header_is_sound, log: log_was_mended }))
}

/// A copy of a store that was mended.
#[derive(Debug)]
pub(super) struct Mended {
    pub(super) path: PathBuf,
    pub(super) header: bool,
    pub(super) log: bool,
}

fn read_start(path: &Path, buffer: &mut [u8]) -> Result<usize, StoreError> {
    let mut file = File::open(path)?;
    let mut read = 0;
    while read < buffer.len() {
        match file.read(&mut buffer[read..])? {
            0 => break,
            more => read += more,
        }
    }
    Ok(read)
}

fn is_sound(header: &[u8; HEADER_BYTES], encrypted: bool) -> bool {
    let word = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    header.starts_with(MAGIC)
        && header[16..18] == PAGE_BYTES.to_be_bytes()
        // A store that was not opened since its key was changed has no log.
        && matches!(header[18..20], [1, 1] | [2, 2])
        && header[RESERVED_AT..24] == [if encrypted { RESERVED_BYTES } else { 0 }, 64, 32, 32]
        && (encrypted
            || word(60) < VERSIONS_EXPECTED
                && word(68) == crate::schema_sql::APPLICATION_ID.cast_unsigned())
}

/// The header that a store of this length has, as far as reading needs it.
fn header_for(length: u64, encrypted: bool) -> [u8; HEADER_BYTES] {
    let pages = u32::try_from(length / u64::from(PAGE_BYTES)).unwrap_or(u32::MAX);
    let mut header = [0; HEADER_BYTES];
    header[..16].copy_from_slice(MAGIC);
    header[16..18].copy_from_slice(&PAGE_BYTES.to_be_bytes());
    header[18..24].copy_from_slice(&[2, 2, 0, 64, 32, 32]);
    if encrypted {
        header[RESERVED_AT] = RESERVED_BYTES;
    }
    let mut put = |at: usize, number: u32| {
        header[at..at + 4].copy_from_slice(&number.to_be_bytes());
    };
    put(24, 1); // changes
    put(28, pages);
    put(40, 1); // changes of definitions
    put(44, 4); // form of definitions
    put(56, 1); // UTF-8
    put(60, crate::schema_sql::LATEST_VERSION);
    put(68, crate::schema_sql::APPLICATION_ID.cast_unsigned());
    put(92, 1); // as of change 1
    put(96, 3_045_000); // written by a version that knows all this
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows that, wherever putting a recovered store in place was interrupted, the next try ends
    /// with the recovered store in its place and every damaged file under one new name.
    #[test]
    fn an_interrupted_move_is_finished() {
        for moved in 0..=4 {
            let folder = tempfile::TempDir::new().unwrap();
            let store = folder.path().join("s.db");
            fs::write(beside(&store, ".damaged-1"), "an earlier one").unwrap();
            for suffix in ["", "-wal", "-shm"] {
                fs::write(beside(&store, suffix), format!("old{suffix}")).unwrap();
            }
            fs::write(recovered(&store), "new").unwrap();
            let aside = free_name(&store);
            for suffix in ["-wal", "-shm", "-journal", ""].into_iter().take(moved) {
                let _ = fs::rename(beside(&store, suffix), beside(&aside, suffix));
            }
            let ended = put_in_place(&store).unwrap();
            assert!(ended.is_some(), "{moved}");
            assert_eq!(fs::read_to_string(&store).unwrap(), "new");
            for suffix in ["", "-wal", "-shm"] {
                let there = fs::read_to_string(beside(&aside, suffix)).unwrap();
                assert_eq!(there, format!("old{suffix}"), "{moved}");
                assert!(suffix.is_empty() || !beside(&store, suffix).exists());
            }
            let earlier = fs::read_to_string(beside(&store, ".damaged-1")).unwrap();
            assert_eq!(earlier, "an earlier one");
            assert!(put_in_place(&store).unwrap().is_none());
        }
    }
}
