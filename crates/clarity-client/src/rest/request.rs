//! From an operation to the request that says it. No I/O.

use std::fmt;

use clarity_engine::protocol::WireOperation;
use clarity_engine::protocol::model::{Fields, Incarnation, Kind, OperationId};
use serde_json::{Map, Value, json};

use super::backend::{Endpoint, RestBackend, UpdateWith, Versions};

/// A request before it is sent. `Debug` hides address, headers and body (promise I17).
#[derive(Clone, PartialEq)]
pub(super) struct Ask {
    pub(super) method: &'static str,
    /// Below the backend's address.
    pub(super) path: String,
    pub(super) if_match: Option<String>,
    pub(super) idempotency_key: Option<String>,
    pub(super) body: Option<Value>,
}

impl fmt::Debug for Ask {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Ask").field("method", &self.method).finish_non_exhaustive()
    }
}

impl Ask {
    pub(super) fn get(path: impl Into<String>) -> Self {
        let path = path.into();
        Self { method: "GET", path, if_match: None, idempotency_key: None, body: None }
    }

    /// The request as a part of a batch.
    pub(super) fn as_part(&self) -> Value {
        let mut part = Map::new();
        part.insert("method".to_owned(), self.method.into());
        part.insert("path".to_owned(), self.path.clone().into());
        if let Some(version) = &self.if_match {
            part.insert("if_match".to_owned(), version.clone().into());
        }
        if let Some(key) = &self.idempotency_key {
            part.insert("idempotency_key".to_owned(), key.clone().into());
        }
        if let Some(body) = &self.body {
            part.insert("body".to_owned(), body.clone());
        }
        Value::Object(part)
    }
}

/// What has to be asked for an operation.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Plan {
    /// One request.
    Ask(Ask),
    /// The entity has to be read first; then [`put`] makes the request.
    ReadFirst(Ask),
    /// Nothing: the operation changes nothing, which the device itself has found.
    Nothing,
}

/// What to ask for an operation.
pub(super) fn plan(
    backend: &RestBackend,
    endpoint: &Endpoint,
    life: Incarnation,
    operation: &WireOperation,
) -> Plan {
    let item = || backend.item(endpoint, &operation.key.id);
    let name = OperationId { incarnation: life, counter: operation.id };
    let ask = |method, path, body| Ask {
        method,
        path,
        if_match: None,
        idempotency_key: Some(name.to_string()),
        body,
    };
    let on = |ask: Ask| Ask { if_match: if_match(backend, operation), ..ask };
    match operation.kind {
        Kind::Create => {
            let fields = operation.fields.clone().unwrap_or_default();
            let mut body = object(backend, fields_value(&fields));
            if backend.proposes_ids {
                body.insert(backend.id.clone(), operation.key.id.as_str().into());
            }
            Plan::Ask(ask("POST", endpoint.path.clone(), Some(Value::Object(body))))
        }
        Kind::Update if operation.changes.is_empty() => Plan::Nothing,
        Kind::Update if backend.update == UpdateWith::Put => Plan::ReadFirst(Ask::get(item())),
        Kind::Update => {
            let changes = operation.changes.iter();
            let changes = changes
                .map(|change| (change.field.clone(), change.new.clone().unwrap_or(Value::Null)));
            let body = object(backend, Value::Object(changes.collect()));
            Plan::Ask(on(ask("PATCH", item(), Some(Value::Object(body)))))
        }
        Kind::Delete => Plan::Ask(on(ask("DELETE", item(), None))),
    }
}

/// The request that replaces an entity which was just read at the operation's base.
pub(super) fn put(
    backend: &RestBackend,
    endpoint: &Endpoint,
    life: Incarnation,
    operation: &WireOperation,
    mut fields: Fields,
) -> Ask {
    for change in &operation.changes {
        fields.put(&change.field, change.new.clone());
    }
    let name = OperationId { incarnation: life, counter: operation.id };
    Ask {
        method: "PUT",
        path: backend.item(endpoint, &operation.key.id),
        if_match: if_match(backend, operation),
        idempotency_key: Some(name.to_string()),
        body: Some(Value::Object(object(backend, fields_value(&fields)))),
    }
}

fn if_match(backend: &RestBackend, operation: &WireOperation) -> Option<String> {
    let has_versions = backend.versions != Versions::None;
    (has_versions && operation.base.0 > 0).then(|| format!("\"{}\"", operation.base.0))
}

fn fields_value(fields: &Fields) -> Value {
    json!(fields)
}

/// Fields in the form that the backend takes.
fn object(backend: &RestBackend, fields: Value) -> Map<String, Value> {
    match (&backend.fields, fields) {
        (Some(member), fields) => Map::from_iter([(member.clone(), fields)]),
        (None, Value::Object(fields)) => fields,
        (None, _) => Map::new(),
    }
}
