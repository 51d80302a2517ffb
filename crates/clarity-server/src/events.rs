//! Who listens for hints, and what each has not been told yet.
//!
//! Hints that wait for a slow listener are joined: memory for each listener is bounded, and it
//! never misses that there is something to pull.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clarity_model::EntityType;
use clarity_protocol::{Hint, HintEntity, HintKind};
use tokio::sync::Notify;

use crate::storage::{AccountId, DeviceId};

/// Types that one hint names; with more it says that everything may have changed.
const HINT_TYPES_MAX: usize = 32;
/// Streams that one device may have open; a further one ends the oldest.
const STREAMS_PER_DEVICE_MAX: usize = 4;

/// All listeners of a server.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    listeners: Mutex<Listeners>,
}

#[derive(Debug, Default)]
struct Listeners {
    by_account: BTreeMap<AccountId, Vec<Arc<Listener>>>,
    closed: bool,
}

#[derive(Debug)]
struct Listener {
    device: DeviceId,
    waiting: Mutex<Waiting>,
    wake: Notify,
}

/// What a listener has not been told yet.
#[derive(Debug, Default)]
struct Waiting {
    types: BTreeSet<EntityType>,
    everything: bool,
    ended: bool,
}

impl Listener {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, types: &[EntityType]) {
        let mut waiting = self.waiting();
        waiting.types.extend(types.iter().cloned());
        if waiting.types.len() > HINT_TYPES_MAX {
            waiting.types.clear();
            waiting.everything = true;
        }
        drop(waiting);
        self.wake.notify_one();
    }

    fn end(&self) {
        self.waiting().ended = true;
        self.wake.notify_one();
    }
}

impl Hub {
    fn listeners(&self) -> MutexGuard<'_, Listeners> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts to listen.
    pub(crate) fn subscribe(
        self: &Arc<Self>,
        account: AccountId,
        device: DeviceId,
    ) -> Subscription {
        let waiting = Mutex::default();
        let listener = Arc::new(Listener { device, waiting, wake: Notify::new() });
        let mut listeners = self.listeners();
        if listeners.closed {
            listener.end();
        }
        let of_account = listeners.by_account.entry(account).or_default();
        let of_device = |other: &Arc<Listener>| other.device == device;
        if of_account.iter().filter(|other| of_device(other)).count() >= STREAMS_PER_DEVICE_MAX {
            let oldest = of_account.iter().position(of_device);
            oldest.map(|place| of_account.remove(place)).inspect(|oldest| oldest.end());
        }
        of_account.push(Arc::clone(&listener));
        drop(listeners);
        Subscription { hub: Arc::clone(self), account, listener }
    }

    /// Tells the account's other devices that entities of these types changed.
    pub(crate) fn changed(&self, account: AccountId, by: DeviceId, types: &[EntityType]) {
        if types.is_empty() {
            return;
        }
        let listeners = self.listeners();
        let of_account = listeners.by_account.get(&account).into_iter().flatten();
        for listener in of_account.filter(|listener| listener.device != by) {
            listener.add(types);
        }
    }

    /// Ends the streams of a device that was revoked.
    pub(crate) fn end_device(&self, account: AccountId, device: DeviceId) {
        let listeners = self.listeners();
        let of_account = listeners.by_account.get(&account).into_iter().flatten();
        of_account.filter(|listener| listener.device == device).for_each(|it| it.end());
    }

    /// Ends all streams, for ever.
    pub(crate) fn close(&self) {
        let mut listeners = self.listeners();
        listeners.closed = true;
        listeners.by_account.values().flatten().for_each(|listener| listener.end());
    }
}

/// One listening device; it stops listening when this is dropped.
#[derive(Debug)]
pub(crate) struct Subscription {
    hub: Arc<Hub>,
    account: AccountId,
    listener: Arc<Listener>,
}

impl Subscription {
    /// Waits for the next hint; nothing when the stream is over. Cancelling loses no hint.
    pub(crate) async fn next(&self) -> Option<Hint> {
        loop {
            {
                let mut waiting = self.listener.waiting();
                if waiting.ended {
                    return None;
                }
                if std::mem::take(&mut waiting.everything) {
                    waiting.types.clear();
                    return Some(Hint::full());
                }
                if !waiting.types.is_empty() {
                    let types = std::mem::take(&mut waiting.types);
                    let entities = types.into_iter().map(HintEntity::Type).collect();
                    return Some(Hint { kind: HintKind::Partial, entities });
                }
            }
            self.listener.wake.notified().await;
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut listeners = self.hub.listeners();
        if let Some(of_account) = listeners.by_account.get_mut(&self.account) {
            of_account.retain(|listener| !Arc::ptr_eq(listener, &self.listener));
            if of_account.is_empty() {
                listeners.by_account.remove(&self.account);
            }
        }
    }
}

#[cfg(test)]
mod tests;
