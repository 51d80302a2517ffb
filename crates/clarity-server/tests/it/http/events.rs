//! Hints as server-sent events.

use clarity_protocol::{Hint, ProblemCode, Tokens};
use reqwest::Response;
use serde_json::json;

use super::Live;
use crate::support::Client;

/// A stream that is known to have begun.
struct Stream {
    response: Response,
    seen: String,
}

impl Stream {
    async fn open(live: &Live, tokens: &Tokens) -> Self {
        let request = live.request("GET", "/v1/events").bearer_auth(&tokens.access_token);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["clarity-protocol"], "1");
        let mut stream = Self { response, seen: String::new() };
        stream.until(": open\n\n").await;
        stream
    }

    /// Reads until something arrives that contains `text`.
    async fn until(&mut self, text: &str) {
        while !self.seen.contains(text) {
            let chunk = self.response.chunk().await.unwrap().expect("the stream goes on");
            self.seen.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next hint.
    async fn hint(&mut self) -> String {
        self.seen.clear();
        self.until("\n\n").await;
        let data = self.seen.trim_end().strip_prefix("data: ").expect("one event").to_owned();
        assert!(Hint::parse(&data).is_some());
        data
    }

    /// Reads to the end.
    async fn end(mut self) {
        while self.response.chunk().await.unwrap().is_some() {}
    }
}

async fn push(live: &Live, tokens: &Tokens, client: &Client, entity_type: &str, id: &str) {
    let create = client.create((entity_type, id), 0, json!({"secret": 1}));
    let answer = live.post("/v1/push", &tokens.access_token, &client.request(&[create])).await;
    assert_eq!(answer.status, 200);
}

/// Shows that a push hints the account's other devices, with types and nothing else, neither the
/// pusher nor other accounts, and not when nothing changed.
#[tokio::test]
async fn hints_reach_the_others() {
    let live = Live::start();
    let (first, second) = live.two_devices().await;
    let other: Tokens = live.sign_up("another", 1).await.json();
    let (a, b) = (Client::new(1), Client::new(2));
    let mut at_first = Stream::open(&live, &first).await;
    let mut at_second = Stream::open(&live, &second).await;
    let mut at_other = Stream::open(&live, &other).await;
    push(&live, &first, &a, "Note", "private").await;
    let hint = at_second.hint().await;
    assert_eq!(hint, r#"{"sync":{"type":"partial","entities":["Note"]}}"#);
    // The same entity again makes no version, so nobody is told.
    push(&live, &second, &b, "Note", "private").await;
    push(&live, &second, &b, "Sample", "s").await;
    let hint = at_first.hint().await;
    assert_eq!(hint, r#"{"sync":{"type":"partial","entities":["Sample"]}}"#);
    push(&live, &other, &a, "Note", "n").await;
    push(&live, &first, &a, "Preference", "p").await;
    let hint = at_second.hint().await;
    assert_eq!(hint, r#"{"sync":{"type":"partial","entities":["Preference"]}}"#);
    let second_of_other: Tokens = live.login("another", super::PASSWORD, 9).await.json();
    push(&live, &second_of_other, &Client::new(9), "Sample", "x").await;
    let hint = at_other.hint().await;
    assert_eq!(hint, r#"{"sync":{"type":"partial","entities":["Sample"]}}"#);
}

/// Shows that the streams of a revoked device end, and that it cannot open another.
#[tokio::test]
async fn revoked_devices_hear_nothing_more() {
    let live = Live::start();
    let (first, second) = live.two_devices().await;
    let stream = Stream::open(&live, &second).await;
    let path = format!("/v1/devices/{}", second.device_id);
    live.send(live.request("DELETE", &path).bearer_auth(&first.access_token)).await;
    stream.end().await;
    let refused = live.get("/v1/events", &second.access_token).await;
    assert_eq!(refused.problem(), (403, ProblemCode::AccessRemoved));
}

/// Shows that a device which opens ever more streams keeps only the newest few.
#[tokio::test]
async fn streams_of_a_device_are_bounded() {
    let live = Live::start();
    let (first, second) = live.two_devices().await;
    let mut streams = Vec::new();
    for _ in 0..5 {
        streams.push(Stream::open(&live, &second).await);
    }
    streams.remove(0).end().await;
    push(&live, &first, &Client::new(1), "Note", "n").await;
    for stream in &mut streams {
        stream.hint().await;
    }
}

/// Shows that a server which stops ends its streams and finishes.
#[tokio::test]
async fn a_stopping_server_ends_streams() {
    let live = Live::start();
    let (first, _) = live.two_devices().await;
    let stream = Stream::open(&live, &first).await;
    live.stop().await;
    stream.end().await;
}
