//! Time and tasks, by tokio.

use std::time::Duration;

pub(crate) use tokio::time::{Instant, sleep, timeout};

/// What the driver has under way.
pub(crate) type Tasks = tokio::task::JoinSet<()>;

/// Looks after other processes again and again.
pub(crate) struct Polling(tokio::time::Interval);

impl Polling {
    pub(crate) fn every(interval: Duration) -> Self {
        Self(tokio::time::interval(interval))
    }

    /// The next time to look.
    pub(crate) async fn tick(&mut self) {
        self.0.tick().await;
    }
}
