//! Why a key cannot be had.

use std::io;
use std::path::{Path, PathBuf};

/// Why the key of a store cannot be had or kept. No message holds anything of a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The key is kept by whoever opens the store, and was not given.
    #[error("the key of this store is not kept on the device; give it to open the store")]
    NotGiven,
    /// The file with the key is not there.
    #[error("the key file {} is not there; without it the store cannot be opened", path.display())]
    FileMissing {
        /// The file.
        path: PathBuf,
    },
    /// Others can read the file with the key.
    #[error(
        "others can read the key file {}; let only its owner do so (chmod 600), or change the key",
        path.display()
    )]
    FileReadable {
        /// The file.
        path: PathBuf,
    },
    /// The file holds something else.
    #[error("the key file {} does not hold a key: 64 hexadecimal digits", path.display())]
    FileInvalid {
        /// The file.
        path: PathBuf,
    },
    /// The file with the key cannot be read or written.
    #[error("the key file {} cannot be used: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// There is no keyring, or it is locked.
    #[error("there is no keyring that can be used here ({reason}); keep the key in a file instead")]
    NoKeyring {
        /// The platform's words.
        reason: String,
    },
    /// The keyring does not have the key of this store any more.
    #[error(
        "the keyring does not have the key of this store; without it the store cannot be opened"
    )]
    NotInKeyring,
    /// This program was built without the keyring.
    #[error(
        "this program was built without the platform's keyring; keep the key in a file, or use a \
         program that was built with the feature `keyring`"
    )]
    KeyringUnavailable,
    /// What is written beside the store about its key cannot be read or written.
    #[error("{} cannot be used, which says where the store's key is: {reason}", path.display())]
    Note {
        /// The file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// The new key would be where the old one is.
    #[error("the store's key is there already; keep the new key somewhere else")]
    SamePlace,
    /// The store was made already.
    #[error("there is a store already; encrypt it instead")]
    StoreExists,
    /// The operating system gave no random bits.
    #[error("the operating system gives no random numbers")]
    NoEntropy,
}

impl KeyError {
    pub(super) fn file(path: &Path, error: &io::Error) -> Self {
        Self::File { path: path.to_owned(), reason: error.to_string() }
    }

    pub(super) fn note(path: &Path, error: &io::Error) -> Self {
        Self::Note { path: path.to_owned(), reason: error.to_string() }
    }
}
