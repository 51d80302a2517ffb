//! Where a device's store is, and opening it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use clarity_client::engine::store::Store;
use clarity_client::{Accounts, Client, ClientError, ClientOptions, Schema, StoreKeys};
use serde_json::json;

use crate::device::encryption::{choose_key, given_key};
use crate::exit::{CliError, CliResult, ExitKind};
use crate::output::Output;
use crate::serve::read_schema;

/// The store's file in its folder.
const STORE_FILE: &str = "device.db";
/// The schema that the store was made with, when it is not the one that ships.
const SCHEMA_FILE: &str = "schema.json";

/// Arguments of `clarity device init`.
#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// Schema of this store, instead of the one that ships; a newer version carries a store that is
    /// there forward
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Encrypt the store, with the key in --key-file FILE (made if it is not there), in the
    /// keyring, or from CLARITY_KEY
    #[arg(long)]
    encrypt: bool,
    /// Keep the key in the platform's keyring
    #[arg(long, requires = "encrypt", conflicts_with = "key_file")]
    keyring: bool,
}

/// Where a store is.
#[derive(Debug)]
pub(crate) struct Place {
    /// The folder of all accounts of this device.
    root: PathBuf,
    /// The folder of the store in use.
    folder: PathBuf,
    /// The file with the key, where it was named.
    key_file: Option<PathBuf>,
}

impl Place {
    /// The folder that was named, or the usual one.
    pub(crate) fn of(named: Option<PathBuf>, key_file: Option<PathBuf>) -> CliResult<Self> {
        let from = |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty());
        let usual = || {
            let data = from("XDG_DATA_HOME").map(PathBuf::from);
            data.or_else(|| from("HOME").map(|home| PathBuf::from(home).join(".local/share")))
                .map(|folder| folder.join("clarity"))
        };
        let unknown = || CliError::usage("there is no home folder; say where with --store FOLDER");
        let root = named.or_else(usual).ok_or_else(unknown)?;
        let folder = Accounts::at(&root).current()?;
        Ok(Self { root, folder, key_file })
    }

    /// The accounts of this device.
    pub(crate) fn accounts(&self) -> Accounts {
        Accounts::at(&self.root)
    }

    /// Another store of this device.
    pub(crate) fn within(&self, folder: &Path) -> Self {
        Self { folder: folder.to_owned(), root: self.root.clone(), key_file: self.key_file.clone() }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Opens the store that must be there.
    pub(crate) fn open(&self) -> CliResult<Client> {
        self.must_be_there()?;
        self.open_or_make()
    }

    /// Says what to do where there is no store; how it is opened, but for its key, where there is.
    pub(crate) fn must_be_there(&self) -> CliResult<ClientOptions> {
        let options = self.options_without_key()?;
        if !options.store.store_exists() {
            return Err(CliError::state(format!(
                "there is no store in {}; make one with `clarity device init`",
                self.folder.display()
            )));
        }
        Ok(options)
    }

    /// Whether the store is encrypted, by how its file begins.
    pub(crate) fn is_encrypted(&self) -> CliResult<bool> {
        let found = Store::is_encrypted(&self.folder.join(STORE_FILE));
        Ok(found.map_err(ClientError::from)? == Some(true))
    }

    /// Opens the store, and makes it when there is none.
    pub(crate) fn open_or_make(&self) -> CliResult<Client> {
        self.open_with(self.options()?)
    }

    fn open_with(&self, options: ClientOptions) -> CliResult<Client> {
        self.make_folder()?;
        let client = Client::open(options)?;
        if let Some(bytes) = size_limit()? {
            client.set_size_limit(bytes)?;
        }
        Ok(client)
    }

    /// Opens or makes the store with a schema, and keeps that only when the store took it.
    fn open_with_schema(&self, schema: Schema) -> CliResult<Client> {
        let text = serde_json::to_string_pretty(&schema)?;
        let mut options = self.options()?;
        options.schema = Some(Arc::new(schema));
        let client = self.open_with(options)?;
        client.finish_following_schema()?;
        let (to, new) = (self.folder.join(SCHEMA_FILE), self.folder.join("schema.json.new"));
        std::fs::write(&new, text).map_err(|error| CliError::file(&new, &error))?;
        std::fs::rename(&new, &to).map_err(|error| CliError::file(&to, &error))?;
        Ok(client)
    }

    /// The file that was named as the key's.
    pub(crate) fn key_file(&self) -> Option<&Path> {
        self.key_file.as_deref()
    }

    /// Where the key of the store is kept.
    pub(crate) fn keys(&self) -> StoreKeys {
        StoreKeys::of(self.folder.join(STORE_FILE))
    }

    /// Makes the folder of the store.
    fn make_folder(&self) -> CliResult<()> {
        std::fs::create_dir_all(&self.folder).map_err(|error| self.cannot_make(&error))
    }

    /// How the store is opened, with its key.
    pub(crate) fn options(&self) -> CliResult<ClientOptions> {
        let given = given_key(self)?;
        Ok(self.keys().resolve(&self.options_without_key()?, given.as_ref())?)
    }

    /// How the store is opened, but for its key.
    pub(crate) fn options_without_key(&self) -> CliResult<ClientOptions> {
        let mut options = ClientOptions::new(self.folder.join(STORE_FILE));
        let schema = self.folder.join(SCHEMA_FILE);
        if schema.exists() {
            options.schema = Some(Arc::new(read_schema(&schema)?));
        }
        Ok(options)
    }

    fn cannot_make(&self, error: &std::io::Error) -> CliError {
        let words = format!("the folder {} cannot be made: {error}", self.folder.display());
        let kind = match error.kind() {
            std::io::ErrorKind::StorageFull => ExitKind::DiskFull,
            _ => ExitKind::Store,
        };
        CliError::new(kind, words)
    }
}

/// The most bytes that the store may take, where the person set a limit.
fn size_limit() -> CliResult<Option<u64>> {
    let Ok(text) = std::env::var("CLARITY_STORE_BYTES_MAX") else { return Ok(None) };
    let words = "CLARITY_STORE_BYTES_MAX is not a number of bytes";
    text.parse().map(Some).map_err(|_| CliError::usage(words))
}

/// Makes a store, or carries the one that is there forward to a newer schema.
pub(crate) fn init(place: &Place, arguments: &InitArguments, output: Output) -> CliResult {
    let existed = place.folder.join(STORE_FILE).exists();
    if arguments.encrypt {
        place.make_folder()?;
        choose_key(place, arguments.keyring)?;
    }
    let client = match &arguments.schema {
        Some(path) => place.open_with_schema(read_schema(path)?)?,
        None => place.open_or_make()?,
    };
    let meta = client.meta()?;
    let folder = place.folder.display().to_string();
    let object = json!({
        "store": folder,
        "made": !existed,
        "incarnation": meta.incarnation,
        "schema_version": meta.schema_version,
        "encrypted": client.is_encrypted()?,
    });
    output.show(&object, || {
        let did = match (existed, arguments.encrypt) {
            (true, _) => "The store was there already",
            (false, true) => "An encrypted store was made; keep a copy of its key",
            (false, false) => "A store was made",
        };
        format!("{did}: {folder}; it follows version {} of its schema", meta.schema_version)
    })?;
    Ok(ExitKind::Done)
}
