//! The workload in virtual time: real engines, stores and server, and a network and machines that
//! fail as the seed says.

use std::collections::BTreeMap;
use std::sync::Arc;

use clarity_engine::protocol::model::{Schema, ServerTime};
use clarity_engine::protocol::{Failure, FailureClass, Hint};
use clarity_engine::{Effect, Event, Handled, Request, Response};
use clarity_server::{AccountId, Core, DeviceId, Environment, SqliteOptions};
use clarity_store::RequestId;

use super::check::{Violation, check};
use super::client::{Client, in_words, make, write};
use super::history::{History, Transaction, Value};
use super::network::Rates;
use crate::simulation::dice::Dice;
use crate::simulation::environment::ServerEnvironment;
use crate::vfs::{Disk, DiskImage, MemoryVfs};

/// When worlds begin.
const START_MS: i64 = 1_700_000_000_000;
/// After this time a device gives a request up.
const REQUEST_TIMEOUT_MS: i64 = 60_000;
/// How long everybody gets after the faults end (promise L1): 5 minutes.
const L1_MS: i64 = 5 * 60_000;
/// How many transactions each client makes at least.
const TRANSACTIONS: usize = 12;
/// How far apart the numbers of one register are at least, so that no two clients write the same.
const CLIENTS_MAX: u64 = 64;
const SERVER_FILE: &str = "server.db";

/// A bug that is planted, to see it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// A page loses its last row on the way, and its cursor does not.
    TornPage,
    /// The server answers a push as applied that it did not apply.
    EmptyPromise,
}

/// What many seeds showed.
#[derive(Debug, Clone, Default)]
pub struct CausalSummary {
    /// How many histories were made.
    pub runs: u64,
    /// How many transactions are in them.
    pub transactions: u64,
    /// How often each fault happened.
    pub faults: BTreeMap<&'static str, u64>,
    /// The seeds in which something may not be, with what was seen.
    pub failed: Vec<(u64, Vec<Violation>)>,
}

/// What the worlds of one thread are made from.
pub struct Simulated {
    vfs: MemoryVfs,
    schema: Arc<Schema>,
    client: DiskImage,
}

impl Simulated {
    /// Registers a VFS of this name.
    ///
    /// # Errors
    /// In words, when the name is taken or the templates cannot be made.
    pub fn new(name: &str) -> Result<Self, String> {
        let vfs = MemoryVfs::register(name, 0).map_err(in_words)?;
        let schema = Arc::new(Schema::shipped().map_err(in_words)?);
        let client = Client::template(&vfs, &schema)?;
        Ok(Self { vfs, schema, client })
    }

    /// Makes the history of a seed and checks it.
    ///
    /// # Errors
    /// In words, when a store or the server fails, or a queue is not empty in the end.
    pub fn run_seed(
        &self,
        seed: u64,
        plant: Option<Plant>,
        summary: &mut CausalSummary,
    ) -> Result<(), String> {
        let mut world = World::new(self, seed, plant)?;
        world.run()?;
        let violations = check(&world.history);
        summary.runs += 1;
        summary.transactions += world.history.transactions.len() as u64;
        for (name, count) in world.faults {
            *summary.faults.entry(name).or_default() += count;
        }
        if !violations.is_empty() {
            summary.failed.push((seed, violations));
        }
        Ok(())
    }
}

/// Something that will happen.
enum Happening {
    Act(usize),
    Wake { client: usize, timer: u64 },
    Arrives { sent: Sent, body: Arc<Request>, is_copy: bool },
    Answered { sent: Sent, result: Result<Response, Failure> },
    Hint(usize),
    Starts(usize),
}

/// Who sent a request, and when.
#[derive(Debug, Clone, Copy)]
struct Sent {
    client: usize,
    life: u64,
    request: RequestId,
    at_ms: i64,
}

struct World {
    now_ms: i64,
    agenda: BTreeMap<(i64, u64), Happening>,
    planned: u64,
    dice: Dice,
    rates: Rates,
    healed: bool,
    faults: BTreeMap<&'static str, u64>,
    plant: Option<Plant>,
    clients: Vec<Client>,
    core: Core,
    account: AccountId,
    server_disk: Disk,
    environment: Arc<ServerEnvironment>,
    schema: Arc<Schema>,
    server_away_until_ms: i64,
    acts_left: usize,
    history: History,
}

impl World {
    fn new(parts: &Simulated, seed: u64, plant: Option<Plant>) -> Result<Self, String> {
        let mut dice = Dice::new(seed, 1);
        let rates = Rates::draw(&mut dice);
        let count = 5 + dice.index(6);
        let server_disk = Disk::new(&parts.vfs, seed);
        let environment = ServerEnvironment::new(START_MS, Dice::new(seed, 2));
        let core = open_server(&server_disk, &parts.schema, &environment)?;
        let account = core.ensure_account("people").map_err(in_words)?;
        let from = (&parts.vfs, &parts.client, &parts.schema);
        let clients = (0..count).map(|index| Client::new(from, seed, index));
        Ok(Self {
            now_ms: START_MS,
            agenda: BTreeMap::new(),
            planned: 0,
            history: History::new(3 + dice.index(5)),
            dice,
            rates,
            healed: true,
            faults: BTreeMap::new(),
            plant,
            clients: clients.collect::<Result<_, _>>()?,
            core,
            account,
            server_disk,
            environment,
            schema: Arc::clone(&parts.schema),
            server_away_until_ms: 0,
            acts_left: TRANSACTIONS * count,
        })
    }

    fn run(&mut self) -> Result<(), String> {
        for client in 0..self.clients.len() {
            self.step(client, Event::Started)?;
        }
        for register in 0..self.history.registers {
            self.step(0, Event::Write(make(register)?))?;
        }
        // Everybody has the registers before anybody uses them.
        self.run_for(L1_MS, false)?;
        self.healed = false;
        for client in 0..self.clients.len() {
            let delay_ms = self.dice.between(0, 1_000);
            self.after(delay_ms, Happening::Act(client));
        }
        while self.acts_left > 0 && self.advance(i64::MAX)? {}
        self.heal()?;
        self.run_for(L1_MS, true)?;
        for client in 0..self.clients.len() {
            let status = self.clients[client].status()?;
            if status.waiting > 0 {
                return Err(format!("client {client} still has {} waiting", status.waiting));
            }
            let end = self.clients[client].read(self.history.registers)?;
            self.history.ends.push((format!("client {client}"), end));
        }
        Ok(())
    }

    fn heal(&mut self) -> Result<(), String> {
        self.healed = true;
        self.agenda.retain(|_, happening| !matches!(happening, Happening::Act(_)));
        // What is under way, or was put off until somebody goes on, ends now.
        for ((at_ms, _), happening) in std::mem::take(&mut self.agenda) {
            let rings_later = matches!(happening, Happening::Wake { .. });
            let delay_ms = if rings_later { at_ms - self.now_ms } else { 0 };
            self.after(delay_ms, happening);
        }
        self.server_away_until_ms = 0;
        for client in 0..self.clients.len() {
            let there = &mut self.clients[client];
            there.cut_up_until_ms = 0;
            there.cut_down_until_ms = 0;
            there.stopped_until_ms = 0;
            if !there.is_running() {
                there.start()?;
                self.step(client, Event::Started)?;
            }
            // It looks at its timers, and the stream of hints that broke is opened again.
            self.step(client, Event::Timer)?;
            self.after(1, Happening::Hint(client));
        }
        Ok(())
    }

    /// Lets time pass; to its end only when somebody may still be waiting then.
    fn run_for(&mut self, length_ms: i64, whole: bool) -> Result<(), String> {
        let until_ms = self.now_ms + length_ms;
        while self.advance(until_ms)? {
            if !whole && self.is_quiet()? {
                return Ok(());
            }
        }
        self.now_ms = until_ms;
        Ok(())
    }

    fn is_quiet(&mut self) -> Result<bool, String> {
        let registers = self.history.registers;
        for client in &mut self.clients {
            if client.status()?.waiting > 0 || !client.has(registers)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn after(&mut self, delay_ms: i64, happening: Happening) {
        self.planned += 1;
        let at_ms = self.now_ms.saturating_add(delay_ms.max(0));
        self.agenda.insert((at_ms, self.planned), happening);
    }

    fn fault(&mut self, per_mille: u32, name: &'static str) -> bool {
        let happens = !self.healed && self.dice.chance(per_mille);
        if happens {
            *self.faults.entry(name).or_default() += 1;
        }
        happens
    }

    fn some_time(&mut self) -> i64 {
        self.dice.any_scale(100, self.rates.away_ms_max)
    }

    /// Lets the next thing happen; false when there is nothing left up to that time.
    fn advance(&mut self, until_ms: i64) -> Result<bool, String> {
        let next = self.agenda.first_entry().filter(|next| next.key().0 <= until_ms);
        let Some(((at_ms, _), happening)) = next.map(|next| next.remove_entry()) else {
            return Ok(false);
        };
        self.now_ms = self.now_ms.max(at_ms);
        self.environment.set_now(self.now_ms);
        self.happen(happening)?;
        Ok(true)
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        // A program that stands still takes notice when it goes on.
        let concerned = match &happening {
            Happening::Act(client) | Happening::Hint(client) => Some(*client),
            Happening::Wake { client, .. } => Some(*client),
            Happening::Answered { sent, .. } => Some(sent.client),
            Happening::Arrives { .. } | Happening::Starts(_) => None,
        };
        let stopped = concerned.map(|client| self.clients[client].stopped_until_ms);
        if let Some(until_ms) = stopped.filter(|until_ms| *until_ms > self.now_ms) {
            self.after(until_ms - self.now_ms, happening);
            return Ok(());
        }
        match happening {
            Happening::Act(client) => self.act(client),
            Happening::Wake { client, timer } => {
                let rings = self.clients[client].timer == timer;
                if rings { self.step_if_running(client, Event::Timer) } else { Ok(()) }
            }
            Happening::Arrives { sent, body, is_copy } => self.arrives(sent, &body, is_copy),
            Happening::Answered { sent, result } => {
                if self.clients[sent.client].life != sent.life {
                    return Ok(());
                }
                let event = Event::RequestFinished { request: sent.request, result };
                self.step_if_running(sent.client, event)
            }
            Happening::Hint(client) => {
                self.step_if_running(client, Event::PushReceived(Hint::full()))
            }
            Happening::Starts(client) => {
                if self.clients[client].is_running() {
                    return Ok(());
                }
                self.clients[client].start()?;
                self.step_if_running(client, Event::Started)
            }
        }
    }

    fn step_if_running(&mut self, client: usize, event: Event) -> Result<(), String> {
        if !self.clients[client].is_running() {
            return Ok(());
        }
        self.step(client, event).map(drop)
    }

    fn step(&mut self, client: usize, event: Event) -> Result<Handled, String> {
        let mut handled = self.clients[client].step(self.now_ms, event)?;
        if self.clients[client].status()?.set_aside > 0 {
            *self.faults.entry("set_aside").or_default() += 1;
        }
        for effect in std::mem::take(&mut handled.effects) {
            match effect {
                Effect::Send { request, body } => self.send(client, request, body),
                Effect::WakeAt(at) => {
                    self.clients[client].timer += 1;
                    let timer = self.clients[client].timer;
                    self.after(at.0 - self.now_ms, Happening::Wake { client, timer });
                }
                _ => {}
            }
        }
        Ok(handled)
    }

    /// A client reads, writes, and perhaps something happens to somebody.
    fn act(&mut self, client: usize) -> Result<(), String> {
        self.acts_left = self.acts_left.saturating_sub(1);
        let pause_ms = self.dice.any_scale(10, self.rates.pace_ms);
        self.after(pause_ms, Happening::Act(client));
        self.misfortune(client)?;
        if !self.clients[client].is_running() {
            return Ok(());
        }
        let read = self.clients[client].read(self.history.registers)?;
        let mut written = BTreeMap::new();
        for _ in 0..self.dice.index(4) {
            let register = self.dice.index(self.history.registers);
            let before: Value = read[register].max(self.clients[client].written);
            let step = before / CLIENTS_MAX + 1 + self.dice.index(3) as u64;
            let value = step * CLIENTS_MAX + client as u64;
            self.clients[client].written = value;
            written.insert(register, value);
        }
        let seen = self.dice.chance(300).then_some(&read);
        let write = (!written.is_empty()).then(|| write(&written, seen)).transpose()?;
        self.history.transactions.push(Transaction {
            client,
            read: Some(read),
            acknowledged: !written.is_empty(),
            written,
        });
        if let Some(write) = write {
            let handled = self.step(client, Event::Write(write))?;
            if let Some(Err(error)) = handled.written.into_iter().next() {
                return Err(format!("a write was refused: {error}"));
            }
        }
        Ok(())
    }

    fn misfortune(&mut self, client: usize) -> Result<(), String> {
        let away_ms = self.some_time();
        let until_ms = self.now_ms + away_ms;
        if self.fault(self.rates.cut, "partition") {
            let way = self.dice.index(3);
            let there = &mut self.clients[client];
            if way != 0 {
                there.cut_up_until_ms = until_ms;
            }
            if way != 1 {
                there.cut_down_until_ms = until_ms;
            }
        }
        if self.fault(self.rates.stopped, "device_stopped") {
            self.clients[client].stopped_until_ms = until_ms;
        }
        if self.clients[client].is_running() && self.fault(self.rates.killed, "device_killed") {
            self.clients[client].die(&mut self.dice);
            self.after(away_ms, Happening::Starts(client));
        }
        if self.fault(self.rates.server_stopped, "server_stopped") {
            self.server_away_until_ms = until_ms;
        }
        if self.fault(self.rates.server_killed, "server_killed") {
            self.server_disk.kill();
            self.server_disk.heal();
            self.core = open_server(&self.server_disk, &self.schema, &self.environment)?;
        }
        Ok(())
    }

    fn send(&mut self, client: usize, request: RequestId, body: Request) {
        let life = self.clients[client].life;
        let sent = Sent { client, life, request, at_ms: self.now_ms };
        let is_cut = self.clients[client].cut_up_until_ms > self.now_ms;
        if is_cut || self.fault(self.rates.request_lost, "request_lost") {
            return self.unheard(sent);
        }
        let body = Arc::new(body);
        if self.fault(self.rates.sent_twice, "sent_twice") {
            let delay_ms = self.delay();
            let (body, is_copy) = (Arc::clone(&body), true);
            self.after(delay_ms, Happening::Arrives { sent, body, is_copy });
        }
        let delay_ms = self.delay();
        self.after(delay_ms, Happening::Arrives { sent, body, is_copy: false });
    }

    fn delay(&mut self) -> i64 {
        let most = if self.healed { 5 } else { self.rates.delay_ms_max };
        self.dice.any_scale(1, most)
    }

    /// Nothing comes back: the device notices by a reset, or by its timeout.
    fn unheard(&mut self, sent: Sent) {
        let noticed = self.dice.chance(self.rates.reset);
        let failed_ms = if noticed { self.now_ms + 20 } else { sent.at_ms + REQUEST_TIMEOUT_MS };
        let failure = Failure::new(FailureClass::Unreachable, "nothing came back");
        let result = Err(failure);
        self.after(failed_ms - self.now_ms, Happening::Answered { sent, result });
    }

    fn arrives(&mut self, sent: Sent, body: &Arc<Request>, is_copy: bool) -> Result<(), String> {
        if self.server_away_until_ms > self.now_ms {
            let wait_ms = self.server_away_until_ms - self.now_ms;
            let body = Arc::clone(body);
            self.after(wait_ms, Happening::Arrives { sent, body, is_copy });
            return Ok(());
        }
        let before = self.head()?;
        let answer = self.serve(sent.client, body)?;
        if self.head()? != before {
            for other in (0..self.clients.len()).filter(|other| *other != sent.client) {
                let is_cut = self.clients[other].cut_down_until_ms > self.now_ms;
                if !is_cut && !self.fault(self.rates.hint_lost, "hint_lost") {
                    let delay_ms = self.delay();
                    self.after(delay_ms, Happening::Hint(other));
                }
            }
        }
        if is_copy {
            return Ok(());
        }
        let is_cut = self.clients[sent.client].cut_down_until_ms > self.now_ms;
        if is_cut || self.fault(self.rates.answer_lost, "answer_lost") {
            self.unheard(sent);
            return Ok(());
        }
        let delay_ms = self.delay();
        if self.now_ms + delay_ms > sent.at_ms + REQUEST_TIMEOUT_MS {
            self.unheard(sent);
            return Ok(());
        }
        self.after(delay_ms, Happening::Answered { sent, result: Ok(answer) });
        Ok(())
    }

    /// The newest position of the account's log.
    fn head(&self) -> Result<u64, String> {
        let mut head = 0;
        let visit = |entity: clarity_server::DumpedEntity| {
            head = head.max(entity.seq.0);
            std::ops::ControlFlow::Continue(())
        };
        self.core.dump_entities(self.account, visit).map_err(in_words)?;
        Ok(head)
    }

    fn serve(&mut self, client: usize, body: &Request) -> Result<Response, String> {
        let device = DeviceId(1 + client as i64);
        match body {
            Request::Push(push) => {
                if self.plant == Some(Plant::EmptyPromise) && self.fault(50, "planted") {
                    return self.promise_nothing(push);
                }
                self.core.push(self.account, device, push).map(Response::Push).map_err(in_words)
            }
            Request::Pull(pull) => {
                let mut pull = pull.clone();
                pull.rows_max = Some(self.rates.page_rows);
                let page = self.core.pull(self.account, device, &pull);
                let mut page = page.map_err(in_words)?;
                if self.plant == Some(Plant::TornPage) && self.fault(100, "planted") {
                    page.rows.pop();
                }
                Ok(Response::Pull(page))
            }
            Request::Fetch(_) => Err("nothing is fetched here".to_owned()),
        }
    }

    /// The planted bug: all is said to be applied, and nothing is.
    fn promise_nothing(
        &self,
        push: &clarity_engine::protocol::PushRequest,
    ) -> Result<Response, String> {
        let read = |raw: &serde_json::value::RawValue| {
            let wire: clarity_engine::protocol::WireOperation =
                serde_json::from_str(raw.get()).map_err(in_words)?;
            let answer = serde_json::json!({
                "counter": wire.id, "outcome": "applied", "version": wire.base.0 + 1,
            });
            serde_json::from_value(answer).map_err(in_words)
        };
        let answers = push.operations.iter().map(|raw| read(raw)).collect::<Result<_, String>>()?;
        let (epoch, at) = (self.core.epoch(), ServerTime(self.now_ms));
        Ok(Response::Push(clarity_engine::protocol::PushResponse {
            epoch,
            at,
            head: None,
            answers,
            contributed: Vec::new(),
        }))
    }
}

fn open_server(
    disk: &Disk,
    schema: &Arc<Schema>,
    environment: &Arc<ServerEnvironment>,
) -> Result<Core, String> {
    let options = SqliteOptions {
        vfs: Some(disk.vfs().name().to_owned()),
        exclusive: true,
        ..SqliteOptions::new(disk.path(SERVER_FILE))
    };
    let environment: Arc<dyn Environment> = Arc::clone(environment) as Arc<dyn Environment>;
    Core::open_sqlite(&options, Arc::clone(schema), environment).map_err(in_words)
}
