//! The server over HTTP: routes, and nothing that decides.

mod account;
mod answer;
mod app;
mod body;
mod events;
mod guard;
mod health;
mod rest;
mod sync;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{self, delete, get, post};
use clarity_protocol::{PROTOCOL_HEADER, ProblemCode, path};
use tokio::sync::Semaphore;
use tower_http::cors::CorsLayer;

use crate::auth::{Auth, AuthError, Identified};
use crate::core::Core;
use crate::events::Hub;
use crate::server::RestIds;
use crate::storage::sqlite::SqliteStorage;
use crate::web_app::WebApp;

use answer::Refusal;

/// Requests that are worked on at once. Each holds at most a request and a page in memory.
const REQUESTS_MAX: usize = 32;
/// Passwords that are hashed at once.
const PASSWORDS_MAX: usize = 2;

/// What all requests share.
pub(crate) struct App {
    pub(crate) core: Arc<Core>,
    pub(crate) auth: Auth<SqliteStorage>,
    pub(crate) hub: Arc<Hub>,
    requests: Semaphore,
    passwords: Semaphore,
    passwords_waiting: Semaphore,
    rest_ids: RestIds,
}

impl App {
    pub(crate) fn new(core: Arc<Core>, auth: Auth<SqliteStorage>, rest_ids: RestIds) -> Self {
        Self {
            core,
            auth,
            hub: Arc::new(Hub::default()),
            requests: Semaphore::new(REQUESTS_MAX),
            passwords: Semaphore::new(PASSWORDS_MAX),
            passwords_waiting: account::passwords_waiting(),
            rest_ids,
        }
    }

    /// Carries out work that waits for the disk or takes time, off the async threads. It is
    /// finished even when the other side hangs up, so that hints follow every commit.
    async fn blocking<R: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<R, Refusal> + Send + 'static,
    ) -> Result<R, Refusal> {
        let app = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&app)).await;
        done.unwrap_or_else(|_| {
            tracing::error!("a request panicked");
            Err(Refusal::failure())
        })
    }
}

/// Whose request it is, by its access token.
async fn identify(app: &Arc<App>, headers: &HeaderMap) -> Result<Identified, Refusal> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = value.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    });
    let token = token.ok_or(AuthError::TokenExpired)?;
    app.blocking(move |app| Ok(app.auth.identify(&token)?)).await
}

/// All routes. With a web app, whatever is not of the protocol is one of its files.
pub(crate) fn router(app: &Arc<App>, origins: &[HeaderValue], web_app: Option<WebApp>) -> Router {
    let device = format!("{}/{{id}}", path::DEVICES);
    let spoken = Router::new()
        .route(path::PUSH, post(sync::push))
        .route(path::PULL, post(sync::pull))
        .route(path::FETCH, post(sync::fetch))
        .route(path::EVENTS, get(events::events))
        .route(path::ACCOUNTS, post(account::sign_up))
        .route(path::LOGIN, post(account::login))
        .route(path::REFRESH, post(account::refresh))
        .route(path::DEVICES, get(account::devices))
        .route(&device, delete(account::revoke))
        .layer(from_fn(guard::require_protocol));
    // Programs that know nothing of the protocol but HTTP.
    let one = routing::patch(rest::patch).put(rest::replace).delete(rest::delete).get(rest::read);
    let rest = Router::new()
        .route(&format!("{}/{{type}}", path::ENTITIES), post(rest::create).get(rest::list))
        .route(&format!("{}/{{type}}/{{id}}", path::ENTITIES), one);
    let mut router = Router::new()
        .route(path::HEALTH, get(health::health))
        .route("/v1/ready", get(health::ready))
        .merge(spoken)
        .merge(rest)
        .method_not_allowed_fallback(wrong_method)
        .route("/v1/{*rest}", axum::routing::any(nothing_here))
        .layer(from_fn_with_state(Arc::clone(app), guard::bound))
        .with_state(Arc::clone(app));
    router = match web_app {
        Some(files) => router.fallback_service(app::files(Arc::new(files))),
        None => router.fallback(nothing_here),
    };
    if !origins.is_empty() {
        router = router.layer(cors(origins));
    }
    router.layer(from_fn(guard::mark))
}

async fn nothing_here() -> Refusal {
    let detail = "check the address and the version of the server";
    Refusal::new(404, ProblemCode::NotFound, "There is nothing at this path", detail)
}

async fn wrong_method() -> Refusal {
    let detail = "check the address and the version of the server";
    Refusal::new(405, ProblemCode::NotFound, "This path takes another method", detail)
}

/// Lets web apps of these origins use the server.
fn cors(origins: &[HeaderValue]) -> CorsLayer {
    let protocol = HeaderName::from_static(PROTOCOL_HEADER);
    CorsLayer::new()
        .allow_origin(origins.to_vec())
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::CONTENT_ENCODING,
            header::IF_MATCH,
            HeaderName::from_static("idempotency-key"),
            protocol.clone(),
        ])
        .expose_headers([protocol, header::RETRY_AFTER, header::ETAG, header::LOCATION])
}
