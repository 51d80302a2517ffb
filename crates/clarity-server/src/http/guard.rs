//! What holds for every request: the protocol's header, a bound on work, a line in the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use clarity_protocol::{PROTOCOL_HEADER, PROTOCOL_VERSION, ProblemCode, path};

use super::App;
use super::answer::Refusal;

/// How long a request waits for its turn before it is told to come back.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// The header with the number by which an answer is found in the log.
const REQUEST_ID_HEADER: &str = "x-request-id";

static REQUESTS: AtomicU64 = AtomicU64::new(1);

/// Marks every answer as ours and logs it: the route, never the path, which may name a device.
pub(super) async fn mark(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let number = REQUESTS.fetch_add(1, Ordering::Relaxed);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    let route = route.as_ref().map_or("-", MatchedPath::as_str);
    let headers = response.headers_mut();
    headers.insert(PROTOCOL_HEADER, HeaderValue::from(PROTOCOL_VERSION));
    headers.insert(REQUEST_ID_HEADER, HeaderValue::from(number));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if route.starts_with("/v1/") {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let status = response.status().as_u16();
    tracing::info!(request = number, %method, route, status, duration_ms, "answered");
    response
}

/// Refuses whoever does not speak this version of the protocol.
pub(super) async fn require_protocol(request: Request, next: Next) -> Response {
    let spoken = request.headers().get(PROTOCOL_HEADER).and_then(|value| value.to_str().ok());
    if spoken.and_then(|text| text.trim().parse().ok()) == Some(PROTOCOL_VERSION) {
        return next.run(request).await;
    }
    let title = "This server speaks another version of the protocol";
    let detail = format!("send the header {PROTOCOL_HEADER}: {PROTOCOL_VERSION}, or update");
    Refusal::new(426, ProblemCode::UpgradeRequired, title, &detail).into_response()
}

/// Lets a bounded number of requests in at once; the others wait a little, then come back later.
pub(super) async fn bound(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    // A stream of events is open for hours and does nothing.
    if request.uri().path() == path::EVENTS || request.method() == Method::OPTIONS {
        return next.run(request).await;
    }
    match tokio::time::timeout(WAIT_MAX, app.requests.acquire()).await {
        Ok(Ok(_permit)) => next.run(request).await,
        _ => Refusal::busy().into_response(),
    }
}
