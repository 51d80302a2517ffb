//! Which faults were met, and how often.

use std::collections::BTreeMap;

/// What some thousands of worlds meet without exception: every fault, and every way in which engine
/// and server deal with one. A run that leaves one of them out checks less than it says.
pub const EXPECTED: [&str; 75] = [
    "answer_delayed",
    "answer_duplicated",
    "answer_lost",
    "answer_truncated",
    "background_window",
    "captive_portal",
    "clock_jump",
    "commit_survived_without_answer",
    "device_cloned",
    "device_crash_after_commit",
    "device_crash_before_commit",
    "device_crash_in_transaction",
    "device_killed",
    "device_power_loss",
    "device_restored",
    "disk_error",
    "disk_full",
    "ended: applied",
    "ended: cancelled",
    "ended: merged",
    "ended: rejected",
    "ended: resolved",
    "ended: superseded",
    "error_after_apply",
    "failed: bad request",
    "failed: captive portal",
    "failed: cursor refused",
    "failed: for a while",
    "failed: offline",
    "failed: token refused",
    "failed: too large",
    "failed: unreachable",
    "foreign_sign_in",
    "hint_lost",
    "killed_in_background",
    "many_writes",
    "network_flapping",
    "operation_refused",
    "outcome: applied",
    "outcome: blocked",
    "outcome: conflict",
    "outcome: id reused",
    "outcome: merged",
    "outcome: superseded",
    "partition",
    "partition_one_way",
    "pause: backoff",
    "pause: by the person",
    "pause: captive portal",
    "pause: metered",
    "pause: offline",
    "pause: server unreachable",
    "pause: sign in",
    "pause: storage full",
    "poison_bad_request",
    "poison_server_error",
    "poison_too_large",
    "request_delayed",
    "request_duplicated",
    "request_lost",
    "rollback_on_its_way",
    "scope_changed",
    "server_crash",
    "server_crash_before_answer",
    "server_crash_in_transaction",
    "server_restored",
    "server_set_back_silently",
    "session_ended",
    "stale_form",
    "state: making room",
    "state: set aside",
    "state: wanted by name",
    "token_answer_lost",
    "too_many_requests",
    "user_switch",
];

/// Counts of what went wrong, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FaultCounts(BTreeMap<&'static str, u64>);

impl FaultCounts {
    pub(crate) fn met(&mut self, name: &'static str) {
        *self.0.entry(name).or_default() += 1;
    }

    /// Adds the counts of another world.
    pub fn add(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            *self.0.entry(name).or_default() += count;
        }
    }

    /// How often a fault was met.
    #[must_use]
    pub fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// Names and counts, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(name, count)| (*name, *count))
    }
}
