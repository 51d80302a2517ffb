//! What the one place that writes does: it takes what callers and the driver ask for, puts as much
//! as there is into one transaction, commits, and only then answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clarity_engine::protocol::model::LocalTime;
#[cfg(target_arch = "wasm32")]
use clarity_engine::store::StoreTransaction;
use clarity_engine::{Effect, Event, Handled, Role, Write, WriteError, Written};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::device::Device;
use crate::error::ClientError;
use crate::platform::DrainLock;
use crate::upkeep::Upkeep;

/// Most commands that share one commit.
pub(crate) const GROUP_MAX: usize = 256;
/// How many rows are brought up to date at once after a change of the schema: a slice that no
/// writer notices.
const SCHEMA_ROWS_AT_ONCE: usize = 500;
/// How many publications a slow watcher may be behind.
const WATCH_BUFFER: usize = 1_024;

/// What is asked for.
pub(crate) enum Command {
    Write(Write, Answer),
    Event(Event),
    /// Begins to drain. The lock stays here until draining has really stopped, so that no other
    /// process can begin while this one may still send. The answer comes when it is so.
    Drain(DrainLock, oneshot::Sender<()>),
    /// Stops draining. The answer comes when it is so.
    StopDraining(oneshot::Sender<()>),
    /// Looks whether another process has written.
    Poll,
    /// Runs something on the store itself.
    Run(Box<dyn FnOnce(&mut Device) + Send>),
}

/// Tells a caller what became of its write.
pub(crate) type Answer = Box<dyn FnOnce(Result<Written, ClientError>) + Send>;

/// What the driver is asked for.
pub(crate) type Effects = mpsc::UnboundedReceiver<Effect>;

/// Whom the store tells what changed.
pub(crate) type Watchers = broadcast::Sender<clarity_engine::Changes>;

/// The present by this device's clock.
pub(crate) fn now() -> LocalTime {
    let since = web_time::SystemTime::now().duration_since(web_time::UNIX_EPOCH);
    LocalTime(since.ok().and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(0))
}

/// The store, and what is remembered between two transactions.
pub(crate) struct Storing {
    device: Device,
    effects: mpsc::UnboundedSender<Effect>,
    watchers: Watchers,
    /// Whether damage was met.
    damaged: Arc<AtomicBool>,
    upkeep: Upkeep,
    /// The right to drain, while this process has it.
    lock: Option<DrainLock>,
    /// The version of the file that was last seen.
    seen: i64,
    /// Whether the last transaction failed.
    failed: bool,
    /// Whether the engine wants to go on making room.
    more: bool,
}

impl Storing {
    /// The store with the way to the driver.
    pub(crate) fn new(device: Device, upkeep: Upkeep) -> (Self, Effects) {
        let (effects, outbox) = mpsc::unbounded_channel();
        let (watchers, _) = broadcast::channel(WATCH_BUFFER);
        let seen = device.data_version().unwrap_or_default();
        // Whether anything is left of an upgrade, the first look tells.
        let more = device.has_steps();
        let damaged = Arc::default();
        let (lock, failed) = (None, false);
        let storing = Self { device, effects, watchers, damaged, upkeep, lock, seen, failed, more };
        (storing, outbox)
    }

    pub(crate) fn watchers(&self) -> &Watchers {
        &self.watchers
    }

    /// Whether damage was met since the store was opened.
    pub(crate) fn damaged(&self) -> &Arc<AtomicBool> {
        &self.damaged
    }

    /// Carries out commands in one transaction, or in few.
    pub(crate) fn process(&mut self, group: impl IntoIterator<Item = Command>) {
        let mut batch = Batch { failed: self.failed, ..Batch::default() };
        for command in group {
            self.take(command, &mut batch);
        }
        if batch.failed && self.lock.is_some() {
            // What the failed transaction was about to learn is lost, such as the answer to a
            // request. Nothing was acknowledged, so starting over sends it again.
            batch.events.push(Event::Started);
        }
        let mut events = self.upkeep.events(&mut self.device);
        events.append(&mut batch.events);
        batch.events = events;
        self.commit(&mut batch);
        self.failed = batch.failed;
        self.more = batch.more;
    }

    /// Reads everything as it is at one moment.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn read<T>(
        &mut self,
        part: impl FnOnce(&mut StoreTransaction<'_>) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        part(&mut self.device.store().snapshot()?)
    }

    /// Whether there is something to do while nobody asks for anything: room is made in slices and
    /// given back, and rows are brought up to date after a change of the schema.
    pub(crate) fn has_idle_work(&self) -> bool {
        self.more || self.is_too_large() || self.device.has_schema_work()
    }

    fn is_too_large(&self) -> bool {
        self.upkeep.too_large && self.lock.is_some()
    }

    /// Does one slice of that; says whether to go on before the next command.
    pub(crate) fn idle_step(&mut self) -> bool {
        if self.more {
            let events = vec![Event::Timer];
            let mut batch = Batch { events, failed: self.failed, ..Batch::default() };
            batch.events.extend(self.upkeep.tell());
            self.commit(&mut batch);
            self.more = batch.more;
            self.upkeep.look_again();
        } else if self.is_too_large() {
            self.upkeep.give_back(&mut self.device);
        } else if let Err(error) = self.device.follow_schema(SCHEMA_ROWS_AT_ONCE) {
            // Somebody else writes, or the disk is full: it goes on after the next command, or at
            // the next opening.
            tracing::debug!(kind = ?error.kind(), "rows were not brought up to date");
            return false;
        }
        true
    }

    /// What was read last is told on the way out; losing it is harmless.
    pub(crate) fn finish(&mut self) {
        if let Some(accessed) = self.upkeep.tell()
            && self.device.handle(vec![accessed], now()).is_err()
        {
            tracing::debug!("what was asked for last could not be noted");
        }
    }

    fn commit(&mut self, batch: &mut Batch) {
        batch.commit(&mut self.device, &self.effects, &self.watchers);
        if batch.damaged && !self.damaged.swap(true, Ordering::Relaxed) {
            tracing::error!("the store is damaged; nothing is sent until it is recovered");
            // A store that can no longer be written is known to be damaged by the mark alone.
            let _ = self.device.handle_as_drain(vec![Event::StoreDamaged], now());
            announce(&self.watchers);
        }
    }

    fn take(&mut self, command: Command, batch: &mut Batch) {
        match command {
            Command::Write(write, answer) => {
                batch.events.push(Event::Write(write));
                batch.answers.push(answer);
            }
            Command::Event(event) => batch.events.push(event),
            Command::Poll => {
                let version = self.device.data_version().unwrap_or(self.seen);
                if version != self.seen {
                    self.seen = version;
                    if self.lock.is_some() {
                        batch.events.push(Event::StoreChanged);
                    }
                    announce(&self.watchers);
                }
            }
            Command::Drain(right, done) => {
                self.commit(batch);
                self.lock = Some(right);
                self.device.set_role(Role::Drain);
                batch.events.push(Event::Started);
                self.upkeep.look_again();
                batch.events.extend(self.upkeep.events(&mut self.device));
                batch.events.extend(self.upkeep.tell());
                self.commit(batch);
                // Whoever asked may have gone.
                let _ = done.send(());
            }
            Command::StopDraining(done) => {
                self.commit(batch);
                stop_draining(&mut self.device, self.lock.is_some());
                self.upkeep.finish(&mut self.device);
                self.lock = None;
                let _ = done.send(());
            }
            Command::Run(part) => {
                self.commit(batch);
                run_part(&mut self.device, part, &self.watchers);
                self.upkeep.look_again();
            }
        }
    }
}

/// Runs something on the store itself, and tells whoever watches if it changed something.
fn run_part(device: &mut Device, part: Box<dyn FnOnce(&mut Device) + Send>, watchers: &Watchers) {
    let before = device.store().rows_changed();
    part(device);
    if device.store().rows_changed() != before {
        announce(watchers);
    }
}

fn stop_draining(device: &mut Device, drained: bool) {
    device.set_role(Role::Write);
    if drained && device.handle_as_drain(vec![Event::Stopped], now()).is_err() {
        // Whoever drains next begins with the same.
        tracing::warn!("the store could not be told that draining has stopped");
    }
}

/// Tells whoever watches that anything may have changed.
fn announce(watchers: &Watchers) {
    let changes = clarity_engine::Changes { status: true, elsewhere: true, ..Default::default() };
    // Nobody may watch.
    let _ = watchers.send(changes);
}

/// Events that share one commit, with those who wait for it.
#[derive(Default)]
struct Batch {
    events: Vec<Event>,
    answers: Vec<Answer>,
    /// Whether the last transaction failed.
    failed: bool,
    /// Whether the engine wants to go on making room.
    more: bool,
    /// Whether damage was met.
    damaged: bool,
}

impl Batch {
    fn commit(
        &mut self,
        device: &mut Device,
        effects: &mpsc::UnboundedSender<Effect>,
        watchers: &Watchers,
    ) {
        if self.events.is_empty() {
            return;
        }
        let events = std::mem::take(&mut self.events);
        let answers = std::mem::take(&mut self.answers);
        match device.handle(events, now()) {
            Ok(Handled { written, effects: wanted, more }) => {
                self.failed = false;
                self.more = more;
                for (answer, result) in answers.into_iter().zip(written) {
                    answer(result.map_err(ClientError::from));
                }
                for effect in wanted {
                    match effect {
                        Effect::Publish(changes) => drop(watchers.send(changes)),
                        effect => drop(effects.send(effect)),
                    }
                }
            }
            Err(error) => {
                self.failed = true;
                if error.kind() == crate::ErrorKind::StorageFull
                    && device.handle_as_drain(vec![Event::StoreFull], now()).is_err()
                {
                    // Not even that fits; the next look at the disk says the same.
                    tracing::debug!("the store is too full to note that it is full");
                }
                self.damaged |= error.kind() == crate::ErrorKind::Damaged;
                refuse(error, answers, effects);
            }
        }
    }
}

/// The whole transaction failed: every caller hears why, and the driver looks again later.
fn refuse(error: ClientError, answers: Vec<Answer>, effects: &mpsc::UnboundedSender<Effect>) {
    tracing::warn!(kind = ?error.kind(), "a transaction of the store failed and was undone");
    let kind = error.kind();
    let mut answers = answers.into_iter();
    if let Some(first) = answers.next() {
        first(Err(error));
    }
    for answer in answers {
        let error = match kind {
            crate::ErrorKind::StorageFull => clarity_engine::store::StoreError::Full,
            crate::ErrorKind::Busy => clarity_engine::store::StoreError::Busy,
            crate::ErrorKind::Damaged => clarity_engine::store::StoreError::Damaged {
                detail: "a write that shared the transaction met it".to_owned(),
            },
            _ => clarity_engine::store::StoreError::Io {
                detail: "a write that shared the transaction failed".to_owned(),
            },
        };
        answer(Err(WriteError::from(error).into()));
    }
    if kind == crate::ErrorKind::Damaged {
        // Time alone does not mend it.
        return;
    }
    let _ = effects.send(Effect::WakeAt(now().plus_ms(RETRY_AFTER_FAILURE_MS)));
}

/// How soon a failed transaction of the driver is followed by another look, in milliseconds.
const RETRY_AFTER_FAILURE_MS: i64 = 1_000;
