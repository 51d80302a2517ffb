//! The driver: it carries out what the engine asks for and tells it what happened.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use clarity_engine::protocol::model::LocalTime;
use clarity_engine::protocol::{Failure, FailureClass, Hint};
use clarity_engine::store::Credentials;
use clarity_engine::{Effect, Event, Pause, Stalled, Status, TokenResult};
use serde::Serialize;
use tokio::sync::{Notify, broadcast, oneshot};

use crate::client::Client;
use crate::error::ClientError;
use crate::platform::{DrainLock, Instant, Polling, Tasks, sleep, timeout};
use crate::storing::{Command, Effects, now};
use crate::transport::{Refreshed, Traffic, Transport};

/// How often another process's writes and a held lock are looked for.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The first pause after the stream of hints broke; it doubles each time.
const HINTS_PAUSE_MIN: Duration = Duration::from_millis(500);
/// The longest pause after the stream of hints broke; a stream that lasted so long was a good one.
const HINTS_PAUSE_MAX: Duration = Duration::from_secs(240);
/// How long another process that drains may do nothing at least: a sync without patience for
/// failures still waits for one that is just ending, or busy for a moment.
const LOCK_PATIENCE_MIN: Duration = Duration::from_secs(5);

/// How a call of [`Client::sync`] ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum SyncEnd {
    /// Nothing is left to send or to read. Conflicts and failed operations may wait for a person.
    Done,
    /// Something is in the way that time alone does not remove.
    Stalled(Stalled),
    /// It kept failing for longer than the caller's patience. What waits is kept.
    OutOfPatience(Stalled),
}

/// What a call of [`Client::sync`] did.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct SyncReport {
    /// How it ended.
    pub end: SyncEnd,
    /// Where the sync stands now.
    pub status: Status,
}

impl Client {
    /// Keeps the store in sync until `stop` is ready: sends what is written, here or by another
    /// process, and pulls when the server hints, every 15 minutes, and when asked to.
    ///
    /// Only one process drains a store; this waits for the others. When it returns, and when it is
    /// dropped at any point, everything that was acknowledged is kept, and what was on its way is
    /// sent again the next time.
    ///
    /// # Errors
    /// When this client is draining already, or was closed.
    pub async fn run<T: Transport>(
        &self,
        transport: Arc<T>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), ClientError> {
        tokio::pin!(stop);
        let effects = Taken::take(self)?;
        let Some(lock) = self.lock(stop.as_mut(), || ()).await? else { return Ok(()) };
        self.drain((effects, lock), transport, Hints::Heard, || (), stop).await
    }

    /// Sends and pulls until there is nothing left to do, something needs a person, or it has
    /// failed for longer than `patience`. `show` is called with each new status.
    ///
    /// Where [`Client::run`], here or in another process, keeps the store in sync already, it is
    /// asked to do that now and this waits for it. If it ends meanwhile, this goes on in its place.
    ///
    /// # Errors
    /// When this client was closed; when another process holds the store and nothing has moved for
    /// longer than `patience`; and when the store cannot be read.
    pub async fn sync<T: Transport>(
        &self,
        transport: Arc<T>,
        patience: Duration,
        show: impl FnMut(&Status),
    ) -> Result<SyncReport, ClientError> {
        let (is_here, ready) = (AtomicBool::new(false), Notify::new());
        let (stop, stopped) = oneshot::channel::<()>();
        let drain = async {
            let stopped = async {
                let _ = stopped.await;
            };
            tokio::pin!(stopped);
            let effects = match Taken::take(self) {
                Err(ClientError::AlreadyDraining) => {
                    ready.notify_one();
                    stopped.await;
                    return Ok(());
                }
                taken => taken?,
            };
            let lock = self.lock(stopped.as_mut(), || ready.notify_one()).await?;
            let Some(lock) = lock else { return Ok(()) };
            let begun = || {
                is_here.store(true, Ordering::Relaxed);
                ready.notify_one();
            };
            self.drain((effects, lock), transport, Hints::NotHeard, begun, stopped).await
        };
        let watch = async {
            // Until it has begun, here or elsewhere, nothing can be done.
            ready.notified().await;
            let end = self.until_ended(&is_here, patience, show).await;
            drop(stop);
            end
        };
        let ((), end) = tokio::try_join!(drain, watch)?;
        Ok(SyncReport { end, status: self.status()? })
    }

    /// Has everything synchronised now, by whoever drains, and waits for the end of it.
    async fn until_ended(
        &self,
        is_here: &AtomicBool,
        patience: Duration,
        mut show: impl FnMut(&Status),
    ) -> Result<SyncEnd, ClientError> {
        let mut changes = self.watch();
        // Somebody asks for it now: a wait that an earlier failure left is cut short.
        // It is taken in before the status is looked at.
        self.note(Event::SyncNow)?;
        let mut failing_since = None;
        let (mut last, mut moved_at) = (None, Instant::now());
        loop {
            let status = self.status()?;
            show(&status);
            if let Some(end) = ended(&status, &mut failing_since, patience) {
                return Ok(end);
            }
            if is_here.load(Ordering::Relaxed) || last.as_ref() != Some(&status) {
                (last, moved_at) = (Some(status), Instant::now());
            } else if moved_at.elapsed() >= patience.max(LOCK_PATIENCE_MIN) {
                return Err(ClientError::HeldElsewhere);
            }
            // Something changes, or time passes for the patience.
            let next = timeout(POLL_INTERVAL, changes.recv()).await;
            if let Ok(Err(broadcast::error::RecvError::Closed)) = next {
                return Err(ClientError::Closed);
            }
        }
    }

    /// The right to drain; nothing when this process or another does.
    pub(crate) fn try_begin(&self) -> Result<Option<Begun<'_>>, ClientError> {
        let effects = match Taken::take(self) {
            Err(ClientError::AlreadyDraining) => return Ok(None),
            other => other?,
        };
        Ok(DrainLock::try_acquire(self.path())?.map(|lock| (effects, lock)))
    }

    /// Drains until `stop` is ready; `started` is called when it has begun.
    pub(crate) async fn drain<T: Transport>(
        &self,
        (mut effects, lock): Begun<'_>,
        transport: Arc<T>,
        hints: Hints,
        started: impl FnOnce(),
        stop: impl Future<Output = ()>,
    ) -> Result<(), ClientError> {
        tokio::pin!(stop);
        // What an earlier run left is void: the engine asks again.
        effects.clear();
        let (done, wait) = oneshot::channel();
        self.worker().send(Command::Drain(lock, done))?;
        wait.await.map_err(|_| ClientError::Closed)?;
        started();
        let mut driver = Driver { client: self, transport, tasks: Tasks::new(), wake_at: None };
        if hints == Hints::Heard {
            driver.listen_for_hints();
        }
        driver.run(effects, stop).await
    }

    /// Waits for the lock that the draining process holds; `is_held` is called while it does.
    async fn lock(
        &self,
        mut stop: std::pin::Pin<&mut impl Future<Output = ()>>,
        is_held: impl Fn(),
    ) -> Result<Option<DrainLock>, ClientError> {
        loop {
            if let Some(lock) = DrainLock::try_acquire(self.path())? {
                return Ok(Some(lock));
            }
            is_held();
            tokio::select! {
                () = stop.as_mut() => return Ok(None),
                () = sleep(POLL_INTERVAL) => {}
            }
        }
    }
}

/// Whether a sync can do no more for now, and why.
fn ended(
    status: &Status,
    failing_since: &mut Option<Instant>,
    patience: Duration,
) -> Option<SyncEnd> {
    if status.idle {
        // Also when a pause holds what comes later, as on a metered network after a person's wish.
        return Some(SyncEnd::Done);
    }
    match &status.stalled {
        None => {
            *failing_since = None;
            None
        }
        // Without room nothing is read, but what waits still goes out.
        Some(stalled) if stalled.why == Pause::StorageFull && status.in_flight > 0 => None,
        Some(_) if status.making_room => None,
        // A pause with an end is no failure to be patient with.
        Some(stalled) if stalled.next_attempt.is_none() || stalled.why == Pause::UserPaused => {
            Some(SyncEnd::Stalled(stalled.clone()))
        }
        Some(stalled) => {
            let since = *failing_since.get_or_insert_with(Instant::now);
            (since.elapsed() >= patience).then(|| SyncEnd::OutOfPatience(stalled.clone()))
        }
    }
}

/// Whether a drain hears the server's hints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hints {
    /// As long as it lasts.
    Heard,
    /// It ends when there is nothing left to do; a hint at its very end would leave it undone.
    NotHeard,
}

/// The way from the engine, and the right to carry out what it asks for.
pub(crate) type Begun<'c> = (Taken<'c>, DrainLock);

/// The way from the engine, taken out of the client while it drains and given back after.
pub(crate) struct Taken<'c> {
    client: &'c Client,
    effects: Option<Effects>,
}

impl<'c> Taken<'c> {
    fn take(client: &'c Client) -> Result<Self, ClientError> {
        let mut slot = client.effects().lock().unwrap_or_else(PoisonError::into_inner);
        let effects = slot.take().ok_or(ClientError::AlreadyDraining)?;
        Ok(Self { client, effects: Some(effects) })
    }

    fn clear(&mut self) {
        while self.effects.as_mut().is_some_and(|effects| effects.try_recv().is_ok()) {}
    }

    async fn next(&mut self) -> Option<Effect> {
        match &mut self.effects {
            Some(effects) => effects.recv().await,
            None => None,
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        // Also when the run was dropped half-way: nothing is drained without a driver.
        let (done, _) = oneshot::channel();
        let _ = self.client.worker().send(Command::StopDraining(done));
        *self.client.effects().lock().unwrap_or_else(PoisonError::into_inner) = self.effects.take();
    }
}

struct Driver<'c, T: Transport> {
    client: &'c Client,
    transport: Arc<T>,
    tasks: Tasks,
    wake_at: Option<Instant>,
}

impl<T: Transport> Driver<'_, T> {
    async fn run(
        &mut self,
        mut effects: Taken<'_>,
        mut stop: std::pin::Pin<&mut impl Future<Output = ()>>,
    ) -> Result<(), ClientError> {
        let mut poll = Polling::every(POLL_INTERVAL);
        loop {
            let wake_at = self.wake_at;
            let wake = async {
                match wake_at {
                    Some(at) => sleep(at.saturating_duration_since(Instant::now())).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.as_mut() => break,
                effect = effects.next() => match effect {
                    Some(effect) => self.carry_out(effect)?,
                    None => return Err(ClientError::Closed),
                },
                () = wake => {
                    self.wake_at = None;
                    self.client.worker().send(Command::Event(Event::Timer))?;
                }
                () = poll.tick() => self.client.worker().send(Command::Poll)?,
                Some(_) = self.tasks.join_next() => {}
            }
        }
        self.tasks.shutdown().await;
        let (done, wait) = oneshot::channel();
        self.client.worker().send(Command::StopDraining(done))?;
        wait.await.map_err(|_| ClientError::Closed)
    }

    fn carry_out(&mut self, effect: Effect) -> Result<(), ClientError> {
        match effect {
            Effect::Send { request, body } => {
                let (client, transport) = (self.client.clone(), Arc::clone(&self.transport));
                let token = self.credentials()?.and_then(|credentials| credentials.access_token);
                self.tasks.spawn(async move {
                    let result = transport.send(body, token).await;
                    let Traffic { sent, received } = transport.take_traffic();
                    if sent + received > 0 {
                        let _ = client.notify(Event::Travelled { sent, received });
                    }
                    let event = Event::RequestFinished { request, result };
                    // A closed client has no use for the answer.
                    let _ = client.notify(event);
                });
            }
            Effect::RefreshToken { round } => {
                let (client, transport) = (self.client.clone(), Arc::clone(&self.transport));
                let token = self.credentials()?.and_then(|credentials| credentials.refresh_token);
                self.tasks.spawn(async move {
                    let result = match transport.refresh(token).await {
                        Refreshed::Tokens(tokens) => TokenResult::Renewed(tokens),
                        Refreshed::Refused => TokenResult::Refused,
                        Refreshed::Failed(failure) => TokenResult::Failed(failure),
                    };
                    let _ = client.notify(Event::TokenResult { round, result });
                });
            }
            Effect::WakeAt(at) => self.wake_at = Some(instant_of(at)),
            _ => {}
        }
        Ok(())
    }

    fn credentials(&self) -> Result<Option<Credentials>, ClientError> {
        self.client.credentials()
    }

    /// Keeps the stream of hints open. After it broke, a pull looks if the server is there, and
    /// the stream is opened again once some request has succeeded: it adds no attempts of its own
    /// while the server is away, and the longer pauses the sooner it breaks again.
    fn listen_for_hints(&mut self) {
        let (client, transport) = (self.client.clone(), Arc::clone(&self.transport));
        self.tasks.spawn(async move {
            let mut changes = client.watch();
            let (mut known, mut pause) = (0, HINTS_PAUSE_MIN);
            while wait_for_success(&client, &mut changes, known).await.is_ok() {
                let Ok(credentials) = client.credentials() else { return };
                let token = credentials.and_then(|credentials| credentials.access_token);
                let listener = client.clone();
                let deliver = move |hint: Hint| {
                    let _ = listener.notify(Event::PushReceived(hint));
                };
                let opened = Instant::now();
                let ended: Result<(), Failure> = transport.hints(token, &deliver).await;
                if ended.is_err_and(|failure| failure.class == FailureClass::Config) {
                    return;
                }
                let lasted = opened.elapsed() >= HINTS_PAUSE_MAX;
                pause = if lasted { HINTS_PAUSE_MIN } else { (pause * 2).min(HINTS_PAUSE_MAX) };
                sleep(pause).await;
                let Ok(succeeded) = successes(&client) else { return };
                known = succeeded;
                // Hints may have been missed while the stream was down.
                deliver(Hint::full());
            }
        });
    }
}

/// How many requests of this store have ever succeeded.
fn successes(client: &Client) -> Result<i64, ClientError> {
    Ok(client.counters()?.get("requests_succeeded").copied().unwrap_or_default())
}

/// Waits until more requests have succeeded than are `known`.
async fn wait_for_success(
    client: &Client,
    changes: &mut broadcast::Receiver<clarity_engine::Changes>,
    known: i64,
) -> Result<(), ClientError> {
    loop {
        if successes(client)? > known {
            return Ok(());
        }
        if let Err(broadcast::error::RecvError::Closed) = changes.recv().await {
            return Err(ClientError::Closed);
        }
    }
}

/// The moment of the monotonic clock that a time of the wall clock will be at, as things stand.
fn instant_of(at: LocalTime) -> Instant {
    let wait = u64::try_from(at.since_ms(now())).unwrap_or(0);
    Instant::now() + Duration::from_millis(wait)
}
