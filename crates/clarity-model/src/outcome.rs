//! How an operation ends.

use serde::{Deserialize, Serialize};

/// What the server answered for one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It took effect as written, or changed nothing because the server already had it.
    Applied,
    /// It took effect together with somebody else's change of the same field.
    Merged,
    /// Somebody else's value stands; the losing value is kept in history.
    Superseded,
    /// Both sides changed the same thing and a person must choose; nothing was changed.
    Conflict,
    /// The entity has moved on since the operation's base, and this backend merges nothing: the
    /// device merges and sends again. Nothing was changed.
    Stale,
    /// It can never succeed as it is; the reason says why.
    Rejected,
    /// Another operation of its atomic batch could not be applied, so neither was this one.
    Blocked,
    /// This id was already used for other bytes: the store is a copy of another store.
    OpIdReused,
    /// The server has forgotten this id and cannot tell whether it was applied.
    Reidentify,
}

impl Outcome {
    /// Whether the change, as far as the policy lets it, is part of the server's state.
    #[must_use]
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Applied | Self::Merged | Self::Superseded)
    }

    /// The outcome as one lower-case word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Merged => "merged",
            Self::Superseded => "superseded",
            Self::Conflict => "conflict",
            Self::Stale => "stale",
            Self::Rejected => "rejected",
            Self::Blocked => "blocked",
            Self::OpIdReused => "op_id_reused",
            Self::Reidentify => "reidentify",
        }
    }

    /// The outcome named by `word`, if there is one.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [
            Self::Applied,
            Self::Merged,
            Self::Superseded,
            Self::Conflict,
            Self::Stale,
            Self::Rejected,
            Self::Blocked,
            Self::OpIdReused,
            Self::Reidentify,
        ]
        .into_iter()
        .find(|outcome| outcome.as_str() == word)
    }
}

/// Why an operation can never succeed as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RejectReason {
    /// The entity, the operation or a field name is larger than its limit.
    TooLarge,
    /// A value, a name or a nesting depth is not allowed.
    Invalid,
    /// This account or device may not make this change.
    NotAllowed,
    /// It changes an entity that the server does not have.
    NotFound,
    /// The backend refused it with words of its own.
    Refused,
    /// The server failed on it repeatedly while it accepted others.
    ServerFailure,
    /// The app has changed since, and no longer takes a value of the change.
    SchemaMigration,
    /// A reason that this version does not know.
    #[serde(other)]
    Unknown,
}

impl RejectReason {
    /// The reason as one lower-case word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Invalid => "invalid",
            Self::NotAllowed => "not_allowed",
            Self::NotFound => "not_found",
            Self::Refused => "refused",
            Self::ServerFailure => "server_failure",
            Self::SchemaMigration => "schema_migration",
            Self::Unknown => "unknown",
        }
    }
}

/// A rejection: a reason for programs and words for people, without any value of the entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// The reason for programs.
    pub code: RejectReason,
    /// What happened and what to do about it.
    pub message: String,
}
