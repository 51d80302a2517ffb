//! Time and tasks, by the browser's timers.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use gloo_timers::future::TimeoutFuture;

pub(crate) use web_time::Instant;

/// The longest time that a browser's timer takes, in milliseconds: it counts in 31 bits.
const TIMER_MS_MAX: u128 = 0x7fff_ffff;

/// Waits for this long at least.
pub(crate) async fn sleep(duration: Duration) {
    // Rounded up: whoever wakes before the time is due would wait again and again.
    let mut left = duration.as_micros().div_ceil(1_000);
    loop {
        let now = left.min(TIMER_MS_MAX);
        TimeoutFuture::new(u32::try_from(now).unwrap_or(u32::MAX)).await;
        left -= now;
        if left == 0 {
            return;
        }
    }
}

/// The time was over.
#[derive(Debug)]
pub(crate) struct Elapsed;

/// Waits for something, for this long at most.
pub(crate) async fn timeout<T>(
    duration: Duration,
    future: impl Future<Output = T>,
) -> Result<T, Elapsed> {
    tokio::select! {
        biased;
        result = future => Ok(result),
        () = sleep(duration) => Err(Elapsed),
    }
}

/// What the driver has under way. Everything runs in turns on the one thread that there is.
pub(crate) struct Tasks(FuturesUnordered<Pin<Box<dyn Future<Output = ()>>>>);

impl Tasks {
    pub(crate) fn new() -> Self {
        Self(FuturesUnordered::new())
    }

    pub(crate) fn spawn(&mut self, task: impl Future<Output = ()> + 'static) {
        self.0.push(Box::pin(task));
    }

    /// Waits for the next one to end; nothing while there is none.
    pub(crate) async fn join_next(&mut self) -> Option<()> {
        self.0.next().await
    }

    /// Ends all of them where they are.
    pub(crate) async fn shutdown(&mut self) {
        self.0.clear();
    }
}

/// Nobody else writes into a store of this worker.
pub(crate) struct Polling;

impl Polling {
    pub(crate) fn every(_interval: Duration) -> Self {
        Self
    }

    pub(crate) async fn tick(&mut self) {
        std::future::pending().await
    }
}
