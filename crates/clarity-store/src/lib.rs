//! The local store of one device: one SQLite file with the entities, the queue of operations, what
//! the server last confirmed, conflicts, history, cursors, roll-ups and credentials.
//!
//! The entry points are [`Store::open`] and [`Store::begin`]; everything else is a method of
//! [`StoreTransaction`]. There is no clock and no randomness in here: times and new ids are handed
//! in.
//!
//! *Architecture Invariant:* a row and its operation are written in one transaction, and a commit
//! that has returned survives a loss of power (promises I1 and I2).
//!
//! *Architecture Invariant:* what was stored is read back identical, whatever the schema declares.
//!
//! *Architecture Invariant:* a file that is not a sound store of a known version is never written.

mod carry;
mod confirmed;
mod consistency;
mod counts;
mod digest;
mod encryption;
mod entity;
mod erase;
mod error;
mod evicted;
mod eviction;
mod examine;
mod follow;
mod identity;
mod ids;
mod inbox;
mod kept;
mod key;
mod layout;
mod lineage;
#[cfg(not(target_arch = "wasm32"))]
mod lock;
mod lost;
mod merged;
mod month;
mod named;
mod operation;
mod options;
mod portable;
mod pull;
mod query;
mod queue;
#[cfg(not(target_arch = "wasm32"))]
mod recovery;
#[cfg(not(target_arch = "wasm32"))]
mod rekey;
mod revert;
mod rollup;
mod schema_sql;
mod sending;
mod source;
mod store;
mod synchronise;
mod transaction;
mod value;
mod wanted;

pub use confirmed::ConfirmedEntity;
pub use consistency::Inconsistency;
pub use counts::QueueCounts;
pub use entity::{ListOptions, RowState, StoredEntity};
pub use error::{StoreError, StoreErrorKind};
pub use evicted::{EvictedEntity, EvictedMonth, EvictionReason};
pub use eviction::{Candidate, Eviction, Unit};
pub use identity::{Credentials, Meta};
pub use inbox::{ConflictRecord, Ended, EndedAs, HistoryRecord, NewHistory};
pub use kept::ACCESS_GRAIN_MS;
pub use key::StoreKey;
#[cfg(not(target_arch = "wasm32"))]
pub use lock::DrainLock;
pub use month::Month;
pub use operation::{NewOperation, OperationError, OperationState, QueuedOperation, RequestId};
pub use options::{Birth, Journal, OpenOptions};
pub use portable::{PortableRow, TABLES_VERSION};
pub use pull::{CursorPart, ImportRecord};
pub use query::{Comparison, Position, Query, QueryPage};
pub use queue::OlderOperations;
#[cfg(not(target_arch = "wasm32"))]
pub use recovery::{Salvage, Salvaged, TableReport};
#[cfg(not(target_arch = "wasm32"))]
pub use rekey::KeyChange;
pub use rollup::DayRollup;
pub use source::{AliasState, SourceAlias, SourceRecord};
pub use store::{Reader, Store, StoreSize};
pub use transaction::StoreTransaction;
pub use wanted::{WantedRange, WishState};
