//! Pull: what others changed goes in under the waiting local operations, together with the cursor.

use std::collections::BTreeSet;

use clarity_model::limits::ATOMIC_PULL_ROWS_MAX;
use clarity_model::{Counter, Fields, Kind, Outcome, ServerTime, Version};
use clarity_protocol::{
    Cursor, OperationAnswer, PullRequest, PullResponse, Row, SchemaStamp, Scope, SettledOperation,
    hash_operation,
};
use clarity_store::{
    ConfirmedEntity, CursorPart, Month, RowState, StoreError, StoreTransaction, StoredEntity,
};

use crate::context::Context;
use crate::schedule::Schedule;
use crate::settle::{keep_losses, keeps_entity, put_newer_confirmed, remove_carried, sent};
use crate::storage::{self, Arrival, StorageSettings};
use crate::{contribute, feed, identity, ids, lane, push, revert, scope, view};

/// The number of the one cursor that a device has: its scope says what it follows.
pub(crate) const WHOLE_ACCOUNT: u32 = 0;

/// Builds the request for the next page.
///
/// With `full_rows` the server is told that nothing is settled, so that it leaves no row short.
pub(crate) fn build(
    context: &mut Context<'_, '_>,
    full_rows: bool,
) -> Result<PullRequest, StoreError> {
    let part = part(context.tx)?;
    let settings = StorageSettings::of(context.tx)?;
    let settled_below = if full_rows { Counter(0) } else { push::settled_below(context)? };
    let scope: Scope = serde_json::from_str(&part.scope).unwrap_or_default();
    let cursor = stands_at(context, &part)?;
    let lost_epoch = contribute::lost_epoch(context)?.filter(|_| cursor.is_none());
    Ok(PullRequest {
        incarnation: context.tx.meta()?.incarnation,
        settled_below,
        schema: Some(SchemaStamp::of(context.tx.schema())),
        from_head: cursor.is_none() && !scope.types.is_empty() && !full_rows,
        scope,
        heard: identity::heard_beyond(context, cursor.as_ref())?,
        cursor,
        lost_epoch,
        rows_max: Some(settings.page_rows(context.tx.live_bytes()?)),
    })
}

/// What the device follows.
pub(crate) fn scope(tx: &StoreTransaction<'_>) -> Result<Scope, StoreError> {
    Ok(serde_json::from_str(&part(tx)?.scope).unwrap_or_default())
}

/// Whether the scope, or the place where reading stands, is another than when the pull was asked
/// that is answered now.
pub(crate) fn is_void(context: &Context<'_, '_>, schedule: &Schedule) -> Result<bool, StoreError> {
    let part = part(context.tx)?;
    let scope: Scope = serde_json::from_str(&part.scope).unwrap_or_default();
    Ok(scope != schedule.pull_scope || stands_at(context, &part)? != schedule.pull_cursor)
}

/// The cursor that the next page is asked from.
fn stands_at(context: &Context<'_, '_>, part: &CursorPart) -> Result<Option<Cursor>, StoreError> {
    Ok(staged_cursor(context)?.or(shown(part)))
}

/// How far what the device shows was read.
pub(crate) fn shown(part: &CursorPart) -> Option<Cursor> {
    part.cursor.as_deref().and_then(|cursor| serde_json::from_str(cursor).ok())
}

/// Reads everything in the scope again, in the log's order.
pub(crate) fn read_again(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
) -> Result<(), StoreError> {
    let mut part = part(context.tx)?;
    identity::hear_all_read(context, shown(&part).as_ref())?;
    part.cursor = None;
    part.caught_up = false;
    context.tx.clear_stage(part.part)?;
    context.tx.put_cursor_part(&part)?;
    schedule.full_rows = true;
    schedule.pull_wanted = true;
    Ok(())
}

/// The one part of the cursor.
pub(crate) fn part(tx: &StoreTransaction<'_>) -> Result<CursorPart, StoreError> {
    let mut parts = tx.cursor_parts()?.into_iter();
    Ok(parts.find(|part| part.part == WHOLE_ACCOUNT).unwrap_or_else(|| CursorPart {
        part: WHOLE_ACCOUNT,
        scope: serde_json::to_string(&Scope::default()).unwrap_or_default(),
        cursor: None,
        caught_up: false,
        pulled_at: None,
    }))
}

/// Pages that were read but not shown yet continue where the last of them ended.
fn staged_cursor(context: &Context<'_, '_>) -> Result<Option<Cursor>, StoreError> {
    let staged = context.tx.staged_pages(WHOLE_ACCOUNT)?;
    let last = staged.last().and_then(|page| serde_json::from_slice::<PullResponse>(page).ok());
    Ok(last.map(|page| page.cursor))
}

/// Whether a page that promises more leads on from where the reading stands.
pub(crate) fn advances(
    context: &Context<'_, '_>,
    response: &PullResponse,
) -> Result<bool, StoreError> {
    let from = stands_at(context, &part(context.tx)?)?;
    let stands = from.is_some_and(|from| {
        let moved = response.cursor.seq > from.seq || response.cursor.place != from.place;
        from.epoch == response.epoch && !moved
    });
    Ok(!response.more || !stands)
}

/// Takes in a page. Returns whether the head of the account was reached and shown.
///
/// Once a device is up to date, the pages of one pull show together, up to 10,000 rows; the first
/// sync and larger catch-ups show page by page.
pub(crate) fn page(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    response: PullResponse,
) -> Result<bool, StoreError> {
    if !identity::meet_epoch(context, response.epoch)? {
        identity::reset(context, schedule)?;
        return Ok(false);
    }
    contribute::begin(context, schedule, response.restored)?;
    let mut part = part(context.tx)?;
    let known = shown(&part);
    let behind =
        known.as_ref().map_or(u64::MAX, |known| response.head.0.saturating_sub(known.seq.0));
    let together = part.caught_up && behind <= ATOMIC_PULL_ROWS_MAX;
    let from = staged_cursor(context)?.or(known).map_or(0, |from| from.seq.0);
    schedule.progress.read(from, response.cursor.seq.0, response.head.0);
    schedule.pull_wanted |= response.more;
    if together && response.more {
        let bytes = serde_json::to_vec(&response)
            .map_err(|_| StoreError::NotJson { table: "pull_stage", column: "bytes" })?;
        context.tx.stage_page(WHOLE_ACCOUNT, &bytes)?;
        return Ok(false);
    }
    for staged in context.tx.staged_pages(WHOLE_ACCOUNT)? {
        let staged: PullResponse = serde_json::from_slice(&staged)
            .map_err(|_| StoreError::InvalidValue { table: "pull_stage", column: "bytes" })?;
        rows(context, schedule, (staged.rows, staged.at), false)?;
    }
    context.tx.clear_stage(WHOLE_ACCOUNT)?;
    rows(context, schedule, (response.rows, response.at), !part.caught_up)?;
    let catching_up = !part.caught_up;
    part.cursor = Some(serde_json::to_string(&response.cursor).unwrap_or_default());
    part.caught_up = !response.more && !schedule.rows_missing;
    part.pulled_at = Some(response.at);
    let missing = std::mem::take(&mut schedule.rows_missing);
    if missing {
        // The server believes that this device has rows which it does not: read all again.
        schedule.full_rows = true;
        schedule.pull_wanted = true;
        identity::hear_all_read(context, Some(&response.cursor))?;
        part.cursor = None;
    }
    context.tx.put_cursor_part(&part)?;
    let at_head = !response.more && !missing;
    if at_head && catching_up {
        storage::caught_up(context, response.at)?;
    }
    if at_head {
        schedule.resync = false;
        schedule.full_rows = false;
    }
    context.noted.status = true;
    Ok(at_head)
}

fn rows(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    (rows, at): (Vec<Row>, ServerTime),
    first: bool,
) -> Result<(), StoreError> {
    let count = i64::try_from(rows.len()).unwrap_or(0);
    let touched = context.noted.touched;
    let mut months = BTreeSet::new();
    for row in rows {
        let is_sample = || context.tx.schema().type_schema(&row.key.entity_type).window.is_some();
        if let Some(month) = Month::of_key(&row.key).filter(|_| is_sample()) {
            let entity_type = row.key.entity_type.clone();
            months.insert((entity_type, month));
        }
        let arrival = if first { Arrival::PulledFirst } else { Arrival::Pulled };
        one_row(context, schedule, row, arrival)?;
    }
    for (entity_type, month) in months {
        context.tx.touch_month(&entity_type, month, at)?;
    }
    let changed = context.noted.touched - touched;
    context.tx.add_metric("rows_changed", changed)?;
    context.tx.add_metric("rows_pulled", count)
}

/// In a first sync nearly every row is new: it is tried to be put in without a look. Gives the row
/// back when there is one already.
fn insert_new(
    context: &mut Context<'_, '_>,
    first: bool,
    row: Row,
) -> Result<Option<Row>, StoreError> {
    if !first || row.fields.is_none() {
        return Ok(Some(row));
    }
    let fields = row.fields.unwrap_or_default();
    let mut stored = StoredEntity {
        fields,
        version: row.version,
        seq: row.seq,
        updated_at: row.updated_at,
        state: RowState::Clean,
        import_id: None,
    };
    if context.tx.insert_entity(&row.key, &stored)? {
        context.noted.entity(&row.key);
        return Ok(None);
    }
    Ok(Some(Row { fields: Some(std::mem::take(&mut stored.fields)), ..row }))
}

/// Takes in a row.
pub(crate) fn one_row(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    row: Row,
    arrival: Arrival,
) -> Result<(), StoreError> {
    let row = own_operations(context, row)?;
    let row = under_present_key(context, row)?;
    if schedule.contributing && context.tx.lost_in(&row.key)?.is_some() {
        return beside_contribution(context, &row);
    }
    if row.outside {
        return scope::leave(context, &row);
    }
    let key = row.key.clone();
    let came_back = put_row(context, schedule, row, arrival)?;
    ids::correct(context, &key)?;
    if came_back {
        feed::came_back(context, &key)?;
    }
    Ok(())
}

/// A row of an entity that this device gives back: what it has contains all that the server has
/// kept, and the answer tells what the server has made of it since.
fn beside_contribution(context: &mut Context<'_, '_>, row: &Row) -> Result<(), StoreError> {
    if context.tx.lane(&row.key)?.is_empty() {
        return Ok(());
    }
    for settled in &row.operations {
        settle(context, settled, row.version)?;
    }
    lane::unblock(context, &row.key)?;
    view::refold(context, &row.key)
}

/// Leaves out the operations of a copy of this store, which counts on under the same numbers: what
/// the copy sent says nothing of what waits here, which finds out when it is sent itself.
fn own_operations(context: &Context<'_, '_>, mut row: Row) -> Result<Row, StoreError> {
    let mut own = Vec::with_capacity(row.operations.len());
    for settled in row.operations {
        let frozen = context.tx.frozen(settled.id)?;
        let is_other = frozen
            .zip(settled.hash)
            .is_some_and(|(frozen, hash)| hash != hash_operation(&frozen).into());
        if !is_other {
            own.push(settled);
        }
    }
    row.operations = own;
    Ok(row)
}

/// Whether a row tells of a version that is here too, and tells something else: the server was set
/// back to before what it had answered here, and has given the version to another change.
fn is_told_otherwise(row: &Row, known: Version, deleted: bool, fields: &Fields) -> bool {
    let differs = row.deleted != deleted || row.fields.as_ref().is_some_and(|told| told != fields);
    row.version == known && differs
}

/// A row under the key that its entity has here. A row that holds a create of this device under
/// another id tells which id the server gave.
fn under_present_key(context: &mut Context<'_, '_>, row: Row) -> Result<Row, StoreError> {
    for settled in &row.operations {
        let Some(operation) = sent(context, settled.id)? else { continue };
        let is_same = operation.key.entity_type == row.key.entity_type;
        let is_renamed = is_same && operation.key.id != row.key.id && settled.outcome.is_settled();
        if is_renamed && ids::was_create(context, &operation)? {
            ids::given(context, &operation.key, &row.key.id)?;
        }
    }
    if !context.tx.has_given_ids()? {
        return Ok(row);
    }
    Ok(Row { key: context.tx.present_key(&row.key)?, ..row })
}

/// Stores a row; whether something that was given up for space is here again.
fn put_row(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    row: Row,
    arrival: Arrival,
) -> Result<bool, StoreError> {
    let first = arrival != Arrival::Pulled;
    let away = storage::is_away(context.tx, &row.key)?;
    let row = if away { Some(row) } else { insert_new(context, first, row)? };
    let Some(row) = row else { return Ok(false) };
    let local = context.tx.entity(&row.key)?;
    let came_back = away && local.is_none();
    if came_back {
        let resync = schedule.resync;
        if !storage::arrives(context, &row, arrival, resync)? {
            context.noted.entity(&row.key);
            return Ok(false);
        }
    }
    let waiting = local.as_ref().is_some_and(|local| local.state.is_pending());
    if waiting {
        under_waiting(context, schedule, row, local)?;
        return Ok(false);
    }
    let known = local.as_ref().map(|local| local.version).unwrap_or(Version(0));
    if row.fields.is_none() && !row.deleted {
        schedule.rows_missing |= row.version > known;
        context.tx.set_entity_seq(&row.key, row.seq)?;
        return Ok(false);
    }
    let is_new = row.version > known
        || schedule.resync
        || local.as_ref().is_some_and(|local| {
            let deleted = local.state == RowState::Deleted;
            is_told_otherwise(&row, known, deleted, &local.fields)
        });
    if !is_new {
        if row.version == known {
            context.tx.set_entity_seq(&row.key, row.seq)?;
        }
        return Ok(false);
    }
    let import_id = local.and_then(|local| local.import_id);
    let stored = StoredEntity {
        state: if row.deleted { RowState::Deleted } else { RowState::Clean },
        fields: row.fields.unwrap_or_default(),
        version: row.version,
        seq: row.seq,
        updated_at: row.updated_at,
        import_id,
    };
    context.tx.put_entity(&row.key, &stored)?;
    context.noted.entity(&row.key);
    Ok(came_back)
}

/// A row under waiting operations: those that it contains are settled in the same step in which
/// confirmed moves, and the others are folded on top (promise I8).
fn under_waiting(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    row: Row,
    local: Option<StoredEntity>,
) -> Result<(), StoreError> {
    let lane = context.tx.lane(&row.key)?;
    view::materialise_create(context, &lane, local.as_ref())?;
    let before = context.tx.confirmed(&row.key)?;
    let known = before.as_ref().map(|before| before.version).unwrap_or(Version(0));
    let stub = row.fields.is_none() && !row.deleted;
    let read_back = before.as_ref().filter(|before| before.version == row.version);
    if let Some(before) = read_back.filter(|before| before.seq != row.seq) {
        context.tx.put_confirmed(&row.key, &ConfirmedEntity { seq: row.seq, ..before.clone() })?;
    }
    if stub {
        schedule.rows_missing |= row.version > known;
        return Ok(());
    }
    let is_otherwise = before
        .as_ref()
        .is_some_and(|before| is_told_otherwise(&row, known, before.deleted, &before.fields));
    if row.version > known || schedule.resync || is_otherwise {
        let last = || before.map(|before| before.fields).unwrap_or_else(Fields::new);
        let confirmed = ConfirmedEntity {
            deleted: row.deleted,
            fields: row.fields.unwrap_or_else(last),
            version: row.version,
            seq: row.seq,
            updated_at: row.updated_at,
        };
        if schedule.resync || is_otherwise {
            context.tx.put_confirmed(&row.key, &confirmed)?;
        } else {
            put_newer_confirmed(context, &row.key, confirmed)?;
        }
    }
    for settled in &row.operations {
        settle(context, settled, row.version)?;
    }
    lane::unblock(context, &row.key)?;
    view::refold(context, &row.key)
}

/// An operation whose answer was lost, or is still on its way, is part of a row.
fn settle(
    context: &mut Context<'_, '_>,
    settled: &SettledOperation,
    version: Version,
) -> Result<(), StoreError> {
    let Some(operation) = context.tx.operation(settled.id)? else { return Ok(()) };
    let sent = operation.first_sent_at.is_some() && operation.carrier == Some(settled.id);
    let incarnation = context.tx.meta()?.incarnation;
    if !sent || !settled.outcome.is_settled() || operation.incarnation != incarnation {
        return Ok(());
    }
    if operation.kind == Kind::Create {
        ids::kept(context, &operation.key)?;
    }
    let answer = answer_of(settled, version);
    keep_losses(context, &operation, &answer)?;
    let carried = context.tx.carried_by(settled.id)?;
    remove_carried(context, &operation, &carried, &answer)?;
    revert::settled(context, &carried, keeps_entity(&operation, answer.outcome))
}

fn answer_of(settled: &SettledOperation, version: Version) -> OperationAnswer {
    let outcome: Outcome = settled.outcome;
    OperationAnswer {
        id: settled.id,
        outcome,
        entity_id: None,
        version: Some(version),
        entity: None,
        fields: std::collections::BTreeMap::new(),
        rejection: None,
        blocked_by: None,
    }
}
