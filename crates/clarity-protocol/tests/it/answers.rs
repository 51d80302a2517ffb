//! What each answer of a server, or of somebody in between, means for the sync.

use clarity_protocol::FailureClass::{
    AccessRemoved, Auth, BadRequest, CaptivePortal, Config, Reset, TooLarge, Transient,
    UpgradeRequired,
};
use clarity_protocol::{
    Answer, CONTENT_TYPE, Failure, FailureClass, Problem, ProblemCode, classify, retry_after_ms,
};

const OURS: Option<&str> = Some("1");
const NOT_OURS: Option<&str> = None;
const JSON: Option<&str> = Some(CONTENT_TYPE);
const PROBLEM: Option<&str> = Some("application/problem+json; charset=utf-8");
const HTML: Option<&str> = Some("text/html; charset=utf-8");
const NO_TYPE: Option<&str> = None;

fn answer<'a>(
    status: u16,
    protocol: Option<&'a str>,
    content_type: Option<&'a str>,
    body: &'a [u8],
) -> Answer<'a> {
    Answer { status, protocol, content_type, retry_after_ms: None, body }
}

#[track_caller]
fn check(status: u16, protocol: Option<&str>, content_type: Option<&str>, class: FailureClass) {
    let bodies: [&[u8]; 3] = [b"", b"<html>sign in</html>", b"{\"status\":"];
    for body in bodies {
        let failure = classify(answer(status, protocol, content_type, body))
            .expect_err("it is not a success");
        assert_eq!(failure.class, class, "HTTP {status}, {protocol:?}, {content_type:?}");
        assert!(!failure.message.is_empty());
    }
}

// Only a 2xx of ours in JSON is a success; nothing else acknowledges anything.
#[test]
fn success_is_ours_and_json() {
    for content_type in
        [JSON, PROBLEM, Some("application/json; charset=utf-8"), Some("Application/JSON")]
    {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(classify(answer(status, OURS, content_type, b"")), Ok(()));
        }
    }
}

/// Statuses, the protocol header, the media type, and what they mean together.
type Row = (&'static [u16], Option<&'static str>, Option<&'static str>, FailureClass);

// The table of answers, row by row.
#[test]
fn the_table_of_answers() {
    let rows: [Row; 35] = [
        // 2xx that is not ours, or not JSON, and every redirect.
        (&[200, 204], NOT_OURS, JSON, CaptivePortal),
        (&[200, 204], NOT_OURS, HTML, CaptivePortal),
        (&[200], NOT_OURS, NO_TYPE, CaptivePortal),
        (&[200, 204], OURS, HTML, CaptivePortal),
        (&[200, 204], OURS, NO_TYPE, CaptivePortal),
        (&[300, 301, 302, 303, 304, 307, 308, 399], NOT_OURS, HTML, CaptivePortal),
        (&[301, 302, 307, 308], OURS, JSON, CaptivePortal),
        // Network sign-in by its own status, or behind a refusal.
        (&[511], NOT_OURS, HTML, CaptivePortal),
        (&[403], NOT_OURS, HTML, CaptivePortal),
        (&[403], NOT_OURS, NO_TYPE, CaptivePortal),
        // Who may not.
        (&[401], OURS, PROBLEM, Auth),
        // A stranger's refusal says nothing about our token.
        (&[401], NOT_OURS, HTML, CaptivePortal),
        (&[401], NOT_OURS, NO_TYPE, CaptivePortal),
        (&[401], NOT_OURS, JSON, Transient),
        (&[403], OURS, PROBLEM, AccessRemoved),
        (&[403], OURS, HTML, AccessRemoved),
        (&[403], NOT_OURS, JSON, Transient),
        // A wrong address.
        (&[404, 405, 501], OURS, PROBLEM, Config),
        (&[404, 405, 501], NOT_OURS, HTML, Config),
        (&[404, 405, 501], NOT_OURS, NO_TYPE, Config),
        // A request that this server cannot take as it is.
        (&[410], OURS, PROBLEM, Reset),
        (&[410], NOT_OURS, HTML, Transient),
        (&[413], OURS, PROBLEM, TooLarge),
        (&[413], NOT_OURS, HTML, TooLarge),
        (&[415, 426], OURS, PROBLEM, UpgradeRequired),
        (&[415, 426], NOT_OURS, HTML, UpgradeRequired),
        (&[400, 422], OURS, PROBLEM, BadRequest),
        (&[400, 422], OURS, HTML, BadRequest),
        (&[400, 422], NOT_OURS, HTML, Transient),
        // Later, perhaps.
        (&[408, 425, 429], OURS, PROBLEM, Transient),
        (&[408, 425, 429], NOT_OURS, HTML, Transient),
        (&[500, 502, 503, 504, 507, 508, 520, 599], OURS, PROBLEM, Transient),
        (&[500, 502, 503, 504, 520, 599], NOT_OURS, HTML, Transient),
        // Conflicts are outcomes of operations; as an answer to a whole request they mean nothing.
        (
            &[402, 406, 407, 409, 411, 412, 414, 416, 417, 418, 421, 423, 428, 431, 451],
            OURS,
            PROBLEM,
            Transient,
        ),
        // Not HTTP at all.
        (&[0, 100, 101, 103, 199, 600, 999, u16::MAX], NOT_OURS, NO_TYPE, Transient),
    ];
    for (statuses, protocol, content_type, class) in rows {
        for status in statuses {
            check(*status, protocol, content_type, class);
        }
    }
}

// No status is left without a class, and none but 2xx of ours is a success.
#[test]
fn every_status_has_a_class() {
    for status in 0..1_000 {
        for protocol in [OURS, NOT_OURS] {
            for content_type in [JSON, HTML, NO_TYPE] {
                let is_success = (200..300).contains(&status) && protocol == OURS;
                let result = classify(answer(status, protocol, content_type, b"{}"));
                assert_eq!(result.is_ok(), is_success && content_type == JSON, "{status}");
            }
        }
    }
}

fn problem_body(status: u16, code: ProblemCode) -> Vec<u8> {
    let problem = Problem::new(status, code, "The cursor is not of this server")
        .with_detail("read everything again");
    serde_json::to_vec(&problem).expect("a problem is JSON")
}

// A refused cursor is a reset under whatever status it comes, but only from us.
#[test]
fn a_refused_cursor_is_a_reset() {
    for status in [400, 409, 410, 422, 500] {
        let body = problem_body(status, ProblemCode::CursorRefused);
        let failure = classify(answer(status, OURS, PROBLEM, &body)).unwrap_err();
        assert_eq!(failure.class, Reset);
        let words = "The cursor is not of this server: read everything again";
        assert_eq!(failure.message, words);
        assert_eq!(failure.to_string(), words);
    }
    let body = problem_body(400, ProblemCode::CursorRefused);
    for (protocol, content_type) in [(NOT_OURS, PROBLEM), (OURS, HTML), (NOT_OURS, NO_TYPE)] {
        let failure = classify(answer(503, protocol, content_type, &body)).unwrap_err();
        assert_eq!(failure.class, Transient);
        assert_eq!(failure.message, "the server answered HTTP 503");
    }
}

// A problem that breaks off anywhere still has the class of its status, and general words.
#[test]
fn truncated_problems_have_the_class_of_their_status() {
    let body = problem_body(400, ProblemCode::BadRequest);
    for length in 0..body.len() {
        let failure = classify(answer(400, OURS, PROBLEM, &body[..length])).unwrap_err();
        assert_eq!(failure.class, BadRequest);
        assert_eq!(failure.message, "the server answered HTTP 400");
    }
    let whole = classify(answer(400, OURS, PROBLEM, &body)).unwrap_err();
    assert!(whole.message.ends_with(": read everything again"));
}

// A problem of a later version with a code and members unknown here still gives its words.
#[test]
fn problems_of_later_versions_are_read() {
    let body = br#"{"type":"/problems/new","status":429,"title":"Slow down","code":"new","x":[]}"#;
    let failure = classify(answer(429, OURS, PROBLEM, body)).unwrap_err();
    assert_eq!(failure, Failure::new(Transient, "Slow down"));
}

// Words of somebody in between never reach a person as ours.
#[test]
fn foreign_words_are_not_shown() {
    let body = problem_body(503, ProblemCode::ServerFailure);
    for status in [200, 302, 404, 503] {
        let failure = classify(answer(status, NOT_OURS, PROBLEM, &body)).unwrap_err();
        assert!(!failure.message.contains("cursor"), "{}", failure.message);
    }
}

// The wait that the server asked for is handed on with every class.
#[test]
fn the_wait_is_handed_on() {
    for status in [302, 401, 403, 404, 410, 413, 426, 429, 503] {
        let asked = Answer { retry_after_ms: Some(7_000), ..answer(status, OURS, PROBLEM, b"") };
        assert_eq!(classify(asked).unwrap_err().retry_after_ms, Some(7_000));
        let not_asked = answer(status, OURS, PROBLEM, b"");
        assert_eq!(classify(not_asked).unwrap_err().retry_after_ms, None);
    }
}

// `Retry-After`: whole seconds between 1 s and 1 h, and nothing else.
#[test]
fn retry_after_is_clamped() {
    let rows = [
        ("0", Some(1_000)),
        ("1", Some(1_000)),
        ("2", Some(2_000)),
        (" 120 ", Some(120_000)),
        ("007", Some(7_000)),
        ("3599", Some(3_599_000)),
        ("3600", Some(3_600_000)),
        ("3601", Some(3_600_000)),
        ("86400", Some(3_600_000)),
        ("18446744073709551615", Some(3_600_000)),
        ("99999999999999999999999999999999999", Some(3_600_000)),
        ("", None),
        (" ", None),
        ("-1", None),
        ("+1", None),
        ("1.5", None),
        ("1s", None),
        ("0x10", None),
        ("１", None),
        ("1, 2", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ];
    for (value, expected) in rows {
        assert_eq!(retry_after_ms(value), expected, "{value:?}");
    }
}
