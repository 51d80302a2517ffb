//! What a device follows: some types or all, of some of them only the last days.
//!
//! One cursor follows the account's log within the scope. What a wider scope adds is read as
//! stretches of time, the most important types first and of each the newest records first; the
//! answer that gives the cursor comes before the first of them is asked for, so that a change is in
//! one or the other. What a narrower scope leaves out goes in slices, without a word to anybody,
//! and never while something of it waits here.
//!
//! What is here and not followed, because it was written here or fetched by name, is as it was last
//! heard of and goes when the server's next day begins; what was given the priority `critical`
//! stays.

use clarity_model::{EntityId, EntityKey, EntityType, Priority, ServerTime};
use clarity_protocol::{Cursor, Hint, HintEntity, HintKind, Row, Scope};
use clarity_store::{ListOptions, RowState, StoreError, StoreTransaction, StoredEntity};
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::error::WriteError;
use crate::fetch::{self, WANTED_KEYS_MAX, Wanted};
use crate::schedule::{Pause, Schedule};
use crate::{identity, pull};

/// Most rows that one transaction looks at when it lets go what the scope leaves out.
pub const SWEEP_ROWS_MAX: usize = 500;
/// How long after one such transaction the next one comes, in milliseconds.
pub(crate) const SWEEP_PAUSE_MS: i64 = 10;
/// The rank of a first reading that a silent push named.
const RANK_HINTED: i64 = 5;
/// The rank of a first reading of the most important types.
const RANK_FIRST: i64 = 10;

/// The names under which the store keeps what is left to do.
const SWEEP: &str = "scope_sweep";
const TO_READ: &str = "scope_to_read";
const SWEPT_DAY: &str = "scope_swept_day";
const DAY_MS: i64 = 86_400_000;

/// A type that a wider scope added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ToRead {
    entity_type: EntityType,
    /// The days that are here already.
    had_days: Option<u32>,
}

/// How far letting go has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Sweep {
    /// The types that are left, the present one last.
    types: Vec<EntityType>,
    after: Option<EntityId>,
    /// The server's time that windows are measured by.
    at: ServerTime,
}

/// What a device follows, and how far it has come with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ScopeStatus {
    /// What it follows.
    #[serde(flatten)]
    pub scope: Scope,
    /// The types whose first reading has not ended, in the order in which they are read.
    pub unread: Vec<EntityType>,
    /// How many rows of those have come.
    pub rows_read: u64,
    /// Whether rows that are no longer followed are still here.
    pub sweeping: bool,
}

/// What the device follows and how far it is.
pub(crate) fn status(tx: &StoreTransaction<'_>) -> Result<ScopeStatus, StoreError> {
    let to_read: Vec<ToRead> = tx.state(TO_READ)?.unwrap_or_default();
    let ranges = tx.wanted_ranges()?.into_iter();
    let ranges: Vec<_> = ranges.filter(|range| is_first_reading(range.rank)).collect();
    let mut unread: Vec<EntityType> = Vec::new();
    let under_way = ranges.iter().map(|range| &range.entity_type);
    for entity_type in under_way.chain(to_read.iter().map(|one| &one.entity_type)) {
        if !unread.contains(entity_type) {
            unread.push(entity_type.clone());
        }
    }
    Ok(ScopeStatus {
        scope: pull::scope(tx)?,
        unread,
        rows_read: ranges.iter().map(|range| range.rows).sum(),
        sweeping: tx.state::<Sweep>(SWEEP)?.is_some(),
    })
}

/// Whether a wanted stretch of time is part of the scope's first reading, not asked for by name.
pub(crate) fn is_first_reading(rank: i64) -> bool {
    rank >= RANK_HINTED
}

/// Whether something of a wider scope has not been read.
pub(crate) fn is_unread(tx: &StoreTransaction<'_>) -> Result<bool, StoreError> {
    let waits = |ranges: Vec<clarity_store::WantedRange>| {
        ranges.iter().any(|range| is_first_reading(range.rank))
    };
    Ok(tx.state::<Vec<ToRead>>(TO_READ)?.is_some() || waits(tx.wanted_ranges()?))
}

/// Follows another scope from now on.
pub(crate) fn set(context: &mut Context<'_, '_>, wanted: Scope) -> Result<(), WriteError> {
    let wanted = normal(context, wanted)?;
    let mut part = pull::part(context.tx)?;
    let before: Scope = serde_json::from_str(&part.scope).unwrap_or_default();
    if before == wanted {
        return Ok(());
    }
    let cursor = pull::shown(&part);
    let is_new = cursor.is_none();
    // Which types there are is known to the server only: everything is read in the log's order.
    let anew = wanted.types.is_empty() && !before.types.is_empty();
    if anew {
        identity::hear_all_read(context, cursor.as_ref())?;
    }
    part.scope = serde_json::to_string(&wanted).unwrap_or_default();
    part.cursor = cursor
        .filter(|_| !anew)
        .map(|cursor| Cursor { scope: wanted.clone(), ..cursor })
        .and_then(|cursor| serde_json::to_string(&cursor).ok());
    part.caught_up &= part.cursor.is_some();
    let added = added(context, &before, &wanted, anew || is_new)?;
    let to_read = if anew { Vec::new() } else { added };
    // Pages that wait are of the scope before; they are read again.
    context.tx.clear_stage(part.part)?;
    context.tx.put_cursor_part(&part)?;
    match to_read.is_empty() {
        true => drop(context.tx.remove_state(TO_READ)?),
        false => context.tx.put_state(TO_READ, &to_read)?,
    }
    if let Some(at) = part.pulled_at {
        begin_sweep(context, at)?;
    }
    context.noted.scope = true;
    context.noted.status = true;
    Ok(())
}

/// Types once and in order; those that are never let go are always followed.
fn normal(context: &Context<'_, '_>, mut scope: Scope) -> Result<Scope, WriteError> {
    let schema = context.tx.schema();
    for entity_type in scope.windows.keys() {
        if schema.type_schema(entity_type).window.is_none() {
            return Err(WriteError::NoWindow(entity_type.clone()));
        }
    }
    if !scope.types.is_empty() {
        let critical = schema.types.iter();
        let critical = critical.filter(|(_, one)| one.priority == Priority::Critical);
        scope.types.extend(critical.map(|(name, _)| name.clone()));
        scope.types.sort();
        scope.types.dedup();
    }
    let types = scope.types.clone();
    scope.windows.retain(|name, _| {
        let is_followed = types.is_empty() || types.contains(name);
        is_followed && schema.type_schema(name).priority != Priority::Critical
    });
    Ok(scope)
}

/// What a scope adds to the one before, and what was left to read and still is. Readings under way
/// begin anew of a type whose part of the scope has changed, and all of them when there is no
/// cursor that has told what changed since they began.
fn added(
    context: &mut Context<'_, '_>,
    before: &Scope,
    wanted: &Scope,
    is_new: bool,
) -> Result<Vec<ToRead>, StoreError> {
    let left: Vec<ToRead> = context.tx.state(TO_READ)?.unwrap_or_default();
    let mut unread: Vec<EntityType> = left.into_iter().map(|one| one.entity_type).collect();
    for range in context.tx.wanted_ranges()? {
        let entity_type = range.entity_type;
        let is_same = before.windows.get(&entity_type) == wanted.windows.get(&entity_type);
        let goes_on = wanted.follows(entity_type.as_str()) && is_same && !is_new;
        if is_first_reading(range.rank) && !goes_on {
            context.tx.end_wanted_range(range.number)?;
            unread.push(entity_type);
        }
    }
    let candidates = wanted.types.iter().chain(before.windows.keys()).chain(&unread);
    let mut to_read: Vec<ToRead> = Vec::new();
    for entity_type in candidates {
        let known = to_read.iter().any(|one| one.entity_type == *entity_type);
        if known || !wanted.follows(entity_type.as_str()) {
            continue;
        }
        let had = before.windows.get(entity_type).copied();
        let has = wanted.windows.get(entity_type).copied();
        let wider = had.is_some_and(|had| has.is_none_or(|has| has > had));
        let whole = unread.contains(entity_type)
            || !before.follows(entity_type.as_str())
            || (is_new && !wanted.types.is_empty());
        if whole || (wider && !is_new) {
            let had_days = had.filter(|_| !whole);
            to_read.push(ToRead { entity_type: entity_type.clone(), had_days });
        }
    }
    Ok(to_read)
}

/// A page has been taken in: what the scope added can be asked for, and a new day of the server
/// lets old records go.
pub(crate) fn pulled(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    at: ServerTime,
    at_head: bool,
) -> Result<(), StoreError> {
    let scope = pull::scope(context.tx)?;
    let to_read: Option<Vec<ToRead>> = context.tx.state(TO_READ)?;
    if to_read.is_some() {
        context.tx.remove_state(TO_READ)?;
    }
    for one in to_read.unwrap_or_default() {
        let entity_type = &one.entity_type;
        let from_ms = scope.window_from_ms(entity_type.as_str(), at);
        let had = one
            .had_days
            .map(|days| Scope { types: Vec::new(), windows: [(entity_type.clone(), days)].into() });
        let to_ms = had.and_then(|had| had.window_from_ms(entity_type.as_str(), at));
        let priority = context.tx.schema().type_schema(entity_type).priority;
        let rank = RANK_FIRST + (Priority::Critical as i64 - priority as i64);
        context.tx.want_range(entity_type, from_ms, to_ms, rank)?;
        schedule.fetch_wanted = true;
    }
    let day = at.0.div_euclid(DAY_MS);
    let leaves_out = !scope.is_everything();
    if at_head && leaves_out && context.tx.state::<i64>(SWEPT_DAY)? != Some(day) {
        context.tx.put_state(SWEPT_DAY, &day)?;
        begin_sweep(context, at)?;
        schedule.sweeping = true;
    }
    Ok(())
}

fn begin_sweep(context: &mut Context<'_, '_>, at: ServerTime) -> Result<(), StoreError> {
    let mut types = context.tx.entity_types()?;
    types.extend(context.tx.evicted_types()?);
    types.sort();
    types.dedup();
    context.tx.put_state(SWEEP, &Sweep { types, after: None, at })
}

/// Lets go a slice of what the scope leaves out. Returns whether there is more to look at.
pub(crate) fn sweep(context: &mut Context<'_, '_>) -> Result<bool, StoreError> {
    let Some(mut sweep) = context.tx.state::<Sweep>(SWEEP)? else { return Ok(false) };
    let scope = pull::scope(context.tx)?;
    let Some(entity_type) = sweep.types.last().filter(|_| !scope.is_everything()).cloned() else {
        context.tx.remove_state(SWEEP)?;
        return Ok(false);
    };
    let before = sweep.after.take();
    let options =
        ListOptions { after: before.clone(), limit: SWEEP_ROWS_MAX, include_deleted: true };
    let rows = context.tx.list_entities(&entity_type, &options)?;
    let schema = context.tx.schema().type_schema(&entity_type).clone();
    let mut gone = 0;
    for (key, row) in &rows {
        let waits = !matches!(row.state, RowState::Clean | RowState::Deleted);
        let holds = scope.holds(entity_type.as_str(), schema.time_ms(&row.fields), sweep.at);
        let is_given_back = context.tx.lost_in(key)?.is_some();
        if waits || holds || is_given_back || is_critical(context.tx, key)? {
            continue;
        }
        context.tx.remove_entity(key)?;
        context.noted.entity(key);
        gone += 1;
    }
    if rows.len() == SWEEP_ROWS_MAX {
        sweep.after = rows.last().map(|(key, _)| key.id.clone());
    } else if forget_evicted(context, &scope, &entity_type, sweep.at)? {
        // From the end of the rows, so that only markers are left to look at.
        sweep.after = rows.last().map(|(key, _)| key.id.clone()).or(before);
    } else {
        sweep.types.pop();
    }
    context.tx.put_state(SWEEP, &sweep)?;
    context.noted.status = true;
    context.tx.add_metric("rows_left_scope", gone)?;
    Ok(true)
}

/// What the scope leaves out is not wanted back, so that it was given up for space is forgotten.
/// Says whether there may be more of it.
fn forget_evicted(
    context: &mut Context<'_, '_>,
    scope: &Scope,
    entity_type: &EntityType,
    at: ServerTime,
) -> Result<bool, StoreError> {
    let before_ms = match scope.follows(entity_type.as_str()) {
        false => None,
        true => match scope.window_from_ms(entity_type.as_str(), at) {
            Some(from_ms) => Some(from_ms),
            None => return Ok(false),
        },
    };
    let forgotten = context.tx.forget_evicted(entity_type, before_ms, SWEEP_ROWS_MAX)?;
    Ok(forgotten == SWEEP_ROWS_MAX)
}

/// Whether the device follows an entity, by its type and, where it is here, by its time.
pub(crate) fn follows(
    tx: &StoreTransaction<'_>,
    key: &EntityKey,
    row: Option<&StoredEntity>,
) -> Result<bool, StoreError> {
    let part = pull::part(tx)?;
    let scope: Scope = serde_json::from_str(&part.scope).unwrap_or_default();
    let schema = tx.schema().type_schema(&key.entity_type);
    let time_ms =
        row.and_then(|row| schema.time_ms(&row.fields)).filter(|_| part.pulled_at.is_some());
    Ok(scope.holds(key.entity_type.as_str(), time_ms, part.pulled_at.unwrap_or_default()))
}

/// Whether an entity was given the priority that is never let go.
fn is_critical(tx: &StoreTransaction<'_>, key: &EntityKey) -> Result<bool, StoreError> {
    Ok(tx.kept(key)? == Some(Priority::Critical))
}

/// A record has left the window by a change: it goes, unless something of it waits here, and with
/// it what is known of its having been given up.
pub(crate) fn leave(context: &mut Context<'_, '_>, row: &Row) -> Result<(), StoreError> {
    context.tx.remove_evicted_entity(&row.key)?;
    let local = context.tx.entity(&row.key)?;
    let is_clean = local.is_some_and(|local| local.state == RowState::Clean);
    if is_clean && !is_critical(context.tx, &row.key)? {
        context.tx.remove_entity(&row.key)?;
        context.noted.entity(&row.key);
        context.tx.add_metric("rows_left_scope", 1)?;
    }
    Ok(())
}

/// Another process has written: it may have wished for something, or follow something else.
pub(crate) fn perhaps_another(
    context: &Context<'_, '_>,
    schedule: &mut Schedule,
) -> Result<(), StoreError> {
    schedule.fetch_wanted = true;
    schedule.sweeping = true;
    schedule.pull_wanted |= is_unread(context.tx)?;
    Ok(())
}

/// A silent push. A partial one brings what it names before anything else; what is not followed is
/// nothing to this device.
pub(crate) fn hinted(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    hint: &Hint,
) -> Result<(), StoreError> {
    // What comes in shows that there is a network, whatever the platform says.
    if hint.kind == HintKind::Urgent || schedule.pauses.contains_key(&Pause::Offline) {
        schedule.hurry(context.now);
    }
    if hint.kind != HintKind::Partial || hint.entities.is_empty() {
        schedule.pull_wanted = true;
        return Ok(());
    }
    let scope = pull::scope(context.tx)?;
    for named in &hint.entities {
        match named {
            HintEntity::Type(entity_type) if scope.follows(entity_type.as_str()) => {
                schedule.pull_wanted = true;
                for range in context.tx.wanted_ranges()? {
                    if range.entity_type == *entity_type && is_first_reading(range.rank) {
                        let (from_ms, to_ms) = (range.from_ms, range.to_ms);
                        context.tx.want_range(entity_type, from_ms, to_ms, RANK_HINTED)?;
                    }
                }
            }
            HintEntity::Key(key) if scope.follows(key.entity_type.as_str()) => {
                if context.tx.count_wanted()?.0 < WANTED_KEYS_MAX {
                    fetch::want(context, &Wanted::Key(key.clone()))?;
                } else {
                    schedule.pull_wanted = true;
                }
            }
            _ => {}
        }
    }
    Ok(())
}
