//! One file: its bytes as the operating system sees them, what of them is durable, and its locks.

use std::ffi::c_int;

use rusqlite::ffi;

use super::image::FileImage;
use super::survival::{Fate, SECTOR_BYTES, Survival};

/// A change that no sync has covered yet.
#[derive(Clone)]
enum Unsynced {
    /// Bytes `start..start + length` of the inode's buffer, written at `offset`.
    Write { sequence: u64, offset: usize, start: usize, length: usize },
    /// The file's length was set.
    Truncate { sequence: u64, length: usize },
}

/// SQLite's lock levels on a database file, weakest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LockLevel {
    #[default]
    None,
    Shared,
    Reserved,
    Pending,
    Exclusive,
}

impl LockLevel {
    pub(super) fn from_code(code: c_int) -> Self {
        match code {
            ffi::SQLITE_LOCK_NONE => Self::None,
            ffi::SQLITE_LOCK_SHARED => Self::Shared,
            ffi::SQLITE_LOCK_RESERVED => Self::Reserved,
            ffi::SQLITE_LOCK_PENDING => Self::Pending,
            _ => Self::Exclusive,
        }
    }
}

/// One file of a disk.
#[derive(Clone, Default)]
pub(super) struct Inode {
    current: FileImage,
    durable: FileImage,
    unsynced: Vec<Unsynced>,
    /// The bytes of all unsynced writes, one after another.
    unsynced_bytes: Vec<u8>,
    /// A file without a name: nothing of it can survive, so nothing is recorded.
    temporary: bool,
    /// Number of open handles.
    pub(super) handles: u32,
    /// The lock of each handle that holds one.
    locks: Vec<(u64, LockLevel)>,
}

impl Inode {
    pub(super) fn temporary() -> Self {
        Self { temporary: true, ..Self::default() }
    }

    /// A file all of whose bytes are durable.
    pub(super) fn durable(image: FileImage) -> Self {
        Self { current: image.clone(), durable: image, ..Self::default() }
    }

    pub(super) fn current(&self) -> &FileImage {
        &self.current
    }

    pub(super) fn durable_image(&self) -> &FileImage {
        &self.durable
    }

    pub(super) fn write(&mut self, sequence: u64, offset: usize, data: &[u8]) {
        self.current.write(offset, data);
        if !self.temporary {
            let start = self.unsynced_bytes.len();
            self.unsynced_bytes.extend_from_slice(data);
            self.unsynced.push(Unsynced::Write { sequence, offset, start, length: data.len() });
        }
    }

    pub(super) fn truncate(&mut self, sequence: u64, length: usize) {
        self.current.set_length(length);
        if !self.temporary {
            self.unsynced.push(Unsynced::Truncate { sequence, length });
        }
    }

    /// Makes all that was written durable.
    pub(super) fn sync(&mut self) {
        if self.unsynced.is_empty() {
            return;
        }
        let shortest = self.unsynced.iter().fold(usize::MAX, |shortest, change| match change {
            Unsynced::Truncate { length, .. } => shortest.min(*length),
            Unsynced::Write { .. } => shortest,
        });
        let written = self.unsynced.iter().filter_map(|change| match change {
            Unsynced::Write { offset, length, .. } => Some((*offset, *length)),
            Unsynced::Truncate { .. } => None,
        });
        self.durable.catch_up(&self.current, written, shortest);
        self.unsynced.clear();
        self.unsynced_bytes.clear();
    }

    /// The sequence numbers of all unsynced changes.
    pub(super) fn unsynced_sequences(&self) -> impl Iterator<Item = u64> + '_ {
        self.unsynced.iter().map(|change| match change {
            Unsynced::Write { sequence, .. } | Unsynced::Truncate { sequence, .. } => *sequence,
        })
    }

    /// What a power loss leaves: the durable bytes and, in their order, those unsynced changes
    /// that `survival` keeps.
    pub(super) fn after_power_loss(&self, survival: &mut Survival<'_>) -> FileImage {
        let mut image = self.durable.clone();
        for change in &self.unsynced {
            match *change {
                Unsynced::Truncate { sequence, length } => {
                    if survival.keeps_whole(sequence) {
                        image.set_length(length);
                    }
                }
                Unsynced::Write { sequence, offset, start, length } => {
                    let data = &self.unsynced_bytes[start..start + length];
                    match survival.of_write(sequence) {
                        Fate::Kept => image.write(offset, data),
                        Fate::Lost => {}
                        Fate::Torn => write_torn(&mut image, offset, data, survival),
                    }
                }
            }
        }
        image
    }

    /// Forgets all handles and locks: the process that held them is gone.
    pub(super) fn disown(&mut self) {
        self.handles = 0;
        self.locks.clear();
    }

    /// Raises the lock of `handle` from `held` to `wanted`, or says that another handle is in the
    /// way. Returns the level now held, and whether it is the one wanted.
    pub(super) fn lock(
        &mut self,
        handle: u64,
        held: LockLevel,
        wanted: LockLevel,
    ) -> (LockLevel, bool) {
        if held >= wanted {
            return (held, true);
        }
        let others = self.locks.iter().filter(|(owner, _)| *owner != handle);
        let strongest = others.map(|(_, level)| *level).max().unwrap_or_default();
        let granted = match wanted {
            LockLevel::None => true,
            LockLevel::Shared => strongest < LockLevel::Pending,
            LockLevel::Reserved | LockLevel::Pending => strongest < LockLevel::Reserved,
            LockLevel::Exclusive => strongest == LockLevel::None,
        };
        // A writer that waits only for readers keeps new readers out, so that it gets its turn.
        let waits = wanted == LockLevel::Exclusive && strongest == LockLevel::Shared;
        let level = match (granted, waits) {
            (true, _) => wanted,
            (false, true) => LockLevel::Pending,
            (false, false) => held,
        };
        self.set_lock(handle, level);
        (level, granted)
    }

    /// Sets the lock of `handle` without asking: to lower it, or to drop it on close.
    pub(super) fn set_lock(&mut self, handle: u64, level: LockLevel) {
        self.locks.retain(|(owner, _)| *owner != handle);
        if level != LockLevel::None {
            self.locks.push((handle, level));
        }
    }

    /// Whether any handle holds a lock with which others cannot write.
    pub(super) fn is_reserved(&self) -> bool {
        self.locks.iter().any(|(_, level)| *level >= LockLevel::Reserved)
    }
}

/// Writes a seeded choice of the sectors that `data` covers; never a byte outside `data`.
fn write_torn(image: &mut FileImage, offset: usize, data: &[u8], survival: &mut Survival<'_>) {
    let mut done = 0;
    while done < data.len() {
        let to_boundary = SECTOR_BYTES - (offset + done) % SECTOR_BYTES;
        let step = to_boundary.min(data.len() - done);
        if survival.coin() {
            image.write(offset + done, &data[done..done + step]);
        }
        done += step;
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    use super::*;
    use crate::vfs::CrashMode;

    fn after(inode: &Inode, mode: CrashMode, random: &mut ChaCha8Rng) -> Vec<u8> {
        let sequences = inode.unsynced_sequences().collect();
        inode.after_power_loss(&mut Survival::new(mode, random, sequences)).to_bytes()
    }

    /// Shows that both views are those of plain byte vectors, whatever the order of writes,
    /// truncations, growth and syncs.
    #[test]
    fn both_views_equal_plain_bytes() {
        for seed in 0..300 {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let mut inode = Inode::default();
            let (mut current, mut durable) = (Vec::new(), Vec::new());
            for sequence in 0..40 {
                let at = (random.next_u32() % 20_000) as usize;
                match random.next_u32() % 8 {
                    0 => {
                        inode.truncate(sequence, at);
                        current.resize(at, 0);
                    }
                    1 | 2 => {
                        inode.sync();
                        durable.clone_from(&current);
                    }
                    _ => {
                        let data = vec![sequence as u8 + 1; (random.next_u32() % 6_000) as usize];
                        inode.write(sequence, at, &data);
                        if !data.is_empty() {
                            current.resize(current.len().max(at + data.len()), 0);
                            current[at..at + data.len()].copy_from_slice(&data);
                        }
                    }
                }
                assert_eq!(inode.current().to_bytes(), current);
                assert_eq!(inode.durable_image().to_bytes(), durable);
                assert_eq!(after(&inode, CrashMode::LoseUnsynced, &mut random), durable);
                assert_eq!(after(&inode, CrashMode::KeepUnsynced, &mut random), current);
            }
        }
    }

    /// Shows that a torn write keeps some sectors whole and loses others, and changes no byte
    /// outside the write.
    #[test]
    fn a_torn_write_keeps_whole_sectors() {
        let mut inode = Inode::durable(FileImage::from_bytes(&[1; 8192]));
        inode.write(0, 100, &[2; 8000]);
        let (mut kept, mut lost) = (0, 0);
        for seed in 0..50 {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let bytes = after(&inode, CrashMode::Prefix, &mut random);
            assert_eq!(bytes.len(), 8192);
            assert!(bytes[..100].iter().chain(&bytes[8100..]).all(|byte| *byte == 1));
            for sector in bytes[512..7680].chunks(SECTOR_BYTES) {
                assert!(sector.iter().all(|byte| *byte == sector[0]));
                if sector[0] == 2 { kept += 1 } else { lost += 1 }
            }
        }
        assert!(kept > 200 && lost > 50, "{kept} kept, {lost} lost");
    }
}
