//! The server of Clarity Sync: applies what devices push, and tells them what changed.
//!
//! [`Core`] is the server without a network: synchronous, deterministic, over any [`Storage`].
//! [`Server`] puts it behind HTTP, with accounts and hints.
//!
//! *Architecture Invariant:* `apply` and `pull` know neither HTTP nor SQL.

mod apply;
pub mod auth;
mod check;
mod core;
mod dump;
mod environment;
mod error;
mod events;
mod http;
mod pull;
mod server;
mod single;
pub mod storage;
mod web_app;

pub use clarity_protocol as protocol;

pub use crate::core::{ChangedTypes, Core, DumpedEntity, DumpedReceipt, Pushed};
pub use apply::{Single, SingleOutcome, Wish};
pub use dump::{DumpError, ENTITIES_FILE, RECEIPTS_FILE, dump_database};
pub use environment::{EntropyError, Environment, SystemEnvironment};
pub use error::RequestError;
pub use server::{Bound, Config, DATABASE_FILE, RestIds, ServeError, Server};
pub use single::ChangeName;
pub use storage::sqlite::{SqliteOptions, SqliteStorage};
pub use storage::{AccountId, DeviceId, Storage, StorageError};
pub use web_app::{WebApp, WebAppError};
