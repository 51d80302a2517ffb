//! Single entities by REST, for programs that keep no queue of their own.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use clarity_model::{
    EntityId, EntityKey, EntityType, Fields, RejectReason, Rejection, ServerTime, Version, limits,
};
use clarity_protocol::{Problem, ProblemCode, Row, WireEntity, path};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::{Encoding, PROBLEM_TYPE, Refusal, json};
use super::body::receive;
use super::{App, identify};
use crate::apply::{SingleOutcome, Wish};
use crate::auth::Identified;
use crate::server::RestIds;
use crate::single::ChangeName;

/// Largest request about one entity.
const REQUEST_BYTES_MAX: usize = limits::OPERATION_BYTES_MAX;
/// Longest name that a client may give to a change.
const NAME_BYTES_MAX: usize = 256;

/// An entity as REST tells of it.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    key: &'a EntityKey,
    version: Version,
    updated_at: ServerTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<&'a Fields>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
}

impl<'a> Told<'a> {
    fn new(key: &'a EntityKey, entity: &'a WireEntity) -> Self {
        Self {
            key,
            version: entity.version,
            updated_at: entity.updated_at,
            fields: entity.fields.as_ref(),
            deleted: entity.fields.is_none(),
        }
    }
}

/// A problem that comes with the entity as the server has it.
#[derive(Serialize)]
struct ProblemWithEntity<'a> {
    #[serde(flatten)]
    problem: Problem,
    entity: Told<'a>,
}

#[derive(Deserialize)]
struct Create {
    #[serde(default)]
    id: Option<EntityId>,
    #[serde(default)]
    fields: Fields,
}

#[derive(Deserialize)]
struct Replace {
    fields: Fields,
}

#[derive(Deserialize)]
struct Patch {
    fields: BTreeMap<String, Option<Value>>,
}

/// A page of a type.
#[derive(Serialize)]
struct Listed {
    items: Vec<Row>,
    next: String,
    more: bool,
}

/// A part of the query of an address. Those that are asked for here need no escapes.
fn queried<'u>(uri: &'u Uri, name: &str) -> Option<&'u str> {
    let pairs = uri.query().unwrap_or_default().split('&');
    pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, v)| v)
}

fn type_of(text: &str) -> Result<EntityType, Refusal> {
    EntityType::new(text).map_err(|error| bad(&error.to_string()))
}

fn key_of((entity_type, id): (String, String)) -> Result<EntityKey, Refusal> {
    EntityKey::new(&entity_type, &id).map_err(|error| bad(&error.to_string()))
}

fn bad(detail: &str) -> Refusal {
    Refusal::new(400, ProblemCode::BadRequest, "The request cannot be read", detail)
}

fn missing() -> Refusal {
    let title = "There is no such entity";
    Refusal::new(404, ProblemCode::NotFound, title, "it was never made in this account")
}

/// Makes an entity.
pub(super) async fn create(
    State(app): State<Arc<App>>,
    Path(entity_type): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let who = identify(&app, &headers).await?;
    let entity_type = type_of(&entity_type)?;
    let received = receive(&headers, body, REQUEST_BYTES_MAX).await?;
    app.blocking(move |app| {
        let Create { id, fields } = received.message()?;
        let chosen = id.filter(|_| app.rest_ids == RestIds::Client);
        let said = (&entity_type, &chosen, &fields);
        let said = serde_json::to_vec(&said).map_err(|_| Refusal::failure())?;
        let id = match chosen.clone() {
            Some(id) => id,
            None => app.core.new_entity_id()?,
        };
        let key = EntityKey { entity_type, id };
        let asked = Asked { method: Method::POST, said, key, on: None, wish: Wish::Create(fields) };
        change(app, &who, &headers, asked)
    })
    .await
}

/// Reads an entity.
pub(super) async fn read(
    State(app): State<Arc<App>>,
    Path(path): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let who = identify(&app, &headers).await?;
    let key = key_of(path)?;
    app.blocking(move |app| match app.core.read_one(who.account, &key)? {
        Some(entity) if entity.fields.is_some() => {
            let mut response = json(&Told::new(&key, &entity), Encoding::accepted(&headers))?;
            tag(&mut response, entity.version);
            Ok(response)
        }
        Some(entity) => Ok(gone(&key, &entity)),
        None => Err(missing()),
    })
    .await
}

/// Changes some fields of an entity.
pub(super) async fn patch(
    State(app): State<Arc<App>>,
    Path(path): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let who = identify(&app, &headers).await?;
    let (key, on) = (key_of(path)?, condition(&headers)?);
    let received = receive(&headers, body, REQUEST_BYTES_MAX).await?;
    app.blocking(move |app| {
        let Patch { fields } = received.message()?;
        let said = serde_json::to_vec(&(&key, on, &fields)).map_err(|_| Refusal::failure())?;
        let asked = Asked { method: Method::PATCH, said, key, on, wish: Wish::Patch(fields) };
        change(app, &who, &headers, asked)
    })
    .await
}

/// Gives an entity these fields and no others; makes it, where clients choose the ids.
pub(super) async fn replace(
    State(app): State<Arc<App>>,
    Path(path): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let who = identify(&app, &headers).await?;
    let (key, on) = (key_of(path)?, condition(&headers)?);
    let received = receive(&headers, body, REQUEST_BYTES_MAX).await?;
    app.blocking(move |app| {
        let Replace { fields } = received.message()?;
        let said = serde_json::to_vec(&(&key, on, &fields)).map_err(|_| Refusal::failure())?;
        if app.rest_ids == RestIds::Server && app.core.read_one(who.account, &key)?.is_none() {
            return Err(missing());
        }
        let asked = Asked { method: Method::PUT, said, key, on, wish: Wish::Replace(fields) };
        change(app, &who, &headers, asked)
    })
    .await
}

/// Deletes an entity.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Path(path): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let who = identify(&app, &headers).await?;
    let (key, on) = (key_of(path)?, condition(&headers)?);
    app.blocking(move |app| {
        let said = serde_json::to_vec(&(&key, on)).map_err(|_| Refusal::failure())?;
        let asked = Asked { method: Method::DELETE, said, key, on, wish: Wish::Delete };
        change(app, &who, &headers, asked)
    })
    .await
}

/// Lists the entities of a type in the order of their newest changes.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Path(entity_type): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let who = identify(&app, &headers).await?;
    let entity_type = type_of(&entity_type)?;
    app.blocking(move |app| {
        let limit = queried(&uri, "limit").map(str::parse).transpose();
        let limit = limit.map_err(|_| bad("limit takes a whole number"))?;
        let part = (queried(&uri, "after"), limit);
        let listed = app.core.list_one_type(who.account, who.device, &entity_type, part)?;
        let (page, next) = listed;
        let listed = Listed { items: page.rows, next, more: page.more };
        json(&listed, Encoding::accepted(&headers))
    })
    .await
}

/// A change as it was asked for.
struct Asked {
    method: Method,
    /// All that the request says.
    said: Vec<u8>,
    key: EntityKey,
    on: Option<Version>,
    wish: Wish,
}

fn change(
    app: &App,
    who: &Identified,
    headers: &HeaderMap,
    asked: Asked,
) -> Result<Response, Refusal> {
    let Asked { method, mut said, key, on, wish } = asked;
    said.extend_from_slice(method.as_str().as_bytes());
    let name = name(headers)?;
    let wanted = (key.clone(), on, wish);
    let (outcome, changed) = app.core.change_one(who.account, who.device, &name, &said, wanted)?;
    app.hub.changed(who.account, who.device, &changed);
    match outcome {
        SingleOutcome::Done { key, version, entity } => {
            let mut response = json(&Told::new(&key, &entity), Encoding::accepted(headers))?;
            tag(&mut response, entity.version);
            if method == Method::POST || version == Version(1) && method == Method::PUT {
                *response.status_mut() = StatusCode::CREATED;
                let place = format!("{}/{}/{}", path::ENTITIES, key.entity_type, escaped(&key.id));
                if let Ok(place) = HeaderValue::try_from(place) {
                    response.headers_mut().insert(header::LOCATION, place);
                }
            }
            Ok(response)
        }
        SingleOutcome::Stale(entity) => {
            let is_condition = app.rest_ids == RestIds::Client && on.is_some();
            Ok(stale(if is_condition { 412 } else { 409 }, &key, &entity))
        }
        SingleOutcome::Gone(entity) => Ok(gone(&key, &entity)),
        SingleOutcome::Missing => Err(missing()),
        SingleOutcome::Rejected(rejection) => Err(rejected(&rejection)),
        SingleOutcome::NameReused | SingleOutcome::NameForgotten => {
            let detail = "read the entity, and ask again under another key";
            let title = "The idempotency key was used before";
            Err(Refusal::new(422, ProblemCode::IdempotencyKeyReused, title, detail))
        }
    }
}

fn stale(status: u16, key: &EntityKey, entity: &WireEntity) -> Response {
    let problem = Problem::new(status, ProblemCode::Stale, "The entity has another version")
        .with_detail("lay the change on the version that comes with this answer");
    with_entity(problem, key, entity)
}

fn gone(key: &EntityKey, entity: &WireEntity) -> Response {
    let problem = Problem::new(410, ProblemCode::Deleted, "The entity was deleted")
        .with_detail("make it anew, or leave it");
    with_entity(problem, key, entity)
}

fn rejected(rejection: &Rejection) -> Refusal {
    let (status, code) = match rejection.code {
        RejectReason::TooLarge => (413, ProblemCode::TooLarge),
        RejectReason::NotFound => (404, ProblemCode::NotFound),
        _ => (422, ProblemCode::BadRequest),
    };
    Refusal::new(status, code, "The change cannot be made", &rejection.message)
}

fn with_entity(problem: Problem, key: &EntityKey, entity: &WireEntity) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::CONFLICT);
    let body = ProblemWithEntity { problem, entity: Told::new(key, entity) };
    let Ok(body) = serde_json::to_vec(&body) else { return Refusal::failure().into_response() };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static(PROBLEM_TYPE);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    tag(&mut response, entity.version);
    response
}

fn tag(response: &mut Response, version: Version) {
    if let Ok(value) = HeaderValue::try_from(format!("\"{}\"", version.0)) {
        response.headers_mut().insert(header::ETAG, value);
    }
}

/// An id as a part of a path.
fn escaped(id: &EntityId) -> String {
    let mut path = String::with_capacity(id.as_str().len());
    for byte in id.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}

/// The version that `If-Match` names; absent without one and for `*`.
fn condition(headers: &HeaderMap) -> Result<Option<Version>, Refusal> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let quoted = text.strip_prefix("W/").unwrap_or(text);
    let number = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let version = number.and_then(|digits| digits.parse().ok()).map(Version);
    version.map(Some).ok_or_else(|| bad("If-Match takes one ETag of this server"))
}

fn name(headers: &HeaderMap) -> Result<ChangeName, Refusal> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(ChangeName::Unnamed) };
    match value.to_str() {
        Ok(text) if (1..=NAME_BYTES_MAX).contains(&text.len()) => {
            // The header is a structured string: its quotes are not part of the name.
            Ok(ChangeName::Named(text.trim().trim_matches('"').to_owned()))
        }
        _ => Err(bad("Idempotency-Key takes 1 to 256 visible ASCII characters")),
    }
}
