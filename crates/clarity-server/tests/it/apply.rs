//! What each kind of operation does to each kind of entity.

use clarity_model::{Outcome, RejectReason, Version};
use clarity_protocol::FieldOutcome;
use serde_json::json;

use crate::support::{Client, Server, assert_outcome, raw_text, told};

const NOTE: (&str, &str) = ("Note", "n1");
const SAMPLE: (&str, &str) = ("Sample", "018f4c3e-2b7a-7c3d-9d2e-0123456789ab");
const PREFERENCE: (&str, &str) = ("Preference", "units");

/// Shows that a create makes version 1, is not told back, and stores every kind of JSON value.
#[test]
fn create_on_nothing() {
    let (server, a) = (Server::new(), Client::new(1));
    let fields = json!({"title": "ä\u{0}\n", "x": null, "n": [1, 1.0, -0.0, 1e300, u64::MAX]});
    let answer = a.push_one(&server, &a.create(NOTE, 0, fields.clone()));
    assert_outcome(&answer, Outcome::Applied, Some(1));
    assert!(answer.entity.is_none());
    let stored = server.entity("Note", "n1").unwrap();
    assert_eq!(json!(stored.fields).to_string(), fields.to_string());
    assert_eq!((stored.version, stored.deleted), (Version(1), false));
}

/// Shows that the same sample made on two devices is one entity and makes no second version.
#[test]
fn create_of_what_exists_with_equal_fields() {
    let (server, a, b) = (Server::new(), Client::new(1), Client::new(2));
    a.push_one(&server, &a.create(SAMPLE, 0, json!({"value": 61, "unit": "bpm"})));
    let answer = b.push_one(&server, &b.create(SAMPLE, 0, json!({"unit": "bpm", "value": 61})));
    assert_outcome(&answer, Outcome::Applied, Some(1));
    assert_eq!(told(&answer), json!({"value": 61, "unit": "bpm"}));
    assert_eq!(server.entities().len(), 1);
    assert_eq!(server.entities()[0].seq.0, 1);
}

/// Shows that a create which meets other fields merges each by its rule and keeps the server's own.
#[test]
fn create_of_what_exists_with_other_fields() {
    let (server, a, b) = (Server::new(), Client::new(1), Client::new(2));
    a.push_one(&server, &a.create(NOTE, 0, json!({"tags": ["x"], "client": 1, "server": 1})));
    let create = b.create(NOTE, 0, json!({"tags": ["y"], "client": 2, "server": 2, "new": true}));
    let answer = b.push_one(&server, &create);
    assert_outcome(&answer, Outcome::Superseded, Some(2));
    assert_eq!(told(&answer), json!({"tags": ["x", "y"], "client": 2, "server": 1, "new": true}));
    assert_eq!(answer.fields["tags"], FieldOutcome::Merged);
    assert_eq!(answer.fields["server"], FieldOutcome::Superseded);
    assert!(!answer.fields.contains_key("client"));
}

/// Shows that a create which knew of the deletion undoes it, and that its fields start anew.
#[test]
fn create_on_known_deletion_undeletes() {
    let (server, a) = (Server::new(), Client::new(1));
    a.push_one(&server, &a.create(NOTE, 0, json!({"title": "one", "other": 1})));
    let answer = a.push_one(&server, &a.delete(NOTE, 1));
    assert_outcome(&answer, Outcome::Applied, Some(2));
    let answer = a.push_one(&server, &a.create(NOTE, 2, json!({"title": "two"})));
    assert_outcome(&answer, Outcome::Applied, Some(3));
    assert!(answer.entity.is_none());
    assert_eq!(json!(server.entity("Note", "n1").unwrap().fields), json!({"title": "two"}));
}

/// Shows what a create that did not know of the deletion meets, for each rule of the type.
#[test]
fn create_on_unknown_deletion() {
    let (server, a, b) = (Server::new(), Client::new(1), Client::new(2));
    for key in [NOTE, SAMPLE, PREFERENCE] {
        a.push_one(&server, &a.create(key, 0, json!({"x": 1})));
        a.push_one(&server, &a.delete(key, 1));
    }
    let answer = b.push_one(&server, &b.create(NOTE, 0, json!({"x": 2})));
    assert_outcome(&answer, Outcome::Conflict, Some(2));
    assert_eq!(told(&answer), json!(null));
    let answer = b.push_one(&server, &b.create(SAMPLE, 0, json!({"x": 2})));
    assert_outcome(&answer, Outcome::Superseded, Some(2));
    assert_eq!(told(&answer), json!(null));
    let answer = b.push_one(&server, &b.create(PREFERENCE, 0, json!({"x": 2})));
    assert_outcome(&answer, Outcome::Applied, Some(3));
    assert_eq!(told(&answer), json!({"x": 2}));
    let alive: Vec<bool> = server.entities().iter().map(|entity| !entity.deleted).collect();
    assert_eq!(alive, [false, false, true]);
}

/// Shows that an update on its own base takes effect as written and is not told back.
#[test]
fn update_on_its_base() {
    let (server, a) = (Server::new(), Client::new(1));
    a.push_one(&server, &a.create(NOTE, 0, json!({"title": "one", "gone": 1})));
    let changes = json!([{"field": "title", "old": "one", "new": "two"},
                         {"field": "gone", "old": 1}]);
    let answer = a.push_one(&server, &a.update(NOTE, 1, changes));
    assert_outcome(&answer, Outcome::Applied, Some(2));
    assert!(answer.entity.is_none());
    assert_eq!(json!(server.entity("Note", "n1").unwrap().fields), json!({"title": "two"}));
}

/// Shows that edits of different fields from one base both stand, without a conflict.
#[test]
fn updates_of_different_fields() {
    let (server, a, b) = (Server::new(), Client::new(1), Client::new(2));
    a.push_one(&server, &a.create(NOTE, 0, json!({"title": "t", "at": 1})));
    let change = json!([{"field": "title", "old": "t", "new": "T"}]);
    a.push_one(&server, &a.update(NOTE, 1, change));
    let change = json!([{"field": "at", "old": 1, "new": 2}]);
    let answer = b.push_one(&server, &b.update(NOTE, 1, change));
    assert_outcome(&answer, Outcome::Applied, Some(3));
    assert_eq!(told(&answer), json!({"title": "T", "at": 2}));
}

/// Shows each field rule when both sides changed the field: value, outcome of field and operation.
#[test]
fn updates_of_one_field_by_rule() {
    use FieldOutcome::{Merged, Superseded};
    let rows = [
        (
            "text",
            json!("a\nb\nc"),
            json!("A\nb\nc"),
            json!("a\nb\nC"),
            json!("A\nb\nC"),
            Some(Merged),
        ),
        ("tags", json!(["x"]), json!(["x", "y"]), json!(["z"]), json!(["y", "z"]), Some(Merged)),
        ("count", json!(5), json!(6), json!(15), json!(16), Some(Merged)),
        ("best", json!(5), json!(7), json!(9), json!(9), None),
        ("best", json!(5), json!(9), json!(7), json!(9), Some(Superseded)),
        ("least", json!(5), json!(4), json!(3), json!(3), None),
        ("last", json!(1), json!(2), json!(3), json!(3), None),
        ("lines", json!([1]), json!([1, 2]), json!([1, 3]), json!([1, 2, 3]), Some(Merged)),
        ("server", json!(1), json!(2), json!(3), json!(2), Some(Superseded)),
        ("client", json!(1), json!(2), json!(3), json!(3), None),
        ("title", json!("same"), json!("new"), json!("new"), json!("new"), None),
    ];
    for (field, base, first, second, result, expected) in rows {
        let (server, a, b) = (Server::new(), Client::new(1), Client::new(2));
        a.push_one(&server, &a.create(NOTE, 0, json!({ field: base })));
        let first = json!([{"field": field, "old": base, "new": first}]);
        a.push_one(&server, &a.update(NOTE, 1, first));
        let second = json!([{"field": field, "old": base, "new": second}]);
        let answer = b.push_one(&server, &b.update(NOTE, 1, second));
        let outcome = match expected {
            None => Outcome::Applied,
            Some(Merged) => Outcome::Merged,
            Some(_) => Outcome::Superseded,
        };
        assert_eq!(answer.outcome, outcome, "{field}");
        assert_eq!(answer.fields.get(field).copied(), expected, "{field}");
        assert_eq!(told(&answer), json!({ field: result }), "{field}");
        let moved = server.entity("Note", "n1").unwrap().version;
        assert_eq!(answer.version, Some(moved), "{field}");
    }
}

/// Shows that one manual field holds back the whole operation and changes nothing.
#[test]
fn conflict_holds_back_the_whole_operation() {
    let (server, a, b) = (Server::new(), Client::new(1), Client::new(2));
    a.push_one(&server, &a.create(NOTE, 0, json!({"title": "t", "count": 1})));
    let change = json!([{"field": "title", "old": "t", "new": "A"}]);
    a.push_one(&server, &a.update(NOTE, 1, change));
    let changes = json!([{"field": "count", "old": 1, "new": 2},
                         {"field": "title", "old": "t", "new": "B"}]);
    let answer = b.push_one(&server, &b.update(NOTE, 1, changes));
    assert_outcome(&answer, Outcome::Conflict, Some(2));
    assert_eq!(told(&answer), json!({"title": "A", "count": 1}));
    assert_eq!(answer.fields.len(), 1);
    assert_eq!(answer.fields["title"], FieldOutcome::Conflict);
    assert_eq!(server.entity("Note", "n1").unwrap().version, Version(2));
}

/// Shows that a difference applies directly to a field nobody touched since the base, although the
/// entity moved on.
#[test]
fn field_versions_tell_what_was_touched() {
    let (server, a, b) = (Server::new(), Client::new(1), Client::new(2));
    a.push_one(&server, &a.create(NOTE, 0, json!({"title": "t", "at": 1})));
    for (version, at) in [(1, 1), (2, 2), (3, 3)] {
        let change = json!([{"field": "at", "old": at, "new": at + 1}]);
        a.push_one(&server, &a.update(NOTE, version, change));
    }
    let title = json!([{"field": "title", "old": "t", "new": "B"}]);
    let answer = b.push_one(&server, &b.update(NOTE, 1, title));
    assert_outcome(&answer, Outcome::Applied, Some(5));
    let at = json!([{"field": "at", "old": 1, "new": 9}]);
    let answer = b.push_one(&server, &b.update(NOTE, 1, at));
    assert_outcome(&answer, Outcome::Conflict, Some(5));
    let at = json!([{"field": "at", "old": 4, "new": 9}]);
    let answer = b.push_one(&server, &b.update(NOTE, 4, at));
    assert_outcome(&answer, Outcome::Applied, Some(6));
}

/// Shows that a field which was removed since the base counts as touched.
#[test]
fn removed_fields_are_touched() {
    let (server, a, b) = (Server::new(), Client::new(1), Client::new(2));
    a.push_one(&server, &a.create(NOTE, 0, json!({"title": "t"})));
    a.push_one(&server, &a.update(NOTE, 1, json!([{"field": "title", "old": "t"}])));
    let change = json!([{"field": "title", "old": "t", "new": "B"}]);
    let answer = b.push_one(&server, &b.update(NOTE, 1, change));
    assert_outcome(&answer, Outcome::Conflict, Some(2));
    assert_eq!(told(&answer), json!({}));
}

/// Shows that changes of nothing make no version, and are told only when the base is old.
#[test]
fn updates_without_effect() {
    let (server, a, b) = (Server::new(), Client::new(1), Client::new(2));
    a.push_one(&server, &a.create(NOTE, 0, json!({"title": "t"})));
    let same = json!([{"field": "title", "old": "t", "new": "t"}]);
    let answer = a.push_one(&server, &a.update(NOTE, 1, same));
    assert_outcome(&answer, Outcome::Applied, Some(1));
    assert!(answer.entity.is_none());
    let answer = b.push_one(&server, &b.update(NOTE, 0, json!([])));
    assert_outcome(&answer, Outcome::Applied, Some(1));
    assert_eq!(told(&answer), json!({"title": "t"}));
    let answer = b.push_one(&server, &b.update(("Note", "none"), 0, json!([])));
    assert_outcome(&answer, Outcome::Applied, None);
    assert_eq!(server.pull(&b.pull_request()).unwrap().head.0, 1);
}

/// Shows that an update of nothing is rejected in words, and its neighbours are not.
#[test]
fn update_on_nothing() {
    let (server, a) = (Server::new(), Client::new(1));
    let change = json!([{"field": "title", "new": "t"}]);
    let update = a.update(("Note", "none"), 3, change);
    let create = a.create(NOTE, 0, json!({"title": "t"}));
    let answers = a.push(&server, &[update, create]);
    assert_outcome(&answers[0], Outcome::Rejected, None);
    assert_eq!(answers[0].rejection.as_ref().unwrap().code, RejectReason::NotFound);
    assert_outcome(&answers[1], Outcome::Applied, Some(1));
}

/// Shows what an update meets on a deleted entity, for each rule of the type.
#[test]
fn update_on_deletion() {
    let (server, a, b) = (Server::new(), Client::new(1), Client::new(2));
    for key in [NOTE, SAMPLE, PREFERENCE] {
        a.push_one(&server, &a.create(key, 0, json!({"x": 1, "y": 1})));
        a.push_one(&server, &a.delete(key, 1));
    }
    let change = json!([{"field": "x", "old": 1, "new": 2}]);
    let answer = b.push_one(&server, &b.update(NOTE, 1, change.clone()));
    assert_outcome(&answer, Outcome::Conflict, Some(2));
    let answer = b.push_one(&server, &b.update(SAMPLE, 1, change.clone()));
    assert_outcome(&answer, Outcome::Superseded, Some(2));
    let answer = b.push_one(&server, &b.update(PREFERENCE, 1, change));
    assert_outcome(&answer, Outcome::Applied, Some(3));
    assert_eq!(told(&answer), json!({"x": 2, "y": 1}));
}

/// Shows that a delete of what is not there is applied and makes no version.
#[test]
fn delete_on_nothing_and_on_deletion() {
    let (server, a) = (Server::new(), Client::new(1));
    let answer = a.push_one(&server, &a.delete(NOTE, 0));
    assert_outcome(&answer, Outcome::Applied, None);
    a.push_one(&server, &a.create(NOTE, 0, json!({})));
    a.push_one(&server, &a.delete(NOTE, 1));
    let answer = a.push_one(&server, &a.delete(NOTE, 1));
    assert_outcome(&answer, Outcome::Applied, Some(2));
    assert_eq!(told(&answer), json!(null));
}

/// Shows what a delete that had not seen an edit meets, for each rule of the type.
#[test]
fn delete_against_an_edit() {
    let (server, a, b) = (Server::new(), Client::new(1), Client::new(2));
    for key in [NOTE, SAMPLE, PREFERENCE] {
        a.push_one(&server, &a.create(key, 0, json!({"x": 1})));
        let change = json!([{"field": "x", "old": 1, "new": 2}]);
        a.push_one(&server, &a.update(key, 1, change));
    }
    let answer = b.push_one(&server, &b.delete(NOTE, 1));
    assert_outcome(&answer, Outcome::Conflict, Some(2));
    assert_eq!(told(&answer), json!({"x": 2}));
    let answer = b.push_one(&server, &b.delete(SAMPLE, 1));
    assert_outcome(&answer, Outcome::Applied, Some(3));
    assert_eq!(told(&answer), json!(null));
    let answer = b.push_one(&server, &b.delete(PREFERENCE, 1));
    assert_outcome(&answer, Outcome::Superseded, Some(2));
    assert_eq!(told(&answer), json!({"x": 2}));
}

/// Shows that types and fields which no schema names are kept and merge as `manual`.
#[test]
fn unknown_types_and_fields() {
    let (server, a, b) = (Server::new(), Client::new(1), Client::new(2));
    let key = ("FromTheFuture", "x");
    a.push_one(&server, &a.create(key, 0, json!({"f": {"deep": [1]}})));
    a.push_one(&server, &a.update(key, 1, json!([{"field": "f", "old": 1, "new": 2}])));
    let answer = b.push_one(&server, &b.update(key, 1, json!([{"field": "f", "new": 3}])));
    assert_outcome(&answer, Outcome::Conflict, Some(2));
}

/// Shows that an entity which two edits together make too large is rejected, and stays as it was.
#[test]
fn too_large_after_the_merge() {
    let (server, a) = (Server::new(), Client::new(1));
    let half = "x".repeat(140 * 1024);
    a.push_one(&server, &a.create(NOTE, 0, json!({ "a": half })));
    let change = json!([{"field": "b", "new": half}]);
    let answer = a.push_one(&server, &a.update(NOTE, 1, change));
    assert_outcome(&answer, Outcome::Rejected, None);
    assert_eq!(answer.rejection.as_ref().unwrap().code, RejectReason::TooLarge);
    assert_eq!(server.entity("Note", "n1").unwrap().version, Version(1));
}

/// Shows that an operation which cannot be read is rejected by itself, also when not even its
/// counter can be read.
#[test]
fn unreadable_operations() {
    let (server, a) = (Server::new(), Client::new(1));
    let good = crate::support::raw(&a.create(NOTE, 0, json!({})));
    let deep = format!(
        r#"{{"counter":7,"kind":"create","type":"Note","id":"n","base":0,"fields":{{"a":{}1{}}}}}"#,
        "[".repeat(200),
        "]".repeat(200)
    );
    let huge = r#"{"counter":18446744073709551615,"kind":"delete","type":"Note","id":"n","schema":1,"at":1}"#;
    let request = a.raw_request(vec![raw_text("[1,2]"), raw_text(&deep), raw_text(huge), good]);
    let answers = server.push(&request).unwrap().answers;
    let outcomes: Vec<_> = answers.iter().map(|answer| (answer.id.0, answer.outcome)).collect();
    assert_eq!(
        outcomes,
        [
            (0, Outcome::Rejected),
            (7, Outcome::Rejected),
            (0, Outcome::Rejected),
            (1, Outcome::Applied)
        ]
    );
}
