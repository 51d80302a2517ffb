//! Answers: JSON, compressed when the other side wants it, and problems.

use std::io::Write;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use clarity_protocol::{CONTENT_TYPE, Problem, ProblemCode};
use serde::Serialize;

use crate::auth::AuthError;
use crate::error::RequestError;

/// Shorter answers are not worth compressing.
const COMPRESSED_BYTES_MIN: usize = 1_024;
/// Compression level of zstd: higher ones cost several times as much and gain nothing on records
/// that are mostly random ids.
const ZSTD_LEVEL: i32 = 1;
/// Compression level of gzip: higher ones cost twice the time for a twentieth of the size.
const GZIP_LEVEL: u32 = 1;
/// The media type of problems.
pub(super) const PROBLEM_TYPE: &str = "application/problem+json";

/// How an answer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Zstd,
    Gzip,
    Plain,
}

impl Encoding {
    /// The best encoding that the other side accepts.
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        let accepts = |wanted: &str| {
            let values = headers.get_all(header::ACCEPT_ENCODING).into_iter();
            let mut entries =
                values.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
            entries.any(|entry| {
                let (name, weight) = entry.split_once(';').unwrap_or((entry, ""));
                let refused = matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
                name.trim().eq_ignore_ascii_case(wanted) && !refused
            })
        };
        if accepts("zstd") {
            Self::Zstd
        } else if accepts("gzip") {
            Self::Gzip
        } else {
            Self::Plain
        }
    }
}

/// A JSON answer with its bytes compressed. Slow for large ones: not for an async thread.
pub(super) fn json_bytes(json: Vec<u8>, encoding: Encoding) -> Response {
    let (body, named) = match encoding {
        _ if json.len() < COMPRESSED_BYTES_MIN => (json, None),
        Encoding::Plain => (json, None),
        Encoding::Zstd => match zstd::bulk::compress(&json, ZSTD_LEVEL) {
            Ok(compressed) => (compressed, Some("zstd")),
            Err(_) => (json, None),
        },
        Encoding::Gzip => match gzip(&json) {
            Ok(compressed) => (compressed, Some("gzip")),
            Err(_) => (json, None),
        },
    };
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(named) = named {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(named));
    }
    response
}

fn gzip(json: &[u8]) -> std::io::Result<Vec<u8>> {
    let level = flate2::Compression::new(GZIP_LEVEL);
    let mut encoder = flate2::write::GzEncoder::new(Vec::with_capacity(json.len() / 4), level);
    encoder.write_all(json)?;
    encoder.finish()
}

/// A JSON answer.
pub(super) fn json(value: &impl Serialize, encoding: Encoding) -> Result<Response, Refusal> {
    let bytes = serde_json::to_vec(value).map_err(|_| Refusal::failure())?;
    Ok(json_bytes(bytes, encoding))
}

/// A request that is not carried out.
#[derive(Debug)]
pub(crate) struct Refusal {
    problem: Problem,
    retry_after_ms: Option<u64>,
}

impl Refusal {
    pub(super) fn new(status: u16, code: ProblemCode, title: &str, detail: &str) -> Self {
        let problem = Problem::new(status, code, title).with_detail(detail);
        Self { problem, retry_after_ms: None }
    }

    /// The server itself failed.
    pub(super) fn failure() -> Self {
        let detail = "nothing was changed; try again";
        Self::new(500, ProblemCode::ServerFailure, "The server failed", detail)
    }

    /// The server has too much to do.
    pub(super) fn busy() -> Self {
        let detail = "nothing was changed; try again later";
        Self::new(503, ProblemCode::ServerFailure, "The server is busy", detail).retry_after(2_000)
    }

    pub(super) fn retry_after(mut self, milliseconds: u64) -> Self {
        self.retry_after_ms = Some(milliseconds);
        self
    }
}

impl From<RequestError> for Refusal {
    fn from(error: RequestError) -> Self {
        let problem = error.problem();
        if problem.status >= 500 {
            tracing::error!(%error, "a request failed");
        }
        let retry_after_ms = (problem.status == 503).then_some(2_000);
        Self { problem, retry_after_ms }
    }
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        let problem = error.problem();
        if problem.status >= 500 {
            tracing::error!(%error, "a request failed");
        }
        let retry_after_ms = match error {
            AuthError::TooManyAttempts { retry_after_ms } => Some(retry_after_ms),
            _ => (problem.status == 503).then_some(2_000),
        };
        Self { problem, retry_after_ms }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.problem).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        let failure = StatusCode::INTERNAL_SERVER_ERROR;
        *response.status_mut() = StatusCode::from_u16(self.problem.status).unwrap_or(failure);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_TYPE));
        if self.problem.status == 401 {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(milliseconds) = self.retry_after_ms {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(milliseconds.div_ceil(1_000)));
        }
        response
    }
}
