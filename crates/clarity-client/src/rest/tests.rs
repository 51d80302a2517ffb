use clarity_engine::protocol::model::{
    EntityKey, EntityType, FieldChange, Incarnation, Kind, LocalTime, Outcome, RejectReason,
    ServerTime, Version,
};
use clarity_engine::protocol::{FailureClass, PullRequest, Scope, WireOperation};
use serde_json::{Value, json};

use super::answer::{Heard, Verdict, judge};
use super::backend::{Endpoint, Feed, RestBackend, UpdateWith, Versions};
use super::feed::Reading;
use super::request::{Plan, plan};

fn backend() -> RestBackend {
    let feed = Feed::since("since", "change").limit("limit", 2);
    let note = EntityType::new("Note").expect("a type");
    RestBackend::new("http://127.0.0.1:1")
        .expect("an address")
        .with(note, Endpoint::new("/notes/").read_by(feed))
        .versions(Versions::ETag { listed_in: "version".to_owned() })
}

fn operation(kind: Kind) -> WireOperation {
    let change = FieldChange { field: "title".into(), old: None, new: Some(json!("b")) };
    WireOperation {
        id: clarity_engine::protocol::model::Counter(7),
        covers: Vec::new(),
        batch: None,
        kind,
        key: EntityKey::new("Note", "n 1").expect("a key"),
        base: Version(if kind == Kind::Create { 0 } else { 3 }),
        fields: (kind == Kind::Create)
            .then(|| serde_json::from_value(json!({ "title": "a" })).expect("fields")),
        changes: if kind == Kind::Update { vec![change] } else { Vec::new() },
        schema: 1,
        at: LocalTime(0),
    }
}

fn heard(status: u16, body: &Value) -> Heard {
    Heard {
        status,
        is_marked: true,
        is_html: false,
        is_problem: false,
        etag: None,
        location: None,
        retry_after_ms: None,
        body: if body.is_null() { Vec::new() } else { body.to_string().into_bytes() },
    }
}

/// What an answer means, in one word.
fn word(backend: &RestBackend, kind: Kind, heard: &Heard) -> String {
    match judge(backend, &operation(kind), heard) {
        Verdict::Answered(answer) => match answer.rejection {
            Some(rejection) => format!("rejected {}", rejection.code.as_str()),
            None => answer.outcome.as_str().to_owned(),
        },
        Verdict::Moved => "moved".to_owned(),
        Verdict::Failed(failure) => format!("{:?}", failure.class),
    }
}

/// Shows what each status means for each kind of change.
#[test]
fn every_status_has_a_meaning() {
    let all = [Kind::Create, Kind::Update, Kind::Delete];
    let invalid = format!("rejected {}", RejectReason::Invalid.as_str());
    let refused = format!("rejected {}", RejectReason::Refused.as_str());
    let too_large = format!("rejected {}", RejectReason::TooLarge.as_str());
    let not_allowed = format!("rejected {}", RejectReason::NotAllowed.as_str());
    let not_found = format!("rejected {}", RejectReason::NotFound.as_str());
    let table: &[(&[u16], [&str; 3])] = &[
        (&[200, 201, 202, 204], ["applied"; 3]),
        (&[301, 302, 307, 511], ["CaptivePortal"; 3]),
        (&[400, 422], [&invalid; 3]),
        (&[401], ["Auth"; 3]),
        (&[403], [&not_allowed; 3]),
        (&[404], ["Config", &not_found, "applied"]),
        (&[405, 501], ["Config"; 3]),
        (&[408, 421, 423, 424, 425, 429, 500, 502, 503, 504, 507, 599], ["Transient"; 3]),
        (&[409, 412], [&refused, "moved", "moved"]),
        (&[410], [&refused, "stale", "applied"]),
        (&[413], [&too_large; 3]),
        (&[415, 426], ["UpgradeRequired"; 3]),
        (&[402, 406, 418, 451, 499], [&refused; 3]),
    ];
    for (statuses, words) in table {
        for status in *statuses {
            for (kind, expected) in all.into_iter().zip(words) {
                let found = word(&backend(), kind, &heard(*status, &Value::Null));
                assert_eq!(found, *expected, "{status} to a {}", kind.as_str());
            }
        }
    }
    let forgetful = backend().missing_is_deleted();
    assert_eq!(word(&forgetful, Kind::Update, &heard(404, &Value::Null)), "stale");
    let removed = json!({ "code": "access_removed" });
    assert_eq!(word(&backend(), Kind::Update, &heard(403, &removed)), "AccessRemoved");
}

/// Shows that what does not come from the backend acknowledges nothing.
#[test]
fn a_portal_is_believed_nothing() {
    for status in [200, 201, 401, 403] {
        let page = Heard { is_html: true, ..heard(status, &json!("<html>")) };
        assert_eq!(word(&backend(), Kind::Update, &page), "CaptivePortal");
        let unmarked = Heard { is_marked: false, ..heard(status, &json!({})) };
        assert_eq!(word(&backend(), Kind::Create, &unmarked), "CaptivePortal");
    }
    let text = Heard { body: b"welcome".to_vec(), ..heard(200, &Value::Null) };
    assert_eq!(word(&backend(), Kind::Update, &text), "CaptivePortal");
}

/// Shows where ids, versions and entities are taken from.
#[test]
fn answers_are_read() {
    let judged = |backend: &RestBackend, kind, heard: &Heard| match judge(
        backend,
        &operation(kind),
        heard,
    ) {
        Verdict::Answered(answer) => *answer,
        other => panic!("{other:?}"),
    };
    let body = json!({ "id": 31, "version": 9, "updated_at": 5, "title": "a" });
    let made = Heard { etag: Some("W/\"2\"".into()), ..heard(201, &body) };
    let made = judged(&backend(), Kind::Create, &made);
    assert_eq!(made.entity_id.expect("an id").as_str(), "31");
    assert_eq!(made.version, Some(Version(2)), "the ETag leads");
    let entity = made.entity.expect("an entity");
    assert_eq!((entity.updated_at, json!(entity.fields)), (ServerTime(5), json!({ "title": "a" })));

    let location = Some("http://127.0.0.1:1/notes/a%20b?x".to_owned());
    let made = Heard { location, ..heard(201, &Value::Null) };
    let made = judged(&backend(), Kind::Create, &made);
    assert_eq!(made.entity_id.expect("an id").as_str(), "a b");
    assert_eq!((made.version, made.entity), (Some(Version(1)), None));

    let nested = backend().fields_in("fields").conflict_in("entity");
    let met = json!({ "code": "stale", "entity": {
        "id": "n 1", "version": 5, "fields": { "id": "kept", "title": "c" }
    } });
    let met = judged(&nested, Kind::Update, &heard(412, &met));
    assert_eq!((met.outcome, met.version), (Outcome::Stale, Some(Version(5))));
    let fields = met.entity.and_then(|entity| entity.fields);
    assert_eq!(json!(fields), json!({ "id": "kept", "title": "c" }));

    let there = json!({ "id": "other", "version": 4, "title": "c" });
    let there = judged(&backend(), Kind::Create, &heard(409, &there));
    assert_eq!(there.outcome, Outcome::Stale);
    assert_eq!(there.entity_id.expect("an id").as_str(), "other");
}

/// Shows that an id that cannot be used acknowledges nothing: the change waits, and goes again
/// under the same key.
#[test]
fn a_malformed_id_acknowledges_nothing() {
    let (long, empty) = ("x".repeat(200), String::new());
    for id in ["a/b", "a\u{0}b", &long, &empty] {
        let body = json!({ "id": id, "title": "a" });
        assert_eq!(word(&backend(), Kind::Create, &heard(201, &body)), "Transient", "{id}");
    }
}

/// Shows the requests that operations become.
#[test]
fn operations_become_requests() {
    let written = |backend: &RestBackend, kind| {
        let endpoint = backend.types.values().next().expect("an endpoint");
        match plan(backend, endpoint, Incarnation(0xab), &operation(kind)) {
            Plan::Ask(ask) => ask.as_part().to_string(),
            Plan::ReadFirst(ask) => format!("first {}", ask.as_part()),
            Plan::Nothing => "nothing".to_owned(),
        }
    };
    let flat = backend();
    insta::assert_snapshot!(written(&flat, Kind::Create), @r#"{"body":{"title":"a"},"idempotency_key":"000000000000000000000000000000ab:7","method":"POST","path":"/notes"}"#);
    insta::assert_snapshot!(written(&flat, Kind::Update), @r#"{"body":{"title":"b"},"idempotency_key":"000000000000000000000000000000ab:7","if_match":"\"3\"","method":"PATCH","path":"/notes/n%201"}"#);
    insta::assert_snapshot!(written(&flat, Kind::Delete), @r#"{"idempotency_key":"000000000000000000000000000000ab:7","if_match":"\"3\"","method":"DELETE","path":"/notes/n%201"}"#);
    let nested = backend().fields_in("fields").proposing_ids().versions(Versions::None);
    insta::assert_snapshot!(written(&nested, Kind::Create), @r#"{"body":{"fields":{"title":"a"},"id":"n 1"},"idempotency_key":"000000000000000000000000000000ab:7","method":"POST","path":"/notes"}"#);
    insta::assert_snapshot!(written(&nested, Kind::Update), @r#"{"body":{"fields":{"title":"b"}},"idempotency_key":"000000000000000000000000000000ab:7","method":"PATCH","path":"/notes/n%201"}"#);
    let put = written(&backend().update_with(UpdateWith::Put), Kind::Update);
    insta::assert_snapshot!(put, @r#"first {"method":"GET","path":"/notes/n%201"}"#);
}

/// Shows that a list is read page by page from where the last reading ended, and that a list whose
/// numbers do not grow is a failure instead of a loop.
#[test]
fn lists_are_read_in_pages() {
    let backend = backend();
    let request = |cursor| PullRequest {
        incarnation: Incarnation(1),
        settled_below: clarity_engine::protocol::model::Counter(1),
        schema: None,
        scope: Scope::default(),
        cursor,
        rows_max: None,
        heard: None,
        lost_epoch: None,
        from_head: false,
    };
    let item = |id: &str, change: u64| json!({ "id": id, "version": 1, "change": change, "a": 1 });
    let mut reading = Reading::new(&backend, request(None));
    assert_eq!(reading.next().expect("a request").path, "/notes?limit=2");
    reading.take(&heard(200, &json!([item("x", 4), item("y", 6)]))).expect("a page");
    assert_eq!(reading.next().expect("a request").path, "/notes?since=6&limit=2");
    let gone = json!({ "id": "x", "version": 2, "change": 7, "deleted": true });
    reading.take(&heard(200, &json!({ "items": [gone] }))).expect("a page");
    assert_eq!(reading.next(), None);
    let page = reading.finish(ServerTime(1)).expect("a page");
    assert_eq!((page.rows.len(), page.more), (3, false));
    assert!(page.rows[2].deleted && page.rows[2].fields.is_none());
    assert_eq!(json!(page.rows[0].fields), json!({ "a": 1 }));

    let mut reading = Reading::new(&backend, request(Some(page.cursor)));
    assert_eq!(reading.next().expect("a request").path, "/notes?since=7&limit=2");
    let equal = json!([item("x", 7), item("y", 7)]);
    let stuck = reading.take(&heard(200, &equal)).expect_err("a failure");
    assert_eq!(stuck.class, FailureClass::Transient);
    let cases = [
        (404, FailureClass::Config),
        (410, FailureClass::Reset),
        (403, FailureClass::AccessRemoved),
        (418, FailureClass::Transient),
        (200, FailureClass::Transient),
    ];
    for (status, class) in cases {
        let failure = reading.take(&heard(status, &json!({}))).expect_err("a failure");
        assert_eq!(failure.class, class, "{status}");
    }
    for item in [json!({ "id": "a/b" }), json!({}), json!(7)] {
        assert!(reading.take(&heard(200, &json!([item]))).is_err());
    }
}
