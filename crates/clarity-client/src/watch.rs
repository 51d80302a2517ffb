//! Watching: a value now, and again each time that it really is another one.

use std::pin::Pin;
use std::sync::Weak;
use std::task::{Context, Poll};

use clarity_engine::protocol::model::{Entity, EntityKey, EntityType};
use clarity_engine::store::Query;
use clarity_engine::{Changes, Status};
use futures_util::stream::{Stream, StreamExt, unfold};
use tokio::sync::broadcast;

use crate::client::{Client, Inner};
use crate::error::ClientError;

/// What is watched: an asynchronous stream that first gives the value as it is, and then each value
/// that differs from the one given before.
///
/// Whoever is slow misses what lay between, never the last state. Changes by other processes count
/// like any other. An error is given once; the stream looks again with the next change. It ends
/// when the last [`Client`] of the store is gone; it does not keep the store open itself.
///
/// ```no_run
/// # async fn show(client: clarity_client::Client) -> Result<(), clarity_client::ClientError> {
/// let mut live = client.watch_status();
/// while let Some(status) = live.next().await {
///     println!("{} waiting", status?.waiting);
/// }
/// # Ok(())
/// # }
/// ```
pub struct Live<T> {
    stream: Pin<Box<dyn Stream<Item = Result<T, ClientError>> + Send>>,
}

impl<T> std::fmt::Debug for Live<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Live").finish_non_exhaustive()
    }
}

impl<T> Live<T> {
    /// The value as it is, and then the next one that differs. A call that is dropped before it is
    /// ready loses nothing.
    pub async fn next(&mut self) -> Option<Result<T, ClientError>> {
        self.stream.next().await
    }
}

impl<T> Stream for Live<T> {
    type Item = Result<T, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.stream.as_mut().poll_next(context)
    }
}

/// Whether a publication may be about what is watched.
type Concerns = Box<dyn Fn(&Changes) -> bool + Send + Sync>;
/// Reads the value.
type Read<T> = Box<dyn Fn(&Client) -> Result<T, ClientError> + Send + Sync>;

struct Source<T> {
    client: Weak<Inner>,
    changes: broadcast::Receiver<Changes>,
    concerns: Concerns,
    read: Read<T>,
    given: Option<T>,
    /// Whether the value must be read before anything is waited for.
    stale: bool,
}

impl<T: Clone + PartialEq> Source<T> {
    async fn next(&mut self) -> Option<Result<T, ClientError>> {
        loop {
            if !std::mem::take(&mut self.stale) && !self.wait().await? {
                continue;
            }
            // Whatever has been published so far is part of what is read now.
            while !matches!(
                self.changes.try_recv(),
                Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed)
            ) {}
            let client = Client::of(self.client.upgrade()?);
            match (self.read)(&client) {
                Ok(value) if self.given.as_ref() == Some(&value) => {}
                Ok(value) => {
                    self.given = Some(value.clone());
                    return Some(Ok(value));
                }
                Err(error) => {
                    // What was given may not hold any more.
                    self.given = None;
                    return Some(Err(error));
                }
            }
        }
    }

    /// Waits for a publication; says whether it may be about this. Nothing when the client closed.
    async fn wait(&mut self) -> Option<bool> {
        match self.changes.recv().await {
            Ok(changes) => Some(self.given.is_none() || (self.concerns)(&changes)),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(true),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

impl Client {
    /// Watches one entity; nothing while it does not exist or is deleted.
    #[must_use]
    pub fn watch_entity(&self, key: &EntityKey) -> Live<Option<Entity>> {
        let (watched, key) = (key.clone(), key.clone());
        let concerns = move |changes: &Changes| changes.concerns_entity(&watched);
        self.live(Box::new(concerns), Box::new(move |client| client.get(&key)))
    }

    /// Watches what a query finds.
    #[must_use]
    pub fn watch_query(&self, entity_type: &EntityType, query: &Query) -> Live<Vec<Entity>> {
        let (watched, entity_type) = (entity_type.clone(), entity_type.clone());
        let query = query.clone();
        let concerns = move |changes: &Changes| changes.concerns_type(&watched);
        self.live(Box::new(concerns), Box::new(move |client| client.query(&entity_type, &query)))
    }

    /// Watches where the sync stands.
    #[must_use]
    pub fn watch_status(&self) -> Live<Status> {
        self.live(Box::new(|_| true), Box::new(Client::status))
    }

    pub(crate) fn live<T: Clone + PartialEq + Send + Sync + 'static>(
        &self,
        concerns: Concerns,
        read: Read<T>,
    ) -> Live<T> {
        let source = Source {
            client: self.downgrade(),
            // From here on nothing is missed: the first value is read after this.
            changes: self.watch(),
            concerns,
            read,
            given: None,
            stale: true,
        };
        let stream = unfold(source, |mut source| async move {
            let item = source.next().await?;
            Some((item, source))
        });
        Live { stream: Box::pin(stream.fuse()) }
    }
}
