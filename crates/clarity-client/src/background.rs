//! Short windows of time that a system gives an app in the background: what waits is sent, what is
//! new is read, and what health sources have is taken in, in this order.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use clarity_engine::{Event, Imported, Pause, Stalled, Status};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use tokio::time::Instant;

use crate::client::Client;
use crate::driver::{Hints, POLL_INTERVAL};
use crate::error::ClientError;
use crate::storing::now;
use crate::transport::{Transport, TransportFuture};

/// How much time a window has where nobody says otherwise: systems end an app after 30 s.
pub const BACKGROUND_TIME: Duration = Duration::from_secs(25);

/// What a platform says of the moment; nothing where it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Conditions {
    /// Whether there is a network.
    pub online: Option<bool>,
    /// Whether the network costs by volume.
    pub metered: Option<bool>,
    /// Whether the device is charging.
    pub on_power: Option<bool>,
}

/// Something that brings health data in when there is time: a feed of the platform, a folder of
/// exports.
///
/// # Contract
/// * What it brings is written through the client in batches, each durable by itself, and its
///   cursor with them: the future may be dropped at any `await`, and the process killed anywhere.
/// * It ends when `left` says that the time is over. What it did not get to comes the next time.
/// * Bringing the same again changes nothing.
pub trait BackgroundSource: Send + Sync + 'static {
    /// Its name, for reports.
    fn name(&self) -> &str;

    /// Brings in what is new; says what became of it.
    fn collect<'a>(
        &'a self,
        client: &'a Client,
        left: TimeLeft,
    ) -> TransportFuture<'a, Result<Imported, ClientError>>;
}

/// How much of a window is left.
#[derive(Debug, Clone, Copy)]
pub struct TimeLeft(Instant);

impl TimeLeft {
    /// The time that is left; zero when it is over.
    #[must_use]
    pub fn duration(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// What to do in a window, and when not to begin.
#[derive(Clone)]
pub struct BackgroundWork {
    /// How much time there is.
    pub time: Duration,
    /// Do nothing without a network.
    pub requires_network: bool,
    /// Do nothing while the device is not charging.
    pub requires_power: bool,
    /// What the platform says of the moment. What it does not say is in nobody's way.
    pub conditions: Conditions,
    /// The health sources, in the order in which they are asked. The ones that
    /// [`Client::register_source`] registered come after them.
    pub sources: Vec<Arc<dyn BackgroundSource>>,
}

impl Default for BackgroundWork {
    fn default() -> Self {
        Self {
            time: BACKGROUND_TIME,
            requires_network: false,
            requires_power: false,
            conditions: Conditions::default(),
            sources: Vec::new(),
        }
    }
}

impl std::fmt::Debug for BackgroundWork {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("BackgroundWork")
            .field("time", &self.time)
            .field("requires_network", &self.requires_network)
            .field("requires_power", &self.requires_power)
            .field("conditions", &self.conditions)
            .field("sources", &self.sources.len())
            .finish()
    }
}

/// How a window ended, in the three words that systems ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum BackgroundEnd {
    /// Something arrived that was not there before.
    NewData,
    /// Nothing new.
    NoData,
    /// Nothing could be done.
    Failed {
        /// Why.
        why: BackgroundFailure,
    },
}

/// Why nothing could be done in a window. Whatever waits is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "snake_case")]
#[non_exhaustive]
pub enum BackgroundFailure {
    /// It requires a network, and there is none.
    NoNetwork,
    /// It requires power, and the device is not charging.
    NoPower,
    /// Something is in the way, which the pause names.
    Stalled(Stalled),
    /// The time was over before anything was answered.
    OutOfTime,
    /// The store could not be read or written.
    Store {
        /// What happened, in words.
        message: String,
    },
}

/// What a source did in a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceReport {
    /// The source.
    pub name: String,
    /// What became of what it brought.
    pub imported: Imported,
    /// Why it stopped, if not because it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
}

/// What was done in a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackgroundReport {
    /// How it ended.
    #[serde(flatten)]
    pub end: BackgroundEnd,
    /// Operations that the server answered for good.
    pub sent: u64,
    /// Entities that were changed by what was read.
    pub received: u64,
    /// What each source did, as far as there was time.
    pub sources: Vec<SourceReport>,
    /// Whether something is left that another window could do.
    pub unfinished: bool,
}

/// What the store has counted so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted {
    sent: i64,
    received: i64,
    answers: i64,
}

impl Counted {
    pub(crate) fn now(client: &Client) -> Result<Self, ClientError> {
        let metrics = client.counters()?;
        let of = |name: &str| metrics.get(name).copied().unwrap_or_default();
        Ok(Self {
            sent: of("operations_settled"),
            received: of("rows_changed"),
            answers: of("requests_succeeded"),
        })
    }
}

/// What became of the network's part of a window.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Synced {
    /// Nothing is left to send or to read.
    Done,
    /// Something is in the way.
    Stalled(Stalled),
    /// The time was over.
    OutOfTime,
}

impl Client {
    /// Uses a short window of time, such as a system gives an app in the background: sends what
    /// waits, reads what is new, lets the sources bring in what they have, and sends that. It ends
    /// when there is nothing left to do, when something is in the way that the time does not
    /// remove, and with the time.
    ///
    /// Every batch is durable when it is done, so that dropping the future, cancelling and killing
    /// the process at any point lose nothing and repeat nothing. Where this or another process
    /// drains the store already, that one does the work and this waits for it. A metered network
    /// that the person does not want used, and a pause, are respected.
    ///
    /// # Errors
    /// When the client is closed. All else is a [`BackgroundFailure`].
    pub async fn sync_within<T: Transport>(
        &self,
        transport: Arc<T>,
        work: &BackgroundWork,
    ) -> Result<BackgroundReport, ClientError> {
        let mut work = work.clone();
        work.sources.extend(self.registered_sources());
        let work = &work;
        let deadline = Instant::now() + work.time;
        if let Some(why) = self.cannot_begin(work)? {
            return Ok(BackgroundReport {
                end: BackgroundEnd::Failed { why },
                sent: 0,
                received: 0,
                sources: Vec::new(),
                unfinished: true,
            });
        }
        if let Some(metered) = work.conditions.metered {
            self.note(Event::NetworkMetered { metered })?;
        }
        let before = Counted::now(self)?;
        self.note(Event::BudgetGiven)?;
        let mut sources = Vec::new();
        let part = async {
            let mut synced = self.in_step(deadline).await?;
            if self.ask_sources(work, deadline, &mut sources).await? {
                synced = self.in_step(deadline).await?;
            }
            Ok(synced)
        };
        let synced = match tokio::time::timeout_at(deadline, self.drained(transport, part)).await {
            Ok(synced) => synced?,
            Err(_) => Synced::OutOfTime,
        };
        self.report(before, synced, sources, work)
    }

    fn cannot_begin(
        &self,
        work: &BackgroundWork,
    ) -> Result<Option<BackgroundFailure>, ClientError> {
        let online = work.conditions.online.or(self.status()?.network.online);
        Ok(if work.requires_network && online == Some(false) {
            Some(BackgroundFailure::NoNetwork)
        } else if work.requires_power && work.conditions.on_power == Some(false) {
            Some(BackgroundFailure::NoPower)
        } else {
            None
        })
    }

    /// Waits until nothing is left to send or to read, or something is in the way for longer than
    /// until `deadline`.
    pub(crate) async fn in_step(&self, deadline: Instant) -> Result<Synced, ClientError> {
        let mut changes = self.watch();
        loop {
            let status = self.status()?;
            match &status.stalled {
                _ if status.idle => return Ok(Synced::Done),
                Some(stalled) if !ends_before(stalled, deadline) => {
                    return Ok(Synced::Stalled(stalled.clone()));
                }
                _ => {}
            }
            // Another process that drains is seen by looking.
            let next = tokio::time::timeout(POLL_INTERVAL, changes.recv()).await;
            if let Ok(Err(broadcast::error::RecvError::Closed)) = next {
                return Err(ClientError::Closed);
            }
        }
    }

    /// Says whether a source brought anything.
    async fn ask_sources(
        &self,
        work: &BackgroundWork,
        deadline: Instant,
        reports: &mut Vec<SourceReport>,
    ) -> Result<bool, ClientError> {
        let mut brought = false;
        for source in &work.sources {
            // A source that the end of the time interrupts is in the report all the same.
            reports.push(SourceReport {
                name: source.name().to_owned(),
                imported: Imported::default(),
                stopped: Some("the time was over".to_owned()),
            });
            let collected = source.collect(self, TimeLeft(deadline)).await;
            let Some(report) = reports.last_mut() else { continue };
            match collected {
                Ok(imported) => {
                    brought |= imported.new + imported.changed > 0;
                    *report = SourceReport { imported, stopped: None, ..report.clone() };
                }
                Err(ClientError::Closed) => return Err(ClientError::Closed),
                // One that fails is in nobody's way.
                Err(error) => report.stopped = Some(error.to_string()),
            }
        }
        Ok(brought)
    }

    fn report(
        &self,
        before: Counted,
        synced: Synced,
        sources: Vec<SourceReport>,
        work: &BackgroundWork,
    ) -> Result<BackgroundReport, ClientError> {
        let (after, status) = (Counted::now(self)?, self.status()?);
        let brought = sources.iter().any(|one| one.imported.new + one.imported.changed > 0);
        let asked_all = sources.len() == work.sources.len();
        let stopped = !asked_all || sources.iter().any(|source| source.stopped.is_some());
        let unfinished = synced != Synced::Done || stopped || has_work(&status);
        Ok(BackgroundReport {
            end: end_of(before, after, brought, synced),
            sent: u64::try_from(after.sent - before.sent).unwrap_or(0),
            received: u64::try_from(after.received - before.received).unwrap_or(0),
            sources,
            unfinished,
        })
    }
}

/// The three words: what arrived counts also when not all could be done.
pub(crate) fn end_of(
    before: Counted,
    after: Counted,
    brought: bool,
    synced: Synced,
) -> BackgroundEnd {
    let answered = after.answers > before.answers;
    match synced {
        _ if brought || after.received > before.received => BackgroundEnd::NewData,
        Synced::Stalled(stalled) if !answered => {
            BackgroundEnd::Failed { why: BackgroundFailure::Stalled(stalled) }
        }
        Synced::OutOfTime if !answered => {
            BackgroundEnd::Failed { why: BackgroundFailure::OutOfTime }
        }
        _ => BackgroundEnd::NoData,
    }
}

fn has_work(status: &Status) -> bool {
    !status.idle || status.catching_up
}

/// Whether something is tried again within the time.
fn ends_before(stalled: &Stalled, deadline: Instant) -> bool {
    let Some(next) = stalled.next_attempt else { return false };
    let left = deadline.saturating_duration_since(Instant::now());
    let wait_ms = u64::try_from(next.since_ms(now())).unwrap_or(0);
    stalled.why != Pause::UserPaused && Duration::from_millis(wait_ms) <= left
}

impl Client {
    /// Does `part` while the store is drained: by a driver for this time, or by the one that there
    /// is, in this process or another. Should that one end first, one of its own takes over.
    pub(crate) async fn drained<T: Transport, R>(
        &self,
        transport: Arc<T>,
        part: impl Future<Output = Result<R, ClientError>>,
    ) -> Result<R, ClientError> {
        let mut part = pin!(part);
        loop {
            if let Some(begun) = self.try_begin()? {
                let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
                let drain =
                    self.drain(begun, Arc::clone(&transport), Hints::NotHeard, || {}, async {
                        let _ = stopped.await;
                    });
                let mut drain = pin!(drain);
                return tokio::select! {
                    result = &mut part => {
                        drop(stop);
                        drain.await?;
                        result
                    }
                    ended = &mut drain => Err(ended.err().unwrap_or(ClientError::Closed)),
                };
            }
            tokio::select! {
                result = &mut part => return result,
                () = tokio::time::sleep(POLL_INTERVAL) => {}
            }
        }
    }
}
