//! Silent pushes that an app hands over.

use std::sync::Arc;
use std::time::Duration;

use clarity_engine::Event;
use clarity_engine::protocol::Hint;
use tokio::time::Instant;

use crate::background::{BackgroundEnd, BackgroundFailure, Counted, Synced, end_of};
use crate::client::Client;
use crate::error::ClientError;
use crate::transport::Transport;

impl Client {
    /// Follows a silent push, with the bytes as they came from the push service, within `time`.
    /// The result is what such services ask for.
    ///
    /// A push is a hint and never the only way: one that is lost costs nothing but time. Anything
    /// that is malformed, unknown or too large is [`BackgroundEnd::NoData`]. Pushes that arrive
    /// while one is followed collapse: however many they are, what is new is read at most once more
    /// than it is on its way. An urgent one cuts a waiting backoff short, within promise L2.
    ///
    /// The hint is durable before anything is sent: should the system end the process, the next
    /// window or run follows it.
    pub async fn handle_push<T: Transport>(
        &self,
        transport: Arc<T>,
        payload: &[u8],
        time: Duration,
    ) -> BackgroundEnd {
        let Some(hint) = Hint::from_bytes(payload) else { return BackgroundEnd::NoData };
        let deadline = Instant::now() + time;
        self.follow(transport, hint, deadline).await.unwrap_or_else(|error| BackgroundEnd::Failed {
            why: BackgroundFailure::Store { message: error.to_string() },
        })
    }

    async fn follow<T: Transport>(
        &self,
        transport: Arc<T>,
        hint: Hint,
        deadline: Instant,
    ) -> Result<BackgroundEnd, ClientError> {
        let before = Counted::now(self)?;
        self.note(Event::PushReceived(hint))?;
        let drained = self.drained(transport, self.in_step(deadline));
        let synced = match tokio::time::timeout_at(deadline, drained).await {
            Ok(synced) => synced?,
            Err(_) => Synced::OutOfTime,
        };
        Ok(end_of(before, Counted::now(self)?, false, synced))
    }
}
