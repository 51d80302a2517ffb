//! When the engine sends, and why it does not: kept in the store, so that a restart forgets
//! nothing.
//!
//! ```text
//!            any success                    failure
//!   ┌────────────────────────── flowing ───────────────┐
//!   │                              ▲                   ▼
//!   │ up to 3 requests at once     └──── success ── failing: one probe at a time,
//!   └──────────────────────────────────────────────  each after a backoff
//!      a named pause stops both; a timer, an event or a person wakes it (promise L3)
//! ```

use std::collections::BTreeMap;

use clarity_model::{Counter, LocalTime};
use clarity_protocol::{Cursor, Failure, FailureClass, Scope};
use clarity_store::RequestId;
use serde::{Deserialize, Serialize};

use crate::context::Entropy;
use crate::network::Network;
use crate::progress::Progress;
use crate::scope::SWEEP_PAUSE_MS;

/// Backoff before the first retry, in milliseconds.
pub const BACKOFF_BASE_MS: u64 = 500;
/// Longest backoff while failing for less than [`BACKOFF_EARLY_MS`], in milliseconds.
pub const BACKOFF_EARLY_CAP_MS: u64 = 8_000;
/// How long a failure is taken for a short one, in milliseconds.
pub const BACKOFF_EARLY_MS: i64 = 90_000;
/// Longest backoff, in milliseconds: shorter than the 5 minutes of promise L1.
pub const BACKOFF_CAP_MS: u64 = 240_000;
/// Most attempts in a rolling hour while failing (promise L2).
pub const ATTEMPTS_PER_HOUR_MAX: usize = 60;
/// Longest time between two pulls while nothing fails, in milliseconds: 15 minutes.
pub const PULL_INTERVAL_MS: u64 = 15 * 60 * 1_000;
/// Most attempts in a rolling hour that may be made sooner than the backoff says, because something
/// happened. Together with those that the backoff itself makes they stay below
/// [`ATTEMPTS_PER_HOUR_MAX`], so that the next attempt is always near.
const HURRIED_ATTEMPTS_MAX: usize = 30;
/// Most refusals of what requests carry, without a success in between, that halving goes on from at
/// once: three times what it takes to find one operation among the most that one request carries.
const REFUSED_IN_A_ROW_MAX: usize = 30;
/// Most failures that are taken for short ones, however fast they follow each other.
const EARLY_FAILURES_MAX: u32 = 24;
/// Most requests in flight at once.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 3;
/// The longest wait of an operation that was set aside, in milliseconds: 6 hours.
pub const SET_ASIDE_RETRY_MS: i64 = 6 * 60 * 60 * 1_000;
/// How soon an operation that was set aside is tried again the first time, in milliseconds; each
/// further time waits four times as long, up to [`SET_ASIDE_RETRY_MS`].
pub const SET_ASIDE_FIRST_RETRY_MS: i64 = 60 * 1_000;
/// After how many failures of its own, while others succeed, a single operation is set aside.
pub const SET_ASIDE_FAILURES: u32 = 3;

const HOUR_MS: i64 = 60 * 60 * 1_000;
/// The longest wait that a server may ask for, in milliseconds.
const RETRY_AFTER_CAP_MS: u64 = 60 * 60 * 1_000;

/// Why nothing is sent although something waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum Pause {
    /// The platform says that there is no network.
    Offline,
    /// The server does not answer, or its connection is not secure.
    ServerUnreachable,
    /// The network wants a sign-in of its own.
    CaptivePortal,
    /// A person must sign in.
    AuthRequired,
    /// The device or account was removed.
    AccessRemoved,
    /// The program must be updated.
    UpgradeRequired,
    /// The server's address is wrong.
    Config,
    /// The device's storage is full.
    StorageFull,
    /// The store is damaged.
    Damaged,
    /// A person paused it.
    UserPaused,
    /// The network is metered and the person wants to wait.
    Metered,
    /// The server asked to wait, or failed.
    Backoff,
}

/// Who can end a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum WhoActs {
    /// Nobody needs to: it is tried again.
    Nobody,
    /// The person who uses the app.
    Person,
    /// The app's developer or the server's operator.
    Operator,
}

impl Pause {
    /// Who must do something about it.
    #[must_use]
    pub fn who_acts(self) -> WhoActs {
        match self {
            Self::Offline | Self::ServerUnreachable | Self::Backoff => WhoActs::Nobody,
            Self::Config => WhoActs::Operator,
            _ => WhoActs::Person,
        }
    }

    /// Whether it ends only by an event, so that no timer probes meanwhile.
    pub(crate) fn holds(self) -> bool {
        matches!(
            self,
            Self::AuthRequired
                | Self::AccessRemoved
                | Self::Damaged
                | Self::UserPaused
                | Self::Metered
        )
    }

    /// Whether the success of a request says nothing about it.
    pub(crate) fn outlasts_success(self) -> bool {
        self.holds() || self == Self::StorageFull
    }

    /// The pause that a class of failure leads to.
    pub(crate) fn of(class: FailureClass) -> Self {
        match class {
            FailureClass::Offline => Self::Offline,
            FailureClass::Unreachable | FailureClass::UnreachableTls => Self::ServerUnreachable,
            FailureClass::CaptivePortal => Self::CaptivePortal,
            FailureClass::Auth => Self::AuthRequired,
            FailureClass::AccessRemoved => Self::AccessRemoved,
            FailureClass::Config => Self::Config,
            FailureClass::UpgradeRequired => Self::UpgradeRequired,
            _ => Self::Backoff,
        }
    }
}

/// Since when and in which words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseInfo {
    /// When it began.
    pub since: LocalTime,
    /// What happened.
    pub message: String,
    /// When it ends by itself, if a person said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<LocalTime>,
    /// Whether it is that the connection could not be made secure.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
    /// Whether the server itself named the time until which to wait.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asked_to_wait: bool,
}

/// A request on its way. What a push carries is marked on the operations themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub(crate) struct InFlight {
    pub(crate) id: RequestId,
    pub(crate) push: bool,
    #[serde(default)]
    pub(crate) fetch: bool,
    /// Which access token it went with: a refusal of an older one says nothing of the newest.
    pub(crate) token: u64,
    /// How often the suspect group that it tests has failed already.
    pub(crate) suspect: Option<Suspicion>,
    /// Whether it is a push that gives back what the server has lost.
    #[serde(default)]
    pub(crate) contributes: bool,
}

/// Which way a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Direction {
    Push,
    Pull,
    Fetch,
}

impl InFlight {
    pub(crate) fn direction(&self) -> Direction {
        match (self.push, self.fetch) {
            (true, _) => Direction::Push,
            (false, true) => Direction::Fetch,
            (false, false) => Direction::Pull,
        }
    }
}

/// How much speaks against a group of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Suspicion {
    /// Failures with a success of another request in between.
    pub(crate) failures: u32,
    /// How many requests had succeeded at the last failure.
    pub(crate) successes_at: u64,
}

/// Operations whose request failed while the server may be well: one of them may be poison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Suspect {
    pub(crate) carriers: Vec<Counter>,
    pub(crate) suspicion: Suspicion,
}

/// All that the engine knows about when to send.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Schedule {
    pub(crate) next_request: u64,
    pub(crate) in_flight: Vec<InFlight>,
    pub(crate) suspects: Vec<Suspect>,
    pub(crate) successes: u64,
    pub(crate) pauses: BTreeMap<Pause, PauseInfo>,
    pub(crate) failing_since: Option<LocalTime>,
    /// What failed last, if it was a request.
    pub(crate) failing: Option<Direction>,
    /// Whether requests of the other direction have succeeded since: they need not wait.
    pub(crate) other_works: bool,
    pub(crate) failures: u32,
    /// When the next attempt may be made, while failing.
    pub(crate) next_attempt: Option<LocalTime>,
    /// The longest that the wait for `next_attempt` can be; a clock that went back must not make
    /// it longer.
    pub(crate) wait_ms: i64,
    pub(crate) attempts: Vec<LocalTime>,
    /// How many requests were refused because of what they carried since one was not.
    pub(crate) refused_in_a_row: usize,
    pub(crate) probe_with_pull: bool,
    pub(crate) refreshing: bool,
    /// Whether that is because the token ends soon, not because it was refused.
    pub(crate) renewing_ahead: bool,
    /// When the access token is renewed before it ends.
    pub(crate) renew_at: Option<LocalTime>,
    /// How long after the token came that is; a clock that went back must not make it longer.
    pub(crate) renew_after_ms: i64,
    /// How often the access token was renewed.
    pub(crate) token: u64,
    /// How often the token was renewed on demand since the last success.
    pub(crate) refusals: u32,
    pub(crate) pull_wanted: bool,
    /// Whether there are answers that show with the next pull.
    pub(crate) holds_answers: bool,
    /// Whether there may be something that is wanted by name and not on its way.
    pub(crate) fetch_wanted: bool,
    /// What the last pull asked to follow.
    pub(crate) pull_scope: Scope,
    /// From where.
    pub(crate) pull_cursor: Option<Cursor>,
    /// Whether there may be rows here that are no longer followed.
    pub(crate) sweeping: bool,
    /// How many entities a fetch asks for at most, after one was refused.
    pub(crate) fetch_keys_max: Option<usize>,
    /// Whether something is being given up to make room, so that nothing is read meanwhile.
    pub(crate) making_room: bool,
    pub(crate) next_pull: Option<LocalTime>,
    pub(crate) resync: bool,
    /// Whether rows are asked for in full, also those that this device was told when it pushed.
    pub(crate) full_rows: bool,
    /// The number of the last stretch of time that a reading of everything brings, because the
    /// backend gives none by itself; none is asked for meanwhile.
    pub(crate) read_instead: Option<i64>,
    pub(crate) rows_missing: bool,
    /// Whether there is something that the server has lost and that this device gives back; nothing
    /// else is sent meanwhile.
    pub(crate) contributing: bool,
    /// How many entities are given back at once at most, after the server would not take more.
    pub(crate) contributions_max: Option<usize>,
    pub(crate) last_success: Option<LocalTime>,
    /// When a pull was last acknowledged with nothing more to read.
    pub(crate) last_pull: Option<LocalTime>,
    pub(crate) last_error: Option<String>,
    pub(crate) last_error_at: Option<LocalTime>,
    pub(crate) progress: Progress,
    /// What the platform says of the network.
    pub(crate) network: Network,
    /// How long a person paused it for, if they said so.
    pub(crate) pause_length_ms: Option<i64>,
    /// Whether what waits is sent before the next read: there is little time.
    pub(crate) uploads_first: bool,
    /// The newest version of the schema that this device has drained with.
    pub(crate) schema: u32,
    /// Whether what waits is not all in line with the schema yet; nothing is pushed meanwhile.
    pub(crate) carrying: bool,
}

impl Schedule {
    pub(crate) fn allocate(&mut self) -> RequestId {
        self.next_request += 1;
        RequestId(self.next_request)
    }

    pub(crate) fn is_in_flight(&self, direction: Direction) -> bool {
        self.in_flight.iter().any(|request| request.direction() == direction)
    }

    pub(crate) fn take(&mut self, id: RequestId) -> Option<InFlight> {
        let position = self.in_flight.iter().position(|request| request.id == id)?;
        Some(self.in_flight.remove(position))
    }

    pub(crate) fn pause(&mut self, pause: Pause, now: LocalTime, message: &str) {
        let entry = self.pauses.entry(pause).or_insert_with(|| PauseInfo {
            since: now,
            message: String::new(),
            until: None,
            insecure: false,
            asked_to_wait: false,
        });
        message.clone_into(&mut entry.message);
    }

    /// Whether there is room for what is read.
    pub(crate) fn may_read(&self) -> bool {
        !self.making_room && !self.pauses.contains_key(&Pause::StorageFull)
    }

    /// Puts the next attempt off for as long as a wait can be.
    pub(crate) fn wait_longest(&mut self, now: LocalTime) {
        self.wait_ms = i64::try_from(BACKOFF_CAP_MS).unwrap_or(i64::MAX);
        self.next_attempt = Some(now.plus_ms(self.wait_ms));
    }

    /// A person pauses everything, until a time or until they resume it.
    pub(crate) fn pause_by_hand(&mut self, now: LocalTime, until: Option<LocalTime>) {
        self.pause(Pause::UserPaused, now, "paused on this device");
        if let Some(pause) = self.pauses.get_mut(&Pause::UserPaused) {
            pause.until = until;
        }
        self.pause_length_ms = until.map(|until| until.since_ms(now).max(0));
    }

    pub(crate) fn is_held(&self) -> bool {
        self.pauses.keys().any(|pause| pause.holds())
    }

    /// A request succeeded: whatever was in the way is gone, but for what makes the other direction
    /// fail. That keeps its backoff: pulls that succeed buy no attempts for a push that fails.
    pub(crate) fn succeeded(&mut self, direction: Direction, now: LocalTime) {
        self.successes += 1;
        self.refusals = 0;
        // A page says nothing of what is sent.
        if direction != Direction::Pull {
            self.refused_in_a_row = 0;
        }
        self.last_success = Some(now);
        // What somebody must mend stays the reason, whatever the other direction can do.
        let lasting = [Pause::Config, Pause::UpgradeRequired];
        let lasting = lasting.into_iter().find(|pause| self.pauses.contains_key(pause));
        self.pauses.retain(|pause, _| pause.outlasts_success() && *pause != Pause::AuthRequired);
        if self.failing_since.is_some() && self.failing.is_some_and(|failing| failing != direction)
        {
            self.other_works = true;
            let message = self.last_error.clone().unwrap_or_default();
            self.pause(lasting.unwrap_or(Pause::Backoff), now, &message);
        } else {
            self.flow_again();
        }
    }

    /// Nothing fails any more.
    pub(crate) fn flow_again(&mut self) {
        self.failing_since = None;
        self.failing = None;
        self.other_works = false;
        self.failures = 0;
        self.next_attempt = None;
        self.attempts.clear();
        self.pauses.retain(|pause, _| pause.outlasts_success());
    }

    /// Counts a refusal of what a request carried; says whether there were so many without a
    /// success in between that the next request should wait.
    ///
    /// Failures of before do not count: halving that begins after them must not wait for each half.
    pub(crate) fn refused_too_often(&mut self, now: LocalTime) -> bool {
        // A probe has been counted as an attempt when it was sent.
        if self.failing_since.is_none() {
            self.attempts.push(now);
        }
        self.refused_in_a_row = self.refused_in_a_row.saturating_add(1);
        self.refused_in_a_row > REFUSED_IN_A_ROW_MAX
    }

    /// Whether an attempt must wait for the end of what is on its way.
    pub(crate) fn is_probing(&self) -> bool {
        let full = self.in_flight.len() >= REQUESTS_IN_FLIGHT_MAX;
        match self.failing.filter(|_| self.other_works) {
            // Pushes flow without a gap, and so do fetches; the one that fails goes beside them.
            Some(failing @ (Direction::Pull | Direction::Fetch)) => {
                self.is_in_flight(failing) || full
            }
            Some(Direction::Push) => {
                let fetch = Direction::Fetch;
                self.in_flight.iter().any(|request| request.direction() != fetch) || full
            }
            None => !self.in_flight.is_empty(),
        }
    }

    /// A request failed: waits with full jitter, at least as long as the server asked.
    ///
    /// After the first 90 s the wait is between half the cap and the cap, so that attempts stay
    /// below the limit of promise L2 by a margin that jitter cannot use up.
    pub(crate) fn failed(
        &mut self,
        direction: Option<Direction>,
        failure: &Failure,
        now: LocalTime,
        entropy: &mut dyn Entropy,
    ) {
        let Failure { class, message, .. } = failure;
        let since = *self.failing_since.get_or_insert(now);
        self.other_works &= self.failing == direction;
        self.failing = direction;
        self.failures = self.failures.saturating_add(1);
        let early = (0..BACKOFF_EARLY_MS).contains(&now.since_ms(since))
            && self.failures <= EARLY_FAILURES_MAX;
        // A network that has just come up often carries nothing for a moment, however long there
        // was none before.
        let is_fresh = self.network.came_up_within(BACKOFF_EARLY_MS, now)
            && self.attempts.len() < HURRIED_ATTEMPTS_MAX;
        let doubled = BACKOFF_BASE_MS.saturating_mul(1 << self.failures.min(16).saturating_sub(1));
        let jittered = if early || is_fresh {
            entropy.below(doubled.min(BACKOFF_EARLY_CAP_MS)) + 1
        } else {
            BACKOFF_CAP_MS / 2 + entropy.below(BACKOFF_CAP_MS / 2)
        };
        let slow = matches!(class, FailureClass::Config | FailureClass::UpgradeRequired);
        let wait = if slow { BACKOFF_CAP_MS } else { jittered };
        let wait = wait.max(failure.retry_after_ms.unwrap_or(0)).min(RETRY_AFTER_CAP_MS);
        self.wait_ms = i64::try_from(wait).unwrap_or(i64::MAX);
        self.next_attempt = Some(now.plus_ms(self.wait_ms));
        self.last_error = Some(message.clone());
        self.last_error_at = Some(now);
        self.pauses.retain(|pause, _| pause.outlasts_success());
        let pause = Pause::of(*class);
        self.pause(pause, now, message);
        if let Some(info) = self.pauses.get_mut(&pause) {
            info.insecure = *class == FailureClass::UnreachableTls;
            info.asked_to_wait = failure.retry_after_ms.is_some();
        }
    }

    /// Whether something other than a person's wish keeps the sync from getting through.
    pub(crate) fn is_in_trouble(&self) -> bool {
        let wished = |pause: &Pause| matches!(pause, Pause::UserPaused | Pause::Metered);
        self.pauses.keys().any(|pause| !wished(pause))
    }

    /// Brings stored times in line with a clock that may have jumped: a wait never becomes longer
    /// than it was (promise I12).
    pub(crate) fn tame_clock(&mut self, now: LocalTime) {
        if let Some(next) = self.next_attempt {
            self.next_attempt = Some(next.min(now.plus_ms(self.wait_ms)));
        }
        let interval = i64::try_from(PULL_INTERVAL_MS).unwrap_or(i64::MAX);
        self.next_pull = self.next_pull.map(|next| next.min(now.plus_ms(interval)));
        self.failing_since = self.failing_since.map(|since| since.min(now));
        self.renew_at = self.renew_at.map(|at| at.min(now.plus_ms(self.renew_after_ms)));
        if let (Some(length), Some(pause)) =
            (self.pause_length_ms, self.pauses.get_mut(&Pause::UserPaused))
        {
            pause.until = pause.until.map(|until| until.min(now.plus_ms(length)));
        }
        self.network.tame_clock(now);
        self.attempts.retain(|at| (0..HOUR_MS).contains(&now.since_ms(*at)));
    }

    /// Whether a probe may be sent now; with no attempts left in this hour it may not.
    pub(crate) fn may_probe(&mut self, now: LocalTime) -> bool {
        self.attempts.retain(|at| now.since_ms(*at) < HOUR_MS);
        if self.attempts.len() >= ATTEMPTS_PER_HOUR_MAX {
            let oldest = self.attempts.first().copied().unwrap_or(now);
            self.next_attempt = Some(oldest.plus_ms(HOUR_MS));
            self.wait_ms = HOUR_MS;
            return false;
        }
        self.next_attempt.is_none_or(|next| next <= now)
    }

    /// Whether one more attempt is within what hurry may cost in an hour; it counts as one then.
    pub(crate) fn may_hurry(&mut self, now: LocalTime) -> bool {
        self.attempts.retain(|at| (0..HOUR_MS).contains(&now.since_ms(*at)));
        let may = self.attempts.len() < HURRIED_ATTEMPTS_MAX;
        if may {
            self.attempts.push(now);
        }
        may
    }

    /// Cuts a wait short: something happened that makes an attempt worth while.
    pub(crate) fn hurry(&mut self, now: LocalTime) {
        self.attempts.retain(|at| (0..HOUR_MS).contains(&now.since_ms(*at)));
        if self.next_attempt.is_some() && self.attempts.len() < HURRIED_ATTEMPTS_MAX {
            self.next_attempt = Some(now);
        }
    }

    /// The next time at which something should happen by itself.
    pub(crate) fn wake_at(
        &self,
        set_aside: Option<LocalTime>,
        now: LocalTime,
    ) -> Option<LocalTime> {
        let resume = self.pauses.get(&Pause::UserPaused).and_then(|pause| pause.until);
        let sweep = (self.sweeping || self.carrying).then(|| now.plus_ms(SWEEP_PAUSE_MS));
        if self.is_held() {
            return [resume, sweep].into_iter().flatten().min();
        }
        let idle = self.next_pull.filter(|_| self.failing_since.is_none());
        // What is on its way wakes the engine by its end.
        let attempt = self.next_attempt.filter(|_| !self.is_probing() && !self.refreshing);
        [attempt, idle, set_aside, sweep, self.network.wake_at()].into_iter().flatten().min()
    }
}
