//! What the platform says of the network. It decides when to try, and never what is true: that the
//! server can be reached is known by an answer, and that it cannot, by none.

use clarity_model::LocalTime;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::schedule::{BACKOFF_CAP_MS, Pause, Schedule};

/// How soon after the last one a network that came up causes another attempt, in milliseconds. One
/// that comes and goes faster causes one attempt at the end of this time.
pub const NETWORK_DEBOUNCE_MS: i64 = 10_000;
/// How long a person's wish to synchronise now goes over a metered network at most, in
/// milliseconds: 5 minutes.
pub const METERED_WISH_MS: i64 = 5 * 60 * 1_000;

/// Over which networks a device synchronises by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum NetworkPolicy {
    /// Over any.
    #[default]
    Any,
    /// Only over those that do not cost by volume; over others when a person asks.
    UnmeteredOnly,
}

/// What is believed of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct NetworkState {
    /// Whether the platform says that there is one; nothing when it has not said anything.
    pub online: Option<bool>,
    /// Whether it costs by volume, as far as the platform said.
    pub metered: bool,
    /// Over which networks this device synchronises by itself.
    pub policy: NetworkPolicy,
}

/// What is kept of the network.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Network {
    pub(crate) online: Option<bool>,
    pub(crate) metered: bool,
    pub(crate) policy: NetworkPolicy,
    /// When the network last came up in a way that caused an attempt.
    acted_at: Option<LocalTime>,
    /// When the network that came up too soon after that causes one.
    act_at: Option<LocalTime>,
    /// Until when a person's wish goes over a metered network.
    wish_until: Option<LocalTime>,
}

impl Network {
    pub(crate) fn state(&self) -> NetworkState {
        NetworkState { online: self.online, metered: self.metered, policy: self.policy }
    }

    fn waits_for_another(&self) -> bool {
        self.metered && self.policy == NetworkPolicy::UnmeteredOnly
    }

    pub(crate) fn tame_clock(&mut self, now: LocalTime) {
        self.acted_at = self.acted_at.filter(|at| *at <= now);
        self.act_at = self.act_at.map(|at| at.min(now.plus_ms(NETWORK_DEBOUNCE_MS)));
        self.wish_until = self.wish_until.map(|at| at.min(now.plus_ms(METERED_WISH_MS)));
    }

    /// Whether it last came up, in a way that caused an attempt, at most so long ago.
    pub(crate) fn came_up_within(&self, length_ms: i64, now: LocalTime) -> bool {
        self.acted_at.is_some_and(|at| (0..length_ms).contains(&now.since_ms(at)))
    }

    pub(crate) fn wake_at(&self) -> Option<LocalTime> {
        [self.act_at, self.wish_until].into_iter().flatten().min()
    }
}

/// The platform believes that the network came or went.
pub(crate) fn changed(context: &mut Context<'_, '_>, schedule: &mut Schedule, online: bool) {
    let now = context.now;
    let before = schedule.network.online.replace(online);
    context.noted.status = true;
    if online {
        schedule.network.tame_clock(now);
        match schedule.network.acted_at {
            Some(at) if now.since_ms(at) < NETWORK_DEBOUNCE_MS => {
                schedule.network.act_at = Some(at.plus_ms(NETWORK_DEBOUNCE_MS));
            }
            _ => came_up(schedule, now),
        }
        return;
    }
    schedule.network.act_at = None;
    if before == Some(false) && schedule.pauses.contains_key(&Pause::Offline) {
        return;
    }
    // What is on its way may succeed all the same, and ends this. Otherwise it is looked for
    // rarely: the platform says when there is a network again, and if it forgets, promise L1 holds.
    let message = "there is no network";
    let wait = BACKOFF_CAP_MS / 2 + context.entropy.below(BACKOFF_CAP_MS / 2);
    let wait_ms = i64::try_from(wait).unwrap_or(i64::MAX);
    schedule.failing_since.get_or_insert(now);
    schedule.failing = None;
    schedule.other_works = false;
    // A server that asked to wait longer is not asked sooner for this.
    let waits_longer = schedule.next_attempt.is_some_and(|at| at > now.plus_ms(wait_ms));
    if !waits_longer {
        schedule.next_attempt = Some(now.plus_ms(wait_ms));
        schedule.wait_ms = wait_ms;
    }
    schedule.last_error = Some(message.to_owned());
    schedule.last_error_at = Some(now);
    schedule.pauses.retain(|pause, _| pause.outlasts_success());
    schedule.pause(Pause::Offline, now, message);
}

/// What a person or the platform says of the network's cost.
pub(crate) fn choose(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    say: impl FnOnce(&mut Network),
) {
    say(&mut schedule.network);
    settle(schedule, context.now);
    context.noted.status = true;
}

/// The network is there: worth an attempt.
fn came_up(schedule: &mut Schedule, now: LocalTime) {
    schedule.network.acted_at = Some(now);
    schedule.network.act_at = None;
    schedule.pull_wanted = true;
    schedule.hurry(now);
    if schedule.pauses.remove(&Pause::Offline).is_some() {
        // Until the attempt has shown something, and when there is none left in this hour.
        schedule.pause(Pause::Backoff, now, "the network is back; the server is tried again");
    }
}

/// Ends what time has ended, and pauses or not as the network now is.
pub(crate) fn wake(schedule: &mut Schedule, now: LocalTime) {
    if schedule.network.act_at.is_some_and(|at| at <= now) {
        came_up(schedule, now);
    }
    settle(schedule, now);
}

/// Pauses, or not, as the network now is.
pub(crate) fn settle(schedule: &mut Schedule, now: LocalTime) {
    let network = &mut schedule.network;
    network.wish_until = network.wish_until.filter(|at| *at > now && network.metered);
    if network.waits_for_another() && network.wish_until.is_none() {
        let words = "the network is metered, and this device waits for another one; \
                     synchronise by hand to use it all the same";
        schedule.pause(Pause::Metered, now, words);
    } else {
        schedule.pauses.remove(&Pause::Metered);
    }
}

/// A person asks to synchronise now, over whatever network there is.
pub(crate) fn wish(schedule: &mut Schedule, now: LocalTime) {
    if schedule.network.waits_for_another() {
        schedule.network.wish_until = Some(now.plus_ms(METERED_WISH_MS));
        settle(schedule, now);
    }
}

/// A wish that has come true is over.
pub(crate) fn end_wish(schedule: &mut Schedule, now: LocalTime) {
    let busy = !schedule.in_flight.is_empty()
        || schedule.refreshing
        || schedule.pull_wanted
        || schedule.failing_since.is_some();
    if schedule.network.wish_until.is_some() && !busy {
        schedule.network.wish_until = None;
        settle(schedule, now);
    }
}
