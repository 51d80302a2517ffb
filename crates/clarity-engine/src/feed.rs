//! Health sources: how far each was read, what it no longer has, and deletions that wait for a
//! person.
//!
//! A feed that is trusted says what is gone. Where it cannot, or where its cursor expired, all that
//! it has is compared with all that it brought. Few missing ones are deleted, many are held: an
//! empty answer of a platform must not empty a store.

use clarity_model::{EntityKey, LocalTime};
use clarity_store::{AliasState, SourceAlias, SourceRecord, StoreError, StoreTransaction};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::Context;
use crate::error::WriteError;
use crate::event::{Imported, Written};
use crate::history::HistoryCause;
use crate::{storage, write};

/// Deletions that were found by comparison are held from this many on.
pub const HELD_DELETIONS: u64 = 500;
/// They are held from this part of all on, in percent.
pub const HELD_DELETIONS_PERCENT: u64 = 5;
/// How many entities one write deletes at most.
const DELETED_AT_ONCE: usize = 500;

/// A place in a feed, which only its source understands. `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedCursor {
    /// What the source wrote.
    pub bytes: Vec<u8>,
    /// The form of the bytes.
    pub schema: u16,
    /// What was asked for: a cursor of another scope is not used.
    pub scope: u64,
}

impl std::fmt::Debug for FeedCursor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("FeedCursor").field("schema", &self.schema).finish_non_exhaustive()
    }
}

/// What of a source was asked for: only that can be missing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FeedScope {
    /// These metrics; all when empty.
    pub metrics: Vec<String>,
    /// Only what begins at this time or later, in Unix milliseconds.
    pub from_ms: Option<i64>,
}

/// What a page of a source was.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FeedStep {
    /// A page of the feed. The cursor is kept with its samples.
    Page {
        /// Where the next one begins.
        next: Option<FeedCursor>,
        /// Whether all that the source has must be compared, because deletions may be missing.
        compare: bool,
    },
    /// A part of all that the source has.
    Snapshot {
        /// What was asked for.
        scope: FeedScope,
        /// Where the next part begins; absent for the last one.
        next: Option<FeedCursor>,
        /// Where the feed goes on after the last one.
        resume: Option<FeedCursor>,
    },
}

/// What a driver or a person says of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceChange {
    /// It is known under this name.
    Named(String),
    /// It gave nothing, for this reason in words.
    Failed {
        /// The reason.
        reason: String,
        /// Whether its cursor is void, so that everything is compared.
        compare: bool,
    },
    /// It cannot be compared: it is read from the start, and deletions are not found.
    NotComparable,
    /// The held deletions are right.
    Confirm,
    /// The held deletions are wrong: what is here stays, and is no longer the source's.
    Refuse,
    /// Delete the next ones of what is to be deleted.
    DeleteSome,
}

/// Where the comparison with all that a source has stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Comparing {
    /// None is needed.
    #[default]
    No,
    /// One is due.
    Due,
    /// Parts have been compared.
    Running {
        /// Where the next part begins.
        next: Option<FeedCursor>,
    },
    /// What is missing is being deleted.
    Deleting,
    /// So much is missing that a person is asked.
    Held {
        /// How many are missing.
        missing: u64,
        /// Of how many.
        total: u64,
        /// Since when.
        since: LocalTime,
    },
}

/// What is kept of a source.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SourceState {
    /// Where the feed goes on; absent before the first page.
    pub cursor: Option<FeedCursor>,
    /// The comparison.
    pub comparing: Comparing,
    /// The number of the last comparison.
    pub round: i64,
    /// How often it was begun anew: what a later reading brings is another import.
    #[serde(default)]
    pub run: i64,
    /// When a page was last taken.
    pub pulled_at: Option<LocalTime>,
    /// Why it last gave nothing, in words.
    pub error: Option<String>,
}

/// A source as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceInfo {
    /// Its id.
    pub source: String,
    /// What people call it.
    pub name: String,
    /// How many things it has brought that it still has.
    pub linked: u64,
    /// What is kept of it.
    #[serde(flatten)]
    pub state: SourceState,
}

/// Reads what is kept of a source; a state that this version cannot read begins anew, which
/// compares everything.
pub(crate) fn state(tx: &StoreTransaction<'_>, source: &str) -> Result<SourceState, StoreError> {
    Ok(tx.source(source)?.map(|record| read_state(&record.state)).unwrap_or_default())
}

fn read_state(value: &Value) -> SourceState {
    let fresh = || SourceState { comparing: Comparing::Due, ..SourceState::default() };
    SourceState::deserialize(value).unwrap_or_else(|_| fresh())
}

/// All sources.
pub(crate) fn infos(tx: &StoreTransaction<'_>) -> Result<Vec<SourceInfo>, StoreError> {
    let records = tx.sources()?.into_iter();
    let infos = records.map(|record| {
        let linked = tx.count_aliases(&record.source)?;
        let state = read_state(&record.state);
        Ok(SourceInfo { source: record.source, name: record.name, linked, state })
    });
    infos.collect()
}

fn put(
    context: &mut Context<'_, '_>,
    source: &str,
    name: Option<String>,
    state: &SourceState,
) -> Result<(), StoreError> {
    let name = match name {
        Some(name) => name,
        None => context.tx.source(source)?.map_or_else(|| source.to_owned(), |it| it.name),
    };
    let state = serde_json::to_value(state).unwrap_or_default();
    let (source, updated_at) = (source.to_owned(), context.now);
    context.tx.put_source(&SourceRecord { source, name, state, updated_at })
}

/// Takes in where a page of a source leads.
pub(crate) fn step(
    context: &mut Context<'_, '_>,
    source: &str,
    mut state: SourceState,
    step: FeedStep,
) -> Result<(), StoreError> {
    state.pulled_at = Some(context.now);
    state.error = None;
    match step {
        FeedStep::Page { next, compare } => {
            state.cursor = next.or(state.cursor);
            if compare && state.comparing == Comparing::No {
                state.comparing = Comparing::Due;
            }
        }
        FeedStep::Snapshot { next: Some(next), .. } => {
            state.comparing = Comparing::Running { next: Some(next) };
        }
        FeedStep::Snapshot { scope, next: None, resume } => {
            state.cursor = resume;
            state.comparing = compared(context, source, &state, &scope)?;
        }
    }
    put(context, source, None, &state)
}

/// All parts were compared: what was not seen is missing.
fn compared(
    context: &mut Context<'_, '_>,
    source: &str,
    state: &SourceState,
    scope: &FeedScope,
) -> Result<Comparing, StoreError> {
    let mut missing = 0;
    let mut after = String::new();
    loop {
        let aliases = context.tx.aliases_before(source, state.round, &after, DELETED_AT_ONCE)?;
        let Some(last) = aliases.last() else { break };
        after.clone_from(&last.external);
        for mut alias in aliases {
            if is_in_scope(context, &alias, scope)? {
                missing += 1;
            } else {
                // Nobody asked for it, so its absence says nothing.
                alias.round = state.round;
                context.tx.put_alias(source, &alias)?;
            }
        }
    }
    let total = context.tx.count_aliases(source)?;
    let many = missing > HELD_DELETIONS || missing * 100 > total * HELD_DELETIONS_PERCENT;
    context.noted.status = true;
    Ok(match missing {
        0 => Comparing::No,
        _ if many => Comparing::Held { missing, total, since: context.now },
        _ => Comparing::Deleting,
    })
}

fn is_in_scope(
    context: &Context<'_, '_>,
    alias: &SourceAlias,
    scope: &FeedScope,
) -> Result<bool, StoreError> {
    let key = context.tx.present_key(&alias.key)?;
    let Some(row) = context.tx.entity(&key)?.filter(|row| row.state.is_visible()) else {
        return Ok(false);
    };
    let metric = row.fields.get("metric").or_else(|| row.fields.get("correlation"));
    let metric = metric.and_then(Value::as_str);
    let start_ms = row.fields.get("start_ms").and_then(Value::as_i64);
    let named = scope.metrics.is_empty()
        || metric.is_some_and(|metric| scope.metrics.iter().any(|name| name == metric));
    let recent = scope.from_ms.is_none_or(|from| start_ms.is_some_and(|start| start >= from));
    Ok(named && recent)
}

/// Takes in what a driver or a person says of a source.
pub(crate) fn change(
    context: &mut Context<'_, '_>,
    source: &str,
    change: SourceChange,
) -> Result<Written, WriteError> {
    let mut state = state(context.tx, source)?;
    let mut name = None;
    let mut written = Written::default();
    match change {
        SourceChange::Named(new) => {
            let known = context.tx.source(source)?;
            if known.is_some_and(|known| known.name == new) {
                return Ok(written);
            }
            name = Some(new);
        }
        SourceChange::Failed { reason, compare } => {
            if compare {
                state.cursor = None;
                state.run += 1;
                // What a person is asked about stays asked until the comparison is done.
                state.comparing = Comparing::Due;
            }
            state.error = Some(reason);
        }
        SourceChange::NotComparable => {
            state.cursor = None;
            state.run += 1;
            state.comparing = Comparing::No;
        }
        SourceChange::Confirm => {
            held(&state)?;
            state.comparing = Comparing::Deleting;
        }
        SourceChange::Refuse => {
            held(&state)?;
            let all = usize::MAX;
            for alias in context.tx.aliases_before(source, state.round, "", all)? {
                context.tx.remove_alias(source, &alias.external)?;
            }
            state.comparing = Comparing::No;
        }
        SourceChange::DeleteSome => {
            if state.comparing != Comparing::Deleting {
                return Ok(written);
            }
            written = delete_some(context, source, &mut state)?;
        }
    }
    context.noted.status = true;
    put(context, source, name, &state)?;
    Ok(written)
}

fn held(state: &SourceState) -> Result<(), WriteError> {
    match state.comparing {
        Comparing::Held { .. } => Ok(()),
        _ => Err(WriteError::NothingHeld),
    }
}

fn delete_some(
    context: &mut Context<'_, '_>,
    source: &str,
    state: &mut SourceState,
) -> Result<Written, WriteError> {
    let mut written = Written::default();
    let aliases = context.tx.aliases_before(source, state.round, "", DELETED_AT_ONCE)?;
    if aliases.len() < DELETED_AT_ONCE {
        state.comparing = Comparing::No;
    }
    for alias in aliases {
        withdraw(context, source, alias, HistoryCause::Reconciled, &mut written)?;
    }
    Ok(written)
}

/// What a source means by a name is gone: the entity is deleted, and the name is kept so that the
/// same page again does not bring it back.
pub(crate) fn withdraw(
    context: &mut Context<'_, '_>,
    source: &str,
    alias: SourceAlias,
    cause: HistoryCause,
    written: &mut Written,
) -> Result<(), WriteError> {
    let key = context.tx.present_key(&alias.key)?;
    let state = if is_away(context.tx, &key)? {
        context.noted.away.push(key);
        AliasState::GoneWhenHere
    } else {
        delete(context, &key, cause, written)?;
        AliasState::Gone
    };
    context.tx.put_alias(source, &SourceAlias { state, ..alias })?;
    Ok(())
}

/// Whether an entity is not here and was given up for space.
pub(crate) fn is_away(tx: &StoreTransaction<'_>, key: &EntityKey) -> Result<bool, StoreError> {
    Ok(tx.entity(key)?.is_none() && storage::is_away(tx, key)?)
}

/// Something that was given up for space is here again, or turned out to be nowhere: what sources
/// withdrew meanwhile is deleted.
pub(crate) fn came_back(context: &mut Context<'_, '_>, key: &EntityKey) -> Result<(), StoreError> {
    for (source, alias) in context.tx.aliases_gone_when_here(key)? {
        match delete(context, key, HistoryCause::Withdrawn, &mut Written::default()) {
            Ok(()) => {}
            Err(WriteError::Store(error)) => return Err(error),
            // A person is asked about it already; what they choose stands.
            Err(_) => {}
        }
        let alias = SourceAlias { state: AliasState::Gone, ..alias };
        context.tx.put_alias(&source, &alias)?;
    }
    Ok(())
}

/// Deletes an entity if it is there; what it held is kept in history for 30 days.
pub(crate) fn delete(
    context: &mut Context<'_, '_>,
    key: &EntityKey,
    cause: HistoryCause,
    written: &mut Written,
) -> Result<(), WriteError> {
    let row = context.tx.entity(key)?;
    if !row.is_some_and(|row| row.state.is_visible()) {
        return Ok(());
    }
    let counter = write::delete_because(context, key, None, None, cause)?;
    written.operations.push(counter);
    written.imported.add(Imported { deleted: 1, ..Imported::default() });
    Ok(())
}
