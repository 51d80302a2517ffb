//! Pull: what changed in an account since a cursor.

use std::collections::BTreeMap;

use clarity_model::{
    Check, Counter, EntityKey, EntityType, Epoch, Fields, Incarnation, OperationHash, Outcome, Seq,
    ServerTime, Version,
};
use serde::{Deserialize, Serialize};

use crate::contribution::Restored;
use crate::push::SchemaStamp;

/// Which part of an account a cursor follows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Scope {
    /// The types; none means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<Vec<EntityType>>"))]
    pub types: Vec<EntityType>,
    /// Of these types only records whose own time is at most so many days before the server's
    /// date. A record without a time of its own is always followed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<BTreeMap<EntityType, u32>>"))]
    pub windows: BTreeMap<EntityType, u32>,
}

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

impl Scope {
    /// Whether it is the whole account.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.types.is_empty() && self.windows.is_empty()
    }

    /// Whether it follows a type, be it within a window.
    #[must_use]
    pub fn follows(&self, entity_type: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|wanted| wanted.as_str() == entity_type)
    }

    /// The first time inside the window of a type, when the server's clock shows `at`; nothing
    /// without a window. It moves once a day, at midnight UTC.
    #[must_use]
    pub fn window_from_ms(&self, entity_type: &str, at: ServerTime) -> Option<i64> {
        let window = self.windows.iter().find(|(name, _)| name.as_str() == entity_type);
        window.map(|(_, days)| (at.0.div_euclid(DAY_MS) - i64::from(*days)) * DAY_MS)
    }

    /// Whether it holds a record of a type, with this time of its own if it has one.
    #[must_use]
    pub fn holds(&self, entity_type: &str, time_ms: Option<i64>, at: ServerTime) -> bool {
        let from_ms = self.window_from_ms(entity_type, at);
        let before = time_ms.zip(from_ms).is_some_and(|(time_ms, from_ms)| time_ms < from_ms);
        self.follows(entity_type) && !before
    }
}

/// How far a device has read a scope of an account.
///
/// A server refuses a cursor of another epoch, one beyond its head, and one whose check it did not
/// give out: each means that it was restored or reset (promise I13).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The life of the server's database.
    pub epoch: Epoch,
    /// The position of the last row that was read.
    pub seq: Seq,
    /// The server's random mark of that position.
    pub check: Check,
    /// The scope that was read.
    #[serde(default)]
    pub scope: Scope,
    /// Where another kind of backend wants to go on, in its transport's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

impl Cursor {
    /// The position, for what is said of the log and not of a scope.
    #[must_use]
    pub fn mark(&self) -> LogMark {
        LogMark { seq: self.seq, check: self.check }
    }
}

/// A position of an account's log, with the server's random mark of it.
///
/// Of several the one furthest on says most: a server that knows its mark has all before it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogMark {
    /// The position.
    pub seq: Seq,
    /// Its mark.
    pub check: Check,
}

/// Asks for the next page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequest {
    /// The store that asks.
    pub incarnation: Incarnation,
    /// As in a push: operations below it have been answered on the device, so the server need not
    /// send rows whose newest change is one of them.
    pub settled_below: Counter,
    /// The device's schema; without one the device takes every field as it comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<SchemaStamp>,
    /// What to follow.
    #[serde(default)]
    pub scope: Scope,
    /// Where the last page ended; absent for the first sync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// The furthest position that an answer to a push has named, when it lies beyond the cursor. It
    /// is refused like a cursor when its mark is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<LogMark>,
    /// Without a cursor: the life of the server's database that the device has read so far, when it
    /// has heard that the server was restored since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_epoch: Option<Epoch>,
    /// Without a cursor: begin at the head instead of the beginning, because what there is already
    /// is fetched by name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub from_head: bool,
    /// At most this many rows; the server's own limits hold as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_max: Option<usize>,
}

/// One page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PullResponse {
    /// The life of the server's database.
    pub epoch: Epoch,
    /// The server's time.
    pub at: ServerTime,
    /// The changed entities in the order of their newest change, each once.
    pub rows: Vec<Row>,
    /// Where this page ends.
    pub cursor: Cursor,
    /// The account's newest position when the page was read.
    pub head: Seq,
    /// Whether there are more rows before the head.
    pub more: bool,
    /// Positions up to here would survive the loss of the server's machine.
    pub durable_through: Seq,
    /// Where the life that the device asked about ended. Its presence says that the server takes
    /// contributions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<Restored>,
}

/// One changed entity.
///
/// With `fields` it lives, with `deleted` it is gone, with `outside` it lives and is no longer
/// followed, with none of these the device was told this version when it pushed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The entity.
    #[serde(flatten)]
    pub key: EntityKey,
    /// Its version.
    pub version: Version,
    /// The position of its newest change.
    pub seq: Seq,
    /// When that was accepted.
    pub updated_at: ServerTime,
    /// Its fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Fields>,
    /// Whether it is deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// Whether it lives and has left the scope: its time is before the window now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outside: bool,
    /// The asking device's operations, not below its mark, that this version contains.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<SettledOperation>,
}

/// An operation whose answer may have been lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettledOperation {
    /// The counter that it had on the wire.
    #[serde(rename = "counter")]
    pub id: Counter,
    /// How it ended.
    pub outcome: Outcome,
    /// The hash of its bytes ([`crate::hash_operation`]): a copy of the asking device counts on
    /// under the same numbers, and what the copy sent under one is not what this device did. Absent
    /// from a server that does not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<OperationHash>,
}
