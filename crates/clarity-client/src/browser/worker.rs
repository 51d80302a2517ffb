//! The place that writes, without a thread: commands are carried out as they come.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, mpsc};
use std::time::Duration;

use clarity_engine::{Write, Written};
use tokio::sync::{Notify, broadcast};

use super::sleep;
use crate::client::Client;
use crate::device::Device;
use crate::error::ClientError;
use crate::storing::{Answer, Command, Effects, GROUP_MAX, Storing, Watchers};
use crate::upkeep::Upkeep;

/// The store, and what it is asked for.
pub(crate) struct Worker {
    place: Arc<Place>,
    watchers: Watchers,
    damaged: Arc<AtomicBool>,
}

/// What the worker and whoever reads share.
pub(crate) struct Place {
    storing: Mutex<Storing>,
    inbox: Mutex<VecDeque<Command>>,
    /// There are commands that can wait a moment, or other work to do in slices.
    wanted: Arc<Notify>,
}

impl Place {
    /// The store, if nothing is under way with it.
    pub(crate) fn storing(&self) -> Option<MutexGuard<'_, Storing>> {
        match self.storing.try_lock() {
            Ok(storing) => Some(storing),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn inbox(&self) -> MutexGuard<'_, VecDeque<Command>> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out what has been asked for. Asked from within a command or a read, that is done
    /// when it has ended.
    pub(crate) fn turn(&self) {
        let Some(mut storing) = self.storing() else {
            self.wanted.notify_one();
            return;
        };
        loop {
            let mut inbox = self.inbox();
            let count = inbox.len().min(GROUP_MAX);
            let group: Vec<Command> = inbox.drain(..count).collect();
            drop(inbox);
            if group.is_empty() {
                break;
            }
            storing.process(group);
        }
        if storing.has_idle_work() {
            self.wanted.notify_one();
        }
    }

    /// Does one slice of what there is to do while nobody asks; says whether to go on.
    fn idle_step(&self) -> bool {
        self.storing().is_some_and(|mut storing| storing.has_idle_work() && storing.idle_step())
    }
}

impl Worker {
    pub(crate) fn start(device: Device, upkeep: Upkeep) -> Result<(Self, Effects), ClientError> {
        let (storing, effects) = Storing::new(device, upkeep);
        let (watchers, damaged) = (storing.watchers().clone(), Arc::clone(storing.damaged()));
        let storing = Mutex::new(storing);
        let place = Place { storing, inbox: Mutex::default(), wanted: Arc::default() };
        // Whatever an earlier life left to do is looked for.
        place.wanted.notify_one();
        Ok((Self { place: Arc::new(place), watchers, damaged }, effects))
    }

    pub(crate) fn place(&self) -> &Arc<Place> {
        &self.place
    }

    pub(crate) fn send(&self, command: Command) -> Result<(), ClientError> {
        self.place.inbox().push_back(command);
        self.place.turn();
        Ok(())
    }

    /// Hands a write over that is waited for elsewhere: it shares its commit with those that come
    /// in the same moment.
    pub(crate) fn submit(&self, write: Write, answer: Answer) -> Result<(), ClientError> {
        self.place.inbox().push_back(Command::Write(write, answer));
        self.place.wanted.notify_one();
        Ok(())
    }

    /// Whether damage was met since the store was opened.
    pub(crate) fn damaged(&self) -> &AtomicBool {
        &self.damaged
    }

    pub(crate) fn watch(&self) -> broadcast::Receiver<clarity_engine::Changes> {
        self.watchers.subscribe()
    }

    /// Writes and waits until it is durable.
    pub(crate) fn write(&self, write: Write) -> Result<WaitingWrite, ClientError> {
        let (answer, wait) = mpsc::sync_channel(1);
        let answer: Answer = Box::new(move |result| drop(answer.send(result)));
        self.send(Command::Write(write, answer))?;
        Ok(WaitingWrite(wait))
    }

    /// Runs something on the store.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        part: impl FnOnce(&mut Device) -> T + Send + 'static,
    ) -> Result<T, ClientError> {
        let (answer, wait) = mpsc::sync_channel(1);
        let run = move |device: &mut Device| {
            let _ = answer.send(part(device));
        };
        self.send(Command::Run(Box::new(run)))?;
        // Done by now, unless it was asked for from within a read.
        wait.try_recv().map_err(|_| ClientError::Closed)
    }
}

/// A write that was made or refused.
#[derive(Debug)]
pub(crate) struct WaitingWrite(mpsc::Receiver<Result<Written, ClientError>>);

impl WaitingWrite {
    /// What became of it.
    pub(crate) fn wait(self) -> Result<Written, ClientError> {
        self.0.try_recv().unwrap_or(Err(ClientError::Closed))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.place.turn();
        if let Some(mut storing) = self.place.storing() {
            storing.finish();
        }
        // The housekeeping sees that this has ended.
        self.place.wanted.notify_one();
    }
}

impl Client {
    /// Does what nobody waits for at once: writes that were handed over, which share a commit with
    /// all that came in the same moment; and in slices, making room and bringing rows up to date.
    /// The page's worker runs it as long as the store is open; it ends with the last client.
    pub fn housekeeping(&self) -> impl Future<Output = ()> + use<> {
        let place = Arc::downgrade(self.worker().place());
        let wanted = Arc::clone(&self.worker().place().wanted);
        async move {
            loop {
                wanted.notified().await;
                // Whatever else has come by now goes with it.
                sleep(Duration::ZERO).await;
                loop {
                    let Some(here) = place.upgrade() else { return };
                    here.turn();
                    if !here.idle_step() {
                        break;
                    }
                    drop(here);
                    sleep(Duration::ZERO).await;
                }
            }
        }
    }
}
