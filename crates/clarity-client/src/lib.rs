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

mod account;
mod batch;
mod bundle;
mod client;
mod damage;
mod device;
mod driver;
mod error;
mod examine;
mod explain;
mod fetch;
mod handle;
mod http;
mod import;
mod inbox;
mod inspect;
mod metrics;
mod network;
mod progress;
mod reads;
mod schema;
mod scope;
mod sign_out;
mod storage;
mod storing;
mod transport;
mod upkeep;
mod watch;

/// What there is of the platform: see either.
#[cfg_attr(target_arch = "wasm32", path = "browser/mod.rs")]
#[cfg_attr(not(target_arch = "wasm32"), path = "native/mod.rs")]
mod platform;

// Files, and what an operating system does for a process in the background.
#[cfg(not(target_arch = "wasm32"))]
mod accounts;
#[cfg(not(target_arch = "wasm32"))]
mod archive;
#[cfg(not(target_arch = "wasm32"))]
mod background;
#[cfg(not(target_arch = "wasm32"))]
mod export;
#[cfg(not(target_arch = "wasm32"))]
mod keys;
#[cfg(all(not(target_arch = "wasm32"), feature = "opentelemetry"))]
pub mod opentelemetry;
#[cfg(not(target_arch = "wasm32"))]
mod prometheus;
#[cfg(not(target_arch = "wasm32"))]
mod push;
#[cfg(not(target_arch = "wasm32"))]
mod recover;
#[cfg(not(target_arch = "wasm32"))]
pub mod rest;
#[cfg(not(target_arch = "wasm32"))]
mod restore;
#[cfg(not(target_arch = "wasm32"))]
mod scheduler;
#[cfg(not(target_arch = "wasm32"))]
mod sources;

pub use batch::{BatchCause, BatchError, BatchProgress};
pub use bundle::{BundlePart, SupportBundle};
pub use client::{Client, ClientOptions, OperationStatus, QueuedChange};
pub use device::{Device, OsEntropy};
pub use driver::{SyncEnd, SyncReport};
pub use error::{ClientError, ErrorKind};
pub use examine::{Check, Finding, Severity};
pub use explain::SyncedBy;
pub use fetch::Fetched;
pub use handle::{OperationHandle, OperationOutcome};
pub use http::HttpTransport;
pub use import::{FileRead, ImportOutcome, ImportProgress, ImportReport, UndoneImport};
pub use inbox::{BulkReport, FailedOperation, LeftOperation};
pub use inspect::KnownOperation;
pub use metrics::{ConflictsResolved, Metrics};
#[cfg(target_arch = "wasm32")]
pub use platform::{PageAnswer, PageRequest, PageRequests, set_free_bytes};
pub use progress::SyncProgress;
pub use reads::{Continuation, Page, Period, Rollup, RollupQuery};
pub use sign_out::{Revocation, SignedOut, WouldBeLost};
pub use storage::{Found, Missing, Storage};
pub use transport::{Refreshed, Traffic, Transport, TransportFuture};
pub use watch::Live;

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
pub use export::{ExportProgress, ExportReport};
#[cfg(not(target_arch = "wasm32"))]
pub use keys::{KeyError, KeyPlace, StoreKeys};
#[cfg(not(target_arch = "wasm32"))]
pub use recover::Recovery;
#[cfg(not(target_arch = "wasm32"))]
pub use restore::{RestoreProgress, RestoreReport};
#[cfg(not(target_arch = "wasm32"))]
pub use scheduler::{
    BackgroundPlan, BackgroundRequest, BackgroundScheduler, DesktopScheduler, LastRun, Promise,
};
#[cfg(not(target_arch = "wasm32"))]
pub use sources::{PullBudget, PullReport};

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
