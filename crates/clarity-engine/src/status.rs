//! What an app shows of the sync: status, progress, and why something waits.

use clarity_model::LocalTime;
use clarity_store::{QueueCounts, StoreError, StoreTransaction};
use serde::{Deserialize, Serialize};

use crate::network::NetworkState;
use crate::progress::Progress;
use crate::schedule::{Pause, PauseInfo, Schedule, WhoActs};
use crate::scope;

/// The one word for where the sync stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum Flow {
    /// The server cannot be reached.
    Offline,
    /// Something is on its way.
    Syncing,
    /// Something waits.
    Pending,
    /// The server has acknowledged a pull with nothing more to read, and nothing waits.
    Synced,
}

/// What somebody should look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum Attention {
    /// The store is damaged.
    Damaged,
    /// The device's storage is full.
    StorageFull,
    /// A person must sign in.
    AuthRequired,
    /// The device or account was removed.
    AccessRemoved,
    /// The program must be updated.
    UpgradeRequired,
    /// Changes could not be sent.
    Failed,
    /// Entities were changed in two places.
    Conflicts,
    /// The network wants a sign-in of its own.
    CaptivePortal,
    /// The server's address is wrong.
    Config,
}

/// Why nothing moves although something waits (promise L3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Stalled {
    /// The named pause.
    pub why: Pause,
    /// Since when.
    pub since: LocalTime,
    /// Who must act.
    pub who_must_act: WhoActs,
    /// What happened, in words.
    pub message: String,
    /// When it is tried again by itself.
    pub next_attempt: Option<LocalTime>,
}

/// Where the sync stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Status {
    /// One word.
    pub flow: Flow,
    /// What somebody should look at, most urgent first.
    pub attention: Vec<Attention>,
    /// Operations that wait or are on their way.
    pub waiting: u64,
    /// Operations on their way.
    pub in_flight: u64,
    /// Operations that failed and wait for a person.
    pub failed: u64,
    /// Operations that are tried again later because the server fails on them.
    pub set_aside: u64,
    /// Open conflicts.
    pub conflicts: u64,
    /// Entities and stretches of time that are wanted from the server and have not come.
    #[serde(default)]
    pub wanted: u64,
    /// Why nothing moves.
    pub stalled: Option<Stalled>,
    /// Whether nothing is on its way and nothing could be sent or read now. Conflicts, failed
    /// operations and what waits behind them may remain.
    pub idle: bool,
    /// Whether something is being given up to make room.
    pub making_room: bool,
    /// Whether a first sync or a large catch-up is under way.
    pub catching_up: bool,
    /// How far the current run is.
    pub progress: Progress,
    /// When a request last succeeded.
    pub last_success: Option<LocalTime>,
    /// When a pull last reached the head of the account.
    pub last_pull: Option<LocalTime>,
    /// When the oldest waiting operation was made.
    pub oldest_waiting: Option<LocalTime>,
    /// What last went wrong.
    pub last_error: Option<String>,
    /// When that was.
    pub last_error_at: Option<LocalTime>,
    /// What the platform says of the network, and which networks may be used.
    pub network: NetworkState,
}

pub(crate) fn status(tx: &StoreTransaction<'_>, schedule: &Schedule) -> Result<Status, StoreError> {
    let counts = tx.queue_counts()?;
    let conflicts = tx.count_conflicts()?;
    // What is given back to a restored server waits as what was written here does.
    let given_back = if schedule.contributing { tx.count_lost()? } else { 0 };
    let waiting = counts.ready + counts.blocked + counts.in_flight + counts.set_aside + given_back;
    let (keys, ranges) = tx.count_wanted()?;
    let is_behind = tx.cursor_parts()?.iter().any(|part| !part.caught_up);
    let catching_up = is_behind || scope::is_unread(tx)?;
    let stalled = stalled(schedule);
    let unsent = waiting + counts.conflicted + counts.failed;
    Ok(Status {
        flow: flow(schedule, stalled.as_ref(), unsent, catching_up),
        attention: attention(schedule, &counts, conflicts),
        waiting,
        in_flight: counts.in_flight,
        failed: counts.failed,
        set_aside: counts.set_aside,
        conflicts,
        wanted: keys + ranges,
        stalled,
        idle: counts.ready + counts.in_flight == 0
            && !schedule.contributing
            && schedule.in_flight.is_empty()
            && !schedule.pull_wanted
            && !schedule.fetch_wanted
            && !schedule.sweeping
            && !schedule.making_room
            && !schedule.refreshing,
        making_room: schedule.making_room,
        catching_up,
        progress: schedule.progress,
        last_success: schedule.last_success,
        last_pull: schedule.last_pull,
        oldest_waiting: tx.oldest_waiting()?,
        last_error: schedule.last_error.clone(),
        last_error_at: schedule.last_error_at,
        network: schedule.network.state(),
    })
}

fn flow(schedule: &Schedule, stalled: Option<&Stalled>, unsent: u64, catching_up: bool) -> Flow {
    let offline = stalled.is_some_and(|stalled| {
        matches!(stalled.why, Pause::Offline | Pause::ServerUnreachable | Pause::CaptivePortal)
    });
    if offline {
        Flow::Offline
    } else if !schedule.in_flight.is_empty() {
        Flow::Syncing
    } else if unsent > 0
        || catching_up
        || schedule.pull_wanted
        || schedule.fetch_wanted
        || schedule.last_pull.is_none()
    {
        Flow::Pending
    } else {
        Flow::Synced
    }
}

fn attention(schedule: &Schedule, counts: &QueueCounts, conflicts: u64) -> Vec<Attention> {
    let paused = |pause: Pause| schedule.pauses.contains_key(&pause);
    [
        (paused(Pause::Damaged), Attention::Damaged),
        (paused(Pause::StorageFull), Attention::StorageFull),
        (paused(Pause::AuthRequired), Attention::AuthRequired),
        (paused(Pause::AccessRemoved), Attention::AccessRemoved),
        (paused(Pause::UpgradeRequired), Attention::UpgradeRequired),
        (counts.failed + counts.set_aside > 0, Attention::Failed),
        (conflicts > 0, Attention::Conflicts),
        (paused(Pause::CaptivePortal), Attention::CaptivePortal),
        (paused(Pause::Config), Attention::Config),
    ]
    .into_iter()
    .filter_map(|(is, attention)| is.then_some(attention))
    .collect()
}

/// The pause that holds things up, of those that count; one that only a person ends comes first.
pub(crate) fn stalling(
    schedule: &Schedule,
    counts: impl Fn(Pause) -> bool,
) -> Option<(Pause, &PauseInfo)> {
    let pauses = || schedule.pauses.iter().filter(|(pause, _)| counts(**pause));
    let holding = pauses().find(|(pause, _)| pause.holds());
    holding.or_else(|| pauses().next()).map(|(why, info)| (*why, info))
}

fn stalled(schedule: &Schedule) -> Option<Stalled> {
    let (why, info) = stalling(schedule, |_| true)?;
    Some(Stalled {
        why,
        since: info.since,
        who_must_act: why.who_acts(),
        message: info.message.clone(),
        next_attempt: if why.holds() { info.until } else { schedule.next_attempt },
    })
}
