//! The vocabulary of Clarity Sync: what an entity is, what an operation changes, and how two
//! histories of the same field become one value.
//!
//! Everything here is a value or a pure function. There is no I/O, no clock and no randomness, so
//! the device and the server run the very same merge and reach the very same result.
//!
//! *Architecture Invariant:* nothing in this crate can observe time, randomness or the network.

mod change;
mod entity;
mod fold;
mod ids;
pub mod limits;
mod merge;
mod migration;
mod migration_check;
mod outcome;
mod schema;
mod text;
mod time;
mod validate;

pub use change::{FieldChange, Kind};
pub use entity::{Entity, Fields, ReadVersion};
pub use fold::{Confirmed, FieldEffect, Fold, FoldOperation, OperationEffect, fold};
pub use ids::{
    Check, Counter, EntityId, EntityKey, EntityType, Epoch, IdError, Incarnation, OperationHash,
    OperationId, Seq, Version,
};
pub use merge::{Effect, Merged, merge_field};
pub use migration::{MappedValue, Migration, MigrationStep, Unmapped, schemas_agree};
pub use outcome::{Outcome, RejectReason, Rejection};
pub use schema::{
    Column, EditAgainstDelete, FieldSchema, MergeRule, Policy, Priority, RESERVED_COLUMNS,
    Reference, RollupSchema, Rule, Schema, SchemaError, TypeSchema, Window,
};
pub use text::merge_text;
pub use time::{LocalTime, ServerTime};
pub use validate::{
    InvalidEntity, validate_depth, validate_field_name, validate_fields, validate_key,
};
