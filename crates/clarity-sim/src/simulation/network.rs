//! What travels between devices and server: bytes, as they would over HTTP.

use clarity_engine::Response;
use clarity_engine::protocol::model::{Counter, Epoch, Outcome, Version};
use clarity_engine::protocol::{
    Answer, Failure, FailureClass, OperationAnswer, Problem, ProblemCode, PushRequest,
    PushResponse, WireOperation, classify, decode,
};

/// Which of the server's questions a request asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallKind {
    Push,
    Pull,
    Fetch,
}

/// A request on its way.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) kind: CallKind,
    pub(crate) bytes: Vec<u8>,
    pub(crate) token: String,
    /// Which history of which device made it.
    pub(crate) line: Line,
}

/// A history of a device: one that was set back begins another, and so does a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    /// Which device.
    pub(crate) device: usize,
    /// How often it was set back.
    pub(crate) set_back: u64,
}

/// An answer on its way.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Whether it carries the protocol's header.
    pub(crate) ours: bool,
    pub(crate) json: bool,
    pub(crate) retry_after_ms: Option<u64>,
    pub(crate) body: Vec<u8>,
}

/// The sign-in page of a public network.
pub(crate) const PORTAL_PAGE: &[u8] =
    b"<html><body>Welcome! Please accept our terms.</body></html>";

impl Reply {
    pub(crate) fn success(body: Vec<u8>) -> Self {
        Self { status: 200, ours: true, json: true, retry_after_ms: None, body }
    }

    pub(crate) fn problem(problem: &Problem) -> Self {
        let body = serde_json::to_vec(problem).unwrap_or_default();
        Self { status: problem.status, ours: true, json: true, retry_after_ms: None, body }
    }

    pub(crate) fn refused(status: u16, code: ProblemCode, title: &str) -> Self {
        Self::problem(&Problem::new(status, code, title))
    }

    /// From something between device and server.
    pub(crate) fn page(status: u16) -> Self {
        let body = PORTAL_PAGE.to_vec();
        Self { status, ours: false, json: false, retry_after_ms: None, body }
    }

    /// The same answer, cut off.
    pub(crate) fn truncated(&self, length: usize) -> Self {
        let mut cut = self.clone();
        cut.body.truncate(length);
        cut
    }

    pub(crate) fn is_portal_page(&self) -> bool {
        self.status == 200 && !self.ours
    }

    /// Reads it as a device does.
    pub(crate) fn read(&self, kind: CallKind) -> Result<Response, Failure> {
        let unreadable = |error| {
            let words = format!("the server's answer cannot be read: {error}");
            Failure::new(FailureClass::Transient, words)
        };
        classify(Answer {
            status: self.status,
            protocol: self.ours.then_some("1"),
            content_type: Some(if self.json { "application/json" } else { "text/html" }),
            retry_after_ms: self.retry_after_ms,
            body: &self.body,
        })?;
        match kind {
            CallKind::Push => Ok(Response::Push(decode(&self.body).map_err(unreadable)?)),
            CallKind::Pull => Ok(Response::Pull(decode(&self.body).map_err(unreadable)?)),
            CallKind::Fetch => Ok(Response::Fetch(decode(&self.body).map_err(unreadable)?)),
        }
    }
}

/// The operations of a push as they are on the wire.
pub(crate) fn operations_of(call: &Call) -> Vec<WireOperation> {
    let Ok(request) = decode::<PushRequest>(&call.bytes) else { return Vec::new() };
    let raw = request.operations.iter();
    raw.filter_map(|raw| serde_json::from_str(raw.get()).ok()).collect()
}

/// What a careless transport makes of a sign-in page: a success, so everything must have worked.
pub(crate) fn believe_anything(call: &Call) -> Option<Response> {
    let request: PushRequest = decode(&call.bytes).ok()?;
    let answers = operations_of(call);
    let answers = answers.into_iter().map(|operation| OperationAnswer {
        version: Some(Version(operation.base.0 + 1)),
        ..plain_answer(operation.id, Outcome::Applied)
    });
    let epoch = request.epoch.unwrap_or(Epoch(0));
    let at = Default::default();
    Some(Response::Push(PushResponse {
        epoch,
        at,
        head: None,
        answers: answers.collect(),
        contributed: Vec::new(),
    }))
}

/// An answer that says nothing but the outcome.
pub(crate) fn plain_answer(id: Counter, outcome: Outcome) -> OperationAnswer {
    OperationAnswer {
        id,
        outcome,
        entity_id: None,
        version: None,
        entity: None,
        fields: Default::default(),
        rejection: None,
        blocked_by: None,
    }
}
