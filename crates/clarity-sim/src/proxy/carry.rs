//! How one request is carried.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::{Result, bail};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::{CONNECTION, HOST};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use super::{Shared, Way, Weather};

/// The longest delay of a request, in milliseconds.
const DELAY_MS_MAX: i64 = 250;
/// In how many pieces an answer trickles.
const TRICKLES: usize = 20;
/// The pause between two of them.
const TRICKLE_PAUSE: Duration = Duration::from_millis(5);

type Answer = Response<BoxBody<Bytes, std::io::Error>>;

/// Which way of a link.
type Choose = fn(&Weather) -> Way;

const TO_SERVER: Choose = |weather| weather.to_server;
const TO_DEVICE: Choose = |weather| weather.to_device;

/// Takes connections for as long as the proxy lives.
pub(super) async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    weather: watch::Receiver<Weather>,
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (shared, weather) = (Arc::clone(&shared), weather.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| carry(&shared, weather.clone(), request));
            let connection = hyper::server::conn::http1::Builder::new();
            let served = connection.serve_connection(TokioIo::new(stream), service);
            let mut broken = weather.clone();
            // A connection that breaks is what this network is for.
            tokio::select! {
                _ = served => {}
                _ = broken.wait_for(|now| TO_SERVER(now) == Way::Broken) => {}
                else => {}
            }
        });
    }
}

/// Waits until a way carries; an error when it is broken.
async fn pass_along(weather: &mut watch::Receiver<Weather>, way: Choose) -> Result<()> {
    let now = *weather.wait_for(|now| way(now) != Way::Held).await?;
    if way(&now) == Way::Broken {
        bail!("partitioned");
    }
    Ok(())
}

/// Carries one request there and its answer back. An error breaks the device's connection.
async fn carry(
    shared: &Shared,
    mut weather: watch::Receiver<Weather>,
    request: Request<Incoming>,
) -> Result<Answer> {
    let (mut head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    head.headers.remove(CONNECTION);
    let again = || {
        let mut copy = Request::new(Full::new(body.clone()));
        *copy.method_mut() = head.method.clone();
        *copy.uri_mut() = head.uri.clone();
        *copy.headers_mut() = head.headers.clone();
        copy
    };
    pass_along(&mut weather, TO_SERVER).await?;
    let faults = weather.borrow().faults;
    if shared.meets(faults.request_lost, "request_lost") {
        bail!("lost on the way there");
    }
    if shared.meets(faults.refused, "refused") {
        let mut answer = Response::new(Empty::new().map_err(|never| match never {}).boxed());
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        return Ok(answer);
    }
    if shared.meets(faults.delayed, "delayed") {
        tokio::time::sleep(Duration::from_millis(shared.below(DELAY_MS_MAX))).await;
    }
    let mut answer = ask(shared, again()).await?;
    if is_stream(&answer) {
        return Ok(answer.map(|body| stream(body, weather)));
    }
    if shared.meets(faults.sent_twice, "sent_twice") {
        drop(answer.into_body().collect().await?);
        answer = ask(shared, again()).await?;
    }
    let (head, body) = answer.into_parts();
    let body = body.collect().await?.to_bytes();
    pass_along(&mut weather, TO_DEVICE).await?;
    if shared.meets(faults.answer_lost, "answer_lost") {
        bail!("lost on the way back");
    }
    let body = if shared.meets(faults.broken_off, "broken_off") {
        in_pieces(body, true)
    } else if shared.meets(faults.trickles, "trickles") {
        in_pieces(body, false)
    } else {
        Full::new(body).map_err(|never| match never {}).boxed()
    };
    Ok(Response::from_parts(head, body))
}

/// Hands a request to the server and takes its answer.
async fn ask(shared: &Shared, mut request: Request<Full<Bytes>>) -> Result<Response<Incoming>> {
    let stream = TcpStream::connect(shared.server).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    request.headers_mut().insert(HOST, shared.server.to_string().parse()?);
    Ok(sender.send_request(request).await?)
}

fn is_stream(answer: &Response<Incoming>) -> bool {
    let kind = answer.headers().get(hyper::header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// Passes a stream on as it comes, and as its way allows.
fn stream(body: Incoming, mut weather: watch::Receiver<Weather>) -> BoxBody<Bytes, std::io::Error> {
    let (pieces, received) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut body = body;
        while let Some(Ok(frame)) = body.frame().await {
            let Ok(bytes) = frame.into_data() else { continue };
            if pass_along(&mut weather, TO_DEVICE).await.is_err()
                || pieces.send(Ok(bytes)).await.is_err()
            {
                return;
            }
        }
    });
    Pieces(received).boxed()
}

/// An answer in small pieces; the last half of them does not come where it breaks off.
fn in_pieces(body: Bytes, breaks_off: bool) -> BoxBody<Bytes, std::io::Error> {
    let (pieces, received) = mpsc::channel(1);
    tokio::spawn(async move {
        let size = body.len().div_ceil(TRICKLES).max(1);
        let count = body.len().div_ceil(size);
        for (number, piece) in body.chunks(size).enumerate() {
            if breaks_off && number * 2 >= count {
                let _ = pieces.send(Err(std::io::ErrorKind::ConnectionReset.into())).await;
                return;
            }
            if pieces.send(Ok(Bytes::copy_from_slice(piece))).await.is_err() {
                return;
            }
            tokio::time::sleep(TRICKLE_PAUSE).await;
        }
    });
    Pieces(received).boxed()
}

/// A body that comes in pieces.
struct Pieces(mpsc::Receiver<std::io::Result<Bytes>>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
