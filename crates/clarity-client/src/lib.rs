//! The SDK of Clarity Sync.
//!
//! An app reads and writes local entities and never thinks about the network: a write is durable
//! when the call returns, is seen by every read from then on, and reaches the server and the other
//! devices when there is a way. `examples/` shows it in pieces that run, each also as a test:
//! `quick_start`, `custom_transport` (your own backend), `rest_backend` (a backend that speaks REST
//! and makes the ids), `policies` (what merges by itself), `conflict_inbox` (what waits for a
//! person), `import_health`, `health_source` (your own source of health data) and
//! `background_run`.
//!
//! ```no_run
//! use clarity_client::{Client, ClientOptions, EntityType, Fields};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::open(ClientOptions::new("health.db"))?;
//! let key = client.new_key(&EntityType::new("Note")?)?;
//! client.create(&key, Fields::from([("text", "slept well".into())]))?;
//! assert_eq!(client.get(&key)?.map(|note| note.pending), Some(true));
//! # Ok(())
//! # }
//! ```
//!
//! *Architecture Invariant:* no merge, no retry and no ordering is decided here; the engine does
//! that. This crate brings it threads, timers, sockets and tokens.

mod device;
mod error;
mod transport;

#[cfg(not(target_arch = "wasm32"))]
mod account;
#[cfg(not(target_arch = "wasm32"))]
mod accounts;
#[cfg(not(target_arch = "wasm32"))]
mod archive;
#[cfg(not(target_arch = "wasm32"))]
mod background;
#[cfg(not(target_arch = "wasm32"))]
mod batch;
#[cfg(not(target_arch = "wasm32"))]
mod bundle;
#[cfg(not(target_arch = "wasm32"))]
mod client;
#[cfg(not(target_arch = "wasm32"))]
mod driver;
#[cfg(not(target_arch = "wasm32"))]
mod examine;
#[cfg(not(target_arch = "wasm32"))]
mod explain;
#[cfg(not(target_arch = "wasm32"))]
mod export;
#[cfg(not(target_arch = "wasm32"))]
mod fetch;
#[cfg(not(target_arch = "wasm32"))]
mod handle;
#[cfg(not(target_arch = "wasm32"))]
mod http;
#[cfg(not(target_arch = "wasm32"))]
mod import;
#[cfg(not(target_arch = "wasm32"))]
mod inbox;
#[cfg(not(target_arch = "wasm32"))]
mod inspect;
#[cfg(not(target_arch = "wasm32"))]
mod keys;
#[cfg(not(target_arch = "wasm32"))]
mod metrics;
#[cfg(not(target_arch = "wasm32"))]
mod network;
#[cfg(all(not(target_arch = "wasm32"), feature = "opentelemetry"))]
pub mod opentelemetry;
#[cfg(not(target_arch = "wasm32"))]
mod progress;
#[cfg(not(target_arch = "wasm32"))]
mod push;
#[cfg(not(target_arch = "wasm32"))]
mod readers;
#[cfg(not(target_arch = "wasm32"))]
mod reads;
#[cfg(not(target_arch = "wasm32"))]
mod recover;
#[cfg(not(target_arch = "wasm32"))]
pub mod rest;
#[cfg(not(target_arch = "wasm32"))]
mod restore;
#[cfg(not(target_arch = "wasm32"))]
mod scheduler;
#[cfg(not(target_arch = "wasm32"))]
mod schema;
#[cfg(not(target_arch = "wasm32"))]
mod scope;
#[cfg(not(target_arch = "wasm32"))]
mod sign_out;
#[cfg(not(target_arch = "wasm32"))]
mod sources;
#[cfg(not(target_arch = "wasm32"))]
mod storage;
#[cfg(not(target_arch = "wasm32"))]
mod upkeep;
#[cfg(not(target_arch = "wasm32"))]
mod watch;
#[cfg(not(target_arch = "wasm32"))]
mod worker;

pub use device::{Device, OsEntropy};
pub use error::{ClientError, ErrorKind};
pub use transport::{Refreshed, Traffic, Transport, TransportFuture};

#[cfg(not(target_arch = "wasm32"))]
pub use accounts::{AccountStore, Accounts, KnownAccount};
#[cfg(not(target_arch = "wasm32"))]
pub use archive::ExportArchive;
#[cfg(not(target_arch = "wasm32"))]
pub use background::{
    BACKGROUND_TIME, BackgroundEnd, BackgroundFailure, BackgroundReport, BackgroundSource,
    BackgroundWork, Conditions, SourceReport, TimeLeft,
};
#[cfg(not(target_arch = "wasm32"))]
pub use batch::{BatchCause, BatchError, BatchProgress};
#[cfg(not(target_arch = "wasm32"))]
pub use bundle::{BundlePart, SupportBundle};
#[cfg(not(target_arch = "wasm32"))]
pub use client::{Client, ClientOptions, OperationStatus, QueuedChange};
#[cfg(not(target_arch = "wasm32"))]
pub use driver::{SyncEnd, SyncReport};
#[cfg(not(target_arch = "wasm32"))]
pub use examine::{Check, Finding, Severity};
#[cfg(not(target_arch = "wasm32"))]
pub use explain::SyncedBy;
#[cfg(not(target_arch = "wasm32"))]
pub use export::{ExportProgress, ExportReport};
#[cfg(not(target_arch = "wasm32"))]
pub use fetch::Fetched;
#[cfg(not(target_arch = "wasm32"))]
pub use handle::{OperationHandle, OperationOutcome};
#[cfg(not(target_arch = "wasm32"))]
pub use http::HttpTransport;
#[cfg(not(target_arch = "wasm32"))]
pub use import::{ImportProgress, ImportReport, UndoneImport};
#[cfg(not(target_arch = "wasm32"))]
pub use inbox::{BulkReport, FailedOperation, LeftOperation};
#[cfg(not(target_arch = "wasm32"))]
pub use inspect::KnownOperation;
#[cfg(not(target_arch = "wasm32"))]
pub use keys::{KeyError, KeyPlace, StoreKeys};
#[cfg(not(target_arch = "wasm32"))]
pub use metrics::{ConflictsResolved, Metrics};
#[cfg(not(target_arch = "wasm32"))]
pub use progress::SyncProgress;
#[cfg(not(target_arch = "wasm32"))]
pub use reads::{Continuation, Page, Period, Rollup, RollupQuery};
#[cfg(not(target_arch = "wasm32"))]
pub use recover::Recovery;
#[cfg(not(target_arch = "wasm32"))]
pub use restore::{RestoreProgress, RestoreReport};
#[cfg(not(target_arch = "wasm32"))]
pub use scheduler::{
    BackgroundPlan, BackgroundRequest, BackgroundScheduler, DesktopScheduler, LastRun, Promise,
};
#[cfg(not(target_arch = "wasm32"))]
pub use sign_out::{Revocation, SignedOut, WouldBeLost};
#[cfg(not(target_arch = "wasm32"))]
pub use sources::{PullBudget, PullReport};
#[cfg(not(target_arch = "wasm32"))]
pub use watch::Live;

#[cfg(not(target_arch = "wasm32"))]
pub use storage::{Found, Missing, Storage};

pub use clarity_engine as engine;
pub use clarity_engine::protocol::model::{
    self, Counter, Entity, EntityId, EntityKey, EntityType, Fields, ReadVersion, Schema,
};
pub use clarity_engine::protocol::{Failure, FailureClass, Scope};
#[cfg(not(target_arch = "wasm32"))]
pub use clarity_engine::store::KeyChange;
pub use clarity_engine::store::{Comparison, Query, StoreKey};
pub use clarity_engine::{
    Changes, ConflictField, ConflictId, ConflictInfo, ConflictMark, FailureReason, Flow,
    HistoryCause, HistoryEntry, HistoryId, Imported, Preview, Request, Resolution, Response,
    Status, Wanted, Write, Written,
};
pub use clarity_engine::{NetworkPolicy, NetworkState};
pub use clarity_health as health;
