//! Promise I17 in this crate: no value, password or token in `Debug` output or in error words.

use clarity_protocol::model::{Fields, Incarnation};
use clarity_protocol::*;
use serde_json::json;
use serde_json::value::RawValue;

use crate::wire;

const CANARY: &str = "canary-4711";

#[track_caller]
fn hides_the_canary(shown: &str) {
    assert!(!shown.contains("4711"), "{shown}");
}

// `Debug` of everything that holds a secret, in both of its forms.
#[test]
fn debug_shows_no_secret() {
    let text = || CANARY.to_owned();
    let planted = || Some(Fields::from([("note", json!(CANARY)), ("value", json!(4711))]));
    let tokens = Tokens {
        account_id: "a".into(),
        device_id: "d".into(),
        access_token: text(),
        access_expires_in_ms: 1,
        refresh_token: text(),
    };
    let sign_up = SignUpRequest {
        name: text(),
        password: text(),
        device_name: "phone".into(),
        incarnation: Incarnation(1),
    };
    let login = LoginRequest {
        name: text(),
        password: text(),
        device_name: "phone".into(),
        incarnation: Incarnation(1),
    };
    let refresh = RefreshRequest { refresh_token: text() };
    let operation = WireOperation {
        fields: planted(),
        changes: vec![wire::change("note", Some(json!(CANARY)), Some(json!(4711)))],
        ..wire::create()
    };
    let mut request = wire::push_request();
    let frozen = serde_json::to_string(&operation).expect("JSON");
    request.operations = vec![RawValue::from_string(frozen).expect("JSON")];
    let mut response = wire::push_response();
    if let Some(entity) = &mut response.answers[1].entity {
        entity.fields = planted();
    }
    let mut page = wire::pull_response();
    page.rows[0].fields = planted();
    for shown in [
        format!("{tokens:?} {sign_up:?} {login:?} {refresh:?} {tokens:#?} {sign_up:#?}"),
        format!("{operation:?} {operation:#?}"),
        format!("{request:?} {request:#?}"),
        format!("{response:?} {response:#?}"),
        format!("{page:?} {page:#?}"),
    ] {
        hides_the_canary(&shown);
    }
    assert!(format!("{request:?}").contains("operations: 1"));
}

// Errors of reading hold a place and never what stood there.
#[test]
fn errors_show_no_value() {
    for text in [
        r#"{"incarnation":"canary-4711"}"#,
        r#"{"incarnation":4711}"#,
        r#"{"canary-4711":"#,
        r#""canary-4711""#,
    ] {
        let error = decode::<PushRequest>(text.as_bytes()).expect_err("it is no request");
        hides_the_canary(&format!("{error} {error:?}"));
        let error = decode::<Tokens>(text.as_bytes()).expect_err("it is no answer");
        hides_the_canary(&format!("{error} {error:?}"));
    }
    for text in [
        r#"{"counter":1,"kind":"canary-4711"}"#,
        r#"{"counter":1,"kind":"update","type":"Note","id":"canary-4711"}"#,
        r#""canary-4711""#,
    ] {
        let raw = RawValue::from_string(text.to_owned()).expect("JSON");
        let (_, rejection) = decode_operation(&raw).expect_err("it is no operation");
        hides_the_canary(&format!("{rejection:?}"));
    }
}

// What somebody in between answers never becomes part of the words of a failure.
#[test]
fn failures_show_no_foreign_body() {
    for (protocol, content_type) in
        [(None, "text/html"), (None, CONTENT_TYPE), (Some("1"), "text/html")]
    {
        let body = json!({"type": "", "status": 500, "title": CANARY, "code": "unknown"});
        let failure = classify(Answer {
            status: 500,
            protocol,
            content_type: Some(content_type),
            retry_after_ms: None,
            body: body.to_string().as_bytes(),
        });
        hides_the_canary(&format!("{failure:?}"));
    }
}
