//! The one thread that writes.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use clarity_engine::{Write, Written};
use tokio::sync::broadcast;

use crate::device::Device;
use crate::error::ClientError;
use crate::storing::{Answer, Command, Effects, GROUP_MAX, Storing, Watchers};
use crate::upkeep::Upkeep;

/// How often another process's writes are looked for while somebody watches.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The way to the thread.
#[derive(Debug)]
pub(crate) struct Worker {
    commands: mpsc::Sender<Command>,
    watchers: Watchers,
    thread: Option<JoinHandle<()>>,
    damaged: Arc<AtomicBool>,
}

impl Worker {
    pub(crate) fn start(device: Device, upkeep: Upkeep) -> Result<(Self, Effects), ClientError> {
        let (commands, inbox) = mpsc::channel();
        let (mut storing, effects) = Storing::new(device, upkeep);
        let (watchers, damaged) = (storing.watchers().clone(), Arc::clone(storing.damaged()));
        let thread = std::thread::Builder::new()
            .name("clarity-store".to_owned())
            .spawn(move || run(&mut storing, &inbox))
            .map_err(|_| ClientError::Closed)?;
        Ok((Self { commands, watchers, thread: Some(thread), damaged }, effects))
    }

    pub(crate) fn send(&self, command: Command) -> Result<(), ClientError> {
        self.commands.send(command).map_err(|_| ClientError::Closed)
    }

    /// Hands a write over that is waited for elsewhere.
    pub(crate) fn submit(&self, write: Write, answer: Answer) -> Result<(), ClientError> {
        self.send(Command::Write(write, answer))
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
        self.submit(write, Box::new(move |result| drop(answer.send(result))))?;
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

fn run(storing: &mut Storing, inbox: &mpsc::Receiver<Command>) {
    while let Some(first) = next(storing, inbox) {
        let others = std::iter::from_fn(|| inbox.try_recv().ok());
        let group: Vec<Command> = std::iter::once(first).chain(others).take(GROUP_MAX).collect();
        storing.process(group);
    }
    storing.finish();
}

/// The next command. While there is none, what else there is to do is done in slices.
fn next(storing: &mut Storing, inbox: &mpsc::Receiver<Command>) -> Option<Command> {
    while storing.has_idle_work() {
        match inbox.try_recv() {
            Ok(command) => return Some(command),
            Err(mpsc::TryRecvError::Disconnected) => return None,
            Err(mpsc::TryRecvError::Empty) if storing.idle_step() => {}
            Err(mpsc::TryRecvError::Empty) => break,
        }
    }
    next_command(inbox, storing.watchers())
}

/// The next command. While somebody watches, time that passes is one: to look for other processes.
fn next_command(inbox: &mpsc::Receiver<Command>, watchers: &Watchers) -> Option<Command> {
    if watchers.receiver_count() == 0 {
        return inbox.recv().ok();
    }
    match inbox.recv_timeout(POLL_INTERVAL) {
        Ok(command) => Some(command),
        Err(mpsc::RecvTimeoutError::Timeout) => Some(Command::Poll),
        Err(mpsc::RecvTimeoutError::Disconnected) => None,
    }
}
