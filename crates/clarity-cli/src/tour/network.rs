//! The faulty network: an HTTP proxy between the devices and the server.
//!
//! Faults are dealt from shuffled decks, one for pushes and one for everything else, so that each
//! kind really happens in every run and the order follows from the seed.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, HOST};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use crate::tour::dice::Dice;

/// The longest delay, in milliseconds.
const DELAY_MS_MAX: u64 = 250;
/// Where devices sign in: a person at a screen would simply press the button again.
const SIGN_IN_PATHS: [&str; 2] = ["/v1/login", "/v1/accounts"];
/// The stream of hints, which is passed on as it comes.
const EVENTS_PATH: &str = "/v1/events";
const PUSH_PATH: &str = "/v1/push";

/// What the network is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Weather {
    /// Everything arrives.
    Fair = 0,
    /// Nothing arrives.
    Offline = 1,
    /// Faults are dealt.
    Faulty = 2,
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    Nothing,
    DropRequest,
    LoseAnswer,
    Duplicate,
    Delay,
    Refuse,
}

/// How often each fault happened.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct FaultCounts {
    pub(crate) requests: u64,
    pub(crate) requests_dropped: u64,
    pub(crate) answers_lost: u64,
    pub(crate) duplicated: u64,
    pub(crate) delayed: u64,
    pub(crate) refused: u64,
}

#[derive(Debug)]
struct Dealer {
    dice: Dice,
    push: Vec<Fault>,
    other: Vec<Fault>,
    counts: FaultCounts,
}

#[derive(Debug)]
struct Shared {
    weather: AtomicU8,
    server: Mutex<SocketAddr>,
    dealer: Mutex<Dealer>,
    /// Tells of each request that is passed on to the server.
    passing: Mutex<Option<mpsc::Sender<()>>>,
}

/// The network of a tour. It ends with this value.
#[derive(Debug)]
pub(crate) struct Network {
    shared: Arc<Shared>,
    address: String,
    _runtime: Runtime,
}

type Body = BoxBody<Bytes, hyper::Error>;

impl Network {
    /// Starts a network to a server.
    pub(crate) fn start(server: SocketAddr, seed: u64) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("starting the network")?;
        let dealer = Dealer {
            dice: Dice::new(seed),
            push: Vec::new(),
            other: Vec::new(),
            counts: FaultCounts::default(),
        };
        let shared = Arc::new(Shared {
            weather: AtomicU8::new(Weather::Fair as u8),
            server: Mutex::new(server),
            dealer: Mutex::new(dealer),
            passing: Mutex::new(None),
        });
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = format!("http://{}", listener.local_addr()?);
        runtime.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { shared, address, _runtime: runtime })
    }

    /// The address that devices take for the server's.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn set_weather(&self, weather: Weather) {
        self.shared.weather.store(weather as u8, Ordering::SeqCst);
    }

    pub(crate) fn counts(&self) -> FaultCounts {
        lock(&self.shared.dealer).counts
    }

    /// From now on tells of each request that is passed on to the server, to whoever asked last.
    pub(crate) fn passing(&self) -> mpsc::Receiver<()> {
        let (tell, told) = mpsc::channel();
        *lock(&self.shared.passing) = Some(tell);
        told
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn is_offline(&self) -> bool {
        self.weather.load(Ordering::SeqCst) == Weather::Offline as u8
    }

    fn is_faulty(&self) -> bool {
        self.weather.load(Ordering::SeqCst) == Weather::Faulty as u8
    }

    fn deal(&self, path: &str) -> (Fault, Duration) {
        let mut dealer = lock(&self.dealer);
        dealer.counts.requests += 1;
        if !self.is_faulty() || SIGN_IN_PATHS.contains(&path) || path == EVENTS_PATH {
            return (Fault::Nothing, Duration::ZERO);
        }
        let Dealer { dice, push, other, counts } = &mut *dealer;
        let deck = if path == PUSH_PATH { push } else { other };
        if deck.is_empty() {
            *deck = vec![
                Fault::Nothing,
                Fault::Delay,
                Fault::Duplicate,
                Fault::LoseAnswer,
                Fault::DropRequest,
                Fault::Refuse,
            ];
            dice.shuffle(deck);
        }
        let fault = deck.pop().unwrap_or(Fault::Nothing);
        match fault {
            Fault::Nothing => {}
            Fault::DropRequest => counts.requests_dropped += 1,
            Fault::LoseAnswer => counts.answers_lost += 1,
            Fault::Duplicate => counts.duplicated += 1,
            Fault::Delay => counts.delayed += 1,
            Fault::Refuse => counts.refused += 1,
        }
        (fault, Duration::from_millis(dice.below(DELAY_MS_MAX)))
    }

    fn tell_passing(&self) {
        if let Some(tell) = &*lock(&self.passing) {
            // Whoever asked may have heard enough.
            let _ = tell.send(());
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        if shared.is_offline() {
            continue;
        }
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(|request| carry(Arc::clone(&shared), request));
            let connection = hyper::server::conn::http1::Builder::new();
            // A connection that breaks is what this network is for.
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// Passes one request on, or does not. An error closes the device's connection without an answer.
async fn carry(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Body>> {
    let (mut head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    if shared.is_offline() {
        anyhow::bail!("offline");
    }
    let path = head.uri.path().to_owned();
    let (fault, delay) = shared.deal(&path);
    head.headers.remove(CONNECTION);
    let again = || {
        let mut copy = Request::new(Full::new(body.clone()));
        *copy.method_mut() = head.method.clone();
        *copy.uri_mut() = head.uri.clone();
        *copy.headers_mut() = head.headers.clone();
        copy
    };
    match fault {
        Fault::DropRequest => anyhow::bail!("dropped"),
        Fault::Refuse => {
            let mut answer = Response::new(Empty::new().map_err(|never| match never {}).boxed());
            *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            return Ok(answer);
        }
        Fault::Delay => tokio::time::sleep(delay).await,
        _ => {}
    }
    let answer = pass(&shared, again(), path == EVENTS_PATH).await?;
    match fault {
        Fault::LoseAnswer => anyhow::bail!("the answer was lost"),
        Fault::Duplicate => pass(&shared, again(), false).await,
        _ => Ok(answer),
    }
}

/// Hands a request to the server and takes its answer.
async fn pass(
    shared: &Shared,
    mut request: Request<Full<Bytes>>,
    is_stream: bool,
) -> Result<Response<Body>> {
    let server = *lock(&shared.server);
    let stream = TcpStream::connect(server).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    request.headers_mut().insert(HOST, server.to_string().parse()?);
    if !is_stream {
        shared.tell_passing();
    }
    let answer = sender.send_request(request).await?;
    let (head, body) = answer.into_parts();
    if is_stream {
        return Ok(Response::from_parts(head, body.boxed()));
    }
    let body = Full::new(body.collect().await?.to_bytes()).map_err(|never| match never {});
    Ok(Response::from_parts(head, body.boxed()))
}
