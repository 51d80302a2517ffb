//! Values that lost: kept for 30 days, so that nothing that a person wrote disappears unseen, and
//! so that what was decided can be undone.

use clarity_model::{Counter, EntityKey, FieldChange, Fields, Kind, LocalTime, Schema};
use clarity_store::{HistoryRecord, NewHistory, StoreError, StoreTransaction};
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::{Engine, undo};

/// How long losing values are kept at least, in milliseconds of the server's time: 30 days.
pub const HISTORY_KEPT_MS: i64 = 30 * 24 * 60 * 60 * 1_000;

/// The name of a value that lost, on this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct HistoryId(pub i64);

/// Why a value lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum HistoryCause {
    /// The policy let the other side's value stand.
    Superseded,
    /// A person chose the other side in a conflict.
    Resolved,
    /// A person gave up a failed operation.
    Discarded,
    /// A person took an operation back.
    RolledBack,
    /// A person deleted the entity on this device.
    Deleted,
    /// Its source says that it is gone or was never true.
    Withdrawn,
    /// Its source no longer has it, as a comparison with all that it has showed.
    #[serde(rename = "reconcile")]
    Reconciled,
    /// A person undid the import that brought it.
    ImportUndone,
}

impl HistoryCause {
    /// All causes.
    pub const ALL: [Self; 8] = [
        Self::Superseded,
        Self::Resolved,
        Self::Discarded,
        Self::RolledBack,
        Self::Deleted,
        Self::Withdrawn,
        Self::Reconciled,
        Self::ImportUndone,
    ];

    /// The cause as one lower-case word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Superseded => "superseded",
            Self::Resolved => "resolved",
            Self::Discarded => "discarded",
            Self::RolledBack => "rolled_back",
            Self::Deleted => "deleted",
            Self::Withdrawn => "withdrawn",
            Self::Reconciled => "reconcile",
            Self::ImportUndone => "import_undone",
        }
    }

    /// Whether a whole entity was lost for this cause.
    pub(crate) fn is_deletion(word: &str) -> bool {
        let deletions = [Self::Deleted, Self::Withdrawn, Self::Reconciled, Self::ImportUndone];
        deletions.iter().any(|cause| cause.as_str() == word)
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == word)
    }
}

/// A value that lost, as an app shows it. `Debug` hides the values (promise I17).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct HistoryEntry {
    /// Its name on this device, to undo it by; in JSON apart from the entity's id.
    #[serde(rename = "history")]
    pub id: HistoryId,
    /// The entity.
    #[serde(flatten)]
    pub key: EntityKey,
    /// When it lost, by this device's clock.
    pub at: LocalTime,
    /// Why.
    pub cause: HistoryCause,
    /// The operation that it came from, if any.
    pub operation: Option<Counter>,
    /// The values that lost.
    pub fields: Fields,
    /// Fields whose removal lost.
    pub removed: Vec<String>,
    /// The operation that brought it back, if one did.
    pub undone_by: Option<Counter>,
    /// Why it cannot be undone as things stand, in words; absent when it can.
    pub obstacle: Option<String>,
}

/// The losing values, as they are kept.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Lost {
    /// What bringing them back does: a create makes the entity again, a delete deletes it again.
    /// Absent in what an older version kept, and where nothing is known of the base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<Kind>,
    /// Fields with the value that lost.
    pub(crate) fields: Fields,
    /// What the writer of the values saw: the base of a three-way merge.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub(crate) seen: Fields,
    /// Fields whose removal lost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) removed: Vec<String>,
}

fn is_empty(fields: &Fields) -> bool {
    fields.is_empty()
}

impl Lost {
    /// What an operation wanted.
    pub(crate) fn of_operation(kind: Kind, changes: &[FieldChange]) -> Self {
        let mut lost = Self { kind: Some(kind), ..Self::default() };
        for change in changes {
            lost.seen.put(&change.field, change.old.clone());
            match &change.new {
                Some(value) => lost.fields.put(&change.field, Some(value.clone())),
                None => lost.removed.push(change.field.clone()),
            }
        }
        lost
    }

    /// A whole entity.
    pub(crate) fn entity(fields: &Fields) -> Self {
        Self { kind: Some(Kind::Create), fields: fields.clone(), ..Self::default() }
    }

    /// A deletion.
    pub(crate) fn deletion() -> Self {
        Self { kind: Some(Kind::Delete), ..Self::default() }
    }

    /// Whether there is nothing that could be brought back.
    pub(crate) fn is_empty(&self) -> bool {
        let is_edit = matches!(self.kind, None | Some(Kind::Update));
        is_edit && self.fields.is_empty() && self.removed.is_empty()
    }

    /// What is kept, carried forward from the version of the schema that it was kept under.
    pub(crate) fn read(schema: &Schema, record: &HistoryRecord) -> Option<Self> {
        let lost: Self = serde_json::from_value(record.entry.detail.clone()).ok()?;
        let (since, of) = (record.schema, &record.entry.key.entity_type);
        let removed = lost.removed.iter().map(|name| schema.carried_name(since, of, name));
        Some(Self {
            kind: lost.kind,
            removed: removed.collect(),
            fields: match lost.kind {
                Some(Kind::Create) => schema.carried_fields(since, of, lost.fields),
                _ => schema.carried_part(since, of, lost.fields),
            },
            seen: schema.carried_part(since, of, lost.seen),
        })
    }
}

/// Keeps losing values.
pub(crate) fn remember(
    context: &mut Context<'_, '_>,
    key: &EntityKey,
    counter: Option<Counter>,
    cause: HistoryCause,
    lost: &Lost,
) -> Result<(), StoreError> {
    if lost.is_empty() {
        return Ok(());
    }
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

impl Engine {
    /// Values that lost, oldest first, after `after`, at most `limit`; of one entity or of all.
    /// What a newer version kept and this one cannot read is left out.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn history(
        &self,
        tx: &StoreTransaction<'_>,
        key: Option<&EntityKey>,
        after: Option<HistoryId>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        let after = after.map_or(0, |id| id.0);
        let records = match key {
            Some(key) => tx.history_of(&tx.present_key(key)?, after, limit)?,
            None => tx.history(after, limit)?,
        };
        let mut entries = Vec::with_capacity(records.len());
        for record in records {
            entries.extend(entry(tx, record)?);
        }
        Ok(entries)
    }

    /// One value that lost.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn history_entry(
        &self,
        tx: &StoreTransaction<'_>,
        id: HistoryId,
    ) -> Result<Option<HistoryEntry>, StoreError> {
        match tx.history_entry(id.0)? {
            Some(record) => entry(tx, record),
            None => Ok(None),
        }
    }
}

/// A stored value as an app shows it; nothing for what this version cannot read.
fn entry(
    tx: &StoreTransaction<'_>,
    record: HistoryRecord,
) -> Result<Option<HistoryEntry>, StoreError> {
    let cause = HistoryCause::from_word(&record.entry.cause);
    let (Some(cause), Some(lost)) = (cause, Lost::read(tx.schema(), &record)) else {
        return Ok(None);
    };
    let obstacle = match undo::plan(tx, &record) {
        Ok(_) => None,
        Err(crate::WriteError::Store(error)) => return Err(error),
        Err(error) => Some(error.to_string()),
    };
    Ok(Some(HistoryEntry {
        id: HistoryId(record.id),
        key: record.entry.key,
        at: record.entry.at,
        cause,
        operation: record.entry.counter,
        fields: lost.fields,
        // The fields of a deleted entity were not removed one by one.
        removed: if lost.kind == Some(Kind::Delete) { Vec::new() } else { lost.removed },
        undone_by: record.undone_by,
        obstacle,
    }))
}
