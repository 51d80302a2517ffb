//! The transport that ships: HTTP to a Clarity server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clarity_engine::protocol::model::{Incarnation, limits};
use clarity_engine::protocol::{
    self as protocol, Answer, CONTENT_TYPE, Failure, FailureClass, Hint, HintStream, LoginRequest,
    PROTOCOL_HEADER, PROTOCOL_VERSION, Problem, ProblemCode, RefreshRequest, SignUpRequest, Tokens,
    classify, decode, path, retry_after_ms,
};
use clarity_engine::{Request, Response};
use jiff::fmt::rfc2822;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::ClientError;
use crate::platform::{Answered, Carrier, compressed, timeout};
use crate::storing::now;
use crate::transport::{Refreshed, Traffic, Transport, TransportFuture};

/// How long to wait for a whole answer: a page of the largest size over a slow line.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest silence on the event stream, in which the server says every 15 s that it is there.
const EVENTS_SILENCE_MAX: Duration = Duration::from_secs(60);

/// HTTP to a Clarity server.
///
/// Answers are taken for what they are by [`classify`]: only a success with our protocol header is
/// a success. Redirects are not followed, because only a captive portal makes them.
#[derive(Debug, Clone)]
pub struct HttpTransport {
    carrier: Carrier,
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

/// One request as it travels.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: &'static str,
    pub(crate) address: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<Vec<u8>>,
    /// How long to wait for the whole answer; without an end when absent.
    pub(crate) timeout: Option<Duration>,
}

impl HttpTransport {
    /// A transport to the server at `address`, such as `http://127.0.0.1:8787`.
    ///
    /// # Errors
    /// When `address` is not an address.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn new(address: &str) -> Result<Self, ClientError> {
        Ok(Self::over(Carrier::new(address)?, address))
    }

    /// A transport to the server at `address`, such as `https://pulse.example.org`, over what the
    /// page makes of requests.
    ///
    /// # Errors
    /// When `address` is not an address.
    #[cfg(target_arch = "wasm32")]
    pub fn new(address: &str, page: crate::platform::PageRequests) -> Result<Self, ClientError> {
        Ok(Self::over(Carrier::new(address, page)?, address))
    }

    fn over(carrier: Carrier, address: &str) -> Self {
        let address = address.trim_end_matches('/').to_owned();
        Self { carrier, address, answer_timeout: ANSWER_TIMEOUT, counted: Arc::default() }
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
        let answer = self.carry("GET", path, None, Some(access_token)).await;
        let bytes = answer.map_err(|refusal| refusal.failure)?;
        Ok(decode(&bytes).map_err(unreadable)?)
    }

    /// Deletes a resource, such as a device.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn delete(&self, path: &str, access_token: &str) -> Result<(), ClientError> {
        let answer = self.carry("DELETE", path, None, Some(access_token)).await;
        answer.map_err(|refusal| refusal.failure)?;
        Ok(())
    }

    async fn post(
        &self,
        path: &str,
        body: Vec<u8>,
        access_token: Option<&str>,
    ) -> Result<Vec<u8>, Refusal> {
        self.carry("POST", path, Some(body), access_token).await
    }

    async fn carry(
        &self,
        method: &'static str,
        path: &str,
        body: Option<Vec<u8>>,
        access_token: Option<&str>,
    ) -> Result<Vec<u8>, Refusal> {
        let mut asked = self.asked(method, path, access_token);
        asked.headers.push(("accept", CONTENT_TYPE.to_owned()));
        asked.timeout = Some(self.answer_timeout);
        if let Some(body) = body {
            let (body, coding) = compressed(body);
            self.counted.sent.fetch_add(body.len() as u64, Ordering::Relaxed);
            asked.headers.push(("content-type", CONTENT_TYPE.to_owned()));
            asked.headers.extend(coding.map(|coding| ("content-encoding", coding.to_owned())));
            asked.body = Some(body);
        }
        take_in(self.carrier.ask(asked).await?, &self.counted).await
    }

    fn asked(&self, method: &'static str, path: &str, access_token: Option<&str>) -> Asked {
        let mut headers = vec![(PROTOCOL_HEADER, PROTOCOL_VERSION.to_string())];
        headers.extend(access_token.map(|token| ("authorization", format!("Bearer {token}"))));
        let address = format!("{}{path}", self.address);
        Asked { method, address, headers, body: None, timeout: None }
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

/// How long an answer asks to wait, in milliseconds: a number of seconds, or a date. A date is
/// compared with the one that the answer itself bears, so that no clock of this device is asked.
pub(crate) fn asked_to_wait_ms(answer: &Answered) -> Option<u64> {
    let asked = answer.header("retry-after")?;
    retry_after_ms(&asked).or_else(|| {
        let until = rfc2822::parse(&asked).ok()?.timestamp().as_second();
        let date = answer.header("date").and_then(|date| rfc2822::parse(&date).ok());
        let now = date.map_or(now().0 / 1_000, |date| date.timestamp().as_second());
        let seconds = until.saturating_sub(now).max(0);
        retry_after_ms(&seconds.to_string())
    })
}

/// Reads the body of an answer up to a limit, and tells of the bytes as they come.
pub(crate) async fn read_body(
    answer: &mut Answered,
    bytes_max: usize,
    mut count: impl FnMut(u64),
) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > bytes_max {
            let words = "the server's answer is larger than the limit";
            return Err(Failure::new(FailureClass::Transient, words));
        }
        count(chunk.len() as u64);
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Reads an answer within the limit and decides what it is.
async fn take_in(mut answer: Answered, counted: &Counted) -> Result<Vec<u8>, Refusal> {
    let status = answer.status();
    let (ours, kind) = (answer.header(PROTOCOL_HEADER), answer.header("content-type"));
    let wait = asked_to_wait_ms(&answer);
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
            let asked = self.asked("GET", path::EVENTS, access_token.as_deref());
            let mut answer = self.carrier.ask(asked).await?;
            let ours = answer.header(PROTOCOL_HEADER).is_some();
            if !(200..300).contains(&answer.status()) || !ours {
                return Err(take_in(answer, &self.counted).await.err().map_or_else(
                    || Failure::new(FailureClass::CaptivePortal, "not a Clarity server"),
                    |refusal| refusal.failure,
                ));
            }
            // What happened before the stream was open may have been missed.
            deliver(Hint::full());
            let mut hints = HintStream::default();
            loop {
                let chunk = timeout(EVENTS_SILENCE_MAX, answer.chunk()).await;
                let chunk = chunk.map_err(|_| {
                    Failure::new(FailureClass::Unreachable, "the stream of hints fell silent")
                })?;
                let Some(chunk) = chunk? else { break };
                hints.take_in(&chunk, &mut |hint| deliver(hint));
            }
            Ok(())
        })
    }
}
