//! The transport that ships: HTTP to a Clarity server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clarity_engine::protocol::model::{Incarnation, limits};
use clarity_engine::protocol::{
    self as protocol, Answer, CONTENT_TYPE, Failure, FailureClass, Hint, LoginRequest,
    PROTOCOL_HEADER, PROTOCOL_VERSION, Problem, ProblemCode, RefreshRequest, SignUpRequest, Tokens,
    classify, decode, path, retry_after_ms,
};
use clarity_engine::{Request, Response};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE as TYPE, DATE, HeaderMap, HeaderName,
    RETRY_AFTER,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::ClientError;
use crate::transport::{Refreshed, Traffic, Transport, TransportFuture};

/// How long to wait for a connection.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait for a whole answer: a page of the largest size over a slow line.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Bodies from this size on are compressed.
const COMPRESS_FROM_BYTES: usize = 1_024;
/// The level of zstd for requests: the fastest, since a request is small and its device may be.
const COMPRESSION_LEVEL: i32 = 1;
/// Longest silence on the event stream, in which the server says every 15 s that it is there.
const EVENTS_SILENCE_MAX: Duration = Duration::from_secs(60);
/// Longest line of the event stream that is kept.
const EVENT_BYTES_MAX: usize = 64 * 1024;

/// HTTP to a Clarity server.
///
/// Answers are taken for what they are by [`classify`]: only a success with our protocol header is
/// a success. Redirects are not followed, because only a captive portal makes them.
#[derive(Debug, Clone)]
pub struct HttpTransport {
    http: reqwest::Client,
    address: String,
    answer_timeout: Duration,
    counted: Arc<Counted>,
}

/// Bytes that travelled and were not asked for yet.
#[derive(Debug, Default)]
struct Counted {
    sent: AtomicU64,
    received: AtomicU64,
}

impl HttpTransport {
    /// A transport to the server at `address`, such as `http://127.0.0.1:8787`.
    ///
    /// # Errors
    /// When `address` is not an address.
    pub fn new(address: &str) -> Result<Self, ClientError> {
        let parsed = reqwest::Url::parse(address);
        let valid = parsed.is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none()
        });
        if !valid {
            return Err(ClientError::Address(address.to_owned()));
        }
        // Another part of the program may have chosen the provider first; either will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("clarity-sync/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|_| ClientError::Address(address.to_owned()))?;
        let address = address.trim_end_matches('/').to_owned();
        Ok(Self { http, address, answer_timeout: ANSWER_TIMEOUT, counted: Arc::default() })
    }

    /// Waits this long for a whole answer, instead of 60 s. An answer that takes longer is none,
    /// and what was sent is sent again.
    #[must_use]
    pub fn with_answer_timeout(self, answer_timeout: Duration) -> Self {
        Self { answer_timeout, ..self }
    }

    /// The server's address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Makes an account and signs in.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached; nothing is changed then.
    pub async fn sign_up(
        &self,
        name: &str,
        password: &str,
        device_name: &str,
        incarnation: Incarnation,
    ) -> Result<Tokens, ClientError> {
        let request = SignUpRequest {
            name: name.to_owned(),
            password: password.to_owned(),
            device_name: device_name.to_owned(),
            incarnation,
        };
        self.ask(path::ACCOUNTS, &request).await
    }

    /// Signs in to an account that exists.
    ///
    /// # Errors
    /// [`ClientError::WrongCredentials`], or that the server cannot be reached.
    pub async fn sign_in(
        &self,
        name: &str,
        password: &str,
        device_name: &str,
        incarnation: Incarnation,
    ) -> Result<Tokens, ClientError> {
        let request = LoginRequest {
            name: name.to_owned(),
            password: password.to_owned(),
            device_name: device_name.to_owned(),
            incarnation,
        };
        self.ask(path::LOGIN, &request).await
    }

    /// A question without a token, with the answers that only a person can act on told apart.
    async fn ask<Q: Serialize, A: DeserializeOwned>(
        &self,
        path: &str,
        question: &Q,
    ) -> Result<A, ClientError> {
        let body = encode(question)?;
        match self.post(path, body, None).await {
            Ok(bytes) => Ok(decode(&bytes).map_err(unreadable)?),
            Err(Refusal { problem: Some(ProblemCode::WrongCredentials), .. }) => {
                Err(ClientError::WrongCredentials)
            }
            Err(refusal) => Err(refusal.failure.into()),
        }
    }

    /// Asks anything of the server's other resources, such as the list of devices.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn get<A: DeserializeOwned>(
        &self,
        path: &str,
        access_token: &str,
    ) -> Result<A, ClientError> {
        let request = self.http.get(format!("{}{path}", self.address));
        let bytes = self.carry(request, Some(access_token)).await.map_err(|r| r.failure)?;
        Ok(decode(&bytes).map_err(unreadable)?)
    }

    /// Deletes a resource, such as a device.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn delete(&self, path: &str, access_token: &str) -> Result<(), ClientError> {
        let request = self.http.delete(format!("{}{path}", self.address));
        self.carry(request, Some(access_token)).await.map_err(|refusal| refusal.failure)?;
        Ok(())
    }

    async fn post(
        &self,
        path: &str,
        body: Vec<u8>,
        access_token: Option<&str>,
    ) -> Result<Vec<u8>, Refusal> {
        let request = self.http.post(format!("{}{path}", self.address)).header(TYPE, CONTENT_TYPE);
        let compressed = (body.len() >= COMPRESS_FROM_BYTES)
            .then(|| zstd::bulk::compress(&body, COMPRESSION_LEVEL).ok())
            .flatten();
        let bytes = compressed.as_ref().map_or(body.len(), Vec::len);
        self.counted.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        let request = match compressed {
            Some(compressed) => request.header(CONTENT_ENCODING, "zstd").body(compressed),
            None => request.body(body),
        };
        self.carry(request, access_token).await
    }

    async fn carry(
        &self,
        request: reqwest::RequestBuilder,
        access_token: Option<&str>,
    ) -> Result<Vec<u8>, Refusal> {
        let request = request.header(PROTOCOL_HEADER, PROTOCOL_VERSION.to_string());
        let request = request.header(ACCEPT, CONTENT_TYPE).timeout(self.answer_timeout);
        let request = match access_token {
            Some(token) => request.header(AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        };
        let answer = request.send().await.map_err(|error| no_answer(&error))?;
        take_in(answer, &self.counted).await
    }
}

/// A request that failed, with the problem that the server named.
#[derive(Debug)]
struct Refusal {
    failure: Failure,
    problem: Option<ProblemCode>,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self { failure, problem: None }
    }
}

fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(message)
        .map_err(|_| Failure::new(FailureClass::BadRequest, "the request cannot be written"))
}

fn unreadable(error: protocol::DecodeError) -> Failure {
    Failure::new(FailureClass::Transient, format!("the server's answer cannot be read: {error}"))
}

/// Why no answer came, without the address, which may name a person's own machine.
pub(crate) fn no_answer(error: &reqwest::Error) -> Failure {
    let mut source: Option<&dyn std::error::Error> = Some(error);
    let mut tls = false;
    while let Some(cause) = source {
        tls |= cause.downcast_ref::<rustls::Error>().is_some();
        let inner = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        tls |= inner.is_some_and(|inner| inner.downcast_ref::<rustls::Error>().is_some());
        source = cause.source();
    }
    if tls {
        let words = "the connection to the server could not be made secure";
        return Failure::new(FailureClass::UnreachableTls, words);
    }
    let words = if error.is_timeout() {
        "the server did not answer in time"
    } else if error.is_connect() {
        "the server cannot be reached; check the address and that it is running"
    } else {
        "the connection to the server broke"
    };
    Failure::new(FailureClass::Unreachable, words)
}

/// How long an answer asks to wait, in milliseconds: a number of seconds, or a date. A date is
/// compared with the one that the answer itself bears, so that no clock of this device is asked.
pub(crate) fn asked_to_wait_ms(headers: &HeaderMap) -> Option<u64> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let asked = text(RETRY_AFTER)?;
    retry_after_ms(asked).or_else(|| {
        let until = rfc2822::parse(asked).ok()?;
        let now = text(DATE).and_then(|date| rfc2822::parse(date).ok());
        let now = now.map_or_else(Timestamp::now, |date| date.timestamp());
        let seconds = until.timestamp().as_second().saturating_sub(now.as_second()).max(0);
        retry_after_ms(&seconds.to_string())
    })
}

/// Reads the body of an answer up to a limit, and tells of the bytes as they come.
pub(crate) async fn read_body(
    answer: &mut reqwest::Response,
    bytes_max: usize,
    mut count: impl FnMut(u64),
) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= bytes_max => {
                count(chunk.len() as u64);
                body.extend_from_slice(&chunk);
            }
            Ok(Some(_)) => {
                let words = "the server's answer is larger than the limit";
                return Err(Failure::new(FailureClass::Transient, words));
            }
            Ok(None) => return Ok(body),
            Err(error) => return Err(no_answer(&error)),
        }
    }
}

/// Reads an answer within the limit and decides what it is.
async fn take_in(mut answer: reqwest::Response, counted: &Counted) -> Result<Vec<u8>, Refusal> {
    let status = answer.status().as_u16();
    let header = |name: &str| {
        answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let (ours, kind) = (header(PROTOCOL_HEADER), header(TYPE.as_str()));
    let wait = asked_to_wait_ms(answer.headers());
    let count = |bytes| {
        counted.received.fetch_add(bytes, Ordering::Relaxed);
    };
    let body = read_body(&mut answer, limits::RESPONSE_BYTES_MAX, count).await?;
    let shown = Answer {
        status,
        protocol: ours.as_deref(),
        content_type: kind.as_deref(),
        retry_after_ms: wait,
        body: &body,
    };
    match classify(shown) {
        Ok(()) => Ok(body),
        Err(failure) => {
            let problem: Option<Problem> = ours.and_then(|_| serde_json::from_slice(&body).ok());
            Err(Refusal { failure, problem: problem.map(|problem| problem.code) })
        }
    }
}

impl Transport for HttpTransport {
    fn send(
        &self,
        request: Request,
        access_token: Option<String>,
    ) -> TransportFuture<'_, Result<Response, Failure>> {
        Box::pin(async move {
            let token = access_token.as_deref();
            let carry = async |path, body| {
                self.post(path, body, token).await.map_err(|refusal: Refusal| refusal.failure)
            };
            match request {
                Request::Push(push) => {
                    let bytes = carry(path::PUSH, encode(&push)?).await?;
                    Ok(Response::Push(decode(&bytes).map_err(unreadable)?))
                }
                Request::Pull(pull) => {
                    let bytes = carry(path::PULL, encode(&pull)?).await?;
                    Ok(Response::Pull(decode(&bytes).map_err(unreadable)?))
                }
                Request::Fetch(fetch) => {
                    let bytes = carry(path::FETCH, encode(&fetch)?).await?;
                    Ok(Response::Fetch(decode(&bytes).map_err(unreadable)?))
                }
            }
        })
    }

    fn take_traffic(&self) -> Traffic {
        let take = |bytes: &AtomicU64| bytes.swap(0, Ordering::Relaxed);
        Traffic { sent: take(&self.counted.sent), received: take(&self.counted.received) }
    }

    fn refresh(&self, refresh_token: Option<String>) -> TransportFuture<'_, Refreshed> {
        Box::pin(async move {
            let Some(refresh_token) = refresh_token else { return Refreshed::Refused };
            let body = match encode(&RefreshRequest { refresh_token }) {
                Ok(body) => body,
                Err(failure) => return Refreshed::Failed(failure),
            };
            match self.post(path::REFRESH, body, None).await {
                Ok(bytes) => match decode(&bytes) {
                    Ok(tokens) => Refreshed::Tokens(tokens),
                    Err(error) => Refreshed::Failed(unreadable(error)),
                },
                Err(Refusal { failure, .. }) => match failure.class {
                    FailureClass::Auth | FailureClass::AccessRemoved => Refreshed::Refused,
                    _ => Refreshed::Failed(failure),
                },
            }
        })
    }

    fn hints<'a>(
        &'a self,
        access_token: Option<String>,
        deliver: &'a (dyn Fn(Hint) + Send + Sync),
    ) -> TransportFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let request = self.http.get(format!("{}{}", self.address, path::EVENTS));
            let request = request.header(PROTOCOL_HEADER, PROTOCOL_VERSION.to_string());
            let request = match access_token {
                Some(token) => request.header(AUTHORIZATION, format!("Bearer {token}")),
                None => request,
            };
            let mut answer = request.send().await.map_err(|error| no_answer(&error))?;
            let ours = answer.headers().contains_key(PROTOCOL_HEADER);
            if !answer.status().is_success() || !ours {
                return Err(take_in(answer, &self.counted).await.err().map_or_else(
                    || Failure::new(FailureClass::CaptivePortal, "not a Clarity server"),
                    |refusal| refusal.failure,
                ));
            }
            // What happened before the stream was open may have been missed.
            deliver(Hint::full());
            let mut line = Vec::new();
            loop {
                let chunk = tokio::time::timeout(EVENTS_SILENCE_MAX, answer.chunk()).await;
                let chunk = chunk.map_err(|_| {
                    Failure::new(FailureClass::Unreachable, "the stream of hints fell silent")
                })?;
                let Some(chunk) = chunk.map_err(|error| no_answer(&error))? else { break };
                for byte in chunk {
                    if byte == b'\n' {
                        deliver_line(&line, deliver);
                        line.clear();
                    } else if line.len() < EVENT_BYTES_MAX {
                        line.push(byte);
                    }
                }
            }
            Ok(())
        })
    }
}

/// A `data:` line of the event stream is a hint; whatever else there is, is not.
fn deliver_line(line: &[u8], deliver: &(dyn Fn(Hint) + Send + Sync)) {
    let text = std::str::from_utf8(line).ok().and_then(|text| text.strip_prefix("data:"));
    if let Some(hint) = text.and_then(|text| Hint::parse(text.trim())) {
        deliver(hint);
    }
}
