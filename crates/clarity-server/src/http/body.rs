//! Request bodies: JSON, perhaps compressed, never larger than a limit.

use std::io::Read;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use clarity_protocol::{ProblemCode, decode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::answer::Refusal;

/// How long a device may take to send a body.
const BODY_TIME_MAX: Duration = Duration::from_secs(60);
/// Largest window that a zstd body may ask the server to keep: 8 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

#[derive(Debug, Clone, Copy)]
enum Coding {
    Plain,
    Zstd,
    Gzip,
}

/// A body as it came in, within its limit but not decompressed yet.
pub(super) struct Received {
    bytes: Bytes,
    coding: Coding,
    bytes_max: usize,
}

/// Reads a body up to a limit.
pub(super) async fn receive(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<Received, Refusal> {
    let coding = check_headers(headers)?;
    let collecting = Limited::new(body, bytes_max).collect();
    let collected = tokio::time::timeout(BODY_TIME_MAX, collecting).await.map_err(|_| {
        let detail = "the body did not arrive in time; try again, or send less at once";
        Refusal::new(408, ProblemCode::BadRequest, "The request is too slow", detail)
    })?;
    match collected {
        Ok(body) => Ok(Received { bytes: body.to_bytes(), coding, bytes_max }),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(bad("the body ended early")),
    }
}

/// Which coding the body has, when it is JSON at all.
fn check_headers(headers: &HeaderMap) -> Result<Coding, Refusal> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let media_type = text(header::CONTENT_TYPE).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case(clarity_protocol::CONTENT_TYPE) {
        return Err(unsupported("send the body as application/json"));
    }
    match text(header::CONTENT_ENCODING).unwrap_or("identity").trim() {
        "identity" => Ok(Coding::Plain),
        "zstd" => Ok(Coding::Zstd),
        "gzip" => Ok(Coding::Gzip),
        _ => Err(unsupported("compress the body with zstd, gzip or not at all")),
    }
}

impl Received {
    /// Decompresses and reads the message. Not for an async thread.
    pub(super) fn message<T: DeserializeOwned>(self) -> Result<T, Refusal> {
        let limit = self.bytes_max;
        let decoded = match self.coding {
            Coding::Plain => return parse(&self.bytes),
            Coding::Zstd => zstd::Decoder::with_buffer(&*self.bytes).and_then(|mut decoder| {
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                read_bounded(decoder, limit)
            }),
            Coding::Gzip => read_bounded(flate2::read::MultiGzDecoder::new(&*self.bytes), limit),
        };
        match decoded {
            Ok(Some(bytes)) => parse(&bytes),
            Ok(None) => Err(too_large()),
            Err(_) => Err(bad("the body is not compressed as its header says")),
        }
    }
}

/// Reads to the end, or gives nothing when there is more than the limit: a small body that
/// unfolds into a huge one costs no more than the limit.
fn read_bounded(source: impl Read, limit: usize) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    source.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= limit).then_some(bytes))
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    decode(bytes).map_err(|error| bad(&error.to_string()))
}

fn bad(detail: &str) -> Refusal {
    Refusal::new(400, ProblemCode::BadRequest, "The request cannot be read", detail)
}

fn too_large() -> Refusal {
    Refusal::new(413, ProblemCode::TooLarge, "The request is too large", "send less at once")
}

fn unsupported(detail: &str) -> Refusal {
    let title = "The form of the body is not known";
    Refusal::new(415, ProblemCode::UpgradeRequired, title, detail)
}
