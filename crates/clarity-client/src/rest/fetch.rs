//! Fetching by name: one request for each entity.

use clarity_engine::protocol::model::{EntityId, EntityKey, Seq, Version};
use clarity_engine::protocol::{Failure, FailureClass, FetchRequest, FetchResponse, Row};

use super::answer::judge_read;
use super::request::Ask;
use super::{Inner, now};

/// Most entities that one answer holds; the engine asks again for the others.
const KEYS_AT_ONCE: usize = 20;
/// The position of everything that is fetched: these backends leave no row short, so that any
/// other than none will do.
const READ: Seq = Seq(1);

/// Fetches entities by their keys. These backends give no stretches of time: asked for one, the
/// engine reads everything again instead.
pub(super) async fn fetch(
    inner: &Inner,
    request: FetchRequest,
    token: Option<&str>,
) -> Result<FetchResponse, Failure> {
    if !request.ranges.is_empty() {
        let words = "this backend gives no stretches of time";
        return Err(Failure::new(FailureClass::BadRequest, words));
    }
    let (mut rows, mut unknown) = (Vec::new(), Vec::new());
    for key in request.keys.into_iter().take(KEYS_AT_ONCE) {
        match one(inner, &key, token).await? {
            Some(row) => rows.push(row),
            None => unknown.push(key),
        }
    }
    let epoch = inner.backend.epoch;
    Ok(FetchResponse {
        epoch,
        at: now(),
        head: READ,
        check: None,
        rows,
        unknown,
        ranges_done: 0,
        after: None,
    })
}

/// One entity; nothing when the backend does not have it.
async fn one(inner: &Inner, key: &EntityKey, token: Option<&str>) -> Result<Option<Row>, Failure> {
    let backend = &inner.backend;
    let Some(endpoint) = backend.types.get(&key.entity_type) else { return Ok(None) };
    let heard = inner.ask(&Ask::get(backend.item(endpoint, &key.id)), token).await?;
    if matches!(heard.status, 400 | 403 | 422) && !heard.is_html {
        let words = "the backend does not give it to this account";
        return Err(Failure::new(FailureClass::BadRequest, words));
    }
    let Some(read) = judge_read(backend, &heard)? else { return Ok(None) };
    let id = read.id.and_then(|id| EntityId::new(id).ok()).unwrap_or_else(|| key.id.clone());
    Ok(Some(Row {
        key: EntityKey { entity_type: key.entity_type.clone(), id },
        version: read.version.unwrap_or(Version(1)),
        seq: READ,
        updated_at: read.updated_at,
        deleted: read.fields.is_none(),
        fields: read.fields,
        outside: false,
        operations: Vec::new(),
    }))
}
