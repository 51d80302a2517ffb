//! A device whose scope changes.

use std::sync::Arc;

use clarity_engine::protocol::model::{EntityKey, Fields, Incarnation, LocalTime, Schema};
use clarity_engine::protocol::{Failure, FailureClass, Scope};
use clarity_engine::{
    Effect, Engine, Event, Request, Response, Role, Status, Wanted, Write, new_entity_id,
};
use clarity_server::{DeviceId, RequestError};
use clarity_sim::vfs::{Disk, MemoryVfs};
use clarity_store::{Birth, Journal, ListOptions, OpenOptions, RequestId, Store};
use serde_json::json;

use super::writer::Writer;
use super::{DAY_MS, Dice, FIRST_DAY, Rows, TYPES};

pub(crate) struct Follower {
    disk: Disk,
    schema: Arc<Schema>,
    store: Option<Store>,
    engine: Engine,
    dice: Dice,
    now: LocalTime,
    on_their_way: Vec<(RequestId, Request)>,
    wake_at: Option<LocalTime>,
    made: Vec<EntityKey>,
}

impl Follower {
    pub(crate) fn new(vfs: &MemoryVfs, schema: &Arc<Schema>, seed: u64) -> Self {
        let mut follower = Self {
            disk: Disk::new(vfs, seed + 1_000),
            schema: Arc::clone(schema),
            store: None,
            engine: Engine::new(schema),
            dice: Dice(seed + 1),
            now: LocalTime(FIRST_DAY * DAY_MS),
            on_their_way: Vec::new(),
            wake_at: None,
            made: Vec::new(),
        };
        follower.is_killed();
        follower
    }

    /// The process ends without a word and begins again.
    pub(crate) fn is_killed(&mut self) {
        self.store = None;
        let options = OpenOptions {
            vfs: Some(self.disk.vfs().name().to_owned()),
            journal: Journal::Wal,
            exclusive: true,
            busy_timeout_ms: 0,
            ..OpenOptions::new(self.disk.path("store.db"))
        };
        let birth = Birth { incarnation: Incarnation(0xbbbb), now: self.now };
        self.store = Some(Store::open(&options, Arc::clone(&self.schema), birth).unwrap());
        self.on_their_way.clear();
        self.handle(Event::Started);
    }

    fn handle(&mut self, event: Event) {
        self.now = self.now.plus_ms(1);
        let store = self.store.as_mut().unwrap();
        let mut tx = store.begin().unwrap();
        let dice = &mut self.dice;
        let handled =
            self.engine.handle(&mut tx, vec![event], self.now, dice, Role::Drain).unwrap();
        tx.commit().unwrap();
        for written in handled.written {
            written.unwrap();
        }
        for effect in handled.effects {
            match effect {
                Effect::Send { request, body } => self.on_their_way.push((request, body)),
                Effect::WakeAt(at) => self.wake_at = Some(at),
                _ => {}
            }
        }
    }

    /// A person writes something.
    pub(crate) fn writes(&mut self, write: Write) {
        self.handle(Event::Write(write));
    }

    /// Whatever is on its way is lost.
    pub(crate) fn hears_nothing(&mut self) {
        while let Some((request, _)) = self.on_their_way.pop() {
            let failure = Failure::new(FailureClass::Unreachable, "lost on the way there");
            self.handle(Event::RequestFinished { request, result: Err(failure) });
        }
    }

    pub(crate) fn follow(&mut self, scope: Scope) {
        self.handle(Event::Write(Write::SetScope { scope }));
    }

    pub(crate) fn wants_to_sync(&mut self) {
        self.handle(Event::SyncNow);
    }

    /// Makes something of any type and time, or changes what it made.
    pub(crate) fn write(&mut self, dice: &mut Dice) {
        let made = self.made.get(dice.index(self.made.len().max(1))).cloned();
        if let Some(key) = made.filter(|key| self.is_here(key) && dice.index(2) == 0) {
            let serial = json!(self.now.0);
            let changes = [("mine".to_owned(), Some(serial))].into();
            return self.handle(Event::Write(Write::Update { key, changes, seen: None }));
        }
        let entity_type = TYPES[dice.index(TYPES.len())];
        let id = new_entity_id(self.now, dice);
        let key = EntityKey::new(entity_type, id.as_str()).unwrap();
        let fields = Fields::from([("start_ms", json!(dice.time_ms()))]);
        self.made.push(key.clone());
        self.handle(Event::Write(Write::Create { key, fields, parents: Vec::new() }));
    }

    fn is_here(&mut self, key: &EntityKey) -> bool {
        let tx = self.store.as_mut().unwrap().begin().unwrap();
        tx.entity(key).unwrap().is_some_and(|row| row.state.is_visible())
    }

    /// Wants something by name, followed or not.
    pub(crate) fn fetch(&mut self, dice: &mut Dice, writer: &Writer) {
        let entities = writer.entities();
        let Some(entity) = entities.get(dice.index(entities.len().max(1))) else { return };
        let wanted = match dice.index(2) {
            0 => Wanted::Key(entity.key.clone()),
            _ => Wanted::Type(entity.key.entity_type.clone()),
        };
        self.handle(Event::Write(Write::Fetch { wanted: vec![wanted] }));
    }

    /// One of the requests on their way is answered, in small pages, or fails.
    pub(crate) fn answered(&mut self, writer: &Writer, dice: &mut Dice) {
        if self.on_their_way.is_empty() {
            return self.pass_time();
        }
        let (request, body) = self.on_their_way.remove(dice.index(self.on_their_way.len()));
        let result = match dice.index(8) {
            0 => Err(Failure::new(FailureClass::Unreachable, "lost on the way there")),
            1 => {
                drop(serve(writer, body, 1 + dice.index(4)));
                Err(Failure::new(FailureClass::Unreachable, "lost on the way back"))
            }
            _ => serve(writer, body, 1 + dice.index(4)),
        };
        self.handle(Event::RequestFinished { request, result });
    }

    /// The newest request on its way is answered in small pages: of those of a new process, this is
    /// the one that goes on with a reading, not the one that looks for news.
    pub(crate) fn answered_well(&mut self, writer: &Writer) {
        match self.on_their_way.pop() {
            None => self.pass_time(),
            Some((request, body)) => {
                let result = serve(writer, body, 3);
                self.handle(Event::RequestFinished { request, result });
            }
        }
    }

    fn pass_time(&mut self) {
        if let Some(at) = self.wake_at.take() {
            self.now = self.now.max(at);
        }
        self.handle(Event::Timer);
    }

    /// Syncs until nothing is left to do.
    pub(crate) fn settle(&mut self, writer: &Writer) {
        self.wants_to_sync();
        for _ in 0..2_000 {
            let status = self.status();
            if status.idle && status.stalled.is_none() && !status.catching_up {
                return;
            }
            self.answered_well(writer);
        }
        panic!("it does not settle: {:?}", self.status());
    }

    fn status(&mut self) -> Status {
        let tx = self.store.as_mut().unwrap().begin().unwrap();
        self.engine.status(&tx).unwrap()
    }

    /// Whether the first sync has not ended.
    pub(crate) fn is_catching_up(&mut self) -> bool {
        let status = self.status();
        status.catching_up || status.last_pull.is_none()
    }

    pub(crate) fn scope(&mut self) -> Scope {
        let tx = self.store.as_mut().unwrap().begin().unwrap();
        self.engine.scope(&tx).unwrap().scope
    }

    /// What the app sees.
    pub(crate) fn rows(&mut self) -> Rows {
        let tx = self.store.as_mut().unwrap().begin().unwrap();
        let mut rows = Rows::new();
        for entity_type in tx.entity_types().unwrap() {
            for (key, row) in tx.list_entities(&entity_type, &ListOptions::default()).unwrap() {
                rows.insert(key.to_string(), (row.version, row.fields));
            }
        }
        rows
    }
}

fn serve(writer: &Writer, body: Request, rows_max: usize) -> Result<Response, Failure> {
    let (core, account, device) = (&writer.core, writer.account, DeviceId(2));
    let answer = match body {
        Request::Push(push) => core.push(account, device, &push).map(Response::Push),
        Request::Pull(mut pull) => {
            pull.rows_max = Some(rows_max);
            core.pull(account, device, &pull).map(Response::Pull)
        }
        Request::Fetch(mut fetch) => {
            fetch.rows_max = Some(rows_max);
            core.fetch(account, &fetch).map(Response::Fetch)
        }
    };
    answer.map_err(|error| {
        let class = match error {
            RequestError::CursorRefused => FailureClass::Reset,
            _ => FailureClass::Transient,
        };
        Failure::new(class, error.to_string())
    })
}
