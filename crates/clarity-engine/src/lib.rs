//! The sync engine of a device: a deterministic state machine over the local store.
//!
//! The driver opens a transaction, calls [`Engine::handle`] with one or many events, commits, and
//! only then carries out the effects. So nothing is acknowledged before it is durable, many
//! callers share one commit, and the engine keeps no state that the store does not have. Time and
//! randomness are passed in.
//!
//! ```text
//!  app ──write──▶ operation: ready ──frozen, sent──▶ in flight ──named in an answer──▶ ended
//!                    ▲   │                              │
//!     parent accepted│   │lane held                     ├ conflict ▶ conflicted ─resolved▶ ended
//!     lane freed     │   ▼                              ├ rejected ▶ failed ─retry/discard▶ ended
//!                  blocked                              ├ poison ──▶ set aside ─timer▶ ready
//!                                                       └ no answer ▶ ready, same bytes and id
//! ```
//!
//! *Architecture Invariant:* no I/O but through the store's transaction, no clock, no randomness
//! of its own, and no state between two calls.

mod ageing;
mod carry;
mod conflict;
mod context;
mod contribute;
mod drive;
mod error;
mod event;
mod explain;
mod explain_words;
mod failure;
mod feed;
mod fetch;
mod held;
mod history;
mod identity;
mod ids;
mod import;
mod inbox;
mod lane;
mod lifecycle;
mod network;
mod once;
mod poison;
mod preview;
mod progress;
mod pull;
mod push;
mod restore;
mod revert;
mod rollback;
mod salvage;
mod schedule;
mod scope;
mod settle;
mod stale;
mod status;
mod storage;
mod token;
mod undo;
mod view;
mod write;

use clarity_model::{EntityId, LocalTime};
use clarity_protocol::SchemaStamp;
use clarity_store::{StoreError, StoreTransaction};

pub use clarity_protocol as protocol;
pub use clarity_store as store;
pub use conflict::{ConflictField, ConflictId, ConflictInfo, ConflictMark, DeletedBy, Resolution};
pub use context::Entropy;
pub use error::{EngineError, WriteError};
pub use event::{
    Changes, Effect, Event, ExternalName, Handled, Import, ImportDeletion, ImportSample, Imported,
    Request, Response, TokenResult, Write, Written,
};
pub use explain::{EntityExplanation, Explanation, Why};
pub use failure::FailureReason;
pub use feed::{
    Comparing, FeedCursor, FeedScope, FeedStep, HELD_DELETIONS, HELD_DELETIONS_PERCENT,
    SourceChange, SourceInfo, SourceState,
};
pub use fetch::{WANTED_KEYS_MAX, WANTED_RANGES_MAX, Wanted};
pub use history::{HISTORY_KEPT_MS, HistoryCause, HistoryEntry, HistoryId};
pub use import::{ImportInfo, ImportMember};
pub use network::{METERED_WISH_MS, NETWORK_DEBOUNCE_MS, NetworkPolicy, NetworkState};
pub use once::{Once, UNHEARD_MAX, WRITERS_MAX};
pub use preview::{Preview, PreviewEntity, PreviewField, PreviewOperation};
pub use progress::Progress;
pub use restore::ExportedEntity;
pub use salvage::PutRight;
pub use schedule::{
    ATTEMPTS_PER_HOUR_MAX, BACKOFF_BASE_MS, BACKOFF_CAP_MS, BACKOFF_EARLY_CAP_MS, BACKOFF_EARLY_MS,
    PULL_INTERVAL_MS, Pause, PauseInfo, REQUESTS_IN_FLIGHT_MAX, SET_ASIDE_FAILURES,
    SET_ASIDE_FIRST_RETRY_MS, SET_ASIDE_RETRY_MS, WhoActs,
};
pub use scope::{SWEEP_ROWS_MAX, ScopeStatus};
pub use stale::STALE_ROUNDS_MAX;
pub use status::{Attention, Flow, Stalled, Status};
pub use storage::{
    Absence, EVICTION_SLICE_ROWS, FREE_DISK_MIN_BYTES, Protected, Protection, STORAGE_AGE_MS,
    STORAGE_BUDGET_BYTES, StorageReport, StorageSettings, TypeStorage,
};

use context::{Context, Noted};
use schedule::Schedule;

/// The name under which the schedule is kept in the store.
const SCHEDULE: &str = "schedule";

/// What a process does with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It holds the store's lock: it sends, receives and writes.
    Drain,
    /// Another process may hold the lock: it reads and writes, and sends nothing.
    Write,
}

/// The engine. It holds nothing but what the schema says of itself.
#[derive(Debug, Clone)]
pub struct Engine {
    stamp: SchemaStamp,
}

impl Engine {
    /// An engine for stores of this schema.
    #[must_use]
    pub fn new(schema: &clarity_model::Schema) -> Self {
        Self { stamp: SchemaStamp::of(schema) }
    }

    /// Takes in events. The results of writes and the effects are in the order of the events.
    ///
    /// The caller commits the transaction before it tells anybody of a result or carries out an
    /// effect. A write that is refused leaves nothing behind and does not disturb the others.
    ///
    /// # Errors
    /// When the store fails; the caller rolls the transaction back, and nothing has happened.
    pub fn handle(
        &self,
        tx: &mut StoreTransaction<'_>,
        events: Vec<Event>,
        now: LocalTime,
        entropy: &mut dyn Entropy,
        role: Role,
    ) -> Result<Handled, EngineError> {
        let mut noted = Noted::default();
        let mut handled = Handled::default();
        let mut context = Context { tx, now, entropy, noted: &mut noted };
        let before: Schedule = match role {
            Role::Drain => context.tx.state(SCHEDULE)?.unwrap_or_default(),
            Role::Write => Schedule::default(),
        };
        let mut schedule = before.clone();
        let news = events.iter().any(brings_news);
        for event in events {
            self.step(&mut context, &mut schedule, event, &mut handled)?;
        }
        let carrying = carry::sweep(&mut context)?;
        if role == Role::Drain {
            schedule.fetch_wanted |= context.noted.fetch;
            schedule.pull_wanted |= context.noted.scope;
            schedule.sweeping |= context.noted.scope;
            handled.more = storage::work(&mut context, &schedule, news)?;
            schedule.making_room = handled.more;
            schedule.carrying = carrying;
            carry::upgraded(&context, &mut schedule);
            handled.effects.extend(drive::drive(&mut context, &mut schedule, &self.stamp)?);
            if schedule.is_in_trouble() && !before.is_in_trouble() {
                context.tx.add_metric("syncs_failed", 1)?;
            }
            if schedule != before {
                context.tx.put_state(SCHEDULE, &schedule)?;
            }
        }
        handled.more |= carrying;
        ids::note_older_names(&mut context)?;
        handled.effects.extend(noted.into_changes().map(Effect::Publish));
        Ok(handled)
    }

    /// Takes in events that change when to send, without sending: for a process that does not
    /// drain, such as one in which a person signs in.
    ///
    /// # Errors
    /// As [`Engine::handle`].
    pub fn note(
        &self,
        tx: &mut StoreTransaction<'_>,
        events: Vec<Event>,
        now: LocalTime,
        entropy: &mut dyn Entropy,
    ) -> Result<(), EngineError> {
        let mut noted = Noted::default();
        let mut handled = Handled::default();
        let mut context = Context { tx, now, entropy, noted: &mut noted };
        let mut schedule: Schedule = context.tx.state(SCHEDULE)?.unwrap_or_default();
        for event in events {
            self.step(&mut context, &mut schedule, event, &mut handled)?;
        }
        Ok(context.tx.put_state(SCHEDULE, &schedule)?)
    }

    /// One write. What it met and was given up on this device is wanted, whether or not the write
    /// is refused for it.
    fn write(
        &self,
        context: &mut Context<'_, '_>,
        schedule: &mut Schedule,
        write: Write,
    ) -> Result<Result<Written, WriteError>, EngineError> {
        let Write::Once { once, write } = write else {
            return self.write_now(context, schedule, write);
        };
        let result = match once::written_before(context, &once) {
            Ok(Some(written)) => Ok(written),
            Ok(None) => self.write_now(context, schedule, *write)?.and_then(|written| {
                once::note(context, once, &written)?;
                Ok(written)
            }),
            Err(error) => Err(error),
        };
        match result {
            Err(WriteError::Store(error)) => Err(error.into()),
            result => Ok(result),
        }
    }

    fn write_now(
        &self,
        context: &mut Context<'_, '_>,
        schedule: &mut Schedule,
        write: Write,
    ) -> Result<Result<Written, WriteError>, EngineError> {
        fetch::hurry_for(schedule, &write, context.now);
        if storage::refuses(&write) && storage::is_full(context.tx)? {
            return Ok(Err(WriteError::StorageFull));
        }
        let result = write::apply(context, write);
        for key in std::mem::take(&mut context.noted.away) {
            fetch::want(context, &fetch::Wanted::Key(key))?;
        }
        match result {
            // A full disk or a failing one is the transaction's end, not this write's.
            Err(WriteError::Store(error)) => Err(error.into()),
            result => Ok(result),
        }
    }

    /// Puts a store right that was filled from a damaged one: what can go by itself waits as it
    /// did, what cannot waits for a person, and everything is read again before anything is sent.
    /// `account_known` says whether it is certain whose store it is.
    ///
    /// # Errors
    /// When the store fails; the caller rolls the transaction back, and nothing has happened.
    pub fn put_right(
        &self,
        tx: &mut StoreTransaction<'_>,
        account_known: bool,
        now: LocalTime,
        entropy: &mut dyn Entropy,
    ) -> Result<PutRight, EngineError> {
        let mut noted = Noted::default();
        let mut context = Context { tx, now, entropy, noted: &mut noted };
        // It may have been on a damaged page itself.
        let mut schedule: Schedule = context.tx.state(SCHEDULE).ok().flatten().unwrap_or_default();
        let done = salvage::put_right(&mut context, &mut schedule, account_known)?;
        context.tx.put_state(SCHEDULE, &schedule)?;
        Ok(done)
    }

    fn step(
        &self,
        context: &mut Context<'_, '_>,
        schedule: &mut Schedule,
        event: Event,
        handled: &mut Handled,
    ) -> Result<(), EngineError> {
        let now = context.now;
        match event {
            Event::Write(write) => {
                handled.written.push(self.write(context, schedule, write)?);
            }
            Event::RequestFinished { request, result } => {
                handled.effects.extend(drive::finished(context, schedule, request, result)?);
            }
            Event::TokenResult { round, result } => {
                token::result(context, schedule, round, result)?;
            }
            Event::SignedIn(tokens) => token::signed_in(context, schedule, tokens)?,
            Event::Started => lifecycle::started(context, schedule)?,
            Event::Stopped => lifecycle::stopped(context, schedule)?,
            Event::NetworkChanged { online } => network::changed(context, schedule, online),
            Event::NetworkMetered { metered } => {
                network::choose(context, schedule, |network| network.metered = metered);
            }
            Event::NetworkPolicy(policy) => {
                network::choose(context, schedule, |network| network.policy = policy);
            }
            Event::BudgetGiven => {
                schedule.uploads_first = true;
                schedule.pull_wanted = true;
                schedule.hurry(now);
            }
            Event::PushReceived(hint) => scope::hinted(context, schedule, &hint)?,
            Event::Foreground | Event::SyncNow => {
                if matches!(event, Event::SyncNow) {
                    poison::retry_now(context)?;
                    token::ask_again(context, schedule)?;
                    network::wish(schedule, now);
                }
                schedule.pull_wanted = true;
                schedule.refusals = 0;
                schedule.hurry(now);
            }
            Event::Pause { until } => {
                schedule.pause_by_hand(now, until);
                context.noted.status = true;
            }
            Event::Resume => {
                schedule.pauses.remove(&Pause::UserPaused);
                schedule.hurry(now);
                context.noted.status = true;
            }
            Event::Travelled { sent, received } => {
                progress::travelled(context, schedule, sent, received)?;
            }
            Event::Accessed { keys, months } => {
                let grain_ms = clarity_store::ACCESS_GRAIN_MS;
                storage::note_accesses(context, schedule, &keys, &months, grain_ms)?;
            }
            Event::DiskSpace { free_bytes } => storage::disk(context, schedule, free_bytes)?,
            Event::StoreFull => storage::store_was_full(context, schedule)?,
            // Another process may have wished for something, or follow something else.
            Event::StoreChanged => scope::perhaps_another(context, schedule)?,
            Event::Timer => {}
            Event::StoreDamaged => salvage::note_damage(context, schedule, true),
            Event::StoreSound => salvage::note_damage(context, schedule, false),
        }
        Ok(())
    }

    /// Ends the restore of a whole store, in the transaction that put its rows back: the store
    /// begins a new life, and reads everything again before it sends anything.
    ///
    /// # Errors
    /// When the store fails, or what was restored cannot be read.
    pub fn restored(
        &self,
        tx: &mut StoreTransaction<'_>,
        account: Option<&str>,
        next_counter: clarity_model::Counter,
        now: LocalTime,
        entropy: &mut dyn Entropy,
    ) -> Result<(), EngineError> {
        let mut noted = Noted::default();
        let mut context = Context { tx, now, entropy, noted: &mut noted };
        Ok(restore::restored(&mut context, account, next_counter)?)
    }

    /// Where the sync stands.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn status(&self, tx: &StoreTransaction<'_>) -> Result<Status, StoreError> {
        let schedule: Schedule = tx.state(SCHEDULE)?.unwrap_or_default();
        status::status(tx, &schedule)
    }

    /// Why an operation is not at the server; nothing for one that was never made. `running` says
    /// whether some process synchronises the store.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn why_not_synced(
        &self,
        tx: &StoreTransaction<'_>,
        operation: clarity_model::Counter,
        running: bool,
    ) -> Result<Option<Explanation>, StoreError> {
        let schedule: Schedule = tx.state(SCHEDULE)?.unwrap_or_default();
        explain::Explainer { tx, schedule: &schedule, running }.operation(operation)
    }

    /// What is known of an entity and of what waits for it; nothing when the store knows nothing
    /// of it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn explain(
        &self,
        tx: &StoreTransaction<'_>,
        key: &clarity_model::EntityKey,
        running: bool,
    ) -> Result<Option<EntityExplanation>, StoreError> {
        let schedule: Schedule = tx.state(SCHEDULE)?.unwrap_or_default();
        explain::Explainer { tx, schedule: &schedule, running }.entity(key)
    }

    /// What the device follows, and how far it has come with it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn scope(&self, tx: &StoreTransaction<'_>) -> Result<ScopeStatus, StoreError> {
        scope::status(tx)
    }

    /// The open conflicts, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn conflicts(
        &self,
        tx: &StoreTransaction<'_>,
        after: Option<ConflictId>,
        limit: usize,
    ) -> Result<Vec<ConflictInfo>, StoreError> {
        let records = tx.conflicts(after.map_or(0, |id| id.0), limit)?;
        let info = |record| conflict::info(tx.schema(), record);
        Ok(records.into_iter().filter_map(info).collect())
    }

    /// The health sources that this store knows, in the order of their ids.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sources(&self, tx: &StoreTransaction<'_>) -> Result<Vec<SourceInfo>, StoreError> {
        feed::infos(tx)
    }

    /// What is kept of one health source; what holds for an unknown one if it is.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn source_state(
        &self,
        tx: &StoreTransaction<'_>,
        source: &str,
    ) -> Result<SourceState, StoreError> {
        feed::state(tx, source)
    }

    /// The imports of this store, the latest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn imports(&self, tx: &StoreTransaction<'_>) -> Result<Vec<ImportInfo>, StoreError> {
        Ok(tx.imports()?.into_iter().map(ImportInfo::from).collect())
    }

    /// Entities of a type that an import brought, among the ones that `options` name; and the id to
    /// go on after, if there are more.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn import_members(
        &self,
        tx: &StoreTransaction<'_>,
        import_id: i64,
        entity_type: &clarity_model::EntityType,
        options: &clarity_store::ListOptions,
    ) -> Result<(Vec<ImportMember>, Option<EntityId>), StoreError> {
        import::members(tx, import_id, entity_type, options)
    }

    /// One open conflict.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn conflict(
        &self,
        tx: &StoreTransaction<'_>,
        id: ConflictId,
    ) -> Result<Option<ConflictInfo>, StoreError> {
        Ok(tx.conflict(id.0)?.and_then(|record| conflict::info(tx.schema(), record)))
    }
}

/// Whether an event may have made more of what is here such that it can be given up.
fn brings_news(event: &Event) -> bool {
    matches!(event, Event::Started | Event::RequestFinished { result: Ok(_), .. })
}

/// A new entity id: a UUIDv7 of the time and 74 random bits, so that ids made one after the other
/// lie side by side in the store.
#[must_use]
pub fn new_entity_id(now: LocalTime, entropy: &mut dyn Entropy) -> EntityId {
    let random = entropy.next_u128().to_be_bytes();
    let mut ten = [0; 10];
    ten.copy_from_slice(&random[..10]);
    let millis = u64::try_from(now.0).unwrap_or(0);
    let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &ten).into_uuid();
    match EntityId::new(uuid.hyphenated().to_string()) {
        Ok(id) => id,
        // A hyphenated UUID is always a valid id.
        Err(error) => unreachable!("{error}"),
    }
}
