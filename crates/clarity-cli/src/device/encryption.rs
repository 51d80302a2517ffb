//! The key of a device's store: where it comes from, and changing it.

use std::io::{BufRead, stdin};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clap::Args;
use clarity_client::{KeyChange, KeyError, KeyPlace, StoreKey};
use serde_json::json;

use crate::device::store::Place;
use crate::exit::{CliError, CliResult, ExitKind};
use crate::output::Output;

/// The environment variable that holds the key itself.
const KEY_VARIABLE: &str = "CLARITY_KEY";

/// Arguments of `clarity device encrypt`.
#[derive(Debug, Args)]
#[command(after_help = KEYS)]
pub(crate) struct EncryptArguments {
    /// Keep the key in the platform's keyring
    #[arg(long, conflicts_with = "key_file")]
    keyring: bool,
}

/// Arguments of `clarity device rekey`.
#[derive(Debug, Args)]
#[command(after_help = KEYS)]
pub(crate) struct RekeyArguments {
    /// Keep the new key in this file, which is made if it is not there
    #[arg(long, value_name = "FILE", required_unless_present = "new_keyring")]
    new_key_file: Option<PathBuf>,
    /// Keep the new key in the platform's keyring
    #[arg(long, conflicts_with = "new_key_file")]
    new_keyring: bool,
}

const KEYS: &str = "\
The key is in the file that --key-file names (made if it is not there, for its owner alone), in the \
keyring with --keyring, or comes with each command from CLARITY_KEY or `--key-file -`. Keep a copy \
of it in a safe place: without the key nothing in the store can be read, and what was not sent is \
lost. Files that exports wrote are not encrypted.";

/// The key that came with the command.
pub(crate) fn given_key(place: &Place) -> CliResult<Option<StoreKey>> {
    if let Some(path) = place.key_file() {
        return match from_stdin(path) {
            true => first_line().map(Some),
            false => Ok(KeyPlace::file(path).and_then(|file| file.read()).map_err(failed)?),
        };
    }
    let Some(text) = std::env::var_os(KEY_VARIABLE).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let key = text.to_str().and_then(|text| StoreKey::from_hex(text.trim()));
    key.map(Some).ok_or_else(|| CliError::usage(format!("{KEY_VARIABLE} {NOT_A_KEY}")))
}

const NOT_A_KEY: &str = "is not a key: 64 hexadecimal digits";

fn from_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The key on the first line of stdin, which can be read only once.
fn first_line() -> CliResult<StoreKey> {
    static READ: OnceLock<Option<StoreKey>> = OnceLock::new();
    let read = || {
        let mut line = String::new();
        stdin().lock().read_line(&mut line).ok()?;
        StoreKey::from_hex(line.trim())
    };
    let words = || CliError::usage(format!("the first line of stdin {NOT_A_KEY}"));
    READ.get_or_init(read).clone().ok_or_else(words)
}

fn failed(error: KeyError) -> CliError {
    clarity_client::ClientError::from(error).into()
}

/// Where a first key is to be, by what the command says.
fn wanted(place: &Place, keyring: bool) -> CliResult<(KeyPlace, Option<StoreKey>)> {
    if keyring {
        return Ok((KeyPlace::new_keyring().map_err(failed)?, None));
    }
    if let Some(path) = place.key_file().filter(|path| !from_stdin(path)) {
        return Ok((KeyPlace::file(path).map_err(failed)?, None));
    }
    let words = "say where the key is: --key-file FILE, --keyring, or CLARITY_KEY";
    let key = given_key(place)?.ok_or_else(|| CliError::usage(words))?;
    Ok((KeyPlace::Caller, Some(key)))
}

/// Chooses the key of a store that is about to be made.
pub(crate) fn choose_key(place: &Place, keyring: bool) -> CliResult<()> {
    let (to, _) = wanted(place, keyring)?;
    Ok(place.keys().choose(&to)?)
}

/// Encrypts a store.
pub(crate) fn encrypt(place: &Place, arguments: &EncryptArguments, output: Output) -> CliResult {
    let options = place.must_be_there()?;
    let keys = place.keys();
    if keys.place(&options)? != KeyPlace::Nowhere || place.is_encrypted()? {
        let words = "the store is encrypted already; `clarity device rekey` gives it another key";
        return Err(CliError::state(words));
    }
    let (to, new) = wanted(place, arguments.keyring)?;
    let change = keys.change(&options, None, &to, new.as_ref())?;
    tell(&to, &change, output)
}

/// Gives an encrypted store another key.
pub(crate) fn rekey(place: &Place, arguments: &RekeyArguments, output: Output) -> CliResult {
    let options = place.must_be_there()?;
    if !place.is_encrypted()? {
        let words = "the store is not encrypted; `clarity device encrypt` does that";
        return Err(CliError::state(words));
    }
    let to = match &arguments.new_key_file {
        Some(path) => KeyPlace::file(path),
        None => KeyPlace::new_keyring(),
    };
    let to = to.map_err(failed)?;
    let given = given_key(place)?;
    let change = place.keys().change(&options, given.as_ref(), &to, None)?;
    tell(&to, &change, output)
}

/// Decrypts a store.
pub(crate) fn decrypt(place: &Place, output: Output) -> CliResult {
    let options = place.must_be_there()?;
    if !place.is_encrypted()? {
        return Err(CliError::state("the store is not encrypted"));
    }
    let given = given_key(place)?;
    let to = KeyPlace::Nowhere;
    let change = place.keys().change(&options, given.as_ref(), &to, None)?;
    tell(&to, &change, output)
}

fn tell(to: &KeyPlace, change: &KeyChange, output: Output) -> CliResult {
    let object = json!({
        "encrypted": change.is_encrypted, "key": to, "older_copies": change.older_copies
    });
    output.show(&object, || {
        let mut lines = vec![match to {
            KeyPlace::File { path } => format!(
                "The store is encrypted; its key is in {}. Keep a copy of it: without the key \
                 nothing in the store can be read.",
                path.display()
            ),
            KeyPlace::Keyring { entry } => format!(
                "The store is encrypted; its key is in the keyring as \"{entry}\". Keep a copy of \
                 it: without the key nothing in the store can be read."
            ),
            KeyPlace::Caller => {
                "The store is encrypted; give its key with each command.".to_owned()
            }
            _ => "The store is not encrypted any more.".to_owned(),
        }];
        for path in &change.older_copies {
            lines.push(format!("As it was before: {}; delete it if you can", path.display()));
        }
        lines.join("\n")
    })?;
    Ok(ExitKind::Done)
}
