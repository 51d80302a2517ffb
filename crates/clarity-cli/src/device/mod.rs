//! `clarity device …`: a device at a terminal.

mod account;
mod accounts;
mod background;
mod batch;
mod bundle;
mod conflicts;
mod doctor;
mod encryption;
mod entities;
mod export;
mod fetch;
mod follow;
mod history;
mod import;
mod inbox;
mod queue;
mod recover;
mod rollup;
mod scope;
mod sources;
mod storage;
mod store;
mod sync;
mod watch;
mod why;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::exit::CliResult;
use crate::output::Output;

/// Arguments of `clarity device`.
#[derive(Debug, Args)]
pub(crate) struct DeviceArguments {
    /// Folder of the device's store [default: clarity in the folder for a person's data]
    #[arg(long, value_name = "FOLDER", env = "CLARITY_STORE", global = true)]
    store: Option<PathBuf>,
    /// File with the key of an encrypted store, or - for the first line of stdin; not needed where
    /// the key is in the keyring, or in the file that was named when the store was encrypted
    #[arg(long, value_name = "FILE", env = "CLARITY_KEY_FILE", global = true)]
    key_file: Option<PathBuf>,
    #[command(subcommand)]
    command: DeviceCommand,
}

#[derive(Debug, Subcommand)]
enum DeviceCommand {
    /// Make the store; not needed before other commands
    Init(store::InitArguments),
    /// Make an account on a server and sign in
    SignUp(account::SignInArguments),
    /// Sign in to an account
    Login(account::SignInArguments),
    /// Show the accounts of this device, or choose the one in use
    Accounts(accounts::AccountsArguments),
    /// Show what signing out would lose; with --confirm sign out and erase the store
    SignOut(accounts::SignOutArguments),
    /// Show the account's devices, or revoke one
    Devices(account::DevicesArguments),
    /// Import an Apple Health export, FHIR R4 or a CSV table, or take an import back
    Import(Box<import::ImportArguments>),
    /// Show where health data came from; settle deletions that wait
    Sources(sources::SourcesArguments),
    /// Make an entity: `add Note title=Breakfast 'tags=["food"]'`
    Add(entities::AddArguments),
    /// Change fields of an entity: `edit Note/ID title=Supper text=`
    Edit(entities::EditArguments),
    /// Delete an entity
    Delete(entities::KeyArguments),
    /// Make many changes from a file of JSON lines, or from standard input
    Batch(batch::BatchArguments),
    /// Show one entity
    Show(entities::ShowArguments),
    /// List entities of a type, or count the entities of each type
    List(entities::ListArguments),
    /// Show count, sum, mean, minimum and maximum by day, month or year
    Rollup(rollup::RollupArguments),
    /// Send what waits and read what is new, then end
    Sync(sync::SyncArguments),
    /// Show or change what this device follows: types, and of some only the last days
    Scope(scope::ScopeArguments),
    /// Get entities or records of a time from the server now, whatever the device follows
    Fetch(fetch::FetchArguments),
    /// Stay in sync until Ctrl-C or SIGTERM and show what changes
    Watch(watch::WatchArguments),
    /// Follow a silent push, to try a device by hand
    Push(background::PushArguments),
    /// Show or choose over which networks this device synchronises by itself
    Network(background::NetworkArguments),
    /// Show where the sync stands
    Status(queue::StatusArguments),
    /// Show what the sync counts about itself, in the text form that Prometheus reads
    Metrics,
    /// Show the operations that wait or are on their way
    Queue(queue::QueueArguments),
    /// Say why an operation, or what waits of an entity, is not at the server
    Why(why::WhyArguments),
    /// Show the conflicts that wait for a person
    Conflicts,
    /// Settle a conflict
    Resolve(conflicts::ResolveArguments),
    /// Show the changes that failed and wait for a person, with the reason and what differs
    Failed(inbox::FailedArguments),
    /// Send a failed change again, edited if wanted, or all of them
    Retry(inbox::RetryArguments),
    /// Give up a failed change; what is lost stays in the history
    Discard(inbox::DiscardArguments),
    /// Take back a change, or all that waits or is on its way of an entity
    Rollback(history::RollbackArguments),
    /// Show what lost in the last 30 days, and what of it can be undone
    History(history::HistoryArguments),
    /// Bring back what lost
    Undo(history::UndoArguments),
    /// Stop sending and reading until `resume`, or for some time
    Pause(queue::PauseArguments),
    /// Go on after `pause`
    Resume,
    /// Write all entities as JSON lines, or everything into a ZIP
    Export(export::ExportArguments),
    /// Show what the store holds and what was given up for space, or set how much is kept
    Storage(storage::StorageArguments),
    /// Keep an entity on this device, or say how long it is kept when space is short
    Keep(storage::KeepArguments),
    /// Encrypt the store, with a key in a file, in the keyring or from the environment
    Encrypt(encryption::EncryptArguments),
    /// Give the encrypted store another key
    Rekey(encryption::RekeyArguments),
    /// Store everything unencrypted from now on
    Decrypt,
    /// Examine the store and say what is wrong and what to do
    Doctor(doctor::DoctorArguments),
    /// Put together what somebody who helps needs, show what is in it, and save it
    SupportBundle(bundle::BundleArguments),
    /// Save all that can be read of a damaged store into a new one, and move the old one aside
    Recover(recover::RecoverArguments),
}

/// Runs a command of a device.
pub(crate) fn run(arguments: DeviceArguments, output: Output) -> CliResult {
    let place = store::Place::of(arguments.store, arguments.key_file)?;
    match arguments.command {
        DeviceCommand::Init(arguments) => store::init(&place, &arguments, output),
        DeviceCommand::SignUp(arguments) => account::sign_up(&place, &arguments, output),
        DeviceCommand::Login(arguments) => account::login(&place, &arguments, output),
        DeviceCommand::Accounts(arguments) => accounts::accounts(&place, &arguments, output),
        DeviceCommand::SignOut(arguments) => accounts::sign_out(&place, &arguments, output),
        DeviceCommand::Devices(arguments) => account::devices(&place, &arguments, output),
        DeviceCommand::Import(arguments) => import::run(&place, &arguments, output),
        DeviceCommand::Sources(arguments) => sources::run(&place, &arguments, output),
        DeviceCommand::Add(arguments) => entities::add(&place, &arguments, output),
        DeviceCommand::Edit(arguments) => entities::edit(&place, &arguments, output),
        DeviceCommand::Delete(arguments) => entities::delete(&place, &arguments, output),
        DeviceCommand::Batch(arguments) => batch::run(&place, &arguments, output),
        DeviceCommand::Show(arguments) => entities::show(&place, &arguments, output),
        DeviceCommand::List(arguments) => entities::list(&place, &arguments, output),
        DeviceCommand::Rollup(arguments) => rollup::rollup(&place, &arguments, output),
        DeviceCommand::Sync(arguments) => sync::sync(&place, &arguments, output),
        DeviceCommand::Scope(arguments) => scope::scope(&place, &arguments, output),
        DeviceCommand::Fetch(arguments) => fetch::fetch(&place, &arguments, output),
        DeviceCommand::Watch(arguments) => watch::watch(&place, &arguments, output),
        DeviceCommand::Push(arguments) => background::push(&place, &arguments, output),
        DeviceCommand::Network(arguments) => background::network(&place, &arguments, output),
        DeviceCommand::Status(arguments) => queue::status(&place, &arguments, output),
        DeviceCommand::Metrics => queue::metrics(&place, output),
        DeviceCommand::Queue(arguments) => queue::queue(&place, &arguments, output),
        DeviceCommand::Why(arguments) => why::why(&place, &arguments, output),
        DeviceCommand::Conflicts => conflicts::conflicts(&place, output),
        DeviceCommand::Resolve(arguments) => conflicts::resolve(&place, &arguments, output),
        DeviceCommand::Failed(arguments) => inbox::failed(&place, &arguments, output),
        DeviceCommand::Retry(arguments) => inbox::retry(&place, &arguments, output),
        DeviceCommand::Discard(arguments) => inbox::discard(&place, &arguments, output),
        DeviceCommand::Rollback(arguments) => history::rollback(&place, &arguments, output),
        DeviceCommand::History(arguments) => history::history(&place, &arguments, output),
        DeviceCommand::Undo(arguments) => history::undo(&place, &arguments, output),
        DeviceCommand::Pause(arguments) => queue::pause(&place, &arguments, output),
        DeviceCommand::Resume => queue::resume(&place, output),
        DeviceCommand::Export(arguments) => export::run(&place, &arguments, output),
        DeviceCommand::Storage(arguments) => storage::storage(&place, &arguments, output),
        DeviceCommand::Keep(arguments) => storage::keep(&place, &arguments, output),
        DeviceCommand::Encrypt(arguments) => encryption::encrypt(&place, &arguments, output),
        DeviceCommand::Rekey(arguments) => encryption::rekey(&place, &arguments, output),
        DeviceCommand::Decrypt => encryption::decrypt(&place, output),
        DeviceCommand::Doctor(arguments) => doctor::run(&place, &arguments, output),
        DeviceCommand::SupportBundle(arguments) => bundle::bundle(&place, &arguments, output),
        DeviceCommand::Recover(arguments) => recover::run(&place, &arguments, output),
    }
}
