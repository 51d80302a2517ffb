//! `GET /v1/health` and `GET /v1/ready`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use super::App;
use super::answer::{Encoding, Refusal, json as json_answer};
use crate::storage::directory::DirectoryStorage;

/// The process runs and answers.
pub(super) async fn health() -> Result<Response, Refusal> {
    json_answer(&json!({ "status": "ok" }), Encoding::Plain)
}

/// The database answers as well.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Result<Response, Refusal> {
    app.blocking(|app| {
        let read = app.core.storage().view_directory(|directory| directory.has_accounts());
        read.map_err(crate::error::RequestError::from)?;
        json_answer(&json!({ "status": "ready" }), Encoding::Plain)
    })
    .await
}
