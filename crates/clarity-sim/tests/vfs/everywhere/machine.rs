//! A device on a disk that fails: the driver in miniature.

use std::sync::{Arc, LazyLock};

use clarity_client::engine::store::{
    Birth, OpenOptions, Store, StoreError, StoreKey, StoreTransaction,
};
use clarity_client::engine::{Engine, EngineError, Entropy, Event, Handled, Role};
use clarity_client::model::{Incarnation, LocalTime, Schema};
use clarity_sim::vfs::Disk;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The store of the first account.
pub(super) const FILE: &str = "store.db";
pub(super) const NOW: LocalTime = LocalTime(1_700_000_000_000);
/// How long a step takes.
const STEP_MS: i64 = 1_000;

pub(super) struct Dice(ChaCha8Rng);

impl Entropy for Dice {
    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }
}

/// The schema of the product.
pub(super) fn shipped() -> Arc<Schema> {
    static SHIPPED: LazyLock<Arc<Schema>> = LazyLock::new(|| Arc::new(Schema::shipped().unwrap()));
    Arc::clone(&SHIPPED)
}

/// What runs on a device. Time and randomness follow from the number of the step alone, so that a
/// step that is done again does the same.
pub(super) struct Machine {
    pub(super) disk: Disk,
    file: String,
    schema: Arc<Schema>,
    key: Option<StoreKey>,
    store: Option<Store>,
    step: u64,
}

impl Machine {
    pub(super) fn new(disk: &Disk) -> Self {
        let (file, schema) = (FILE.to_owned(), shipped());
        Self { disk: disk.clone(), file, schema, key: None, store: None, step: 0 }
    }

    pub(super) fn begin_step(&mut self, step: usize) {
        self.step = step as u64;
    }

    pub(super) fn now(&self) -> LocalTime {
        NOW.plus_ms(i64::try_from(self.step).unwrap() * STEP_MS)
    }

    pub(super) fn dice(&self) -> Dice {
        Dice(ChaCha8Rng::seed_from_u64(self.step))
    }

    /// Turns to another store, or to the same with another schema.
    pub(super) fn at(&mut self, file: &str, schema: &Arc<Schema>) -> &mut Self {
        if self.file != file || !Arc::ptr_eq(&self.schema, schema) {
            self.close();
            self.file = file.to_owned();
            self.schema = Arc::clone(schema);
        }
        self
    }

    pub(super) fn options(&self) -> OpenOptions {
        OpenOptions {
            vfs: Some(self.disk.vfs().name().to_owned()),
            exclusive: true,
            busy_timeout_ms: 0,
            key: self.key.clone(),
            ..OpenOptions::new(self.disk.path(&self.file))
        }
    }

    pub(super) fn birth(&self) -> Birth {
        Birth { incarnation: Incarnation(u128::from(self.step) + 7), now: self.now() }
    }

    /// The store; it is opened where it is not open.
    pub(super) fn store(&mut self) -> Result<&mut Store, StoreError> {
        if self.store.is_none() {
            let schema = Arc::clone(&self.schema);
            self.store = Some(Store::open(&self.options(), schema, self.birth())?);
        }
        Ok(self.store.as_mut().unwrap())
    }

    /// Whether the tables of the store agree with each other, if it is open. It looks at a copy, so
    /// that it costs this machine no I/O.
    pub(super) fn agrees_with_itself(&self) -> bool {
        if self.store.is_none() {
            return true;
        }
        let disk = Disk::from_image(self.disk.vfs(), &self.disk.clone_image(), 1);
        let mut copy = Self::new(&disk);
        let transaction = copy.at(&self.file, &self.schema).store().unwrap().begin().unwrap();
        transaction.inconsistencies().unwrap().is_empty()
    }

    pub(super) fn close(&mut self) {
        self.store = None;
    }

    /// One transaction.
    pub(super) fn commit<T>(
        &mut self,
        act: impl FnOnce(&mut StoreTransaction<'_>) -> Result<T, StoreError>,
    ) -> anyhow::Result<T> {
        let mut transaction = self.store()?.begin()?;
        let done = act(&mut transaction)?;
        transaction.commit()?;
        Ok(done)
    }

    /// One transaction of the driver. Every write is accepted.
    pub(super) fn handle(&mut self, role: Role, events: Vec<Event>) -> anyhow::Result<Handled> {
        let (now, mut dice, engine) = (self.now(), self.dice(), Engine::new(&self.schema));
        let mut transaction = self.store()?.begin()?;
        let handled = engine.handle(&mut transaction, events, now, &mut dice, role);
        let handled = handled.map_err(|error| match error {
            EngineError::Store(error) => error.into(),
            other => anyhow::Error::from(other),
        })?;
        assert!(handled.written.iter().all(Result::is_ok), "{:?}", handled.written);
        transaction.commit()?;
        Ok(handled)
    }
}
