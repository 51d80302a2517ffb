//! What happens when something that was given up is asked for, written to, imported, or comes
//! again.
//!
//! A pull does not bring it back: the marker follows what the pull tells. Only a fetch does, and
//! whatever comes while one is wanted is kept, so that no order of the two loses anything. What was
//! given up again before the answer of the fetch came is not taken back to an older version by it.

use clarity_model::{EntityKey, EntityType, Fields, ServerTime, Version};
use clarity_protocol::Row;
use clarity_store::{EvictedEntity, Month, StoreError, StoreTransaction, WishState};

use crate::context::Context;
use crate::fetch::Wanted;

/// How a row came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// With a page of changes.
    Pulled,
    /// With a page of a first sync: most likely it is new.
    PulledFirst,
    /// Because it was asked for.
    Fetched,
    /// Because it was asked for, in an answer that is older than what was read since.
    FetchedLate,
}

impl Arrival {
    fn is_fetched(self) -> bool {
        matches!(self, Self::Fetched | Self::FetchedLate)
    }
}

/// Whether a row that is not on the device is to be stored. Otherwise its marker has taken in what
/// it tells.
pub(crate) fn arrives(
    context: &mut Context<'_, '_>,
    row: &Row,
    arrival: Arrival,
    resync: bool,
) -> Result<bool, StoreError> {
    // A sample with a priority of its own was given up alone, whatever became of its month.
    let Some(marker) = context.tx.evicted_entity(&row.key)? else {
        return match context.tx.evicted_month_of(&row.key)? {
            Some(month) => sample_arrives(context, row, month, arrival),
            None => Ok(true),
        };
    };
    if arrival == Arrival::FetchedLate && row.version < marker.version {
        return Ok(false);
    }
    let wanted = arrival.is_fetched() || is_wanted(context, row)?;
    let Some(fields) = row.fields.as_ref().filter(|_| !wanted) else {
        if row.fields.is_none() && !row.deleted {
            // Told in short, as something that this device has pushed.
            let version = marker.version.max(row.version);
            let marker = EvictedEntity { version, ..marker };
            context.tx.put_evicted_entity(&row.key, &marker, &Fields::new())?;
            return Ok(false);
        }
        context.tx.remove_evicted_entity(&row.key)?;
        return Ok(true);
    };
    if row.version > marker.version || resync {
        let marker = EvictedEntity { version: row.version, ..marker };
        context.tx.put_evicted_entity(&row.key, &marker, fields)?;
    }
    Ok(false)
}

fn sample_arrives(
    context: &mut Context<'_, '_>,
    row: &Row,
    month: Month,
    arrival: Arrival,
) -> Result<bool, StoreError> {
    let entity_type = &row.key.entity_type;
    let window = context.tx.schema().type_schema(entity_type).window.clone();
    let time_ms = |fields: &Fields| fields.get(&window?.time_ms)?.as_i64();
    let Some(fields) = &row.fields else {
        // It was one of those that are not here, or never here at all: nobody can tell.
        context.tx.mark_month_stale(entity_type, month, None)?;
        return Ok(row.deleted);
    };
    let marker = context.tx.evicted_month(entity_type, month)?;
    if arrival == Arrival::FetchedLate && marker.is_some_and(|marker| marker.stale) {
        // It may be one of those that were changed since: it stays away until it is asked for
        // again.
        context.tx.keep_month_evicted(entity_type, month)?;
        return Ok(false);
    }
    let stays = arrival.is_fetched()
        || month_is_wanted(context.tx, entity_type, month)?
        || is_wanted(context, row)?
        || context.tx.kept(&row.key)?.is_some();
    if stays {
        if !context.tx.take_evicted_sample(&row.key, month, fields)? && row.version > Version(1) {
            // What it was before is still in the sums.
            context.tx.mark_month_stale(entity_type, month, None)?;
        }
        return Ok(true);
    }
    if context.tx.is_evicted_sample(&row.key, fields)? {
        return Ok(false);
    }
    let time_ms = time_ms(fields);
    context.tx.add_evicted_sample(&row.key, month, fields, time_ms)?;
    if row.version > Version(1) {
        context.tx.mark_month_stale(entity_type, month, time_ms)?;
    }
    Ok(false)
}

/// A stretch of time is here in full: the months whose samples all lie in it are whole again, but
/// for those of which something was given up meanwhile.
pub(crate) fn fetched_range(
    context: &mut Context<'_, '_>,
    entity_type: &EntityType,
    (from_ms, to_ms): (Option<i64>, Option<i64>),
    at: ServerTime,
) -> Result<(), StoreError> {
    for marker in context.tx.evicted_months(Some(entity_type))? {
        let from = from_ms.is_none_or(|from| from <= marker.from_ms);
        let to = to_ms.is_none_or(|to| marker.to_ms <= to);
        let wanted_again = || month_is_wanted(context.tx, entity_type, marker.month);
        if from && to && !marker.evicted_since && !wanted_again()? {
            context.tx.forget_evicted_month(entity_type, marker.month)?;
            context.tx.touch_month(entity_type, marker.month, at)?;
        }
    }
    Ok(())
}

/// Whether something may be on the server that was given up here.
pub(crate) fn is_away(tx: &StoreTransaction<'_>, key: &EntityKey) -> Result<bool, StoreError> {
    Ok(tx.evicted_entity(key)?.is_some() || tx.evicted_month_of(key)?.is_some())
}

/// What was given up of a type, as wishes.
pub(crate) fn away(
    tx: &StoreTransaction<'_>,
    entity_type: &EntityType,
    (from_ms, to_ms): (i64, i64),
    entities_max: usize,
) -> Result<Vec<Wanted>, StoreError> {
    let months = tx.evicted_months(Some(entity_type))?.into_iter();
    let months = months.filter(|marker| marker.from_ms < to_ms && from_ms < marker.to_ms);
    let mut away: Vec<Wanted> = months
        .map(|marker| Wanted::Range {
            entity_type: entity_type.clone(),
            from_ms: Some(marker.from_ms),
            to_ms: Some(marker.to_ms),
        })
        .collect();
    let single = tx.evicted_entities(Some(entity_type), entities_max)?;
    away.extend(single.into_iter().map(Wanted::Key));
    Ok(away)
}

/// Whether a wish that waits would bring a row: one for its entity, or for a stretch of time that
/// it lies in.
fn is_wanted(context: &Context<'_, '_>, row: &Row) -> Result<bool, StoreError> {
    if context.tx.key_wanted(&row.key)? == Some(WishState::Waiting) {
        return Ok(true);
    }
    let entity_type = &row.key.entity_type;
    let schema = context.tx.schema().type_schema(entity_type);
    let time_ms = row.fields.as_ref().and_then(|fields| schema.time_ms(fields));
    Ok(context.tx.wanted_ranges()?.iter().any(|range| {
        // A record without a time of its own lies in every stretch.
        let from = range.from_ms.is_none_or(|from| time_ms.is_none_or(|time| from <= time));
        let to = range.to_ms.is_none_or(|to| time_ms.is_none_or(|time| time < to));
        range.entity_type == *entity_type && range.refused.is_none() && from && to
    }))
}

fn month_is_wanted(
    tx: &StoreTransaction<'_>,
    entity_type: &EntityType,
    month: Month,
) -> Result<bool, StoreError> {
    let ranges = tx.wanted_ranges()?;
    let mut ranges = ranges
        .iter()
        .filter(|range| range.entity_type == *entity_type && range.refused.is_none())
        .peekable();
    if ranges.peek().is_none() {
        return Ok(false);
    }
    let Some(marker) = tx.evicted_month(entity_type, month)? else { return Ok(false) };
    Ok(ranges.any(|range| {
        range.from_ms.is_none_or(|from| from <= marker.from_ms)
            && range.to_ms.is_none_or(|to| marker.to_ms <= to)
    }))
}

/// A new entity is made: where it belongs to an evicted month, nobody can tell whether the server
/// has one of this id.
pub(crate) fn meets_new(context: &mut Context<'_, '_>, key: &EntityKey) -> Result<(), StoreError> {
    if let Some(month) = context.tx.evicted_month_of(key)? {
        context.tx.mark_month_stale(&key.entity_type, month, None)?;
    }
    Ok(())
}
