//! Reading what changed: one request for a page of one type at a time. No I/O.

use std::collections::BTreeMap;

use clarity_engine::protocol::model::{
    Check, EntityId, EntityKey, EntityType, Seq, ServerTime, limits,
};
use clarity_engine::protocol::{Cursor, Failure, FailureClass, PullRequest, PullResponse, Row};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::{self, Heard, read, unreadable};
use super::backend::{Feed, Next, RestBackend, escaped};
use super::request::Ask;

/// Where the reading of a backend stands: kept in the cursor's `place`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Place {
    /// The place of each type.
    #[serde(default)]
    after: BTreeMap<EntityType, String>,
    /// The type whose pages are not finished, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unfinished: Option<EntityType>,
}

/// The reading of one page of the engine, from as many pages of the backend as fit.
pub(super) struct Reading<'b> {
    backend: &'b RestBackend,
    request: PullRequest,
    place: Place,
    /// The types still to be read, the present one first.
    types: Vec<EntityType>,
    rows: Vec<Row>,
    bytes: usize,
    seq: Seq,
}

impl<'b> Reading<'b> {
    pub(super) fn new(backend: &'b RestBackend, request: PullRequest) -> Self {
        let cursor = request.cursor.as_ref().filter(|cursor| cursor.epoch == backend.epoch);
        let place = cursor.and_then(|cursor| cursor.place.as_deref());
        let place: Place = place.and_then(|p| serde_json::from_str(p).ok()).unwrap_or_default();
        let wanted = |entity_type: &EntityType| {
            request.scope.types.is_empty() || request.scope.types.contains(entity_type)
        };
        let read = backend.types.iter().filter(|(_, endpoint)| endpoint.feed.is_some());
        let types = read.map(|(entity_type, _)| entity_type.clone()).filter(|t| wanted(t));
        let mut types: Vec<_> = types.collect();
        if let Some(unfinished) = &place.unfinished
            && let Some(at) = types.iter().position(|entity_type| entity_type == unfinished)
        {
            types.drain(..at);
        }
        let seq = cursor.map(|cursor| cursor.seq).unwrap_or_default();
        Self { backend, request, place, types, rows: Vec::new(), bytes: 0, seq }
    }

    /// The next request; nothing when there is no more to read, or no more room.
    pub(super) fn next(&self) -> Option<Ask> {
        let room = self.request.rows_max.unwrap_or(limits::PAGE_ROWS_MAX);
        if self.rows.len() >= room || self.bytes >= limits::PAGE_BYTES_MAX {
            return None;
        }
        let entity_type = self.types.first()?;
        let endpoint = self.backend.types.get(entity_type)?;
        let feed = endpoint.feed.as_ref()?;
        let mut pairs = Vec::new();
        if let Some(after) = self.place.after.get(entity_type) {
            pairs.push(format!("{}={}", escaped(&feed.parameter), escaped(after)));
        }
        if let Some((parameter, count)) = &feed.limit {
            pairs.push(format!("{}={count}", escaped(parameter)));
        }
        let path = feed.path.as_ref().unwrap_or(&endpoint.path);
        let query = if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) };
        Some(Ask::get(format!("{path}{query}")))
    }

    /// Takes in the answer to the last request.
    pub(super) fn take(&mut self, heard: &Heard) -> Result<(), Failure> {
        judge(heard)?;
        let body = heard.json()?.ok_or_else(unreadable)?;
        let Some(entity_type) = self.types.first().cloned() else { return Ok(()) };
        let endpoint = self.backend.types.get(&entity_type);
        let Some(feed) = endpoint.and_then(|endpoint| endpoint.feed.as_ref()) else {
            return Ok(());
        };
        let items = match &body {
            Value::Array(items) => items,
            body => body.get(&feed.items).and_then(Value::as_array).ok_or_else(unreadable)?,
        };
        self.bytes += heard.body.len();
        for item in items {
            self.seq = self.seq.next();
            let row = row(self.backend, &entity_type, item, self.seq).ok_or_else(unreadable)?;
            self.rows.push(row);
        }
        let before = self.place.after.get(&entity_type).cloned();
        let next = next(feed, &body, items, before.as_deref());
        let moved = next != before;
        if let Some(next) = next {
            self.place.after.insert(entity_type, next);
        }
        if !has_more(feed, &body, items.len()) {
            self.types.remove(0);
        } else if !moved {
            let words = "the backend's list ends where it began; its numbers may be equal";
            return Err(Failure::new(FailureClass::Transient, words));
        }
        Ok(())
    }

    /// The page for the engine.
    pub(super) fn finish(mut self, at: ServerTime) -> Result<PullResponse, Failure> {
        self.place.unfinished = self.types.first().cloned();
        let more = self.place.unfinished.is_some();
        let epoch = self.backend.epoch;
        let place = serde_json::to_string(&self.place).map_err(|_| unreadable())?;
        let scope = self.request.scope;
        let cursor = Cursor { epoch, seq: self.seq, check: Check(0), scope, place: Some(place) };
        // How much is left is not known: the bar is full when it is.
        let head = if more { self.seq.next() } else { self.seq };
        Ok(PullResponse {
            epoch,
            at,
            rows: self.rows,
            cursor,
            head,
            more,
            durable_through: Seq(0),
            restored: None,
        })
    }
}

/// What the answer of a list means.
pub(super) fn judge(heard: &Heard) -> Result<(), Failure> {
    if let Some(failure) = answer::of_the_request(heard) {
        return Err(failure);
    }
    match heard.status {
        200..=299 => Ok(()),
        403 => {
            let words = "the backend does not let this account read";
            Err(Failure::new(FailureClass::AccessRemoved, words))
        }
        404 => Err(answer::config(404)),
        410 => {
            let words = "the backend no longer knows the place where reading stopped";
            Err(Failure::new(FailureClass::Reset, words))
        }
        status => Err(answer::transient(heard, status)),
    }
}

fn row(backend: &RestBackend, of: &EntityType, item: &Value, seq: Seq) -> Option<Row> {
    let told = read(backend, item, None)?;
    let id = EntityId::new(told.id?).ok()?;
    let deleted = told.fields.is_none();
    Some(Row {
        key: EntityKey { entity_type: of.clone(), id },
        // Without versions, whatever is read later is newer.
        version: told.version.unwrap_or(clarity_engine::protocol::model::Version(seq.0)),
        seq,
        updated_at: told.updated_at,
        fields: told.fields,
        deleted,
        outside: false,
        operations: Vec::new(),
    })
}

fn next(feed: &Feed, body: &Value, items: &[Value], before: Option<&str>) -> Option<String> {
    let word = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let after = match &feed.next {
        Next::Member(member) => body.get(member).and_then(word),
        Next::Largest(member) => {
            let known = before.and_then(|before| before.parse::<u64>().ok());
            let numbers = items.iter().filter_map(|item| item.get(member)?.as_u64());
            numbers.chain(known).max().map(|largest| largest.to_string())
        }
    };
    after.or_else(|| before.map(str::to_owned))
}

fn has_more(feed: &Feed, body: &Value, count: usize) -> bool {
    match (body.get(&feed.more).and_then(Value::as_bool), &feed.limit) {
        (Some(more), _) => more,
        (None, Some((_, limit))) => count >= *limit,
        (None, None) => false,
    }
}
