//! Each call is one call of the client.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use clarity_client::engine::{Event, Once};
use clarity_client::model::{EntityKey, EntityType, Priority};
use clarity_client::{Client, ClientError, Continuation, Query, Revocation, RollupQuery, Write};
use serde::Serialize;

use crate::call::{Account, Call, Found, SupportBundle};
use crate::import_call::{self, UndoneCounts};
use crate::session::{CallError, Concern, Session};
use crate::write_call::WriteCall;

/// How long a sync that names no patience goes on failing.
const PATIENCE: Duration = Duration::from_secs(30);

type Answer = Result<String, CallError>;

/// An answer in JSON.
fn json<T: Serialize>(answer: Result<T, ClientError>) -> Answer {
    let answer = answer?;
    serde_json::to_string(&answer)
        .map_err(|_| CallError::invalid("the answer cannot be written as JSON".to_owned()))
}

impl Call {
    /// Whether it only reads, so that it can be watched.
    pub(crate) fn is_read(&self) -> bool {
        !matches!(
            self,
            Self::NewKey { .. }
                | Self::Write { .. }
                | Self::Preview { .. }
                | Self::GetOrFetch { .. }
                | Self::QueryOrFetch { .. }
                | Self::SyncNow { .. }
                | Self::PauseSync { .. }
                | Self::ResumeSync {}
                | Self::SetOnline { .. }
                | Self::SetMetered { .. }
                | Self::SetNetworkPolicy { .. }
                | Self::Foreground {}
                | Self::SetFreeBytes { .. }
                | Self::RetryAll { .. }
                | Self::DiscardAll { .. }
                | Self::SetStorage { .. }
                | Self::StoreForOffline { .. }
                | Self::FinishImport { .. }
                | Self::UndoImport { .. }
                | Self::SignUp { .. }
                | Self::SignIn { .. }
                | Self::WouldBeLost {}
                | Self::SignOut { .. }
        )
    }

    /// What its answer depends on.
    pub(crate) fn concern(self) -> Concern {
        match self {
            Self::Get { key } => Concern::Entity(key),
            Self::Query { entity_type, .. }
            | Self::Count { entity_type, .. }
            | Self::Rollups { entity_type, .. } => Concern::Type(entity_type),
            _ => Concern::Anything,
        }
    }
}

impl Session {
    pub(crate) async fn answer(&self, call: Call) -> Answer {
        match call {
            Call::Write { once, write } => json(self.write(once, write).await),
            Call::GetOrFetch { key } => {
                json(self.client().get_or_fetch(&key).await.map(Found::from))
            }
            Call::QueryOrFetch { entity_type, query } => {
                let query = Query::from(query);
                let found = self.client().query_or_fetch(&entity_type, &query).await;
                json(found.map(Found::from))
            }
            Call::SyncNow { patience_ms } => {
                let patience = patience_ms.map_or(PATIENCE, |ms| Duration::from_millis(ms.into()));
                let transport = Arc::new(self.transport()?);
                json(self.client().sync(transport, patience, |_| ()).await)
            }
            Call::SignUp { server, name, password, device_name } => {
                json(self.sign_in(&server, &name, &password, &device_name, true).await)
            }
            Call::SignIn { server, name, password, device_name } => {
                json(self.sign_in(&server, &name, &password, &device_name, false).await)
            }
            Call::SignOut { seen, must_revoke } => json(self.sign_out(seen, must_revoke).await),
            Call::WouldBeLost {} => json(self.client().would_be_lost().map(|lost| self.show(lost))),
            Call::Account {} => json(account(self.client())),
            call => self.about_data(call),
        }
    }

    /// Writes share a commit with those that come in the same moment.
    async fn write(
        &self,
        once: Once,
        write: WriteCall,
    ) -> Result<clarity_client::Written, ClientError> {
        let write = Box::new(Write::from(write));
        self.client().submit(Write::Once { once, write })?.await
    }

    fn about_data(&self, call: Call) -> Answer {
        let client = self.client();
        match call {
            Call::NewKey { entity_type } => json(client.new_key(&entity_type)),
            Call::Preview { writes } => {
                json(client.preview_all(writes.into_iter().map(Write::from).collect()))
            }
            Call::Get { key } => json(client.get(&key)),
            Call::Query { entity_type, query, after } => {
                json(page(client, &entity_type, &query.into(), after.as_deref()))
            }
            Call::Count { entity_type, query } => json(client.count(&entity_type, &query.into())),
            Call::Counts {} => json(client.counts()),
            Call::Rollups { entity_type, kind, source, from_day, to_day, period, by_source } => {
                let days = Range { start: from_day, end: to_day };
                let query = RollupQuery { entity_type, kind, source, days, period, by_source };
                json(client.rollups(&query))
            }
            Call::Storage {} => json(client.storage()),
            Call::StorageSettings {} => json(client.storage_settings()),
            Call::SetStorage { settings } => json(client.set_storage(settings)),
            Call::StoreForOffline { key, priority } => json(keep(client, &key, priority)),
            Call::Absence { key } => json(client.absence(&key)),
            Call::Imports {} => json(import_call::imports(client)),
            Call::FinishImport { import, read, imported } => {
                json(client.finish_import(import.0, read, imported))
            }
            Call::PreviewUndoImport { import } => {
                json(client.preview_undo_import(import.0).map(UndoneCounts::from))
            }
            Call::UndoImport { import } => {
                json(client.undo_import(import.0).map(UndoneCounts::from))
            }
            Call::Evictions { limit } => json(client.evictions(limit)),
            call => self.about_sync(call),
        }
    }

    fn about_sync(&self, call: Call) -> Answer {
        let client = self.client();
        match call {
            Call::Status {} => json(client.status()),
            Call::Progress {} => json(client.progress()),
            Call::Metrics {} => json(client.metrics()),
            Call::PauseSync { until } => json(client.pause_sync(until)),
            Call::ResumeSync {} => json(client.resume_sync()),
            Call::SetOnline { online } => json(client.set_network_online(online)),
            Call::SetMetered { metered } => json(client.set_network_metered(metered)),
            Call::SetNetworkPolicy { policy } => json(client.set_network_policy(policy)),
            Call::Foreground {} => json(client.notify(Event::Foreground)),
            Call::SetFreeBytes { free_bytes } => {
                set_free_bytes(free_bytes);
                json(Ok(()))
            }
            Call::Scope {} => json(client.scope()),
            call => self.about_inbox(call),
        }
    }

    fn about_inbox(&self, call: Call) -> Answer {
        let client = self.client();
        match call {
            Call::Conflicts { after, limit } => json(client.conflicts(after, limit)),
            Call::Conflict { conflict } => json(client.conflict(conflict)),
            Call::Failed { after, limit } => json(client.failed(after.unwrap_or_default(), limit)),
            Call::RetryAll { reason } => json(client.retry_all(reason)),
            Call::DiscardAll { reason } => json(client.discard_all(reason)),
            Call::Queue { after, limit } => json(client.queue(after.unwrap_or_default(), limit)),
            Call::Outcome { operation } => json(client.operation(operation).outcome_now()),
            Call::History { key, after, limit } => json(client.history(key.as_ref(), after, limit)),
            Call::Explain { key } => json(client.explain(&key)),
            Call::WhyNotSynced { operation } => json(client.why_not_synced(operation)),
            Call::Examine {} => json(client.examine()),
            Call::SupportBundle {} => {
                json(client.support_bundle().map(|bundle| SupportBundle {
                    contents: bundle.contents(),
                    text: bundle.text(),
                }))
            }
            _ => Err(CallError::invalid("the call is not known".to_owned())),
        }
    }

    async fn sign_in(
        &self,
        server: &str,
        name: &str,
        password: &str,
        device_name: &str,
        is_new: bool,
    ) -> Result<Option<Account>, ClientError> {
        let client = self.client();
        let transport = self.connect(server)?;
        let incarnation = client.meta()?.incarnation;
        let tokens = if is_new {
            transport.sign_up(name, password, device_name, incarnation).await?
        } else {
            transport.sign_in(name, password, device_name, incarnation).await?
        };
        client.signed_in(transport.address(), name, tokens)?;
        self.signed_in();
        account(client)
    }

    async fn sign_out(&self, seen: u32, must_revoke: bool) -> Result<(), ClientError> {
        let lost = self.shown(seen)?;
        let transport = match self.client().credentials()? {
            Some(known) if !known.server.is_empty() => self.connect(&known.server)?,
            _ => self.transport()?,
        };
        self.halt().await;
        let revocation = if must_revoke { Revocation::Required } else { Revocation::IfReachable };
        let out = self.client().clone().sign_out(&transport, &lost, revocation).await;
        if out.is_err() {
            self.go_on();
        }
        out.map(drop)
    }
}

fn account(client: &Client) -> Result<Option<Account>, ClientError> {
    let (known, meta) = (client.credentials()?, client.meta()?);
    Ok(known.map(|known| Account {
        server: known.server,
        name: known.name,
        account_id: meta.account_id,
        device_id: meta.device_id,
        signed_in: known.refresh_token.is_some(),
    }))
}

fn page(
    client: &Client,
    entity_type: &EntityType,
    query: &Query,
    after: Option<&str>,
) -> Result<clarity_client::Page, ClientError> {
    let after = after.map(str::parse::<Continuation>).transpose()?;
    client.page(entity_type, query, after.as_ref())
}

fn keep(client: &Client, key: &EntityKey, priority: Option<Priority>) -> Result<(), ClientError> {
    match priority {
        Some(priority) => client.store_for_offline(key, priority),
        None => client.forget_offline_priority(key),
    }
}

#[cfg(target_arch = "wasm32")]
use clarity_client::set_free_bytes;

/// Elsewhere the system says how much there is.
#[cfg(not(target_arch = "wasm32"))]
fn set_free_bytes(_free_bytes: Option<u64>) {}
