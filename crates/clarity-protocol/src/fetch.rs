//! Fetch: entities and stretches of time that a device asks for by name, apart from its cursor.

use clarity_model::{Check, Counter, EntityKey, EntityType, Epoch, Incarnation, Seq, ServerTime};
use serde::{Deserialize, Serialize};

use crate::pull::Row;
use crate::push::SchemaStamp;

/// Asks for entities by their keys, and for all records of a type in a stretch of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchRequest {
    /// The store that asks.
    pub incarnation: Incarnation,
    /// The life of the server's database that positions in the request belong to, when it is
    /// known; a server of another life refuses the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// As in a pull: rows name the store's operations from here on that they contain.
    pub settled_below: Counter,
    /// The device's schema, as in a pull.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<SchemaStamp>,
    /// The entities, at most [`clarity_model::limits::FETCH_KEYS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<EntityKey>,
    /// The stretches of time, at most [`clarity_model::limits::FETCH_RANGES_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<FetchRange>,
    /// At most this many rows; the server's own limits hold as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_max: Option<usize>,
}

/// The records of one type whose own time lies in a stretch, newest first. A record without a time
/// of its own, and every record of a type that declares none, belongs to every stretch and comes
/// after those that have one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchRange {
    /// The type.
    #[serde(rename = "type")]
    pub entity_type: EntityType,
    /// From this time on, in milliseconds since 1970 UTC; absent for from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_ms: Option<i64>,
    /// Before this time, in milliseconds since 1970 UTC; absent for without end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_ms: Option<i64>,
    /// Where the last answer broke off; absent for from the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<FetchPosition>,
}

/// A place inside a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchPosition {
    /// The record's own time; absent among those that have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_ms: Option<i64>,
    /// The position of its newest change.
    pub seq: Seq,
}

/// What was asked for, as far as it fits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FetchResponse {
    /// The life of the server's database.
    pub epoch: Epoch,
    /// The server's time.
    pub at: ServerTime,
    /// The account's newest position when the rows were read.
    pub head: Seq,
    /// The server's random mark of that position: a device that has rows from before it has heard
    /// of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
    /// The entities, deleted ones as such. A key that is neither here nor unknown did not fit: ask
    /// for it again.
    pub rows: Vec<Row>,
    /// The keys that the account never had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<EntityKey>,
    /// How many of the ranges, from the first, are complete with this answer.
    pub ranges_done: usize,
    /// Where the first range that is not complete broke off; absent when nothing of it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<FetchPosition>,
}
