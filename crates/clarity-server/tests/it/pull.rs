//! Pages, cursors, scopes, stubs and lost answers.

use clarity_model::{Check, Counter, EntityType, Epoch, Outcome, Seq};
use clarity_protocol::{PullResponse, SettledOperation, hash_operation};
use clarity_server::{DeviceId, RequestError};
use serde_json::json;

use crate::support::{Client, Server};

fn ids(page: &PullResponse) -> Vec<&str> {
    page.rows.iter().map(|row| row.key.id.as_str()).collect()
}

fn create_notes(server: &Server, client: &Client, count: usize) {
    for number in 0..count {
        let id = format!("n{number}");
        client.push_one(server, &client.create(("Note", &id), 0, json!({"at": number})));
    }
}

/// Shows that pages cover everything once, in log order, and end at the head.
#[test]
fn pages() {
    let (server, a, b) = (Server::new(), Client::new(1), Client::new(2));
    create_notes(&server, &a, 5);
    a.push_one(&server, &a.update(("Note", "n1"), 1, json!([{"field": "at", "new": 9}])));
    a.push_one(&server, &a.delete(("Note", "n0"), 1));
    let mut request = b.pull_request();
    request.rows_max = Some(2);
    let mut seen = Vec::new();
    loop {
        let page = server.pull(&request).unwrap();
        assert!(page.rows.len() <= 2);
        assert_eq!(page.head, Seq(7));
        seen.extend(page.rows.clone());
        request.cursor = Some(page.cursor);
        if !page.more {
            break;
        }
    }
    let told: Vec<_> =
        seen.iter().map(|row| (row.key.id.as_str(), row.seq.0, row.deleted)).collect();
    assert_eq!(
        told,
        [("n2", 3, false), ("n3", 4, false), ("n4", 5, false), ("n1", 6, false), ("n0", 7, true)]
    );
    assert_eq!(seen[4].fields, None);
    let page = server.pull(&request).unwrap();
    assert!(page.rows.is_empty() && !page.more);
    assert_eq!(page.cursor.seq, page.head);
}

/// Shows that a page ends before its bytes exceed the limit, and that one large row travels alone.
#[test]
fn pages_are_bounded_in_bytes() {
    let (server, a, b) = (Server::new(), Client::new(1), Client::new(2));
    let large = "x".repeat(200 * 1024);
    for number in 0..30 {
        let id = format!("n{number}");
        a.push_one(&server, &a.create(("Note", &id), 0, json!({ "large": large })));
    }
    let first = server.pull(&b.pull_request()).unwrap();
    assert_eq!(first.rows.len(), 20);
    assert!(first.more);
}

/// Shows that no page splits an atomic batch, whatever the limit, and that the batch still arrives.
#[test]
fn batches_stay_together() {
    let (server, a, b) = (Server::new(), Client::new(1), Client::new(2));
    create_notes(&server, &a, 2);
    let mut batch: Vec<_> =
        (0..3).map(|n| a.create(("Note", &format!("b{n}")), 0, json!({}))).collect();
    batch.iter_mut().for_each(|operation| operation.batch = Some(Counter(3)));
    a.push(&server, &batch);
    create_notes(&server, &a, 0);
    a.push_one(&server, &a.create(("Note", "last"), 0, json!({})));
    for (rows_max, expected) in [
        (1, vec![vec!["n0"], vec!["n1"], vec!["b0", "b1", "b2"], vec!["last"]]),
        (3, vec![vec!["n0", "n1"], vec!["b0", "b1", "b2"], vec!["last"]]),
        (4, vec![vec!["n0", "n1"], vec!["b0", "b1", "b2", "last"]]),
        (5, vec![vec!["n0", "n1", "b0", "b1", "b2"], vec!["last"]]),
    ] {
        let mut request = b.pull_request();
        request.rows_max = Some(rows_max);
        for (number, expected_page) in expected.iter().enumerate() {
            let page = server.pull(&request).unwrap();
            assert_eq!(&ids(&page), expected_page, "rows_max {rows_max}");
            assert_eq!(page.more, number + 1 < expected.len(), "rows_max {rows_max}");
            request.cursor = Some(page.cursor);
        }
    }
}

/// Shows that a scope of types leaves out the others, and its cursor passes over them.
#[test]
fn scopes_of_types() {
    let (server, a, b) = (Server::new(), Client::new(1), Client::new(2));
    create_notes(&server, &a, 2);
    a.push_one(&server, &a.create(("Sample", "s"), 0, json!({})));
    a.push_one(&server, &a.create(("Note", "later"), 0, json!({})));
    let mut request = b.pull_request();
    request.scope.types = vec![EntityType::new("Sample").unwrap()];
    let page = server.pull(&request).unwrap();
    assert_eq!(ids(&page), ["s"]);
    assert_eq!((page.cursor.seq, page.more), (Seq(4), false));
    request.scope.types = vec![EntityType::new("Note").unwrap()];
    request.cursor = Some(page.cursor);
    assert!(matches!(server.pull(&request), Err(RequestError::BadRequest(_))));
}

const DAY_MS: i64 = 86_400_000;

/// Shows that a window leaves out what is older than its days by the server's date, and that what
/// has no time of its own, or is of another type, is not touched by it.
#[test]
fn rolling_windows() {
    let (server, a, b) = (Server::new(), Client::new(1), Client::new(2));
    for days_ago in [0, 1, 2, 3, 40] {
        let fields = json!({"at_ms": -days_ago * DAY_MS});
        a.push_one(&server, &a.create(("Sample", &format!("s{days_ago}")), 0, fields));
    }
    a.push_one(&server, &a.create(("Sample", "timeless"), 0, json!({"at_ms": "no time"})));
    a.push_one(&server, &a.create(("Note", "n"), 0, json!({"at_ms": -40 * DAY_MS})));
    let mut request = b.pull_request();
    for (days, expected) in [
        (0, vec!["s0", "timeless", "n"]),
        (2, vec!["s0", "s1", "s2", "timeless", "n"]),
        (u32::MAX, vec!["s0", "s1", "s2", "s3", "s40", "timeless", "n"]),
    ] {
        request.scope.windows = [(EntityType::new("Sample").unwrap(), days)].into();
        assert_eq!(ids(&server.pull(&request).unwrap()), expected, "{days} days");
    }
}

/// Shows that a device that follows a window hears that a record has left it, and of its deletion,
/// that it does not hear of old records that it never had, and that one that moves in appears.
#[test]
fn records_leave_and_enter_a_window() {
    let (server, a, b) = (Server::new(), Client::new(1), Client::new(2));
    a.push_one(&server, &a.create(("Sample", "leaves"), 0, json!({"at_ms": 0})));
    a.push_one(&server, &a.create(("Sample", "gone"), 0, json!({"at_ms": 0})));
    a.push_one(&server, &a.create(("Sample", "enters"), 0, json!({"at_ms": -9 * DAY_MS})));
    let mut request = b.pull_request();
    request.scope.windows = [(EntityType::new("Sample").unwrap(), 2)].into();
    let first = server.pull(&request).unwrap();
    assert_eq!(ids(&first), ["leaves", "gone"]);
    request.cursor = Some(first.cursor);
    let change = |id, at_ms| {
        let changes = json!([{"field": "at_ms", "new": at_ms}]);
        a.push_one(&server, &a.update(("Sample", id), 1, changes));
    };
    change("leaves", -9 * DAY_MS);
    change("gone", -9 * DAY_MS);
    a.push_one(&server, &a.delete(("Sample", "gone"), 2));
    change("enters", 0);
    a.push_one(&server, &a.create(("Sample", "old"), 0, json!({"at_ms": -9 * DAY_MS})));
    let page = server.pull(&request).unwrap();
    let told: Vec<_> = page
        .rows
        .iter()
        .map(|row| (row.key.id.as_str(), row.fields.is_some(), row.outside, row.deleted))
        .collect();
    let expected = [
        ("leaves", false, true, false),
        ("gone", false, false, true),
        ("enters", true, false, false),
    ];
    assert_eq!(told, expected);
    assert_eq!((page.cursor.seq, page.more), (Seq(8), false));
}

/// Shows that reading can begin at the head: what there is already does not come, what changes from
/// then on does.
#[test]
fn from_the_head() {
    let (server, a, b) = (Server::new(), Client::new(1), Client::new(2));
    create_notes(&server, &a, 3);
    let mut request = b.pull_request();
    request.from_head = true;
    let page = server.pull(&request).unwrap();
    assert_eq!((page.rows.len(), page.cursor.seq, page.more), (0, Seq(3), false));
    create_notes(&server, &a, 0);
    a.push_one(&server, &a.create(("Note", "later"), 0, json!({})));
    request.cursor = Some(page.cursor);
    assert_eq!(ids(&server.pull(&request).unwrap()), ["later"]);
}

/// Shows that a device is not sent what it was told when it pushed, until somebody changes it.
#[test]
fn stubs() {
    let (server, mut a, b) = (Server::new(), Client::new(1), Client::new(2));
    a.push_one(&server, &a.create(("Note", "n"), 0, json!({"at": 1})));
    a.push_one(&server, &a.create(("Note", "gone"), 0, json!({})));
    a.push_one(&server, &a.delete(("Note", "gone"), 1));
    a.settled_below = Counter(4);
    let page = server.pull(&a.pull_request()).unwrap();
    assert!(page.rows.iter().all(|row| row.fields.is_none() && !row.deleted));
    let page = server.pull(&b.pull_request()).unwrap();
    assert!(page.rows[0].fields.is_some() && page.rows[1].deleted);
    b.push_one(&server, &b.update(("Note", "n"), 1, json!([{"field": "at", "new": 2}])));
    let page = server.pull(&a.pull_request()).unwrap();
    assert_eq!(json!(page.rows[1].fields), json!({"at": 2}));
}

/// Shows that rows name the operations whose answers may have been lost, with their outcomes, and
/// not those that were blocked, in conflict, carried by others, or answered.
#[test]
fn rows_name_unsettled_operations() {
    let (server, mut a, b) = (Server::new(), Client::new(1), Client::new(2));
    a.push_one(&server, &a.create(("Note", "n"), 0, json!({"at": 1, "count": 1})));
    b.push_one(&server, &b.update(("Note", "n"), 1, json!([{"field": "count", "new": 2}])));
    let mut lost = a.update(("Note", "n"), 1, json!([{"field": "count", "old": 1, "new": 3}]));
    lost.id = Counter(5);
    lost.covers = vec![Counter(3), Counter(4)];
    a.next.set(6);
    a.push_one(&server, &lost);
    b.push_one(&server, &b.update(("Note", "n"), 3, json!([{"field": "at", "new": 7}])));
    let conflict = a.update(("Note", "n"), 1, json!([{"field": "at", "old": 1, "new": 8}]));
    a.push_one(&server, &conflict);
    a.settled_below = Counter(3);
    let page = server.pull(&a.pull_request()).unwrap();
    let bytes = serde_json::to_vec(&lost).unwrap();
    let hash = Some(hash_operation(&bytes).into());
    let named = vec![SettledOperation { id: Counter(5), outcome: Outcome::Merged, hash }];
    assert_eq!(page.rows[0].operations, named);
    let page = server.pull(&b.pull_request()).unwrap();
    let own: Vec<_> = page.rows[0].operations.iter().map(|operation| operation.id.0).collect();
    assert_eq!(own, [1, 2]);
}

/// Shows that cursors of another epoch, beyond the head, or with a mark that was never given out
/// are refused, and that position 0 has a mark as well.
#[test]
fn refused_cursors() {
    let (server, mut a) = (Server::new(), Client::new(1));
    let empty = server.pull(&a.pull_request()).unwrap();
    assert_eq!(empty.cursor.seq, Seq(0));
    create_notes(&server, &a, 3);
    let mut request = a.pull_request();
    request.cursor = Some(empty.cursor.clone());
    assert_eq!(server.pull(&request).unwrap().rows.len(), 3);
    let good = server.pull(&a.pull_request()).unwrap().cursor;
    let mut bad = vec![good.clone(), good.clone(), good.clone(), empty.cursor];
    bad[0].epoch = Epoch(1);
    bad[1].seq = Seq(4);
    bad[2].check = Check(good.check.0 ^ 1);
    bad[3].check = Check(bad[3].check.0 ^ 1);
    for cursor in bad {
        request.cursor = Some(cursor);
        assert!(matches!(server.pull(&request), Err(RequestError::CursorRefused)));
    }
    a.epoch = Some(Epoch(1));
    assert!(matches!(server.push(&a.request(&[])), Err(RequestError::CursorRefused)));
}

/// Shows that no answer shows another account's data, and that a cursor of one account is refused
/// by another.
#[test]
fn accounts_are_apart() {
    let (server, a) = (Server::new(), Client::new(1));
    create_notes(&server, &a, 3);
    let other = server.core.ensure_account("another").unwrap();
    let mut request = a.pull_request();
    let page = server.core.pull(other, DeviceId(2), &request).unwrap();
    assert!(page.rows.is_empty());
    assert_eq!(page.head, Seq(0));
    let cursor = server.pull(&request).unwrap().cursor;
    request.cursor = Some(cursor);
    assert!(server.core.pull(other, DeviceId(2), &request).is_err());
    a.next.set(1);
    let create = a.create(("Note", "n0"), 0, json!({"other": true}));
    let answer = server.core.push(other, DeviceId(2), &a.request(&[create])).unwrap();
    assert_eq!(answer.answers[0].outcome, Outcome::Applied);
    assert_eq!(json!(server.entity("Note", "n0").unwrap().fields), json!({"at": 0}));
}

/// Shows that pushes from many threads take dense positions in commit order, so that a device that
/// reads meanwhile never passes over a row.
#[test]
fn reading_while_others_write() {
    const THREADS: u64 = 4;
    const EACH: u64 = 25;
    let server = Server::new();
    let request = Client::new(99).pull_request();
    let mut seen = Vec::new();
    std::thread::scope(|scope| {
        let server = &server;
        let write = move |thread: u64| {
            let client = Client::new(u128::from(thread) + 1);
            for number in 0..EACH {
                let id = format!("{thread}-{number}");
                client.push_one(server, &client.create(("Note", &id), 0, json!({})));
            }
        };
        let writers: Vec<_> =
            (0..THREADS).map(|thread| scope.spawn(move || write(thread))).collect();
        let mut request = request;
        loop {
            // Asked before the page is read: then an empty page is the end.
            let finished = writers.iter().all(|writer| writer.is_finished());
            let page = server.core.pull(server.account, DeviceId(9), &request).unwrap();
            if finished && page.rows.is_empty() {
                break;
            }
            seen.extend(page.rows.iter().map(|row| row.seq.0));
            request.cursor = Some(page.cursor);
        }
    });
    assert_eq!(seen, (1..=THREADS * EACH).collect::<Vec<_>>());
}
