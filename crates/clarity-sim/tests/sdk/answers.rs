//! What each answer leads to: the table of answers, against the real client over a real socket.
//!
//! Every row is one way in which an exchange can go, and the state that it must leave: the pause
//! with its name, whether the device tries again by itself, and where the change is that was sent.
//! After each row the device meets the real server, and the change arrives there once.

use std::sync::Arc;

use clarity_client::engine::Pause::{
    self, AccessRemoved, AuthRequired, Backoff, CaptivePortal, Config, ServerUnreachable,
    UpgradeRequired,
};
use clarity_client::engine::protocol::CONTENT_TYPE;
use clarity_client::model::{Counter, Version};
use clarity_client::{Client, EntityKey, HttpTransport};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::impostor::{
    Answer::{self, Bytes, NoName, NoServer, NotSecure, Push, ThenReset, ThenSilence},
    SHORT_TIMEOUT, Sent, dribbling, http, impostor, our_headers, ours,
};
use super::{Device, Hub, note};

/// Where the change is after an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// It waits in the queue; the failure was not counted against it.
    Queued,
    /// It waits in the inbox of failed operations.
    Failed,
    /// It waits in the inbox of conflicts.
    InConflict,
    /// It was acknowledged.
    Acknowledged,
}
use Change::{Acknowledged, Failed, InConflict, Queued};

/// What somebody does about a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The device tries again by itself.
    Again,
    /// A person acts.
    Person,
}
use Then::{Again, Person};

/// What an exchange leads to.
#[derive(Debug, PartialEq, Eq)]
struct State {
    pause: Pause,
    then: Then,
    change: Change,
}

type LeadsTo = (Pause, Then, Change);
type Row = (&'static str, Answer, LeadsTo);

/// The device tries again soon, with everything that it had.
const RETRIED: LeadsTo = (Backoff, Again, Queued);
const UNREACHABLE: LeadsTo = (ServerUnreachable, Again, Queued);
const PORTAL: LeadsTo = (CaptivePortal, Again, Queued);
const MISPLACED: LeadsTo = (Config, Again, Queued);
const OUTDATED: LeadsTo = (UpgradeRequired, Again, Queued);
/// Sending goes on; the change waits for a person, with the reason.
const REFUSED: LeadsTo = (Backoff, Again, Failed);

fn page() -> Vec<u8> {
    b"<html>Welcome! Please accept our terms.</html>".to_vec()
}

fn html(status: &str) -> Vec<u8> {
    http(&format!("{status}\r\nContent-Type: text/html"), page())
}

fn head(lines: &str) -> String {
    format!("200 OK\r\n{}\r\n{lines}", our_headers())
}

/// A page that is small on the wire and larger than any limit when it is unpacked.
fn bomb() -> Vec<u8> {
    let packed = zstd::bulk::compress(&vec![b' '; 64 * 1024 * 1024], 1).unwrap();
    assert!(packed.len() < 100_000);
    let length = packed.len();
    http(&head(&format!("Content-Encoding: zstd\r\nContent-Length: {length}")), packed)
}

/// An answer with less than it announces.
fn cut() -> Vec<u8> {
    http(&head("Content-Length: 5000"), "{\"epoch\":")
}

fn with(lines: &str, body: &str) -> Answer {
    Bytes(http(&head(lines), body))
}

fn moved(status: &str, to: &str) -> Answer {
    Bytes(http(&format!("{status}\r\nLocation: {to}"), ""))
}

fn one(answer: Value) -> Answer {
    Push(vec![answer])
}

fn rejected(code: &str) -> Answer {
    let rejection = json!({"code": code, "message": "not like this"});
    one(json!({"outcome": "rejected", "rejection": rejection}))
}

/// Exchanges without an answer of ours.
fn no_answers() -> Vec<Row> {
    let half = "{\"epoch\":";
    let foreign = http(&format!("200 OK\r\nContent-Type: {CONTENT_TYPE}"), "{\"ok\":true}");
    let large_head = format!("{}X-Filler: {}", head(""), "f".repeat(1024 * 1024));
    let old = ours("200 OK", "{}").strip_prefix(b"HTTP/1.1").map(|it| [b"HTTP/1.0", it].concat());
    vec![
        // No answer.
        ("no server", NoServer, UNREACHABLE),
        ("no such name", NoName, UNREACHABLE),
        ("no secure connection", NotSecure, UNREACHABLE),
        ("closed", Bytes(Vec::new()), UNREACHABLE),
        ("reset", ThenReset(Vec::new()), UNREACHABLE),
        ("silence", ThenSilence(Vec::new()), UNREACHABLE),
        // Broken off.
        ("half a head", Bytes(b"HTTP/1.1 200 O".to_vec()), UNREACHABLE),
        ("half a body", Bytes(cut()), UNREACHABLE),
        ("reset in the body", ThenReset(cut()), UNREACHABLE),
        ("silence in the head", ThenSilence(b"HTTP/1.1 200 OK\r\nX".to_vec()), UNREACHABLE),
        ("silence in the body", ThenSilence(cut()), UNREACHABLE),
        ("half a chunk", with("Transfer-Encoding: chunked", "ff\r\n{"), UNREACHABLE),
        // Not what it says it is.
        ("no HTTP", Bytes(b"\x00\x01nonsense".to_vec()), UNREACHABLE),
        ("a head of a megabyte", Bytes(http(&large_head, "{}")), UNREACHABLE),
        ("a length that lies low", with("Content-Length: 3", "{\"epoch\":1}"), RETRIED),
        ("two lengths", with("Content-Length: 2\r\nContent-Length: 3", "{}"), UNREACHABLE),
        ("bad gzip", with("Content-Encoding: gzip", "no gzip"), UNREACHABLE),
        ("bad zstd", with("Content-Encoding: zstd", "no zstd"), UNREACHABLE),
        ("a packing unknown here", with("Content-Encoding: x-own", "{}"), RETRIED),
        ("an old HTTP", Bytes(old.unwrap_or_default()), RETRIED),
        ("half of a message", Bytes(ours("200 OK", half)), RETRIED),
        ("another message", Bytes(ours("200 OK", "[1, 2, 3]")), RETRIED),
        ("no message", Bytes(ours("200 OK", "")), RETRIED),
        ("a bomb", Bytes(bomb()), RETRIED),
        ("64 MiB", Bytes(ours("200 OK", vec![b' '; 64 * 1024 * 1024])), RETRIED),
        // Somebody else's.
        ("a page", Bytes(html("200 OK")), PORTAL),
        ("JSON without our header", Bytes(foreign), PORTAL),
        ("our header on a page", Bytes(html("200 OK\r\nClarity-Protocol: 1")), PORTAL),
        ("nothing to say", Bytes(http("204 No Content", "")), PORTAL),
        ("moved", moved("301 Moved Permanently", "/elsewhere"), PORTAL),
        ("a sign-in elsewhere", moved("302 Found", "http://portal.example/"), PORTAL),
        ("sent on with the body", moved("307 Temporary Redirect", "/elsewhere"), PORTAL),
        ("a proxy's sign-in", Bytes(html("401 Unauthorized")), PORTAL),
        ("a proxy's refusal", Bytes(html("403 Forbidden")), PORTAL),
        ("a network's sign-in", Bytes(html("511 Network Authentication Required")), PORTAL),
    ]
}

/// Answers to whole requests, by their status.
fn statuses() -> Vec<Row> {
    let ours = |status: &str| Bytes(ours(status, "{}"));
    vec![
        ("400", ours("400 Bad Request"), REFUSED),
        ("401", ours("401 Unauthorized"), (AuthRequired, Person, Queued)),
        ("403", ours("403 Forbidden"), (AccessRemoved, Person, Queued)),
        ("404", ours("404 Not Found"), MISPLACED),
        ("404 of another server", Bytes(html("404 Not Found")), MISPLACED),
        ("405", ours("405 Method Not Allowed"), MISPLACED),
        ("408", ours("408 Request Timeout"), RETRIED),
        ("409", ours("409 Conflict"), RETRIED),
        ("410", ours("410 Gone"), RETRIED),
        ("412", ours("412 Precondition Failed"), RETRIED),
        ("413", ours("413 Content Too Large"), REFUSED),
        ("415", ours("415 Unsupported Media Type"), OUTDATED),
        ("418", ours("418 I'm a teapot"), RETRIED),
        ("422", ours("422 Unprocessable Content"), REFUSED),
        ("425", ours("425 Too Early"), RETRIED),
        ("426", ours("426 Upgrade Required"), OUTDATED),
        ("429", ours("429 Too Many Requests"), RETRIED),
        ("500", ours("500 Internal Server Error"), RETRIED),
        ("500 of a proxy", Bytes(html("500 Internal Server Error")), RETRIED),
        ("501", ours("501 Not Implemented"), MISPLACED),
        ("502", Bytes(html("502 Bad Gateway")), RETRIED),
        ("503", ours("503 Service Unavailable"), RETRIED),
        ("504", Bytes(html("504 Gateway Timeout")), RETRIED),
        ("599", ours("599 Whatever"), RETRIED),
    ]
}

/// Answers that name operations. Everything but pushes fails with 503 meanwhile.
fn outcomes() -> Vec<Row> {
    let there = json!({"version": 3, "updated_at": 1, "fields": {"title": "theirs"}});
    vec![
        (
            "applied",
            one(json!({"outcome": "applied", "version": 1})),
            (Backoff, Again, Acknowledged),
        ),
        (
            "conflict",
            one(json!({"outcome": "conflict", "version": 3, "entity": there})),
            (Backoff, Again, InConflict),
        ),
        ("rejected: not allowed", rejected("not_allowed"), REFUSED),
        ("rejected: invalid", rejected("invalid"), REFUSED),
        ("rejected: too large", rejected("too_large"), REFUSED),
        ("rejected: a new reason", rejected("phase_of_the_moon"), REFUSED),
        ("rejected: no reason", one(json!({"outcome": "rejected"})), REFUSED),
        ("blocked", one(json!({"outcome": "blocked"})), REFUSED),
        ("may have arrived", one(json!({"outcome": "reidentify"})), REFUSED),
        ("an outcome of tomorrow", one(json!({"outcome": "transcended"})), RETRIED),
        ("nobody is named", Push(Vec::new()), RETRIED),
        (
            "somebody else is named",
            one(json!({"counter": 77, "outcome": "applied", "version": 1})),
            RETRIED,
        ),
    ]
}

/// How many requests have ended on a device.
fn ended(client: &Client) -> i64 {
    let counters = client.counters().unwrap();
    let count = |name: &str| counters.get(name).copied().unwrap_or_default();
    count("requests_failed") + count("requests_succeeded")
}

/// The state of a device with one change; nothing while it is on its way.
fn state(client: &Client) -> Option<State> {
    let status = client.status().unwrap();
    let stalled = status.stalled.filter(|_| status.in_flight == 0)?;
    let queued = client.queue(Counter(0), 10).unwrap();
    let change = match (status.waiting, status.failed, status.conflicts, queued.as_slice()) {
        (1, 0, 0, [change]) if change.attempts == 0 => Queued,
        (0, 1, 0, _) => Failed,
        (0, 0, 1, _) => InConflict,
        (0, 0, 0, []) => Acknowledged,
        other => panic!("{other:?}"),
    };
    let then = if stalled.next_attempt.is_some() { Again } else { Person };
    Some(State { pause: stalled.why, then, change })
}

/// Lets a device with one change meet this answer to its pull and to its push.
async fn meet(device: &Device, answer: Answer) -> State {
    let key = note("n");
    let fields = serde_json::from_value(json!({"title": "kept"})).unwrap();
    let written = device.client.create(&key, fields).unwrap();
    let epoch = device.client.meta().unwrap().epoch.unwrap();
    let is_silent = matches!(answer, ThenSilence(_));
    let address = impostor(answer, Sent { operation: written.operations[0], epoch }).await;
    let mut transport = HttpTransport::new(&address).unwrap();
    if is_silent {
        transport = transport.with_answer_timeout(SHORT_TIMEOUT);
    }
    let before = ended(&device.client);
    let (stop, stopped) = oneshot::channel::<()>();
    let run = device.client.run(Arc::new(transport), async { drop(stopped.await) });
    let look = async {
        let both = |client: &Client| ended(client) >= before + 2 && state(client).is_some();
        device.watch(both).await;
        let state = state(&device.client);
        drop(stop);
        state
    };
    let (ran, found) = tokio::join!(run, look);
    ran.unwrap();
    assert_eq!(device.field(&key, "title"), Some(json!("kept")), "what was written shows");
    found.unwrap()
}

/// After the fault the device meets its server, with the help of a person where one is asked for.
async fn heal(hub: &Hub, device: &Device, name: &str, state: &State) {
    if state.then == Person {
        device.sign_in("anna").await;
    }
    if state.change == Failed {
        device.client.retry_all(None).unwrap();
    }
    device.sync_all().await;
    let other = hub.sign_in("anna").await;
    other.sync_all().await;
    let arrived = other.client.get(&note("n")).unwrap().unwrap();
    assert_eq!((arrived.fields.get("title"), arrived.version), (Some(&json!("kept")), Version(1)));
    assert_eq!(device.client.status().unwrap().attention, [], "after {name}");
    device.client.delete(&note("n"), None).unwrap();
    device.sync_all().await;
}

/// Runs the rows, each on a new device.
async fn check(rows: Vec<Row>) {
    for (name, answer, (pause, then, change)) in rows {
        let hub = Hub::start();
        let device = hub.sign_up("anna").await;
        device.sync_all().await;
        let found = meet(&device, answer).await;
        assert_eq!(found, State { pause, then, change }, "{name}");
        if matches!(change, Queued | Failed) {
            heal(&hub, &device, name, &found).await;
        }
        hub.stop().await;
    }
}

/// Shows that what is no answer, is broken, or came from somebody else acknowledges nothing, has
/// the pause of its name, and is over when the server is back (promises I4, I15, L3).
#[tokio::test]
async fn each_exchange_without_an_answer_of_ours() {
    check(no_answers()).await;
}

/// Shows what each status leads to: who must act, and that nothing is acknowledged (promise L3).
#[tokio::test]
async fn each_status() {
    check(statuses()).await;
}

/// Shows what each answer to an operation leads to, and that only one that names it ends it
/// (promise I4).
#[tokio::test]
async fn each_outcome() {
    check(outcomes()).await;
}

/// Shows that an answer which trickles in is still an answer, and that hints come through as well.
#[tokio::test]
async fn a_slow_line_is_still_a_line() {
    let hub = Hub::start();
    let writer = hub.sign_up("anna").await;
    let slow = Device::new(&dribbling(&hub.address).await);
    slow.sign_in("anna").await;
    writer.create(&note("theirs"), json!({"text": "from afar ".repeat(100)}));
    writer.sync_all().await;
    slow.create(&note("mine"), json!({"title": "kept"}));
    slow.sync_all().await;
    assert!(slow.field(&note("theirs"), "text").is_some());
    writer.sync_all().await;
    assert_eq!(writer.field(&note("mine"), "title"), Some(json!("kept")));
}

/// How long a device that met this answer waits, and what it says.
async fn wait_after(headers: &str) -> (i64, String) {
    let head = format!("503 Service Unavailable\r\n{}{headers}", our_headers());
    let problem = json!({"type": "/problems/server_failure", "status": 503, "title": "Full",
                         "detail": "come back later", "code": "server_failure"});
    let answer = Bytes(http(&head, problem.to_string()));
    let unsent = Sent { operation: Counter(1), epoch: clarity_client::model::Epoch(1) };
    let device = Device::new(&impostor(answer, unsent).await);
    device.create(&EntityKey::new("Note", "n").unwrap(), json!({}));
    let status = device.try_sync().await.status;
    let stalled = status.stalled.unwrap();
    assert_eq!(stalled.why, Pause::Backoff);
    let wait_ms = stalled.next_attempt.unwrap().since_ms(status.last_error_at.unwrap());
    (wait_ms, stalled.message)
}

/// Shows that a server which asks to wait is obeyed, in either form of asking, between a second and
/// an hour, and that its own errors are told in its words.
#[tokio::test]
async fn a_busy_server_is_left_alone_as_long_as_it_asks() {
    let (wait_ms, words) = wait_after("\r\nRetry-After: 120").await;
    assert_eq!((wait_ms, words.as_str()), (120_000, "Full: come back later"));
    let date = "\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT";
    let until = |time: &str| format!("{date}\r\nRetry-After: {time}");
    assert_eq!(wait_after(&until("Sun, 06 Nov 1994 08:51:37 GMT")).await.0, 120_000);
    assert_eq!(wait_after(&until("Mon, 07 Nov 1994 08:51:37 GMT")).await.0, 3_600_000);
    let (past_ms, _) = wait_after(&until("Sun, 06 Nov 1994 08:00:00 GMT")).await;
    assert!((1_000..=8_000).contains(&past_ms), "{past_ms}");
    let (nonsense_ms, _) = wait_after(&until("when the cows come home")).await;
    assert!(nonsense_ms <= 8_000, "{nonsense_ms}");
}
