//! The hard limit: when the disk is nearly full, or the store as large as it may be, new changes
//! are refused in words and nothing is read, until there is room again. What waits goes out
//! meanwhile, because that makes room.

use clarity_store::{StoreError, StoreTransaction};

use super::StorageSettings;
use crate::context::Context;
use crate::event::Write;
use crate::schedule::{Pause, Schedule};

/// The name under which the store notes that it takes no new changes.
const FULL: &str = "storage_full";
/// How long a store that was full is left alone where nobody can say how much is free, in
/// milliseconds.
const BLIND_RETRY_MS: i64 = 60_000;
/// Room is taken for room again only when there is a twentieth more of it than needed.
const MARGIN: u64 = 20;

/// Whether the store takes no new changes.
pub(crate) fn is_full(tx: &StoreTransaction<'_>) -> Result<bool, StoreError> {
    Ok(tx.state::<bool>(FULL)?.unwrap_or_default())
}

/// Whether a write would make the store larger for long. What takes something back or settles it
/// goes on.
pub(crate) fn refuses(write: &Write) -> bool {
    match write {
        Write::Create { .. } | Write::Update { .. } | Write::Import { .. } => true,
        Write::MergeExport { .. } => true,
        Write::Batch { writes, .. } => writes.iter().any(refuses),
        _ => false,
    }
}

/// Somebody looked how much of the disk is free.
pub(crate) fn disk(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    free_bytes: Option<u64>,
) -> Result<(), StoreError> {
    let settings = StorageSettings::of(context.tx)?;
    let pause = schedule.pauses.get(&Pause::StorageFull);
    // Another process may have noticed it.
    let full = pause.is_some() || is_full(context.tx)?;
    let margin = |bytes: u64| if full { bytes / MARGIN } else { 0 };
    let free_min = settings.free_disk_min_bytes;
    let no_disk = free_bytes.is_some_and(|free| free < free_min.saturating_add(margin(free_min)));
    let too_large = match settings.store_bytes_max {
        Some(most) => context.tx.live_bytes()? > most - margin(most),
        None => false,
    };
    let blind = free_bytes.is_none()
        && pause
            .is_some_and(|pause| (0..BLIND_RETRY_MS).contains(&context.now.since_ms(pause.since)));
    if no_disk {
        let message = format!(
            "the disk has less than {} MB left; free some space, and it goes on by itself",
            free_min / 1_000_000
        );
        fill(context, schedule, &message)
    } else if too_large {
        let message = "the store is as large as it may be; connect to send what waits, or raise \
                       its limit";
        fill(context, schedule, message)
    } else if full && !blind {
        schedule.pauses.remove(&Pause::StorageFull);
        schedule.pull_wanted = true;
        schedule.hurry(context.now);
        context.tx.remove_state(FULL)?;
        context.noted.status = true;
        Ok(())
    } else {
        Ok(())
    }
}

/// Takes over what another process noticed while this one did not drain.
pub(crate) fn recall(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
) -> Result<(), StoreError> {
    if is_full(context.tx)? {
        schedule.pause(Pause::StorageFull, context.now, "there is no room on the disk");
    } else {
        schedule.pauses.remove(&Pause::StorageFull);
    }
    Ok(())
}

/// A transaction failed because there was no space.
pub(crate) fn store_was_full(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
) -> Result<(), StoreError> {
    fill(context, schedule, "there is no space left for the store; free some space")
}

fn fill(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    message: &str,
) -> Result<(), StoreError> {
    let known = schedule.pauses.contains_key(&Pause::StorageFull);
    if known && is_full(context.tx)? {
        return Ok(());
    }
    schedule.pause(Pause::StorageFull, context.now, message);
    context.tx.put_state(FULL, &true)?;
    context.noted.status = true;
    Ok(())
}
