//! Push: a device's operations to the server, and what became of each.

use std::collections::BTreeMap;
use std::fmt;

use clarity_model::{
    Counter, EntityId, EntityKey, Epoch, FieldChange, Fields, Incarnation, Kind, LocalTime,
    Outcome, Rejection, Schema, ServerTime, Version,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::contribution::{Contribution, ContributionAnswer};
use crate::pull::LogMark;

/// Which schema a device was built with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaStamp {
    /// Its version.
    pub version: u32,
    /// Its hash.
    pub hash: String,
    /// The newest of its versions that has steps: whoever has an older one misreads what this one
    /// writes. Absent for zero, when none has.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub steps: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl SchemaStamp {
    /// What a schema says of itself.
    #[must_use]
    pub fn of(schema: &Schema) -> Self {
        Self { version: schema.version, hash: schema.hash(), steps: schema.steps_version() }
    }
}

/// Some operations of one device, in the order in which they were made. `Debug` counts the
/// operations and hides their bytes (promise I17).
#[derive(Serialize, Deserialize)]
pub struct PushRequest {
    /// The store that made them.
    pub incarnation: Incarnation,
    /// The life of the server's database in which their base versions were read; absent before
    /// the first answer of a server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// The furthest position that the server has named to the device. A server that gave it another
    /// mark was set back: what the device has is of a history that it lost, and it refuses the
    /// whole request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<LogMark>,
    /// Every operation with a lower counter has been answered, durably, on the device. The server
    /// may forget their receipts.
    pub settled_below: Counter,
    /// The device's schema.
    pub schema: SchemaStamp,
    /// Those of the operations whose bytes were frozen before the device heard that the server was
    /// restored or set back: their base counts versions of another history and says nothing in
    /// this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign_bases: Vec<Counter>,
    /// What the server lost when it was restored and this device has. It takes effect before the
    /// operations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contribution: Option<Contribution>,
    /// [`WireOperation`]s, each exactly the bytes that were frozen when it was first sent.
    pub operations: Vec<Box<RawValue>>,
}

impl fmt::Debug for PushRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PushRequest")
            .field("incarnation", &self.incarnation)
            .field("epoch", &self.epoch)
            .field("heard", &self.heard)
            .field("settled_below", &self.settled_below)
            .field("schema", &self.schema)
            .field("contribution", &self.contribution)
            .field("operations", &self.operations.len())
            .finish()
    }
}

/// One operation on the wire. It may cover several operations of the device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireOperation {
    /// The counter of the newest operation that it carries; `counter` on the wire, where `id` is
    /// the entity's.
    #[serde(rename = "counter")]
    pub id: Counter,
    /// The counters of the older operations that it carries as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub covers: Vec<Counter>,
    /// Operations with the same number here stand or fall together and travel side by side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Counter>,
    /// What it does.
    pub kind: Kind,
    /// To which entity.
    #[serde(flatten)]
    pub key: EntityKey,
    /// The version on which it was made. For a create, zero, or the version of the deletion that
    /// it undoes.
    #[serde(default)]
    pub base: Version,
    /// The fields of a create.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Fields>,
    /// The changed fields of an update; their old values are those of the base version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<FieldChange>,
    /// The version of the schema that it was made with.
    pub schema: u32,
    /// When the newest operation was made, by the device's clock: for showing only.
    pub at: LocalTime,
}

impl WireOperation {
    /// The operation in the words of a later version of the schema. What was sent keeps its bytes;
    /// this is how they are read.
    #[must_use]
    pub fn carried(mut self, schema: &Schema) -> Self {
        let (since, of) = (self.schema, &self.key.entity_type);
        self.fields = self.fields.map(|fields| schema.carried_fields(since, of, fields));
        // On the wire only an update has changes.
        if !self.changes.is_empty() {
            self.changes = schema.carried_changes(since, of, Kind::Update, self.changes);
        }
        self.schema = since.max(schema.version);
        self
    }
}

/// Why a change is not carried forward, in words: a step of the schema no longer takes its value.
#[must_use]
pub fn refused_by_schema(field: &str) -> String {
    format!(
        "the app has changed: \"{field}\" no longer takes the value of this change; choose another \
         value and try again, or discard it"
    )
}

/// What became of the operations of a push, in the same order, one entry for each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PushResponse {
    /// The life of the server's database.
    pub epoch: Epoch,
    /// The server's time.
    pub at: ServerTime,
    /// The account's newest position once all of it is applied; absent from backends that keep no
    /// log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<LogMark>,
    /// One answer for each contributed entity, in the same order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contributed: Vec<ContributionAnswer>,
    /// One answer for each operation.
    pub answers: Vec<OperationAnswer>,
}

/// What became of one field of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldOutcome {
    /// Both sides are in the value.
    Merged,
    /// The server's value stands.
    Superseded,
    /// A person must choose.
    Conflict,
}

/// What became of one operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperationAnswer {
    /// The counter that the operation has on the wire.
    #[serde(rename = "counter")]
    pub id: Counter,
    /// How it ended.
    pub outcome: Outcome,
    /// The id that the server gave to the entity of a create, when it is not the one that the
    /// device made; `id` on the wire.
    #[serde(rename = "id", default, skip_serializing_if = "Option::is_none")]
    pub entity_id: Option<EntityId>,
    /// The version of the entity that holds its effect; on a conflict, the version it met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// The entity as it now stands. Left out when it is exactly what the operation made of its
    /// base, so that the device already has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<WireEntity>,
    /// The fields that did not simply take effect as written.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, FieldOutcome>,
    /// Why it was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejection: Option<Rejection>,
    /// The operation of the same atomic batch because of which this one was not applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_by: Option<Counter>,
}

/// An entity as the server has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireEntity {
    /// How often the server accepted a change of it.
    pub version: Version,
    /// When it last did.
    pub updated_at: ServerTime,
    /// Its fields; absent when it is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Fields>,
}
