//! The beginning and the end of a driver's life, and what is given up between them.

use clarity_store::StoreError;

use crate::context::Context;
use crate::schedule::{Direction, Schedule};
use crate::{contribute, held, lane, poison, storage};

/// Waits for no answer any more: what was on its way goes again, and what is answered all the same
/// is ignored.
pub(crate) fn give_up_requests(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
) -> Result<(), StoreError> {
    lane::release_all(context)?;
    held::forget(context, schedule)?;
    schedule.pull_wanted |= schedule.is_in_flight(Direction::Pull);
    schedule.fetch_wanted |= schedule.is_in_flight(Direction::Fetch);
    context.tx.release_wanted(None)?;
    schedule.in_flight.clear();
    Ok(())
}

/// The driver has stopped: nothing is on its way any more.
pub(crate) fn stopped(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
) -> Result<(), StoreError> {
    give_up_requests(context, schedule)?;
    schedule.refreshing = false;
    schedule.renewing_ahead = false;
    schedule.progress.over = true;
    context.noted.status = true;
    Ok(())
}

/// The driver begins: nothing is on its way any more.
pub(crate) fn started(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
) -> Result<(), StoreError> {
    stopped(context, schedule)?;
    storage::recall(context, schedule)?;
    context.tx.forget_refused_wishes()?;
    contribute::count(context, schedule)?;
    schedule.pull_wanted = true;
    schedule.fetch_wanted = true;
    schedule.sweeping = true;
    // A wait is not made longer by time that passed while nothing ran.
    schedule.tame_clock(context.now);
    poison::keep_waiting(context, schedule)?;
    Ok(())
}
