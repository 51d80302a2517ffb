//! What a device gives back to a server that was restored from a backup: entities of the history
//! that the server has lost.

use clarity_model::{EntityKey, Epoch, Fields, Seq, Version};
use serde::{Deserialize, Serialize};

use crate::pull::Row;

/// Where the server stands to another life of its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The account's last position of that life that is also one of this life; what came after it
    /// is lost. Absent when the server does not know that life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Seq>,
}

/// Entities as they were in another life of the server's database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contribution {
    /// That life.
    pub epoch: Epoch,
    /// The entities, each once.
    pub entities: Vec<ContributedEntity>,
}

/// An entity as it was in another life of the server's database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContributedEntity {
    /// Which.
    #[serde(flatten)]
    pub key: EntityKey,
    /// Its version in that life.
    pub version: Version,
    /// Its fields; absent when it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Fields>,
}

/// What became of a contributed entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContributionOutcome {
    /// The server has it, or has what came after it in the same history.
    Held,
    /// The server has gone on with the entity by itself since it was restored, or cannot take it.
    Superseded,
}

/// The answer to one contributed entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContributionAnswer {
    /// What became of it.
    pub outcome: ContributionOutcome,
    /// The entity as it now stands. Without fields, and not deleted, it is as it was contributed;
    /// with version 0 there is none.
    pub row: Row,
}
