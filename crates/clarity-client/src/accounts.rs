//! Several accounts on one device: each has a store of its own, in a folder of its own.
//!
//! ```text
//! root/account.json, root/…            the first account's store
//! root/account-2/account.json, …       the next one's
//! root/current                         which of them is in use, when it is not the first
//! ```
//!
//! Whom a store belongs to is written in the store itself, by the first sign-in and for ever; the
//! files here only find it. So no mistake and no copy of a file lets one account drain the queue of
//! another (promise I11).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::ClientError;

/// Whose store is in a folder.
const ACCOUNT_FILE: &str = "account.json";
/// Which folder is in use.
const CURRENT_FILE: &str = "current";
/// The beginning of the names of further folders.
const FOLDER_PREFIX: &str = "account-";
/// The first account's folder, as the file of the one in use names it.
const FIRST: &str = ".";

/// An account that a device knows, without anything secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownAccount {
    /// The server's address.
    pub server: String,
    /// The account's name.
    pub name: String,
    /// The account's opaque id at the server.
    pub account_id: String,
}

/// The store of one account, or of nobody yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountStore {
    /// Its folder.
    pub folder: PathBuf,
    /// Whose it is; nothing before the first sign-in.
    #[serde(flatten)]
    pub account: Option<KnownAccount>,
    /// Whether it is the one in use.
    pub current: bool,
}

/// The accounts of a device, under one folder.
#[derive(Debug, Clone)]
pub struct Accounts {
    root: PathBuf,
}

impl Accounts {
    /// The accounts under this folder, which need not exist yet.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder of the store in use. A note of it that is damaged or names what is gone leads to
    /// the first one.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn current(&self) -> Result<PathBuf, ClientError> {
        match fs::read_to_string(self.root.join(CURRENT_FILE)) {
            Ok(text) => {
                let name = text.trim();
                let further = is_further(name).then(|| self.root.join(name));
                Ok(further.filter(|folder| folder.is_dir()).unwrap_or_else(|| self.root.clone()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(self.root.clone()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(self.root.clone()),
            Err(error) => Err(unusable(&self.root, &error)),
        }
    }

    /// Every store of this device, the first account's first.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list(&self) -> Result<Vec<AccountStore>, ClientError> {
        let current = self.current()?;
        let mut folders = vec![self.root.clone()];
        folders.extend(self.further()?);
        let stores = folders.into_iter().map(|folder| AccountStore {
            account: read_account(&folder),
            current: folder == current,
            folder,
        });
        Ok(stores.collect())
    }

    fn further(&self) -> Result<Vec<PathBuf>, ClientError> {
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(unusable(&self.root, &error)),
        };
        let mut folders = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| unusable(&self.root, &error))?;
            if entry.file_name().to_str().is_some_and(is_further) && entry.path().is_dir() {
                folders.push(entry.path());
            }
        }
        folders.sort();
        Ok(folders)
    }

    /// The store of an account by the server and the name that a person signs in with; none when it
    /// never signed in here.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn find(&self, server: &str, name: &str) -> Result<Option<AccountStore>, ClientError> {
        // Servers compare names like this as well.
        let (server, name) = (server.trim_end_matches('/'), name.trim().to_lowercase());
        let is_it = |account: &KnownAccount| {
            account.server.trim_end_matches('/') == server
                && account.name.trim().to_lowercase() == name
        };
        let mut stores = self.list()?.into_iter();
        Ok(stores.find(|store| store.account.as_ref().is_some_and(is_it)))
    }

    /// The store of an account by its id; none when it never signed in here.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn find_by_id(&self, account_id: &str) -> Result<Option<AccountStore>, ClientError> {
        let is_it = |account: &KnownAccount| account.account_id == account_id;
        let mut stores = self.list()?.into_iter();
        Ok(stores.find(|store| store.account.as_ref().is_some_and(is_it)))
    }

    /// A folder for the store of another account, made and empty.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make_folder(&self) -> Result<PathBuf, ClientError> {
        for number in 2..=u32::MAX {
            let folder = self.root.join(format!("{FOLDER_PREFIX}{number}"));
            fs::create_dir_all(&self.root).map_err(|error| unusable(&self.root, &error))?;
            match fs::create_dir(&folder) {
                Ok(()) => return Ok(folder),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(unusable(&folder, &error)),
            }
        }
        Err(ClientError::Closed)
    }

    /// Notes whose store is in a folder, after a sign-in.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note(&self, folder: &Path, account: &KnownAccount) -> Result<(), ClientError> {
        let text = serde_json::to_string(account).unwrap_or_default();
        write_whole(&folder.join(ACCOUNT_FILE), &text)
    }

    /// Makes a store the one in use. What the others have not sent waits in them.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn switch_to(&self, folder: &Path) -> Result<(), ClientError> {
        let name = folder.strip_prefix(&self.root).ok().and_then(Path::to_str);
        let name = name.filter(|name| is_further(name)).unwrap_or(FIRST);
        write_whole(&self.root.join(CURRENT_FILE), name)
    }

    /// Forgets an account after its store was erased; the first one is in use then.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn forget(&self, folder: &Path) -> Result<(), ClientError> {
        let gone = |result: io::Result<()>, path: &Path| match result {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unusable(path, &error)),
            _ => Ok(()),
        };
        let account = folder.join(ACCOUNT_FILE);
        gone(fs::remove_file(&account), &account)?;
        if self.current()? == folder {
            self.switch_to(&self.root)?;
        }
        let is_empty = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
        if folder != self.root && is_empty {
            gone(fs::remove_dir(folder), folder)?;
        }
        Ok(())
    }
}

fn is_further(name: &str) -> bool {
    name.strip_prefix(FOLDER_PREFIX).is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// A note that is missing or damaged is as good as none: the store itself knows.
fn read_account(folder: &Path) -> Option<KnownAccount> {
    serde_json::from_str(&fs::read_to_string(folder.join(ACCOUNT_FILE)).ok()?).ok()
}

/// Writes a file so that a crash leaves the old one or the new one.
fn write_whole(path: &Path, text: &str) -> Result<(), ClientError> {
    let beside = path.with_extension("new");
    let write = || {
        fs::write(&beside, text)?;
        fs::File::open(&beside)?.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|error: io::Error| unusable(path, &error))
}

fn unusable(path: &Path, error: &io::Error) -> ClientError {
    ClientError::Folder { path: path.to_owned(), reason: error.to_string() }
}
