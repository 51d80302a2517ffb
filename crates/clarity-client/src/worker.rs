//! The one thread that writes: it takes what callers and the driver ask for, puts as much as there
//! is into one transaction, commits, and only then answers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use clarity_engine::protocol::model::LocalTime;
use clarity_engine::store::DrainLock;
use clarity_engine::{Effect, Event, Handled, Role, Write, WriteError, Written};
use tokio::sync::{broadcast, mpsc as async_mpsc, oneshot};

use crate::device::Device;
use crate::error::ClientError;
use crate::upkeep::Upkeep;

/// Most commands that share one commit.
const GROUP_MAX: usize = 256;
/// How often another process's writes are looked for while somebody watches.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// How many rows are brought up to date at once after a change of the schema: a slice that no
/// writer notices.
const SCHEMA_ROWS_AT_ONCE: usize = 500;
/// How many publications a slow watcher may be behind.
const WATCH_BUFFER: usize = 1_024;

/// What the thread is asked for.
pub(crate) enum Command {
    Write(Write, Answer),
    Event(Event),
    /// Begins to drain. The lock stays with the thread until it has really stopped, so that no
    /// other process can begin while this one may still send. The answer comes when it is so.
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

/// The way to the thread.
#[derive(Debug)]
pub(crate) struct Worker {
    commands: mpsc::Sender<Command>,
    watchers: broadcast::Sender<clarity_engine::Changes>,
    thread: Option<JoinHandle<()>>,
    damaged: Arc<AtomicBool>,
}

/// What the thread asks the driver for.
pub(crate) type Effects = async_mpsc::UnboundedReceiver<Effect>;

impl Worker {
    pub(crate) fn start(device: Device, upkeep: Upkeep) -> Result<(Self, Effects), ClientError> {
        let (commands, inbox) = mpsc::channel();
        let (effects, outbox) = async_mpsc::unbounded_channel();
        let (watchers, _) = broadcast::channel(WATCH_BUFFER);
        let publish = watchers.clone();
        let damaged = Arc::new(AtomicBool::new(false));
        let mark = Arc::clone(&damaged);
        let thread = std::thread::Builder::new()
            .name("clarity-store".to_owned())
            .spawn(move || {
                let seen = device.data_version().unwrap_or_default();
                let (effects, watchers) = (&effects, &publish);
                // Whether anything is left of an upgrade, the first look tells.
                let (lock, failed, more) = (None, false, device.has_steps());
                let damaged = mark;
                let mut storing = Storing {
                    device,
                    effects,
                    watchers,
                    damaged,
                    upkeep,
                    lock,
                    seen,
                    failed,
                    more,
                };
                storing.run(&inbox);
            })
            .map_err(|_| ClientError::Closed)?;
        Ok((Self { commands, watchers, thread: Some(thread), damaged }, outbox))
    }

    pub(crate) fn send(&self, command: Command) -> Result<(), ClientError> {
        self.commands.send(command).map_err(|_| ClientError::Closed)
    }

    /// Whether damage was met since the store was opened.
    pub(crate) fn damaged(&self) -> &AtomicBool {
        &self.damaged
    }

    pub(crate) fn watch(&self) -> broadcast::Receiver<clarity_engine::Changes> {
        let receiver = self.watchers.subscribe();
        // It waits without an end while nobody watches; now it looks for other processes too. A
        // thread that has ended has nothing to tell.
        let _ = self.commands.send(Command::Poll);
        receiver
    }

    /// Writes and waits until it is durable.
    pub(crate) fn write(&self, write: Write) -> Result<WaitingWrite, ClientError> {
        let (answer, wait) = mpsc::sync_channel(1);
        // The caller may have gone; then nobody wants the answer.
        let answer: Answer = Box::new(move |result| drop(answer.send(result)));
        self.send(Command::Write(write, answer))?;
        Ok(WaitingWrite(wait))
    }

    /// Runs something on the store's thread and waits for it.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        part: impl FnOnce(&mut Device) -> T + Send + 'static,
    ) -> Result<T, ClientError> {
        let (answer, wait) = mpsc::sync_channel(1);
        let run = move |device: &mut Device| {
            // The caller may have gone; then nobody wants the answer.
            let _ = answer.send(part(device));
        };
        self.send(Command::Run(Box::new(run)))?;
        wait.recv().map_err(|_| ClientError::Closed)
    }
}

/// A write on its way to the disk.
#[derive(Debug)]
pub(crate) struct WaitingWrite(mpsc::Receiver<Result<Written, ClientError>>);

impl WaitingWrite {
    /// Waits until it is durable or refused. It blocks the thread, and works on any.
    pub(crate) fn wait(self) -> Result<Written, ClientError> {
        self.0.recv().unwrap_or(Err(ClientError::Closed))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let (closed, _) = mpsc::channel();
        self.commands = closed;
        if let Some(thread) = self.thread.take() {
            // What was accepted is committed before the thread ends.
            let _ = thread.join();
        }
    }
}

/// The present by this device's clock.
pub(crate) fn now() -> LocalTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    LocalTime(since.ok().and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(0))
}

/// The thread and what it remembers.
struct Storing<'t> {
    device: Device,
    effects: &'t async_mpsc::UnboundedSender<Effect>,
    watchers: &'t broadcast::Sender<clarity_engine::Changes>,
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

impl Storing<'_> {
    fn run(&mut self, inbox: &mpsc::Receiver<Command>) {
        while let Some(first) = self.next(inbox) {
            let mut group = vec![first];
            while group.len() < GROUP_MAX {
                match inbox.try_recv() {
                    Ok(next) => group.push(next),
                    Err(_) => break,
                }
            }
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
        // What was read last is told on the way out; losing it is harmless.
        if let Some(accessed) = self.upkeep.tell()
            && self.device.handle(vec![accessed], now()).is_err()
        {
            tracing::debug!("what was asked for last could not be noted");
        }
    }

    /// The next command. While there is none, room is made in slices and given back, and rows are
    /// brought up to date after a change of the schema.
    fn next(&mut self, inbox: &mpsc::Receiver<Command>) -> Option<Command> {
        loop {
            let too_large = self.upkeep.too_large && self.lock.is_some();
            if !self.more && !too_large && !self.device.has_schema_work() {
                break;
            }
            match inbox.try_recv() {
                Ok(command) => return Some(command),
                Err(mpsc::TryRecvError::Disconnected) => return None,
                Err(mpsc::TryRecvError::Empty) if !self.more && !too_large => {
                    if let Err(error) = self.device.follow_schema(SCHEMA_ROWS_AT_ONCE) {
                        // Somebody else writes, or the disk is full: it goes on after the next
                        // command, or at the next opening.
                        tracing::debug!(kind = ?error.kind(), "rows were not brought up to date");
                        break;
                    }
                }
                Err(mpsc::TryRecvError::Empty) if self.more => {
                    let events = vec![Event::Timer];
                    let mut batch = Batch { events, failed: self.failed, ..Batch::default() };
                    batch.events.extend(self.upkeep.tell());
                    self.commit(&mut batch);
                    self.more = batch.more;
                    self.upkeep.look_again();
                }
                Err(mpsc::TryRecvError::Empty) => self.upkeep.give_back(&mut self.device),
            }
        }
        next_command(inbox, self.watchers)
    }

    fn commit(&mut self, batch: &mut Batch) {
        batch.commit(&mut self.device, self.effects, self.watchers);
        if batch.damaged && !self.damaged.swap(true, Ordering::Relaxed) {
            tracing::error!("the store is damaged; nothing is sent until it is recovered");
            // A store that can no longer be written is known to be damaged by the mark alone.
            let _ = self.device.handle_as_drain(vec![Event::StoreDamaged], now());
            announce(self.watchers);
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
                    announce(self.watchers);
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
                run_part(&mut self.device, part, self.watchers);
                self.upkeep.look_again();
            }
        }
    }
}

/// Runs something on the store itself, and tells whoever watches if it changed something.
fn run_part(
    device: &mut Device,
    part: Box<dyn FnOnce(&mut Device) + Send>,
    watchers: &broadcast::Sender<clarity_engine::Changes>,
) {
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

/// The next command. While somebody watches, time that passes is one: to look for other processes.
fn next_command(
    inbox: &mpsc::Receiver<Command>,
    watchers: &broadcast::Sender<clarity_engine::Changes>,
) -> Option<Command> {
    if watchers.receiver_count() == 0 {
        return inbox.recv().ok();
    }
    match inbox.recv_timeout(POLL_INTERVAL) {
        Ok(command) => Some(command),
        Err(mpsc::RecvTimeoutError::Timeout) => Some(Command::Poll),
        Err(mpsc::RecvTimeoutError::Disconnected) => None,
    }
}

/// Tells whoever watches that anything may have changed.
fn announce(watchers: &broadcast::Sender<clarity_engine::Changes>) {
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
        effects: &async_mpsc::UnboundedSender<Effect>,
        watchers: &broadcast::Sender<clarity_engine::Changes>,
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
fn refuse(error: ClientError, answers: Vec<Answer>, effects: &async_mpsc::UnboundedSender<Effect>) {
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
