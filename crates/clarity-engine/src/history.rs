//! Values that lost: kept for 30 days, so that nothing that a person wrote disappears unseen.

use clarity_model::{Counter, EntityKey, FieldChange, Fields};
use clarity_store::{NewHistory, StoreError};
use serde::{Deserialize, Serialize};

use crate::context::Context;

/// How long losing values are kept, in milliseconds: 30 days.
pub const HISTORY_KEPT_MS: i64 = 30 * 24 * 60 * 60 * 1_000;

/// Why a value lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The policy let the other side's value stand.
    Superseded,
    /// A person chose the other side in a conflict.
    Resolved,
    /// A person gave up a failed operation.
    Discarded,
    /// A person took an operation back.
    RolledBack,
}

impl Cause {
    fn as_str(self) -> &'static str {
        match self {
            Self::Superseded => "superseded",
            Self::Resolved => "resolved",
            Self::Discarded => "discarded",
            Self::RolledBack => "rolled_back",
        }
    }
}

/// The losing values.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Lost {
    /// Fields with the value that lost.
    pub(crate) fields: Fields,
    /// Fields whose removal lost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) removed: Vec<String>,
}

impl Lost {
    /// What some changes wanted.
    pub(crate) fn of_changes(changes: &[FieldChange]) -> Self {
        let mut lost = Self::default();
        for change in changes {
            match &change.new {
                Some(value) => lost.fields.put(&change.field, Some(value.clone())),
                None => lost.removed.push(change.field.clone()),
            }
        }
        lost
    }
}

/// Keeps losing values.
pub(crate) fn remember(
    context: &mut Context<'_, '_>,
    key: &EntityKey,
    counter: Option<Counter>,
    cause: Cause,
    lost: &Lost,
) -> Result<(), StoreError> {
    let detail = serde_json::to_value(lost).unwrap_or_default();
    let expires_at = context.now.plus_ms(HISTORY_KEPT_MS);
    context.tx.add_history(&NewHistory {
        at: context.now,
        key: key.clone(),
        counter,
        cause: cause.as_str().to_owned(),
        detail,
        expires_at,
    })?;
    Ok(())
}
