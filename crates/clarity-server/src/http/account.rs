//! Accounts, tokens and devices.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use clarity_protocol::{LoginRequest, ProblemCode, RefreshRequest, SignUpRequest};

use super::answer::{Encoding, Refusal, json};
use super::body::receive;
use super::{App, identify};

/// Largest request about accounts.
const REQUEST_BYTES_MAX: usize = 16 * 1024;
/// Requests with a password that wait for their turn, at most.
const PASSWORDS_WAITING_MAX: usize = 64;

/// Makes an account.
pub(super) async fn sign_up(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let received = receive(&headers, body, REQUEST_BYTES_MAX).await?;
    let _turn = password_turn(&app).await?;
    app.blocking(move |app| {
        let request: SignUpRequest = received.message()?;
        json(&app.auth.sign_up(&request)?, Encoding::Plain)
    })
    .await
}

/// Signs a device in.
pub(super) async fn login(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let received = receive(&headers, body, REQUEST_BYTES_MAX).await?;
    let _turn = password_turn(&app).await?;
    app.blocking(move |app| {
        let request: LoginRequest = received.message()?;
        json(&app.auth.login(&request)?, Encoding::Plain)
    })
    .await
}

/// Hashing a password takes a core and 19 MiB, so few are hashed at once and few wait.
async fn password_turn(app: &App) -> Result<tokio::sync::SemaphorePermit<'_>, Refusal> {
    let too_many = || {
        let title = "Too many sign-ins at once";
        Refusal::new(429, ProblemCode::TooManyRequests, title, "try again later").retry_after(5_000)
    };
    let _waiting = app.passwords_waiting.try_acquire().map_err(|_| too_many())?;
    app.passwords.acquire().await.map_err(|_| Refusal::busy())
}

/// How many requests with a password wait, at most.
pub(super) fn passwords_waiting() -> tokio::sync::Semaphore {
    tokio::sync::Semaphore::new(PASSWORDS_WAITING_MAX)
}

/// Gives the successor of a refresh token.
pub(super) async fn refresh(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let received = receive(&headers, body, REQUEST_BYTES_MAX).await?;
    app.blocking(move |app| {
        let request: RefreshRequest = received.message()?;
        json(&app.auth.refresh(&request)?, Encoding::Plain)
    })
    .await
}

/// Lists the account's devices.
pub(super) async fn devices(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let who = identify(&app, &headers).await?;
    let encoding = Encoding::accepted(&headers);
    app.blocking(move |app| json(&app.auth.devices(who)?, encoding)).await
}

/// Revokes a device of the account, perhaps the asking one, and answers the list.
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let who = identify(&app, &headers).await?;
    let encoding = Encoding::accepted(&headers);
    app.blocking(move |app| {
        let device = app.auth.revoke(who, &id)?;
        app.hub.end_device(who.account, device);
        json(&app.auth.devices(who)?, encoding)
    })
    .await
}
