//! Signing out: what it would lose, taking this device's access away, and erasing the store.

use std::collections::BTreeMap;

use clarity_engine::protocol::model::{Counter, EntityType};
use clarity_engine::protocol::{FailureClass, path};
use clarity_engine::store::{OperationState, QueueCounts, StoreTransaction};
use serde::Serialize;

use crate::client::Client;
use crate::error::ClientError;
use crate::http::HttpTransport;
use crate::platform::remove_files;

/// How many operations one read takes.
const PAGE: usize = 10_000;

/// What is only on this device and would be gone. The server keeps everything else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct WouldBeLost {
    /// Changes that were not sent, or whose answer was not heard, by type.
    pub unsent: BTreeMap<EntityType, u64>,
    /// Changes that the server refused and that wait for a person, by type.
    pub failed: BTreeMap<EntityType, u64>,
    /// Changes that wait in conflicts, by type.
    pub conflicts: BTreeMap<EntityType, u64>,
    /// All of them together.
    pub total: u64,
    /// What the queue looked like: it must not move before the end.
    #[serde(skip)]
    mark: (Counter, QueueCounts),
}

/// How a sign-out ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SignedOut {
    /// Whether the server was told, and has taken this device's access away. Without it, the tokens
    /// are gone with the store all the same, and the device stays in the account's list.
    pub revoked: bool,
}

/// What to do about the server when signing out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// The server must be told; without an answer nothing is done.
    Required,
    /// The server is told if it can be reached.
    IfReachable,
}

fn by_type(
    tx: &StoreTransaction<'_>,
    states: &[OperationState],
) -> Result<BTreeMap<EntityType, u64>, ClientError> {
    let mut counts = BTreeMap::new();
    for state in states {
        let mut after = Counter(0);
        loop {
            let page = tx.operations_in_state(*state, after, PAGE)?;
            for operation in &page {
                *counts.entry(operation.key.entity_type.clone()).or_default() += 1;
            }
            let Some(last) = page.last().filter(|_| page.len() == PAGE) else { break };
            after = last.counter;
        }
    }
    Ok(counts)
}

fn would_be_lost(tx: &StoreTransaction<'_>) -> Result<WouldBeLost, ClientError> {
    use OperationState::{Blocked, Conflicted, Failed, InFlight, Ready, SetAside};
    let counts = [
        by_type(tx, &[Ready, Blocked, InFlight])?,
        by_type(tx, &[Failed, SetAside])?,
        by_type(tx, &[Conflicted])?,
    ];
    let total = counts.iter().flat_map(BTreeMap::values).sum();
    let [unsent, failed, conflicts] = counts;
    let mark = (tx.next_counter()?, tx.queue_counts()?);
    Ok(WouldBeLost { unsent, failed, conflicts, total, mark })
}

impl Client {
    /// What signing out would lose: everything that only this device has. An app shows it, offers
    /// to synchronise or to export first, and asks.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn would_be_lost(&self) -> Result<WouldBeLost, ClientError> {
        self.read(would_be_lost)
    }

    /// Signs out: takes this device's access away at the server, and erases the store with
    /// everything in it. `seen` is what the person was shown and agreed to lose.
    ///
    /// Nothing is erased unless the queue is exactly as `seen` says, at the moment of erasing: a
    /// change that was made meanwhile, here or by another process, ends it with
    /// [`ClientError::Moved`]. After a crash in the middle the store is either whole or erased, and
    /// whole means at worst that a person must sign in again.
    ///
    /// # Errors
    /// [`ClientError::AlreadyDraining`] while this or another process synchronises the store;
    /// [`ClientError::Moved`]; with [`Revocation::Required`] that the server cannot be reached; and
    /// when the store cannot be written. In each case everything on the device is kept.
    pub async fn sign_out(
        self,
        transport: &HttpTransport,
        seen: &WouldBeLost,
        revocation: Revocation,
    ) -> Result<SignedOut, ClientError> {
        let begun = self.try_begin()?.ok_or(ClientError::AlreadyDraining)?;
        if self.would_be_lost()? != *seen {
            return Err(ClientError::Moved);
        }
        let revoked = match self.revoke_itself(transport).await {
            Ok(revoked) => revoked,
            Err(ClientError::Server(_)) if revocation == Revocation::IfReachable => false,
            Err(error) => return Err(error),
        };
        let seen = seen.clone();
        self.worker().run(move |device| {
            let transaction = device.store().begin()?;
            if would_be_lost(&transaction)? != seen {
                return Err(ClientError::Moved);
            }
            Ok(transaction.erase()?)
        })??;
        drop(begun);
        let path = self.path().clone();
        drop(self);
        remove_files(&path);
        Ok(SignedOut { revoked })
    }

    /// Says whether the server has taken the access away; a store that nobody signed in with has
    /// none, and one that the server does not let in has none any more.
    async fn revoke_itself(&self, transport: &HttpTransport) -> Result<bool, ClientError> {
        let signed_in = self.credentials()?.is_some_and(|there| there.refresh_token.is_some());
        let Some(device) = self.meta()?.device_id.filter(|_| signed_in) else { return Ok(false) };
        let resource = format!("{}/{device}", path::DEVICES);
        let revoked = self
            .with_access_token(transport, async |token: String| {
                transport.delete(&resource, &token).await
            })
            .await;
        match revoked {
            Ok(()) => Ok(true),
            Err(ClientError::Server(failure))
                if matches!(failure.class, FailureClass::Auth | FailureClass::AccessRemoved) =>
            {
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }
}
