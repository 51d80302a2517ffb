//! Errors of whole requests, as RFC 9457 problem documents.

use serde::{Deserialize, Serialize};

/// What went wrong with a request, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProblemCode {
    /// The body is not what this path takes.
    BadRequest,
    /// The name or the password is wrong.
    WrongCredentials,
    /// The access token has expired or is unknown; refresh it.
    TokenExpired,
    /// The refresh token is unknown, used up or revoked; sign in again.
    SignInAgain,
    /// The device was revoked or the account closed.
    AccessRemoved,
    /// The server does not take new accounts.
    SignUpClosed,
    /// An account with this name exists.
    NameTaken,
    /// There is nothing at this path.
    NotFound,
    /// The cursor or the epoch is not of this database: read everything again.
    CursorRefused,
    /// The entity has another version than the change was made on; the answer holds it.
    Stale,
    /// The entity was deleted.
    Deleted,
    /// The `Idempotency-Key` was used for another request, or so long ago that it is forgotten.
    IdempotencyKeyReused,
    /// The request is larger than a limit.
    TooLarge,
    /// This client is too old for the server, or too new.
    UpgradeRequired,
    /// Too many requests; try after the time in `Retry-After`.
    TooManyRequests,
    /// The server failed; try again.
    ServerFailure,
    /// A code that this version does not know.
    #[serde(other)]
    Unknown,
}

/// An RFC 9457 problem document. It never holds a value, a token or an id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A stable name of the kind of problem, as a relative reference.
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong, in words.
    pub title: String,
    /// What to do about it, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What went wrong, for programs.
    pub code: ProblemCode,
}

impl Problem {
    /// A problem with its words.
    #[must_use]
    pub fn new(status: u16, code: ProblemCode, title: impl Into<String>) -> Self {
        let name = serde_json::to_value(code).unwrap_or_default();
        let kind = format!("/problems/{}", name.as_str().unwrap_or("unknown"));
        Self { kind, status, title: title.into(), detail: None, code }
    }

    /// The same problem with what to do about it.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}
