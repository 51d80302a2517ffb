//! The server, and a device that writes to it and follows nothing.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use clarity_engine::protocol::model::{
    Counter, EntityKey, FieldChange, Fields, Incarnation, Kind, LocalTime, Schema, ServerTime,
    Version,
};
use clarity_engine::protocol::{PushRequest, SchemaStamp, WireOperation};
use clarity_server::{
    AccountId, Core, DeviceId, DumpedEntity, EntropyError, Environment, SqliteOptions,
};
use clarity_sim::vfs::{Disk, DiskImage, MemoryVfs};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{DAY_MS, Dice, FIRST_DAY, Rows, TYPES};

#[derive(Debug)]
struct World {
    now_ms: AtomicI64,
    random: AtomicU64,
}

impl Environment for World {
    fn now(&self) -> ServerTime {
        ServerTime(self.now_ms.load(Ordering::SeqCst))
    }

    fn fill_random(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        for byte in bytes {
            let number = self.random.fetch_add(1, Ordering::SeqCst);
            *byte = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()[0];
        }
        Ok(())
    }
}

fn options(disk: &Disk) -> SqliteOptions {
    SqliteOptions {
        vfs: Some(disk.vfs().name().to_owned()),
        exclusive: true,
        ..SqliteOptions::new(disk.path("server.db"))
    }
}

pub(crate) struct Writer {
    pub(crate) core: Core,
    pub(crate) account: AccountId,
    world: Arc<World>,
    counter: u64,
    schema: Arc<Schema>,
    disk: Disk,
}

impl Writer {
    pub(crate) fn new(vfs: &MemoryVfs, schema: &Arc<Schema>, seed: u64) -> Self {
        let disk = Disk::new(vfs, seed);
        let world = Arc::new(World {
            now_ms: AtomicI64::new(FIRST_DAY * DAY_MS + 5),
            random: AtomicU64::new(seed),
        });
        let core = Core::open_sqlite(&options(&disk), Arc::clone(schema), world.clone()).unwrap();
        let account = core.ensure_account("someone").unwrap();
        Self { core, account, world, counter: 1, schema: Arc::clone(schema), disk }
    }

    /// What is on the server's disk.
    pub(crate) fn backup(&self) -> DiskImage {
        self.disk.clone_image()
    }

    /// The server is restored from a backup, and begins a new life.
    pub(crate) fn restore(&mut self, backup: &DiskImage) {
        let disk = Disk::from_image(self.disk.vfs(), backup, self.counter);
        let options = SqliteOptions { restored: true, ..options(&disk) };
        let world = self.world.clone();
        self.core = Core::open_sqlite(&options, Arc::clone(&self.schema), world).unwrap();
        self.disk = disk;
    }

    pub(crate) fn now(&self) -> ServerTime {
        self.world.now()
    }

    pub(crate) fn days_pass(&mut self, days: i64) {
        self.world.now_ms.fetch_add(days * DAY_MS, Ordering::SeqCst);
    }

    pub(crate) fn entities(&self) -> Vec<DumpedEntity> {
        let mut all = Vec::new();
        let visit = |entity| {
            all.push(entity);
            ControlFlow::Continue(())
        };
        self.core.dump_entities(self.account, visit).unwrap();
        all
    }

    /// What lives and is wanted.
    pub(crate) fn rows(&self, is_wanted: impl Fn(&EntityKey, &Fields) -> bool) -> Rows {
        let live = self.entities().into_iter().filter(|entity| !entity.deleted);
        live.filter(|entity| is_wanted(&entity.key, &entity.fields))
            .map(|entity| (entity.key.to_string(), (entity.version, entity.fields)))
            .collect()
    }

    /// Makes something, changes it, moves it in time, or deletes it.
    pub(crate) fn act(&mut self, dice: &mut Dice) {
        let entities = self.entities();
        let live: Vec<_> = entities.iter().filter(|entity| !entity.deleted).collect();
        if live.is_empty() || dice.index(10) < 5 {
            let entity_type = TYPES[dice.index(TYPES.len())];
            let key = EntityKey::new(entity_type, format!("w{}", self.counter)).unwrap();
            let fields = json!({"start_ms": dice.time_ms(), "serial": self.counter});
            let fields = Some(serde_json::from_value(fields).unwrap());
            return self.push(Kind::Create, key, Version(0), fields, Vec::new());
        }
        let entity = live[dice.index(live.len())];
        let (key, version) = (entity.key.clone(), entity.version);
        let change = |field: &str, new: Value| {
            let old = entity.fields.get(field).cloned();
            vec![FieldChange { field: field.to_owned(), old, new: Some(new) }]
        };
        match dice.index(4) {
            0 if key.id.as_str().starts_with('w') => {
                self.push(Kind::Delete, key, version, None, Vec::new());
            }
            1 => {
                let changes = change("start_ms", json!(dice.time_ms()));
                self.push(Kind::Update, key, version, None, changes);
            }
            _ => {
                let changes = change("serial", json!(self.counter));
                self.push(Kind::Update, key, version, None, changes);
            }
        }
    }

    pub(crate) fn push(
        &mut self,
        kind: Kind,
        key: EntityKey,
        base: Version,
        fields: Option<Fields>,
        changes: Vec<FieldChange>,
    ) {
        let id = Counter(self.counter);
        self.counter += 1;
        let operation = WireOperation {
            id,
            covers: Vec::new(),
            batch: None,
            kind,
            key,
            base,
            fields,
            changes,
            schema: 1,
            at: LocalTime(0),
        };
        let text = serde_json::to_string(&operation).unwrap();
        let request = PushRequest {
            incarnation: Incarnation(0xaaaa),
            epoch: None,
            settled_below: id,
            schema: SchemaStamp { version: 1, hash: String::new(), steps: 0 },
            heard: None,
            foreign_bases: Vec::new(),
            contribution: None,
            operations: vec![RawValue::from_string(text).unwrap()],
        };
        self.core.push(self.account, DeviceId(1), &request).unwrap();
    }
}
