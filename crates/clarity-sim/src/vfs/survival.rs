//! What a power loss leaves of the changes that no sync had covered.

use rand_chacha::rand_core::Rng;

/// Bytes that a device writes all or not at all.
pub const SECTOR_BYTES: usize = 512;

/// What a power loss does to changes that were not yet synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CrashMode {
    /// All of them are lost: only synced bytes remain.
    LoseUnsynced,
    /// All of them survive, as if the device had just finished.
    KeepUnsynced,
    /// They reached the device in order: a seeded number of them survive, the next is torn, the
    /// rest are lost.
    Prefix,
    /// They reached the device in any order: each one is kept, lost or torn as a seeded choice. A
    /// torn write keeps a seeded choice of its sectors of [`SECTOR_BYTES`]. The harshest mode.
    Mixed,
}

impl CrashMode {
    /// Every mode, in the order of declaration.
    pub const ALL: [Self; 4] = [Self::LoseUnsynced, Self::KeepUnsynced, Self::Prefix, Self::Mixed];
}

/// What became of the unsynced changes in one power loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CrashReport {
    /// Changes that survived whole.
    pub kept: u64,
    /// Changes of which nothing remains.
    pub lost: u64,
    /// Writes of which a choice of sectors remains.
    pub torn: u64,
}

/// What becomes of one change.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Kept,
    Lost,
    Torn,
}

/// Makes the choices of one power loss.
pub(super) struct Survival<'a> {
    mode: CrashMode,
    random: &'a mut dyn Rng,
    /// In [`CrashMode::Prefix`], the sequence number of the change that was under way.
    under_way: u64,
    report: CrashReport,
}

impl<'a> Survival<'a> {
    /// `sequences`: the numbers of all unsynced changes, in any order.
    pub(super) fn new(mode: CrashMode, random: &'a mut dyn Rng, mut sequences: Vec<u64>) -> Self {
        let mut under_way = u64::MAX;
        if mode == CrashMode::Prefix && !sequences.is_empty() {
            sequences.sort_unstable();
            let choice = random.next_u64() % (sequences.len() as u64 + 1);
            let reached = usize::try_from(choice).unwrap_or(usize::MAX);
            under_way = sequences.get(reached).copied().unwrap_or(u64::MAX);
        }
        Self { mode, random, under_way, report: CrashReport::default() }
    }

    /// The fate of a write.
    pub(super) fn of_write(&mut self, sequence: u64) -> Fate {
        let fate = match self.mode {
            CrashMode::LoseUnsynced => Fate::Lost,
            CrashMode::KeepUnsynced => Fate::Kept,
            CrashMode::Prefix => match sequence.cmp(&self.under_way) {
                std::cmp::Ordering::Less => Fate::Kept,
                std::cmp::Ordering::Equal => Fate::Torn,
                std::cmp::Ordering::Greater => Fate::Lost,
            },
            CrashMode::Mixed => match self.random.next_u32() % 3 {
                0 => Fate::Kept,
                1 => Fate::Lost,
                _ => Fate::Torn,
            },
        };
        self.count(fate);
        fate
    }

    /// Whether a change survives that cannot be torn: a truncation, a creation, a deletion.
    pub(super) fn keeps_whole(&mut self, sequence: u64) -> bool {
        let kept = match self.mode {
            CrashMode::LoseUnsynced => false,
            CrashMode::KeepUnsynced => true,
            CrashMode::Prefix => sequence < self.under_way,
            CrashMode::Mixed => self.coin(),
        };
        self.count(if kept { Fate::Kept } else { Fate::Lost });
        kept
    }

    /// Whether one sector of a torn write survives.
    pub(super) fn coin(&mut self) -> bool {
        self.random.next_u32() & 1 == 0
    }

    pub(super) fn report(&self) -> CrashReport {
        self.report
    }

    fn count(&mut self, fate: Fate) {
        match fate {
            Fate::Kept => self.report.kept += 1,
            Fate::Lost => self.report.lost += 1,
            Fate::Torn => self.report.torn += 1,
        }
    }
}
