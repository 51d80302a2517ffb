//! Where one key is.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use clarity_engine::store::StoreKey;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::KeyError;

/// Longest file that is read as a key, in bytes.
const FILE_BYTES_MAX: u64 = 1_024;

/// Where the key of a store is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kept", rename_all = "snake_case")]
#[non_exhaustive]
pub enum KeyPlace {
    /// Nowhere: the store is not encrypted.
    Nowhere,
    /// In a file with 64 hexadecimal digits, which only its owner may read.
    File {
        /// The file.
        path: PathBuf,
    },
    /// In the platform's keyring, under the service `clarity-sync`. It takes the feature `keyring`.
    Keyring {
        /// The name of the entry.
        entry: String,
    },
    /// With the caller, who gives it whenever the store is opened.
    Caller,
}

impl KeyPlace {
    /// A file, by its whole path.
    ///
    /// # Errors
    /// When the path is empty or the present folder is gone.
    pub fn file(path: &Path) -> Result<Self, KeyError> {
        let path = std::path::absolute(path).map_err(|error| KeyError::file(path, &error))?;
        Ok(Self::File { path })
    }

    /// A new entry of the platform's keyring.
    ///
    /// # Errors
    /// [`KeyError::NoEntropy`].
    pub fn new_keyring() -> Result<Self, KeyError> {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).map_err(|_| KeyError::NoEntropy)?;
        Ok(Self::Keyring { entry: format!("store {:016x}", u64::from_be_bytes(bytes)) })
    }

    /// The key that is kept here; nothing where none is needed.
    ///
    /// # Errors
    /// When there is none, or it must not or cannot be read.
    pub fn read(&self) -> Result<Option<StoreKey>, KeyError> {
        match self {
            Self::Nowhere => Ok(None),
            Self::File { path } => read_file(path).map(Some),
            Self::Keyring { entry } => platform::read(entry).map(Some),
            Self::Caller => Err(KeyError::NotGiven),
        }
    }

    /// The key that is kept here; where there is none yet, a new one, which is durable when this
    /// returns. The caller brings its own.
    pub(super) fn read_or_make(&self) -> Result<Option<StoreKey>, KeyError> {
        match self {
            Self::Caller => Ok(None),
            Self::File { path } => make_file(path).map(Some),
            Self::Keyring { entry } => {
                let key = random_key()?;
                platform::write(entry, &key)?;
                Ok(Some(key))
            }
            there => there.read(),
        }
    }

    /// Removes what was made for this store alone: an entry of the keyring.
    pub(super) fn forget(&self) -> Result<(), KeyError> {
        match self {
            Self::Keyring { entry } => platform::remove(entry),
            _ => Ok(()),
        }
    }
}

#[cfg(feature = "keyring")]
use super::platform;

/// Stands for the keyring where it was not built in.
#[cfg(not(feature = "keyring"))]
mod platform {
    use clarity_engine::store::StoreKey;

    use super::KeyError;

    pub(super) fn read(_: &str) -> Result<StoreKey, KeyError> {
        Err(KeyError::KeyringUnavailable)
    }

    pub(super) fn write(_: &str, _: &StoreKey) -> Result<(), KeyError> {
        Err(KeyError::KeyringUnavailable)
    }

    pub(super) fn remove(_: &str) -> Result<(), KeyError> {
        Err(KeyError::KeyringUnavailable)
    }
}

fn random_key() -> Result<StoreKey, KeyError> {
    let mut bytes = Zeroizing::new([0; StoreKey::BYTES]);
    getrandom::fill(&mut *bytes).map_err(|_| KeyError::NoEntropy)?;
    Ok(StoreKey::new(*bytes))
}

/// A new key in a file of its own, whole or not at all. A file that is there, or that another
/// process makes meanwhile for another store, keeps the key that it has.
fn make_file(path: &Path) -> Result<StoreKey, KeyError> {
    if path.exists() {
        return read_file(path);
    }
    let key = random_key()?;
    let text = Zeroizing::new(format!("{}\n", *key.to_hex()));
    let made = || {
        // Only its owner may read it.
        let mut file = tempfile::NamedTempFile::new_in(folder_of(path))?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path).map_err(|refused| refused.error)?;
        sync_folder(path)
    };
    match made() {
        Ok(()) => Ok(key),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read_file(path),
        Err(error) => Err(KeyError::file(path, &error)),
    }
}

fn read_file(path: &Path) -> Result<StoreKey, KeyError> {
    let failed = |error: &io::Error| match error.kind() {
        io::ErrorKind::NotFound => KeyError::FileMissing { path: path.to_owned() },
        _ => KeyError::file(path, error),
    };
    let file = File::open(path).map_err(|error| failed(&error))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let found = file.metadata().map_err(|error| failed(&error))?;
        if found.mode() & 0o077 != 0 {
            return Err(KeyError::FileReadable { path: path.to_owned() });
        }
    }
    let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES_MAX as usize));
    match file.take(FILE_BYTES_MAX).read_to_string(&mut text) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
        Err(error) => return Err(failed(&error)),
    }
    let invalid = || KeyError::FileInvalid { path: path.to_owned() };
    StoreKey::from_hex(text.trim()).ok_or_else(invalid)
}

/// Writes a new file that only its owner may read, durably. One that is there is written anew.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes the names in a file's folder durable, where the system can.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(folder_of(path))?.sync_all()?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
