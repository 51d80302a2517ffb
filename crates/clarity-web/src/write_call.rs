//! Writes as a page asks for them.

use std::collections::BTreeMap;

use clarity_client::model::{Counter, EntityKey, EntityType, Fields};
use clarity_client::{
    ConflictId, ConflictMark, HistoryId, ReadVersion, Resolution, Scope, Wanted, Write,
};
use serde::Deserialize;
use serde_json::Value;

use crate::import_call::{DeletionCall, ImportNumber, SampleCall, part};

/// A write. Each is whole or not at all, and durable when it is answered.
#[derive(Deserialize)]
#[serde(tag = "write", rename_all = "snake_case", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) enum WriteCall {
    /// Makes an entity.
    Create {
        /// Its key: see the call `new_key`.
        key: EntityKey,
        /// Its fields.
        fields: Fields,
        /// Operations that must have been accepted before this one is sent.
        #[serde(default)]
        #[cfg_attr(test, ts(optional, as = "Option<Vec<Counter>>"))]
        parents: Vec<Counter>,
    },
    /// Changes some fields of an entity.
    Update {
        /// The entity.
        key: EntityKey,
        /// The fields with their new values.
        #[serde(default)]
        #[cfg_attr(test, ts(optional, as = "Option<BTreeMap<String, Value>>"))]
        set: BTreeMap<String, Value>,
        /// The fields to remove.
        #[serde(default)]
        #[cfg_attr(test, ts(optional, as = "Option<Vec<String>>"))]
        remove: Vec<String>,
        /// The fields as the person saw them; without them the latest values are written over.
        #[cfg_attr(test, ts(optional))]
        seen: Option<Fields>,
    },
    /// Deletes an entity.
    Delete {
        /// The entity.
        key: EntityKey,
        /// The fields as the person saw them; without them the latest is deleted.
        #[cfg_attr(test, ts(optional))]
        seen: Option<Fields>,
    },
    /// Several creates, updates and deletes: here they stand or fall together.
    Batch {
        /// Whether they do so at the server, too.
        atomic: bool,
        /// The writes.
        writes: Vec<WriteCall>,
    },
    /// Settles a conflict.
    Resolve {
        /// The conflict.
        conflict: ConflictId,
        /// Its mark, as it was read: if a side moved since, the write is refused.
        mark: ConflictMark,
        /// What the person chose.
        resolution: ResolutionCall,
    },
    /// Sends a failed operation again.
    Retry {
        /// The operation.
        operation: Counter,
    },
    /// Changes what a failed operation wants and sends it again.
    EditAndRetry {
        /// The operation.
        operation: Counter,
        /// The fields with their new values; fields that are not named stay as they are.
        #[serde(default)]
        #[cfg_attr(test, ts(optional, as = "Option<BTreeMap<String, Value>>"))]
        set: BTreeMap<String, Value>,
        /// The fields to remove.
        #[serde(default)]
        #[cfg_attr(test, ts(optional, as = "Option<Vec<String>>"))]
        remove: Vec<String>,
    },
    /// Gives up a failed operation. What it wanted stays in the history.
    Discard {
        /// The operation.
        operation: Counter,
        /// Whether everything that depends on it goes with it.
        #[serde(default)]
        #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
        with_dependents: bool,
    },
    /// Takes back one operation.
    Rollback {
        /// The operation.
        operation: Counter,
    },
    /// Takes back everything that waits for an entity.
    RollbackEntity {
        /// The entity.
        key: EntityKey,
    },
    /// Brings back what lost.
    Undo {
        /// The entry of the history.
        history: HistoryId,
    },
    /// Follows another part of the account.
    SetScope {
        /// What to follow.
        scope: Scope,
    },
    /// Takes in a part of a file, as the importer gives it.
    Import {
        /// The number of the import: the same for the same file.
        import: ImportNumber,
        /// The kind of source.
        source: String,
        /// The samples.
        samples: Vec<SampleCall>,
        /// What was never true.
        deletions: Vec<DeletionCall>,
    },
    /// Wants things from the server, apart from what the device follows.
    Want {
        /// What.
        wanted: Vec<WantedCall>,
    },
}

/// What a person chose of a conflict.
#[derive(Deserialize)]
#[serde(tag = "choose", rename_all = "snake_case", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) enum ResolutionCall {
    /// The version of this device.
    KeepMine,
    /// The version of the server.
    UseServer,
    /// These values; a field in conflict that is not named keeps the local value.
    Merged {
        /// The fields with their values.
        #[serde(default)]
        #[cfg_attr(test, ts(optional, as = "Option<BTreeMap<String, Value>>"))]
        set: BTreeMap<String, Value>,
        /// The fields that are not there any more.
        #[serde(default)]
        #[cfg_attr(test, ts(optional, as = "Option<Vec<String>>"))]
        remove: Vec<String>,
    },
}

/// Something to have fetched.
#[derive(Deserialize)]
#[serde(tag = "want", rename_all = "snake_case", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) enum WantedCall {
    /// One entity.
    Entity {
        /// Which.
        key: EntityKey,
    },
    /// The records of a type whose own time lies in a stretch.
    Range {
        /// The type.
        entity_type: EntityType,
        /// From this time on, in milliseconds since 1970 UTC.
        #[cfg_attr(test, ts(optional))]
        from_ms: Option<i64>,
        /// Before this time, likewise.
        #[cfg_attr(test, ts(optional))]
        to_ms: Option<i64>,
    },
}

impl From<WantedCall> for Wanted {
    fn from(call: WantedCall) -> Self {
        match call {
            WantedCall::Entity { key } => Self::Key(key),
            WantedCall::Range { entity_type, from_ms, to_ms } => {
                Self::Range { entity_type, from_ms, to_ms }
            }
        }
    }
}

fn changes(set: BTreeMap<String, Value>, remove: Vec<String>) -> BTreeMap<String, Option<Value>> {
    let removed = remove.into_iter().map(|field| (field, None));
    let set = set.into_iter().map(|(field, value)| (field, Some(value)));
    removed.chain(set).collect()
}

fn read(seen: Option<Fields>) -> Option<ReadVersion> {
    seen.map(|fields| ReadVersion { fields })
}

impl From<ResolutionCall> for Resolution {
    fn from(call: ResolutionCall) -> Self {
        match call {
            ResolutionCall::KeepMine => Self::KeepMine,
            ResolutionCall::UseServer => Self::UseServer,
            ResolutionCall::Merged { set, remove } => Self::Merged(changes(set, remove)),
        }
    }
}

impl From<WriteCall> for Write {
    fn from(call: WriteCall) -> Self {
        match call {
            WriteCall::Create { key, fields, parents } => Self::Create { key, fields, parents },
            WriteCall::Update { key, set, remove, seen } => {
                Self::Update { key, changes: changes(set, remove), seen: read(seen) }
            }
            WriteCall::Delete { key, seen } => Self::Delete { key, seen: read(seen) },
            WriteCall::Batch { atomic, writes } => {
                Self::Batch { atomic, writes: writes.into_iter().map(Self::from).collect() }
            }
            WriteCall::Resolve { conflict, mark, resolution } => {
                Self::Resolve { conflict, mark, resolution: resolution.into() }
            }
            WriteCall::Retry { operation } => Self::Retry { operation },
            WriteCall::EditAndRetry { operation, set, remove } => {
                Self::EditAndRetry { operation, changes: changes(set, remove) }
            }
            WriteCall::Discard { operation, with_dependents: false } => Self::Discard { operation },
            WriteCall::Discard { operation, with_dependents: true } => {
                Self::DiscardWithDependents { operation }
            }
            WriteCall::Rollback { operation } => Self::Rollback { operation },
            WriteCall::RollbackEntity { key } => Self::RollbackEntity { key },
            WriteCall::Undo { history } => Self::Undo { history },
            WriteCall::SetScope { scope } => Self::SetScope { scope },
            WriteCall::Import { import, source, samples, deletions } => {
                part(import, source, samples, deletions)
            }
            WriteCall::Want { wanted } => {
                Self::Fetch { wanted: wanted.into_iter().map(Wanted::from).collect() }
            }
        }
    }
}
