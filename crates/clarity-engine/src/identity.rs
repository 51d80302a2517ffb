//! What happens when this store turns out to be a copy of another, or the server of itself.

use clarity_model::{Counter, Epoch, Incarnation};
use clarity_protocol::{Cursor, LogMark};
use clarity_store::{QueuedOperation, StoreError};

use crate::context::Context;
use crate::schedule::Schedule;
use crate::{contribute, lifecycle, pull};

/// The server knows this operation's id with other bytes: this store was copied. It takes a new
/// incarnation, and everything that was never sent, and this operation, travels under it.
pub(crate) fn renumber(
    context: &mut Context<'_, '_>,
    operation: &QueuedOperation,
) -> Result<(), StoreError> {
    if context.tx.meta()?.incarnation == operation.incarnation {
        let fresh = Incarnation(context.entropy.next_u128());
        context.tx.new_incarnation(fresh, context.now)?;
        context.tx.reidentify_unsent()?;
    }
    for counter in context.tx.carried_by(operation.counter)? {
        context.tx.thaw(counter)?;
    }
    context.noted.status = true;
    Ok(())
}

/// Where the number is kept below which bytes may have been frozen in another history.
const FOREIGN_BASES_BELOW: &str = "foreign_bases_below";

/// Below this number, what was sent before may name a base that counts versions of a history which
/// the server does not have any more.
pub(crate) fn foreign_bases_below(context: &Context<'_, '_>) -> Result<Counter, StoreError> {
    Ok(context.tx.state(FOREIGN_BASES_BELOW)?.unwrap_or_default())
}

/// Where the furthest position is kept that the server has named and that the cursor does not.
const HEARD: &str = "heard";

/// The server has named a position.
///
/// What was acknowledged or fetched, and is not read back, lies beyond the cursor. A server that is
/// set back in silence to between the two would be believed, and give the version of what the
/// device has out once more, for other content.
pub(crate) fn hear(
    context: &mut Context<'_, '_>,
    named: Option<LogMark>,
) -> Result<(), StoreError> {
    let Some(named) = named else { return Ok(()) };
    let before: Option<LogMark> = context.tx.state(HEARD)?;
    if before.is_some_and(|before| before.seq >= named.seq) {
        return Ok(());
    }
    context.tx.put_state(HEARD, &named)
}

/// A cursor is about to be forgotten, and what was read is not.
pub(crate) fn hear_all_read(
    context: &mut Context<'_, '_>,
    cursor: Option<&Cursor>,
) -> Result<(), StoreError> {
    hear(context, cursor.filter(|cursor| cursor.place.is_none()).map(Cursor::mark))
}

/// The furthest position that the server has named, unless a cursor lies as far.
pub(crate) fn heard_beyond(
    context: &Context<'_, '_>,
    cursor: Option<&Cursor>,
) -> Result<Option<LogMark>, StoreError> {
    let heard: Option<LogMark> = context.tx.state(HEARD)?;
    Ok(heard.filter(|heard| cursor.is_none_or(|cursor| cursor.seq < heard.seq)))
}

/// The furthest position that the server has named to this device.
pub(crate) fn heard(context: &Context<'_, '_>) -> Result<Option<LogMark>, StoreError> {
    let cursor = pull::shown(&pull::part(context.tx)?);
    let read = cursor.as_ref().filter(|cursor| cursor.place.is_none()).map(Cursor::mark);
    Ok(heard_beyond(context, cursor.as_ref())?.or(read))
}

/// The server's database began a new life: everything is read again before anything is sent, and
/// what waits here keeps waiting. What was sent keeps its bytes, and goes on as something whose
/// base is not known there.
pub(crate) fn reset(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
) -> Result<(), StoreError> {
    contribute::leave(context)?;
    context.tx.set_epoch(None)?;
    context.tx.remove_state(HEARD)?;
    let next = context.tx.next_counter()?;
    context.tx.put_state(FOREIGN_BASES_BELOW, &next)?;
    // What is still on its way was asked of the history that is lost, or without asking what was
    // lost: no answer to it may be believed.
    lifecycle::give_up_requests(context, schedule)?;
    for mut part in context.tx.cursor_parts()? {
        context.tx.clear_stage(part.part)?;
        part.cursor = None;
        part.caught_up = false;
        context.tx.put_cursor_part(&part)?;
    }
    // Everything is read once more: another run with its own figures.
    schedule.progress.over = true;
    schedule.resync = true;
    schedule.full_rows = true;
    schedule.pull_wanted = true;
    context.noted.status = true;
    Ok(())
}

/// Takes note of the server's epoch. Returns whether it is the one that was known, or the first.
pub(crate) fn meet_epoch(context: &mut Context<'_, '_>, epoch: Epoch) -> Result<bool, StoreError> {
    match context.tx.meta()?.epoch {
        Some(known) => Ok(known == epoch),
        None => {
            context.tx.set_epoch(Some(epoch))?;
            Ok(true)
        }
    }
}
