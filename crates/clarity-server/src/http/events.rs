//! `GET /v1/events`: hints as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use futures_util::stream;

use super::answer::Refusal;
use super::{App, identify};

/// How often a silent stream shows that it is alive, so that both sides notice a dead network.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Opens a stream of hints. It ends when the device is revoked or the server stops.
pub(super) async fn events(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let who = identify(&app, &headers).await?;
    let subscription = app.hub.subscribe(who.account, who.device);
    // The first comment makes proxies and readers see the beginning of the stream at once.
    let opened = stream::once(async { Ok::<_, Infallible>(Bytes::from_static(b": open\n\n")) });
    let hints = stream::unfold(subscription, |subscription| async {
        let event = match tokio::time::timeout(KEEP_ALIVE, subscription.next()).await {
            Ok(Some(hint)) => Bytes::from(format!("data: {}\n\n", hint.to_json())),
            Ok(None) => return None,
            Err(_) => Bytes::from_static(b": alive\n\n"),
        };
        Some((Ok(event), subscription))
    });
    let mut response =
        Response::new(Body::from_stream(futures_util::StreamExt::chain(opened, hints)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // Asks a proxy not to hold the stream back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}
