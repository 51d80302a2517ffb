//! Answers of a server, made by hand.

use clarity_engine::protocol::model::{
    Check, Counter, EntityKey, Fields, Kind, Outcome, RejectReason, Rejection, Seq, ServerTime,
    Version,
};
use clarity_engine::protocol::{
    Cursor, FetchResponse, OperationAnswer, PullResponse, PushRequest, PushResponse, Row, Scope,
    SettledOperation, Tokens, WireEntity, WireOperation,
};
use clarity_engine::store::RequestId;
use serde_json::Value;

use super::EPOCH;

pub(crate) type Answer = OperationAnswer;

pub(crate) const APPLIED: Outcome = Outcome::Applied;

/// A push as it left the device.
#[derive(Debug)]
pub(crate) struct Push {
    pub(crate) request: RequestId,
    pub(crate) body: PushRequest,
    pub(crate) operations: Vec<WireOperation>,
}

impl Push {
    pub(crate) fn new(request: RequestId, body: PushRequest) -> Self {
        let operations = body.operations.iter().map(|raw| serde_json::from_str(raw.get()));
        let operations = operations.collect::<Result<_, _>>().unwrap();
        Self { request, body, operations }
    }

    /// The one operation that it carries.
    pub(crate) fn only(&self) -> &WireOperation {
        assert_eq!(self.operations.len(), 1, "one operation travels");
        &self.operations[0]
    }

    pub(crate) fn bytes(&self) -> Vec<&str> {
        self.body.operations.iter().map(|raw| raw.get()).collect()
    }

    pub(crate) fn counters(&self) -> Vec<u64> {
        self.operations.iter().map(|operation| operation.id.0).collect()
    }
}

pub(crate) fn fields(value: Value) -> Fields {
    serde_json::from_value(value).unwrap()
}

pub(crate) fn answer(operation: &WireOperation, outcome: Outcome) -> Answer {
    OperationAnswer {
        id: operation.id,
        outcome,
        entity_id: None,
        version: None,
        entity: None,
        fields: std::collections::BTreeMap::new(),
        rejection: None,
        blocked_by: None,
    }
}

/// It took effect exactly as written.
pub(crate) fn applied(operation: &WireOperation) -> Answer {
    let nothing = operation.kind == Kind::Update && operation.changes.is_empty();
    let version = Version(operation.base.0 + u64::from(!nothing));
    OperationAnswer { version: Some(version), ..answer(operation, Outcome::Applied) }
}

/// It ended so, and the entity is now this; without fields it is deleted.
pub(crate) fn with_entity(
    operation: &WireOperation,
    outcome: Outcome,
    version: u64,
    value: Option<Value>,
) -> Answer {
    let version = Version(version);
    let updated_at = ServerTime(version.0.cast_signed());
    let entity = Some(WireEntity { version, updated_at, fields: value.map(fields) });
    OperationAnswer { version: Some(version), entity, ..answer(operation, outcome) }
}

pub(crate) fn rejected(operation: &WireOperation) -> Answer {
    let message = "the change is not allowed".to_owned();
    let rejection = Some(Rejection { code: RejectReason::NotAllowed, message });
    OperationAnswer { rejection, ..answer(operation, Outcome::Rejected) }
}

pub(crate) fn response(answers: Vec<Answer>) -> PushResponse {
    PushResponse { epoch: EPOCH, at: ServerTime(5), head: None, answers, contributed: Vec::new() }
}

/// A row of a pull; its position in the log is ten times its version.
pub(crate) fn row(key: &EntityKey, version: u64, value: Value) -> Row {
    Row {
        key: key.clone(),
        version: Version(version),
        seq: Seq(version * 10),
        updated_at: ServerTime(version.cast_signed()),
        fields: Some(fields(value)),
        deleted: false,
        outside: false,
        operations: Vec::new(),
    }
}

pub(crate) fn deleted_row(key: &EntityKey, version: u64) -> Row {
    let live = row(key, version, Value::Object(serde_json::Map::new()));
    Row { fields: None, deleted: true, ..live }
}

/// A row that holds an operation of this device.
pub(crate) fn holding(row: Row, id: Counter, outcome: Outcome) -> Row {
    Row { operations: vec![SettledOperation { id, outcome, hash: None }], ..row }
}

pub(crate) fn cursor(seq: u64) -> Cursor {
    Cursor {
        epoch: EPOCH,
        seq: Seq(seq),
        check: clarity_check(seq),
        scope: Scope::default(),
        place: None,
    }
}

fn clarity_check(seq: u64) -> Check {
    Check(seq ^ 0xc0de)
}

/// A last page that ends at its last row.
pub(crate) fn page(rows: &[Row]) -> PullResponse {
    let end = rows.iter().map(|row| row.seq.0).max().unwrap_or(0);
    PullResponse {
        epoch: EPOCH,
        at: ServerTime(5),
        rows: rows.to_vec(),
        cursor: cursor(end),
        head: Seq(end),
        more: false,
        durable_through: Seq(end),
        restored: None,
    }
}

/// A page with more to follow, up to `head`.
pub(crate) fn page_before(rows: &[Row], head: u64) -> PullResponse {
    PullResponse { head: Seq(head), more: true, ..page(rows) }
}

/// An answer to a fetch of entities; those that it does not name are to be asked for again.
pub(crate) fn fetched(rows: &[Row], unknown: &[EntityKey]) -> FetchResponse {
    FetchResponse {
        epoch: EPOCH,
        at: ServerTime(5),
        head: Seq(1_000),
        check: None,
        rows: rows.to_vec(),
        unknown: unknown.to_vec(),
        ranges_done: 0,
        after: None,
    }
}

pub(crate) fn tokens(account: &str) -> Tokens {
    Tokens {
        account_id: account.to_owned(),
        device_id: "device".to_owned(),
        access_token: "access".to_owned(),
        access_expires_in_ms: 900_000,
        refresh_token: "refresh".to_owned(),
    }
}

/// A last page that the server made at this time.
pub(crate) fn page_at(rows: &[Row], at: ServerTime) -> PullResponse {
    PullResponse { at, ..page(rows) }
}
