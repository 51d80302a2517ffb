//! The platform's keyring: the Secret Service on Linux, the keychain, the credential manager.

use clarity_engine::store::StoreKey;
use keyring::{Entry, Error};
use zeroize::Zeroizing;

use super::KeyError;

/// Under what the entries are.
const SERVICE: &str = "clarity-sync";

/// The key in an entry.
pub(super) fn read(name: &str) -> Result<StoreKey, KeyError> {
    let text = Zeroizing::new(entry(name)?.get_password().map_err(|error| failed(&error))?);
    StoreKey::from_hex(&text).ok_or(KeyError::NotInKeyring)
}

/// Makes an entry, and makes sure that the key comes back from it.
pub(super) fn write(name: &str, key: &StoreKey) -> Result<(), KeyError> {
    // As digits, so that a person who opens the keyring can copy it.
    entry(name)?.set_password(&key.to_hex()).map_err(|error| failed(&error))?;
    if read(name)? == *key { Ok(()) } else { Err(KeyError::NotInKeyring) }
}

/// Removes an entry; one that is gone is as good.
pub(super) fn remove(name: &str) -> Result<(), KeyError> {
    match entry(name)?.delete_credential() {
        Ok(()) | Err(Error::NoEntry) => Ok(()),
        Err(error) => Err(failed(&error)),
    }
}

fn entry(name: &str) -> Result<Entry, KeyError> {
    if let Err(error) = Entry::store_status() {
        return Err(failed(error));
    }
    Entry::new(SERVICE, name).map_err(|error| failed(&error))
}

/// The platform's words, but for errors that carry what they read.
fn failed(error: &Error) -> KeyError {
    match error {
        Error::NoEntry => KeyError::NotInKeyring,
        Error::PlatformFailure(reason) | Error::NoStorageAccess(reason) => {
            KeyError::NoKeyring { reason: reason.to_string() }
        }
        _ => KeyError::NoKeyring { reason: "it gave no usable answer".to_owned() },
    }
}
