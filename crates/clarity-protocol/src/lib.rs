//! What devices and servers say to each other.
//!
//! JSON over HTTP, protocol version 1. The wire types are apart from the types of the model's
//! inside, so that neither can change the other by accident. `docs/protocol.md` tells the protocol
//! in words; the snapshot tests of this crate freeze its bytes.
//!
//! *Architecture Invariant:* nothing here performs I/O or reads a clock.

mod account;
mod classify;
mod codec;
mod contribution;
mod fetch;
mod hint;
mod problem;
mod pull;
mod push;
mod stream;

pub use account::{Device, DeviceList, LoginRequest, RefreshRequest, SignUpRequest, Tokens};
pub use classify::{Answer, Failure, FailureClass, classify, retry_after_ms};
pub use codec::{DecodeError, decode, decode_operation, hash_operation};
pub use contribution::{
    ContributedEntity, Contribution, ContributionAnswer, ContributionOutcome, Restored,
};
pub use fetch::{FetchPosition, FetchRange, FetchRequest, FetchResponse};
pub use hint::{Hint, HintEntity, HintKind};
pub use problem::{Problem, ProblemCode};
pub use pull::{Cursor, LogMark, PullRequest, PullResponse, Row, Scope, SettledOperation};
pub use push::{
    FieldOutcome, OperationAnswer, PushRequest, PushResponse, SchemaStamp, WireEntity,
    WireOperation, refused_by_schema,
};
pub use stream::HintStream;

pub use clarity_model as model;

/// The version of the protocol, sent and expected in [`PROTOCOL_HEADER`].
pub const PROTOCOL_VERSION: u32 = 1;
/// The header that every request and every answer of ours carries. An answer without it did not
/// come from a Clarity server, whatever its status says.
pub const PROTOCOL_HEADER: &str = "clarity-protocol";
/// The media type of requests and answers.
pub const CONTENT_TYPE: &str = "application/json";

/// The paths of the server, one place for both sides.
pub mod path {
    /// `POST` [`crate::PushRequest`], answers [`crate::PushResponse`].
    pub const PUSH: &str = "/v1/push";
    /// `POST` [`crate::PullRequest`], answers [`crate::PullResponse`].
    pub const PULL: &str = "/v1/pull";
    /// `POST` [`crate::FetchRequest`], answers [`crate::FetchResponse`].
    pub const FETCH: &str = "/v1/fetch";
    /// `GET`, a stream of server-sent events, each a [`crate::Hint`].
    pub const EVENTS: &str = "/v1/events";
    /// `POST` [`crate::SignUpRequest`], answers [`crate::Tokens`].
    pub const ACCOUNTS: &str = "/v1/accounts";
    /// `POST` [`crate::LoginRequest`], answers [`crate::Tokens`].
    pub const LOGIN: &str = "/v1/login";
    /// `POST` [`crate::RefreshRequest`], answers [`crate::Tokens`].
    pub const REFRESH: &str = "/v1/refresh";
    /// `GET` answers [`crate::DeviceList`]; `DELETE /v1/devices/{id}` revokes a device.
    pub const DEVICES: &str = "/v1/devices";
    /// `POST /v1/entities/{type}` makes an entity and `GET` lists them; `GET`, `PATCH`, `PUT` and
    /// `DELETE` on `/v1/entities/{type}/{id}` are for one of them.
    pub const ENTITIES: &str = "/v1/entities";
    /// `GET`, answers 200 with the protocol header when the server can serve.
    pub const HEALTH: &str = "/v1/health";
}
