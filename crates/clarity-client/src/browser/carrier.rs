//! Requests by the page: what runs around this module carries them, with the browser's `fetch`.

use std::time::Duration;

use clarity_engine::protocol::{Failure, FailureClass};
use tokio::sync::mpsc;

use crate::error::ClientError;
use crate::http::Asked;

/// The way to whoever carries requests.
pub type PageRequests = mpsc::UnboundedSender<PageRequest>;

/// A request to carry. `Debug` hides its headers, which may hold a token, and its body.
pub struct PageRequest {
    /// GET, POST, DELETE.
    pub method: &'static str,
    /// The address. Redirects are not followed: a server of ours makes none.
    pub address: String,
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
    /// What to send.
    pub body: Option<Vec<u8>>,
    /// Takes the answer, part by part, the head first; dropped at its end. When its other side is
    /// closed, nobody waits any more and the request is to be ended.
    pub answer: mpsc::UnboundedSender<PageAnswer>,
}

impl std::fmt::Debug for PageRequest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PageRequest").field("method", &self.method).finish_non_exhaustive()
    }
}

/// A part of an answer. `Debug` hides what it holds.
pub enum PageAnswer {
    /// How it begins.
    Head {
        /// The status; 0 for a redirect that was not followed.
        status: u16,
        /// Names in small letters, and values.
        headers: Vec<(String, String)>,
    },
    /// The next bytes of the body.
    Chunk(Vec<u8>),
    /// There is no answer, or no more of it.
    Broken,
}

impl std::fmt::Debug for PageAnswer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PageAnswer")
    }
}

/// Carries requests.
#[derive(Debug, Clone)]
pub(crate) struct Carrier(PageRequests);

impl Carrier {
    pub(crate) fn new(address: &str, page: PageRequests) -> Result<Self, ClientError> {
        let rest = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"));
        let valid = rest.is_some_and(|rest| {
            !rest.is_empty() && !rest.starts_with('/') && !rest.contains(['?', '#', ' '])
        });
        if valid { Ok(Self(page)) } else { Err(ClientError::Address(address.to_owned())) }
    }

    /// Asks, and gives the head of the answer when it is there.
    pub(crate) async fn ask(&self, asked: Asked) -> Result<Answered, Failure> {
        let (answer, parts) = mpsc::unbounded_channel();
        let Asked { method, address, headers, body, timeout } = asked;
        let until = timeout.map(|timeout| super::Instant::now() + timeout);
        let request = PageRequest { method, address, headers, body, answer };
        self.0.send(request).map_err(|_| broken())?;
        let mut answered = Answered { status: 0, headers: Vec::new(), parts, until };
        match answered.part().await? {
            Some(PageAnswer::Head { status: 0, .. }) => {
                let words = "the network sent the request somewhere else";
                Err(Failure::new(FailureClass::CaptivePortal, words))
            }
            Some(PageAnswer::Head { status, headers }) => {
                (answered.status, answered.headers) = (status, headers);
                Ok(answered)
            }
            _ => Err(broken()),
        }
    }
}

/// An answer whose body is still to come.
#[derive(Debug)]
pub(crate) struct Answered {
    status: u16,
    headers: Vec<(String, String)>,
    parts: mpsc::UnboundedReceiver<PageAnswer>,
    until: Option<super::Instant>,
}

impl Answered {
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    }

    /// The next part of the body; nothing at its end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        match self.part().await? {
            Some(PageAnswer::Chunk(bytes)) => Ok(Some(bytes)),
            Some(_) => Err(broken()),
            None => Ok(None),
        }
    }

    async fn part(&mut self) -> Result<Option<PageAnswer>, Failure> {
        let Some(until) = self.until else { return Ok(self.parts.recv().await) };
        let left = until.saturating_duration_since(super::Instant::now());
        super::timeout(left.max(Duration::from_millis(1)), self.parts.recv()).await.map_err(|_| {
            Failure::new(FailureClass::Unreachable, "the server did not answer in time")
        })
    }
}

fn broken() -> Failure {
    let words = "the server cannot be reached, or the connection to it broke";
    Failure::new(FailureClass::Unreachable, words)
}

/// The body as it travels: as it is. What a browser packs, it packs by itself.
pub(crate) fn compressed(body: Vec<u8>) -> (Vec<u8>, Option<&'static str>) {
    (body, None)
}
