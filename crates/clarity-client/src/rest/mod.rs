//! A backend with an endpoint for each type, as most have: [`RestTransport`].
//!
//! # What it does
//!
//! | on the device | to the backend |
//! |---|---|
//! | create | `POST /notes`; the answer may give the entity an id of the backend's |
//! | update | `PATCH /notes/{id}` with the changed fields, or read and `PUT` |
//! | delete | `DELETE /notes/{id}` |
//! | atomic batch | `POST` to the batch path, if there is one |
//! | pull | `GET` of each type's list since a place, if it has a [`Feed`] |
//!
//! Each change carries an `Idempotency-Key`, the operation's id: the backend must make a change
//! once under one key, because after a lost answer it comes again. Changes carry `If-Match` with
//! the version that they were made on, where the backend has [`Versions`].
//!
//! # What the answers mean
//!
//! | answer to a change | means |
//! |---|---|
//! | 2xx | it took effect |
//! | HTML, or an answer without the backend's mark; a redirect | a captive portal |
//! | 409, 412 | the entity moved on |
//! | 410; 404 with [`RestBackend::missing_is_deleted`] | it was deleted there |
//! | 400, 403, 404, 413, 422 and other 4xx | rejected, with the reason |
//! | 401 | the token is renewed once for all |
//! | 403 with the problem code `access_removed` | the device or account was removed |
//! | 404 of a collection, 405, 501 | the address is wrong |
//! | 415, 426 | this app is too old |
//! | 408, 421, 423 to 425, 429, 5xx | it goes again, after `Retry-After` |
//!
//! From a success id, version and fields are taken, as far as it has them. What moved on comes
//! with the answer or is read: the engine merges and sends again, at most three rounds, then it is
//! in the conflict inbox. What was deleted is an edit against a delete, decided by the type's
//! policy; a delete has reached its end. A rejection goes into the inbox of failed operations, and
//! the neighbours go on. A portal acknowledges nothing.
//!
//! A push of many operations becomes as many requests, a few at once and never two about one
//! entity. What was answered is acknowledged, and the rest goes again under the same keys.
//!
//! # What it asks of a backend
//!
//! * Versions are whole numbers that grow with each change of an entity. A backend that has other
//!   ones, or none, is used with [`Versions::None`]: then the last change wins.
//! * `null` in a `PATCH` removes a field. An explicit `null` can only be kept with
//!   [`UpdateWith::Put`].
//! * What is made on the device and named in a field that the schema declares as a reference is
//!   sent first, so that the reference arrives with the id that the backend gave.
//! * Without a feed, nothing of other devices is seen, and the device asks
//!   [`RestBackend::probe_at`] whether the backend is there.
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::time::Duration;
//! use clarity_client::rest::{Endpoint, Feed, RestBackend, RestTransport, Versions};
//! use clarity_client::{Client, ClientOptions, EntityType};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let notes = Feed::since("since", "change").limit("limit", 500);
//! let backend = RestBackend::new("https://api.example.org/v2")?
//!     .with(EntityType::new("Note")?, Endpoint::new("/notes").read_by(notes))
//!     .with(EntityType::new("Goal")?, Endpoint::new("/goals"))
//!     .versions(Versions::ETag { listed_in: "version".into() })
//!     .refresh_at("/oauth/token");
//! let client = Client::open(ClientOptions::new("health.db"))?;
//! let transport = Arc::new(RestTransport::new(backend)?);
//! client.sync(transport, Duration::from_secs(25), |_| {}).await?;
//! # Ok(())
//! # }
//! ```
//!
//! *Architecture Invariant:* requests and verdicts are made without I/O, and no merge is decided
//! here: a conflict goes to the engine.

mod answer;
mod backend;
mod feed;
mod fetch;
mod push;
mod request;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clarity_engine::protocol::model::{ServerTime, limits};
use clarity_engine::protocol::{Failure, FailureClass, PullRequest, PullResponse, Tokens};
use clarity_engine::{Request, Response};
use reqwest::header::{ACCEPT, CONTENT_TYPE, ETAG, IF_MATCH, LOCATION};
use serde::Deserialize;

use crate::error::ClientError;
use crate::http::{asked_to_wait_ms, read_body};
use crate::platform::{Answered, http_client, no_answer};
use crate::transport::{Refreshed, Transport, TransportFuture};

pub use backend::{Endpoint, Feed, RestBackend, UpdateWith, Versions};

use answer::Heard;
use feed::Reading;
use request::Ask;

/// How long to wait for a whole answer about one entity, or for a page.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// The life of an access token whose end the backend does not tell, in milliseconds.
const TOKEN_MS: u64 = 15 * 60 * 1_000;

/// A transport to a REST backend; the module tells how.
#[derive(Debug, Clone)]
pub struct RestTransport {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    http: reqwest::Client,
    backend: RestBackend,
}

impl RestTransport {
    /// A transport to this backend.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new(backend: RestBackend) -> Result<Self, ClientError> {
        let http = http_client(&backend.base)?;
        Ok(Self { inner: Arc::new(Inner { http, backend }) })
    }

    /// The backend's address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.inner.backend.base
    }
}

impl Inner {
    /// Asks once, and takes in the answer within the limits.
    async fn ask(&self, ask: &Ask, token: Option<&str>) -> Result<Heard, Failure> {
        let unwritable = || Failure::new(FailureClass::Config, "the request cannot be written");
        let method = ask.method.parse::<reqwest::Method>().map_err(|_| unwritable())?;
        let address = format!("{}{}", self.backend.base, ask.path);
        let mut request = self.http.request(method, address).timeout(ANSWER_TIMEOUT);
        request = request.header(ACCEPT, "application/json");
        for (name, value) in &self.backend.headers {
            request = request.header(name, value);
        }
        if let Some(version) = &ask.if_match {
            request = request.header(IF_MATCH, version);
        }
        if let Some(key) = &ask.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = &ask.body {
            let body = serde_json::to_vec(body).map_err(|_| unwritable())?;
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let answer = request.send().await.map_err(|error| no_answer(&error))?;
        let mut answer = Answered::from(answer);
        let header = |name: &str| answer.header(name);
        let kind = header(CONTENT_TYPE.as_str()).unwrap_or_default().to_ascii_lowercase();
        let wait = asked_to_wait_ms(&answer);
        let heard = Heard {
            status: answer.status(),
            is_marked: self.backend.mark.as_ref().is_none_or(|mark| header(mark).is_some()),
            is_html: kind.contains("html"),
            is_problem: kind.contains("problem"),
            etag: header(ETAG.as_str()),
            location: header(LOCATION.as_str()),
            retry_after_ms: wait,
            body: Vec::new(),
        };
        let body = read_body(&mut answer, limits::RESPONSE_BYTES_MAX, |_| {}).await?;
        Ok(Heard { body, ..heard })
    }

    async fn pull(
        &self,
        request: PullRequest,
        token: Option<&str>,
    ) -> Result<PullResponse, Failure> {
        let reads = self.backend.types.values().any(|endpoint| endpoint.feed.is_some());
        let mut reading = Reading::new(&self.backend, request);
        if !reads {
            let heard = self.ask(&Ask::get(self.backend.probe.clone()), token).await?;
            // What the path itself holds is of no interest, only that the backend answered.
            if let Some(failure) = answer::of_the_request(&heard) {
                return Err(failure);
            }
        }
        while let Some(ask) = reading.next() {
            reading.take(&self.ask(&ask, token).await?)?;
        }
        reading.finish(now())
    }

    async fn refresh(&self, refresh_token: &str) -> Refreshed {
        let Some(path) = &self.backend.refresh else { return Refreshed::Refused };
        let body = serde_json::json!({
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
        });
        let ask = Ask {
            method: "POST",
            path: path.clone(),
            if_match: None,
            idempotency_key: None,
            body: Some(body),
        };
        let heard = match self.ask(&ask, None).await {
            Ok(heard) => heard,
            Err(failure) => return Refreshed::Failed(failure),
        };
        if let Some(failure) = answer::of_the_request(&heard) {
            return match failure.class {
                FailureClass::Auth | FailureClass::AccessRemoved => Refreshed::Refused,
                _ => Refreshed::Failed(failure),
            };
        }
        match heard.status {
            200..=299 => match serde_json::from_slice::<Renewed>(&heard.body) {
                Ok(renewed) => Refreshed::Tokens(renewed.tokens(refresh_token)),
                Err(_) => Refreshed::Failed(answer::unreadable()),
            },
            // An OAuth server says so of a refresh token that has ended.
            400 | 403 => Refreshed::Refused,
            404 => Refreshed::Failed(answer::config(404)),
            status => Refreshed::Failed(answer::transient(&heard, status)),
        }
    }
}

/// New tokens, in the words of OAuth or in ours.
#[derive(Deserialize)]
struct Renewed {
    access_token: String,
    refresh_token: Option<String>,
    expires_in: Option<u64>,
    access_expires_in_ms: Option<u64>,
    #[serde(default)]
    account_id: Option<String>,
    #[serde(default)]
    device_id: Option<String>,
}

impl Renewed {
    fn tokens(self, refresh_token: &str) -> Tokens {
        let seconds = self.expires_in.map(|seconds| seconds.saturating_mul(1_000));
        let unnamed = || RestTransport::UNNAMED_ACCOUNT.to_owned();
        Tokens {
            account_id: self.account_id.unwrap_or_else(unnamed),
            device_id: self.device_id.unwrap_or_else(unnamed),
            access_token: self.access_token,
            access_expires_in_ms: self.access_expires_in_ms.or(seconds).unwrap_or(TOKEN_MS),
            refresh_token: self.refresh_token.unwrap_or_else(|| refresh_token.to_owned()),
        }
    }
}

impl RestTransport {
    /// The account and device that tokens are for when the backend's answer does not say. An app
    /// that signs a person in hands these over in [`Tokens`] as well, or what the backend says.
    pub const UNNAMED_ACCOUNT: &str = "rest";
}

/// The present by this device's clock: a backend's own is not known. It is only shown.
fn now() -> ServerTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    ServerTime(i64::try_from(since.as_millis()).unwrap_or(0))
}

impl Transport for RestTransport {
    fn send(
        &self,
        request: Request,
        access_token: Option<String>,
    ) -> TransportFuture<'_, Result<Response, Failure>> {
        Box::pin(async move {
            match request {
                Request::Push(request) => push::push(&self.inner, request, access_token).await,
                Request::Pull(request) => {
                    let page = self.inner.pull(request, access_token.as_deref()).await?;
                    Ok(Response::Pull(page))
                }
                Request::Fetch(request) => {
                    let found = fetch::fetch(&self.inner, request, access_token.as_deref()).await?;
                    Ok(Response::Fetch(found))
                }
            }
        })
    }

    fn refresh(&self, refresh_token: Option<String>) -> TransportFuture<'_, Refreshed> {
        Box::pin(async move {
            match refresh_token {
                Some(token) => self.inner.refresh(&token).await,
                None => Refreshed::Refused,
            }
        })
    }
}
