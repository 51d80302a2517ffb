//! The files of a web app, served besides the protocol from the same origin.

use std::path::Path;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use tower_http::services::{ServeDir, ServeFile};

use super::nothing_here;

/// Files under this path have a hash of what they hold in their name: they never change.
const HASHED: &str = "/assets/";
/// The app runs its own scripts and no others, compiles its engine, and talks to its own server and
/// to nobody else. No page may put it into a frame.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; \
    style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; \
    worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// The files in a folder. A path that names no file is a screen of the app, which its page shows;
/// one that looks like a file and is none is not there.
pub(super) fn files(directory: &Path) -> Router {
    let page = ServeFile::new(directory.join("index.html"));
    let files = ServeDir::new(directory).precompressed_br().precompressed_gzip().fallback(page);
    Router::new().fallback_service(files).layer(from_fn(dress))
}

/// Says how long what is served holds, and what it may do.
async fn dress(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    let last = path.rsplit('/').next().unwrap_or_default();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_page = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if is_page && last.contains('.') && !last.ends_with(".html") {
        return nothing_here().await.into_response();
    }
    let is_whole = response.status().is_success() && !is_page;
    let keep = match path.starts_with(HASHED) && is_whole {
        true => "public, max-age=31536000, immutable",
        // Kept, and asked for again each time: without a change the answer is short.
        false => "no-cache",
    };
    let headers = response.headers_mut();
    let mut put = |name: HeaderName, value| headers.insert(name, HeaderValue::from_static(value));
    put(header::CACHE_CONTROL, keep);
    put(header::CONTENT_SECURITY_POLICY, POLICY);
    put(header::REFERRER_POLICY, "no-referrer");
    put(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    put(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    response
}
