//! A backend in memory: what any server behind a `Transport` has to do, and no more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use clarity_client::engine::protocol::{
    Cursor, FetchRange, FetchRequest, FetchResponse, OperationAnswer, PullResponse, PushResponse,
    Row, WireEntity, WireOperation,
};
use clarity_client::model::{
    Check, Counter, Effect, EntityKey, Epoch, Fields, Incarnation, Kind, Outcome, Schema, Seq,
    ServerTime, Version, merge_field,
};
use clarity_client::{Failure, FailureClass, Refreshed, Request, Response};
use clarity_client::{Transport, TransportFuture};

/// The life of this database: another one would make every device read everything again.
const EPOCH: Epoch = Epoch(1);

/// One account. Clones of the handle share it.
#[derive(Clone, Default)]
pub(crate) struct Backend(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    offline: bool,
    head: u64,
    entities: BTreeMap<EntityKey, Row>,
    answers: BTreeMap<(Incarnation, Counter), OperationAnswer>,
}

impl Backend {
    /// Takes the network away, or gives it back.
    #[allow(dead_code, reason = "not every example loses the network")]
    pub(crate) fn set_offline(&self, offline: bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).offline = offline;
    }
}

impl State {
    /// One operation changes the state at most once: a repeat gets the first answer again.
    fn push(&mut self, life: Incarnation, operation: &WireOperation) -> OperationAnswer {
        if let Some(first) = self.answers.get(&(life, operation.id)) {
            return first.clone();
        }
        let answer = self.apply(operation);
        self.answers.insert((life, operation.id), answer.clone());
        answer
    }

    /// Each changed field by its policy; nothing at all when one of them needs a person.
    fn apply(&mut self, operation: &WireOperation) -> OperationAnswer {
        let row = self.entities.get(&operation.key);
        let version = row.map_or(Version(0), |row| row.version);
        let stale = operation.base != version;
        let mut outcome = Outcome::Applied;
        let mut fields = row.and_then(|row| row.fields.clone());
        match operation.kind {
            Kind::Delete if stale && fields.is_some() => outcome = Outcome::Conflict,
            Kind::Delete => fields = None,
            Kind::Create => fields = operation.fields.clone(),
            Kind::Update if fields.is_none() => outcome = Outcome::Conflict,
            Kind::Update => {
                let schema = Schema::shipped().expect("the schema that ships is valid");
                let declared = schema.type_schema(&operation.key.entity_type);
                let fields = fields.get_or_insert_with(Fields::new);
                for change in &operation.changes {
                    let current = fields.get(&change.field).cloned();
                    let rule = declared.rule(&change.field);
                    let (old, new) = (change.old.as_ref(), change.new.as_ref());
                    let merged = merge_field(rule, old, new, current.as_ref());
                    outcome = outcome.max(match merged.effect {
                        Effect::Conflict => Outcome::Conflict,
                        Effect::Superseded => Outcome::Superseded,
                        Effect::Merged => Outcome::Merged,
                        _ => Outcome::Applied,
                    });
                    fields.put(&change.field, merged.value);
                }
            }
        }
        if outcome != Outcome::Conflict {
            self.head += 1;
            let key = operation.key.clone();
            let row = Row {
                key: key.clone(),
                version: Version(version.0 + 1),
                seq: Seq(self.head),
                updated_at: ServerTime(0),
                deleted: fields.is_none(),
                outside: false,
                fields,
                operations: Vec::new(),
            };
            self.entities.insert(key, row);
        }
        let now = self.entities.get(&operation.key);
        let entity = now.filter(|_| stale || outcome != Outcome::Applied);
        OperationAnswer {
            id: operation.id,
            outcome,
            entity_id: None,
            version: now.map(|row| row.version),
            entity: entity.map(|row| WireEntity {
                version: row.version,
                updated_at: row.updated_at,
                fields: row.fields.clone(),
            }),
            fields: BTreeMap::new(),
            rejection: None,
            blocked_by: None,
        }
    }

    fn pull(&self, after: Option<Cursor>) -> PullResponse {
        let after = after.map_or(Seq(0), |cursor| cursor.seq);
        let rows = self.entities.values().filter(|row| row.seq > after);
        let mut rows: Vec<Row> = rows.cloned().collect();
        rows.sort_by_key(|row| row.seq);
        let head = Seq(self.head);
        let scope = Default::default();
        let cursor = Cursor { epoch: EPOCH, seq: head, check: Check(0), scope, place: None };
        let at = ServerTime(0);
        PullResponse {
            epoch: EPOCH,
            at,
            rows,
            cursor,
            head,
            more: false,
            durable_through: head,
            restored: None,
        }
    }

    /// Entities by their keys, and all of a type: this backend knows no record's own time.
    fn fetch(&self, fetch: &FetchRequest) -> FetchResponse {
        let is_wanted = |row: &&Row| {
            let of_type = |range: &FetchRange| range.entity_type == row.key.entity_type;
            fetch.keys.contains(&row.key) || fetch.ranges.iter().any(of_type)
        };
        let is_unknown = |key: &&EntityKey| !self.entities.contains_key(*key);
        FetchResponse {
            epoch: EPOCH,
            at: ServerTime(0),
            head: Seq(self.head),
            check: None,
            rows: self.entities.values().filter(is_wanted).cloned().collect(),
            unknown: fetch.keys.iter().filter(is_unknown).cloned().collect(),
            ranges_done: fetch.ranges.len(),
            after: None,
        }
    }

    fn answer(&mut self, request: Request) -> Result<Response, Failure> {
        if self.offline {
            return Err(Failure::new(FailureClass::Offline, "there is no network"));
        }
        match request {
            Request::Push(push) => {
                let mut answers = Vec::with_capacity(push.operations.len());
                for bytes in &push.operations {
                    let operation = serde_json::from_str(bytes.get());
                    let operation = operation.map_err(|_| {
                        Failure::new(FailureClass::BadRequest, "an operation cannot be read")
                    })?;
                    answers.push(self.push(push.incarnation, &operation));
                }
                Ok(Response::Push(PushResponse {
                    epoch: EPOCH,
                    at: ServerTime(0),
                    head: None,
                    answers,
                    contributed: Vec::new(),
                }))
            }
            Request::Pull(pull) => Ok(Response::Pull(self.pull(pull.cursor))),
            Request::Fetch(fetch) => Ok(Response::Fetch(self.fetch(&fetch))),
        }
    }
}

impl Transport for Backend {
    fn send(
        &self,
        request: Request,
        _access_token: Option<String>,
    ) -> TransportFuture<'_, Result<Response, Failure>> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = state.answer(request);
        Box::pin(std::future::ready(answer))
    }

    fn refresh(&self, _refresh_token: Option<String>) -> TransportFuture<'_, Refreshed> {
        // Nobody signs in here, so no token is ever refused.
        Box::pin(std::future::ready(Refreshed::Refused))
    }
}
