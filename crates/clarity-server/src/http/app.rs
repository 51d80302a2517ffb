//! A web app, served besides the protocol from the same origin.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::{nothing_here, wrong_method};
use crate::web_app::WebApp;

/// Files under this path have a hash of what they hold in their name: they never change.
const HASHED: &str = "/assets/";
/// The app runs its own scripts and no others, compiles its engine, and talks to its own server and
/// to nobody else. No page may put it into a frame.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; \
    style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; \
    worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// The app at every path that the protocol has not.
pub(super) fn files(app: Arc<WebApp>) -> Router {
    Router::new().fallback(get(file).fallback(wrong_method)).with_state(app)
}

/// Answers with a file, how long it holds, and what it may do.
async fn file(State(app): State<Arc<WebApp>>, request: Request) -> Response {
    let path = request.uri().path();
    let Some((file, is_page)) = app.at(path) else {
        return nothing_here().await.into_response();
    };
    let asked = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let accepted = asked(header::ACCEPT_ENCODING).unwrap_or_default();
    let (form, encoding) = file.for_who_accepts(accepted);
    let keep = match path.starts_with(HASHED) && !is_page {
        true => "public, max-age=31536000, immutable",
        // Kept, and asked for again each time: without a change the answer is short.
        false => "no-cache",
    };
    let mut headers = HeaderMap::new();
    let mut put = |name: HeaderName, value| headers.insert(name, HeaderValue::from_static(value));
    put(header::CACHE_CONTROL, keep);
    put(header::CONTENT_SECURITY_POLICY, POLICY);
    put(header::REFERRER_POLICY, "no-referrer");
    put(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    put(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    if let Some(encoding) = encoding {
        put(header::CONTENT_ENCODING, encoding);
    }
    if file.has_smaller_forms() {
        put(header::VARY, "accept-encoding");
    }
    for (name, value) in [(header::ETAG, &form.etag), (header::CONTENT_TYPE, &file.content_type)] {
        // Both are made of letters, digits and a few signs; a type that is not is left to guess.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    let known = asked(header::IF_NONE_MATCH).unwrap_or_default();
    let is_known = |one: &str| one == "*" || one.trim_start_matches("W/") == form.etag;
    if known.split(',').map(str::trim).any(is_known) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, form.bytes.clone()).into_response()
}
