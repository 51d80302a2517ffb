//! After a server was restored from a backup: what it has lost and this device has goes back to it
//! before anything that waits (promise I13).
//!
//! ```text
//!  410 ──▶ which life was lost ──first page of everything──▶ marks in the store ──at the head──▶
//!  contributions, some at a time ──answers──▶ no marks left ──▶ what waits here
//! ```
//!
//! A marked entity stays as it is while everything is read again: what the server tells of it is
//! older, or is judged by the server when it gets what this device has. So nobody sees an entity go
//! back and come again. Where the server has gone on with an entity by itself, its state stands and
//! what this device had is kept in the history.

use clarity_model::{EntityKey, Epoch, Fields, Kind, Seq, Version, limits};
use clarity_protocol::{
    ContributedEntity, Contribution, ContributionAnswer, ContributionOutcome, PushRequest,
    PushResponse, Restored, Row, SchemaStamp,
};
use clarity_store::{ConfirmedEntity, RowState, StoreError, StoredEntity};

use crate::conflict::differences;
use crate::context::Context;
use crate::event::{Effect, Request};
use crate::fetch::{self, Wanted};
use crate::history::{HistoryCause, Lost, remember};
use crate::schedule::{Direction, InFlight, Schedule};
use crate::storage::Arrival;
use crate::{identity, pull, push};

/// Where the life of the server's database is kept that was left and not asked about yet.
const LOST_EPOCH: &str = "lost_epoch";

/// The life of the server's database that has ended, as long as the server has not said where.
pub(crate) fn lost_epoch(context: &Context<'_, '_>) -> Result<Option<Epoch>, StoreError> {
    context.tx.state(LOST_EPOCH)
}

/// The server has begun another life. What was read of the one before counts in that one, also
/// when a third begins before the second was heard of.
pub(crate) fn leave(context: &mut Context<'_, '_>) -> Result<(), StoreError> {
    match (lost_epoch(context)?, context.tx.meta()?.epoch) {
        (None, Some(epoch)) => context.tx.put_state(LOST_EPOCH, &epoch),
        _ => Ok(()),
    }
}

/// The first page has come of the reading after a reset: marks what the server has lost. A server
/// that takes no contributions does not say where it was set back to.
pub(crate) fn begin(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    restored: Option<Restored>,
) -> Result<(), StoreError> {
    let Some(epoch) = lost_epoch(context)? else { return Ok(()) };
    context.tx.remove_state(LOST_EPOCH)?;
    if let Some(restored) = restored {
        context.tx.mark_lost(epoch, restored.head)?;
    }
    count(context, schedule)
}

/// Takes note whether anything is marked.
pub(crate) fn count(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
) -> Result<(), StoreError> {
    schedule.contributing = context.tx.count_lost()? > 0;
    context.noted.status = true;
    Ok(())
}

/// Gives back some of what the server has lost, unless something is being pushed. What waits here
/// goes when all of it is back.
pub(crate) fn send(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    stamp: &SchemaStamp,
    effects: &mut Vec<Effect>,
) -> Result<bool, StoreError> {
    if schedule.resync || schedule.is_in_flight(Direction::Push) {
        return Ok(false);
    }
    let Some(built) = build(context, schedule, stamp)? else { return Ok(false) };
    let request = schedule.allocate();
    schedule.in_flight.push(InFlight {
        id: request,
        push: true,
        fetch: false,
        token: schedule.token,
        suspect: None,
        contributes: true,
    });
    schedule.progress.begin(context.now);
    effects.push(Effect::Send { request, body: Request::Push(built) });
    context.noted.status = true;
    Ok(true)
}

/// Why an answer is none to what was given back, if so. One of another life says so by itself.
pub(crate) fn no_answer(
    context: &Context<'_, '_>,
    response: &PushResponse,
) -> Result<Option<&'static str>, StoreError> {
    let words = "the server's answer does not say what became of what it had lost";
    let is_of_this = context.tx.meta()?.epoch.is_none_or(|epoch| epoch == response.epoch);
    Ok((is_of_this && response.contributed.is_empty()).then_some(words))
}

/// The next request that gives back what is marked; nothing when nothing is left.
fn build(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    stamp: &SchemaStamp,
) -> Result<Option<PushRequest>, StoreError> {
    let at_once = schedule.contributions_max.unwrap_or(limits::PUSH_OPERATIONS_MAX);
    let mut contribution: Option<Contribution> = None;
    let mut bytes = 0;
    for (key, epoch) in context.tx.lost_entities(at_once)? {
        let Some((version, fields)) = confirmed(context, &key)? else {
            // It is not here any more, or was never told by a server.
            context.tx.end_lost(&key)?;
            continue;
        };
        let built = contribution.get_or_insert(Contribution { epoch, entities: Vec::new() });
        bytes += fields.as_ref().map_or(0, |fields| fields.to_canonical_json().len());
        let is_full = bytes > limits::PUSH_BYTES_MAX && !built.entities.is_empty();
        if built.epoch != epoch || is_full {
            break;
        }
        built.entities.push(ContributedEntity { key, version, fields });
    }
    if contribution.is_none() {
        count(context, schedule)?;
        return Ok(None);
    }
    let meta = context.tx.meta()?;
    Ok(Some(PushRequest {
        incarnation: meta.incarnation,
        epoch: meta.epoch,
        heard: identity::heard(context)?,
        settled_below: push::settled_below(context)?,
        schema: stamp.clone(),
        foreign_bases: Vec::new(),
        contribution,
        operations: Vec::new(),
    }))
}

/// What the server last told of an entity: its version, and its fields unless it is deleted.
fn confirmed(
    context: &Context<'_, '_>,
    key: &EntityKey,
) -> Result<Option<(Version, Option<Fields>)>, StoreError> {
    if let Some(there) = context.tx.confirmed(key)? {
        return Ok(Some((there.version, (!there.deleted).then_some(there.fields))));
    }
    let Some(row) = context.tx.entity(key)? else { return Ok(None) };
    Ok(match row.state {
        _ if row.version == Version(0) => None,
        RowState::Clean => Some((row.version, Some(row.fields))),
        RowState::Deleted => Some((row.version, None)),
        RowState::Pending | RowState::PendingDelete => None,
    })
}

/// Takes in what became of contributions.
pub(crate) fn answered(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    answers: Vec<ContributionAnswer>,
) -> Result<(), StoreError> {
    if answers.is_empty() {
        return Ok(());
    }
    let read = pull::shown(&pull::part(context.tx)?).map(|cursor| cursor.seq);
    for ContributionAnswer { outcome, row } in answers {
        if !context.tx.end_lost(&row.key)? {
            continue;
        }
        let Some((_, had)) = confirmed(context, &row.key)? else { continue };
        if outcome == ContributionOutcome::Superseded {
            let lost = lost(had.as_ref(), row.fields.as_ref());
            remember(context, &row.key, None, HistoryCause::Superseded, &lost)?;
        }
        let is_said = row.fields.is_none() && row.deleted == had.is_none();
        let is_read = read >= Some(row.seq);
        if row.version > Version(0) && read > Some(row.seq) {
            // A page that was read since may have told something newer, under a version that
            // counted as older than the lost one.
            fetch::want(context, &Wanted::Key(row.key.clone()))?;
        }
        forget_version(context, &row.key)?;
        if row.version == Version(0) {
            unsayable(context, &row.key)?;
        } else if is_said {
            let row = Row { fields: had, ..row };
            pull::one_row(context, schedule, row, Arrival::Fetched)?;
        } else if is_read {
            // What comes after the cursor shows with the rows that come before it.
            pull::one_row(context, schedule, row, Arrival::Fetched)?;
        }
    }
    schedule.contributions_max = None;
    count(context, schedule)?;
    schedule.pull_wanted |= !schedule.contributing;
    Ok(())
}

/// What this device had, as a change of what the server has.
fn lost(had: Option<&Fields>, stands: Option<&Fields>) -> Lost {
    match (had, stands) {
        (Some(had), Some(stands)) => {
            Lost::of_operation(Kind::Update, &differences(Some(stands), Some(had)))
        }
        (Some(had), None) => Lost::entity(had),
        (None, _) => Lost::deletion(),
    }
}

/// The server has nothing of an entity, and cannot take what was here.
fn unsayable(context: &mut Context<'_, '_>, key: &EntityKey) -> Result<(), StoreError> {
    if context.tx.lane(key)?.is_empty() {
        context.tx.remove_entity(key)?;
        context.noted.entity(key);
    }
    Ok(())
}

/// What is known of an entity counts versions of a lost history: whatever the server tells of it is
/// newer.
fn forget_version(context: &mut Context<'_, '_>, key: &EntityKey) -> Result<(), StoreError> {
    context.noted.entity(key);
    if let Some(there) = context.tx.confirmed(key)? {
        let none = ConfirmedEntity { version: Version(0), seq: Seq(0), ..there };
        return context.tx.put_confirmed(key, &none);
    }
    match context.tx.entity(key)? {
        Some(there) => {
            let none = StoredEntity { version: Version(0), seq: Seq(0), ..there };
            context.tx.put_entity(key, &none)
        }
        None => Ok(()),
    }
}

/// The server will not take a contribution: fewer go at once; what stands alone is left to what the
/// server has, and kept in the history.
pub(crate) fn refused(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    in_flight: &InFlight,
) -> Result<(), StoreError> {
    if !in_flight.contributes {
        return Ok(());
    }
    let asked = context.tx.lost_entities(limits::PUSH_OPERATIONS_MAX)?;
    let at_once = schedule.contributions_max.unwrap_or(asked.len()).min(asked.len());
    if at_once > 1 {
        schedule.contributions_max = Some(at_once / 2);
        return Ok(());
    }
    for (key, _) in asked.into_iter().take(1) {
        context.tx.end_lost(&key)?;
        let Some((_, had)) = confirmed(context, &key)? else { continue };
        let lost = lost(had.as_ref(), None);
        remember(context, &key, None, HistoryCause::Superseded, &lost)?;
        forget_version(context, &key)?;
        unsayable(context, &key)?;
        // What the server has of it was passed over, and is read again with everything.
        schedule.rows_missing = true;
        schedule.pull_wanted = true;
    }
    schedule.contributions_max = None;
    count(context, schedule)
}
