//! `POST /v1/push`, `POST /v1/pull` and `POST /v1/fetch`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use clarity_model::limits;
use clarity_protocol::{FetchRequest, PullRequest, PushRequest};

use super::answer::{Encoding, Refusal, json, json_bytes};
use super::body::receive;
use super::{App, identify};

/// Largest pull request: a cursor and a list of types.
const PULL_REQUEST_BYTES_MAX: usize = 64 * 1024;

/// Applies operations, and after the commit hints the account's other devices.
pub(super) async fn push(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let who = identify(&app, &headers).await?;
    let received = receive(&headers, body, limits::REQUEST_BYTES_MAX).await?;
    let encoding = Encoding::accepted(&headers);
    app.blocking(move |app| {
        let request: PushRequest = received.message()?;
        let pushed = app.core.push_noting(who.account, who.device, &request)?;
        app.hub.changed(who.account, who.device, &pushed.changed);
        json(&pushed.response, encoding)
    })
    .await
}

/// Reads a page.
pub(super) async fn pull(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let who = identify(&app, &headers).await?;
    let received = receive(&headers, body, PULL_REQUEST_BYTES_MAX).await?;
    let encoding = Encoding::accepted(&headers);
    app.blocking(move |app| {
        let request: PullRequest = received.message()?;
        let page = app.core.pull_json(who.account, who.device, &request)?;
        Ok(json_bytes(page, encoding))
    })
    .await
}

/// Reads what a device asks for by name.
pub(super) async fn fetch(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let who = identify(&app, &headers).await?;
    let received = receive(&headers, body, limits::FETCH_REQUEST_BYTES_MAX).await?;
    let encoding = Encoding::accepted(&headers);
    app.blocking(move |app| {
        let request: FetchRequest = received.message()?;
        let answer = app.core.fetch_json(who.account, &request)?;
        Ok(json_bytes(answer, encoding))
    })
    .await
}
