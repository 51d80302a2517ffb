//! Fetching: what somebody wants by name comes apart from the cursor.
//!
//! A wish is kept in the store until it is answered. Wishes go beside push and pull, one request at
//! a time; the rows go in by the rules of a pull and move no cursor, so what they show may be newer
//! than what the last pull showed.

use std::collections::BTreeSet;

use clarity_model::limits::FETCH_KEYS_MAX;
use clarity_model::{EntityKey, EntityType, LocalTime, ServerTime};
use clarity_protocol::{
    Failure, FetchPosition, FetchRange, FetchRequest, FetchResponse, LogMark, SchemaStamp,
};
use clarity_store::{RequestId, StoreError, WantedRange};

use crate::context::Context;
use crate::error::WriteError;
use crate::event::Write;
use crate::schedule::Schedule;
use crate::scope::is_first_reading;
use crate::storage::{self, Arrival, StorageSettings};
use crate::{feed, identity, pull, push};

/// Most entities that are wanted at once on a device.
pub const WANTED_KEYS_MAX: u64 = 10_000;
/// Most stretches of time that are wanted at once on a device.
pub const WANTED_RANGES_MAX: u64 = 1_000;

/// The rank of what somebody waits for.
const RANK_ASKED: i64 = 0;

/// Something to have fetched from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wanted {
    /// One entity.
    Key(EntityKey),
    /// The records of a type whose own time lies in a stretch. Those without one come too.
    Range {
        /// The type.
        entity_type: EntityType,
        /// From this time on, in milliseconds since 1970 UTC; absent for from the beginning.
        from_ms: Option<i64>,
        /// Before this time, in milliseconds since 1970 UTC; absent for without end.
        to_ms: Option<i64>,
    },
    /// All of a type.
    Type(EntityType),
}

impl Wanted {
    /// The stretch of time that it is; nothing for an entity.
    #[must_use]
    pub fn range(&self) -> Option<(&EntityType, Option<i64>, Option<i64>)> {
        match self {
            Self::Key(_) => None,
            Self::Range { entity_type, from_ms, to_ms } => Some((entity_type, *from_ms, *to_ms)),
            Self::Type(entity_type) => Some((entity_type, None, None)),
        }
    }
}

/// Somebody waits for what they wish for: a wait that an earlier failure left is cut short.
pub(crate) fn hurry_for(schedule: &mut Schedule, write: &Write, now: LocalTime) {
    if matches!(write, Write::Fetch { .. }) {
        schedule.hurry(now);
    }
}

/// Wants things that somebody waits for.
///
/// # Errors
/// [`WriteError::TooMuchWanted`] at a limit; the caller takes everything back.
pub(crate) fn want_all(context: &mut Context<'_, '_>, wanted: &[Wanted]) -> Result<(), WriteError> {
    for one in wanted {
        want(context, one)?;
    }
    let (keys, ranges) = context.tx.count_wanted()?;
    if keys > WANTED_KEYS_MAX || ranges > WANTED_RANGES_MAX {
        return Err(WriteError::TooMuchWanted);
    }
    Ok(())
}

/// Wants one thing, durably with the transaction; it is asked for as soon as there is a way.
pub(crate) fn want(context: &mut Context<'_, '_>, wanted: &Wanted) -> Result<(), StoreError> {
    match (wanted, wanted.range()) {
        (_, Some((entity_type, from_ms, to_ms))) => {
            context.tx.want_range(entity_type, from_ms, to_ms, RANK_ASKED)?;
        }
        (Wanted::Key(key), None) => {
            let key = context.tx.present_key(key)?;
            context.tx.want_key(&key)?;
        }
        (_, None) => {}
    }
    context.noted.fetch = true;
    context.noted.status = true;
    Ok(())
}

/// Builds the next request: entities first, else the stretch of time that goes first. Nothing when
/// nothing waits.
pub(crate) fn build(
    context: &mut Context<'_, '_>,
    schedule: &Schedule,
    request: RequestId,
) -> Result<Option<FetchRequest>, StoreError> {
    let keys = context.tx.wanted_keys(schedule.fetch_keys_max.unwrap_or(FETCH_KEYS_MAX))?;
    let range = if keys.is_empty() && schedule.read_instead.is_none() {
        context.tx.wanted_ranges()?.into_iter().find(|range| range.refused.is_none())
    } else {
        None
    };
    if keys.is_empty() && range.is_none() {
        return Ok(None);
    }
    context.tx.ask_for(request, &keys, range.as_ref().map(|range| range.number))?;
    let ranges = range.into_iter().map(|range| FetchRange {
        entity_type: range.entity_type,
        from_ms: range.from_ms,
        to_ms: range.to_ms,
        after: position(range.after.as_deref()),
    });
    let meta = context.tx.meta()?;
    let settings = StorageSettings::of(context.tx)?;
    Ok(Some(FetchRequest {
        incarnation: meta.incarnation,
        epoch: meta.epoch,
        settled_below: push::settled_below(context)?,
        schema: Some(SchemaStamp::of(context.tx.schema())),
        ranges: ranges.collect(),
        keys,
        rows_max: Some(settings.page_rows(context.tx.live_bytes()?)),
    }))
}

fn position(text: Option<&str>) -> Option<FetchPosition> {
    text.and_then(|text| serde_json::from_str(text).ok())
}

/// Whether an answer tells anything of what its request asked for that still waits for it.
pub(crate) fn tells_any(
    context: &Context<'_, '_>,
    request: RequestId,
    response: &FetchResponse,
) -> Result<bool, StoreError> {
    let asked: BTreeSet<EntityKey> = context.tx.keys_asked_by(request)?.into_iter().collect();
    if !asked.is_empty() {
        let mut told = response.rows.iter().map(|row| &row.key).chain(&response.unknown);
        return Ok(told.any(|key| asked.contains(key)));
    }
    let Some(range) = context.tx.range_asked_by(request)? else { return Ok(true) };
    let moved = response.after.is_some() && response.after != position(range.after.as_deref());
    Ok(response.ranges_done > 0 || moved)
}

/// Takes in an answer: rows as those of a pull, without a cursor. What was asked for and is not in
/// it waits again.
pub(crate) fn answered(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    request: RequestId,
    response: FetchResponse,
) -> Result<(), StoreError> {
    schedule.fetch_wanted = true;
    schedule.fetch_keys_max = None;
    if !identity::meet_epoch(context, response.epoch)? {
        context.tx.release_wanted(Some(request))?;
        return identity::reset(context, schedule);
    }
    identity::hear(context, response.check.map(|check| LogMark { seq: response.head, check }))?;
    let range = context.tx.range_asked_by(request)?;
    let scope = pull::scope(context.tx)?;
    let only_followed = range.as_ref().is_some_and(|range| is_first_reading(range.rank));
    // An answer that is older than what was read since says nothing of what is not in it, nor of
    // what was given up since.
    let cursor = pull::shown(&pull::part(context.tx)?);
    let is_older = cursor.is_some_and(|cursor| response.head < cursor.seq);
    let arrival = if is_older { Arrival::FetchedLate } else { Arrival::Fetched };
    let count = response.rows.len();
    let mut came = Vec::with_capacity(count);
    for row in response.rows {
        // Rows of a fetch are whole: one that is not tells nothing.
        if row.fields.is_none() && !row.deleted {
            continue;
        }
        let key = row.key.clone();
        let schema = context.tx.schema().type_schema(&key.entity_type);
        let time_ms = row.fields.as_ref().and_then(|fields| schema.time_ms(fields));
        if only_followed && !scope.holds(key.entity_type.as_str(), time_ms, response.at) {
            continue;
        }
        pull::one_row(context, schedule, row, arrival)?;
        if range.is_none() {
            context.tx.end_wanted_key(&key, request)?;
        }
        came.push(key);
    }
    storage::note_accesses(context, schedule, &came, &BTreeSet::new(), 0)?;
    for key in &response.unknown {
        context.tx.end_wanted_key(key, request)?;
        if !is_older {
            // Whatever was given up here under this key is there no more.
            context.tx.remove_evicted_entity(key)?;
            feed::came_back(context, key)?;
        }
    }
    match (range, response.after) {
        (Some(range), _) if response.ranges_done > 0 => {
            context.tx.end_wanted_range(range.number)?;
            let times = (range.from_ms, range.to_ms);
            storage::fetched_range(context, &range.entity_type, times, response.at)?;
        }
        (Some(range), Some(after)) => {
            let text = serde_json::to_string(&after).unwrap_or_default();
            let rows = u64::try_from(count).unwrap_or(0);
            context.tx.advance_wanted_range(range.number, &text, rows)?;
        }
        _ => {}
    }
    context.tx.release_wanted(Some(request))?;
    context.tx.add_metric("rows_fetched", i64::try_from(count).unwrap_or(0))
}

/// The server will not read the request because of something in it: fewer entities are asked for
/// at once; what stands alone is refused and keeps the reason.
pub(crate) fn refused(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    request: RequestId,
    failure: &Failure,
) -> Result<(), StoreError> {
    let asked = context.tx.keys_asked_by(request)?.len();
    if asked > 1 {
        schedule.fetch_keys_max = Some(asked / 2);
        return context.tx.release_wanted(Some(request));
    }
    schedule.fetch_keys_max = None;
    if context.tx.range_asked_by(request)?.is_none() {
        return context.tx.refuse_wanted(request, &failure.message);
    }
    // A backend that gives no stretches of time is read from the beginning instead.
    context.tx.release_wanted(Some(request))?;
    let wanted = context.tx.wanted_ranges()?.into_iter();
    schedule.read_instead = wanted.map(|range| range.number).max();
    pull::read_again(context, schedule)
}

/// Everything was read from the beginning to its end: so were the stretches of time that the
/// backend did not give.
pub(crate) fn read_through(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    at: ServerTime,
) -> Result<(), StoreError> {
    let Some(last) = schedule.read_instead.take() else { return Ok(()) };
    let ranges = context.tx.wanted_ranges()?.into_iter();
    let came = |range: &WantedRange| range.number <= last && range.refused.is_none();
    for range in ranges.filter(came) {
        context.tx.end_wanted_range(range.number)?;
        let times = (range.from_ms, range.to_ms);
        storage::fetched_range(context, &range.entity_type, times, at)?;
    }
    schedule.fetch_wanted = true;
    context.noted.status = true;
    Ok(())
}
