//! A client of the simulated workload: a device with a real store and engine, and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use clarity_engine::protocol::model::{
    EntityKey, Fields, Incarnation, LocalTime, ReadVersion, Schema,
};
use clarity_engine::{Engine, Entropy, Event, Handled, Role, Status, Write};
use clarity_store::{Birth, Journal, OpenOptions, RowState, Store};
use serde_json::json;

use super::history::{Register, Snapshot, Value};
use crate::simulation::dice::Dice;
use crate::vfs::{CrashMode, Disk, DiskImage, MemoryVfs};

const FILE: &str = "store.db";
/// The field that keeps the largest number.
const FIELD: &str = "best";

/// The entity of a register.
pub(crate) fn key(register: Register) -> Result<EntityKey, String> {
    EntityKey::new("Goal", format!("register-{register}")).map_err(in_words)
}

/// A client.
pub(super) struct Client {
    disk: Disk,
    store: Option<Store>,
    engine: Engine,
    schema: Arc<Schema>,
    dice: Dice,
    /// Counts the starts of the program.
    pub(super) life: u64,
    /// Counts the timers that were asked for; only the newest rings.
    pub(super) timer: u64,
    /// Until when the program stands still.
    pub(super) stopped_until_ms: i64,
    /// Until when nothing that it sends arrives.
    pub(super) cut_up_until_ms: i64,
    /// Until when nothing reaches it.
    pub(super) cut_down_until_ms: i64,
    /// The largest number that it wrote.
    pub(super) written: Value,
}

impl Client {
    /// The files of a store that has never been used.
    pub(super) fn template(vfs: &MemoryVfs, schema: &Arc<Schema>) -> Result<DiskImage, String> {
        let disk = Disk::new(vfs, 3);
        drop(open(&disk, schema)?);
        Ok(disk.clone_image())
    }

    pub(super) fn new(
        (vfs, image, schema): (&MemoryVfs, &DiskImage, &Arc<Schema>),
        seed: u64,
        index: usize,
    ) -> Result<Self, String> {
        let stream = 100 + index as u64;
        let disk = Disk::from_image(vfs, image, seed.wrapping_add(stream));
        let mut dice = Dice::new(seed, stream);
        let mut store = open(&disk, schema)?;
        let mut transaction = store.begin().map_err(in_words)?;
        let incarnation = Incarnation(dice.next_u128());
        transaction.new_incarnation(incarnation, LocalTime(0)).map_err(in_words)?;
        transaction.commit().map_err(in_words)?;
        Ok(Self {
            disk,
            store: Some(store),
            engine: Engine::new(schema),
            schema: Arc::clone(schema),
            dice,
            life: 1,
            timer: 0,
            stopped_until_ms: 0,
            cut_up_until_ms: 0,
            cut_down_until_ms: 0,
            written: 0,
        })
    }

    pub(super) fn is_running(&self) -> bool {
        self.store.is_some()
    }

    /// One transaction of the driver.
    pub(super) fn step(&mut self, now_ms: i64, event: Event) -> Result<Handled, String> {
        let store = self.store.as_mut().ok_or("it does not run")?;
        let mut transaction = store.begin().map_err(in_words)?;
        let (now, dice) = (LocalTime(now_ms), &mut self.dice);
        let handled = self.engine.handle(&mut transaction, vec![event], now, dice, Role::Drain);
        let handled = handled.map_err(in_words)?;
        transaction.commit().map_err(in_words)?;
        Ok(handled)
    }

    /// The program ends without a word, or its machine does.
    pub(super) fn die(&mut self, chance: &mut Dice) {
        match chance.pick(&CrashMode::ALL).filter(|_| chance_of_power_loss(self.life)) {
            Some(mode) => drop(self.disk.crash(*mode, chance.source())),
            None => self.disk.kill(),
        }
        self.disk.heal();
        self.store = None;
        self.life += 1;
        self.timer += 1;
    }

    /// Opens the store again.
    pub(super) fn start(&mut self) -> Result<(), String> {
        self.store = Some(open(&self.disk, &self.schema)?);
        Ok(())
    }

    /// What an app sees of all registers at this moment.
    pub(super) fn read(&mut self, registers: usize) -> Result<Snapshot, String> {
        let store = self.store.as_mut().ok_or("it does not run")?;
        let transaction = store.begin().map_err(in_words)?;
        let mut snapshot = Snapshot::with_capacity(registers);
        for register in 0..registers {
            let row = transaction.entity(&key(register)?).map_err(in_words)?;
            let value = row.as_ref().and_then(|row| row.fields.get(FIELD)?.as_u64());
            snapshot.push(value.unwrap_or_default());
        }
        Ok(snapshot)
    }

    /// Whether it has all registers, as the server has them.
    pub(super) fn has(&mut self, registers: usize) -> Result<bool, String> {
        let store = self.store.as_mut().ok_or("it does not run")?;
        let transaction = store.begin().map_err(in_words)?;
        for register in 0..registers {
            let row = transaction.entity(&key(register)?).map_err(in_words)?;
            if row.is_none_or(|row| row.state != RowState::Clean) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn status(&mut self) -> Result<Status, String> {
        let store = self.store.as_mut().ok_or("it does not run")?;
        let transaction = store.begin().map_err(in_words)?;
        self.engine.status(&transaction).map_err(in_words)
    }
}

/// Makes a register.
pub(super) fn make(register: Register) -> Result<Write, String> {
    let fields = Fields::from([("title", json!("register")), (FIELD, json!(0))]);
    Ok(Write::Create { key: key(register)?, fields, parents: Vec::new() })
}

/// Writes several registers at once. With `seen` the writer says what it saw.
pub(super) fn write(
    written: &BTreeMap<Register, Value>,
    seen: Option<&Snapshot>,
) -> Result<Write, String> {
    let one = |(register, value): (&Register, &Value)| {
        let changes = [(FIELD.to_owned(), Some(json!(value)))].into_iter().collect();
        let seen = seen.and_then(|seen| seen.get(*register)).map(|value| ReadVersion {
            fields: Fields::from([("title", json!("register")), (FIELD, json!(value))]),
        });
        Ok::<_, String>(Write::Update { key: key(*register)?, changes, seen })
    };
    let mut writes = written.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    match writes.len() {
        1 => Ok(writes.remove(0)),
        _ => Ok(Write::Batch { atomic: true, writes }),
    }
}

fn chance_of_power_loss(life: u64) -> bool {
    life.is_multiple_of(2)
}

fn open(disk: &Disk, schema: &Arc<Schema>) -> Result<Store, String> {
    let options = OpenOptions {
        vfs: Some(disk.vfs().name().to_owned()),
        journal: Journal::Wal,
        exclusive: true,
        busy_timeout_ms: 0,
        ..OpenOptions::new(disk.path(FILE))
    };
    let birth = Birth { incarnation: Incarnation(1), now: LocalTime(0) };
    Store::open(&options, Arc::clone(schema), birth).map_err(in_words)
}

pub(super) fn in_words(error: impl std::fmt::Display) -> String {
    error.to_string()
}
