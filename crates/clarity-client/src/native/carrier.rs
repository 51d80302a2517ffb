//! HTTP by reqwest.

use std::time::Duration;

use clarity_engine::protocol::{Failure, FailureClass};

use crate::error::ClientError;
use crate::http::Asked;

/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Bodies from this size on are compressed.
const COMPRESS_FROM_BYTES: usize = 1_024;
/// The level of zstd for requests: the fastest, since a request is small and its device may be.
const COMPRESSION_LEVEL: i32 = 1;

/// Carries requests.
#[derive(Debug, Clone)]
pub(crate) struct Carrier(reqwest::Client);

impl Carrier {
    /// A carrier to this address.
    pub(crate) fn new(address: &str) -> Result<Self, ClientError> {
        let parsed = reqwest::Url::parse(address);
        let valid = parsed.is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none()
        });
        if !valid {
            return Err(ClientError::Address(address.to_owned()));
        }
        http_client(address).map(Self)
    }

    /// Asks, and gives the head of the answer when it is there.
    pub(crate) async fn ask(&self, asked: Asked) -> Result<Answered, Failure> {
        let unwritable = || Failure::new(FailureClass::Config, "the request cannot be written");
        let method = asked.method.parse::<reqwest::Method>().map_err(|_| unwritable())?;
        let mut request = self.0.request(method, asked.address);
        for (name, value) in asked.headers {
            request = request.header(name, value);
        }
        if let Some(timeout) = asked.timeout {
            request = request.timeout(timeout);
        }
        if let Some(body) = asked.body {
            request = request.body(body);
        }
        request.send().await.map(Answered).map_err(|error| no_answer(&error))
    }
}

/// A client that follows no redirect: whose page that is, is for the caller to tell.
///
/// # Errors
/// When it cannot be made; the error names this address.
pub(crate) fn http_client(address: &str) -> Result<reqwest::Client, ClientError> {
    // Another part of the program may have chosen the provider first; either will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("clarity-sync/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|_| ClientError::Address(address.to_owned()))
}

/// An answer whose body is still to come.
#[derive(Debug)]
pub(crate) struct Answered(reqwest::Response);

impl Answered {
    pub(crate) fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.0.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    }

    /// The next part of the body; nothing at its end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        match self.0.chunk().await {
            Ok(chunk) => Ok(chunk.map(Vec::from)),
            Err(error) => Err(no_answer(&error)),
        }
    }
}

impl From<reqwest::Response> for Answered {
    fn from(answer: reqwest::Response) -> Self {
        Self(answer)
    }
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

/// The body as it travels, with the name of its coding if it has one.
pub(crate) fn compressed(body: Vec<u8>) -> (Vec<u8>, Option<&'static str>) {
    let smaller = (body.len() >= COMPRESS_FROM_BYTES)
        .then(|| zstd::bulk::compress(&body, COMPRESSION_LEVEL).ok())
        .flatten();
    match smaller {
        Some(smaller) => (smaller, Some("zstd")),
        None => (body, None),
    }
}
