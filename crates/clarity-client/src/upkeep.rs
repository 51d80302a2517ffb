//! What the storing thread does beside writing: it looks how much of the disk is free, tells the
//! engine what was asked for, and gives unused space of the file back.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clarity_engine::Event;
use clarity_engine::protocol::model::{EntityKey, EntityType, Schema};
use clarity_engine::store::Month;
use web_time::Instant;

use crate::device::Device;
use crate::error::ClientError;
use crate::platform::free_bytes;

/// How often it is looked how much of the disk is free, and how large the file is.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// How often what was asked for is told to the engine, as long as something else is written.
const TELL_INTERVAL: Duration = Duration::from_secs(60);
/// So many accesses are told without waiting longer.
const TELL_COUNT: usize = 1_000;
/// Most accesses that wait; further ones are forgotten, which is harmless.
const ACCESSES_MAX: usize = 10_000;
/// How much space is given back at once, in bytes: a slice that no writer notices.
const SLICE_BYTES: u64 = 1_048_576;
/// Most slices that are given back before draining has stopped.
const SLICES_MAX: usize = 256;

/// What the app has asked for since it was last told to the engine. Reading never waits for it to
/// be written.
#[derive(Debug, Default)]
pub(crate) struct Accesses(Mutex<Asked>);

#[derive(Default)]
struct Asked {
    keys: BTreeSet<EntityKey>,
    months: BTreeSet<(EntityType, Month)>,
}

impl std::fmt::Debug for Asked {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Asked").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

impl Accesses {
    /// Notes that entities were asked for.
    pub(crate) fn note<'k>(&self, schema: &Schema, keys: impl Iterator<Item = &'k EntityKey>) {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            if asked.keys.len() >= ACCESSES_MAX {
                return;
            }
            let is_sample = schema.type_schema(&key.entity_type).window.is_some();
            match Month::of_key(key).filter(|_| is_sample) {
                Some(month) => {
                    let month = (key.entity_type.clone(), month);
                    if !asked.months.contains(&month) {
                        asked.months.insert(month);
                    }
                }
                None => drop(asked.keys.insert(key.clone())),
            }
        }
    }

    fn count(&self) -> usize {
        let asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.keys.len() + asked.months.len()
    }

    fn take(&self) -> Option<Event> {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Asked { keys, months } = std::mem::take(&mut *asked);
        let some = !keys.is_empty() || !months.is_empty();
        some.then(|| Event::Accessed { keys: keys.into_iter().collect(), months })
    }
}

/// What the thread remembers of its upkeep.
pub(crate) struct Upkeep {
    path: PathBuf,
    accesses: Arc<Accesses>,
    looked: Option<Instant>,
    told: Instant,
    log_limit: Option<u64>,
    /// Whether the file holds unused space that its budget has no room for.
    pub(crate) too_large: bool,
}

impl Upkeep {
    pub(crate) fn new(path: PathBuf, accesses: Arc<Accesses>) -> Self {
        Self {
            path,
            accesses,
            looked: None,
            told: Instant::now(),
            log_limit: None,
            too_large: false,
        }
    }

    /// Looks again with the next transaction, because something was set.
    pub(crate) fn look_again(&mut self) {
        self.looked = None;
    }

    /// What the engine should hear of together with other events.
    pub(crate) fn events(&mut self, device: &mut Device) -> Vec<Event> {
        let mut events = Vec::new();
        if self.looked.is_none_or(|at| at.elapsed() >= LOOK_INTERVAL) {
            self.looked = Some(Instant::now());
            events.push(Event::DiskSpace { free_bytes: free_bytes(&self.path) });
            if self.measure(device).is_err() {
                // Whoever writes next hears of it.
                tracing::debug!("the size of the store cannot be read");
            }
        }
        if self.accesses.count() >= TELL_COUNT || self.told.elapsed() >= TELL_INTERVAL {
            events.extend(self.tell());
        }
        events
    }

    /// What was asked for, to be told now.
    pub(crate) fn tell(&mut self) -> Option<Event> {
        self.told = Instant::now();
        self.accesses.take()
    }

    fn measure(&mut self, device: &mut Device) -> Result<(), ClientError> {
        let (file_bytes, log_bytes) = device.space()?;
        if self.log_limit != Some(log_bytes) {
            device.store().set_log_limit(log_bytes)?;
            self.log_limit = Some(log_bytes);
        }
        let size = device.store().size()?;
        self.too_large =
            (size.bytes > file_bytes && size.free_bytes > 0) || size.log_bytes > log_bytes.max(1);
        Ok(())
    }

    /// Gives back what there is before nobody does for a while.
    pub(crate) fn finish(&mut self, device: &mut Device) {
        if self.measure(device).is_err() {
            return;
        }
        for _ in 0..SLICES_MAX {
            if !self.too_large {
                break;
            }
            self.give_back(device);
        }
    }

    /// Gives some space back, if the file or its log is larger than the budget lets it.
    pub(crate) fn give_back(&mut self, device: &mut Device) {
        self.too_large = false;
        if let Err(error) = self.try_give_back(device) {
            // Somebody else writes or reads; it is tried again after the next look.
            tracing::debug!(kind = ?error.kind(), "space could not be given back");
        }
    }

    fn try_give_back(&mut self, device: &mut Device) -> Result<(), ClientError> {
        let (file_bytes, log_bytes) = device.space()?;
        let size = device.store().size()?;
        if size.bytes > file_bytes && size.free_bytes > 0 {
            device.store().give_back_space(SLICE_BYTES.min(size.bytes - file_bytes))?;
            let left = device.store().size()?;
            self.too_large = left.bytes < size.bytes;
        }
        if !self.too_large || device.store().size()?.log_bytes > log_bytes {
            device.store().empty_log()?;
        }
        Ok(())
    }
}
