//! A device on a bench: its store is a file in a temporary directory, its clock stands still until
//! it is moved, and its requests wait until the test answers them.

pub(crate) mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use clarity_engine::protocol::model::{
    Counter, Entity, EntityKey, Epoch, Incarnation, LocalTime, ReadVersion, Schema,
};
use clarity_engine::protocol::{Failure, FailureClass, FetchRequest, FetchResponse, PullRequest};
use clarity_engine::store::{
    Birth, EndedAs, HistoryRecord, OpenOptions, OperationState, QueuedOperation, RequestId, Store,
};
use clarity_engine::{
    Changes, ConflictInfo, Effect, Engine, EntityExplanation, Entropy, Event, Explanation,
    HistoryEntry, HistoryId, Preview, Request, Resolution, Response, Role, Status, TokenResult,
    Write, WriteError, Written,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use wire::Push;

pub(crate) const EPOCH: Epoch = Epoch(0xe0);
pub(crate) const START: LocalTime = LocalTime(1_700_000_000_000);
pub(crate) const MINUTE_MS: i64 = 60_000;
pub(crate) const HOUR_MS: i64 = 60 * MINUTE_MS;

/// Repeatable randomness: SplitMix64, the generator that Java's `SplittableRandom` uses.
#[derive(Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Entropy for Dice {
    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// A device whose network is the test.
pub(crate) struct Bench {
    directory: TempDir,
    schema: Arc<Schema>,
    store: Option<Store>,
    engine: Engine,
    pub(crate) dice: Dice,
    pub(crate) now: LocalTime,
    pub(crate) pushes: Vec<Push>,
    pub(crate) pulls: Vec<(RequestId, PullRequest)>,
    pub(crate) fetches: Vec<(RequestId, FetchRequest)>,
    pub(crate) refreshes: usize,
    /// The round of the newest of them.
    pub(crate) refresh_round: u64,
    /// Requests that have left and have not ended, whether a test looks at them or not.
    on_their_way: BTreeSet<RequestId>,
    pub(crate) wake_at: Option<LocalTime>,
    pub(crate) published: Vec<Changes>,
    /// Whether the engine wants to go on making room at once.
    pub(crate) more: bool,
}

impl Bench {
    /// A new store whose driver has begun: its first pull waits for an answer.
    pub(crate) fn new() -> Self {
        Self::of(Schema::shipped().unwrap())
    }

    /// The same with a schema of the test's own.
    pub(crate) fn of(schema: Schema) -> Self {
        let schema = Arc::new(schema);
        let mut bench = Self {
            directory: TempDir::new().unwrap(),
            engine: Engine::new(&schema),
            schema,
            store: None,
            dice: Dice(1),
            now: START,
            pushes: Vec::new(),
            pulls: Vec::new(),
            fetches: Vec::new(),
            refreshes: 0,
            refresh_round: 0,
            on_their_way: BTreeSet::new(),
            wake_at: None,
            published: Vec::new(),
            more: false,
        };
        bench.reopen();
        bench.event(Event::Started);
        bench
    }

    /// A new store that has read an empty account, with nothing on its way.
    pub(crate) fn online() -> Self {
        let mut bench = Self::new();
        bench.answer_pull(&[]);
        bench
    }

    /// A store that holds this entity as the server's version 1, with nothing on its way.
    pub(crate) fn with(key: &EntityKey, fields: Value) -> Self {
        let mut bench = Self::new();
        bench.answer_pull(&[wire::row(key, 1, fields)]);
        bench
    }

    fn reopen(&mut self) {
        self.store = None;
        let options = OpenOptions::new(self.directory.path().join("store.db"));
        let birth = Birth { incarnation: Incarnation(0xfeed), now: self.now };
        self.store = Some(Store::open(&options, Arc::clone(&self.schema), birth).unwrap());
    }

    /// The process ends without a word and begins again: requests on their way are forgotten.
    pub(crate) fn restart(&mut self) {
        self.reopen();
        self.pushes.clear();
        self.pulls.clear();
        self.fetches.clear();
        self.refreshes = 0;
        self.on_their_way.clear();
        self.wake_at = None;
        self.event(Event::Started);
    }

    /// The app is upgraded: the process begins again with another schema.
    pub(crate) fn upgrade(&mut self, schema: Schema) {
        self.upgrade_without_steps(schema);
        while self.more {
            self.event(Event::Timer);
        }
    }

    /// The same, but what waits is not gone through beyond the first step.
    pub(crate) fn upgrade_without_steps(&mut self, schema: Schema) {
        self.schema = Arc::new(schema);
        self.engine = Engine::new(&self.schema);
        self.restart();
    }

    /// Answers whatever is on its way, until nothing is.
    pub(crate) fn take_only_and_succeed(&mut self) {
        while self.pulls.len() + self.pushes.len() > 0 {
            if self.pulls.is_empty() {
                self.apply_push();
            } else {
                self.answer_pull(&[]);
            }
        }
    }

    /// The driver stops in an orderly way.
    pub(crate) fn stop(&mut self) {
        let store = self.store.as_mut().unwrap();
        let mut tx = store.begin().unwrap();
        let events = vec![Event::Stopped];
        self.engine.note(&mut tx, events, self.now, &mut self.dice).unwrap();
        tx.commit().unwrap();
    }

    pub(crate) fn engine(&self) -> Engine {
        self.engine.clone()
    }

    pub(crate) fn store(&mut self) -> &mut Store {
        self.store.as_mut().unwrap()
    }

    /// Hands events to the engine, commits, and takes note of what it wants.
    pub(crate) fn handle(&mut self, events: Vec<Event>) -> Vec<Result<Written, WriteError>> {
        let store = self.store.as_mut().unwrap();
        let mut tx = store.begin().unwrap();
        let engine = &self.engine;
        let handled =
            engine.handle(&mut tx, events, self.now, &mut self.dice, Role::Drain).unwrap();
        tx.commit().unwrap();
        self.more = handled.more;
        for effect in handled.effects {
            match effect {
                Effect::Send { request, body: Request::Push(push) } => {
                    self.on_their_way.insert(request);
                    self.pushes.push(Push::new(request, push));
                }
                Effect::Send { request, body: Request::Pull(pull) } => {
                    self.on_their_way.insert(request);
                    self.pulls.push((request, pull));
                }
                Effect::Send { request, body: Request::Fetch(fetch) } => {
                    self.on_their_way.insert(request);
                    self.fetches.push((request, fetch));
                }
                Effect::RefreshToken { round } => {
                    self.refreshes += 1;
                    self.refresh_round = round;
                }
                Effect::WakeAt(at) => {
                    assert!(at > self.now, "a timer in the past would fire without end");
                    self.wake_at = Some(at);
                }
                Effect::Publish(changes) => self.published.push(changes),
                other => panic!("unexpected effect {other:?}"),
            }
        }
        self.check_that_something_will_happen();
        handled.written
    }

    /// Promise L3: what waits has a request, a timer, or a named pause that somebody must end.
    fn check_that_something_will_happen(&mut self) {
        let status = self.status();
        let on_its_way = !self.on_their_way.is_empty() || self.refreshes > 0;
        let held = status.stalled.as_ref().is_some_and(|stalled| stalled.next_attempt.is_none());
        assert!(on_its_way || self.wake_at.is_some() || held, "nothing will wake {status:?}");
        let ready = self.counts().0;
        let excused = on_its_way || status.stalled.is_some();
        assert!(ready == 0 || excused, "{ready} operations wait for nothing: {status:?}");
        let requests = self.on_their_way.len();
        assert!(requests <= clarity_engine::REQUESTS_IN_FLIGHT_MAX, "{requests} at once");
    }

    pub(crate) fn event(&mut self, event: Event) {
        assert!(self.handle(vec![event]).is_empty());
    }

    pub(crate) fn try_write(&mut self, write: Write) -> Result<Written, WriteError> {
        self.handle(vec![Event::Write(write)]).pop().unwrap()
    }

    pub(crate) fn write(&mut self, write: Write) -> Written {
        self.try_write(write).unwrap()
    }

    pub(crate) fn create(&mut self, key: &EntityKey, fields: Value) -> Counter {
        self.create_after(key, fields, Vec::new())
    }

    pub(crate) fn create_after(
        &mut self,
        key: &EntityKey,
        fields: Value,
        parents: Vec<Counter>,
    ) -> Counter {
        let write = Write::Create { key: key.clone(), fields: wire::fields(fields), parents };
        self.write(write).operations[0]
    }

    /// Changes fields over the latest value; `null` in `changes` removes a field.
    pub(crate) fn update(&mut self, key: &EntityKey, changes: Value) -> Counter {
        self.write(update(key, changes, None)).operations[0]
    }

    /// Changes fields as somebody who saw only `seen`.
    pub(crate) fn update_seen(&mut self, key: &EntityKey, changes: Value, seen: Value) -> Counter {
        self.write(update(key, changes, Some(seen))).operations[0]
    }

    pub(crate) fn delete(&mut self, key: &EntityKey) -> Counter {
        self.write(Write::Delete { key: key.clone(), seen: None }).operations[0]
    }

    pub(crate) fn resolve(
        &mut self,
        conflict: &ConflictInfo,
        resolution: Resolution,
    ) -> Result<Written, WriteError> {
        let (id, mark) = (conflict.id, conflict.mark);
        self.try_write(Write::Resolve { conflict: id, mark, resolution })
    }

    /// Moves the clock to the timer that was asked for and lets it fire.
    pub(crate) fn wake(&mut self) {
        let at = self.wake_at.take().expect("a timer was asked for");
        self.now = self.now.max(at);
        self.event(Event::Timer);
    }

    /// The one push that is on its way.
    pub(crate) fn take_push(&mut self) -> Push {
        assert_eq!(self.pushes.len(), 1, "one push is on its way");
        self.pushes.remove(0)
    }

    pub(crate) fn answer(&mut self, push: &Push, answers: Vec<wire::Answer>) {
        let response = wire::response(answers);
        self.finish(push.request, Ok(Response::Push(response)));
        // What tells of others shows with the next page. This one has no more to tell.
        while self.holds_answers() && !self.pulls.is_empty() {
            self.answer_pull(&[]);
        }
    }

    /// Whether an answer waits for a page.
    pub(crate) fn holds_answers(&mut self) -> bool {
        let tx = self.store().begin().unwrap();
        let schedule: Value = tx.state("schedule").unwrap().unwrap_or_default();
        schedule["holds_answers"] == true
    }

    /// Answers the one push on its way: each operation is applied as it is written.
    pub(crate) fn apply_push(&mut self) -> Push {
        let push = self.take_push();
        let answers = push.operations.iter().map(wire::applied).collect();
        self.answer(&push, answers);
        push
    }

    pub(crate) fn finish(&mut self, request: RequestId, result: Result<Response, Failure>) {
        self.on_their_way.remove(&request);
        self.event(Event::RequestFinished { request, result });
    }

    pub(crate) fn fail(&mut self, request: RequestId, class: FailureClass) {
        self.finish(request, Err(Failure::new(class, "as the test wants")));
    }

    /// Fails the one request that is on its way.
    pub(crate) fn fail_only(&mut self, class: FailureClass) {
        let request = self.take_only();
        self.fail(request, class);
    }

    /// The one request that is on its way, whichever kind it is.
    pub(crate) fn take_only(&mut self) -> RequestId {
        assert_eq!(self.pushes.len() + self.pulls.len(), 1, "one request is on its way");
        match self.pulls.pop() {
            Some((request, _)) => request,
            None => self.take_push().request,
        }
    }

    /// Answers the one pull on its way with a last page.
    pub(crate) fn answer_pull(&mut self, rows: &[clarity_engine::protocol::Row]) {
        self.answer_pull_with(wire::page(rows));
    }

    pub(crate) fn answer_pull_with(&mut self, page: clarity_engine::protocol::PullResponse) {
        assert_eq!(self.pulls.len(), 1, "one pull is on its way");
        let (request, _) = self.pulls.remove(0);
        self.finish(request, Ok(Response::Pull(page)));
    }

    /// The one fetch that is on its way.
    pub(crate) fn take_fetch(&mut self) -> (RequestId, FetchRequest) {
        assert_eq!(self.fetches.len(), 1, "one fetch is on its way");
        self.fetches.remove(0)
    }

    /// Answers the one fetch on its way and gives what it asked.
    pub(crate) fn answer_fetch(&mut self, answer: FetchResponse) -> FetchRequest {
        let (request, asked) = self.take_fetch();
        self.finish(request, Ok(Response::Fetch(answer)));
        asked
    }

    /// Asks for a pull and answers it with these rows.
    pub(crate) fn pull(&mut self, rows: &[clarity_engine::protocol::Row]) {
        if self.pulls.is_empty() {
            self.event(Event::SyncNow);
        }
        self.answer_pull(rows);
    }

    pub(crate) fn token_result(&mut self, result: TokenResult) {
        assert_eq!(self.refreshes, 1, "one refresh is on its way");
        self.refreshes = 0;
        self.event(Event::TokenResult { round: self.refresh_round, result });
    }

    pub(crate) fn status(&mut self) -> Status {
        let tx = self.store.as_mut().unwrap().begin().unwrap();
        self.engine.status(&tx).unwrap()
    }

    /// Why an operation is not at the server.
    pub(crate) fn why(&mut self, operation: Counter, running: bool) -> Option<Explanation> {
        let tx = self.store.as_mut().unwrap().begin().unwrap();
        self.engine.why_not_synced(&tx, operation, running).unwrap()
    }

    /// What is known of an entity.
    pub(crate) fn explain(&mut self, key: &EntityKey) -> Option<EntityExplanation> {
        let tx = self.store.as_mut().unwrap().begin().unwrap();
        self.engine.explain(&tx, key, true).unwrap()
    }

    /// Operations that are ready, and that are in flight.
    pub(crate) fn counts(&mut self) -> (u64, u64) {
        let tx = self.store().begin().unwrap();
        let counts = tx.queue_counts().unwrap();
        (counts.ready, counts.in_flight)
    }

    pub(crate) fn conflicts(&mut self) -> Vec<ConflictInfo> {
        let tx = self.store.as_mut().unwrap().begin().unwrap();
        self.engine.conflicts(&tx, None, 100).unwrap()
    }

    pub(crate) fn only_conflict(&mut self) -> ConflictInfo {
        let mut conflicts = self.conflicts();
        assert_eq!(conflicts.len(), 1);
        conflicts.remove(0)
    }

    /// The key that an entity has now.
    pub(crate) fn present(&mut self, key: &EntityKey) -> EntityKey {
        self.store().begin().unwrap().present_key(key).unwrap()
    }

    /// What the app sees of an entity.
    pub(crate) fn see(&mut self, key: &EntityKey) -> Option<Value> {
        self.entity(key).map(|entity| json!(entity.fields))
    }

    pub(crate) fn entity(&mut self, key: &EntityKey) -> Option<Entity> {
        let tx = self.store().begin().unwrap();
        let row = tx.entity(key).unwrap().filter(|row| row.state.is_visible())?;
        let pending = row.state == clarity_engine::store::RowState::Pending;
        let (fields, version, updated_at) = (row.fields, row.version, row.updated_at);
        Some(Entity { key: key.clone(), fields, version, updated_at, pending })
    }

    pub(crate) fn operation(&mut self, counter: Counter) -> Option<QueuedOperation> {
        self.store().begin().unwrap().operation(counter).unwrap()
    }

    pub(crate) fn state(&mut self, counter: Counter) -> Option<OperationState> {
        self.operation(counter).map(|operation| operation.state)
    }

    /// How an operation ended; nothing for one that waits, or that simply took effect.
    pub(crate) fn ended(&mut self, counter: Counter) -> Option<EndedAs> {
        let tx = self.store().begin().unwrap();
        tx.ended(counter).unwrap().map(|ended| ended.outcome)
    }

    /// The operations that ended since the last look, with how.
    pub(crate) fn take_ended(&mut self) -> Vec<(Counter, EndedAs)> {
        self.published.drain(..).flat_map(|changes| changes.ended).collect()
    }

    /// What a write would do.
    pub(crate) fn preview(&mut self, write: Write) -> Result<Preview, WriteError> {
        let mut tx = self.store.as_mut().unwrap().begin().unwrap();
        self.engine.preview(&mut tx, vec![write], self.now, &mut self.dice)
    }

    /// The history as an app sees it, of one entity.
    pub(crate) fn entries(&mut self, key: &EntityKey) -> Vec<HistoryEntry> {
        let tx = self.store.as_mut().unwrap().begin().unwrap();
        self.engine.history(&tx, Some(key), None, usize::MAX).unwrap()
    }

    pub(crate) fn undo(&mut self, id: HistoryId) -> Result<Written, WriteError> {
        self.try_write(Write::Undo { history: id })
    }

    pub(crate) fn history(&mut self, key: &EntityKey) -> Vec<HistoryRecord> {
        self.store().begin().unwrap().history_of(key, 0, usize::MAX).unwrap()
    }

    /// Whether nothing is in the queue, in the inbox or on its way.
    pub(crate) fn is_settled(&mut self) -> bool {
        let status = self.status();
        status.idle && status.waiting + status.failed + status.conflicts == 0
    }
}

pub(crate) fn update(key: &EntityKey, changes: Value, seen: Option<Value>) -> Write {
    let changes: BTreeMap<String, Value> = serde_json::from_value(changes).unwrap();
    let changes = changes.into_iter().map(|(field, value)| {
        let value = Some(value).filter(|value| !value.is_null());
        (field, value)
    });
    let seen = seen.map(|seen| ReadVersion { fields: wire::fields(seen) });
    Write::Update { key: key.clone(), changes: changes.collect(), seen }
}

pub(crate) fn key(entity_type: &str, id: &str) -> EntityKey {
    EntityKey::new(entity_type, id).unwrap()
}

pub(crate) fn note(id: &str) -> EntityKey {
    key("Note", id)
}
