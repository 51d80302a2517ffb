//! What came of it.

use std::collections::BTreeMap;

use serde::Serialize;

/// What happened to the processes.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Misfortunes {
    /// How often the process of a device was killed.
    pub device_kills: u64,
    /// How often a command was killed with it.
    pub command_kills: u64,
    /// How often the server was killed.
    pub server_kills: u64,
    /// How often a process was made to stand still.
    pub stops: u64,
    /// How many partitions there were.
    pub partitions: u64,
}

impl Misfortunes {
    /// Kills of devices and server.
    #[must_use]
    pub fn kills(&self) -> u64 {
        self.device_kills + self.server_kills
    }
}

/// The figures of some rounds.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// How many rounds there were.
    pub rounds: u64,
    /// What happened to the processes.
    pub met: Misfortunes,
    /// What happened to requests.
    pub faults: BTreeMap<&'static str, u64>,
    /// Writes that were acknowledged.
    pub acknowledged: u64,
    /// Writes whose command was killed or failed, so that nobody knows.
    pub unknown: u64,
    /// Acknowledged writes that are not there.
    pub lost: u64,
    /// Writes that are there more than once.
    pub doubled: u64,
    /// Queues that were not empty 11 s after everything had healed.
    pub waiting: u64,
    /// Devices that did not come to hold what the server holds.
    pub unequal: u64,
    /// What clients may not have seen.
    pub violations: u64,
    /// The longest time from healing to empty queues, in milliseconds.
    pub queues_empty_ms_max: u64,
    /// The longest time from healing to equal devices, in milliseconds.
    pub equal_ms_max: u64,
    /// What is wrong, in words.
    pub problems: Vec<String>,
}

impl Report {
    /// Whether everything is as it must be.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.problems.is_empty()
            && self.lost + self.doubled + self.waiting + self.unequal + self.violations == 0
    }

    /// Adds what happened to the processes.
    pub(super) fn add(&mut self, met: Misfortunes) {
        self.met.device_kills += met.device_kills;
        self.met.command_kills += met.command_kills;
        self.met.server_kills += met.server_kills;
        self.met.stops += met.stops;
        self.met.partitions += met.partitions;
    }
}
