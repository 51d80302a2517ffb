//! Who wakes a device in the background: the platform, which promises what it can, or this process.

use std::sync::Arc;
use std::time::Duration;

use clarity_engine::protocol::model::LocalTime;
use clarity_engine::{Entropy, PULL_INTERVAL_MS};
use serde::{Deserialize, Serialize};

use crate::background::{BackgroundEnd, BackgroundWork, Conditions};
use crate::client::Client;
use crate::device::OsEntropy;
use crate::error::ClientError;
use crate::storing::now;
use crate::transport::Transport;

/// The name under which the plan is kept in the store.
const PLAN: &str = "background";

/// What an app asks of its platform.
#[derive(Debug, Clone)]
pub struct BackgroundRequest {
    /// How often to wake it, in milliseconds.
    pub interval_ms: u64,
    /// What to do then.
    pub work: BackgroundWork,
}

impl Default for BackgroundRequest {
    /// Every 15 minutes.
    fn default() -> Self {
        Self { interval_ms: PULL_INTERVAL_MS, work: BackgroundWork::default() }
    }
}

/// What a platform promises, in return for what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// How often it was asked to wake the app, in milliseconds.
    pub asked_ms: u64,
    /// How often it promises to at least; nothing when it promises nothing.
    pub promised_ms: Option<u64>,
    /// The promise in words, with what it depends on.
    pub words: String,
}

/// The last window, for whoever asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastRun {
    /// When it ended.
    pub at: LocalTime,
    /// How.
    #[serde(flatten)]
    pub end: BackgroundEnd,
    /// Whether something was left for the next one.
    pub unfinished: bool,
}

/// What is planned for the background. It is kept in the store: a restart forgets nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackgroundPlan {
    /// What the platform promises.
    pub promise: Promise,
    /// When the next window is due.
    pub next_run_at: LocalTime,
    /// The last one; nothing before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<LastRun>,
}

/// The way to what wakes an app in the background.
///
/// # Contract
/// * `schedule` asks the platform for windows and says honestly what it promises; asking again
///   replaces what was asked for before.
/// * In each window the adapter calls [`Client::sync_within`] with the time that the platform
///   gives, less a margin to end in, and hands [`Client::finished_run`] the report, which plans the
///   next one.
/// * A window that the platform ends early is ended by dropping the future.
///
/// `docs/background.md` says what this means on each platform.
pub trait BackgroundScheduler {
    /// Asks the platform to wake the app, and keeps the plan in the client's store.
    ///
    /// # Errors
    /// When the platform refuses or the store cannot be written.
    fn schedule(
        &self,
        client: &Client,
        request: &BackgroundRequest,
    ) -> Result<Promise, ClientError>;

    /// Takes the request back.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn cancel(&self, client: &Client) -> Result<(), ClientError>;

    /// What the platform says of the moment.
    fn conditions(&self) -> Conditions;
}

impl Client {
    /// What is planned for the background; nothing when nobody has asked for it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn background_plan(&self) -> Result<Option<BackgroundPlan>, ClientError> {
        self.read(|tx| Ok(tx.state(PLAN)?))
    }

    /// Keeps what a platform promised, for the status. What is due stays due, and no later than
    /// one interval from now.
    ///
    /// # Errors
    /// When the client is closed or the store cannot be written.
    pub fn plan_background(&self, promise: Promise) -> Result<BackgroundPlan, ClientError> {
        let interval = i64::try_from(promise.asked_ms).unwrap_or(i64::MAX);
        let latest = now().plus_ms(interval);
        let known = self.background_plan()?;
        let plan = BackgroundPlan {
            next_run_at: known.as_ref().map_or(now(), |known| known.next_run_at.min(latest)),
            last_run: known.and_then(|known| known.last_run),
            promise,
        };
        self.keep_plan(Some(plan.clone()))?;
        Ok(plan)
    }

    /// Keeps how a window ended and when the next one is due: after the interval that was asked
    /// for, up to a tenth sooner so that devices do not all come at once.
    ///
    /// # Errors
    /// When the client is closed or the store cannot be written.
    pub fn finished_run(&self, end: BackgroundEnd, unfinished: bool) -> Result<(), ClientError> {
        let Some(mut plan) = self.background_plan()? else { return Ok(()) };
        plan.next_run_at = after(&plan.promise)?;
        plan.last_run = Some(LastRun { at: now(), end, unfinished });
        self.keep_plan(Some(plan))
    }

    fn keep_plan(&self, plan: Option<BackgroundPlan>) -> Result<(), ClientError> {
        self.worker().run(move |device| {
            let mut transaction = device.store().begin()?;
            match plan {
                Some(plan) => transaction.put_state(PLAN, &plan)?,
                None => drop(transaction.remove_state(PLAN)?),
            }
            Ok(transaction.commit()?)
        })?
    }
}

fn after(promise: &Promise) -> Result<LocalTime, ClientError> {
    let jitter = OsEntropy::new()?.below(promise.asked_ms / 10);
    Ok(now().plus_ms(i64::try_from(promise.asked_ms - jitter).unwrap_or(i64::MAX)))
}

/// The desktop's: this process keeps the time itself, for as long as it runs.
///
/// The next window is kept in the store, so that one which fell due while the machine slept or the
/// process was not there is made up for at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct DesktopScheduler;

impl BackgroundScheduler for DesktopScheduler {
    fn schedule(
        &self,
        client: &Client,
        request: &BackgroundRequest,
    ) -> Result<Promise, ClientError> {
        let promise = Promise {
            asked_ms: request.interval_ms,
            promised_ms: Some(request.interval_ms),
            words: "while this process runs and the machine is awake; what falls due meanwhile \
                    is made up for afterwards"
                .to_owned(),
        };
        Ok(client.plan_background(promise)?.promise)
    }

    fn cancel(&self, client: &Client) -> Result<(), ClientError> {
        client.keep_plan(None)
    }

    fn conditions(&self) -> Conditions {
        Conditions { on_power: power::is_charging(), ..Conditions::default() }
    }
}

impl DesktopScheduler {
    /// Schedules `request` and makes its windows, for as long as it is polled. May be dropped at
    /// any point.
    ///
    /// # Errors
    /// When the client is closed or the store cannot be read or written.
    pub async fn run<T: Transport>(
        &self,
        client: &Client,
        transport: Arc<T>,
        request: &BackgroundRequest,
    ) -> Result<(), ClientError> {
        self.schedule(client, request)?;
        let interval = Duration::from_millis(request.interval_ms);
        loop {
            let Some(plan) = client.background_plan()? else { return Ok(()) };
            // A clock that went back makes no wait longer than the interval.
            let wait_ms = u64::try_from(plan.next_run_at.since_ms(now())).unwrap_or(0);
            tokio::time::sleep(Duration::from_millis(wait_ms).min(interval)).await;
            let work = BackgroundWork { conditions: self.conditions(), ..request.work.clone() };
            let report = client.sync_within(Arc::clone(&transport), &work).await?;
            client.finished_run(report.end, report.unfinished)?;
        }
    }
}

mod power {
    use std::fs;
    use std::path::Path;

    /// Whether the machine is on mains power, where the system tells.
    pub(super) fn is_charging() -> Option<bool> {
        supplies(Path::new("/sys/class/power_supply"))
    }

    /// The mains of Linux: any that is plugged in. A machine without a battery has no mains that
    /// could be unplugged.
    pub(super) fn supplies(folder: &Path) -> Option<bool> {
        let read = |path: &Path, name: &str| {
            fs::read_to_string(path.join(name)).map(|text| text.trim().to_owned()).ok()
        };
        let mut plugged = None;
        for entry in fs::read_dir(folder).ok()?.flatten() {
            let path = entry.path();
            if read(&path, "type").is_some_and(|kind| kind == "Mains" || kind == "USB")
                && let Some(online) = read(&path, "online")
            {
                plugged = Some(plugged.unwrap_or(false) || online == "1");
            }
        }
        plugged
    }
}

#[cfg(test)]
mod tests {
    use super::power::supplies;

    /// Shows that power is known where the system tells it, and unknown otherwise.
    #[test]
    fn power_is_known_where_the_system_tells() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(supplies(&folder.path().join("none")), None);
        assert_eq!(supplies(folder.path()), None);
        let put = |supply: &str, kind: &str, online: &str| {
            let supply = folder.path().join(supply);
            std::fs::create_dir_all(&supply).expect("made");
            std::fs::write(supply.join("type"), kind).expect("written");
            std::fs::write(supply.join("online"), online).expect("written");
        };
        put("BAT0", "Battery\n", "1\n");
        assert_eq!(supplies(folder.path()), None);
        put("AC", "Mains\n", "0\n");
        assert_eq!(supplies(folder.path()), Some(false));
        put("usb", "USB\n", "1\n");
        assert_eq!(supplies(folder.path()), Some(true));
    }
}
