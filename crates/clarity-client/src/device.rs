//! A store with its engine: what runs on the one thread that writes, on any platform.

use std::sync::Arc;

#[cfg(not(target_arch = "wasm32"))]
use clarity_engine::protocol::model::Counter;
use clarity_engine::protocol::model::{Incarnation, LocalTime, Schema};
use clarity_engine::store::{Birth, OpenOptions, Store};
use clarity_engine::{Engine, Entropy, Event, Handled, Preview, Role, Write};

use crate::error::ClientError;

/// A store with its engine, without threads, timers or network.
///
/// The drivers of this crate run it on a thread of its own; in a browser it lives in a worker.
pub struct Device {
    store: Store,
    engine: Engine,
    entropy: OsEntropy,
    role: Role,
}

impl std::fmt::Debug for Device {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Device").field("role", &self.role).finish_non_exhaustive()
    }
}

impl Device {
    /// Opens or makes a store.
    ///
    /// # Errors
    /// When the file cannot be opened as a store of this version; it is left as it is.
    pub fn open(
        options: &OpenOptions,
        schema: Arc<Schema>,
        now: LocalTime,
    ) -> Result<Self, ClientError> {
        let mut entropy = OsEntropy::new()?;
        let birth = Birth { incarnation: Incarnation(entropy.next_u128()), now };
        let engine = Engine::new(&schema);
        let has_steps = schema.steps_version() > 0;
        let store = Store::open(options, schema, birth)?;
        let mut device = Self { store, engine, entropy, role: Role::Write };
        if has_steps {
            // What waits is brought in line with them, as far as one step goes.
            device.handle(Vec::new(), now)?;
        }
        Ok(device)
    }

    /// Takes in events in one durable transaction. The effects may be carried out when this
    /// returns.
    ///
    /// # Errors
    /// When the store fails; then nothing has happened.
    pub fn handle(&mut self, events: Vec<Event>, now: LocalTime) -> Result<Handled, ClientError> {
        let mut transaction = self.store.begin()?;
        let handled =
            self.engine.handle(&mut transaction, events, now, &mut self.entropy, self.role)?;
        transaction.commit()?;
        Ok(handled)
    }

    /// Takes in events that change when to send, such as a sign-in, whether or not this process
    /// drains; whoever drains finds them in the store. Effects are not carried out.
    ///
    /// # Errors
    /// As [`Device::handle`].
    pub fn handle_as_drain(
        &mut self,
        events: Vec<Event>,
        now: LocalTime,
    ) -> Result<(), ClientError> {
        let mut transaction = self.store.begin()?;
        self.engine.note(&mut transaction, events, now, &mut self.entropy)?;
        transaction.commit()?;
        Ok(())
    }

    /// What some writes would do, one after the other. Nothing of it stays.
    ///
    /// # Errors
    /// Why one of them would be refused, or when the store fails.
    pub fn preview(&mut self, writes: Vec<Write>, now: LocalTime) -> Result<Preview, ClientError> {
        let mut transaction = self.store.begin()?;
        Ok(self.engine.preview(&mut transaction, writes, now, &mut self.entropy)?)
    }

    /// Puts a whole store back in one durable transaction: `rows` puts the rows back and says whose
    /// account it was and where to count on from; the engine does the rest.
    ///
    /// # Errors
    /// When `rows` or the store fails; then nothing has happened.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn restore<T>(
        &mut self,
        now: LocalTime,
        rows: impl FnOnce(
            &mut clarity_engine::store::StoreTransaction<'_>,
        ) -> Result<(T, Option<String>, Counter), ClientError>,
    ) -> Result<T, ClientError> {
        let mut transaction = self.store.begin()?;
        let (result, account, next) = rows(&mut transaction)?;
        let entropy = &mut self.entropy;
        self.engine.restored(&mut transaction, account.as_deref(), next, now, entropy)?;
        transaction.commit()?;
        Ok(result)
    }

    /// Whether the schema has steps, which what waits may have to be brought in line with.
    pub(crate) fn has_steps(&self) -> bool {
        self.store.schema().steps_version() > 0
    }

    /// Whether the schema has changed and rows are still to be brought up to date: see
    /// [`Device::follow_schema`].
    #[must_use]
    pub fn has_schema_work(&self) -> bool {
        self.store.has_schema_work()
    }

    /// Brings some rows up to date after a change of the schema, at most so many, in one durable
    /// transaction; says whether more are left. Whoever holds a device calls it while there is
    /// nothing else to do. Everything can be read and written meanwhile.
    ///
    /// # Errors
    /// When the store fails; then nothing was done.
    pub fn follow_schema(&mut self, rows: usize) -> Result<bool, ClientError> {
        Ok(self.store.follow_schema(rows)?)
    }

    /// Says whether this process drains the store: see [`Role`].
    pub fn set_role(&mut self, role: Role) {
        self.role = role;
    }

    /// Whether another connection has written since the last call with the same number.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn data_version(&self) -> Result<i64, ClientError> {
        Ok(self.store.data_version()?)
    }

    /// How large the main file and the log of the store may be by its budget, in bytes.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn space(&mut self) -> Result<(u64, u64), ClientError> {
        let transaction = self.store.begin()?;
        Ok(self.engine.space(&transaction)?)
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The store.
    pub fn store(&mut self) -> &mut Store {
        &mut self.store
    }

    /// A new random entity id.
    pub fn new_entity_id(&mut self, now: LocalTime) -> clarity_engine::protocol::model::EntityId {
        clarity_engine::new_entity_id(now, &mut self.entropy)
    }
}

/// Random bits of the operating system, fetched in blocks.
#[derive(Debug)]
pub struct OsEntropy {
    block: [u8; 256],
    used: usize,
}

impl OsEntropy {
    /// Opens the source.
    ///
    /// # Errors
    /// When the operating system gives no random bits.
    pub fn new() -> Result<Self, ClientError> {
        let mut block = [0; 256];
        getrandom::fill(&mut block).map_err(|_| ClientError::NoEntropy)?;
        Ok(Self { block, used: 0 })
    }
}

impl Entropy for OsEntropy {
    fn next_u64(&mut self) -> u64 {
        if self.used + 8 > self.block.len() {
            // The source was there when the device was opened; should it ever fail, the block is
            // mixed with itself rather than repeated.
            if getrandom::fill(&mut self.block).is_err() {
                for (index, byte) in self.block.iter_mut().enumerate() {
                    *byte = byte.wrapping_mul(31).wrapping_add(index.to_le_bytes()[0] | 1);
                }
            }
            self.used = 0;
        }
        let mut eight = [0; 8];
        eight.copy_from_slice(&self.block[self.used..self.used + 8]);
        self.used += 8;
        u64::from_le_bytes(eight)
    }
}
