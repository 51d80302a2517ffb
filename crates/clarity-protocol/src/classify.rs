//! What an answer means for the sync: the one table that decides between waiting, asking a person
//! and giving up.

use crate::problem::{Problem, ProblemCode};

/// Shortest wait that a `Retry-After` is taken for: 1 s.
const RETRY_AFTER_MS_MIN: u64 = 1_000;
/// Longest wait that a `Retry-After` is taken for: 1 h.
const RETRY_AFTER_MS_MAX: u64 = 3_600_000;

/// The class of a failed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FailureClass {
    /// No network at all. Costs no attempt.
    Offline,
    /// The server did not answer: refused, timed out, reset, or the name was not found.
    Unreachable,
    /// The connection could not be made secure.
    UnreachableTls,
    /// Somebody else answered, such as the sign-in page of a public network.
    CaptivePortal,
    /// The access token was not accepted: refresh it.
    Auth,
    /// The device or the account may not use this server any more.
    AccessRemoved,
    /// There is no such path or method: the address is wrong.
    Config,
    /// The cursor or the epoch belongs to another database.
    Reset,
    /// The request is too large: send less at once.
    TooLarge,
    /// The request cannot be read because of something in it: find out which part.
    BadRequest,
    /// This program is too old.
    UpgradeRequired,
    /// Worth trying again later.
    Transient,
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What to do about it.
    pub class: FailureClass,
    /// When the server asked to be tried again, in milliseconds from now, between 1 s and 1 h.
    pub retry_after_ms: Option<u64>,
    /// What happened, in words, without any value.
    pub message: String,
}

impl Failure {
    /// A failure with its words.
    #[must_use]
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self { class, retry_after_ms: None, message: message.into() }
    }
}

/// The parts of an HTTP answer that decide its class.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The status.
    pub status: u16,
    /// The value of [`crate::PROTOCOL_HEADER`].
    pub protocol: Option<&'a str>,
    /// The value of `Content-Type`.
    pub content_type: Option<&'a str>,
    /// The value of `Retry-After` as milliseconds from now; see [`retry_after_ms`].
    pub retry_after_ms: Option<u64>,
    /// The body, or its beginning.
    pub body: &'a [u8],
}

/// Decides whether an answer is one of ours and a success.
///
/// # Errors
/// The class of the failure; a success is only a 2xx with our protocol header and media type.
pub fn classify(answer: Answer<'_>) -> Result<(), Failure> {
    let ours = answer.protocol.is_some();
    let json = answer.content_type.is_some_and(|kind| kind.to_ascii_lowercase().contains("json"));
    if (200..300).contains(&answer.status) && ours && json {
        return Ok(());
    }
    let class = class_of(answer.status, ours, json);
    let problem: Option<Problem> =
        if ours && json { serde_json::from_slice(answer.body).ok() } else { None };
    let refused = |problem: &Problem| problem.code == ProblemCode::CursorRefused;
    let class = if problem.as_ref().is_some_and(refused) { FailureClass::Reset } else { class };
    let message = match problem {
        Some(Problem { title, detail: Some(detail), .. }) => format!("{title}: {detail}"),
        Some(problem) => problem.title,
        None => words(class, answer.status),
    };
    Err(Failure { class, retry_after_ms: answer.retry_after_ms, message })
}

fn class_of(status: u16, ours: bool, json: bool) -> FailureClass {
    match status {
        200..=399 => FailureClass::CaptivePortal,
        401 if ours => FailureClass::Auth,
        403 if ours => FailureClass::AccessRemoved,
        404 | 405 | 501 => FailureClass::Config,
        410 if ours => FailureClass::Reset,
        413 => FailureClass::TooLarge,
        400 | 422 if ours => FailureClass::BadRequest,
        415 | 426 => FailureClass::UpgradeRequired,
        // A login page may come with any status; one of our own errors is always JSON.
        401 | 403 | 511 if !json => FailureClass::CaptivePortal,
        _ => FailureClass::Transient,
    }
}

fn words(class: FailureClass, status: u16) -> String {
    match class {
        FailureClass::CaptivePortal => {
            "the answer did not come from a Clarity server; the network may need a sign-in".into()
        }
        FailureClass::Config => {
            format!("there is no Clarity server at this address (HTTP {status})")
        }
        _ => format!("the server answered HTTP {status}"),
    }
}

/// Reads a `Retry-After` value in seconds, clamped to between 1 s and 1 h.
///
/// The other form, a date, is relative to a clock; callers that have one turn it into seconds.
#[must_use]
pub fn retry_after_ms(value: &str) -> Option<u64> {
    let digits = value.trim();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Digits alone fail to be read only when they are too many: that is long, not nothing.
    let seconds: u64 = digits.parse().unwrap_or(u64::MAX);
    Some(seconds.saturating_mul(1_000).clamp(RETRY_AFTER_MS_MIN, RETRY_AFTER_MS_MAX))
}
