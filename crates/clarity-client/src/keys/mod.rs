//! Where a device keeps the keys of its stores.
//!
//! ```text
//! device.db                 the store, encrypted
//! device.db.key.json        where its key is: a file, the platform's keyring, or with the caller
//! device.db.key.lock        held while the key is being changed
//! ```
//!
//! The note beside the store never holds a key. While a key is being changed it names the places of
//! both, and the store itself says which of them it is: so at any crash the key that the store has
//! can be found.

mod error;
mod place;

#[cfg(feature = "keyring")]
mod platform;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use clarity_engine::store::{KeyChange, Store, StoreError, StoreKey};
use serde::{Deserialize, Serialize};

use crate::client::{Client, ClientOptions};
use crate::error::ClientError;

pub use error::KeyError;
pub use place::KeyPlace;

/// The keys of one store, found by where the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreKeys {
    store: PathBuf,
}

/// What is written beside the store.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Note {
    /// Where the key is; while it is being changed, where the old one and the new one are.
    places: Vec<KeyPlace>,
}

impl StoreKeys {
    /// The keys of the store at this path.
    #[must_use]
    pub fn of(store: impl Into<PathBuf>) -> Self {
        Self { store: store.into() }
    }

    /// Where the key of the store is kept.
    ///
    /// # Errors
    /// When the note beside the store cannot be read, or no key that is kept fits the store.
    pub fn place(&self, options: &ClientOptions) -> Result<KeyPlace, ClientError> {
        Ok(self.found(options)?.0)
    }

    /// The options with the key that the store has: `given`, or the one that is kept where the note
    /// beside the store says.
    ///
    /// # Errors
    /// [`KeyError`] when a key cannot be had; what is said of keys in
    /// [`Client::open`] where none fits.
    pub fn resolve(
        &self,
        options: &ClientOptions,
        given: Option<&StoreKey>,
    ) -> Result<ClientOptions, ClientError> {
        match given {
            Some(key) => Ok(with_key(options, Some(key.clone()))),
            None => Ok(with_key(options, self.found(options)?.1)),
        }
    }

    /// Decides where the key of a store that is not made yet is kept, and makes one there unless
    /// there is one. The store that is made next is encrypted with it.
    ///
    /// # Errors
    /// [`KeyError::StoreExists`]; and when the key cannot be kept there. Nothing is made then.
    pub fn choose(&self, place: &KeyPlace) -> Result<(), ClientError> {
        can_encrypt()?;
        let _lock = self.lock()?;
        if fs::metadata(&self.store).is_ok_and(|found| found.len() > 0) {
            return Err(KeyError::StoreExists.into());
        }
        place.read_or_make()?;
        Ok(self.write(std::slice::from_ref(place))?)
    }

    /// Keeps the key of a store that is not made yet as another store's is kept: none, with the
    /// caller, in the same file, or in an entry of its own of the keyring.
    ///
    /// # Errors
    /// As [`StoreKeys::choose`].
    pub fn choose_like(&self, other: &Self, options: &ClientOptions) -> Result<(), ClientError> {
        match other.place(options)? {
            KeyPlace::Nowhere => Ok(()),
            KeyPlace::Keyring { .. } => self.choose(&KeyPlace::new_keyring()?),
            place => self.choose(&place),
        }
    }

    /// Moves the store from the key that it has to one that is kept at `to`, which is made unless
    /// it is there; [`KeyPlace::Nowhere`] decrypts it. `given` is the present key where the caller
    /// has it, `new` the new one for [`KeyPlace::Caller`].
    ///
    /// At any crash the store has the old key or the new one, and both are where the note beside it
    /// says. Afterwards an entry of the old key in the keyring is gone; a file with it stays.
    ///
    /// # Errors
    /// As [`Client::set_key`], and [`KeyError`] when a key cannot be had or kept.
    pub fn change(
        &self,
        options: &ClientOptions,
        given: Option<&StoreKey>,
        to: &KeyPlace,
        new: Option<&StoreKey>,
    ) -> Result<KeyChange, ClientError> {
        can_encrypt()?;
        let _lock = self.lock()?;
        let (from, key) = match given {
            Some(key) => (KeyPlace::Caller, Some(key.clone())),
            None => self.found(options)?,
        };
        if from == *to && *to != KeyPlace::Caller {
            return Err(KeyError::SamePlace.into());
        }
        let present = with_key(options, key);
        Store::check_key(&present.store)?;
        let new = match to {
            KeyPlace::Caller => Some(new.ok_or(KeyError::NotGiven)?.clone()),
            place => place.read_or_make()?,
        };
        let known = self.read()?.places;
        let mut both = known.clone();
        both.extend([from, to.clone()]);
        self.write(&both)?;
        let change = Client::set_key(&present, new.as_ref())?;
        self.write(std::slice::from_ref(to))?;
        forget(known.iter().filter(|place| *place != to));
        Ok(change)
    }

    /// Forgets the key, after the store was erased: an entry of the keyring is removed, and the
    /// note. A file with the key stays, for it may be the key of something else.
    ///
    /// # Errors
    /// When the note cannot be read or removed.
    pub fn forget(&self) -> Result<(), ClientError> {
        forget(self.read()?.places.iter());
        for path in [self.note(), self.lock_path()] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(KeyError::note(&path, &error).into());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The key that the store has, and where it is. Of several places that may be, those that
    /// cannot be read are passed over, but for the last.
    fn found(&self, options: &ClientOptions) -> Result<(KeyPlace, Option<StoreKey>), ClientError> {
        let places = self.read()?.places;
        let encrypted = Store::is_encrypted(&self.store)?;
        let is_candidate = |place: &&KeyPlace| match encrypted {
            Some(encrypted) => (**place == KeyPlace::Nowhere) != encrypted,
            // There is no store yet, or its beginning is damaged.
            None => **place != KeyPlace::Nowhere,
        };
        let mut candidates: Vec<&KeyPlace> = places.iter().filter(is_candidate).collect();
        if candidates.is_empty() {
            // What the note says does not fit the store; opening it says how.
            candidates.extend(places.first());
        }
        let Some((last, others)) = candidates.split_last() else {
            return Ok((KeyPlace::Nowhere, None));
        };
        for place in others {
            let Ok(key) = place.read() else { continue };
            match Store::check_key(&with_key(options, key.clone()).store) {
                Ok(()) => return Ok(((*place).clone(), key)),
                Err(StoreError::WrongKey) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(((*last).clone(), last.read()?))
    }

    fn note(&self) -> PathBuf {
        beside(&self.store, ".key.json")
    }

    fn lock_path(&self) -> PathBuf {
        beside(&self.store, ".key.lock")
    }

    /// Keeps others from changing the key meanwhile.
    fn lock(&self) -> Result<File, ClientError> {
        let path = self.lock_path();
        let locked = || {
            let file = File::options().create(true).truncate(false).write(true).open(&path)?;
            file.lock()?;
            Ok(file)
        };
        locked().map_err(|error: io::Error| KeyError::note(&path, &error).into())
    }

    fn read(&self) -> Result<Note, KeyError> {
        let path = self.note();
        match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text)
                .map_err(|_| KeyError::note(&path, &io::ErrorKind::InvalidData.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Note::default()),
            Err(error) => Err(KeyError::note(&path, &error)),
        }
    }

    /// Writes the note so that a crash leaves the old one or the new one.
    fn write(&self, places: &[KeyPlace]) -> Result<(), KeyError> {
        let path = self.note();
        let text = serde_json::to_string(&Note { places: places.to_vec() }).unwrap_or_default();
        let written = if places == [KeyPlace::Nowhere] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                removed => removed,
            }
        } else {
            let unfinished = beside(&path, ".new");
            place::write_private(&unfinished, text.as_bytes())
                .and_then(|()| fs::rename(&unfinished, &path))
        };
        written
            .and_then(|()| place::sync_folder(&path))
            .map_err(|error| KeyError::note(&path, &error))
    }
}

/// No key is made where nothing can be encrypted with it.
fn can_encrypt() -> Result<(), ClientError> {
    if Store::ENCRYPTS { Ok(()) } else { Err(StoreError::EncryptionUnavailable.into()) }
}

/// Removes the entries of the keyring among these places. One that cannot be removed stays, and
/// opens nothing any more.
fn forget<'places>(places: impl Iterator<Item = &'places KeyPlace>) {
    for place in places {
        if place.forget().is_err() {
            tracing::warn!("an entry of the keyring that is no longer used could not be removed");
        }
    }
}

fn with_key(options: &ClientOptions, key: Option<StoreKey>) -> ClientOptions {
    let mut options = options.clone();
    options.store.key = key;
    options
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
