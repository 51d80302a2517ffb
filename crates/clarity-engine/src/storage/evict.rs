//! Which rows go, in which order, and when.
//!
//! The order: the lowest priority first; among equals what was least recently used; among those
//! months of samples before single entities; then by type, and by month or id. A month has the
//! priority of its type. An entity with a priority of its own goes by that, alone.
//!
//! ```text
//!   larger than the budget ──▶ a slice of up to 500 rows ──▶ still larger: another one
//!   older than the age, and in touch with the server ──▶ the same, of what is too old
//!   nothing left that may go ──▶ waits for the next page, or a minute
//! ```
//!
//! A slice is part of the transaction of a call, so a crash at any point leaves rows and markers
//! that fit together; the next call goes on.

use std::collections::BTreeSet;

use clarity_model::{EntityKey, EntityType, LocalTime, Priority, ServerTime};
use clarity_store::{
    Candidate, Eviction, EvictionReason, Month, StoreError, StoreTransaction, Unit,
};

use super::{StorageSettings, WORK, Work, server_time};
use crate::context::Context;
use crate::schedule::Schedule;

/// Most rows that one call gives up.
pub const EVICTION_SLICE_ROWS: usize = 500;
/// After so many single entities it is looked whether it is enough.
const ENTITIES_BETWEEN_LOOKS: usize = 16;
/// How often it is looked for what is too old, in milliseconds of the server's clock.
const AGEING_INTERVAL_MS: i64 = 6 * 60 * 60 * 1_000;
/// A pull longer ago than this means that the device is out of touch, in milliseconds.
const IN_TOUCH_MS: i64 = 30 * 60 * 1_000;
/// How long it is not looked again when nothing was left to give up, in milliseconds.
const EXHAUSTED_MS: i64 = 60_000;
/// Later than everything.
const FOR_EVER: ServerTime = ServerTime(i64::MAX);

/// Gives up a slice if the store is too large or something is too old. Says whether more is to be
/// given up.
pub(crate) fn work(
    context: &mut Context<'_, '_>,
    schedule: &Schedule,
    news: bool,
) -> Result<bool, StoreError> {
    let settings = StorageSettings::of(context.tx)?;
    let over = context.tx.live_bytes()? > settings.file_bytes();
    let before = Work::of(context.tx)?;
    let mut work = before;
    let waited =
        before.exhausted_at.is_none_or(|at| !(0..EXHAUSTED_MS).contains(&context.now.since_ms(at)));
    let more = if over && (news || waited) {
        budget(context, &settings, &mut work)?
    } else if over {
        false
    } else {
        work.exhausted_at = None;
        ageing(context, schedule, &settings, &mut work)?
    };
    if work != before {
        context.tx.put_state(WORK, &work)?;
    }
    Ok(more)
}

fn budget(
    context: &mut Context<'_, '_>,
    settings: &StorageSettings,
    work: &mut Work,
) -> Result<bool, StoreError> {
    let Some(at) = server_time(context.tx)? else { return Ok(false) };
    let enough = Some(settings.file_bytes());
    let gone = slice(context, work.floor, FOR_EVER, enough, (EvictionReason::Budget, at))?;
    let over = context.tx.live_bytes()? > settings.file_bytes();
    work.exhausted_at = (over && gone == 0).then_some(context.now);
    Ok(over && gone > 0)
}

/// What is too old goes only while the device is in touch with the server, by whose clock the age
/// is measured: offline nothing grows old.
fn ageing(
    context: &mut Context<'_, '_>,
    schedule: &Schedule,
    settings: &StorageSettings,
    work: &mut Work,
) -> Result<bool, StoreError> {
    let (Some(age_ms), true) = (settings.age_ms, in_touch(schedule, context.now)) else {
        work.ageing = false;
        return Ok(false);
    };
    let Some(at) = server_time(context.tx)? else { return Ok(false) };
    if !work.ageing && at.0.saturating_sub(work.aged_at.0) < AGEING_INTERVAL_MS {
        return Ok(false);
    }
    let before = ServerTime(at.0.saturating_sub(age_ms));
    work.aged_at = at;
    let gone = slice(context, work.floor, before, None, (EvictionReason::Age, at))?;
    work.ageing = gone > 0;
    Ok(work.ageing)
}

fn in_touch(schedule: &Schedule, now: LocalTime) -> bool {
    let recent = |at: LocalTime| (0..IN_TOUCH_MS).contains(&now.since_ms(at));
    schedule.failing_since.is_none()
        && !schedule.is_held()
        && schedule.last_pull.is_some_and(recent)
}

/// Gives up rows in the order, until it is enough. Says how many.
fn slice(
    context: &mut Context<'_, '_>,
    floor: ServerTime,
    before: ServerTime,
    enough: Option<u64>,
    why: (EvictionReason, ServerTime),
) -> Result<usize, StoreError> {
    for priority in [Priority::Low, Priority::Normal, Priority::High] {
        let candidates = candidates(context.tx, priority, floor, before)?;
        let gone = give_up(context, candidates, enough, why)?;
        if gone > 0 {
            return Ok(gone);
        }
    }
    Ok(0)
}

/// What would go first, in the order, at most so many.
pub(super) fn next_to_go(tx: &StoreTransaction<'_>, limit: usize) -> Result<Vec<Unit>, StoreError> {
    let floor = Work::of(tx)?.floor;
    let mut next = Vec::new();
    for priority in [Priority::Low, Priority::Normal, Priority::High] {
        let candidates = candidates(tx, priority, floor, FOR_EVER)?;
        next.extend(candidates.into_iter().map(|candidate| candidate.unit));
    }
    next.truncate(limit);
    Ok(next)
}

/// What may go of one priority, in the order; of single entities the first of each type.
fn candidates(
    tx: &StoreTransaction<'_>,
    priority: Priority,
    floor: ServerTime,
    before: ServerTime,
) -> Result<Vec<Candidate>, StoreError> {
    let schema = tx.schema().clone();
    let mut found = tx.evictable_kept(priority, floor, before)?;
    for (entity_type, declared) in &schema.types {
        if declared.priority != priority {
            continue;
        }
        if let Some(window) = &declared.window {
            for month in tx.evictable_months(entity_type, &window.time_ms)? {
                let accessed = tx.month_accessed(entity_type, month)?.unwrap_or_default();
                let used = accessed.max(floor);
                if used < before {
                    found.push(Candidate { used, unit: Unit::Month(entity_type.clone(), month) });
                }
            }
        }
        let samples = declared.window.is_some();
        let limit = EVICTION_SLICE_ROWS;
        let named = Some(entity_type);
        found.extend(tx.evictable_entities(named, samples, floor, before, limit)?);
    }
    if priority == Priority::default() {
        let limit = EVICTION_SLICE_ROWS;
        found.extend(tx.evictable_entities(None, false, floor, before, limit)?);
    }
    found.sort_by(|one, other| (one.used, &one.unit).cmp(&(other.used, &other.unit)));
    Ok(found)
}

fn give_up(
    context: &mut Context<'_, '_>,
    candidates: Vec<Candidate>,
    enough: Option<u64>,
    why: (EvictionReason, ServerTime),
) -> Result<usize, StoreError> {
    let mut gone = 0;
    let mut units = candidates.into_iter().map(|candidate| candidate.unit).peekable();
    while let Some(unit) = units.next() {
        let live = context.tx.live_bytes()?;
        if gone >= EVICTION_SLICE_ROWS || enough.is_some_and(|enough| live <= enough) {
            break;
        }
        let (entity_type, month, keys) = match unit {
            Unit::Month(entity_type, month) => {
                let keys = samples(context, &entity_type, month, EVICTION_SLICE_ROWS - gone, why)?;
                (entity_type, Some(month), keys)
            }
            Unit::Entity(first) => {
                let entity_type = first.entity_type.clone();
                let mut together = vec![first];
                while let Some(Unit::Entity(next)) = units.next_if(|next| {
                    matches!(next, Unit::Entity(key) if key.entity_type == entity_type)
                        && together.len() < ENTITIES_BETWEEN_LOOKS
                }) {
                    together.push(next);
                }
                (entity_type, None, entities(context, together, why)?)
            }
        };
        if keys.is_empty() {
            continue;
        }
        gone += keys.len();
        let count = keys.len() as u64;
        for key in &keys {
            context.noted.entity(key);
        }
        let bytes = live.saturating_sub(context.tx.live_bytes()?);
        let (reason, at) = why;
        let eviction = Eviction { at, reason, entity_type, month, count, bytes };
        context.tx.record_eviction(&eviction)?;
        context.tx.add_metric("evictions", count.cast_signed())?;
        context.tx.add_metric("evicted_bytes", bytes.cast_signed())?;
        context.noted.status = true;
    }
    Ok(gone)
}

fn samples(
    context: &mut Context<'_, '_>,
    entity_type: &EntityType,
    month: Month,
    limit: usize,
    why: (EvictionReason, ServerTime),
) -> Result<Vec<EntityKey>, StoreError> {
    let window = context.tx.schema().type_schema(entity_type).window.clone();
    let Some(window) = window else { return Ok(Vec::new()) };
    context.tx.evict_samples(entity_type, month, &window.time_ms, limit, why)
}

fn entities(
    context: &mut Context<'_, '_>,
    keys: Vec<EntityKey>,
    (reason, at): (EvictionReason, ServerTime),
) -> Result<Vec<EntityKey>, StoreError> {
    let mut gone = Vec::with_capacity(keys.len());
    for key in keys {
        if context.tx.evict_entity(&key, reason, at)? {
            gone.push(key);
        }
    }
    Ok(gone)
}

/// A first sync or a large catch-up has ended: what it brought begins to grow old now.
pub(crate) fn caught_up(context: &mut Context<'_, '_>, at: ServerTime) -> Result<(), StoreError> {
    let mut work = Work::of(context.tx)?;
    if at > work.floor {
        work.floor = at;
        context.tx.put_state(WORK, &work)?;
    }
    Ok(())
}

/// Notes what the app has asked for. The time is the server's, as far as it is known: that of the
/// last pull and what has passed since, up to half an hour, so that no clock of the device makes
/// anything look used later than it was.
pub(crate) fn note_accesses(
    context: &mut Context<'_, '_>,
    schedule: &Schedule,
    keys: &[EntityKey],
    months: &BTreeSet<(EntityType, Month)>,
    grain_ms: i64,
) -> Result<(), StoreError> {
    let Some(pulled_at) = server_time(context.tx)? else { return Ok(()) };
    let since = schedule.last_pull.map_or(0, |at| context.now.since_ms(at));
    let at = ServerTime(pulled_at.0.saturating_add(since.clamp(0, IN_TOUCH_MS)));
    let mut months = months.clone();
    let mut single = Vec::with_capacity(keys.len());
    for key in keys {
        let is_sample = context.type_schema(key).window.is_some();
        match Month::of_key(key).filter(|_| is_sample) {
            Some(month) => drop(months.insert((key.entity_type.clone(), month))),
            None => single.push(key.clone()),
        }
    }
    context.tx.touch(&single, at, grain_ms)?;
    for (entity_type, month) in &months {
        context.tx.touch_month(entity_type, *month, at)?;
    }
    Ok(())
}
