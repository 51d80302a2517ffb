//! The server without a network: push, pull and dump, synchronous and deterministic.

use std::ops::ControlFlow;
use std::sync::Arc;

use clarity_model::{
    Check, Counter, EntityId, EntityKey, EntityType, Epoch, Fields, Incarnation, Outcome, Schema,
    Seq, ServerTime, Version, limits, schemas_agree,
};
use clarity_protocol::{
    FetchPosition, FetchRequest, FetchResponse, PullRequest, PullResponse, PushRequest,
    PushResponse, Restored, SchemaStamp,
};

use crate::apply::{Context, apply};
use crate::check::{mark_of, require_known};
use crate::environment::{Environment, random};
use crate::error::RequestError;
use crate::pull::{
    Fetched, JsonRows, RowSink, TypedRows, check_fetch, cursor_at, read_fetched, read_page,
    restored, start,
};
use crate::storage::sqlite::{SqliteOptions, SqliteStorage};
use crate::storage::{
    AccountId, AccountSnapshot, AccountTransaction, DeviceId, ScannedEntity, Storage, StorageError,
};

/// The server without a network.
///
/// When a push returns, everything it answers is durable. Calls may come from several threads;
/// writes wait for each other.
pub struct Core<S = SqliteStorage> {
    storage: S,
    schema: Arc<Schema>,
    environment: Arc<dyn Environment>,
    keep_receipts: bool,
}

impl<S> std::fmt::Debug for Core<S> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Core").finish_non_exhaustive()
    }
}

/// The types of the entities that a request changed, for hints to the other devices.
pub type ChangedTypes = Vec<EntityType>;

/// What a push did besides its answer.
#[derive(Debug)]
pub struct Pushed {
    /// The answer for the device that pushed.
    pub response: PushResponse,
    /// The types of the entities that changed, for hints to the other devices.
    pub changed: ChangedTypes,
}

/// An entity in a dump.
#[derive(Debug, Clone, PartialEq)]
pub struct DumpedEntity {
    /// Its name.
    pub key: EntityKey,
    /// Its version.
    pub version: Version,
    /// The position of its newest change.
    pub seq: Seq,
    /// Whether it is deleted.
    pub deleted: bool,
    /// When its newest change was accepted.
    pub updated_at: ServerTime,
    /// Its fields; none when it is deleted.
    pub fields: Fields,
}

/// A receipt in a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpedReceipt {
    /// The store that made the operation.
    pub incarnation: Incarnation,
    /// Its number there.
    pub counter: Counter,
    /// How it ended.
    pub outcome: Outcome,
    /// The operation that carried it, when it did not travel itself.
    pub covered_by: Option<Counter>,
    /// The version that holds its effect, or that it met.
    pub version: Option<Version>,
}

impl Core {
    /// Opens a server on an SQLite database.
    ///
    /// Entities that follow an older version of the schema are carried forward first.
    ///
    /// # Errors
    /// See [`SqliteStorage::open`] and [`SqliteStorage::follow_schema`].
    pub fn open_sqlite(
        options: &SqliteOptions,
        schema: Arc<Schema>,
        environment: Arc<dyn Environment>,
    ) -> Result<Self, StorageError> {
        let storage = SqliteStorage::open(options, &*environment)?;
        storage.follow_schema(&schema)?;
        storage.settle_windows(&schema)?;
        Ok(Self { storage, schema, environment, keep_receipts: false })
    }

    /// The account with this name, made without a password when there is none.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn ensure_account(&self, name: &str) -> Result<AccountId, StorageError> {
        self.storage.ensure_account(name, &*self.environment)
    }
}

impl<S: Storage> Core<S> {
    /// A server over another storage.
    pub fn new(storage: S, schema: Arc<Schema>, environment: Arc<dyn Environment>) -> Self {
        Self { storage, schema, environment, keep_receipts: false }
    }

    /// The same server, but it keeps the receipt of every operation, also of those that the device
    /// has heard of: a complete record of what was applied, for audits.
    #[must_use]
    pub fn keeping_receipts(self, keep: bool) -> Self {
        Self { keep_receipts: keep, ..self }
    }

    /// The storage.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    /// The world's time and randomness.
    pub fn environment(&self) -> &dyn Environment {
        &*self.environment
    }

    /// The life of the database.
    pub fn epoch(&self) -> Epoch {
        self.storage.identity().epoch
    }

    /// Applies a device's operations.
    ///
    /// # Errors
    /// When the request as a whole cannot be carried out; then nothing of it was.
    pub fn push(
        &self,
        account: AccountId,
        device: DeviceId,
        request: &PushRequest,
    ) -> Result<PushResponse, RequestError> {
        self.push_noting(account, device, request).map(|pushed| pushed.response)
    }

    /// Applies a device's operations and tells what changed.
    ///
    /// # Errors
    /// When the request as a whole cannot be carried out; then nothing of it was.
    pub fn push_noting(
        &self,
        account: AccountId,
        device: DeviceId,
        request: &PushRequest,
    ) -> Result<Pushed, RequestError> {
        let epoch = self.epoch();
        self.check_schema(Some(&request.schema))?;
        check_push(epoch, request)?;
        let context = self.context(device)?;
        let identity = self.storage.identity();
        let (applied, head) = self.storage.write::<_, RequestError>(account, |transaction| {
            if let Some(heard) = request.heard {
                require_known(transaction.log_seed(heard.seq)?, &identity, account, heard)?;
            }
            let applied = apply(transaction, &context, request)?;
            let seq = transaction.head()?;
            let seed = transaction.log_seed(seq)?;
            Ok((applied, seed.map(|seed| mark_of(seed, &identity, account, seq))))
        })?;
        let (contributed, answers) = (applied.contributed, applied.answers);
        let response = PushResponse { epoch, at: context.now, head, contributed, answers };
        Ok(Pushed { response, changed: applied.changed.into_iter().collect() })
    }

    /// Sends a device away whose schema lacks steps that this one has taken, or the reverse: it
    /// would misread what it is told, or be misread.
    fn check_schema(&self, device: Option<&SchemaStamp>) -> Result<(), RequestError> {
        let Some(device) = device else { return Ok(()) };
        let server = (self.schema.version, self.schema.steps_version());
        if schemas_agree(server, (device.version, device.steps)) {
            return Ok(());
        }
        let (server, device_version) = (server.0, device.version);
        Err(if device.version < self.schema.steps_version() {
            RequestError::OlderSchema { device: device_version, server }
        } else {
            RequestError::NewerSchema { device: device_version, server }
        })
    }

    /// What applying needs to know besides the request.
    pub(crate) fn context(&self, device: DeviceId) -> Result<Context<'_>, RequestError> {
        Ok(Context {
            schema: &self.schema,
            now: self.environment.now(),
            seed: u64::from_le_bytes(random(&*self.environment)?),
            epoch: self.epoch(),
            device,
            keep_receipts: self.keep_receipts,
        })
    }

    /// Reads the next page for a device.
    ///
    /// # Errors
    /// When the cursor is not of this database, or the request cannot be carried out.
    pub fn pull(
        &self,
        account: AccountId,
        _device: DeviceId,
        request: &PullRequest,
    ) -> Result<PullResponse, RequestError> {
        self.page(account, request, TypedRows::default()).map(|(mut response, rows)| {
            response.rows = rows.rows;
            response
        })
    }

    /// Reads the next page as the JSON of a [`PullResponse`], without building its rows.
    ///
    /// # Errors
    /// As for [`Core::pull`].
    pub fn pull_json(
        &self,
        account: AccountId,
        _device: DeviceId,
        request: &PullRequest,
    ) -> Result<Vec<u8>, RequestError> {
        let (response, rows) = self.page(account, request, JsonRows::default())?;
        Ok(rows.into_answer(&Rest::of(&response))?)
    }

    /// Reads what a device asks for by name, apart from its cursor.
    ///
    /// # Errors
    /// When the request is over a limit, belongs to another life of the database, or cannot be
    /// carried out.
    pub fn fetch(
        &self,
        account: AccountId,
        request: &FetchRequest,
    ) -> Result<FetchResponse, RequestError> {
        let (mut response, rows) = self.fetched(account, request, TypedRows::default())?;
        response.rows = rows.rows;
        Ok(response)
    }

    /// Reads what a device asks for by name, as the JSON of a [`FetchResponse`], without building
    /// its rows.
    ///
    /// # Errors
    /// As for [`Core::fetch`].
    pub fn fetch_json(
        &self,
        account: AccountId,
        request: &FetchRequest,
    ) -> Result<Vec<u8>, RequestError> {
        let (response, rows) = self.fetched(account, request, JsonRows::default())?;
        Ok(rows.into_answer(&FetchRest::of(&response))?)
    }

    fn fetched<R: RowSink>(
        &self,
        account: AccountId,
        request: &FetchRequest,
        mut rows: R,
    ) -> Result<(FetchResponse, R), RequestError> {
        let identity = self.storage.identity();
        let epoch = identity.epoch;
        self.check_schema(request.schema.as_ref())?;
        check_fetch(epoch, request)?;
        let at = self.environment.now();
        self.storage.read(account, |snapshot| {
            let head = snapshot.head()?;
            let Fetched { unknown, ranges_done, after } =
                read_fetched(snapshot, request, &mut rows)?;
            let seed = snapshot.log_seed(head)?;
            let response = FetchResponse {
                epoch,
                at,
                head,
                check: seed.map(|seed| mark_of(seed, &identity, account, head).check),
                rows: Vec::new(),
                unknown,
                ranges_done,
                after,
            };
            Ok((response, rows))
        })
    }

    fn page<R: RowSink>(
        &self,
        account: AccountId,
        request: &PullRequest,
        mut rows: R,
    ) -> Result<(PullResponse, R), RequestError> {
        self.check_schema(request.schema.as_ref())?;
        let identity = self.storage.identity();
        let at = self.environment.now();
        self.storage.read(account, |snapshot| {
            let after = start(snapshot, &identity, account, request)?;
            let head = snapshot.head()?;
            let page = read_page(snapshot, request, at, (after, head), &mut rows)?;
            let cursor = cursor_at(snapshot, &identity, account, request, page.end)?;
            let response = PullResponse {
                epoch: identity.epoch,
                at,
                rows: Vec::new(),
                cursor,
                head,
                more: page.more,
                durable_through: head,
                restored: restored(snapshot, &identity, request)?,
            };
            Ok((response, rows))
        })
    }

    /// Shows every entity of an account, deleted ones included, in log order, until the visitor
    /// breaks off.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn dump_entities(
        &self,
        account: AccountId,
        mut visit: impl FnMut(DumpedEntity) -> ControlFlow<()>,
    ) -> Result<(), StorageError> {
        self.storage.read(account, |snapshot| {
            snapshot.scan(Seq(0), &mut |entity| Ok(visit(dumped(&entity)?)))
        })
    }

    /// Shows every receipt of an account by store and counter, until the visitor breaks off.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn dump_receipts(
        &self,
        account: AccountId,
        mut visit: impl FnMut(DumpedReceipt) -> ControlFlow<()>,
    ) -> Result<(), StorageError> {
        self.storage.read(account, |snapshot| {
            snapshot.scan_receipts(&mut |operation, receipt| {
                Ok(visit(DumpedReceipt {
                    incarnation: operation.incarnation,
                    counter: operation.counter,
                    outcome: receipt.outcome,
                    covered_by: receipt.carrier,
                    version: receipt.version,
                }))
            })
        })
    }
}

/// A pull answer but its rows.
#[derive(serde::Serialize)]
struct Rest<'a> {
    epoch: Epoch,
    at: ServerTime,
    cursor: &'a clarity_protocol::Cursor,
    head: Seq,
    more: bool,
    durable_through: Seq,
    #[serde(skip_serializing_if = "Option::is_none")]
    restored: Option<Restored>,
}

impl<'a> Rest<'a> {
    fn of(response: &'a PullResponse) -> Self {
        Self {
            epoch: response.epoch,
            at: response.at,
            cursor: &response.cursor,
            head: response.head,
            more: response.more,
            durable_through: response.durable_through,
            restored: response.restored,
        }
    }
}

/// A fetch answer but its rows.
#[derive(serde::Serialize)]
struct FetchRest<'a> {
    epoch: Epoch,
    at: ServerTime,
    head: Seq,
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<Check>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    unknown: &'a [EntityKey],
    ranges_done: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<FetchPosition>,
}

impl<'a> FetchRest<'a> {
    fn of(response: &'a FetchResponse) -> Self {
        Self {
            epoch: response.epoch,
            at: response.at,
            head: response.head,
            check: response.check,
            unknown: &response.unknown,
            ranges_done: response.ranges_done,
            after: response.after,
        }
    }
}

fn check_push(epoch: Epoch, request: &PushRequest) -> Result<(), RequestError> {
    if request.epoch.is_some_and(|theirs| theirs != epoch) {
        return Err(RequestError::CursorRefused);
    }
    if request.operations.len() > limits::PUSH_OPERATIONS_MAX {
        return Err(RequestError::TooLarge("a push holds at most 1,000 operations; send fewer"));
    }
    let contributed = request.contribution.as_ref().map_or(0, |one| one.entities.len());
    if contributed > limits::PUSH_OPERATIONS_MAX {
        return Err(RequestError::TooLarge("a push gives back at most 1,000 entities; send fewer"));
    }
    let mut versions = request.contribution.iter().flat_map(|one| &one.entities);
    if versions.any(|entity| entity.version.0 > limits::VERSION_GIVEN_BACK_MAX) {
        return Err(RequestError::BadRequest(
            "no entity has been changed as often as this one says",
        ));
    }
    let bytes: usize = request.operations.iter().map(|raw| raw.get().len()).sum();
    if request.operations.len() > 1 && bytes > limits::PUSH_BYTES_MAX {
        return Err(RequestError::TooLarge(
            "the operations of a push have at most 1 MiB together; send fewer",
        ));
    }
    Ok(())
}

fn dumped(entity: &ScannedEntity<'_>) -> Result<DumpedEntity, StorageError> {
    let fields = match entity.fields {
        Some(text) if !entity.deleted => {
            serde_json::from_str(text).map_err(|_| StorageError::Value("fields"))?
        }
        _ => Fields::new(),
    };
    Ok(DumpedEntity {
        key: EntityKey {
            entity_type: EntityType::new(entity.entity_type)
                .map_err(|_| StorageError::Value("a type"))?,
            id: EntityId::new(entity.id).map_err(|_| StorageError::Value("an id"))?,
        },
        version: entity.version,
        seq: entity.seq,
        deleted: entity.deleted,
        updated_at: entity.updated_at,
        fields,
    })
}
