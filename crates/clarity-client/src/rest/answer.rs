//! From an answer of a backend to what became of an operation: one table. No I/O.

use std::collections::BTreeMap;

use clarity_engine::protocol::model::{
    EntityId, Fields, Kind, Outcome, RejectReason, Rejection, ServerTime, Version,
};
use clarity_engine::protocol::{Failure, FailureClass, OperationAnswer, WireEntity, WireOperation};
use serde_json::Value;

use super::backend::{RestBackend, Versions};

/// The parts of an HTTP answer that decide.
#[derive(Clone)]
pub(super) struct Heard {
    pub(super) status: u16,
    /// Whether it carries the backend's mark, or the backend has none.
    pub(super) is_marked: bool,
    pub(super) is_html: bool,
    /// Whether the body is a problem document.
    pub(super) is_problem: bool,
    pub(super) etag: Option<String>,
    pub(super) location: Option<String>,
    pub(super) retry_after_ms: Option<u64>,
    pub(super) body: Vec<u8>,
}

impl Heard {
    /// The body as JSON; absent when there is none.
    pub(super) fn json(&self) -> Result<Option<Value>, Failure> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        serde_json::from_slice(&self.body).map(Some).map_err(|_| portal())
    }
}

/// What an answer means for an operation.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The operation has its answer.
    Answered(Box<OperationAnswer>),
    /// The entity has moved on, and the answer does not say to what: read it.
    Moved,
    /// The operation has no answer and goes again.
    Failed(Failure),
}

/// An entity as a backend told it.
#[derive(Clone, PartialEq)]
pub(super) struct Read {
    pub(super) id: Option<String>,
    pub(super) version: Option<Version>,
    pub(super) updated_at: ServerTime,
    /// Absent when it is deleted.
    pub(super) fields: Option<Fields>,
}

/// Decides what an answer to an operation means.
pub(super) fn judge(backend: &RestBackend, operation: &WireOperation, heard: &Heard) -> Verdict {
    if let Some(failure) = of_the_request(heard) {
        return Verdict::Failed(failure);
    }
    let status = heard.status;
    let judged = match (status, operation.kind) {
        (200..=299, _) => done(backend, operation, heard),
        (404 | 410, Kind::Delete) => Ok(Some(applied(operation, None, None))),
        (410, Kind::Update) => Ok(Some(gone(backend, operation, heard))),
        (404, Kind::Update) if backend.missing_is_deleted => {
            Ok(Some(stale(operation, None, deleted(operation))))
        }
        (409 | 412, _) => Ok(conflict(backend, operation, heard)),
        (404, Kind::Create) => Err(config(status)),
        _ => Ok(Some(rejected(operation, status))),
    };
    match judged {
        Ok(Some(answer)) => Verdict::Answered(Box::new(answer)),
        Ok(None) => Verdict::Moved,
        Err(failure) => Verdict::Failed(failure),
    }
}

/// Decides what an answer to a plain read means: the entity, absent when it is gone.
pub(super) fn judge_read(backend: &RestBackend, heard: &Heard) -> Result<Option<Read>, Failure> {
    if let Some(failure) = of_the_request(heard) {
        return Err(failure);
    }
    match heard.status {
        200..=299 => {
            let body = heard.json()?.ok_or_else(unreadable)?;
            let read = read(backend, &body, heard.etag.as_deref()).ok_or_else(unreadable)?;
            Ok(Some(read).filter(|read| read.fields.is_some()))
        }
        404 | 410 => Ok(None),
        status => Err(transient(heard, status)),
    }
}

/// What an answer says of the request as a whole; nothing when it is about its content.
pub(super) fn of_the_request(heard: &Heard) -> Option<Failure> {
    let status = heard.status;
    let words = |class, words: &str| Some(Failure::new(class, words));
    match status {
        200..=299 if heard.is_html || !heard.is_marked => Some(portal()),
        200..=299 => None,
        100..=199 | 300..=399 | 511 => Some(portal()),
        401 | 403 if heard.is_html || !heard.is_marked => Some(portal()),
        401 => words(FailureClass::Auth, "the backend did not accept the access token"),
        403 if code(heard).as_deref() == Some("access_removed") => {
            words(FailureClass::AccessRemoved, "this device or account was removed")
        }
        405 | 501 => Some(config(status)),
        415 | 426 => {
            words(FailureClass::UpgradeRequired, "the backend wants a newer version of this app")
        }
        408 | 421 | 423..=425 | 429 | 500.. => Some(transient(heard, status)),
        _ => None,
    }
}

/// The word that a problem document names for programs.
fn code(heard: &Heard) -> Option<String> {
    let body = heard.json().ok()??;
    body.get("code")?.as_str().map(str::to_owned)
}

pub(super) fn config(status: u16) -> Failure {
    let words = format!("the backend has nothing at this address (HTTP {status})");
    Failure::new(FailureClass::Config, words)
}

pub(super) fn transient(heard: &Heard, status: u16) -> Failure {
    let words = format!("the backend answered HTTP {status}");
    let failure = Failure::new(FailureClass::Transient, words);
    Failure { retry_after_ms: heard.retry_after_ms, ..failure }
}

fn portal() -> Failure {
    let words = "the answer did not come from the backend; the network may need a sign-in";
    Failure::new(FailureClass::CaptivePortal, words)
}

pub(super) fn unreadable() -> Failure {
    Failure::new(FailureClass::Transient, "the backend's answer cannot be read")
}

/// It took effect.
fn done(
    backend: &RestBackend,
    operation: &WireOperation,
    heard: &Heard,
) -> Result<Option<OperationAnswer>, Failure> {
    let body = heard.json()?;
    let told = body.as_ref().and_then(|body| read(backend, body, heard.etag.as_deref()));
    let version = told.as_ref().and_then(|told| told.version);
    let version = version.or_else(|| etag_version(backend, heard.etag.as_deref()));
    if operation.kind == Kind::Delete {
        return Ok(Some(applied(operation, version, None)));
    }
    if operation.kind == Kind::Update {
        return Ok(Some(applied(operation, version, told)));
    }
    let named = told.as_ref().and_then(|told| told.id.clone());
    let id = match named.or_else(|| heard.location.as_deref().and_then(last_segment)) {
        Some(id) => EntityId::new(id).map_err(|_| {
            let words = "the backend gave the entity an id that cannot be used: it is empty, \
                         too long, or holds a slash or a control character";
            Failure::new(FailureClass::Transient, words)
        })?,
        None => operation.key.id.clone(),
    };
    let entity_id = (id != operation.key.id).then_some(id);
    Ok(Some(OperationAnswer { entity_id, ..applied(operation, version, told) }))
}

/// The last part of an address, without its escapes.
fn last_segment(address: &str) -> Option<String> {
    let path = address.split(['?', '#']).next()?.trim_end_matches('/');
    let segment = path.rsplit('/').next().filter(|segment| !segment.is_empty())?;
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// The entity has moved on; what it is now, or nothing when it has to be read.
fn conflict(
    backend: &RestBackend,
    operation: &WireOperation,
    heard: &Heard,
) -> Option<OperationAnswer> {
    let told = met(backend, heard);
    let told = told.filter(|told| told.version.is_some() || backend.versions == Versions::None);
    match (operation.kind, told) {
        (Kind::Create, Some(told)) => {
            let id = told.id.as_deref().and_then(|id| EntityId::new(id).ok());
            let Some(id) = id else { return Some(rejected(operation, heard.status)) };
            let entity_id = (id != operation.key.id).then_some(id);
            Some(stale(operation, entity_id, entity(operation, told)))
        }
        (Kind::Create, None) => Some(rejected(operation, heard.status)),
        (_, Some(told)) => Some(stale(operation, None, entity(operation, told))),
        (_, None) => None,
    }
}

/// The entity was deleted by somebody else.
fn gone(backend: &RestBackend, operation: &WireOperation, heard: &Heard) -> OperationAnswer {
    let version = met(backend, heard).and_then(|told| told.version);
    let gone = deleted(operation);
    let version = version.unwrap_or(gone.version).max(gone.version);
    stale(operation, None, WireEntity { version, ..gone })
}

/// The entity in an answer that an operation met it, if it is there.
fn met(backend: &RestBackend, heard: &Heard) -> Option<Read> {
    let body = heard.json().ok()??;
    let place = match &backend.conflict {
        Some(member) => body.get(member)?,
        None if heard.is_problem => return None,
        None => &body,
    };
    read(backend, place, heard.etag.as_deref())
}

/// The entity as it is after somebody deleted it, when nothing more is known.
pub(super) fn deleted(operation: &WireOperation) -> WireEntity {
    WireEntity { version: operation.base.next(), updated_at: ServerTime(0), fields: None }
}

/// What was read, as the answer to an operation that met it.
pub(super) fn entity(operation: &WireOperation, read: Read) -> WireEntity {
    let version = read.version.unwrap_or_else(|| operation.base.next());
    WireEntity { version, updated_at: read.updated_at, fields: read.fields }
}

pub(super) fn stale(
    operation: &WireOperation,
    entity_id: Option<EntityId>,
    entity: WireEntity,
) -> OperationAnswer {
    OperationAnswer {
        entity_id,
        version: Some(entity.version),
        entity: Some(entity),
        ..answer(operation, Outcome::Stale)
    }
}

/// It took effect, as the backend tells or as it was written.
pub(super) fn applied(
    operation: &WireOperation,
    version: Option<Version>,
    told: Option<Read>,
) -> OperationAnswer {
    let version = version.unwrap_or_else(|| operation.base.next());
    let told = told.filter(|told| told.fields.is_some());
    let entity =
        told.map(|told| WireEntity { version, updated_at: told.updated_at, fields: told.fields });
    OperationAnswer { version: Some(version), entity, ..answer(operation, Outcome::Applied) }
}

/// It can never take effect as it is.
pub(super) fn rejected(operation: &WireOperation, status: u16) -> OperationAnswer {
    let (code, words) = match status {
        403 => (RejectReason::NotAllowed, "the backend does not allow this change"),
        404 => (RejectReason::NotFound, "the backend does not have what this change is about"),
        409 | 412 => (
            RejectReason::Refused,
            "the backend has something else in this place and does not say what",
        ),
        413 => (RejectReason::TooLarge, "the change is larger than the backend takes"),
        400 | 422 => (RejectReason::Invalid, "the backend does not take these values"),
        _ => (RejectReason::Refused, "the backend refused the change"),
    };
    let message = format!("{words} (HTTP {status}); edit it and try again, or discard it");
    with_rejection(operation, Rejection { code, message })
}

pub(super) fn with_rejection(operation: &WireOperation, rejection: Rejection) -> OperationAnswer {
    OperationAnswer { rejection: Some(rejection), ..answer(operation, Outcome::Rejected) }
}

pub(super) fn answer(operation: &WireOperation, outcome: Outcome) -> OperationAnswer {
    OperationAnswer {
        id: operation.id,
        outcome,
        entity_id: None,
        version: None,
        entity: None,
        fields: BTreeMap::new(),
        rejection: None,
        blocked_by: None,
    }
}

fn etag_version(backend: &RestBackend, etag: Option<&str>) -> Option<Version> {
    if !matches!(backend.versions, Versions::ETag { .. }) {
        return None;
    }
    let text = etag?.trim();
    let text = text.strip_prefix("W/").unwrap_or(text).trim_matches('"');
    text.parse().ok().map(Version)
}

/// Reads an entity; nothing when the JSON is not one.
pub(super) fn read(backend: &RestBackend, json: &Value, etag: Option<&str>) -> Option<Read> {
    let object = json.as_object()?;
    let listed = match &backend.versions {
        Versions::ETag { listed_in } => Some(listed_in),
        Versions::Member(member) => Some(member),
        Versions::None => None,
    };
    let number = |member: &String| object.get(member).and_then(Value::as_u64).map(Version);
    let version = etag_version(backend, etag).or_else(|| listed.and_then(number));
    let id = object.get(&backend.id).and_then(|id| match id {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    });
    let updated_at = object.get(&backend.updated_at).and_then(Value::as_i64).unwrap_or(0);
    let is_deleted = object.get(&backend.deleted).and_then(Value::as_bool).unwrap_or(false);
    let fields = match &backend.fields {
        Some(member) => object.get(member).and_then(Value::as_object).cloned(),
        None => {
            let mut fields = object.clone();
            let known = [Some(&backend.id), Some(&backend.updated_at), listed];
            let is_known = |name: &String| {
                known.contains(&Some(name)) || *name == backend.deleted || backend.counts_in(name)
            };
            fields.retain(|name, _| !is_known(name));
            Some(fields)
        }
    };
    let fields = fields.map(|fields| Fields(fields.into_iter().collect()));
    // Without fields in their place it is another object, such as a problem document.
    if fields.is_none() && !is_deleted {
        return None;
    }
    let updated_at = ServerTime(updated_at);
    Some(Read { id, version, updated_at, fields: fields.filter(|_| !is_deleted) })
}
