//! Atomic batches.

use clarity_model::{Counter, Outcome, RejectReason};
use clarity_protocol::WireOperation;
use serde_json::json;

use crate::support::{Client, Server, assert_outcome};

fn in_batch(number: u64, operations: &mut [WireOperation]) {
    for operation in operations {
        operation.batch = Some(Counter(number));
    }
}

/// Shows that a batch with an operation that cannot be applied changes nothing, names the culprit,
/// leaves its neighbours alone, and gets the same answers again.
#[test]
fn all_or_nothing() {
    let (server, a) = (Server::new(), Client::new(1));
    let before = a.create(("Note", "before"), 0, json!({}));
    let mut batch = [
        a.create(("Note", "one"), 0, json!({})),
        a.update(("Note", "none"), 1, json!([{"field": "x", "new": 1}])),
        a.create(("Note", "two"), 0, json!({})),
    ];
    in_batch(2, &mut batch);
    let after = a.create(("Note", "after"), 0, json!({}));
    let [one, culprit, two] = batch;
    let operations = [before, one, culprit, two, after];
    let answers = a.push(&server, &operations);
    let outcomes: Vec<_> = answers.iter().map(|answer| answer.outcome).collect();
    use Outcome::{Applied, Blocked, Rejected};
    assert_eq!(outcomes, [Applied, Blocked, Rejected, Blocked, Applied]);
    assert_eq!(answers[1].blocked_by, Some(Counter(3)));
    assert_eq!(answers[3].blocked_by, Some(Counter(3)));
    let ids: Vec<_> = server.entities().iter().map(|entity| entity.key.to_string()).collect();
    assert_eq!(ids, ["Note/before", "Note/after"]);
    assert_eq!(server.entities()[1].seq.0, 2);
    let again = a.push(&server, &operations);
    for (first, again) in answers.iter().zip(&again) {
        assert_eq!((first.outcome, first.blocked_by), (again.outcome, again.blocked_by));
    }
}

/// Shows that a batch that succeeds takes neighbouring positions, and that its operations see each
/// other's effect.
#[test]
fn a_batch_is_one_change() {
    let (server, a) = (Server::new(), Client::new(1));
    let mut batch = [
        a.create(("Note", "one"), 0, json!({"count": 1})),
        a.create(("Note", "two"), 0, json!({})),
        a.update(("Note", "one"), 1, json!([{"field": "count", "old": 1, "new": 2}])),
    ];
    in_batch(1, &mut batch);
    let answers = a.push(&server, &batch);
    assert!(answers.iter().all(|answer| answer.outcome == Outcome::Applied));
    let seqs: Vec<_> =
        server.entities().iter().map(|entity| (entity.key.to_string(), entity.seq.0)).collect();
    assert_eq!(seqs, [("Note/two".to_owned(), 2), ("Note/one".to_owned(), 3)]);
    assert_eq!(json!(server.entity("Note", "one").unwrap().fields), json!({"count": 2}));
}

/// Shows that batches next to each other stand by themselves.
#[test]
fn neighbouring_batches() {
    let (server, a) = (Server::new(), Client::new(1));
    let mut good =
        [a.create(("Note", "one"), 0, json!({})), a.create(("Note", "two"), 0, json!({}))];
    in_batch(1, &mut good);
    let mut bad = [
        a.create(("Note", "three"), 0, json!({})),
        a.update(("Note", "none"), 1, json!([{"field": "x", "new": 1}])),
    ];
    in_batch(3, &mut bad);
    let operations: Vec<_> = good.into_iter().chain(bad).collect();
    a.push(&server, &operations);
    let ids: Vec<_> = server.entities().iter().map(|entity| entity.key.to_string()).collect();
    assert_eq!(ids, ["Note/one", "Note/two"]);
}

/// Shows that an operation of a batch which uses an id of the same batch again fails the batch.
#[test]
fn an_id_twice_in_a_batch() {
    let (server, a) = (Server::new(), Client::new(1));
    let mut batch =
        [a.create(("Note", "one"), 0, json!({})), a.create(("Note", "two"), 0, json!({}))];
    in_batch(1, &mut batch);
    batch[1].id = Counter(1);
    let answers = a.push(&server, &batch);
    assert_outcome(&answers[0], Outcome::Blocked, None);
    assert_outcome(&answers[1], Outcome::OpIdReused, None);
    assert!(server.entities().is_empty());
}

/// Shows that a batch whose entities would not fit into one page is rejected as too large.
#[test]
fn a_batch_fits_into_a_page() {
    let (server, a) = (Server::new(), Client::new(1));
    let large = "x".repeat(250 * 1024);
    for number in 0..17 {
        let id = format!("n{number}");
        a.push_one(&server, &a.create(("Note", &id), 0, json!({ "large": large })));
    }
    let mut batch: Vec<_> = (0..17)
        .map(|number| {
            let change = json!([{"field": "x", "new": 1}]);
            a.update(("Note", &format!("n{number}")), 1, change)
        })
        .collect();
    in_batch(18, &mut batch);
    let answers = a.push(&server, &batch);
    let last = answers.last().unwrap();
    assert_outcome(last, Outcome::Rejected, None);
    assert_eq!(last.rejection.as_ref().unwrap().code, RejectReason::TooLarge);
    assert!(server.entities().iter().all(|entity| entity.version.0 == 1));
}
