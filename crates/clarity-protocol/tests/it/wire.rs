//! The bytes of every message. A change here is a change of the protocol: devices and servers of
//! other versions must still be understood.

use std::collections::BTreeMap;

use clarity_protocol::model::{
    Check, Counter, EntityId, EntityKey, EntityType, Epoch, FieldChange, Fields, Incarnation, Kind,
    LocalTime, OperationHash, Outcome, RejectReason, Rejection, Seq, ServerTime, Version,
};
use clarity_protocol::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};

fn written<T: Serialize>(message: &T) -> String {
    serde_json::to_string(message).expect("a message is JSON")
}

/// Reads back byte for byte, also when members that nobody knows yet stand in every object.
#[track_caller]
fn reads_back<T: Serialize + DeserializeOwned>(message: &T) -> String {
    let text = written(message);
    let again: T = decode(text.as_bytes()).expect("what was written is read");
    assert_eq!(written(&again), text);
    let mut later: Value = serde_json::from_str(&text).expect("JSON");
    add_unknown_members(&mut later);
    let again: T = decode(later.to_string().as_bytes()).expect("unknown members are no error");
    assert_eq!(written(&again), text);
    text
}

/// Adds a member of a later version to each object, maps of fields left alone.
fn add_unknown_members(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(add_unknown_members),
        Value::Object(members) => {
            // The names in these are not the protocol's.
            let of_ours = |name: &str| !matches!(name, "fields" | "windows");
            for (_, value) in members.iter_mut().filter(|(name, _)| of_ours(name)) {
                add_unknown_members(value);
            }
            members.insert("of_a_later_version".into(), json!({"a": [null, {"b": 1.5}]}));
        }
        _ => {}
    }
}

pub(crate) fn key() -> EntityKey {
    EntityKey::new("Note", "018f-1").expect("a key")
}

pub(crate) fn change(field: &str, old: Option<Value>, new: Option<Value>) -> FieldChange {
    FieldChange { field: field.into(), old, new }
}

pub(crate) fn create() -> WireOperation {
    WireOperation {
        id: Counter(1),
        covers: Vec::new(),
        batch: None,
        kind: Kind::Create,
        key: key(),
        base: Version(0),
        fields: Some(Fields::from([
            ("later", json!({"unknown": [1, 2.5]})),
            ("tags", json!(["a"])),
            ("text", json!("Zeile ☂\n")),
        ])),
        changes: Vec::new(),
        schema: 1,
        at: LocalTime(1_700_000_000_000),
    }
}

pub(crate) fn update() -> WireOperation {
    WireOperation {
        id: Counter(9),
        covers: vec![Counter(6), Counter(8)],
        batch: Some(Counter(9)),
        kind: Kind::Update,
        base: Version(3),
        fields: None,
        changes: vec![
            change("text", Some(json!("a")), Some(json!("b"))),
            change("title", None, Some(Value::Null)),
            change("gone", Some(Value::Null), None),
        ],
        ..create()
    }
}

pub(crate) fn push_request() -> PushRequest {
    let frozen = |operation: &WireOperation| {
        RawValue::from_string(written(operation)).expect("an operation is JSON")
    };
    PushRequest {
        incarnation: Incarnation(0xabc),
        epoch: Some(Epoch(u128::MAX)),
        heard: Some(heard()),
        settled_below: Counter(5),
        schema: SchemaStamp { version: 1, hash: "00ff".into(), steps: 0 },
        foreign_bases: vec![Counter(9)],
        contribution: Some(contribution()),
        operations: vec![frozen(&create()), frozen(&update())],
    }
}

fn plain_answer(id: u64, outcome: Outcome) -> OperationAnswer {
    OperationAnswer {
        id: Counter(id),
        outcome,
        entity_id: None,
        version: None,
        entity: None,
        fields: Default::default(),
        rejection: None,
        blocked_by: None,
    }
}

pub(crate) fn push_response() -> PushResponse {
    let merged = OperationAnswer {
        version: Some(Version(4)),
        entity: Some(WireEntity {
            version: Version(5),
            updated_at: ServerTime(1_700_000_000_001),
            fields: Some(Fields::from([("text", json!("both"))])),
        }),
        fields: [
            ("tags".to_owned(), FieldOutcome::Superseded),
            ("text".to_owned(), FieldOutcome::Merged),
            ("title".to_owned(), FieldOutcome::Conflict),
        ]
        .into(),
        ..plain_answer(2, Outcome::Merged)
    };
    let deleted = OperationAnswer {
        version: Some(Version(6)),
        entity: Some(WireEntity { version: Version(6), updated_at: ServerTime(2), fields: None }),
        ..plain_answer(3, Outcome::Conflict)
    };
    let rejected = OperationAnswer {
        rejection: Some(Rejection {
            code: RejectReason::TooLarge,
            message: "the entity is too large".into(),
        }),
        ..plain_answer(4, Outcome::Rejected)
    };
    let blocked =
        OperationAnswer { blocked_by: Some(Counter(4)), ..plain_answer(5, Outcome::Blocked) };
    let applied =
        OperationAnswer { version: Some(Version(1)), ..plain_answer(1, Outcome::Applied) };
    let others = [
        plain_answer(6, Outcome::Superseded),
        plain_answer(7, Outcome::OpIdReused),
        plain_answer(8, Outcome::Reidentify),
        OperationAnswer {
            entity_id: Some(EntityId::new("31").expect("an id")),
            version: Some(Version(1)),
            ..plain_answer(9, Outcome::Applied)
        },
        plain_answer(10, Outcome::Stale),
    ];
    let mut answers = vec![applied, merged, deleted, rejected, blocked];
    answers.extend(others);
    PushResponse {
        epoch: Epoch(1),
        at: ServerTime(1_700_000_000_002),
        head: Some(heard()),
        answers,
        contributed: contributed(),
    }
}

fn heard() -> LogMark {
    LogMark { seq: Seq(43), check: Check(0xbeef) }
}

fn contribution() -> Contribution {
    let live = ContributedEntity {
        key: key(),
        version: Version(7),
        fields: Some(Fields::from([("text", json!("kept"))])),
    };
    let gone = ContributedEntity { fields: None, ..live.clone() };
    Contribution { epoch: Epoch(3), entities: vec![live, gone] }
}

fn contributed() -> Vec<ContributionAnswer> {
    let held = Row {
        key: key(),
        version: Version(7),
        seq: Seq(42),
        updated_at: ServerTime(3),
        fields: None,
        deleted: false,
        outside: false,
        operations: Vec::new(),
    };
    let moved = Row { fields: Some(Fields::from([("text", json!("new"))])), ..held.clone() };
    vec![
        ContributionAnswer { outcome: ContributionOutcome::Held, row: held },
        ContributionAnswer { outcome: ContributionOutcome::Superseded, row: moved },
    ]
}

pub(crate) fn cursor() -> Cursor {
    Cursor {
        epoch: Epoch(1),
        seq: Seq(42),
        check: Check(0xdead),
        scope: Scope {
            types: vec![EntityType::new("Note").expect("a type name")],
            windows: BTreeMap::from([(EntityType::new("Note").expect("a type"), 30)]),
        },
        place: None,
    }
}

pub(crate) fn pull_request() -> PullRequest {
    PullRequest {
        incarnation: Incarnation(0xabc),
        settled_below: Counter(5),
        schema: None,
        scope: cursor().scope,
        heard: Some(heard()),
        cursor: Some(cursor()),
        lost_epoch: None,
        from_head: false,
        rows_max: Some(100),
    }
}

pub(crate) fn pull_response() -> PullResponse {
    let live = Row {
        key: key(),
        version: Version(5),
        seq: Seq(41),
        updated_at: ServerTime(1),
        fields: Some(Fields::from([("text", json!("both")), ("title", Value::Null)])),
        deleted: false,
        outside: false,
        operations: vec![SettledOperation {
            id: Counter(9),
            outcome: Outcome::Merged,
            hash: Some(OperationHash(0xa5)),
        }],
    };
    let gone = Row { fields: None, deleted: true, operations: Vec::new(), ..live.clone() };
    let known = Row { deleted: false, ..gone.clone() };
    PullResponse {
        epoch: Epoch(1),
        at: ServerTime(2),
        rows: vec![live, gone, known],
        cursor: Cursor { scope: Scope::default(), ..cursor() },
        head: Seq(50),
        more: true,
        durable_through: Seq(40),
        restored: Some(Restored { head: Some(Seq(30)) }),
    }
}

// One operation of each kind.
#[test]
fn operations() {
    let delete = WireOperation { kind: Kind::Delete, base: Version(4), fields: None, ..create() };
    let all = [create(), update(), delete];
    insta::assert_snapshot!(all.map(|operation| reads_back(&operation)).join("\n"), @r#"
    {"counter":1,"kind":"create","type":"Note","id":"018f-1","base":0,"fields":{"later":{"unknown":[1,2.5]},"tags":["a"],"text":"Zeile ☂\n"},"schema":1,"at":1700000000000}
    {"counter":9,"covers":[6,8],"batch":9,"kind":"update","type":"Note","id":"018f-1","base":3,"changes":[{"field":"text","old":"a","new":"b"},{"field":"title","new":null},{"field":"gone","old":null}],"schema":1,"at":1700000000000}
    {"counter":1,"kind":"delete","type":"Note","id":"018f-1","base":4,"schema":1,"at":1700000000000}
    "#);
}

// A push: the operations stand in it exactly as they were frozen.
#[test]
fn push() {
    let request = push_request();
    let text = written(&request);
    let again: PushRequest = decode(text.as_bytes()).expect("what was written is read");
    assert_eq!(written(&again), text);
    for (raw, operation) in again.operations.iter().zip([create(), update()]) {
        assert_eq!(decode_operation(raw).ok(), Some(operation));
    }
    insta::assert_snapshot!(text, @r#"{"incarnation":"00000000000000000000000000000abc","epoch":"ffffffffffffffffffffffffffffffff","heard":{"seq":43,"check":"000000000000beef"},"settled_below":5,"schema":{"version":1,"hash":"00ff"},"foreign_bases":[9],"contribution":{"epoch":"00000000000000000000000000000003","entities":[{"type":"Note","id":"018f-1","version":7,"fields":{"text":"kept"}},{"type":"Note","id":"018f-1","version":7}]},"operations":[{"counter":1,"kind":"create","type":"Note","id":"018f-1","base":0,"fields":{"later":{"unknown":[1,2.5]},"tags":["a"],"text":"Zeile ☂\n"},"schema":1,"at":1700000000000},{"counter":9,"covers":[6,8],"batch":9,"kind":"update","type":"Note","id":"018f-1","base":3,"changes":[{"field":"text","old":"a","new":"b"},{"field":"title","new":null},{"field":"gone","old":null}],"schema":1,"at":1700000000000}]}"#);
    insta::assert_snapshot!(reads_back(&push_response()), @r#"{"epoch":"00000000000000000000000000000001","at":1700000000002,"head":{"seq":43,"check":"000000000000beef"},"contributed":[{"outcome":"held","row":{"type":"Note","id":"018f-1","version":7,"seq":42,"updated_at":3}},{"outcome":"superseded","row":{"type":"Note","id":"018f-1","version":7,"seq":42,"updated_at":3,"fields":{"text":"new"}}}],"answers":[{"counter":1,"outcome":"applied","version":1},{"counter":2,"outcome":"merged","version":4,"entity":{"version":5,"updated_at":1700000000001,"fields":{"text":"both"}},"fields":{"tags":"superseded","text":"merged","title":"conflict"}},{"counter":3,"outcome":"conflict","version":6,"entity":{"version":6,"updated_at":2}},{"counter":4,"outcome":"rejected","rejection":{"code":"too_large","message":"the entity is too large"}},{"counter":5,"outcome":"blocked","blocked_by":4},{"counter":6,"outcome":"superseded"},{"counter":7,"outcome":"op_id_reused"},{"counter":8,"outcome":"reidentify"},{"counter":9,"outcome":"applied","id":"31","version":1},{"counter":10,"outcome":"stale"}]}"#);
}

// The frozen bytes of an operation travel untouched, spaces, order and unknown members included.
#[test]
fn frozen_bytes_travel_untouched() {
    let frozen = "{ \"z\" : 1.10,\n  \"a\":1e2, \"id\": 1 }";
    let mut request = push_request();
    request.operations = vec![RawValue::from_string(frozen.to_owned()).expect("JSON")];
    let again: PushRequest = decode(written(&request).as_bytes()).expect("a request");
    assert_eq!(again.operations[0].get(), frozen);
}

// A pull with all its parts, and the smallest one.
#[test]
fn pull() {
    let first = PullRequest {
        scope: Scope::default(),
        heard: None,
        cursor: None,
        rows_max: None,
        ..pull_request()
    };
    insta::assert_snapshot!(reads_back(&pull_request()), @r#"{"incarnation":"00000000000000000000000000000abc","settled_below":5,"scope":{"types":["Note"],"windows":{"Note":30}},"cursor":{"epoch":"00000000000000000000000000000001","seq":42,"check":"000000000000dead","scope":{"types":["Note"],"windows":{"Note":30}}},"heard":{"seq":43,"check":"000000000000beef"},"rows_max":100}"#);
    insta::assert_snapshot!(reads_back(&first), @r#"{"incarnation":"00000000000000000000000000000abc","settled_below":5,"scope":{}}"#);
    insta::assert_snapshot!(reads_back(&pull_response()), @r#"{"epoch":"00000000000000000000000000000001","at":2,"rows":[{"type":"Note","id":"018f-1","version":5,"seq":41,"updated_at":1,"fields":{"text":"both","title":null},"operations":[{"counter":9,"outcome":"merged","hash":"000000000000000000000000000000a5"}]},{"type":"Note","id":"018f-1","version":5,"seq":41,"updated_at":1,"deleted":true},{"type":"Note","id":"018f-1","version":5,"seq":41,"updated_at":1}],"cursor":{"epoch":"00000000000000000000000000000001","seq":42,"check":"000000000000dead","scope":{}},"head":50,"more":true,"durable_through":40,"restored":{"head":30}}"#);
}

// Members that are left out have their defaults, so a small message of an older device is read.
#[test]
fn members_left_out_have_defaults() {
    let incarnation = "0".repeat(32);
    let text = format!("{{\"incarnation\":\"{incarnation}\",\"settled_below\":1}}");
    let request: PullRequest = decode(text.as_bytes()).expect("a first pull");
    assert_eq!(request.scope, Scope::default());
    assert_eq!(request.cursor, None);
    let text = format!("{{\"epoch\":\"{incarnation}\",\"seq\":0,\"check\":\"{:016x}\"}}", 0);
    let cursor: Cursor = decode(text.as_bytes()).expect("a cursor without scope");
    assert_eq!(cursor.scope, Scope::default());
}

// Accounts, tokens and devices.
#[test]
fn accounts() {
    let sign_up = SignUpRequest {
        name: "ada@example.org".into(),
        password: "correct horse".into(),
        device_name: "Ada's phone".into(),
        incarnation: Incarnation(1),
    };
    let login = LoginRequest {
        name: sign_up.name.clone(),
        password: sign_up.password.clone(),
        device_name: sign_up.device_name.clone(),
        incarnation: Incarnation(1),
    };
    let refresh = RefreshRequest { refresh_token: "r-1".into() };
    let tokens = Tokens {
        account_id: "a-1".into(),
        device_id: "d-1".into(),
        access_token: "t-1".into(),
        access_expires_in_ms: 900_000,
        refresh_token: "r-2".into(),
    };
    let device = Device {
        id: "d-1".into(),
        name: "Ada's phone".into(),
        created_at: ServerTime(1),
        last_seen_at: ServerTime(2),
        revoked: false,
        current: true,
    };
    let messages = [
        reads_back(&sign_up),
        reads_back(&login),
        reads_back(&refresh),
        reads_back(&tokens),
        reads_back(&DeviceList { devices: vec![device] }),
    ];
    insta::assert_snapshot!(messages.join("\n"), @r#"
    {"name":"ada@example.org","password":"correct horse","device_name":"Ada's phone","incarnation":"00000000000000000000000000000001"}
    {"name":"ada@example.org","password":"correct horse","device_name":"Ada's phone","incarnation":"00000000000000000000000000000001"}
    {"refresh_token":"r-1"}
    {"account_id":"a-1","device_id":"d-1","access_token":"t-1","access_expires_in_ms":900000,"refresh_token":"r-2"}
    {"devices":[{"id":"d-1","name":"Ada's phone","created_at":1,"last_seen_at":2,"revoked":false,"current":true}]}
    "#);
}

// Problems, with every code that this version has.
#[test]
fn problems() {
    use ProblemCode::*;
    let all = [
        (400, BadRequest),
        (401, WrongCredentials),
        (401, TokenExpired),
        (401, SignInAgain),
        (403, AccessRemoved),
        (403, SignUpClosed),
        (409, NameTaken),
        (404, NotFound),
        (410, CursorRefused),
        (413, TooLarge),
        (426, UpgradeRequired),
        (429, TooManyRequests),
        (503, ServerFailure),
        (500, Unknown),
    ];
    let lines = all.map(|(status, code)| reads_back(&Problem::new(status, code, "words")));
    insta::assert_snapshot!(lines.join("\n"), @r#"
    {"type":"/problems/bad_request","status":400,"title":"words","code":"bad_request"}
    {"type":"/problems/wrong_credentials","status":401,"title":"words","code":"wrong_credentials"}
    {"type":"/problems/token_expired","status":401,"title":"words","code":"token_expired"}
    {"type":"/problems/sign_in_again","status":401,"title":"words","code":"sign_in_again"}
    {"type":"/problems/access_removed","status":403,"title":"words","code":"access_removed"}
    {"type":"/problems/sign_up_closed","status":403,"title":"words","code":"sign_up_closed"}
    {"type":"/problems/name_taken","status":409,"title":"words","code":"name_taken"}
    {"type":"/problems/not_found","status":404,"title":"words","code":"not_found"}
    {"type":"/problems/cursor_refused","status":410,"title":"words","code":"cursor_refused"}
    {"type":"/problems/too_large","status":413,"title":"words","code":"too_large"}
    {"type":"/problems/upgrade_required","status":426,"title":"words","code":"upgrade_required"}
    {"type":"/problems/too_many_requests","status":429,"title":"words","code":"too_many_requests"}
    {"type":"/problems/server_failure","status":503,"title":"words","code":"server_failure"}
    {"type":"/problems/unknown","status":500,"title":"words","code":"unknown"}
    "#);
    let detailed = Problem::new(413, TooLarge, "too large").with_detail("send less");
    insta::assert_snapshot!(reads_back(&detailed), @r#"{"type":"/problems/too_large","status":413,"title":"too large","detail":"send less","code":"too_large"}"#);
    let later: ProblemCode = decode(b"\"a_code_of_a_later_version\"").expect("any word");
    assert_eq!(later, Unknown);
}

fn fetch_range() -> FetchRange {
    FetchRange {
        entity_type: EntityType::new("HealthMetric").expect("a type"),
        from_ms: Some(-5),
        to_ms: Some(9),
        after: Some(FetchPosition { time_ms: Some(7), seq: Seq(3) }),
    }
}

pub(crate) fn fetch_request() -> FetchRequest {
    FetchRequest {
        incarnation: Incarnation(0xabc),
        epoch: Some(Epoch(1)),
        settled_below: Counter(5),
        schema: None,
        keys: vec![EntityKey::new("Note", "018f-1").expect("a key")],
        ranges: vec![fetch_range()],
        rows_max: Some(100),
    }
}

pub(crate) fn fetch_response() -> FetchResponse {
    FetchResponse {
        epoch: Epoch(1),
        at: ServerTime(2),
        head: Seq(50),
        check: Some(Check(7)),
        rows: pull_response().rows,
        unknown: fetch_request().keys,
        ranges_done: 0,
        after: Some(FetchPosition { time_ms: None, seq: Seq(3) }),
    }
}

// A fetch with all its parts, and the smallest one.
#[test]
fn fetch() {
    let open = FetchRange { from_ms: None, to_ms: None, after: None, ..fetch_range() };
    let smallest = FetchRequest {
        epoch: None,
        keys: Vec::new(),
        ranges: vec![open],
        rows_max: None,
        ..fetch_request()
    };
    insta::assert_snapshot!(reads_back(&fetch_request()), @r#"{"incarnation":"00000000000000000000000000000abc","epoch":"00000000000000000000000000000001","settled_below":5,"keys":[{"type":"Note","id":"018f-1"}],"ranges":[{"type":"HealthMetric","from_ms":-5,"to_ms":9,"after":{"time_ms":7,"seq":3}}],"rows_max":100}"#);
    insta::assert_snapshot!(reads_back(&smallest), @r#"{"incarnation":"00000000000000000000000000000abc","settled_below":5,"ranges":[{"type":"HealthMetric"}]}"#);
    insta::assert_snapshot!(reads_back(&fetch_response()), @r#"{"epoch":"00000000000000000000000000000001","at":2,"head":50,"check":"0000000000000007","rows":[{"type":"Note","id":"018f-1","version":5,"seq":41,"updated_at":1,"fields":{"text":"both","title":null},"operations":[{"counter":9,"outcome":"merged","hash":"000000000000000000000000000000a5"}]},{"type":"Note","id":"018f-1","version":5,"seq":41,"updated_at":1,"deleted":true},{"type":"Note","id":"018f-1","version":5,"seq":41,"updated_at":1}],"unknown":[{"type":"Note","id":"018f-1"}],"ranges_done":0,"after":{"seq":3}}"#);
}

// The words that stand outside of bodies.
#[test]
fn headers_and_paths() {
    let words = [
        PROTOCOL_HEADER,
        CONTENT_TYPE,
        path::PUSH,
        path::PULL,
        path::FETCH,
        path::EVENTS,
        path::ACCOUNTS,
        path::LOGIN,
        path::REFRESH,
        path::DEVICES,
        path::HEALTH,
    ];
    insta::assert_snapshot!(format!("{PROTOCOL_VERSION} {}", words.join(" ")), @"1 clarity-protocol application/json /v1/push /v1/pull /v1/fetch /v1/events /v1/accounts /v1/login /v1/refresh /v1/devices /v1/health");
}
