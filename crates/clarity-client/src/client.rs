//! The facade: what an app calls.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, Weak};

use clarity_engine::protocol::Tokens;
use clarity_engine::protocol::model::{
    Counter, Entity, EntityId, EntityKey, EntityType, Fields, Kind, LocalTime, ReadVersion, Schema,
};
use clarity_engine::store::{
    Credentials, ListOptions, OpenOptions, OperationState, QueuedOperation, RowState,
    StoreTransaction, StoredEntity,
};
use clarity_engine::{
    ConflictId, ConflictInfo, Engine, Event, Flow, Resolution, Status, Write, Written,
};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{broadcast, oneshot};

use crate::device::Device;
use crate::error::ClientError;
use crate::explain::SyncedBy;
use crate::platform::{Readers, Worker};
#[cfg(not(target_arch = "wasm32"))]
use crate::sources::Registered;
use crate::storing::{Command, Effects, now};
use crate::upkeep::{Accesses, Upkeep};

/// How a client opens its store.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// The store.
    pub store: OpenOptions,
    /// The schema; absent for the one that ships.
    pub schema: Option<Arc<Schema>>,
}

impl ClientOptions {
    /// A store at this path, with the schema that ships.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { store: OpenOptions::new(path), schema: None }
    }

    pub(crate) fn schema(&self) -> Result<Arc<Schema>, ClientError> {
        match &self.schema {
            Some(schema) => Ok(Arc::clone(schema)),
            None => Ok(Arc::new(Schema::shipped().map_err(|_| ClientError::Closed)?)),
        }
    }
}

/// A device's data. Clones share it; the store is closed with the last one.
///
/// Calls are synchronous and take about as long as one durable write of the disk; reads do not
/// wait for writes or for a sync in progress. In an asynchronous program call writes through
/// [`Client::submit`], which can be awaited.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Client").finish_non_exhaustive()
    }
}

pub(crate) struct Inner {
    /// Before the worker, so that they are closed first: the connection that writes is then the
    /// last one, and moves what is in the log into the file.
    readers: Readers,
    worker: Worker,
    /// Whether sums of changed days are being made anew.
    refreshing: Arc<AtomicBool>,
    effects: Mutex<Option<Effects>>,
    engine: Engine,
    accesses: Arc<Accesses>,
    path: PathBuf,
    #[cfg(not(target_arch = "wasm32"))]
    sources: Registered,
}

/// An operation in the queue.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct QueuedChange {
    /// Its number on this device.
    pub operation: Counter,
    /// What it does.
    pub kind: Kind,
    /// To which entity.
    #[serde(flatten)]
    pub key: EntityKey,
    /// The fields that it changes.
    pub fields: Vec<String>,
    /// The first operation of its atomic batch, with which it stands or falls.
    pub batch: Option<Counter>,
    /// When it was made.
    pub made_at: LocalTime,
    /// Where it is.
    pub status: OperationStatus,
    /// Whether it is on its way and being taken back: its inverse waits for its answer.
    pub taken_back: bool,
    /// How often it failed by itself.
    pub attempts: u32,
    /// When it was first sent.
    pub first_sent_at: Option<LocalTime>,
    /// When it is tried again, if that is known.
    pub next_attempt_at: Option<LocalTime>,
}

/// Where an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum OperationStatus {
    /// It waits for its turn.
    Pending,
    /// It waits for another operation, or behind one that cannot go on.
    Blocked,
    /// It is on its way.
    InProgress,
    /// It waits in the conflict inbox.
    Conflict,
    /// It was refused and waits for a person.
    Failed,
    /// The server failed on it repeatedly; it is tried again later.
    SetAside,
    /// It ended: its effect is part of the server's state.
    Completed,
    /// It ended: it was taken back, given up, or settled by a later operation.
    Cancelled,
}

impl Client {
    /// Opens a store, or makes it when there is none. It works before anybody has signed in.
    ///
    /// # Errors
    /// When the file is not a store of this version, or cannot be read or written; it is left as
    /// it is. One that is damaged can be recovered: see [`Client::recover`].
    pub fn open(options: ClientOptions) -> Result<Self, ClientError> {
        let schema = options.schema()?;
        let device = Device::open(&options.store, Arc::clone(&schema), now())?;
        let engine = Engine::new(&schema);
        let accesses = Arc::new(Accesses::default());
        let upkeep = Upkeep::new(options.store.path.clone(), Arc::clone(&accesses));
        let (worker, effects) = Worker::start(device, upkeep)?;
        let readers = Readers::open(&worker, options.store.clone(), schema)?;
        let inner = Inner {
            worker,
            effects: Mutex::new(Some(effects)),
            readers,
            refreshing: Arc::default(),
            engine,
            accesses,
            path: options.store.path,
            #[cfg(not(target_arch = "wasm32"))]
            sources: Registered::default(),
        };
        let client = Self { inner: Arc::new(inner) };
        client.examine_if_suspect()?;
        Ok(client)
    }

    pub(crate) fn of(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    pub(crate) fn downgrade(&self) -> Weak<Inner> {
        Arc::downgrade(&self.inner)
    }

    pub(crate) fn refreshing(&self) -> &Arc<AtomicBool> {
        &self.inner.refreshing
    }

    pub(crate) fn worker(&self) -> &Worker {
        &self.inner.worker
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    pub(crate) fn accesses(&self) -> &Accesses {
        &self.inner.accesses
    }

    pub(crate) fn path(&self) -> &PathBuf {
        &self.inner.path
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn registered(&self) -> &Registered {
        &self.inner.sources
    }

    pub(crate) fn effects(&self) -> &Mutex<Option<Effects>> {
        &self.inner.effects
    }

    /// A key with a new id.
    ///
    /// # Errors
    /// When the client is closed.
    pub fn new_key(&self, entity_type: &EntityType) -> Result<EntityKey, ClientError> {
        let id: EntityId = self.inner.worker.run(|device| device.new_entity_id(now()))?;
        Ok(EntityKey { entity_type: entity_type.clone(), id })
    }

    /// Hands a write over and returns what it gives, to be awaited.
    ///
    /// Once the future is ready with `Ok`, the write survives a crash and a power loss.
    ///
    /// # Errors
    /// The future's, as [`Client::write`]; this call only when the client is closed.
    pub fn submit(
        &self,
        write: Write,
    ) -> Result<impl Future<Output = Result<Written, ClientError>> + use<>, ClientError> {
        let (answer, wait) = oneshot::channel();
        // The caller may have gone; then nobody wants the answer.
        let answer = Box::new(move |result| drop(answer.send(result)));
        self.inner.worker.submit(write, answer)?;
        Ok(async move { wait.await.unwrap_or(Err(ClientError::Closed)) })
    }

    /// Writes, durably. It blocks the thread for about one write of the disk; an asynchronous task
    /// better awaits [`Client::submit`].
    ///
    /// # Errors
    /// When the write is refused or the store fails; then nothing of it was stored.
    pub fn write(&self, write: Write) -> Result<Written, ClientError> {
        self.inner.worker.write(write)?.wait()
    }

    /// Makes an entity.
    ///
    /// # Errors
    /// As [`Client::write`]; when the entity exists.
    pub fn create(&self, key: &EntityKey, fields: Fields) -> Result<Written, ClientError> {
        self.write(Write::Create { key: key.clone(), fields, parents: Vec::new() })
    }

    /// Changes fields of an entity. `seen` is what the person saw when they began; without it the
    /// latest value is written over, whatever it is.
    ///
    /// # Errors
    /// As [`Client::write`]; when there is no such entity.
    pub fn update(
        &self,
        key: &EntityKey,
        changes: BTreeMap<String, Option<Value>>,
        seen: Option<ReadVersion>,
    ) -> Result<Written, ClientError> {
        self.write(Write::Update { key: key.clone(), changes, seen })
    }

    /// Deletes an entity.
    ///
    /// # Errors
    /// As [`Client::write`]; when there is no such entity.
    pub fn delete(
        &self,
        key: &EntityKey,
        seen: Option<ReadVersion>,
    ) -> Result<Written, ClientError> {
        self.write(Write::Delete { key: key.clone(), seen })
    }

    /// Settles a conflict as the person chose it.
    ///
    /// # Errors
    /// As [`Client::write`]; when a side moved since `conflict` was read.
    pub fn resolve(
        &self,
        conflict: &ConflictInfo,
        resolution: Resolution,
    ) -> Result<Written, ClientError> {
        let (id, mark) = (conflict.id, conflict.mark);
        self.write(Write::Resolve { conflict: id, mark, resolution })
    }

    pub(crate) fn read<T>(
        &self,
        part: impl FnOnce(&StoreTransaction<'_>) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let result = self.inner.readers.read(|tx| part(tx));
        result.inspect_err(|error| self.note_damage(error))
    }

    /// For what computes while it reads.
    pub(crate) fn read_mut<T>(
        &self,
        part: impl FnOnce(&mut StoreTransaction<'_>) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        self.inner.readers.read(part).inspect_err(|error| self.note_damage(error))
    }

    /// One entity, with the local changes that wait. A key that the entity had before a backend
    /// gave it another id finds it too; the entity names its present key.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn get(&self, key: &EntityKey) -> Result<Option<Entity>, ClientError> {
        self.read(|tx| {
            let key = tx.present_key(key)?;
            let found = tx.entity(&key)?.and_then(|row| visible(key, row));
            self.accesses().note(tx.schema(), found.iter().map(|entity| &entity.key));
            Ok(found)
        })
    }

    /// The key that an entity has now: another one than it was made with, once a backend gave it
    /// an id of its own. Every call takes the older key as well.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn present_key(&self, key: &EntityKey) -> Result<EntityKey, ClientError> {
        self.read(|tx| Ok(tx.present_key(key)?))
    }

    /// Entities of a type in the order of their ids, after `after`, at most `limit`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn list(
        &self,
        entity_type: &EntityType,
        after: Option<EntityId>,
        limit: usize,
    ) -> Result<Vec<Entity>, ClientError> {
        let options = ListOptions { after, limit, include_deleted: false };
        self.read(|tx| {
            let rows = tx.list_entities(entity_type, &options)?;
            let found: Vec<_> =
                rows.into_iter().filter_map(|(key, row)| visible(key, row)).collect();
            self.accesses().note(tx.schema(), found.iter().map(|entity| &entity.key));
            Ok(found)
        })
    }

    /// The types that have entities here, with how many.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn counts(&self) -> Result<BTreeMap<EntityType, u64>, ClientError> {
        self.read(|tx| {
            let types = tx.entity_types()?.into_iter();
            let counted = types.map(|entity_type| {
                let count = tx.count_entities(&entity_type)?;
                Ok((entity_type, count))
            });
            counted.filter(|pair| !matches!(pair, Ok((_, 0)))).collect()
        })
    }

    /// Where the sync stands.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn status(&self) -> Result<Status, ClientError> {
        let mut status = self.with_damage(self.read(|tx| Ok(self.inner.engine.status(tx)?))?);
        // Whoever was at it may have been killed.
        if status.flow == Flow::Syncing && self.synced_by()? == SyncedBy::Nobody {
            status.flow = Flow::Pending;
        }
        Ok(status)
    }

    /// The open conflicts, oldest first, after `after`, at most `limit`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn conflicts(
        &self,
        after: Option<ConflictId>,
        limit: usize,
    ) -> Result<Vec<ConflictInfo>, ClientError> {
        self.read(|tx| Ok(self.inner.engine.conflicts(tx, after, limit)?))
    }

    /// One open conflict.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn conflict(&self, id: ConflictId) -> Result<Option<ConflictInfo>, ClientError> {
        self.read(|tx| Ok(self.inner.engine.conflict(tx, id)?))
    }

    /// Operations that wait or are on their way, in order, after `after`, at most `limit`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn queue(&self, after: Counter, limit: usize) -> Result<Vec<QueuedChange>, ClientError> {
        let states = [
            OperationState::Ready,
            OperationState::Blocked,
            OperationState::InFlight,
            OperationState::SetAside,
            OperationState::Conflicted,
        ];
        let operations = self.in_states(&states, after, limit)?;
        let taken_back = self.read(|tx| Ok(tx.taken_back()?))?;
        let mut changes: Vec<_> = operations.into_iter().map(queued).collect();
        for change in &mut changes {
            change.taken_back = taken_back.binary_search(&change.operation).is_ok();
        }
        Ok(changes)
    }

    pub(crate) fn in_states(
        &self,
        states: &[OperationState],
        after: Counter,
        limit: usize,
    ) -> Result<Vec<QueuedOperation>, ClientError> {
        self.read(|tx| {
            let mut found = Vec::new();
            for state in states {
                found.extend(tx.operations_in_state(*state, after, limit)?);
            }
            found.sort_by_key(|operation| operation.counter);
            found.truncate(limit);
            Ok(found)
        })
    }

    /// The sums that the store keeps, by name; [`Client::metrics`] says what they mean.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn counters(&self) -> Result<BTreeMap<String, i64>, ClientError> {
        self.read(|tx| Ok(tx.metrics()?))
    }

    /// Everything about who this store is.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn meta(&self) -> Result<clarity_engine::store::Meta, ClientError> {
        self.read(|tx| Ok(tx.meta()?))
    }

    /// The server and account that this store is signed in to.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn credentials(&self) -> Result<Option<Credentials>, ClientError> {
        self.read(|tx| Ok(tx.credentials()?))
    }

    /// Watches what changes. A watcher that is too slow is told that it missed something.
    #[must_use]
    pub fn watch(&self) -> broadcast::Receiver<clarity_engine::Changes> {
        self.inner.worker.watch()
    }

    /// Pauses synchronisation until a time, or until [`Client::resume_sync`]. The pause is durable
    /// and holds for every process that uses the store.
    ///
    /// # Errors
    /// When the client is closed or the store cannot be written.
    pub fn pause_sync(&self, until: Option<LocalTime>) -> Result<(), ClientError> {
        self.note(Event::Pause { until })
    }

    /// Resumes synchronisation.
    ///
    /// # Errors
    /// When the client is closed or the store cannot be written.
    pub fn resume_sync(&self) -> Result<(), ClientError> {
        self.note(Event::Resume)
    }

    /// Takes in what changes when to send, durably, whether this process drains the store or
    /// another one.
    pub(crate) fn note(&self, event: Event) -> Result<(), ClientError> {
        self.inner.worker.run(move |device| device.handle_as_drain(vec![event], now()))??;
        // If this process drains, it looks at once what to do now.
        self.notify(Event::Timer)
    }

    /// Tells the engine of something that happened outside, such as a silent push.
    ///
    /// # Errors
    /// When the client is closed.
    pub fn notify(&self, event: Event) -> Result<(), ClientError> {
        self.inner.worker.send(Command::Event(event))
    }

    /// Binds the store to an account that a person signed in to.
    ///
    /// # Errors
    /// When the store belongs to another account; nothing is changed then.
    pub fn signed_in(&self, server: &str, name: &str, tokens: Tokens) -> Result<(), ClientError> {
        let (server, name) = (server.to_owned(), name.to_owned());
        self.inner.worker.run(move |device| {
            let mut transaction = device.store().begin()?;
            let bound = transaction.meta()?.account_id;
            if bound.is_some_and(|account| account != tokens.account_id) {
                return Err(ClientError::OtherAccount);
            }
            let mut credentials = transaction.credentials()?.unwrap_or_default();
            credentials.server = server;
            credentials.name = name;
            transaction.put_credentials(&credentials)?;
            transaction.commit()?;
            let event = Event::SignedIn(tokens);
            device.handle_as_drain(vec![event], now())?;
            Ok(())
        })?
    }
}

pub(crate) fn visible(key: EntityKey, row: StoredEntity) -> Option<Entity> {
    row.state.is_visible().then_some(Entity {
        key,
        fields: row.fields,
        version: row.version,
        updated_at: row.updated_at,
        pending: row.state == RowState::Pending,
    })
}

pub(crate) fn status_of(state: OperationState) -> OperationStatus {
    match state {
        OperationState::Ready => OperationStatus::Pending,
        OperationState::Blocked => OperationStatus::Blocked,
        OperationState::InFlight => OperationStatus::InProgress,
        OperationState::SetAside => OperationStatus::SetAside,
        OperationState::Failed => OperationStatus::Failed,
        OperationState::Conflicted => OperationStatus::Conflict,
    }
}

pub(crate) fn queued(operation: QueuedOperation) -> QueuedChange {
    let changes = operation.changes.unwrap_or_default();
    QueuedChange {
        operation: operation.counter,
        kind: operation.kind,
        key: operation.key,
        fields: changes.into_iter().map(|change| change.field).collect(),
        batch: operation.batch,
        made_at: operation.made_at,
        status: status_of(operation.state),
        taken_back: false,
        attempts: operation.attempts,
        first_sent_at: operation.first_sent_at,
        next_attempt_at: operation.next_attempt_at,
    }
}
