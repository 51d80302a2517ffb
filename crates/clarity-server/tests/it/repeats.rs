//! At most once: repeats, reused ids, marks and forgotten receipts.

use clarity_model::{Counter, Outcome};
use clarity_protocol::{PushRequest, WireOperation};
use serde_json::json;

use crate::support::{Client, Server, assert_outcome, told};

const NOTE: (&str, &str) = ("Note", "n1");

/// Shows that a repeated request changes nothing and gets the same outcomes and versions.
#[test]
fn a_repeat_gets_the_first_outcome() {
    let (server, a, b) = (Server::new(), Client::new(1), Client::new(2));
    let operations = [
        a.create(NOTE, 0, json!({"title": "t", "count": 1})),
        a.update(NOTE, 1, json!([{"field": "count", "old": 1, "new": 2}])),
        a.update(("Note", "none"), 1, json!([{"field": "count", "old": 1, "new": 2}])),
        a.delete(("Note", "none"), 0),
    ];
    let first = a.push(&server, &operations);
    let change = json!([{"field": "title", "old": "t", "new": "B"}]);
    b.push_one(&server, &b.update(NOTE, 2, change));
    let before = server.entities();
    let again = a.push(&server, &operations);
    assert_eq!(server.entities(), before);
    for (first, again) in first.iter().zip(&again) {
        assert_eq!((first.id, first.outcome), (again.id, again.outcome));
        assert_eq!((first.version, &first.rejection), (again.version, &again.rejection));
    }
    assert_eq!(told(&again[0]), json!({"title": "B", "count": 2}));
}

/// Shows that a conflict is answered the same way again, with its fields and the entity as it is.
#[test]
fn a_repeated_conflict() {
    let (server, a, b) = (Server::new(), Client::new(1), Client::new(2));
    a.push_one(&server, &a.create(NOTE, 0, json!({"title": "t"})));
    a.push_one(&server, &a.update(NOTE, 1, json!([{"field": "title", "old": "t", "new": "A"}])));
    let edit = b.update(NOTE, 1, json!([{"field": "title", "old": "t", "new": "B"}]));
    let first = b.push_one(&server, &edit);
    a.push_one(&server, &a.update(NOTE, 2, json!([{"field": "title", "old": "A", "new": "C"}])));
    let again = b.push_one(&server, &edit);
    assert_outcome(&again, Outcome::Conflict, Some(2));
    assert_eq!(again.fields, first.fields);
    assert_eq!(told(&again), json!({"title": "C"}));
}

/// Shows that a base which counts versions of another history decides nothing: a change is laid on
/// by its old value, a delete meets whatever is there, and the device is told what came of it. A
/// repeat gets the first outcome, whatever is said of its base.
#[test]
fn a_base_of_another_history() {
    let (server, a, b) = (Server::new(), Client::new(1), Client::new(2));
    b.push_one(&server, &b.create(NOTE, 0, json!({"count": 10, "title": "Walks"})));
    let count = a.update(NOTE, 1, json!([{"field": "count", "old": 5, "new": 7}]));
    let foreign = |operations: &[WireOperation]| {
        let foreign_bases = operations.iter().map(|operation| operation.id).collect();
        let request = PushRequest { foreign_bases, ..a.request(operations) };
        server.push(&request).unwrap().answers.remove(0)
    };
    let first = foreign(std::slice::from_ref(&count));
    assert_outcome(&first, Outcome::Merged, Some(2));
    assert_eq!(told(&first), json!({"count": 12, "title": "Walks"}));
    let again = a.push_one(&server, &count);
    assert_outcome(&again, Outcome::Merged, Some(2));
    assert_eq!(told(&again), told(&first));
    let same = a.update(NOTE, 2, json!([{"field": "title", "old": "Walks", "new": "Steps"}]));
    let same = foreign(&[same]);
    assert_outcome(&same, Outcome::Applied, Some(3));
    assert_eq!(told(&same), json!({"count": 12, "title": "Steps"}));
    assert_outcome(&foreign(&[a.delete(NOTE, 3)]), Outcome::Conflict, Some(3));
}

/// Shows that the same id with other bytes is refused and changes nothing, whoever carried it.
#[test]
fn a_reused_id() {
    let (server, a) = (Server::new(), Client::new(1));
    let mut carrier = a.create(NOTE, 0, json!({"title": "t"}));
    carrier.id = Counter(3);
    carrier.covers = vec![Counter(1), Counter(2)];
    a.next.set(4);
    assert_outcome(&a.push_one(&server, &carrier), Outcome::Applied, Some(1));
    let mut other = a.create(("Note", "n2"), 0, json!({}));
    for id in [1, 2, 3] {
        other.id = Counter(id);
        assert_outcome(&a.push_one(&server, &other), Outcome::OpIdReused, None);
    }
    other.id = Counter(9);
    other.covers = vec![Counter(5), Counter(2)];
    assert_outcome(&a.push_one(&server, &other), Outcome::OpIdReused, None);
    assert_eq!(server.entities().len(), 1);
    let covered: Vec<_> = server
        .receipts()
        .iter()
        .map(|receipt| (receipt.counter.0, receipt.covered_by.map(|id| id.0)))
        .collect();
    assert_eq!(covered, [(1, Some(3)), (2, Some(3)), (3, None)]);
}

/// Shows that one store's ids mean nothing to another store.
#[test]
fn ids_belong_to_their_store() {
    let (server, a, b) = (Server::new(), Client::new(1), Client::new(2));
    a.push_one(&server, &a.create(NOTE, 0, json!({"title": "t"})));
    let answer = b.push_one(&server, &b.create(("Note", "n2"), 0, json!({})));
    assert_outcome(&answer, Outcome::Applied, Some(1));
}

/// Shows that receipts below the mark are forgotten, that their ids are then never applied again,
/// and that a mark never goes back.
#[test]
fn below_the_mark() {
    let (server, mut a) = (Server::new(), Client::new(1));
    let first = a.create(NOTE, 0, json!({"count": 1}));
    let second = a.update(NOTE, 1, json!([{"field": "count", "old": 1, "new": 2}]));
    a.push(&server, &[first, second.clone()]);
    a.settled_below = Counter(3);
    let third = a.update(NOTE, 2, json!([{"field": "count", "old": 2, "new": 3}]));
    a.push_one(&server, &third);
    let left: Vec<_> = server.receipts().iter().map(|receipt| receipt.counter.0).collect();
    assert_eq!(left, [3]);
    a.settled_below = Counter(1);
    assert_outcome(&a.push_one(&server, &second), Outcome::Reidentify, None);
    let mut late = a.delete(NOTE, 3);
    late.covers = vec![Counter(2)];
    assert_outcome(&a.push_one(&server, &late), Outcome::Reidentify, None);
    assert_eq!(json!(server.entity("Note", "n1").unwrap().fields), json!({"count": 3}));
    assert_outcome(&a.push_one(&server, &third), Outcome::Applied, Some(3));
}
