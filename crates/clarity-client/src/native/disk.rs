//! The file of a store and the disk that it is on.

use std::path::Path;

/// How much of the disk that a store is on is free, in bytes; nothing where nobody can tell.
pub(crate) fn free_bytes(store: &Path) -> Option<u64> {
    fs4::available_space(folder(store)).ok()
}

/// The folder of a file, which is on the same disk.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// What is left of an erased store holds nothing; where it cannot be removed, it may stay.
pub(crate) fn remove_files(path: &Path) {
    for suffix in ["-wal", "-shm", "", ".lock", ".use"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let _ = std::fs::remove_file(name);
    }
}
