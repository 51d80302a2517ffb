//! Fetching by name: entities, stretches of time, limits, tenancy.

use clarity_model::{EntityKey, EntityType, Epoch, Seq, limits};
use clarity_protocol::{FetchPosition, FetchRange, FetchRequest, FetchResponse};
use clarity_server::RequestError;
use serde_json::json;

use crate::support::{Client, Server};

fn key(entity_type: &str, id: &str) -> EntityKey {
    EntityKey::new(entity_type, id).unwrap()
}

fn request(client: &Client) -> FetchRequest {
    FetchRequest {
        incarnation: client.incarnation,
        epoch: None,
        settled_below: client.settled_below,
        schema: None,
        keys: Vec::new(),
        ranges: Vec::new(),
        rows_max: None,
    }
}

fn range(from_ms: Option<i64>, to_ms: Option<i64>) -> FetchRange {
    FetchRange { entity_type: EntityType::new("Sample").unwrap(), from_ms, to_ms, after: None }
}

fn ids(answer: &FetchResponse) -> Vec<&str> {
    answer.rows.iter().map(|row| row.key.id.as_str()).collect()
}

/// Samples `s0` to `s9`, one for each time from 0 to 900, in an order that is not that of time, and
/// one whose time is not a whole number.
fn samples(server: &Server, client: &Client) {
    for number in [3, 9, 0, 7, 1, 8, 2, 6, 4, 5] {
        let fields = json!({"at_ms": number * 100});
        client.push_one(server, &client.create(("Sample", &format!("s{number}")), 0, fields));
    }
    client.push_one(server, &client.create(("Sample", "odd"), 0, json!({"at_ms": 1.5})));
}

/// Shows that a fetch of keys gives what lives, says what is deleted and what the account never
/// had, each once, and in full also for the device that made it.
#[test]
fn keys() {
    let (server, mut a) = (Server::new(), Client::new(1));
    a.push_one(&server, &a.create(("Note", "here"), 0, json!({"title": "x"})));
    a.push_one(&server, &a.create(("Note", "gone"), 0, json!({})));
    a.push_one(&server, &a.delete(("Note", "gone"), 1));
    a.settled_below = clarity_model::Counter(4);
    let mut asked = request(&a);
    asked.keys = vec![key("Note", "here"), key("Note", "gone"), key("Note", "never")];
    asked.keys.push(key("Note", "here"));
    let answer = server.fetch(&asked).unwrap();
    let told: Vec<_> = answer.rows.iter().map(|row| (row.key.id.as_str(), row.deleted)).collect();
    assert_eq!(told, [("gone", true), ("here", false)]);
    assert_eq!(json!(answer.rows[1].fields), json!({"title": "x"}));
    assert_eq!(answer.unknown, [key("Note", "never")]);
    assert_eq!((answer.head, answer.ranges_done, answer.after), (Seq(3), 0, None));
}

/// Shows that a range gives the newest first, its beginning included and its end not, and last what
/// has no time of its own, which belongs to every range.
#[test]
fn ranges() {
    let (server, a) = (Server::new(), Client::new(1));
    samples(&server, &a);
    for (from_ms, to_ms, expected) in [
        (Some(300), Some(600), vec!["s5", "s4", "s3", "odd"]),
        (Some(700), None, vec!["s9", "s8", "s7", "odd"]),
        (None, Some(101), vec!["s1", "s0", "odd"]),
        (Some(600), Some(300), vec!["odd"]),
        (Some(i64::MAX), Some(i64::MIN), vec!["odd"]),
        (Some(i64::MIN), Some(i64::MIN), vec!["odd"]),
    ] {
        let mut asked = request(&a);
        asked.ranges = vec![range(from_ms, to_ms)];
        let answer = server.fetch(&asked).unwrap();
        assert_eq!(ids(&answer), expected, "{from_ms:?} to {to_ms:?}");
        assert_eq!(answer.ranges_done, 1);
    }
}

/// Shows that a range that does not fit is read on where it broke off, to its end and each row
/// once, whatever the size of the pages, and that a second range follows it.
#[test]
fn ranges_go_on() {
    let (server, a) = (Server::new(), Client::new(1));
    samples(&server, &a);
    for rows_max in 1..=12 {
        let mut asked = request(&a);
        asked.rows_max = Some(rows_max);
        asked.ranges = vec![range(Some(200), None), range(None, Some(200))];
        let mut seen = Vec::new();
        while !asked.ranges.is_empty() {
            let answer = server.fetch(&asked).unwrap();
            seen.extend(answer.rows.iter().map(|row| row.key.id.as_str().to_owned()));
            asked.ranges.drain(..answer.ranges_done);
            if let (Some(next), Some(after)) = (asked.ranges.first_mut(), answer.after) {
                next.after = Some(after);
            }
        }
        let expected = ["s9", "s8", "s7", "s6", "s5", "s4", "s3", "s2", "odd", "s1", "s0", "odd"];
        assert_eq!(seen, expected, "{rows_max} rows a page");
    }
}

/// Shows that a record moves to its new time with an edit, and that its deletion is told where it
/// last was.
#[test]
fn records_move_in_time() {
    let (server, a) = (Server::new(), Client::new(1));
    a.push_one(&server, &a.create(("Sample", "s"), 0, json!({"at_ms": 5})));
    a.push_one(&server, &a.update(("Sample", "s"), 1, json!([{"field": "at_ms", "new": 50}])));
    a.push_one(&server, &a.delete(("Sample", "s"), 2));
    let mut asked = request(&a);
    asked.ranges = vec![range(Some(0), Some(10))];
    assert!(server.fetch(&asked).unwrap().rows.is_empty());
    asked.ranges = vec![range(Some(50), Some(51))];
    assert!(server.fetch(&asked).unwrap().rows[0].deleted);
}

/// Shows that an answer ends before its bytes exceed the limit, that what did not fit can be asked
/// for again, and that one large row travels alone.
#[test]
fn answers_are_bounded() {
    let (server, a) = (Server::new(), Client::new(1));
    let large = "x".repeat(200 * 1024);
    let mut asked = request(&a);
    for number in 0..30 {
        let id = format!("n{number:02}");
        a.push_one(&server, &a.create(("Note", &id), 0, json!({ "large": large })));
        asked.keys.push(key("Note", &id));
    }
    let first = server.fetch(&asked).unwrap();
    assert_eq!((first.rows.len(), first.unknown.len()), (20, 0));
    asked.keys.retain(|key| first.rows.iter().all(|row| row.key != *key));
    assert_eq!(server.fetch(&asked).unwrap().rows.len(), 10);
    asked.rows_max = Some(0);
    assert_eq!(server.fetch(&asked).unwrap().rows.len(), 1, "at least one row comes");
}

/// Shows that a fetch over a limit is refused as too large, and one of another life of the database
/// like a cursor.
#[test]
fn refused() {
    let (server, a) = (Server::new(), Client::new(1));
    let mut asked = request(&a);
    asked.keys = (0..=limits::FETCH_KEYS_MAX).map(|n| key("Note", &n.to_string())).collect();
    assert!(matches!(server.fetch(&asked), Err(RequestError::TooLarge(_))));
    asked.keys.pop();
    assert_eq!(server.fetch(&asked).unwrap().unknown.len(), limits::FETCH_KEYS_MAX);
    asked.keys.clear();
    asked.ranges = vec![range(None, None); limits::FETCH_RANGES_MAX + 1];
    assert!(matches!(server.fetch(&asked), Err(RequestError::TooLarge(_))));
    asked.ranges.pop();
    assert_eq!(server.fetch(&asked).unwrap().ranges_done, limits::FETCH_RANGES_MAX);
    asked.epoch = Some(Epoch(1));
    assert!(matches!(server.fetch(&asked), Err(RequestError::CursorRefused)));
}

/// Shows that positions that no server gave out harm nothing: reading goes on from there.
#[test]
fn made_up_positions() {
    let (server, a) = (Server::new(), Client::new(1));
    samples(&server, &a);
    for (time_ms, seq, expected) in [
        (Some(250), 0, vec!["s2", "odd"]),
        (Some(250), u64::MAX, vec!["s2", "odd"]),
        (Some(i64::MAX), u64::MAX, vec!["s3", "s2", "odd"]),
        (Some(i64::MIN), 3, vec!["odd"]),
        (None, u64::MAX, vec!["odd"]),
        (None, 0, vec![]),
    ] {
        let mut asked = request(&a);
        let after = Some(FetchPosition { time_ms, seq: Seq(seq) });
        asked.ranges = vec![FetchRange { after, ..range(Some(200), Some(400)) }];
        assert_eq!(ids(&server.fetch(&asked).unwrap()), expected, "{time_ms:?} {seq}");
    }
}

/// Shows that nobody fetches what belongs to another account.
#[test]
fn accounts_are_apart() {
    let (server, a) = (Server::new(), Client::new(1));
    samples(&server, &a);
    let other = server.core.ensure_account("another").unwrap();
    let mut asked = request(&a);
    asked.keys = vec![key("Sample", "s1")];
    asked.ranges = vec![range(None, None)];
    let answer = server.core.fetch(other, &asked).unwrap();
    assert_eq!((answer.rows.len(), answer.head), (0, Seq(0)));
    assert_eq!(answer.unknown, asked.keys);
}

/// Shows that rows name the operations whose answers may have been lost, as those of a pull do.
#[test]
fn rows_name_unsettled_operations() {
    let (server, a, b) = (Server::new(), Client::new(1), Client::new(2));
    a.push_one(&server, &a.create(("Note", "n"), 0, json!({})));
    for (client, expected) in [(&a, 1), (&b, 0)] {
        let mut asked = request(client);
        asked.keys = vec![key("Note", "n")];
        assert_eq!(server.fetch(&asked).unwrap().rows[0].operations.len(), expected);
    }
}
