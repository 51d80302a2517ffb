//! A device of a world: the driver in miniature over a real store on a disk that can fail.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use clarity_engine::protocol::model::{Counter, EntityKey, Incarnation, LocalTime, Schema};
use clarity_engine::protocol::{PushRequest, Scope, hash_operation};
use clarity_engine::{
    ConflictInfo, Effect, Engine, Entropy, Event, Handled, HistoryId, Response, Role, Status,
    Write, WriteError, Written,
};
use clarity_store::{Birth, Journal, OpenOptions, RequestId, Store, StoreError, StoreTransaction};
use serde::Deserialize;

use super::branches;
use super::checks;
use super::dice::Dice;
use super::keeping::{self, GivenUp};
use super::model::{self, Change, Model};
use super::plant::Plant;
use super::scenario::Scenario;
use super::stage::{Happening, Stage, Violation, ensure};
use crate::vfs::{CrashMode, Disk, DiskImage, Fault, MemoryVfs};

const FILE: &str = "store.db";

/// What people and the platform did in one step, for the checks.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Deeds {
    pub(crate) resolves: bool,
    pub(crate) retries: bool,
    pub(crate) takes_back: bool,
    pub(crate) discards: bool,
    /// A request has ended, one way or another.
    pub(crate) answered: bool,
}

/// What a step left to do.
pub(crate) struct Stepped {
    pub(crate) written: Vec<Result<Written, WriteError>>,
    pub(crate) effects: Vec<Effect>,
    /// What authorises the requests among the effects.
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    /// Whether the engine wants to go on making room.
    pub(crate) more: bool,
}

/// A device.
pub(crate) struct Device {
    pub(crate) index: usize,
    /// Whose it is.
    pub(crate) account: usize,
    disk: Disk,
    pub(super) store: Option<Store>,
    engine: Engine,
    schema: Arc<Schema>,
    dice: Dice,
    /// Counts the starts of the program.
    pub(crate) life: u64,
    /// How far its clock is from the world's.
    pub(crate) clock_offset_ms: i64,
    /// Counts the timers that were asked for; only the newest rings.
    pub(crate) timer_round: u64,
    pub(crate) has_timer: bool,
    pub(crate) in_flight: BTreeSet<RequestId>,
    pub(crate) refreshing: bool,
    pub(crate) signed_in: bool,
    /// Until when it is cut off from the network.
    pub(crate) cut_off_until_ms: i64,
    /// Until when no answer reaches it.
    pub(crate) deaf_until_ms: i64,
    /// What it once held, with what must be there then, and whether its person was signed in.
    backup: Option<(DiskImage, Model, bool)>,
    /// How often it was set back to a backup.
    pub(crate) times_set_back: u64,
    pub(crate) model: Model,
    /// What a commit that failed or never returned may have left behind.
    doubt: Option<Change>,
    pub(crate) status: Option<Status>,
    pub(crate) conflicts: Vec<ConflictInfo>,
    /// What it sent under each number last: the life of its store, and the hash of the bytes.
    pub(crate) sent: BTreeMap<Counter, (Incarnation, [u8; 16])>,
    /// When it sent something since the last success, for promise L2.
    pub(crate) attempts_ms: Vec<i64>,
}

impl Device {
    /// The files of a store that has never been used.
    pub(crate) fn template(vfs: &MemoryVfs, schema: &Arc<Schema>) -> Result<DiskImage, String> {
        let disk = Disk::new(vfs, 2);
        drop(open(&disk, schema, Incarnation(1)).map_err(|error| error.to_string())?);
        Ok(disk.clone_image())
    }

    pub(crate) fn new(
        vfs: &MemoryVfs,
        image: &DiskImage,
        schema: &Arc<Schema>,
        scenario: &Scenario,
        index: usize,
        plant: Option<Plant>,
    ) -> Result<Self, Violation> {
        let (seed, account) = (scenario.seed, scenario.devices[index]);
        let stream = 10 + index as u64;
        let disk = Disk::from_image(vfs, image, seed.wrapping_add(stream));
        disk.set_ignores_syncs(plant == Some(Plant::LyingDisk));
        let mut dice = Dice::new(seed, stream);
        let mut store = open(&disk, schema, Incarnation(1)).map_err(unexpected)?;
        let mut transaction = store.begin().map_err(unexpected)?;
        let incarnation = Incarnation(dice.next_u128());
        transaction.new_incarnation(incarnation, LocalTime(0)).map_err(unexpected)?;
        let live_bytes = transaction.live_bytes().map_err(unexpected)?;
        let engine = Engine::new(schema);
        let settings = keeping::draw_settings(&mut dice, live_bytes);
        if let Some(settings) = settings.filter(|_| scenario.rates.is_short_of_space) {
            engine.set_storage(&mut transaction, &settings).map_err(unexpected)?;
        }
        transaction.commit().map_err(unexpected)?;
        let store = Some(store);
        Ok(Self {
            store,
            ..Self::at_rest(index, account, disk, (engine, Arc::clone(schema)), dice)
        })
    }

    /// A device that does not run and has done nothing yet.
    fn at_rest(
        index: usize,
        account: usize,
        disk: Disk,
        (engine, schema): (Engine, Arc<Schema>),
        dice: Dice,
    ) -> Self {
        Self {
            index,
            account,
            disk,
            store: None,
            engine,
            schema,
            dice,
            life: 1,
            clock_offset_ms: 0,
            timer_round: 0,
            has_timer: false,
            in_flight: BTreeSet::new(),
            refreshing: false,
            signed_in: false,
            cut_off_until_ms: 0,
            deaf_until_ms: 0,
            backup: None,
            times_set_back: 0,
            model: Model::default(),
            doubt: None,
            status: None,
            conflicts: Vec::new(),
            sent: BTreeMap::new(),
            attempts_ms: Vec::new(),
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.store.is_some()
    }

    pub(crate) fn local_time(&self, stage: &Stage) -> LocalTime {
        LocalTime(stage.now_ms + self.clock_offset_ms)
    }

    /// One transaction of the driver. None when the device died in it.
    pub(crate) fn step(
        &mut self,
        stage: &mut Stage,
        events: Vec<Event>,
    ) -> Result<Option<Stepped>, Violation> {
        let Some(mut store) = self.store.take() else { return Ok(None) };
        let faults_before = self.disk.faults_met().len();
        self.dice = Dice::new(stage.following(), 0);
        self.plan_disk_fault(stage);
        let deeds = deeds_of(&events);
        checks::note_named(&mut self.model, &events);
        let heard = events
            .iter()
            .any(|event| matches!(event, Event::RequestFinished { result: Ok(_), .. }));
        let result = self.transact(stage, &mut store, events, deeds);
        self.store = Some(store);
        match result {
            Ok(Some(stepped)) => {
                if heard {
                    self.attempts_ms.clear();
                }
                self.disk.heal();
                Ok(Some(stepped))
            }
            Ok(None) => {
                self.die(stage);
                Ok(None)
            }
            Err(Stop::Violation(violation)) => Err(violation),
            Err(Stop::Store(error)) => {
                let faulty = self.disk.faults_met().len() > faults_before;
                ensure(faulty || !self.disk.is_running(), "sim", || {
                    format!("device {}: the store failed without a fault: {error}", self.index)
                })?;
                self.die(stage);
                Ok(None)
            }
        }
    }

    fn transact(
        &mut self,
        stage: &mut Stage,
        store: &mut Store,
        events: Vec<Event>,
        deeds: Deeds,
    ) -> Result<Option<Stepped>, Stop> {
        let now = self.local_time(stage);
        let split = stage.is_planted(Plant::CursorBeforeRows) && has_page(&events);
        let split = split && stage.dice.chance(300);
        if split {
            return Ok(self.commit_cursor_alone(store, &events)?);
        }
        let mut transaction = store.begin()?;
        let engine = &self.engine;
        let handled = engine.handle(&mut transaction, events, now, &mut self.dice, Role::Drain);
        let handled = handled.map_err(|error| match error {
            clarity_engine::EngineError::Store(error) => Stop::Store(error),
            other => Stop::Violation(Violation { clause: "sim", words: other.to_string() }),
        })?;
        if stage.plant.is_some() {
            self.be_careless(stage, &mut transaction)?;
        }
        let status = self.engine.status(&transaction)?;
        let change = self.observe(&transaction, &handled, deeds)?;
        let credentials = transaction.credentials()?.unwrap_or_default();
        let conflicts = match status.conflicts {
            0 => Vec::new(),
            _ => self.engine.conflicts(&transaction, None, 100)?,
        };
        if stage.fault(stage.rates.crash_before_commit, "device_crash_before_commit") {
            drop(transaction);
            return Ok(None);
        }
        if stage.is_planted(Plant::AcknowledgeBeforeCommit) && stage.dice.chance(20) {
            self.model.follow(change);
            drop(transaction);
            return Ok(None);
        }
        for (_, ended) in &change.ended {
            stage.faults.met(branches::ended(*ended));
        }
        self.doubt = Some(change);
        transaction.commit()?;
        if let Some(change) = self.doubt.take() {
            self.model.follow(change);
        }
        if stage.fault(stage.rates.crash_after_commit, "device_crash_after_commit") {
            return Ok(None);
        }
        branches::status(&mut stage.faults, self.status.as_ref(), &status);
        self.status = Some(status);
        self.conflicts = conflicts;
        // Now and then unused space is given back, as a driver does when nobody waits.
        if stage.dice.chance(20) {
            store.give_back_space(65_536)?;
        }
        let Handled { written, effects, more } = handled;
        Ok(Some(Stepped {
            written,
            effects,
            access_token: credentials.access_token.unwrap_or_default(),
            refresh_token: credentials.refresh_token.unwrap_or_default(),
            more,
        }))
    }

    /// What the open transaction has made of the store, checked before it is committed.
    fn observe(
        &self,
        transaction: &StoreTransaction<'_>,
        handled: &Handled,
        deeds: Deeds,
    ) -> Result<Change, Stop> {
        let operations = model::read_queue(transaction)?;
        let queue = model::waiting(transaction, &operations)?;
        let mut rows = Vec::new();
        let mut ended = Vec::new();
        for effect in &handled.effects {
            let Effect::Publish(changes) = effect else { continue };
            ended.extend(changes.ended.iter().copied());
            for key in &changes.entities {
                let row = transaction.entity(key)?.map(model::comparable);
                checks::view_is_fold(transaction, key, row.as_ref())?.map_err(Stop::Violation)?;
                if let (None, Some(before)) = (&row, self.model.rows.get(key)) {
                    keeping::vanished(transaction, &self.engine, key, before)?
                        .map_err(Stop::Violation)?;
                }
                rows.push((key.clone(), row));
            }
        }
        let new = operations.iter().filter(|(counter, _)| !self.model.queue.contains_key(counter));
        let made = new.map(|(counter, operation)| {
            let row = rows.iter().find(|(key, _)| *key == operation.key);
            let row = row.and_then(|(_, row)| row.as_ref());
            (*counter, model::fate_of(operation, row))
        });
        let made = made.collect();
        let change = Change { queue, rows, made, ended };
        checks::change(self.index, &self.model, &change, deeds).map_err(Stop::Violation)?;
        Ok(change)
    }

    fn plan_disk_fault(&mut self, stage: &mut Stage) {
        let fault = if stage.fault(stage.rates.crash_in_disk, "device_crash_in_transaction") {
            Fault::Crash
        } else if stage.fault(stage.rates.disk_error, "disk_error") {
            Fault::IoErrorOnce
        } else if stage.fault(stage.rates.disk_error / 2, "disk_full") {
            Fault::DiskFull
        } else {
            return;
        };
        let at = self.disk.operations() + stage.dice.index(10) as u64;
        self.disk.fail_at(at, fault);
    }

    /// The program or the whole device stops.
    pub(crate) fn die(&mut self, stage: &mut Stage) {
        let stopped_by_disk = !self.disk.is_running();
        if stage.dice.chance(if stopped_by_disk { 700 } else { 400 }) {
            let mode = *stage.dice.pick(&CrashMode::ALL).unwrap_or(&CrashMode::Mixed);
            stage.met("device_power_loss");
            self.disk.crash(mode, stage.dice.source());
        } else {
            stage.met("device_killed");
            self.disk.kill();
        }
        self.disk.heal();
        stage.note(format_args!("device {} died", self.index));
        let delay_ms = stage.dice.any_scale(100, 600_000);
        self.stop(stage, if stage.healed { 100 } else { delay_ms });
    }

    /// The program ends, by itself or not, and starts again after a while.
    pub(crate) fn stop(&mut self, stage: &mut Stage, away_ms: i64) {
        self.store = None;
        self.in_flight.clear();
        self.refreshing = false;
        self.has_timer = false;
        self.timer_round += 1;
        self.life += 1;
        stage.after(away_ms, Happening::DeviceStarts { device: self.index });
    }

    /// Makes a backup of a running device.
    pub(crate) fn back_up(&mut self) {
        if self.is_running() && self.doubt.is_none() {
            self.backup = Some((self.disk.clone_image(), self.model.clone(), self.signed_in));
        }
    }

    /// Everything on the device is as it was when it was backed up. False without a backup.
    pub(crate) fn set_back(&mut self, stage: &mut Stage) -> bool {
        let Some((image, model, signed_in)) = &self.backup else { return false };
        self.store = None;
        self.disk = Disk::from_image(self.disk.vfs(), image, stage.following());
        let Model { may_go_back, may_keep_lost, .. } = self.model;
        let model = model.clone();
        self.model = Model { may_have_arrived: true, may_go_back, may_keep_lost, ..model };
        self.doubt = None;
        self.signed_in = *signed_in;
        self.times_set_back += 1;
        self.stop(stage, 1_000);
        if !self.signed_in {
            // It wants the sign-in once more that it wanted then.
            stage.after(2_000, Happening::SignsIn { device: self.index });
        }
        true
    }

    /// A second device with the backup of this one; it has not begun. None without a backup.
    pub(crate) fn copied(&mut self, stage: &mut Stage, index: usize) -> Option<Self> {
        let (image, model, _) = self.backup.clone()?;
        self.model.may_have_arrived = true;
        let Model { may_go_back, may_keep_lost, .. } = self.model;
        let seed = stage.following();
        let disk = Disk::from_image(self.disk.vfs(), &image, seed);
        let program = (self.engine.clone(), Arc::clone(&self.schema));
        Some(Self {
            clock_offset_ms: self.clock_offset_ms,
            model: Model { may_have_arrived: true, may_go_back, may_keep_lost, ..model },
            ..Self::at_rest(index, self.account, disk, program, Dice::new(seed, 0))
        })
    }

    /// Notes what a push carries.
    pub(crate) fn note_sent(&mut self, push: &PushRequest) {
        for raw in &push.operations {
            let Ok(OnlyCounter { counter }) = serde_json::from_str(raw.get()) else { continue };
            self.sent.insert(counter, (push.incarnation, hash_operation(raw.get().as_bytes())));
        }
    }

    /// What it follows.
    pub(crate) fn scope(&mut self) -> Result<Scope, Violation> {
        let Some(store) = &mut self.store else { return Ok(Scope::default()) };
        let transaction = store.begin().map_err(unexpected)?;
        Ok(self.engine.scope(&transaction).map_err(unexpected)?.scope)
    }

    /// Opens the store again and compares it with what must be there (promises I1 and I2).
    pub(crate) fn start(&mut self, stage: &mut Stage) -> Result<(), Violation> {
        if self.store.is_some() {
            return Ok(());
        }
        let mut store = open(&self.disk, &self.schema, Incarnation(1)).map_err(|error| {
            let words = format!("device {}: the store cannot be opened: {error}", self.index);
            Violation { clause: "I16", words }
        })?;
        let transaction = store.begin().map_err(unexpected)?;
        let operations = model::read_queue(&transaction).map_err(unexpected)?;
        let queue = model::waiting(&transaction, &operations).map_err(unexpected)?;
        let rows = model::read_rows(&transaction).map_err(unexpected)?;
        let matches = |model: &Model| model.queue == queue && model.rows == rows;
        if let Some(change) = self.doubt.take().filter(|_| !matches(&self.model)) {
            stage.met("commit_survived_without_answer");
            self.model.follow(change);
        }
        ensure(matches(&self.model), "I1", || {
            let difference = checks::difference(&self.model, &queue, &rows);
            format!("device {} after a restart: {difference}", self.index)
        })?;
        let waiting = queue.values().map(|waiting| &waiting.key);
        let pending = rows.iter().filter(|(_, row)| row.state.is_pending()).map(|(key, _)| key);
        for key in waiting.chain(pending).collect::<BTreeSet<_>>() {
            checks::view_is_fold(&transaction, key, rows.get(key)).map_err(unexpected)??;
        }
        drop(transaction);
        self.store = Some(store);
        Ok(())
    }

    /// The entity that an entry of the history is about.
    pub(crate) fn history_key(
        &mut self,
        history: HistoryId,
    ) -> Result<Option<EntityKey>, Violation> {
        let Some(store) = &mut self.store else { return Ok(None) };
        let transaction = store.begin().map_err(unexpected)?;
        let record = transaction.history_entry(history.0).map_err(unexpected)?;
        Ok(record.map(|record| record.entry.key))
    }

    /// What the server last told of every entity, with how it was deleted.
    pub(crate) fn confirmed(&mut self) -> Result<Vec<(EntityKey, checks::Replica)>, Violation> {
        let Some(store) = &mut self.store else { return Ok(Vec::new()) };
        let transaction = store.begin().map_err(unexpected)?;
        let rows = model::read_rows(&transaction).map_err(unexpected)?;
        let mut replicas = Vec::with_capacity(rows.len());
        for (key, row) in rows {
            // Of what nothing waits for, the row is what the server told: see `view_is_fold`.
            let confirmed = match row.state.is_pending() {
                true => transaction.confirmed(&key).map_err(unexpected)?,
                false => None,
            };
            if let Some(replica) = checks::Replica::of(row, confirmed) {
                replicas.push((key, replica));
            }
        }
        Ok(replicas)
    }

    /// Whether the device has something in its history of an entity.
    pub(crate) fn has_history(&mut self, key: &EntityKey) -> Result<bool, StoreError> {
        let Some(store) = &mut self.store else { return Ok(false) };
        Ok(!store.begin()?.history_of(key, 0, 1)?.is_empty())
    }

    /// What the device gave up for space.
    pub(crate) fn given_up(&mut self) -> Result<GivenUp, Violation> {
        let Some(store) = &mut self.store else { return Ok(GivenUp::default()) };
        let transaction = store.begin().map_err(unexpected)?;
        GivenUp::of(&transaction).map_err(unexpected)
    }
}

#[derive(Deserialize)]
struct OnlyCounter {
    counter: Counter,
}

/// Why a transaction did not end as it should.
pub(crate) enum Stop {
    Store(StoreError),
    Violation(Violation),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn open(disk: &Disk, schema: &Arc<Schema>, incarnation: Incarnation) -> Result<Store, StoreError> {
    let options = OpenOptions {
        vfs: Some(disk.vfs().name().to_owned()),
        journal: Journal::Wal,
        exclusive: true,
        busy_timeout_ms: 0,
        ..OpenOptions::new(disk.path(FILE))
    };
    Store::open(&options, Arc::clone(schema), Birth { incarnation, now: LocalTime(0) })
}

pub(super) fn unexpected(error: StoreError) -> Violation {
    Violation { clause: "sim", words: format!("the store failed without a fault: {error}") }
}

fn has_page(events: &[Event]) -> bool {
    events.iter().any(|event| {
        matches!(event, Event::RequestFinished { result: Ok(Response::Pull(page)), .. }
            if !page.rows.is_empty())
    })
}

fn deeds_of(events: &[Event]) -> Deeds {
    let mut deeds = Deeds::default();
    for event in events {
        deeds.answered |= matches!(event, Event::RequestFinished { .. });
        let Event::Write(write) = event else { continue };
        deeds.resolves |= matches!(write, Write::Resolve { .. });
        deeds.retries |= matches!(write, Write::Retry { .. } | Write::EditAndRetry { .. });
        deeds.takes_back |= matches!(write, Write::Rollback { .. } | Write::RollbackEntity { .. });
        deeds.discards |=
            matches!(write, Write::Discard { .. } | Write::DiscardWithDependents { .. });
    }
    deeds
}
