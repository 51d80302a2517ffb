//! Fetching by name: what a person asks for now, apart from what the device follows.

use clarity_engine::protocol::model::EntityKey;
use clarity_engine::store::{StoreTransaction, WishState};
use clarity_engine::{Stalled, Wanted, Write};
use serde::Serialize;
use tokio::sync::broadcast;

use crate::client::Client;
use crate::driver::POLL_INTERVAL;
use crate::error::ClientError;
use crate::explain::SyncedBy;
use crate::platform::timeout;

/// What became of something that was to be fetched.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fetched {
    /// It is here: the entity, or all of the stretch of time.
    Here,
    /// The server does not have the entity, or it was deleted.
    NotThere,
    /// It cannot be had now. It stays wanted, also after a restart, and comes when there is a way.
    NotNow {
        /// Why, in words.
        why: String,
        /// What holds everything up, when something does; absent when nothing synchronises this
        /// store at the moment.
        stalled: Option<Stalled>,
    },
    /// The server will not give it. It is no longer wanted.
    Refused {
        /// Why, in words.
        why: String,
    },
}

impl Client {
    /// Wants things from the server, durably: they come as soon as there is a way.
    ///
    /// # Errors
    /// As [`Client::write`]; when as much is wanted already as can be.
    pub fn want(&self, wanted: Vec<Wanted>) -> Result<(), ClientError> {
        self.write(Write::Fetch { wanted }).map(drop)
    }

    /// Wants one thing from the server and waits until it is here, is known not to be there, or
    /// cannot be had now. See [`Client::fetch_all`].
    ///
    /// # Errors
    /// As [`Client::want`]; when the store cannot be read.
    pub async fn fetch(&self, wanted: Wanted) -> Result<Fetched, ClientError> {
        let mut fetched = self.fetch_all(vec![wanted]).await?;
        fetched.pop().ok_or(ClientError::Closed)
    }

    /// Wants things from the server and waits for them, in the order in which they are given. This
    /// or another process must be draining the store: see [`Client::run`]. Dropped half-way, the
    /// wishes stay.
    ///
    /// # Errors
    /// As [`Client::want`]; when the store cannot be read.
    pub async fn fetch_all(&self, wanted: Vec<Wanted>) -> Result<Vec<Fetched>, ClientError> {
        let mut changes = self.watch();
        let failures = self.failures()?;
        let write = Write::Fetch { wanted: wanted.clone() };
        self.submit(write)?.await?;
        loop {
            let ended: Vec<Option<Fetched>> =
                self.read(|tx| wanted.iter().map(|one| ended(tx, one)).collect())?;
            let reason = match ended.iter().any(Option::is_none) {
                true => self.in_the_way(failures)?,
                false => None,
            };
            if reason.is_some() || ended.iter().all(Option::is_some) {
                let not_now = reason.unwrap_or(Fetched::NotThere);
                let ended = ended.into_iter();
                return Ok(ended.map(|one| one.unwrap_or_else(|| not_now.clone())).collect());
            }
            // Something changes here, or another process has written.
            let next = timeout(POLL_INTERVAL, changes.recv()).await;
            if let Ok(Err(broadcast::error::RecvError::Closed)) = next {
                return Err(ClientError::Closed);
            }
        }
    }

    fn failures(&self) -> Result<i64, ClientError> {
        Ok(self.counters()?.get("requests_failed").copied().unwrap_or_default())
    }

    /// Why nothing can come now, if so: nobody synchronises the store, or something holds it up and
    /// an attempt that was made since has failed or none is made soon.
    fn in_the_way(&self, failures: i64) -> Result<Option<Fetched>, ClientError> {
        let status = self.status()?;
        if let Some(stalled) = status.stalled {
            let soon = crate::storing::now().plus_ms(SOON_MS);
            let is_tried = stalled.next_attempt.is_some_and(|next| next <= soon);
            if is_tried && self.failures()? == failures {
                return Ok(None);
            }
            let why = stalled.message.clone();
            return Ok(Some(Fetched::NotNow { why, stalled: Some(stalled) }));
        }
        let here =
            self.effects().lock().unwrap_or_else(std::sync::PoisonError::into_inner).is_none();
        let is_drained = here || self.synced_by()? != SyncedBy::Nobody;
        let why = "nothing synchronises this store at the moment; what is wanted is kept";
        Ok((!is_drained).then(|| Fetched::NotNow { why: why.to_owned(), stalled: None }))
    }
}

/// An attempt that is due within this time is waited for, in milliseconds.
const SOON_MS: i64 = 2_000;

/// How something that was wanted has ended; nothing while it has not.
fn ended(tx: &StoreTransaction<'_>, wanted: &Wanted) -> Result<Option<Fetched>, ClientError> {
    let wish = match (wanted, wanted.range()) {
        (_, Some((entity_type, from_ms, to_ms))) => {
            let wish = tx.range_wanted(entity_type, from_ms, to_ms, true)?;
            wish.map(|range| range.refused.map_or(WishState::Waiting, WishState::Refused))
        }
        (Wanted::Key(key), None) => tx.key_wanted(&tx.present_key(key)?)?,
        (_, None) => None,
    };
    Ok(match (wish, wanted) {
        (Some(WishState::Waiting), _) => None,
        (Some(WishState::Refused(why)), _) => Some(Fetched::Refused { why }),
        (None, Wanted::Key(key)) => Some(if_here(tx, &tx.present_key(key)?)?),
        (None, _) => Some(Fetched::Here),
    })
}

fn if_here(tx: &StoreTransaction<'_>, key: &EntityKey) -> Result<Fetched, ClientError> {
    let is_here = tx.entity(key)?.is_some_and(|row| row.state.is_visible());
    Ok(if is_here { Fetched::Here } else { Fetched::NotThere })
}
